//! What many open tickets cost: to start with, to wake for, and when many of their clocks come due in one second.
//!
//! Each size has a store of its own, filled by a process that is then killed, so that the first start is one after a kill with
//! most to read again. The clocks are woken in a further process, without a daemon: by the daemon's own worker, whose time is set
//! by hand.

use crate::figures::{median, ms, verdict};
use crate::process::{self, memory_mib};
use crate::support::daemon::Daemon;
use guichet::channel::Received;
use guichet::clock::Clock;
use guichet::config::load_text;
use guichet::domain::address::EmailAddress;
use guichet::domain::change::{Change, Landing};
use guichet::domain::decide;
use guichet::domain::message::{BlobRef, Fingerprint, MessageId, Source, TicketNumber};
use guichet::http::api::{self, Filter};
use guichet::intake::{Bells, Desk};
use guichet::mail::normalise::NormaliseLimits;
use guichet::mail::token::Signer;
use guichet::sla_watch;
use guichet::store::{OpenOptions, Store};
use jiff::SignedDuration;
use std::collections::VecDeque;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Besides the tickets of the size asked for: so many have a clock due in one second, each time an hour after the one before.
const DUE: [u32; 3] = [1, 100, 10_000];
/// The others are opened in so many different minutes.
const MINUTES: u32 = 1000;
const START_BELOW_S: f64 = 3.0;
const BURST_BELOW_S: f64 = 2.0;
/// The daemon's own default.
const CACHE_MIB: u64 = 64;
/// Tickets whose mails are kept in one go, and decisions that may wait for the disk while a store is filled.
const FILL_BATCH: u32 = 500;
const FILL_SINKING_MAX: usize = 400;
const LOOKS: usize = 1000;
/// The memory is read once the daemon was left alone for so long.
const REST: Duration = Duration::from_secs(3);
/// Set in the environment of this driver's own further processes: what to do, and in which store.
const TASK: &str = "GUICHET_BENCH_CLOCKS";

const DESK: &str = "[desk]\nname = \"Acme Support\"\nstate_dir = \"@STATE@\"\nlanguages = [\"en\"]\n\
    [[mailbox]]\nname = \"support\"\naddress = \"support@desk.example\"\nteam = \"frontline\"\nmaildir = \"in\"\n\
    [smtp]\nmaildir = \"out\"\n\
    [[team]]\nname = \"frontline\"\ncalendar = \"always\"\n\
    [[agent]]\nname = \"Ana Souza\"\naddress = \"ana@desk.example\"\nteams = [\"frontline\"]\n\
    [[agent]]\nname = \"Mart Mägi\"\naddress = \"mart@desk.example\"\nteams = [\"frontline\"]\n\
    [[sla]]\nfirst_response = \"720h\"\nresolution = \"1440h\"\n";

pub async fn measure(sizes: &[u32]) {
    println!("open tickets with two clocks each; cache of the store {CACHE_MIB} MiB; times of starts until the daemon answers");
    let mut lines = Vec::new();
    for size in sizes {
        lines.push(of_size(*size).await);
    }
    println!("\n{:<12}{:>14}{:>14}{:>14}   start, s", "tickets", "kill, filled", "stop", "kill");
    for line in &lines {
        let slowest = line.starts_s.into_iter().fold(0.0, f64::max);
        let [filled, stop, kill] = line.starts_s;
        println!(
            "{:<12}{filled:>14.2}{stop:>14.2}{kill:>14.2}   below {START_BELOW_S} s: {}",
            line.tickets,
            verdict(slowest, START_BELOW_S)
        );
    }
    println!("\n{:<12}{:>10}{:>10}{:>10}{:>12}   memory of the idle daemon, MiB", "tickets", "resident", "anonymous", "peak", "disk, MiB");
    for line in &lines {
        let [resident, anonymous, peak] = line.memory_mib;
        println!("{:<12}{resident:>10.1}{anonymous:>10.1}{peak:>10.1}{:>12.0}", line.tickets, line.disk_mib);
    }
    println!("\n{:<12}{:>14}{:>14}{:>14}{:>14}   one look of the clocks' worker, with so many due", "tickets", "0", "1", "100", "10,000");
    for line in &lines {
        let [none, one, hundred, burst] = line.looks_ms;
        println!(
            "{:<12}{none:>11.3} ms{one:>11.1} ms{hundred:>11.1} ms{burst:>11.0} ms   {} mails queued, {:.0} ms of processor time; below {BURST_BELOW_S} s: {}",
            line.tickets,
            line.queued,
            line.burst_cpu_ms,
            verdict(burst / 1000.0, BURST_BELOW_S)
        );
    }
    println!("\n{:<12}{:>14}{:>14}{:>14}", "tickets", "figures", "list of 100", "whole list");
    for line in &lines {
        let [figures, list, whole] = line.reads_ms;
        println!("{:<12}{figures:>11.1} ms{list:>11.1} ms{whole:>11.0} ms", line.tickets);
    }
}

