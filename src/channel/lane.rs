//! The lane between a mailbox and the desk.
//!
//! Messages enter in the order in which they stand in their mailbox. Each is prepared at once, beside the others; each
//! is accepted in turn; receipts are awaited all together, so that many messages share one flush of the store. The lane
//! moves by itself: whoever feeds it only pushes, and takes out what was settled when it suits him.
//!
//! A large mail that waits in a file goes beside the lane: its turn to be in memory comes once no other large mail of any
//! mailbox is, and those behind it do not wait for that. Who pushes it sees to the order where that matters.
//!
//! What the lane holds to:
//! - It is bounded (P11): by a count of its own, and by a budget of memory over all mailboxes, which a message gives back
//!   as soon as it is prepared. Full means wait.
//! - Every message that was pushed comes out exactly once, as landed or as a fault. A fault, a panic or a preparation
//!   that never ends concerns its own message alone (P3).
//! - `push` and `settled` may be dropped at any await without losing a message that the lane had taken.

use super::spool::{Spool, Spooled};
use super::{Handover, HandoverFault, Receipt, Received};
use crate::domain::change::Landing;
use crate::domain::message::Source;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

/// Messages of one mailbox between its source and the disk at once: enough to share a flush.
pub const LANE_MESSAGES_MAX: usize = 128;
/// Preparing is parsing and keeping. What takes longer is stuck and must not hold the mailbox.
const PREPARE_MAX: Duration = Duration::from_mins(2);

/// What a mail takes of memory while it is prepared, in terms of its size: its octets, its attachments decoded, and what
/// both are packed into.
const MEMORY_OF_OCTETS: usize = 4;

/// Memory for fetched mail at once, over all mailboxes, in octets. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    octets: Arc<Semaphore>,
    max: u32,
}

impl Budget {
    /// A budget of so many octets, at least one.
    #[must_use]
    pub fn new(octets_max: u64) -> Self {
        let max = u32::try_from(octets_max).unwrap_or(u32::MAX).max(1);
        Self { octets: Arc::new(Semaphore::new(usize::try_from(max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS))), max }
    }

    /// Waits until there is room. One message larger than the whole budget gets all of it and goes alone.
    async fn take(&self, octets: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(octets.saturating_mul(MEMORY_OF_OCTETS)).unwrap_or(u32::MAX).min(self.max);
        Arc::clone(&self.octets).acquire_many_owned(wanted).await.ok()
    }
}

/// What became of one message.
pub type Settled = (Source, Result<Landing, HandoverFault>);

struct Waiting<P> {
    source: Source,
    /// Given back once the message has come out.
    place: OwnedSemaphorePermit,
    preparing: JoinHandle<Result<P, HandoverFault>>,
}

/// See the module. Dropping it gives up what is on its way; nothing of that counts as landed.
pub struct Lane<H: Handover> {
    handover: H,
    budget: Budget,
    places: Arc<Semaphore>,
    queue: mpsc::UnboundedSender<Waiting<H::Prepared>>,
    out: mpsc::UnboundedReceiver<Settled>,
    /// For those beside the lane.
    beside: mpsc::UnboundedSender<Settled>,
    large: JoinSet<()>,
    on_the_way: usize,
    acceptor: JoinHandle<()>,
}

impl<H: Handover> Lane<H> {
    /// A lane for one mailbox. To be called inside a tokio runtime.
    #[must_use]
    pub fn new(handover: H, budget: Budget) -> Self {
        // Neither channel needs a bound of its own: a message is in them only while it holds a place.
        let (queue, waiting) = mpsc::unbounded_channel();
        let (settled, out) = mpsc::unbounded_channel();
        let acceptor = tokio::spawn(accept_in_order(handover.clone(), waiting, settled.clone()));
        let places = Arc::new(Semaphore::new(LANE_MESSAGES_MAX));
        Self { handover, budget, places, queue, out, beside: settled, large: JoinSet::new(), on_the_way: 0, acceptor }
    }

    /// Takes a message in, and waits while the lane is full.
    pub async fn push(&mut self, received: Received) {
        let source = received.source.clone();
        let (Ok(place), Some(octets)) = (Arc::clone(&self.places).acquire_owned().await, self.budget.take(received.raw.len()).await) else {
            return; // the semaphores are never closed
        };
        let handover = self.handover.clone();
        let preparing = tokio::spawn(async move {
            let prepared = tokio::time::timeout(PREPARE_MAX, handover.prepare(received)).await;
            drop(octets);
            prepared.unwrap_or_else(|_| Err(HandoverFault::Store("preparing took too long".into())))
        });
        self.on_the_way += 1;
        // It fails only if the acceptor is gone, which it is not before the lane is.
        let _ = self.queue.send(Waiting { source, place, preparing });
    }

