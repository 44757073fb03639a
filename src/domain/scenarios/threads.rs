//! Threads: what joins, in any order; what is merged and split, and undone; who takes part.

use super::super::message::{Inbound, Machine, MessageId, TicketNumber, Visibility};
use super::super::outbound::{Audience, Purpose};
use super::super::policy::CopiedFollow;
use super::super::sla::ClockKind;
use super::super::testing::{World, address, authenticated, judged, mail, proven};
use super::super::verdict::Verdict;
use super::super::{address::Contact, merge};
use super::MIN;
use proptest::prelude::*;
use std::collections::BTreeMap;

const JOAO: &str = "joao@padaria.example";

fn referring(mut inbound: Inbound, to: &[u32]) -> Inbound {
    inbound.references = to.iter().filter_map(|n| MessageId::parse(&format!("m{n}@x.example"))).collect();
    inbound
}

fn by_ana(world: &mut World, n: u32, ticket: u64, text: &str) -> super::super::change::Change {
    world.hears(proven(mail(n, "ana@acme.example", "Re: x", text), ticket, true))
}

/// The ticket in which a ticket's matter goes on.
fn living(world: &World, number: TicketNumber) -> TicketNumber {
    let tickets: Vec<_> = world.tickets.values().cloned().collect();
    merge::living(&tickets, number).unwrap().number
}

fn held(change: &super::super::change::Change) -> String {
    assert!(change.outbox.iter().all(|o| o.purpose == Purpose::Held), "nothing else is sent");
    format!("{:?}", change.outbox.iter().map(|o| &o.body).collect::<Vec<_>>())
}

#[test]
fn p7_a_subject_tag_joins_only_what_its_writer_has_a_part_in() {
    for (from, subject, verdict, expect, why) in [
        (JOAO, "AW: Fatura [#1]", None, (1, Visibility::Public), "the requester"),
        (JOAO, "[#1]", None, (1, Visibility::Public), "nothing but the tag"),
        (JOAO, "Fatura #1", None, (2, Visibility::Public), "a number is no tag"),
        (JOAO, "Fatura [#7]", None, (2, Visibility::Public), "no such ticket"),
        ("mallory@evil.example", "Re: Fatura [#1]", None, (2, Visibility::Public), "a stranger: a ticket of his own"),
        (JOAO, "Re: Fatura [#1]", Some(Verdict::Failed), (1, Visibility::Internal), "known not to be he: agents see it"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, JOAO, "Fatura", "y"));
        let second = mail(2, from, subject, "z");
        world.hears(match verdict {
            Some(verdict) => judged(second, verdict),
            None => second,
        });
        let last = world.messages.iter().rfind(|m| m.outbox.is_empty()).unwrap();
        assert_eq!((last.ticket.0, last.visibility), expect, "{why}");
    }
}

#[test]
fn a_closed_ticket_opens_again_for_a_while_and_then_continues_in_a_new_one() {
    for (order, wait, expect, why) in [
        ("#close", 60, (1, "open"), "soon: it was not done"),
        ("#close", 24 * 60, (2, "new"), "later: a new ticket"),
        ("#spam", 1, (2, "new"), "nobody wants to hear of spam in a closed ticket"),
    ] {
        let mut world = World::new();
        world.policy.desk.reopen_closed_within = MIN(24 * 60);
        world.hears(mail(1, JOAO, "Fatura", "y"));
        by_ana(&mut world, 2, 1, order);
        world.waits(MIN(wait));
        let change = world.hears(referring(mail(3, JOAO, "Re: Fatura", "z"), &[1]));
        let number = change.tickets[0].number;
        assert_eq!((number.0, world.tickets[&number].status.word()), expect, "{why}");
        let links = change.history.iter().any(|(_, l)| l.what == "continues #1");
        assert_eq!(links, number.0 == 2, "{why}");
    }
}

