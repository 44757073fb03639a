//! Every door through which octets of strangers come, for fuzzing: what must hold whatever they are. Not a part of the program.
//!
//! Each door takes any octets and panics if something is broken: a result that is over its bounds, a span that does not fit
//! its text, two readings of the same octets that differ, a secret that was guessed. `tests` runs a short, seeded round with
//! each test run; `tests/fuzz` drives the same doors with libFuzzer for as long as one likes.

#![expect(clippy::missing_panics_doc, reason = "that is what a door is for")]

#[cfg(test)]
mod mutate;
#[cfg(test)]
mod tests;

pub use crate::channel::imap::fuzz::server;

use crate::channel::chat::protocol::{self, FromWindow};
use crate::channel::mbox::{PIECE_OCTETS_MAX, Splitter, is_mbox};
use crate::config;
use crate::config::settings::Settings;
use crate::domain::address::{EmailAddress, one_line};
use crate::domain::bounce::{REASON_OCTETS_MAX, is_status};
use crate::domain::command;
use crate::domain::message::{Body, Language, MessageId, RECIPIENTS_MAX, REFERENCES_MAX, SessionId, Span};
use crate::domain::outbound::OutboxId;
use crate::domain::policy::SenderCheck;
use crate::domain::ticket::SUBJECT_OCTETS_MAX;
use crate::domain::verdict::Judgement;
use crate::mail::authenticity;
use crate::mail::authenticity::facts::{Answer, Facts};
use crate::mail::authenticity::own::{self, Step};
use crate::mail::bounce::{ORIGINALS_MAX, REPORT_RECIPIENTS_MAX};
use crate::mail::forwarded;
use crate::mail::html;
use crate::mail::normalise::{ADDRESSED_MAX, NormaliseLimits, Parsed, normalise};
use crate::mail::token::Signer;
use crate::mail::visible;
use jiff::Timestamp;
use std::path::Path;
use std::sync::OnceLock;

/// Takes octets of a stranger.
pub type Door = fn(&[u8]);

/// All of them, by name.
pub const DOORS: [(&str, Door); 10] = [
    ("mail", mail),
    ("report", report),
    ("page", page),
    ("text", text),
    ("imap", server),
    ("chat", chat),
    ("mbox", mbox),
    ("configuration", configuration),
    ("customers", customers),
    ("words", words),
];

