//! Octets of a mail to a [`Parsed`]: never refuses, never panics, bounded in every direction (P3, P11).
//!
//! What is odd becomes a [`Defect`] beside the value. The sender is believed to be somebody only if exactly one usable
//! From address stands there; nothing else is ever taken for it (RFC 5322 section 3.6.2). This folder is the only user of
//! mail-parser, and uses it to read single values: structure, limits and choice of text are our own.
//!
//! Read in this order: this file, `structure` (fields and parts), `headers` (values), `content` (the text), `files` (what
//! comes along), `about` (what a part says of itself), `decode` (encodings and character sets), `words` (what was encoded
//! in pieces), `fingerprint`. What other formats hold: `tnef` and `rtf` (Outlook), `embedded` (uuencode, yEnc), `sealed` and
//! `armor` (S/MIME, PGP), `calendar` (invitations).

mod about;
mod armor;
mod calendar;
mod content;
pub(in crate::mail) mod decode;
mod embedded;
mod files;
mod fingerprint;
mod headers;
pub(in crate::mail) mod language;
mod names;
mod rtf;
pub(in crate::mail) mod scan;
mod sealed;
pub(in crate::mail) mod structure;
mod tidy;
mod tnef;
mod words;

pub(in crate::mail) use headers::mailbox_of;

use crate::domain::address::{Contact, EmailAddress};
use crate::domain::message::{Body, Defect, Fingerprint, Language, Machine, MessageId, Span, SpanKind};
use crate::mail::{automatic, bounce, forwarded, visible};
use jiff::Timestamp;
use std::borrow::Cow;

/// What one mail may cost (P11). What lies beyond is left out and named in a defect; the raw octets are kept elsewhere.
#[derive(Clone, Debug)]
pub struct NormaliseLimits {
    /// Parts that are kept.
    pub parts_max: usize,
    /// Multiparts inside of one another.
    pub depth_max: usize,
    /// Octets of the mail's own header that are kept; trace fields have a quarter of it.
    pub head_octets_max: usize,
    /// Octets of a part's header that are looked at.
    pub part_head_octets_max: usize,
    /// Octets of one field's value; of References the end is kept, of all others the beginning.
    pub field_octets_max: usize,
    /// Files that are kept.
    pub attachments_max: usize,
    /// Decoded octets of all attachments together.
    pub attachments_octets_max: usize,
    /// Octets of the text.
    pub text_octets_max: usize,
    /// Octets of HTML that are turned into text, of all parts together; and what compressed rich text may grow to.
    pub html_octets_max: usize,
}

impl Default for NormaliseLimits {
    fn default() -> Self {
        Self {
            parts_max: 500,
            depth_max: 32,
            head_octets_max: 256 * 1024,
            part_head_octets_max: 16 * 1024,
            field_octets_max: 64 * 1024,
            attachments_max: 250,
            attachments_octets_max: 32 * 1024 * 1024,
            text_octets_max: 256 * 1024,
            html_octets_max: 4 * 1024 * 1024,
        }
    }
}

/// Addresses of one mail that are looked at for a token.
pub const ADDRESSED_MAX: usize = 200;

/// A field of the mail's own header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// On one line and in Unicode, encoded words not decoded.
    pub value: String,
}

/// A file that came along, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedAttachment {
    /// Display data: a base name without control, bidi or leading dots, 1 to 255 octets. Never a path.
    pub name: String,
    /// Such as `image/png`, lower case; `application/octet-stream` where nothing usable stood.
    pub media_type: String,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
    pub content: Vec<u8>,
}

/// What a mail says, bounded and cleaned.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub message_id: Option<MessageId>,
    pub in_reply_to: Vec<MessageId>,
    /// As in the header, oldest first; of many the newest are kept.
    pub references: Vec<MessageId>,
    /// The one usable From mailbox, else nobody; a defect says why.
    pub from: Option<Contact>,
    pub reply_to: Vec<Contact>,
    /// To and Cc.
    pub recipients: Vec<Contact>,
    /// Each address that this copy was sent to, as far as its header knows (To, Cc, Delivered-To, X-Original-To,
    /// Envelope-To): where a token may stand. At most [`ADDRESSED_MAX`].
    pub addressed: Vec<EmailAddress>,
    /// The first Subject field, on one line.
    pub subject: String,
    /// What the Date field claims.
    pub sent_at: Option<Timestamp>,
    /// The text and what its parts are, read as a customer's; an agent's is read again with
    /// [`visible::agent_spans`].
    pub body: Body,
    pub attachments: Vec<ParsedAttachment>,
    pub machine: Option<(Machine, String)>,
    /// A delivery report, where it is one that can be read.
    pub report: Option<bounce::Report>,
    /// Of the new text, only where it is certain enough.
    pub language: Option<Language>,
    pub fingerprint: Fingerprint,
    /// Values of our own mark `X-Guichet` and of `X-Loop`: the caller knows which are its own.
    pub loop_marks: Vec<String>,
    /// Whether the sender wrote Auto-Submitted with anything but `no` (RFC 3834 section 5).
    pub auto_submitted: bool,
    /// The topmost Authentication-Results field, on one line (RFC 8601); whose it is, is not looked at here.
    pub authentication_results: Option<String>,
    /// The header fields that were kept, in order.
    pub headers: Vec<Header>,
    pub defects: Vec<Defect>,
    /// Whose mail it shows; not looked for here, since few need to know ([`forwarded::find`]).
    pub forwarded: Option<Box<forwarded::Found>>,
}

