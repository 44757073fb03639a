//! Senders that look like somebody the desk knows: a warning for people.
//!
//! Nothing follows from it but words: identity goes by the normal form of an address (P8), and `acme.examp1e` is another
//! domain whatever it looks like. What is compared is small: agents, the desk's mailboxes, and the domains of the customers'
//! file by their skeletons (one look-up, however many there are); single customers' addresses are not.

use super::address::{Contact, EmailAddress, one_line};
use super::message::Defect;
use super::policy::Policy;
use std::borrow::Cow;
use std::sync::OnceLock;

/// The defect of a message whose sender looks like another.
pub const LOOK_ALIKE: &str = "look_alike";
/// Letters that the first label of a domain needs before one wrong letter makes it a look-alike: `acme` and `acne` are two.
const LETTERS_MIN: usize = 6;

/// What the desk's own names and domains look like, reckoned when it is first asked for: a policy is not changed once it is in force.
#[derive(Debug, Default)]
pub struct OwnLooks(OnceLock<Looks>);

/// A copy of a policy is made to be changed: it reckons anew.
impl Clone for OwnLooks {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[derive(Debug)]
struct Looks {
    /// The domains of agents and mailboxes, in order, each once, with its skeleton.
    domains: Vec<(String, String)>,
    /// The names of the agents, in the order of the file, and that of the desk, with the skeletons of their words. A single word is
    /// too common a name.
    names: Vec<(String, Vec<String>)>,
}

impl Looks {
    fn of(policy: &Policy) -> Self {
        let addresses = policy.agents.iter().map(|a| &a.address).chain(policy.mailboxes.iter().map(|m| &m.address));
        let mut domains: Vec<_> = addresses.map(EmailAddress::domain).collect();
        domains.sort_unstable();
        domains.dedup();
        let names = policy.agents.iter().map(|agent| &agent.name).chain([&policy.desk.name]);
        let names = names.map(|name| (name.clone(), name.split_whitespace().map(skeleton).collect::<Vec<_>>()));
        Self {
            domains: domains.into_iter().map(|domain| (domain.to_owned(), skeleton(domain))).collect(),
            names: names.filter(|(_, words)| words.len() > 1).collect(),
        }
    }
}

/// What a sender resembles, as a defect: `acme.examp1e resembles acme.example`.
#[must_use]
pub fn defect_of(from: Option<&Contact>, policy: &Policy) -> Option<Defect> {
    let from = from?;
    let told = |detail: String| Defect { name: LOOK_ALIKE, detail: one_line(&detail, 300) };
    if policy.agent(&from.address).is_some() || policy.is_ours(&from.address) {
        return None;
    }
    let domain = from.address.domain();
    let own = policy.own_looks.0.get_or_init(|| Looks::of(policy));
    // Whoever has a row of his own is who he is, however alike two customers look.
    let has_row = policy.customers.find(&from.address).is_some();
    let resembled = if has_row { None } else { resembled_domain(domain, own, |skeleton| policy.customers.domain_like(skeleton)) };
    if let Some(resembled) = resembled {
        return Some(told(format!("{domain} resembles {resembled}")));
    }
    let shown = resembled_name(&from.name, &from.address, own, policy)?;
    Some(told(format!("the name of {} shows {shown}, who has another address", from.address)))
}

/// The known domain that another looks like. `like` finds one of many by its skeleton.
fn resembled_domain<'a>(domain: &str, own: &'a Looks, like: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    // `mail.acme.example` is acme.example's own affair, and `mail.acme.examp1e` resembles it as `acme.examp1e` does.
    let labels = domain.matches('.').count();
    let suffixes = (0..labels.max(1)).filter_map(|skip| domain.splitn(skip + 1, '.').last());
    let suffixes: Vec<(&str, String)> = suffixes.map(|suffix| (suffix, skeleton(suffix))).collect();
    let is_own = |suffix: &str| own.domains.binary_search_by(|(known, _)| known.as_str().cmp(suffix)).is_ok();
    if suffixes.iter().any(|(suffix, skeleton)| is_own(suffix) || like(skeleton).is_some_and(|found| found == *suffix)) {
        return None;
    }
    suffixes.iter().find_map(|(suffix, skeleton)| {
        let own_one = |resembles: &dyn Fn(&str, &str) -> bool| {
            own.domains.iter().find(|(known, look)| resembles(known, look)).map(|(known, _)| known.as_str())
        };
        own_one(&|_, look| look == skeleton)
            .or_else(|| like(skeleton))
            .or_else(|| own_one(&|known, _| one_letter_apart(suffix, known)))
            // `acme.example.evil.example` begins as the known one does.
            .or_else(|| own_one(&|known, _| suffix.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'))))
    })
}

/// Whose name or address a display name shows, though the address is another's.
fn resembled_name<'a>(name: &str, address: &EmailAddress, own: &'a Looks, policy: &Policy) -> Option<Cow<'a, str>> {
    if name.contains('@') {
        let named = name.split(|c: char| c.is_whitespace() || "<>()\"',;:[]".contains(c)).filter(|word| word.contains('@'));
        let mut named = named.filter_map(|word| EmailAddress::parse(word).ok());
        if let Some(shown) = named.find(|shown| shown != address && (policy.agent(shown).is_some() || policy.is_ours(shown))) {
            return Some(Cow::Owned(shown.to_string()));
        }
    }
    let first = skeleton(name.split_whitespace().next()?);
    let mut alike = own.names.iter().filter(|(_, words)| words.first() == Some(&first));
    alike.find(|(_, words)| name.split_whitespace().map(skeleton).eq(words.iter().cloned())).map(|(known, _)| Cow::Borrowed(known.as_str()))
}

