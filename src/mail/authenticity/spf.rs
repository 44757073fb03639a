//! SPF (RFC 7208): may this address send for that domain?
//!
//! Ours and not the crate's that checks signatures: that one asks the network by itself for `exists`, takes it for granted in a closed
//! zone, and mixes up nested includes. Here a record is walked over what is known; where something is not, the walk ends with the
//! question, and begins anew with its answer. `ptr`, which no record should have (section 5.5), and `%{p}` are not followed: such a
//! record ends in an error, which speaks neither for nor against.

use super::facts::{Answer, Facts, Question};
use core::net::IpAddr;

/// Section 4.6.4.
const LOOKUPS_MAX: u32 = 10;
const VOID_LOOKUPS_MAX: u32 = 2;
const EXCHANGES_MAX: usize = 10;

/// Section 2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spf {
    Pass,
    Fail,
    SoftFail,
    Neutral,
    /// No record is there.
    None,
    /// The DNS gives no answer now.
    TempError,
    /// The record cannot be used.
    PermError,
}

impl Spf {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::None => "none",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// Who sent a mail to our relay, by the relay's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) ip: IpAddr,
    /// As it named itself.
    pub(super) hello: String,
    /// The address that the mail came from, without brackets; empty for a report.
    pub(super) return_path: String,
}

impl Origin {
    /// The identity that is checked (section 2.4): that of the return path, or of the sending host where there is none.
    pub(super) fn sender(&self) -> (&str, &str) {
        match self.return_path.rsplit_once('@') {
            Some((local, domain)) => (local, domain),
            None => ("postmaster", &self.hello),
        }
    }
}

enum Stop {
    Ask(Question),
    With(Spf),
}

/// What comes of it, or what has to be asked first.
pub(super) fn check(origin: &Origin, facts: &Facts) -> Result<Spf, Question> {
    let domain = origin.sender().1.to_ascii_lowercase();
    // Section 4.3.
    if !Question::Text(domain.clone()).is_askable() {
        return Ok(Spf::None);
    }
    match (Walk { origin, facts, lookups: 0, void: 0 }).host(&domain) {
        Ok(result) | Err(Stop::With(result)) => Ok(result),
        Err(Stop::Ask(question)) => Err(question),
    }
}

struct Walk<'a> {
    origin: &'a Origin,
    facts: &'a Facts,
    lookups: u32,
    void: u32,
}

