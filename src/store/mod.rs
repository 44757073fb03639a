//! The store: the only room that knows an engine.
//!
//! Its unit is one decision. A decision reads a [`Context`] and makes a [`Change`]; [`Store::commit`] applies all of it or nothing
//! if what it was decided on still holds, and answers twice: once it is **visible** to whatever is read later, and, through
//! its [`Receipt`], once it is **on disk**. Only then may a message be settled at its source (P1). Every write can be asked
//! for again without harm (P2).
//!
//! Times are stored in milliseconds, which is what the desk's clock gives; anything finer is cut off.
//!
//! What is large (raw mails, attachments, long texts) is kept beside the records by [`Store::keep`], before the change
//! that names it.
//!
//! ```text
//! keep ──► blob thread ──► packs ── sync ──► staged ─┐ (places are written with the next group)
//! commit ─► check ─► visible ─► … group … ─► writer thread: one batch ─► flush + fdatasync ─► receipts
//! context, ticket, due, … ◄── the tree, with what is visible and not in it yet
//! ```

mod blobs;
mod check;
mod dump;
mod fault;
mod outbox;
mod secret;
mod sled;

#[cfg(test)]
mod tests;

pub use blobs::BLOB_OCTETS_MAX;
pub use check::{Fault, Report};
pub use dump::DumpOptions;
pub use fault::{Advice, OpenFault, StoreFault};
pub use outbox::{Attempts, DeliveryState, OutboxFilter, Settled};

use self::sled::engine::Engine;
use self::sled::writer::{Claim, News, Update, Writer};
use crate::domain::address::EmailAddress;
use crate::domain::assign::Workload;
use crate::domain::away::Away;
use crate::domain::bounce::Mark;
use crate::domain::change::{Change, ChatSession, Context, History, Landing, Need, Quarantined};
use crate::domain::message::{BlobId, BlobRef, Message, Origin, Seq, SessionId, TicketNumber};
use crate::domain::ops::{DeskState, DigestFacts};
use crate::domain::outbound::{Delivery, OutboxEntry, OutboxId};
use crate::domain::ticket::Ticket;
use crate::fault_plan::FaultPlan;
use jiff::{SignedDuration, Timestamp};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use tokio::sync::oneshot;

/// A text of a message that is longer than this, in octets, is better kept (see [`Store::keep`]) together with the raw
/// message and named in `Body::kept`: its record stays small and nobody waits for a further sync.
pub const TEXT_OCTETS_MAX: usize = 4096;

/// Contents of fewer octets together are hashed and packed where they are, within a millisecond; more go to a blocking thread.
const INLINE_OCTETS_MAX: usize = 256 * 1024;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// What the engine may hold in memory of what it has read.
    pub cache_octets: u64,
    /// After so much writing to the engine's log a close in order makes the next start quick, which takes a second a gigabyte or two.
    pub refresh_octets: u64,
    /// For tests: where to fail.
    pub fault_plan: FaultPlan,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { cache_octets: 64 << 20, refresh_octets: 256 << 20, fault_plan: FaultPlan::default() }
    }
}

/// Which tickets are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketFilter {
    /// In the order in which they are due.
    NotClosed,
    /// All, by number.
    Any,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied. A quarantined message's landing has the id that the store gave it.
    Committed(Option<Landing>),
    /// Its message is there already; nothing was changed but the mailbox's cursor.
    Duplicate(Landing),
    /// A ticket, the session, the desk or the mail to be dropped has changed since: read and decide again.
    Stale,
}

/// The first answer to a change.
#[derive(Debug)]
pub struct Committed {
    pub outcome: Outcome,
    /// For a duplicate: when the original is on disk.
    pub receipt: Receipt,
}

/// Resolves once what was written is on disk. Dropping it cancels nothing.
#[derive(Debug)]
pub struct Receipt(Promise);

#[derive(Debug)]
enum Promise {
    Given(Result<(), StoreFault>),
    Promised(oneshot::Receiver<Result<(), StoreFault>>),
}

impl Receipt {
    const fn given(outcome: Result<(), StoreFault>) -> Self {
        Self(Promise::Given(outcome))
    }

    fn promised() -> (oneshot::Sender<Result<(), StoreFault>>, Self) {
        let (answer, promise) = oneshot::channel();
        (answer, Self(Promise::Promised(promise)))
    }
}

