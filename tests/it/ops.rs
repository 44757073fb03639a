//! Those who run the desk hear of it when it cannot do its work: over real servers, restarts and kills.

use crate::desk::{CUSTOMERS, Setup, config, is_automatic, maildirs, subject, whole};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{MailText, header, text};
use crate::support::scratch::free_port;
use crate::support::sink::{Options, Sink};
use crate::support::wait::{LIMIT, wait_until};
use serde_json::Value;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const OPS: &str = "ops@ops.example";

/// The mails that went to ops, in the order in which they came.
fn to_ops(sink: &Sink) -> Vec<Vec<u8>> {
    sink.mails().into_iter().filter(|mail| mail.to.iter().any(|to| to.contains(OPS))).map(|mail| mail.octets).collect()
}

async fn nth_to_ops(sink: &Sink, n: usize) -> Vec<u8> {
    wait_until(&format!("mail {n} to ops"), LIMIT, async || to_ops(sink).get(n - 1).cloned()).await
}

/// Status and body of a page.
async fn page(port: u16, path: &str, accept: &str) -> (u16, String) {
    ask(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap(), path, accept).await
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, accept: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

async fn page_when(port: u16, path: &str, what: &str, holds: impl Fn(u16, &str) -> bool) -> String {
    wait_until(what, LIMIT, async || {
        let (status, body) = page(port, path, "*/*").await;
        holds(status, &body).then_some(body)
    })
    .await
}

fn with_ops(config: &str, http: u16) -> String {
    let ops = format!("customers = \"customers.csv\"\nops = [\"{OPS}\"]\n");
    format!("{}\n[http]\nlisten = \"127.0.0.1:{http}\"\n", config.replace("customers = \"customers.csv\"\n", &ops))
}

fn lines_in(log: &Path, what: &str) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().matches(what).count()
}

/// Without chat: health has a listener of its own.
async fn watched_desk() -> (Dovecot, Sink, Daemon, u16) {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let (sink, http) = (Sink::plain().await, free_port());
    let setup = Setup { mailbox: "silent_after = \"2s\"".to_owned(), ..Setup::default() };
    let text = with_ops(&config(&dovecot, sink.port, &setup), http).replace("poll_every = \"2s\"", "poll_every = \"200ms\"");
    let daemon = Daemon::start(&[("guichet.toml", &text), ("customers.csv", CUSTOMERS)]).await;
    page_when(http, "/readyz", "the mailbox to be watched", |status, body| status == 200 && body.contains("last success 2")).await;
    (dovecot, sink, daemon, http)
}

