//! One strict normal form of a mail address, and a contact: an address with the name beside it.
//!
//! Identity rests on this form (P8), so it has one way in, and whatever does not fit is nobody.

use std::fmt;

/// Longest address that is believed, in octets (RFC 5321 section 4.5.3.1.3: a path has 256 with its brackets).
const ADDRESS_OCTETS_MAX: usize = 254;

/// `local@domain` in its normal form: lower case, the domain as A-labels, no quoting, no comment,
/// no control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

/// Why a text is no usable address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// No `@`, or nothing on one of its sides.
    #[error("is not of the form name@domain")]
    Form,
    /// White space, a control character, or one that must be quoted.
    #[error("holds a character that an unquoted address cannot have")]
    Character,
    /// The domain is no name of the DNS.
    #[error("has a domain that is no host name")]
    Domain,
    /// Longer than SMTP can carry.
    #[error("is longer than {ADDRESS_OCTETS_MAX} octets")]
    Length,
}

impl EmailAddress {
    /// Reads one bare address (no display name, no angle brackets).
    ///
    /// # Errors
    /// What is wrong with it; the text itself is not repeated.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let text = text.trim();
        if text.len() > ADDRESS_OCTETS_MAX {
            return Err(AddressFault::Length);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressFault::Form)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressFault::Form);
        }
        // RFC 5322 section 3.2.3 atext and dots, and what RFC 6531 adds; a quoted local part is a stranger.
        let unquoted = |c: char| {
            c.is_ascii_alphanumeric()
                || "!#$%&'*+-/=?^_`{|}~.".contains(c)
                || (!c.is_ascii() && !c.is_control() && !c.is_whitespace() && !is_invisible(c))
        };
        if !local.chars().all(unquoted) || local.starts_with("=?") {
            return Err(AddressFault::Character);
        }
        if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
            return Err(AddressFault::Form);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| AddressFault::Domain)?;
        if domain.is_empty() || domain.ends_with('.') {
            return Err(AddressFault::Domain);
        }
        let address = format!("{}@{domain}", local.to_lowercase());
        if address.len() > ADDRESS_OCTETS_MAX {
            return Err(AddressFault::Length);
        }
        Ok(Self(address))
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// Who reads it, as far as that shows: the address without what stands behind a `+` (RFC 5233). Only for limits, which
    /// nobody may stretch by tags; who somebody is never goes by it.
    #[must_use]
    pub fn untagged(&self) -> String {
        let name = self.local().split('+').next().filter(|name| !name.is_empty()).unwrap_or(self.local());
        format!("{name}@{}", self.domain())
    }

    /// What stands behind the `@`, as A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Characters that change how others are shown but show nothing themselves (bidi controls, joiners).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

/// Somebody with an address. The name is display data only and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// As written, cleaned of control characters; may be empty.
    pub name: String,
    /// Who it is.
    pub address: EmailAddress,
}

impl Contact {
    /// The name, or the address where there is none.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.name.is_empty() { self.address.as_str() } else { &self.name }
    }
}

/// Text from outside on one line: each control or separator character becomes a space, runs of white space
/// become one, and no more than `octets_max` octets stay.
#[must_use]
pub fn one_line(text: &str, octets_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(octets_max));
    for word in text.split(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')) {
        // Before the first character of a word that is not the line's first.
        let mut gap = if line.is_empty() { "" } else { " " };
        for c in word.chars().filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) {
            if line.len() + gap.len() + c.len_utf8() > octets_max {
                return line;
            }
            line.push_str(gap);
            line.push(c);
            gap = "";
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_normal_form_or_nobody() {
        for (text, expect, why) in [
            ("Ana@Acme.Example", Ok("ana@acme.example"), "case is folded on both sides"),
            ("a+tag@x.example", Ok("a+tag@x.example"), "a tag stays: it never merges accounts"),
            ("kai@bücher.example", Ok("kai@xn--bcher-kva.example"), "domains are compared as A-labels"),
            ("\"a b\"@x.example", Err(AddressFault::Character), "quoted local parts are strangers"),
            ("a\0b@x.example", Err(AddressFault::Character), "NUL is never a place to cut"),
            ("=?utf-8?q?ana?=@acme.example", Err(AddressFault::Character), "encoded words are not decoded in an address"),
            ("ana", Err(AddressFault::Form), "no domain"),
            ("@x.example", Err(AddressFault::Form), "no local part"),
            ("a..b@x.example", Err(AddressFault::Form), "empty atom"),
            ("a@x y.example", Err(AddressFault::Domain), "space in the domain"),
            ("a\u{202e}b@x.example", Err(AddressFault::Character), "bidi control"),
        ] {
            assert_eq!(EmailAddress::parse(text).as_ref().map(EmailAddress::as_str), expect.as_ref().copied(), "{why}");
        }
    }

    #[test]
    fn tags_stretch_no_limit() {
        for (text, expect) in [("a+1@x.example", "a@x.example"), ("a@x.example", "a@x.example"), ("+a@x.example", "+a@x.example")] {
            assert_eq!(EmailAddress::parse(text).unwrap().untagged(), expect);
        }
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(one_line("Hi\r\nBcc: x@y\u{2028}z\0!", 100), "Hi Bcc: x@y z !");
        assert_eq!(one_line("äöü", 5), "äö", "cut between characters");
        assert_eq!(one_line("ab cd", 2), "ab", "no blank beyond the limit");
        assert_eq!(one_line("ab cd", 3), "ab", "no blank at the end");
        assert_eq!(one_line("a \u{202a} \u{202b}b", 9), "a b", "one blank around what is left out");
    }
}
