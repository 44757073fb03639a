//! Promises on the running daemon, whose clocks are of seconds here: kept, broken, moved by another calendar, cut short by kill -9, and
//! each told once.

use crate::desk::{CUSTOMERS, RULES, maildirs, subject};
use crate::reload::Desk;
use crate::support::mail::{MailText, header, text};
use crate::support::wait::{LIMIT, wait_until};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const ANA: &str = "ana@acme.example";
const BEN: &str = "ben@acme.example";
const CARLA: &str = "carla@acme.example";
const MARY: &str = "mary@shop.example";
/// In no file.
const EVE: &str = "eve@elsewhere.example";

/// A policy that wins over those of the desk's rules, for who is in no tier but the lowest.
const BASIC: &str = "[[sla]]\ntier = \"basic\"\n";

/// The usual desk with these lines of `[desk]`, and these at its end.
async fn desk(keys: &str, extra: &str) -> Desk {
    Desk::start(&config(keys, extra), CUSTOMERS).await
}

fn config(keys: &str, extra: &str) -> String {
    maildirs(extra).replacen("[desk]\n", &format!("[desk]\n{keys}"), 1)
}

impl Desk {
    /// How many mails somebody got whose subject begins so. One that was sent when the daemon was killed may come again, as the same.
    fn titled(&self, to: &str, start: &str) -> usize {
        let mails = self.sent_to(to).into_iter().filter(|mail| subject(mail).starts_with(start));
        mails.map(|mail| header(&mail, "Message-ID")).collect::<BTreeSet<_>>().len()
    }

    async fn titled_when(&self, to: &str, start: &str, count: usize) {
        wait_until(&format!("{count} mails to {to}: {start}"), LIMIT, async || (self.titled(to, start) >= count).then_some(())).await;
    }

    /// A further matter goes all the way: whatever the daemon had to say before is said.
    async fn fence(&self, number: u64) {
        self.write(number, "fence@elsewhere.example", "The last.").await;
        self.mail_with("fence@elsewhere.example", &format!("[#{number}]")).await;
    }

    /// What had been begun when the daemon was killed rests for half a minute: ops need not wait for that.
    async fn retry_all(&self) {
        wait_until("an empty outbox", LIMIT, async || {
            let waiting = self.daemon.json_lines(&["outbox", "list"]).await;
            for mail in &waiting {
                self.daemon.cli(&["outbox", "retry", mail["id"].as_str().unwrap()]).await;
            }
            waiting.is_empty().then_some(())
        })
        .await;
    }

    async fn verify(&self) {
        let report = self.daemon.json(&["verify"]).await;
        assert_eq!(report["ok"], true, "{report}");
    }

    /// What `guichet ticket N` tells to people.
    async fn told(&self, number: u64) -> String {
        String::from_utf8(self.daemon.cli(&["ticket", &number.to_string()]).await.stdout).unwrap()
    }

    /// Reads this configuration anew.
    async fn hangup(&self, config: &str, times: usize) {
        self.daemon.write("guichet.toml", config);
        self.daemon.signal("HUP");
        self.logged("configuration read anew", times).await;
    }
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// The clock of this kind; null if there is none.
fn clock<'a>(ticket: &'a Value, kind: &str) -> &'a Value {
    ticket["clocks"].as_array().unwrap().iter().find(|clock| clock["kind"] == kind).unwrap_or(&Value::Null)
}

fn due(ticket: &Value, kind: &str) -> Timestamp {
    time(&clock(ticket, kind)["due"])
}

/// The lines of the history that tell of this, without those that end otherwise.
fn lines(ticket: &Value, what: &str) -> usize {
    ticket["history"].as_array().unwrap().iter().filter(|line| line["what"] == what).count()
}

fn has_line(ticket: &Value, what: &str) -> bool {
    lines(ticket, what) > 0
}

/// The chosen moment, or now if it is past.
async fn moment(at: Timestamp) {
    let rest = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
    let _ = tokio::time::timeout(rest, std::future::pending::<()>()).await;
}