impl Future for Receipt {
    type Output = Result<(), StoreFault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Promise::Given(outcome) => Poll::Ready(outcome.clone()),
            Promise::Promised(promise) => Pin::new(promise).poll(context).map(|answer| answer.unwrap_or(Err(StoreFault::Closed))),
        }
    }
}

/// Octets that the store takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// The engine's files.
    pub records_disk_octets: u64,
    /// Keys and values in them; the rest waits to be used again.
    pub records_live_octets: u64,
    /// The packs.
    pub blobs_disk_octets: u64,
}

/// What waits for people and for the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub quarantine_waiting: u64,
    pub outbox_waiting: u64,
    /// Mails of tickets that could not be delivered for good, over all time.
    pub undeliverable: u64,
}

/// How often the disk was waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syncs {
    pub records: u64,
    pub blobs: u64,
}

/// The door. Cheap to clone; the store ends with the last clone, or with [`Store::close`].
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    /// Before the engine, so that it ends before it.
    writer: Writer,
    engine: Arc<Engine>,
    secrets: Mutex<()>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "store at {}", self.0.dir.display())
    }
}

impl Store {
    /// Opens the store in a state directory, or creates it. Blocks, after a kill of a large store for seconds.
    ///
    /// # Errors
    /// Each says what to do about it.
    pub fn open(dir: &Path, options: &OpenOptions) -> Result<Self, OpenFault> {
        let engine = Arc::new(sled::open::open(dir, options)?);
        let writer = Writer::start(Arc::clone(&engine))?;
        tracing::info!(dir = %dir.display(), "store open");
        Ok(Self(Arc::new(Inner { dir: dir.to_owned(), writer, engine, secrets: Mutex::new(()) })))
    }

    /// Where this daemon is to fail, for whoever works with the store; in service empty.
    #[must_use]
    pub fn fault_plan(&self) -> &FaultPlan {
        &self.0.engine.plan
    }

    /// Resolves once the store takes no further writes: after a failed write or sync, or after [`Store::close`]. What is to
    /// go on has to open it anew.
    pub async fn stopped(&self) {
        self.0.engine.blobs.stopped().cancelled().await;
    }

    /// All that a decision may see, read at one moment.
    pub fn context(&self, need: &Need) -> Result<Context, StoreFault> {
        self.0.engine.context(need)
    }

    /// Applies a change, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreFault::advice`] tells whether the change, or the store, is to blame.
    pub async fn commit(&self, change: Change) -> Result<Committed, StoreFault> {
        check_kept_texts(&change)?;
        self.0.writer.commit(&change).await
    }

    /// Keeps contents, each once, under their hashes. On disk on return; many calls at once share a sync. What no change
    /// comes to name stays as well and is found when the same content is kept again.
    pub async fn keep(&self, parts: Vec<Vec<u8>>) -> Result<Vec<BlobRef>, StoreFault> {
        let octets: usize = parts.iter().map(Vec::len).sum();
        let (names, new) = if octets <= INLINE_OCTETS_MAX {
            prepare(&self.0.engine, parts)?
        } else {
            let engine = Arc::clone(&self.0.engine);
            blocking(move || prepare(&engine, parts)).await?
        };
        if !new.is_empty() {
            self.0.engine.blobs.keep(new).await?;
        }
        Ok(names)
    }

    /// Reads a content, checked against its hash; `None` if it was never kept.
    pub async fn blob(&self, id: BlobId) -> Result<Option<Vec<u8>>, StoreFault> {
        let store = self.clone();
        blocking(move || store.blob_now(id)).await
    }

    /// The same, here and now: blocks.
    pub fn blob_now(&self, id: BlobId) -> Result<Option<Vec<u8>>, StoreFault> {
        let engine = &self.0.engine;
        engine.locate(id)?.map(|location| engine.blobs.read(id, location)).transpose()
    }

    /// Tickets with a clock event due by `now`, earliest first, and the time of the next that is not among them.
    pub fn due(&self, now: Timestamp, limit: usize) -> Result<(Vec<TicketNumber>, Option<Timestamp>), StoreFault> {
        self.0.engine.due(now, limit)
    }

    /// Outbox entries that are due, earliest first. Each one's attempt is on disk before this returns, and it is not due again
    /// before `lease` is over: a crash costs one delay, never a storm.
    pub async fn claim_outbox(&self, now: Timestamp, lease: SignedDuration, limit: usize) -> Result<Vec<OutboxEntry>, StoreFault> {
        self.0.writer.claim(&Claim { now, lease, limit }).await
    }

