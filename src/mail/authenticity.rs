//! How far a mail's sender is to be believed: what a trusted mail server found out about it (RFC 8601).
//!
//! Anybody can write an Authentication-Results field. The server that takes a mail in for us puts its own above all that came
//! with the mail, and takes out others that bear its name (section 5). So only the topmost field is looked at: if that is not of a
//! server that the configuration names, the sender may have written it, and all that stands below it, too.
//!
//! What it says is taken strictly: a field that cannot be read to its end, of another version, or too long, says nothing. A result
//! counts only for the domain of the one From address, as DMARC (RFC 7489 section 3.1) aligns them: the domain that passed is
//! that of From or one above it. There is no list of public suffixes here; whoever passes for a name of one label is not believed.
//!
//! Where no trusted server said a word, and the configuration wants it, there is a check of our own: [`own`].

mod dmarc;
pub mod facts;
mod origin;
pub mod own;
mod spf;

use crate::domain::address::{EmailAddress, one_line};
use crate::domain::verdict::{Basis, Judgement, Verdict};

/// Longest field that is read, in octets.
pub const FIELD_OCTETS_MAX: usize = 8 * 1024;
/// Most results, and most properties of all of them together.
const RESULTS_MAX: usize = 64;
const PROPERTIES_MAX: usize = 256;

/// Why a field says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldFault {
    #[error("is not of the form that RFC 8601 gives it")]
    Form,
    #[error("is of a version that is not known")]
    Version,
    #[error("is too long")]
    Length,
}

/// One Authentication-Results field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationResults {
    /// Who says it, as written.
    pub authserv_id: String,
    /// Empty where nothing was checked (`none`).
    pub results: Vec<MethodResult>,
}

/// What one method came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodResult {
    /// Such as `dkim`, in lower case.
    pub method: String,
    /// 1 where none is written.
    pub version: u32,
    /// Such as `pass`, in lower case.
    pub result: String,
    pub reason: Option<String>,
    pub properties: Vec<Property>,
}

/// What a result rests on: `header.from=acme.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Such as `header.from`, in lower case.
    pub name: String,
    pub value: String,
}

/// How far the sender of a mail is to be believed. `field` is the topmost Authentication-Results of the mail, `trusted` are the
/// names (in lower case) of the servers whose word counts for its mailbox; without any nobody is asked.
#[must_use]
pub fn judge(field: Option<&str>, from: Option<&EmailAddress>, trusted: &[String]) -> Judgement {
    if trusted.is_empty() {
        return Judgement::default();
    }
    let judgement = |verdict: Verdict, why: &str| Judgement {
        verdict,
        basis: Basis::AuthenticationResults,
        why: one_line(why, Judgement::WHY_OCTETS_MAX),
    };
    let Some(field) = field else { return judgement(Verdict::Unknown, "no Authentication-Results stand in it") };
    let told = match AuthenticationResults::parse(field) {
        Ok(told) => told,
        Err(fault) => return judgement(Verdict::Unknown, &format!("its topmost Authentication-Results {fault}")),
    };
    let by = one_line(&told.authserv_id, 80);
    if !trusted.iter().any(|id| id.eq_ignore_ascii_case(&told.authserv_id)) {
        return judgement(
            Verdict::Unknown,
            &format!("its topmost Authentication-Results is of {by}, which trusted_authserv_ids does not name"),
        );
    }
    let Some(from) = from else { return judgement(Verdict::Unknown, "it names no single usable sender") };
    let (verdict, found) = told.verdict(from.domain());
    judgement(verdict, &format!("{found}, told by {by}"))
}

/// Whether a trusted server says anything at all about a mail, so that its word stands.
#[must_use]
pub fn is_told(field: Option<&str>, trusted: &[String]) -> bool {
    let told = field.filter(|_| !trusted.is_empty()).and_then(|field| AuthenticationResults::parse(field).ok());
    told.is_some_and(|told| trusted.iter().any(|id| id.eq_ignore_ascii_case(&told.authserv_id)))
}

