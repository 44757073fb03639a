//! How much memory large mail takes that arrives all together: fetched in pieces into files, and fetched whole. What goes
//! on to agents with a notification takes memory of its own, in the outbox: told apart by a turn that sends no attachments.

use crate::figures::verdict;
use crate::process::memory_mib;
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::MailText;
use crate::support::sink::Sink;
use crate::support::wait::wait_until;
use crate::{PASSWORD, configuration};
use std::time::{Duration, Instant};

const MAILBOXES: usize = 4;
const MAIL_OCTETS: u32 = 20_000_000;
const MESSAGE_OCTETS_MAX: u32 = 30_000_000;
const INTAKE_OCTETS_MAX: u32 = 32_000_000;
const PATIENCE: Duration = Duration::from_mins(10);

pub async fn measure(mails: usize) {
    println!(
        "{mails} mails of {} MB each in {MAILBOXES} mailboxes at once; message_octets_max {} MB, intake_octets_max {} MB",
        MAIL_OCTETS / 1_000_000,
        MESSAGE_OCTETS_MAX / 1_000_000,
        INTAKE_OCTETS_MAX / 1_000_000
    );
    // As config/guichet.toml says.
    let below = 64.0 + f64::from(INTAKE_OCTETS_MAX + 4 * MESSAGE_OCTETS_MAX) / f64::from(1 << 20);
    println!("{:<42}{:>10}{:>10}{:>12}", "", "peak MiB", "seconds", "small one");
    let whole = MESSAGE_OCTETS_MAX;
    for (what, spool_octets, attached_octets_max) in [
        ("whole (spool_octets = message_octets_max)", whole, 0),
        ("in pieces", 1 << 20, 0),
        ("in pieces, and on to the agent by mail", 1 << 20, MAIL_OCTETS),
    ] {
        let (peak, took, small) = turn(mails, spool_octets, attached_octets_max).await;
        let bounded = spool_octets < whole && attached_octets_max == 0;
        let verdict = if bounded { format!("   below {below:.0} MiB: {}", verdict(peak, below)) } else { String::new() };
        println!("{what:<42}{peak:>10.1}{:>10.1}{:>11.1}s{verdict}", took.as_secs_f64(), small.as_secs_f64());
    }
}

/// Peak, time until all are filed and moved, and how long a small mail took that came behind them.
async fn turn(mails: usize, spool_octets: u32, attached_octets_max: u32) -> (f64, Duration, Duration) {
    let names: Vec<String> = (1..=MAILBOXES).map(|n| format!("box{n}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    let with_passwords: Vec<(&str, &str)> = accounts.iter().map(|name| (*name, PASSWORD)).collect();
    let dovecot = Dovecot::start(&with_passwords).await;
    let sink = Sink::plain().await;
    // Three quarters of it, since base64 makes four octets of three; it does not compress.
    let mut noise = vec![0; MAIL_OCTETS as usize / 78 * 57];
    for n in 0..mails {
        blake3::Hasher::new().update(&n.to_be_bytes()).finalize_xof().fill(&mut noise);
        let mail = MailText::new(&format!("c{n}@c.example"), "box1@desk.example").subject(&format!("Large {n}"));
        let mail = mail.attach("dump.bin", "application/octet-stream", &noise);
        dovecot.deliver_file(accounts[n % MAILBOXES], &mail.octets());
    }
    let small = MailText::new("small@c.example", "box1@desk.example").subject("Small");
    dovecot.deliver_file(accounts[0], &small.octets());
    let desk = format!("[desk]\nattached_octets_max = {attached_octets_max}\n");
    let text = configuration(dovecot.imap_port, &accounts, sink.port).replacen("[desk]\n", &desk, 1)
        + &format!(
            "[limits]\nmessage_octets_max = {MESSAGE_OCTETS_MAX}\nintake_octets_max = {INTAKE_OCTETS_MAX}\nspool_octets = {spool_octets}\n"
        );
    let start = Instant::now();
    let daemon = Daemon::start(&[("guichet.toml", &text)]).await;
    let mut small_took = None;
    wait_until("all to be moved", PATIENCE, async || {
        let is_acknowledged = || sink.mails().iter().any(|mail| mail.to.iter().any(|to| to.contains("small@c.example")));
        if small_took.is_none() && is_acknowledged() {
            small_took = Some(start.elapsed());
        }
        (accounts.iter().map(|account| dovecot.count(account, "Processed")).sum::<usize>() == mails + 1).then_some(())
    })
    .await;
    let took = start.elapsed();
    let peak = memory_mib(daemon.pid(), "VmHWM");
    let report = daemon.json(&["verify"]).await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["counts"]["tickets"], mails + 1, "each is filed once");
    (peak, took, small_took.unwrap_or(took))
}
