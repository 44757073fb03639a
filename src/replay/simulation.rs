//! One configuration, told of the past as it happened: the daemon's own decisions, on a store of memory and a clock that jumps.

use super::answer::{self, Role};
use super::compare::{self, Attainment, Fate, Outcome};
use super::past::{Belief, Heard, Origin, Speaker, What};
use crate::domain::address::EmailAddress;
use crate::domain::change::{Change, Landing};
use crate::domain::decide;
use crate::domain::message::{Inbound, Source, TicketNumber};
use crate::domain::model::Model;
use crate::domain::policy::{Mailbox, Policy};
use crate::domain::sla::{self, ClockKind};
use crate::domain::ticket::Status;
use crate::domain::verdict::Judgement;
use crate::intake::fingerprint_of;
use crate::intake::inbound::{self, Read};
use crate::mail::authenticity;
use crate::mail::token::Signer;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

/// Numbers of tickets that the past does not know begin here, far above its own.
const OWN_NUMBERS_FROM: u64 = 1_000_000_000_000;
/// When a thread of an archive that nobody ever answered is given up. Nothing in it tells when that was.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A desk that only decides.
pub struct Simulation {
    policy: Arc<Policy>,
    /// The desk's key is not here: what tokens proved is known from where a message stood.
    signer: Signer,
    model: Model,
    now: Timestamp,
    /// Tickets of the past whose first message joined another one here.
    joined: HashMap<u64, TicketNumber>,
    /// Unanswered threads of archives, by when they are given up.
    given_up: BTreeSet<(Timestamp, TicketNumber)>,
    outcome: Outcome,
}

