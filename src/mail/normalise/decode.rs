//! Transfer encodings and character sets: lenient, linear, and never a refusal.

use super::scan::run_len;
use super::structure::line_at;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use mail_parser::decoders::charsets::map::charset_decoder;
use std::borrow::Cow;

/// How a part's octets are written (RFC 2045 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    Plain,
    QuotedPrintable,
    Base64,
    /// Not known: the octets are kept as they are.
    Unknown,
}

impl Transfer {
    /// Reads the value of Content-Transfer-Encoding.
    pub(super) fn parse(value: &str) -> Self {
        let word = value.split(['(', ';']).next().unwrap_or_default().trim();
        match word.to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Self::Plain,
            "quoted-printable" => Self::QuotedPrintable,
            "base64" => Self::Base64,
            _ => Self::Unknown,
        }
    }

    /// The octets that were meant, about `octets_max` of them and not many more; and whether any of what was written is
    /// against the rules of the encoding.
    pub(super) fn decode(self, octets: &[u8], octets_max: usize) -> (Cow<'_, [u8]>, bool) {
        match self {
            Self::Plain | Self::Unknown => (Cow::Borrowed(&octets[..octets.len().min(octets_max)]), false),
            Self::QuotedPrintable => {
                let (decoded, damaged) = quoted_printable(octets, octets_max);
                (Cow::Owned(decoded), damaged)
            }
            Self::Base64 => {
                let (decoded, damaged) = base64(octets, octets_max);
                (Cow::Owned(decoded), damaged)
            }
        }
    }
}

/// What each octet stands for in base64; [`NO_VALUE`] outside of the alphabet.
const VALUES: [u8; 256] = {
    let mut values = [NO_VALUE; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        values[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    values
};
/// Has a bit that no value has.
const NO_VALUE: u8 = 0x80;

/// RFC 2045 section 6.8: characters outside of the alphabet are passed over; what follows padding begins anew, since some
/// programs join pieces that were encoded apart.
pub(super) fn base64(octets: &[u8], octets_max: usize) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity((octets.len() / 4 * 3).min(octets_max) + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    let mut damaged = false;
    let mut at_stretch = true;
    let mut rest = octets;
    loop {
        if out.len() >= octets_max {
            return (out, damaged);
        }
        // Whole lines, or stretches of long ones: nearly all there is. Each is tried once, so that odd ones cost no more than their
        // length.
        while count == 0 && at_stretch {
            match whole_stretch(rest, octets_max, &mut out) {
                Some(behind) => rest = behind,
                None => at_stretch = false,
            }
        }
        // Four characters that make three octets: nearly all of an odd line.
        while count == 0
            && out.len() < octets_max
            && let Some((four, behind)) = rest.split_first_chunk::<4>()
        {
            let [a, b, c, d] = four.map(|octet| VALUES[usize::from(octet)]);
            if (a | b | c | d) & NO_VALUE != 0 {
                break;
            }
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
            rest = behind;
        }
        let Some((&octet, behind)) = rest.split_first() else { return (out, damaged) };
        rest = behind;
        at_stretch = octet == b'\n';
        let value = VALUES[usize::from(octet)];
        if octet == b'=' {
            (bits, count) = (0, 0);
        } else if value != NO_VALUE {
            bits = (bits << 6) | u32::from(value);
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push(u8::try_from((bits >> count) & 0xff).unwrap_or_default());
            }
        } else {
            damaged |= !octet.is_ascii_whitespace();
        }
    }
}

/// Decodes the line that begins here, or the start of a long one, if nothing in it is odd; what is behind it.
fn whole_stretch<'a>(octets: &'a [u8], octets_max: usize, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    /// Whole groups; RFC 2045 section 6.8 allows lines of 76.
    const STRETCH_OCTETS: usize = 4096;
    let look = &octets[..octets.len().min(STRETCH_OCTETS)];
    let end = memchr::memchr(b'\n', look);
    let line = &look[..end.unwrap_or(look.len() / 4 * 4)];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (before, grows) = (out.len(), line.len() / 4 * 3);
    if !line.len().is_multiple_of(4) || before.checked_add(grows)? > octets_max || line.is_empty() && end.is_none() {
        return None;
    }
    out.resize(before + grows, 0);
    if STANDARD_NO_PAD.decode_slice(line, &mut out[before..]) != Ok(grows) {
        out.truncate(before);
        return None;
    }
    octets.get(end.map_or(line.len(), |end| end + 1)..)
}