/// A mail, as it comes: under the limits of the program, and under such that nearly everything is over them.
pub fn mail(octets: &[u8]) {
    let tight = NormaliseLimits {
        parts_max: 4,
        depth_max: 2,
        head_octets_max: 400,
        part_head_octets_max: 120,
        field_octets_max: 150,
        attachments_octets_max: 500,
        attachments_max: 3,
        text_octets_max: 200,
        html_octets_max: 300,
    };
    for limits in [NormaliseLimits::default(), tight] {
        let parsed = normalise(octets, &limits);
        let again = normalise(octets, &limits);
        assert_eq!(parsed.fingerprint, again.fingerprint, "the fingerprint is stable");
        assert_eq!((&parsed.body, &parsed.attachments), (&again.body, &again.attachments), "a reading is repeated");
        assert_eq!((&parsed.headers, &parsed.defects), (&again.headers, &again.defects), "a reading is repeated");
        assert_is_bounded(&parsed, octets, &limits);
        let from = parsed.from.as_ref().map(|from| &from.address);
        let trusted = ["mx.acme.example".to_owned()];
        let judgement = authenticity::judge(parsed.authentication_results.as_deref(), from, &trusted);
        assert!(judgement.why.len() <= Judgement::WHY_OCTETS_MAX, "the reason is bounded");
        assert!(!judgement.is_authenticated() || from.is_some(), "nobody is not authenticated");
    }
    checked(octets);
    if !octets.contains(&b'\r') {
        // As the same mail comes over another way.
        let wire: Vec<u8> = octets.split(|b| *b == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        let limits = NormaliseLimits::default();
        assert_eq!(normalise(octets, &limits).fingerprint, normalise(&wire, &limits).fingerprint, "line ends do not count");
    }
}

/// The check of a sender of our own, with a DNS that answers each question with the mail itself, with nothing, or not at all.
fn checked(octets: &[u8]) {
    /// More than any check asks before it gives up.
    const STEPS_MAX: usize = 500;
    let parsed = normalise(octets, &NormaliseLimits::default());
    let from = parsed.from.as_ref().map(|from| &from.address);
    let check = SenderCheck { relays: vec!["mx.acme.example".to_owned()], trusted_arc_sealers: vec!["acme.example".to_owned()] };
    let Ok(survey) = own::survey(octets, from, &check) else { return };
    let text = || Answer::Texts(vec![octets.iter().copied().take(400).collect()]);
    for answer in [text(), Answer::Nothing, Answer::Trouble] {
        let mut facts: Facts = survey.questions().iter().map(|question| (question.clone(), answer.clone())).collect();
        let signed = own::verify(octets, &survey, &facts, Timestamp::UNIX_EPOCH);
        let judged = (0..STEPS_MAX).find_map(|_| match own::weigh(&survey, &signed, &facts) {
            Step::Judged(judgement) => Some(judgement),
            Step::Ask(question) => {
                facts.add(question, answer.clone());
                None
            }
        });
        let Some(judgement) = judged else { panic!("a check ends") };
        assert!(!judgement.is_authenticated(), "nobody guesses a signature");
        assert!(judgement.why.len() <= Judgement::WHY_OCTETS_MAX, "the reason is bounded");
    }
    if let Some(found) = forwarded::find(&parsed, &NormaliseLimits::default()) {
        assert_covers(&found.body.spans, &found.body.text);
        assert_covers(&found.above.spans, &found.above.text);
        assert!(found.body.text.len() <= NormaliseLimits::default().text_octets_max, "what is forwarded is bounded");
        assert!(found.subject.len() <= SUBJECT_OCTETS_MAX, "its subject is bounded");
    }
}

/// What a mail system says of our mail, in words of its own or of a standard.
pub fn report(octets: &[u8]) {
    for kind in ["text/plain", "message/delivery-status", "message/feedback-report"] {
        let head = format!("Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: Undelivered\nContent-Type: {kind}\n\n");
        let mail = [head.as_bytes(), octets].concat();
        let parsed = normalise(&mail, &NormaliseLimits::default());
        let Some(report) = parsed.report else { continue };
        assert!(!report.told.is_empty() && report.told.len() <= REPORT_RECIPIENTS_MAX, "recipients are bounded");
        assert!(report.mentioned.len() <= REPORT_RECIPIENTS_MAX + 1 && report.originals.len() <= ORIGINALS_MAX, "what it names is bounded");
        for told in &report.told {
            assert!(told.diagnostic.len() <= REASON_OCTETS_MAX && !told.diagnostic.contains('\n'), "its words are a line");
            assert!(told.status.is_empty() || is_status(&told.status), "a status is one");
        }
        assert!(report.tie(&Signer::new(&[7; 32]), &parsed.addressed).is_none(), "nobody guesses what was signed");
    }
}

fn assert_is_bounded(parsed: &Parsed, octets: &[u8], limits: &NormaliseLimits) {
    let is_one_line = |text: &str| !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    assert!(is_one_line(&parsed.subject) && parsed.subject.len() <= SUBJECT_OCTETS_MAX, "the subject is a line");
    for contact in parsed.from.iter().chain(&parsed.reply_to).chain(&parsed.recipients) {
        assert!(is_one_line(&contact.name), "a name is a line");
        assert_eq!(EmailAddress::parse(contact.address.as_str()).as_ref(), Ok(&contact.address), "an address is one");
    }
    assert!(parsed.recipients.len() <= RECIPIENTS_MAX && parsed.addressed.len() <= ADDRESSED_MAX);
    assert!(parsed.references.len() <= REFERENCES_MAX && parsed.in_reply_to.len() <= REFERENCES_MAX);
    let names: Vec<&str> = parsed.defects.iter().map(|defect| defect.name).collect();
    assert!(names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)), "a defect is named once: {names:?}");
    assert!(parsed.from.is_some() || names.iter().any(|name| name.ends_with("_from") || *name == "no_headers"), "nobody, and why");
    // Each octet of a header can become three (in another character set, or escaped), and more where both happen.
    let header: usize = parsed.headers.iter().map(|field| field.name.len() + field.value.len()).sum();
    assert!(header <= (limits.head_octets_max + limits.head_octets_max / 4) * 6, "the header is bounded: {header}");
    assert!(parsed.body.text.len() <= limits.text_octets_max, "the text is bounded");
    assert!(!parsed.body.text.contains(['\0', '\r', '\x1b']), "the text is clean");
    assert_covers(&parsed.body.spans, &parsed.body.text);
    assert!(parsed.attachments.len() <= limits.parts_max, "the files are bounded");
    let files: usize = parsed.attachments.iter().map(|file| file.content.len()).sum();
    assert!(files <= limits.attachments_octets_max && files <= octets.len(), "the files are bounded: {files}");
    for file in &parsed.attachments {
        assert!(is_one_line(&file.name) && (1..=255).contains(&file.name.len()), "a name is a line: {:?}", file.name);
        assert!(!file.name.contains(['/', '\\']) && !file.name.starts_with('.'), "a name is no path: {:?}", file.name);
        assert!(file.media_type.contains('/') && file.media_type.is_ascii(), "a type is one: {:?}", file.media_type);
    }
    let signer = Signer::new(&[7; 32]);
    let ids: Vec<MessageId> = parsed.message_id.iter().chain(&parsed.in_reply_to).chain(&parsed.references).cloned().collect();
    let from = parsed.from.as_ref().map(|contact| &contact.address);
    assert!(signer.claims(from, &parsed.addressed, &ids).is_empty(), "nobody guesses a token");
    assert!(ids.iter().all(|id| signer.is_ours(id).is_none()), "nobody guesses an id");
}

