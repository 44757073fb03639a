//! Where a message belongs: to a ticket, to a new one, or to quarantine. The reason is part of the answer (P9).
//!
//! In this order, the first that holds:
//!
//! | what                                              | outcome                                    |
//! |---------------------------------------------------|--------------------------------------------|
//! | a report about a mail of ours, to whom it went    | noted; agents are told of what is final    |
//! | the same about a mail to ops, a machine of theirs | quarantine `desk_report`, of which none hear|
//! | a report about a mail of ours, to others          | quarantine `machine`                       |
//! | no single usable sender                           | quarantine `no_sender`                     |
//! | our own address, our own mail come back           | quarantine `own_mail`                      |
//! | the same, and his mail failed authentication      | quarantine `unproven_agent`                |
//! | a token or Message-ID of ours, bound to this agent| the agent speaks (P8)                      |
//! | an agent's reply address, from no agent           | joins as third party                       |
//! | a token made for somebody whom an agent asked     | joins, for agents only                     |
//! | a token or Message-ID of ours, customer's side    | joins: as participant, else as third party |
//! | the chat window's ticket                          | joins                                      |
//! | a Message-ID that we hold, from a participant     | joins (P7: a stranger's guess does not)    |
//! | the id that such a message refers to, the same    | joins: mail threads alike in any order     |
//! | the ticket's tag in the subject, the same         | joins                                      |
//! | an agent with proof of his address, who forwards  | opens a ticket for whoever wrote it        |
//! | an agent's address without proof                  | quarantine `unproven_agent`                |
//! | a machine's answer or list mail                   | quarantine `machine`                       |
//! | anything else                                     | opens a ticket                             |
//!
//! "The same" stands for an agent's address with a token, where [`Policy::believes_agent`] says no. Where a participant's mail would
//! join and its sender is known not to be he (verdict `failed`), agents see it beside the thread: it may be a forgery, or a mail that
//! a forwarder broke.
//!
//! A subject tag of a stranger joins nothing: anybody can write a number. A ticket that was merged into another stands for that other,
//! and one that was closed opens again within `reopen_closed_within`; later its customer opens a new one. Where ids lead to several
//! tickets of one requester, his mail joins them: they are one thread ([`Place::Customer`]`::also`).
//!
//! What a person releases from quarantine has a shorter table: [`place_released`].

use super::address::Contact;
use super::bounce::Fate;
use super::change::Context;
use super::forward;
use super::merge::{self, living};
use super::message::{Bound, Forwarded, Inbound, Machine, TicketNumber};
use super::ops::DESK_REPORT;
use super::outbound::OutboxId;
use super::policy::{Agent, Policy};
use super::subject;
use super::ticket::{SPAM_TAG, Status, Ticket};
use jiff::Timestamp;

