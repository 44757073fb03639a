//! How much memory an idle daemon takes.

use crate::figures::verdict;
use crate::process::{memory_mib, threads};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::sink::Sink;
use crate::support::wait::{LIMIT, wait_until};
use crate::{PASSWORD, configuration};
use std::time::Duration;

/// It has settled when it did not change for so long.
const STILL: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn measure() {
    println!("memory of the idle daemon, no chats, MiB");
    println!("{:<20}{:>10}{:>10}{:>10}{:>10}{:>10}   target", "", "resident", "anonymous", "file", "peak", "threads");
    for (mailboxes, below) in [(1, 30.0), (50, 64.0)] {
        let names: Vec<String> = (1..=mailboxes).map(|n| format!("box{n}")).collect();
        let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
        let with_passwords: Vec<(&str, &str)> = accounts.iter().map(|name| (*name, PASSWORD)).collect();
        let dovecot = Dovecot::start(&with_passwords).await;
        let sink = Sink::plain().await;
        let daemon = Daemon::start(&[("guichet.toml", &configuration(dovecot.imap_port, &accounts, sink.port))]).await;
        wait_until("every folder to be open", LIMIT, async || {
            let log = std::fs::read_to_string(daemon.log()).unwrap_or_default();
            (log.matches("folder open").count() >= mailboxes).then_some(())
        })
        .await;
        let resident = settled(&daemon).await;
        let [anonymous, file, peak] = ["RssAnon", "RssFile", "VmHWM"].map(|name| memory_mib(daemon.pid(), name));
        println!(
            "{:<20}{resident:>10.1}{anonymous:>10.1}{file:>10.1}{peak:>10.1}{:>10}   below {below} MiB: {}",
            format!("{mailboxes} mailbox(es)"),
            threads(daemon.pid()),
            verdict(resident, below)
        );
    }
}

/// Resident memory once it rests.
async fn settled(daemon: &Daemon) -> f64 {
    let mut last = 0.0;
    let mut since = tokio::time::Instant::now();
    wait_until("the daemon's memory to settle", PATIENCE, async || {
        let now = memory_mib(daemon.pid(), "VmRSS");
        if (now - last).abs() > 0.25 {
            last = now;
            since = tokio::time::Instant::now();
        }
        (since.elapsed() >= STILL).then_some(now)
    })
    .await
}
