//! The chat window: one connection a window, JSON frames, nothing acknowledged before it is durable (P1).
//!
//! Read in this order: [`upgrade`] lets a window in, [`session`] speaks with it, [`protocol`] is what is said,
//! [`hub`] knows which windows are open, [`identity`] believes a signed-in visitor.
//!
//! What is absent: no conversation is kept here. A window is told *that* there is something new and reads *what* from
//! the store, so replay after a reconnect, after a crash and live delivery are one path, and nothing is shown twice or
//! lost where they meet.

pub mod hub;
pub mod identity;
mod pace;
pub mod protocol;
pub mod session;
pub mod upgrade;

use crate::clock::Clock;
use crate::config::settings::{ChatSettings, Limits};
use crate::domain::address::EmailAddress;
use crate::domain::message::{Language, SessionId, TicketNumber};
use futures_util::future::BoxFuture;
use hub::Hub;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The desk as the chat needs it.
pub trait ChatDesk: Clone + Send + Sync + 'static {
    /// Takes what a visitor wrote; resolves when it is on disk (P1). The same session and client id again changes
    /// nothing and gives the same answer (P2).
    fn message(&self, said: Said) -> BoxFuture<'static, Result<Took, ChatFault>>;

    /// What a window shows after `after`, oldest first, at most `limit`. A number may be missing for good, but
    /// once a message can be read here, none with a lower number appears later.
    fn since(&self, session: SessionId, after: u32, limit: usize) -> BoxFuture<'static, Result<Vec<Shown>, ChatFault>>;

    /// What is known of a session; `None` if nothing was ever said in it.
    fn session(&self, session: SessionId) -> BoxFuture<'static, Result<Option<SessionState>, ChatFault>>;

    /// One line in the visitor's language: who answers and by when (P10).
    fn expected(&self, visitor: &Visitor) -> String;

    /// The visitor has closed the conversation; gives its ticket, if there is one.
    fn end(&self, session: SessionId) -> BoxFuture<'static, Result<Option<TicketNumber>, ChatFault>>;

    /// How content the visitor is, 1 to 5.
    fn rate(&self, session: SessionId, score: u8, comment: String) -> BoxFuture<'static, Result<(), ChatFault>>;
}

/// One thing that a visitor said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub session: SessionId,
    /// The window's own name for it: 1 to [`protocol::CLIENT_ID_OCTETS_MAX`] visible ASCII characters.
    pub client_id: String,
    /// Not empty, lines ended by `\n`, without other control characters.
    pub text: String,
    pub visitor: Visitor,
}

/// Who sits at the window, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// One line; empty if unknown.
    pub name: String,
    pub address: Option<EmailAddress>,
    pub language: Option<Language>,
    /// Whether name and address were signed by the site, and not only typed in.
    pub verified: bool,
}

/// A message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// Its place in the window's count, from 1.
    pub seq: u32,
    pub ticket: TicketNumber,
}

/// One message as a window shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Place in the window's count, from 1.
    pub seq: u32,
    pub author: Speaker,
    pub name: String,
    pub text: String,
    pub at: Timestamp,
    /// Of the visitor's own messages: the id that the window gave it.
    pub client_id: Option<String>,
}

/// Who speaks in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Customer,
    Agent,
    Desk,
}

/// What the store knows of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionState {
    pub ticket: Option<TicketNumber>,
    /// The highest number in the window's count; 0 before the first.
    pub last_seq: u32,
}

/// Why the desk could not do it. The visitor hears "try again"; the log hears this.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChatFault {
    /// The store cannot do it now.
    #[error("failed to reach the store: {0}")]
    Store(String),
    /// The daemon is stopping.
    #[error("stopping")]
    Stopping,
}

/// All that a chat connection needs; cheap to clone.
#[derive(Clone)]
pub struct Chat<D> {
    desk: D,
    hub: Hub,
    settings: Arc<ChatSettings>,
    limits: Limits,
    clock: Clock,
    stop: CancellationToken,
    windows: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl<D: ChatDesk> Chat<D> {
    /// `stop` ends every window with a close frame, after what it is committing.
    #[must_use]
    pub fn new(desk: D, hub: Hub, settings: ChatSettings, limits: Limits, clock: Clock, stop: CancellationToken) -> Self {
        let windows = Arc::new(Semaphore::new(limits.chat_connections_max.min(Semaphore::MAX_PERMITS)));
        Self { desk, hub, settings: Arc::new(settings), limits, clock, stop, windows, tasks: TaskTracker::new() }
    }

    /// Waits, after `stop` was cancelled, until each window is closed and each message in hand is committed.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