impl AuthenticationResults {
    /// Reads the value of a field, unfolded or not.
    ///
    /// # Errors
    /// Why it says nothing.
    pub fn parse(value: &str) -> Result<Self, FieldFault> {
        if value.len() > FIELD_OCTETS_MAX {
            return Err(FieldFault::Length);
        }
        let mut reader = Reader(value);
        reader.blank()?;
        let authserv_id = reader.value()?;
        reader.blank()?;
        if reader.peek().is_some_and(|c| c.is_ascii_digit()) {
            if reader.number()? != 1 {
                return Err(FieldFault::Version);
            }
            reader.blank()?;
        }
        let (mut results, mut properties) = (Vec::new(), 0);
        while reader.take(';') {
            reader.blank()?;
            // A ';' at the end is written by some.
            if reader.peek().is_none() {
                break;
            }
            let Some(result) = reader.result()? else {
                reader.blank()?;
                if !results.is_empty() || reader.peek().is_some() {
                    return Err(FieldFault::Form);
                }
                break;
            };
            properties += result.properties.len();
            results.push(result);
            if results.len() > RESULTS_MAX || properties > PROPERTIES_MAX {
                return Err(FieldFault::Length);
            }
        }
        if reader.peek().is_some() || authserv_id.is_empty() {
            return Err(FieldFault::Form);
        }
        Ok(Self { authserv_id, results })
    }

    /// What follows for a From address of this domain, and from what.
    fn verdict(&self, from: &str) -> (Verdict, String) {
        let of = |method: &'static str| self.results.iter().filter(move |r| r.method == method && r.version == 1);
        // One that passes beside one that fails is no pass: two of them are not what a server writes.
        if of("dmarc").any(|r| is_failure(&r.result)) {
            return (Verdict::Failed, "dmarc=fail".to_owned());
        }
        let aligned = |r: &&MethodResult| !r.has("header.from") || r.domain("header.from").as_deref() == Some(from);
        if of("dmarc").next().is_some() && of("dmarc").all(|r| r.result == "pass" && aligned(&r)) {
            return (Verdict::Authenticated { domain: from.to_owned() }, "dmarc=pass".to_owned());
        }
        for (method, names) in [("dkim", &["header.d", "header.i"][..]), ("spf", &["smtp.mailfrom"])] {
            for result in of(method).filter(|r| r.result == "pass") {
                let domain = names.iter().find(|name| result.has(name)).and_then(|name| result.domain(name));
                if let Some(domain) = domain.filter(|domain| is_within(from, domain)) {
                    let found = format!("{method}=pass for {domain}");
                    return (Verdict::Authenticated { domain }, found);
                }
            }
        }
        let tried: Vec<&MethodResult> = of("dkim").chain(of("spf")).filter(|r| r.result != "none").collect();
        let unsettled = of("dmarc").any(|r| r.result == "temperror");
        if !tried.is_empty() && !unsettled && tried.iter().all(|r| is_failure(&r.result) || r.result == "permerror") {
            let found: Vec<String> = tried.iter().take(4).map(|r| format!("{}={}", r.method, r.result)).collect();
            return (Verdict::Failed, found.join(", "));
        }
        (Verdict::Unknown, "neither dmarc, dkim nor spf speaks for or against the sender".to_owned())
    }
}

impl MethodResult {
    fn has(&self, name: &str) -> bool {
        self.properties.iter().any(|p| p.name == name)
    }

    /// The domain that a property names, alone or behind an `@`, in its normal form.
    fn domain(&self, name: &str) -> Option<String> {
        let mut values = self.properties.iter().filter(|p| p.name == name).map(|p| p.value.as_str());
        let value = values.next()?;
        // Of two neither counts.
        if values.next().is_some() {
            return None;
        }
        let value = value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(value);
        let domain = value.rsplit_once('@').map_or(value, |(_, domain)| domain);
        // The same normal form as that of the From address.
        let normal = EmailAddress::parse(&format!("x@{}", domain.strip_suffix('.').unwrap_or(domain)));
        normal.ok().map(|address| address.domain().to_owned())
    }
}

/// Results that speak against the sender (RFC 8601 section 2.7; `hardfail` is what `fail` was called before RFC 7001).
fn is_failure(result: &str) -> bool {
    matches!(result, "fail" | "softfail" | "hardfail")
}

/// Whether a domain is another one or lies below it.
fn is_within(domain: &str, above: &str) -> bool {
    above.contains('.') && (domain == above || domain.strip_suffix(above).is_some_and(|below| below.ends_with('.')))
}

