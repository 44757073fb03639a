//! Ended at any instant, the store loses nothing that it acknowledged and has nothing by halves.

use super::support::*;
use crate::domain::change::Need;
use crate::domain::message::TicketNumber;
use crate::fault_plan::{Failure, FaultPlan, Place};
use crate::store::{OpenOptions, Outcome, Store, StoreFault};
use futures_util::FutureExt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const CHILD_DIR: &str = "GUICHET_TEST_CRASH_DIR";
const CHILD_FROM: &str = "GUICHET_TEST_CRASH_FROM";
const CHILD_FAILS: &str = "GUICHET_TEST_CRASH_FAILS";
/// Set: the child closes the store in order once it has written something.
const CHILD_CLOSES: &str = "GUICHET_TEST_CRASH_CLOSES";
/// Committers at once in the child.
const TASKS: u64 = 8;

/// Commits until it is killed, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests beside it"]
async fn child_commits() {
    let (Ok(dir), Ok(from)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_FROM)) else { return };
    let fault_plan = std::env::var(CHILD_FAILS).map_or_else(|_| FaultPlan::default(), |plan| parse_plan(&plan));
    let store = open_with(dir.as_ref(), &OpenOptions { fault_plan, ..OpenOptions::default() });
    let from: u64 = from.parse().unwrap();
    let tasks = (0..TASKS).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (from + task..).step_by(usize::try_from(TASKS).unwrap()) {
                take_in(&store, n).await;
                let lease = jiff::SignedDuration::from_secs(60);
                for entry in store.claim_outbox(at(i64::try_from(n).unwrap()), lease, 2).await.unwrap() {
                    store.settle_outbox(entry.outbound.id, crate::store::Settled::Sent, at(0)).await.unwrap();
                }
                let mut out = std::io::stdout().lock();
                writeln!(out, "acked {n}").unwrap();
                out.flush().unwrap();
            }
        })
    });
    futures_util::future::join_all(tasks).await;
}

fn parse_plan(plan: &str) -> FaultPlan {
    let (place, turn) = plan.split_once(':').unwrap();
    let place = Place::ALL.into_iter().find(|known| format!("{known:?}") == place).unwrap();
    FaultPlan::at(place, turn.parse().unwrap(), Failure::Abort)
}

fn start(dir: &Path, from: u64, plan: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::tests::crash::child_commits", "--ignored", "--nocapture"]);
    command.env(CHILD_DIR, dir).env(CHILD_FROM, from.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(plan) = plan {
        command.env(CHILD_FAILS, plan);
    }
    command.spawn().unwrap()
}

/// Reads what was acknowledged, ends the child after so many lines, and reads what it still said.
fn acknowledged(child: &mut Child, lines: usize) -> Vec<u64> {
    let mut acked = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        acked.extend(line.unwrap().strip_prefix("acked ").map(|n| n.parse::<u64>().unwrap()));
        if acked.len() == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acked
}

/// What must hold after any end; takes in again what may have been lost.
async fn check(dir: &Path, acked: &[u64], from: u64) -> u64 {
    let store = open(dir);
    assert_clean(&store);
    for n in acked {
        let message = store.message(TicketNumber(*n), 1).unwrap().unwrap_or_else(|| panic!("{n} was acknowledged and is gone"));
        assert_eq!(store.blob(message.raw.unwrap().id).await.unwrap().unwrap(), raw(*n));
    }
    let last = acked.iter().copied().max().unwrap_or(from) + 2 * TASKS;
    for n in from..=last {
        let outcome = take_in(&store, n).await;
        assert_ne!(outcome, Outcome::Stale);
        if acked.contains(&n) {
            assert!(matches!(outcome, Outcome::Duplicate(_)), "{n} was acknowledged and is taken in again");
        }
    }
    assert_clean(&store);
    assert_eq!(store.verify(false).unwrap().tickets, last, "each message in one ticket");
    last
}

#[tokio::test]
async fn p1_killed_at_any_moment_nothing_acknowledged_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut from, mut total) = (1, 0);
    for _ in 0..24 {
        let lines = rand::random_range(1..=120);
        let mut child = start(dir.path(), from, None);
        let acked = acknowledged(&mut child, lines);
        assert!(acked.len() >= lines);
        total += acked.len();
        from = check(dir.path(), &acked, from).await + 1;
    }
    println!("{total} acknowledged in 24 rounds");
}

#[tokio::test]
async fn p1_ended_at_every_named_place_nothing_is_there_by_halves() {
    for place in Place::OF_STORE {
        let dir = tempfile::tempdir().unwrap();
        let mut from = 1;
        for turn in [1, 2, 7] {
            let mut child = start(dir.path(), from, Some(&format!("{place:?}:{turn}")));
            let acked = acknowledged(&mut child, usize::MAX);
            from = check(dir.path(), &acked, from).await + 1;
        }
    }
}

