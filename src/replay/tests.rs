use super::archive::{Archive, Span};
use super::compare::{Comparison, Pair};
use super::past::{Belief, Content, Item, Origin, Speaker};
use super::stored::{Frames, Told, frame};
use super::*;
use crate::channel::import;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const BASE: &str = r#"
[desk]
name = "Acme"
state_dir = "state"
languages = ["en"]
[[mailbox]]
name = "support"
address = "support@acme.example"
team = "frontline"
maildir = "in"
[smtp]
maildir = "out"
[[team]]
name = "frontline"
calendar = "always"
[[team]]
name = "billing"
calendar = "always"
[[agent]]
name = "Ana"
address = "ana@acme.example"
teams = ["frontline", "billing"]
[[tier]]
name = "standard"
"#;

fn policy(more: &str) -> Arc<Policy> {
    let text = format!("{BASE}{more}");
    crate::config::load_text("guichet.toml", &text, Path::new("/nonexistent")).unwrap().policy
}

const FOUR_HOURS: &str = "[[sla]]\nfirst_response = \"4h\"\nresolution = \"48h\"\n";
const TWO_HOURS: &str = "[[sla]]\nfirst_response = \"2h\"\nresolution = \"48h\"\n";

/// At so many minutes after the beginning.
fn at(minutes: i64) -> Timestamp {
    "2026-03-02T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn mail(from: &str, to: &str, id: &str, answers: &str, text: &str) -> Vec<u8> {
    let mut mail = format!("From: {from}\r\nTo: {to}\r\nSubject: Printer\r\nMessage-ID: <{id}@x.example>\r\n");
    if !answers.is_empty() {
        let _ = write!(mail, "In-Reply-To: <{answers}@x.example>\r\n");
    }
    let _ = write!(mail, "\r\n{text}\r\n");
    mail.into_bytes()
}

fn archived(minutes: i64, last: bool, raw: Vec<u8>) -> Item {
    Item { at: at(minutes), mailbox: None, name: format!("at {minutes}"), origin: Origin::Archive { last }, content: Content::Mail(raw) }
}

fn compare(now: &Arc<Policy>, new: &Arc<Policy>, items: Vec<Item>) -> Comparison {
    let replay = Replay::new(Arc::clone(now), Arc::clone(new), at(200));
    let outcomes = replay.run(|feed| {
        for item in items {
            feed.take(item);
        }
        Ok::<_, ()>(())
    });
    Comparison::of(&outcomes.unwrap())
}

const KAI: &str = "Kai <kai@y.example>";
const SUPPORT: &str = "support@acme.example";
const ANA: &str = "Ana <ana@acme.example>";

#[test]
fn what_differs_is_told() {
    let (four, two) = (policy(FOUR_HOURS), policy(TWO_HOURS));
    let billing =
        policy(&format!("{FOUR_HOURS}[[rule]]\nname = \"money\"\nwhen = {{ text = [\"invoice\"] }}\nthen = {{ team = \"billing\" }}\n"));
    let asks = |text: &str| archived(0, false, mail(KAI, SUPPORT, "q", "", text));
    let answers = |minutes, from: &str| archived(minutes, true, mail(from, KAI, "a", "q", "Turn it on."));
    let pair = |now, new| Pair { now, new };
    #[rustfmt::skip]
    let cases = [
        (&four, &four, vec![asks("help"), answers(180, ANA)], pair(1, 1), 0, "the same configuration tells of no difference"),
        (&four, &two, vec![asks("help"), answers(180, ANA)], pair(1, 0), 1, "three hours are within four and not within two"),
        (&four, &two, vec![asks("help"), answers(180, "Bob <bob@acme.example>")], pair(1, 0), 1, "a colleague who is no agent here, to the customer"),
        (&four, &two, vec![asks("help"), answers(180, "Acme <support@acme.example>")], pair(1, 0), 1, "from the mailbox's own address"),
        (&four, &two, vec![asks("help"), answers(60, ANA)], pair(1, 1), 1, "within both; it was due at another time all the same"),
        (&four, &billing, vec![asks("my invoice"), answers(180, ANA)], pair(1, 1), 1, "another team"),
        (&four, &billing, vec![asks("help"), answers(180, ANA)], pair(1, 1), 0, "a rule that does not hold"),
    ];
    for (now, new, items, met, differing, why) in cases {
        let found = compare(now, new, items);
        let first = found.attained["standard"]["first_response"];
        assert_eq!(pair(first.now.met, first.new.met), met, "{why}");
        assert_eq!(found.differing, differing, "{why}: {:?}", found.routing);
        assert_eq!(found.fates["is an answer"], pair(1, 1), "{why}");
        // The last word of the thread, behind an answer: its matter was done with then.
        let done = found.attained["standard"]["resolution"];
        assert_eq!(pair(done.now.met, done.new.met), pair(1, 1), "{why}");
    }
}

