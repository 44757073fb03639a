//! The load driver: how fast the whole daemon is, and how large, on real servers.
//!
//! ```text
//! cargo bench --bench desk -- [latency|drain|memory|large|clocks]… [--mails N] [--rounds N] [--tickets N,N,…]
//! ```
//! Each part but `clocks` starts a Dovecot of its own, an SMTP server inside this process and the daemon as ops run it, all on loopback.
//! Absolute figures depend on the machine; those with a ratio come from turns that were taken in one run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a driver ends by panicking and speaks by printing"
)]
#![allow(dead_code, unreachable_pub, reason = "the harness offers more than the driver uses")]
#![allow(clippy::missing_panics_doc, reason = "a driver panics where it fails")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod latency;
mod drain;
mod memory;
mod large;
mod clocks;
mod corpus;
mod imap;
mod relay;
mod process;
mod figures;

use std::fmt::Write as _;

/// What stands behind `--`.
struct Wishes {
    parts: Vec<String>,
    mails: Option<usize>,
    rounds: usize,
    tickets: Vec<u32>,
}

#[tokio::main]
async fn main() {
    if let Some(task) = clocks::Task::mine() {
        return task.carry_out().await;
    }
    let Some(wishes) = wishes(std::env::args().skip(1)) else {
        eprintln!("usage: cargo bench --bench desk -- [latency|drain|memory|large|clocks]… [--mails N] [--rounds N] [--tickets N,N,…]");
        std::process::exit(2);
    };
    for part in &wishes.parts {
        match part.as_str() {
            "latency" => latency::measure(wishes.mails.unwrap_or(200)).await,
            "drain" => drain::measure(wishes.mails.unwrap_or(2000), wishes.rounds).await,
            "large" => large::measure(wishes.mails.unwrap_or(40)).await,
            "clocks" => clocks::measure(&wishes.tickets).await,
            _ => memory::measure().await,
        }
        println!();
    }
}

fn wishes(arguments: impl Iterator<Item = String>) -> Option<Wishes> {
    let mut wishes = Wishes { parts: Vec::new(), mails: None, rounds: 3, tickets: vec![10_000, 100_000, 1_000_000] };
    // Cargo says `--bench` to every bench.
    let mut arguments = arguments.filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "latency" | "drain" | "memory" | "large" | "clocks" => wishes.parts.push(argument),
            "--mails" => wishes.mails = Some(arguments.next()?.parse().ok().filter(|mails| *mails > 0)?),
            "--rounds" => wishes.rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
            "--tickets" => {
                wishes.tickets = arguments.next()?.split(',').map(|n| n.parse().ok().filter(|n| *n > 0)).collect::<Option<_>>()?;
            }
            _ => return None,
        }
    }
    if wishes.parts.is_empty() {
        wishes.parts = ["latency", "drain", "memory", "large", "clocks"].map(str::to_owned).into();
    }
    Some(wishes)
}

/// A desk with these accounts of one IMAP server as mailboxes, one team and one agent.
fn configuration(imap_port: u16, accounts: &[&str], smtp_port: u16) -> String {
    let mut text = format!(
        "[desk]\nname = \"Acme Support\"\nstate_dir = \"@STATE@\"\nlanguages = [\"en\", \"pt\", \"et\"]\n\
         [smtp]\nhost = \"127.0.0.1\"\nport = {smtp_port}\ntls = \"none\"\n\
         [[team]]\nname = \"frontline\"\n[[agent]]\nname = \"Ana Souza\"\naddress = \"{AGENT}\"\nteams = [\"frontline\"]\n"
    );
    for account in accounts {
        let _ = write!(
            text,
            "[[mailbox]]\nname = \"{account}\"\naddress = \"{account}@desk.example\"\nteam = \"frontline\"\n\
             imap = {{ host = \"127.0.0.1\", port = {imap_port}, tls = \"none\", user = \"{account}\", password = \"{PASSWORD}\" }}\n"
        );
    }
    text
}

const AGENT: &str = "ana@desk.example";
const PASSWORD: &str = "secret";
