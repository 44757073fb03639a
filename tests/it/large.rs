//! Large mail from a real Dovecot: in pieces, over the limit and fetched later, by two routes, with the process killed.

use crate::desk::{CUSTOMERS, Setup, config};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::MailText;
use crate::support::sink::Sink;
use crate::support::wait::{LIMIT, wait_until};
use serde_json::Value;
use std::fs;

/// A second mailbox beside the usual one.
const SALES: &str = r#"
[[mailbox]]
name = "sales"
address = "sales@acme.example"
team = "frontline"
imap = { host = "127.0.0.1", port = @PORT@, tls = "none", user = "sales", password = "secret" }
poll_every = "2s"
"#;

async fn daemon_on(dovecot: &Dovecot, more: &str) -> (Daemon, Sink) {
    let sink = Sink::plain().await;
    let more = more.replace("@PORT@", &dovecot.imap_port.to_string());
    let text = config(dovecot, sink.port, &Setup { mailbox: more, ..Setup::default() });
    (Daemon::start(&[("guichet.toml", &text), ("customers.csv", CUSTOMERS)]).await, sink)
}

/// Octets that do not compress, so that all of them count.
fn noise(octets: usize) -> Vec<u8> {
    let mut noise = vec![0; octets];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    noise
}

fn huge(subject: &str, octets: usize) -> MailText {
    MailText::new("big@c.example", "support@acme.example").subject(subject).text("See the dump.\n").attach(
        "dump.bin",
        "application/octet-stream",
        &noise(octets),
    )
}

async fn ticket_of(daemon: &Daemon, subject: &str) -> Value {
    let number = wait_until(&format!("ticket {subject}"), LIMIT, async || {
        let tickets = daemon.json_lines(&["tickets", "--status", "any"]).await;
        tickets.iter().find(|t| t["subject"] == subject).map(|t| t["number"].to_string())
    })
    .await;
    daemon.json(&["ticket", &number]).await
}

async fn assert_sound(daemon: &Daemon) -> Value {
    let report = daemon.json(&["verify"]).await;
    assert_eq!(report["ok"], true, "{report}");
    report
}

#[tokio::test]
async fn p11_large_mail_comes_in_pieces_octet_for_octet() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let mail = huge("Pieces", 3_000_000).octets();
    dovecot.deliver_lmtp("support", &mail).await;
    for n in 0..5 {
        let small = MailText::new(&format!("c{n}@c.example"), "support@acme.example").subject(&format!("Small {n}"));
        dovecot.deliver_lmtp("support", &small.octets()).await;
    }
    let (daemon, _sink) = daemon_on(&dovecot, "[limits]\nspool_octets = 65536\n").await;
    dovecot.wait_for("support", "Processed", 6).await;
    let ticket = ticket_of(&daemon, "Pieces").await;
    let message = &ticket["thread"][0];
    assert_eq!(message["attachments"][0]["blake3"], blake3::hash(&noise(3_000_000)).to_hex().as_str());
    assert_eq!((message["cut"].is_null(), message["defects"].as_array().unwrap().len()), (true, 0), "{message}");

    let saved = daemon.dir().join("saved.eml");
    let number = ticket["number"].to_string();
    let done = daemon.cli(&["fetch", &number, "1", "--output", saved.to_str().unwrap()]).await;
    assert!(done.status.success(), "{done:?}");
    let saved = fs::read(saved).unwrap();
    // In front of it stand the trace fields of the delivery.
    assert!(saved.ends_with(&mail), "octet for octet");
    assert_eq!(fs::read_dir(daemon.state_dir().join("spool")).unwrap().count(), 0, "nothing has a name there");
    assert_sound(&daemon).await;
}