#[test]
fn what_would_be_sent_is_counted_by_what_came_due_in_between() {
    let (four, two) = (policy(FOUR_HOURS), policy(TWO_HOURS));
    let items = vec![archived(0, false, mail(KAI, SUPPORT, "q", "", "help")), archived(180, true, mail(ANA, KAI, "a", "q", "Turn it on."))];
    let found = compare(&four, &two, items);
    assert_eq!(found.notices["ack"], Pair { now: 1, new: 1 });
    assert_eq!(found.notices["answer"], Pair { now: 1, new: 1 });
    assert_eq!(found.notices.get("breach"), Some(&Pair { now: 0, new: 1 }), "{:?}", found.notices);
    let text = found.text(["/etc/guichet", "new"]);
    assert!(text.contains("breach") && text.contains("first response due: then -> earlier"), "{text}");
}

#[test]
fn whose_a_mail_of_an_archive_is() {
    let policy = policy(FOUR_HOURS);
    let asks = || archived(0, false, mail(KAI, SUPPORT, "q", "", "help"));
    #[rustfmt::skip]
    let cases: [(Item, &str, &str); 7] = [
        (archived(9, true, mail(ANA, KAI, "a", "q", "x")), "is an answer", "an agent to the customer"),
        (archived(9, true, mail(KAI, SUPPORT, "a", "q", "x")), "joins a ticket", "the customer himself"),
        (archived(9, true, mail("Eve <eve@z.example>", SUPPORT, "a", "q", "x")), "opens a ticket", "a stranger with a guessed reference (P7)"),
        (archived(9, true, mail("Bob <bob@acme.example>", SUPPORT, "a", "", "x")), "opens a ticket", "a colleague who asks something himself"),
        (archived(9, true, mail("Bob <bob@acme.example>", SUPPORT, "a", "q", "x")), "opens a ticket", "a colleague who does not write to the customer"),
        (archived(9, true, mail(ANA, KAI, "a", "nothing", "x")), "is left out", "an answer to what is not here"),
        (archived(9, true, [b"Auto-Submitted: auto-replied\r\n".as_slice(), &mail(SUPPORT, KAI, "a", "q", "x")].concat()), "is left out", "our own acknowledgement"),
    ];
    for (item, fate, why) in cases {
        let found = compare(&policy, &policy, vec![asks(), item]);
        let once = if fate == "opens a ticket" { 2 } else { 1 };
        assert_eq!(found.fates.get(fate), Some(&Pair { now: once, new: once }), "{why}: {:?} {:?}", found.fates, found.quarantined);
    }
}

#[test]
fn a_thread_of_an_archive_ends_with_its_last_mail_whatever_that_is() {
    let policy = policy(FOUR_HOURS);
    let closed = [b"Auto-Submitted: auto-generated\r\n".as_slice(), &mail(SUPPORT, KAI, "c", "q", "Your request is closed.")].concat();
    let again = mail(ANA, KAI, "a", "q", "Turn it on.");
    for (last, why) in [(closed, "the other desk's own word"), (again, "a second copy")] {
        let items = vec![
            archived(0, false, mail(KAI, SUPPORT, "q", "", "help")),
            archived(60, false, mail(ANA, KAI, "a", "q", "Turn it on.")),
            archived(90, true, last),
        ];
        let found = compare(&policy, &policy, items);
        assert_eq!(found.attained["standard"]["resolution"].now.met, 1, "{why}: {:?}", found.attained);
    }
}

#[test]
fn p7_a_forged_answer_of_an_archive_is_none() {
    let trusting = "[[sla]]\nfirst_response = \"4h\"\n";
    let trusting = BASE.replace("maildir = \"in\"\n", "maildir = \"in\"\ntrusted_authserv_ids = [\"mx.acme.example\"]\n") + trusting;
    let policy = crate::config::load_text("guichet.toml", &trusting, Path::new("/nonexistent")).unwrap().policy;
    let forged = [
        b"Authentication-Results: mx.acme.example; dmarc=fail header.from=acme.example\r\n".as_slice(),
        &mail(ANA, KAI, "a", "q", "#close"),
    ];
    let found =
        compare(&policy, &policy, vec![archived(0, false, mail(KAI, SUPPORT, "q", "", "help")), archived(9, true, forged.concat())]);
    assert!(!found.fates.contains_key("is an answer"), "{:?}", found.fates);
}

