//! What stands between a server and the parser: octets are put together into whole responses, within limits.
//!
//! A response is a line, and the literals that its line announces (`{500000000}`, RFC 9051 section 4.3) with the rest of
//! the line behind each. Memory follows what has come, not what was announced, and what is announced past the limit ends
//! the connection before an octet of it came (P11).

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A line without its literals: ten thousand UIDs need 110 KB.
const LINE_OCTETS_MAX: usize = 1 << 20;
/// Room for one read, at least and at most.
const READ_OCTETS_MIN: usize = 64 * 1024;
const READ_OCTETS_MAX: usize = 256 * 1024;
/// A buffer that grew larger than this is given back once it is empty.
const KEPT_OCTETS_MAX: usize = 1 << 20;

/// A connection that is read in responses. What goes past a limit is an error of kind
/// [`io::ErrorKind::FileTooLarge`], by which the caller tells it from a network's fault.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    literal_octets_max: u64,
    octets: Vec<u8>,
    /// Where the response begins that is being put together; what stands before it was given out.
    start: usize,
    /// Up to here it was looked at. Past the end of `octets`: inside a literal.
    looked: usize,
    /// Where its line goes on behind its last literal.
    segment: usize,
    /// Octets of it so far: of its line, and of its literals.
    line_octets: usize,
    literal_octets: u64,
}

impl<S> Guarded<S> {
    pub(super) const fn new(inner: S, literal_octets_max: u64) -> Self {
        Self { inner, literal_octets_max, octets: Vec::new(), start: 0, looked: 0, segment: 0, line_octets: 0, literal_octets: 0 }
    }

