//! What a rule asks and what it sets. How rules are run is said in [`super::route`], how few of many are looked at in
//! `rule_index`.

use super::address::EmailAddress;
use super::cues::{Cue, Cues};
use super::message::{Channel, Language};
use super::rule_index::Index;
use super::ticket::Priority;
use super::words::Words;
use regex::{Regex, RegexBuilder};
use std::collections::BTreeSet;
use std::ops::Deref;

/// `[[rule]]`: a condition and what it sets.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    pub name: String,
    pub when: Condition,
    /// The rule does not hold where this does.
    pub unless: Option<Condition>,
    pub then: Action,
    /// No later rule is looked at once this one held.
    pub stop: bool,
}

/// All rules in their order, with what finds the few of them that can hold for a message.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    in_order: Vec<Rule>,
    pub(super) index: Index,
    pub(super) cues: Cues,
    /// Names, in lower case, of the header fields that some rule asks for.
    headers: BTreeSet<String>,
}

impl Rules {
    /// Puts rules in force; `cues` are the words of [`Cue`].
    #[must_use]
    pub fn new(mut rules: Vec<Rule>, mut cues: Cues) -> Self {
        let asked = rules.iter().flat_map(|rule| rule.when.headers.iter().chain(rule.unless.iter().flat_map(|c| &c.headers)));
        let headers = asked.map(|header| header.name.clone()).collect();
        Self { index: Index::new(&mut rules, &mut cues), in_order: rules, cues, headers }
    }

    /// The words of cues that are in force.
    #[must_use]
    pub const fn cues(&self) -> &Cues {
        &self.cues
    }

    /// Of the header fields of a mail (names in lower case) those that some rule asks for, bounded (P11).
    pub fn headers<'h>(&self, fields: impl Iterator<Item = (&'h str, &'h str)>) -> Vec<(String, String)> {
        /// Fields, and characters of one value, that rules look at.
        const FIELDS_MAX: usize = 50;
        const VALUE_CHARS_MAX: usize = 1_000;
        if self.headers.is_empty() {
            return Vec::new();
        }
        fields
            .filter(|(name, _)| self.headers.contains(*name))
            .take(FIELDS_MAX)
            .map(|(name, value)| (name.to_owned(), value.chars().take(VALUE_CHARS_MAX).collect()))
            .collect()
    }
}

impl From<Vec<Rule>> for Rules {
    fn from(rules: Vec<Rule>) -> Self {
        Self::new(rules, Cues::default())
    }
}

impl Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.in_order
    }
}

/// When rules are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A message opens a ticket.
    New,
    /// A customer's message opens a ticket again that was solved or closed.
    Reopened,
}

impl Rule {
    /// The one occasion on which it is run.
    #[must_use]
    pub const fn occasion(&self) -> Occasion {
        if self.when.reopened { Occasion::Reopened } else { Occasion::New }
    }
}

/// All that is given must hold; of each list, one entry is enough. An empty condition always holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    pub channels: Vec<Channel>,
    pub mailboxes: Vec<String>,
    pub tiers: Vec<String>,
    pub plans: Vec<String>,
    /// In lower case.
    pub organisations: Vec<String>,
    pub senders: Vec<Sender>,
    pub authenticity: Vec<Authenticity>,
    pub languages: Vec<Language>,
    /// Whether the sender has no earlier ticket.
    pub first_contact: Option<bool>,
    /// Run when a ticket is reopened, and only then.
    pub reopened: bool,
    /// Of the calendar of the team that the pass has come to.
    pub hours: Option<Hours>,
    /// Whether a file came along.
    pub has_attachment: Option<bool>,
    /// One file has to be of one of these media types and of the size below.
    pub attachment_types: Vec<Glob>,
    pub attachment_octets_min: Option<u64>,
    pub headers: Vec<HeaderIs>,
    pub subject: Said,
    /// In the subject or in the new text.
    pub text: Said,
    /// In the new text.
    pub body: Said,
    pub cues: Vec<Cue>,
}

/// What is sought in one place; if both are given, both have to be found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub words: Vec<Sought>,
    pub patterns: Vec<Pattern>,
}

/// Words with what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    pub written: String,
    pub words: Words,
}

