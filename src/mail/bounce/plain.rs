//! Reports that follow no standard: the words of mail systems to people.
//!
//! Recognised by who writes (a mail system's name, no return path, a field of its own) and by what is said (words that such
//! programs use). Whom they name is read where programs put it: at the start of a line, behind a label, in X-Failed-Recipients.
//! All of it is one pass over the first octets of the text.

use super::{ORIGINALS_MAX, REPORT_RECIPIENTS_MAX, Report, address};
use crate::domain::address::{EmailAddress, one_line};
use crate::domain::bounce::{News, REASON_OCTETS_MAX, Told, enhanced_status};
use crate::domain::message::MessageId;
use crate::mail::normalise::Header;

/// Octets of a text that are looked at: for Message-IDs, for what is said, and for what it begins with.
const TEXT_OCTETS_MAX: usize = 64 * 1024;
const SAID_OCTETS_MAX: usize = 16 * 1024;
const OPENING_OCTETS_MAX: usize = 2 * 1024;

/// What is known of a mail that may be such a report.
pub(in crate::mail) struct Facts<'a> {
    pub headers: &'a [Header],
    pub from: Option<&'a EmailAddress>,
    /// To whom the report itself went.
    pub addressed: &'a [EmailAddress],
    pub subject: &'a str,
    pub text: &'a str,
    /// Message-IDs of mails that came with it.
    pub originals: Vec<MessageId>,
}

/// Reads such a report; `None` for any other mail. Of a mail of a person little more than its header is looked at.
pub(in crate::mail) fn read(facts: Facts<'_>) -> Option<Report> {
    let writer = writer(&facts)?;
    let said = said(facts.text);
    let lower = format!("{}\n{}", facts.subject, &said[..said.floor_char_boundary(OPENING_OCTETS_MAX)]).to_lowercase();
    let opening = PROGRAMS.iter().find(|(words, _)| lower.contains(words)).map(|(_, shape)| *shape);
    let fails = opening.is_some() || FAILED.iter().any(|words| lower.contains(words));
    let waits = DELAYED.iter().any(|words| lower.contains(words));
    if !fails && !waits && writer != Writer::NamesRecipients {
        return None;
    }
    let (status, diagnostic) = diagnosis(said);
    let news = if waits || (!fails && status.starts_with('4')) { News::Delayed } else { News::Failed };
    let (recipients, mentioned) = recipients(&facts, said);
    let named = recipients.len();
    // A subject alone is no report.
    if recipients.is_empty() && mentioned.is_empty() && status.is_empty() && diagnostic.is_empty() {
        return None;
    }
    let told = |recipient| Told { recipient, original: None, news, status: status.clone(), diagnostic: diagnostic.clone() };
    let mut all: Vec<Told> = recipients.into_iter().take(REPORT_RECIPIENTS_MAX).map(|recipient| told(Some(recipient))).collect();
    if all.is_empty() {
        all.push(told(None));
    }
    let shape = opening.unwrap_or("words of a mail system");
    let mut originals = facts.originals;
    originals.extend(message_ids(facts.text));
    originals.truncate(ORIGINALS_MAX);
    let (named, mentioned) = if named == 0 { (mentioned.len(), mentioned) } else { (named, Vec::new()) };
    Some(Report { shape, originals, told: all, named, mentioned })
}

/// Why a mail is taken for a mail system's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// X-Failed-Recipients, which nobody else writes.
    NamesRecipients,
    /// Its name, or no return path.
    System,
}

fn writer(facts: &Facts<'_>) -> Option<Writer> {
    const NAMES: [&str; 9] = [
        "mailerdaemon",
        "postmaster",
        "maildaemon",
        "mdaemon",
        "mailsystem",
        "maildelivery",
        "maildeliverysystem",
        "maildeliverysubsystem",
        "postoffice",
    ];
    let value = |name: &str| facts.headers.iter().find(|h| h.name == name).map(|h| h.value.as_str());
    if value("x-failed-recipients").is_some() {
        return Some(Writer::NamesRecipients);
    }
    let is_null = |name| value(name).is_some_and(|v| v.chars().filter(|c| !c.is_whitespace()).eq("<>".chars()));
    // RFC 5321 section 4.5.5; the second is what some programs write for the first.
    if is_null("return-path") || is_null("x-envelope-from") {
        return Some(Writer::System);
    }
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let is_system = match facts.from {
        Some(from) => NAMES.contains(&plain(from.local()).as_str()),
        // Some name nobody whom one could answer: `MAILER-DAEMON (Mail Delivery System)`.
        None => value("from").map(plain).is_some_and(|bare| NAMES.iter().any(|name| bare.contains(name))),
    };
    is_system.then_some(Writer::System)
}

