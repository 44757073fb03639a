//! What a decision about a message asks of the store.

use super::agent::read_orders;
use crate::domain::arrange;
use crate::domain::assign::{self, Workload};
use crate::domain::change::{Context, Need};
use crate::domain::message::{Bound, Channel, Inbound, Seq, SessionId, TicketNumber};
use crate::domain::policy::Policy;
use crate::domain::subject;
use crate::domain::threading::{self, Place};
use jiff::Timestamp;

/// What the decision about a message asks of the store.
#[must_use]
pub fn need(inbound: &Inbound) -> Need {
    Need {
        fingerprint: Some(inbound.fingerprint),
        tickets: inbound.claims.iter().map(|c| c.ticket).chain(subject::tags(&inbound.subject)).collect(),
        own_id: inbound.message_id.clone(),
        messages: Vec::new(),
        message_ids: inbound.in_reply_to.iter().chain(&inbound.references).cloned().collect(),
        session: inbound.session(),
        // Who forwards is written to as an agent: the acks are the writer's.
        sender: inbound.forwarded.as_ref().map(|f| &f.from).or(inbound.from.as_ref()).map(|f| f.address.clone()),
        report: inbound.bounce.as_ref().map(|b| b.about),
        // What nobody is acknowledged for, or is without a count, needs none.
        acks_through: (inbound.channel == Channel::Mail
            && inbound.machine.is_none()
            && (inbound.forwarded.is_some() || !inbound.judgement.is_authenticated()))
        .then(|| inbound.source.mailbox().to_owned()),
        answered: None,
        said_in: inbound.claims.iter().filter(|c| matches!(c.bound_to, Bound::Agent(_))).map(|c| c.ticket).collect(),
    }
}

/// All that the decision may see. What shows only from what was read is read in a second step.
pub fn facts<F>(
    mut need: Need,
    further: impl FnOnce(&Context) -> Further,
    read: impl Fn(&Need) -> Result<Context, F>,
    workload: impl FnOnce() -> Result<Workload, F>,
) -> Result<Context, F> {
    let mut context = read(&need)?;
    let wanted = further(&context);
    if wanted.session.is_some() || !wanted.tickets.is_empty() || !wanted.messages.is_empty() {
        need.session = need.session.or(wanted.session);
        need.tickets.extend(wanted.tickets);
        need.messages = wanted.messages;
        context = read(&need)?;
    }
    if wanted.workload {
        // Changed by turns alone, of which this is one.
        context.workload = workload()?;
    }
    Ok(context)
}

/// What a decision needs besides what a message itself names, seen from what was read for that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Further {
    /// The window of the chat that its ticket began in.
    pub session: Option<SessionId>,
    /// Tickets that an agent's orders name.
    pub tickets: Vec<TicketNumber>,
    /// Messages that they name.
    pub messages: Vec<(TicketNumber, Seq)>,
    /// What the agents have to do.
    pub workload: bool,
}

/// What [`super::on_message`] needs to be read besides. Once is enough.
#[must_use]
pub fn further(inbound: &Inbound, context: &Context, policy: &Policy, now: Timestamp) -> Further {
    if context.seen.is_some() {
        return Further::default();
    }
    let place = threading::place(inbound, context, policy);
    let session = place.ticket().and_then(|t| t.session).filter(|_| inbound.session().is_none());
    let workload = policy.assigns()
        && match &place {
            Place::Opens { .. } | Place::Forwards { .. } => true,
            Place::Customer { ticket, .. } => inbound.machine.is_none() && assign::is_nobodys(ticket, policy),
            Place::Quarantine { .. }
            | Place::Agent { .. }
            | Place::AgentOnCustomerSide { .. }
            | Place::Doubted { .. }
            | Place::ThirdParty { .. }
            | Place::Report { .. }
            | Place::DeskReport { .. } => false,
        };
    let (mut tickets, mut messages) = (Vec::new(), Vec::new());
    if let Place::Agent { ticket, agent, .. } = place
        && let Ok(orders) = read_orders(&inbound.body, &ticket.team, agent, policy, now)
    {
        (tickets, messages) = arrange::needs(&orders.commands, ticket);
    }
    Further { session, tickets, messages, workload }
}