impl Walk<'_> {
    /// `check_host()` of section 4. As deep as look-ups are allowed.
    fn host(&mut self, domain: &str) -> Result<Spf, Stop> {
        let Some(record) = self.record(domain)? else { return Ok(Spf::None) };
        let mut redirect = None;
        let mut result = None;
        // All of it is read, since a fault anywhere spoils the record (section 4.6).
        let terms: Vec<&str> = record.split_ascii_whitespace().skip(1).collect();
        for term in &terms {
            if let Some((name, value)) = modifier(term)
                && name.eq_ignore_ascii_case("redirect")
                && redirect.replace(value).is_some()
            {
                return Err(Stop::With(Spf::PermError));
            }
        }
        for term in terms.iter().filter(|term| modifier(term).is_none()) {
            let (qualified, mechanism) = match term.chars().next() {
                Some('-') => (Spf::Fail, &term[1..]),
                Some('~') => (Spf::SoftFail, &term[1..]),
                Some('?') => (Spf::Neutral, &term[1..]),
                Some('+') => (Spf::Pass, &term[1..]),
                Some(_) | None => (Spf::Pass, *term),
            };
            if self.matches(mechanism, domain)? {
                result = Some(qualified);
                break;
            }
        }
        match (result, redirect) {
            (Some(result), _) => Ok(result),
            (None, None) => Ok(Spf::Neutral),
            (None, Some(target)) => {
                self.count()?;
                let target = self.expand(target, domain)?;
                match self.host(&target)? {
                    Spf::None => Err(Stop::With(Spf::PermError)),
                    other @ (Spf::Pass | Spf::Fail | Spf::SoftFail | Spf::Neutral | Spf::TempError | Spf::PermError) => Ok(other),
                }
            }
        }
    }

    /// Section 4.5: the one record of a domain.
    fn record(&mut self, domain: &str) -> Result<Option<String>, Stop> {
        let Answer::Texts(texts) = self.ask(Question::Text(domain.to_owned()))? else { return Ok(None) };
        let is_record = |text: &&Vec<u8>| {
            text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1")) && text.get(6).is_none_or(|next| *next == b' ')
        };
        let mut records = texts.iter().filter(is_record);
        let Some(record) = records.next() else { return Ok(None) };
        match (records.next(), std::str::from_utf8(record)) {
            (None, Ok(record)) if record.is_ascii() => Ok(Some(record.to_owned())),
            (_, _) => Err(Stop::With(Spf::PermError)),
        }
    }

    fn matches(&mut self, mechanism: &str, domain: &str) -> Result<bool, Stop> {
        let end = mechanism.find([':', '/']).unwrap_or(mechanism.len());
        let (name, rest) = mechanism.split_at(end);
        let value = rest.strip_prefix(':');
        let wrong = Err(Stop::With(Spf::PermError));
        match (name.to_ascii_lowercase().as_str(), value) {
            ("all", None) if rest.is_empty() => Ok(true),
            ("ip4" | "ip6", Some(network)) => self.is_in(network),
            ("include", Some(target)) => {
                self.count()?;
                let target = self.expand(target, domain)?;
                // Section 5.2.
                match self.host(&target)? {
                    Spf::Pass => Ok(true),
                    Spf::Fail | Spf::SoftFail | Spf::Neutral => Ok(false),
                    Spf::TempError => Err(Stop::With(Spf::TempError)),
                    Spf::PermError | Spf::None => wrong,
                }
            }
            ("exists", Some(target)) => {
                self.count()?;
                let target = self.expand(target, domain)?;
                Ok(matches!(self.ask(Question::V4(target))?, Answer::Addresses(_)))
            }
            (kind @ ("a" | "mx"), value) => {
                self.count()?;
                let Some((target, length)) = lengths(value, rest, self.origin.ip) else {
                    return wrong;
                };
                let target = if target.is_empty() { domain.to_owned() } else { self.expand(target, domain)? };
                if kind == "a" {
                    return self.has(target, length);
                }
                let Answer::Exchanges(names) = self.ask(Question::Exchanges(target))? else { return Ok(false) };
                let names = names.clone();
                if names.len() > EXCHANGES_MAX {
                    return wrong;
                }
                for name in names {
                    if self.has(name, length)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (_, _) => wrong,
        }
    }

    /// Whether one of the addresses of a name is the sender's, in its first bits.
    fn has(&mut self, name: String, bits: u32) -> Result<bool, Stop> {
        let question = if self.origin.ip.is_ipv4() { Question::V4(name) } else { Question::V6(name) };
        let ip = self.origin.ip;
        let Answer::Addresses(addresses) = self.ask(question)? else { return Ok(false) };
        Ok(addresses.iter().any(|address| is_same(ip, *address, bits)))
    }

    fn is_in(&self, network: &str) -> Result<bool, Stop> {
        let (address, bits) = network.split_once('/').map_or((network, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| Stop::With(Spf::PermError))?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(whole), |bits| bits.parse().ok().filter(|bits| *bits <= whole));
        Ok(is_same(self.origin.ip, address, bits.ok_or(Stop::With(Spf::PermError))?))
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX { Err(Stop::With(Spf::PermError)) } else { Ok(()) }
    }

    fn ask(&mut self, question: Question) -> Result<&Answer, Stop> {
        match self.facts.get(&question) {
            None => Err(Stop::Ask(question)),
            Some(Answer::Trouble) => Err(Stop::With(Spf::TempError)),
            Some(Answer::Nothing) => {
                self.void += 1;
                if self.void > VOID_LOOKUPS_MAX + 1 { Err(Stop::With(Spf::PermError)) } else { Ok(&Answer::Nothing) }
            }
            Some(answer @ (Answer::Texts(_) | Answer::Addresses(_) | Answer::Exchanges(_))) => Ok(answer),
        }
    }

    /// Macros (section 7), in lower case.
    fn expand(&self, text: &str, domain: &str) -> Result<String, Stop> {
        let wrong = || Stop::With(Spf::PermError);
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let mut after = rest[at + 1..].chars();
            match after.next() {
                Some('%') => out.push('%'),
                Some('_') => out.push(' '),
                Some('-') => out.push_str("%20"),
                Some('{') => {
                    let (inside, behind) = after.as_str().split_once('}').ok_or_else(wrong)?;
                    out.push_str(&self.macro_value(inside, domain).ok_or_else(wrong)?);
                    rest = behind;
                    continue;
                }
                Some(_) | None => return Err(wrong()),
            }
            rest = after.as_str();
        }
        out.push_str(rest);
        out.make_ascii_lowercase();
        // Section 7.3: what is too long loses labels on its left.
        while out.len() > 253 {
            out = out.split_once('.').ok_or_else(wrong)?.1.to_owned();
        }
        Ok(out.strip_suffix('.').map_or_else(|| out.clone(), str::to_owned))
    }

    fn macro_value(&self, inside: &str, domain: &str) -> Option<String> {
        let (local, sender_domain) = self.origin.sender();
        let mut letters = inside.chars();
        let value = match letters.next()?.to_ascii_lowercase() {
            's' => format!("{local}@{sender_domain}"),
            'l' => local.to_owned(),
            'o' => sender_domain.to_owned(),
            'd' => domain.to_owned(),
            'h' => self.origin.hello.clone(),
            'v' => if self.origin.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            'i' => match self.origin.ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => {
                    let nibbles = ip.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
                    nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
                }
            },
            _ => return None,
        };
        let rest = letters.as_str();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(digits);
        let (reversed, delimiters) = rest.strip_prefix(['r', 'R']).map_or((false, rest), |rest| (true, rest));
        if !delimiters.chars().all(|c| ".-+,/_=".contains(c)) {
            return None;
        }
        let is_delimiter = |c: char| if delimiters.is_empty() { c == '.' } else { delimiters.contains(c) };
        let mut parts: Vec<&str> = value.split(is_delimiter).collect();
        if reversed {
            parts.reverse();
        }
        if !number.is_empty() {
            let wanted = number.parse::<usize>().ok().filter(|wanted| *wanted > 0)?;
            parts.drain(..parts.len().saturating_sub(wanted));
        }
        Some(parts.join("."))
    }
}

/// `name=value`, which no mechanism is: in one, a `:` or `/` comes before any `=`.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))).then_some((name, value))
}

/// The domain of `a` and `mx`, and how many bits count for this family: `domain/24//64`.
fn lengths<'a>(value: Option<&'a str>, bare: &'a str, ip: IpAddr) -> Option<(&'a str, u32)> {
    let text = value.unwrap_or(bare);
    // A macro may hold a '/' among its delimiters.
    let from = text.rfind('}').map_or(0, |at| at + 1);
    let (target, bits) = text[from..].find('/').map_or((text, ""), |at| text.split_at(from + at));
    if value.is_some() && target.is_empty() {
        return None;
    }
    let (v4, v6) = match bits.split_once("//") {
        Some((v4, v6)) => (v4, Some(v6)),
        None => (bits, None),
    };
    let v4 = match v4.strip_prefix('/') {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= 32)?,
        None if v4.is_empty() => 32,
        None => return None,
    };
    let v6 = v6.map_or(Some(128), |bits| bits.parse().ok().filter(|bits| *bits <= 128))?;
    Some((target, if ip.is_ipv4() { v4 } else { v6 }))
}

fn is_same(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests;