/// Reads one mail.
#[must_use]
pub fn normalise(raw: &[u8], limits: &NormaliseLimits) -> Parsed {
    let mut defects = Vec::new();
    let octets = with_line_ends(skip_prologue(raw));
    if let Cow::Owned(_) = octets {
        flag(&mut defects, "bare_cr", "ends its lines with CR alone");
    }
    let octets = octets.as_ref();
    let (head, body) = structure::split_head(octets);
    let has_fields = structure::fields(head).next().is_some();
    let (head, body) = if has_fields { (head, body) } else { (&octets[..0], octets) };
    if !has_fields {
        flag(&mut defects, "no_headers", "has no header: all of it is taken as text");
    }
    let fields = headers::read(head, limits, &mut defects);
    let message_id = fields.first("message-id").and_then(|v| headers::message_ids(v).into_iter().next());
    let fingerprint = fingerprint::of(head, body, message_id.is_some());
    let from = headers::from(&fields, &mut defects);
    let named = headers::contacts(&fields, &["to", "cc"]);
    let addressed = headers::addressed(&fields, &named);
    let recipients = headers::recipients(named, &mut defects);
    let subject = headers::subject(&fields);
    let sent_at = headers::sent_at(&fields, &mut defects);
    let content = content::read(octets, head.len(), has_fields, limits, &mut defects);
    let report = content.report.or_else(|| {
        bounce::plain::read(bounce::plain::Facts {
            headers: &fields.all,
            from: from.as_ref().map(|c| &c.address),
            addressed: &addressed,
            subject: &subject,
            text: &content.text,
            originals: content.originals,
        })
    });
    let machine = if let Some(report) = &report {
        Some((Machine::Bounce, format!("delivery report ({})", report.shape)))
    } else {
        automatic::machine(&fields.all, from.as_ref().map(|c| &c.address), &subject)
    };
    let mut body = if content.is_borrowed {
        Body::all_new(content.text)
    } else {
        Body { spans: visible::spans(&content.text), text: content.text, kept: None }
    };
    let language = language::of(&body.new_text());
    append(&mut body, &content.added);
    let in_reply_to = fields.first("in-reply-to").map(headers::message_ids).unwrap_or_default();
    Parsed {
        message_id,
        in_reply_to: headers::newest(in_reply_to),
        references: headers::newest(fields.all("references").flat_map(headers::message_ids).collect()),
        from,
        reply_to: headers::reply_to(&fields, &mut defects),
        recipients,
        addressed,
        subject,
        sent_at,
        body,
        attachments: content.attachments,
        machine,
        report,
        language,
        fingerprint,
        loop_marks: headers::loop_marks(&fields),
        auto_submitted: automatic::is_auto_submitted(&fields.all),
        authentication_results: fields.authentication_results,
        headers: fields.all,
        defects,
        forwarded: None,
    }
}

/// Adds lines of our own below a text: they are new, whatever stands above them.
fn append(body: &mut Body, lines: &str) {
    if lines.is_empty() {
        return;
    }
    let octet = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    if body.text.trim().is_empty() {
        body.text.clear();
        body.spans.clear();
    } else {
        let missing = 2 - body.text.bytes().rev().take(2).take_while(|b| *b == b'\n').count();
        body.text.push_str(&"\n\n"[..missing]);
    }
    let start = octet(body.text.len());
    if let Some(last) = body.spans.last_mut() {
        last.end = start;
    }
    body.text.push_str(lines);
    body.spans.push(Span { kind: SpanKind::New, start, end: octet(body.text.len()) });
}

/// Reads the start of a mail whose whole has `whole` octets.
#[must_use]
pub fn normalise_start(start: &[u8], whole: u64, limits: &NormaliseLimits) -> Parsed {
    let (head, body) = structure::split_head(skip_prologue(start));
    let before_body = (start.len() - body.len()) as u64;
    let parsed = normalise(start, limits);
    let fingerprint = fingerprint::of_start(head, body, whole.saturating_sub(before_body), parsed.message_id.is_some());
    Parsed { fingerprint, ..parsed }
}

/// Notes what is odd, once a name.
fn flag(defects: &mut Vec<Defect>, name: &'static str, detail: impl Into<String>) {
    if !defects.iter().any(|d| d.name == name) {
        defects.push(Defect { name, detail: detail.into() });
    }
}

/// The octets with LF for CR, where CR is the only line end that they know.
fn with_line_ends(octets: &[u8]) -> Cow<'_, [u8]> {
    const OCTETS_MAX: usize = 8 * 1024 * 1024;
    if octets.len() > OCTETS_MAX || octets.contains(&b'\n') || !octets.contains(&b'\r') {
        return Cow::Borrowed(octets);
    }
    Cow::Owned(octets.iter().map(|octet| if *octet == b'\r' { b'\n' } else { *octet }).collect())
}

/// Without what may stand in front of the header: a byte order mark, empty lines, one `From ` line of an mbox.
fn skip_prologue(raw: &[u8]) -> &[u8] {
    let empty_lines = |octets: &[u8]| octets.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let octets = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let octets = &octets[empty_lines(octets)..];
    let is_mbox_line = |line: &[u8]| {
        let rest = line.strip_prefix(b">").unwrap_or(line).strip_prefix(b"From ");
        // RFC 4155; `From :` with blanks before its colon is a field.
        rest.is_some_and(|rest| rest.trim_ascii_start().first() != Some(&b':'))
    };
    let (line, next) = structure::line_at(octets, 0);
    if !is_mbox_line(line) {
        return octets;
    }
    let octets = &octets[next..];
    &octets[empty_lines(octets)..]
}

#[cfg(test)]
mod tests;
