//! A year of 100,000 messages through two configurations, with its limit: time and memory of `guichet replay`.
//!
//! ```text
//! cargo bench --bench replay [-- MESSAGES]
//! ```
//! Customers' mails of four kilobytes (those of the bench `decide`: three languages; plain, alternative, HTML) and the answers to them,
//! in threads of one to five messages, in one mbox and in no order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "the mails are a module of another bench")]

#[path = "decide/mails.rs"]
mod mails;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use mails::{Kind, SPEECHES};
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MESSAGES: usize = 100_000;
const TIME_MAX: Duration = Duration::from_mins(1);

fn main() {
    let messages = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(MESSAGES);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_archive(&path("year.mbox"), messages);
    let desk = include_str!("decide/desk.toml");
    std::fs::write(path("now.toml"), desk).unwrap();
    // Other targets, and a rule that moves some tickets.
    let other = desk.replacen("first_response = \"8h\"", "first_response = \"4h\"", 1).replacen(
        "[[rule]]",
        "[[rule]]\nname = \"months\"\nwhen = { subject = [\"2041*\"] }\nthen = { priority = \"high\" }\n[[rule]]",
        1,
    );
    assert_ne!(desk, other);
    std::fs::write(path("new.toml"), other).unwrap();
    let begun = Instant::now();
    let mut replay = Command::new(env!("CARGO_BIN_EXE_guichet"))
        .args(["replay", "--json", "--since", "2025-11-01", "--until", "2026-11-01", "--config"])
        .args([path("new.toml"), "--against".into(), path("now.toml"), path("year.mbox")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let answer = std::thread::scope(|scope| {
        let mut out = replay.stdout.take().unwrap();
        let reading = scope.spawn(move || std::io::read_to_string(&mut out).unwrap());
        while replay.try_wait().unwrap().is_none() {
            peak = peak.max(resident_mib(replay.id()));
            std::thread::sleep(Duration::from_millis(20));
        }
        reading.join().unwrap()
    });
    let took = begun.elapsed();
    assert!(replay.wait().unwrap().success());
    let found: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let heard = found["messages"].as_u64().unwrap();
    println!("{heard} messages, {} tickets, through two configurations: {took:.1?}, peak {peak} MiB resident", found["tickets"]);
    println!("notices {}\nattained {}", found["notices"], found["attained"]);
    assert_eq!(usize::try_from(heard).unwrap(), messages, "each is heard once");
    assert!(found["differing"].as_u64().unwrap() > 0 && found["fates"]["is an answer"]["now"].as_u64().unwrap() > 0, "{answer}");
    assert!(took < TIME_MAX || messages > MESSAGES, "over the limit of {TIME_MAX:?}");
}

/// Threads over a year. What follows is drawn from a fixed seed.
fn write_archive(path: &Path, messages: usize) {
    let start: Timestamp = "2025-11-01T00:00:01Z".parse().unwrap();
    let bodies: Vec<(usize, String)> = [Kind::Plain, Kind::Alternative, Kind::Html]
        .into_iter()
        .flat_map(|kind| SPEECHES.iter().enumerate().map(move |(at, speech)| (at, mails::mail(speech, kind, "support@desk.example"))))
        .map(|(at, raw)| (at, String::from_utf8(raw).unwrap()))
        .collect();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut draw = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut mails = Vec::with_capacity(messages);
    let mut thread = 0;
    while mails.len() < messages {
        thread += 1;
        let mut at = start + SignedDuration::from_secs(i64::try_from(draw(350 * 86_400)).unwrap());
        let (speaker, raw) = &bodies[usize::try_from(draw(bodies.len() as u64)).unwrap()];
        let customer = format!("{}{}@{}", draw(20_000), SPEECHES[*speaker].language, "customer.example");
        let mut references = String::new();
        for n in 0..=draw(5) {
            let from = if n % 2 == 0 { customer.clone() } else { "ana@desk.example".to_owned() };
            let to = if n % 2 == 0 { "support@desk.example".to_owned() } else { customer.clone() };
            let id = format!("<{thread}.{n}@mail.example>");
            let date = jiff::fmt::rfc2822::to_string(&at.to_zoned(TimeZone::UTC)).unwrap();
            let mut head = format!("From: {from}\nTo: {to}\nDate: {date}\nMessage-ID: {id}\n");
            if !references.is_empty() {
                let _ = writeln!(head, "References:{references}");
            }
            mails.push(head + &without(raw, &["Received", "From", "To", "Date", "Message-ID", "References", "In-Reply-To"]));
            references = format!("{references} {id}");
            at += SignedDuration::from_secs(i64::try_from(600 + draw(86_400)).unwrap());
        }
    }
    mails.truncate(messages);
    for at in (1..mails.len()).rev() {
        mails.swap(at, usize::try_from(draw(at as u64 + 1)).unwrap());
    }
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    for mail in mails {
        writeln!(file, "From x@y.example Thu Jan  1 00:00:00 2026\n{mail}").unwrap();
    }
    file.flush().unwrap();
}

/// A mail without some of its header fields.
fn without(raw: &str, fields: &[&str]) -> String {
    let (head, body) = raw.split_once("\n\n").unwrap();
    let mut kept = String::new();
    let mut keeps = true;
    for line in head.lines() {
        if !line.starts_with([' ', '\t']) {
            keeps = !fields.iter().any(|field| line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case(field)));
        }
        if keeps {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    format!("{kept}\n{body}")
}

fn resident_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