impl Simulation {
    /// An empty desk under a configuration.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            signer: Signer::new(&[0; 32]),
            model: Model::default(),
            now: Timestamp::MIN,
            joined: HashMap::new(),
            given_up: BTreeSet::new(),
            outcome: Outcome::default(),
        }
    }

    /// Lets time pass until it was said, and decides about it.
    pub fn hears(&mut self, heard: &Heard) {
        self.waits(heard.at);
        let mut inbound = self.inbound(heard);
        let (known, split_from) = match &heard.origin {
            Origin::Ticket { number, seq, split_from, .. } => (Some((*number, *seq)), *split_from),
            Origin::Archive { .. } | Origin::Quarantine => (None, None),
        };
        let here = |number: u64| self.joined.get(&number).copied().unwrap_or(TicketNumber(number));
        let parted = split_from.map(here).filter(|_| known.is_some_and(|(number, _)| self.model.ticket(here(number)).is_none()));
        let ticket = parted.or_else(|| known.map(|(number, _)| here(number)));
        let role = answer::role(&mut inbound, &heard.origin, ticket, &self.model, &self.policy);
        let fate = match role {
            Role::NoTicket => Fate::NoTicket,
            Role::Automatic => Fate::Automatic,
            Role::Theirs | Role::Answer(_) => {
                // Its ticket has the number that it had, so that what people wrote of numbers means the same.
                let own = known.filter(|(number, seq)| *seq == 1 && self.model.ticket(TicketNumber(*number)).is_none());
                if let (Some(_), Some(session)) = (own, inbound.session()) {
                    // A new ticket of the same window: its conversation had been ended in between.
                    self.model.end_session(session);
                }
                let number = match (own, known) {
                    (Some((number, _)), _) => Some(TicketNumber(number)),
                    (None, Some(_)) => Some(self.own_number()),
                    (None, None) => None,
                };
                let landing = self.decide(&inbound, number);
                if let (Some((number, _)), Some(Landing::Ticket { number: landed, .. })) = (known, landing)
                    && self.model.ticket(TicketNumber(number)).is_none()
                {
                    self.joined.entry(number).or_insert(landed);
                }
                self.fate(&role, landing, &inbound)
            }
        };
        if matches!(heard.origin, Origin::Archive { last: true }) {
            self.matter_ends(&fate, &inbound);
        }
        self.outcome.fates.push((heard.name.clone(), fate));
    }

    /// Nothing more is said, and time goes on until then. What is not due by then stays open.
    #[must_use]
    pub fn ends(mut self, until: Timestamp) -> Outcome {
        self.waits(until);
        for ticket in self.model.tickets() {
            let of_tier: &mut BTreeMap<ClockKind, Attainment> = self.outcome.attained.entry(ticket.tier.clone()).or_default();
            for (clock, cancelled) in sla::targets(&ticket.log, &self.policy.calendars) {
                of_tier.entry(clock.kind).or_default().count(&clock, cancelled);
            }
        }
        self.outcome
    }

    /// Clocks come due, one after the other, until then.
    fn waits(&mut self, until: Timestamp) {
        loop {
            let given_up = self.given_up.first().copied().filter(|(at, _)| *at <= until);
            let due = self.model.next_due().filter(|(at, _)| *at <= until);
            match (due, given_up) {
                (Some((at, number)), other) if other.is_none_or(|(later, _)| at <= later) => {
                    self.now = self.now.max(at);
                    self.time_comes(at, number);
                }
                (_, Some((at, number))) => {
                    self.now = self.now.max(at);
                    self.given_up.remove(&(at, number));
                    self.solve(number, at);
                }
                (_, None) => break,
            }
        }
        self.now = self.now.max(until);
    }

    fn time_comes(&mut self, due: Timestamp, number: TicketNumber) {
        let Some(ticket) = self.model.ticket(number) else { return };
        let mark = ticket.requester.address.as_ref().and_then(|address| self.model.mark(address)).cloned();
        match decide::on_time(ticket, mark.as_slice(), &self.model.away(), &self.policy, self.now) {
            Some(change) => drop(self.apply(change)),
            // Its clocks say that it is due and then that it is not: it is not asked again for ever.
            None => self.model.forget_due((due, number)),
        }
    }

    /// For a ticket that the past does not have.
    fn own_number(&self) -> TicketNumber {
        let next = self.model.tickets().next_back().map_or(0, |last| last.number.0.saturating_add(1));
        TicketNumber(next.max(OWN_NUMBERS_FROM))
    }

    /// `number` is what a new ticket gets; else the next.
    fn decide(&mut self, inbound: &Inbound, number: Option<TicketNumber>) -> Option<Landing> {
        let (model, policy, now) = (&self.model, &self.policy, self.now);
        let read = |need: &_| {
            let mut context = model.context(need);
            context.next_number = number.or(context.next_number);
            Ok::<_, Infallible>(context)
        };
        let further = |context: &_| decide::further(inbound, context, policy, now);
        let Ok(context) = decide::facts(decide::need(inbound), further, read, || Ok(model.workload().clone()));
        let change = decide::on_message(inbound, &context, policy, now);
        self.apply(change)
    }

    fn apply(&mut self, change: Change) -> Option<Landing> {
        for outbound in &change.outbox {
            *self.outcome.notices.entry(outbound.purpose).or_default() += 1;
        }
        if let Some(quarantined) = &change.quarantine {
            *self.outcome.quarantined.entry(quarantined.reason.clone()).or_default() += 1;
        }
        self.model.apply(change)
    }

    fn fate(&self, role: &Role, landing: Option<Landing>, inbound: &Inbound) -> Fate {
        match (role, landing) {
            (_, None) => Fate::Again,
            (_, Some(Landing::Quarantine { .. })) => Fate::Quarantined,
            (Role::Answer(_), Some(Landing::Ticket { number, .. })) => Fate::Answered(number),
            (_, Some(Landing::Ticket { number, seq })) if seq > 1 => Fate::Joined(number),
            (_, Some(Landing::Ticket { number, .. })) => {
                let found = self.model.ticket(number);
                found.map_or(Fate::Joined(number), |ticket| {
                    Fate::Opened(Box::new(compare::Opening::of(ticket, inbound.channel, &self.policy)))
                })
            }
        }
    }

    /// The last word of a thread in an archive: if a person had answered, its matter was done with.
    fn matter_ends(&mut self, fate: &Fate, inbound: &Inbound) {
        let ticket = match fate {
            Fate::Opened(opening) => self.model.ticket(opening.ticket),
            Fate::Joined(number) | Fate::Answered(number) => self.model.ticket(*number),
            // Such as the other desk's own word that all is done, or a second copy: it tells which thread it ends.
            Fate::Quarantined | Fate::Again | Fate::Automatic | Fate::NoTicket => {
                self.model.ticket_of(inbound.message_id.iter().chain(&inbound.in_reply_to).chain(inbound.references.iter().rev()))
            }
        };
        let Some((number, status)) = ticket.map(|ticket| (ticket.number, ticket.status)) else { return };
        match status {
            Status::New => {
                self.given_up.insert((sla::later(self.now, GIVEN_UP_AFTER), number));
            }
            Status::Open | Status::Pending { .. } | Status::Snoozed { .. } => {
                // An answer ends it when it was sent; the customer's last word when it came.
                let sent = inbound.sent_at.filter(|_| matches!(fate, Fate::Answered(_)));
                self.solve(number, sent.map_or(self.now, |at| at.min(self.now)));
            }
            Status::Solved { .. } | Status::Closed { .. } => {}
        }
    }

    /// As if its agent had written `#solve`.
    fn solve(&mut self, number: TicketNumber, at: Timestamp) {
        let Some(ticket) = self.model.ticket(number).filter(|ticket| ticket.status.is_active()) else { return };
        let Some(agent) = answer::stand_in(ticket, "", &self.policy) else { return };
        let mut order = order(number, ticket.messages, &ticket.mailbox, at, self.now);
        answer::make_his(&mut order, agent, number);
        self.decide(&order, None);
    }

    fn mailbox(&self, heard: &Heard) -> Option<&Mailbox> {
        let named = heard.mailbox.as_ref().and_then(|name| self.policy.mailbox_named(name));
        let written_to = || match &heard.what {
            What::Mail { parsed, .. } => {
                let plain: Vec<String> = parsed.addressed.iter().map(EmailAddress::untagged).collect();
                self.policy.mailboxes.iter().find(|mailbox| plain.iter().any(|address| address == mailbox.address.as_str()))
            }
            What::Chat(_) => None,
        };
        named.or_else(written_to).or_else(|| self.policy.mailboxes.first())
    }

    fn inbound(&self, heard: &Heard) -> Inbound {
        let (parsed, kept) = match &heard.what {
            What::Chat(inbound) => return Inbound::clone(inbound),
            What::Mail { parsed, kept } => (parsed, kept),
        };
        let mailbox = self.mailbox(heard);
        let found_then = match &heard.origin {
            Origin::Ticket { speaker: Speaker::Other(belief), .. } if *belief != Belief::Unasked => Some(belief.judgement()),
            Origin::Ticket { .. } | Origin::Archive { .. } | Origin::Quarantine => None,
        };
        let judged = || {
            let (told, from) = (parsed.authentication_results.as_deref(), parsed.from.as_ref().map(|from| &from.address));
            let trusted = mailbox.map(|mailbox| mailbox.trusted_authserv_ids.as_slice()).unwrap_or_default();
            mailbox.map_or_else(Judgement::default, |_| authenticity::judge(told, from, trusted))
        };
        let mut parsed = parsed.as_ref().clone();
        let is_agents = parsed.from.as_ref().is_some_and(|from| self.policy.agent(&from.address).is_some());
        parsed.forwarded = parsed.forwarded.filter(|_| is_agents);
        let name = mailbox.map(|mailbox| mailbox.name.clone()).unwrap_or_default();
        let read = Read {
            source: Source::Maildir { mailbox: name, file: heard.name.clone() },
            received_at: heard.at,
            judgement: found_then.unwrap_or_else(judged),
            parsed,
            kept: kept.clone(),
            cut: None,
        };
        // Reports are about mails of then, which are not those of now; what tokens prove is known from where it stood.
        Inbound { bounce: None, claims: Vec::new(), ..inbound::assemble(read, &self.signer, &self.policy) }
    }
}

/// An agent's mail of nothing but an order; whose it is, `make_his` says.
fn order(ticket: TicketNumber, messages: u32, mailbox: &str, at: Timestamp, now: Timestamp) -> Inbound {
    let source = Source::Maildir { mailbox: mailbox.to_owned(), file: String::new() };
    let fingerprint = fingerprint_of(&[b"order", &ticket.0.to_be_bytes(), &messages.to_be_bytes(), &now.as_millisecond().to_be_bytes()]);
    Inbound { sent_at: Some(at), ..Inbound::new(source, fingerprint, now, "#solve") }
}
