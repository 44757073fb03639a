//! A million rows of customers: time and memory of reading them, and time of a look-up, with their limits.
//!
//! ```text
//! cargo bench --bench customers
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench fails by panicking")]

use guichet::domain::address::EmailAddress;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const ROWS: usize = 1_000_000;
const LOAD_MAX: Duration = Duration::from_secs(2);
const MEMORY_MIB_MAX: u64 = 400;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    // A process of its own reads it, so that writing it does not count.
    if let Some(dir) = std::env::var_os("CUSTOMERS_DIR") {
        return measure(std::path::Path::new(&dir));
    }
    let mut text = "address,name,organisation,plan,tier,language,valid_from,valid_until\n".to_owned();
    for n in 0..ROWS {
        let of = n / 7;
        let _ = writeln!(text, "user{n}@customer{of}.example,Name {n},Organisation {of},extended,,pt,2026-01-01,2027-12-31");
    }
    std::fs::write(dir.path().join("customers.csv"), text).unwrap();
    let configuration = "[desk]\nname = 'x'\nstate_dir = 's'\ncustomers = 'customers.csv'\n[[mailbox]]\nname = 'a'\n\
        address = 'a@b.example'\nmaildir = 'in'\n[smtp]\nmaildir = 'out'\n[[team]]\nname = 't'\nmanager = 'm@b.example'\n\
        [[tier]]\nname = 'basic'\n[[tier]]\nname = 'advanced'\nplans = 'extended'\n";
    std::fs::write(dir.path().join("guichet.toml"), configuration).unwrap();
    let own = std::env::current_exe().unwrap();
    let status = std::process::Command::new(own).env("CUSTOMERS_DIR", dir.path()).status().unwrap();
    assert!(status.success(), "over a limit");
}

fn measure(dir: &std::path::Path) {
    let path = dir.join("guichet.toml");
    let begun = Instant::now();
    let settings = guichet::config::load(&path).unwrap();
    let (load, peak) = (begun.elapsed(), status("VmHWM"));
    let policy = &settings.policy;
    assert_eq!(policy.customers.len(), ROWS);

    let begun = Instant::now();
    let again = guichet::config::load_again(&path, policy, jiff::Timestamp::now()).unwrap();
    let unchanged = begun.elapsed();
    assert_eq!(again.policy.customers.len(), ROWS);

    let asked: Vec<_> = (0..100_000).map(|n| format!("user{}@customer{}.example", n * 9 % ROWS, n * 9 % ROWS / 7)).collect();
    let asked: Vec<_> = asked.iter().map(|text| EmailAddress::parse(text).unwrap()).collect();
    let begun = Instant::now();
    let found = asked.iter().filter(|address| policy.customers.of_address(address).is_some()).count();
    let look_up = begun.elapsed() / u32::try_from(asked.len()).unwrap();
    assert_eq!(found, asked.len());

    // A changed file, read while the old one is in force.
    let file = dir.join("customers.csv");
    let changed = std::fs::read_to_string(&file).unwrap() + "new@customer.example,,,,,,,\n";
    std::fs::write(&file, &changed).unwrap();
    drop(changed);
    let newer = guichet::config::load_customers(&file, policy).unwrap();
    assert_eq!(newer.len(), ROWS + 1);

    println!("{ROWS} rows: read in {load:?} (at most {LOAD_MAX:?}), peak {peak} MiB (at most {MEMORY_MIB_MAX})");
    println!("unchanged, read again: {unchanged:?}; a look-up: {look_up:?}; both tables in memory: {} MiB", status("VmRSS"));
    assert!(load < LOAD_MAX && peak < MEMORY_MIB_MAX, "over a limit");
}

/// A figure of this process, in MiB.
fn status(name: &str) -> u64 {
    let all = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = all.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