/// The figures of one size.
struct Line {
    tickets: u32,
    /// After a kill of what filled the store; after a stop; after a kill.
    starts_s: [f64; 3],
    /// Resident, anonymous, peak.
    memory_mib: [f64; 3],
    disk_mib: f64,
    looks_ms: [f64; 4],
    /// Of the last of these.
    burst_cpu_ms: f64,
    queued: u64,
    reads_ms: [f64; 3],
}

async fn of_size(tickets: u32) -> Line {
    let mut daemon = Daemon::new(&[("guichet.toml", DESK)]);
    let start = Instant::now();
    let (mut filler, mut told) = Task::Fill { dir: daemon.state_dir(), tickets }.begin();
    assert_eq!(told.next_line().await.unwrap().as_deref(), Some("filled"));
    filler.kill().await.unwrap();
    let disk_mib = mebibytes(&daemon.state_dir());
    println!("{tickets} tickets: filled in {:.0} s, {disk_mib:.0} MiB", start.elapsed().as_secs_f64());

    let first = started(&mut daemon).await;
    daemon.terminate().await;
    let stopped = started(&mut daemon).await;
    tokio::time::sleep(REST).await;
    let memory = ["VmRSS", "RssAnon", "VmHWM"].map(|name| memory_mib(daemon.pid(), name));
    daemon.kill9();
    let killed = started(&mut daemon).await;
    daemon.terminate().await;

    let (mut waker, mut told) = Task::Wake { dir: daemon.state_dir() }.begin();
    let mut figures = Vec::new();
    while let Some(line) = told.next_line().await.unwrap() {
        println!("  {line}");
        figures.extend(line.rsplit(' ').next().and_then(|figure| figure.parse::<f64>().ok()));
    }
    assert!(waker.wait().await.unwrap().success());
    let [none, one, hundred, burst, burst_cpu_ms, queued, counts, list, whole] = figures[..] else { panic!("nine figures: {figures:?}") };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let queued = queued as u64;
    Line {
        tickets,
        starts_s: [first, stopped, killed],
        memory_mib: memory,
        disk_mib,
        looks_ms: [none, one, hundred, burst],
        burst_cpu_ms,
        queued,
        reads_ms: [counts, list, whole],
    }
}

/// Starts the daemon; seconds until it answers.
async fn started(daemon: &mut Daemon) -> f64 {
    let start = Instant::now();
    daemon.run().await;
    start.elapsed().as_secs_f64()
}

/// What a further process of this driver does.
pub enum Task {
    /// Fills a new store, and waits to be killed.
    Fill { dir: PathBuf, tickets: u32 },
    /// Wakes the clocks of a store.
    Wake { dir: PathBuf },
}

impl Task {
    /// What this process was begun for; `None` for the driver itself.
    pub fn mine() -> Option<Self> {
        let task = std::env::var(TASK).ok()?;
        match task.split_once(' ')? {
            ("wake", dir) => Some(Self::Wake { dir: dir.into() }),
            (tickets, dir) => Some(Self::Fill { dir: dir.into(), tickets: tickets.parse().ok()? }),
        }
    }

