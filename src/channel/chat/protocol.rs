//! The wire: subprotocol `guichet.v1`, one JSON object a text frame.
//!
//! The types are private to the chat and are no domain types; a change that an old window would not understand
//! needs a new subprotocol. Unknown types, unknown fields and missing fields are refused: a misspelt field must not
//! become a default. A server may add fields to its own frames; windows pass over what they do not know.
//!
//! | code | fatal | when |
//! |---|---|---|
//! | `bad_frame` | no; for binary frames yes | no JSON object of a known type with exactly its fields, or a value out of its bounds |
//! | `too_large` | no; beyond twice the limit yes | the frame has more octets than `chat_frame_octets_max` |
//! | `slow_down` | no; when frames of any kind flood yes | more messages in a minute than allowed; send it again later |
//! | `hello_first` | no; without a `hello` in time yes | something else came before `hello` |
//! | `bad_identity` | no | the signed identity does not verify or is expired; `hello` again with another or none |
//! | `bad_address` | no | the address in `hello` is none; `hello` again |
//! | `try_again` | no | the desk cannot do it now; nothing was taken; send it again with the same id |
//!
//! After a fatal error the server closes. Close codes: 1000 idle, 1003 binary, 1007 not UTF-8, 1008 flood or no
//! `hello`, 1009 too large, 1012 the daemon stops (come back after a moment). `busy` is no frame: it is the 503 that a
//! window gets instead of an upgrade when too many are open.

use super::{Shown, Speaker, Took};
use crate::domain::message::{SessionId, TicketNumber};
use serde::{Deserialize, Serialize};

/// The name that is negotiated in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "guichet.v1";
/// Longest id of a message that a window may choose, in octets.
pub const CLIENT_ID_OCTETS_MAX: usize = 64;
/// Longest name of a visitor, in octets; a longer one is refused.
pub const NAME_OCTETS_MAX: usize = 200;
/// Longest signed identity, in octets.
pub const IDENTITY_OCTETS_MAX: usize = 4096;
/// Longest comment beside a score, in octets.
pub const COMMENT_OCTETS_MAX: usize = 4000;
/// Longest text in one frame to a window, in octets; what is longer is cut and says so (the mail has the whole).
pub const SHOWN_OCTETS_MAX: usize = 64 * 1024;
/// What one frame to a window can take: each octet of the text may become six (`\u0007`), and some for the rest.
pub const OUTGOING_OCTETS_MAX: usize = SHOWN_OCTETS_MAX * 6 + 16 * 1024;

/// What a window says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWindow {
    /// First; names the session to go on with and the last number that the window has shown. All may be left out.
    Hello {
        #[serde(default)]
        session: Option<String>,
        #[serde(default)]
        after: u32,
        #[serde(default)]
        identity: Option<String>,
        #[serde(default)]
        name: String,
        #[serde(default)]
        address: String,
        #[serde(default)]
        language: Option<String>,
    },
    Message {
        id: String,
        text: String,
    },
    // Braces although empty: serde refuses unknown fields in a struct variant only.
    Typing {},
    Seen {
        seq: u32,
    },
    Rate {
        score: u8,
        #[serde(default)]
        comment: String,
    },
    End {},
}

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWindow<'a> {
    Welcome {
        session: String,
        ticket: Option<u64>,
        resumed: bool,
        expected: &'a str,
    },
    Ack {
        id: &'a str,
        seq: u32,
        ticket: u64,
    },
    Message {
        seq: u32,
        author: &'static str,
        name: &'a str,
        text: &'a str,
        at: String,
        /// Only of the visitor's own messages, so that a window that sent it again knows it.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    Typing {
        name: &'a str,
    },
    Error {
        code: &'static str,
        message: &'static str,
        fatal: bool,
        /// The message that was not taken, where the error is about one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    Ended {
        ticket: Option<u64>,
    },
}

/// What went wrong, as a window hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BadFrame,
    TooLarge,
    SlowDown,
    HelloFirst,
    BadIdentity,
    BadAddress,
    TryAgain,
}

impl Code {
    /// The word on the wire, in logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::TooLarge => "too_large",
            Self::SlowDown => "slow_down",
            Self::HelloFirst => "hello_first",
            Self::BadIdentity => "bad_identity",
            Self::BadAddress => "bad_address",
            Self::TryAgain => "try_again",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::BadFrame => "this frame was not understood",
            Self::TooLarge => "this is too long",
            Self::SlowDown => "too many messages; wait a moment",
            Self::HelloFirst => "say hello first",
            Self::BadIdentity => "the signed identity is not valid or has expired",
            Self::BadAddress => "this is not a mail address",
            Self::TryAgain => "this cannot be done now; try again in a moment",
        }
    }

    /// The frame that says it.
    #[must_use]
    pub const fn frame(self, fatal: bool, id: Option<&str>) -> ToWindow<'_> {
        ToWindow::Error { code: self.word(), message: self.sentence(), fatal, id }
    }
}

