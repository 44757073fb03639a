//! Mail in from a real Dovecot: each way to sign in, each way to settle, with and without the extensions.

use crate::desk::{CUSTOMERS, Setup, config};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{MailText, header};
use crate::support::sink::Sink;
use crate::support::wait::{LIMIT, wait_until};

fn letter(n: usize) -> Vec<u8> {
    MailText::new(&format!("c{n}@c.example"), "support@acme.example").subject(&format!("Mail {n}")).octets()
}

/// A daemon on this Dovecot whose `imap` table is `imap`, and the sink that it sends to.
async fn daemon_on(dovecot: &Dovecot, imap: Option<&str>, mailbox: &str) -> (Daemon, Sink) {
    let sink = Sink::plain().await;
    let mut text = config(dovecot, sink.port, &Setup { mailbox: mailbox.to_owned(), ..Setup::default() });
    if let Some(imap) = imap {
        let from = text.find("imap = {").unwrap();
        let to = from + text[from..].find('\n').unwrap();
        text.replace_range(from..to, imap);
    }
    let mut daemon = Daemon::new(&[("guichet.toml", &text), ("customers.csv", CUSTOMERS)]);
    std::fs::write(daemon.config_dir().join("token"), dovecot.token("support", 3600)).unwrap();
    daemon.run().await;
    (daemon, sink)
}

#[tokio::test]
async fn every_way_to_sign_in() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let ca = dovecot.ca_pem().display().to_string();
    let (clear, tls) = (dovecot.imap_port, dovecot.imaps_port);
    for (n, (imap, way)) in [
        (format!(r#"imap = {{ host = "127.0.0.1", port = {clear}, tls = "none", user = "support", password = "secret" }}"#), "clear, on loopback"),
        (
            format!(r#"imap = {{ host = "localhost", port = {tls}, tls = "implicit", user = "support", password = "secret", ca_file = "{ca}" }}"#),
            "implicit TLS with our own authority",
        ),
        (
            format!(r#"imap = {{ host = "localhost", port = {clear}, tls = "starttls", user = "support", password = "secret", ca_file = "{ca}" }}"#),
            "STARTTLS",
        ),
        (
            format!(r#"imap = {{ host = "localhost", port = {tls}, tls = "implicit", user = "support", token_file = "token", ca_file = "{ca}" }}"#),
            "XOAUTH2",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        dovecot.deliver_lmtp("support", &letter(n)).await;
        let (mut daemon, sink) = daemon_on(&dovecot, Some(&imap), "").await;
        let ack = sink.wait_for(way, |s| s.mails.iter().find(|m| m.to.iter().any(|t| t.contains("@c.example"))).cloned()).await;
        assert!(header(&ack.octets, "Subject").unwrap().contains("[#1]"), "{way}");
        assert_eq!(daemon.terminate().await.code(), Some(0), "{way}");
    }
}

#[tokio::test]
async fn a_refused_sign_in_is_told_apart() {
    let dovecot = Dovecot::start(&[("support", "other")]).await;
    let (daemon, _sink) = daemon_on(&dovecot, None, "").await;
    wait_until("the refusal to be logged", LIMIT, async || {
        std::fs::read_to_string(daemon.log()).is_ok_and(|log| log.contains("sign-in") || log.contains("sign in")).then_some(())
    })
    .await;
    assert!(!std::fs::read_to_string(daemon.log()).unwrap().contains("secret"), "no password in a log");
}

#[tokio::test]
async fn p1_p2_every_way_to_settle() {
    // A server that advertises neither MOVE nor UIDPLUS nor IDLE: COPY, STORE and EXPUNGE, and polling.
    let poor = "imap_capability = IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE LITERAL+\n";
    for (extra, after, inbox, processed, why) in [
        ("", "move:Processed", 0, 3, "UID MOVE"),
        ("", "move:Done/Deep", 0, 0, "into a folder that is made"),
        ("", "flag", 3, 0, "flagged and left"),
        ("", "keep", 3, 0, "left as it is"),
        ("", "delete", 0, 0, "gone once it is safe here"),
        (poor, "move:Processed", 0, 3, "without the extensions"),
    ] {
        let dovecot = Dovecot::start_with(&[("support", "secret")], extra).await;
        for n in 0..3 {
            dovecot.deliver_lmtp("support", &letter(n)).await;
        }
        let (mut daemon, sink) = daemon_on(&dovecot, None, &format!("after = \"{after}\"")).await;
        let acknowledged =
            |s: &crate::support::sink::State| s.mails.iter().filter(|m| m.to.iter().any(|t| t.contains("@c.example"))).count();
        sink.wait_for(why, |s| (acknowledged(s) == 3).then_some(())).await;
        wait_until(why, LIMIT, async || {
            (dovecot.count("support", "INBOX") == inbox && dovecot.count("support", "Processed") == processed).then_some(())
        })
        .await;
        if after.ends_with("Deep") {
            assert_eq!(dovecot.wait_for("support", "Done/Deep", 3).await.len(), 3, "{why}");
        }
        // Restarted, it takes nothing in again, and what comes then is taken.
        assert_eq!(daemon.terminate().await.code(), Some(0));
        daemon.run().await;
        dovecot.deliver_lmtp("support", &letter(3)).await;
        sink.wait_for(why, |s| (acknowledged(s) == 4).then_some(())).await;
        assert_eq!(daemon.json_lines(&["tickets", "--status", "any"]).await.len(), 4, "{why}");
        assert_eq!(acknowledged(&sink.state()), 4, "{why}: none twice");
    }
}

#[tokio::test]
async fn a_kicked_connection_comes_back() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    dovecot.deliver_lmtp("support", &letter(0)).await;
    let (_daemon, sink) = daemon_on(&dovecot, None, "").await;
    let acknowledged = |n: usize| {
        move |s: &crate::support::sink::State| {
            (s.mails.iter().filter(|m| m.to.iter().any(|t| t.contains("@c.example"))).count() == n).then_some(())
        }
    };
    sink.wait_for("the first", acknowledged(1)).await;
    dovecot.kick("support").await;
    dovecot.deliver_lmtp("support", &letter(1)).await;
    sink.wait_for("the second, over another connection", acknowledged(2)).await;
}

#[tokio::test]
async fn p1_p11_a_mail_that_is_too_large_is_a_ticket_and_its_whole_stays_at_its_source() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let big = MailText::new("big@c.example", "support@acme.example").subject("Huge").attach(
        "dump.bin",
        "application/octet-stream",
        &vec![7; 900_000],
    );
    dovecot.deliver_lmtp("support", &big.octets()).await;
    dovecot.deliver_lmtp("support", &letter(1)).await;
    let limits = "after = \"delete\"\n[limits]\nmessage_octets_max = 300_000\n";
    let (daemon, sink) = daemon_on(&dovecot, None, limits).await;
    sink.wait_for("both acknowledged", |s| {
        (s.mails.iter().filter(|m| m.to.iter().any(|t| t.contains("@c.example"))).count() == 2).then_some(())
    })
    .await;
    let left = dovecot.wait_for("support", "INBOX", 1).await;
    assert!(left[0].len() > 900_000, "the only whole copy is not deleted");
    let tickets = daemon.json_lines(&["tickets", "--status", "any"]).await;
    let huge = tickets.iter().find(|t| t["subject"] == "Huge").unwrap();
    let huge = daemon.json(&["ticket", &huge["number"].to_string()]).await;
    assert!(huge["thread"][0]["defects"].to_string().contains("too_large"), "{huge}");
}
