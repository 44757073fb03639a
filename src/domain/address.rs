//! One strict normal form of a mail address, and a contact: an address with the name beside it.
//!
//! Identity rests on this form (P8), so it has one way in, and whatever does not fit is nobody.

use icu_normalizer::ComposingNormalizerBorrowed;
use std::borrow::Cow;
use std::fmt;

/// Longest address that is believed, in octets (RFC 5321 section 4.5.3.1.3: a path has 256 with its brackets).
const ADDRESS_OCTETS_MAX: usize = 254;

/// `local@domain` in its normal form: lower case, composed (NFC), the domain as A-labels, no quoting, no comment,
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
        // RFC 5321 section 4.1.2: quotes that are not needed say nothing, so `"ana"@` and `ana@` are one mailbox.
        let local = if local.starts_with('"') { Cow::Owned(unquoted(local).ok_or(AddressFault::Character)?) } else { Cow::Borrowed(local) };
        let local = if local.is_ascii() { local } else { Cow::Owned(composed(&local)?) };
        // RFC 5322 section 3.2.3 atext and dots, and what RFC 6531 adds; a local part that needs its quotes is a stranger.
        let may_stand = |c: char| {
            c.is_ascii_alphanumeric()
                || "!#$%&'*+-/=?^_`{|}~.".contains(c)
                || (!c.is_ascii() && !c.is_control() && !c.is_whitespace() && !is_invisible(c))
        };
        if local.is_empty() || !local.chars().all(may_stand) || is_encoded(&local) {
            return Err(AddressFault::Character);
        }
        if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
            return Err(AddressFault::Form);
        }
        let domain = host_name(domain)?;
        let local = if local.is_ascii() { local.to_ascii_lowercase() } else { composed(&local.to_lowercase())? };
        let address = format!("{local}@{domain}");
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

/// The content of a quoted local part (RFC 5321 section 4.1.2).
fn unquoted(local: &str) -> Option<String> {
    let inner = local.strip_prefix('"')?.strip_suffix('"').filter(|_| local.len() >= 2)?;
    let mut content = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(c) = letters.next() {
        match c {
            '"' => return None,
            '\\' => content.push(letters.next()?),
            other => content.push(other),
        }
    }
    Some(content)
}

/// The composed form (RFC 6532 section 3.1: NFC). Characters that are another way to write ASCII (full-width letters, the Kelvin
/// sign, ligatures) are in no address that was ever given out, but in some that shall look like another's.
fn composed(local: &str) -> Result<String, AddressFault> {
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    let mut octets = [0; 4];
    if local.chars().any(|c| !c.is_ascii() && compatible.normalize(c.encode_utf8(&mut octets)).contains(|c: char| c.is_ascii())) {
        return Err(AddressFault::Character);
    }
    Ok(ComposingNormalizerBorrowed::new_nfc().normalize(local).into_owned())
}

/// Encoded words are not decoded in an address (RFC 2047 section 5), and what looks like one is none.
fn is_encoded(local: &str) -> bool {
    local.starts_with("=?") || local.split_once("=?").is_some_and(|(_, behind)| behind.contains("?="))
}

/// The domain as A-labels (RFC 5890): no literal, no empty label, and of labels in Unicode only what stands for itself: who maps
/// full-width letters and dots may be told another domain than who does not.
fn host_name(domain: &str) -> Result<String, AddressFault> {
    let name = idna::domain_to_ascii_strict(domain).map_err(|_| AddressFault::Domain)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.is_empty() || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressFault::Domain);
    }
    if !domain.is_ascii() {
        let (unicode, read) = idna::domain_to_unicode(&name);
        let stands_for_itself = |(written, read): (&str, &str)| written.is_ascii() || written.to_lowercase() == read;
        let composed = ComposingNormalizerBorrowed::new_nfc().normalize(domain);
        let same_labels = composed.split('.').count() == unicode.split('.').count();
        if read.is_err() || !same_labels || !composed.split('.').zip(unicode.split('.')).all(stands_for_itself) {
            return Err(AddressFault::Domain);
        }
    }
    Ok(name)
}

/// Characters that change how others are shown but show nothing themselves (bidi controls, joiners, fillers, tags), and the one
/// that stands for what could not be read.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
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
    on_one_line(text, octets_max).into_owned()
}

/// [`one_line`], borrowed where nothing has to be changed: most names and subjects are one already.
#[must_use]
pub fn on_one_line(text: &str, octets_max: usize) -> Cow<'_, str> {
    if text.len() <= octets_max && is_one_line(text) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len().min(octets_max));
    for word in text.split(separates) {
        // Before the first character of a word that is not the line's first.
        let mut gap = if line.is_empty() { "" } else { " " };
        for c in word.chars().filter(|c| !turns(*c)) {
            if line.len() + gap.len() + c.len_utf8() > octets_max {
                return Cow::Owned(line);
            }
            line.push_str(gap);
            line.push(c);
            gap = "";
        }
    }
    Cow::Owned(line)
}

/// Whether it is words with one space between two, and nothing that a line must not have.
fn is_one_line(text: &str) -> bool {
    let mut before = ' ';
    let is_plain = text.chars().all(|c| match (std::mem::replace(&mut before, c), c) {
        (_, '!'..='~') => true,
        (before, ' ') => before != ' ',
        (_, c) => !c.is_ascii() && !separates(c) && !turns(c),
    });
    is_plain && (before != ' ' || text.is_empty())
}

