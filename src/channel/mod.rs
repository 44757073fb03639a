//! The outside world: sockets and mail files, here only. A channel decides nothing about tickets.
//!
//! Two seams. **In**: a channel hands each message over and settles it at its source only when the receipt says that it
//! is on disk (P1). **Out**: it makes one attempt and says what came of it; whoever asked decides what follows (P5).

pub mod lane;
pub mod look_up;
pub mod spool;
pub mod imap;
pub mod import;
pub mod maildir;
pub mod mbox;
pub mod dns;
pub mod probe;
pub mod tls;
pub mod smtp;
pub mod chat;

use crate::clock::Clock;
use crate::config::settings::Limits;
use crate::domain::change::Landing;
use crate::domain::message::Source;
use crate::fault_plan::FaultPlan;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// The octets of one mail as they stood at their source.
#[derive(Clone, Debug)]
pub struct Received {
    pub source: Source,
    pub raw: Vec<u8>,
    /// When the source got it (IMAP INTERNALDATE, a file's time), if it says so.
    pub arrived: Option<Timestamp>,
    /// `raw` is only the start of a mail that is too large, or that cannot be had whole; here is the size of all of it,
    /// in octets, as the source claims it.
    pub cut: Option<u64>,
    /// Of an IMAP folder: the UID up to which every message had landed when this one was handed over. The mailbox's cursor
    /// moves so far and no further: past a message that could not be taken in, it would lose it.
    pub landed_to: Option<u32>,
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

    /// How far a mailbox whose mail stays where it is was taken in: UIDVALIDITY, and the last UID up to which *every*
    /// message has landed. `None`: nothing yet. A UID that is too low costs a second look (P2), one that is too high
    /// loses what could not be taken in below it.
    fn cursor(&self, mailbox: &str) -> BoxFuture<'static, Option<(u32, u32)>>;
}

/// What a watcher of mail is given besides its mailbox.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub limits: Limits,
    /// Shared by all mailboxes.
    pub budget: lane::Budget,
    /// Shared by all mailboxes: the connections that a host may be asked for.
    pub slots: imap::Slots,
    /// Where large mail waits; shared as well.
    pub spool: spool::Spool,
    pub clock: Clock,
    /// When cancelled, nothing more is fetched; what was handed over is waited for a little and settled.
    pub stop: CancellationToken,
    /// For tests: where to fail.
    pub fault_plan: FaultPlan,
}

/// How a mailbox fares; each watcher publishes its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Signed in, with the folder open, since then; `None`: not connected.
    pub connected_since: Option<Timestamp>,
    /// When the mailbox was last looked through to its end.
    pub last_success: Option<Timestamp>,
    /// When it last did something that it was asked for. A first look at a full mailbox may take hours, and all that time it
    /// answers. Not every change of it is announced.
    pub last_answer: Option<Timestamp>,
    /// Messages that are known and not yet on disk here and settled there.
    pub backlog: usize,
    /// The backlog as it was first known after connecting.
    pub waited: usize,
    /// When the oldest message of the backlog was first seen by us: how long it was there before, nobody knows yet.
    pub oldest_seen: Option<Timestamp>,
    /// What went wrong last, and when. It stays after a recovery: compare it with `last_success`.
    pub last_fault: Option<(FaultKind, String, Timestamp)>,
}

impl Health {
    /// Tells of a fault of a mailbox, and counts it.
    fn fail(&mut self, mailbox: &str, kind: FaultKind, why: String, at: Timestamp) {
        metrics::counter!("guichet_mailbox_faults_total", "mailbox" => mailbox.to_owned(), "kind" => kind.word()).increment(1);
        self.last_fault = Some((kind, why, at));
    }
}

/// What sort of fault keeps a mailbox from being watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The server cannot be reached, or went away.
    Network,
    /// It does not let us in: somebody must look after the password or token.
    SignIn,
    /// It answers what it should not, or refuses what it should do.
    Protocol,
    /// The desk cannot take a message now.
    Handover,
}

impl FaultKind {
    /// The word of metrics and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::SignIn => "sign_in",
            Self::Protocol => "protocol",
            Self::Handover => "handover",
        }
    }
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
