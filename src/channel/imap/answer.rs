//! What a server says, as far as it is asked for, in words of our own.
//!
//! A client has to be ready for any response at any time (RFC 9051 section 2.2.2), and servers differ in case, spaces,
//! missing texts and items of their own: what was not asked for is passed over as long as its form can be followed. What
//! cannot be followed is refused, as then nobody knows where the next response begins; above all, nothing is taken for the
//! content of a mail whose length the server told wrong.

use super::Fault;
use super::commands::words;
use jiff::Timestamp;
use jiff::fmt::strtime;
use std::borrow::Cow;

/// The reasons for which a token is refused are a few words.
const CHALLENGE_OCTETS_MAX: usize = 8 * 1024;

/// One response of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `+`: the server waits for the rest of the command; with what it says about that.
    Continue(String),
    /// The end of a command, with its tag.
    Tagged {
        tag: String,
        outcome: Result<(), Fault>,
    },
    /// An untagged OK, NO or BAD, or a greeting that signs us in.
    Status {
        signed_in: bool,
        uid_validity: Option<u32>,
        uid_next: Option<u32>,
    },
    /// `BYE`: the server is about to close; these are its words.
    Bye(String),
    /// In capitals, as `IDLE` and `AUTH=PLAIN`.
    Capabilities(Vec<String>),
    /// Flags that are in use in the folder, or (`permanent`) that messages can be given for good.
    Flags {
        permanent: bool,
        flags: Vec<String>,
    },
    Exists(u32),
    /// By its number, not its UID.
    Expunged(u32),
    Search(Vec<u32>),
    Fetch(Item),
    /// What was not asked for.
    Other,
}

/// One message of a FETCH answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// 0: none was given, so that nobody asked for it.
    pub(super) uid: u32,
    /// In octets, as the server claims it; what is larger than can be said here is as large as can be.
    pub(super) size: Option<u32>,
    pub(super) deleted: bool,
    pub(super) arrived: Option<Timestamp>,
    /// The mail, or a piece of it.
    pub(super) body: Option<Vec<u8>>,
    /// Where the piece begins, if the server says that it is one.
    pub(super) piece_at: Option<u32>,
}

/// What a refusal's response code tells the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `[TRYCREATE]`: the folder is missing.
    TryCreate,
    /// None, or one that needs no answer of its own.
    None,
}

/// Lists in lists that are followed; nothing that is asked for has any.
const DEPTH_MAX: usize = 64;
/// UIDs of one answer: more than a search window can have.
const UIDS_MAX: usize = 1 << 20;

impl Answer {
    /// A whole response with its literals and the end of its line; `None` if it is none.
    pub(super) fn parse(response: &[u8]) -> Option<Self> {
        let line = response.strip_suffix(b"\n")?;
        let mut reader = Reader { rest: line.strip_suffix(b"\r").unwrap_or(line) };
        let first = reader.atom();
        if first.starts_with(b"+") {
            return Some(Self::Continue(challenge(line)));
        }
        // Exchange has been seen to leave out `* OK` before `[COPYUID 55 31 6]`.
        if first.starts_with(b"[") {
            return Some(Self::Other);
        }
        let word = reader.atom().to_ascii_uppercase();
        if first != b"*" {
            let outcome = match word.as_slice() {
                b"OK" => Ok(()),
                b"NO" => Err(reader.refusal(false)),
                b"BAD" => Err(reader.refusal(true)),
                _ => return None,
            };
            return Some(Self::Tagged { tag: std::str::from_utf8(first).ok().filter(|tag| !tag.is_empty())?.to_owned(), outcome });
        }
        Some(match word.as_slice() {
            b"OK" | b"NO" | b"BAD" | b"PREAUTH" => reader.status(word == b"PREAUTH"),
            b"BYE" => Self::Bye(reader.text()),
            b"CAPABILITY" => Self::Capabilities(reader.words().map(|word| word.to_ascii_uppercase()).collect()),
            b"FLAGS" => Self::Flags { permanent: false, flags: reader.list()?.words().collect() },
            b"SEARCH" => Self::Search(reader.numbers()),
            b"ESEARCH" => reader.extended_search()?,
            digits if digits.first().is_some_and(u8::is_ascii_digit) => reader.of_message(number(digits)?)?,
            [b'A'..=b'Z', ..] => Self::Other,
            _ => return None,
        })
    }
}

