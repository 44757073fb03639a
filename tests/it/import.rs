//! Mail of the past, and the look at the servers before anything is taken in.

use crate::desk::{CUSTOMERS, Setup, config, maildirs};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::MailText;
use crate::support::scratch::{free_port, signal};
use crate::support::sink::{Options, Sink};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The mailbox's own folder is looked at by the daemon alone.
fn desk() -> Daemon {
    Daemon::new(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)])
}

/// Fifty mails: 46 matters, an answer to the first, one without a sender, and two that are there twice.
fn mails() -> Vec<Vec<u8>> {
    let mut mails = Vec::new();
    for n in 0..46 {
        let mail = MailText::new("Mary Hill <mary@shop.example>", "support@acme.example").subject(&format!("Matter {n}"));
        mails.push(mail.text(&format!("From here on it is {n}.\n\nFrom there, too.\n>From quoted\n")).octets());
    }
    let answer = MailText::new("Mary Hill <mary@shop.example>", "support@acme.example").reply_to(&mails[0]).text("One thing more.\n");
    mails.push(answer.octets());
    mails.push(b"Subject: nobody wrote this\r\nMessage-ID: <n@o.example>\r\n\r\nFrom: x\0\xff\r\n".to_vec());
    mails.push(mails[3].clone());
    mails.push(mails[4].clone());
    mails
}

/// As mboxrd writes it.
fn mbox(mails: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::new();
    for mail in mails {
        all.extend_from_slice(b"From mary@shop.example Thu Jan  1 00:00:00 2026\n");
        for line in mail.split_inclusive(|&b| b == b'\n') {
            let marks = line.iter().take_while(|&&b| b == b'>').count();
            if line[marks..].starts_with(b"From ") {
                all.push(b'>');
            }
            all.extend_from_slice(line);
        }
        all.push(b'\n');
    }
    all
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Taken in, already there, quarantined, failed.
fn counts(output: &Output) -> [u64; 4] {
    let said = said(output);
    ["taken in", "already there", "quarantined", "failed"].map(|what| {
        let line = said.lines().find_map(|line| line.strip_prefix(what));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("{what} in:\n{said}"))
    })
}

async fn import(daemon: &Daemon, paths: &[&Path], flags: &[&str]) -> Output {
    let paths = paths.iter().map(|path| path.to_str().unwrap());
    let args: Vec<&str> = std::iter::once("import").chain(flags.iter().copied()).chain(paths).collect();
    daemon.cli(&args).await
}

async fn verify(daemon: &Daemon) -> serde_json::Value {
    let report = daemon.json(&["verify"]).await;
    assert_eq!(report["ok"], true, "{report}");
    report
}

fn history(ticket: &serde_json::Value) -> String {
    ticket["history"].to_string()
}

fn written(daemon: &Daemon, name: &str, octets: &[u8]) -> PathBuf {
    let path = daemon.dir().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, octets).unwrap();
    path
}