    /// Takes a large mail in that waits in a file. It comes out as any other. How many do is for the caller to bound
    /// ([`Lane::large_on_the_way`]): they take disk, and no memory until their turn.
    pub fn push_large(&mut self, spooled: Spooled, spool: Spool) {
        let (handover, settled) = (self.handover.clone(), self.beside.clone());
        self.on_the_way += 1;
        self.large.spawn(async move {
            let source = spooled.source.clone();
            let landing = contained(take_alone(handover, spooled, spool)).await;
            let _ = settled.send((source, landing));
        });
    }

    /// A mail that came whole though it is large, with its turn to be in memory.
    pub fn push_alone(&mut self, received: Received, spool: Spool, turn: OwnedSemaphorePermit) {
        let (handover, settled) = (self.handover.clone(), self.beside.clone());
        self.on_the_way += 1;
        self.large.spawn(async move {
            let source = received.source.clone();
            let landing = contained(take_arrived(handover, received, spool, turn)).await;
            let _ = settled.send((source, landing));
        });
    }

    /// Large mails that were pushed and have not come out.
    pub fn large_on_the_way(&mut self) -> usize {
        while self.large.try_join_next().is_some() {}
        self.large.len()
    }

    /// The next message that came out, as soon as there is one; `None` if none is on its way.
    pub async fn settled(&mut self) -> Option<Settled> {
        if self.on_the_way == 0 {
            return None;
        }
        let settled = self.out.recv().await;
        self.on_the_way -= 1;
        settled
    }

    /// A message that has come out already.
    pub fn settled_now(&mut self) -> Option<Settled> {
        let settled = self.out.try_recv().ok()?;
        self.on_the_way = self.on_the_way.saturating_sub(1);
        Some(settled)
    }

    /// How many were pushed and have not come out.
    #[must_use]
    pub fn on_the_way(&self) -> usize {
        self.on_the_way
    }
}

