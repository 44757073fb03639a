//! A large mail, piece by piece (`BODY.PEEK[]<offset.length>`, RFC 9051 section 6.4.5), into a file.
//!
//! Only a piece is in memory, and a slow line has a minute for a piece instead of for all of it. A server may ignore that a
//! piece was asked for, lie about the size, or answer nonsense: what its pieces make is believed only if they begin where
//! they should, end exactly where the size says, and nothing is behind. Anything else is a [`Step::Misfit`], and the mail is
//! asked for whole; it is never filed shorter than it is.

use super::Fault;
use super::answer::{Answer, Item};
use super::commands::Wire;
use crate::channel::spool;
use jiff::Timestamp;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// Octets that are asked for at once.
pub(super) const PIECE_OCTETS: u32 = 512 * 1024;
/// How much of a header is looked at for a Message-ID, or for one that it refers to.
const HEAD_OCTETS_MAX: usize = 64 * 1024;

/// A mail that is being fetched.
pub(super) struct Pieces {
    pub(super) uid: u32,
    pub(super) uid_validity: u32,
    /// In octets, as the server claims it.
    pub(super) size: u32,
    pub(super) file: Arc<File>,
    /// So much is in the file.
    pub(super) offset: u32,
    pub(super) arrived: Option<Timestamp>,
    /// Its Message-ID with angle brackets, once its first piece is here.
    pub(super) message_id: Option<Vec<u8>>,
    /// A connection ended over it; it goes on when its turn comes again.
    pub(super) paused: bool,
}

/// What came of asking for the next piece.
#[derive(Debug)]
pub(super) enum Step {
    /// It is in the file, and there is more.
    More,
    /// All of it is in the file.
    Complete,
    /// The pieces do not make a mail.
    Misfit(&'static str),
    /// The server does not list it, or lists it without content.
    Absent,
    /// The file cannot be written.
    Disk(io::Error),
}

impl Pieces {
    pub(super) fn new(uid_validity: u32, uid: u32, size: u32, file: File) -> Self {
        Self { uid, uid_validity, size, file: Arc::new(file), offset: 0, arrived: None, message_id: None, paused: false }
    }

    /// Asks for the next piece and writes it. `checked` may look at it before, with its place.
    pub(super) async fn step(&mut self, wire: &mut Wire, checked: impl FnOnce(u32, &[u8]) -> bool) -> Result<Step, Fault> {
        let item = match piece(wire, self.uid, self.offset).await {
            Err(Fault::Refused { bad: true, .. }) => return Ok(Step::Misfit("the server does not know pieces")),
            item => item?,
        };
        let Some(item) = item else { return Ok(Step::Absent) };
        if item.size.is_some_and(|size| size != self.size) {
            return Ok(Step::Misfit("its size has changed"));
        }
        let Some(octets) = item.body.filter(|octets| !octets.is_empty()) else {
            return Ok(match self.offset {
                0 => Step::Absent,
                offset if offset == self.size => Step::Complete,
                _ => Step::Misfit("it ends before its size"),
            });
        };
        if item.piece_at != Some(self.offset) {
            return Ok(Step::Misfit("the server sent something else than the piece"));
        }
        let end = u32::try_from(octets.len()).ok().and_then(|length| self.offset.checked_add(length));
        let Some(end) = end.filter(|end| *end <= self.size) else { return Ok(Step::Misfit("there is more of it than its size")) };
        if !checked(self.offset, &octets) {
            return Ok(Step::Misfit("it is another mail"));
        }
        if self.offset == 0 {
            self.message_id = message_id(&octets);
            self.arrived = item.arrived;
        }
        if let Err(fault) = spool::write_at(&self.file, self.offset.into(), octets).await {
            return Ok(Step::Disk(fault));
        }
        self.offset = end;
        Ok(Step::More)
    }
}

/// One piece with what the server says of the mail; `None`: it does not list it.
async fn piece(wire: &mut Wire, uid: u32, offset: u32) -> Result<Option<Item>, Fault> {
    let mut found: Option<Item> = None;
    let command = format!("UID FETCH {uid} (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<{offset}.{PIECE_OCTETS}>)");
    wire.run(&command, |answer| {
        // A second answer about it may be one about its flags.
        if let Answer::Fetch(item) = answer
            && item.uid == uid
            && (item.body.is_some() || found.is_none())
        {
            found = Some(item);
        }
    })
    .await?;
    Ok(found)
}

/// The Message-ID in the header of a mail, with its angle brackets.
fn message_id(start: &[u8]) -> Option<Vec<u8>> {
    let head = head(start);
    let name = b"message-id:";
    let at = head
        .windows(name.len())
        .enumerate()
        .find(|(at, window)| window.eq_ignore_ascii_case(name) && (*at == 0 || head.get(at - 1) == Some(&b'\n')))?;
    let value = head.get(at.0 + name.len()..)?;
    let begin = value.iter().position(|octet| *octet == b'<')?;
    let length = value.get(begin..)?.iter().take(1_000).position(|octet| *octet == b'>')?;
    value.get(begin..=begin + length).map(<[u8]>::to_vec)
}

/// Whether the header of a mail names this Message-ID: such as in References.
pub(super) fn refers_to(mail: &[u8], message_id: &[u8]) -> bool {
    !message_id.is_empty() && head(mail).windows(message_id.len()).any(|window| window == message_id)
}

fn head(mail: &[u8]) -> &[u8] {
    let mail = mail.get(..HEAD_OCTETS_MAX).unwrap_or(mail);
    let end = mail.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(mail.len());
    mail.get(..end).unwrap_or(mail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_is_called_and_what_it_refers_to() {
        #[rustfmt::skip]
        let cases: [(&str, Option<&str>, &str); 6] = [
            ("Message-ID: <a@b>\r\nFrom: c\r\n\r\n", Some("<a@b>"), "first"),
            ("From: c\r\nmessage-id:\r\n <a@b>\r\n\r\n", Some("<a@b>"), "folded, in small letters"),
            ("From: c\r\nX-Message-ID: <a@b>\r\n\r\n", None, "another field"),
            ("From: c\r\n\r\nMessage-ID: <a@b>\r\n", None, "in the body"),
            ("Message-ID: none\r\n\r\n", None, "without brackets"),
            ("", None, "nothing"),
        ];
        for (mail, id, why) in cases {
            assert_eq!(message_id(mail.as_bytes()).as_deref(), id.map(str::as_bytes), "{why}");
        }
        assert!(refers_to(b"References: <x@y>\r\n <a@b>\r\n\r\ntext", b"<a@b>"));
        assert!(!refers_to(b"From: c\r\n\r\nas in <a@b>", b"<a@b>"), "only in the text");
        assert!(!refers_to(b"From: c\r\n\r\n", b""), "a mail without an id");
    }
}