#[test]
fn what_the_store_knows_is_believed() {
    let policy = policy(FOUR_HOURS);
    let item = |minutes, number, seq, speaker: &Speaker, raw| Item {
        at: at(minutes),
        mailbox: Some("support".to_owned()),
        name: format!("#{number}.{seq}"),
        origin: Origin::Ticket { number, seq, split_from: None, speaker: speaker.clone() },
        content: Content::Mail(raw),
    };
    let other = Speaker::Other(Belief::Unasked);
    let agent = |carried_out| Speaker::Agent { address: "ana@acme.example".to_owned(), carried_out };
    let left = Speaker::Agent { address: "left@acme.example".to_owned(), carried_out: true };
    let items = vec![
        item(0, 1042, 1, &other, mail(KAI, SUPPORT, "q", "", "help")),
        item(10, 1042, 2, &agent(false), mail(ANA, SUPPORT, "a1", "", "#solv")),
        // Their tokens cannot be read here: neither refers to anything.
        item(20, 1042, 3, &left, mail("Lea <left@acme.example>", SUPPORT, "a2", "", "Turn it on.")),
        item(30, 1042, 4, &other, mail(KAI, SUPPORT, "q2", "", "It is on.")),
        item(40, 1042, 5, &agent(true), mail(ANA, SUPPORT, "a3", "", "#solve\r\n\r\nGood.")),
        item(50, 7, 2, &agent(true), mail(ANA, SUPPORT, "a4", "", "To what began before.")),
    ];
    let found = compare(&policy, &policy, items);
    let fates: Vec<(&str, u64)> = found.fates.iter().map(|(word, pair)| (*word, pair.now)).collect();
    assert_eq!(fates, [("is an answer", 2), ("is left out", 2), ("joins a ticket", 1), ("opens a ticket", 1)], "{:?}", found.quarantined);
    assert_eq!(found.attained["standard"]["resolution"].now.met, 1, "#solve of the past is obeyed");
}

#[test]
fn a_chat_of_the_past_is_one_ticket_until_it_ended() {
    let policy = policy(&format!(
        "{FOUR_HOURS}[chat]\nlisten = \"127.0.0.1:0\"\norigins = [\"https://acme.example\"]\nteam = \"frontline\"\nmailbox = \"support\"\n"
    ));
    let line = |minutes, number, seq| Item {
        at: at(minutes),
        mailbox: None,
        name: format!("#{number}.{seq}"),
        origin: Origin::Ticket { number, seq, split_from: None, speaker: Speaker::Other(Belief::Unasked) },
        content: Content::Chat {
            session: [7; 16],
            client_id: format!("c{minutes}"),
            name: "Kai".to_owned(),
            address: Some("kai@y.example".to_owned()),
            text: "help".to_owned(),
        },
    };
    let found = compare(&policy, &policy, vec![line(0, 5, 1), line(1, 5, 2), line(99, 6, 1)]);
    assert_eq!(found.fates["opens a ticket"].now, 2, "{:?}", found.fates);
    assert_eq!(found.fates["joins a ticket"].now, 1);
}

fn dated(received: Option<&str>, date: &str, id: &str, answers: &str) -> String {
    let received = received.map_or_else(String::new, |date| format!("Received: from a by b;\r\n {date}\r\n"));
    let answers = if answers.is_empty() { String::new() } else { format!("References: <{answers}@x.example>\r\n") };
    format!("{received}From: kai@y.example\r\nTo: {SUPPORT}\r\nDate: {date}\r\nMessage-ID: <{id}@x.example>\r\n{answers}\r\nhelp\r\n")
}

fn found(paths: &[PathBuf], since: &str) -> (Vec<(String, bool)>, Archive) {
    let span = Span { since: since.parse().unwrap(), until: "2027-01-01T00:00:00Z".parse().unwrap() };
    let mut archive = Archive::find(paths, span, 1 << 20, |_, _| {});
    let mut names = Vec::new();
    archive.each(None, 1 << 20, |item| {
        let Origin::Archive { last } = item.origin else { panic!("{:?}", item.origin) };
        names.push((item.name, last));
    });
    (names, archive)
}