/// Words by which a program is known, lower case.
const PROGRAMS: [(&str, &str); 22] = [
    ("this is the qmail-send program", "qmail"),
    ("this message was created automatically by mail delivery software", "Exim"),
    ("could not be delivered to one or more recipients", "Postfix"),
    ("couldn't be delivered to one or more recipients", "Postfix"),
    ("this is the mail system at host", "Postfix"),
    ("this is the postfix program", "Postfix"),
    ("following addresses had permanent fatal errors", "Sendmail"),
    ("following addresses had permanent delivery errors", "Sendmail"),
    ("following addresses had transient non-fatal errors", "Sendmail"),
    ("did not reach some or all of the intended recipients", "Exchange"),
    ("did not reach the following recipient", "Exchange"),
    ("delivery has failed to these recipients or groups", "Exchange"),
    ("delivery has failed to these recipients or distribution lists", "Exchange"),
    ("delivery to the following recipient failed", "Gmail"),
    ("delivery to the following recipients failed", "Exchange"),
    ("your message wasn't delivered to", "Gmail"),
    ("unable to deliver your message to the following address", "Yahoo"),
    ("mdaemon", "MDaemon"),
    ("the attached file had the following undeliverable recipient", "MDaemon"),
    ("groupwise", "GroupWise"),
    ("not listed in domino directory", "Lotus Domino"),
    ("not listed in public name & address book", "Lotus Domino"),
];

/// Words for what is given up, lower case.
const FAILED: [&str; 62] = [
    // English
    "undeliver",
    "non-delivery",
    "nondeliverable",
    "delivery failure",
    "delivery failed",
    "delivery has failed",
    "failed delivery",
    "delivery error",
    "delivery status notification (failure)",
    "could not be delivered",
    "couldn't be delivered",
    "cannot be delivered",
    "can't be delivered",
    "was not delivered",
    "wasn't delivered",
    "not be delivered",
    "unable to deliver",
    "failed to deliver",
    "returned mail",
    "returned to sender",
    "returning message to sender",
    "failure notice",
    "failed permanently",
    "permanent error",
    "permanent failure",
    "fatal error",
    "message rejected",
    "mail system error",
    "user unknown",
    "no such user",
    "address not found",
    // German
    "unzustellbar",
    "nicht zugestellt",
    "konnte nicht an",
    "zustellung fehlgeschlagen",
    "zustellungsfehler",
    // Portuguese and Spanish
    "não foi possível entregar",
    "não entregue",
    "não pôde ser entregue",
    "falha na entrega",
    "falha no envio",
    "no se puede entregar",
    "no se ha podido entregar",
    "no se pudo entregar",
    "no entregado",
    "error de entrega",
    // French, Italian, Dutch
    "non remis",
    "n'a pas pu être remis",
    "n'a pas pu être distribué",
    "échec de la remise",
    "mancato recapito",
    "impossibile recapitare",
    "recapito non riuscito",
    "onbestelbaar",
    "niet worden bezorgd",
    // Estonian, Swedish, Polish, Russian, Japanese, Chinese
    "ei saanud kohale toimetada",
    "kohale toimetamine ebaõnnestus",
    "kunde inte levereras",
    "nie może zostać dostarczona",
    "недоставлен",
    "配信できません",
    "退信",
];

/// Words for what is tried again, lower case.
const DELAYED: [&str; 24] = [
    "delivery status notification (delay)",
    "still being retried",
    "do not need to resend",
    "don't need to resend",
    "will be retried",
    "will keep trying",
    "will continue to try",
    "will be attempted",
    "attempts to deliver",
    "continue trying",
    "not yet been delivered",
    "hasn't been delivered yet",
    "has been delayed",
    "delayed mail",
    "message delayed",
    "delivery is delayed",
    "delivery delayed",
    "warning: could not send message for past",
    "wird verzögert",
    "zustellung verzögert",
    "entrega atrasada",
    "retrasado",
    "retardé",
    "viibib",
];

/// What the program says, without the mail that it returns below.
fn said(text: &str) -> &str {
    const BELOW: [&str; 14] = [
        "below this line is a copy",
        "below the next line is a copy",
        "this is a copy of",
        "copy of the message",
        "copy of your message",
        "original message",
        "ursprüngliche nachricht",
        "mensagem original",
        "mensaje original",
        "message d'origine",
        "message header follows",
        "message headers follow",
        "unsent message below",
        "returned message follows",
    ];
    const FIELDS: [&str; 6] = ["received:", "return-path:", "message-id:", "dkim-signature:", "mime-version:", "x-received:"];
    let text = &text[..text.floor_char_boundary(SAID_OCTETS_MAX)];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let lower = line[..line.floor_char_boundary(200)].trim().to_lowercase();
        let is_rule = lower.starts_with('-') || lower.ends_with(':') || lower.ends_with('.') || lower.ends_with("follows");
        let is_below = is_rule && BELOW.iter().any(|words| lower.contains(words));
        if at > 0 && (is_below || FIELDS.iter().any(|name| lower.starts_with(name))) {
            return &text[..at];
        }
        at += line.len();
    }
    text
}