impl<H: Handover> Drop for Lane<H> {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn take_alone<H: Handover>(handover: H, spooled: Spooled, spool: Spool) -> Result<Landing, HandoverFault> {
    let turn = spool.alone().await.ok_or(HandoverFault::Stopping)?;
    let preparing = handover.clone();
    let work = async move {
        let read = tokio::task::spawn_blocking(move || spooled.read()).await;
        let received = read.unwrap_or_else(|fault| Err(std::io::Error::other(fault)));
        prepare(preparing, received.map_err(|fault| HandoverFault::Store(fault.to_string()))?, turn).await
    };
    let prepared = spool.apart(work).await??;
    handover.accept(prepared).await?.await
}

async fn take_arrived<H: Handover>(
    handover: H,
    received: Received,
    spool: Spool,
    turn: OwnedSemaphorePermit,
) -> Result<Landing, HandoverFault> {
    let prepared = spool.apart(prepare(handover.clone(), received, turn)).await??;
    handover.accept(prepared).await?.await
}

async fn prepare<H: Handover>(handover: H, received: Received, turn: OwnedSemaphorePermit) -> Result<H::Prepared, HandoverFault> {
    let prepared = tokio::time::timeout(PREPARE_MAX, handover.prepare(received)).await;
    drop(turn);
    prepared.unwrap_or_else(|_| Err(HandoverFault::Store("preparing took too long".into())))
}

async fn accept_in_order<H: Handover>(
    handover: H,
    mut waiting: mpsc::UnboundedReceiver<Waiting<H::Prepared>>,
    settled: mpsc::UnboundedSender<Settled>,
) {
    while let Some(Waiting { source, place, preparing }) = waiting.recv().await {
        let receipt = match preparing.await {
            Ok(Ok(prepared)) => contained(async { handover.accept(prepared).await }).await,
            Ok(Err(fault)) => Err(fault),
            Err(_panic) => Err(HandoverFault::Store("preparing panicked".into())),
        };
        match receipt {
            Ok(receipt) => {
                tokio::spawn(await_receipt(source, receipt, place, settled.clone()));
            }
            // The mailbox may be gone: then nobody asks.
            Err(fault) => drop(settled.send((source, Err(fault)))),
        }
    }
}

async fn await_receipt(source: Source, receipt: Receipt, place: OwnedSemaphorePermit, settled: mpsc::UnboundedSender<Settled>) {
    let landing = contained(receipt).await;
    let _ = settled.send((source, landing));
    drop(place);
}

/// A panic of the desk about one message is a fault of that message.
async fn contained<T>(work: impl Future<Output = Result<T, HandoverFault>>) -> Result<T, HandoverFault> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(HandoverFault::Store("accepting panicked".into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::imap::tests::desk::{Desk, until};

    fn received(text: &str) -> Received {
        let source = Source::Maildir { mailbox: "support".into(), file: text.into() };
        Received { source, raw: text.as_bytes().to_vec(), arrived: None, cut: None, landed_to: None }
    }

    fn file((source, landing): Settled) -> (String, bool) {
        let Source::Maildir { file, .. } = source else { panic!("another source") };
        (file, landing.is_ok())
    }

    #[tokio::test]
    async fn p3_each_comes_out_once_and_a_fault_or_a_panic_concerns_its_own_message() {
        let desk = Desk::new();
        let mut lane = Lane::new(desk.clone(), Budget::new(1_000));
        for text in ["a", "refuse", "panic", "b"] {
            lane.push(received(text)).await;
        }
        let mut out = Vec::new();
        while let Some(settled) = lane.settled().await {
            out.push(file(settled));
        }
        out.sort();
        assert_eq!(out, [("a".into(), true), ("b".into(), true), ("panic".into(), false), ("refuse".into(), false)]);
        assert_eq!(desk.accepted(), ["a", "b"], "in order");
        assert_eq!((lane.on_the_way(), lane.settled_now().is_none()), (0, true));
    }

    #[tokio::test]
    async fn p1_a_receipt_that_is_late_does_not_hold_up_the_accepting() {
        let desk = Desk::new();
        let mut lane = Lane::new(desk.clone(), Budget::new(1_000));
        lane.push(received("held")).await;
        lane.push(received("next")).await;
        assert_eq!(lane.settled().await.map(file), Some(("next".into(), true)));
        assert_eq!(desk.accepted(), ["held", "next"], "accepted in order, many under one flush");
        // Waiting may be given up without losing anything.
        assert!(lane.settled().now_or_never().is_none(), "no receipt, not settled");
        desk.release.send_replace(true);
        assert_eq!(lane.settled().await.map(file), Some(("held".into(), true)));
        assert_eq!(lane.settled().await.map(file), None);
    }

    #[tokio::test]
    async fn p11_a_full_lane_waits() {
        let desk = Desk::new();
        let mut lane = Lane::new(desk.clone(), Budget::new(1_000_000));
        for n in 0..LANE_MESSAGES_MAX {
            lane.push(received(&format!("held {n}"))).await;
        }
        until("all are accepted", || desk.accepted().len() == LANE_MESSAGES_MAX).await;
        assert!(lane.push(received("one too many")).now_or_never().is_none(), "no place until one has landed");
        desk.release.send_replace(true);
        lane.push(received("one more")).await;
        assert_eq!(lane.on_the_way(), LANE_MESSAGES_MAX + 1, "what was given up was never taken");
    }

    #[tokio::test]
    async fn p11_octets_are_given_back_when_prepared_and_one_large_mail_passes() {
        let desk = Desk::new();
        let budget = Budget::new(10);
        let mut lane = Lane::new(desk.clone(), budget.clone());
        for text in ["held, far larger than the budget", "0123456789", "and so on"] {
            lane.push(received(text)).await;
        }
        until("all are accepted", || desk.accepted().len() == 3).await;
        assert_eq!(budget.octets.available_permits(), 10, "though the first has no receipt yet");
        let other = budget.take(10).await;
        assert!(lane.push(received("x")).now_or_never().is_none(), "the budget is of all mailboxes");
        drop(other);
        lane.push(received("x")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn p3_a_preparation_that_never_ends_is_given_up() {
        #[derive(Clone)]
        struct Stuck;
        impl Handover for Stuck {
            type Prepared = ();
            fn prepare(&self, _received: Received) -> futures_util::future::BoxFuture<'static, Result<(), HandoverFault>> {
                std::future::pending().boxed()
            }
            fn accept(&self, (): ()) -> futures_util::future::BoxFuture<'static, Result<Receipt, HandoverFault>> {
                std::future::pending().boxed()
            }
            fn cursor(&self, _mailbox: &str) -> futures_util::future::BoxFuture<'static, Option<(u32, u32)>> {
                std::future::ready(None).boxed()
            }
        }
        let mut lane = Lane::new(Stuck, Budget::new(10));
        lane.push(received("stuck")).await;
        assert_eq!(lane.settled().await.map(file), Some(("stuck".into(), false)));
    }
}
