use super::*;
use crate::channel::Health;
use crate::clock::Clock;
use crate::domain::outbound::Purpose;
use crate::domain::policy::Policy;
use crate::domain::testing::{address, policy};
use crate::intake::Bells;
use crate::mail::normalise::NormaliseLimits;
use crate::mail::token::Signer;
use crate::store::{OpenOptions, OutboxFilter, Store};
use jiff::SignedDuration;
use std::sync::Arc;
use tokio::sync::watch;

/// A daemon as far as this worker sees it; the store outlives it.
struct Running {
    store: Store,
    tell: watch::Sender<Health>,
    stop: CancellationToken,
    working: tokio::task::JoinHandle<()>,
    _policy: watch::Sender<Arc<Policy>>,
}

fn start(store: Store, clock: &Clock) -> Running {
    let mut policy = policy();
    policy.desk.ops = vec![address("ops@acme.example")];
    let (policy_in, policies) = watch::channel(Arc::new(policy));
    let desk = Desk::new(store.clone(), policies, Signer::new(&[7; 32]), clock.clone(), NormaliseLimits::default(), Bells::default());
    let (tell, told) = watch::channel(Health::default());
    let (stop, board) = (CancellationToken::new(), Board::new(desk.clone(), vec![("support".to_owned(), told)]));
    let working = tokio::spawn(run(desk, board, stop.clone()));
    Running { store, tell, stop, working, _policy: policy_in }
}

impl Running {
    fn told(&self) -> Vec<Purpose> {
        let mut entries = self.store.outbox_list(OutboxFilter::Any, 99).unwrap();
        entries.sort_by_key(|entry| entry.outbound.id);
        entries.iter().map(|entry| entry.outbound.purpose).collect()
    }

    fn looked_through(&self, clock: &Clock) {
        let now = Some(clock.now());
        self.tell.send_modify(|health| {
            health.connected_since = now;
            health.last_answer = now;
            health.last_success = now;
        });
    }

    /// As if it were killed: nothing is waited for.
    async fn end(self) -> Store {
        self.stop.cancel();
        self.working.await.unwrap();
        self.store
    }
}

/// Waits for a state. The clock of the workers moves by itself once all wait; the store's thread goes by none.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if holds() {
            return;
        }
        std::thread::yield_now();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("in vain: {what}");
}

#[tokio::test(start_paused = true)]
async fn p5_silence_is_told_once_over_restarts_and_so_is_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual("2026-11-23T09:00:00Z".parse().unwrap());
    let mut running = start(Store::open(dir.path(), &OpenOptions::default()).unwrap(), &clock);
    until("the first look", || running.store.desk_state().unwrap().digest_at.is_some()).await;
    for _ in 0..3 {
        // The worker sleeps on the paused clock, which moves by itself once all else waits.
        clock.advance(SignedDuration::from_mins(15));
        tokio::time::sleep(Duration::from_mins(16)).await;
        until("the alarm", || running.told() == [Purpose::Alarm]).await;
        running = start(running.end().await, &clock);
    }
    running.looked_through(&clock);
    until("its end", || running.told() == [Purpose::Alarm, Purpose::Recovery]).await;
    running = start(running.end().await, &clock);
    running.looked_through(&clock);
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(running.told(), [Purpose::Alarm, Purpose::Recovery]);
    let report = running.store.verify(true).unwrap();
    assert!(report.is_clean(), "{report}");
    running.end().await;
}
