//! A mail's octets as DATA wants them.

use std::borrow::Cow;

/// Each line ends with CRLF, as RFC 5321 section 2.3.8 demands: a bare CR or LF is one line's end to one server and
/// text to the next, and a dot behind it would end the content for some ("SMTP smuggling") and is not doubled by lettre.
/// Without the last line's CRLF, which goes out with the closing dot.
pub(super) fn lines_for_data(octets: &[u8]) -> Cow<'_, [u8]> {
    let without_last = octets.strip_suffix(b"\r\n");
    let octets = without_last.unwrap_or(octets);
    if !has_bare_line_end(octets) {
        return Cow::Borrowed(octets);
    }
    let mut lines = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut rest = octets.iter().copied().peekable();
    while let Some(octet) = rest.next() {
        match octet {
            b'\r' => {
                rest.next_if_eq(&b'\n');
                lines.extend_from_slice(b"\r\n");
            }
            b'\n' => lines.extend_from_slice(b"\r\n"),
            other => lines.push(other),
        }
    }
    if without_last.is_none() && lines.ends_with(b"\r\n") {
        lines.truncate(lines.len() - 2);
    }
    Cow::Owned(lines)
}

/// Whether the header needs a server that takes UTF-8 in it (RFC 6531).
pub(super) fn has_utf8_header(lines: &[u8]) -> bool {
    let end = lines.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(lines.len());
    !lines[..end].is_ascii()
}

fn has_bare_line_end(octets: &[u8]) -> bool {
    let mut before = 0;
    for &octet in octets {
        if (octet == b'\n') != (before == b'\r') {
            return true;
        }
        before = octet;
    }
    before == b'\r'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_line_end_is_crlf() {
        for (octets, expect, why) in [
            (&b"a\r\nb\r\n"[..], &b"a\r\nb"[..], "the last CRLF belongs to the closing dot"),
            (b"a\r\nb", b"a\r\nb", "none at the end"),
            (b"a\nb\n", b"a\r\nb", "bare LF"),
            (b"a\rb\r", b"a\r\nb", "bare CR"),
            (b"a\n.\nb", b"a\r\n.\r\nb", "a lone dot behind a bare LF becomes one that is doubled"),
            (b"a\r\r\nb", b"a\r\n\r\nb", "CR CRLF"),
            (b"a\r\r\n", b"a\r\n", "CR CRLF at the end: an empty line"),
            (b"a\n\r\nb", b"a\r\n\r\nb", "LF CRLF"),
            (b"a\r\n\r\n", b"a\r\n", "an empty last line stays"),
            (b"", b"", "nothing"),
        ] {
            assert_eq!(String::from_utf8_lossy(&lines_for_data(octets)), String::from_utf8_lossy(expect), "{why}");
        }
    }

    #[test]
    fn only_the_header_asks_for_smtputf8() {
        assert!(!has_utf8_header("Subject: a\r\n\r\nüber\r\n".as_bytes()));
        assert!(has_utf8_header("Subject: ü\r\n\r\na\r\n".as_bytes()));
        assert!(has_utf8_header("Subject: ü".as_bytes()), "no body");
    }

    proptest! {
        #[test]
        fn no_bare_line_end_is_left_and_nothing_else_is_touched(octets in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..60)) {
            let lines = lines_for_data(&octets);
            prop_assert!(!has_bare_line_end(&lines));
            let text = |octets: &[u8]| octets.iter().copied().filter(|c| !b"\r\n".contains(c)).collect::<Vec<u8>>();
            prop_assert_eq!(text(&lines), text(&octets));
        }
    }
}
