//! Who answers: an agent's mail of the past finds its ticket in the simulation, and its writer there.
//!
//! The store knows both. In an archive an answer is a mail of one of our own addresses, of an agent, or of somebody of our own domain
//! to the customer, which refers to a mail of a ticket. Whoever wrote it may be no agent of the configuration that is tried: then
//! the ticket's assignee, or the first of its team, stands for him. When something was answered is what is asked here, not by whom.

use super::past::{Origin, Speaker};
use crate::domain::address::{Contact, EmailAddress};
use crate::domain::message::{Bound, Claim, Inbound, TicketNumber};
use crate::domain::model::Model;
use crate::domain::policy::{Agent, Policy};
use crate::domain::ticket::Ticket;
use crate::domain::verdict::{Basis, Judgement, Verdict};
use crate::mail::visible;

/// Whose a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A customer's, a third party's, a machine's.
    Theirs,
    /// An agent's, about this ticket. The message has been made his.
    Answer(TicketNumber),
    /// One of ours that is no answer: automatic mail, and what was not carried out then.
    Automatic,
    /// An agent's about a ticket that is not there: it began before the span, or nobody wrote first.
    NoTicket,
}

/// Finds whose it is, and makes an answer the agent's. `ticket` is the number, here, of the ticket that it stood in.
pub fn role(inbound: &mut Inbound, origin: &Origin, ticket: Option<TicketNumber>, model: &Model, policy: &Policy) -> Role {
    match origin {
        Origin::Quarantine => Role::Theirs,
        Origin::Ticket { speaker: Speaker::Agent { carried_out: false, .. }, .. } => Role::Automatic,
        Origin::Ticket { speaker: Speaker::Agent { address, .. }, .. } => {
            let Some(ticket) = ticket.and_then(|number| model.ticket(number)) else { return Role::NoTicket };
            answer(inbound, EmailAddress::parse(address).ok().as_ref(), ticket, policy)
        }
        Origin::Ticket { seq, speaker: Speaker::Other(_), .. } => {
            // What continued a ticket then does so now: its tokens cannot be read without the desk's key.
            if let Some(number) = ticket.filter(|number| *seq > 1 && model.ticket(*number).is_some()) {
                inbound.claims = vec![claim(number, Bound::Customer)];
            }
            Role::Theirs
        }
        Origin::Archive { .. } => in_archive(inbound, model, policy),
    }
}

fn in_archive(inbound: &mut Inbound, model: &Model, policy: &Policy) -> Role {
    let Some(from) = inbound.from.as_ref().map(|from| from.address.clone()) else { return Role::Theirs };
    // A copy from a folder of sent mail bears no verdict; one that was found wanting when it came in is nobody's answer.
    if inbound.judgement.has_failed() {
        return Role::Theirs;
    }
    let is_ours = policy.is_ours(&from) || policy.agent(&from).is_some();
    let of_our_domain = || policy.mailboxes.iter().any(|mailbox| mailbox.address.domain() == from.domain());
    if !is_ours && !of_our_domain() {
        return Role::Theirs;
    }
    if is_ours && inbound.machine.is_some() {
        return Role::Automatic;
    }
    let found = model.ticket_of(inbound.in_reply_to.iter().chain(inbound.references.iter().rev()));
    let Some(ticket) = found else { return if is_ours { Role::NoTicket } else { Role::Theirs } };
    // A colleague may be a customer, too: he answers only who writes to the one that asked.
    let to_requester = || inbound.recipients.iter().any(|to| ticket.is_participant(&to.address));
    if !is_ours && (ticket.is_participant(&from) || !to_requester()) {
        return Role::Theirs;
    }
    answer(inbound, Some(&from), ticket, policy)
}

fn answer(inbound: &mut Inbound, writer: Option<&EmailAddress>, ticket: &Ticket, policy: &Policy) -> Role {
    let name = inbound.from.as_ref().map(|from| from.name.clone()).unwrap_or_default();
    let Some(agent) = writer.and_then(|writer| policy.agent(writer)).or_else(|| stand_in(ticket, &name, policy)) else {
        return Role::NoTicket;
    };
    make_his(inbound, agent, ticket.number);
    Role::Answer(ticket.number)
}

/// Makes a message an agent's about a ticket.
pub fn make_his(inbound: &mut Inbound, agent: &Agent, ticket: TicketNumber) {
    inbound.from = Some(Contact { name: agent.name.clone(), address: agent.address.clone() });
    inbound.claims = vec![claim(ticket, Bound::Agent(agent.address.clone()))];
    inbound.body.spans = visible::agent_spans(&inbound.body.text);
    inbound.machine = None;
    inbound.forwarded = None;
    let verdict = Verdict::Authenticated { domain: agent.address.domain().to_owned() };
    inbound.judgement = Judgement { verdict, basis: Basis::default(), why: "taken for his in the past".to_owned() };
}

/// Whoever speaks for somebody who is no agent here.
#[must_use]
pub fn stand_in<'p>(ticket: &Ticket, name: &str, policy: &'p Policy) -> Option<&'p Agent> {
    let assignee = policy.assignee(ticket);
    let of_name = || policy.agents.iter().find(|agent| !name.is_empty() && agent.name.eq_ignore_ascii_case(name));
    let of_team = || policy.agents.iter().find(|agent| agent.teams.contains(&ticket.team));
    of_name().or(assignee).or_else(of_team).or_else(|| policy.agents.first())
}

fn claim(ticket: TicketNumber, bound_to: Bound) -> Claim {
    Claim { ticket, bound_to, stood_in: "record of the past" }
}
