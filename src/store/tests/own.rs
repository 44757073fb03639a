//! What the desk tells its ops, and what it counts for them.

use super::support::*;
use crate::domain::change::{Change, Quarantined};
use crate::domain::message::{Source, TicketNumber};
use crate::domain::ops::{DeskState, DigestFacts};
use crate::domain::outbound::{Audience, Outbound, OutboxId};
use crate::domain::ticket::Ticket;
use crate::store::{Counts, Outcome, StoreFault};
use jiff::SignedDuration;

/// A message that is set aside under the fingerprint of the `n`th.
fn set_aside(n: u64) -> Change {
    let source = Source::Maildir { mailbox: "support".to_owned(), file: format!("{n}.M1") };
    let quarantine = Quarantined { at: at(1), source, raw: None, reason: "no_sender".to_owned(), detail: "no From".to_owned() };
    Change { fingerprint: Some(fingerprint(n)), quarantine: Some(quarantine), ..Default::default() }
}

/// A mail of the desk's own.
fn own_mail(n: u32) -> Outbound {
    Outbound { id: OutboxId { ticket: TicketNumber::DESK, n }, audience: Audience::Informed, ..outbound(1, 1) }
}

fn told(state: &DeskState, mails: &[u32], count: u32) -> Change {
    let desk = DeskState { outbox: count, told_quarantine: 3, ..state.clone() };
    Change { desk: Some(desk), outbox: mails.iter().map(|n| own_mail(*n)).collect(), ..Change::default() }
}

#[tokio::test]
async fn p5_what_the_desk_tells_its_ops_is_counted_and_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let fresh = store.desk_state().unwrap();
    assert_eq!(fresh, DeskState::default());
    for (change, why) in [
        (Change { desk: None, ..told(&fresh, &[1], 1) }, "a mail without its state"),
        (told(&fresh, &[1, 3], 3), "a hole"),
        (told(&fresh, &[1], 2), "counted and not there"),
        (told(&fresh, &[1, 1], 1), "twice"),
        (Change { tickets: vec![Ticket { number: TicketNumber::DESK, ..ticket(1) }], ..arrival(1) }, "a ticket of that number"),
        (Change { messages: vec![message(0, 1, "x")], ..told(&fresh, &[], 0) }, "a message of no ticket"),
    ] {
        assert!(matches!(store.commit(change).await, Err(StoreFault::Unsound(_))), "{why}");
    }
    assert!(matches!(commit(&store, told(&fresh, &[1, 2], 2)).await, Outcome::Committed(None)));
    assert!(matches!(commit(&store, told(&fresh, &[1, 2], 2)).await, Outcome::Stale), "decided on what has passed");
    let state = store.desk_state().unwrap();
    assert_eq!((state.version, state.outbox, state.told_quarantine), (1, 2, 3));
    assert!(matches!(store.commit(told(&state, &[2], 2)).await, Err(StoreFault::Unsound(_))), "a name that is taken");
    assert_eq!(store.claim_outbox(at(10), SignedDuration::from_secs(1), 9).await.unwrap().len(), 2, "they are sent as any other");
    let dropped = Change { dropped: Some((OutboxId { ticket: TicketNumber::DESK, n: 2 }, "by hand".to_owned())), ..Change::default() };
    assert!(matches!(commit(&store, dropped).await, Outcome::Committed(_)), "and dropped without a ticket");
    assert_clean(&store);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.desk_state().unwrap(), state, "it is stored");
}

#[tokio::test]
async fn what_waits_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    for n in 1..=3 {
        commit(&store, set_aside(n)).await;
    }
    commit(&store, Change { releases: Some(2), ..arrival(2) }).await;
    commit(&store, Change { undeliverable: true, ..Change::default() }).await;
    commit(&store, Change { undeliverable: true, ..Change::default() }).await;
    assert_eq!(store.counts().await.unwrap(), Counts { quarantine_waiting: 2, outbox_waiting: 1, undeliverable: 2 });
    let reason = store.quarantined(1).unwrap().unwrap().reason;
    let count = |n: u64| std::collections::BTreeMap::from([(reason.clone(), n)]);
    let facts = store.digest_facts(1).await.unwrap();
    assert_eq!(facts, DigestFacts { waiting: count(2), fresh: count(1), fresh_ids: vec![3], newest: 3, undeliverable: 2 });
    assert!(store.digest_facts(3).await.unwrap().fresh.is_empty());
}