#[tokio::test]
async fn p5_a_mailbox_that_falls_silent_is_told_of_once_over_kills_and_so_is_its_return() {
    let (mut dovecot, sink, mut daemon, http) = watched_desk().await;
    assert!(to_ops(&sink).is_empty());
    let well = page(http, "/metrics", "*/*").await.1;
    assert!(well.contains("guichet_mailbox_connected{mailbox=\"support\"} 1\n"), "{well}");

    dovecot.stop().await;
    let alarm = nth_to_ops(&sink, 1).await;
    assert_eq!(subject(&alarm), "Acme Support: no answer from mailbox support");
    assert!(is_automatic(&alarm) && header(&alarm, "Message-ID").unwrap().contains("0.1.i."), "{}", whole(&alarm));
    assert!(text(&alarm).contains("its server cannot be reached") && text(&alarm).contains("guichet doctor"), "{}", text(&alarm));
    let away = page_when(http, "/readyz", "it not to be ready", |status, _| status == 503).await;
    assert!(away.contains("mailbox support: the server cannot be reached\n") && away.contains("silent"), "{away}");
    let (status, json) = page(http, "/readyz", "application/json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, &json["ready"], &json["mailboxes"][0]["silent"]), (503, &false.into(), &true.into()), "{json}");
    let told = page(http, "/metrics", "*/*").await.1;
    for line in ["guichet_mailbox_connected{mailbox=\"support\"} 0\n", "guichet_mailbox_silent{mailbox=\"support\"} 1\n"] {
        assert!(told.contains(line), "{told}");
    }
    assert!(told.contains("guichet_mailbox_faults_total{mailbox=\"support\",kind=\"network\"}"), "{told}");
    assert!(told.contains("# HELP guichet_mailbox_lag_seconds"), "{told}");

    for path in ["/readyz", "/metrics"] {
        let socket = tokio::net::UnixStream::connect(daemon.state_dir().join("control.sock")).await.unwrap();
        let (status, body) = ask(socket, path, "*/*").await;
        assert!(
            status == if path == "/readyz" { 503 } else { 200 } && body.contains("support"),
            "the control socket has them, too: {body}"
        );
    }

    // Its watcher notices once more that it is silent, and the desk knows that it was told.
    daemon.kill9();
    daemon.run().await;
    wait_until("the silence to be seen again", LIMIT, async || (lines_in(&daemon.log(), "the mailbox is silent") == 2).then_some(())).await;
    let output = daemon.cli(&["status"]).await;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "mail is not taken in");
    assert!(table.contains("support") && table.contains("silent") && table.contains("network at 2"), "{table}");

    for n in 1..=2 {
        dovecot.deliver_file("support", &MailText::new(&format!("c{n}@c.example"), "support@acme.example").octets());
    }
    dovecot.start_again().await;
    let back = nth_to_ops(&sink, 2).await;
    assert_eq!(subject(&back), "Acme Support: mailbox support answers again");
    assert!(text(&back).contains("Mails that waited there: 2."), "{}", text(&back));
    let status = daemon.json(&["status"]).await;
    assert_eq!((&status["mailboxes"][0]["connected"], &status["missing"]), (&true.into(), &serde_json::json!([])), "{status}");
    dovecot.wait_for("support", "Processed", 2).await;
    assert_eq!(to_ops(&sink).len(), 2, "one alarm, one recovery");
    for mail in to_ops(&sink) {
        assert!(!text(&mail).contains("@c.example"), "no customer's address: {}", text(&mail));
    }
    assert_eq!(daemon.json(&["verify"]).await["ok"], true);
    assert_eq!(daemon.terminate().await.code(), Some(0));
    let status = daemon.cli(&["status", "--json"]).await;
    let told: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((status.status.code(), &told["running"]), (Some(1), &false.into()), "without a daemon");
}

#[tokio::test]
async fn p5_an_alarm_that_was_committed_and_not_sent_comes_once_after_a_kill() {
    let (mut dovecot, sink, mut daemon, _) = watched_desk().await;
    let port = sink.port;
    sink.close().await;
    drop(sink);
    dovecot.stop().await;
    let waits = |lines: &[Value]| lines.len() == 1 && lines[0]["id"] == "0.1" && lines[0]["delivery"] == "deferred";
    let lines = wait_until("the alarm to be put off", LIMIT, async || {
        let lines = daemon.json_lines(&["outbox", "list"]).await;
        waits(&lines).then_some(lines)
    })
    .await;
    assert_eq!((&lines[0]["purpose"], &lines[0]["to"], &lines[0]["ticket"]), (&"alarm".into(), &OPS.into(), &0.into()));
    daemon.kill9();
    let sink = Sink::start(Options { port: Some(port), ..Options::default() }).await;
    daemon.run().await;
    daemon.cli(&["outbox", "retry", "0.1"]).await;
    nth_to_ops(&sink, 1).await;
    wait_until("the silence to be seen again", LIMIT, async || (lines_in(&daemon.log(), "the mailbox is silent") == 2).then_some(())).await;
    wait_until("the outbox to empty", LIMIT, async || daemon.json_lines(&["outbox", "list"]).await.is_empty().then_some(())).await;
    assert_eq!(to_ops(&sink).len(), 1, "exactly one");
    assert_eq!(daemon.json(&["verify"]).await["ok"], true);
}