#[test]
fn p3_a_merged_ticket_leads_to_the_other_for_ever_and_comes_back() {
    let mut world = World::new();
    world.hears(mail(1, JOAO, "Fatura", "y"));
    by_ana(&mut world, 2, 1, "Olá.");
    world.hears(mail(3, JOAO, "Outra vez a fatura", "z"));
    world.waits(MIN(30));
    assert_eq!((world.clock(1, ClockKind::FirstResponse), world.clock(2, ClockKind::FirstResponse)), ("met", "running"));
    let owed = world.ticket(2).clocks.iter().find(|c| c.kind == ClockKind::FirstResponse).unwrap().due;
    by_ana(&mut world, 4, 2, "#merge 1");
    assert_eq!((world.ticket(2).status.word(), world.ticket(2).merged.map(|m| m.into.0)), ("closed", Some(1)));
    assert!(world.ticket(2).next_due().is_none(), "nothing happens in it any more");
    let taken = world.ticket(1).clocks.iter().find(|c| c.kind == ClockKind::NextResponse).unwrap();
    assert_eq!((taken.due, taken.is_open()), (owed, true), "P10: the time that he was told is owed here now");
    // By each of the ways in, and from both sides.
    for (n, inbound, why) in [
        (5, proven(mail(5, JOAO, "Re: x", "by token"), 2, false), "his reply address"),
        (6, referring(mail(6, JOAO, "Re: x", "by id"), &[3]), "an id of the merged ticket"),
        (7, mail(7, JOAO, "Re: x [#2]", "by tag"), "its tag"),
        (8, proven(mail(8, "ana@acme.example", "Re: x", "Olá outra vez."), 2, true), "an agent's old notification"),
        (9, proven(mail(9, "mallory@evil.example", "Re: x", "hi"), 2, false), "a third party"),
    ] {
        world.hears(inbound);
        let last = world.messages.iter().rfind(|m| m.message_id.as_ref().is_some_and(|id| id.as_str().starts_with(&format!("m{n}@"))));
        assert_eq!(last.unwrap().ticket.0, 1, "{why}");
    }
    by_ana(&mut world, 10, 1, "#unmerge 2");
    assert_eq!((world.ticket(2).status.word(), world.clock(2, ClockKind::FirstResponse)), ("new", "running"), "as it was");
    assert!(world.ticket(1).absorbed.is_empty());
    world.hears(proven(mail(11, JOAO, "Re: x", "again"), 2, false));
    assert_eq!(world.messages.last().unwrap().ticket.0, 2);
    let history = |number: u64, what: &str| world.history.iter().any(|(n, l)| n.0 == number && l.what == what);
    assert!(history(2, "merged into #1") && history(1, "holds #2") && history(2, "taken out of #1, new again"), "P9");
}

#[test]
fn p7_what_cannot_be_merged_is_held_with_what_would_help() {
    let mut world = World::new();
    world.hears(mail(1, JOAO, "Fatura", "y"));
    world.hears(mail(2, "bia@else.example", "Outra", "z"));
    world.hears(super::chat(3, 7, "hello"));
    world.hears(mail(4, JOAO, "Fechada", "z"));
    by_ana(&mut world, 5, 4, "#close");
    for (n, on, text, expect, why) in [
        (10, 2, "#merge 1", "#cc bia@else.example there first", "another customer would read what was not meant for him"),
        (11, 1, "#merge 1", "this very ticket", "itself"),
        (12, 1, "#merge 99", "there is no ticket #99", "no such"),
        (13, 1, "#merge 4", "is closed", "closed"),
        (14, 3, "#merge 1", "chat window only", "a window would fall silent"),
        (15, 1, "#unmerge 2", "was not merged into this", "nothing to undo"),
        (16, 1, "#split 9", "no message 9", "no such message"),
        (17, 1, "#unsplit", "was not split off", "nothing to undo"),
        (18, 1, "#merge 2\n#split 1", "one of #merge", "two at once"),
        (19, 3, "#split 1", "chat window only", "a window stays with its ticket"),
    ] {
        let before = world.tickets.clone();
        let change = by_ana(&mut world, n, on, text);
        assert!(held(&change).contains(expect), "{why}: {}", held(&change));
        assert!(before.iter().all(|(n, t)| world.tickets[n].status == t.status && world.tickets[n].merged == t.merged), "{why}");
    }
    by_ana(&mut world, 20, 1, "#cc bia@else.example");
    by_ana(&mut world, 21, 2, "#merge 1");
    assert_eq!(world.ticket(2).merged.map(|m| m.into.0), Some(1), "once she has a part in it");
}

