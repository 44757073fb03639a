//! Which few of many rules can hold for a message: built once, so that a thousand rules cost about what ten do.
//!
//! Each rule stands behind one gate, the part of its condition that fewest messages pass: its senders, its words, its plans,
//! its organisations, its header fields or its regular expressions. What a message has opens gates by one look-up each:
//! every word of its text, its sender's address and domain, the fields that came. A rule behind an open gate can hold and is
//! looked at; one behind a closed gate cannot. Rules that have no such part are always looked at.

use super::address::EmailAddress;
use super::rule::{Condition, Pattern, Rule, Sender};
use super::words::{Words, is_accent, is_border_letter, is_of_word, letter_of};
use regex::{RegexSet, RegexSetBuilder};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The gates of all rules; rules are named by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    always: Vec<usize>,
    by_sender: HashMap<String, Vec<usize>>,
    by_plan: HashMap<String, Vec<usize>>,
    by_organisation: HashMap<String, Vec<usize>>,
    by_header: HashMap<String, Vec<usize>>,
    words: WordGates,
    in_subject: PatternGates,
    in_body: PatternGates,
    rules: usize,
}

/// What of a message opens gates.
pub(super) struct Keys<'m> {
    pub sender: Option<&'m EmailAddress>,
    pub plan: &'m str,
    /// In lower case.
    pub organisation: &'m str,
    pub headers: &'m [(String, String)],
    pub subject: &'m str,
    pub body: &'m str,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut index = Self { rules: rules.len(), ..Self::default() };
        let (mut subject_patterns, mut body_patterns) = (Vec::new(), Vec::new());
        for (at, rule) in rules.iter().enumerate() {
            let when = &rule.when;
            let said = [&when.subject, &when.text, &when.body];
            if let Some(keys) = sender_keys(when) {
                put(&mut index.by_sender, keys, at);
            } else if let Some(said) = said.iter().find(|said| !said.words.is_empty()) {
                // Words that begin with nothing to go by could stand anywhere.
                if !said.words.iter().all(|sought| index.words.put(&sought.words, at)) {
                    index.always.push(at);
                }
            } else if !when.plans.is_empty() {
                put(&mut index.by_plan, when.plans.iter().cloned(), at);
            } else if !when.organisations.is_empty() {
                put(&mut index.by_organisation, when.organisations.iter().cloned(), at);
            } else if !when.headers.is_empty() {
                put(&mut index.by_header, when.headers.iter().map(|header| header.name.clone()), at);
            } else if !when.subject.patterns.is_empty() {
                subject_patterns.extend(when.subject.patterns.iter().map(|pattern| (pattern, at)));
            } else if !when.body.patterns.is_empty() {
                body_patterns.extend(when.body.patterns.iter().map(|pattern| (pattern, at)));
            } else if !when.text.patterns.is_empty() {
                subject_patterns.extend(when.text.patterns.iter().map(|pattern| (pattern, at)));
                body_patterns.extend(when.text.patterns.iter().map(|pattern| (pattern, at)));
            } else {
                index.always.push(at);
            }
        }
        index.words.close();
        index.in_subject = PatternGates::new(&subject_patterns);
        index.in_body = PatternGates::new(&body_patterns);
        index
    }

    /// The places, ascending, of all rules that can hold.
    pub(super) fn candidates(&self, keys: &Keys<'_>) -> Vec<usize> {
        let mut open = vec![0_u64; self.rules.div_ceil(64)];
        let mut mark = |at: &usize| {
            if let Some(bits) = open.get_mut(at / 64) {
                *bits |= 1 << (at % 64);
            }
        };
        self.always.iter().for_each(&mut mark);
        let mut look_up = |gates: &HashMap<String, Vec<usize>>, key: &str| {
            if let Some(rules) = gates.get(key).filter(|_| !gates.is_empty()) {
                rules.iter().for_each(&mut mark);
            }
        };
        look_up(&self.by_plan, keys.plan);
        look_up(&self.by_organisation, keys.organisation);
        if let Some(sender) = keys.sender.filter(|_| !self.by_sender.is_empty()) {
            look_up(&self.by_sender, sender.as_str());
            let domain = sender.domain();
            look_up(&self.by_sender, &format!("@{domain}"));
            for (dot, _) in domain.match_indices('.') {
                look_up(&self.by_sender, &domain[dot..]);
            }
        }
        for (name, _) in keys.headers {
            look_up(&self.by_header, name);
        }
        self.words.open(keys.subject, &mut mark);
        self.words.open(keys.body, &mut mark);
        self.in_subject.open(keys.subject, &mut mark);
        self.in_body.open(keys.body, &mut mark);
        let mut candidates = Vec::new();
        for (at, bits) in open.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                candidates.push(at * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
        candidates
    }
}

fn put(gates: &mut HashMap<String, Vec<usize>>, keys: impl IntoIterator<Item = String>, rule: usize) {
    for key in keys {
        gates.entry(key).or_default().push(rule);
    }
}

/// An address, a domain as `@acme.example`, or what all domains of a pattern end with as `.acme.example`. `None` if there is no
/// sender, or one that could be of any domain.
fn sender_keys(when: &Condition) -> Option<Vec<String>> {
    let key = |sender: &Sender| match sender {
        Sender::Address(address) => Some(address.to_string()),
        Sender::Domain(domain) => Some(format!("@{domain}")),
        Sender::Like(glob) => {
            let (literal_from, wild) = glob.0.rfind(['*', '?']).map_or((0, false), |at| (at + 1, true));
            let end = &glob.0[literal_from..];
            match (end.rfind('@'), end.find('.')) {
                (Some(at), _) => Some(end[at..].to_owned()),
                (None, Some(dot)) if wild => Some(end[dot..].to_owned()),
                (None, _) => None,
            }
        }
    };
    (!when.senders.is_empty()).then(|| when.senders.iter().map(key).collect()).flatten()
}

