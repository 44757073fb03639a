//! How fast a full mailbox is taken in, beside programs that only fetch it.
//!
//! In each round every contender gets the same mails in a mailbox of its own on the same server, one after the other, in turn:
//! - *plain*: fetched whole into memory, written to one file, synced once, moved in batches;
//! - *guichet*: from the start of its process to an empty INBOX: each mail parsed, threaded, decided, committed, on disk,
//!   moved, with acknowledgements and notifications going out meanwhile and after;
//! - *mbsync*, where it is installed, as it comes: fetched into a Maildir; nothing is moved.

use crate::corpus::{self, DESK};
use crate::figures::{median, ms, rate};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::scratch::{Account, Scratch};
use crate::support::sink::Sink;
use crate::support::wait::wait_until;
use crate::{PASSWORD, configuration, imap, process};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For one contender's turn, or for the rest of the outgoing mail.
const PATIENCE: Duration = Duration::from_mins(10);
/// Nothing more goes out when the count did not change for so long.
const QUIET: Duration = Duration::from_millis(1500);
const PEAK_BELOW_MIB: f64 = 128.0;
const CPU_BELOW_MS: f64 = 0.6;

/// What one turn of the daemon showed.
struct Turn {
    rate: f64,
    cpu_ms: f64,
    cpu_with_outgoing_ms: f64,
    peak_mib: f64,
    sent: usize,
    sent_after: Duration,
}

pub async fn measure(mails: usize, rounds: usize) {
    let pool = Pool::fill(mails);
    let names: Vec<String> = (1..=rounds).flat_map(|n| ["plain", "desk", "mbsync"].map(|who| format!("{who}{n}"))).collect();
    let accounts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), PASSWORD)).collect();
    let dovecot = Dovecot::start(&accounts).await;
    let mbsync = mbsync_is_there();
    println!(
        "drain of {mails} mails, {:.1} MB, {} threads; {rounds} rounds in turn{}",
        megabytes(pool.octets),
        pool.threads,
        if mbsync { "" } else { "; mbsync is not installed (Debian: isync) and left out" }
    );

    let (mut plain, mut download, mut turns, mut synced) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let user = format!("plain{round}");
        pool.deliver(&dovecot, &user);
        let (port, into) = (dovecot.imap_port, pool.scratch.join("plain.mails"));
        let done = tokio::task::spawn_blocking(move || imap::download(port, &user, PASSWORD, &into)).await.unwrap().expect("a download");
        assert_eq!(done.mails, mails);
        plain.push(rate(mails, done.download + done.moving));
        download.push(rate(mails, done.download));

        turns.push(turn(&pool, &dovecot, &format!("desk{round}")).await);

        if mbsync {
            let user = format!("mbsync{round}");
            pool.deliver(&dovecot, &user);
            synced.push(rate(mails, run_mbsync(&pool, dovecot.imap_port, &user).await));
        }
    }
    report(&plain, &download, &turns, &synced);
    println!("after each turn: {mails} mails once, in the tickets of their threads, whole, with their files octet for octet");
}