/// RFC 2045 section 6.7: a bad escape stays as it is, white space before a line end goes.
fn quoted_printable(octets: &[u8], octets_max: usize) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(octets.len().min(octets_max));
    let mut damaged = false;
    let mut at = 0;
    while at < octets.len() && out.len() < octets_max {
        let (line, next) = line_at(octets, at);
        let ended = octets.get(next.wrapping_sub(1)) == Some(&b'\n') && next > at;
        let text = line.trim_ascii_end();
        let soft = text.last() == Some(&b'=');
        let text = if soft { &text[..text.len() - 1] } else { text };
        let mut rest = text;
        loop {
            let plain = run_len(rest, |octet| octet != b'=');
            out.extend_from_slice(&rest[..plain]);
            let Some(behind) = rest.get(plain + 1..) else { break };
            if let [high, low, behind @ ..] = behind
                && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
            {
                out.push(high << 4 | low);
                rest = behind;
            } else {
                damaged = true;
                out.push(b'=');
                rest = behind;
            }
        }
        if ended && !soft {
            out.extend_from_slice(b"\r\n");
        } else if !ended && !soft {
            // The last line: its white space may be meant.
            out.extend_from_slice(&line[text.len()..]);
        }
        at = next;
    }
    (out, damaged)
}

fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    }
}

/// Text of octets under the label that came with them; says so if the label could not be believed.
pub(super) fn text(octets: &[u8], label: Option<&str>) -> (String, Option<&'static str>) {
    let label = label.map(|l| l.trim().trim_matches(['"', '\'']).to_ascii_lowercase()).unwrap_or_default();
    match label.as_str() {
        // ASCII with eight-bit octets is mostly UTF-8 from a program that did not look.
        "" | "utf-8" | "utf8" | "us-ascii" | "ascii" | "ansi_x3.4-1968" | "unknown-8bit" | "x-unknown" | "default"
        | "unicode-1-1-utf-8" | "cp20127" | "iso-646-us" => guessed(octets),
        _ => {
            let known = known_label(&label);
            match charset_decoder(known.as_bytes()) {
                Some(_) if is_contradicted(known, octets) => (guessed(octets).0, Some("wrong_charset")),
                Some(decode) => (decode(octets), None),
                None => (guessed(octets).0, Some("unknown_charset")),
            }
        }
    }
}

/// Whether the octets cannot be meant as their label says: UTF-8 under the name of a set with one octet a character
/// (its characters would be odd pairs such as `Ã¤`), and eight-bit octets under one of seven.
fn is_contradicted(label: &str, octets: &[u8]) -> bool {
    const ONE_OCTET: [&str; 6] = ["iso-8859-", "iso_8859-", "windows-125", "cp125", "koi8-", "latin"];
    if label.starts_with("iso-2022-") || label == "utf-7" {
        return !octets.is_ascii();
    }
    ONE_OCTET.iter().any(|start| label.starts_with(start)) && !octets.is_ascii() && std::str::from_utf8(octets).is_ok()
}

