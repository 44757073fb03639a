//! The one thread that writes.
//!
//! It applies one change after another, answers each as soon as it is visible, and goes on as long as more are there or
//! come within a moment; then one sync makes the whole group durable and all of its receipts are given. A change that
//! turns out to be a duplicate of one that is not durable yet waits with the group.
//!
//! If a write or a sync fails, nobody knows what the disk holds: every open receipt and every later request gets the
//! fault, and only a restart, which reads what is really there, helps.

use super::apply::{Applier, Failed};
use super::engine::{Engine, panic_text};
use crate::domain::change::Change;
use crate::domain::outbound::{Delivery, OutboxEntry, OutboxId};
use crate::store::fault::{OpenFault, StoreFault};
use crate::store::outbox::Settled;
use crate::store::{Committed, Receipt};
use jiff::{SignedDuration, Timestamp};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::Instant;

/// How long a group waits for the next change: a decision takes less, a sync of the disk several times more.
const LINGER: Duration = Duration::from_micros(250);
/// The same while decisions come in a stream, as from a full mailbox: each comes only after the one before is visible, and on a
/// busy machine it may take its time. A sync for each would be most of the work.
const LINGER_IN_STREAM: Duration = Duration::from_millis(4);
/// How long and how large a group may grow before those in it get their sync.
const GROUP_TIME_MAX: Duration = Duration::from_millis(10);
const GROUP_CHANGES_MAX: usize = 256;
/// Who finds this many before him waits outside the queue.
const QUEUE_REQUESTS_MAX: usize = 256;

type Answer<T> = oneshot::Sender<Result<T, StoreFault>>;

/// What the writer is asked for.
pub(in crate::store) enum Request {
    Commit {
        change: Box<Change>,
        answer: Answer<Committed>,
    },
    /// Answered once the attempts are on disk.
    Claim {
        claim: Claim,
        answer: Answer<Vec<OutboxEntry>>,
    },
    /// Answered once it is visible.
    Update {
        update: Update,
        answer: Answer<Receipt>,
    },
}

/// Whoever asks for what is due.
pub(in crate::store) struct Claim {
    pub(in crate::store) now: Timestamp,
    pub(in crate::store) lease: SignedDuration,
    pub(in crate::store) limit: usize,
}

/// How a delivery stands.
pub(in crate::store) struct Update {
    pub(in crate::store) id: OutboxId,
    pub(in crate::store) news: News,
    pub(in crate::store) now: Timestamp,
}

/// Who knows it.
pub(in crate::store) enum News {
    /// Who made the attempt.
    Settled(Settled),
    /// Somebody else.
    Marked(Delivery),
}

impl Group {
    const fn has_work(&self) -> bool {
        self.dirty || !self.updates.is_empty() || !self.claims.is_empty()
    }
}

impl Request {
    const fn is_commit(&self) -> bool {
        matches!(self, Self::Commit { .. })
    }
}

/// The way to the thread.
pub(in crate::store) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    permits: Semaphore,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(in crate::store) fn start(engine: Arc<Engine>) -> Result<Self, OpenFault> {
        let applier = Applier::new(engine).map_err(|fault| OpenFault::io("zstd", fault))?;
        let (queue, requests) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("guichet-writer".to_owned())
            .spawn(move || {
                // Whatever ends the thread, a panic too.
                let _stopped = applier.engine.blobs.stopped().clone().drop_guard();
                Thread { applier, requests, group: Group::default(), broken: None }.run();
            })
            .map_err(|fault| OpenFault::io("starting a thread", fault))?;
        Ok(Self { queue: Mutex::new(Some(queue)), permits: Semaphore::new(QUEUE_REQUESTS_MAX), thread: Mutex::new(Some(thread)) })
    }

    /// Hands a request over and waits for its answer. One that was handed over is carried out even if the caller stops
    /// waiting.
    pub(in crate::store) async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, StoreFault> {
        let _permit: SemaphorePermit<'_> = self.permits.acquire().await.map_err(|_| StoreFault::Closed)?;
        let (answer, answered) = oneshot::channel();
        self.send(request(answer))?;
        answered.await.map_err(|_| StoreFault::Closed)?
    }

    fn send(&self, request: Request) -> Result<(), StoreFault> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().ok_or(StoreFault::Closed)?.send(request).map_err(|_| StoreFault::Closed)
    }

    /// Carries out what is queued, syncs and ends. Blocks.
    pub(in crate::store) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

struct Thread {
    applier: Applier,
    requests: mpsc::Receiver<Request>,
    group: Group,
    /// Why nothing is written any more.
    broken: Option<StoreFault>,
}