/// A value of a FETCH item.
enum Value<'a> {
    Nil,
    Atom(&'a [u8]),
    Text(Cow<'a, [u8]>),
    List(Reader<'a>),
}

/// What is left of a response.
#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Up to the next space or parenthesis; empty if there is nothing.
    fn atom(&mut self) -> &'a [u8] {
        self.spaces();
        let end = self.rest.iter().position(|octet| matches!(octet, b' ' | b'(' | b')' | b'\r' | b'\n'));
        self.take(end.unwrap_or(self.rest.len()))
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn eat(&mut self, octet: u8) -> bool {
        let is_next = self.rest.first() == Some(&octet);
        self.take(usize::from(is_next));
        is_next
    }

    /// All that is left, as it may stand in a log.
    fn text(&self) -> String {
        words(Some(String::from_utf8_lossy(self.rest).trim()).filter(|text| !text.is_empty()))
    }

    /// All that is left, at its spaces.
    fn words(self) -> impl Iterator<Item = String> {
        self.rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(|word| String::from_utf8_lossy(word).into_owned())
    }

    /// As long as there are numbers: `(MODSEQ 5)` may follow them (RFC 7162 section 3.1.5).
    fn numbers(self) -> Vec<u32> {
        self.rest.split(|octet| *octet == b' ').filter(|word| !word.is_empty()).map_while(number).collect()
    }

    /// What stands in `[…]` after a status word (RFC 9051 section 7.1): its name in capitals, and what follows it.
    fn code(mut self) -> Option<(Vec<u8>, Self)> {
        self.spaces();
        let code = self.rest.strip_prefix(b"[")?;
        let end = code.iter().position(|octet| *octet == b']').unwrap_or(code.len());
        let mut inside = Self { rest: code.get(..end)? };
        let name = inside.atom().to_ascii_uppercase();
        Some((name, inside))
    }

    fn status(self, signed_in: bool) -> Answer {
        let (mut uid_validity, mut uid_next) = (None, None);
        if let Some((name, mut inside)) = self.code() {
            match name.as_slice() {
                b"PERMANENTFLAGS" => {
                    return Answer::Flags { permanent: true, flags: inside.list().map_or_else(Vec::new, |list| list.words().collect()) };
                }
                b"UIDVALIDITY" => uid_validity = number(inside.atom()),
                b"UIDNEXT" => uid_next = number(inside.atom()),
                _ => {}
            }
        }
        Answer::Status { signed_in, uid_validity, uid_next }
    }

    fn refusal(self, bad: bool) -> Fault {
        let code = if self.code().is_some_and(|(name, _)| name == b"TRYCREATE") { Code::TryCreate } else { Code::None };
        Fault::Refused { bad, code, text: self.text() }
    }

    /// `(TAG "g7") UID ALL 2,10:11` (RFC 4731): what servers of IMAP4rev2 alone answer to SEARCH.
    fn extended_search(mut self) -> Option<Answer> {
        let mut found = Vec::new();
        self.list();
        while let Some(name) = Some(self.atom()).filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case(b"UID") {
                continue;
            }
            let Value::Atom(value) = self.value()? else { continue };
            if name.eq_ignore_ascii_case(b"ALL") {
                for range in value.split(|octet| *octet == b',') {
                    let (first, last) = range.split_at(range.iter().position(|octet| *octet == b':').unwrap_or(range.len()));
                    let first = number(first)?;
                    let last = if last.is_empty() { first } else { number(&last[1..])? };
                    if usize::try_from(first.abs_diff(last)).ok()? >= UIDS_MAX - found.len() {
                        return None;
                    }
                    found.extend(first.min(last)..=first.max(last));
                }
            }
        }
        Some(Answer::Search(found))
    }

    fn of_message(mut self, sequence: u32) -> Option<Answer> {
        Some(match self.atom().to_ascii_uppercase().as_slice() {
            b"EXISTS" => Answer::Exists(sequence),
            b"EXPUNGE" => Answer::Expunged(sequence),
            b"FETCH" => Answer::Fetch(self.item()?),
            _ => Answer::Other,
        })
    }

    fn item(mut self) -> Option<Item> {
        let mut item = Item::default();
        self.spaces();
        if !self.eat(b'(') {
            return None;
        }
        loop {
            self.spaces();
            if self.eat(b')') {
                break;
            }
            // Domino puts an item into parentheses of its own.
            if item.body.is_none() && self.rest.starts_with(b"(") {
                self.list()?;
                continue;
            }
            let name = self.item_name()?;
            // A mail that is longer than its server said goes on here: then this is no item.
            if item.body.is_some() && !is_item(&name) {
                return None;
            }
            let value = self.value()?;
            match (name.as_slice(), value) {
                (b"UID", Value::Atom(uid)) => item.uid = number(uid)?,
                // Mail of more than 4 GiB has been seen.
                (b"RFC822.SIZE", Value::Atom(size)) => {
                    item.size = size.iter().all(u8::is_ascii_digit).then(|| number(size).unwrap_or(u32::MAX));
                }
                (b"FLAGS", Value::List(flags)) => item.deleted = flags.words().any(|flag| flag.eq_ignore_ascii_case("\\Deleted")),
                (b"INTERNALDATE", Value::Text(text)) => item.arrived = internal_date(&String::from_utf8_lossy(&text)),
                (name, Value::Text(mail)) if let Some(stretch) = Stretch::of(name) => {
                    item.piece_at = match stretch {
                        Stretch::Whole => None,
                        Stretch::From(at) => Some(at),
                    };
                    item.body = Some(mail.into_owned());
                }
                (name, Value::Atom(_) | Value::List(_)) if Stretch::of(name).is_some() => return None,
                (_, Value::Nil | Value::Atom(_) | Value::Text(_) | Value::List(_)) => {}
            }
        }
        self.spaces();
        self.rest.is_empty().then_some(item)
    }

    /// In capitals, with its section: `BODY[HEADER.FIELDS (DATE)]<0>`.
    fn item_name(&mut self) -> Option<Vec<u8>> {
        let mut in_section = false;
        let end = self.rest.iter().position(|octet| {
            in_section = (in_section || *octet == b'[') && *octet != b']';
            !in_section && matches!(octet, b' ' | b'(' | b')' | b'"' | b'{')
        })?;
        Some(self.take(end).to_ascii_uppercase()).filter(|name| !name.is_empty())
    }

    fn value(&mut self) -> Option<Value<'a>> {
        self.spaces();
        if self.rest.starts_with(b"(") {
            return self.list().map(Value::List);
        }
        if self.is_at_string() {
            return self.string().map(Value::Text);
        }
        match self.atom() {
            // Yandex leaves out what it does not have.
            b"" => self.rest.starts_with(b")").then_some(Value::Nil),
            nil if nil.eq_ignore_ascii_case(b"NIL") => Some(Value::Nil),
            atom => Some(Value::Atom(atom)),
        }
    }

    fn is_at_string(&self) -> bool {
        self.rest.starts_with(b"\"") || self.rest.starts_with(b"{") || self.rest.starts_with(b"~{")
    }

    /// The quoted string or literal that begins here; `None` if it does not end.
    fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        self.take(usize::from(self.rest.starts_with(b"~")));
        if self.eat(b'{') {
            let line_end = self.rest.iter().position(|octet| *octet == b'\n')?;
            let head = self.take(line_end + 1);
            let digits = head.split(|octet| matches!(octet, b'}' | b'+')).next().and_then(number)?;
            let count = usize::try_from(digits).ok().filter(|count| *count <= self.rest.len())?;
            return Some(Cow::Borrowed(self.take(count)));
        }
        if !self.eat(b'"') {
            return None;
        }
        let (mut escaped, mut has_escapes) = (false, false);
        let end = self.rest.iter().position(|octet| {
            let ends = *octet == b'"' && !escaped;
            escaped = *octet == b'\\' && !escaped;
            has_escapes |= escaped;
            ends
        })?;
        let text = self.take(end);
        self.take(1);
        Some(if has_escapes { Cow::Owned(unescaped(text)) } else { Cow::Borrowed(text) })
    }

    /// What stands in the parentheses that begin here.
    fn list(&mut self) -> Option<Self> {
        self.spaces();
        if !self.eat(b'(') {
            return None;
        }
        let inside = self.rest;
        let mut depth = 1;
        while depth > 0 {
            match self.rest.first()? {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ if self.is_at_string() => {
                    self.string()?;
                    continue;
                }
                _ => {}
            }
            self.take(1);
            if depth > DEPTH_MAX {
                return None;
            }
        }
        let end = inside.len() - self.rest.len() - 1;
        inside.get(..end).map(|rest| Self { rest })
    }
}

