//! What a domain wishes for mail that bears its name (RFC 7489): its record, and when another domain speaks for it.
//!
//! The record is read here and not by the crate that checks signatures: that one follows the successor of RFC 7489, which knows no
//! `pct`, and which domains do not publish for yet.

/// What becomes of mail that nothing vouches for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    None,
    Quarantine,
    Reject,
}

/// RFC 7489 section 6.3, as far as it bears on a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    wish: Wish,
    /// For the names below it; the same where nothing is written.
    wish_below: Wish,
    /// Of a hundred mails, for how many.
    percent: u8,
    pub(super) strict_dkim: bool,
    pub(super) strict_spf: bool,
}

impl Record {
    /// The one record among the texts of a name; of two neither counts (section 6.6.3).
    pub(super) fn of(texts: &[Vec<u8>]) -> Option<Self> {
        let mut records = texts.iter().filter_map(|text| Self::parse(std::str::from_utf8(text).ok()?));
        let record = records.next()?;
        records.next().is_none().then_some(record)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut tags = text.split(';').filter(|tag| !tag.trim().is_empty()).map(|tag| {
            let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
            (name.trim().to_ascii_lowercase(), value.trim())
        });
        // "v" comes first, and its value is the one that is read with its case (section 6.3).
        if tags.next() != Some(("v".to_owned(), "DMARC1")) {
            return None;
        }
        let mut record = Self { wish: Wish::None, wish_below: Wish::None, percent: 100, strict_dkim: false, strict_spf: false };
        let mut below = None;
        for (name, value) in tags {
            let value = value.to_ascii_lowercase();
            match name.as_str() {
                // A wish that nobody knows is taken as none (section 6.6.3 number 6).
                "p" => record.wish = Wish::parse(&value).unwrap_or_default(),
                "sp" => below = Wish::parse(&value),
                "pct" => record.percent = value.parse().ok().filter(|percent| *percent <= 100).unwrap_or(100),
                "adkim" => record.strict_dkim = value == "s",
                "aspf" => record.strict_spf = value == "s",
                _ => {}
            }
        }
        record.wish_below = below.unwrap_or(record.wish);
        Some(record)
    }

    /// The wish for a mail. Where it is not for all mail, the next milder one is taken for all (section 6.6.4 wants a draw, but the
    /// same mail is to be judged the same twice, and `explain` as the daemon).
    pub(super) const fn wish(self, below: bool) -> Wish {
        match (if below { self.wish_below } else { self.wish }, self.percent) {
            (wish, 100) => wish,
            (Wish::Reject, _) => Wish::Quarantine,
            (Wish::Quarantine | Wish::None, _) => Wish::None,
        }
    }
}

impl Wish {
    fn parse(value: &str) -> Option<Self> {
        match value {
            "none" => Some(Self::None),
            "quarantine" => Some(Self::Quarantine),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// Where a domain's registrant begins (section 3.2), by the public suffix list; of a public suffix there is none.
pub(super) fn organisation(domain: &str) -> Option<&str> {
    psl::domain_str(domain)
}

/// Whether one domain may speak for the other (section 3.1).
pub(super) fn is_aligned(domain: &str, from: &str, strict: bool) -> bool {
    domain == from || (!strict && organisation(domain).is_some_and(|organisation_| Some(organisation_) == organisation(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        for (text, expect, why) in [
            ("v=DMARC1; p=reject", Some((Wish::Reject, Wish::Reject, false, false)), "the least"),
            ("v=DMARC1;p=Quarantine;sp=none; adkim=s;aspf=r", Some((Wish::Quarantine, Wish::None, true, false)), "all"),
            (" v = DMARC1 ; P = reject ; ASPF = S ;", Some((Wish::Reject, Wish::Reject, false, true)), "white space and case"),
            ("v=DMARC1; p=reject; pct=20", Some((Wish::Quarantine, Wish::Quarantine, false, false)), "not for all"),
            ("v=DMARC1; p=quarantine; pct=0", Some((Wish::None, Wish::None, false, false)), "for none"),
            ("v=DMARC1; p=reject; pct=x", Some((Wish::Reject, Wish::Reject, false, false)), "no number"),
            ("v=DMARC1; p=reject; pct=500", Some((Wish::Reject, Wish::Reject, false, false)), "no percentage"),
            ("v=DMARC1; rua=mailto:a@b.example", Some((Wish::None, Wish::None, false, false)), "no wish"),
            ("v=DMARC1; p=burn", Some((Wish::None, Wish::None, false, false)), "an unknown wish"),
            ("v=DMARC1; p=none; sp=reject", Some((Wish::None, Wish::Reject, false, false)), "only below"),
            ("p=reject; v=DMARC1", None, "v comes first"),
            ("v=dmarc1; p=reject", None, "the case of v counts"),
            ("v=DMARC2; p=reject", None, "another version"),
            ("v=spf1 -all", None, "another record"),
            ("", None, "empty"),
        ] {
            let read = Record::of(&[b"something else".to_vec(), text.as_bytes().to_vec()]);
            assert_eq!(read.map(|r| (r.wish(false), r.wish(true), r.strict_dkim, r.strict_spf)), expect, "{why}: {text}");
        }
        assert_eq!(Record::of(&[b"v=DMARC1; p=none".to_vec(), b"v=DMARC1; p=reject".to_vec()]), None, "of two neither");
        assert_eq!(Record::of(&[b"v=DMARC1; p=none\xff".to_vec()]), None, "no text");
    }

    #[test]
    fn who_speaks_for_whom() {
        for (domain, from, strict, relaxed, why) in [
            ("acme.example", "acme.example", true, true, "itself"),
            ("mail.acme.example", "acme.example", false, true, "below"),
            ("acme.example", "a.b.acme.example", false, true, "above"),
            ("x.acme.example", "y.acme.example", false, true, "beside"),
            ("acme.example", "notacme.example", false, false, "another that ends the same"),
            ("evil.co.uk", "acme.co.uk", false, false, "co.uk is nobody's"),
            ("co.uk", "acme.co.uk", false, false, "a public suffix vouches for nobody below it"),
            ("a.acme.co.uk", "acme.co.uk", false, true, "below acme.co.uk"),
            ("a.github.io", "b.github.io", false, false, "a private suffix"),
            ("a.xn--55qx5d.cn", "b.xn--55qx5d.cn", false, false, "a suffix in A-labels"),
            ("example", "acme.example", false, false, "one label"),
            ("a.example", "b.example", false, false, "an unknown top level is a suffix"),
            ("co.uk", "co.uk", true, true, "whoever has it"),
        ] {
            assert_eq!((is_aligned(domain, from, true), is_aligned(domain, from, false)), (strict, relaxed), "{why}");
        }
    }
}