    /// Writes down what came of an attempt. Visible on return; the receipt tells when it is on disk.
    pub async fn settle_outbox(&self, id: OutboxId, verdict: Settled, now: Timestamp) -> Result<Receipt, StoreFault> {
        self.update(Update { id, news: News::Settled(verdict), now }).await
    }

    /// Writes down what somebody else knows of a delivery: a bounce report (`Bounced`), ops (`Failed` drops it; `Queued` makes it due
    /// again at `now`).
    pub async fn mark_delivery(&self, id: OutboxId, delivery: Delivery, now: Timestamp) -> Result<Receipt, StoreFault> {
        self.update(Update { id, news: News::Marked(delivery), now }).await
    }

    async fn update(&self, update: Update) -> Result<Receipt, StoreFault> {
        self.0.writer.update(&update).await
    }

    /// When the outbox next has something due.
    pub fn next_outbox(&self) -> Result<Option<Timestamp>, StoreFault> {
        self.0.engine.next_outbox()
    }

    pub fn outbox_entry(&self, id: OutboxId) -> Result<Option<OutboxEntry>, StoreFault> {
        self.0.engine.outbox_entry(id)
    }

    pub fn outbox_list(&self, filter: OutboxFilter, limit: usize) -> Result<Vec<OutboxEntry>, StoreFault> {
        self.0.engine.outbox_list(filter, limit)
    }

    /// How far the mails of a ticket are, by id.
    pub fn deliveries(&self, ticket: TicketNumber) -> Result<Vec<DeliveryState>, StoreFault> {
        self.0.engine.deliveries(ticket)
    }

    pub fn ticket(&self, number: TicketNumber) -> Result<Option<Ticket>, StoreFault> {
        self.0.engine.ticket(number)
    }

