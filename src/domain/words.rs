//! Words as people write them: sought in a text, and mistyped.

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};
use std::sync::LazyLock;

/// Longest entry of a rule's `text`, in characters.
pub const WORDS_CHARS_MAX: usize = 200;

/// Why words cannot be sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsFault {
    #[error("is empty")]
    Empty,
    #[error("is longer than {WORDS_CHARS_MAX} characters")]
    Length,
}

/// Words that are sought, one after the other, in any text: whatever their case, with or without accents on either side
/// (`fatura` is in `FATURA`, `orcamento` in `orçamento`, `não` in `nao`), as whole words. A `*` at the end lets the last word
/// go on: `arve*` is in `arved` and `arvetega`. Scripts that put no space between words have no borders of words either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Letters as [`letter_of`] gives them, never none; one space for any white space between words.
    letters: String,
    begins_word: bool,
    ends_word: bool,
    /// Their place in what [`super::rule_text`] seeks all at once.
    pub(super) key: Option<u32>,
}

impl Words {
    /// Reads what a rule says.
    ///
    /// # Errors
    /// What is wrong with the words.
    pub fn parse(words: &str) -> Result<Self, WordsFault> {
        let words = words.trim();
        if words.chars().count() > WORDS_CHARS_MAX {
            return Err(WordsFault::Length);
        }
        let (words, goes_on) = words.strip_suffix('*').map_or((words, false), |stem| (stem, true));
        let mut letters: Vec<char> = words.chars().filter_map(letter_of).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        letters.dedup_by(|later, earlier| *later == ' ' && *earlier == ' ');
        let (Some(&first), Some(&last)) = (letters.first(), letters.last()) else { return Err(WordsFault::Empty) };
        Ok(Self {
            letters: letters.into_iter().collect(),
            begins_word: has_borders(first),
            ends_word: !goes_on && has_borders(last),
            key: None,
        })
    }

    /// What is compared, as it stands in [`Searched`]: never nothing.
    pub(super) fn folded(&self) -> &str {
        &self.letters
    }

    /// Whether they stand in a text.
    #[must_use]
    pub fn are_in(&self, searched: &Searched) -> bool {
        let folded = self.folded();
        let first = folded.chars().next().map_or(1, char::len_utf8);
        let mut from = 0;
        while let Some(at) = searched.folded.get(from..).and_then(|rest| rest.find(folded)).map(|at| from + at) {
            if searched.has_borders(at, at + folded.len(), (self.begins_word, self.ends_word)) {
                return true;
            }
            // What stands there twice may overlap itself.
            from = at + first;
        }
        false
    }

    /// Whether a word has to begin where they do, and to end where they do.
    pub(super) const fn borders(&self) -> (bool, bool) {
        (self.begins_word, self.ends_word)
    }
}

/// A word begins here, with a letter that has borders.
const BEGINS: u8 = 1;
/// A word begins or ends here, or behind an accent that was left out here.
const ENDS: u8 = 2;

/// A text in which many words are sought: folded once into the letters that [`Words`] are compared by.
pub struct Searched {
    /// Letters as [`letter_of`] gives them; one space for any white space; accents behind a letter are left out. Those
    /// that stand behind no letter are kept: no words go on over them.
    folded: String,
    /// [`BEGINS`] and [`ENDS`] for each octet of these, and for their end.
    borders: Vec<u8>,
}

impl Searched {
    /// Folds it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut folding = Folding::new(text.len());
        let mut rest = text;
        loop {
            // One character behind the other is beyond ASCII in most scripts.
            if rest.as_bytes().first().is_some_and(u8::is_ascii) {
                rest = rest.get(folding.ascii(rest.as_bytes())..).unwrap_or_default();
            }
            let mut beyond = rest.chars();
            let Some(c) = beyond.next() else { break };
            folding.character(c);
            rest = beyond.as_str();
        }
        folding.ends()
    }

    /// What words are sought in.
    pub(super) fn folded(&self) -> &str {
        &self.folded
    }

    /// Whether there are borders of words where a piece of [`Self::folded`] begins and ends, as far as they are wanted.
    pub(super) fn has_borders(&self, begin: usize, end: usize, (begins, ends): (bool, bool)) -> bool {
        let is = |at: usize, what: u8| self.borders.get(at).is_some_and(|border| border & what != 0);
        (!begins || is(begin, BEGINS)) && (!ends || is(end, ENDS))
    }
}

/// A text while it is folded.
struct Folding {
    folded: Vec<u8>,
    borders: Vec<u8>,
    in_word: bool,
    /// A word ended at an accent that was left out.
    ends_here: bool,
    /// What the character before is: at the beginning accents stay, as behind a space.
    before: u32,
    table: &'static [Sign],
}