#[test]
fn a_part_is_split_off_and_goes_back() {
    let mut world = World::new();
    world.hears(mail(1, JOAO, "Fatura", "one matter"));
    world.waits(MIN(5));
    world.hears(referring(mail(2, JOAO, "Re: Fatura", "another matter"), &[1]));
    let second = world.messages.iter().find(|m| m.body.text == "another matter").unwrap().clone();
    let told = world.told(Purpose::Notification).len();
    let acks = world.told(Purpose::Ack).len();
    by_ana(&mut world, 3, 1, &format!("#split {}", second.seq));
    let part = world.ticket(2);
    assert_eq!((part.status.word(), part.requester.address.clone(), part.messages), ("new", Some(address(JOAO)), 1));
    assert_eq!(world.ticket(1).moved, [(second.seq, TicketNumber(2))]);
    assert!(world.told(Purpose::Notification).len() > told, "its team hears of it");
    assert_eq!(world.told(Purpose::Ack).len(), acks, "the customer does not: nothing new was promised to him");
    let due = part.clocks.iter().find(|c| c.kind == ClockKind::FirstResponse).unwrap().due;
    assert_eq!(due, second.at + MIN(60), "he has waited since he wrote");
    // His answers go by what they answer, and never join the two again.
    for (n, refers, expect) in [(4, vec![1, 2], 2), (5, vec![2], 2), (6, vec![1], 1), (7, vec![2, 1], 1)] {
        world.hears(referring(mail(n, JOAO, "Re: Fatura", "w"), &refers));
        assert_eq!(world.messages.last().unwrap().ticket.0, expect, "refers to {refers:?}");
    }
    assert!(world.tickets.values().all(|t| t.merged.is_none()));
    by_ana(&mut world, 8, 2, "#unsplit");
    assert_eq!((world.ticket(2).merged.map(|m| m.into.0), world.ticket(1).moved.len()), (Some(1), 0));
    by_ana(&mut world, 9, 1, "#unmerge 2");
    assert_eq!((world.ticket(2).merged, world.ticket(1).moved.len()), (None, 1), "an undoing can be undone");
}

#[test]
fn p7_what_an_agent_asks_privately_stays_private() {
    let mut world = World::new();
    world.hears(mail(1, JOAO, "Fatura", "y"));
    let acks = world.told(Purpose::Ack).len();
    by_ana(&mut world, 2, 1, "#ask lab@vendor.example\n\nIs batch 7 known?");
    assert_eq!((world.told(Purpose::Question), world.told(Purpose::Answer).len()), (vec!["lab@vendor.example"], 0));
    let question = world.sent.iter().find(|o| o.purpose == Purpose::Question).unwrap();
    assert_eq!((&question.audience, question.in_reply_to.as_ref()), (&Audience::Asked, None), "nothing of the customer's is shown");
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "running", "a question to somebody else answers nobody");
    for (n, from, why) in
        [(3, "lab@vendor.example", "who was asked"), (4, "boss@vendor.example", "to whom he gave it"), (5, JOAO, "even a participant")]
    {
        let mut answer = mail(n, from, "Re: Fatura", "It is, keep it from them.");
        answer.claims = vec![super::super::message::Claim {
            ticket: TicketNumber(1),
            bound_to: super::super::message::Bound::Asked,
            stood_in: "reply address",
        }];
        world.hears(answer);
        assert_eq!(world.messages.last().unwrap().visibility, Visibility::Internal, "{why}");
    }
    by_ana(&mut world, 6, 1, "Olá João.");
    assert_eq!(world.told(Purpose::Answer), [JOAO], "later answers do not go to whom was asked");
    assert_eq!(world.told(Purpose::Ack).len(), acks);
    let roles: Vec<_> = world.ticket(1).third_parties.iter().map(|t| (t.address.as_str(), t.asked)).collect();
    assert_eq!(roles, [("lab@vendor.example", true), ("boss@vendor.example", false)]);
    for (n, text, expect) in [
        (7, "#ask ana@acme.example\nx", "is an agent"),
        (8, "#ask lab@vendor.example", "needs the question"),
        (9, "#ask lab@vendor.example\n#note\nx", "in two mails"),
        (10, "#ask support@acme.example\nx", "the desk's own address"),
    ] {
        let change = by_ana(&mut world, n, 1, text);
        assert!(held(&change).contains(expect), "{text}: {}", held(&change));
    }
}

