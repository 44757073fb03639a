//! Values of the mail's own header: who, to whom, about what, in reply to what.

use super::decode::{guessed, text};
use super::scan::Names;
use super::structure::{fields, unfold};
use super::words::joined;
use super::{ADDRESSED_MAX, Header, NormaliseLimits, flag};
use crate::domain::address::{Contact, EmailAddress, one_line};
use crate::domain::message::{Defect, MessageId, RECIPIENTS_MAX, REFERENCES_MAX};
use crate::domain::ticket::{NAME_OCTETS_MAX, SUBJECT_OCTETS_MAX};
use jiff::Timestamp;
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};
use std::cell::LazyCell;

/// The header fields that were kept, in order.
pub(super) struct Fields {
    pub all: Vec<Header>,
    /// The first Authentication-Results, unfolded; in UTF-8 or not read at all, whatever the body's character set is: the server
    /// that takes out forged ones does not decode either.
    pub authentication_results: Option<String>,
}

impl Fields {
    /// The value of the first field of this name (lower case): of several the first always wins.
    pub(super) fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all.iter().filter(move |h| h.name == name).map(|h| h.value.as_str())
    }
}

/// Fields that are looked at; they are kept even behind a flood of others.
const KNOWN: [&str; 21] = [
    "from",
    "to",
    "cc",
    "reply-to",
    "sender",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "return-path",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "content-type",
    "auto-submitted",
    "precedence",
    "list-id",
    "x-loop",
    "x-guichet",
    AUTHENTICATION_RESULTS,
];

static KNOWN_NAMES: Names = Names::EMPTY.and(&KNOWN);

const AUTHENTICATION_RESULTS: &str = "authentication-results";

/// Keeps the fields that fit, each on one line and in Unicode.
pub(super) fn read(head: &[u8], limits: &NormaliseLimits, defects: &mut Vec<Defect>) -> Fields {
    const FIELDS_MAX: usize = 1000;
    /// Fields that most mails have no more than.
    const USUAL: usize = 32;
    // Asked for by few mails.
    let charset = LazyCell::new(|| {
        let field = fields(head).find(|f| f.name.eq_ignore_ascii_case("content-type"))?;
        let cut = &field.value[..field.value.len().min(1000)];
        with_value(Kind::Parameters, &String::from_utf8_lossy(&unfold(cut)), |v| {
            v.as_content_type().and_then(|c| c.attribute("charset")).map(str::to_owned)
        })
    });
    let has_escapes = head.contains(&0x1b);
    let (mut known_left, mut others_left) = (limits.head_octets_max, limits.head_octets_max / 4);
    let (mut known_count, mut others_count) = (0, 0);
    let mut all = Vec::with_capacity(USUAL);
    let mut authentication_results = None;
    for field in fields(head) {
        let name = field.name.to_ascii_lowercase();
        let is_known = KNOWN_NAMES.may_hold(&name) && KNOWN.contains(&name.as_str());
        let (left, count) = if is_known { (&mut known_left, &mut known_count) } else { (&mut others_left, &mut others_count) };
        let mut value = field.value;
        if name == AUTHENTICATION_RESULTS && authentication_results.is_none() {
            authentication_results =
                Some(String::from_utf8_lossy(&unfold(&value[..value.len().min(limits.field_octets_max)])).into_owned());
        }
        if value.len() > limits.field_octets_max {
            flag(defects, "long_header", "has a header field that is too long: a part of it is kept");
            // RFC 5322 section 3.6.4: the newest reference is the last.
            let start = if name == "references" { value.len() - limits.field_octets_max } else { 0 };
            value = &value[start..start + limits.field_octets_max];
        }
        if value.len() + name.len() > *left || *count >= FIELDS_MAX {
            flag(defects, "large_header", "has more header fields than are kept");
            continue;
        }
        *left -= value.len() + name.len();
        *count += 1;
        all.push(Header { name, value: in_unicode(unfold(value), || charset.as_deref(), has_escapes, defects) });
    }
    Fields { all, authentication_results }
}

/// RFC 6532 allows UTF-8; other octets, and the escapes of ISO-2022-JP, are read as the body's charset says, else by their look.
fn in_unicode<'c>(value: Vec<u8>, charset: impl FnOnce() -> Option<&'c str>, has_escapes: bool, defects: &mut Vec<Defect>) -> String {
    let value = match String::from_utf8(value) {
        Ok(text) if !(has_escapes && text.contains("\x1b$")) => return text,
        Ok(text) => text.into_bytes(),
        Err(wrong) => wrong.into_bytes(),
    };
    flag(defects, "8bit_header", "has octets in its header that are not UTF-8");
    let value = &with_escaped_words(&value);
    match charset() {
        Some(label) if !label.eq_ignore_ascii_case("utf-8") && !label.eq_ignore_ascii_case("us-ascii") => text(value, Some(label)).0,
        _ => guessed(value).0,
    }
}