impl Folding {
    /// Characters of ASCII that are folded in one go.
    const RUN: usize = 64;

    fn new(octets: usize) -> Self {
        let (folded, borders) = (Vec::with_capacity(octets + Self::RUN), Vec::with_capacity(octets + Self::RUN));
        Self { folded, borders, in_word: false, ends_here: false, before: Sign::ACCENT, table: &SIGNS }
    }

    /// Folds what is of ASCII at the beginning, and says how many octets that were: none is an accent, each is one octet.
    fn ascii(&mut self, octets: &[u8]) -> usize {
        let mut done = 0;
        for run in octets.chunks(Self::RUN) {
            let length = run.iter().position(|octet| !octet.is_ascii()).unwrap_or(run.len());
            self.ascii_run(run.get(..length).unwrap_or_default());
            done += length;
            if length < run.len() {
                break;
            }
        }
        done
    }

    fn ascii_run(&mut self, run: &[u8]) {
        let Some(table) = self.table.first_chunk::<128>() else { return };
        let start = self.folded.len();
        self.folded.resize(start + run.len(), 0);
        self.borders.resize(start + run.len(), 0);
        let (mut in_word, mut after_space, mut ends_here) = (self.in_word, self.before == Sign::SPACE, self.ends_here);
        let mut written = 0;
        if let (Some(folded), Some(borders)) = (self.folded.get_mut(start..), self.borders.get_mut(start..)) {
            for octet in run {
                let Sign(sign) = table[usize::from(octet & 127)];
                let of_word = sign & Sign::OF_WORD != 0;
                let border = of_word != in_word;
                in_word = of_word;
                let space = sign & Sign::SPACE != 0;
                if space && after_space {
                    continue;
                }
                after_space = space;
                let begins = border && sign & Sign::HAS_BORDERS != 0;
                let ends = border | std::mem::take(&mut ends_here);
                if let (Some(folded), Some(borders)) = (folded.get_mut(written), borders.get_mut(written)) {
                    *folded = sign.to_le_bytes()[0];
                    *borders = (u8::from(begins) * BEGINS) | (u8::from(ends) * ENDS);
                }
                written += 1;
            }
        }
        self.folded.truncate(start + written);
        self.borders.truncate(start + written);
        (self.in_word, self.ends_here) = (in_word, ends_here);
        if !run.is_empty() {
            self.before = if after_space { Sign::SPACE } else { 0 };
        }
    }

    fn character(&mut self, c: char) {
        let sign = self.table.get(c as usize).copied().unwrap_or_else(|| Sign::of(c));
        let border = sign.is(Sign::OF_WORD) != std::mem::replace(&mut self.in_word, sign.is(Sign::OF_WORD));
        let kind = sign.0 & (Sign::SPACE | Sign::ACCENT);
        if kind == Sign::SPACE && self.before == Sign::SPACE {
            return;
        }
        if kind == Sign::ACCENT && self.before == 0 {
            self.ends_here |= border;
            return;
        }
        self.before = kind;
        let begins = border & sign.is(Sign::HAS_BORDERS);
        let ends = border | std::mem::take(&mut self.ends_here);
        self.borders.push((u8::from(begins) * BEGINS) | (u8::from(ends) * ENDS));
        self.folded.extend_from_slice(sign.letter().encode_utf8(&mut [0; 4]).as_bytes());
        self.borders.resize(self.folded.len(), 0);
    }

    fn ends(mut self) -> Searched {
        self.borders.push(if self.in_word || self.ends_here { ENDS } else { 0 });
        // All of it is UTF-8.
        Searched { folded: String::from_utf8(self.folded).unwrap_or_default(), borders: self.borders }
    }
}

/// What a character is to [`Searched`]: its letter, and these in the upper bits.
#[derive(Clone, Copy)]
struct Sign(u32);

/// Of all letters with accents, and of what is mostly written besides; what is above costs a look into several tables each.
static SIGNS: LazyLock<Vec<Sign>> = LazyLock::new(|| (0..0x2e80).map(|c| char::from_u32(c).map_or(Sign(0), Sign::of)).collect());

impl Sign {
    const OF_WORD: u32 = 1 << 24;
    const HAS_BORDERS: u32 = 1 << 25;
    const SPACE: u32 = 1 << 26;
    const ACCENT: u32 = 1 << 27;
    const LETTER: u32 = (1 << 21) - 1;

