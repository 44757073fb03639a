//! Decoded text made fit to be kept: one kind of line end, no control characters, bounded, unflowed.

use super::scan::run_len;
use super::{NormaliseLimits, flag};
use crate::domain::message::Defect;

/// Whether it is an octet of a character that stays as it is. Of those beyond ASCII that is all but what begins with C2 (up to
/// U+00BF), E2 (from U+2000 on) or EF (from U+F000 on), which have to be looked at.
#[expect(clippy::needless_bitwise_bool, reason = "without branches many octets are compared at once")]
fn is_plain(octet: u8) -> bool {
    let stays = (octet >= 0x20) | (octet == b'\n') | (octet == b'\t');
    stays & (octet != 0x7f) & (octet != 0xc2) & (octet != 0xe2) & (octet != 0xef)
}

/// One kind of line end, no control characters: NUL and its like are shown as U+FFFD, nothing is cut at them.
pub(super) fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (plain, behind) = rest.split_at(run_len(rest.as_bytes(), is_plain));
        tidied.push_str(plain);
        if let Some(line_end) = behind.strip_prefix('\r').filter(|behind| behind.starts_with('\n')) {
            rest = line_end;
            continue;
        }
        let Some(c) = behind.chars().next() else { return tidied };
        match c {
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => tidied.push('\n'),
            '\u{feff}' => {}
            c if c.is_control() => tidied.push(char::REPLACEMENT_CHARACTER),
            c => tidied.push(c),
        }
        rest = &behind[c.len_utf8()..];
    }
}

/// At most as long as the limit, cut between characters and without trailing empty lines.
pub(super) fn cut(mut text: String, limits: &NormaliseLimits, defects: &mut Vec<Defect>) -> String {
    if text.len() > limits.text_octets_max {
        let mut end = limits.text_octets_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        flag(defects, "cut_text", "is longer than is kept as text; the whole mail is kept");
    }
    text
}

/// RFC 3676 section 4: lines that end in a space go on in the next one of the same quote depth.
pub(super) fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // Depth of the paragraph that the next line may continue.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let ended = line.ends_with('\n');
        let line = line.strip_suffix('\n').unwrap_or(line);
        let words = line.trim_start_matches('>');
        let depth = line.len() - words.len();
        let words = words.strip_prefix(' ').unwrap_or(words);
        // RFC 3676 section 4.3: the signature delimiter looks flowed and is not.
        let is_delimiter = words == "-- ";
        let flows = words.ends_with(' ') && !is_delimiter && ended;
        if open.is_some_and(|open| open != depth || is_delimiter) {
            out.push('\n');
            open = None;
        }
        if open.is_none() && depth > 0 {
            out.extend(std::iter::repeat_n('>', depth));
            out.push(' ');
        }
        out.push_str(if flows && delete_space { &words[..words.len() - 1] } else { words });
        if flows {
            open = Some(depth);
        } else {
            if ended {
                out.push('\n');
            }
            open = None;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flowed_text_is_unflowed() {
        for (text, delete_space, expect, why) in [
            ("a \nb\n", false, "a b\n", "one paragraph"),
            ("a \nb\n", true, "ab\n", "delsp"),
            ("> a \n> b\nc\n", false, "> a b\nc\n", "quoted paragraph"),
            ("> a \nb\n", false, "> a \nb\n", "another depth ends it"),
            (" From x\n.\n", false, "From x\n.\n", "stuffing is taken off"),
            ("x \n-- \nsig\n", false, "x \n-- \nsig\n", "the signature delimiter stays"),
            ("a ", false, "a ", "no line follows"),
        ] {
            assert_eq!(unflow(text, delete_space), expect, "{why}");
        }
    }
}