/// Octets of an encoded word are in its own character set: those that should have been written as `=FC` (RFC 2047 section
/// 4.2) are, so that they are not read as something else before.
fn with_escaped_words(value: &[u8]) -> Vec<u8> {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&octet, behind)) = rest.split_first() {
        let Some(word) = q_word(rest) else {
            out.push(octet);
            rest = behind;
            continue;
        };
        for &octet in &rest[..word] {
            if octet.is_ascii() {
                out.push(octet);
            } else {
                out.extend([b'=', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
            }
        }
        rest = &rest[word..];
    }
    out
}

/// Octets of the encoded word in Q encoding at the start.
fn q_word(octets: &[u8]) -> Option<usize> {
    /// RFC 2047 section 2 allows 75; others write more.
    const WORD_OCTETS_MAX: usize = 1000;
    const CHARSET_OCTETS_MAX: usize = 60;
    let rest = octets.strip_prefix(b"=?")?;
    let charset = rest.iter().take(CHARSET_OCTETS_MAX).position(|&b| b == b'?')?;
    let text = rest[charset..].strip_prefix(b"?Q?").or_else(|| rest[charset..].strip_prefix(b"?q?"))?;
    let end = text.windows(2).take(WORD_OCTETS_MAX).position(|two| two == b"?=")?;
    Some(2 + charset + 3 + end + 2)
}

/// What a field's value is made of.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Date,
    Addresses,
    /// A word and its parameters, as in Content-Type.
    Parameters,
}

/// One value, read by mail-parser as a field of its kind.
pub(super) fn with_value<T>(kind: Kind, value: &str, read: impl FnOnce(&HeaderValue<'_>) -> T) -> T {
    /// Its parsers take the place 0 for none, and know the end of a field by what follows.
    const NAME: &str = "Name:";
    let value = joined(value);
    let mut line = Vec::with_capacity(NAME.len() + 1 + value.len() + 2);
    line.extend_from_slice(NAME.as_bytes());
    line.push(b' ');
    line.extend_from_slice(value.as_bytes());
    for octet in &mut line {
        if matches!(octet, b'\r' | b'\n') {
            *octet = b' ';
        }
    }
    line.extend_from_slice(b"\n\n");
    let mut stream = MessageStream::new(&line);
    stream.skip_bytes(NAME.len());
    read(&match kind {
        Kind::Text => stream.parse_unstructured(),
        Kind::Date => stream.parse_date(),
        Kind::Addresses => stream.parse_address(),
        Kind::Parameters => stream.parse_content_type(),
    })
}

/// The first Subject on one line.
pub(super) fn subject(fields: &Fields) -> String {
    fields.first("subject").map(unstructured).unwrap_or_default()
}

/// Free text with its encoded words decoded, on one line (RFC 2047; after decoding no control character stays).
pub(super) fn unstructured(value: &str) -> String {
    if !value.contains("=?") {
        // There is nothing to decode.
        return one_line(value, SUBJECT_OCTETS_MAX);
    }
    let decoded = with_value(Kind::Text, value, |v| v.as_text().map(str::to_owned));
    one_line(decoded.as_deref().unwrap_or_default(), SUBJECT_OCTETS_MAX)
}

/// The sender's date; RFC 5322 section 3.3, leniently.
pub(super) fn sent_at(fields: &Fields, defects: &mut Vec<Defect>) -> Option<Timestamp> {
    let Some(value) = fields.first("date") else {
        flag(defects, "no_date", "has no Date");
        return None;
    };
    let seconds = with_value(Kind::Date, value, |v| {
        let mut date = v.as_datetime().copied()?;
        // A leap second (RFC 5322 section 3.3) is a time, and one that cannot be told from the one before.
        date.second = date.second.min(if date.second == 60 { 59 } else { u8::MAX });
        date.is_valid().then(|| date.to_timestamp())
    });
    let at = seconds.and_then(|s| Timestamp::from_second(s).ok());
    if at.is_none() {
        flag(defects, "bad_date", "has a Date that cannot be read");
    }
    at
}

/// Message-IDs in a value: what stands between angle brackets; without any, words with an `@`.
pub(super) fn message_ids(value: &str) -> Vec<MessageId> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.find('<') {
        let inner = &rest[start + 1..];
        // An unclosed bracket ends with the value, or where the next one opens.
        let end = inner.find(['<', '>']).unwrap_or(inner.len());
        ids.extend(MessageId::parse(&inner[..end]));
        rest = &inner[end..];
    }
    if ids.is_empty() && !value.contains('<') {
        ids.extend(value.split_whitespace().filter_map(MessageId::parse));
    }
    ids
}