#[test]
fn p7_who_is_copied_follows_on_an_agents_word_or_where_the_desk_says_so_at_once() {
    let copied = |n: u32, from: &str, to: &[&str]| {
        let mut inbound = mail(n, from, "x", "y");
        inbound.recipients = to.iter().map(|a| Contact { name: String::new(), address: address(a) }).collect();
        inbound
    };
    let known = || authenticated("padaria.example");
    let many: Vec<String> = (0..60).map(|n| format!("c{n}@else.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (setting, verdict, to, expect, why) in [
        (CopiedFollow::OnAgentsWord, known(), vec!["bia@else.example"], vec![], "only an agent's word"),
        (CopiedFollow::Authenticated, known(), vec!["bia@else.example", "ben@acme.example"], vec!["bia@else.example"], "agents are none"),
        (CopiedFollow::Authenticated, Verdict::Unknown, vec!["bia@else.example"], vec![], "he may be forged"),
        (CopiedFollow::Authenticated, known(), many, vec![], "a list is not people who take part"),
    ] {
        let mut world = World::new();
        world.policy.desk.copied_follow = setting;
        world.hears(judged(copied(1, JOAO, &to), verdict));
        let follow: Vec<_> = world.ticket(1).participants.iter().map(|p| p.address.as_str()).collect();
        assert_eq!(follow, expect, "{why}");
        by_ana(&mut world, 2, 1, "Olá.");
        assert_eq!(world.told(Purpose::Answer).len(), 1 + expect.len(), "{why}");
        assert_eq!(world.told(Purpose::Ack).len(), 1, "{why}: an ack goes to one (P6)");
    }
    let mut world = World::new();
    world.policy.desk.copied_follow = CopiedFollow::Authenticated;
    world.hears(judged(copied(1, JOAO, &["bia@else.example"]), known()));
    world.hears(judged(proven(copied(2, "bia@else.example", &["eve@else.example"]), 1, false), authenticated("else.example")));
    assert!(!world.ticket(1).is_participant(&address("eve@else.example")), "only the requester names others");
    by_ana(&mut world, 3, 1, "#uncc bia@else.example\nOlá.");
    assert_eq!(world.told(Purpose::Answer), [JOAO], "and an agent ends it");
}

#[test]
fn k01_another_mail_with_a_known_id_is_no_part_of_its_thread() {
    let mut world = World::new();
    world.hears(mail(1, JOAO, "Fatura", "y"));
    let mut other = mail(2, JOAO, "Other", "z");
    other.message_id = MessageId::parse("m1@x.example");
    world.hears(other);
    assert_eq!(world.tickets.len(), 2);
}

#[test]
fn p6_machines_join_no_tickets() {
    let mut world = World::new();
    world.hears(mail(1, JOAO, "a", "y"));
    world.hears(mail(2, JOAO, "b", "y"));
    let mut away = referring(mail(3, JOAO, "Away", "z"), &[1, 2]);
    away.machine = Some((Machine::AutoReply, "x".to_owned()));
    world.hears(away);
    assert!(world.tickets.values().all(|t| t.merged.is_none()));
}

/// How a mail program names what is answered.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// RFC 5322 section 3.6.4: the whole way to the root.
    Whole,
    /// Only what is answered.
    Parent,
}

/// Parents by index (a forest), writers, styles, which of them never reach the desk, and the order in which the rest arrives.
fn conversation() -> impl Strategy<Value = (Vec<Option<usize>>, Vec<Style>, Vec<bool>, Vec<usize>)> {
    (2_usize..9).prop_flat_map(|n| {
        let parents: Vec<_> =
            (0..n).map(|at| proptest::option::weighted(0.8, 0..at.max(1)).prop_map(move |p| p.filter(|p| *p < at))).collect();
        let styles = proptest::collection::vec(prop_oneof![Just(Style::Whole), Just(Style::Parent)], n);
        let lost = proptest::collection::vec(proptest::bool::weighted(0.15), n);
        (parents, styles, lost, Just((0..n).collect::<Vec<_>>()).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Threads are the same whatever order mail arrives in; and what another customer refers to never mixes with it.
    #[test]
    fn p3_p7_any_order_of_arrival_gives_the_same_threads((parents, styles, lost, order) in conversation(), two in any::<bool>()) {
        let writers = if two { [JOAO, "bia@else.example"] } else { [JOAO, JOAO] };
        let root = |mut at: usize| { while let Some(parent) = parents[at] { at = parent; } at };
        // One thread has one customer here; a second customer's threads run beside it.
        let writer = |at: usize| writers[root(at) % 2];
        let mail_of = |at: usize| {
            let mut way = Vec::new();
            let mut above = parents[at];
            while let Some(parent) = above {
                way.push(u32::try_from(parent).unwrap() + 1);
                above = parents[parent].filter(|_| matches!(styles[at], Style::Whole));
            }
            way.reverse();
            referring(mail(u32::try_from(at).unwrap() + 1, writer(at), "x", "y"), &way)
        };
        let threads = |order: &[usize]| {
            let mut world = World::new();
            for at in order.iter().filter(|at| !lost[**at]) {
                world.hears(mail_of(*at));
            }
            let mut groups: BTreeMap<TicketNumber, Vec<usize>> = BTreeMap::new();
            for at in (0..parents.len()).filter(|at| !lost[*at]) {
                let id = MessageId::parse(&format!("m{}@x.example", at + 1));
                let message = world.messages.iter().find(|m| m.message_id == id).unwrap();
                groups.entry(living(&world, message.ticket)).or_default().push(at);
            }
            for (number, group) in &groups {
                let of = world.tickets[number].requester.address.clone();
                assert!(group.iter().all(|at| of == Some(address(writer(*at)))), "P7: one customer's ticket is his alone");
            }
            let mut groups: Vec<_> = groups.into_values().collect();
            groups.sort();
            groups
        };
        let in_order: Vec<usize> = (0..parents.len()).collect();
        prop_assert_eq!(threads(&order), threads(&in_order));
    }
}