#[tokio::test]
async fn p1_p11_what_was_too_large_is_fetched_later_from_wherever_it_is() {
    for (after, why) in [("keep", "where it was"), ("flag", "flagged"), ("move:Processed", "moved"), ("delete", "never deleted")] {
        let dovecot = Dovecot::start(&[("support", "secret")]).await;
        dovecot.deliver_lmtp("support", &huge("Huge", 2_000_000).octets()).await;
        let limits = format!("after = \"{after}\"\n[limits]\nmessage_octets_max = 500_000\n");
        let (mut daemon, sink) = daemon_on(&dovecot, &limits).await;
        let before = ticket_of(&daemon, "Huge").await;
        let number = before["number"].to_string();
        assert!(before["thread"][0]["cut"].as_u64().unwrap() > 2_000_000, "{why}: {before}");
        let command = format!("guichet fetch {number} 1");
        assert!(before["thread"][0]["defects"].to_string().contains(&command), "{why}: the note says what to do");
        let told = sink.wait_for(why, |s| s.mails.iter().find(|m| m.to.iter().any(|to| to.contains("ana@"))).cloned()).await;
        assert!(crate::support::mail::text(&told.octets).contains(&command), "{why}: and so does the agent's mail");
        if after == "move:Processed" {
            dovecot.wait_for("support", "Processed", 1).await;
            // Without a daemon the same is done.
            daemon.terminate().await;
        }

        let made = daemon.json(&["fetch", &number, "1"]).await;
        assert!(made["octets"].as_u64().unwrap() > 2_700_000, "{why}: {made}");
        let ticket = daemon.json(&["ticket", &number]).await;
        let message = &ticket["thread"][0];
        assert_eq!(message["attachments"][0]["blake3"], blake3::hash(&noise(2_000_000)).to_hex().as_str(), "{why}");
        assert!(message["cut"].is_null() && !message["defects"].to_string().contains("too_large"), "{why}: {message}");
        assert_eq!((&message["text"], &message["at"]), (&before["thread"][0]["text"], &before["thread"][0]["at"]), "{why}");
        assert!(ticket["history"].to_string().contains("whole message fetched"), "{why}");
        let again = daemon.cli(&["fetch", &number, "1"]).await;
        assert!(String::from_utf8_lossy(&again.stderr).contains("here already"), "{why}: {again:?}");
        assert_sound(&daemon).await;
    }
}

#[tokio::test]
async fn what_is_gone_is_said_and_what_is_too_large_for_its_ticket_is_saved() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let mail = huge("Huge", 1_000_000).octets();
    dovecot.deliver_lmtp("support", &mail).await;
    let (daemon, _sink) = daemon_on(&dovecot, "[limits]\nmessage_octets_max = 300_000\nfetch_octets_max = 900_000\n").await;
    let number = ticket_of(&daemon, "Huge").await["number"].to_string();
    dovecot.wait_for("support", "Processed", 1).await;
    let refused = daemon.cli(&["fetch", &number, "1"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--output FILE"), "{refused:?}");
    let saved = daemon.dir().join("saved.eml");
    assert!(daemon.cli(&["fetch", &number, "1", "--output", saved.to_str().unwrap()]).await.status.success());
    assert!(fs::read(&saved).unwrap().ends_with(&mail));
    let again = daemon.cli(&["fetch", &number, "1", "--output", saved.to_str().unwrap()]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"), "{again:?}");
    assert!(!saved.with_extension("eml.part").exists());

    dovecot.doveadm(&["expunge", "-u", "support", "mailbox", "Processed", "all"]).await;
    fs::remove_file(&saved).unwrap();
    let gone = daemon.cli(&["fetch", &number, "1", "--output", saved.to_str().unwrap()]).await;
    assert!(String::from_utf8_lossy(&gone.stderr).contains("not in INBOX and Processed any more"), "{gone:?}");
    assert!(!saved.exists());
    let nothing = daemon.cli(&["fetch", "999", "1"]).await;
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("there is no message 1 in #999"), "{nothing:?}");
}

#[tokio::test]
async fn p2_one_message_in_two_mailboxes_has_two_routes_cut_or_not() {
    let dovecot = Dovecot::start(&[("support", "secret"), ("sales", "secret")]).await;
    let small = MailText::new("mary@shop.example", "support@acme.example").subject("Both").octets();
    let large = huge("Large both", 1_000_000).octets();
    let other = [small.as_slice(), b"P.S.: one more line.\r\n"].concat();
    for mail in [&small, &large] {
        dovecot.deliver_lmtp("support", mail).await;
        dovecot.deliver_lmtp("sales", mail).await;
    }
    dovecot.deliver_lmtp("sales", &small).await;
    dovecot.deliver_lmtp("sales", &other).await;
    let (mut daemon, _sink) = daemon_on(&dovecot, &format!("{SALES}[limits]\nmessage_octets_max = 300_000\n")).await;
    dovecot.wait_for("support", "Processed", 2).await;
    dovecot.wait_for("sales", "Processed", 4).await;

    let boxes = |ticket: &Value| {
        let routes = ticket["thread"][0]["routes"].as_array().unwrap();
        let mut boxes: Vec<String> = routes.iter().map(|route| route["mailbox"].as_str().unwrap().to_owned()).collect();
        assert!(routes.iter().all(|route| route["uid_validity"].is_u64() && route["uid"].is_u64() && route["at"].is_string()));
        boxes.sort();
        boxes
    };
    let tickets = daemon.json_lines(&["tickets", "--status", "any"]).await;
    assert_eq!(tickets.len(), 3, "the small one, its like with the same Message-ID, the large one: {tickets:?}");
    assert_eq!(boxes(&ticket_of(&daemon, "Large both").await), ["sales", "support"], "though only their starts came");
    let mut of_both = Vec::new();
    for ticket in tickets.iter().filter(|ticket| ticket["subject"] == "Both") {
        of_both.push(boxes(&daemon.json(&["ticket", &ticket["number"].to_string()]).await));
    }
    of_both.sort_by_key(Vec::len);
    assert_eq!(of_both, [vec!["sales"], vec!["sales", "sales", "support"]], "delivered twice to one, once to the other");
    let output = daemon.cli(&["ticket", &tickets[0]["number"].to_string()]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("    < s"), "people see them, too: {output:?}");

    let routes = assert_sound(&daemon).await["counts"]["routes"].clone();
    assert_eq!(routes, 6);
    daemon.terminate().await;
    assert_eq!(assert_sound(&daemon).await["counts"]["routes"], 6);
}

/// Both with `keep`: each start looks at all of it again.
#[tokio::test]
async fn p2_the_same_place_seen_again_adds_nothing() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    dovecot.deliver_lmtp("support", &MailText::new("mary@shop.example", "support@acme.example").subject("Kept").octets()).await;
    let (mut daemon, _sink) = daemon_on(&dovecot, "after = \"keep\"\n").await;
    for _ in 0..2 {
        assert_eq!(ticket_of(&daemon, "Kept").await["thread"][0]["routes"].as_array().unwrap().len(), 1);
        daemon.kill9();
        daemon.run().await;
    }
    assert_eq!(assert_sound(&daemon).await["counts"]["routes"], 1);
}

