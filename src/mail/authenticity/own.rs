//! A check of our own, for mail that no trusted server judged: DKIM (RFC 6376), SPF (RFC 7208), ARC (RFC 8617) and DMARC (RFC 7489).
//!
//! ```text
//! survey ─► questions ─► verify ─► weigh ─┬─► judgement
//!              ▲ (asked outside)          └─► questions (of SPF)
//! ```
//! [`survey`] reads the head of the mail and says what to ask; [`verify`] does the arithmetic with the answers; [`weigh`] says what
//! follows. Nothing here knows where answers come from.
//!
//! What counts is stricter than what the RFCs allow, for what they allow has been used: only signatures of the sender's own
//! organisation, with From among their fields, without `l=`, not by SHA-1 (RFC 8301), not expired; and none at all where a field
//! stands twice that must stand once, since who signed and who reads may each take another one of the two.

use super::AuthenticationResults;
use super::dmarc::{Record, Wish, is_aligned, organisation};
use super::facts::{Answer, Facts, Question};
use super::origin::origin;
use super::spf::{self, Origin, Spf};
use crate::domain::address::{EmailAddress, one_line};
use crate::domain::policy::SenderCheck;
use crate::domain::verdict::{Basis, Judgement, Verdict};
use jiff::Timestamp;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, DnsError, Error, MessageAuthenticator, Parameters, RecordSet, ResolverCache, Txt};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

/// Bounds of what is looked at (P11): the sender's own signatures, the hops of an ARC chain, header fields, the length of a head in
/// octets, and the fields that one signature names.
pub const SIGNATURES_MAX: usize = 8;
const SEALS_MAX: usize = 10;
const FIELDS_MAX: usize = 1000;
const HEAD_OCTETS_MAX: usize = 256 * 1024;
const SIGNED_FIELDS_MAX: usize = 100;

/// Fields that stand once at most (RFC 5322 section 3.6, RFC 2045 section 3).
const SINGLE: [&[u8]; 13] = [
    b"From",
    b"Sender",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Subject",
    b"Date",
    b"Message-ID",
    b"In-Reply-To",
    b"References",
    b"MIME-Version",
    b"Content-Type",
    b"Content-Transfer-Encoding",
];

/// What the head of a mail says, and what has to be asked before more can be said.
#[derive(Clone, Debug)]
pub struct Survey {
    from: String,
    questions: Vec<Question>,
    /// Where our own relay got it from, if it says so.
    origin: Option<Origin>,
    /// Whether a chain of ARC stands there whose last sealer is trusted.
    sealed: bool,
    /// Whether the relay is named, so that SPF could be known.
    relay_named: bool,
}

impl Survey {
    /// Keys and policies.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }
}

/// What the signatures came to.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    /// The domains whose signatures hold.
    domains: Vec<String>,
    /// What a trusted sealer saw, and who it is.
    sealed: Option<(Verdict, String)>,
    /// Why the first of the others does not.
    fault: Option<String>,
    /// Whether a key could not be had.
    trouble: bool,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// One more answer is needed.
    Ask(Question),
    Judged(Judgement),
}

/// A judgement on our own word.
#[must_use]
pub fn judged(verdict: Verdict, why: &str) -> Judgement {
    Judgement { verdict, basis: Basis::OwnCheck, why: one_line(&format!("{why}, by a check of our own"), Judgement::WHY_OCTETS_MAX) }
}

/// Reads the head of a mail from one usable sender.
///
/// # Errors
/// The judgement, where there is nothing to check.
pub fn survey(raw: &[u8], from: Option<&EmailAddress>, check: &SenderCheck) -> Result<Survey, Judgement> {
    let unknown = |why: &str| judged(Verdict::Unknown, why);
    let from = from.ok_or_else(|| unknown("it names no single usable sender"))?;
    let head = head(raw);
    if head.len() > HEAD_OCTETS_MAX {
        return Err(unknown("its head is too long to be checked"));
    }
    let mail = AuthenticatedMessage::parse(head).ok_or_else(|| unknown("it has no head"))?;
    if mail.headers.len() > FIELDS_MAX {
        return Err(unknown("it has too many header fields to be checked"));
    }
    // Who reads the mail here and who checks its signature have to mean the same sender.
    if !matches!(mail.from.as_slice(), [one] if EmailAddress::parse(one).as_ref() == Ok(from)) {
        return Err(unknown("its From cannot be read in one way only"));
    }
    if let Some(name) =
        SINGLE.iter().find(|name| mail.headers.iter().filter(|(n, _)| n.trim_ascii().eq_ignore_ascii_case(name)).nth(1).is_some())
    {
        return Err(unknown(&format!("{} stands in it more than once", String::from_utf8_lossy(name))));
    }
    let domain = from.domain();
    let mut questions: Vec<Question> = policies_of(domain).map(|(question, _)| question).collect();
    for header in mail.dkim_headers.iter().filter(|header| counts(&header.header.d, domain)).take(SIGNATURES_MAX) {
        questions.push(key(&header.header));
    }
    let sealed = is_sealed(&mail, check);
    if sealed {
        questions.extend(mail.ams_headers.iter().map(|header| key(&header.header)));
        questions.extend(mail.as_headers.iter().map(|header| key(&header.header)));
    }
    questions.sort();
    questions.dedup();
    Ok(Survey {
        from: domain.to_owned(),
        questions,
        origin: origin(&mail.headers, &check.relays),
        sealed,
        relay_named: !check.relays.is_empty(),
    })
}

