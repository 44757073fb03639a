//! What stands between a server and the parser.
//!
//! The parser allocates what a literal announces (`{500000000}` before an octet of it has come), reads a line of any
//! length, and cuts free text at an octet without asking whether a character ends there, which panics
//! (`* OK [ALERT]Überlastung`). So every octet passes here first: literals and lines have limits (P11), and text that
//! people write is reduced to ASCII, octet for octet, which changes no length.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A line without its literals: ten thousand UIDs need 110 KB.
const LINE_OCTETS_MAX: usize = 1 << 20;

/// A connection whose incoming octets are guarded. What goes past a limit is an error of kind
/// [`io::ErrorKind::FileTooLarge`], by which the caller tells it from a network's fault.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    scanner: Scanner,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S, literal_octets_max: u64) -> Self {
        Self { inner, scanner: Scanner::new(literal_octets_max) }
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let fresh = buf.filled_mut().get_mut(before..).unwrap_or_default();
        Poll::Ready(self.scanner.pass(fresh))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// How far the end of a line looks like `{n}`, which announces a literal (RFC 9051 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brace {
    No,
    Open(u64),
    Closed(u64),
}

/// Follows the stream octet by octet in lines, and in leaps over literals.
#[derive(Debug)]
struct Scanner {
    literal_octets_max: u64,
    literal_octets_left: u64,
    /// Octets of this line so far, without its literals.
    line_octets: usize,
    /// The first three octets of the line.
    head: [u8; 3],
    brace: Brace,
}

impl Scanner {
    const fn new(literal_octets_max: u64) -> Self {
        Self { literal_octets_max, literal_octets_left: 0, line_octets: 0, head: [0; 3], brace: Brace::No }
    }

    /// `* 12 FETCH …`: the only lines in which literals are expected, as nothing that provokes others is asked for.
    fn is_message_data(&self) -> bool {
        self.head.starts_with(b"* ") && self.head[2].is_ascii_digit()
    }

    fn pass(&mut self, mut octets: &mut [u8]) -> io::Result<()> {
        while !octets.is_empty() {
            if self.literal_octets_left > 0 {
                let leap = usize::try_from(self.literal_octets_left).unwrap_or(usize::MAX).min(octets.len());
                self.literal_octets_left -= leap as u64;
                octets = &mut octets[leap..];
                continue;
            }
            self.pass_octet(&mut octets[0])?;
            octets = &mut octets[1..];
        }
        Ok(())
    }

    fn pass_octet(&mut self, octet: &mut u8) -> io::Result<()> {
        if let Some(head) = self.head.get_mut(self.line_octets) {
            *head = *octet;
        }
        self.line_octets += 1;
        if self.line_octets > LINE_OCTETS_MAX {
            return Err(too_large("line"));
        }
        if *octet == b'\n' {
            return self.end_line();
        }
        self.brace = match (*octet, self.brace) {
            (b'{', _) => Brace::Open(0),
            (b'0'..=b'9', Brace::Open(n)) => Brace::Open(n.saturating_mul(10).saturating_add(u64::from(*octet - b'0'))),
            (b'}', Brace::Open(n)) => Brace::Closed(n),
            (b'\r', closed @ Brace::Closed(_)) => closed,
            _ => Brace::No,
        };
        if !octet.is_ascii() && !self.is_message_data() {
            *octet = b'?';
        }
        Ok(())
    }

    fn end_line(&mut self) -> io::Result<()> {
        if let Brace::Closed(announced) = self.brace {
            if announced > self.literal_octets_max {
                return Err(too_large("literal"));
            }
            if self.is_message_data() {
                // The line goes on after its literal: its head stays.
                self.literal_octets_left = announced;
                self.brace = Brace::No;
                return Ok(());
            }
        }
        *self = Self::new(self.literal_octets_max);
        Ok(())
    }
}

fn too_large(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("the server announced or sent a {what} that is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(input: &[u8], literal_octets_max: u64, piece: usize) -> io::Result<Vec<u8>> {
        let mut scanner = Scanner::new(literal_octets_max);
        let mut octets = input.to_vec();
        for part in octets.chunks_mut(piece) {
            scanner.pass(part)?;
        }
        Ok(octets)
    }

    #[test]
    fn p11_literals_are_bounded_and_their_content_is_not_looked_at() {
        #[rustfmt::skip]
        let cases: [(&[u8], bool, &str); 8] = [
            (b"* 1 FETCH (UID 1 BODY[] {5}\r\nabcde)\r\n", true, "within the limit"),
            (b"* 1 FETCH (UID 1 BODY[] {10}\r\n", true, "at the limit"),
            (b"* 1 FETCH (UID 1 BODY[] {11}\r\n", false, "past the limit, before an octet of it came"),
            (b"* 1 FETCH (UID 1 BODY[] {99999999999999999999999}\r\n", false, "more than any integer"),
            (b"* 1 FETCH (UID 1 BODY[] {10}\r\n {99}\r\nxxx)\r\n* 2 FETCH (X {4}\r\n", true, "a mail may contain what looks like one"),
            (b"* 1 FETCH (UID 1 BODY[] {2}\r\nab BODY[] {99}\r\n", false, "a second literal of the same line"),
            (b"* LIST () \"/\" {99}\r\n", false, "not asked for, but the parser would allocate it"),
            (b"* OK see {99} of the manual\r\n", true, "braces inside a text"),
        ];
        for (input, good, reason) in cases {
            for piece in [1, 2, 7, 1000] {
                assert_eq!(passed(input, 10, piece).is_ok(), good, "{reason}, in pieces of {piece}");
            }
        }
        assert!(passed(&vec![b'x'; LINE_OCTETS_MAX + 1], 10, 4096).is_err(), "a line without end");
    }

    #[test]
    fn free_text_becomes_ascii_and_mail_stays_as_it_is() {
        let text = "* OK [ALERT]Überlastung\r\n* 1 FETCH (UID 1 BODY[] {2}\r\nÜ)\r\nA1 NO später\r\n";
        for piece in [1, 3, 1000] {
            let octets = passed(text.as_bytes(), 10, piece).unwrap();
            assert_eq!(octets, "* OK [ALERT]??berlastung\r\n* 1 FETCH (UID 1 BODY[] {2}\r\nÜ)\r\nA1 NO sp??ter\r\n".as_bytes());
        }
    }
}
