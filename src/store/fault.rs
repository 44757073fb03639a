//! What can go wrong, said so that a caller knows whether to try again, to give up, or to stop.

use crate::domain::message::BlobId;
use crate::domain::outbound::OutboxId;

/// What to do about a [`StoreFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// This one thing could not be done, now; the store goes on.
    Again,
    /// This one thing can never be done; the store goes on.
    GiveUp,
    /// The store takes no further writes in this process.
    Stop,
}

/// Why the store did not do what it was asked. Texts hold no content of messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// The system refused a read or a write that may work later (a full disk, too many open files).
    #[error("failed to use the store's files: {0}")]
    Io(String),
    /// A write or a sync failed and it is not known what the disk holds. A failed `fsync` is never tried again in the
    /// hope that it works then: the kernel may have dropped the pages and report success the second time.
    #[error("the store has stopped, since a write failed ({0}); restart the daemon once the disk is well")]
    Failed(String),
    /// [`super::Store::close`] was called.
    #[error("the store is closed")]
    Closed,
    /// A record would pass its bound (P11).
    #[error("a {kind} of {octets} octets is larger than the {limit} that the store takes")]
    TooLarge { kind: &'static str, octets: u64, limit: u64 },
    /// What was read is not what was written.
    #[error("the store is damaged at a {kind}: {detail}; run `guichet verify`, and restore a backup if it reports faults")]
    Damaged { kind: &'static str, detail: String },
    /// A record of a later guichet. It is not guessed at.
    #[error("a {kind} has version {found} and this guichet knows {known} at most; run the newer guichet again")]
    NewerRecord { kind: &'static str, found: u8, known: u8 },
    /// A change that contradicts itself: a fault in the decision that made it.
    #[error("the change is not sound: {0}")]
    Unsound(&'static str),
    /// A change names a content that was not kept before.
    #[error("the change names blob {0}, which was not kept")]
    MissingBlob(BlobId),
    /// Nothing in the outbox has this name.
    #[error("the outbox has no entry {0}")]
    NoSuchEntry(OutboxId),
}

impl StoreFault {
    /// Again, give up, or stop?
    #[must_use]
    pub const fn advice(&self) -> Advice {
        match self {
            Self::Io(_) => Advice::Again,
            Self::Failed(_) | Self::Closed => Advice::Stop,
            Self::TooLarge { .. }
            | Self::Damaged { .. }
            | Self::NewerRecord { .. }
            | Self::Unsound(_)
            | Self::MissingBlob(_)
            | Self::NoSuchEntry(_) => Advice::GiveUp,
        }
    }

    pub(super) fn io(what: &str, fault: &std::io::Error) -> Self {
        Self::Io(format!("{what}: {fault}"))
    }
}

/// Why a store cannot be opened; each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// Written by a later guichet.
    #[error("the store has layout {found} and this guichet knows {known} at most; run the guichet that wrote it, or a newer one")]
    Newer { found: u32, known: u32 },
    /// The engine cannot read its own files.
    #[error(
        "the store is damaged ({detail}); stop, copy the state directory away, then put the last backup back with `guichet restore`: \
         the raw messages are safe in its `blobs` directory"
    )]
    Damaged { detail: String },
    /// Another process has it open.
    #[error("the store is in use by another process; stop the other guichet, or ask it through its control socket")]
    Locked,
    /// The directory cannot be used.
    #[error("failed to open the store: {what}: {fault}; check that the state directory exists, is writable and has space")]
    Io { what: String, fault: std::io::Error },
}

impl OpenFault {
    pub(super) fn io(what: impl Into<String>, fault: std::io::Error) -> Self {
        Self::Io { what: what.into(), fault }
    }
}