/// The status, if one stands there, and the line that says most: with an enhanced code, else with a reply code of SMTP.
fn diagnosis(said: &str) -> (String, String) {
    let line = |text: &str| one_line(text, REASON_OCTETS_MAX);
    let is_bad = |status: &&str| status.starts_with(['4', '5']);
    if let Some((text, status)) = said.lines().find_map(|l| Some((l, enhanced_status(l).filter(is_bad)?))) {
        return (status.to_owned(), line(text));
    }
    if let Some((text, code)) = said.lines().find_map(|l| Some((l, reply_code(l)?))) {
        // RFC 3463 section 2: the class is the same; nothing more is known.
        return (format!("{}.0.0", &code[..1]), line(text));
    }
    let lower = said.lines().find(|l| {
        let l = l[..l.floor_char_boundary(400)].to_lowercase();
        FAILED.iter().chain(&DELAYED).any(|words| l.contains(words))
    });
    (String::new(), line(lower.unwrap_or_default()))
}

/// A reply code of SMTP for what did not succeed (RFC 5321 section 4.2): three digits of their own.
fn reply_code(line: &str) -> Option<&str> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric());
    words.into_iter().find(|word| {
        let octets = word.as_bytes();
        matches!(octets, [b'4' | b'5', b'0'..=b'5', b'0'..=b'9'])
    })
}

/// Who is named where programs name the recipient; and, if nobody is, whoever is mentioned at all. Neither has those to whom the
/// report itself is written, nor its writer.
fn recipients(facts: &Facts<'_>, said: &str) -> (Vec<EmailAddress>, Vec<EmailAddress>) {
    const LABELS: [&str; 14] = [
        "failed address",
        "failed recipient",
        "recipient address",
        "recipient",
        "recipients",
        "final-recipient",
        "original-recipient",
        "to",
        "address",
        "an",
        "empfänger",
        "destinatário",
        "destinatario",
        "destinataire",
    ];
    let own: Vec<String> = facts.addressed.iter().chain(facts.from).map(EmailAddress::untagged).collect();
    let is_other =
        |found: &EmailAddress| !own.contains(&found.untagged()) && !matches!(found.local(), "postmaster" | "mailer-daemon" | "abuse");
    let mut named = Vec::new();
    let add = |list: &mut Vec<EmailAddress>, found: EmailAddress| {
        // One more than are kept tells that there are too many.
        if is_other(&found) && !list.contains(&found) && list.len() <= REPORT_RECIPIENTS_MAX {
            list.push(found);
        }
    };
    for header in facts.headers.iter().filter(|h| h.name == "x-failed-recipients") {
        header.value.split([',', ' ']).filter_map(address).for_each(|found| add(&mut named, found));
    }
    for line in said.lines() {
        let line = line.trim_start().trim_start_matches(['*', '•', '·', '-']).trim_start();
        let word = line.split_whitespace().next().unwrap_or_default();
        let labelled = line.split_once(':').filter(|(label, _)| label.len() < 40 && LABELS.contains(&label.trim().to_lowercase().as_str()));
        let found = match labelled {
            Some((_, rest)) => address(rest).or_else(|| address(rest.split_whitespace().next().unwrap_or_default())),
            None => bare(word),
        };
        if let Some(found) = found {
            add(&mut named, found);
        }
    }
    let mut mentioned = Vec::new();
    if named.is_empty() {
        let words = said.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c)).filter(|word| word.contains('@'));
        words.filter_map(bare).for_each(|found| add(&mut mentioned, found));
    }
    (named, mentioned)
}

/// An address with the signs that programs put around it: `<ana@x>:`, `ana@x,`, `'ana@x'`.
fn bare(word: &str) -> Option<EmailAddress> {
    let word = word.trim_matches(|c: char| "<>:;,'\"()[].".contains(c));
    if word.contains('@') { EmailAddress::parse(word).ok() } else { None }
}

/// What stands behind each `Message-ID:` of a text, be it quoted or not.
fn message_ids(text: &str) -> impl Iterator<Item = MessageId> + '_ {
    let lines = text[..text.floor_char_boundary(TEXT_OCTETS_MAX)].lines().map(|line| line.trim_start_matches(['>', ' ', '\t', '|']));
    lines.filter_map(|line| {
        let (name, rest) = line.split_at_checked("message-id:".len())?;
        let id = rest.split_whitespace().next().filter(|_| name.eq_ignore_ascii_case("message-id:"))?;
        MessageId::parse(id)
    })
}
