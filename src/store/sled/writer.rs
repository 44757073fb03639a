//! Who writes when.
//!
//! Whoever asks for a write applies it himself, alone: it is checked, encoded and shown, which is a matter of microseconds. One
//! thread then makes it durable: it waits a moment for more, lets the whole group sink into the tree in one batch, syncs once,
//! and gives all receipts. Meanwhile the next group is gathered. A change that turns out to be a duplicate of one that is not
//! durable yet waits with the group that is.
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
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a group waits for the next change: a decision takes less, a sync of the disk several times more.
const LINGER: Duration = Duration::from_micros(250);
/// The same while decisions come in a stream, as from a full mailbox: each comes only after the one before is visible, and on a
/// busy machine it may take its time. A sync for each would be most of the work.
const LINGER_IN_STREAM: Duration = Duration::from_millis(4);
/// How long and how large a group may grow before those in it get their sync.
const GROUP_TIME_MAX: Duration = Duration::from_millis(10);
const GROUP_WRITES_MAX: usize = 128;
/// Who finds so many before him waits until they are durable (P11).
const GATHERED_WRITES_MAX: usize = 512;

type Answer = oneshot::Sender<Result<(), StoreFault>>;

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

/// The way to the tree.
pub(in crate::store) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

struct State {
    applier: Applier,
    group: Group,
    /// Why nothing is written any more.
    broken: Option<StoreFault>,
    closing: bool,
    /// The thread waits for a group to begin, and not for one to grow.
    idle: bool,
    /// While a group is being made durable: who waits for that very group, though he wrote nothing in it.
    sinking: Option<Vec<Answer>>,
    /// How many want nothing to change for now, and who waits for them.
    pauses: usize,
    paused: Vec<Answer>,
}

/// Nothing is written while it is held.
pub(in crate::store) struct Pause(Arc<Shared>);

impl Drop for Pause {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.pauses -= 1;
        if state.pauses == 0 {
            for answer in std::mem::take(&mut state.paused) {
                let _ = answer.send(Ok(()));
            }
        }
    }
}

/// What the next sync will serve.
#[derive(Default)]
struct Group {
    writes: usize,
    /// Of these, how many are decisions.
    commits: usize,
    receipts: Vec<Answer>,
}