/// Where a message belongs.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// Kept whole, part of no ticket.
    Quarantine { reason: &'static str, detail: String },
    /// An agent with proof writes about a ticket.
    Agent { ticket: &'a Ticket, agent: &'a Agent, why: String },
    /// An agent's address wrote to the customer's side: a note, never an answer (P8).
    AgentOnCustomerSide { ticket: &'a Ticket, agent: &'a Agent, why: String },
    /// The requester or a participant goes on. His mail shows that the tickets in `also` are the same matter.
    Customer { ticket: &'a Ticket, also: Vec<&'a Ticket>, why: String },
    /// Somebody who is known not to be the participant that he claims to be: agents see it, and that is all.
    Doubted { ticket: &'a Ticket, why: String },
    /// Somebody else who holds a token.
    ThirdParty { ticket: &'a Ticket, why: String },
    /// A mail system reports about a mail of ours.
    Report { ticket: &'a Ticket, about: OutboxId, fate: Fate },
    /// The same about a mail that the desk wrote to its ops: kept apart, and nobody is written to because of it (P6).
    DeskReport { about: OutboxId, fate: Fate },
    /// An agent forwards somebody's mail: a new matter of whoever wrote it.
    Forwards { forwarded: &'a Forwarded, agent: &'a Agent, why: String },
    /// A new matter; `continues` names the closed ticket that it was meant for.
    Opens { continues: Option<TicketNumber>, why: String },
}

/// Finds the place.
#[must_use]
pub fn place<'a>(inbound: &'a Inbound, context: &'a Context, policy: &'a Policy) -> Place<'a> {
    let ticket = |number: TicketNumber| living(&context.tickets, number);
    if inbound.session().is_some() {
        let window = context.session.as_ref().and_then(|s| s.ticket).and_then(ticket);
        return match window {
            Some(ticket) => joins(inbound, ticket, policy, "the chat window's ticket".to_owned()),
            None => Place::Opens { continues: None, why: "a new chat".to_owned() },
        };
    }
    // Before all else: some reports name nobody as their sender, some refer to what they are about as an answer would.
    if let (Some(bounce), Some(entry)) = (&inbound.bounce, &context.reported) {
        match (bounce.of(entry), ticket(bounce.about.ticket)) {
            (Some(fate), _) if bounce.about.is_desks() => return Place::DeskReport { about: bounce.about, fate },
            (Some(fate), Some(ticket)) => return Place::Report { ticket, about: bounce.about, fate },
            (Some(_) | None, _) => {}
        }
    }
    if let Some(bounce) = &inbound.bounce {
        // Whatever it refers to beside: what is a report would only be noted there, and this one is none.
        let detail = format!("a report about mail {} that names somebody whom it did not go to", bounce.about);
        return Place::Quarantine { reason: "machine", detail };
    }
    let Some(from) = &inbound.from else {
        let detail = inbound.defects.iter().find(|d| d.name.contains("from") || d.name.contains("header"));
        let detail = detail.map_or("the mail names no single usable sender".to_owned(), |d| d.detail.clone());
        return Place::Quarantine { reason: "no_sender", detail };
    };
    if let Some((Machine::Ourselves, why)) = &inbound.machine {
        return Place::Quarantine { reason: "own_mail", detail: format!("it has been here before ({why})") };
    }
    if policy.is_ours(&from.address) {
        return Place::Quarantine { reason: "own_mail", detail: "it comes from one of the desk's own addresses".to_owned() };
    }

    for claim in &inbound.claims {
        let Some(ticket) = ticket(claim.ticket) else { continue };
        let mut why = format!("signed {} of {}", claim.stood_in, claim.ticket);
        if claim.ticket != ticket.number {
            why = format!("{why}, which was merged into {}", ticket.number);
        }
        match &claim.bound_to {
            Bound::Agent(address) => {
                if let Some(agent) = policy.agent(address).filter(|a| a.address == from.address) {
                    if !policy.believes_agent(&inbound.judgement) {
                        return doubted_agent(inbound, &why);
                    }
                    return Place::Agent { ticket, agent, why };
                }
                if policy.agent(&from.address).is_none() {
                    // An agent from another account, or somebody to whom a notification was forwarded: agents see it.
                    return Place::ThirdParty { ticket, why: format!("{why}, made for another") };
                }
            }
            Bound::Asked => {
                return match policy.agent(&from.address) {
                    None => Place::ThirdParty { ticket, why: format!("{why}, made for somebody whom an agent asked") },
                    Some(_) if !policy.believes_agent(&inbound.judgement) => doubted_agent(inbound, &why),
                    Some(agent) => Place::AgentOnCustomerSide { ticket, agent, why },
                };
            }
            Bound::Customer => {
                return match policy.agent(&from.address) {
                    _ if ticket.is_participant(&from.address) => joins_all(inbound, ticket, context, policy, why),
                    Some(_) if !policy.believes_agent(&inbound.judgement) => doubted_agent(inbound, &why),
                    Some(agent) => Place::AgentOnCustomerSide { ticket, agent, why },
                    // Nobody looks at a closed ticket any more (P4): his word there would be forgotten.
                    None if ticket.is_closed() && inbound.machine.is_none() => joins(inbound, ticket, policy, why),
                    // RFC 3834 section 4: a machine's answer may come from another address than was written to.
                    None => Place::ThirdParty { ticket, why },
                };
            }
        }
    }

    if let Some((ticket, how)) = by_ids(inbound, context, from).into_iter().next() {
        return joins_all(inbound, ticket, context, policy, format!("{how} {} by one of its participants", ticket.number));
    }
    let tagged = subject::tags(&inbound.subject).into_iter().filter_map(ticket);
    if let Some(ticket) = tagged.into_iter().find(|t| t.is_participant(&from.address)) {
        return joins(inbound, ticket, policy, format!("its subject names {}, of which its sender is a participant", ticket.number));
    }

    if let Some(agent) = policy.agent(&from.address) {
        return match forward::usable(inbound, policy) {
            Ok(forwarded) => {
                let how = if forwarded.attached { "as a file" } else { "in its text" };
                Place::Forwards { forwarded, agent, why: format!("forwarded {how}; the agent is {}", inbound.judgement.sentence()) }
            }
            Err(helps) => {
                let detail = format!("it names an agent as its sender, but carries no proof of any ticket; {helps}");
                Place::Quarantine { reason: "unproven_agent", detail }
            }
        };
    }
    if machine_alone(inbound).is_some() && policy.desk.ops.contains(&from.address) {
        let detail = "a machine of somebody who runs this desk wrote it: an answer to a report of ours";
        return Place::Quarantine { reason: DESK_REPORT, detail: detail.to_owned() };
    }
    machine_alone(inbound).unwrap_or_else(|| {
        let stranger = !context.known_ids.is_empty();
        let why = if stranger { "answers a ticket that its sender has no part in" } else { "a new matter" };
        Place::Opens { continues: None, why: why.to_owned() }
    })
}

/// Finds the place of what a person took out of quarantine: a ticket of which its sender is a participant and that it answers,
/// else a new one. Agents' proofs count for nothing here: nobody becomes an agent by being released (P8).
#[must_use]
pub fn place_released<'a>(inbound: &Inbound, context: &'a Context, policy: &Policy) -> Place<'a> {
    let ticket = |number: TicketNumber| living(&context.tickets, number);
    let from = inbound.from.as_ref().filter(|from| !policy.is_ours(&from.address));
    let proven = inbound.claims.iter().filter(|c| c.bound_to == Bound::Customer).map(|c| c.ticket);
    let mut proven = proven.filter_map(ticket).filter(|t| from.is_some_and(|from| t.is_participant(&from.address)));
    let by_ids = || by_ids(inbound, context, from?).into_iter().map(|(ticket, _)| ticket).next();
    match proven.next().or_else(by_ids) {
        Some(ticket) if closed_for_good(ticket, inbound.received_at, policy) => {
            Place::Opens { continues: Some(ticket.number), why: format!("answers {}, which is closed", ticket.number) }
        }
        Some(ticket) => Place::Customer { ticket, also: Vec::new(), why: format!("answers {} by one of its participants", ticket.number) },
        None => Place::Opens { continues: None, why: "a new matter".to_owned() },
    }
}

