//! An [`Outbound`] to the octets of RFC 5322. The same entry gives the same octets at each attempt (P5).
//!
//! Each value that came from outside is put on one line before the builder sees it, ids are written only if they are plain,
//! and every part is encoded, so that nothing that somebody wrote can begin a header, a part or a second mail.

use super::normalise::language;
use super::token::Signer;
use crate::domain::address::{Contact, EmailAddress, one_line};
use crate::domain::message::{Attachment, Bound, Language, MessageId};
use crate::domain::outbound::{Audience, Automatic, Outbound, Purpose};
use crate::domain::ticket::{NAME_OCTETS_MAX, SUBJECT_OCTETS_MAX};
use mail_builder::MessageBuilder;
use mail_builder::headers::{HeaderType, address::Address, content_type::ContentType, date::Date, message_id::MessageId as Ids, raw::Raw};
use mail_builder::mime::MimePart;

/// Ids that are written to References; the newest.
const REFERENCES_MAX: usize = 20;

/// A mail that is ready to be handed to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// `None` is the null return path of automatic mail (RFC 3834 section 3.3).
    pub envelope_from: Option<EmailAddress>,
    /// Where a server takes nothing from `envelope_from`: the mailbox's own address.
    pub envelope_from_else: Option<EmailAddress>,
    pub envelope_to: EmailAddress,
    pub message_id: MessageId,
    /// CRLF line ends, no line over 998 octets, no dot stuffing.
    pub octets: Vec<u8>,
}

/// Why a mail cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeFault {
    /// The entry goes to a chat visitor without an address.
    #[error("has no recipient with an address")]
    NoRecipient,
}

/// Writes a mail. `text` is its whole text, `attachments` the contents of the entry's files.
///
/// # Errors
/// [`ComposeFault::NoRecipient`] where the entry names nobody with an address.
pub fn compose(outbound: &Outbound, signer: &Signer, text: &str, attachments: &[(Attachment, Vec<u8>)]) -> Result<Composed, ComposeFault> {
    let to = outbound.to.as_ref().ok_or(ComposeFault::NoRecipient)?;
    let domain = outbound.from.domain();
    let ticket = outbound.id.ticket;
    let message_id = signer.message_id(outbound.id, &outbound.audience, domain);
    let (reply_to, in_reply_to, references) = match &outbound.audience {
        Audience::Customer => (
            Some(signer.reply_address(&outbound.from, ticket, &Bound::Customer)),
            outbound.in_reply_to.clone(),
            outbound.references.clone(),
        ),
        Audience::Agent(agent) => {
            let root = signer.thread_root(ticket, agent, domain);
            (Some(signer.reply_address(&outbound.from, ticket, &Bound::Agent(agent.clone()))), Some(root.clone()), vec![root])
        }
        Audience::Asked => {
            (Some(signer.reply_address(&outbound.from, ticket, &Bound::Asked)), outbound.in_reply_to.clone(), outbound.references.clone())
        }
        Audience::Informed => (None, outbound.in_reply_to.clone(), outbound.references.clone()),
    };
    let shown_to = if outbound.shown_to.is_empty() { std::slice::from_ref(to) } else { outbound.shown_to.as_slice() };
    let mut mail = MessageBuilder::new()
        .from(mailbox(&outbound.from_name, &outbound.from))
        .to(Address::new_list(shown_to.iter().map(contact).collect()))
        .reply_to(mailbox("", reply_to.as_ref().unwrap_or(&outbound.from)))
        .subject(one_line(&outbound.subject, SUBJECT_OCTETS_MAX))
        .date(Date::new(outbound.created.as_second()))
        .message_id(message_id.as_str().to_owned());
    if let Some(id) = in_reply_to.as_ref().filter(|id| is_plain(id)) {
        mail = mail.in_reply_to(id.as_str().to_owned());
    }
    // RFC 5322 section 3.6.4: the references end with what is answered.
    let mut chain: Vec<&MessageId> = references.iter().filter(|id| is_plain(id) && Some(*id) != in_reply_to.as_ref()).collect();
    chain.extend(in_reply_to.as_ref().filter(|id| is_plain(id)));
    let newest = chain.split_off(chain.len().saturating_sub(REFERENCES_MAX));
    if !newest.is_empty() {
        mail = mail.references(Ids::new_list(newest.into_iter().map(|id| id.as_str().to_owned())));
    }
    for (name, value) in marks(outbound, signer) {
        mail = mail.header(name, HeaderType::Raw(Raw::new(value)));
    }
    let octets = mail
        .body(body(&message_id, &outbound.audience, outbound.automatic.is_some(), text, attachments))
        .write_to_vec()
        .unwrap_or_default();
    Ok(Composed {
        envelope_from: outbound.automatic.is_none().then(|| signer.return_path(&outbound.from, outbound.id)),
        envelope_from_else: outbound.automatic.is_none().then(|| outbound.from.clone()),
        envelope_to: to.address.clone(),
        message_id,
        octets,
    })
}

