//! Figures, not promises: `cargo test --release --lib store::tests::measure -- --ignored --nocapture`.

use super::support::*;
use futures_util::future::join_all;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn figures() {
    let dir = tempfile::tempdir().unwrap();
    let rss = |when: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        println!("{when}: {}", status.lines().find(|line| line.starts_with("VmRSS")).unwrap());
    };
    rss("before open");
    let store = open(dir.path());
    rss("after open of an empty store");

    let mut took = Vec::new();
    for n in 1..=1000 {
        let start = Instant::now();
        take_in(&store, n).await;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let sum: std::time::Duration = took.iter().sum();
    println!("keep + commit, alone: p50 {:?}, p99 {:?}, {:.0}/s", took[500], took[990], 1000.0 / sum.as_secs_f64());

    let start = Instant::now();
    for n in 1001..=2000 {
        commit(&store, arrival(n)).await;
    }
    println!("commit, one committer: {:.0}/s", 1000.0 / start.elapsed().as_secs_f64());

    for (committers, from, with_content) in [(64_u64, 10_000_u64, false), (64, 30_000, true)] {
        let before = store.syncs();
        let start = Instant::now();
        let tasks = (0..committers).map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (from + task..from + 10_000).step_by(64) {
                    if with_content {
                        take_in(&store, n).await;
                    } else {
                        commit(&store, arrival(n)).await;
                    }
                }
            })
        });
        join_all(tasks).await;
        let rate = 10_000.0 / start.elapsed().as_secs_f64();
        let after = store.syncs();
        let (records, blobs) = (after.records - before.records, after.blobs - before.blobs);
        println!("{committers} committers, content {with_content}: {rate:.0}/s, {records} and {blobs} syncs for 10,000");
    }

    let start = Instant::now();
    let mut last = None;
    for n in 50_000..60_000 {
        last = Some(store.commit(arrival(n)).await.unwrap().receipt);
    }
    last.unwrap().await.unwrap();
    println!("one committer that waits only for visible: {:.0}/s", 10_000.0 / start.elapsed().as_secs_f64());

    rss("after 32,000 tickets");
    let size = store.size().unwrap();
    println!(
        "{size:?}: {} octets of records on disk a message, {} live",
        size.records_disk_octets / 32_000,
        size.records_live_octets / 32_000
    );
    let start = Instant::now();
    assert_clean(&store);
    println!("verify: {:?}", start.elapsed());
    drop(store);
    let start = Instant::now();
    let store = open(dir.path());
    println!("reopened in {:?}", start.elapsed());
    drop(store);
}