fn separates(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Changes the direction in which what follows is shown.
const fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn p8_the_normal_form_is_one(text in "(\"?[a-zA-Zé\u{301}İıßΣKａ.+\\\\]{1,8}\"?|\\PC{1,10})@([a-zA-Züßα\u{308}İ。ａ.-]{1,10}\\.[a-zé]{1,4}|\\PC{1,8})") {
            if let Ok(address) = EmailAddress::parse(&text) {
                let again = EmailAddress::parse(address.as_str());
                prop_assert_eq!(again.as_ref(), Ok(&address), "read again, it is itself");
                prop_assert!(address.as_str().matches('@').count() == 1 && !address.as_str().contains(['"', ' ', '\\']));
                prop_assert!(address.domain().is_ascii() && address.as_str().len() <= ADDRESS_OCTETS_MAX);
                // The same mailbox written otherwise is the same.
                let quoted = format!("\"{}\"@{}", address.local(), address.domain().to_uppercase());
                let quoted = EmailAddress::parse(&quoted);
                prop_assert_eq!(quoted.as_ref(), Ok(&address), "quoted, and the domain in capitals");
            }
        }
    }

    #[test]
    fn one_normal_form_or_nobody() {
        for (text, expect, why) in [
            ("Ana@Acme.Example", Ok("ana@acme.example"), "case is folded on both sides"),
            ("a+tag@x.example", Ok("a+tag@x.example"), "a tag stays: it never merges accounts"),
            ("kai@bücher.example", Ok("kai@xn--bcher-kva.example"), "domains are compared as A-labels"),
            ("\"a b\"@x.example", Err(AddressFault::Character), "what needs its quotes is a stranger"),
            ("\"Ana\"@x.example", Ok("ana@x.example"), "what needs none is the same mailbox (RFC 5321 section 4.1.2)"),
            ("\"a\\na\"@x.example", Ok("ana@x.example"), "a quoted pair is its character"),
            ("\"ana@acme.example\"@evil.example", Err(AddressFault::Character), "an address as a name is a stranger's"),
            ("\"\"@x.example", Err(AddressFault::Character), "quoted nothing"),
            ("\"@x.example", Err(AddressFault::Character), "an open quote"),
            ("\"a\"b\"@x.example", Err(AddressFault::Character), "a quote inside"),
            ("\"a\".b@x.example", Err(AddressFault::Character), "obsolete: quoted in part"),
            ("a(c)@x.example", Err(AddressFault::Character), "comments are gone before, or it is nobody"),
            ("<a@x.example>", Err(AddressFault::Character), "brackets"),
            ("@a.example,@b.example:ana@x.example", Err(AddressFault::Character), "source route (RFC 5321 appendix C)"),
            ("ana%acme.example@evil.example", Ok("ana%acme.example@evil.example"), "the percent hack is evil.example's"),
            ("acme.example!ana@evil.example", Ok("acme.example!ana@evil.example"), "so is a bang path"),
            ("ana@acme.example.", Err(AddressFault::Domain), "a dot at the end"),
            ("ana@acme..example", Err(AddressFault::Domain), "an empty label"),
            ("ana@[192.0.2.1]", Err(AddressFault::Domain), "a literal"),
            ("ana@192.0.2.1", Err(AddressFault::Domain), "a number is no name"),
            ("ana@-acme.example", Err(AddressFault::Domain), "a hyphen in front"),
            ("ana@a_b.example", Err(AddressFault::Domain), "no host name"),
            ("ana@xn--a.example", Err(AddressFault::Domain), "an A-label that stands for nothing"),
            ("kai@BÜCHER.example", Ok("kai@xn--bcher-kva.example"), "case of a U-label"),
            ("kai@bu\u{308}cher.example", Ok("kai@xn--bcher-kva.example"), "decomposed"),
            ("kai@XN--BCHER-KVA.example", Ok("kai@xn--bcher-kva.example"), "case of an A-label"),
            ("ana@\u{ff41}cme.example", Err(AddressFault::Domain), "a full-width letter: another domain to who maps it not"),
            ("ana@acme\u{3002}example", Err(AddressFault::Domain), "an ideographic dot"),
            ("ana@acme\u{ad}.example", Err(AddressFault::Domain), "a soft hyphen"),
            ("ana@\u{430}cme.example", Ok("ana@xn--cme-5cd.example"), "Cyrillic: valid, and another domain"),
            ("\u{ff41}na@x.example", Err(AddressFault::Character), "full-width letters are nobody's"),
            ("\u{212a}ai@x.example", Err(AddressFault::Character), "the Kelvin sign is no k"),
            ("o\u{fb03}ce@x.example", Err(AddressFault::Character), "nor a ligature its letters"),
            ("jose\u{301}@x.example", Ok("jos\u{e9}@x.example"), "composed (RFC 6532 section 3.1)"),
            ("JOSÉ@x.example", Ok("josé@x.example"), "case beyond ASCII"),
            ("\u{130}da@x.example", Ok("i\u{307}da@x.example"), "the Turkish dotted capital is not i"),
            ("I\u{131}@x.example", Ok("i\u{131}@x.example"), "nor is the dotless"),
            ("a\u{ad}na@x.example", Err(AddressFault::Character), "a soft hyphen shows nothing"),
            ("ana\u{fffd}@x.example", Err(AddressFault::Character), "what could not be read is nobody"),
            ("x=?utf-8?q?ana?=@acme.example", Err(AddressFault::Character), "encoded words anywhere"),
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
