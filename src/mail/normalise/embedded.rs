//! Files written into a text: uuencode (POSIX) and yEnc 1.3. Only what is whole is taken out; the rest stays text.
//!
//! Works on octets, since yEnc is no text. Each line is looked at once: what a damaged block spans is not searched again.

use super::decode;
use super::structure::line_at;

/// A stretch of a text, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a [u8]),
    File {
        /// As written.
        name: &'a [u8],
        content: Vec<u8>,
        /// The lines that it was made of.
        source: &'a [u8],
    },
}

/// A text taken apart.
#[derive(Debug, Default)]
pub(super) struct Taken<'a> {
    pub pieces: Vec<Piece<'a>>,
    /// A block begins and is not whole: it is a part of the text.
    pub damaged: bool,
}

/// Whether a text may hold such a block: a cheap question, asked of every text.
pub(super) fn may_hold(text: &str) -> bool {
    text.contains("begin ")
}

/// Takes out at most `files_max` files of together `octets_max` octets.
pub(super) fn take(octets: &[u8], files_max: usize, octets_max: usize) -> Taken<'_> {
    let mut taken = Taken::default();
    let (mut files, mut left) = (0, octets_max);
    let (mut text_from, mut at) = (0, 0);
    while at < octets.len() {
        let (line, next) = line_at(octets, at);
        let block = if files < files_max { block_at(octets, line, next) } else { Block::None };
        match block {
            Block::Whole { name, content, end } if content.len() <= left => {
                left -= content.len();
                files += 1;
                taken.pieces.extend((at > text_from).then(|| Piece::Text(&octets[text_from..at])));
                taken.pieces.push(Piece::File { name, content, source: &octets[at..end] });
                (text_from, at) = (end, end);
            }
            Block::Whole { end, .. } => at = end,
            Block::Damaged { end } => {
                taken.damaged = true;
                at = end.max(next);
            }
            Block::None => at = next,
        }
    }
    taken.pieces.extend((text_from < octets.len()).then(|| Piece::Text(&octets[text_from..])));
    taken
}

enum Block<'a> {
    None,
    Whole {
        name: &'a [u8],
        content: Vec<u8>,
        end: usize,
    },
    /// It is none from here on.
    Damaged {
        end: usize,
    },
}

fn block_at<'a>(octets: &'a [u8], line: &'a [u8], next: usize) -> Block<'a> {
    if let Some(rest) = line.strip_prefix(b"begin ") {
        let (mode, name) = rest.split_at(rest.iter().position(|b| *b == b' ').unwrap_or(rest.len()));
        let is_mode = matches!(mode.len(), 3 | 4) && mode.iter().all(|b| matches!(b, b'0'..=b'7'));
        if is_mode && !name.trim_ascii().is_empty() {
            return uuencoded(octets, name.trim_ascii(), next);
        }
    } else if let Some(about) = line.strip_prefix(b"=ybegin ") {
        return yencoded(octets, about, next);
    }
    Block::None
}

/// The lines behind `begin MODE NAME`: a length, then groups of four characters of six bits each.
fn uuencoded<'a>(octets: &'a [u8], name: &'a [u8], from: usize) -> Block<'a> {
    let mut content = Vec::new();
    let mut at = from;
    let mut ended = false;
    while at < octets.len() {
        let (line, next) = line_at(octets, at);
        // Blanks at the end of a line are lost on the way, and an empty line may have been one of blanks.
        let line = line.trim_ascii_end();
        if line == b"end" {
            return Block::Whole { name, content, end: next };
        }
        if ended && !line.is_empty() || !uu_line(line, &mut content) {
            break;
        }
        ended = matches!(line, b"" | b"`");
        at = next;
    }
    // "begin 100 yards from here" is a sentence.
    if content.is_empty() { Block::None } else { Block::Damaged { end: at } }
}