    /// Tickets one by one, read as they are asked for.
    pub fn tickets(&self, filter: TicketFilter) -> impl Iterator<Item = Result<Ticket, StoreFault>> + '_ {
        self.0.engine.tickets(filter)
    }

    /// The thread of a ticket, in order, with its texts.
    pub fn messages(&self, ticket: TicketNumber) -> Result<Vec<Message>, StoreFault> {
        self.0.engine.messages(ticket)
    }

    pub fn message(&self, ticket: TicketNumber, seq: Seq) -> Result<Option<Message>, StoreFault> {
        self.0.engine.message(ticket, seq)
    }

    pub fn history(&self, ticket: TicketNumber) -> Result<Vec<History>, StoreFault> {
        self.0.engine.history(ticket)
    }

    pub fn session(&self, id: SessionId) -> Result<Option<ChatSession>, StoreFault> {
        self.0.engine.session(id)
    }

    /// What a chat window has been shown or has said after a place of its own count, in order.
    pub fn chat_since(&self, session: SessionId, after: u32, limit: usize) -> Result<Vec<Message>, StoreFault> {
        self.0.engine.chat_since(session, after, limit)
    }

    /// UIDVALIDITY and the highest UID that was taken in under it.
    pub fn cursor(&self, mailbox: &str) -> Result<Option<(u32, u32)>, StoreFault> {
        self.0.engine.cursor(mailbox)
    }

    /// All that could not become part of a ticket, by id.
    pub fn quarantine(&self) -> Result<Vec<(u64, Quarantined)>, StoreFault> {
        self.0.engine.quarantine()
    }

    pub fn quarantined(&self, id: u64) -> Result<Option<Quarantined>, StoreFault> {
        self.0.engine.quarantined(id)
    }

    /// Where a quarantined message landed when it was released; `None` while it is kept apart.
    pub fn released(&self, id: u64) -> Result<Option<Landing>, StoreFault> {
        self.0.engine.released(id)
    }

    /// The mark of an address, be its time over or not.
    pub fn mark(&self, address: &EmailAddress) -> Result<Option<Mark>, StoreFault> {
        self.0.engine.mark(address)
    }

    /// All marked addresses, in no order.
    pub fn marks(&self) -> Result<Vec<Mark>, StoreFault> {
        self.0.engine.marks()
    }

    /// What the desk has told its ops; nothing in a new store.
    pub fn desk_state(&self) -> Result<DeskState, StoreFault> {
        self.0.engine.desk_state()
    }

    /// What the agents have to do, and whose turn was when.
    pub fn workload(&self) -> Result<Workload, StoreFault> {
        self.0.engine.workload()
    }

    /// Agents who said that they are away, be it over or not, in the order of their handles.
    pub fn away(&self) -> Result<Vec<Away>, StoreFault> {
        self.0.engine.away()
    }

    /// Counts what waits, key by key.
    pub async fn counts(&self) -> Result<Counts, StoreFault> {
        let engine = Arc::clone(&self.0.engine);
        blocking(move || engine.counts()).await
    }

    /// What the daily report tells; new is what is above `told`. Reads the whole quarantine: seldom.
    pub async fn digest_facts(&self, told: u64) -> Result<DigestFacts, StoreFault> {
        let engine = Arc::clone(&self.0.engine);
        blocking(move || engine.digest_facts(told)).await
    }

    /// By which routes a message came, and whether all of it did; `None` for chat, and for what was taken in before this was kept.
    pub fn origin(&self, landing: Landing) -> Result<Option<Origin>, StoreFault> {
        self.0.engine.origin(landing)
    }

    /// Checks every index against the rows, both ways; with `deep` also every content against its hash. Blocks; changes
    /// wait while the rows are walked.
    pub fn verify(&self, deep: bool) -> Result<Report, StoreFault> {
        check::verify(&self.0.engine, self.0.writer.pause(), deep)
    }

    /// The whole store as text, line by line, until `line` says that nobody reads on. Each row is as it is when it is read: of a
    /// store that is being written, the lines are not of one moment. Blocks; no change waits for it.
    pub fn dump(&self, options: DumpOptions, line: impl FnMut(String) -> bool) -> Result<(), StoreFault> {
        dump::dump(&self.0.engine, &self.secret("dump")?, options, line)
    }

    /// The secret of a name: 32 random octets, made once. Blocks.
    ///
    /// # Errors
    /// Files cannot be used, or the name is not of lower-case letters, digits, `-` and `_`.
    pub fn secret(&self, name: &str) -> Result<[u8; 32], StoreFault> {
        secret::read_or_make(&self.0.dir, name, &self.0.secrets)
    }

    /// Octets on disk, and what of them lives. Reads every row: seldom, and not on a runtime's thread.
    pub fn size(&self) -> Result<Size, StoreFault> {
        let engine = &self.0.engine;
        let records_live_octets =
            engine.all().try_fold(0, |sum: u64, row| row.map(|(key, value)| sum + (key.len() + value.len()) as u64))?;
        let of_files = |octets: std::io::Result<u64>| octets.map_err(|fault| StoreFault::io("measuring", &fault));
        Ok(Size {
            records_disk_octets: of_files(engine.octets())?,
            records_live_octets,
            blobs_disk_octets: of_files(engine.blobs.octets())?,
        })
    }

    /// How often the disk was waited for since the store was opened.
    #[must_use]
    pub fn syncs(&self) -> Syncs {
        Syncs { records: self.0.engine.syncs(), blobs: self.0.engine.blobs.syncs() }
    }

    /// Carries out what is queued, makes it durable and takes no further writes. The files are let go with the last
    /// clone, which after much writing takes seconds more ([`OpenOptions::refresh_octets`]).
    pub async fn close(&self) {
        let inner = Arc::clone(&self.0);
        let closed = tokio::task::spawn_blocking(move || {
            inner.writer.close();
            inner.engine.blobs.close();
            inner.engine.closed_in_order();
        });
        // Nothing is left to be done about a panic in there: it was reported, and the store is closed.
        let _ = closed.await;
    }
}

/// Names contents, and packs those that are not kept yet.
fn prepare(engine: &Engine, parts: Vec<Vec<u8>>) -> Result<(Vec<BlobRef>, Vec<blobs::Prepared>), StoreFault> {
    let (mut names, mut new) = (Vec::with_capacity(parts.len()), Vec::new());
    for content in parts {
        let blob = blobs::name(&content);
        names.push(blob);
        if engine.locate(blob.id)?.is_none() {
            new.push(blobs::Prepared::new(blob, content)?);
        }
    }
    Ok((names, new))
}

/// A text that a message names as kept must be the one that it has.
fn check_kept_texts(change: &Change) -> Result<(), StoreFault> {
    let differs = |message: &Message| message.body.kept.is_some_and(|kept| blobs::name(message.body.text.as_bytes()) != kept);
    if change.messages.iter().chain(change.whole.as_deref()).any(differs) {
        return Err(StoreFault::Unsound("the kept text of a message is another one"));
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreFault> + Send + 'static) -> Result<T, StoreFault> {
    tokio::task::spawn_blocking(work).await.map_err(|fault| StoreFault::Io(fault.to_string()))?
}