/// Letters of a beginning that count: the fewer, the more rules share it, and the more, the longer each word takes.
const LETTERS_MAX: usize = 8;
/// Bits of the filter before the look-up: some sixteen for each of four thousand words.
const FILTER_BITS: u32 = 16;

/// How the words of rules begin. What opens a gate here is only that a text has such a beginning where [`Words`] may begin;
/// whether the words are there is theirs to say.
#[derive(Clone, Debug, Default)]
struct WordGates {
    /// Beginnings of words that begin where a word does.
    at_borders: Beginnings,
    /// Of those that may begin anywhere: in scripts without spaces, with signs.
    anywhere: Beginnings,
}

#[derive(Clone, Debug, Default)]
struct Beginnings {
    rules: HashMap<u64, Vec<usize>>,
    filter: Vec<u64>,
}

impl Beginnings {
    /// `false` if there are no letters.
    fn put(&mut self, letters: impl Iterator<Item = char>, rule: usize) -> bool {
        let hash = letters.take(LETTERS_MAX).fold(0, step);
        self.rules.entry(hash).or_default().push(rule);
        hash != 0
    }

    fn close(&mut self) {
        if self.rules.is_empty() {
            return;
        }
        self.filter = vec![0; 1 << (FILTER_BITS - 6)];
        for hash in self.rules.keys() {
            let bit = slot(*hash);
            self.filter[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Opens what each beginning of these letters leads to.
    fn open(&self, letters: impl Iterator<Item = char>, mark: &mut impl FnMut(&usize)) {
        let mut hash = 0;
        for letter in letters.take(LETTERS_MAX) {
            hash = step(hash, letter);
            let bit = slot(hash);
            if self.filter[bit / 64] & (1 << (bit % 64)) != 0
                && let Some(rules) = self.rules.get(&hash)
            {
                rules.iter().for_each(&mut *mark);
            }
        }
    }
}

fn step(hash: u64, letter: char) -> u64 {
    (hash.rotate_left(5) ^ u64::from(letter)).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// The upper bits, into which all others have gone.
const fn slot(hash: u64) -> usize {
    (hash >> (64 - FILTER_BITS)) as usize
}

impl WordGates {
    fn put(&mut self, words: &Words, rule: usize) -> bool {
        if words.begins_word() {
            self.at_borders.put(words.letters().iter().copied().take_while(|c| is_border_letter(*c)), rule)
        } else {
            self.anywhere.put(words.letters().iter().copied().take_while(|c| *c != ' '), rule)
        }
    }

    fn close(&mut self) {
        self.at_borders.close();
        self.anywhere.close();
    }

    fn open(&self, text: &str, mark: &mut impl FnMut(&usize)) {
        if !self.at_borders.rules.is_empty() {
            let mut in_word = false;
            for (at, c) in text.char_indices() {
                let was_in_word = std::mem::replace(&mut in_word, is_of_word(c));
                // As in `Searched`, where words may begin.
                if was_in_word != in_word && is_border_letter(c) {
                    self.at_borders.open(letters(&text[at..]).take_while(|c| is_border_letter(*c)), mark);
                }
            }
        }
        if !self.anywhere.rules.is_empty() {
            for (at, _) in text.char_indices() {
                self.anywhere.open(letters(&text[at..]), mark);
            }
        }
    }
}

/// The letters from here on as [`Words`] compare them, up to the first that they do not compare.
fn letters(text: &str) -> impl Iterator<Item = char> {
    let mut chars = text.chars();
    let first = chars.next().and_then(letter);
    first.into_iter().chain(chars.filter(|c| !is_accent(*c)).map_while(letter))
}

/// [`letter_of`], for letters with accents out of a table.
fn letter(c: char) -> Option<char> {
    const TABLE_END: u32 = 0x2000;
    static TABLE: LazyLock<Vec<Option<char>>> = LazyLock::new(|| (0..TABLE_END).map(|c| char::from_u32(c).and_then(letter_of)).collect());
    if c.is_ascii() {
        return Some(c.to_ascii_lowercase());
    }
    TABLE.get(c as usize).map_or_else(|| letter_of(c), |letter| *letter)
}

/// Regular expressions of one place, sought all at once.
#[derive(Clone, Debug, Default)]
struct PatternGates {
    /// `None`: none, or together too many, so that each is sought by itself.
    set: Option<RegexSet>,
    /// Behind each expression its rule.
    rules: Vec<usize>,
}

impl PatternGates {
    fn new(patterns: &[(&Pattern, usize)]) -> Self {
        /// What all together may take, in octets.
        const OCTETS_MAX: usize = 64 << 20;
        if patterns.is_empty() {
            return Self::default();
        }
        let written = patterns.iter().map(|(pattern, _)| &pattern.written);
        let set = RegexSetBuilder::new(written).case_insensitive(true).size_limit(OCTETS_MAX).dfa_size_limit(8 << 20).build().ok();
        Self { set, rules: patterns.iter().map(|(_, rule)| *rule).collect() }
    }

    fn open(&self, text: &str, mark: &mut impl FnMut(&usize)) {
        match &self.set {
            Some(set) => set.matches(text).iter().filter_map(|at| self.rules.get(at)).for_each(mark),
            None => self.rules.iter().for_each(mark),
        }
    }
}
