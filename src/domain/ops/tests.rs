use super::*;
use crate::domain::bounce::{Bounce, News, Told};
use crate::domain::message::{Inbound, Machine};
use crate::domain::policy::Mailbox;
use crate::domain::testing::{World, address, mail, policy as base};

/// A desk whose ops are two and that watches two mailboxes.
fn policy() -> Policy {
    let mut policy = base();
    policy.desk.ops = vec![address("ops@acme.example"), address("night@acme.example")];
    let billing = Mailbox { name: "billing".to_owned(), address: address("billing@acme.example"), ..policy.mailboxes[0].clone() };
    policy.mailboxes.push(billing);
    policy
}

/// A desk that is looked at from time to time, and what it said, a line a mail to the first of its ops.
struct Desk {
    policy: Policy,
    state: DeskState,
    now: Timestamp,
    mailboxes: Vec<MailboxFacts>,
    quarantine: DigestFacts,
    said: Vec<String>,
    mails: Vec<Outbound>,
}

impl Desk {
    /// Monday, 09:00 in UTC, an hour after the report; both mailboxes answered just now.
    fn new(policy: Policy) -> Self {
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        let mailboxes = policy.mailboxes.iter().map(|m| MailboxFacts {
            name: m.name.clone(),
            connected: true,
            quiet: SignedDuration::ZERO,
            last_answer: Some(now),
            last_success: Some(now),
            trouble: None,
            waited: 0,
        });
        let mailboxes = mailboxes.collect();
        let state = DeskState::default();
        let mut desk = Self { policy, state, now, mailboxes, quarantine: DigestFacts::default(), said: Vec::new(), mails: Vec::new() };
        desk.look();
        assert!(desk.said.is_empty());
        desk
    }

    fn facts(&self) -> OpsFacts {
        let digest = wants_digest(&self.state, &self.policy, self.now).then(|| {
            let fresh_ids = (self.state.told_quarantine + 1..=self.quarantine.newest).rev().collect();
            DigestFacts { fresh_ids, ..self.quarantine.clone() }
        });
        OpsFacts { mailboxes: self.mailboxes.clone(), digest }
    }

    /// Looks, applies as the store does, and looks again: a second look never says more.
    fn look(&mut self) {
        if let Some(change) = on_tick(&self.state, &self.facts(), &self.policy, self.now) {
            let state = change.desk.expect("it comes with its state");
            assert_eq!(state.version, self.state.version);
            assert_eq!(state.outbox as usize, self.state.outbox as usize + change.outbox.len());
            self.state = DeskState { version: state.version + 1, ..state };
            if self.state.told_quarantine == self.quarantine.newest {
                self.quarantine.fresh.clear();
            }
            for mail in change.outbox {
                if mail.to.as_ref().unwrap().address.as_str() == "ops@acme.example" {
                    let [Piece::Text(text)] = mail.body.as_slice() else { panic!("one text") };
                    self.said.push(format!("{}: {}", mail.purpose.word(), text.replace('\n', "; ")));
                }
                self.mails.push(mail);
            }
        }
        assert!(on_tick(&self.state, &self.facts(), &self.policy, self.now).is_none(), "told once: {:?}", self.said);
    }