#[tokio::test]
async fn p1_p2_killed_while_it_spools_it_takes_the_mail_in_once_and_whole() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let (mut daemon, _sink) = daemon_on(&dovecot, "").await;
    let mail = huge("Killed", 25_000_000).octets();
    dovecot.deliver_file("support", &mail);
    // A file without a name in the spool: it is being fetched, or waits for its turn.
    let spooling = |daemon: &Daemon| {
        let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
        open.filter_map(Result::ok).filter_map(|fd| fs::read_link(fd.path()).ok()).any(|to| to.to_string_lossy().contains("/spool/"))
    };
    for _ in 0..3 {
        wait_until("it to spool", LIMIT, async || spooling(&daemon).then_some(())).await;
        daemon.kill9();
        assert_eq!(dovecot.count("support", "INBOX"), 1, "not settled, as it is not on disk");
        assert_eq!(fs::read_dir(daemon.state_dir().join("spool")).unwrap().count(), 0, "nothing is left of it");
        daemon.run().await;
    }
    dovecot.wait_for("support", "Processed", 1).await;
    let ticket = ticket_of(&daemon, "Killed").await;
    assert_eq!(ticket["thread"][0]["attachments"][0]["blake3"], blake3::hash(&noise(25_000_000)).to_hex().as_str());
    assert_eq!(daemon.json_lines(&["tickets", "--status", "any"]).await.len(), 1);
    assert_sound(&daemon).await;
}

#[tokio::test]
async fn what_was_cut_says_so_in_quarantine_and_after() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let mail = huge("No sender", 1_000_000).header("From", "").octets();
    dovecot.deliver_lmtp("support", &mail).await;
    let (daemon, _sink) = daemon_on(&dovecot, "[limits]\nmessage_octets_max = 300_000\n").await;
    let aside = wait_until("it to be set aside", LIMIT, async || daemon.json_lines(&["quarantine", "list"]).await.pop()).await;
    assert!(aside["cut"].as_u64().unwrap() > 1_000_000, "{aside}");
    let id = aside["id"].to_string();
    let shown = daemon.cli(&["quarantine", "show", &id]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("only its start is kept"), "{shown:?}");
    let landed = daemon.json(&["quarantine", "release", &id]).await;
    let (number, seq) = (landed["ticket"].to_string(), landed["seq"].to_string());
    let message = daemon.json(&["ticket", &number]).await["thread"][0].clone();
    assert!(message["cut"].is_u64() && message["defects"].to_string().contains("too_large"), "{message}");
    assert_eq!(message["routes"].as_array().unwrap().len(), 1, "it goes along");
    daemon.json(&["fetch", &number, &seq]).await;
    let message = daemon.json(&["ticket", &number]).await["thread"][0].clone();
    assert_eq!(message["attachments"][0]["blake3"], blake3::hash(&noise(1_000_000)).to_hex().as_str());
    assert_sound(&daemon).await;
}