/// Checks the signatures of a whole mail. Takes as long as its body is large: a hash of it for each way to write it down.
#[must_use]
pub fn verify(raw: &[u8], survey: &Survey, facts: &Facts, now: Timestamp) -> Signed {
    let mut signed = Signed::default();
    let (Some(mut mail), Some(crypto)) = (AuthenticatedMessage::parse(raw), crypto()) else { return signed };
    if mail.errors.iter().any(|header| matches!(header.header, Error::Dkim(mail_auth::dkim::DkimError::SignatureLength))) {
        signed.fault = Some("a signature leaves the end of the body open (l=)".to_owned());
    }
    mail.errors.retain(|header| matches!(header.header, Error::Arc(_)));
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    let mut seen = 0;
    mail.dkim_headers.retain_mut(|header| {
        let signature = &mut header.header;
        if !counts(&signature.d, &survey.from) {
            signed.fault.get_or_insert_with(|| "a signature is of another domain".to_owned());
            return false;
        }
        seen += 1;
        let fault = if seen > SIGNATURES_MAX {
            "it has too many signatures"
        } else if signature.x != 0 && (signature.x <= now || signature.x <= signature.t) {
            "a signature has expired"
        } else if signature.a == Algorithm::RsaSha1 {
            "a signature is by SHA-1"
        } else if signature.h.len() > SIGNED_FIELDS_MAX || !signs_from(&signature.h) {
            "a signature leaves From open"
        } else {
            // Judged by the desk's clock, just now.
            signature.x = 0;
            // Neither reports (RFC 6651) nor third parties (RFC 6541) are of use here; both would ask more.
            signature.r = false;
            signature.atps = None;
            return true;
        };
        signed.fault.get_or_insert_with(|| fault.to_owned());
        false
    });
    let zone = Zone::of(facts, survey);
    for output in now_or_never(crypto.verify_dkim(zone.with(&mail))).unwrap_or_default() {
        let domain = output.signature().map(|signature| signature.d.to_ascii_lowercase()).unwrap_or_default();
        match output.result() {
            DkimResult::Pass => signed.domains.push(domain),
            DkimResult::TempError(_) => signed.trouble = true,
            DkimResult::Neutral(fault) | DkimResult::Fail(fault) | DkimResult::PermError(fault) => {
                signed.fault.get_or_insert_with(|| format!("DKIM of {}: {}", one_line(&domain, 60), one_line(&fault.to_string(), 60)));
            }
            DkimResult::None => {}
        }
    }
    if survey.sealed {
        for header in &mut mail.ams_headers {
            // As above; an expired one is as good as none.
            header.header.x = u64::from(header.header.x != 0 && header.header.x <= now);
        }
        let signs =
            mail.ams_headers.last().is_some_and(|header| signs_from(&header.header.h) && header.header.h.len() <= SIGNED_FIELDS_MAX);
        if let Some(output) = now_or_never(crypto.verify_arc(zone.with(&mail))).filter(|_| signs) {
            match (output.result(), output.sets().last()) {
                (DkimResult::Pass, Some(set)) => {
                    signed.sealed = seen_by_sealer(set.results.value, &survey.from).map(|verdict| (verdict, set.seal.header.d.clone()));
                }
                (DkimResult::TempError(_), _) => signed.trouble = true,
                (DkimResult::Neutral(fault) | DkimResult::Fail(fault) | DkimResult::PermError(fault), _) => {
                    signed.fault.get_or_insert_with(|| format!("ARC: {}", one_line(&fault.to_string(), 60)));
                }
                (DkimResult::Pass, None) | (DkimResult::None, _) => {}
            }
        }
    }
    signed
}