/// The fields by which other machines know this for a machine's mail, and by which we know it again.
fn marks(outbound: &Outbound, signer: &Signer) -> Vec<(&'static str, String)> {
    let mut marks = Vec::new();
    if let Some(automatic) = outbound.automatic {
        let word = match automatic {
            Automatic::Replied => "auto-replied",
            Automatic::Generated => "auto-generated",
        };
        marks.push(("Auto-Submitted", word.to_owned()));
        marks.push(("X-Auto-Response-Suppress", "All".to_owned()));
    }
    let is_answer = match outbound.purpose {
        Purpose::Answer | Purpose::Question => true,
        Purpose::Ack
        | Purpose::Notification
        | Purpose::Held
        | Purpose::Reply
        | Purpose::Warning
        | Purpose::Breach
        | Purpose::Review
        | Purpose::Alarm
        | Purpose::Recovery
        | Purpose::Digest
        | Purpose::Escalation
        | Purpose::Reminder
        | Purpose::Delay
        | Purpose::Nudge
        | Purpose::Checkin => false,
    };
    if outbound.automatic.is_some() || !is_answer {
        marks.push(("X-Guichet", signer.loop_mark()));
    }
    marks
}

fn contact(contact: &Contact) -> Address<'static> {
    mailbox(&contact.name, &contact.address)
}

fn mailbox(name: &str, address: &EmailAddress) -> Address<'static> {
    let name = one_line(name, NAME_OCTETS_MAX);
    Address::new_address((!name.is_empty()).then_some(name), address.as_str().to_owned())
}

/// Ids of strangers may hold anything; only what cannot end the field or the brackets is repeated.
fn is_plain(id: &MessageId) -> bool {
    id.as_str().bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'\\' | b'(' | b')'))
}

/// `is_ours`: the desk itself wrote it. What an agent wrote keeps the lines that he gave it.
fn body(id: &MessageId, audience: &Audience, is_ours: bool, text: &str, attachments: &[(Attachment, Vec<u8>)]) -> MimePart<'static> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // What agents get is mixed: our words in their language, the customer's in his.
    let language = match audience {
        Audience::Customer | Audience::Asked => language::of(&text),
        Audience::Agent(_) | Audience::Informed => None,
    };
    let page = html_of(&text, language);
    let plain = if is_ours { flowed(&text) } else { text };
    let kind = ContentType::new("text/plain").attribute("charset", "utf-8");
    let kind = if is_ours { kind.attribute("format", "flowed") } else { kind };
    let multipart = |kind: &'static str, parts: Vec<MimePart<'static>>| {
        MimePart::new(ContentType::new(kind).attribute("boundary", boundary(id, kind)), parts)
    };
    let words = multipart("multipart/alternative", vec![MimePart::new(kind, plain), MimePart::new("text/html", page)]);
    if attachments.is_empty() {
        return words;
    }
    let mut parts = vec![words];
    parts.extend(attachments.iter().map(|(about, content)| file(about, content)));
    multipart("multipart/mixed", parts)
}

