//! Two tickets become one, and one becomes two. Nothing is moved or deleted, so that both can be undone.
//!
//! A merged ticket is closed and says where its matter goes on ([`Ticket::merged`]): its tokens, ids and number lead there for ever
//! ([`living`]). Its messages stay its own; whoever looks at the other ticket sees them with it. A part that is split off has copies of
//! the messages that it is about; the old ticket says where they went ([`Ticket::moved`]).

use super::change::{Actor, History, line};
use super::lifecycle;
use super::message::{Author, Message, MessageId, Seq, TicketNumber};
use super::policy::Policy;
use super::tally::Tally;
use super::ticket::{MERGED_MAX, Merged, Requester, SPLIT_MAX, SplitOff, Status, Ticket};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The ticket of a number among those that were read, or the one that it was merged into, however often.
#[must_use]
pub fn living(tickets: &[Ticket], number: TicketNumber) -> Option<&Ticket> {
    let mut ticket = tickets.iter().find(|t| t.number == number)?;
    for _ in 0..=MERGED_MAX {
        let Some(merged) = ticket.merged else { return Some(ticket) };
        ticket = tickets.iter().find(|t| t.number == merged.into)?;
    }
    None
}

/// These tickets, as `read` gives them, and those that they were merged into; each once, ascending.
///
/// # Errors
/// What `read` meets.
pub fn with_living<F>(
    mut numbers: BTreeSet<TicketNumber>,
    read: impl Fn(TicketNumber) -> Result<Option<Ticket>, F>,
) -> Result<Vec<Ticket>, F> {
    let mut tickets = BTreeMap::new();
    while let Some(number) = numbers.pop_first() {
        let Some(ticket) = read(number)? else { continue };
        numbers.extend(ticket.merged.map(|merged| merged.into).filter(|into| !tickets.contains_key(into)));
        tickets.insert(number, ticket);
    }
    Ok(tickets.into_values().collect())
}

/// Why the first cannot be merged into the second, and what would help; for the agent who orders it.
#[must_use]
pub fn merge_fault(source: &Ticket, target: &Ticket) -> Option<String> {
    let (from, to) = (source.number, target.number);
    if from == to {
        return Some(format!("{to} is this very ticket: name the one that it is to go on in"));
    }
    if target.is_closed() {
        return Some(format!("{to} is closed: #reopen it first, or merge it into this one from there"));
    }
    if target.absorbed.len() + source.absorbed.len() >= MERGED_MAX {
        return Some(format!("{to} would hold more than {MERGED_MAX} merged tickets"));
    }
    match &source.requester.address {
        None => Some(format!("the customer of {from} is known by his chat window only, which would fall silent")),
        // P7: what is said there was not meant for him.
        Some(address) if !target.is_participant(address) => Some(format!(
            "the customer of {from}, {address}, has no part in {to}: say #cc {address} there first, if he may read what comes"
        )),
        Some(_) => None,
    }
}

/// Whether one mail of their customer may join the two: the same requester, nobody parted them, and both are alive.
#[must_use]
pub fn may_join(a: &Ticket, b: &Ticket) -> bool {
    let together = !a.apart.contains(&b.number) && !b.apart.contains(&a.number);
    together && a.requester.address == b.requester.address && !a.is_closed() && merge_fault(a, b).is_none()
}

/// Merges the first into the second: lines for the history of each. [`merge_fault`] was asked.
pub fn merge(source: &mut Ticket, target: &mut Ticket, policy: &Policy, now: Timestamp, by: &Actor, why: &str) -> [Vec<History>; 2] {
    let mut there = vec![line(now, by.clone(), format!("holds {}", source.number), why)];
    // An answer that is owed there is owed here, at the earlier of the two times.
    let active = source.status.is_active();
    if let Some(owed) = lifecycle::response_owed(source) {
        there.extend(lifecycle::take_over(target, owed.clone(), policy, now));
    } else if active && matches!(target.status, Status::Solved { .. }) {
        there.push(lifecycle::reopen(target, policy, now, by.clone(), "what was merged into it is not done"));
    }
    there.extend(lifecycle::inherit(target, source, policy, now));
    let same = source.requester.address == target.requester.address;
    for participant in source.participants.iter().filter(|_| same) {
        target.copy_to(&super::address::Contact { name: participant.name.clone(), address: participant.address.clone() });
    }
    target.tags.extend(source.tags.iter().take(super::ticket::TAGS_MAX.saturating_sub(target.tags.len())).cloned());
    target.session = target.session.or(source.session.filter(|_| same));
    target.absorbed.push(source.number);
    target.absorbed.extend(source.absorbed.iter().copied());
    target.apart.retain(|n| *n != source.number);
    if source.split_off.as_ref().is_some_and(|split| split.from == target.number) {
        target.moved.retain(|(_, to)| *to != source.number);
    }

    source.apart.retain(|n| *n != target.number);
    source.merged = Some(Merged { into: target.number, at: now, was: source.status });
    lifecycle::suspend(source, policy, now);
    source.status = Status::Closed { at: now };
    [vec![line(now, by.clone(), format!("merged into {}", target.number), why)], there]
}

/// Why this merge cannot be undone here.
#[must_use]
pub fn unmerge_fault(target: &Ticket, source: Option<&Ticket>, wanted: TicketNumber) -> Option<String> {
    match source.and_then(|s| s.merged) {
        Some(merged) if merged.into == target.number => None,
        Some(merged) if target.absorbed.contains(&wanted) => {
            Some(format!("{wanted} was merged into {}, which was merged into this: #unmerge {} first", merged.into, merged.into.0))
        }
        Some(merged) => Some(format!("{wanted} was merged into {}, not into this: say it there", merged.into)),
        None => Some(format!("{wanted} was not merged into this")),
    }
}