/// The last [`REFERENCES_MAX`].
pub(super) fn newest(mut ids: Vec<MessageId>) -> Vec<MessageId> {
    ids.split_off(ids.len().saturating_sub(REFERENCES_MAX))
}

/// To and Cc, of which not more than are kept.
pub(super) fn recipients(mut found: Vec<Contact>, defects: &mut Vec<Defect>) -> Vec<Contact> {
    if found.len() > RECIPIENTS_MAX {
        flag(defects, "many_recipients", format!("names {} recipients: the first {RECIPIENTS_MAX} are kept", found.len()));
        found.truncate(RECIPIENTS_MAX);
    }
    found
}

/// Where answers shall go, each address once.
pub(super) fn reply_to(fields: &Fields, defects: &mut Vec<Defect>) -> Vec<Contact> {
    let mut found = contacts(fields, &["reply-to"]);
    if found.len() > RECIPIENTS_MAX {
        flag(defects, "many_reply_to", format!("names {} addresses to reply to: the first {RECIPIENTS_MAX} are kept", found.len()));
        found.truncate(RECIPIENTS_MAX);
    }
    found
}

/// The usable addresses of these fields with their names, in order, each once.
pub(super) fn contacts(fields: &Fields, names: &[&str]) -> Vec<Contact> {
    // Past this nobody reads on; it bounds the comparison below.
    const CONTACTS_MAX: usize = 1000;
    let mut found: Vec<Contact> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for value in names.iter().flat_map(|name| fields.all(name)) {
        with_value(Kind::Addresses, value, |parsed| {
            let Some(address) = parsed.as_address() else { return };
            for entry in address.iter() {
                let Some(address) = entry.address().and_then(|a| usable(a, value)) else { continue };
                if found.len() < CONTACTS_MAX && seen.insert(address.clone()) {
                    found.push(Contact { name: one_line(entry.name().unwrap_or_default(), NAME_OCTETS_MAX), address });
                }
            }
        });
    }
    found
}

/// An address is believed as it stands in the field: encoded words are not decoded inside of it (RFC 2047 section 5).
fn usable(address: &str, field: &str) -> Option<EmailAddress> {
    if field.contains(address) { EmailAddress::parse(address).ok() } else { None }
}

/// Each address that this copy went to; `named` are those of To and Cc.
pub(super) fn addressed(fields: &Fields, named: &[Contact]) -> Vec<EmailAddress> {
    let mut found: Vec<EmailAddress> = Vec::new();
    let add = |found: &mut Vec<EmailAddress>, address: EmailAddress| {
        if found.len() < ADDRESSED_MAX && !found.contains(&address) {
            found.push(address);
        }
    };
    for contact in named {
        add(&mut found, contact.address.clone());
    }
    let traces = ["delivered-to", "x-original-to", "envelope-to"].into_iter().flat_map(|name| fields.all(name));
    for written in traces.flat_map(|value| value.split(',')) {
        let written = written.trim().trim_start_matches('<').trim_end_matches('>');
        // Mostly it is the one of To.
        if !found.iter().any(|known| known.as_str() == written)
            && let Ok(address) = EmailAddress::parse(written)
        {
            add(&mut found, address);
        }
    }
    found
}

/// Marks against loops, ours and others'.
pub(super) fn loop_marks(fields: &Fields) -> Vec<String> {
    const MARKS_MAX: usize = 20;
    fields.all("x-guichet").chain(fields.all("x-loop")).take(MARKS_MAX).map(|v| one_line(v, NAME_OCTETS_MAX)).collect()
}

/// The one usable From mailbox.
pub(super) fn from(fields: &Fields, defects: &mut Vec<Defect>) -> Option<Contact> {
    let mut values = fields.all("from");
    let (first, second) = (values.next(), values.next());
    let found = match (first, second) {
        (None, _) => Err(("no_from", "has no From")),
        (_, Some(_)) => Err(("several_from", "has several From fields")),
        (Some(value), None) => sole_mailbox(value).map(|address| (value, address)),
    };
    match found {
        Ok((value, address)) => Some(Contact { name: name_of(value, &address), address }),
        Err((name, detail)) => {
            flag(defects, name, detail);
            None
        }
    }
}

