//! Which words of one text stand in another, however either is wrapped, spaced or marked.
//!
//! Texts are compared by runs of words: a word is its letters and digits in lower case, so that `>`, `*`, line ends and blanks of any
//! kind make no difference. Each text is read once, whatever it holds.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A word and where it stands, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Of its letters and digits in lower case.
    pub hash: u64,
    pub start: usize,
    pub end: usize,
    /// How many letters and digits it has.
    pub letters: usize,
}

/// The words of a text, in order. What has neither letter nor digit is none.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut all = Vec::new();
    for piece in text.split_whitespace() {
        // Of one allocation both: `piece` is a part of `text`.
        let start = piece.as_ptr() as usize - text.as_ptr() as usize;
        let mut hasher = DefaultHasher::new();
        let mut letters = 0;
        for letter in piece.chars().filter(|c| c.is_alphanumeric()) {
            letter.to_lowercase().for_each(|lower| lower.hash(&mut hasher));
            letters += 1;
        }
        if letters > 0 {
            all.push(Word { hash: hasher.finish(), start, end: start + piece.len(), letters });
        }
    }
    all
}

/// Runs of so many words, by which texts are compared.
#[derive(Clone, Debug)]
pub struct Runs {
    length: usize,
    names: HashSet<u64>,
}

impl Runs {
    /// None yet. A run has one word at least.
    #[must_use]
    pub fn none(length: usize) -> Self {
        Self { length: length.max(1), names: HashSet::new() }
    }

    /// All that are in a text.
    #[must_use]
    pub fn of(words: &[Word], length: usize) -> Self {
        let mut runs = Self::none(length);
        runs.add(words);
        runs
    }

    /// All that are in a further text.
    pub fn add(&mut self, words: &[Word]) {
        self.names.extend(words.windows(self.length).map(name_of));
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Which of these words are part of a run that is known.
    #[must_use]
    pub fn cover(&self, words: &[Word]) -> Vec<bool> {
        let mut marks = vec![false; words.len()];
        if self.is_empty() {
            return marks;
        }
        let mut marked_to = 0;
        for (at, run) in words.windows(self.length).enumerate() {
            if self.names.contains(&name_of(run)) {
                let end = at + run.len();
                marks[at.max(marked_to)..end].fill(true);
                marked_to = end;
            }
        }
        marks
    }
}

fn name_of(words: &[Word]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for word in words {
        word.hash.hash(&mut hasher);
    }
    hasher.finish()
}

/// The stretches of marked words, as `start..end`.
pub fn stretches(marks: &[bool]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = (at..marks.len()).find(|i| marks[*i])?;
        let end = (start..marks.len()).find(|i| !marks[*i]).unwrap_or(marks.len());
        at = end;
        Some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_do_not_matter() {
        let names = |text: &str| words(text).into_iter().map(|w| w.hash).collect::<Vec<_>>();
        for (text, why) in [
            ("> Hello,\n> *World* 42", "marked and bold"),
            ("hello\u{a0}world\t42\r\n", "blanks of other kinds"),
            ("Hello — world … 42", "what has no letter is no word"),
        ] {
            assert_eq!(names(text), names("hello world 42"), "{why}");
        }
        let text = "é > Grüße";
        assert_eq!(words(text).iter().map(|w| &text[w.start..w.end]).collect::<Vec<_>>(), ["é", "Grüße"], "where they stand");
    }

    #[test]
    fn runs_are_found_wherever_they_stand() {
        let known = Runs::of(&words("one two three four five"), 3);
        for (text, expect, why) in [
            ("x one two three y", "1..4", "a run"),
            ("one two x two three four five", "3..7", "two words are none"),
            ("three four five one two three", "0..6", "two in a row"),
            ("one two three x one two three", "0..3 4..7", "twice"),
            ("one", "", "fewer than a run"),
            ("", "", "nothing"),
        ] {
            let found: Vec<_> = stretches(&known.cover(&words(text))).map(|run| format!("{run:?}")).collect();
            assert_eq!(found.join(" "), expect, "{why}");
        }
    }
}