/// What is left to be read.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    /// Skips this character if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn skip(&mut self, c: char) {
        self.0 = self.0.get(c.len_utf8()..).unwrap_or_default();
    }

    /// White space and comments (RFC 5322 section 3.2.2), which nest: counted, not recursed.
    fn blank(&mut self) -> Result<(), FieldFault> {
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            match (c, depth) {
                ('(', _) => depth += 1,
                (')', 1..) => depth -= 1,
                ('\\', 1..) => {
                    self.skip(c);
                    let Some(quoted) = self.peek() else { return Err(FieldFault::Form) };
                    self.skip(quoted);
                    continue;
                }
                (' ' | '\t' | '\r' | '\n', 0) | (_, 1..) => {}
                (_, 0) => return Ok(()),
            }
            self.skip(c);
        }
        if depth == 0 { Ok(()) } else { Err(FieldFault::Form) }
    }

    /// The characters that fit, at least one.
    fn run(&mut self, fits: impl Fn(char) -> bool) -> Result<String, FieldFault> {
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        if run.is_empty() { Err(FieldFault::Form) } else { Ok(run.to_owned()) }
    }

    /// `value` of RFC 2045 section 5.1: a token or a quoted string.
    fn value(&mut self) -> Result<String, FieldFault> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        self.run(|c| !c.is_whitespace() && !c.is_control() && !"()<>@,;:\\\"/[]?=".contains(c))
    }

    fn quoted(&mut self) -> Result<String, FieldFault> {
        let mut text = String::new();
        self.take('"');
        while let Some(c) = self.peek() {
            self.skip(c);
            match c {
                '"' => return Ok(text),
                '\\' => {
                    let quoted = self.peek().ok_or(FieldFault::Form)?;
                    self.skip(quoted);
                    text.push(quoted);
                }
                c if c.is_control() && c != '\t' => return Err(FieldFault::Form),
                c => text.push(c),
            }
        }
        Err(FieldFault::Form)
    }

    fn number(&mut self) -> Result<u32, FieldFault> {
        let digits = self.run(|c| c.is_ascii_digit())?;
        digits.parse().map_err(|_| FieldFault::Version)
    }

    /// A name in lower case.
    fn word(&mut self) -> Result<String, FieldFault> {
        self.run(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_').map(|word| word.to_ascii_lowercase())
    }

    /// `resinfo` behind its `;`; `None` for the word `none`, which says that nothing was checked.
    fn result(&mut self) -> Result<Option<MethodResult>, FieldFault> {
        let method = self.word()?;
        self.blank()?;
        let mut version = 1;
        if self.take('/') {
            self.blank()?;
            version = self.number()?;
            self.blank()?;
        }
        if !self.take('=') {
            return if method == "none" { Ok(None) } else { Err(FieldFault::Form) };
        }
        self.blank()?;
        let result = self.word()?;
        let (mut reason, mut properties) = (None, Vec::new());
        loop {
            self.blank()?;
            if matches!(self.peek(), None | Some(';')) {
                return Ok(Some(MethodResult { method, version, result, reason, properties }));
            }
            let name = self.property_name()?;
            self.blank()?;
            let value = self.property_value()?;
            if name == "reason" {
                reason = Some(value);
            } else if properties.len() < PROPERTIES_MAX {
                properties.push(Property { name, value });
            } else {
                return Err(FieldFault::Length);
            }
        }
    }

    /// `ptype.property` and the `=` behind it. Some servers write words of their own without a type: `action=none`.
    fn property_name(&mut self) -> Result<String, FieldFault> {
        let mut name = self.word()?;
        self.blank()?;
        while self.take('.') {
            self.blank()?;
            name.push('.');
            name.push_str(&self.word()?);
            self.blank()?;
        }
        if self.take('=') { Ok(name) } else { Err(FieldFault::Form) }
    }

    /// `pvalue`: quoted, a word, or an address whose local part may be quoted. Signatures (`header.b`) are written bare by some.
    fn property_value(&mut self) -> Result<String, FieldFault> {
        let mut value = String::new();
        loop {
            match self.peek() {
                Some('"') => value.push_str(&self.quoted()?),
                None | Some(';' | '(' | ' ' | '\t' | '\r' | '\n') => return Ok(value),
                Some(c) if c.is_control() || c == ')' => return Err(FieldFault::Form),
                Some(c) => {
                    self.skip(c);
                    value.push(c);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
