//! What a mail system says of a mail of ours, and what follows from it: the address that it went to may be marked, so that
//! nothing automatic goes there for a while, and people are told what to do.
//!
//! A report proves nothing by itself. It is tied to an outbox entry by what we signed (a Message-ID or a return path), and
//! [`Bounce::of`] believes it only if it names nobody but those to whom that very mail went.

use super::address::{EmailAddress, one_line};
use super::outbound::{OutboxEntry, OutboxId};
use jiff::{SignedDuration, Timestamp};

/// Octets of the words of a report that are kept.
pub const REASON_OCTETS_MAX: usize = 300;

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// It arrived, or was handed to a system that says no more (RFC 3464 section 2.3.3: delivered, relayed, expanded).
    Delivered,
    /// Not yet; it is tried again.
    Delayed,
    /// Given up.
    Failed,
    /// It arrived, and its recipient told his provider that he does not want it (RFC 5965).
    Complained,
}

/// What is told of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whom it names; nobody where the text names none: then it is whoever the mail went to.
    pub recipient: Option<EmailAddress>,
    /// Whom the mail was sent to, where that is another, as behind an alias.
    pub original: Option<EmailAddress>,
    pub news: News,
    /// Such as `5.1.1` (RFC 3463); empty where none stands.
    pub status: String,
    /// One line, bounded; text from outside.
    pub diagnostic: String,
}

/// A mail system's report about one mail of ours, tied to it by a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    pub about: OutboxId,
    /// At least one.
    pub told: Vec<Told>,
    /// Addresses in the text of one that names its recipient in no known place: he has to be among them, if there are any.
    pub mentioned: Vec<EmailAddress>,
}

/// What a report says of the one to whom our mail went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    pub recipient: EmailAddress,
    pub news: News,
    pub hint: Hint,
    /// Status and diagnostic on one line.
    pub reason: String,
}

impl Bounce {
    /// What it says of the one to whom the entry's mail went; `None` if it names anybody else but those who were shown in it, or not
    /// him: then it is none of ours (a Message-ID alone is known to everybody who got the mail).
    #[must_use]
    pub fn of(&self, entry: &OutboxEntry) -> Option<Fate> {
        let outbound = &entry.outbound;
        let to = &outbound.to.as_ref()?.address;
        if outbound.id != self.about {
            return None;
        }
        let names = |told: &Told, whom: &EmailAddress| told.recipient.as_ref() == Some(whom) || told.original.as_ref() == Some(whom);
        let is_mentioned = self.mentioned.is_empty() || self.mentioned.contains(to);
        let is_his = |told: &&Told| (told.recipient.is_none() && is_mentioned) || names(told, to);
        let is_known = |told: &Told| is_his(&told) || outbound.shown_to.iter().any(|other| names(told, &other.address));
        if !self.told.iter().all(is_known) {
            return None;
        }
        // Behind an alias several may stand for him; while one of them got it, or may get it, his address is no dead one.
        let told = self.told.iter().filter(is_his).min_by_key(|told| told.news)?;
        Some(Fate {
            recipient: to.clone(),
            news: told.news,
            hint: Hint::of(told.news, &told.status, &told.diagnostic),
            reason: one_line(&format!("{} {}", told.status, told.diagnostic), REASON_OCTETS_MAX),
        })
    }
}

/// What servers say, by what it means.
const WORDS: [(&str, Hint); 26] = [
    ("user unknown", Hint::NoMailbox),
    ("unknown user", Hint::NoMailbox),
    ("no such user", Hint::NoMailbox),
    ("no such recipient", Hint::NoMailbox),
    ("does not exist", Hint::NoMailbox),
    ("doesn't exist", Hint::NoMailbox),
    ("no mailbox", Hint::NoMailbox),
    ("mailbox unavailable", Hint::NoMailbox),
    ("mailbox not found", Hint::NoMailbox),
    ("invalid recipient", Hint::NoMailbox),
    ("recipient rejected", Hint::NoMailbox),
    ("not listed in", Hint::NoMailbox),
    ("account has been disabled", Hint::NoMailbox),
    ("quota", Hint::Full),
    ("mailbox full", Hint::Full),
    ("mailbox is full", Hint::Full),
    ("domain name not found", Hint::NoDomain),
    ("host not found", Hint::NoDomain),
    ("no mx", Hint::NoDomain),
    ("nxdomain", Hint::NoDomain),
    ("too large", Hint::TooLarge),
    ("spam", Hint::Refused),
    ("block", Hint::Refused),
    ("policy", Hint::Refused),
    ("denied", Hint::Refused),
    ("loop", Hint::Route),
];

