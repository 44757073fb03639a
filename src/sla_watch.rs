//! The clock's worker: sleeps until the next due time, then lets the desk decide.
//!
//! It takes no input and keeps no state: each round reads what is due from the store, so that start-up, recovery and steady
//! work are one path, and a warning that was committed is never given again (P5).

use crate::intake::Desk;
use crate::store::StoreFault;
use jiff::Timestamp;
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
        let (due, next) = desk.store().due(desk.clock().now(), ROUND_MAX)?;
        if due.is_empty() || stop.is_cancelled() {
            return Ok(next);
        }
        let mut moved = false;
        for number in due {
            moved |= desk.time_came(number).await?;
        }
        if !moved {
            // A row that says due for a ticket that is not: verify reports it; here it must not spin.
            tracing::warn!("the index of due times names tickets that are not due: run `guichet verify`");
            return Ok(None);
        }
    }
}