/// Reads one text frame and checks every bound; texts come back cleaned.
///
/// # Errors
/// [`Code::TooLarge`] or [`Code::BadFrame`].
pub fn read(text: &str, frame_octets_max: usize) -> Result<FromWindow, Code> {
    if text.len() > frame_octets_max {
        return Err(Code::TooLarge);
    }
    let frame = serde_json::from_str(text).map_err(|_| Code::BadFrame)?;
    match frame {
        FromWindow::Hello { session, after, identity, name, address, language } => {
            if identity.as_ref().is_some_and(|i| i.len() > IDENTITY_OCTETS_MAX)
                || name.len() > NAME_OCTETS_MAX
                || address.len() > NAME_OCTETS_MAX * 2
                || language.as_ref().is_some_and(|l| l.len() > CLIENT_ID_OCTETS_MAX)
            {
                return Err(Code::BadFrame);
            }
            let name = one_line(&name);
            Ok(FromWindow::Hello { session, after, identity, name, address, language })
        }
        FromWindow::Message { id, text } => {
            let id_is_good = (1..=CLIENT_ID_OCTETS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
            let text = clean(&text);
            if !id_is_good || text.is_empty() {
                return Err(Code::BadFrame);
            }
            Ok(FromWindow::Message { id, text })
        }
        FromWindow::Rate { score, comment } => {
            if !(1..=5).contains(&score) || comment.len() > COMMENT_OCTETS_MAX {
                return Err(Code::BadFrame);
            }
            Ok(FromWindow::Rate { score, comment: clean(&comment) })
        }
        FromWindow::Typing {} | FromWindow::Seen { .. } | FromWindow::End {} => Ok(frame),
    }
}

/// The welcome frame.
#[must_use]
pub fn welcome(session: SessionId, ticket: Option<TicketNumber>, resumed: bool, expected: &str) -> ToWindow<'_> {
    ToWindow::Welcome { session: session.to_hex(), ticket: ticket.map(|t| t.0), resumed, expected }
}

/// The frame that says a message is durable.
#[must_use]
pub fn ack(id: &str, took: Took) -> ToWindow<'_> {
    ToWindow::Ack { id, seq: took.seq, ticket: took.ticket.0 }
}

/// The frame that shows one message.
#[must_use]
pub fn shown(shown: &Shown) -> String {
    let author = match shown.author {
        Speaker::Customer => "customer",
        Speaker::Agent => "agent",
        Speaker::Desk => "desk",
    };
    let cut;
    let text = if shown.text.len() > SHOWN_OCTETS_MAX {
        let end = shown.text.floor_char_boundary(SHOWN_OCTETS_MAX);
        cut = format!("{} […]", &shown.text[..end]);
        &cut
    } else {
        &shown.text
    };
    write(&ToWindow::Message { seq: shown.seq, author, name: &shown.name, text, at: shown.at.to_string(), id: shown.client_id.as_deref() })
}

