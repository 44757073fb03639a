//! What a server says, as far as it is asked for, in words of our own. The only user of the parser's types.

use super::Fault;
use super::commands::words;
use async_imap::imap_proto::{AttributeValue, Capability, MailboxDatum, Response, ResponseCode, Status};
use jiff::Timestamp;
use jiff::fmt::strtime;

/// One response of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `+`: the server waits for the rest of the command.
    Continue,
    /// The end of a command, with its tag.
    Tagged {
        tag: String,
        outcome: Result<(), Fault>,
    },
    /// An untagged OK, NO or BAD, or a greeting that signs us in.
    Status {
        signed_in: bool,
        uid_validity: Option<u32>,
    },
    /// `BYE`: the server is about to close; these are its words.
    Bye(String),
    /// In capitals, as `IDLE` and `AUTH=PLAIN`.
    Capabilities(Vec<String>),
    /// Flags that a message of the folder has, or can be given for good.
    Flags(Vec<String>),
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
    /// In octets, as the server claims it.
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

#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum, open for what was not asked for")]
impl From<&Response<'_>> for Answer {
    fn from(response: &Response<'_>) -> Self {
        match response {
            Response::Continue(_) => Self::Continue,
            Response::Done { tag, status, outcome } => {
                let refused = |bad| {
                    let code = if outcome.code == Some(ResponseCode::TryCreate) { Code::TryCreate } else { Code::None };
                    Err(Fault::Refused { bad, code, text: words(outcome.information.as_deref()) })
                };
                let outcome = match status {
                    Status::Ok => Ok(()),
                    Status::No => refused(false),
                    Status::Bad => refused(true),
                    Status::PreAuth | Status::Bye => Err(Fault::Protocol("a tagged answer of an unknown kind".into())),
                };
                Self::Tagged { tag: tag.0.clone(), outcome }
            }
            Response::Data { status: Status::Bye, outcome } => Self::Bye(words(outcome.information.as_deref())),
            Response::Data { status, outcome } => match &outcome.code {
                Some(ResponseCode::PermanentFlags(flags)) => Self::Flags(owned(flags)),
                Some(ResponseCode::UidValidity(validity)) => Self::Status { signed_in: false, uid_validity: Some(*validity) },
                _ => Self::Status { signed_in: *status == Status::PreAuth, uid_validity: None },
            },
            Response::Capabilities(all) => Self::Capabilities(all.iter().map(capability).collect()),
            Response::MailboxData(MailboxDatum::Flags(flags)) => Self::Flags(owned(flags)),
            Response::MailboxData(MailboxDatum::Exists(count)) => Self::Exists(*count),
            Response::MailboxData(MailboxDatum::Search(uids)) => Self::Search(uids.clone()),
            Response::Expunge(number) => Self::Expunged(*number),
            Response::Fetch(_, attributes) => Self::Fetch(Item::of(attributes)),
            _ => Self::Other,
        }
    }
}

impl Item {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum, open for what was not asked for")]
    fn of(attributes: &[AttributeValue<'_>]) -> Self {
        let mut item = Self::default();
        for attribute in attributes {
            match attribute {
                AttributeValue::Uid(uid) => item.uid = *uid,
                AttributeValue::Rfc822Size(size) => item.size = Some(*size),
                AttributeValue::Flags(flags) => item.deleted = flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Deleted")),
                AttributeValue::InternalDate(text) => item.arrived = internal_date(text),
                AttributeValue::BodySection { section: None, index, data } => {
                    item.body = data.as_deref().map(<[u8]>::to_vec);
                    item.piece_at = *index;
                }
                _ => {}
            }
        }
        item
    }
}

fn owned(flags: &[std::borrow::Cow<'_, str>]) -> Vec<String> {
    flags.iter().map(|flag| flag.clone().into_owned()).collect()
}

fn capability(capability: &Capability<'_>) -> String {
    match capability {
        Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
        Capability::Auth(mechanism) => format!("AUTH={}", mechanism.to_ascii_uppercase()),
        Capability::Atom(atom) => atom.to_ascii_uppercase(),
    }
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
    fn what_was_not_asked_for_is_told_apart() {
        let of = |line: &str| Answer::from(&Response::parse(line.as_bytes()).unwrap().1);
        #[rustfmt::skip]
        let cases = [
            ("* 3 FETCH (FLAGS (\\Seen))\r\n", Answer::Fetch(Item::default()), "no UID: unsolicited"),
            ("* 3 FETCH (UID 9 BODY[] NIL)\r\n", Answer::Fetch(Item { uid: 9, ..Item::default() }), "no content"),
            ("* 3 FETCH (UID 9 BODY[]<0> {2}\r\nab)\r\n", Answer::Fetch(Item { uid: 9, body: Some(b"ab".to_vec()), piece_at: Some(0), ..Item::default() }), "a start"),
            ("* 3 FETCH (UID 9 BODY[]<7> \"\")\r\n", Answer::Fetch(Item { uid: 9, body: Some(Vec::new()), piece_at: Some(7), ..Item::default() }), "nothing behind"),
            ("* 3 FETCH (UID 9 BODY[TEXT] {2}\r\nab)\r\n", Answer::Fetch(Item { uid: 9, ..Item::default() }), "another part"),
            ("* 3 FETCH (UID 9 FLAGS (\\deleted))\r\n", Answer::Fetch(Item { uid: 9, deleted: true, ..Item::default() }), "in small letters"),
            ("* OK [UIDVALIDITY 5] so\r\n", Answer::Status { signed_in: false, uid_validity: Some(5) }, "a code"),
            ("* PREAUTH hello\r\n", Answer::Status { signed_in: true, uid_validity: None }, "signed in"),
            ("* CAPABILITY IMAP4rev1 Idle auth=Plain\r\n", Answer::Capabilities(["IMAP4REV1", "IDLE", "AUTH=PLAIN"].map(str::to_owned).into()), "any case"),
            ("* BYE so long\r\n", Answer::Bye("so long".into()), "the end"),
        ];
        for (line, expected, reason) in cases {
            assert_eq!(of(line), expected, "{reason}");
        }
    }
}
