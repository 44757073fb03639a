//! Whose mail it is that somebody forwards: as a file, or in the text below a few lines of header.
//!
//! Nothing here proves anything: whoever acts on it believes the one who forwards. Of mails that were forwarded more than once the
//! outermost counts. Each line is looked at once; what is read as a header is short.

use super::automatic;
use super::normalise::{NormaliseLimits, Parsed, ParsedAttachment, language, normalise};
use super::visible::{self, Begin, Heading, heading};
use crate::domain::address::{Contact, EmailAddress, one_line};
use crate::domain::message::{Body, Language, Machine, MessageId};
use crate::domain::ticket::{NAME_OCTETS_MAX, SUBJECT_OCTETS_MAX};
use jiff::Timestamp;

/// What somebody writes above what he forwards is a note; one that is longer is a mail of his own.
const ABOVE_OCTETS_MAX: usize = 16 * 1024;

/// A forwarded mail, its files not yet kept.
#[derive(Clone, Debug)]
pub struct Found {
    pub from: Contact,
    pub subject: String,
    /// Only where a time zone stands beside the time.
    pub sent_at: Option<Timestamp>,
    pub message_id: Option<MessageId>,
    /// What its writer says.
    pub body: Body,
    /// What stands above it.
    pub above: Body,
    /// Those of the attached mail; `None` where it stands in the text, so that all files are its own.
    pub attachments: Option<Vec<ParsedAttachment>>,
    pub machine: Option<(Machine, String)>,
    pub language: Option<Language>,
}

/// What stands before the colon of a subject when a program forwards, in lower case.
const MARKS: [&str; 34] = [
    "fwd",
    "fw",
    "wg",
    "enc",
    "tr",
    "vs",
    "edasi",
    "rv",
    "i",
    "doorst",
    "vb",
    "fs",
    "vl",
    "pd",
    "rif",
    "trs",
    "tovább",
    "továbbítás",
    "ilt",
    "i̇lt",
    "yml",
    "fwrd",
    "forward",
    "forwarded",
    "encaminhada",
    "reenv",
    "transf",
    "пересл",
    "прд",
    "πρθ",
    "转发",
    "轉寄",
    "転送",
    "전달",
];

/// Whether a subject says that the mail is forwarded. `Re: Fwd: …` answers one that was.
#[must_use]
pub fn is_forward(subject: &str) -> bool {
    const MARK_OCTETS_MAX: usize = 40;
    let Some(colon) = subject.find([':', '：']).filter(|at| *at <= MARK_OCTETS_MAX) else { return false };
    let mark = subject[..colon].trim_matches(|c: char| c.is_whitespace() || c.is_ascii_digit() || "[]()".contains(c)).to_lowercase();
    MARKS.contains(&mark.as_str())
}

/// The mail that this one forwards, if it forwards one.
#[must_use]
pub fn find(parsed: &Parsed, limits: &NormaliseLimits) -> Option<Found> {
    attached(parsed, limits).or_else(|| inline(parsed))
}

/// A mail that came as the first file.
fn attached(parsed: &Parsed, limits: &NormaliseLimits) -> Option<Found> {
    let file = parsed.attachments.first()?;
    let is_mail = matches!(file.media_type.as_str(), "message/rfc822" | "message/global")
        || file.media_type == "application/octet-stream" && file.name.to_lowercase().ends_with(".eml");
    if !is_mail {
        return None;
    }
    let mail = normalise(&file.content, limits);
    let from = mail.from?;
    // Without words of his own, what the mail says is an extract of the file.
    let is_extract = visible::separator(parsed.body.text.lines().next().unwrap_or_default()) == Some(Begin::Forward);
    let above = if is_extract { "" } else { parsed.body.text.as_str() };
    Some(Found {
        from,
        subject: mail.subject,
        sent_at: mail.sent_at,
        message_id: mail.message_id,
        body: mail.body,
        above: above_of(above)?,
        attachments: Some(mail.attachments),
        machine: mail.machine,
        language: mail.language,
    })
}

/// A mail that stands in the text.
fn inline(parsed: &Parsed) -> Option<Found> {
    let Inline { from, subject, sent_at, above, text } = read(&parsed.subject, &parsed.body.text)?;
    let body = Body { spans: visible::spans(&text), text, kept: None };
    Some(Found {
        machine: automatic::machine(&[], Some(&from.address), &subject),
        language: language::of(&body.new_text()),
        from,
        subject,
        sent_at,
        message_id: None,
        body,
        above: above_of(above)?,
        attachments: None,
    })
}

fn above_of(text: &str) -> Option<Body> {
    let text = text.trim_matches(['\n', '\r']).to_owned();
    (text.len() <= ABOVE_OCTETS_MAX).then(|| Body { spans: visible::agent_spans(&text), text, kept: None })
}

struct Inline<'a> {
    from: Contact,
    subject: String,
    sent_at: Option<Timestamp>,
    above: &'a str,
    text: String,
}

