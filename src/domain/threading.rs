//! Where a message belongs: to a ticket, to a new one, or to quarantine. The reason is part of the answer (P9).
//!
//! In this order, the first that holds:
//!
//! | what                                              | outcome                                    |
//! |---------------------------------------------------|--------------------------------------------|
//! | a report about a mail of ours, to whom it went    | noted; agents are told of what is final    |
//! | the same about a mail to ops, a machine of theirs | quarantine `desk_report`, of which none hear|
//! | no single usable sender                           | quarantine `no_sender`                     |
//! | our own address, our own mail come back           | quarantine `own_mail`                      |
//! | the same, and his mail failed authentication      | quarantine `unproven_agent`                |
//! | a token or Message-ID of ours, bound to this agent| the agent speaks (P8)                      |
//! | an agent's reply address, from no agent           | joins as third party                       |
//! | a token or Message-ID of ours, customer's side    | joins: as participant, else as third party |
//! | the chat window's ticket                          | joins                                      |
//! | a Message-ID that we hold, from a participant     | joins (P7: a stranger's guess does not)    |
//! | an agent with proof of his address, who forwards  | opens a ticket for whoever wrote it        |
//! | an agent's address without proof                  | quarantine `unproven_agent`                |
//! | a machine's answer or list mail                   | quarantine `machine`                       |
//! | anything else                                     | opens a ticket                             |
//!
//! "The same" stands for an agent's address with a token, where [`Policy::believes_agent`] says no. Where a participant's mail would
//! join and its sender is known not to be he (verdict `failed`), agents see it beside the thread: it may be a forgery, or a mail that
//! a forwarder broke.
//!
//! A subject tag joins nothing: anybody can write a number.
//!
//! What a person releases from quarantine has a shorter table: [`place_released`].

use super::change::Context;
use super::forward;
use super::message::{Bounce, Bound, Forwarded, Inbound, Machine, TicketNumber};
use super::ops::DESK_REPORT;
use super::policy::{Agent, Policy};
use super::ticket::{Status, Ticket};

/// Where a message belongs.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// Kept whole, part of no ticket.
    Quarantine { reason: &'static str, detail: String },
    /// An agent with proof writes about a ticket.
    Agent { ticket: &'a Ticket, agent: &'a Agent, why: String },
    /// An agent's address wrote to the customer's side: a note, never an answer (P8).
    AgentOnCustomerSide { ticket: &'a Ticket, agent: &'a Agent, why: String },
    /// The requester or a participant goes on.
    Customer { ticket: &'a Ticket, why: String },
    /// Somebody who is known not to be the participant that he claims to be: agents see it, and that is all.
    Doubted { ticket: &'a Ticket, why: String },
    /// Somebody else who holds a token.
    ThirdParty { ticket: &'a Ticket, why: String },
    /// A mail system reports about a mail of ours.
    Report { ticket: &'a Ticket, bounce: Bounce },
    /// The same about a mail that the desk wrote to its ops: kept apart, and nobody is written to because of it (P6).
    DeskReport { bounce: Bounce },
    /// An agent forwards somebody's mail: a new matter of whoever wrote it.
    Forwards { forwarded: &'a Forwarded, agent: &'a Agent, why: String },
    /// A new matter; `continues` names the closed ticket that it was meant for.
    Opens { continues: Option<TicketNumber>, why: String },
}

/// Finds the place.
#[must_use]
pub fn place<'a>(inbound: &'a Inbound, context: &'a Context, policy: &'a Policy) -> Place<'a> {
    let ticket = |number: TicketNumber| context.tickets.iter().find(|t| t.number == number);
    if inbound.session().is_some() {
        let window = context.session.as_ref().and_then(|s| s.ticket).and_then(ticket);
        return match window {
            Some(ticket) => joins(inbound, ticket, "the chat window's ticket".to_owned()),
            None => Place::Opens { continues: None, why: "a new chat".to_owned() },
        };
    }
    // Before all else: some reports name nobody as their sender, some refer to what they are about as an answer would.
    if let (Some(bounce), Some(entry)) = (&inbound.bounce, &context.reported) {
        // Both must fit: a Message-ID alone is known to everybody who got the mail.
        let went_there = entry.outbound.to.as_ref().is_some_and(|to| to.address == bounce.recipient);
        if went_there && entry.outbound.id == bounce.about && bounce.about.is_desks() {
            return Place::DeskReport { bounce: bounce.clone() };
        }
        if let Some(ticket) = ticket(bounce.about.ticket).filter(|_| went_there && entry.outbound.id == bounce.about) {
            return Place::Report { ticket, bounce: bounce.clone() };
        }
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
        let why = format!("signed {} of {}", claim.stood_in, ticket.number);
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
            Bound::Customer => {
                return match policy.agent(&from.address) {
                    _ if ticket.is_participant(&from.address) => joins(inbound, ticket, why),
                    Some(_) if !policy.believes_agent(&inbound.judgement) => doubted_agent(inbound, &why),
                    Some(agent) => Place::AgentOnCustomerSide { ticket, agent, why },
                    // Nobody looks at a closed ticket any more (P4): his word there would be forgotten.
                    None if is_closed(ticket) && inbound.machine.is_none() => joins(inbound, ticket, why),
                    // RFC 3834 section 4: a machine's answer may come from another address than was written to.
                    None => Place::ThirdParty { ticket, why },
                };
            }
        }
    }

    // The direct parent first, then the thread from its newest end.
    for id in inbound.in_reply_to.iter().chain(inbound.references.iter().rev()) {
        for (_, number) in context.known_ids.iter().filter(|(known, _)| known == id) {
            if let Some(ticket) = ticket(*number).filter(|t| t.is_participant(&from.address)) {
                return joins(inbound, ticket, format!("answers a message of {} by one of its participants", ticket.number));
            }
        }
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
    let ticket = |number: TicketNumber| context.tickets.iter().find(|t| t.number == number);
    let from = inbound.from.as_ref().filter(|from| !policy.is_ours(&from.address));
    let proven = inbound.claims.iter().filter(|c| c.bound_to == Bound::Customer).map(|c| c.ticket);
    let ids = inbound.in_reply_to.iter().chain(inbound.references.iter().rev());
    let known = ids.flat_map(|id| context.known_ids.iter().filter(move |(known, _)| known == id).map(|(_, number)| *number));
    let own = proven.chain(known).filter_map(ticket).find(|t| from.is_some_and(|from| t.is_participant(&from.address)));
    match own {
        Some(ticket) if is_closed(ticket) => {
            Place::Opens { continues: Some(ticket.number), why: format!("answers {}, which is closed", ticket.number) }
        }
        Some(ticket) => Place::Customer { ticket, why: format!("answers {} by one of its participants", ticket.number) },
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

fn joins<'a>(inbound: &Inbound, ticket: &'a Ticket, why: String) -> Place<'a> {
    // A machine that answers our last mail opens nothing: each answer with #close would lead to a new ticket (P6).
    if is_closed(ticket) && machine_alone(inbound).is_none() {
        return Place::Opens { continues: Some(ticket.number), why: format!("{why}, which is closed") };
    }
    if inbound.judgement.has_failed() {
        return Place::Doubted { ticket, why };
    }
    Place::Customer { ticket, why }
}

const fn is_closed(ticket: &Ticket) -> bool {
    match ticket.status {
        Status::Closed { .. } => true,
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