impl Writer {
    pub(in crate::store) fn start(engine: Arc<Engine>) -> Result<Self, OpenFault> {
        let applier = Applier::new(Arc::clone(&engine)).map_err(|fault| OpenFault::io("zstd", fault))?;
        let state = State {
            applier,
            group: Group::default(),
            broken: None,
            closing: false,
            idle: false,
            sinking: None,
            pauses: 0,
            paused: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), bell: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("guichet-writer".to_owned())
            .spawn(move || {
                // Whatever ends the thread, a panic too.
                let _stopped = engine.blobs.stopped().clone().drop_guard();
                of_thread.run(&engine);
            })
            .map_err(|fault| OpenFault::io("starting a thread", fault))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Applies a change and shows it.
    pub(in crate::store) async fn commit(&self, change: &Change) -> Result<Committed, StoreFault> {
        let (outcome, receipt) = self.write(true, |applier| applier.commit(change)).await?;
        Ok(Committed { outcome, receipt })
    }

    /// Returns what is due once its attempts are on disk.
    pub(in crate::store) async fn claim(&self, claim: &Claim) -> Result<Vec<OutboxEntry>, StoreFault> {
        let claimed = |applier: &mut Applier| {
            let claimed = applier.claim(claim)?;
            let any = !claimed.is_empty();
            Ok((claimed, any))
        };
        let (claimed, receipt) = self.write(false, claimed).await?;
        if !claimed.is_empty() {
            receipt.await?;
        }
        Ok(claimed)
    }

    /// Writes down how a delivery stands.
    pub(in crate::store) async fn update(&self, update: &Update) -> Result<Receipt, StoreFault> {
        let ((), receipt) = self.write(false, |applier| applier.update(update).map(|()| ((), true))).await?;
        Ok(receipt)
    }

    /// Runs one write, which says whether it wrote anything; the receipt is for all that is visible after it. It is done once
    /// this has begun, even if the caller stops waiting.
    async fn write<T>(
        &self,
        is_commit: bool,
        mut work: impl FnMut(&mut Applier) -> Result<(T, bool), Failed>,
    ) -> Result<(T, Receipt), StoreFault> {
        loop {
            let wait = {
                let mut state = self.shared.lock();
                if state.pauses > 0 {
                    Wait::For(state.pause())
                } else if state.group.writes >= GATHERED_WRITES_MAX {
                    Wait::For(state.receipt())
                } else {
                    match state.write(&mut work) {
                        Ok((value, wrote)) => {
                            if wrote {
                                state.group.commits += usize::from(is_commit);
                                self.shared.tell(&mut state);
                            }
                            return Ok((value, state.receipt()));
                        }
                        Err(Failed::Refused(fault)) => return Err(fault),
                        Err(Failed::Broken(fault)) => return Err(state.give_up(&fault.to_string())),
                        Err(Failed::Keep(records)) => Wait::Keep(Arc::clone(&state.applier.engine), records),
                    }
                }
            };
            match wait {
                Wait::For(receipt) => receipt.await?,
                Wait::Keep(engine, records) => engine.blobs.keep(records).await?,
            }
        }
    }

    /// Holds all writes back, for whoever reads every row.
    pub(in crate::store) fn pause(&self) -> Pause {
        self.shared.lock().pauses += 1;
        Pause(Arc::clone(&self.shared))
    }

    /// Makes durable what is there, and ends. Blocks.
    pub(in crate::store) fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

/// What a write has to wait for before it can be tried again.
enum Wait {
    For(Receipt),
    Keep(Arc<Engine>, Vec<crate::store::blobs::Prepared>),
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn write<T>(&mut self, work: &mut impl FnMut(&mut Applier) -> Result<(T, bool), Failed>) -> Result<(T, bool), Failed> {
        if let Some(fault) = &self.broken {
            return Err(Failed::Refused(fault.clone()));
        }
        if self.closing {
            return Err(Failed::Refused(StoreFault::Closed));
        }
        match catch_unwind(AssertUnwindSafe(|| work(&mut self.applier))) {
            Ok(Ok((value, wrote))) => {
                self.group.writes += usize::from(wrote);
                Ok((value, wrote))
            }
            Ok(Err(failed)) => Err(failed),
            Err(panic) => Err(Failed::Broken(StoreFault::Failed(panic_text(panic.as_ref())))),
        }
    }

    /// Resolves once all that is visible now is durable.
    fn receipt(&mut self) -> Receipt {
        let waiting = if self.group.writes > 0 {
            &mut self.group.receipts
        } else if let Some(waiting) = &mut self.sinking {
            waiting
        } else {
            return Receipt::given(Ok(()));
        };
        let (answer, receipt) = Receipt::promised();
        waiting.push(answer);
        receipt
    }

    fn pause(&mut self) -> Receipt {
        let (answer, receipt) = Receipt::promised();
        self.paused.push(answer);
        receipt
    }

    fn give_up(&mut self, why: &str) -> StoreFault {
        let fault = StoreFault::Failed(why.to_owned());
        tracing::error!(%fault, "the store takes no further writes");
        self.broken = Some(fault.clone());
        self.applier.engine.blobs.stopped().cancel();
        for answer in std::mem::take(&mut self.group).receipts {
            let _ = answer.send(Err(fault.clone()));
        }
        fault
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was written. A thread that waits for its group to grow looks by itself, unless it is large enough.
    fn tell(&self, state: &mut State) {
        if state.idle || state.group.writes == GROUP_WRITES_MAX {
            state.idle = false;
            self.bell.notify_one();
        }
    }

    fn run(&self, engine: &Engine) {
        let mut in_stream = false;
        loop {
            let mut state = self.lock();
            let began = Instant::now();
            while state.group.writes == 0 && !state.closing {
                state.idle = true;
                state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.idle = false;
            if state.group.writes == 0 {
                return;
            }
            // A decision that came while the disk was synced, or right after: more are likely to follow.
            let soon = began.elapsed() < LINGER_IN_STREAM;
            in_stream = soon && (in_stream || state.group.commits > 0);
            state = self.linger(state, if in_stream { LINGER_IN_STREAM } else { LINGER });
            let group = std::mem::take(&mut state.group);
            in_stream = group.commits > 1;
            let shown = if state.broken.is_some() { Ok(()) } else { state.applier.show_places() };
            state.sinking = Some(Vec::new());
            let broken = state.broken.clone();
            drop(state);

            let outcome = broken.map_or_else(|| shown.and_then(|()| engine.sink()).and_then(|()| engine.make_durable()), Err);
            let mut state = self.lock();
            let waiting = state.sinking.take().unwrap_or_default();
            let outcome =
                outcome.map_err(|fault| if let Some(fault) = &state.broken { fault.clone() } else { state.give_up(&fault.to_string()) });
            drop(state);
            for answer in group.receipts.into_iter().chain(waiting) {
                let _ = answer.send(outcome.clone());
            }
        }
    }

    /// Waits until the group does not grow for so long, or is large or old enough.
    fn linger<'a>(&'a self, mut state: MutexGuard<'a, State>, patience: Duration) -> MutexGuard<'a, State> {
        let end = Instant::now() + GROUP_TIME_MAX;
        loop {
            let (seen, wait) = (state.group.writes, patience.min(end.saturating_duration_since(Instant::now())));
            if seen >= GROUP_WRITES_MAX || state.closing || wait.is_zero() {
                return state;
            }
            let (woken, waited) = self.bell.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.group.writes == seen {
                return state;
            }
        }
    }
}