/// What a machine wrote for nobody opens nothing (P6). One that reports on its own account may.
fn machine_alone<'a>(inbound: &Inbound) -> Option<Place<'a>> {
    match &inbound.machine {
        Some((Machine::AutoReply | Machine::Bounce | Machine::Bulk | Machine::Ourselves, why)) => {
            let detail = format!("a machine wrote it ({why}) and it belongs to no ticket");
            Some(Place::Quarantine { reason: "machine", detail })
        }
        Some((Machine::Generated, _)) | None => None,
    }
}

/// An agent's token without his mail server's word for it: a notification may have been forwarded, or read by another (P8).
fn doubted_agent<'a>(inbound: &Inbound, why: &str) -> Place<'a> {
    let detail = format!("it bears an agent's address and his token ({why}), but its sender is {}", inbound.judgement.sentence());
    Place::Quarantine { reason: "unproven_agent", detail }
}

/// The tickets that ids lead to and of which the sender is a participant, each once and with how: the direct parent first, then the
/// thread from its newest end, then whoever waits for this very message. Of two tickets with one id the newer: it was split off.
fn by_ids<'a>(inbound: &Inbound, context: &'a Context, from: &Contact) -> Vec<(&'a Ticket, &'static str)> {
    let answered = inbound.in_reply_to.iter().chain(inbound.references.iter().rev());
    let answered = answered.flat_map(|id| context.known_ids.iter().rev().filter(move |(known, _)| known == id).map(|(_, number)| *number));
    let expecting = context.expecting.iter().rev().copied();
    let mut found: Vec<(&Ticket, &str)> = Vec::new();
    for (number, how) in answered.map(|n| (n, "answers a message of")).chain(expecting.map(|n| (n, "is answered in"))) {
        let ticket = living(&context.tickets, number).filter(|t| t.is_participant(&from.address));
        if let Some(ticket) = ticket.filter(|t| !found.iter().any(|(other, _)| other.number == t.number)) {
            found.push((ticket, how));
        }
    }
    found
}

