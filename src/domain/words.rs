//! Words as people write them: sought in a text, and mistyped.

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Longest entry of a rule's `text`, in characters.
pub const WORDS_CHARS_MAX: usize = 200;

/// Memory that one compiled entry may take, in octets (P11).
const PATTERN_OCTETS_MAX: usize = 1 << 20;

/// Why words cannot be sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsFault {
    #[error("is empty")]
    Empty,
    #[error("is longer than {WORDS_CHARS_MAX} characters")]
    Length,
    /// The pattern would take more memory than one may.
    #[error("is too long to be sought")]
    Size,
}

/// A pattern that finds these words, one after the other, in any text: whatever their case, with or without accents on
/// either side (`fatura` is in `FATURA`, `orcamento` in `orçamento`, `não` in `nao`), as whole words. A `*` at the end lets
/// the last word go on: `arve*` is in `arved` and `arvetega`. Scripts that put no space between words have no borders of
/// words either.
///
/// # Errors
/// What is wrong with the words.
pub fn pattern_of(words: &str) -> Result<Regex, WordsFault> {
    let words = words.trim();
    if words.chars().count() > WORDS_CHARS_MAX {
        return Err(WordsFault::Length);
    }
    let (words, goes_on) = words.strip_suffix('*').map_or((words, false), |stem| (stem, true));
    let letters: Vec<char> = words.chars().flat_map(letters_of).collect();
    let (Some(&first), Some(&last)) = (letters.first(), letters.last()) else { return Err(WordsFault::Empty) };
    let mut pattern = String::new();
    if has_borders(first) {
        pattern.push_str(r"\b");
    }
    let mut in_space = false;
    for letter in letters {
        if letter.is_whitespace() {
            if !in_space {
                pattern.push_str(r"\s+");
            }
            in_space = true;
            continue;
        }
        in_space = false;
        // The letter, all that is this letter with an accent, and accents that stand behind it on their own.
        pattern.push('[');
        for form in std::iter::once(letter).chain(ACCENTED.get(&letter).into_iter().flatten().copied()) {
            // Infallible: a String takes all.
            let _ = write!(pattern, r"\x{{{:x}}}", u32::from(form));
        }
        pattern.push_str(ACCENTS);
    }
    if goes_on {
        pattern.push_str(r"\w*");
    } else if has_borders(last) {
        pattern.push_str(r"\b");
    }
    RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .size_limit(PATTERN_OCTETS_MAX)
        .dfa_size_limit(PATTERN_OCTETS_MAX)
        .build()
        .map_err(|_| WordsFault::Size)
}

/// Letters with accents by the letter without: `a` has `á à â ã ä å ā …`, in lower and upper case, of the scripts that
/// have precomposed ones (Latin, Greek, Cyrillic, Hebrew, Arabic and those of India stand below U+2000).
static ACCENTED: LazyLock<HashMap<char, Vec<char>>> = LazyLock::new(|| {
    let mut accented: HashMap<char, Vec<char>> = HashMap::new();
    for c in '\u{c0}'..'\u{2000}' {
        let letters: Vec<char> = letters_of(c).collect();
        if let [letter] = letters[..]
            && letter != c
        {
            for form in letter.to_lowercase() {
                accented.entry(form).or_default().push(c);
            }
        }
    }
    accented
});

/// A character in lower case without its accents; an accent on its own is nothing.
fn letters_of(c: char) -> impl Iterator<Item = char> {
    const DECOMPOSITION: CanonicalDecompositionBorrowed<'static> = CanonicalDecompositionBorrowed::new();
    let mut letter = c;
    // One accent is taken off at a time: ǡ is ȧ with a macron. None has more than three.
    for _ in 0..4 {
        match DECOMPOSITION.decompose(letter) {
            Decomposed::Expansion(base, accent) if is_accent(accent) => letter = base,
            Decomposed::Singleton(same) => letter = same,
            Decomposed::Expansion(..) | Decomposed::Default => break,
        }
    }
    Some(letter).filter(|letter| !is_accent(*letter)).into_iter().flat_map(char::to_lowercase)
}

/// Signs that only colour a letter: the accents of Latin, Greek and Cyrillic, the points of Hebrew and Arabic. The marks of
/// other scripts are letters of theirs and stay.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}')
}

/// Ends the set of a letter's forms, and lets the signs of [`is_accent`] follow it.
const ACCENTS: &str = r"][\x{300}-\x{36f}\x{591}-\x{5c7}\x{610}-\x{61a}\x{64b}-\x{65f}]*";

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
            assert_eq!(pattern_of(words).unwrap().is_match(text), expect, "{words} in {text}: {why}");
        }
        assert_eq!(pattern_of(" * ").unwrap_err(), WordsFault::Empty);
        assert_eq!(pattern_of(&"a".repeat(201)).unwrap_err(), WordsFault::Length);
        assert!(pattern_of(&"a".repeat(200)).is_ok(), "the longest fits into its memory");
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
