//! Rich text as Outlook sends it: its compression (MS-OXRTFCP) and the HTML or plain text that it wraps (MS-OXRTFEX).
//!
//! One pass each; what compression may grow to, groups in groups and the text are bounded.

use super::decode;

/// What the dictionary holds at the beginning (MS-OXRTFCP section 2.1.2.1).
const DICTIONARY: &[u8; 207] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// Undoes the compression, up to `octets_max`.
pub(super) fn decompress(octets: &[u8], octets_max: usize) -> Result<Vec<u8>, &'static str> {
    const CUT_OFF: &str = "its rich text ends too early";
    const WINDOW: usize = 4096;
    let (head, packed) = octets.split_at_checked(16).ok_or(CUT_OFF)?;
    let word = |at: usize| head.get(at..at + 4).and_then(|w| <[u8; 4]>::try_from(w).ok()).map(u32::from_le_bytes).unwrap_or_default();
    let (packed_size, whole_size, kind, sum) = (word(0), word(4), word(8), word(12));
    // The size of what follows counts the twelve octets behind it.
    let packed = packed.get(..usize::try_from(packed_size).unwrap_or(usize::MAX).saturating_sub(12)).unwrap_or(packed);
    let whole_size = usize::try_from(whole_size).unwrap_or(usize::MAX).min(octets_max);
    match &kind.to_le_bytes() {
        b"MELA" => return packed.get(..whole_size).map(<[u8]>::to_vec).ok_or(CUT_OFF),
        b"LZFu" => {}
        _ => return Err("its rich text is compressed in a way that is not known"),
    }
    if decode::crc32(0, packed) != sum {
        return Err("the check sum of its rich text is wrong");
    }
    let mut window = [b' '; WINDOW];
    window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
    let mut at = DICTIONARY.len();
    let mut out = Vec::new();
    let mut put = |octet: u8, at: &mut usize, window: &mut [u8; WINDOW]| {
        window[*at] = octet;
        *at = (*at + 1) % WINDOW;
        out.push(octet);
        out.len() < octets_max
    };
    let mut rest = packed.iter().copied();
    'all: loop {
        let mut flags = rest.next().ok_or(CUT_OFF)?;
        for _ in 0..8 {
            let octet = rest.next().ok_or(CUT_OFF)?;
            if flags & 1 == 0 {
                if !put(octet, &mut at, &mut window) {
                    break 'all;
                }
            } else {
                let reference = u16::from_be_bytes([octet, rest.next().ok_or(CUT_OFF)?]);
                let (from, count) = (usize::from(reference >> 4), usize::from(reference & 0xf) + 2);
                if from == at {
                    break 'all;
                }
                for step in 0..count {
                    let copied = window[(from + step) % WINDOW];
                    if !put(copied, &mut at, &mut window) {
                        break 'all;
                    }
                }
            }
            flags >>= 1;
        }
    }
    Ok(out)
}

/// What rich text says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It only wraps this page.
    Html(String),
    /// It only wraps this plain text.
    Text(String),
    /// The words of a text with looks of its own.
    Words(String),
}