#[tokio::test]
async fn p5_a_promise_is_reminded_of_and_kept_or_broken_each_told_once() {
    let desk = desk("promise_reminders = [\"8s\", \"1s\"]\n", "").await;
    let mut briefs = Vec::new();
    for (number, from) in [(1, MARY), (2, EVE)] {
        desk.write(number, from, "When?").await;
        briefs.push(desk.mail_with(ANA, &format!("#{number}")).await);
    }
    // With its seconds, as a program writes it; by the wall of the team, which is at UTC.
    let until = (Timestamp::now() + 12.seconds()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    for brief in &briefs {
        desk.answer(ANA, brief, &format!("#promise {until}\n\nBy then."));
    }
    for number in [1, 2] {
        let ticket = desk.ticket_when(number, |ticket| has_line(ticket, "promise")).await;
        assert_eq!(clock(&ticket, "promise")["state"], "running", "what gives it does not keep it: {ticket}");
        assert_eq!(due(&ticket, "promise").strftime("%Y-%m-%d %H:%M:%S").to_string(), until);
    }
    desk.titled_when(ANA, "[#2] Promised", 1).await;
    desk.answer(ANA, &briefs[1], "Here it is.");
    let kept = desk.ticket_when(2, |ticket| has_line(ticket, "promise met")).await;
    assert!(clock(&kept, "promise_reminder").is_null(), "{kept}");

    desk.titled_when(CARLA, "[#1] Overdue (promise)", 1).await;
    desk.fence(3).await;
    for (number, to, start, expect, why) in [
        (1, ANA, "Promised", 2, "both steps of the ladder"),
        (1, BEN, "Promised", 0, "it is hers"),
        (1, ANA, "Due soon", 1, "the clock's own warning"),
        (1, BEN, "Due soon", 1, "of which the team hears"),
        (1, CARLA, "Overdue", 1, "broken"),
        (2, ANA, "Promised", 1, "kept before the second"),
        (2, ANA, "Due soon", 0, "kept"),
        (2, CARLA, "Overdue", 0, "kept"),
    ] {
        assert_eq!(desk.titled(to, &format!("[#{number}] {start}")), expect, "{to}, #{number} {start}: {why}");
    }
    let broken = desk.ticket_when(1, |_| true).await;
    assert_eq!((lines(&broken, "promise breached"), lines(&broken, "promise met")), (1, 0), "{broken}");
    desk.verify().await;
}

#[tokio::test]
async fn p5_p10_another_calendar_moves_what_is_due_and_doubles_no_notice() {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let closed: Vec<String> = (-1..=2_i64).map(|days| format!("\"{}\"", today + days.days())).collect();
    let with = |closed: &str| {
        let calendar =
            format!("[[calendar]]\nname = \"office\"\ntime_zone = \"UTC\"\nopen = [\"daily 00:00-24:00\"]\nclosed = [{closed}]\n");
        let slas = format!("{BASIC}first_response = \"1000s\"\nwarn_at = 0.001\nresolution = \"3d\"\n{calendar}");
        let rules = RULES.replacen("calendar = \"always\"", "calendar = \"office\"", 1);
        let rules = rules.replacen("first_response = \"1h\"\n", "first_response = \"2s\"\n", 1);
        maildirs(&slas).replace(RULES, &rules)
    };
    let (open, holidays) = (with(""), with(&closed.join(", ")));
    let mut desk = Desk::start(&open, CUSTOMERS).await;
    let ticket = desk.write(1, MARY, "One.").await;
    let first = due(&ticket, "first_response");
    assert_eq!(first, time(&ticket["opened"]) + 1000.seconds());
    for agent in [ANA, BEN] {
        desk.titled_when(agent, "[#1] Due soon", 1).await;
    }

    desk.hangup(&holidays, 1).await;
    let moved = (today + 3.days()).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp() + 1000.seconds();
    let ticket = desk.ticket_when(1, |ticket| due(ticket, "first_response") != first).await;
    assert_eq!((due(&ticket, "first_response"), &clock(&ticket, "first_response")["state"]), (moved, &"warned".into()), "{ticket}");
    let told = desk.told(1).await;
    assert!(told.contains(&format!("first_response due {moved} (the calendar office has changed; it was due {first})")), "P9: {told}");
    let ticket = desk.write(2, "joao@padaria.example", "Two.").await;
    assert!(due(&ticket, "first_response") < moved && due(&ticket, "first_response") > first, "when it opens: {ticket}");

    desk.hangup(&open, 2).await;
    let ticket = desk.ticket_when(1, |ticket| due(ticket, "first_response") != moved).await;
    assert_eq!(due(&ticket, "first_response"), first, "P10: from the same log, to the millisecond");
    desk.titled_when(CARLA, "[#2] Overdue", 1).await;

    // What changes while nothing runs is the same.
    desk.daemon.kill9();
    desk.daemon.write("guichet.toml", &holidays);
    desk.daemon.run().await;
    desk.retry_all().await;
    desk.ticket_when(1, |ticket| due(ticket, "first_response") == moved).await;
    desk.hangup(&open, 3).await;
    let ticket = desk.ticket_when(1, |ticket| due(ticket, "first_response") == first).await;
    assert_eq!(lines(&ticket, "first_response warned"), 1, "{ticket}");
    desk.fence(3).await;
    for (number, to, start, expect, why) in [
        (1, ANA, "Due soon", 1, "over four calendars"),
        (1, BEN, "Due soon", 1, "the same"),
        (1, CARLA, "Overdue", 0, "not yet"),
        (2, ANA, "Due soon", 1, "with the breach, since it was due long ago"),
        (2, CARLA, "Overdue", 1, "once it was open all the time"),
    ] {
        assert_eq!(desk.titled(to, &format!("[#{number}] {start}")), expect, "{to}, #{number} {start}: {why}");
    }
    desk.verify().await;
}

/// Matters whose clocks are due within the same milliseconds.
const MATTERS: u64 = 3;

#[tokio::test]
async fn p5_kill_9_in_the_second_in_which_a_clock_is_due_tells_of_it_once() {
    let config = maildirs(&format!("{BASIC}first_response = \"4s\"\nwarn_at = 0.5\nescalate = [\"1s boss@acme.example\"]\n"));
    let offsets = [-100, -40, -10, 0, 4, 8, 15, 30, 100];
    let mut desks = join_all(offsets.map(|_| Desk::start(&config, CUSTOMERS))).await;
    join_all(desks.iter_mut().zip(offsets).map(|(desk, offset)| killed_when_due(desk, offset))).await;
}

/// At this many milliseconds after its warning, and again after its end.
async fn killed_when_due(desk: &mut Desk, offset: i64) {
    for number in 1..MATTERS {
        desk.put(&MailText::new(&format!("c{number}@elsewhere.example"), "support@acme.example"));
    }
    let ticket = desk.write(MATTERS, EVE, "Hello?").await;
    let due = due(&ticket, "first_response");
    for at in [due - 2.seconds(), due] {
        moment(at + SignedDuration::from_millis(offset)).await;
        desk.daemon.kill9();
        desk.daemon.run().await;
    }
    for number in 1..=MATTERS {
        // It comes last of all.
        desk.ticket_when(number, |ticket| has_line(ticket, "escalation elapsed")).await;
    }
    desk.retry_all().await;
    desk.fence(MATTERS + 1).await;
    for number in 1..=MATTERS {
        let ticket = desk.ticket_when(number, |_| true).await;
        for (to, start, why) in [
            (ANA, "Due soon", "at its warning, or with the breach if it was down meanwhile"),
            (BEN, "Due soon", "the same"),
            (CARLA, "Overdue", "at its end"),
            ("boss@acme.example", "Still unanswered", "a second later"),
        ] {
            assert_eq!(desk.titled(to, &format!("[#{number}] {start}")), 1, "{offset} ms: {to}, #{number} {start}: {why}: {ticket}");
        }
        assert_eq!(lines(&ticket, "first_response breached"), 1, "{offset} ms: {ticket}");
        assert!(lines(&ticket, "first_response warned") <= 1, "{offset} ms: {ticket}");
    }
    desk.verify().await;
}

#[tokio::test]
async fn p5_a_reopened_ticket_with_a_higher_priority_has_its_clocks_anew_and_tells_once() {
    let again = "[[sla]]\npriority = \"critical\"\nnext_response = \"4s\"\nresolution = \"8s\"\nwarn_at = 0.5\n\
        [[rule]]\nname = \"again\"\nwhen = { reopened = true }\nthen = { priority = \"critical\" }\n";
    let desk = desk("", again).await;
    let ticket = desk.write(1, MARY, "It is broken.").await;
    assert_eq!((ticket["priority"].as_str(), due(&ticket, "resolution")), (Some("low"), time(&ticket["opened"]) + 72.hours()));
    let brief = desk.mail_with(ANA, "#1").await;
    desk.answer(ANA, &brief, "#solve\n\nIt is mended.");
    let answer = desk.mail_with(MARY, "It is mended.").await;
    let solved = desk.ticket_when(1, |ticket| ticket["status"] == "solved").await;
    assert_eq!((&clock(&solved, "resolution")["state"], lines(&solved, "resolution met")), (&"met".into(), 1), "{solved}");

    desk.answer(MARY, &answer, "It is broken once more.");
    let open = desk.ticket_when(1, |ticket| ticket["status"] == "open").await;
    assert_eq!((open["priority"].as_str(), lines(&open, "priority critical")), (Some("critical"), 1), "{open}");
    let again = time(&clock(&open, "next_response")["log"][0]["at"]);
    assert_eq!(due(&open, "next_response"), again + 4.seconds(), "{open}");
    assert_eq!(due(&open, "resolution"), again + 8.seconds(), "{open}");

    desk.titled_when(CARLA, "[#1] Overdue (resolution", 1).await;
    desk.fence(2).await;
    for (to, start, expect, why) in [
        (ANA, "Due soon (next response", 1, "hers"),
        (BEN, "Due soon (next response", 1, "and her team's"),
        (CARLA, "Overdue (next response", 1, "nobody answered"),
        (ANA, "Due soon (resolution", 1, "the one of before was met"),
        (BEN, "Due soon (resolution", 1, "the same"),
        (CARLA, "Overdue (resolution", 1, "of the second time"),
        (CARLA, "", 2, "and nothing else"),
    ] {
        let start = format!("[#1] {start}");
        assert_eq!(desk.titled(to, start.trim_end()), expect, "{to}, {start}: {why}");
    }
    let heard = desk.sent_to(ANA).iter().filter(|mail| text(mail).contains("broken once more")).count();
    assert_eq!(heard, 1, "she reads it once, with its new priority");
    desk.verify().await;
}

#[tokio::test]
async fn p5_a_snooze_ends_when_it_was_to_end_also_while_nothing_ran() {
    let mut desk = desk("", "").await;
    for (number, order) in [(1, "#snooze 3s"), (2, "#snooze 6s")] {
        let before = desk.write(number, MARY, "Hello?").await;
        let brief = desk.mail_with(ANA, &format!("#{number}")).await;
        desk.answer(ANA, &brief, &format!("#assign me\n{order}\n"));
        let asleep = desk.ticket_when(number, |ticket| has_line(ticket, "status snoozed")).await;
        let until = due(&asleep, "snooze");
        if number == 2 {
            desk.daemon.kill9();
            moment(until + 200.milliseconds()).await;
            desk.daemon.run().await;
            desk.retry_all().await;
        }
        desk.titled_when(ANA, &format!("[#{number}] Nothing moves"), 1).await;
        let awake = desk.ticket_when(number, |ticket| ticket["status"] == "open" || ticket["status"] == "new").await;
        assert_eq!(lines(&awake, "snooze elapsed"), 1, "{awake}");
        assert!(clock(&awake, "snooze").is_null(), "{awake}");
        let log = clock(&awake, "resolution")["log"].as_array().unwrap();
        let stood: Vec<Timestamp> = log.iter().filter(|line| line["event"] != "armed").map(|line| time(&line["at"])).collect();
        assert_eq!((stood.len(), stood[1]), (2, until), "paused, and resumed when it was to end: {log:?}");
        let still = stood[1].duration_since(stood[0]);
        let later = due(&awake, "resolution").duration_since(due(&before, "resolution"));
        assert!((later - still).abs() <= SignedDuration::from_secs(1), "P10: later by what it stood still: {later} and {still}");
        assert_eq!(due(&awake, "first_response"), due(&before, "first_response"), "the answer stays owed");
    }
    desk.fence(3).await;
    for number in [1, 2] {
        assert_eq!(desk.titled(ANA, &format!("[#{number}] Nothing moves")), 1, "#{number}");
        assert_eq!(desk.titled(BEN, &format!("[#{number}] Nothing moves")), 0, "#{number} is hers");
    }
    desk.verify().await;
}

#[tokio::test]
async fn p5_who_is_waited_for_is_asked_again_so_often_and_then_it_closes() {
    let mut desk = desk("nudge_after = \"3s\"\nnudges_max = 2\nclose_pending_after = \"10s\"\n", "").await;
    for (number, from) in [(1, MARY), (2, EVE)] {
        desk.write(number, from, "It does not work.").await;
        let brief = desk.mail_with(ANA, &format!("#{number}")).await;
        desk.answer(ANA, &brief, "#pending\n\nWhich version?");
    }
    let nudges =
        |desk: &Desk, to| desk.sent_to(to).into_iter().filter(|mail| text(mail).contains("have not heard from you")).collect::<Vec<_>>();
    let eve = desk.mail_with(EVE, "have not heard from you").await;
    desk.answer(EVE, &eve, "Version 7.");
    let open = desk.ticket_when(2, |ticket| ticket["status"] == "open").await;
    assert!(clock(&open, "nudge").is_null() && clock(&open, "auto_close").is_null(), "she has answered: {open}");
    desk.daemon.kill9();
    desk.daemon.run().await;
    desk.retry_all().await;
    let closed = desk.ticket_when(1, |ticket| ticket["status"] == "closed").await;
    let closing = closed["history"].as_array().unwrap().iter().filter(|line| line["what"] == "status closed").collect::<Vec<_>>();
    assert_eq!((closing.len(), &closing[0]["why"]), (1, &"its customer did not answer".into()), "{closed}");
    desk.fence(3).await;
    assert_eq!((nudges(&desk, MARY).len(), nudges(&desk, EVE).len()), (2, 1));
    assert!(text(&nudges(&desk, MARY)[0]).contains("we will close it"), "she is told when");
    assert_eq!(desk.ticket_when(2, |_| true).await["status"], "open");
    desk.verify().await;
}
