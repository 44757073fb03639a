//! kill -9 at random moments while mail arrives: nothing is lost, nothing is done twice.

use crate::desk::{CUSTOMERS, Setup, config};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{MailText, header};
use crate::support::sink::Sink;
use crate::support::wait::{LIMIT, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const MAILS: usize = 200;
const KILLS: usize = 8;

#[tokio::test]
async fn p1_p2_p3_p5_kill_9_leaves_each_mail_in_one_ticket_and_acknowledged() {
    // Printed with a failure; the moments depend on the machine all the same.
    let seed = std::env::var("GUICHET_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("GUICHET_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    dovecot.deliver_lmtp("support", &MailText::new("first@c.example", "support@acme.example").subject("Mail first").octets()).await;
    let sink = Sink::plain().await;
    let rules = crate::desk::RULES.to_owned();
    let text = config(&dovecot, sink.port, &Setup { rules: Some(rules), ..Setup::default() });
    let mut daemon = Daemon::start(&[("guichet.toml", &text), ("customers.csv", CUSTOMERS)]).await;

    let mut delivered = 1;
    for kill in 0..=KILLS {
        let until = if kill == KILLS { MAILS } else { MAILS * (kill + 1) / (KILLS + 1) };
        while delivered < until {
            let mail = MailText::new(&format!("c{delivered}@c.example"), "support@acme.example").subject(&format!("Mail {delivered}"));
            dovecot.deliver_file("support", &mail.octets());
            delivered += 1;
        }
        if kill < KILLS {
            // A moment after they arrived: before, within or after their fetching, committing, sending and settling.
            let moment = Duration::from_millis(random.random_range(0..900));
            let _ = tokio::time::timeout(moment, std::future::pending::<()>()).await;
            daemon.kill9();
            daemon.run().await;
        }
    }

    let acknowledged = || -> BTreeMap<String, BTreeSet<String>> {
        let mut by_customer: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for mail in sink.mails() {
            let to = mail.to.first().cloned().unwrap_or_default();
            if to.contains("@c.example") {
                by_customer.entry(to).or_default().insert(header(&mail.octets, "Message-ID").unwrap_or_default());
            }
        }
        by_customer
    };
    wait_until("each mail to be acknowledged", LIMIT * 3, async || (acknowledged().len() == MAILS).then_some(())).await;
    dovecot.wait_for("support", "Processed", MAILS).await;
    assert_eq!(dovecot.count("support", "INBOX"), 0);

    let tickets = daemon.json_lines(&["tickets", "--status", "any"]).await;
    let mut subjects: Vec<String> = tickets.iter().map(|t| t["subject"].as_str().unwrap().to_owned()).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!((tickets.len(), subjects.len()), (MAILS, MAILS), "each in exactly one ticket");
    assert!(tickets.iter().all(|t| t["messages"] == 2), "its mail and its acknowledgement, once");
    for (customer, ids) in acknowledged() {
        assert_eq!(ids.len(), 1, "{customer} may get a mail twice, but never two mails: the Message-ID is the same");
    }
    let report = daemon.json(&["verify"]).await;
    assert_eq!(report["ok"], true, "{report}");
}

#[tokio::test]
async fn p5_mail_waits_for_a_relay_that_is_down() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let sink = Sink::plain().await;
    let port = sink.port;
    sink.close().await;
    let text = config(&dovecot, port, &Setup::default());
    let daemon = Daemon::start(&[("guichet.toml", &text), ("customers.csv", CUSTOMERS)]).await;
    dovecot.deliver_lmtp("support", &MailText::new("mary@shop.example", "support@acme.example").octets()).await;
    let ticket = wait_until("the acknowledgement to be put off", LIMIT, async || {
        let output = daemon.cli(&["ticket", "1", "--json"]).await;
        let ticket: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (ticket["thread"][1]["delivery"] == "deferred").then_some(ticket)
    })
    .await;
    assert_eq!(ticket["status"], "new");
}