fn report(plain: &[f64], download: &[f64], turns: &[Turn], synced: &[f64]) {
    let column = |of: fn(&Turn) -> f64| turns.iter().map(of).collect::<Vec<f64>>();
    let rates = column(|turn| turn.rate);
    println!("{:<44}{:>9}   each round", "mails a second", "median");
    let line = |what: &str, rates: &[f64]| {
        let each: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        println!("{what:<44}{:>9.0}   {}", median(rates), each.join(" "));
    };
    line("plain: download only", download);
    line("plain: download and move", plain);
    line("guichet: filed, on disk, moved", &rates);
    if !synced.is_empty() {
        line("mbsync: download only", synced);
    }
    println!("ratio to plain download and move: {:.2}", median(&rates) / median(plain));
    if !synced.is_empty() {
        let ratio = median(&rates) / median(synced);
        println!("ratio to mbsync: {ratio:.2} (target: at least 1.0: {})", if ratio >= 1.0 { "met" } else { "MISSED" });
    }
    let cpu = median(&column(|turn| turn.cpu_ms));
    println!(
        "processor time a mail until drained: {cpu:.2} ms (target: at most {CPU_BELOW_MS}: {})",
        if cpu <= CPU_BELOW_MS { "met" } else { "MISSED" }
    );
    let with_outgoing = median(&column(|turn| turn.cpu_with_outgoing_ms));
    let sent = turns.last().map_or(0, |turn| turn.sent);
    let after = turns.iter().map(|turn| turn.sent_after).max().unwrap_or_default();
    println!("  with all outgoing mail ({sent} mails, the last {:.1} s after the start): {with_outgoing:.2} ms", after.as_secs_f64());
    let peak = column(|turn| turn.peak_mib).into_iter().fold(0.0, f64::max);
    println!("peak resident: {peak:.1} MiB (target: below {PEAK_BELOW_MIB}: {})", if peak < PEAK_BELOW_MIB { "met" } else { "MISSED" });
}

/// One turn of the daemon.
async fn turn(pool: &Pool, dovecot: &Dovecot, user: &str) -> Turn {
    pool.deliver(dovecot, user);
    let sink = Sink::plain().await;
    let text = configuration(dovecot.imap_port, &[user], sink.port).replace(&format!("{user}@desk.example"), DESK);
    let mails = pool.files.len();

    let start = Instant::now();
    let daemon = Daemon::start(&[("guichet.toml", &text)]).await;
    let inbox = maildir(dovecot, user);
    wait_until("INBOX to be empty", PATIENCE, async || ["new", "cur"].iter().all(|sub| is_empty(&inbox.join(sub))).then_some(())).await;
    let drained = start.elapsed();
    let cpu = process::cpu(daemon.pid());
    assert_eq!(dovecot.count(user, "Processed"), mails, "each mail is moved, none is lost");

    let sent = async || sink.wait_for("the count", |state| Some(state.mails.len())).await;
    let (mut last, mut since) = (sent().await, Instant::now());
    wait_until("outgoing mail to end", PATIENCE, async || {
        let now = sent().await;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() > QUIET).then_some(())
    })
    .await;
    let with_outgoing = process::cpu(daemon.pid());
    let peak_mib = process::memory_mib(daemon.pid(), "VmHWM");
    pool.truth.assert_holds(&daemon).await;
    let per_mail = |cpu: Duration| ms(cpu) / f64::from(u32::try_from(mails).unwrap_or(u32::MAX));
    Turn {
        rate: rate(mails, drained),
        cpu_ms: per_mail(cpu),
        cpu_with_outgoing_ms: per_mail(with_outgoing),
        peak_mib,
        sent: last,
        sent_after: since.duration_since(start),
    }
}

/// The mails as files, written once; each mailbox gets links to them.
struct Pool {
    files: Vec<PathBuf>,
    octets: usize,
    threads: usize,
    truth: Truth,
    scratch: Scratch,
}

impl Pool {
    fn fill(mails: usize) -> Self {
        let scratch = Scratch::new("pool");
        let account = Account::unprivileged();
        let (mut files, mut octets, mut threads, mut truth) = (Vec::with_capacity(mails), 0, 0, Truth::default());
        for (n, sample) in corpus::mailbox(mails).into_iter().enumerate() {
            let size = sample.octets.len();
            // With the sizes in the name, as delivery agents write it, the server need not read a mail to know them.
            let on_the_wire = size + sample.octets.split(|octet| *octet == b'\n').count().saturating_sub(1);
            let path = scratch.join(&format!("{}.M{:06}P1.bench,S={size},W={on_the_wire}", 1_700_000_000 + n, n % 1_000_000));
            fs::write(&path, &sample.octets).unwrap();
            account.own(&path);
            files.push(path);
            truth.add(&sample);
            octets += size;
            threads += usize::from(sample.opens);
        }
        Self { files, octets, threads, truth, scratch }
    }

