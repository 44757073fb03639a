//! How somebody feels, as far as words and signs show it: shouting, insults, the wish to leave.
//!
//! Nothing is guessed: each is a list of words of a language, or a count of signs, and the history says which it was.

use super::message::Language;
use super::words::Words;
use std::collections::BTreeMap;

/// A sign of how somebody feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// Capitals and exclamation marks.
    Shouting,
    /// Words of the list `[insult]`.
    Insult,
    /// Words of the list `[churn]`: he thinks of leaving.
    Churn,
}

impl Cue {
    /// All.
    pub const ALL: [Self; 3] = [Self::Shouting, Self::Insult, Self::Churn];

    /// The word of configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Shouting => "shouting",
            Self::Insult => "insult",
            Self::Churn => "churn",
        }
    }
}

/// The lists of all languages.
#[derive(Clone, Debug, Default)]
pub struct Cues(BTreeMap<Language, CueWords>);

/// The lists of one language.
#[derive(Clone, Debug, Default)]
pub struct CueWords {
    insult: Vec<(String, Words)>,
    churn: Vec<(String, Words)>,
}

impl CueWords {
    /// Entries of one language.
    const ENTRIES_MAX: usize = 1_000;

    /// Reads a file: `[insult]` and `[churn]`, below each an entry a line, written as the words of a rule are. `#` begins a comment.
    ///
    /// # Errors
    /// What is wrong, with its line from 1.
    pub fn parse(text: &str) -> Result<Self, (u32, String)> {
        let mut lists = Self::default();
        let mut list: Option<Cue> = None;
        for (at, line) in (1..).zip(text.lines()) {
            let entry = line.split('#').next().unwrap_or_default().trim();
            match (entry, list) {
                ("", _) => {}
                ("[insult]", _) => list = Some(Cue::Insult),
                ("[churn]", _) => list = Some(Cue::Churn),
                (header, _) if header.starts_with('[') => return Err((at, format!("{header} is neither [insult] nor [churn]"))),
                (_, None | Some(Cue::Shouting)) => return Err((at, "stands in no list; write [insult] or [churn] above it".to_owned())),
                (entry, Some(of)) => {
                    let words = Words::parse(entry).map_err(|wrong| (at, format!("'{entry}' {wrong}")))?;
                    let entries = if of == Cue::Insult { &mut lists.insult } else { &mut lists.churn };
                    if entries.len() >= Self::ENTRIES_MAX {
                        return Err((at, format!("is one too many; a list has at most {} entries", Self::ENTRIES_MAX)));
                    }
                    entries.push((entry.to_owned(), words));
                }
            }
        }
        Ok(lists)
    }

    fn of(&self, cue: Cue) -> &[(String, Words)] {
        match cue {
            Cue::Shouting => &[],
            Cue::Insult => &self.insult,
            Cue::Churn => &self.churn,
        }
    }
}

impl Cues {
    /// Puts the lists of a language in force.
    pub fn put(&mut self, language: Language, words: CueWords) {
        self.0.insert(language, words);
    }

    /// Whether anything can show a cue in a message of this language.
    #[must_use]
    pub fn has(&self, cue: Cue, language: Language) -> bool {
        cue == Cue::Shouting || self.0.get(&language).is_some_and(|words| !words.of(cue).is_empty())
    }

    /// The languages that there are words of.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        self.0.keys().copied()
    }

    /// What shows a cue in a message; `None` if nothing does. Words are sought in its language, or where that is not known in
    /// `else_in`: a word of one language is an insult in another. `are_there` says whether words are in the texts.
    #[must_use]
    pub(super) fn find(
        &self,
        cue: Cue,
        texts: [&str; 2],
        are_there: impl Fn(&Words) -> bool,
        language: Option<Language>,
        else_in: &[Language],
    ) -> Option<String> {
        if cue == Cue::Shouting {
            return shouting(texts.iter().flat_map(|text| text.chars()));
        }
        let languages = language.as_ref().map_or(else_in, std::slice::from_ref);
        let mut entries = languages.iter().filter_map(|language| self.0.get(language)).flat_map(|words| words.of(cue));
        entries.find(|(_, words)| are_there(words)).map(|(written, _)| format!("cue {}: '{written}'", cue.word()))
    }

    /// All words of all lists.
    pub(super) fn words_mut(&mut self) -> impl Iterator<Item = &mut Words> {
        self.0.values_mut().flat_map(|lists| lists.insult.iter_mut().chain(&mut lists.churn)).map(|(_, words)| words)
    }
}