/// Takes in some messages, closes in order, and says what it does.
#[tokio::test]
#[ignore = "run by the tests beside it"]
async fn child_closes() {
    let Ok(dir) = std::env::var(CHILD_CLOSES) else { return };
    let say = |what: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{what}").and_then(|()| out.flush()).unwrap();
    };
    let store = open_with(dir.as_ref(), &OpenOptions { refresh_octets: 1, ..OpenOptions::default() });
    let from = store.context(&Need::default()).unwrap().next_number.map_or(1, |number| number.0);
    for n in from..from + 40 {
        take_in(&store, n).await;
        say(&format!("acked {n}"));
    }
    say("closing");
    store.close().await;
    drop(store);
    say("closed");
}

fn start_closing(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::tests::crash::child_closes", "--ignored", "--nocapture"]);
    command.env(CHILD_CLOSES, dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The engine's snapshots, a begun one too.
fn snapshots(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("sled")).into_iter().flatten().flatten().map(|file| file.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("snap.")).collect();
    names.sort();
    names
}

/// Killed at once when it closes, then once something has changed in the directory, then later and later.
#[tokio::test]
async fn p1_killed_while_it_closes_nothing_acknowledged_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut from, mut cut_short) = (1, 0);
    for round in 0..12_u32 {
        let mut child = start_closing(dir.path());
        let (mut acked, mut closed, mut before) = (Vec::new(), false, Vec::new());
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            acked.extend(line.strip_prefix("acked ").map(|n| n.parse::<u64>().unwrap()));
            if acked.len() == 1 {
                before = snapshots(dir.path());
            }
            closed |= line == "closed";
            if line == "closing" {
                // Without a sleep: as many looks as the round says, each some microseconds, from the first change on.
                let mut looks = if round == 0 { 0 } else { 4_u32.pow(round / 2) };
                while looks > 0 && child.try_wait().unwrap().is_none() {
                    looks -= u32::from(round % 2 == 0 || snapshots(dir.path()) != before);
                }
                let _ = child.kill();
            }
        }
        child.wait().unwrap();
        cut_short += u32::from(!closed);
        assert_eq!(acked.len(), 40);
        from = check(dir.path(), &acked, from).await + 1;
    }
    assert!(cut_short > 0, "some were cut short");
}

#[tokio::test]
async fn a_close_in_order_after_much_writing_makes_the_snapshot_fresh() {
    for (refresh_octets, in_order, is_fresh, why) in
        [(1, true, true, "much was written"), (1, false, false, "dropped, as by a fault"), (1 << 30, true, false, "little was written")]
    {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with(dir.path(), &OpenOptions { refresh_octets, ..OpenOptions::default() });
        for n in 1..=40 {
            take_in(&store, n).await;
        }
        let before = snapshots(dir.path());
        if in_order {
            store.close().await;
        }
        drop(store);
        let closed = snapshots(dir.path());
        assert_eq!(closed != before, is_fresh, "{why}");
        let store = open(dir.path());
        assert_eq!(snapshots(dir.path()) == closed, is_fresh, "{why}: the next start has nothing to add");
        assert_clean(&store);
        assert_eq!(store.verify(true).unwrap().tickets, 40);
    }
}

/// The same places, but the system reports an error and the process lives on.
#[tokio::test]
async fn p1_after_a_failed_write_nothing_is_acknowledged() {
    for place in Place::OF_STORE {
        let dir = tempfile::tempdir().unwrap();
        take_in(&open(dir.path()), 1).await;
        // The open itself syncs the records once.
        let turn = if matches!(place, Place::BeforeFlush | Place::AfterFlush | Place::AfterSync) { 2 } else { 1 };
        let fault_plan = FaultPlan::at(place, turn, Failure::Error);
        let store = open_with(dir.path(), &OpenOptions { fault_plan, ..OpenOptions::default() });
        let first = attempt(&store, 2).await;
        assert!(first.is_err(), "{place:?}");
        let second = attempt(&store, 3).await;
        if place == Place::MidPackWrite {
            second.unwrap();
            assert!(store.stopped().now_or_never().is_none(), "a full disk is waited for");
        } else {
            assert!(store.stopped().now_or_never().is_some(), "whoever runs the store is told: {place:?}");
            assert!(matches!(second, Err(StoreFault::Failed(_))), "a failed sync is never tried again: {place:?}");
        }
        drop(store);
        check(dir.path(), &[1], 1).await;
    }
}

async fn attempt(store: &Store, n: u64) -> Result<Outcome, StoreFault> {
    let kept = store.keep(vec![raw(n)]).await?;
    let mut change = arrival(n);
    change.messages[0].raw = Some(kept[0]);
    let committed = store.commit(change).await?;
    committed.receipt.await?;
    Ok(committed.outcome)
}
