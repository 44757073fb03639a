//! A desk that records what it is given, and does what a test tells it to.

use crate::channel::imap::Slots;
use crate::channel::lane::Budget;
use crate::channel::spool::Spool;
use crate::channel::{Handover, HandoverFault, Receipt, Received, Surroundings};
use crate::clock::Clock;
use crate::config::settings::Limits;
use crate::domain::change::Landing;
use crate::domain::message::{Source, TicketNumber};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub(in crate::channel) struct Desk {
    seen: Arc<Mutex<Seen>>,
    /// Receipts for mail that contains `held` come once this is true.
    pub(in crate::channel) release: watch::Sender<bool>,
}

#[derive(Default)]
struct Seen {
    prepared: Vec<String>,
    accepted: Vec<(Source, String, Option<u64>)>,
    /// What has a receipt.
    landed: BTreeSet<String>,
    cursor: Option<(u32, u32)>,
}

impl Desk {
    pub(in crate::channel) fn new() -> Self {
        Self { seen: Arc::default(), release: watch::channel(false).0 }
    }

    pub(in crate::channel) fn with_cursor(cursor: (u32, u32)) -> Self {
        let desk = Self::new();
        desk.seen.lock().unwrap().cursor = Some(cursor);
        desk
    }

    /// What was prepared, in the order in which it began.
    pub(in crate::channel) fn prepared(&self) -> Vec<String> {
        self.seen.lock().unwrap().prepared.clone()
    }

    /// What was accepted, in that order.
    pub(in crate::channel) fn accepted(&self) -> Vec<String> {
        self.seen.lock().unwrap().accepted.iter().map(|(_, text, _)| text.clone()).collect()
    }

    /// What has a receipt: the same mail twice is one (P2).
    pub(in crate::channel) fn landed(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().landed.clone()
    }

    pub(in crate::channel) fn has_landed(&self, text: &str) -> bool {
        self.seen.lock().unwrap().landed.contains(text)
    }

    pub(in crate::channel) fn sources(&self) -> Vec<Source> {
        self.seen.lock().unwrap().accepted.iter().map(|(source, ..)| source.clone()).collect()
    }

    pub(in crate::channel) fn cuts(&self) -> Vec<Option<u64>> {
        self.seen.lock().unwrap().accepted.iter().map(|(_, _, cut)| *cut).collect()
    }
}

impl Handover for Desk {
    type Prepared = Received;

    /// Mail that contains `refuse once` is refused the first time, `refuse` always; `panic` panics.
    fn prepare(&self, received: Received) -> BoxFuture<'static, Result<Received, HandoverFault>> {
        let text = String::from_utf8_lossy(&received.raw).into_owned();
        let seen = Arc::clone(&self.seen);
        async move {
            let again = {
                let mut seen = seen.lock().unwrap();
                let again = seen.prepared.contains(&text);
                seen.prepared.push(text.clone());
                again
            };
            assert!(!text.contains("panic"), "as the test wants it");
            if text.contains("refuse") && !(again && text.contains("refuse once")) {
                return Err(HandoverFault::Store("as the test wants it".into()));
            }
            Ok(received)
        }
        .boxed()
    }

    fn accept(&self, prepared: Received) -> BoxFuture<'static, Result<Receipt, HandoverFault>> {
        let seen = Arc::clone(&self.seen);
        let mut release = self.release.subscribe();
        async move {
            let text = String::from_utf8_lossy(&prepared.raw).into_owned();
            let held = text.contains("held");
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.accepted.push((prepared.source.clone(), text.clone(), prepared.cut));
                seen.accepted.len() as u64
            };
            let receipt = async move {
                if held {
                    release.wait_for(|released| *released).await.map_err(|_| HandoverFault::Stopping)?;
                }
                let mut landing = seen.lock().unwrap();
                landing.landed.insert(text);
                // As the store does: within one UIDVALIDITY it only moves forward.
                if let (Source::Imap { uid_validity, .. }, Some(uid)) = (&prepared.source, prepared.landed_to)
                    && !landing.cursor.is_some_and(|(validity, highest)| validity == *uid_validity && highest >= uid)
                {
                    landing.cursor = Some((*uid_validity, uid));
                }
                drop(landing);
                Ok(Landing::Ticket { number: TicketNumber(number), seq: 1 })
            };
            Ok(receipt.boxed())
        }
        .boxed()
    }

    fn cursor(&self, _mailbox: &str) -> BoxFuture<'static, Option<(u32, u32)>> {
        let cursor = self.seen.lock().unwrap().cursor;
        async move { cursor }.boxed()
    }
}

pub(in crate::channel) fn surroundings() -> Surroundings {
    let limits = Limits {
        message_octets_max: 1_000,
        intake_octets_max: 100_000,
        imap_connections_per_host_max: 100,
        imap_connections_per_user_max: 10,
        spool_octets: 500,
        fetch_octets_max: 1_000,
        chat_frame_octets_max: 1,
        chat_connections_max: 1,
        chat_messages_per_minute_max: 1,
    };
    Surroundings {
        limits,
        budget: Budget::new(limits.intake_octets_max),
        slots: Slots::new(limits.imap_connections_per_host_max, limits.imap_connections_per_user_max),
        spool: Spool::open(&std::env::temp_dir().join(format!("guichet-spool-{}", std::process::id())), limits.spool_octets).unwrap(),
        clock: Clock::manual("2026-11-22T10:00:00Z".parse().unwrap()),
        stop: CancellationToken::new(),
        fault_plan: crate::fault_plan::FaultPlan::default(),
    }
}

/// Waits for a state; a test that waits too long fails with what it waited for.
pub(in crate::channel) async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "waited for: {what}");
}