/// The one mailbox of a value, read as strictly as From.
pub(in crate::mail) fn mailbox_of(value: &str) -> Option<Contact> {
    let address = sole_mailbox(value).ok()?;
    Some(Contact { name: name_of(value, &address), address })
}

/// The display name beside the address, as far as it can be told.
fn name_of(value: &str, address: &EmailAddress) -> String {
    let written = with_value(Kind::Addresses, value, |parsed| match parsed.as_address() {
        Some(Address::List(list)) => list
            .iter()
            .find(|a| a.address().is_some_and(|a| a == address.as_str() || EmailAddress::parse(a).as_ref() == Ok(address)))
            .and_then(|a| a.name().map(str::to_owned)),
        Some(Address::Group(_)) | None => None,
    });
    one_line(&written.unwrap_or_default(), NAME_OCTETS_MAX)
}

/// Reads a From value strictly (RFC 5322 section 3.4): exactly one mailbox, no group, no route, nothing encoded or quoted
/// in the address. A display name may be as odd as it likes.
fn sole_mailbox(value: &str) -> Result<EmailAddress, (&'static str, &'static str)> {
    const JUNK: (&str, &str) = ("bad_from", "has a From that is no usable address");
    const SEVERAL: (&str, &str) = ("several_from", "has several From addresses");
    const GROUP: (&str, &str) = ("group_from", "has a group as From");
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(("control_from", "has a control character in From"));
    }
    // What stands outside of quotes, comments, encoded words and angle brackets.
    let mut bare = String::new();
    let mut angle: Option<&str> = None;
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '"' => {
                let length = quoted_len(rest).ok_or(JUNK)?;
                // A quoted local part that stands without brackets; any other is a name.
                let is_local = rest.get(length..).is_some_and(|behind| behind.starts_with('@'));
                bare.push_str(if is_local { rest.get(..length).unwrap_or_default() } else { "\"" });
                length
            }
            '(' => comment_len(rest).ok_or(JUNK)?,
            '<' => {
                let end = rest.find('>').ok_or(JUNK)?;
                if angle.replace(&rest[1..end]).is_some() {
                    return Err(SEVERAL);
                }
                bare.push('<');
                end + 1
            }
            '>' => return Err(JUNK),
            '=' if encoded_word_len(rest).is_some() => {
                bare.push('=');
                encoded_word_len(rest).unwrap_or(1)
            }
            other => {
                bare.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[skip..];
    }
    if bare.contains([':', ';']) {
        return Err(GROUP);
    }
    let parse = |address: &str| EmailAddress::parse(address).map_err(|_| JUNK);
    match angle {
        Some(address) => {
            // An unquoted comma in a name is common; an address before one is a second mailbox.
            if bare.contains(',') && bare.contains('@') {
                return Err(SEVERAL);
            }
            let behind = bare.split_once('<').map_or("", |(_, behind)| behind);
            if !behind.trim().trim_matches(',').is_empty() {
                return Err(JUNK);
            }
            parse(address)
        }
        None if bare.matches('@').count() > 1 && bare.contains(',') => Err(SEVERAL),
        None => parse(bare.trim().trim_matches(',')),
    }
}

/// Octets of the quoted string at the start.
fn quoted_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end.then_some(at + 1)
    })
}

/// Octets of the comment at the start; comments nest (RFC 5322 section 3.2.2), counted, not recursed.
fn comment_len(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0usize, false);
    text.char_indices().find_map(|(at, c)| {
        if !escaped && c == '(' {
            depth += 1;
        } else if !escaped && c == ')' {
            depth -= 1;
        }
        escaped = c == '\\' && !escaped;
        (depth == 0).then_some(at + 1)
    })
}

