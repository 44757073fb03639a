//! A wire with a clock on it: passes on what goes between two programs, and notes when each line passed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// A line, and when it was here, before it was passed on.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: Instant,
    pub connection: usize,
    pub side: Side,
    /// Its beginning, without its end.
    pub text: String,
}

/// How much of a line is kept: commands and replies are short, mails are of no interest.
const TEXT_OCTETS_MAX: usize = 120;

/// See the module; it ends with its value.
pub struct Relay {
    pub port: u16,
    lines: Arc<Mutex<Vec<Line>>>,
    listener: JoinHandle<()>,
}

impl Relay {
    /// In front of a port on loopback.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let lines: Arc<Mutex<Vec<Line>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let listener = tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((client, _)) = listener.accept().await {
                connection += 1;
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, connection, Side::Client, Arc::clone(&kept)));
                tokio::spawn(pass(from_server, to_client, connection, Side::Server, Arc::clone(&kept)));
            }
        });
        Self { port, lines, listener }
    }

    /// The lines that passed since the last time.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    connection: usize,
    side: Side,
    lines: Arc<Mutex<Vec<Line>>>,
) {
    let mut octets = vec![0; 64 * 1024];
    let mut begun: Vec<u8> = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut octets).await {
        let at = Instant::now();
        if to.write_all(&octets[..count]).await.is_err() {
            return;
        }
        let mut kept = lines.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in octets[..count].split_inclusive(|octet| *octet == b'\n') {
            let room = TEXT_OCTETS_MAX.saturating_sub(begun.len());
            begun.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let text = String::from_utf8_lossy(&begun).trim_end().to_owned();
                kept.push(Line { at, connection, side, text });
                begun.clear();
            }
        }
    }
    let _ = to.shutdown().await;
}
