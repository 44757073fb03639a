//! What all rules seek in a subject and a text, found in one pass over each: their words, and what their regular expressions
//! cannot do without ([`super::literals`]).
//!
//! Each such piece of text has a number, its key. Words are there where their key was found with the borders that they want;
//! an expression can only match where one of its keys was. The few expressions without keys are sought in sets, and only
//! where a rule that has nothing else against it waits for one of them.

use super::cues::Cues;
use super::literals;
use super::rule::{Condition, Pattern, Rule, Said};
use super::rule_index::Bits;
use super::words::{Searched, Words};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::{RegexSet, RegexSetBuilder};
use std::collections::HashMap;

/// The subject and the text, in this order.
pub(super) const PLACES: usize = 2;

/// The parts of a condition that texts open, each with the places that it looks at.
const PARTS: [[bool; PLACES]; 6] = [[true, false], [true, true], [false, true], [true, false], [true, true], [false, true]];
/// Of which these are words, and the others expressions.
const WORDS: usize = 3;

/// What is sought, and which rules can hold only if it is found.
#[derive(Clone, Debug, Default)]
pub(super) struct TextGates {
    /// `None`: nothing is sought this way.
    automaton: Option<AhoCorasick>,
    keys: Vec<Key>,
    /// For each of [`PARTS`] the rules that ask it.
    asks: [Bits; PARTS.len()],
    loose: Vec<LooseSet>,
}

/// Something sought.
#[derive(Clone, Debug)]
struct Key {
    /// Whether a word has to begin and to end with it.
    borders: (bool, bool),
    /// By part and rule.
    opens: Vec<(usize, usize)>,
}

/// Which keys were found in one place.
#[derive(Debug)]
pub(super) struct Found(Bits);

impl Found {
    pub(super) fn has(&self, key: u32) -> bool {
        self.0.has(key as usize)
    }

    /// Whether an expression may match here.
    pub(super) fn lets_match(&self, pattern: &Pattern) -> bool {
        pattern.keys.as_ref().is_none_or(|keys| keys.iter().any(|key| self.has(*key)))
    }
}

/// A few expressions without keys, sought together.
#[derive(Clone, Debug)]
struct LooseSet {
    /// `None`: too large together, so that each counts as found.
    set: Option<RegexSet>,
    /// Behind each expression its part and its rule.
    opens: Vec<(usize, usize)>,
}

/// Gives numbers to what is sought.
#[derive(Default)]
struct Numbers {
    by_letters: HashMap<(String, (bool, bool)), u32>,
    letters: Vec<String>,
    keys: Vec<Key>,
}