/// Octets of the encoded word at the start (RFC 2047 section 2).
fn encoded_word_len(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("=?")?;
    let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
    let charset = word.find('?')?;
    let encoding = charset + 1 + word[charset + 1..].find('?')?;
    let end = encoding + 1 + word[encoding + 1..].find("?=")?;
    Some(2 + end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_exactly_one_usable_from_or_nobody() {
        for (value, expect, why) in [
            ("Ana <ana@acme.example>", Ok("ana@acme.example"), "plain"),
            ("ana@acme.example", Ok("ana@acme.example"), "bare"),
            ("ana@acme.example (Ana)", Ok("ana@acme.example"), "old style comment"),
            ("\"Souza, Ana\" <Ana@Acme.Example>", Ok("ana@acme.example"), "quoted comma"),
            ("Souza, Ana <ana@acme.example>", Ok("ana@acme.example"), "unquoted comma, one address"),
            ("ana@acme.example <ana@acme.example>", Ok("ana@acme.example"), "address as name"),
            ("=?utf-8?q?a,b:_c@d.example?= <ana@acme.example>", Ok("ana@acme.example"), "specials in an encoded word"),
            ("\"agent@help.example\" <m@evil.example>", Ok("m@evil.example"), "the address decides, never the name"),
            ("a@x.example, b@y.example", Err("several_from"), "two mailboxes"),
            ("a@x.example, B <b@y.example>", Err("several_from"), "two mailboxes"),
            ("A <a@x.example> <b@y.example>", Err("several_from"), "two brackets"),
            ("Team: a@x.example;", Err("group_from"), "a group has no mailbox"),
            ("Undisclosed senders:;", Err("group_from"), "an empty group"),
            ("K <a@help.example\0.evil.example>", Err("control_from"), "NUL is never a place to cut"),
            ("<=?utf-8?q?a=40help.example?=>", Err("bad_from"), "encoded address"),
            ("=?utf-8?q?a=40help.example?=", Err("bad_from"), "encoded address, bare"),
            ("(c) <@evil.example:\"agent\"@help.example.(x)>", Err("bad_from"), "route, quotes, comment"),
            ("\"agent\"@help.example", Ok("agent@help.example"), "quotes that are not needed"),
            ("<\"agent\"@help.example>", Ok("agent@help.example"), "the same in brackets"),
            ("\"agent@help.example\"@evil.example", Err("bad_from"), "an address in quotes before another"),
            ("\"a b\"@help.example", Err("bad_from"), "quotes that are needed"),
            ("\"a@x.example, b\"@help.example", Err("several_from"), "an address in quotes before another, and a comma"),
            ("@@@ <<>> \"unclosed (((", Err("bad_from"), "junk"),
            ("MAILER-DAEMON", Err("bad_from"), "no domain"),
            ("", Err("bad_from"), "empty"),
        ] {
            let got = sole_mailbox(value);
            assert_eq!(got.as_ref().map(EmailAddress::as_str).map_err(|e| e.0), expect, "{why}");
        }
    }

    #[test]
    fn message_ids_are_what_stands_in_brackets() {
        for (value, expect, why) in [
            ("<a@x> <b@y>", vec!["a@x", "b@y"], "plain"),
            ("<a@x><b@y>", vec!["a@x", "b@y"], "adjacent"),
            ("a b c <x y@evil.example> <z@evil.example", vec!["xy@evil.example", "z@evil.example"], "blanks inside, unclosed"),
            ("<<>> <\"><script>alert(1)</script>@x> <ok@evil.example> <no-at>", vec!["ok@evil.example"], "only what has two sides"),
            ("Your message of today <q@r>", vec!["q@r"], "phrase"),
            ("q@r", vec!["q@r"], "no brackets"),
            ("garbage", vec![], "no id"),
            ("<a@x <b@y>", vec!["a@x", "b@y"], "an opening bracket ends the one before"),
        ] {
            let ids: Vec<_> = message_ids(value).iter().map(|id| id.as_str().to_owned()).collect();
            assert_eq!(ids, expect, "{why}");
        }
    }

    #[test]
    fn octets_that_are_not_utf8_are_read_where_they_stand() {
        for (value, charset, expect, why) in [
            (&b"M\xfcller"[..], None, "Müller", "western"),
            ("Müller".as_bytes(), Some("iso-8859-2"), "Müller", "UTF-8 is UTF-8"),
            (b"\xce\xd2", Some("gb2312"), "我", "as the body's"),
            (b"M\xfc =?iso-8859-1?Q?J\xfcrg?= \xfc", None, "Mü =?iso-8859-1?Q?J=FCrg?= ü", "an encoded word has its own"),
            (b"=?iso-8859-1?q?\xfc", None, "=?iso-8859-1?q?ü", "a word that does not end is none"),
            (b"=?=?=?x?b?\xfc?=", None, "=?=?=?x?b?ü?=", "base64 has no such octets"),
        ] {
            assert_eq!(in_unicode(value.to_vec(), || charset, false, &mut Vec::new()), expect, "{why}");
        }
        let mail = b"From: a@x.example\nSubject: =?iso-8859-1?Q?Fr\xf6sche?=\nContent-Type: image/png; name=Fr\xf6sche.png\n\n";
        let parsed = super::super::normalise(mail, &NormaliseLimits::default());
        assert_eq!((parsed.subject.as_str(), parsed.attachments[0].name.as_str()), ("Frösche", "Frösche.png"));
    }
}
