//! What a server may say, for [`crate::fuzz`]: through the guard and the parser to our own words.

use super::answer::Answer;
use super::commands::Wire;
use futures_util::FutureExt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A server that says these octets and closes.
///
/// # Panics
/// Where something is broken.
pub fn server(octets: &[u8]) {
    let whole = answers(octets, usize::MAX);
    for piece in [1, 7] {
        let pieces = answers(octets, piece);
        // Not all at once, it may end sooner or later: the guard stops at what is too large before the parser sees what was in
        // front of it, and the parser refuses `* ID (…)`, which is never asked for, where it is cut.
        let common = whole.len().min(pieces.len());
        assert_eq!(whole[..common], pieces[..common], "it does not matter how octets arrive");
    }
    let content: usize =
        whole.iter().map(|answer| if let Answer::Fetch(item) = answer { item.body.as_ref().map_or(0, Vec::len) } else { 0 }).sum();
    assert!(content <= octets.len(), "no octet comes twice");
}

/// All answers up to the first fault.
fn answers(octets: &[u8], piece: usize) -> Vec<Answer> {
    const LITERAL_OCTETS_MAX: u64 = 10_000;
    let mut wire = Wire::new(Box::new(Script { octets: octets.to_vec(), at: 0, piece }), LITERAL_OCTETS_MAX);
    let mut answers = Vec::new();
    // There is nothing to wait for, so each answer is there at once.
    while let Some(Ok(answer)) = wire.listen().now_or_never() {
        answers.push(answer);
        assert!(answers.len() <= octets.len(), "each answer takes an octet");
    }
    answers
}

/// Gives its octets in pieces; takes whatever is written.
#[derive(Debug)]
struct Script {
    octets: Vec<u8>,
    at: usize,
    piece: usize,
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let given = rest.len().min(self.piece).min(buf.remaining());
        buf.put_slice(&rest[..given]);
        self.at += given;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