/// `BODY[]`, or `BODY[]<7>` with where what follows begins in the mail (RFC 9051 section 7.5.2).
enum Stretch {
    Whole,
    From(u32),
}

impl Stretch {
    fn of(name: &[u8]) -> Option<Self> {
        let origin = name.strip_prefix(b"BODY[]")?;
        if origin.is_empty() {
            return Some(Self::Whole);
        }
        number(origin.strip_prefix(b"<")?.strip_suffix(b">")?).map(Self::From)
    }
}

/// What a server asks while signing in (RFC 9051 section 6.2.2), if it is not too long to be looked at.
fn challenge(line: &[u8]) -> String {
    let text = line.get(1..).unwrap_or_default();
    if text.len() > CHALLENGE_OCTETS_MAX { String::new() } else { String::from_utf8_lossy(text).trim().to_owned() }
}

/// Names of FETCH items, as far as they may stand behind the content of a mail.
fn is_item(name: &[u8]) -> bool {
    const PLAIN: [&[u8]; 11] = [
        b"UID",
        b"FLAGS",
        b"RFC822.SIZE",
        b"INTERNALDATE",
        b"MODSEQ",
        b"ENVELOPE",
        b"EMAILID",
        b"THREADID",
        b"SAVEDATE",
        b"PREVIEW",
        b"BODYSTRUCTURE",
    ];
    PLAIN.contains(&name) || [&b"X-"[..], b"BODY[", b"BINARY"].iter().any(|start| name.starts_with(start))
}