#[test]
fn an_archive_is_heard_by_time_and_each_thread_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mails = [
        // In no order; the second was received before its sender's clock says.
        dated(None, "Tue, 3 Mar 2026 10:00:00 +0000", "3", "1"),
        dated(Some("Mon, 2 Mar 2026 11:00:00 +0200 (EET)"), "Mon, 2 Mar 2026 23:00:00 +0000", "1", ""),
        dated(None, "Mon, 2 Mar 2026 10:00:00 +0000", "2", "1"),
        dated(None, "Wed, 4 Mar 2026 10:00:00 +0000", "5", "4"),
        dated(None, "Thu, 1 Jan 2026 10:00:00 +0000", "4", ""),
        dated(None, "no date", "6", ""),
    ];
    let mut mbox = String::new();
    for mail in mails {
        let _ = write!(mbox, "From x@y Thu Jan  1 00:00:00 2026\r\n{mail}\r\n");
    }
    let path = dir.path().join("a.mbox");
    std::fs::write(&path, mbox).unwrap();
    let (names, archive) = found(std::slice::from_ref(&path), "2026-02-01T00:00:00Z");
    let expected = [("a.mbox:2", false), ("a.mbox:3", false), ("a.mbox:1", true)].map(|(name, last)| (name.to_owned(), last));
    assert_eq!(names, expected, "the answer to what began before the span is left out with it");
    assert_eq!((archive.outside, archive.undated), (2, 1));
    let span = Span { since: "2026-02-01T00:00:00Z".parse().unwrap(), until: "2026-03-03T00:00:00Z".parse().unwrap() };
    let mut lasts = Vec::new();
    Archive::find(&[path], span, 1 << 20, |_, _| {}).each(None, 1 << 20, |item| lasts.push(item.origin));
    assert_eq!(lasts, [Origin::Archive { last: false }, Origin::Archive { last: false }], "it goes on behind the span");
}

#[test]
fn a_file_of_one_mail_has_the_time_of_its_name() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in
        [("1772445600.a", "From: kai@y.example\r\n\r\nno date\r\n"), ("1772442000.b", "From: kai@y.example\r\n\r\nneither\r\n")]
    {
        std::fs::create_dir_all(dir.path().join("new")).unwrap();
        std::fs::write(dir.path().join("new").join(name), text).unwrap();
    }
    let (names, _) = found(&[dir.path().to_owned()], "2026-02-01T00:00:00Z");
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1772442000.b", "1772445600.a"]);
}

#[test]
fn p12_frames_come_apart_wherever_they_are_cut() {
    let told = [
        Told::Count(2),
        Told::Item(Box::new(archived(0, true, b"raw \x00\xff".to_vec()))),
        Told::Item(Box::new(Item {
            content: Content::Chat { session: [1; 16], client_id: "c".into(), name: "K".into(), address: None, text: "hi".into() },
            ..archived(1, true, Vec::new())
        })),
        Told::End,
    ];
    let octets: Vec<u8> = told.iter().flat_map(|told| frame(told).unwrap()).collect();
    for piece in [1, 3, 7, 64, octets.len()] {
        let mut heard = Vec::new();
        let mut frames = Frames::new(|told| heard.push(format!("{told:?}")));
        for piece in octets.chunks(piece) {
            frames.write_all(piece).unwrap();
        }
        assert!(frames.has_ended());
        assert_eq!(heard, told.iter().map(|told| format!("{told:?}")).collect::<Vec<_>>());
    }
    let too_large = Frames::new(|_| {}).write_all(&u64::MAX.to_be_bytes());
    assert!(too_large.is_err(), "P11: a length is not believed");
}

proptest! {
    #[test]
    fn each_mail_of_an_mbox_is_read_again_from_where_it_stands(
        mails in proptest::collection::vec("((>{0,2}From )?[a-z @:0-9>]{0,12}\r?\n){1,9}", 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mbox");
        let mut all = String::new();
        for mail in &mails {
            all.push_str("From kai@x.example Thu Jan  1 00:00:00 2026\n");
            for line in mail.split_inclusive('\n') {
                if line.trim_start_matches('>').starts_with("From ") {
                    all.push('>');
                }
                all.push_str(line);
            }
            all.push('\n');
        }
        std::fs::write(&path, all).unwrap();
        let (files, _) = import::find(&[path]);
        let mut seen = Vec::new();
        files[0].each(1 << 20, |stretch, part| seen.push((stretch, part))).unwrap();
        prop_assert_eq!(seen.iter().map(|(_, part)| String::from_utf8(part.raw.clone()).unwrap()).collect::<Vec<_>>(), mails);
        for (stretch, part) in seen {
            prop_assert_eq!(files[0].read(stretch, 1 << 20).unwrap(), part);
        }
    }
}
