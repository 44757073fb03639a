//! Decoded text made fit to be kept: one kind of line end, no control characters, bounded, unflowed.

use super::{NormaliseLimits, flag};
use crate::domain::message::Defect;

/// Octets of characters that stay as they are. Of those beyond ASCII that is all but what begins with C2 (up to U+00BF), E2 (from
/// U+2000 on) or EF (from U+F000 on), which have to be looked at.
const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        is_plain[octet] = matches!(octet, 0x20..=0x7e | 0x0a | 0x09 | 0x80..=0xc1 | 0xc3..=0xe1 | 0xe3..=0xee | 0xf0..);
        octet += 1;
    }
    is_plain
};

/// One kind of line end, no control characters: NUL and its like are shown as U+FFFD, nothing is cut at them.
pub(super) fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        // Nearly all there is, at once.
        let plain = rest.bytes().position(|octet| !IS_PLAIN[usize::from(octet)]).unwrap_or(rest.len());
        let (start, behind) = rest.split_at(plain);
        tidied.push_str(start);
        let mut chars = behind.chars().peekable();
        let Some(c) = chars.next() else { return tidied };
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    tidied.push('\n');
                }
            }
            '\n' | '\t' => tidied.push(c),
            '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => tidied.push('\n'),
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
