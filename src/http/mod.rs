//! HTTP: the public listener (page, chat, health, metrics) and the control socket.
//!
//! [`serve`] is our own loop around hyper's HTTP/1 connections, because axum's has neither a time limit for the head of
//! a request nor a bound on connections (P11). HTTP/1 only: a WebSocket starts there, and a proxy speaks the rest.

pub mod api;
pub mod client;
pub mod control;
pub mod health;
pub mod page;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bounds of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections that speak HTTP at once; further ones wait in the kernel's queue. Open chat windows do not count.
    pub connections_max: usize,
    /// For the head of a request, also of the next one on a connection that is kept.
    pub head_time_max: Duration,
    /// A connection is ended after so long, when the answer in progress is given.
    pub life_time_max: Duration,
    /// For answers in progress when the connection or the daemon ends.
    pub grace: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            head_time_max: Duration::from_secs(10),
            life_time_max: Duration::from_mins(2),
            grace: Duration::from_secs(5),
        }
    }
}

/// Octets of the head of one request.
const HEAD_OCTETS_MAX: usize = 16 * 1024;
/// A listener that cannot accept (no file descriptors left) tries again after this.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// All routes of `chat.listen` but `/chat/ws`, which [`crate::channel::chat::upgrade::router`] gives; merge it into this.
/// `desk_name` stands above the chat page; `origins` are the sites that may frame it.
pub fn router(health: health::Health, desk_name: &str, origins: &[String]) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/chat/") }))
        .merge(health::router(health))
        .merge(page::router(desk_name, origins))
}

/// Adds the headers that every answer has.
pub fn guarded(router: Router) -> Router {
    router.layer(axum::middleware::map_response(page::guard))
}

/// Opens the public listener.
///
/// # Errors
/// The system's, when the address is taken or not ours.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Something that accepts connections.
pub trait Listener: Send + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The next connection. May be cancelled without loss.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;
    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        // A chat frame is small and waits for nobody.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Listener for UnixListener {
    type Io = UnixStream;
    async fn accept(&mut self) -> io::Result<UnixStream> {
        Ok(UnixListener::accept(self).await?.0)
    }
}

/// Serves until `stop`, then lets the answers in progress end. Chat windows are not waited for: that is
/// [`crate::channel::chat::Chat::drained`].
pub async fn serve<L: Listener>(mut listener: L, router: Router, limits: HttpLimits, stop: CancellationToken) {
    let connections = Arc::new(Semaphore::new(limits.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let tasks = TaskTracker::new();
    let router = guarded(router);
    loop {
        // The permit before the connection: what cannot be served yet waits in the kernel.
        let next = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok(io) => {
                let connection = converse(io, router.clone(), limits, stop.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(fault) => {
                // A connection that is gone before it was taken, or no descriptors: neither is a reason to end.
                tracing::warn!(%fault, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn converse<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    io: Io,
    router: Router,
    limits: HttpLimits,
    stop: CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time_max)
        .max_buf_size(HEAD_OCTETS_MAX)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        () = stop.cancelled() => None,
        () = tokio::time::sleep(limits.life_time_max) => None,
    };
    let outcome = if let Some(outcome) = ended {
        outcome
    } else {
        connection.as_mut().graceful_shutdown();
        let Ok(outcome) = timeout(limits.grace, connection).await else { return };
        outcome
    };
    if let Err(fault) = outcome {
        tracing::debug!(%fault, "connection ended");
    }
}