    pub(super) fn inner(&mut self) -> &mut S {
        &mut self.inner
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    /// Where the response ends, if all of it has come.
    fn end(&mut self) -> io::Result<Option<usize>> {
        while let Some(fresh) = self.octets.get(self.looked..).filter(|fresh| !fresh.is_empty()) {
            let line_end = fresh.iter().position(|octet| *octet == b'\n');
            let length = line_end.map_or(fresh.len(), |at| at + 1);
            self.looked += length;
            self.line_octets += length;
            if self.line_octets > LINE_OCTETS_MAX {
                return Err(too_large("line"));
            }
            if line_end.is_none() {
                break;
            }
            let announced = literal(&self.octets[self.segment..self.looked]).filter(|_| has_literals(&self.octets[self.start..]));
            let Some(announced) = announced else { return Ok(Some(self.looked)) };
            self.literal_octets = self.literal_octets.saturating_add(announced);
            if self.literal_octets > self.literal_octets_max {
                return Err(too_large("literal"));
            }
            self.looked = self.looked.saturating_add(usize::try_from(announced).unwrap_or(usize::MAX));
            self.segment = self.looked;
        }
        Ok(None)
    }

    /// Moves what has come of the response to the front, and makes room behind it.
    fn make_room(&mut self) {
        if self.start == self.octets.len() && self.octets.capacity() > KEPT_OCTETS_MAX {
            self.octets = Vec::new();
        } else {
            self.octets.drain(..self.start);
        }
        self.looked -= self.start;
        self.segment -= self.start;
        self.start = 0;
        let missing = self.looked.saturating_sub(self.octets.len());
        self.octets.reserve(missing.clamp(READ_OCTETS_MIN, READ_OCTETS_MAX));
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// The next whole response with the end of its line; `None` at the end of the connection. May be dropped at any time.
    pub(super) async fn response(&mut self) -> io::Result<Option<&[u8]>> {
        let end = loop {
            if let Some(end) = self.end()? {
                break end;
            }
            self.make_room();
            if self.inner.read_buf(&mut self.octets).await? == 0 {
                return if self.octets.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        let start = std::mem::replace(&mut self.start, end);
        self.segment = end;
        self.line_octets = 0;
        self.literal_octets = 0;
        Ok(self.octets.get(start..end))
    }
}

/// Untagged data has literals; a text that people write only looks like it (`* OK see {99}`).
fn has_literals(response: &[u8]) -> bool {
    let word = response.strip_prefix(b"* ").and_then(|rest| rest.split(|octet| matches!(octet, b' ' | b'\r' | b'\n')).next());
    word.is_some_and(|word| ![&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"].iter().any(|text| word.eq_ignore_ascii_case(text)))
}

/// The octets that the end of a line announces: `{n}`, or `{n+}` and `~{n}` (RFC 7888, RFC 3516), which some servers use.
fn literal(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"}")?;
    let line = line.strip_suffix(b"+").unwrap_or(line);
    let (_, digits) = line.split_at(line.iter().rposition(|octet| *octet == b'{')? + 1);
    let number = |sum: u64, digit: &u8| digit.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    digits.iter().try_fold(0, number).filter(|_| !digits.is_empty())
}

fn too_large(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("the server announced or sent a {what} that is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of a connection that brings `input` in pieces, and whether it ended well.
    async fn read(input: &[u8], literal_octets_max: u64, piece: usize) -> (Vec<Vec<u8>>, io::Result<()>) {
        use tokio::io::AsyncWriteExt as _;
        let (mut server, client) = tokio::io::duplex(piece);
        let input = input.to_vec();
        let writing = tokio::spawn(async move { server.write_all(&input).await });
        let mut guarded = Guarded::new(client, literal_octets_max);
        let mut responses = Vec::new();
        let outcome = loop {
            match guarded.response().await {
                Ok(Some(response)) => responses.push(response.to_vec()),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        drop(guarded);
        let _ = writing.await;
        (responses, outcome)
    }

    #[tokio::test]
    async fn p11_literals_are_bounded_and_their_content_is_not_looked_at() {
        #[rustfmt::skip]
        let cases: [(&[u8], Option<usize>, &str); 14] = [
            (b"* 1 FETCH (UID 1 BODY[] {5}\r\nabcde)\r\n", Some(1), "within the limit"),
            (b"* 1 FETCH (UID 1 BODY[] {10}\r\n0123456789)\r\n", Some(1), "at the limit"),
            (b"* 1 FETCH (UID 1 BODY[] {11}\r\n", None, "past the limit, before an octet of it came"),
            (b"* 1 FETCH (UID 1 BODY[] {99999999999999999999999}\r\n", None, "more than any integer"),
            (b"* 1 FETCH (UID 1 BODY[] {10}\r\n {99}\r\nxxx)\r\n* 2 FETCH (X {4}\r\nabcd)\r\n", Some(2), "a mail may contain what looks like one"),
            (b"* 1 FETCH (UID 1 BODY[] {2}\r\nab BODY[] {99}\r\n", None, "a second literal of the same line"),
            (b"* 1 FETCH (A {6}\r\nabcdef B {6}\r\nabcdef)\r\n", None, "together they are too long"),
            (b"* LIST () \"/\" {99}\r\n", None, "not asked for"),
            (b"* LIST () \"/\" {3}\r\nabc\r\n* OK\r\n", Some(2), "not asked for, but whole"),
            (b"* OK see {99}\r\ng1 NO see {99}\r\n", Some(2), "braces at the end of a text"),
            (b"* 1 FETCH (UID 1 BODY[] ~{2}\r\n\n\n)\r\n* OK\r\n", Some(2), "literal8"),
            (b"* 1 FETCH (UID 1 BODY[] {2+}\r\n\n\n)\r\n* OK\r\n", Some(2), "as a client may write it"),
            (b"* 1 FETCH (UID 1 BODY[] {0}\r\n)\n* OK\n", Some(2), "empty; a bare line feed"),
            (b"", Some(0), "nothing"),
        ];
        for (input, count, reason) in cases {
            for piece in [1, 2, 7, 1000] {
                let (responses, outcome) = read(input, 10, piece).await;
                assert_eq!(outcome.is_ok().then_some(responses.len()), count, "{reason}, in pieces of {piece}");
                if count.is_some() {
                    assert_eq!(responses.concat(), input, "{reason}: octet for octet");
                }
            }
        }
        let (_, outcome) = read(&vec![b'x'; LINE_OCTETS_MAX + 1], 10, 4096).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::FileTooLarge, "a line without end");
        let (_, outcome) = read(b"* 1 FETCH (UID 1 BODY[] {5}\r\nab", 10, 4096).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "closed inside a literal");
    }

    #[tokio::test]
    async fn p11_memory_is_given_back_after_a_large_mail() {
        let body = vec![b'x'; 3 << 20];
        let input = [format!("* 1 FETCH (UID 1 BODY[] {{{}}}\r\n", body.len()).as_bytes(), &body, b")\r\n"].concat();
        let mut guarded = Guarded::new(&input[..], 4 << 20);
        assert_eq!(guarded.response().await.unwrap().map(<[u8]>::len), Some(input.len()));
        assert!(guarded.response().await.unwrap().is_none());
        assert!(guarded.octets.capacity() <= KEPT_OCTETS_MAX, "{}", guarded.octets.capacity());
    }
}