/// One letter put in, left out, replaced, or two exchanged, in the first label; all else alike.
fn one_letter_apart(domain: &str, known: &str) -> bool {
    let (Some((a, rest)), Some((b, known_rest))) = (domain.split_once('.'), known.split_once('.')) else { return false };
    if rest != known_rest || b.len() < LETTERS_MIN || a.len().abs_diff(b.len()) > 1 || a.starts_with("xn--") || b.starts_with("xn--") {
        return false;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    match (a, b) {
        ([_, x @ ..], [_, y @ ..]) if x == y => true,
        ([first, second, x @ ..], [other, another, y @ ..]) if first == another && second == other && x == y => true,
        (a, [_, y @ ..]) if a == y => true,
        ([_, x @ ..], b) if x == b => true,
        _ => false,
    }
}

/// What two texts that look alike have in common (the idea of Unicode UTS #39): in Unicode and lower case, letters that look
/// like an ASCII letter as that, pairs that look like one letter as that, hyphens left out. For comparison only.
#[must_use]
pub fn skeleton(text: &str) -> String {
    if text.is_ascii() && !text.contains("xn--") {
        let letters = text.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| look(c.to_ascii_lowercase()));
        return with_pairs(letters.collect());
    }
    let shown = if text.contains("xn--") { idna::domain_to_unicode(text).0 } else { text.to_owned() };
    let plain = icu_normalizer::DecomposingNormalizerBorrowed::new_nfkd().normalize(&shown).to_lowercase();
    let letters: String = plain.chars().filter(|c| !matches!(c, '\u{300}'..='\u{36f}' | '-' | '‐' | '‑' | '_')).map(look).collect();
    with_pairs(letters)
}

/// Pairs that look like one letter as that.
fn with_pairs(mut letters: String) -> String {
    for (pair, letter) in [("rn", "m"), ("vv", "w"), ("cl", "d")] {
        if letters.contains(pair) {
            letters = letters.replace(pair, letter);
        }
    }
    letters
}

/// The ASCII letter that a letter looks like in common type.
const fn look(c: char) -> char {
    match c {
        '0' | 'о' | 'ο' | 'օ' | 'ӧ' => 'o',
        '1' | 'i' | 'і' | 'ι' | 'ı' | 'ӏ' | '|' | 'ɩ' => 'l',
        '5' | 'ѕ' => 's',
        'а' | 'ɑ' | 'α' => 'a',
        'ь' | 'Ь' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' | 'ɗ' => 'd',
        'е' | 'є' | 'ҽ' => 'e',
        'ɡ' => 'g',
        'һ' | 'հ' => 'h',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'п' | 'ո' | 'η' => 'n',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::customer::Customer;
    use super::super::testing::policy;
    use super::*;

    #[test]
    fn p8_look_alikes_are_told_of() {
        let mut policy = policy();
        policy.agents[0].name = "Ana Souza".to_owned();
        policy.agents[0].address = EmailAddress::parse("ana@helpdesk.example").unwrap();
        policy.customers.add_domain("customers.example".to_owned(), Customer::default());
        for (name, address, expect, why) in [
            ("", "ana@acme.example", None, "the desk's own domain"),
            ("", "x@mail.acme.example", None, "below it"),
            ("", "x@customers.example", None, "a customer's domain"),
            ("", "x@mail.customers.example", None, "below it"),
            ("", "x@padaria.example", None, "another domain"),
            ("", "x@acne.example", None, "a short name, and another word"),
            ("", "x@acme.exampl", None, "another top"),
            ("", "x@acme.examp1e", Some("acme.examp1e resembles acme.example"), "1 for l"),
            ("", "x@acrne.example", Some("acrne.example resembles acme.example"), "rn for m"),
            ("", "x@ac-me.example", Some("ac-me.example resembles acme.example"), "a hyphen"),
            ("", "x@\u{430}cme.example", Some("xn--cme-5cd.example resembles acme.example"), "Cyrillic"),
            ("", "x@acmé.example", Some("xn--acm-dma.example resembles acme.example"), "an accent"),
            ("", "x@mail.acme.examp1e", Some("mail.acme.examp1e resembles acme.example"), "below a look-alike"),
            ("", "x@helpdesks.example", Some("helpdesks.example resembles helpdesk.example"), "a letter more"),
            ("", "x@helpdsk.example", Some("helpdsk.example resembles helpdesk.example"), "a letter less"),
            ("", "x@helpdeks.example", Some("helpdeks.example resembles helpdesk.example"), "two exchanged"),
            ("", "x@acme.example.evil.example", Some("acme.example.evil.example resembles acme.example"), "begins so"),
            ("", "x@cust0mers.example", Some("cust0mers.example resembles customers.example"), "a customer's domain"),
            ("Ana Souza", "m@evil.example", Some("the name of m@evil.example shows Ana Souza, who has another address"), "an agent's name"),
            ("ana souzа", "m@evil.example", Some("the name of m@evil.example shows Ana Souza, who has another address"), "in Cyrillic"),
            ("BEN", "m@evil.example", None, "one word is anybody's name"),
            (
                "support@acme.example",
                "m@evil.example",
                Some("the name of m@evil.example shows support@acme.example, who has another address"),
                "the desk's address",
            ),
            ("Joao Silva", "joao@padaria.example", None, "anybody"),
        ] {
            let from = Contact { name: name.to_owned(), address: EmailAddress::parse(address).unwrap() };
            assert_eq!(defect_of(Some(&from), &policy).map(|d| d.detail).as_deref(), expect, "{why}: {address}");
        }
        assert_eq!(defect_of(None, &policy), None);
    }
}