/// Takes the first out of the second again, as it was. What came since stays where it came.
pub fn unmerge(source: &mut Ticket, target: &mut Ticket, policy: &Policy, now: Timestamp, by: &Actor, why: &str) -> [Vec<History>; 2] {
    let was = source.merged.take().map_or(Status::Open, |merged| merged.was);
    lifecycle::take_up(source, was, policy, now);
    target.absorbed.retain(|n| *n != source.number && !source.absorbed.contains(n));
    if let Some(split) = source.split_off.as_ref().filter(|split| split.from == target.number) {
        target.moved.extend(split.messages.iter().map(|seq| (*seq, source.number)));
    }
    lifecycle::give_back(target, source, policy, now);
    part(source, target);
    [
        vec![line(now, by.clone(), format!("taken out of {}, {} again", target.number, source.status.word()), why)],
        vec![line(now, by.clone(), format!("{} taken out", source.number), why)],
    ]
}

/// What is split off a ticket.
pub struct Split {
    pub ticket: Ticket,
    pub messages: Vec<Message>,
    /// By which later mail finds it.
    pub ids: Vec<(MessageId, TicketNumber)>,
    pub lines: Vec<History>,
}

/// Why these messages cannot be split off.
#[must_use]
pub fn split_fault(origin: &Ticket, chosen: &[Seq], read: &[Message]) -> Option<String> {
    let number = origin.number;
    if let Some(missing) = chosen.iter().find(|seq| !read.iter().any(|m| m.ticket == number && m.seq == **seq)) {
        return Some(format!("there is no message {missing} in {number}, which has {}", origin.messages));
    }
    if let Some((seq, to)) = origin.moved.iter().find(|(seq, _)| chosen.contains(seq)) {
        return Some(format!("message {seq} is in {to} already"));
    }
    if origin.moved.len() + chosen.len() > SPLIT_MAX {
        return Some(format!("more than {SPLIT_MAX} messages would be split off {number}"));
    }
    let chosen = chosen.iter().filter_map(|seq| read.iter().find(|m| m.ticket == number && m.seq == *seq));
    if requester_of(origin, chosen).address.is_none() {
        return Some(format!("the customer of {number} is known by his chat window only, which stays with it"));
    }
    None
}

/// Makes a ticket of some messages of another. [`split_fault`] was asked.
#[must_use]
pub fn split(origin: &mut Ticket, chosen: &[&Message], number: TicketNumber, policy: &Policy, now: Timestamp, by: &Actor) -> Split {
    let requester = requester_of(origin, chosen.iter().copied());
    let is_another = requester.address != origin.requester.address;
    let mut ticket = Ticket {
        number,
        version: 0,
        status: Status::New,
        assignee: None,
        zone: if is_another { policy.know_at(requester.address.as_ref(), now).zone } else { origin.zone.clone() },
        requester,
        participants: Vec::new(),
        third_parties: Vec::new(),
        session: None,
        opened: now,
        clocks: Vec::new(),
        messages: 0,
        outbox: 0,
        history: 0,
        last_customer_id: chosen.iter().rev().find(|m| is_outside(&m.author)).and_then(|m| m.message_id.clone()),
        merged: None,
        absorbed: Vec::new(),
        split_off: Some(SplitOff { from: origin.number, messages: chosen.iter().map(|m| m.seq).collect() }),
        moved: Vec::new(),
        apart: Vec::new(),
        noted: Tally::default(),
        log: Vec::new(),
        ..origin.clone()
    };
    let mut messages = Vec::new();
    let mut ids = Vec::new();
    for message in chosen {
        let seq = ticket.take_seq();
        origin.moved.push((message.seq, number));
        ids.extend(message.message_id.iter().map(|id| (id.clone(), number)));
        messages.push(Message { ticket: number, seq, chat_seq: None, client_id: None, outbox: Vec::new(), ..(*message).clone() });
    }
    part(&mut ticket, origin);
    // Who still waits for an answer there has waited since he wrote.
    let since = lifecycle::response_owed(origin).and(chosen.first()).map_or(now, |m| m.at);
    let named = chosen.iter().map(|m| m.seq.to_string()).collect::<Vec<_>>().join(", ");
    let mut lines = vec![line(now, by.clone(), "opened by #split", format!("made of message {named} of {}", origin.number))];
    lines.extend(lifecycle::opened(&mut ticket, policy, since).into_iter().map(|l| History { at: now, ..l }));
    Split { ticket, messages, ids, lines }
}

/// Whose matter it is: of the first among them who writes from outside, else the old ticket's customer.
fn requester_of<'a>(origin: &Ticket, mut chosen: impl Iterator<Item = &'a Message>) -> Requester {
    let author = chosen.find_map(|m| match &m.author {
        Author::Customer { name, address: Some(address) } => Some((name.clone(), address.clone())),
        Author::ThirdParty(contact) => Some((contact.name.clone(), contact.address.clone())),
        Author::Customer { address: None, .. } | Author::Agent(_) | Author::Desk => None,
    });
    author.map_or_else(|| origin.requester.clone(), |(name, address)| Requester { name, address: Some(address) })
}

const fn is_outside(author: &Author) -> bool {
    match author {
        Author::Customer { .. } | Author::ThirdParty(_) => true,
        Author::Agent(_) | Author::Desk => false,
    }
}

/// A person parted them: no mail joins them by itself.
fn part(a: &mut Ticket, b: &mut Ticket) {
    let (first, second) = (a.number, b.number);
    for (one, other) in [(a, second), (b, first)] {
        if !one.apart.contains(&other) && one.apart.len() < SPLIT_MAX {
            one.apart.push(other);
        }
    }
}
