//! How many mails a second one core reads and decides about, without any disk or network.
//!
//! ```text
//! cargo bench --bench decide
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "the corpus offers more than this bench uses")]

#[path = "desk/corpus.rs"]
mod corpus;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use guichet::domain::change::Context;
use guichet::domain::decide;
use guichet::domain::message::{Body, Channel, Inbound, Source};
use guichet::domain::policy::Policy;
use guichet::domain::verdict::Judgement;
use guichet::mail::normalise::{NormaliseLimits, Parsed, normalise};
use jiff::Timestamp;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

const CONFIGURATION: &str = r#"
[desk]
name = "Acme Support"
state_dir = "state"
languages = ["en", "pt", "et"]
[[mailbox]]
name = "support"
address = "support@desk.example"
team = "frontline"
maildir = "in"
[smtp]
maildir = "out"
[[team]]
name = "frontline"
[[team]]
name = "billing"
[[agent]]
name = "Ana Souza"
address = "ana@desk.example"
teams = ["frontline", "billing"]
[[rule]]
name = "invoices"
when = { channel = "mail", text = ["invoice*", "fatura*", "arve*"] }
then = { team = "billing", priority = "high", tags = ["billing"] }
[[rule]]
name = "urgent"
when = { text = ["urgent*", "urgente*", "kiire*"] }
then = { priority = "high" }
"#;

fn policy() -> Arc<Policy> {
    guichet::config::load_text("guichet.toml", CONFIGURATION, Path::new("/nonexistent")).expect("a configuration").policy
}

/// As the desk puts it together, with nothing kept.
fn inbound(parsed: Parsed, now: Timestamp) -> Inbound {
    Inbound {
        source: Source::Imap { mailbox: "support".to_owned(), uid_validity: 1, uid: 1 },
        channel: Channel::Mail,
        fingerprint: parsed.fingerprint,
        raw: None,
        cut: None,
        received_at: now,
        sent_at: parsed.sent_at,
        message_id: parsed.message_id,
        in_reply_to: parsed.in_reply_to,
        references: parsed.references,
        from: parsed.from,
        reply_to: parsed.reply_to,
        recipients: parsed.recipients,
        claims: Vec::new(),
        subject: parsed.subject,
        body: Body { text: parsed.body.text, spans: parsed.body.spans, kept: None },
        attachments: Vec::new(),
        machine: parsed.machine,
        bounce: None,
        language: parsed.language,
        landed_to: None,
        defects: parsed.defects,
        judgement: Judgement::default(),
        forwarded: None,
    }
}

fn mails(criterion: &mut Criterion) {
    let (policy, limits, context) = (policy(), NormaliseLimits::default(), Context::default());
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let mut group = criterion.benchmark_group("a mail of 4 KB");
    group.throughput(Throughput::Elements(1));
    for language in ["en", "pt", "et"] {
        let raw = corpus::one_of_4_kb(language);
        let read = inbound(normalise(&raw, &limits), now);
        let change = decide::on_message(&read, &context, &policy, now);
        assert!(change.landing.is_some() && !change.outbox.is_empty(), "it opens a ticket and is acknowledged");
        group.bench_function(format!("normalise/{language}"), |bencher| bencher.iter(|| normalise(black_box(&raw), &limits)));
        group.bench_function(format!("decide/{language}"), |bencher| {
            bencher.iter(|| decide::on_message(black_box(&read), &context, &policy, now));
        });
        group.bench_function(format!("both/{language}"), |bencher| {
            bencher.iter(|| decide::on_message(&inbound(normalise(black_box(&raw), &limits), now), &context, &policy, now));
        });
    }
    group.finish();
}

criterion_group!(benches, mails);
criterion_main!(benches);
