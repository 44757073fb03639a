//! What a check of our own asks of the DNS, and what it was told: values only. Who asks, and for how long, is in `channel::dns`.

use core::net::IpAddr; // core knows addresses, and no sockets
use std::collections::HashMap;

/// Longest text of one record, most octets of all texts of a name, and most records of a name that are looked at. A key of 4096 bits
/// takes 800 octets; a large company's name holds some 5,000.
pub const TEXT_OCTETS_MAX: usize = 4 * 1024;
const TEXTS_OCTETS_MAX: usize = 16 * 1024;
const RECORDS_MAX: usize = 100;

/// A name (in lower case, without the dot at its end) and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    Text(String),
    V4(String),
    V6(String),
    Exchanges(String),
}

impl Question {
    /// The name that is asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Text(name) | Self::V4(name) | Self::V6(name) | Self::Exchanges(name) => name,
        }
    }

    /// Whether a name can stand in the DNS at all (RFC 1035 section 2.3.4): what a sender writes is not asked for unseen.
    #[must_use]
    pub fn is_askable(&self) -> bool {
        let name = self.name();
        let label = |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        name.len() <= 253 && name.contains('.') && name.split('.').all(label)
    }
}

/// What the DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Each record's strings, joined (RFC 7208 section 3.3).
    Texts(Vec<Vec<u8>>),
    Addresses(Vec<IpAddr>),
    /// Names of mail servers.
    Exchanges(Vec<String>),
    /// There is no such name, or nothing of that kind at it.
    Nothing,
    /// Nobody can say now: no answer in time, or a server's failure.
    Trouble,
}

impl Answer {
    /// Cuts what nobody needs: a record that is too long counts as one that is not there, and so do all texts of a name that holds
    /// too much (P11).
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            Self::Texts(mut texts) => {
                texts.retain(|text| text.len() <= TEXT_OCTETS_MAX);
                let whole: usize = texts.iter().map(Vec::len).sum();
                if texts.is_empty() || texts.len() > RECORDS_MAX || whole > TEXTS_OCTETS_MAX { Self::Nothing } else { Self::Texts(texts) }
            }
            Self::Addresses(mut addresses) => {
                addresses.truncate(RECORDS_MAX);
                if addresses.is_empty() { Self::Nothing } else { Self::Addresses(addresses) }
            }
            Self::Exchanges(mut names) => {
                names.truncate(RECORDS_MAX);
                if names.is_empty() { Self::Nothing } else { Self::Exchanges(names) }
            }
            Self::Nothing | Self::Trouble => self,
        }
    }

    /// Its size in memory, about, in octets.
    #[must_use]
    pub fn octets(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.iter().map(|text| text.len() + 24).sum(),
            Self::Addresses(addresses) => addresses.len() * 17,
            Self::Exchanges(names) => names.iter().map(|name| name.len() + 24).sum(),
            Self::Nothing | Self::Trouble => 0,
        }
    }
}

/// What was asked so far, with its answers.
#[derive(Clone, Debug, Default)]
pub struct Facts(HashMap<Question, Answer>);

impl Facts {
    /// Adds an answer. Of questions that cannot be asked there is one: nothing.
    pub fn add(&mut self, question: Question, answer: Answer) {
        self.0.insert(question, answer.bounded());
    }

    /// `None`: it was not asked.
    #[must_use]
    pub fn get(&self, question: &Question) -> Option<&Answer> {
        if question.is_askable() { self.0.get(question) } else { Some(&Answer::Nothing) }
    }
}

impl FromIterator<(Question, Answer)> for Facts {
    fn from_iter<T: IntoIterator<Item = (Question, Answer)>>(answers: T) -> Self {
        let mut facts = Self::default();
        for (question, answer) in answers {
            facts.add(question, answer);
        }
        facts
    }
}
