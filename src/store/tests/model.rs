//! The model of the store that replays decide on answers as the store does.

use super::support::{commit, open};
use crate::domain::change::{Context, Need};
use crate::domain::decide;
use crate::domain::message::{Inbound, MessageId, TicketNumber};
use crate::domain::model::Model;
use crate::domain::testing::{authenticated, chat, judged, mail, policy, proven};
use crate::store::TicketFilter;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

const SENDERS: [&str; 4] = ["mary@shop.example", "joao@padaria.example", "joao+x@padaria.example", "ana@acme.example"];
const TEXTS: [&str; 9] =
    ["help", "my invoice", "#solve", "#assign ben\n\nfor you", "#merge 1", "#close", "#pending\n\nwhich one?", "#away 2 days", "#back"];

/// Somebody speaks: who, in what way, about which of what was said before, and how much later.
type Step = (usize, u8, usize, usize, i64);

fn step() -> impl Strategy<Value = Step> {
    (0..SENDERS.len(), 0_u8..8, 0_usize..6, 0..TEXTS.len(), 0_i64..2000)
}

fn said(n: u32, (from, how, about, text, _): Step) -> Inbound {
    let other = about.try_into().unwrap_or(0);
    let mut inbound = mail(n, SENDERS[from], "Oven", TEXTS[text]);
    let id = |n: u32| MessageId::parse(&format!("m{n}@x.example")).unwrap();
    match how {
        0 | 1 => {}
        2 => inbound.references = vec![id(n.saturating_sub(other)), id(n + other)],
        3 => inbound = proven(inbound, u64::from(other) + 1, false),
        4 | 5 => inbound = proven(mail(n, "ana@acme.example", "Re: Oven", TEXTS[text]), u64::from(other) + 1, true),
        6 => inbound = judged(inbound, authenticated("shop.example")),
        _ => inbound = chat(n, u8::try_from(other).unwrap_or(0), TEXTS[text]),
    }
    inbound
}

/// What the model holds of a context, in an order that does not matter to a decision.
fn comparable(context: Context) -> impl PartialEq + std::fmt::Debug {
    let ids: BTreeSet<_> = context.known_ids.into_iter().collect();
    let expecting: BTreeSet<TicketNumber> = context.expecting.into_iter().collect();
    let messages: BTreeSet<_> = context.messages.iter().map(|message| (message.ticket, message.seq)).collect();
    let known = (context.seen, context.next_number, context.tickets, ids, expecting, messages);
    let mut turns: Vec<_> = context.workload.turns.iter().map(|turn| format!("{turn:?}")).collect();
    turns.sort();
    (known, context.session, context.earlier, context.unproven_acks, context.marks, context.away, context.workload.loads, turns)
}

async fn both(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut model = Model::default();
    let policy = policy();
    let mut now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    for (n, step) in (1..).zip(steps) {
        let until = now + SignedDuration::from_mins(step.4);
        while let Some((due, number)) = model.next_due().filter(|(due, _)| *due <= until) {
            let (first, _) = store.due(due, 1).unwrap();
            assert_eq!(store.ticket(first[0]).unwrap().unwrap().next_due(), Some(due), "both name the same time");
            now = now.max(due);
            let change = decide::on_time(model.ticket(number).unwrap(), &[], &model.away(), &policy, now).unwrap();
            commit(&store, change.clone()).await;
            model.apply(change);
        }
        now = until;
        let inbound = Inbound { received_at: now, ..said(n, step) };
        let further = |context: &Context| decide::further(&inbound, context, &policy, now);
        let facts = |read: &dyn Fn(&Need) -> Context| {
            let mut context =
                decide::facts(decide::need(&inbound), further, |need| Ok::<_, ()>(read(need)), || Ok(model.workload().clone())).unwrap();
            context.workload = model.workload().clone();
            context
        };
        let mut stored = facts(&|need| store.context(need).unwrap());
        stored.workload = store.workload().unwrap();
        let modelled = facts(&|need| model.context(need));
        assert!(stored.acks.ends_with(&modelled.acks), "those that count");
        let change = decide::on_message(&inbound, &modelled, &policy, now);
        assert_eq!(comparable(modelled), comparable(stored), "before message {n}: {inbound:?}");
        commit(&store, change.clone()).await;
        model.apply(change);
    }
    let stored: Vec<_> = store.tickets(TicketFilter::Any).map(|ticket| ticket.unwrap()).collect();
    assert_eq!(model.tickets().cloned().collect::<Vec<_>>(), stored, "ticket by ticket");
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn the_model_answers_as_the_store_does(steps in proptest::collection::vec(step(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(both(steps));
    }
}
