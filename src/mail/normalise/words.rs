//! Encoded words (RFC 2047) and parameters in pieces (RFC 2231), put together before they are decoded.
//!
//! Programs cut a text wherever a line is full, in the middle of a character too. So the octets of neighbouring pieces are
//! joined first and read in their character set afterwards.

use super::decode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// The value with each run of encoded words made one, in UTF-8; what is no encoded word stays as it stands.
///
/// The result is encoded all the same: what is decoded may hold commas and brackets, and is to be read as a word.
pub(super) fn joined(value: &str) -> Cow<'_, str> {
    if !value.contains("=?") {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let Some((first, mut behind)) = word_at(from) else {
            out.push_str("=?");
            rest = &from[2..];
            continue;
        };
        let mut text = String::new();
        let (mut charset, mut octets) = (first.charset, first.octets());
        if word_at(behind.trim_start()).is_none()
            && charset.eq_ignore_ascii_case("utf-8")
            && !octets.contains(&b'=')
            && std::str::from_utf8(&octets).is_ok()
        {
            // One word, and right: by far the most are.
            out.push_str(&from[..from.len() - behind.len()]);
            rest = behind;
            continue;
        }
        // RFC 2047 section 6.2: white space between encoded words is not shown.
        while let Some((next, after)) = word_at(behind.trim_start()) {
            if next.charset.eq_ignore_ascii_case(charset) {
                octets.extend_from_slice(&next.octets());
            } else {
                text.push_str(&decode::text(&octets, Some(charset)).0);
                (charset, octets) = (next.charset, next.octets());
            }
            behind = after;
        }
        text.push_str(&decode::text(&octets, Some(charset)).0);
        out.push_str("=?utf-8?B?");
        STANDARD.encode_string(&text, &mut out);
        out.push_str("?=");
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

struct Word<'a> {
    charset: &'a str,
    is_base64: bool,
    text: &'a str,
}

/// The encoded word at the start, and what stands behind it.
fn word_at(text: &str) -> Option<(Word<'_>, &str)> {
    const CHARSET_OCTETS_MAX: usize = 60;
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (text, behind) = rest.split_once('?')?;
    let behind = behind.strip_prefix('=')?;
    let is_base64 = match encoding {
        "b" | "B" => true,
        "q" | "Q" => false,
        _ => return None,
    };
    // RFC 2231 section 5: a language may stand behind the set.
    let charset = charset.split('*').next().unwrap_or_default();
    let is_label = !charset.is_empty() && charset.len() <= CHARSET_OCTETS_MAX && charset.bytes().all(|b| b.is_ascii_graphic());
    is_label.then_some((Word { charset, is_base64, text }, behind))
}

impl Word<'_> {
    fn octets(&self) -> Vec<u8> {
        if self.is_base64 {
            return decode::base64(self.text.as_bytes(), self.text.len()).0;
        }
        escaped(self.text, b'=', |octet| if octet == b'_' { b' ' } else { octet })
    }
}

/// Undoes escapes of two hexadecimal digits; bad ones stay.
fn escaped(text: &str, mark: u8, other: impl Fn(u8) -> u8) -> Vec<u8> {
    let octets = text.as_bytes();
    let digit = |at: usize| octets.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        if octet == mark
            && let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2))
        {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(other(octet));
            at += 1;
        }
    }
    out
}

/// `%41` and its like undone, read as UTF-8: the way of URLs (RFC 2392 section 2).
pub(super) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if text.contains('%') { Cow::Owned(decode::guessed(&escaped(text, b'%', |octet| octet)).0) } else { Cow::Borrowed(text) }
}

/// The value of an extended parameter of this name (lower case), its pieces joined; `None` where it is not written so.
pub(super) fn extended_parameter(value: &str, wanted: &str) -> Option<String> {
    const PIECES_MAX: usize = 1000;
    let mut pieces: Vec<(usize, bool, &str)> = Vec::new();
    for (name, value) in parameters(value) {
        let Some(star) =
            name.get(..wanted.len()).filter(|n| n.eq_ignore_ascii_case(wanted)).and_then(|_| name[wanted.len()..].strip_prefix('*'))
        else {
            continue;
        };
        let (number, is_encoded) = match star.strip_suffix('*') {
            Some(number) => (number, true),
            None => (star, star.is_empty()),
        };
        let number = if number.is_empty() { Some(0) } else { number.parse().ok() };
        if let Some(number) = number
            && pieces.len() < PIECES_MAX
        {
            pieces.push((number, is_encoded, value));
        }
    }
    // Of two pieces of one number the first counts; behind a gap nothing does.
    pieces.sort_by_key(|(number, ..)| *number);
    pieces.dedup_by_key(|(number, ..)| *number);
    let mut charset = None;
    let mut octets = Vec::new();
    for (expected, (number, is_encoded, piece)) in pieces.iter().enumerate() {
        if *number != expected {
            break;
        }
        let mut piece = *piece;
        if expected == 0
            && *is_encoded
            && let Some((label, rest)) = piece.split_once('\'')
        {
            charset = Some(label);
            piece = rest.split_once('\'').map_or(rest, |(_, text)| text);
        }
        if *is_encoded { octets.extend(escaped(piece, b'%', |octet| octet)) } else { octets.extend_from_slice(piece.as_bytes()) }
    }
    (!octets.is_empty()).then(|| decode::text(&octets, charset).0)
}