    fn of(c: char) -> Self {
        // Han, kana and Hangul, without a look into the tables: they have no cases, and no accents of those that are left out.
        let (letter, of_word, borders) = match c {
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' => (Some(c), true, false),
            '\u{ac00}'..='\u{d7a3}' => (Some(c), true, true),
            _ => (letter_of(c), is_of_word(c), has_borders(c)),
        };
        let flag = |flag: u32, is: bool| if is { flag } else { 0 };
        let space = c.is_whitespace();
        Self(
            if space { ' ' as u32 } else { letter.unwrap_or(c) as u32 }
                | flag(Self::OF_WORD, of_word)
                | flag(Self::HAS_BORDERS, borders && letter.is_some())
                | flag(Self::SPACE, space)
                | flag(Self::ACCENT, letter.is_none()),
        )
    }

    const fn is(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    fn letter(self) -> char {
        char::from_u32(self.0 & Self::LETTER).unwrap_or_default()
    }
}

/// Letters, digits, their marks and what joins them.
fn is_of_word(c: char) -> bool {
    match c {
        '\0'..='\x7f' => c.is_ascii_alphanumeric() || c == '_',
        // Most of what is not ASCII, without a look into the tables.
        'À'..='ɏ' => !matches!(c, '×' | '÷'),
        _ => regex_syntax::is_word_character(c),
    }
}

/// A character in lower case without its accents, the same for all that only differ in them; an accent on its own is none.
#[inline]
pub(super) fn letter_of(c: char) -> Option<char> {
    if c.is_ascii() { Some(c.to_ascii_lowercase()) } else { letter_beyond_ascii(c) }
}

fn letter_beyond_ascii(c: char) -> Option<char> {
    const DECOMPOSITION: CanonicalDecompositionBorrowed<'static> = CanonicalDecompositionBorrowed::new();
    let mut letter = folded(c);
    // One accent is taken off at a time: ǡ is ȧ with a macron. None has more than three.
    for _ in 0..4 {
        // Scripts that have letters with accents stand below.
        if !('\u{c0}'..'\u{2000}').contains(&letter) {
            break;
        }
        match DECOMPOSITION.decompose(letter) {
            Decomposed::Expansion(base, accent) if is_accent(accent) => letter = base,
            Decomposed::Singleton(same) => letter = same,
            Decomposed::Expansion(..) | Decomposed::Default => break,
        }
    }
    // An accent is none even if it has a capital, as the iota below Greek letters has.
    Some(folded(letter)).filter(|letter| !is_accent(*letter) && !is_accent(c))
}

/// The one lower case letter of all that are the same in another case: σ of Σ, σ and ς.
fn folded(c: char) -> char {
    let only = |mut chars: &mut dyn Iterator<Item = char>| (&mut chars).next().filter(|_| chars.next().is_none());
    if c == 'ı' {
        // Its capital is the I of all others.
        return c;
    }
    let capital = only(&mut c.to_uppercase()).unwrap_or(c);
    only(&mut capital.to_lowercase()).unwrap_or(c)
}

/// Signs that only colour a letter: the accents of Latin, Greek and Cyrillic, the points of Hebrew and Arabic. The marks of
/// other scripts are letters of theirs and stay.
pub(super) const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}')
}

/// Whether a word that begins or ends with this character has a border there that a text shows. Han, kana, Thai, Lao,
/// Khmer and Burmese are written without spaces; a sign such as `+` is no part of a word.
fn has_borders(c: char) -> bool {
    let without_spaces = matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    (c.is_alphanumeric() || c == '_') && !without_spaces
}

