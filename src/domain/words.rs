//! Words as people write them: sought in a text, and mistyped.

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};

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
    letters: Vec<char>,
    begins_word: bool,
    ends_word: bool,
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
        Ok(Self { letters, begins_word: has_borders(first), ends_word: !goes_on && has_borders(last) })
    }

    /// What is compared: never none.
    pub(super) fn letters(&self) -> &[char] {
        &self.letters
    }

    /// Whether they can only stand where a word begins.
    pub(super) const fn begins_word(&self) -> bool {
        self.begins_word
    }

    /// Whether they stand in a text.
    #[must_use]
    pub fn are_in(&self, searched: &Searched<'_>) -> bool {
        match self.letters[..] {
            [first, second, ..] if self.begins_word => searched.borders_before([first, second]).any(|at| self.stand_at(searched.text, at)),
            _ if self.begins_word => searched.borders.iter().any(|(at, _)| self.stand_at(searched.text, *at)),
            _ => searched.text.char_indices().any(|(at, _)| self.stand_at(searched.text, at)),
        }
    }

    fn stand_at(&self, text: &str, at: usize) -> bool {
        let mut letter_end = at;
        let mut rest = &text[at..];
        for letter in &self.letters {
            let Some(c) = rest.chars().next() else { return false };
            if *letter == ' ' && c.is_whitespace() {
                rest = rest.trim_start();
            } else if letter_of(c) == Some(*letter) {
                rest = &rest[c.len_utf8()..];
                letter_end = text.len() - rest.len();
                // Accents may stand behind their letter on their own.
                if !rest.as_bytes().first().is_none_or(u8::is_ascii) {
                    rest = rest.trim_start_matches(is_accent);
                }
            } else {
                return false;
            }
        }
        // What counts as an accent may be a border itself, as the dash of Hebrew is.
        let end = text.len() - rest.len();
        !self.ends_word || (letter_end..=end).any(|at| text.is_char_boundary(at) && is_border(text, at))
    }
}

/// Slots of [`Searched`]; beginnings with the same remainder share one.
const SLOTS: usize = 256;
/// No place in a list.
const NONE: usize = usize::MAX;

/// A text in which many words are sought: its words are found once.
pub struct Searched<'t> {
    text: &'t str,
    /// Where a word begins or ends and a letter or digit follows, each with the place in this list of the one before it that
    /// begins alike; [`NONE`] is none.
    borders: Vec<(usize, usize)>,
    /// The place of the last one, by the two letters that follow: see [`Self::slot`].
    last: [usize; SLOTS],
}

impl<'t> Searched<'t> {
    /// Finds the words.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let mut this = Self { text, borders: Vec::with_capacity(text.len() / 5), last: [NONE; SLOTS] };
        let mut in_word = false;
        let mut at = 0;
        while let Some(&octet) = text.as_bytes().get(at) {
            let start = at;
            // Letters and digits of ASCII are a part of a word and have borders; what else is ASCII is neither.
            let (c, is_of_word, has_borders) = if octet.is_ascii() {
                let is_of_word = octet.is_ascii_alphanumeric() || octet == b'_';
                (char::from(octet), is_of_word, is_of_word)
            } else {
                let Some(c) = text[at..].chars().next() else { break };
                (c, is_of_word(c), has_borders(c))
            };
            at += c.len_utf8();
            let was_in_word = std::mem::replace(&mut in_word, is_of_word);
            if was_in_word != in_word
                && has_borders
                && let Some(first) = letter_of(c)
            {
                let second = text[at..].chars().find_map(letter_of).unwrap_or(' ');
                let last = &mut this.last[Self::slot([first, second])];
                let before = std::mem::replace(last, this.borders.len());
                this.borders.push((start, before));
            }
        }
        this
    }

    /// All of it.
    #[must_use]
    pub const fn text(&self) -> &'t str {
        self.text
    }

    /// Borders that these letters may follow.
    fn borders_before(&self, beginning: [char; 2]) -> impl Iterator<Item = usize> {
        let border = |place: usize| self.borders.get(place);
        std::iter::successors(border(self.last[Self::slot(beginning)]), move |(_, before)| border(*before)).map(|(at, _)| *at)
    }

    fn slot([first, second]: [char; 2]) -> usize {
        let second = if second.is_whitespace() { ' ' } else { second };
        (first as usize * 31 + second as usize) % SLOTS
    }
}

/// Whether a word begins or ends here (UTS 18, annex C).
fn is_border(text: &str, at: usize) -> bool {
    let (before, behind) = (text[..at].chars().next_back(), text[at..].chars().next());
    before.is_some_and(is_of_word) != behind.is_some_and(is_of_word)
}

/// Letters, digits, their marks and what joins them.
pub(super) fn is_of_word(c: char) -> bool {
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
    Some(folded(letter)).filter(|letter| !is_accent(*letter))
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

/// Whether a character may stand at a border of words and go on from there.
pub(super) fn is_border_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && c.is_alphanumeric())
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
    use std::sync::LazyLock;

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
        for letter in &words.letters {
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
