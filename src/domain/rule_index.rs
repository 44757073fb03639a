//! Which few of many rules can hold for a message: built once, so that a thousand rules cost about what ten do.
//!
//! Each part of a rule's condition is a gate: its tiers, its senders, its words. What a message has opens gates by one look-up
//! each, for all rules at once: its tier, its sender's address and domain, the fields that came, the words of its text. A rule
//! is looked at only if all its gates are open. Texts come last, and are not read at all unless a rule that is still open asks
//! for something in them.

use super::address::EmailAddress;
use super::cues::Cues;
use super::rule::{Condition, Occasion, Rule, Sender};
use super::rule_text::{Found, PLACES, TextGates};
use std::collections::HashMap;

/// The gates of all rules; rules are named by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    rules: usize,
    /// In the order of [`asked`].
    by_fact: [Gates; FACTS],
    by_sender: Gates,
    by_header: Gates,
    pub(super) in_texts: TextGates,
}

/// What a message has exactly one of.
const FACTS: usize = 10;

/// What of a message opens gates.
pub(super) struct Keys<'m> {
    pub occasion: Occasion,
    pub channel: &'m str,
    pub mailbox: &'m str,
    pub tier: &'m str,
    pub plan: &'m str,
    /// In lower case.
    pub organisation: &'m str,
    pub authenticity: &'m str,
    /// Empty: not known.
    pub language: &'m str,
    pub first_contact: Option<bool>,
    pub has_attachment: bool,
    pub sender: Option<&'m EmailAddress>,
    pub headers: &'m [(String, String)],
    /// The subject and the new text.
    pub texts: [&'m str; PLACES],
}

impl Index {
    /// Files all rules; what they seek in texts gets its keys.
    pub(super) fn new(rules: &mut [Rule], cues: &mut Cues) -> Self {
        let mut index = Self { rules: rules.len(), in_texts: TextGates::new(rules, cues), ..Self::default() };
        for (at, rule) in rules.iter().enumerate() {
            for (gates, keys) in index.by_fact.iter_mut().zip(asked(rule)) {
                gates.put(keys, at);
            }
            index.by_sender.put(sender_keys(&rule.when).unwrap_or_default(), at);
            index.by_header.put(rule.when.headers.iter().map(|header| header.name.clone()).collect(), at);
        }
        let gates = index.by_fact.iter_mut().chain([&mut index.by_sender, &mut index.by_header]);
        gates.for_each(|gates| gates.close(rules.len()));
        index
    }

    /// The places, ascending, of all rules that can hold; what was found in the texts is asked for where some rule wants it.
    pub(super) fn candidates<'f>(&self, keys: &Keys<'_>, found: impl FnOnce() -> &'f [Found; PLACES]) -> Vec<usize> {
        let mut open = Bits::all(self.rules);
        let yes_no = |is: bool| if is { "yes" } else { "no" };
        let facts: [&str; FACTS] = [
            of_occasion(keys.occasion),
            keys.channel,
            keys.mailbox,
            keys.tier,
            keys.plan,
            keys.organisation,
            keys.authenticity,
            keys.language,
            keys.first_contact.map_or("", yes_no),
            yes_no(keys.has_attachment),
        ];
        for (gates, fact) in self.by_fact.iter().zip(facts) {
            gates.pass(&mut open, [fact]);
        }
        if !self.by_sender.is_empty() {
            let address = keys.sender.map(EmailAddress::as_str).unwrap_or_default();
            let domain = keys.sender.map(EmailAddress::domain).unwrap_or_default();
            // An address has one `@`, before its domain.
            let at_domain = address.rfind('@').and_then(|at| address.get(at..)).unwrap_or_default();
            let ends = domain.match_indices('.').map(|(dot, _)| &domain[dot..]);
            self.by_sender.pass(&mut open, [address, at_domain].into_iter().chain(ends));
        }
        self.by_header.pass(&mut open, keys.headers.iter().map(|(name, _)| name.as_str()));
        if self.in_texts.concern(&open) {
            self.in_texts.pass(&mut open, found(), keys.texts);
        }
        open.iter().collect()
    }
}