/// The known word that a mistyped one most likely meant; `None` if none is near.
#[must_use]
pub fn nearest<'a>(mistyped: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mistyped = mistyped.to_lowercase();
    let allowed = match mistyped.chars().count() {
        0..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|word| (distance(&mistyped, &word.to_lowercase()), word))
        // Words that share less than they differ in are not near, however short.
        .filter(|(distance, word)| *distance <= allowed && *distance < word.chars().count().max(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Letters to put in, take out, exchange, or swap with their neighbour, to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let exchanged = last[j] + usize::from(a[i] != b[j]);
            let mut cheapest = exchanged.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                cheapest = cheapest.min(before_last[j - 1] + 1);
            }
            row.push(cheapest);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::{Regex, RegexBuilder};
    use std::collections::HashMap;
    use std::fmt::Write as _;

    #[test]
    fn words_are_found_as_people_write_them() {
        for (words, text, expect, why) in [
            ("invoice", "Your INVOICE, please", true, "case"),
            ("invoice", "invoices", false, "whole words"),
            ("invoice*", "the invoices of May", true, "a stem"),
            ("arve*", "Arvetega on probleem", true, "a stem in Estonian"),
            ("fatura", "Minha fatura.", true, "punctuation is a border"),
            ("orçamento", "orcamento", true, "accent in the rule, none in the text"),
            ("orcamento", "ORÇAMENTO", true, "accent in the text, none in the rule"),
            ("orcamento", "orc\u{327}amento", true, "accent that stands on its own"),
            ("orc\u{327}amento", "orçamento", true, "accent that stands on its own in the rule"),
            ("nao", "não", true, "tilde"),
            ("tõend", "toend", true, "õ is o"),
            ("счёт", "Где мой СЧЕТ?", true, "Cyrillic"),
            ("τιμολόγιο", "ΤΙΜΟΛΟΓΙΟ", true, "Greek"),
            ("發票", "請開發票給我", true, "no borders between Han"),
            ("ใบเสร็จ", "ขอใบเสร็จด้วย", true, "nor in Thai"),
            ("C++", "my c++ program", true, "a sign at the end"),
            ("double charge", "a Double\n  charge", true, "any space"),
            ("double charge", "double  fee charge", false, "one after the other"),
            ("a.c", "abc", false, "no pattern language"),
            ("việt", "viet", true, "two accents on one letter"),
            ("street", "straße", false, "another letter is another letter"),
            ("a", "9\u{5be}aカ", false, "the border before it is none behind it"),
        ] {
            assert_eq!(Words::parse(words).unwrap().are_in(&Searched::new(text)), expect, "{words} in {text}: {why}");
        }
        assert_eq!(Words::parse(" * ").unwrap_err(), WordsFault::Empty);
        assert_eq!(Words::parse(&"a".repeat(201)).unwrap_err(), WordsFault::Length);
        assert!(Words::parse(&"a".repeat(200)).is_ok(), "the longest");
    }

    /// The same as a regular expression, by which the search is checked: what it says of cases, borders and spaces is Unicode's.
    fn pattern(words: &Words) -> Regex {
        static FORMS: LazyLock<HashMap<char, Vec<char>>> = LazyLock::new(|| {
            let mut forms: HashMap<char, Vec<char>> = HashMap::new();
            for c in '\u{c0}'..'\u{2000}' {
                if let Some(letter) = letter_of(c) {
                    forms.entry(letter).or_default().push(c);
                }
            }
            forms
        });
        const ACCENTS: &str = r"[\x{300}-\x{36f}\x{591}-\x{5c7}\x{610}-\x{61a}\x{64b}-\x{65f}]*";
        let border = |is_there: bool| if is_there { r"\b" } else { "" };
        let mut pattern = border(words.begins_word).to_owned();
        for letter in &words.letters.chars().collect::<Vec<_>>() {
            if *letter == ' ' {
                pattern.push_str(r"\s+");
                continue;
            }
            pattern.push('[');
            for form in FORMS.get(letter).into_iter().flatten().chain([letter]) {
                let _ = write!(pattern, r"\x{{{:x}}}", u32::from(*form));
            }
            pattern.push(']');
            pattern.push_str(ACCENTS);
        }
        pattern.push_str(border(words.ends_word));
        RegexBuilder::new(&pattern).case_insensitive(true).build().unwrap()
    }

    proptest! {
        #[test]
        fn words_are_found_where_a_regular_expression_finds_them(
            words in "[aAãéEςσΣĸıİk\u{212a}ß²_x9 +א\u{5be}\u{301}な發カガ]{1,4}[*]?",
            text in "[aAãéEςσΣĸıİk\u{212a}ß²_x9 \n\u{a0}.+א\u{5be}\u{5b0}\u{301}な發カガ\u{200d}×]{0,30}",
        ) {
            if let Ok(words) = Words::parse(&words) {
                prop_assert_eq!(words.are_in(&Searched::new(&text)), pattern(&words).is_match(&text));
            }
        }
    }

    #[test]
    fn a_mistyped_word_is_known_again() {
        let known = ["host", "port", "password_file", "user", "tls", "ca_file"];
        for (mistyped, expect, why) in [
            ("hots", Some("host"), "swapped"),
            ("prot", Some("port"), "swapped"),
            ("passwordfile", Some("password_file"), "left out"),
            ("password-file", Some("password_file"), "exchanged"),
            ("Port", Some("port"), "case"),
            ("tl", Some("tls"), "short"),
            ("banana", None, "nothing near"),
            ("", None, "nothing"),
        ] {
            assert_eq!(nearest(mistyped, known), expect, "{why}");
        }
    }
}