/// What people can do about a mail that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// There is no such mailbox, or no more.
    NoMailbox,
    /// There is no such domain, or it takes no mail.
    NoDomain,
    /// The mailbox is full.
    Full,
    TooLarge,
    /// Refused by policy: spam, reputation, authentication.
    Refused,
    /// A loop, or no way there.
    Route,
    Complained,
    Else,
}

impl Hint {
    /// The word of the templates, to be shown through `word`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoMailbox => "undelivered_no_mailbox",
            Self::NoDomain => "undelivered_no_domain",
            Self::Full => "undelivered_full",
            Self::TooLarge => "undelivered_too_large",
            Self::Refused => "undelivered_refused",
            Self::Route => "undelivered_route",
            Self::Complained => "undelivered_complained",
            Self::Else => "undelivered_else",
        }
    }

    /// By the enhanced status code (RFC 3463 section 3); by a server's words where there is none, or one that says nothing.
    #[must_use]
    pub fn of(news: News, status: &str, diagnostic: &str) -> Self {
        if news == News::Complained {
            return Self::Complained;
        }
        let status = if status.is_empty() { enhanced_status(diagnostic).unwrap_or_default() } else { status };
        let subject_and_detail = status.split_once('.').map(|(_, rest)| rest).unwrap_or_default();
        match subject_and_detail {
            "1.2" | "1.10" | "4.4" => return Self::NoDomain,
            "1.0" | "1.1" | "1.3" | "1.4" | "1.6" | "2.0" | "2.1" => return Self::NoMailbox,
            "2.2" => return Self::Full,
            "2.3" | "3.4" => return Self::TooLarge,
            _ if subject_and_detail.starts_with("7.") => return Self::Refused,
            _ if subject_and_detail.starts_with("4.") => return Self::Route,
            _ => {}
        }
        let words = diagnostic.to_lowercase();
        WORDS.into_iter().find(|(word, _)| words.contains(word)).map_or(Self::Else, |(_, hint)| hint)
    }
}

/// The first enhanced status code of a text (RFC 3463 section 2): `5.1.1`, but neither an address of four numbers nor a version.
#[must_use]
pub fn enhanced_status(text: &str) -> Option<&str> {
    let octets = text.as_bytes();
    let mut at = 0;
    while at < octets.len() {
        let run = octets[at..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
        if run == 0 {
            at += 1;
            continue;
        }
        let is_apart = at == 0 || !(octets[at - 1].is_ascii_alphanumeric() || octets[at - 1] == b'_');
        let code = text.get(at..at + run).unwrap_or_default().trim_end_matches('.');
        let ends = octets.get(at + run).is_none_or(|b| !b.is_ascii_alphanumeric());
        if is_apart && ends && is_status(code) {
            return Some(code);
        }
        at += run;
    }
    None
}

/// Whether it is a status code: a class, a subject that RFC 3463 knows, a detail.
#[must_use]
pub fn is_status(code: &str) -> bool {
    let mut parts = code.split('.');
    let (Some(class), Some(subject), Some(detail), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return false };
    matches!(class, "2" | "4" | "5")
        && matches!(subject.as_bytes(), [b'0'..=b'7'])
        && (1..=3).contains(&detail.len())
        && detail.bytes().all(|b| b.is_ascii_digit())
}

/// An address to which nothing automatic goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub address: EmailAddress,
    pub since: Timestamp,
    /// Whoever is behind it complained; else mail to it came back.
    pub complained: bool,
    /// One line.
    pub reason: String,
    /// The mail that it is known by.
    pub about: OutboxId,
}