/// Joins a ticket, and with it those that the mail's ids show to be the same thread of the same person.
fn joins_all<'a>(inbound: &Inbound, ticket: &'a Ticket, context: &'a Context, policy: &Policy, why: String) -> Place<'a> {
    let from = inbound.from.as_ref().filter(|from| ticket.requester.address.as_ref() == Some(&from.address));
    let (Some(from), None, false) = (from, &inbound.machine, ticket.is_closed()) else { return joins(inbound, ticket, policy, why) };
    let mut also: Vec<&Ticket> = by_ids(inbound, context, from).into_iter().map(|(t, _)| t).filter(|t| t.number != ticket.number).collect();
    also.retain(|other| merge::may_join(ticket, other));
    // They go on in the oldest: its number is the one that people know longest.
    let oldest = also.iter().copied().chain([ticket]).min_by_key(|t| t.number).unwrap_or(ticket);
    if oldest.number != ticket.number {
        also.retain(|other| other.number != oldest.number && merge::may_join(other, oldest));
        also.push(ticket);
    }
    let mut place = joins(inbound, oldest, policy, why);
    if let Place::Customer { also: joined, .. } = &mut place {
        *joined = also;
    }
    place
}

fn joins<'a>(inbound: &Inbound, ticket: &'a Ticket, policy: &Policy, why: String) -> Place<'a> {
    // A machine that answers our last mail opens nothing: each answer with #close would lead to a new ticket (P6).
    if machine_alone(inbound).is_none() && closed_for_good(ticket, inbound.received_at, policy) {
        return Place::Opens { continues: Some(ticket.number), why: format!("{why}, which is closed") };
    }
    if inbound.judgement.has_failed() {
        return Place::Doubted { ticket, why };
    }
    Place::Customer { ticket, also: Vec::new(), why }
}

/// Closed for longer than it can be opened again by its customer, or because nobody wants to hear of it.
fn closed_for_good(ticket: &Ticket, now: Timestamp, policy: &Policy) -> bool {
    match ticket.status {
        Status::Closed { at } => ticket.tags.contains(SPAM_TAG) || now.duration_since(at) >= policy.desk.reopen_closed_within,
        Status::New | Status::Open | Status::Pending { .. } | Status::Snoozed { .. } | Status::Solved { .. } => false,
    }
}

impl Place<'_> {
    /// The ticket that the message becomes a part of.
    #[must_use]
    pub const fn ticket(&self) -> Option<&Ticket> {
        match self {
            Self::Agent { ticket, .. }
            | Self::AgentOnCustomerSide { ticket, .. }
            | Self::Customer { ticket, .. }
            | Self::Doubted { ticket, .. }
            | Self::ThirdParty { ticket, .. }
            | Self::Report { ticket, .. } => Some(ticket),
            Self::Quarantine { .. } | Self::DeskReport { .. } | Self::Forwards { .. } | Self::Opens { .. } => None,
        }
    }
}