impl Numbers {
    fn key(&mut self, letters: String, borders: (bool, bool)) -> u32 {
        *self.by_letters.entry((letters, borders)).or_insert_with_key(|(letters, borders)| {
            self.letters.push(letters.clone());
            self.keys.push(Key { borders: *borders, opens: Vec::new() });
            u32::try_from(self.keys.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn words(&mut self, words: &mut Words) -> u32 {
        let key = self.key(words.folded().to_owned(), words.borders());
        words.key = Some(key);
        key
    }

    fn opens(&mut self, key: u32, part: usize, rule: usize) {
        if let Some(key) = self.keys.get_mut(key as usize) {
            key.opens.push((part, rule));
        }
    }
}

impl TextGates {
    /// Gives keys to all that the rules seek.
    pub(super) fn new(rules: &mut [Rule], cues: &mut Cues) -> Self {
        let mut gates = Self { asks: std::array::from_fn(|_| Bits::none(rules.len())), ..Self::default() };
        let mut numbers = Numbers::default();
        let mut loose = Vec::new();
        for (rule, Rule { when, unless, .. }) in rules.iter_mut().enumerate() {
            for (part, said) in said_by(when).into_iter().enumerate() {
                for sought in &mut said.words {
                    let key = numbers.words(&mut sought.words);
                    gates.asks[part].put(rule);
                    numbers.opens(key, part, rule);
                }
                let part = part + WORDS;
                for pattern in &mut said.patterns {
                    gates.asks[part].put(rule);
                    let expression = literals::read(&pattern.written);
                    pattern.keys = expression.as_ref().and_then(|expression| needed(expression, &mut numbers));
                    for key in pattern.keys.iter().flatten() {
                        numbers.opens(*key, part, rule);
                    }
                    if pattern.keys.is_none() {
                        let loosened = expression.map(|expression| literals::loosened(&pattern.written, &expression));
                        loose.push((loosened.unwrap_or_else(|| format!("(?i){}", pattern.written)), (part, rule)));
                    }
                }
            }
            for said in unless.iter_mut().flat_map(said_by) {
                for sought in &mut said.words {
                    numbers.words(&mut sought.words);
                }
                for pattern in &mut said.patterns {
                    pattern.keys = literals::read(&pattern.written).and_then(|expression| needed(&expression, &mut numbers));
                }
            }
        }
        if rules.iter().any(|rule| !rule.when.cues.is_empty() || rule.unless.as_ref().is_some_and(|unless| !unless.cues.is_empty())) {
            for words in cues.words_mut() {
                numbers.words(words);
            }
        }
        gates.automaton = automaton(&numbers.letters);
        gates.keys = numbers.keys;
        gates.loose = loose.chunks(LooseSet::EXPRESSIONS).map(LooseSet::new).collect();
        if gates.automaton.is_none() && !gates.keys.is_empty() {
            gates.seek_each_alone(rules, cues);
        }
        gates
    }

    /// Where all is too much to be sought at once: nothing has a key, and everything is asked.
    fn seek_each_alone(&mut self, rules: &mut [Rule], cues: &mut Cues) {
        for said in rules.iter_mut().flat_map(|rule| said_by(&mut rule.when).into_iter().chain(rule.unless.iter_mut().flat_map(said_by))) {
            said.words.iter_mut().for_each(|sought| sought.words.key = None);
            said.patterns.iter_mut().for_each(|pattern| pattern.keys = None);
        }
        cues.words_mut().for_each(|words| words.key = None);
        *self = Self { asks: std::array::from_fn(|_| Bits::none(rules.len())), ..Self::default() };
    }

    /// What of all that is sought stands in a text.
    pub(super) fn find(&self, text: &Searched) -> Found {
        let mut found = Bits::none(self.keys.len());
        let hits = self.automaton.iter().filter_map(|automaton| automaton.try_find_overlapping_iter(text.folded()).ok());
        for hit in hits.flatten() {
            let key = hit.pattern().as_usize();
            if self.keys.get(key).is_some_and(|sought| text.has_borders(hit.start(), hit.end(), sought.borders)) {
                found.put(key);
            }
        }
        Found(found)
    }

    /// Whether one of these rules waits for something in a text.
    pub(super) fn concern(&self, open: &Bits) -> bool {
        self.asks.iter().any(|asks| asks.meets(open))
    }

    /// Closes all rules that wait for something that the texts do not have.
    pub(super) fn pass(&self, open: &mut Bits, found: &[Found; PLACES], texts: [&str; PLACES]) {
        let mut opened: [Bits; PARTS.len()] = std::array::from_fn(|part| Bits::none(self.asks[part].rules()));
        for (place, found) in found.iter().enumerate() {
            for (part, rule) in found.0.iter().filter_map(|key| self.keys.get(key)).flat_map(|key| &key.opens) {
                if PARTS[*part][place] {
                    opened[*part].put(*rule);
                }
            }
        }
        let (words, expressions) = (0..WORDS, WORDS..PARTS.len());
        words.for_each(|part| open.close(&self.asks[part], &opened[part]));
        for set in &self.loose {
            set.open(texts, open, &mut opened);
        }
        expressions.for_each(|part| open.close(&self.asks[part], &opened[part]));
    }
}

/// The parts of a condition that are sought in subject and text, as in [`PARTS`].
fn said_by(condition: &mut Condition) -> [&mut Said; WORDS] {
    [&mut condition.subject, &mut condition.text, &mut condition.body]
}

fn needed(expression: &regex_syntax::hir::Hir, numbers: &mut Numbers) -> Option<Vec<u32>> {
    let needed = literals::needed(expression)?;
    Some(needed.into_iter().map(|letters| numbers.key(letters, (false, false))).collect())
}

fn automaton(letters: &[String]) -> Option<AhoCorasick> {
    /// What the automaton with a table for each of its states, which is the fastest, may take in octets.
    const TABLES_OCTETS_MAX: usize = 8 << 20;
    if letters.is_empty() {
        return None;
    }
    // What is sought has its own idea of case, and begins nearly everywhere in a text: a look ahead for it would find too much.
    let of_kind = |kind| AhoCorasick::builder().kind(Some(kind)).prefilter(false).build(letters).ok();
    let octets: usize = letters.iter().map(String::len).sum();
    // A state an octet at most, each with a place for up to 256 octets that may follow.
    let tables = (octets <= TABLES_OCTETS_MAX / 64).then(|| of_kind(AhoCorasickKind::DFA)).flatten();
    tables.filter(|tables| tables.memory_usage() <= TABLES_OCTETS_MAX).or_else(|| of_kind(AhoCorasickKind::ContiguousNFA))
}

impl LooseSet {
    /// Expressions of one set: what they may be in the middle of, all at once, has to fit into the cache below.
    const EXPRESSIONS: usize = 32;
    /// What the states of one set may take, in octets, for each thread that seeks at the same time.
    const CACHE_OCTETS: usize = 2 << 20;

    fn new(expressions: &[(String, (usize, usize))]) -> Self {
        let written = expressions.iter().map(|(written, _)| written);
        let limit = Pattern::OCTETS_MAX * Self::EXPRESSIONS;
        let set = RegexSetBuilder::new(written).size_limit(limit).dfa_size_limit(Self::CACHE_OCTETS).build().ok();
        Self { set, opens: expressions.iter().map(|(_, opens)| *opens).collect() }
    }

    /// Opens what waits for one of these.
    fn open(&self, texts: [&str; PLACES], open: &Bits, opened: &mut [Bits; PARTS.len()]) {
        for (place, text) in texts.into_iter().enumerate() {
            if !self.opens.iter().any(|(part, rule)| PARTS[*part][place] && open.has(*rule) && !opened[*part].has(*rule)) {
                continue;
            }
            let mut put = |(part, rule): &(usize, usize)| {
                if PARTS[*part][place] {
                    opened[*part].put(*rule);
                }
            };
            match &self.set {
                Some(set) => set.matches(text).iter().filter_map(|at| self.opens.get(at)).for_each(put),
                None => self.opens.iter().for_each(&mut put),
            }
        }
    }
}