fn uu_line(line: &[u8], content: &mut Vec<u8>) -> bool {
    let value = |octet: u8| (0x20..=0x60).contains(&octet).then(|| (octet - 0x20) & 0x3f);
    let Some((&first, groups)) = line.split_first() else { return true };
    let Some(count) = value(first).map(usize::from) else { return false };
    // A check sum of a character or two may follow.
    if groups.len() > count.div_ceil(3) * 4 + 2 {
        return false;
    }
    let start = content.len();
    for group in groups.chunks(4) {
        let mut six = [0u8; 4];
        for (place, octet) in six.iter_mut().zip(group) {
            match value(*octet) {
                Some(bits) => *place = bits,
                None => return false,
            }
        }
        content.extend_from_slice(&[six[0] << 2 | six[1] >> 4, six[1] << 4 | six[2] >> 2, six[2] << 6 | six[3]]);
    }
    // Blanks that were lost stand for zero.
    content.resize(start + count, 0);
    true
}

/// The lines behind `=ybegin`; size and check sum must be as `=yend` says.
fn yencoded<'a>(octets: &'a [u8], about: &'a [u8], from: usize) -> Block<'a> {
    let mut content = Vec::new();
    let mut at = from;
    let mut is_part = false;
    while at < octets.len() {
        let (line, next) = line_at(octets, at);
        if let Some(end) = line.strip_prefix(b"=yend ") {
            let size = number(end, b"size=", 10);
            let sum = number(end, if is_part { b"pcrc32=" } else { b"crc32=" }, 16);
            let is_whole =
                size == u64::try_from(content.len()).ok() && sum.is_none_or(|sum| sum == u64::from(!decode::crc32(!0, &content)));
            // The name is the last of the keys and goes on to the end of the line.
            let name = about.windows(5).position(|w| w == b"name=").map_or(&b""[..], |start| about[start + 5..].trim_ascii());
            return if is_whole { Block::Whole { name, content, end: next } } else { Block::Damaged { end: next } };
        }
        if line.starts_with(b"=ypart ") {
            is_part = true;
        } else if line.starts_with(b"=y") {
            break;
        } else {
            let mut escaped = false;
            for octet in line {
                if *octet == b'=' && !escaped {
                    escaped = true;
                } else {
                    content.push(octet.wrapping_sub(if escaped { 42 + 64 } else { 42 }));
                    escaped = false;
                }
            }
        }
        at = next;
    }
    if content.is_empty() { Block::None } else { Block::Damaged { end: at } }
}

