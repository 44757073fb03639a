//! How far senders are believed, through a running daemon.

use crate::desk::{CUSTOMERS, maildirs};
use crate::support::daemon::Daemon;
use crate::support::wait::{LIMIT, wait_until};
use serde_json::Value;

fn mail(from: &str, results: &str, n: u32) -> Vec<u8> {
    let results = if results.is_empty() { String::new() } else { format!("Authentication-Results: {results}\r\n") };
    format!(
        "{results}Received: from there by mx.acme.example; Tue, 14 Oct 2025 09:30:02 +0000\r\nFrom: Who <{from}>\r\n\
         To: support@acme.example\r\nSubject: Matter {n}\r\nMessage-ID: <{n}@x.example>\r\n\
         Date: Tue, 14 Oct 2025 09:30:00 +0000\r\n\r\nThe words.\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn p6_p8_p9_the_verdict_is_shown_and_followed() {
    let desk = "[desk]\ntrusted_authserv_ids = [\"mx.acme.example\"]\n";
    let mut daemon = Daemon::start(&[("guichet.toml", &maildirs("").replacen("[desk]\n", desk, 1)), ("customers.csv", CUSTOMERS)]).await;
    let cases = [
        (
            "joao@padaria.example",
            "mx.acme.example; dmarc=pass header.from=padaria.example",
            "authenticated",
            "advanced",
            "ack",
            "the customer",
        ),
        ("joao@padaria.example", "mx.acme.example; spf=fail; dmarc=fail (p=none)", "failed", "basic", "", "another in his name"),
        ("joao@padaria.example", "mx.evil.example; dmarc=pass", "unknown", "advanced", "ack_unverified", "on a stranger's word"),
        ("joao@padaria.example", "", "unknown", "advanced", "ack_unverified", "on nobody's word"),
    ];
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(daemon.state_dir().join("in").join(folder)).unwrap();
    }
    for (n, (from, results, verdict, tier, template, why)) in (1..).zip(cases) {
        let written = daemon.state_dir().join("in/tmp").join(format!("{n}.mail"));
        std::fs::write(&written, mail(from, results, n)).unwrap();
        let explained = daemon.json(&["explain", written.to_str().unwrap()]).await;
        assert_eq!((&explained["verdict"], &explained["ticket"]["tier"]), (&verdict.into(), &tier.into()), "{why}: {explained}");
        assert_eq!(explained["outbox"].as_array().unwrap().iter().any(|m| m["purpose"] == "ack"), !template.is_empty(), "{why}");

        std::fs::rename(written, daemon.state_dir().join("in/new").join(format!("{n}.mail"))).unwrap();
        let number = n.to_string();
        let ticket = wait_until("the ticket", LIMIT, async || {
            let told = daemon.cli(&["ticket", &number, "--json"]).await;
            told.status.success().then(|| serde_json::from_slice::<Value>(&told.stdout).unwrap())
        })
        .await;
        let first = &ticket["thread"][0];
        assert_eq!((&first["verdict"], &ticket["tier"]), (&verdict.into(), &tier.into()), "{why}: {ticket}");
        assert!(first["verdict_why"].as_str().is_some_and(|told| !told.is_empty()), "{why}: {first}");
        let acked = ticket["history"].as_array().unwrap().iter().find(|l| l["what"].as_str().unwrap().contains("acknowledge")).unwrap();
        let told = acked["why"].as_str().unwrap();
        assert!(told.contains(verdict) && (template.is_empty() || told.contains(&format!("template {template},"))), "{why}: {told}");
        let text = String::from_utf8(daemon.cli(&["ticket", &number]).await.stdout).unwrap();
        assert!(text.contains(&format!("sender {verdict} (")), "{why}: {text}");
    }
    let report = daemon.json(&["verify"]).await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(daemon.terminate().await.code(), Some(0));
}