/// A regular expression with what was written. Case does not matter unless it says `(?-i)`. It is of a kind that takes time in
/// proportion to the text, whatever stands in either, and of bounded size.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub written: String,
    pub(super) regex: Regex,
    /// What it needs, of which some has to stand in a text, by its places in what [`super::rule_text`] seeks all at once.
    pub(super) keys: Option<Vec<u32>>,
    octets_max: usize,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// What is wrong with a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    #[error("is longer than {} characters", Pattern::CHARS_MAX)]
    Length,
    #[error("would take more than {} KiB; say less with counts such as {{1,500}} or classes such as \\w", Pattern::OCTETS_MAX / 1024)]
    Size,
    #[error("is empty, and so in every text")]
    Empty,
    #[error("is no regular expression: {0}")]
    Syntax(String),
}

impl Pattern {
    /// Longest expression, in characters.
    pub const CHARS_MAX: usize = 1_000;
    /// What a compiled one may take, in octets.
    pub const OCTETS_MAX: usize = 512 * 1024;
    /// What one without great counts takes at most, in octets.
    const OCTETS_USUAL: usize = 64 * 1024;

    /// Reads what a rule says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(written: &str) -> Result<Self, PatternFault> {
        if written.is_empty() {
            return Err(PatternFault::Empty);
        }
        if written.chars().count() > Self::CHARS_MAX {
            return Err(PatternFault::Length);
        }
        let within = |octets: usize| RegexBuilder::new(written).case_insensitive(true).size_limit(octets).build();
        let (octets_max, regex) = match within(Self::OCTETS_USUAL) {
            Err(regex::Error::CompiledTooBig(_)) => (Self::OCTETS_MAX, within(Self::OCTETS_MAX)),
            usual => (Self::OCTETS_USUAL, usual),
        };
        let regex = regex.map_err(|error| {
            if matches!(error, regex::Error::CompiledTooBig(_)) {
                return PatternFault::Size;
            }
            // It draws the place below the expression; the last line says what is wrong.
            let said = error.to_string();
            PatternFault::Syntax(said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
        })?;
        Ok(Self { written: written.to_owned(), regex, keys: None, octets_max })
    }

    /// What it may take, in octets.
    #[must_use]
    pub const fn octets_max(&self) -> usize {
        self.octets_max
    }
}

/// An address, a domain (`@acme.example`), or a pattern of addresses such as `*@*.acme.example`, in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    Address(EmailAddress),
    /// Without the `@`.
    Domain(String),
    Like(Glob),
}

impl Sender {
    /// Whether it speaks of an address.
    #[must_use]
    pub fn is(&self, address: &EmailAddress) -> bool {
        match self {
            Self::Address(other) => other == address,
            Self::Domain(domain) => domain == address.domain(),
            Self::Like(glob) => glob.is(address.as_str()),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Domain(domain) => format!("@{domain}"),
            Self::Like(glob) => glob.0.clone(),
        }
    }

    /// Whether whatever `self` speaks of, `other` speaks of, too. May say no where it is so.
    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(address), other) => other.is(address),
            (Self::Domain(domain), Self::Like(glob)) => glob.0.strip_prefix("*@").is_some_and(|of| Glob(of.to_owned()).is(domain)),
            (Self::Domain(_) | Self::Like(_), other) => self == other,
        }
    }
}

/// A pattern in lower case: `*` stands for any characters or none, `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(pub(super) String);

impl Glob {
    /// Reads one.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self(written.to_lowercase())
    }

    /// Whether a text, in lower case, is such. Takes at most the product of both lengths, which are short.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let (pattern, text): (&[u8], &[u8]) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where the last `*` stands, and up to where it reaches.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(&c) if c == b'?' || c == text[t] => {
                    p += 1;
                    t += 1;
                }
                Some(_) | None => {
                    let Some((at, reached)) = star else { return false };
                    star = Some((at, reached + 1));
                    (p, t) = (at + 1, reached + 1);
                }
            }
        }
        pattern[p..].iter().all(|c| *c == b'*')
    }
}

/// How far the sender has to be to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticity {
    Authenticated,
    Failed,
    Unknown,
}

impl Authenticity {
    /// All.
    pub const ALL: [Self; 3] = [Self::Authenticated, Self::Failed, Self::Unknown];

    /// The word of configuration: that of [`super::verdict::Verdict`].
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether the team's calendar is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    In,
    Out,
}

/// A header field: that it is there, or what stands in it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderIs {
    /// In lower case.
    pub name: String,
    pub said: Said,
}

/// How a rule changes the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityChange {
    Set(Priority),
    Up,
    Down,
}