/// What follows from all that is known.
#[must_use]
pub fn weigh(survey: &Survey, signed: &Signed, facts: &Facts) -> Step {
    let from = survey.from.as_str();
    let judged = |verdict, why: &str| Step::Judged(judged(verdict, why));
    let authenticated = |domain: &str, why: &str| {
        // Whom a sibling or a name below speaks for is the sender's own name.
        let is_above = from == domain || from.strip_suffix(domain).is_some_and(|below| below.ends_with('.'));
        judged(Verdict::Authenticated { domain: if is_above { domain } else { from }.to_owned() }, why)
    };
    let policy = policy(from, facts);
    // As long as nobody knows how strict the domain is, it is as strict as can be.
    let strict = |of: fn(&Record) -> bool| match &policy {
        Policy::Known { record, .. } => of(record),
        Policy::Nothing => false,
        Policy::Trouble => true,
    };
    if let Some(domain) = signed.domains.iter().find(|domain| is_aligned(domain, from, strict(|record| record.strict_dkim))) {
        return authenticated(domain, &format!("DKIM of {domain} holds"));
    }
    let mut spf = None;
    if let Some(origin) = &survey.origin {
        let domain = origin.sender().1.to_ascii_lowercase();
        if is_aligned(&domain, from, strict(|record| record.strict_spf)) {
            match spf::check(origin, facts) {
                Err(question) => return Step::Ask(question),
                Ok(Spf::Pass) => return authenticated(&domain, &format!("SPF of {domain} passes")),
                Ok(other) => spf = Some(other),
            }
        }
    }
    if let Some((Verdict::Authenticated { domain }, sealer)) = &signed.sealed {
        return authenticated(domain, &format!("{sealer}, which is trusted, sealed that it passed there (ARC)"));
    }
    let nothing = match (&signed.fault, signed.domains.first(), spf, survey.relay_named) {
        (Some(fault), _, _, _) => fault.clone(),
        (None, Some(_), _, _) => "its signature is not of that very domain, as it wants".to_owned(),
        (None, None, Some(spf), _) => format!("it is not signed, and SPF says {}", spf.word()),
        (None, None, None, true) => "it is not signed, and SPF is not of its domain".to_owned(),
        (None, None, None, false) => "it is not signed, and SPF is not known".to_owned(),
    };
    if signed.trouble || spf == Some(Spf::TempError) || matches!(policy, Policy::Trouble) {
        return judged(Verdict::Unknown, "the DNS did not tell what was needed");
    }
    match policy {
        Policy::Known { record, below } => match record.wish(below) {
            wish @ (Wish::Quarantine | Wish::Reject) => judged(Verdict::Failed, &format!("its domain wants p={}: {nothing}", wish.word())),
            Wish::None => judged(Verdict::Unknown, &format!("its domain has p=none: {nothing}")),
        },
        Policy::Nothing | Policy::Trouble => judged(Verdict::Unknown, &format!("its domain has no DMARC policy: {nothing}")),
    }
}

enum Policy {
    Known {
        record: Record,
        /// It was found above the sender's domain.
        below: bool,
    },
    Nothing,
    Trouble,
}

/// Where the policy of a domain is looked for, and whether that is above it (RFC 7489 section 6.6.3).
fn policies_of(from: &str) -> impl Iterator<Item = (Question, bool)> {
    let above = organisation(from).filter(|above| *above != from);
    let places = std::iter::once((from, false)).chain(above.map(|above| (above, true)));
    places.map(|(domain, below)| (Question::Text(format!("_dmarc.{domain}")), below))
}

/// RFC 7489 section 6.6.3.
fn policy(from: &str, facts: &Facts) -> Policy {
    for (question, below) in policies_of(from) {
        match facts.get(&question) {
            Some(Answer::Texts(texts)) => {
                if let Some(record) = Record::of(texts) {
                    return Policy::Known { record, below };
                }
            }
            Some(Answer::Trouble) | None => return Policy::Trouble,
            Some(Answer::Nothing | Answer::Addresses(_) | Answer::Exchanges(_)) => {}
        }
    }
    Policy::Nothing
}

/// Only who is of the sender's organisation can vouch for him.
fn counts(domain: &str, from: &str) -> bool {
    is_aligned(&domain.to_ascii_lowercase(), from, false)
}

fn signs_from(fields: &[String]) -> bool {
    fields.iter().any(|field| field.trim().eq_ignore_ascii_case("from"))
}

fn key(signature: &impl VerifySignature) -> Question {
    Question::Text(plain(&signature.domain_key()))
}

