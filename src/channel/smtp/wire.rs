//! The stream that lettre speaks over: our own TCP connection without delay, in clear or under our own TLS, with the
//! [`ReplyGate`] before the server's words and an eye on how much of the content has gone out.

use super::replies::ReplyGate;
use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Ends the content (RFC 5321 section 4.1.1.4): before its last octet the server cannot have taken the mail.
const END_OF_CONTENT: [u8; 5] = *b"\r\n.\r\n";

/// Whether the end of a content has gone out on a connection since it was last asked.
#[derive(Clone, Debug, Default)]
pub(super) struct ContentMark(Arc<AtomicBool>);

impl ContentMark {
    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub(super) fn is_sent(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// In clear or under TLS.
#[derive(Debug)]
pub(super) enum Socket {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Clear(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(tcp) => Pin::new(tcp).poll_write(cx, octets),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, octets),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    gate: ReplyGate,
    mark: ContentMark,
    /// The last octets that went out.
    tail: [u8; END_OF_CONTENT.len()],
}

impl Wire {
    /// `greeted`: the server's greeting was read before TLS began (STARTTLS) and none will follow; lettre, which always
    /// reads one, is given ours.
    pub(super) fn new(socket: Socket, greeted: bool) -> io::Result<Self> {
        let mut gate = ReplyGate::before_greeting();
        if greeted {
            gate.take_in(b"220 secured\r\n").map_err(io::Error::other)?;
        }
        Ok(Self { socket, gate, mark: ContentMark::default(), tail: [0; END_OF_CONTENT.len()] })
    }

    /// Stays with whoever sends, while lettre owns the stream.
    pub(super) fn mark(&self) -> ContentMark {
        self.mark.clone()
    }

    /// Reads once and passes it through the gate. Ready with 0 at the end of the stream.
    fn poll_take_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut octets = [0; 4096];
        let mut buf = ReadBuf::new(&mut octets);
        ready!(self.socket.poll_read(cx, &mut buf))?;
        self.gate.take_in(buf.filled()).map_err(io::Error::other)?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn remember(&mut self, sent: &[u8]) {
        let size = self.tail.len();
        if sent.len() >= size {
            self.tail.copy_from_slice(&sent[sent.len() - size..]);
        } else {
            self.tail.rotate_left(sent.len());
            self.tail[size - sent.len()..].copy_from_slice(sent);
        }
        if self.tail == END_OF_CONTENT {
            self.mark.0.store(true, Ordering::Release);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.gate.ready().is_empty() {
            if ready!(this.poll_take_in(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let ready = this.gate.ready();
        let count = ready.len().min(buf.remaining());
        buf.put_slice(&ready[..count]);
        ready.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.gate.is_awaiting() {
            // Our turn: nothing may have come since the last reply. A server that has closed an idle connection, or sent
            // a late reply, is found out here, before a command is misread.
            match this.poll_take_in(cx) {
                Poll::Pending => this.gate.command_goes_out(),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "closed by the server"))),
                Poll::Ready(Ok(_)) => return Poll::Ready(Err(io::Error::other("the server spoke out of turn"))),
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            }
        }
        let count = ready!(this.socket.poll_write(cx, octets))?;
        this.remember(&octets[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_flush(cx),
            Socket::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Socket::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.tcp().peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn pair() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Wire::new(Socket::Clear(ours), true).unwrap(), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn the_mark_is_set_by_the_last_octet_of_the_content_only() {
        let (mut wire, _server) = pair().await;
        let mark = wire.mark();
        for (octets, sent) in
            [(&b"Subject: x\r\n\r\nbody\r\n"[..], false), (b"..", false), (b"\r\n", false), (b".\r", false), (b"\n", true)]
        {
            wire.write_all(octets).await.unwrap();
            assert_eq!(mark.is_sent(), sent, "after {octets:?}");
        }
        mark.clear();
        wire.write_all(b"\r\n.\r\n").await.unwrap();
        assert!(mark.is_sent(), "in one piece");
    }

    #[tokio::test]
    async fn a_word_out_of_turn_is_found_before_the_next_command() {
        let (mut wire, mut server) = pair().await;
        server.write_all(b"421 4.4.2 idle too long\r\n").await.unwrap();
        wire.socket.tcp().readable().await.unwrap();
        assert!(wire.write_all(b"MAIL FROM:<>\r\n").await.is_err());
    }
}