#[tokio::test]
async fn p3_ops_are_told_once_a_day_of_what_was_set_aside_and_of_what_did_not_arrive() {
    let (sink, http) = (Sink::plain().await, free_port());
    let relay = format!("[smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\ntime_limit = \"5s\"\n", sink.port);
    let base = with_ops(&maildirs("").replace("[smtp]\nmaildir = \"@STATE@/out\"\n", &relay), http);
    let mut daemon = Daemon::start(&[("guichet.toml", &base), ("customers.csv", CUSTOMERS)]).await;
    daemon.arrives("1.nobody", b"To: support@acme.example\r\nSubject: From nobody\r\nMessage-ID: <n@x.example>\r\n\r\nHello?\r\n");
    let away = MailText::new("joao@padaria.example", "support@acme.example").subject("Away").header("Auto-Submitted", "auto-replied");
    daemon.arrives("2.away", &away.octets());
    daemon.arrives("3.away", &away.text("Still away.\n").octets());
    daemon.arrives("4.agent", &MailText::new("ana@acme.example", "support@acme.example").subject("Without proof").octets());
    wait_until("all to be set aside", LIMIT, async || (daemon.json_lines(&["quarantine", "list"]).await.len() == 4).then_some(())).await;
    // One more that a person has dealt with.
    daemon.arrives("5.nobody", b"To: support@acme.example\r\nSubject: Released\r\nMessage-ID: <r@x.example>\r\n\r\nHello!\r\n");
    wait_until("the fifth", LIMIT, async || (daemon.json_lines(&["quarantine", "list"]).await.len() == 5).then_some(())).await;
    daemon.json(&["quarantine", "release", "5"]).await;
    assert!(page(http, "/metrics", "*/*").await.1.contains("guichet_quarantine_waiting 4\n"));
    assert!(to_ops(&sink).is_empty(), "its time has not come");

    // The report's time is in a moment.
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let at = soon.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M:%S").to_string();
    daemon.write("guichet.toml", &base.replace("ops = [", &format!("digest_at = \"{at}\"\nops = [")));
    daemon.signal("HUP");
    let report = text(&nth_to_ops(&sink, 1).await);
    for line in [
        "In quarantine, part of no ticket: 4, of them new since the last report: 4.",
        "- 2 (2 new): written by a machine",
        "- 1 (1 new): names no single usable sender",
        "- 1 (1 new): from an agent's address, but without proof",
        "The newest have the numbers 4, 3, 2, 1.",
        "guichet quarantine list",
    ] {
        assert!(report.contains(line), "{line} in:\n{report}");
    }
    for hidden in ["From nobody", "padaria", "ana@", "Without proof"] {
        assert!(!report.contains(hidden), "{hidden} in:\n{report}");
    }

    daemon.kill9();
    daemon.run().await;
    daemon.arrives("6.mary", &MailText::new("mary@shop.example", "support@acme.example").subject("Help").octets());
    sink.wait_for("the acknowledgement", |state| {
        state.mails.iter().any(|mail| mail.to.iter().any(|to| to.contains("mary@shop.example"))).then_some(())
    })
    .await;
    assert_eq!(to_ops(&sink).len(), 1, "once a day, over a kill");
    assert_eq!(daemon.json(&["verify"]).await["ok"], true);

    // A report of its own that comes back is no news.
    let mail = to_ops(&sink).remove(0);
    let id = header(&mail, "Message-ID").unwrap();
    let id = id.trim_matches(['<', '>']);
    let bounce = format!(
        "From: MAILER-DAEMON@ops.example\r\nTo: support@acme.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nNo.\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; ops.example\r\n\r\nFinal-Recipient: rfc822; {OPS}\r\n\
         Action: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{id}>\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"
    );
    daemon.arrives("7.bounce", bounce.as_bytes());
    let kept = wait_until("the report to be kept apart", LIMIT, async || {
        daemon.json_lines(&["quarantine", "list"]).await.into_iter().find(|line| line["reason"] == "desk_report")
    })
    .await;
    assert!(kept["detail"].as_str().unwrap().contains("a mail to ops came back"), "{kept}");
    let entries = daemon.json_lines(&["outbox", "list", "--all"]).await;
    let delivery = entries.iter().find(|entry| entry["id"] == "0.1").map(|entry| entry["delivery"].clone());
    assert_eq!(delivery, Some("bounced".into()), "{entries:?}");
    assert_eq!(daemon.json(&["verify"]).await["ok"], true);
}
