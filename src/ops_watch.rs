//! The worker that looks after the desk itself: sleeps until a mailbox could have fallen silent, the daily report is due or
//! something changes, then lets [`ops::on_tick`] decide what is told.
//!
//! What was told is in the store, in the same commit as the mail that tells it: start-up, recovery and steady work are one path,
//! and nothing is told twice (P5).

use crate::domain::ops::{self, OpsFacts};
use crate::health::Board;
use crate::intake::Desk;
use crate::store::StoreFault;
use futures_util::FutureExt;
use futures_util::future::select_all;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A stepped clock costs at most this.
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// After a fault of the store.
const FAULT_REST: Duration = Duration::from_secs(5);

/// Works until told to stop.
pub async fn run(desk: Desk, board: Board, stop: CancellationToken) {
    let mut mailboxes = board.receivers();
    let mut policy = desk.policies();
    let mut silent = BTreeSet::new();
    while !stop.is_cancelled() {
        // Marked before it is looked at: what changes meanwhile is looked at again.
        policy.mark_unchanged();
        for mailbox in &mut mailboxes {
            mailbox.mark_unchanged();
        }
        log_silence(&desk, &board, &mut silent);
        // A panic is a fault in the deciding, not a reason for the desk to stop.
        let rest = match AssertUnwindSafe(round(&desk, &board)).catch_unwind().await {
            Ok(Ok(next)) => next
                .map_or(SLEEP_MAX, |next| Duration::try_from(next.duration_since(desk.clock().now())).unwrap_or_default().min(SLEEP_MAX)),
            Ok(Err(fault)) => {
                tracing::error!(%fault, "failed to look after the desk itself");
                FAULT_REST
            }
            Err(_) => {
                tracing::error!("looking after the desk itself panicked");
                FAULT_REST
            }
        };
        // A watcher that has ended says nothing any more.
        let changed = mailboxes.iter_mut().map(|mailbox| {
            async {
                if mailbox.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            .boxed()
        });
        let changed = changed.chain([std::future::pending().boxed()]).collect::<Vec<_>>();
        tokio::select! {
            () = stop.cancelled() => break,
            _ = select_all(changed) => {}
            Ok(()) = policy.changed() => {}
            // One millisecond more: times are cut to it, and a clock asked too early does nothing.
            () = tokio::time::sleep(rest + Duration::from_millis(1)) => {}
        }
    }
}

/// Looks once; says when to look again if nothing changes.
async fn round(desk: &Desk, board: &Board) -> Result<Option<Timestamp>, StoreFault> {
    let policy = desk.policy();
    let state = desk.store().desk_state()?;
    let now = desk.clock().now();
    let digest = if ops::wants_digest(&state, &policy, now) { Some(desk.store().digest_facts(state.told_quarantine).await?) } else { None };
    let facts = OpsFacts { mailboxes: board.facts(), digest };
    let state = desk.tell_ops(&facts).await?;
    Ok(ops::next_tick(&state, &facts, &policy, now))
}

/// Whoever reads the log hears of it, too, whether or not anybody is told by mail.
fn log_silence(desk: &Desk, board: &Board, silent: &mut BTreeSet<String>) {
    let policy = desk.policy();
    for mailbox in board.facts() {
        let minutes = mailbox.quiet.as_mins();
        if ops::is_silent(&mailbox, &policy) {
            if silent.insert(mailbox.name.clone()) {
                tracing::error!(mailbox = mailbox.name, minutes, "the mailbox is silent: try `guichet doctor`");
            }
        } else if silent.remove(&mailbox.name) {
            tracing::info!(mailbox = mailbox.name, "the mailbox answers again");
        }
    }
}

#[cfg(test)]
mod tests;