/// Spans follow one another, end where a character ends, and cover the text.
fn assert_covers(spans: &[Span], text: &str) {
    let mut at = 0;
    for span in spans {
        assert!(span.start == at && span.end > at, "spans follow one another");
        assert!(text.is_char_boundary(span.end as usize), "a span ends with a character");
        at = span.end;
    }
    assert_eq!(at as usize, text.len(), "spans cover the text");
}

/// A page of HTML.
pub fn page(octets: &[u8]) {
    let page = String::from_utf8_lossy(octets);
    for octets_max in [100, 256 * 1024] {
        let shown = html::to_text(&page, octets_max);
        assert_eq!(shown, html::to_text(&page, octets_max), "a reading is repeated");
        // At most ten marks of quotation stand before each line, and a line needs a tag.
        assert!(shown.len() <= 100 + page.len() * 16, "{} octets of {}", shown.len(), page.len());
    }
}

/// A text as it was written: what of it is new, and what an agent orders with it.
pub fn text(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets).into_owned();
    for spans in [visible::spans(&text), visible::agent_spans(&text)] {
        assert_covers(&spans, &text);
        let body = Body { spans, text: text.clone(), kept: None };
        assert!(body.new_text().len() <= text.len());
        let settings = settings();
        let Some(calendar) = settings.policy.calendars.get("office") else { return };
        let ordered = command::read(&body, "kelly", &settings.policy, &calendar.zone, Timestamp::UNIX_EPOCH);
        match ordered {
            Ok(orders) => {
                assert_covers(&orders.body.spans, &orders.body.text);
                assert!(orders.commands.len() <= 100, "commands are bounded");
            }
            Err(faults) => assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.is_empty()), "a fault says what it is"),
        }
    }
}

/// A frame from a chat window.
pub fn chat(octets: &[u8]) {
    const FRAME_OCTETS_MAX: usize = 16 * 1024;
    let frame = String::from_utf8_lossy(octets);
    let read = protocol::read(&frame, FRAME_OCTETS_MAX);
    assert_eq!(read, protocol::read(&frame, FRAME_OCTETS_MAX), "a reading is repeated");
    match read {
        Ok(FromWindow::Hello { session, name, .. }) => {
            assert!(name.len() <= protocol::NAME_OCTETS_MAX && !name.contains(char::is_control), "a name is a line");
            if let Some(id) = session.as_deref().and_then(SessionId::from_hex) {
                assert_eq!(SessionId::from_hex(&id.to_hex()), Some(id));
            }
        }
        Ok(FromWindow::Message { id, text }) => {
            assert!(id.len() <= protocol::CLIENT_ID_OCTETS_MAX && id.is_ascii(), "an id is one");
            assert!(!text.is_empty() && text.len() <= FRAME_OCTETS_MAX && !text.contains(['\0', '\x1b']), "a text is clean");
        }
        Ok(FromWindow::Rate { score, comment }) => {
            assert!((1..=5).contains(&score) && comment.len() <= protocol::COMMENT_OCTETS_MAX, "a score is one");
        }
        Ok(FromWindow::Typing {} | FromWindow::Seen { .. } | FromWindow::End {}) | Err(_) => {}
    }
}