/// One frame as text.
#[must_use]
pub fn write(frame: &ToWindow<'_>) -> String {
    // Plain strings and numbers always serialise; should that ever change, a window must not hang on silence.
    serde_json::to_string(frame).unwrap_or_else(|_| r#"{"type":"error","code":"try_again","message":"","fatal":false}"#.to_owned())
}

/// Line ends become `\n`, other control characters go (they serve only to fool terminals and mail readers), and
/// empty space at both ends.
fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text: String = text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect();
    text.trim().to_owned()
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1000;

    #[test]
    fn good_frames_are_read() {
        let message = |id: &str, text: &str| FromWindow::Message { id: id.into(), text: text.into() };
        let hello = |name: &str| FromWindow::Hello {
            session: None,
            after: 0,
            identity: None,
            name: name.into(),
            address: String::new(),
            language: None,
        };
        let table = [
            (r#"{"type":"message","id":"c1","text":"hi"}"#, message("c1", "hi")),
            (r#"{"text":" a\r\nb\u0007 ","id":"c1","type":"message"}"#, message("c1", "a\nb")), // order is free, text is cleaned
            (r#"{"type":"typing"}"#, FromWindow::Typing {}),
            (r#"{"type":"seen","seq":4}"#, FromWindow::Seen { seq: 4 }),
            (r#"{"type":"rate","score":5}"#, FromWindow::Rate { score: 5, comment: String::new() }),
            (r#"{"type":"end"}"#, FromWindow::End {}),
            (r#"{"type":"hello"}"#, hello("")), // a window that knows nothing yet
            (r#"{"type":"hello","session":null,"after":0,"identity":null,"name":"A\nB","address":""}"#, hello("A B")), // one line
        ];
        for (text, want) in table {
            assert_eq!(read(text, LIMIT), Ok(want), "{text}");
        }
    }

    #[test]
    fn p11_bad_frames_are_refused() {
        let long_id = format!(r#"{{"type":"message","id":"{}","text":"hi"}}"#, "x".repeat(65));
        let long_name = format!(r#"{{"type":"hello","name":"{}"}}"#, "x".repeat(201));
        let table = [
            ("", "nothing"),
            ("hello", "no JSON"),
            ("[]", "no object"),
            ("{}", "no type"),
            (r#"{"type":"shout"}"#, "unknown type"),
            (r#"{"type":"typing","to":"x"}"#, "unknown field beside a type without fields"),
            (r#"{"type":"message","id":"c1","text":"hi","bcc":"x"}"#, "unknown field"),
            (r#"{"type":"message","id":"c1"}"#, "missing field"),
            (r#"{"type":"message","id":"","text":"hi"}"#, "empty id"),
            (r#"{"type":"message","id":"a b","text":"hi"}"#, "white space in the id"),
            (r#"{"type":"message","id":"c1","text":" \n "}"#, "empty text"),
            (r#"{"type":"message","id":1,"text":"hi"}"#, "wrong kind of value"),
            (r#"{"type":"message","id":"c1","text":"hi"}{}"#, "two objects"),
            (r#"{"type":"seen","seq":-1}"#, "negative"),
            (r#"{"type":"seen","seq":4294967296}"#, "more than the count can have"),
            (r#"{"type":"rate","score":0}"#, "score too low"),
            (r#"{"type":"rate","score":6}"#, "score too high"),
            (&long_id, "long id"),
            (&long_name, "long name"),
        ];
        for (text, why) in table {
            assert_eq!(read(text, LIMIT), Err(Code::BadFrame), "{why}");
        }
        let large = format!(r#"{{"type":"message","id":"c1","text":"{}"}}"#, "x".repeat(LIMIT));
        assert_eq!(read(&large, LIMIT), Err(Code::TooLarge));
        let deep = "[".repeat(LIMIT);
        assert_eq!(read(&deep, LIMIT), Err(Code::BadFrame), "deep nesting costs no stack");
    }

    #[test]
    fn frames_are_written_as_documented() {
        let session = SessionId([0xab; 16]);
        let at: jiff::Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let mut agent = Shown { seq: 2, author: Speaker::Agent, name: "Ana".into(), text: "olá".into(), at, client_id: None };
        let table = [
            (
                write(&welcome(session, None, false, "soon")),
                r#"{"type":"welcome","session":"abababababababababababababababab","ticket":null,"resumed":false,"expected":"soon"}"#,
            ),
            (write(&ack("c1", Took { seq: 1, ticket: TicketNumber(1042) })), r#"{"type":"ack","id":"c1","seq":1,"ticket":1042}"#),
            (shown(&agent), r#"{"type":"message","seq":2,"author":"agent","name":"Ana","text":"olá","at":"2026-11-21T10:00:00Z"}"#),
            (write(&ToWindow::Typing { name: "Ana" }), r#"{"type":"typing","name":"Ana"}"#),
            (
                write(&Code::TooLarge.frame(false, None)),
                r#"{"type":"error","code":"too_large","message":"this is too long","fatal":false}"#,
            ),
            (write(&ToWindow::Ended { ticket: Some(1042) }), r#"{"type":"ended","ticket":1042}"#),
        ];
        for (got, want) in table {
            assert_eq!(got, want);
        }
        agent.text = "\u{7}é".repeat(SHOWN_OCTETS_MAX);
        assert!(shown(&agent).len() < OUTGOING_OCTETS_MAX, "a long text is cut, whatever it is made of");
    }

    proptest! {
        #[test]
        fn p3_no_text_stops_the_reader(text in ".{0,200}") {
            let _ = read(&text, 100);
        }

        #[test]
        fn what_is_cleaned_stays_clean(text in "[\\PC\\r\\n\\t\\x00-\\x1f]{0,60}") {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(!once.contains('\r'));
        }
    }
}