/// What the next sync will serve.
#[derive(Default)]
struct Group {
    /// Whether anything is visible that is not durable.
    dirty: bool,
    receipts: Vec<Answer<()>>,
    /// Nobody decides on how a delivery stands, so that these can wait for the end of the group and share a batch: each batch
    /// costs the engine two writes of its own, however little is in it.
    updates: Vec<(Update, Answer<Receipt>)>,
    /// In the end, too: they are answered only once they are durable.
    claims: Vec<(Claim, Answer<Vec<OutboxEntry>>)>,
}

impl Thread {
    fn run(mut self) {
        let mut in_stream = false;
        loop {
            // A decision that came while the disk was synced: more are likely to follow.
            let patience = if in_stream { LINGER_IN_STREAM } else { Duration::ZERO };
            let first = match self.requests.recv_timeout(patience) {
                Ok(first) => {
                    in_stream |= first.is_commit();
                    first
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    in_stream = false;
                    let Ok(first) = self.requests.recv() else { return };
                    first
                }
            };
            let linger = if in_stream { LINGER_IN_STREAM } else { LINGER };
            let end = Instant::now() + GROUP_TIME_MAX;
            let (mut served, mut commits) = (1, usize::from(first.is_commit()));
            self.serve(first);
            while self.group.has_work() && served < GROUP_CHANGES_MAX {
                let wait = linger.min(end.saturating_duration_since(Instant::now()));
                let Ok(next) = self.requests.recv_timeout(wait) else { break };
                served += 1;
                commits += usize::from(next.is_commit());
                self.serve(next);
            }
            in_stream = commits > 1;
            self.finish();
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Commit { change, answer } => {
                let served = self.write(|applier| applier.commit(&change));
                let served = served.map(|outcome| Committed { outcome, receipt: self.receipt() });
                let _ = answer.send(served);
            }
            Request::Update { update, answer } => self.group.updates.push((update, answer)),
            Request::Claim { claim, answer } => self.group.claims.push((claim, answer)),
        }
    }

    /// Does what was left for the end, syncs, and gives all receipts.
    fn finish(&mut self) {
        self.update();
        let claims = std::mem::take(&mut self.group.claims);
        let claimed: Vec<_> = claims
            .into_iter()
            .map(|(claim, answer)| {
                let claimed = self.write(|applier| {
                    applier.claim(&claim).map(|claimed| {
                        let any = !claimed.is_empty();
                        (claimed, any)
                    })
                });
                (answer, claimed)
            })
            .collect();
        let group = std::mem::take(&mut self.group);
        let outcome = match &self.broken {
            Some(fault) => Err(fault.clone()),
            None if group.dirty => self.applier.engine.make_durable().map_err(|fault| self.give_up(&fault.to_string())),
            None => Ok(()),
        };
        for answer in group.receipts {
            let _ = answer.send(outcome.clone());
        }
        for (answer, claimed) in claimed {
            let _ = answer.send(outcome.clone().and(claimed));
        }
    }

    /// Applies all updates of the group in one batch. One that is refused is alone in that.
    fn update(&mut self) {
        let updates = std::mem::take(&mut self.group.updates);
        if updates.is_empty() {
            return;
        }
        // Even if it is refused: where one delivery has two updates, the first may be written then.
        self.group.dirty = true;
        let (asked, answers): (Vec<_>, Vec<_>) = updates.into_iter().unzip();
        let refusals = self.write(|applier| applier.update(&asked));
        match refusals {
            Ok(refusals) => {
                for (answer, refusal) in answers.into_iter().zip(refusals) {
                    let _ = answer.send(refusal.map_or_else(|| Ok(self.receipt()), Err));
                }
            }
            Err(fault) => {
                for answer in answers {
                    let _ = answer.send(Err(fault.clone()));
                }
            }
        }
    }

    /// Runs one write, which says whether it wrote; notes what that means for the group.
    fn write<T>(&mut self, work: impl FnOnce(&mut Applier) -> Result<(T, bool), Failed>) -> Result<T, StoreFault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        match catch_unwind(AssertUnwindSafe(|| work(&mut self.applier))) {
            Ok(Ok((value, wrote))) => {
                self.group.dirty |= wrote;
                Ok(value)
            }
            Ok(Err(Failed::Refused(fault))) => Err(fault),
            Ok(Err(Failed::Broken(fault))) => Err(self.give_up(&fault.to_string())),
            Err(panic) => Err(self.give_up(&panic_text(panic.as_ref()))),
        }
    }

    /// For a request that was just served: resolves once all that is visible now is durable.
    fn receipt(&mut self) -> Receipt {
        if !self.group.dirty {
            return Receipt::given(Ok(()));
        }
        let (answer, receipt) = Receipt::promised();
        self.group.receipts.push(answer);
        receipt
    }

    fn give_up(&mut self, why: &str) -> StoreFault {
        let fault = StoreFault::Failed(why.to_owned());
        tracing::error!(%fault, "the store takes no further writes");
        self.broken = Some(fault.clone());
        self.applier.engine.blobs.stopped().cancel();
        fault
    }
}