/// Reads rich text; `None` where it is none or too intricate.
pub(super) fn read(octets: &[u8], octets_max: usize) -> Option<Said> {
    if !octets.starts_with(b"{\\rtf") {
        return None;
    }
    let mut reader = Reader {
        out: String::new(),
        octets_max,
        pending: Vec::new(),
        high: None,
        skip_next: 0,
        wraps: Wraps::Nothing,
        code_page: 1252,
        fonts: Vec::new(),
        font_named: 0,
        groups: vec![Group { kind: Kind::Words, rich_only: false, replaced: 1, font: None }],
        starred: false,
    };
    reader.all(octets)?;
    reader.flush();
    Some(match reader.wraps {
        Wraps::Html => Said::Html(reader.out),
        Wraps::Text => Said::Text(reader.out),
        Wraps::Nothing => Said::Words(reader.out),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wraps {
    Nothing,
    Html,
    Text,
}

/// What the words of a group are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Words,
    /// Markup of the page that is wrapped.
    Markup,
    FontTable,
    /// Colours, styles, pictures.
    Nothing,
}

#[derive(Clone, Copy)]
struct Group {
    kind: Kind,
    /// Between `\htmlrtf` and `\htmlrtf0`: for readers of rich text alone.
    rich_only: bool,
    /// Characters that stand behind `\u` for programs that do not know it.
    replaced: usize,
    font: Option<i32>,
}

struct Reader {
    out: String,
    octets_max: usize,
    /// Octets of a code page that wait for the rest of their character.
    pending: Vec<u8>,
    high: Option<u16>,
    skip_next: usize,
    wraps: Wraps,
    code_page: u32,
    /// Code pages of fonts.
    fonts: Vec<(i32, u32)>,
    font_named: i32,
    groups: Vec<Group>,
    /// `\*` stood in front: a group that may be passed over.
    starred: bool,
}

impl Reader {
    fn all(&mut self, octets: &[u8]) -> Option<()> {
        const GROUPS_MAX: usize = 200;
        let mut at = 0;
        while let Some(&octet) = octets.get(at) {
            if self.out.len() > self.octets_max {
                return Some(());
            }
            at += 1;
            match octet {
                b'{' => {
                    let top = *self.groups.last()?;
                    if self.groups.len() > GROUPS_MAX {
                        return None;
                    }
                    self.groups.push(top);
                    self.skip_next = 0;
                }
                b'}' => {
                    self.flush();
                    self.groups.pop();
                    self.skip_next = 0;
                    if self.groups.len() <= 1 {
                        return Some(());
                    }
                }
                b'\\' => at = self.control(octets, at)?,
                b'\r' | b'\n' => {}
                other => self.octet(other),
            }
            self.starred &= octet == b'\\';
        }
        Some(())
    }

    /// What begins behind a backslash; gives where it ends.
    fn control(&mut self, octets: &[u8], at: usize) -> Option<usize> {
        let rest = octets.get(at..)?;
        let letters = rest.iter().take(32).take_while(|b| b.is_ascii_alphabetic()).count();
        if letters == 0 {
            return Some(at + self.symbol(rest));
        }
        let word = std::str::from_utf8(&rest[..letters]).ok()?;
        let mut end = letters;
        let number = &rest[letters..];
        let sign = usize::from(number.first() == Some(&b'-'));
        let digits = number.iter().skip(sign).take(10).take_while(|b| b.is_ascii_digit()).count();
        let mut value = None;
        if digits > 0 {
            end += sign + digits;
            value = std::str::from_utf8(&number[..sign + digits]).ok().and_then(|n| n.parse::<i32>().ok());
        }
        end += usize::from(rest.get(end) == Some(&b' '));
        let skip = self.word(word, value);
        self.starred = false;
        Some(at.saturating_add(end).saturating_add(skip).min(octets.len()))
    }

    /// A control symbol; gives how many octets it has.
    fn symbol(&mut self, rest: &[u8]) -> usize {
        match rest.first() {
            Some(b'\'') => {
                let hex = |at: usize| rest.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                if let (Some(high), Some(low)) = (hex(1), hex(2)) {
                    self.octet_of_page(high << 4 | low);
                    3
                } else {
                    1
                }
            }
            Some(b'*') => {
                self.starred = true;
                1
            }
            Some(b'~') => self.symbol_of('\u{a0}'),
            Some(b'_') => self.symbol_of('\u{2011}'),
            Some(b'\r' | b'\n') => self.symbol_of('\n'),
            Some(b @ (b'\\' | b'{' | b'}')) => self.symbol_of(char::from(*b)),
            Some(_) => 1,
            None => 0,
        }
    }

    fn symbol_of(&mut self, c: char) -> usize {
        self.character(c);
        1
    }

    /// A control word; gives how many octets behind it are no text.
    fn word(&mut self, word: &str, value: Option<i32>) -> usize {
        const FONTS_MAX: usize = 64;
        let is_on = value != Some(0);
        let Some(group) = self.groups.last_mut() else { return 0 };
        match word {
            "fromhtml" if is_on => self.wraps = Wraps::Html,
            "fromtext" => self.wraps = Wraps::Text,
            "ansicpg" => self.code_page = value.and_then(|v| u32::try_from(v).ok()).unwrap_or(self.code_page),
            "htmltag" if self.starred => group.kind = Kind::Markup,
            "htmlrtf" => {
                self.flush();
                if let Some(group) = self.groups.last_mut() {
                    group.rich_only = is_on;
                }
            }
            "fonttbl" => group.kind = Kind::FontTable,
            "colortbl" | "stylesheet" | "info" | "pict" | "object" | "header" | "footer" | "headerf" | "footerf" | "footnote"
            | "fldinst" => {
                group.kind = Kind::Nothing;
            }
            "f" if group.kind == Kind::FontTable => self.font_named = value.unwrap_or_default(),
            "f" => {
                self.flush();
                if let Some(group) = self.groups.last_mut() {
                    group.font = value;
                }
            }
            "fcharset" if group.kind == Kind::FontTable && self.fonts.len() < FONTS_MAX => {
                if let Some(page) = code_page_of_font(value.unwrap_or_default()) {
                    self.fonts.push((self.font_named, page));
                }
            }
            "uc" => group.replaced = value.and_then(|v| usize::try_from(v).ok()).unwrap_or(1).min(16),
            "u" => {
                let replaced = group.replaced;
                // Written as a signed number of sixteen bits.
                let unit = value.map(|v| u16::try_from(v.rem_euclid(0x1_0000)).unwrap_or_default());
                if let Some(unit) = unit {
                    self.unit(unit);
                    self.skip_next = replaced;
                }
            }
            "bin" => return value.and_then(|v| usize::try_from(v).ok()).unwrap_or_default(),
            "par" | "line" | "row" => self.character('\n'),
            "tab" | "cell" => self.character('\t'),
            "lquote" => self.character('\u{2018}'),
            "rquote" => self.character('\u{2019}'),
            "ldblquote" => self.character('\u{201c}'),
            "rdblquote" => self.character('\u{201d}'),
            "bullet" => self.character('\u{2022}'),
            "endash" => self.character('\u{2013}'),
            "emdash" => self.character('\u{2014}'),
            _ if self.starred => group.kind = Kind::Nothing,
            _ => {}
        }
        0
    }

    fn is_shown(&self) -> bool {
        let Some(group) = self.groups.last() else { return false };
        match group.kind {
            Kind::Markup => self.wraps == Wraps::Html,
            Kind::Words => !group.rich_only || self.wraps == Wraps::Nothing,
            Kind::FontTable | Kind::Nothing => false,
        }
    }

    fn octet(&mut self, octet: u8) {
        if octet.is_ascii() { self.character(char::from(octet)) } else { self.octet_of_page(octet) }
    }

    fn octet_of_page(&mut self, octet: u8) {
        if self.skip_next > 0 {
            self.skip_next -= 1;
        } else if self.is_shown() {
            self.pending.push(octet);
        }
    }

    fn character(&mut self, c: char) {
        if self.skip_next > 0 {
            self.skip_next -= 1;
        } else if self.is_shown() {
            // The second half of a character of two octets may look like ASCII.
            if c.is_ascii() && self.pending.len() % 2 == 1 && is_double(self.page()) && u8::try_from(c).is_ok_and(|b| b >= 0x40) {
                self.pending.push(u8::try_from(c).unwrap_or_default());
                return;
            }
            self.flush();
            self.out.push(c);
        }
    }

    /// A UTF-16 unit of `\u`.
    fn unit(&mut self, unit: u16) {
        self.skip_next = 0;
        if !self.is_shown() {
            return;
        }
        self.flush_pending();
        match (self.high.take(), unit) {
            (None, 0xd800..=0xdbff) => self.high = Some(unit),
            (high, unit) => {
                let units = high.into_iter().chain([unit]);
                self.out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
        }
    }

    fn page(&self) -> u32 {
        let font = self.groups.last().and_then(|g| g.font);
        font.and_then(|font| self.fonts.iter().find(|(number, _)| *number == font)).map_or(self.code_page, |(_, page)| *page)
    }

    fn flush(&mut self) {
        if self.high.take().is_some() {
            self.out.push(char::REPLACEMENT_CHARACTER);
        }
        self.flush_pending();
    }

    fn flush_pending(&mut self) {
        if !self.pending.is_empty() {
            let octets = std::mem::take(&mut self.pending);
            self.out.push_str(&decode::text(&octets, Some(&decode::code_page_label(self.page()))).0);
        }
    }
}

fn is_double(page: u32) -> bool {
    matches!(page, 932 | 936 | 949 | 950 | 54936)
}

/// The code page of `\fcharset`; `None` where it says nothing.
fn code_page_of_font(charset: i32) -> Option<u32> {
    Some(match charset {
        0 => 1252,
        77 => 10_000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "tests/rtf.rs"]
pub(super) mod tests;
