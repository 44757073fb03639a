//! What the rules cost a mail of 4 KB: 10, 100 and 1,000 of them, of one kind each and mixed.
//!
//! ```text
//! cargo bench --bench rules
//! ```
//!
//! The bound is 50 µs a mail for 1,000 rules. None of the rules of a group holds but one, as it is with rules in use; `all hold`
//! shows what it costs where each of them does, `in Russian` the price of letters beyond ASCII.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench fails by panicking")]
#![allow(unreachable_pub, reason = "the mails are a module of this bench")]

#[expect(dead_code, reason = "another bench needs all of it")]
#[path = "decide/mails.rs"]
mod mails;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use guichet::domain::address::{Contact, EmailAddress};
use guichet::domain::message::{Body, Channel, Fingerprint, Inbound, Source};
use guichet::domain::policy::Policy;
use guichet::domain::route::{self, Matter};
use guichet::domain::rule::Occasion;
use guichet::domain::ticket::Priority;
use guichet::domain::verdict::Judgement;
use guichet::mail::normalise::{NormaliseLimits, normalise};
use jiff::Timestamp;
use mails::{Kind, SPEECHES};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const COUNTS: [usize; 3] = [10, 100, 1_000];

/// The `n`th word that stands in no mail, in letters that do.
fn word(n: usize) -> String {
    const PARTS: [&str; 12] = ["con", "pre", "mer", "tal", "in", "voi", "der", "ser", "pro", "bil", "ter", "qua"];
    let mut word = String::new();
    let mut rest = n * 7919 + 13;
    for _ in 0..4 {
        word.push_str(PARTS[rest % PARTS.len()]);
        rest = rest / PARTS.len() + n;
    }
    word.push('x');
    word
}

/// The condition of the `n`th rule of a kind.
fn condition(kind: &str, n: usize) -> String {
    let word = word(n);
    match kind {
        "words" => format!("text = [\"{word}\", \"{word}s\", \"no {word}\", \"{}*\"]", &word[..word.len() - 1]),
        "senders" => format!("sender = [\"*@*.{word}.example\", \"@{word}.example\", \"a@{word}.example\"]"),
        "expressions" => format!("text_regex = '\\b{word} nº? ?\\d{{4,8}}'"),
        "headers" => format!("header = [{{ name = \"X-{word}\" }}]"),
        "tiers" => "tier = \"advanced\"".to_owned(),
        "all hold" => "tier = \"standard\"\nlanguage = [\"en\", \"ru\"]".to_owned(),
        // As in a desk that has grown: most ask for words, some for senders, few for the rest.
        _ => condition(
            match n % 20 {
                0..=11 => "words",
                12..=15 => "senders",
                16 => "expressions",
                17 => "headers",
                _ => "tiers",
            },
            n,
        ),
    }
}

fn policy(kind: &str, rules: usize) -> Arc<Policy> {
    let mut text = "[desk]\nstate_dir = 's'\n[[mailbox]]\nname = 'support'\naddress = 'support@desk.example'\nmaildir = 'in'\n\
        [smtp]\nmaildir = 'out'\n[[team]]\nname = 'frontline'\nmanager = 'm@desk.example'\n[[tier]]\nname = 'standard'\n\
        [[tier]]\nname = 'advanced'\n"
        .to_owned();
    for n in 0..rules {
        let _ = writeln!(text, "[[rule]]\nname = 'r{n}'\nthen = {{ tags = 't' }}\n[rule.when]\n{}", condition(kind, n));
    }
    let _ = writeln!(text, "[[rule]]\nname = 'last'\nthen = {{ tags = 'found' }}");
    let loaded = guichet::config::load_text("g.toml", &text, Path::new("/nonexistent"));
    loaded.unwrap_or_else(|faults| panic!("{}", faults[0])).policy
}

fn inbound(raw: &[u8]) -> Inbound {
    let parsed = normalise(raw, &NormaliseLimits::default());
    Inbound {
        looked_up: None,
        source: Source::Imap { mailbox: "support".to_owned(), uid_validity: 1, uid: 1 },
        channel: Channel::Mail,
        fingerprint: Fingerprint([0; 16]),
        landed_to: None,
        raw: None,
        cut: None,
        received_at: Timestamp::UNIX_EPOCH,
        sent_at: None,
        message_id: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        from: EmailAddress::parse("ana@sales.eu.acme.example").ok().map(|address| Contact { name: String::new(), address }),
        reply_to: Vec::new(),
        recipients: Vec::new(),
        claims: Vec::new(),
        subject: parsed.subject,
        body: Body { text: parsed.body.text, spans: parsed.body.spans, kept: None },
        attachments: Vec::new(),
        machine: None,
        bounce: None,
        language: parsed.language,
        defects: Vec::new(),
        judgement: Judgement::default(),
        headers: Vec::new(),
        forwarded: None,
    }
}

fn rules(criterion: &mut Criterion) {
    let english = SPEECHES.iter().find(|speech| speech.language == "en").expect("English");
    let english = inbound(&mails::mail(english, Kind::Plain, "x@y.example"));
    let sentence = "Здравствуйте, мой заказ всё ещё не пришёл, и никто не отвечает на мои письма уже две недели. ";
    let russian = Inbound { body: Body::all_new(sentence.repeat(4_000 / sentence.len() + 1)), ..english.clone() };
    let now: Timestamp = "2026-11-18T09:13:00Z".parse().unwrap();
    for kind in ["words", "in Russian", "senders", "headers", "expressions", "tiers", "mixed", "all hold"] {
        let mail = if kind == "in Russian" { &russian } else { &english };
        let mut group = criterion.benchmark_group(kind);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
        for count in COUNTS {
            // So many expressions at once are refused.
            let policy = policy(if kind == "in Russian" { "words" } else { kind }, count);
            let known = policy.know(None, None, now.to_zoned(jiff::tz::TimeZone::UTC).date());
            let matter = Matter {
                inbound: mail,
                known: &known,
                occasion: Occasion::New,
                first_contact: Some(true),
                team: "frontline",
                priority: Priority::Medium,
                now,
            };
            let held = route::route(matter, &policy).history.len();
            assert_eq!(held, if kind == "all hold" { count + 1 } else { 1 }, "{kind}: what holds");
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| bencher.iter(|| route::route(black_box(matter), &policy)));
        }
        group.finish();
    }
}

criterion_group!(benches, rules);
criterion_main!(benches);