/// Text of octets whose label is missing or cannot be believed: by a byte order mark, by the escapes of ISO-2022-JP, as
/// UTF-8 where most of it is, else in the set that its letters are most likely of.
pub(super) fn guessed(octets: &[u8]) -> (String, Option<&'static str>) {
    /// Octets that a guess rests on.
    const LOOK_OCTETS_MAX: usize = 64 * 1024;
    let named = |label: &str| charset_decoder(label.as_bytes());
    if let Ok(text) = std::str::from_utf8(octets) {
        let has_escapes = octets.contains(&0x1b) && text.contains("\x1b$");
        return match named("iso-2022-jp").filter(|_| has_escapes) {
            Some(decode) => (decode(octets), Some("wrong_charset")),
            None => (text.to_owned(), None),
        };
    }
    if (octets.starts_with(b"\xff\xfe") || octets.starts_with(b"\xfe\xff"))
        && let Some(decode) = named("utf-16")
    {
        return (decode(octets), None);
    }
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in octets.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    if good < bad {
        let start = octets.iter().position(|octet| !octet.is_ascii()).unwrap_or_default().saturating_sub(LOOK_OCTETS_MAX / 8);
        let look = &octets[start..octets.len().min(start + LOOK_OCTETS_MAX)];
        let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
        detector.feed(look, true);
        let found = detector.guess(None, chardetng::Utf8Detection::Deny).name().to_ascii_lowercase();
        if let Some(decode) = named(&found).or_else(|| named("windows-1252")) {
            return (decode(octets), Some("wrong_charset"));
        }
    }
    (String::from_utf8_lossy(octets).into_owned(), Some("wrong_charset"))
}

/// The name of a code page of Windows, as far as mail knows one.
pub(super) fn code_page_label(page: u32) -> String {
    match page {
        20_127 | 65_001 | 0 => "utf-8".to_owned(),
        10_000 => "macintosh".to_owned(),
        20_866 => "koi8-r".to_owned(),
        21_866 => "koi8-u".to_owned(),
        28_591..=28_605 => format!("iso-8859-{}", page - 28_590),
        50_220..=50_222 => "iso-2022-jp".to_owned(),
        51_932 => "euc-jp".to_owned(),
        54_936 => "gb18030".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 | 51_949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        850 | 866 => format!("cp{page}"),
        other => format!("windows-{other}"),
    }
}

/// CRC-32 (ISO 3309), reflected, without inverting at either end: `!crc32(!0, …)` is what zip and yEnc use.
pub(super) fn crc32(start: u32, octets: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut octet = 0u32;
        while octet < 256 {
            let mut value = octet;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[octet as usize] = value;
            octet += 1;
        }
        table
    };
    octets.iter().fold(start, |crc, octet| TABLE[usize::from(crc.to_le_bytes()[0] ^ octet)] ^ (crc >> 8))
}

/// Names that real mailers use and the decoder's table lacks.
fn known_label(label: &str) -> &str {
    match label {
        "cp932" | "ms932" | "windows-31j" | "windows-932" | "x-sjis" | "x-ms-cp932" | "ms_kanji" | "sjis" | "shift-jis" => "shift_jis",
        "cp936" | "ms936" | "windows-936" | "x-gbk" | "gb_2312-80" | "gb2312-80" | "euc-cn" => "gbk",
        "cp949" | "ms949" | "windows-949" | "uhc" | "ks_c_5601" | "ksc5601" | "ks_c_5601-1989" => "euc-kr",
        "cp950" | "ms950" | "windows-950" | "x-big5" => "big5",
        "gb18030-2000" | "gb18030-2005" => "gb18030",
        "cp874" | "tis-620" | "tis620" | "iso-8859-11" => "windows-874",
        "iso-8859-8-i" | "iso-8859-8-e" => "iso-8859-8",
        "cp51932" | "eucjp" | "x-euc-jp" | "x-euc" => "euc-jp",
        "cp50220" | "cp50221" | "iso-2022-jp-ms" | "iso-2022-jp-1" | "iso-2022-jp-2" => "iso-2022-jp",
        "x-windows-1250" | "win-1250" | "win1250" => "windows-1250",
        "x-windows-1251" | "win-1251" | "win1251" | "windows1251" => "windows-1251",
        "x-windows-1252" | "win-1252" | "ansi" | "windows1252" | "iso-8859-1-windows-3.1-latin-1" => "windows-1252",
        "x-windows-1257" | "win-1257" | "windows1257" => "windows-1257",
        "macroman" | "x-mac-roman" | "x-macintosh" => "macintosh",
        other => other,
    }
}

