//! How many mails a second one core reads and decides about, without any disk or network.
//!
//! ```text
//! cargo bench --bench decide
//! ```
//!
//! Three groups: `normalise` (octets to what a mail says), `decide` (what becomes of it) and `both`. Each with every mail of
//! [`mails`] alone, and with all of them in turn (`all`): the throughput of `both/all` is the number of decisions a second.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench fails by panicking")]
#![allow(unreachable_pub, reason = "the mails are a module of this bench")]

#[path = "decide/mails.rs"]
mod mails;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use guichet::domain::address::EmailAddress;
use guichet::domain::change::{Change, Context};
use guichet::domain::customer::Customer;
use guichet::domain::decide;
use guichet::domain::message::{Body, Bound, Channel, Inbound, Language, Source, TicketNumber};
use guichet::domain::policy::Policy;
use guichet::mail::authenticity;
use guichet::mail::normalise::{NormaliseLimits, Parsed, normalise};
use guichet::mail::token::Signer;
use jiff::Timestamp;
use mails::{Kind, SPEECHES};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The desk that decides, at a moment within its hours.
struct Desk {
    policy: Arc<Policy>,
    signer: Signer,
    limits: NormaliseLimits,
    now: Timestamp,
}

/// A mail, and what the store knows when it comes.
struct Case {
    name: String,
    raw: Vec<u8>,
    context: Context,
}

impl Desk {
    fn new() -> Self {
        let configuration = include_str!("decide/desk.toml");
        let loaded = guichet::config::load_text("guichet.toml", configuration, Path::new("/nonexistent"));
        let mut policy = Arc::unwrap_or_clone(loaded.expect("a configuration").policy);
        // Of the three customers one is a stranger.
        for (address, plan, language) in [("hannah@dunne.example", "premium", "en"), ("joao@padaria.example", "extended", "pt")] {
            let row = Customer {
                name: "Somebody".to_owned(),
                organisation: "Somewhere".to_owned(),
                plan: plan.to_owned(),
                language: Language::parse(language),
                ..Customer::default()
            };
            policy.customers.add_address(EmailAddress::parse(address).unwrap(), row);
        }
        Self {
            policy: Arc::new(policy),
            signer: Signer::new(&[7; 32]),
            limits: NormaliseLimits::default(),
            now: "2026-11-18T09:13:00Z".parse().unwrap(),
        }
    }

    fn read(&self, raw: &[u8]) -> Inbound {
        self.inbound(normalise(raw, &self.limits))
    }

    /// As the desk puts it together, with nothing kept.
    fn inbound(&self, parsed: Parsed) -> Inbound {
        let ids: Vec<_> = parsed.in_reply_to.iter().chain(parsed.references.iter().rev()).cloned().collect();
        let from = parsed.from.as_ref().map(|f| &f.address);
        Inbound {
            source: Source::Imap { mailbox: "support".to_owned(), uid_validity: 1, uid: 1 },
            channel: Channel::Mail,
            fingerprint: parsed.fingerprint,
            raw: None,
            cut: None,
            received_at: self.now,
            sent_at: parsed.sent_at,
            message_id: parsed.message_id,
            in_reply_to: parsed.in_reply_to,
            references: parsed.references,
            claims: self.signer.claims(from, &parsed.addressed, &ids),
            judgement: authenticity::judge(parsed.authentication_results.as_deref(), from, &["mx.desk.example".to_owned()]),
            from: parsed.from,
            reply_to: parsed.reply_to,
            recipients: parsed.recipients,
            subject: parsed.subject,
            body: Body { text: parsed.body.text, spans: parsed.body.spans, kept: None },
            attachments: Vec::new(),
            machine: parsed.machine,
            bounce: None,
            language: parsed.language,
            landed_to: None,
            defects: parsed.defects,
            headers: Vec::new(),
            looked_up: None,
            forwarded: None,
        }
    }

    fn decide(&self, inbound: &Inbound, context: &Context) -> Change {
        decide::on_message(inbound, context, &self.policy, self.now)
    }

    /// Each mail, with the ticket that an answer belongs to.
    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (speech, kind) in SPEECHES.iter().flat_map(|speech| Kind::ALL.map(|kind| (speech, kind))) {
            let mailbox = EmailAddress::parse("support@desk.example").unwrap();
            let token = self.signer.reply_address(&mailbox, TicketNumber(1), &Bound::Customer);
            let mail = |kind| mails::mail(speech, kind, token.as_str());
            let mut context = Context::default();
            if kind == Kind::Reply {
                context.tickets = self.decide(&self.read(&mail(Kind::Plain)), &context).tickets;
                context.next_number = Some(TicketNumber(2));
            }
            cases.push(Case { name: format!("{}/{}", speech.language, kind.word()), raw: mail(kind), context });
            let case = cases.last().unwrap();
            let inbound = self.read(&case.raw);
            assert!((3_700..4_500).contains(&case.raw.len()), "{} has 4 KB: {}", case.name, case.raw.len());
            assert_eq!(inbound.language, Language::parse(speech.language), "{} is understood", case.name);
            assert!(inbound.machine.is_none() && inbound.defects.is_empty(), "{} is a plain mail: {:?}", case.name, inbound.defects);
            let change = self.decide(&inbound, &case.context);
            assert!(change.landing.is_some() && !change.outbox.is_empty(), "{} reaches a ticket and somebody is told", case.name);
            assert_eq!(change.acked.is_some(), kind != Kind::Reply, "{}: a new matter is acknowledged", case.name);
        }
        cases
    }
}

fn decisions(criterion: &mut Criterion) {
    let desk = Desk::new();
    let cases = desk.cases();
    let read: Vec<Inbound> = cases.iter().map(|case| desk.read(&case.raw)).collect();
    measure(criterion, "normalise", &cases, |at| drop(black_box(normalise(black_box(&cases[at].raw), &desk.limits))));
    measure(criterion, "decide", &cases, |at| drop(black_box(desk.decide(black_box(&read[at]), &cases[at].context))));
    measure(criterion, "both", &cases, |at| {
        drop(black_box(desk.decide(&desk.read(black_box(&cases[at].raw)), &cases[at].context)));
    });
}

/// Does it to each mail alone, then to all in turn.
fn measure(criterion: &mut Criterion, name: &str, cases: &[Case], once: impl Fn(usize)) {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(50);
    group.throughput(Throughput::Elements(1));
    for (at, case) in cases.iter().enumerate() {
        group.bench_function(&case.name, |bencher| bencher.iter(|| once(at)));
    }
    group.throughput(Throughput::Elements(cases.len() as u64));
    group.bench_function("all", |bencher| bencher.iter(|| (0..cases.len()).for_each(&once)));
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
