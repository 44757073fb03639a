//! The clock's worker: sleeps until the next due time, then lets the desk decide.
//!
//! It takes no input and keeps no state: each round reads what is due from the store, so that start-up, recovery and steady
//! work are one path, and a warning that was committed is never given again (P5).
//!
//! All that is due is decided ticket by ticket, each in a turn of its own, and many such decisions share a sync of the disk: what a
//! decision sees is what is visible, and what is sent is what is on disk.

use crate::domain::message::TicketNumber;
use crate::intake::Desk;
use crate::store::{Advice, Receipt, StoreFault};
use futures_util::FutureExt;
use jiff::Timestamp;
use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A suspended machine or a stepped clock costs at most this.
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// Tickets that are read from the index at once.
const ROUND_MAX: usize = 256;
/// Decisions that may wait for the disk at once (P11).
const SINKING_MAX: usize = 256;
/// After a fault of the store.
const FAULT_REST: Duration = Duration::from_secs(5);

/// Works until told to stop.
pub async fn run(desk: Desk, bell: Arc<Notify>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let rest = match round(&desk, &stop).await {
            Ok(next) => next
                .map_or(SLEEP_MAX, |next| Duration::try_from(next.duration_since(desk.clock().now())).unwrap_or_default().min(SLEEP_MAX)),
            Err(fault) => {
                tracing::error!(%fault, "failed to look after the clocks");
                FAULT_REST
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = bell.notified() => {}
            // One millisecond more: times are cut to it, and a clock asked too early does nothing.
            () = tokio::time::sleep(rest + Duration::from_millis(1)) => {}
        }
    }
}

/// Decides all that is due, on disk on return; says when there will be more.
///
/// # Errors
/// The store's. What was decided until then is not undone, and not decided again.
pub async fn round(desk: &Desk, stop: &CancellationToken) -> Result<Option<Timestamp>, StoreFault> {
    let mut unmoved = BTreeSet::new();
    let mut sinking = Sinking::default();
    loop {
        let now = desk.clock().now();
        // Those that do not move hold up no other, however many they are.
        let (due, next) = desk.store().due(now, ROUND_MAX.saturating_add(unmoved.len()))?;
        let all = due.len();
        let fresh: Vec<_> = due.into_iter().filter(|number| !unmoved.contains(number)).collect();
        if fresh.is_empty() || stop.is_cancelled() {
            sinking.all().await?;
            if all > 0 && fresh.is_empty() {
                // They wait for the next look: here they must not spin.
                tracing::warn!(tickets = all, "the index of due times names tickets that do not move: run `guichet verify`");
            }
            return Ok(next.filter(|next| *next > now));
        }
        for number in fresh {
            if stop.is_cancelled() {
                break;
            }
            match decide(desk, number).await? {
                Some(receipt) => sinking.add(receipt).await?,
                None => _ = unmoved.insert(number),
            }
        }
    }
}

/// Decides about one ticket; `None` if it does not move. A ticket that cannot be decided about holds up no other's clock. A panic
/// is a fault in the deciding, not a reason for all clocks to stand still.
async fn decide(desk: &Desk, number: TicketNumber) -> Result<Option<Receipt>, StoreFault> {
    match AssertUnwindSafe(desk.time_came(number)).catch_unwind().await {
        Ok(Ok(receipt)) => Ok(receipt),
        Ok(Err(fault)) if fault.advice() == Advice::GiveUp => {
            tracing::error!(ticket = number.0, %fault, "failed to look after a ticket's clocks: run `guichet verify`");
            Ok(None)
        }
        Ok(Err(fault)) => Err(fault),
        Err(_) => {
            tracing::error!(ticket = number.0, "deciding about a ticket's clocks panicked");
            Ok(None)
        }
    }
}

/// What is decided and not on disk yet, oldest first.
#[derive(Default)]
struct Sinking(VecDeque<Receipt>);