impl Mark {
    /// When it ends by itself, if marks last so long.
    #[must_use]
    pub fn until(&self, lasts: SignedDuration) -> Timestamp {
        self.since.checked_add(lasts).unwrap_or(Timestamp::MAX)
    }

    /// For the history and for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let day = self.since.strftime("%Y-%m-%d");
        let what = if self.complained { "a complaint about mail to it came" } else { "mail to it came back" };
        format!("{what} on {day} ({})", if self.reason.is_empty() { "no reason given" } else { &self.reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::Contact;
    use crate::domain::message::Machine;
    use crate::domain::outbound::Purpose;
    use crate::domain::testing::{World, address, authenticated, judged, mail, proven};

    fn told(recipient: &str, original: &str, news: News) -> Told {
        let read = |text: &str| EmailAddress::parse(text).ok();
        Told { recipient: read(recipient), original: read(original), news, status: "5.1.1".to_owned(), diagnostic: "no".to_owned() }
    }

    const JOAO: &str = "joao@padaria.example";

    /// A ticket of João's, answered by Ana, in a mail of which a report says this.
    fn reported(said: Vec<Told>, mentioned: &[&str]) -> (World, crate::domain::change::Change) {
        let mut world = World::new();
        world.hears(mail(1, JOAO, "x", "y"));
        world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#assign me\nHello."), 1, true));
        let answer = world.sent.iter_mut().find(|o| o.purpose == Purpose::Answer).unwrap();
        // It went to several, each with a mail of his own.
        answer.shown_to = [JOAO, "mari@padaria.example"].map(|a| Contact { name: String::new(), address: address(a) }).to_vec();
        let about = answer.id;
        let mut report = mail(3, "mailer-daemon@relay.example", "Undelivered", "x");
        report.machine = Some((Machine::Bounce, "report".to_owned()));
        report.bounce = Some(Bounce { about, told: said, mentioned: mentioned.iter().map(|a| address(a)).collect() });
        let change = world.hears(report);
        (world, change)
    }

    #[test]
    fn p7_a_report_marks_whom_the_mail_went_to_and_nobody_else() {
        use News::{Complained, Delayed, Delivered, Failed};
        let mari = "mari@padaria.example";
        for (said, mentioned, noted, marked, agents, why) in [
            (vec![told(JOAO, "", Failed)], vec![], true, true, 1, "given up"),
            (vec![told(JOAO, "", Delayed)], vec![], true, false, 0, "a delay is noted"),
            (vec![told(JOAO, "", Delivered)], vec![], true, false, 0, "so is that it arrived"),
            (vec![told(JOAO, "", Complained)], vec![], true, true, 1, "a complaint"),
            (vec![told("", "", Complained)], vec![], true, true, 1, "a complaint that hides him: the mail went to him alone"),
            (vec![told("", "", Failed)], vec![JOAO, "help@isp.example"], true, true, 1, "words that mention him"),
            (vec![told("", "", Failed)], vec!["else@b.example"], false, false, 0, "words that mention another"),
            (vec![told("j@private.example", JOAO, Failed)], vec![], true, true, 1, "behind his alias"),
            (
                vec![told("j@private.example", JOAO, Failed), told("k@private.example", JOAO, Delivered)],
                vec![],
                true,
                false,
                0,
                "half of an alias",
            ),
            (vec![told(JOAO, "", Failed), told(mari, "", Failed)], vec![], true, true, 1, "one of those who are shown in it"),
            (vec![told(mari, "", Failed)], vec![], false, false, 0, "only another of them"),
            (vec![told(JOAO, "", Failed), told("victim@b.example", "", Failed)], vec![], false, false, 0, "it never went to one of them"),
        ] {
            let (world, change) = reported(said, &mentioned);
            assert_eq!(change.quarantine.is_none(), noted, "{why}");
            assert_eq!(change.marked.as_ref().map(|mark| mark.address.as_str()), marked.then_some(JOAO), "{why}");
            assert_eq!(world.told(Purpose::Held).len(), agents, "{why}");
            assert_eq!(change.tickets.is_empty(), !noted, "{why}: no note on any ticket");
        }
    }

    #[test]
    fn p6_a_marked_address_gets_no_acknowledgement_until_its_mark_ends() {
        let days = |n: i64| SignedDuration::from_hours(24 * n);
        for (after, sender, acked, unmarked, why) in [
            (days(1), None, false, false, "it is held"),
            (days(29), None, false, false, "until its time is over"),
            (days(31), None, true, true, "its time is over"),
            (days(1), Some(authenticated("padaria.example")), true, true, "a mail from there is authenticated"),
        ] {
            let (mut world, _) = reported(vec![told(JOAO, "", News::Failed)], &[]);
            world.waits(after);
            let inbound = mail(7, JOAO, "Another", "z");
            let before = world.told(Purpose::Ack).len();
            let change = world.hears(match sender {
                Some(verdict) => judged(inbound, verdict),
                None => inbound,
            });
            assert_eq!(world.told(Purpose::Ack).len() - before, usize::from(acked), "{why}");
            assert_eq!((change.unmarked.is_some(), world.marks.is_empty()), (unmarked, unmarked), "{why}");
            let held = change.history.iter().find(|(_, line)| line.what == "no acknowledgement");
            assert_eq!(held.is_some_and(|(_, line)| line.why.starts_with("mail to it came back on 2026-11-23")), !acked, "{why}");
        }
    }

    #[test]
    fn an_agents_answer_goes_to_a_marked_address() {
        let (mut world, _) = reported(vec![told(JOAO, "", News::Failed)], &[]);
        let before = world.told(Purpose::Answer).len();
        world.hears(proven(mail(8, "ana@acme.example", "Re: x", "I try again."), 1, true));
        assert_eq!(world.told(Purpose::Answer).len(), before + 1, "a person's decision");
    }

    #[test]
    fn statuses_are_told_from_other_numbers() {
        for (text, expect, why) in [
            ("550 5.1.1 <a@b>: unknown", Some("5.1.1"), "as it should be"),
            ("550-5.7.26 x", Some("5.7.26"), "of a long answer"),
            ("(#5.1.1)", Some("5.1.1"), "qmail"),
            ("host 5.1.1.7 said 554 5.4.4", Some("5.4.4"), "an address of four"),
            ("Exim 4.92.3 says no", None, "a version: no such subject"),
            ("v5.1.1", None, "a version"),
            ("5.1.1.", Some("5.1.1"), "the end of a sentence"),
            ("5.1.1x 6.1.1 5.8.1 5.1. 5..1", None, "none of them"),
            ("", None, "nothing"),
        ] {
            assert_eq!(enhanced_status(text), expect, "{why}");
        }
    }

    #[test]
    fn hints_by_code_and_by_words() {
        for (status, words, expect, why) in [
            ("5.1.1", "", Hint::NoMailbox, "RFC 3463 section 3.2"),
            ("5.1.2", "", Hint::NoDomain, "bad system"),
            ("5.1.10", "", Hint::NoDomain, "RFC 7505: takes no mail"),
            ("5.2.2", "", Hint::Full, "RFC 3463 section 3.3"),
            ("5.7.1", "user unknown", Hint::Refused, "the code goes before the words"),
            ("5.0.0", "550 user unknown", Hint::NoMailbox, "a code that says nothing"),
            ("", "550 5.2.2 x", Hint::Full, "a code among the words"),
            ("", "Domain name not found", Hint::NoDomain, "words"),
            ("5.4.6", "", Hint::Route, "a loop"),
            ("5.3.4", "", Hint::TooLarge, "too large"),
            ("", "", Hint::Else, "nothing"),
        ] {
            assert_eq!(Hint::of(News::Failed, status, words), expect, "{why}");
        }
        assert_eq!(Hint::of(News::Complained, "5.1.1", ""), Hint::Complained);
    }
}
