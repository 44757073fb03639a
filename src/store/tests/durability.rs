//! When is it on disk? Counted in calls, not in time.

use super::support::*;
use crate::domain::change::Landing;
use crate::domain::message::TicketNumber;
use crate::domain::outbound::{Delivery, OutboxId};
use crate::store::{Outcome, Settled, StoreFault};
use futures_util::future::join_all;
use jiff::SignedDuration;
use std::process::Command;

#[tokio::test]
async fn p1_many_changes_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = store.syncs();
    let outcomes = join_all((1..=256).map(|n| take_in(&store, n))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Committed(Some(_)))));
    let after = store.syncs();
    let (records, blobs) = (after.records - before.records, after.blobs - before.blobs);
    assert!((1..=64).contains(&records) && (1..=64).contains(&blobs), "256 messages took {records} and {blobs} syncs");
    assert_clean(&store);
}

#[tokio::test]
async fn p5_deliveries_share_a_batch_in_which_each_keeps_its_order_and_its_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    join_all((1..=20).map(|n| take_in(&store, n))).await;
    let claimed = store.claim_outbox(at(1000), SignedDuration::from_secs(60), 64).await.unwrap();
    assert_eq!(claimed.len(), 20);
    let before = store.syncs().records;
    let nobody = OutboxId { ticket: TicketNumber(999), n: 1 };
    let mut news = vec![(nobody, Settled::Sent)];
    for entry in &claimed {
        news.push((entry.outbound.id, Settled::Retry { at: at(9), why: "451 later".to_owned() }));
        news.push((entry.outbound.id, Settled::Sent));
    }
    let settled = join_all(news.into_iter().map(|(id, verdict)| store.settle_outbox(id, verdict, at(2)))).await;
    for (nth, settled) in settled.into_iter().enumerate() {
        match settled {
            Ok(receipt) => receipt.await.unwrap(),
            Err(fault) => assert_eq!((nth, fault), (0, StoreFault::NoSuchEntry(nobody))),
        }
    }
    assert!(store.syncs().records - before <= 4, "forty share them");
    for entry in &claimed {
        let now = store.outbox_entry(entry.outbound.id).unwrap().unwrap();
        assert_eq!((now.delivery, now.next_attempt), (Delivery::Sent, None), "the last word counts");
    }
    assert_eq!(store.next_outbox().unwrap(), None);
    assert_clean(&store);
}

#[tokio::test]
async fn p1_a_change_alone_has_a_sync_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = store.syncs();
    for n in 1..=5 {
        take_in(&store, n).await;
    }
    let after = store.syncs();
    assert_eq!((after.records - before.records, after.blobs - before.blobs), (5, 5));
}

#[tokio::test]
async fn what_writes_nothing_waits_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let before = store.syncs();
    assert!(matches!(commit(&store, arrival(1)).await, Outcome::Duplicate(_)));
    assert!(store.claim_outbox(at(0), SignedDuration::from_secs(1), 5).await.unwrap().is_empty());
    assert_eq!(store.syncs(), before);
}

#[tokio::test]
async fn a_change_is_visible_before_it_is_durable_and_its_duplicate_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = store.syncs().records;
    let first = store.commit(arrival(1)).await.unwrap();
    assert!(store.ticket(TicketNumber(1)).unwrap().is_some());
    let again = store.commit(arrival(1)).await.unwrap();
    assert_eq!(again.outcome, Outcome::Duplicate(Landing::Ticket { number: TicketNumber(1), seq: 1 }));
    again.receipt.await.unwrap();
    assert!(store.syncs().records > before);
    first.receipt.await.unwrap();
}

const CHILD_DIR: &str = "GUICHET_TEST_SYNC_DIR";

#[tokio::test]
#[ignore = "run by p1_the_device_is_flushed_at_each_sync"]
async fn child_for_strace() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let store = open(dir.as_ref());
    let before = store.syncs();
    for n in 1..=10 {
        take_in(&store, n).await;
        println!("acked {n}");
    }
    join_all((11..=74).map(|n| take_in(&store, n))).await;
    let after = store.syncs();
    // The open has synced once.
    println!("syncs {} {}", after.records - before.records + 1, after.blobs - before.blobs);
}

/// The engine's own flush never reaches the device; only our `fdatasync` does. So the calls are counted where they happen.
#[test]
fn p1_the_device_is_flushed_at_each_sync() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let output = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fdatasync,write", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::durability::child_for_strace", "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir.path().join("state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() && !said.contains("syncs ") {
        eprintln!("skipped: this system does not let strace trace ({})", String::from_utf8_lossy(&output.stderr).trim());
        return;
    }
    let counts: Vec<usize> =
        said.lines().find_map(|line| line.strip_prefix("syncs ")).unwrap().split(' ').map(|count| count.parse().unwrap()).collect();
    let trace = std::fs::read_to_string(&trace).unwrap();
    let calls: Vec<&str> = trace.lines().filter(|line| line.contains("fdatasync(")).collect();
    let of = |file: &str| calls.iter().filter(|line| line.contains(file)).count();
    assert_eq!(of("/sled/db>"), counts[0], "each sync of records is one of the device");
    assert_eq!(of(".pack>"), counts[1], "each sync of contents is one of the device");
    assert!(counts[0] < 42, "64 at once share them: {counts:?}");

    // Before each acknowledgement: first the content, then the record that names it.
    let mut since = (false, false);
    let mut acked = 0;
    for line in trace.lines() {
        if line.contains("fdatasync(") && line.contains(".pack>") {
            since = (true, false);
        } else if line.contains("fdatasync(") && line.contains("/sled/db>") {
            since.1 = since.0;
        } else if line.contains("acked ") {
            assert_eq!(since, (true, true), "acknowledged before it was on disk: {line}");
            since = (false, false);
            acked += 1;
        }
    }
    assert_eq!(acked, 10);
    assert_clean(&open(&dir.path().join("state")));
}