/// The number of this key, behind a blank or at the start.
fn number(keys: &[u8], key: &[u8], radix: u32) -> Option<u64> {
    let word = keys.split(|b| *b == b' ').find_map(|word| word.strip_prefix(key))?;
    u64::from_str_radix(std::str::from_utf8(word.trim_ascii()).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uuencode(name: &str, content: &[u8]) -> Vec<u8> {
        let six = |bits: u8| if bits.trailing_zeros() >= 6 { b'`' } else { (bits & 0x3f) + 0x20 };
        let mut out = format!("begin 644 {name}\r\n").into_bytes();
        for line in content.chunks(45) {
            out.push(u8::try_from(line.len()).unwrap() + 0x20);
            for group in line.chunks(3) {
                let at = |i: usize| group.get(i).copied().unwrap_or_default();
                out.extend([six(at(0) >> 2), six(at(0) << 4 | at(1) >> 4), six(at(1) << 2 | at(2) >> 6), six(at(2))]);
            }
            out.extend(b"\r\n");
        }
        out.extend(b"`\r\nend\r\n");
        out
    }

    fn yencode(name: &str, content: &[u8]) -> Vec<u8> {
        let mut out = format!("=ybegin line=128 size={} name={name}\r\n", content.len()).into_bytes();
        for line in content.chunks(128) {
            for octet in line {
                let coded = octet.wrapping_add(42);
                if matches!(coded, 0 | b'\n' | b'\r' | b'=') {
                    out.extend([b'=', coded.wrapping_add(64)]);
                } else {
                    out.push(coded);
                }
            }
            out.extend(b"\r\n");
        }
        out.extend(format!("=yend size={} crc32={:08x}\r\n", content.len(), !decode::crc32(!0, content)).into_bytes());
        out
    }

    #[test]
    fn files_in_a_text_are_taken_out() {
        let block = uuencode("a b.txt", b"hello world");
        let text = [b"before\r\n".as_slice(), &block, b"after"].concat();
        let taken = take(&text, 10, 1000);
        assert!(!taken.damaged);
        assert_eq!(
            taken.pieces,
            [
                Piece::Text(b"before\r\n"),
                Piece::File { name: b"a b.txt", content: b"hello world".to_vec(), source: &block },
                Piece::Text(b"after")
            ]
        );
        let all: Vec<u8> = (0..=255).collect();
        for (octets, files, damaged, why) in [
            (yencode("x.bin", &all), 1, false, "yEnc with every octet"),
            (uuencode("x.bin", &all), 1, false, "uuencode with every octet"),
            ([uuencode("a", b"1"), yencode("b", b"2"), uuencode("c", b"3")].concat(), 3, false, "three in a row"),
            (uuencode("x", b""), 1, false, "an empty file"),
            (b"begin 644 x\n#86)C\n \nend\n".to_vec(), 1, false, "a blank for zero"),
            (b"begin 644 x\n#86)C\n\nend\n".to_vec(), 1, false, "whose blank was lost"),
            (b"begin 644 x\n#86)C`\n`\nend\n".to_vec(), 1, false, "a check sum behind a line"),
            (b"begin 644 x\n#86)C\n".to_vec(), 0, true, "no end"),
            (b"begin 644 x\n#86)C\nhello there, this is text\nend\n".to_vec(), 0, true, "text within"),
            (b"begin 100 yards from here\nand end\n".to_vec(), 0, false, "a sentence"),
            (b"> begin 644 x\n> #86)C\n> `\n> end\n".to_vec(), 0, false, "quoted"),
            (b"=ybegin line=128 size=3 name=x\nabc\n=yend size=3\n".to_vec(), 1, false, "without a check sum"),
            (b"=ybegin line=128 size=3 name=x\nabc\n=yend size=4\n".to_vec(), 0, true, "a wrong size"),
            (b"=ybegin line=128 size=3 name=x\nabc\n=yend size=3 crc32=1\n".to_vec(), 0, true, "a wrong check sum"),
            (b"=ybegin line=128 size=3 name=x\nabc\n".to_vec(), 0, true, "no end"),
            (
                b"=ybegin line=128 size=3 name=x\nabc\n=ybegin line=128 size=3 name=x\nabc\n=yend size=3\n".to_vec(),
                1,
                true,
                "one without an end, one whole",
            ),
            (
                b"=ybegin part=1 line=128 size=9 name=x\n=ypart begin=1 end=3\nabc\n=yend size=3 part=1 pcrc32=96ff1ef4 crc32=1\n".to_vec(),
                1,
                false,
                "a part",
            ),
        ] {
            let taken = take(&octets, 10, 1000);
            let found = taken.pieces.iter().filter(|p| matches!(p, Piece::File { .. })).count();
            assert_eq!((found, taken.damaged), (files, damaged), "{why}");
            let whole: Vec<u8> = taken
                .pieces
                .iter()
                .flat_map(|p| match p {
                    Piece::Text(text) => text.to_vec(),
                    Piece::File { source, .. } => source.to_vec(),
                })
                .collect();
            assert_eq!(whole, octets, "{why}: nothing is lost");
        }
        let three = [uuencode("a", b"1234"), uuencode("b", b"1234"), uuencode("c", b"1")].concat();
        let files = |files, octets| take(&three, files, octets).pieces.iter().filter(|p| matches!(p, Piece::File { .. })).count();
        assert_eq!((files(2, 1000), files(10, 5)), (2, 2), "bounded in number and size: what does not fit stays");
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(content in proptest::collection::vec(any::<u8>(), 0..500)) {
            for encoded in [uuencode("n", &content), yencode("n", &content)] {
                let taken = take(&encoded, 1, 1000);
                prop_assert_eq!(&taken.pieces, &[Piece::File { name: b"n", content: content.clone(), source: &encoded }]);
            }
        }
        #[test]
        fn nothing_is_lost_of_what_is_none(text in "(begin 644 x\n|=ybegin size=1 name=x\n|=yend size=1\n|end\n|`\n|#86\\)C\n|abc\n|\n){0,20}") {
            let whole: Vec<u8> = take(text.as_bytes(), 100, 1000).pieces.iter().flat_map(|p| match p {
                Piece::Text(text) => text.to_vec(),
                Piece::File { source, .. } => source.to_vec(),
            }).collect();
            prop_assert_eq!(whole, text.as_bytes());
        }
    }
}