/// `\"` and `\\` of a quoted string (RFC 9051 section 4.3).
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        plain.extend(if *octet == b'\\' { octets.next() } else { Some(octet) });
    }
    plain
}

/// Digits alone, within 32 bits.
fn number(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `17-Jul-1996 02:44:25 -0700`; the day may be padded with a space (RFC 9051, date-day-fixed).
fn internal_date(text: &str) -> Option<Timestamp> {
    strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()?.to_timestamp().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates() {
        #[rustfmt::skip]
        let cases = [
            ("17-Jul-1996 02:44:25 -0700", Some("1996-07-17T09:44:25Z"), "two digits"),
            (" 1-Jan-2026 00:00:00 +0000", Some("2026-01-01T00:00:00Z"), "padded with a space"),
            ("31-Feb-2026 00:00:00 +0000", None, "no such day"),
            ("", None, "nothing"),
        ];
        for (text, expected, reason) in cases {
            assert_eq!(internal_date(text), expected.map(|t| t.parse().unwrap()), "{reason}");
        }
    }

    #[test]
    fn what_is_asked_for_and_what_is_not() {
        let item = |change: fn(&mut Item)| {
            let mut item = Item { uid: 9, ..Item::default() };
            change(&mut item);
            Some(Answer::Fetch(item))
        };
        let body = |text: &'static str| Some(Answer::Fetch(Item { uid: 9, body: Some(text.into()), ..Item::default() }));
        let status = |signed_in, uid_validity, uid_next| Some(Answer::Status { signed_in, uid_validity, uid_next });
        let flags =
            |permanent, flags: &[&str]| Some(Answer::Flags { permanent, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() });
        let tagged = |outcome| Some(Answer::Tagged { tag: "g1".into(), outcome });
        let refused = |bad, code, text: &str| tagged(Err(Fault::Refused { bad, code, text: text.into() }));
        #[rustfmt::skip]
        let cases = [
            ("* 3 FETCH (FLAGS (\\Seen))", Some(Answer::Fetch(Item::default())), "no UID: unsolicited"),
            ("* 3 FETCH (UID 9 BODY[] NIL)", item(|_| {}), "no content"),
            ("* 3 FETCH (UID 9 BODY[]<0> {2}\r\nab)", item(|item| (item.body, item.piece_at) = (Some(b"ab".to_vec()), Some(0))), "a start"),
            ("* 3 FETCH (UID 9 BODY[]<7> \"\")", item(|item| (item.body, item.piece_at) = (Some(Vec::new()), Some(7))), "nothing behind"),
            ("* 3 FETCH (UID 9 BODY[TEXT] {2}\r\nab)", item(|_| {}), "another part"),
            ("* 3 FETCH (UID 9 BODY[HEADER.FIELDS (DATE X)] {2}\r\nab BODY[] {0}\r\n)", body(""), "a part with a list in its name"),
            ("* 3 FETCH (UID 9 BODY[] \"a\\\"b\\\\\")", body("a\"b\\"), "quoted"),
            ("* 3 FETCH (UID 9 BODY[] ~{3}\r\n) \")", body(") \""), "literal8"),
            ("* 3 FETCH (BODY[] {2+}\r\nab UID 9)", body("ab"), "as clients write literals, and the UID behind it"),
            ("*  3  fetch  ( uid  9  body[]  {2}\r\nab ) ", body("ab"), "small letters and spaces"),
            ("* 3 FETCH (UID 9 FLAGS (\\deleted))", item(|item| item.deleted = true), "in small letters"),
            ("* 3 FETCH (UID 9 FLAGS () RFC822.SIZE 5000000000)", item(|item| item.size = Some(u32::MAX)), "more than 4 GiB"),
            ("* 3 FETCH (UID 9 RFC822.SIZE -1)", item(|_| {}), "no size at all"),
            ("* 3 FETCH (UID 9 X-NEW (a (\"b)\" {1}\r\n() c) MODSEQ (5) OTHER 1 FLAGS (\u{fc}))", item(|_| {}), "items that nobody asked for"),
            ("* 3 FETCH (UID 9 (ENVELOPE (NIL)) FLAGS () BODY[] )", item(|_| {}), "an item in parentheses, and one without a value"),
            ("* 3 FETCH (UID 9 BODY[] {2}\r\nabcd)", None, "longer than it was said to be"),
            ("* 3 FETCH (UID 9 BODY[] {2}\r\nab cd ef)", None, "the same, with words that look like an item"),
            ("* 3 FETCH (UID 9 BODY[] {2}\r\nab", None, "no end"),
            ("* 3 FETCH (UID 9 BODY[] {2}\r\nab) x", None, "more behind its end"),
            ("* 3 FETCH (UID 9 BODY[] {9}\r\nab)", None, "shorter than it was said to be"),
            ("* 3 FETCH (UID 9 BODY[] \"ab)", None, "a quote without end"),
            ("* 3 FETCH (UID 9 BODY[] ab)", None, "not a string"),
            ("* 3 FETCH (UID 4294967296)", None, "no UID can be that"),
            ("* 3 FETCH UID 9", None, "no list"),
            ("* OK [UIDVALIDITY 5] so", status(false, Some(5), None), "a code"),
            ("* ok [uidnext 7]", status(false, None, Some(7)), "a code in small letters and no text"),
            ("* NO", status(false, None, None), "nothing but the word"),
            ("* OK [ALERT]\u{dc}berlastung", status(false, None, None), "other letters at once after a code"),
            ("* PREAUTH hello", status(true, None, None), "signed in"),
            ("* OK [PERMANENTFLAGS (\\Seen \\*)] ok", flags(true, &["\\Seen", "\\*"]), "for good"),
            ("* OK [PERMANENTFLAGS ()]", flags(true, &[]), "none for good"),
            ("* FLAGS (\\Seen $x \u{fc})", flags(false, &["\\Seen", "$x", "\u{fc}"]), "in use"),
            ("* CAPABILITY  IMAP4rev1 Idle auth=Plain ", Some(Answer::Capabilities(["IMAP4REV1", "IDLE", "AUTH=PLAIN"].map(str::to_owned).into())), "any case, any spaces"),
            ("* SEARCH", Some(Answer::Search(vec![])), "none"),
            ("* SEARCH  3 1 2 (MODSEQ 5)", Some(Answer::Search(vec![3, 1, 2])), "not ascending, and more behind them"),
            ("* ESEARCH (TAG \"g1\") UID MIN 2 ALL 2,11:10 MODSEQ 5", Some(Answer::Search(vec![2, 10, 11])), "extended"),
            ("* ESEARCH (TAG \"g1\") UID", Some(Answer::Search(vec![])), "extended, none"),
            ("* ESEARCH UID ALL 1:4294967295", None, "more than a folder has"),
            ("* 4 EXISTS", Some(Answer::Exists(4)), "a count"),
            ("* 4294967296 EXISTS", None, "no folder has so many"),
            ("* 4 expunge", Some(Answer::Expunged(4)), "one that went"),
            ("* 4 RECENT", Some(Answer::Other), "not asked for"),
            ("* VANISHED (EARLIER) 41,43:116", Some(Answer::Other), "not asked for"),
            ("* XNEW whatever (it \"is", Some(Answer::Other), "unknown"),
            ("[COPYUID 55 31 6]", Some(Answer::Other), "a code without its word"),
            ("* BYE so long", Some(Answer::Bye("so long".into())), "the end"),
            ("* BYE", Some(Answer::Bye("(nothing)".into())), "the end without a word"),
            ("+ idling", Some(Answer::Continue("idling".into())), "go on"),
            ("+", Some(Answer::Continue(String::new())), "go on, without a text"),
            ("+OK", Some(Answer::Continue("OK".into())), "go on, without a space"),
            ("g1 OK", tagged(Ok(())), "done, without a text"),
            ("g1 ok [READ-WRITE] done", tagged(Ok(())), "done"),
            ("g1 NO [TRYCREATE] no such folder", refused(false, Code::TryCreate, "[TRYCREATE] no such folder"), "refused, with a code"),
            ("g1 BAD what?", refused(true, Code::None, "what?"), "refused"),
            ("g1 BYE", None, "no end of a command"),
            ("Dear support,", None, "a mail"),
            ("", None, "an empty line"),
            ("* ", None, "nothing"),
        ];
        for (line, expected, reason) in cases {
            assert_eq!(Answer::parse(format!("{line}\r\n").as_bytes()), expected, "{reason}: {line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn p11_whatever_a_server_says_no_panic(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), start in 0..4usize) {
            let starts: [&[u8]; 4] = [b"", b"* 1 FETCH (UID 9 BODY[] {", b"* OK [", b"* 1 FETCH (X (\""];
            let _ = Answer::parse(&[starts[start], &octets, b"\r\n"].concat());
        }

        #[test]
        fn a_mail_comes_out_octet_for_octet(mail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let response = [format!("* 1 FETCH (BODY[] {{{}}}\r\n", mail.len()).as_bytes(), &mail, b" UID 9)\r\n"].concat();
            let expected = Answer::Fetch(Item { uid: 9, body: Some(mail), ..Item::default() });
            proptest::prop_assert_eq!(Answer::parse(&response), Some(expected));
        }
    }
}