    /// So many minutes pass, one look a minute. Those that are named in `down` give no answer.
    fn minutes(&mut self, minutes: i64, down: &[&str]) {
        for _ in 0..minutes {
            self.now += SignedDuration::from_mins(1);
            for mailbox in &mut self.mailboxes {
                if down.contains(&mailbox.name.as_str()) {
                    mailbox.quiet += SignedDuration::from_mins(1);
                    mailbox.connected = false;
                    mailbox.trouble = Some(Trouble::Unreachable);
                } else {
                    *mailbox = MailboxFacts {
                        connected: true,
                        quiet: SignedDuration::ZERO,
                        last_answer: Some(self.now),
                        last_success: Some(self.now),
                        trouble: None,
                        ..mailbox.clone()
                    };
                }
            }
            self.look();
        }
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    fn sets_aside(&mut self, reason: &str) {
        for counts in [&mut self.quarantine.waiting, &mut self.quarantine.fresh] {
            *counts.entry(reason.to_owned()).or_default() += 1;
        }
        self.quarantine.newest += 1;
    }

    fn at(&mut self, time: &str) {
        self.now = format!("{time}:00Z").parse().unwrap();
        for mailbox in &mut self.mailboxes {
            mailbox.last_success = Some(self.now);
        }
        self.look();
    }
}

#[test]
fn a_mailbox_that_falls_silent_is_told_of_once_and_so_is_its_return() {
    let mut desk = Desk::new(policy());
    desk.minutes(14, &["support"]);
    assert_eq!(desk.told(), [""; 0], "not yet");
    desk.minutes(1, &["support"]);
    assert_eq!(desk.told(), ["alarm: support 15 min network; ."]);
    desk.minutes(200, &["support"]);
    assert_eq!(desk.told(), [""; 0], "once");
    desk.mailboxes[0].waited = 7;
    desk.minutes(1, &[]);
    assert_eq!(desk.told(), ["recovery: support 3 h 36 min 7; ."]);
    desk.minutes(300, &[]);
    assert_eq!(desk.told(), [""; 0], "once");
    let first = &desk.mails[0];
    assert_eq!((first.id.to_string().as_str(), desk.mails[1].id.n), ("0.1", 2), "an id for each of its readers");
    assert_eq!(first.from.as_str(), "billing@acme.example", "from one that answers");
    assert_eq!((first.shown_to.len(), &first.audience, first.automatic), (2, &Audience::Informed, Some(Automatic::Generated)));
}

#[test]
fn p5_a_restart_neither_tells_again_nor_forgets() {
    let mut desk = Desk::new(policy());
    desk.minutes(15, &["support"]);
    assert_eq!(desk.told().len(), 1);
    // As a daemon that has just started sees it.
    let fresh = MailboxFacts { quiet: SignedDuration::ZERO, last_answer: None, last_success: None, ..desk.mailboxes[0].clone() };
    desk.mailboxes[0] = fresh;
    desk.minutes(200, &["support"]);
    assert_eq!(desk.told(), [""; 0], "it was told, and it is not back");
    desk.minutes(1, &[]);
    assert_eq!(desk.told(), ["recovery: support 3 h 36 min 0; ."], "since it was silent, not since the restart");
}

#[test]
fn p5_the_clock_of_the_wall_makes_no_silence_and_no_second_report() {
    let mut desk = Desk::new(policy());
    desk.sets_aside("no_sender");
    for (step_h, told, why) in [
        (23, 1, "the next morning: the report"),
        (-20, 0, "set back to before its time, which comes again"),
        (20, 0, "the same morning again"),
        (24, 1, "the next, once"),
        (24 * 400, 1, "far ahead: once"),
        (-24 * 400, 0, "and back again"),
        (1, 0, "not at once"),
        (24, 1, "but the next day: nothing stays silent for a year"),
    ] {
        desk.now += SignedDuration::from_hours(step_h);
        desk.look();
        assert_eq!(desk.told().len(), told, "{why}");
    }
}

#[test]
fn a_mailbox_that_comes_and_goes_is_no_storm() {
    let mut desk = Desk::new(policy());
    for _ in 0..72 {
        desk.minutes(16, &["support"]);
        desk.minutes(4, &[]);
    }
    // A day: 72 silences.
    let told = desk.told();
    let of = |word: &str| told.iter().filter(|line| line.starts_with(word)).count();
    assert!((12..=24).contains(&of("alarm")), "{told:?}");
    assert_eq!(of("alarm"), of("recovery"), "each end is told");
}

#[test]
fn mailboxes_that_go_down_together_are_one_mail() {
    let mut desk = Desk::new(policy());
    desk.minutes(2, &["support"]);
    desk.minutes(13, &["support", "billing"]);
    assert_eq!(desk.told(), ["alarm: support 15 min network; billing 13 min network; ."]);
    assert_eq!(desk.mails[0].from.as_str(), "billing@acme.example", "there is no better one");
    desk.minutes(1, &["support"]);
    assert_eq!(desk.told(), ["recovery: billing 14 min 0; ."]);
}

#[test]
fn who_is_told_and_of_what() {
    #[expect(clippy::type_complexity, reason = "a row of the table")]
    let table: [(fn(&mut Policy), usize, &str); 4] = [
        (|_| {}, 1, "the usual"),
        (|policy| policy.desk.ops.clear(), 0, "nobody"),
        (|policy| policy.mailboxes[0].silent_after = None, 0, "a mailbox that may be silent for ever"),
        (|policy| policy.mailboxes[0].silent_after = Some(SignedDuration::from_hours(5)), 0, "or for longer"),
    ];
    for (change, told, why) in table {
        let mut policy = policy();
        change(&mut policy);
        let mut desk = Desk::new(policy);
        desk.minutes(100, &["support"]);
        assert_eq!(desk.told().len(), told, "{why}");
        let next = next_tick(&desk.state, &desk.facts(), &desk.policy, desk.now);
        assert_eq!(next.is_none(), desk.policy.desk.ops.is_empty(), "{why}");
    }
}

#[test]
fn the_report_comes_once_a_day_if_there_is_something_to_tell() {
    let mut desk = Desk::new(policy());
    desk.at("2026-11-24T08:00");
    assert_eq!(desk.told(), [""; 0], "nothing to tell");
    desk.sets_aside("machine");
    desk.sets_aside("no_sender");
    desk.sets_aside("machine");
    desk.quarantine.undeliverable = 4;
    desk.at("2026-11-25T07:59");
    assert_eq!(desk.told(), [""; 0], "not before its time");
    desk.at("2026-11-25T08:30");
    assert_eq!(desk.told(), ["digest: machine 2 2;no_sender 1 1; 3 3 3 2 1 4 ."]);
    desk.at("2026-11-25T23:59");
    assert_eq!(desk.told(), [""; 0], "once a day");
    desk.at("2026-11-26T08:00");
    assert_eq!(desk.told(), ["digest: machine 2 0;no_sender 1 0; 3 0  0 ."], "it still waits");
    desk.quarantine.waiting.remove("no_sender");
    desk.at("2026-11-27T08:00");
    assert_eq!(desk.told(), [""; 0], "what machines wrote was told of, and nobody has to do anything about it");
    desk.sets_aside(DESK_REPORT);
    desk.at("2026-11-28T08:00");
    assert_eq!(desk.told(), [""; 0], "P6: a report that bounced is not reported");
    desk.quarantine.undeliverable = 5;
    desk.at("2026-12-02T12:00");
    assert_eq!(desk.told(), ["digest: desk_report 1 0;machine 2 0; 3 0  1 ."], "days without a daemon are one report");
}

#[test]
fn a_silence_is_in_the_report_for_as_long_as_it_lasts() {
    let mut desk = Desk::new(policy());
    desk.minutes(24 * 60 * 2, &["support"]);
    let told = desk.told();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[1], "digest:  0 0  0 support 23 h.");
    assert_eq!(told[2], "digest:  0 0  0 support 47 h.");
}