/// The builder's own boundaries are random; ours are the same at each attempt. `=_` occurs in no encoded text.
fn boundary(id: &MessageId, kind: &str) -> String {
    let hash = blake3::hash(format!("{kind} {id}").as_bytes()).to_hex();
    format!("=_{}", &hash.as_str()[..32])
}

/// Always base64: what was sent is what arrives.
fn file(about: &Attachment, content: &[u8]) -> MimePart<'static> {
    const FILE_NAME_OCTETS_MAX: usize = 255;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
    let is_usable = about.media_type.split_once('/').is_some_and(|(kind, rest)| {
        // RFC 2046 sections 5.1 and 5.2: these must not be encoded.
        !matches!(kind, "multipart" | "message") && [kind, rest].iter().all(|s| !s.is_empty() && s.len() <= 63 && s.bytes().all(is_token))
    });
    let media_type = if is_usable { about.media_type.clone() } else { "application/octet-stream".to_owned() };
    let name = one_line(&about.name, FILE_NAME_OCTETS_MAX);
    let name = if name.is_empty() { "attachment".to_owned() } else { name };
    MimePart::new(ContentType::new(media_type), data_encoding::BASE64_MIME.encode(content)).attachment(name).transfer_encoding("base64")
}

/// Long lines in short ones that a mail program may join again (RFC 3676 section 4). Quotes and columns stay as they are, and no word
/// is cut: it may be an address.
fn flowed(text: &str) -> String {
    /// Its end's space included.
    const LINE_CHARS_MAX: usize = 78;
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    for line in text.lines() {
        // Only where we break a line may it end in a space; the delimiter of signatures is known to all.
        let line = if line == "-- " { line } else { line.trim_end_matches(' ') };
        push_stuffed(&mut out, line);
        if line.len() <= LINE_CHARS_MAX || line.starts_with('>') || is_in_columns(line) {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let mut width = 0;
        for word in stretches(line) {
            let long = word.chars().count();
            if width > 0 && width + long > LINE_CHARS_MAX {
                out.push('\n');
                if word.starts_with('>') {
                    out.push(' ');
                }
                push_stuffed(&mut out, word);
                width = 0;
            }
            out.push_str(word);
            width += long;
        }
        out.push('\n');
    }
    if !text.ends_with('\n') {
        out.pop();
    }
    out
}

/// What would be read as stuffing, or stuffed on its way, gets a space before it (RFC 3676 section 4.4).
fn push_stuffed(out: &mut String, line: &str) {
    if line.starts_with(' ') || line.starts_with("From ") {
        out.push(' ');
    }
}

/// Words with the spaces behind them. One that begins with # stays behind the one before it: at the start of a line it could be read as
/// a command of whoever quotes it. What stands in brackets stays together, such as the zone of a time.
fn stretches(line: &str) -> impl Iterator<Item = &str> {
    const BRACKETS_OCTETS_MAX: usize = 50;
    let in_brackets = |rest: &str, at: usize| {
        let (before, behind) = rest.as_bytes().split_at(at);
        let near = &before[before.len().saturating_sub(BRACKETS_OCTETS_MAX)..];
        let open = near.iter().rposition(|b| matches!(b, b'(' | b')')).filter(|open| near[*open] == b'(');
        open.is_some_and(|open| behind.iter().take(BRACKETS_OCTETS_MAX - (near.len() - open)).any(|b| *b == b')'))
    };
    let mut rest = line;
    std::iter::from_fn(move || {
        let may_break = |at: &usize| !rest[*at..].starts_with(['#', ' ']) && !in_brackets(rest, *at);
        let breaks = rest.match_indices(' ').map(|(at, _)| at + 1).find(may_break);
        let (word, behind) = rest.split_at(breaks.unwrap_or(rest.len()));
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}

fn is_in_columns(line: &str) -> bool {
    line.contains("   ") || line.contains('\t')
}

/// A plain page of the text: paragraphs of a width that can be read, quotes as blocks, addresses as links; in the colours of
/// whoever reads it. Each paragraph finds its own direction, so that Hebrew under English stands right.
fn html_of(text: &str, language: Option<Language>) -> String {
    /// Quotes inside of quotes that are shown as such.
    const QUOTES_MAX: usize = 5;
    let mut page = String::with_capacity(text.len() * 2 + 512);
    page.push_str("<!DOCTYPE html>\n<html");
    if let Some(language) = language {
        page.push_str(" lang=\"");
        page.push_str(language.as_str());
        page.push('"');
    }
    page.push_str(
        "><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"></head><body>\n\
         <div style=\"max-width:42em;font:1em/1.45 sans-serif;overflow-wrap:anywhere\">\n",
    );
    let mut depth = 0;
    let mut paragraph: Vec<&str> = Vec::new();
    for line in text.lines() {
        let (quotes, words) = unquoted(line);
        let quotes = quotes.min(QUOTES_MAX);
        if quotes != depth || words.trim().is_empty() {
            push_paragraph(&mut page, &mut paragraph);
        }
        while depth < quotes {
            page.push_str("<blockquote style=\"margin:0 0 1em;border-left:2px solid #ccc;padding-left:1em\">\n");
            depth += 1;
        }
        while depth > quotes {
            page.push_str("</blockquote>\n");
            depth -= 1;
        }
        if !words.trim().is_empty() {
            paragraph.push(words);
        }
    }
    push_paragraph(&mut page, &mut paragraph);
    page.push_str(&"</blockquote>\n".repeat(depth));
    page.push_str("</div></body></html>\n");
    page
}

/// Lines that belong together. Where some are set in columns or indented, the spaces stay and all letters are of one width.
fn push_paragraph(page: &mut String, lines: &mut Vec<&str>) {
    if lines.is_empty() {
        return;
    }
    let in_columns = lines.iter().any(|line| is_in_columns(line));
    page.push_str(if in_columns {
        "<p dir=\"auto\" style=\"margin:0 0 1em;font-family:monospace;white-space:pre-wrap\">"
    } else {
        "<p dir=\"auto\" style=\"margin:0 0 1em\">"
    });
    for (at, line) in lines.drain(..).enumerate() {
        if at > 0 {
            // A line's end would count as well where spaces do.
            page.push_str(if in_columns { "<br>" } else { "<br>\n" });
        }
        push_linked(page, line);
    }
    page.push_str("</p>\n");
}

/// How deep a line is quoted (RFC 3676 section 4.5), and what it says.
fn unquoted(line: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = line;
    while let Some(inner) = rest.strip_prefix('>') {
        depth += 1;
        rest = inner.strip_prefix(' ').unwrap_or(inner);
    }
    (depth, rest)
}

/// Words, escaped; http, https and mailto addresses become links, no other scheme ever does.
fn push_linked(page: &mut String, words: &str) {
    let mut rest = words;
    let mut from = 0;
    while let Some(colon) = rest[from..].find(':').map(|at| from + at) {
        let scheme = ["https", "http", "mailto"].into_iter().find(|scheme| rest[..colon].ends_with(scheme));
        let behind = &rest[colon + 1..];
        let (Some(scheme), true) = (scheme, behind.starts_with("//") || scheme == Some("mailto")) else {
            from = colon + 1;
            continue;
        };
        let (before, link) = rest.split_at(colon - scheme.len());
        let end = link.find(|c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\'' | '`' | '\\' | '^' | '{' | '}' | '|')
        });
        let link = link[..end.unwrap_or(link.len())].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
        let begins_word = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        if begins_word && link.len() > scheme.len() + 3 {
            push_escaped(page, before);
            page.push_str("<a rel=\"noopener noreferrer nofollow\" href=\"");
            push_escaped(page, link);
            page.push_str("\">");
            push_escaped(page, link);
            page.push_str("</a>");
            rest = &rest[before.len() + link.len()..];
            from = 0;
        } else {
            from = colon + 1;
        }
    }
    push_escaped(page, rest);
}

fn push_escaped(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            '\t' => page.push_str("    "),
            c if c.is_control() => page.push(char::REPLACEMENT_CHARACTER),
            c => page.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