/// A name as questions have it.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether its last seal is of a trusted sealer. A chain that is too long, or of which parts are missing, is none.
fn is_sealed(mail: &AuthenticatedMessage<'_>, check: &SenderCheck) -> bool {
    let hops = mail.as_headers.len();
    let last = mail.as_headers.iter().max_by_key(|header| header.header.i);
    (1..=SEALS_MAX).contains(&hops)
        && mail.ams_headers.len() == hops
        && mail.aar_headers.len() == hops
        && !mail.has_arc_errors
        && last.is_some_and(|last| check.trusted_arc_sealers.iter().any(|sealer| sealer.eq_ignore_ascii_case(&last.header.d)))
}

/// What the last sealer's ARC-Authentication-Results say of the sender: those of RFC 8601 behind an instance (RFC 8617 section 4.1.1).
fn seen_by_sealer(value: &[u8], from: &str) -> Option<Verdict> {
    let (_, results) = std::str::from_utf8(value).ok()?.split_once(';')?;
    Some(AuthenticationResults::parse(results).ok()?.verdict(from).0)
}

/// From the start to behind the empty line; of a head that is too long one octet more than it may have.
fn head(raw: &[u8]) -> &[u8] {
    let raw = raw.get(..=HEAD_OCTETS_MAX).unwrap_or(raw);
    let crlf = memchr::memmem::find(raw, b"\r\n\r\n").map(|at| at + 4);
    let lf = memchr::memmem::find(raw, b"\n\n").map(|at| at + 2);
    let end = match (crlf, lf) {
        (Some(a), Some(b)) => a.min(b),
        (Some(end), None) | (None, Some(end)) => end,
        (None, None) => raw.len(),
    };
    raw.get(..end).unwrap_or(raw)
}

/// The crate that checks signatures can ask the DNS by itself. This one has no servers to ask, and is never made to: all that it
/// looks up is in its [`Zone`].
fn crypto() -> Option<&'static MessageAuthenticator> {
    static CRYPTO: OnceLock<Option<MessageAuthenticator>> = OnceLock::new();
    CRYPTO
        .get_or_init(|| MessageAuthenticator::new(ResolverConfig::from_parts(None, Vec::new(), Vec::new()), ResolverOpts::default()).ok())
        .as_ref()
}

/// What needs nothing from outside is done at once. `None`: it would have to wait, which it has no reason to.
fn now_or_never<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// The keys that were asked for. Whatever else is looked up does not exist.
struct Zone(HashMap<Box<str>, Txt>);

/// For all other kinds of records: nothing.
struct Empty;

type Closed<'a, P> = Parameters<'a, P, Zone, Empty, Empty, Empty, Empty>;

impl Zone {
    fn of(facts: &Facts, survey: &Survey) -> Self {
        let entry = |question: &Question| {
            let found: Result<DomainKey, Error> = match facts.get(question) {
                Some(Answer::Texts(texts)) => {
                    let mut keys = texts.iter().map(|text| DomainKey::parse(text));
                    let first = keys.next().unwrap_or_else(|| Err(missing()));
                    // Of several texts the first that is a key (RFC 6376 section 3.6.2.2 leaves it open).
                    first.or_else(|fault| keys.find(Result::is_ok).unwrap_or(Err(fault)))
                }
                Some(Answer::Trouble) | None => Err(Error::Dns(DnsError::Resolver(String::new()))),
                Some(Answer::Nothing | Answer::Addresses(_) | Answer::Exchanges(_)) => Err(missing()),
            };
            (format!("{}.", question.name()).into_boxed_str(), found.into())
        };
        Self(survey.questions.iter().map(entry).collect())
    }

    fn with<P>(&self, params: P) -> Closed<'_, P> {
        Parameters {
            params,
            cache_txt: Some(self),
            cache_mx: Some(&Empty),
            cache_ptr: Some(&Empty),
            cache_ipv4: Some(&Empty),
            cache_ipv6: Some(&Empty),
        }
    }
}

fn missing() -> Error {
    Error::Dns(DnsError::RecordNotFound(mail_auth::hickory_resolver::proto::op::ResponseCode::NXDomain))
}

impl ResolverCache<Box<str>, Txt> for Zone {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.0.get(name).cloned().unwrap_or_else(|| Txt::Error(missing())))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

impl<K, T> ResolverCache<K, RecordSet<T>> for Empty {
    fn get<Q>(&self, _: &Q) -> Option<RecordSet<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(RecordSet { rrset: Vec::new().into(), dnssec_status: mail_auth::DnssecStatus::Indeterminate })
    }

    fn remove<Q>(&self, _: &Q) -> Option<RecordSet<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: K, _: RecordSet<T>, _: std::time::Instant) {}
}

#[cfg(test)]
mod tests;