/// The character of an HTML entity, given without `&` and `;`.
pub(in crate::mail) fn entity(name: &str) -> Option<char> {
    let mut decoded = String::new();
    let token = format!("&{name};");
    mail_parser::decoders::html::add_html_token(&mut decoded, token.as_bytes(), false);
    if decoded == token { None } else { decoded.chars().next() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn transfer_encodings_are_read_leniently() {
        for (kind, given, expect, why) in [
            (Transfer::Base64, &b"aGVsbG8="[..], &b"hello"[..], "plain"),
            (Transfer::Base64, b"aGVs\r\n bG8", b"hello", "white space, no padding"),
            (Transfer::Base64, b"aGk=aGk=", b"hihi", "two pieces joined"),
            (Transfer::Base64, b"!!a$G k", b"hi", "garbage is passed over"),
            (Transfer::Base64, b"aGVsbG8gd29ybGQ", b"hello world", "several groups, the last without padding"),
            (Transfer::Base64, b"aGV\nsbG8\n=aGVs", b"hellohel", "a line that ends within a group, a new beginning"),
            (Transfer::Base64, b"+/+/\xff////", b"\xfb\xff\xbf\xff\xff\xff", "the ends of the alphabet and beyond"),
            (Transfer::QuotedPrintable, b"a=3Db =\r\nc  \r\nd", b"a=b c\r\nd", "soft line end, trailing blanks"),
            (Transfer::QuotedPrintable, b"=ZZ =4 =\r\n=\r\n==3D=\r\nend=", b"=ZZ =4 ==end", "bad escapes stay"),
            (Transfer::QuotedPrintable, b"a ", b"a ", "the last line keeps its blank"),
            (Transfer::Unknown, b"uryyb", b"uryyb", "unknown: as it is"),
        ] {
            assert_eq!(kind.decode(given, 1000).0.as_ref(), expect, "{why}");
        }
        assert_eq!(Transfer::parse(" BASE64 (yes)"), Transfer::Base64);
        assert_eq!(Transfer::parse("base64 base64"), Transfer::Unknown);
    }

    proptest! {
        #[test]
        fn base64_comes_back_however_it_is_broken_into_lines(
            octets in proptest::collection::vec(any::<u8>(), 0..300),
            breaks in proptest::collection::vec((0usize..400, any::<u8>()), 0..20),
        ) {
            let mut encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &octets).into_bytes();
            for (at, noise) in breaks {
                if VALUES[usize::from(noise)] == NO_VALUE && noise != b'=' {
                    encoded.insert(at.min(encoded.len()), noise);
                }
            }
            prop_assert_eq!(super::base64(&encoded, usize::MAX - 3).0, octets);
        }
    }

    #[test]
    fn p11_base64_in_one_line_is_read_once_and_odd_places_in_it_are_passed() {
        let octets: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &octets).into_bytes();
        for (noise, why) in
            [(&b""[..], "one line"), (b"!", "an odd character"), (b"\r", "a lone CR"), (b"\n", "two lines"), (b"\n\r\n\n", "empty lines")]
        {
            for at in [0, 1, 4095, 4096, 4097, 70_001] {
                let broken = [&encoded[..at], noise, &encoded[at..]].concat();
                assert_eq!(super::base64(&broken, usize::MAX - 3).0, octets, "{why} at {at}");
            }
        }
        assert_eq!(super::base64(&encoded, 10_000).0.len(), 10_002, "bounded");
    }

    #[test]
    fn character_sets_are_read_by_label_or_by_look() {
        for (octets, label, expect, why) in [
            (&b"Gr\xfc\xdfe 100 \x80"[..], Some("utf-8"), "Grüße 100 €", "labelled wrongly: nothing of it is UTF-8"),
            ("héllo \u{20ac}".as_bytes(), Some("us-ascii"), "héllo €", "UTF-8 under ASCII"),
            (b"\xc3\xa4 \xff", None, "ä \u{fffd}", "UTF-8 with one bad octet"),
            (b"\x82\xb1", Some("cp932"), "こ", "label that the table lacks"),
            (b"\x1b$B$3$s", Some("iso-2022-jp"), "こん", "left in shifted state"),
            (b"+ADw-", Some("utf-7"), "<", "utf-7 by label only"),
            (b"+ADw-", None, "+ADw-", "never by its look"),
            (b"hello", Some("../../../etc/passwd"), "hello", "hostile label"),
        ] {
            assert_eq!(text(octets, label).0, expect, "{why}");
        }
    }
}