    fn deliver(&self, dovecot: &Dovecot, user: &str) {
        let new = maildir(dovecot, user).join("new");
        for file in &self.files {
            fs::hard_link(file, new.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// What has to become of each mail, by the hash of its octets as IMAP gives them: its thread, and the hash of its file.
#[derive(Default)]
struct Truth(HashMap<String, (usize, Option<String>)>);

impl Truth {
    fn add(&mut self, sample: &corpus::Sample) {
        let on_the_wire: Vec<u8> = sample.octets.split(|octet| *octet == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        self.0.insert(blake3::hash(&on_the_wire).to_hex().to_string(), (sample.thread, sample.attachment.clone()));
    }

    /// Every mail is there once, whole, in a ticket with those of its thread and no others, with its file octet for octet.
    async fn assert_holds(&self, daemon: &Daemon) {
        let dump = daemon.cli(&["dump"]).await;
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        let dump = String::from_utf8(dump.stdout).unwrap();
        let (mut ticket_of, mut thread_of, mut seen) = (HashMap::new(), HashMap::new(), HashSet::new());
        for line in dump.lines().filter(|line| line.starts_with("message ") && line.contains(" by=customer:")) {
            let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap();
            let hash = field("raw=").rsplit(':').next().unwrap();
            let (thread, attachment) = self.0.get(hash).expect("a mail that was sent, octet for octet");
            let (ticket, _) = line["message ".len()..].split_once('.').unwrap();
            assert!(seen.insert(hash.to_owned()), "a mail is there once");
            assert_eq!(ticket_of.entry(*thread).or_insert_with(|| ticket.to_owned()), ticket, "one ticket a thread");
            assert_eq!(thread_of.entry(ticket.to_owned()).or_insert(*thread), thread, "one thread a ticket");
            let files = field("attachments=");
            match attachment {
                Some(file) => assert!(files.contains(file) && files.matches(',').count() == 0, "its file: {files}"),
                None => assert_eq!(files, "[]", "no file"),
            }
        }
        assert_eq!(seen.len(), self.0.len(), "each mail is there");
    }
}

fn maildir(dovecot: &Dovecot, user: &str) -> PathBuf {
    dovecot.log().with_file_name("mail").join(user).join("Maildir")
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

fn megabytes(octets: usize) -> f64 {
    f64::from(u32::try_from(octets / 1000).unwrap_or(u32::MAX)) / 1000.0
}

fn mbsync_is_there() -> bool {
    std::process::Command::new("mbsync").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Fetches INBOX into a new Maildir, with all settings as they come; says how long it took.
async fn run_mbsync(pool: &Pool, port: u16, user: &str) -> Duration {
    let (config, mail) = (pool.scratch.join("mbsyncrc"), pool.scratch.join(user));
    fs::create_dir(&mail).unwrap();
    let text = format!(
        "IMAPAccount a\nHost 127.0.0.1\nPort {port}\nUser {user}\nPass {PASSWORD}\nSSLType None\nAuthMechs LOGIN\n\n\
         IMAPStore far\nAccount a\n\nMaildirStore near\nPath {0}/\nInbox {0}/INBOX\n\n\
         Channel c\nFar :far:\nNear :near:\nCreate Near\nSync Pull\nSyncState *\n",
        mail.display()
    );
    fs::write(&config, text).unwrap();
    let start = Instant::now();
    let output = tokio::process::Command::new("mbsync").arg("-q").arg("-c").arg(&config).arg("c").output().await.expect("mbsync runs");
    let took = start.elapsed();
    assert!(output.status.success(), "mbsync: {}", String::from_utf8_lossy(&output.stderr));
    let fetched = ["new", "cur"].iter().flat_map(|sub| fs::read_dir(mail.join("INBOX").join(sub))).map(Iterator::count).sum::<usize>();
    assert_eq!(fetched, pool.files.len(), "mbsync fetched all");
    took
}
