//! The clock's worker: sleeps until the next due time, then lets the desk decide.
//!
//! It takes no input and keeps no state: each round reads what is due from the store, so that start-up, recovery and steady
//! work are one path, and a warning that was committed is never given again (P5).

use crate::intake::Desk;
use crate::store::{Advice, StoreFault};
use futures_util::FutureExt;
use jiff::Timestamp;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A suspended machine or a stepped clock costs at most this.
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// Tickets decided in one round.
const ROUND_MAX: usize = 256;
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

/// Decides all that is due; says when there will be more.
async fn round(desk: &Desk, stop: &CancellationToken) -> Result<Option<Timestamp>, StoreFault> {
    loop {
        let now = desk.clock().now();
        let (due, next) = desk.store().due(now, ROUND_MAX)?;
        if due.is_empty() || stop.is_cancelled() {
            return Ok(next);
        }
        let mut moved = false;
        for number in due {
            // A ticket that cannot be decided about holds up no other's clock. A panic is a fault in the deciding, not a reason
            // for all clocks to stand still.
            match AssertUnwindSafe(desk.time_came(number)).catch_unwind().await {
                Ok(Ok(it_did)) => moved |= it_did,
                Ok(Err(fault)) if fault.advice() == Advice::GiveUp => {
                    tracing::error!(ticket = number.0, %fault, "failed to look after a ticket's clocks: run `guichet verify`");
                }
                Ok(Err(fault)) => return Err(fault),
                Err(_) => tracing::error!(ticket = number.0, "deciding about a ticket's clocks panicked"),
            }
        }
        if !moved {
            // Rows that say due for tickets that are not, or that cannot be moved: here they must not spin.
            tracing::warn!("the index of due times names tickets that do not move: run `guichet verify`");
            return Ok(next.filter(|next| *next > now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::change::Change;
    use crate::domain::message::TicketNumber;
    use crate::domain::testing::{World, mail};
    use crate::domain::ticket::Ticket;
    use crate::intake::Bells;
    use crate::mail::normalise::NormaliseLimits;
    use crate::mail::token::Signer;
    use crate::store::{OpenOptions, Store};
    use jiff::SignedDuration;
    use tokio::sync::watch;

    #[tokio::test]
    async fn p4_a_ticket_that_cannot_be_decided_about_holds_up_no_other_s_clock() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &OpenOptions::default()).unwrap();
        let mut world = World::new();
        let clock = Clock::manual(world.now);
        for n in 1..=2_u32 {
            world.hears(mail(n, &format!("c{n}@b.example"), "x", "y"));
            let ticket = Ticket { version: 0, messages: 0, history: 0, ..world.ticket(n.into()).clone() };
            // The first can give no further name to a notice: counting on panics in a build with checks.
            let ticket = Ticket { outbox: if n == 1 { u32::MAX } else { 0 }, ..ticket };
            store.commit(Change { tickets: vec![ticket], ..Change::default() }).await.unwrap().receipt.await.unwrap();
            world.now += SignedDuration::from_mins(1);
        }
        let (_policy, policy) = watch::channel(Arc::new(world.policy));
        let desk = Desk::new(store, policy, Signer::new(&[7; 32]), clock.clone(), NormaliseLimits::default(), Bells::default());
        clock.advance(SignedDuration::from_hours(5));
        round(&desk, &CancellationToken::new()).await.unwrap();
        let outbox = |n| desk.store().ticket(TicketNumber(n)).unwrap().unwrap().outbox;
        assert_eq!((outbox(1), outbox(2) > 0), (u32::MAX, true), "the team of the second was told");
    }
}