fn sent(daemon: &Daemon) -> usize {
    fs::read_dir(daemon.state_dir().join("out/new")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn p2_an_mbox_is_taken_in_once_however_often_it_is_imported() {
    let mut daemon = desk();
    let path = written(&daemon, "old.mbox", &mbox(&mails()));
    let first = import(&daemon, &[&path], &["--no-notices"]).await;
    assert_eq!((first.status.code(), counts(&first)), (Some(0), [47, 2, 1, 0]), "{}", said(&first));
    let again = import(&daemon, &[&path], &["--no-notices"]).await;
    assert_eq!((again.status.code(), counts(&again)), (Some(0), [0, 50, 0, 0]), "{}", said(&again));
    let report = verify(&daemon).await;
    let tickets = daemon.json_lines(&["tickets", "--status", "any"]).await;
    assert_eq!(tickets.len(), 46, "{report}");
    let first = daemon.json(&["ticket", "1"]).await;
    assert_eq!(first["thread"].as_array().unwrap().len(), 2, "the answer joined, and no word of the desk's own: {first}");
    assert_eq!(first["thread"][0]["text"], "From here on it is 0.\n\nFrom there, too.");
    assert!(first["thread"][0]["quoted"].to_string().contains(">From quoted"), "{first}");
    assert!(history(&first).contains("imported without notices") && !history(&first).contains("acknowledged"), "{first}");
    assert!(history(&first).contains("first_response due"), "clocks run: {first}");

    // Nothing of it is sent later, either; and what arrives is answered as ever.
    daemon.run().await;
    let mail = MailText::new("Mary Hill <mary@shop.example>", "support@acme.example").subject("Today").text("Now.\n");
    written(&daemon, "state/in/new/1.today", &mail.octets());
    let looked = crate::support::wait::wait_until("the mail of today to be answered", crate::support::wait::LIMIT, async || {
        (sent(&daemon) >= 3).then(|| sent(&daemon))
    });
    assert_eq!(looked.await, 3, "an acknowledgement and two notifications, all of today's mail");
    assert_eq!(daemon.terminate().await.code(), Some(0));
    verify(&daemon).await;
}

#[tokio::test]
async fn p2_a_running_daemon_takes_the_same_in_to_the_same_end() {
    let mut daemon = desk();
    let path = written(&daemon, "old.mbox", &mbox(&mails()));
    daemon.run().await;
    let first = import(&daemon, &[&path], &["--no-notices", "--mailbox", "support"]).await;
    assert_eq!((first.status.code(), counts(&first)), (Some(0), [47, 2, 1, 0]), "{}", said(&first));
    assert_eq!(daemon.terminate().await.code(), Some(0));
    assert_eq!(sent(&daemon), 0, "nothing was sent");
    let again = import(&daemon, &[&path], &[]).await;
    assert_eq!(counts(&again), [0, 50, 0, 0], "by the other way, too: {}", said(&again));
    let ticket = daemon.json(&["ticket", "1"]).await;
    assert!(history(&ticket).contains("imported without notices"), "{ticket}");
    assert!(verify(&daemon).await["counts"].to_string().contains("quarantine"));
}

/// Starts an import, sends it a signal when it tells of its first thousand messages, and gives what it said.
fn interrupted(daemon: &Daemon, path: &Path, signal_name: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
    command.args(["import", "--no-notices"]).arg(path).arg("--config").arg(daemon.config_dir());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = told.next();
    assert_eq!(first.as_deref(), Some("1000 messages"));
    signal(signal_name, &child.id().to_string());
    let rest: Vec<String> = told.collect();
    let mut output = child.wait_with_output().unwrap();
    output.stderr = rest.join("\n").into_bytes();
    output
}

#[tokio::test]
async fn p1_p2_an_interrupted_import_goes_on_where_it_ended() {
    const MAILS: u64 = 4_000;
    let daemon = desk();
    let mails: Vec<Vec<u8>> = (0..MAILS)
        .map(|n| MailText::new(&format!("c{n}@c.example"), "support@acme.example").subject(&format!("Matter {n}")).octets())
        .collect();
    let path = written(&daemon, "old.mbox", &mbox(&mails));

    // Told to stop, it ends in order and says how far it came.
    let first = interrupted(&daemon, &path, "INT");
    assert_eq!(first.status.code(), Some(75), "{}", said(&first));
    let [taken, already, quarantined, failed] = counts(&first);
    assert!((1_000..MAILS).contains(&taken) && (already, quarantined, failed) == (0, 0, 0), "{}", said(&first));
    assert!(said(&first).contains("run it again"), "{}", said(&first));
    let tickets = daemon.json_lines(&["tickets", "--status", "any"]).await.len() as u64;
    assert_eq!(tickets, taken, "all that it counts is there, and nothing else");

    // Killed, it says nothing, and what it had is there all the same.
    let second = interrupted(&daemon, &path, "KILL");
    assert_eq!(second.status.code(), None, "by the signal");
    let third = import(&daemon, &[&path], &["--no-notices"]).await;
    let [taken_now, already, ..] = counts(&third);
    assert_eq!((third.status.code(), counts(&third)), (Some(0), [taken_now, already, 0, 0]), "{}", said(&third));
    assert!(already >= taken && taken_now + already == MAILS, "{}", said(&third));
    let tickets = daemon.json_lines(&["tickets", "--status", "any"]).await;
    let subjects: std::collections::BTreeSet<&str> = tickets.iter().map(|ticket| ticket["subject"].as_str().unwrap()).collect();
    assert_eq!((tickets.len() as u64, subjects.len() as u64), (MAILS, MAILS), "each once");
    assert!(tickets.iter().all(|ticket| ticket["messages"] == 1));
    verify(&daemon).await;
}

#[tokio::test]
async fn maildirs_and_single_mails_are_told_of_unless_it_is_unwished() {
    let mut daemon = desk();
    let mails = mails();
    let answered = written(&daemon, "m/cur/10.a:2,S", &mails[0]);
    written(&daemon, "m/new/20.b", &mails[46]);
    written(&daemon, "e/1.eml", &mails[1]);
    let maildir = answered.parent().unwrap().parent().unwrap().to_owned();
    let single = written(&daemon, "single.eml", &mails[2]);
    let done = import(&daemon, &[&maildir, &daemon.dir().join("e"), &single], &[]).await;
    assert_eq!((done.status.code(), counts(&done)), (Some(0), [4, 0, 0, 0]), "{}", said(&done));
    assert!(answered.exists(), "the source stays as it is");
    assert_eq!(daemon.json(&["ticket", "1"]).await["thread"].as_array().unwrap().len(), 3, "with the acknowledgement");
    daemon.run().await;
    let sending = crate::support::wait::wait_until("what was queued to be sent", crate::support::wait::LIMIT, async || {
        (sent(&daemon) >= 11).then(|| sent(&daemon))
    });
    assert_eq!(sending.await, 11, "an acknowledgement of each matter, and two agents hear of each mail");
    verify(&daemon).await;
}

#[tokio::test]
async fn what_cannot_be_read_or_is_unknown_is_named() {
    let mut daemon = desk();
    let path = written(&daemon, "single.eml", &mails()[2]);
    let missing = daemon.dir().join("missing.mbox");
    let done = import(&daemon, &[&missing, &path], &[]).await;
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(said(&done).contains("missing.mbox") && counts(&done)[0] == 1, "the rest was taken in: {}", said(&done));
    let done = import(&daemon, &[&path], &["--mailbox", "sales"]).await;
    assert_eq!(done.status.code(), Some(2));
    assert!(said(&done).contains("sales") && said(&done).contains("support"), "{}", said(&done));
    // The store is another's, and nobody answers on the socket.
    daemon.run().await;
    let socket = daemon.state_dir().join("control.sock");
    fs::rename(&socket, daemon.state_dir().join("away.sock")).unwrap();
    let done = import(&daemon, &[&path], &[]).await;
    assert_eq!(done.status.code(), Some(75), "{}", said(&done));
    fs::rename(daemon.state_dir().join("away.sock"), &socket).unwrap();
    assert_eq!(daemon.terminate().await.code(), Some(0));
}

/// What the doctor says of a desk with this change, and its exit code.
async fn examined(dovecot: &Dovecot, relay_port: u16, change: (&str, &str)) -> (Option<i32>, String) {
    let text = config(dovecot, relay_port, &Setup::default());
    assert!(text.contains(change.0));
    let daemon = Daemon::new(&[("guichet.toml", &text.replace(change.0, change.1)), ("customers.csv", CUSTOMERS)]);
    let output = daemon.cli(&["doctor"]).await;
    (output.status.code(), said(&output))
}

#[tokio::test]
async fn the_doctor_tells_what_is_wrong_and_what_would_be_right() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let sink = Sink::plain().await;
    let imap = format!("port = {}", dovecot.imap_port);
    let nobody = format!("port = {}", free_port());
    let wrong_relay = format!("port = {}", sink.port);
    for (change, code, expected, unexpected, why) in [
        (("secret", "secret"), 0, "ok      mailbox support: IDLE", "FAILED", "as it should be"),
        (("secret", "wrong"), 1, "FAILED  mailbox support: sign-in as support: sign-in refused", "network", "the password"),
        ((imap.as_str(), nobody.as_str()), 1, "FAILED  mailbox support: connection to 127.0.0.1", "sign-in", "the port"),
        (("\"INBOX\"", "\"Missing\""), 1, "FAILED  mailbox support: folder Missing", "network", "the folder"),
        ((wrong_relay.as_str(), nobody.as_str()), 1, "FAILED  relay: connecting to 127.0.0.1", "FAILED  mailbox", "the relay"),
        (("@STATE@", "/proc/nowhere"), 1, "FAILED  state_dir: /proc/nowhere is writable", "FAILED  mailbox", "the state"),
    ] {
        let (ended, said) = examined(&dovecot, sink.port, change).await;
        assert_eq!(ended, Some(code), "{why}:\n{said}");
        assert!(said.contains(expected) && !said.contains(unexpected), "{why}:\n{said}");
        assert!(!said.contains("secret") && !said.contains("wrong"), "no password is shown: {why}:\n{said}");
    }
    let well = examined(&dovecot, sink.port, ("secret", "secret")).await.1;
    for line in ["state_dir", "sign-in as support", "folder INBOX, 0 messages", "MOVE", "UIDPLUS", "relay: connecting", "relay: EHLO"] {
        assert!(well.lines().any(|said| said.starts_with("ok") && said.contains(line)), "{line} in:\n{well}");
    }
    assert!(sink.mails().is_empty() && dovecot.count("support", "INBOX") == 0, "nothing was sent");
}

#[tokio::test]
async fn the_doctor_tries_the_relay_s_sign_in() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let sink = Sink::start(Options { account: Some(("desk", "relaypass")), ..Options::default() }).await;
    for (password, code, expected) in [("relaypass", 0, "ok      relay: AUTH"), ("another", 1, "FAILED  relay: AUTH: 535")] {
        let account = format!("[smtp]\nuser = \"desk\"\npassword = \"{password}\"");
        let (ended, said) = examined(&dovecot, sink.port, ("[smtp]", &account)).await;
        assert!(ended == Some(code) && said.contains(expected) && !said.contains(password), "{said}");
    }
    assert!(sink.mails().is_empty());
}