/// Finds a header block below a separator, or anywhere if the subject says that the mail is forwarded.
fn read<'a>(subject: &str, text: &'a str) -> Option<Inline<'a>> {
    /// Lines between a separator and the header block.
    const GAP_MAX: usize = 3;
    let says_so = is_forward(subject);
    let mut start = 0;
    // Where the last separator or rule stands, and how many lines with words are below it.
    let mut separator: Option<(usize, usize, bool)> = None;
    for line in text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        let bare = unmarked(line);
        if bare.is_empty() {
            continue;
        }
        if let Some((_, below, _)) = &mut separator {
            *below += 1;
        }
        let begins = visible::separator(bare).map(|begin| begin == Begin::Forward);
        if let Some(is_forward) = begins.or_else(|| visible::is_rule(bare).then_some(false)) {
            separator = Some((at, 0, is_forward));
            continue;
        }
        let Some(separator) = separator.filter(|(_, below, _)| *below <= GAP_MAX).or_else(|| says_so.then_some((at, 0, false))) else {
            continue;
        };
        let (from_at, _, is_forward) = separator;
        if (says_so || is_forward)
            && heading(bare).is_some()
            && let Some(block) = Block::read(&text[at..])
        {
            // Where the outermost names nobody, one inside of it is not his either: he who wrote the mail may have put it there.
            let from = contact(&block.from)?;
            let subject = one_line(&block.subject, SUBJECT_OCTETS_MAX);
            let his = text.get(at + block.end..).unwrap_or_default();
            return Some(Inline {
                from,
                subject,
                sent_at: jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(block.date.trim()).ok(),
                above: &text[..from_at],
                text: without_marks(his, line.trim_start().starts_with('>')),
            });
        }
    }
    None
}

/// A line without quotation marks and what programs make of bold print.
fn unmarked(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '>' | '|' | '\u{200e}' | '\u{200f}' | '\u{feff}'))
}

/// His words; where the header was marked, one mark less.
fn without_marks(text: &str, is_marked: bool) -> String {
    let text = text.trim_matches(['\n', '\r']);
    if !is_marked {
        return text.to_owned();
    }
    let line = |line: &'_ str| -> String {
        let bare = line.trim_start().strip_prefix('>').map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
        format!("{bare}\n")
    };
    text.lines().map(line).collect::<String>().trim_matches('\n').to_owned()
}

/// What a header block says.
#[derive(Default)]
struct Block {
    from: String,
    date: String,
    subject: String,
    /// Where the text goes on, in octets.
    end: usize,
}

impl Block {
    /// Reads the block at the start; `None` if there are fewer than two fields besides From.
    fn read(text: &str) -> Option<Self> {
        const LINES_MAX: usize = 24;
        const VALUE_OCTETS_MAX: usize = 2000;
        let mut block = Self::default();
        let mut seen: Vec<Heading> = Vec::new();
        let mut last: Option<Heading> = None;
        let mut blank = false;
        let mut at = 0;
        for line in text.split_inclusive('\n').take(LINES_MAX) {
            at += line.len();
            let bare = unmarked(line);
            if bare.is_empty() {
                blank = true;
                continue;
            }
            let found = heading(bare);
            let is_complete = seen.len() >= 3 && seen.contains(&Heading::From);
            // Behind an empty line only a block that is not complete goes on, or a field without its value.
            if blank && (found.is_none() && !block.is_empty(last) || is_complete && found.is_none_or(|f| seen.contains(&f))) {
                break;
            }
            blank = false;
            let value = match found {
                Some(field) if seen.contains(&field) => break,
                Some(field) => {
                    seen.push(field);
                    last = Some(field);
                    bare.split_once([':', '：']).map_or("", |(_, value)| value)
                }
                None if is_field(bare) => {
                    last = None;
                    ""
                }
                None => bare,
            };
            if let Some(kept) = block.value(last)
                && kept.len() + value.len() < VALUE_OCTETS_MAX
            {
                kept.push(' ');
                kept.push_str(value.trim_matches(|c: char| c.is_whitespace() || c == '*'));
            }
            block.end = at;
        }
        (seen.len() >= 3 && seen.contains(&Heading::From)).then_some(block)
    }

    fn value(&mut self, field: Option<Heading>) -> Option<&mut String> {
        match field? {
            Heading::From => Some(&mut self.from),
            Heading::Date => Some(&mut self.date),
            Heading::Subject => Some(&mut self.subject),
            Heading::To | Heading::Cc => None,
        }
    }

    fn is_empty(&mut self, field: Option<Heading>) -> bool {
        self.value(field).is_some_and(|value| value.trim().is_empty())
    }
}

/// `Reply-To: …`, `Attachments: …`: a field of which nothing is wanted.
fn is_field(line: &str) -> bool {
    const NAME_CHARS_MAX: usize = 20;
    let Some((name, _)) = line.split_once(':') else { return false };
    let name = name.trim_matches('*');
    !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(|c| c.is_alphabetic() || c == '-')
}

/// The one person that a From line names: the address in brackets, else the only one.
fn contact(value: &str) -> Option<Contact> {
    let bracketed = value.rsplit_once('<').map(|(name, rest)| (name, rest.split('>').next().unwrap_or_default()));
    let parse = |text: &str| EmailAddress::parse(text.trim().trim_start_matches("mailto:")).ok();
    let (name, address) = if let Some(found) = bracketed.and_then(|(name, inner)| Some((name, parse(inner)?))) {
        found
    } else {
        let words = value.split(|c: char| c.is_whitespace() || "<>[]()\"',;".contains(c));
        let mut all = words.filter(|word| word.contains('@')).filter_map(parse);
        let first = all.next()?;
        if all.any(|other| other != first) {
            return None;
        }
        (value.split(['<', '[', '(']).next().unwrap_or_default(), first)
    };
    let name = name.split(['<', '[']).next().unwrap_or_default();
    let name = one_line(name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '*')), NAME_OCTETS_MAX);
    let name = if name.contains('@') { String::new() } else { name };
    Some(Contact { name, address })
}

#[cfg(test)]
mod tests;