/// Letters that have to be there before capitals mean anything: `RE: FW: URGENT` does not.
const LETTERS_MIN: u32 = 20;
/// Exclamation marks, one behind the other.
const MARKS_MIN: u32 = 3;

fn shouting(text: impl Iterator<Item = char>) -> Option<String> {
    let (mut capitals, mut small, mut marks, mut marks_most) = (0_u32, 0_u32, 0_u32, 0_u32);
    for c in text {
        if matches!(c, '!' | '！' | '¡') {
            marks += 1;
            marks_most = marks_most.max(marks);
            continue;
        }
        marks = 0;
        capitals += u32::from(c.is_uppercase());
        small += u32::from(c.is_lowercase());
    }
    let letters = capitals + small;
    if letters >= LETTERS_MIN && capitals * 10 >= letters * 6 {
        return Some(format!("cue shouting: {}% capitals", capitals * 100 / letters));
    }
    (marks_most >= MARKS_MIN).then(|| format!("cue shouting: {marks_most} exclamation marks"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::words::Searched;

    #[test]
    fn p9_a_cue_says_what_shows_it() {
        let mut cues = Cues::default();
        cues.put(Language::EN, CueWords::parse("# of ours\n[insult]\nidiot*\n[churn]\ncancel my account # at once\n").unwrap());
        let (pt, et) = (Language::parse("pt").unwrap(), Language::parse("et").unwrap());
        cues.put(pt, CueWords::parse("[insult]\nburro*\n").unwrap());
        for (cue, subject, text, language, expect, why) in [
            (Cue::Shouting, "", "WHERE IS MY ORDER I WANT IT NOW", None, Some("cue shouting: 100% capitals"), "capitals"),
            (Cue::Shouting, "URGENT", "PDF", None, None, "too short to tell"),
            (Cue::Shouting, "", "Where is it!!!", None, Some("cue shouting: 3 exclamation marks"), "marks"),
            (Cue::Shouting, "", "Hello! Thank you! Bye!", None, None, "friendly"),
            (Cue::Shouting, "", "ГДЕ МОЙ ЗАКАЗ Я ХОЧУ ЕГО СЕЙЧАС", None, Some("cue shouting: 100% capitals"), "any script with capitals"),
            (Cue::Shouting, "", "我的訂單在哪裡我現在就要我的訂單在哪裡我現在就要", None, None, "a script without"),
            (Cue::Insult, "", "You IDIOTS", Some(Language::EN), Some("cue insult: 'idiot*'"), "a stem"),
            (Cue::Insult, "", "You idiots", None, Some("cue insult: 'idiot*'"), "unknown language: those of the desk"),
            (Cue::Insult, "", "um burro", None, None, "Portuguese is none of the desk's"),
            (Cue::Insult, "", "um burro", Some(pt), Some("cue insult: 'burro*'"), "its own language"),
            (Cue::Insult, "", "idiot", Some(et), None, "a language without a list"),
            (Cue::Churn, "Cancel my account", "", Some(Language::EN), Some("cue churn: 'cancel my account'"), "in the subject"),
        ] {
            let texts = [Searched::new(subject), Searched::new(text)];
            let are_there = |words: &Words| texts.iter().any(|text| words.are_in(text));
            let found = cues.find(cue, [subject, text], are_there, language, &[Language::EN]);
            assert_eq!(found.as_deref(), expect, "{subject} {text}: {why}");
        }
    }

    #[test]
    fn p12_a_wrong_list_has_its_line() {
        for (text, line, why) in [("idiot", 1, "no list"), ("[insult]\n\n[angry]", 3, "no such list"), ("[churn]\n*", 2, "no words")] {
            assert_eq!(CueWords::parse(text).unwrap_err().0, line, "{why}");
        }
    }
}