/// What of each fact a rule holds for; nothing where it does not ask.
fn asked(rule: &Rule) -> [Vec<String>; FACTS] {
    let when = &rule.when;
    let yes_no = |is: Option<bool>| is.map(|is| if is { "yes" } else { "no" }.to_owned()).into_iter().collect();
    // Who asks for the type or the size of a file asks for a file.
    let attachment =
        when.has_attachment.or_else(|| (!when.attachment_types.is_empty() || when.attachment_octets_min.is_some()).then_some(true));
    [
        // Nearly all are for new tickets: they are not told apart one by one.
        if when.reopened { vec![of_occasion(rule.occasion()).to_owned()] } else { Vec::new() },
        when.channels.iter().map(|channel| channel.word().to_owned()).collect(),
        when.mailboxes.clone(),
        when.tiers.clone(),
        when.plans.clone(),
        when.organisations.clone(),
        when.authenticity.iter().map(|verdict| verdict.word().to_owned()).collect(),
        when.languages.iter().map(ToString::to_string).collect(),
        yes_no(when.first_contact),
        yes_no(attachment),
    ]
}

const fn of_occasion(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::New => "new",
        Occasion::Reopened => "reopened",
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

/// The gates of one part of all conditions.
#[derive(Clone, Debug, Default)]
struct Gates {
    /// The rules that ask, with what they ask for.
    filed: Vec<usize>,
    by_key: HashMap<String, Opens>,
    asks: Bits,
}

/// The rules that a key opens: in a list, or if that took more, as bits.
#[derive(Clone, Debug)]
enum Opens {
    Few(Vec<u32>),
    Many(Bits),
}

impl Gates {
    /// Files a rule; without keys it does not ask.
    fn put(&mut self, keys: Vec<String>, rule: usize) {
        if keys.is_empty() {
            return;
        }
        self.filed.push(rule);
        for key in keys {
            if let Opens::Few(rules) = self.by_key.entry(key).or_insert(Opens::Few(Vec::new())) {
                rules.extend(u32::try_from(rule));
            }
        }
    }

    /// All is filed.
    fn close(&mut self, rules: usize) {
        const FEW_OF: usize = 32;
        self.asks = Bits::none(rules);
        self.filed.drain(..).for_each(|rule| self.asks.put(rule));
        for opens in self.by_key.values_mut() {
            if let Opens::Few(few) = opens
                && few.len() > rules / FEW_OF
            {
                let mut many = Bits::none(rules);
                for rule in few {
                    many.put(*rule as usize);
                }
                *opens = Opens::Many(many);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Closes all rules that ask and that no key opens.
    fn pass<'k>(&self, open: &mut Bits, keys: impl IntoIterator<Item = &'k str>) {
        if self.is_empty() {
            return;
        }
        let mut opened = Bits::none(self.asks.rules());
        for opens in keys.into_iter().filter_map(|key| self.by_key.get(key)) {
            match opens {
                Opens::Few(rules) => rules.iter().for_each(|rule| opened.put(*rule as usize)),
                Opens::Many(rules) => opened.add(rules),
            }
        }
        open.close(&self.asks, &opened);
    }
}

/// A set of rules, or of whatever else has numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// Of so many, none.
    pub(super) fn none(of: usize) -> Self {
        Self(vec![0; of.div_ceil(64)])
    }

    fn all(of: usize) -> Self {
        let mut all = Self(vec![u64::MAX; of.div_ceil(64)]);
        if !of.is_multiple_of(64)
            && let Some(last) = all.0.last_mut()
        {
            *last = (1 << (of % 64)) - 1;
        }
        all
    }

    /// Of how many there is room for.
    pub(super) fn rules(&self) -> usize {
        self.0.len() * 64
    }

    pub(super) fn put(&mut self, at: usize) {
        if let Some(bits) = self.0.get_mut(at / 64) {
            *bits |= 1 << (at % 64);
        }
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|bits| bits & (1 << (at % 64)) != 0)
    }

    fn add(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(own, other)| *own |= other);
    }

    /// Whether something is in both.
    pub(super) fn meets(&self, others: &Self) -> bool {
        self.0.iter().zip(&others.0).any(|(own, other)| own & other != 0)
    }

    /// Takes away what asks and was not opened.
    pub(super) fn close(&mut self, asks: &Self, opened: &Self) {
        self.0.iter_mut().zip(asks.0.iter().zip(&opened.0)).for_each(|(own, (asks, opened))| *own &= !asks | opened);
    }

    /// Ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, bits)| {
            // Each step takes the lowest away.
            let steps =
                std::iter::successors(Some(*bits).filter(|bits| *bits != 0), |bits| Some(bits & (bits - 1)).filter(|bits| *bits != 0));
            steps.map(move |bits| at * 64 + bits.trailing_zeros() as usize)
        })
    }
}