    fn begin(&self) -> (Child, Lines<BufReader<ChildStdout>>) {
        let task = match self {
            Self::Fill { dir, tickets } => format!("{tickets} {}", dir.display()),
            Self::Wake { dir } => format!("wake {}", dir.display()),
        };
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.env(TASK, task).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, told)
    }

    pub async fn carry_out(self) {
        match self {
            Self::Fill { dir, tickets } => fill(&dir, tickets).await,
            Self::Wake { dir } => wake(&dir).await,
        }
    }
}

/// A desk at a store, whose time is set by hand.
fn desk(dir: &Path, cache_mib: u64) -> (Desk, Clock) {
    let settings = load_text("guichet.toml", &DESK.replace("@STATE@", "state"), Path::new("/nonexistent")).expect("a configuration");
    let (_, policy) = watch::channel(settings.policy);
    let clock = Clock::manual(Clock::system().now());
    let store = Store::open(dir, &OpenOptions { cache_octets: cache_mib << 20, ..OpenOptions::default() }).unwrap();
    let signer = Signer::new(&[7; 32]);
    (Desk::new(store, policy, signer, clock.clone(), NormaliseLimits::default(), Bells::default()), clock)
}

/// Opens tickets as an import without notices does: decided once for each minute, then copied.
async fn fill(dir: &Path, tickets: u32) {
    let scratch = tempfile::tempdir().unwrap();
    let (desk, clock) = desk(scratch.path(), CACHE_MIB);
    let store = Store::open(dir, &OpenOptions { cache_octets: 2 << 30, ..OpenOptions::default() }).unwrap();
    let mut number = 0;
    for count in DUE {
        open_tickets(&store, &opened(&desk).await, &mut number, count).await;
        clock.advance(SignedDuration::from_hours(1));
    }
    clock.advance(SignedDuration::from_hours(10));
    let last = number + tickets;
    while number < last {
        // So that neighbours in the index of due times are far apart in that of tickets, and the other way round.
        let count = (tickets / MINUTES).clamp(1, last - number);
        open_tickets(&store, &opened(&desk).await, &mut number, count).await;
        clock.advance(SignedDuration::from_mins(1));
    }
    let mut out = std::io::stdout();
    out.write_all(b"filled\n").unwrap();
    out.flush().unwrap();
    std::future::pending::<()>().await;
}

fn mail(number: u32) -> Vec<u8> {
    let text = "The invoice of last week has two lines that we did not order. Could you look into it, please?\r\n".repeat(4);
    format!(
        "From: Customer {number} <c{number}@customer.example>\r\nTo: support@desk.example\r\nSubject: The invoice of week {number}\r\n\
         Message-ID: <m{number}@customer.example>\r\n\r\n{text}"
    )
    .into_bytes()
}

/// What is decided now about a mail.
async fn opened(desk: &Desk) -> Change {
    let source = Source::Imap { mailbox: "support".to_owned(), uid_validity: 1, uid: 1 };
    let received = Received { source, raw: mail(0), arrived: None, cut: None, landed_to: None };
    let (_, _, change) = desk.consider(received).await.unwrap();
    let change = decide::without_notices(change, desk.clock().now());
    assert_eq!(change.tickets[0].clocks.len(), 2, "two clocks");
    change
}

async fn open_tickets(store: &Store, like: &Change, number: &mut u32, count: u32) {
    let mut sinking = VecDeque::new();
    let last = *number + count;
    while *number < last {
        let batch: Vec<u32> = (*number + 1..=last.min(*number + FILL_BATCH)).collect();
        let raws = store.keep(batch.iter().map(|n| mail(*n)).collect()).await.unwrap();
        for (n, raw) in batch.iter().zip(raws) {
            let committed = store.commit(copy(like, *n, raw)).await.unwrap();
            sinking.push_back(committed.receipt);
            if sinking.len() > FILL_SINKING_MAX {
                sinking.pop_front().unwrap().await.unwrap();
            }
        }
        *number += u32::try_from(batch.len()).unwrap();
    }
    for receipt in sinking {
        receipt.await.unwrap();
    }
}