/// What a rule that holds sets.
#[derive(Clone, Debug, Default)]
pub struct Action {
    pub team: Option<String>,
    pub priority: Option<PriorityChange>,
    pub tags: Vec<String>,
    pub assignee: Option<String>,
    /// What whoever answers has to know.
    pub skills: Vec<String>,
    /// Name of an `[[sla]]`.
    pub policy: Option<String>,
    /// Name of the text that acknowledges instead of `ack`.
    pub template: Option<String>,
    /// Agents, managers and ops who are told besides.
    pub notify: Vec<EmailAddress>,
    /// The customer gets no automatic mail until a person releases the ticket.
    pub hold: bool,
    /// The ticket is closed at once, and nobody hears of it.
    pub spam: bool,
}

impl Condition {
    /// Whether it asks nothing, and so always holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Self { reopened: false, ..self.clone() } == Self::default()
    }

    /// Whether `other` holds wherever this one does. May say no where it is so, never yes where it is not.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        fn list<T>(own: &[T], others: &[T], is: impl Fn(&T, &T) -> bool) -> bool {
            others.is_empty() || (!own.is_empty() && own.iter().all(|own| others.iter().any(|other| is(own, other))))
        }
        fn same<T: PartialEq>(own: &[T], others: &[T]) -> bool {
            list(own, others, PartialEq::eq)
        }
        fn said(own: &Said, other: &Said) -> bool {
            same(&own.words, &other.words) && same(&own.patterns, &other.patterns)
        }
        // The team, and with it the calendar, may be another by the time that the later one is asked.
        other.hours.is_none()
            && self.reopened == other.reopened
            && same(&self.channels, &other.channels)
            && same(&self.mailboxes, &other.mailboxes)
            && same(&self.tiers, &other.tiers)
            && same(&self.plans, &other.plans)
            && same(&self.organisations, &other.organisations)
            && list(&self.senders, &other.senders, Sender::is_within)
            && same(&self.authenticity, &other.authenticity)
            && same(&self.languages, &other.languages)
            && (other.first_contact.is_none() || self.first_contact == other.first_contact)
            && (other.has_attachment.is_none() || self.has_attachment == other.has_attachment)
            && same(&self.attachment_types, &other.attachment_types)
            // A file has to be of the type and the size at once: with types on one side only this says less.
            && other.attachment_octets_min.is_none_or(|least| self.attachment_octets_min.is_some_and(|own| own >= least))
            && same(&self.headers, &other.headers)
            && said(&self.subject, &other.subject)
            && said(&self.text, &other.text)
            && said(&self.body, &other.body)
            && same(&self.cues, &other.cues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn globs_are_read_as_people_mean_them() {
        for (glob, text, expect, why) in [
            ("*@*.acme.example", "ana@a.acme.example", true, "a domain below"),
            ("*@*.acme.example", "ana@a.b.acme.example", true, "two below"),
            ("*@*.acme.example", "ana@acme.example", false, "not the domain itself"),
            ("*@*.acme.example", "ana@xacme.example", false, "the dot is a dot"),
            ("sales-*@acme.example", "sales-eu@acme.example", true, "a part of the name"),
            ("sales-?@acme.example", "sales-eu@acme.example", false, "one character"),
            ("*", "", true, "nothing at all"),
            ("?", "", false, "one is not none"),
            ("image/*", "image/png", true, "media types"),
            ("a*b*c", "aXbXbc", true, "a star gives back"),
        ] {
            assert_eq!(Glob::new(glob).is(text), expect, "{glob} and {text}: {why}");
        }
    }

    #[test]
    fn p12_a_wrong_expression_says_what_is_wrong() {
        for (written, expect, why) in [
            ("(a", "is no regular expression: unclosed group", "syntax"),
            (r"(a)\1", "is no regular expression: backreferences are not supported", "nothing that could take for ever"),
            (r"(?=a)b", "is no regular expression: look-around, including look-ahead and look-behind, is not supported", "nor this"),
            (
                r"\w{500}\w{500}",
                "would take more than 512 KiB; say less with counts such as {1,500} or classes such as \\w",
                "bounded (P11)",
            ),
            ("", "is empty, and so in every text", "nothing"),
        ] {
            assert_eq!(Pattern::parse(written).unwrap_err().to_string(), expect, "{written}: {why}");
        }
        assert!(Pattern::parse("FATURA nº").unwrap().regex.is_match("fatura Nº 5"), "case does not matter");
    }

    proptest! {
        #[test]
        fn a_glob_is_the_regular_expression_that_it_stands_for(glob in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let same = Regex::new(&format!("^{}$", glob.replace('*', ".*").replace('?', "."))).unwrap();
            prop_assert_eq!(Glob::new(&glob).is(&text), same.is_match(&text));
        }
    }
}