impl Sinking {
    /// Waits for the oldest if there are many.
    async fn add(&mut self, receipt: Receipt) -> Result<(), StoreFault> {
        self.0.push_back(receipt);
        if self.0.len() > SINKING_MAX
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.await?;
        }
        Ok(())
    }

    async fn all(&mut self) -> Result<(), StoreFault> {
        while let Some(oldest) = self.0.pop_front() {
            oldest.await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::change::Change;
    use crate::domain::testing::{World, mail};
    use crate::domain::ticket::Ticket;
    use crate::intake::Bells;
    use crate::mail::normalise::NormaliseLimits;
    use crate::mail::token::Signer;
    use crate::store::{OpenOptions, Store};
    use jiff::SignedDuration;
    use std::path::Path;
    use tokio::sync::watch;

    /// A desk with so many open tickets, opened within one second; the first `unfit` of them can give no further name to a notice:
    /// counting on panics in a build with checks.
    async fn desk_of(dir: &Path, tickets: u32, unfit: u32) -> (Desk, Clock) {
        let store = Store::open(dir, &OpenOptions::default()).unwrap();
        let mut world = World::new();
        let clock = Clock::manual(world.now);
        let mut sinking = Sinking::default();
        for n in 1..=tickets {
            world.hears(mail(n, &format!("c{n}@b.example"), "x", "y"));
            let ticket = Ticket { version: 0, messages: 0, history: 0, ..world.ticket(n.into()).clone() };
            let ticket = Ticket { outbox: if n <= unfit { u32::MAX } else { 0 }, ..ticket };
            let committed = store.commit(Change { tickets: vec![ticket], ..Change::default() }).await.unwrap();
            sinking.add(committed.receipt).await.unwrap();
            world.now += SignedDuration::from_millis(1);
        }
        sinking.all().await.unwrap();
        let (_policy, policy) = watch::channel(Arc::new(world.policy));
        (Desk::new(store, policy, Signer::new(&[7; 32]), clock.clone(), NormaliseLimits::default(), Bells::default()), clock)
    }

    fn outbox(desk: &Desk, number: u64) -> u32 {
        desk.store().ticket(TicketNumber(number)).unwrap().unwrap().outbox
    }

    #[tokio::test]
    async fn p4_tickets_that_cannot_be_decided_about_hold_up_no_other_s_clock() {
        let dir = tempfile::tempdir().unwrap();
        // More than are read at once.
        let unfit = u32::try_from(ROUND_MAX).unwrap() + 1;
        let (desk, clock) = desk_of(dir.path(), unfit + 1, unfit).await;
        clock.advance(SignedDuration::from_hours(5));
        let next = round(&desk, &CancellationToken::new()).await.unwrap();
        assert_eq!((outbox(&desk, 1), outbox(&desk, unfit.into())), (u32::MAX, u32::MAX), "nothing is written about these");
        assert!(outbox(&desk, (unfit + 1).into()) > 0, "the team of the last was told");
        assert!(next.is_some_and(|next| next > clock.now()), "what does not move is left until then");
    }

    #[tokio::test]
    async fn p5_many_clocks_of_one_second_share_syncs_and_warn_once_each() {
        const TICKETS: u32 = 600;
        let dir = tempfile::tempdir().unwrap();
        let (desk, clock) = desk_of(dir.path(), TICKETS, 0).await;
        clock.advance(SignedDuration::from_hours(5));
        let before = desk.store().syncs().records;
        let stop = CancellationToken::new();
        round(&desk, &stop).await.unwrap();
        let syncs = desk.store().syncs().records - before;
        assert!(syncs < u64::from(TICKETS / 4), "{syncs} syncs");
        let told: Vec<u32> = (1..=TICKETS).map(|n| outbox(&desk, n.into())).collect();
        assert!(told.iter().all(|told| *told > 0), "of each ticket its team was told");
        round(&desk, &stop).await.unwrap();
        assert_eq!(told, (1..=TICKETS).map(|n| outbox(&desk, n.into())).collect::<Vec<_>>(), "and not again");
    }

    #[tokio::test]
    async fn a_stop_ends_a_look_between_two_tickets() {
        let dir = tempfile::tempdir().unwrap();
        let (desk, clock) = desk_of(dir.path(), 3, 0).await;
        clock.advance(SignedDuration::from_hours(5));
        let stop = CancellationToken::new();
        stop.cancel();
        round(&desk, &stop).await.unwrap();
        assert_eq!(desk.store().due(clock.now(), 10).unwrap().0.len(), 3, "they are due at the next start");
    }
}