/// The same matter of another customer.
fn copy(like: &Change, n: u32, raw: BlobRef) -> Change {
    let mut change = like.clone();
    let number = TicketNumber(n.into());
    let id = MessageId::parse(&format!("m{n}@customer.example")).unwrap();
    let mut fingerprint = [7; 16];
    fingerprint.copy_from_slice(&raw.id.0[..16]);
    change.fingerprint = Some(Fingerprint(fingerprint));
    change.landing = Some(Landing::Ticket { number, seq: 1 });
    change.message_ids = vec![(id.clone(), number)];
    for ticket in &mut change.tickets {
        ticket.number = number;
        ticket.requester.address = EmailAddress::parse(&format!("c{n}@customer.example")).ok();
        ticket.last_customer_id = Some(id.clone());
    }
    for message in &mut change.messages {
        message.ticket = number;
        message.message_id = Some(id.clone());
        message.raw = Some(raw);
    }
    for (of, _) in &mut change.history {
        *of = number;
    }
    change
}

/// Prints a line for each figure, which stands at its end.
async fn wake(dir: &Path) {
    let start = Instant::now();
    let (desk, clock) = desk(dir, CACHE_MIB);
    let store = desk.store().clone();
    println!("the store was opened in {:.2} s", start.elapsed().as_secs_f64());
    let stop = CancellationToken::new();
    let mut looks = Vec::new();
    let mut next = None;
    for _ in 0..LOOKS {
        let start = Instant::now();
        next = sla_watch::round(&desk, &stop).await.unwrap();
        looks.push(ms(start.elapsed()));
    }
    println!("a look with nothing due, ms: {}", median(&looks));
    let mut cpu = Duration::ZERO;
    for due in DUE {
        let at = next.expect("a time");
        clock.advance(at.duration_since(clock.now()));
        let (numbers, _) = store.due(clock.now(), usize::MAX).unwrap();
        assert_eq!(numbers.len(), due as usize, "so many are due");
        let (start, syncs, cpu_before) = (Instant::now(), store.syncs().records, process::cpu(std::process::id()));
        next = sla_watch::round(&desk, &stop).await.unwrap();
        let took = start.elapsed();
        cpu = process::cpu(std::process::id()).saturating_sub(cpu_before);
        println!("{due} due, {} syncs, ms: {}", store.syncs().records - syncs, ms(took));
        assert!(store.due(clock.now(), 1).unwrap().0.is_empty(), "all are decided");
    }
    println!("processor time of that, ms: {}", ms(cpu));
    println!("mails queued: {}", store.counts().await.unwrap().outbox_waiting);
    let resident = memory_mib(std::process::id(), "VmRSS");
    println!("resident by now: {resident:.1} MiB (peak {:.1} MiB)", memory_mib(std::process::id(), "VmHWM"));
    let start = Instant::now();
    store.counts().await.unwrap();
    println!("figures of /metrics, ms: {}", ms(start.elapsed()));
    let start = Instant::now();
    let listed = store.tickets(guichet::store::TicketFilter::NotClosed).take(100).flatten().count();
    println!("the {listed} that are due first, ms: {}", ms(start.elapsed()));
    let start = Instant::now();
    let mut listed = 0;
    api::each(&desk, &Filter::default(), |_| {
        listed += 1;
        true
    })
    .unwrap();
    println!("all {listed} listed, ms: {}", ms(start.elapsed()));
    store.close().await;
}

/// Octets below a directory, in MiB.
fn mebibytes(dir: &Path) -> f64 {
    fn octets(dir: &Path) -> u64 {
        let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
        entries.map(|entry| if entry.file_type().unwrap().is_dir() { octets(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let octets = octets(dir) as f64;
    octets / f64::from(1 << 20)
}
