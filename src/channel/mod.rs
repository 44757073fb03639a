//! The outside world: sockets and mail files, here only. A channel decides nothing about tickets.
//!
//! Two seams. **In**: a channel hands each message over and settles it at its source only when the receipt says that it
//! is on disk (P1). **Out**: it makes one attempt and says what came of it; whoever asked decides what follows (P5).

pub mod chat;

use crate::domain::change::Landing;
use crate::domain::message::Source;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// The octets of one mail as they stood at their source.
#[derive(Clone, Debug)]
pub struct Received {
    pub source: Source,
    pub raw: Vec<u8>,
    /// When the source got it (IMAP INTERNALDATE, a file's time), if it says so.
    pub arrived: Option<Timestamp>,
}

/// Why a message could not be taken over. It stays where it is and is handed over again later.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandoverFault {
    /// The store cannot take it now.
    #[error("failed to store a message: {0}")]
    Store(String),
    /// The daemon is stopping.
    #[error("stopping")]
    Stopping,
}

/// Resolves once the message is on disk; until then nothing may be settled or acknowledged.
pub type Receipt = BoxFuture<'static, Result<Landing, HandoverFault>>;

/// The way in. The desk is one; the tests of the channels have another.
pub trait Handover: Clone + Send + Sync + 'static {
    /// A message that is parsed and whose octets are on disk, but which nothing was decided about.
    type Prepared: Send + 'static;

    /// Parses and keeps. Several may run at once and end in any order.
    fn prepare(&self, received: Received) -> BoxFuture<'static, Result<Self::Prepared, HandoverFault>>;

    /// Decides. To be called in the order in which the messages stood in their mailbox: a reply after what it answers.
    fn accept(&self, prepared: Self::Prepared) -> BoxFuture<'static, Result<Receipt, HandoverFault>>;
}

/// What came of one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The other side has taken it.
    Done,
    /// Not now. `of_route`: the fault lies with the way there, so that other mail would meet it too.
    Retry { why: String, of_route: bool },
    /// It may have been taken: the connection ended after the content was sent and before the answer.
    Uncertain { why: String },
    /// Never: the other side refuses this mail for good.
    GiveUp { why: String },
    /// Nobody is there: the chat window is closed.
    Offline,
}