/// A file of many mails.
pub fn mbox(octets: &[u8]) {
    const MAIL_OCTETS_MAX: u64 = 1000;
    const CUT_OCTETS: u64 = 100;
    let mut splitter = Splitter::new(MAIL_OCTETS_MAX, CUT_OCTETS);
    let pieces = octets.split_inclusive(|b| *b == b'\n').flat_map(|line| line.chunks(PIECE_OCTETS_MAX));
    let mut parts: Vec<_> = pieces.filter_map(|piece| splitter.take(piece)).collect();
    parts.extend(splitter.finish());
    let mut whole = 0;
    for part in &parts {
        let size = part.raw.len() as u64;
        assert!(size > 0 && size <= part.cut.map_or(MAIL_OCTETS_MAX, |_| CUT_OCTETS), "a mail is bounded");
        whole += part.cut.unwrap_or(size);
    }
    assert!(whole <= octets.len() as u64, "no octet comes twice");
    if is_mbox(octets) && octets.len() < 1000 {
        // What is behind the first separator is somebody's mail.
        let first = octets.split_inclusive(|b| *b == b'\n').position(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        let behind = octets.split_inclusive(|b| *b == b'\n').skip(first + 1);
        let has_words = behind.filter(|line| !line.starts_with(b"From ")).any(|line| !line.trim_ascii().is_empty());
        assert!(!has_words || !parts.is_empty(), "no mail is lost");
    }
}

/// A file of configuration. Files that it names are looked for in a folder that is not there.
pub fn configuration(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let load = || config::load_text("fuzz.toml", &text, Path::new("/nonexistent"));
    match (load(), load()) {
        (Ok(_), Ok(_)) => {}
        (Err(faults), Err(again)) => {
            assert_eq!(faults, again, "a reading is repeated");
            assert!(!faults.is_empty(), "a refusal says why");
            for fault in &faults {
                assert!(!fault.message.is_empty() && !fault.file.is_empty(), "a fault says what and where");
            }
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("a reading is repeated"),
    }
}

/// A table of customers.
pub fn customers(octets: &[u8]) {
    let folder = std::env::temp_dir().join(format!("guichet-fuzz-{}", std::process::id()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join("customers.csv"), octets));
    assert!(written.is_ok(), "the test's own folder");
    let text = CONFIGURATION.replace("[smtp]", "customers = \"customers.csv\"\n[smtp]");
    if let Err(faults) = config::load_text("fuzz.toml", &text, &folder) {
        assert!(faults.iter().all(|fault| fault.file.ends_with("customers.csv")), "only the table is at fault: {faults:?}");
        assert!(faults.len() <= 200, "faults are bounded");
    }
}

/// Values of one line, as they stand in fields, frames and command lines.
pub fn words(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    for octets_max in [0, 1, 7, 500] {
        let line = one_line(&text, octets_max);
        assert!(line.len() <= octets_max && !line.contains(char::is_control), "a line is one");
        assert_eq!(one_line(&line, octets_max), line, "a line stays as it is");
    }
    if let Ok(address) = EmailAddress::parse(&text) {
        assert_eq!(EmailAddress::parse(address.as_str()).as_ref(), Ok(&address), "an address has one form");
        assert!(!address.local().is_empty() && !address.domain().is_empty() && address.as_str().len() <= 320, "an address has two sides");
        assert!(EmailAddress::parse(&address.untagged()).is_ok(), "without its tag it is one, too");
    }
    if let Some(id) = MessageId::parse(&text) {
        assert_eq!(MessageId::parse(id.as_str()).as_ref(), Some(&id), "an id has one form");
        assert!(id.as_str().len() <= MessageId::OCTETS_MAX && !id.as_str().contains(char::is_control), "an id is bounded");
        assert_eq!(Signer::new(&[7; 32]).is_ours(&id), None, "nobody guesses an id");
    }
    if let Some(id) = OutboxId::parse(&text) {
        assert_eq!(OutboxId::parse(&id.to_string()), Some(id), "an id has one form");
    }
    if let Some(id) = SessionId::from_hex(&text) {
        assert_eq!(SessionId::from_hex(&id.to_hex()), Some(id), "an id has one form");
    }
    let _ = Language::parse(&text);
}

/// A desk with one of each, for what depends on a policy.
const CONFIGURATION: &str = r#"
[desk]
name = "Help Desk"
state_dir = "/nonexistent/state"
languages = ["en", "pt"]
[smtp]
maildir = "/nonexistent/out"
[[mailbox]]
name = "support"
address = "support@help.example"
team = "frontline"
maildir = "/nonexistent/support"
[[calendar]]
name = "office"
time_zone = "America/Sao_Paulo"
open = ["mon-fri 09:00-18:00"]
[[team]]
name = "frontline"
calendar = "office"
[[agent]]
name = "Kelly Agent"
address = "kelly@help.example"
teams = ["frontline"]
"#;

fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| match config::load_text("fuzz.toml", CONFIGURATION, Path::new("/nonexistent")) {
        Ok(settings) => settings,
        Err(faults) => panic!("{faults:?}"),
    })
}
