//! The gate between the server's octets and lettre: one reply to one command, bounded, in a form that lettre can read.
//!
//! lettre 0.11 reads a line without an upper limit, fails on a reply without text or with one that is not UTF-8 (after
//! the content was sent that would make an accepted mail an uncertain one), panics on a blank line in the answer to EHLO,
//! and takes whatever lies in its buffer for the answer to the next command.

/// Octets of one reply, all its lines. RFC 5321 section 4.5.3.1.5 allows 512 a line.
const REPLY_OCTETS_MAX: usize = 16 * 1024;
/// Octets of one line's text that are passed on (lettre refuses lines over 1,000).
const TEXT_OCTETS_MAX: usize = 500;

/// Why what the server sent is no reply to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyFault {
    /// It sent something although it was not its turn; the replies no longer belong to the commands.
    #[error("the server spoke out of turn")]
    OutOfTurn,
    #[error("the server's reply is longer than {REPLY_OCTETS_MAX} octets")]
    TooLong,
    #[error("the server's reply is not SMTP")]
    NotSmtp,
}

/// Takes octets in, gives cleaned reply lines out.
#[derive(Debug)]
pub(super) struct ReplyGate {
    /// Whose turn it is: the server's (with the greeting, then after each command), or ours.
    awaiting: bool,
    line: Vec<u8>,
    octets: usize,
    ready: Vec<u8>,
}

impl ReplyGate {
    /// A connection on which the server speaks first.
    pub(super) const fn before_greeting() -> Self {
        Self { awaiting: true, line: Vec::new(), octets: 0, ready: Vec::new() }
    }

    /// Whether a reply is still owed.
    pub(super) const fn is_awaiting(&self) -> bool {
        self.awaiting
    }

    /// A command goes out: from now on a reply is owed.
    pub(super) fn command_goes_out(&mut self) {
        self.awaiting = true;
        self.octets = 0;
    }

    /// Takes what came from the server.
    pub(super) fn take_in(&mut self, received: &[u8]) -> Result<(), ReplyFault> {
        for &octet in received {
            if !self.awaiting {
                return Err(ReplyFault::OutOfTurn);
            }
            self.octets += 1;
            if self.octets > REPLY_OCTETS_MAX {
                return Err(ReplyFault::TooLong);
            }
            self.line.push(octet);
            if octet == b'\n' {
                self.end_line()?;
            }
        }
        Ok(())
    }

    /// What may be read by now.
    pub(super) fn ready(&mut self) -> &mut Vec<u8> {
        &mut self.ready
    }

    fn end_line(&mut self) -> Result<(), ReplyFault> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (code, rest) = line.split_at_checked(3).ok_or(ReplyFault::NotSmtp)?;
        if !code.iter().all(u8::is_ascii_digit) {
            return Err(ReplyFault::NotSmtp);
        }
        // RFC 5321 section 4.2: a client should take a bare code for a last line.
        let (separator, text) = rest.split_first().map_or((b' ', rest), |(&first, text)| (first, text));
        if separator != b' ' && separator != b'-' {
            return Err(ReplyFault::NotSmtp);
        }
        self.ready.extend_from_slice(code);
        self.ready.push(separator);
        self.ready.extend_from_slice(clean(text).as_bytes());
        self.ready.extend_from_slice(b"\r\n");
        self.awaiting = separator == b'-';
        Ok(())
    }
}

/// Text that is never blank and holds no control character.
fn clean(text: &[u8]) -> String {
    let mut cleaned = String::new();
    for c in String::from_utf8_lossy(text).chars() {
        if cleaned.len() + c.len_utf8() > TEXT_OCTETS_MAX {
            break;
        }
        cleaned.push(if c.is_control() { ' ' } else { c });
    }
    if cleaned.trim().is_empty() { "-".to_owned() } else { cleaned }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(received: &[u8]) -> Result<String, ReplyFault> {
        let mut gate = ReplyGate::before_greeting();
        gate.take_in(received)?;
        Ok(String::from_utf8(gate.ready().clone()).unwrap())
    }

    #[test]
    fn replies_become_readable_or_are_refused() {
        for (received, expect, why) in [
            (&b"250 ok\r\n"[..], Ok("250 ok\r\n"), "as it is"),
            (b"250-a\r\n250 b\r\n", Ok("250-a\r\n250 b\r\n"), "several lines"),
            (b"250\r\n", Ok("250 -\r\n"), "a bare code is a reply: lettre would call it none"),
            (b"250-   \r\n250 b\r\n", Ok("250--\r\n250 b\r\n"), "a blank EHLO line: lettre would panic"),
            (b"250 angenommen f\xfcr Sie\r\n", Ok("250 angenommen f\u{fffd}r Sie\r\n"), "Latin-1: lettre would call it a network error"),
            (b"250 ok\n", Ok("250 ok\r\n"), "bare LF"),
            (b"250 o\0k\x1b[31m\r\n", Ok("250 o k [31m\r\n"), "no control character reaches a terminal"),
            (b"250 ok\r\n250 queued\r\n", Err(ReplyFault::OutOfTurn), "a second reply that nobody asked for"),
            (b"250 ok\r\nx", Err(ReplyFault::OutOfTurn), "any octet behind a reply"),
            (b"hello\r\n", Err(ReplyFault::NotSmtp), "no code"),
            (b"25\r\n", Err(ReplyFault::NotSmtp), "too short"),
            (b"250+ok\r\n", Err(ReplyFault::NotSmtp), "no separator"),
        ] {
            assert_eq!(through(received).as_deref(), expect.as_ref().map(|s| *s), "{why}");
        }
    }

    #[test]
    fn p11_a_reply_is_bounded() {
        assert_eq!(through(&b"2".repeat(REPLY_OCTETS_MAX + 1)), Err(ReplyFault::TooLong), "a line without an end");
        assert_eq!(through(&b"250-x\r\n".repeat(REPLY_OCTETS_MAX / 7 + 1)), Err(ReplyFault::TooLong), "lines without an end");
    }

    #[test]
    fn one_command_opens_the_gate_for_one_reply() {
        let mut gate = ReplyGate::before_greeting();
        gate.take_in(b"220 hi\r\n").unwrap();
        assert!(!gate.is_awaiting());
        gate.command_goes_out();
        gate.take_in(b"250-a\r\n").unwrap();
        assert!(gate.is_awaiting(), "another line is announced");
        gate.take_in(b"250 b\r\n").unwrap();
        assert_eq!(gate.take_in(b"4"), Err(ReplyFault::OutOfTurn));
    }

    proptest! {
        #[test]
        fn whatever_comes_what_is_passed_on_is_reply_lines(received in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut gate = ReplyGate::before_greeting();
            let _ = gate.take_in(&received);
            let passed = String::from_utf8(gate.ready().clone()).unwrap();
            for line in passed.split_terminator("\r\n") {
                prop_assert!(line.len() > 4 && line.as_bytes()[..3].iter().all(u8::is_ascii_digit), "{line:?}");
                prop_assert!(!line.chars().any(char::is_control) && !line[4..].trim().is_empty());
            }
        }
    }
}