#[test]
fn the_report_comes_at_its_time_on_the_wall_of_the_desk() {
    let due = |zone: &str, digest_at: &str, last: &str| {
        let mut policy = policy();
        policy.calendars.get_mut("always").unwrap().zone = TimeZone::get(zone).unwrap();
        policy.desk.digest_at = digest_at.parse().unwrap();
        let state = DeskState { digest_at: Some(last.parse().unwrap()), ..DeskState::default() };
        digest_due(&state, &policy).unwrap().to_string()
    };
    #[rustfmt::skip]
    let table = [
        ("America/Sao_Paulo", "08:00", "2026-11-23T10:59:59Z", "2026-11-23T11:00:00Z", "today, a second from now"),
        ("America/Sao_Paulo", "08:00", "2026-11-23T11:00:00Z", "2026-11-24T11:00:00Z", "just given: tomorrow"),
        ("Europe/Tallinn", "08:00", "2026-03-28T07:00:00Z", "2026-03-29T05:00:00Z", "the day summer time begins: an hour less"),
        ("Europe/Tallinn", "03:30", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z", "an hour that the wall leaves out: the next that it shows"),
        ("Europe/Tallinn", "03:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "an hour that comes twice: the first"),
        ("Europe/Tallinn", "03:30", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "and not the second"),
        ("Pacific/Kiritimati", "00:00", "2026-11-23T12:00:00Z", "2026-11-24T10:00:00Z", "a day ahead of UTC"),
    ];
    for (zone, digest_at, last, expect, why) in table {
        assert_eq!(due(zone, digest_at, last), expect, "{why}");
    }
}

#[test]
fn it_is_looked_at_when_something_can_happen_and_not_sooner() {
    let mut desk = Desk::new(policy());
    let next = |desk: &Desk| next_tick(&desk.state, &desk.facts(), &desk.policy, desk.now).unwrap().duration_since(desk.now).as_mins();
    assert_eq!(next(&desk), 15, "the first could fall silent");
    desk.minutes(10, &["support"]);
    assert_eq!(next(&desk), 5);
    desk.minutes(5, &["support"]);
    assert_eq!(next(&desk), 15, "one is told of, the other is well");
    desk.minutes(1, &[]);
    desk.minutes(17, &["support"]);
    assert_eq!(next(&desk), 15, "the other; the first was told of within the hour");
    desk.minutes(17, &["support", "billing"]);
    assert_eq!(next(&desk), 25, "and may be told of again when that is over");
    desk.policy.mailboxes.iter_mut().for_each(|mailbox| mailbox.silent_after = None);
    assert_eq!(next(&desk), 22 * 60 + 10, "the report of the next morning");
}

#[test]
fn a_mailbox_that_is_watched_no_more_is_forgotten() {
    let mut desk = Desk::new(policy());
    desk.minutes(15, &["support"]);
    assert_eq!(desk.state.silences.len(), 1);
    desk.policy.mailboxes.remove(0);
    desk.mailboxes.remove(0);
    desk.at("2026-11-24T08:00");
    assert_eq!((desk.state.silences.len(), desk.told().len()), (0, 1), "nothing about it in the report");
}

#[test]
fn p6_what_comes_back_from_ops_is_kept_apart_and_answered_by_nobody() {
    let mut desk = Desk::new(policy());
    desk.minutes(15, &["support"]);
    let mut world = World::new();
    world.policy = policy();
    world.sent = desk.mails;
    let bounced = |n: u32, recipient: &str, permanent: bool| Inbound {
        machine: Some((Machine::Bounce, "a report".to_owned())),
        bounce: Some(Bounce {
            about: OutboxId { ticket: TicketNumber::DESK, n: 1 },
            told: vec![Told {
                recipient: Some(address(recipient)),
                original: None,
                news: if permanent { News::Failed } else { News::Delayed },
                status: "5.1.1".to_owned(),
                diagnostic: String::new(),
            }],
            mentioned: Vec::new(),
        }),
        ..mail(n, "mailer-daemon@acme.example", "Undelivered", "It did not arrive.")
    };
    let away = Inbound { machine: Some((Machine::AutoReply, "away".to_owned())), ..mail(4, "ops@acme.example", "Away", "I am away.") };
    let sent = world.sent.len();
    let id = OutboxId { ticket: TicketNumber::DESK, n: 1 };
    for (inbound, reason, marked, why) in [
        (bounced(1, "ops@acme.example", true), DESK_REPORT, Some(id), "it came back"),
        (bounced(2, "ops@acme.example", false), DESK_REPORT, None, "it is late"),
        (bounced(3, "else@acme.example", true), "machine", None, "a forgery: it did not go there"),
        (away, DESK_REPORT, None, "a machine of theirs"),
    ] {
        let change = world.hears(inbound);
        assert_eq!(change.quarantine.map(|quarantined| quarantined.reason).as_deref(), Some(reason), "{why}");
        assert_eq!(change.bounced.map(|(id, _)| id), marked, "{why}");
        assert!(!change.undeliverable, "{why}: it would be reported tomorrow, to the same address");
    }
    world.hears(mail(5, "ops@acme.example", "Re: Silent", "I will look at it."));
    assert_eq!((world.tickets.len(), world.sent.len() > sent), (1, true), "what a person writes is a mail as any other");
}

#[test]
fn lengths_of_time_are_told_to_the_minute() {
    for (seconds, expect) in [(-5, "< 1 min"), (59, "< 1 min"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (180_060, "50 h 1 min")] {
        assert_eq!(span_text(SignedDuration::from_secs(seconds)), expect);
    }
}