/// Names and values behind the first semicolon; quotes are taken off, what is escaped in them stays so.
fn parameters(value: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                return None;
            }
            let end = rest.find(['=', ';']).unwrap_or(rest.len());
            let name = rest[..end].trim();
            let Some(behind) = rest[end..].strip_prefix('=') else {
                rest = &rest[end..];
                continue;
            };
            let behind = behind.trim_start();
            let value;
            if let Some(quoted) = behind.strip_prefix('"') {
                let mut is_escaped = false;
                let close = quoted.find(|c| {
                    let closes = c == '"' && !is_escaped;
                    is_escaped = c == '\\' && !is_escaped;
                    closes
                });
                let close = close.unwrap_or(quoted.len());
                value = &quoted[..close];
                rest = quoted.get(close + 1..).unwrap_or_default();
            } else {
                let end = behind.find(';').unwrap_or(behind.len());
                value = behind[..end].trim();
                rest = &behind[end..];
            }
            return Some((name, value));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::normalise::headers::unstructured;

    #[test]
    fn encoded_words_are_joined_before_they_are_read() {
        for (value, expect, why) in [
            ("=?utf-8?q?a=C3=A4?=", "aä", "one"),
            ("=?utf-8?B?w6Q=?= =?UTF-8?q?=C3?= =?utf-8?q?=A4?=", "ää", "broken across a character, in two encodings"),
            ("=?utf-8?b?4oKs4oI=?=\t=?utf-8?b?rOKCrA==?=", "€€€", "broken across a character, base64"),
            ("=?iso-2022-jp?B?GyRCJDM=?= =?iso-2022-jp?B?JHMbKEI=?=", "こん", "broken in shifted state"),
            ("=?cp932?b?grE=?= x", "こ x", "a label that the decoder's table lacks"),
            ("=?utf-8?q?Gr=FC=DFe?=", "Grüße", "a wrong label"),
            ("=?iso-8859-1?q?=C3=A4=C3=B6?=", "äö", "UTF-8 that is labelled Latin-1"),
            ("=?gb2312?b?lHo=?=", "攝", "GBK that is labelled GB 2312"),
            ("=?ks_c_5601-1987?b?sKE=?=", "가", "the name that Outlook uses"),
            ("=?utf-7?q?+ADwAPg-?=", "<>", "UTF-7"),
            ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c", "words between them stay"),
            ("=?utf-8*de?q?a?=", "a", "with a language"),
            ("=?utf-8?x?a?= =?= =? ?=", "=?utf-8?x?a?= =?= =? ?=", "none of them"),
            ("=?utf-8?q?=ZZ?=", "=ZZ", "bad escapes stay"),
            ("=?utf-8?q??=", "", "empty"),
        ] {
            assert_eq!(unstructured(value), expect, "{why}");
        }
        let long = format!("=?utf-8?b?{}?=", STANDARD.encode("ä".repeat(200)));
        assert_eq!(unstructured(&long), "ä".repeat(200), "longer than the standard allows");
    }

    #[test]
    fn parameters_in_pieces_are_joined_before_they_are_read() {
        for (value, expect, why) in [
            ("attachment; filename*=utf-8''%C3%A4.txt", Some("ä.txt"), "one piece"),
            ("attachment; filename*0*=utf-8''%C3; filename*1*=%A4.txt", Some("ä.txt"), "broken across a character"),
            ("attachment; filename*1=b.txt; filename*0=\"a \"", Some("a b.txt"), "out of order, not encoded"),
            ("attachment; filename*0*=iso-8859-1'de'%E4; filename*1=\";.txt\"", Some("ä;.txt"), "one of two encoded"),
            ("attachment; filename*0=a; filename*2=c", Some("a"), "nothing behind a gap"),
            ("attachment; filename*0=a; filename*0=b", Some("a"), "the first counts"),
            ("attachment; filename*=cp932''%82%B1", Some("こ"), "a label that the decoder's table lacks"),
            ("attachment; filename*=%C3%A4.txt", Some("ä.txt"), "without a label"),
            ("attachment; filename=a", None, "plain"),
            ("attachment; filename*x=a; filename*99999999999999999999=b; =; ;;; filename*0", None, "none of them"),
        ] {
            assert_eq!(extended_parameter(value, "filename").as_deref(), expect, "{why}");
        }
    }
}
