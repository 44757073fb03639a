//! The store's answers, from memory: what a replay of the past decides on. Nothing of it is kept.
//!
//! It answers a [`Need`] as the store does and takes a [`Change`] as the store does, but for texts: what was said, history, and the
//! mails that are sent are not held. So nothing is compared with what it answers, no internal words are sought in it, and no report is tied
//! to a mail. A year of a busy desk fits.

use super::address::EmailAddress;
use super::assign::{self, Load, Workload};
use super::away::{Absence, Away};
use super::bounce::Mark;
use super::change::{AckTallies, Change, ChatSession, Context, EARLIER_MAX, EarlierTicket, Landing, Need, TICKETS_PER_ID_MAX};
use super::merge::with_living;
use super::message::{Body, Fingerprint, Message, MessageId, Seq, SessionId, TicketNumber};
use super::tally::Tally;
use super::ticket::Ticket;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

/// Acknowledgements older than this count for nothing.
const ACKS_FOR: SignedDuration = SignedDuration::from_hours(1);

/// A store of nothing but facts for decisions.
#[derive(Debug, Default)]
pub struct Model {
    pub(super) tickets: BTreeMap<TicketNumber, Ticket>,
    due: BTreeSet<(Timestamp, TicketNumber)>,
    messages: HashMap<(TicketNumber, Seq), Message>,
    seen: HashMap<Fingerprint, Landing>,
    quarantined: u64,
    /// Each with whether the message is only expected there.
    ids: HashMap<MessageId, Vec<(TicketNumber, bool)>>,
    by_requester: HashMap<EmailAddress, BTreeSet<TicketNumber>>,
    sessions: HashMap<SessionId, ChatSession>,
    /// By address, tags apart.
    acks: HashMap<String, Vec<Timestamp>>,
    unproven: HashMap<(Scope, String), Tally>,
    pub(super) marks: BTreeMap<EmailAddress, Mark>,
    workload: Workload,
    /// By the agent's key.
    pub(super) away: BTreeMap<String, Away>,
}

/// What acknowledgements to unproven senders are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Domain,
    Mailbox,
    Desk,
}

impl Model {
    /// A ticket, as it stands now.
    #[must_use]
    pub fn ticket(&self, number: TicketNumber) -> Option<&Ticket> {
        self.tickets.get(&number)
    }

    /// All tickets, by number.
    pub fn tickets(&self) -> impl DoubleEndedIterator<Item = &Ticket> {
        self.tickets.values()
    }

    /// The ticket that holds the first of these messages that any holds or expects.
    pub fn ticket_of<'m, 'i>(&'m self, ids: impl IntoIterator<Item = &'i MessageId>) -> Option<&'m Ticket> {
        let mut numbers = ids.into_iter().filter_map(|id| self.ids.get(id)).flatten();
        numbers.find_map(|(number, _)| self.tickets.get(number))
    }

    /// The ticket that is due first, and when.
    #[must_use]
    pub fn next_due(&self) -> Option<(Timestamp, TicketNumber)> {
        self.due.first().copied()
    }

    /// The marks of an address.
    #[must_use]
    pub fn mark(&self, address: &EmailAddress) -> Option<&Mark> {
        self.marks.get(address)
    }

    /// What the agents have to do.
    #[must_use]
    pub const fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Agents who said that they are away.
    #[must_use]
    pub fn away(&self) -> Vec<Away> {
        self.away.values().cloned().collect()
    }

    /// All that a decision may see. What was said, and what was sent, is not held here.
    #[must_use]
    pub fn context(&self, need: &Need) -> Context {
        let session = need.session.and_then(|id| self.sessions.get(&id).cloned());
        let of_id = |id: &MessageId| self.ids.get(id).map(Vec::as_slice).unwrap_or_default();
        let known = need.message_ids.iter().flat_map(|id| of_id(id).iter().map(move |(number, _)| (id.clone(), *number)));
        let known_ids: Vec<_> = known.collect();
        let own = need.own_id.as_ref().map(of_id).unwrap_or_default();
        let expecting: Vec<_> = own.iter().filter(|(_, expected)| *expected).map(|(number, _)| *number).collect();
        let mut numbers: BTreeSet<TicketNumber> = need.tickets.iter().copied().chain(need.report.map(|id| id.ticket)).collect();
        numbers.extend(known_ids.iter().map(|(_, number)| *number));
        numbers.extend(&expecting);
        numbers.extend(session.as_ref().and_then(|session| session.ticket));
        let Ok(tickets) = with_living(numbers, |number| Ok::<_, Infallible>(self.tickets.get(&number).cloned()));
        let requesters = tickets.iter().filter_map(|ticket| ticket.requester.address.as_ref());
        let addresses: BTreeSet<&EmailAddress> = need.sender.iter().chain(requesters).collect();
        let marks = addresses.into_iter().filter_map(|address| self.marks.get(address).cloned()).collect();
        let unproven_acks = match (&need.sender, &need.acks_through) {
            (Some(sender), Some(mailbox)) => AckTallies {
                domain: self.unproven(Scope::Domain, sender.domain()),
                mailbox: self.unproven(Scope::Mailbox, mailbox),
                desk: self.unproven(Scope::Desk, ""),
            },
            (Some(_) | None, _) => AckTallies::default(),
        };
        Context {
            seen: need.fingerprint.and_then(|fingerprint| self.seen.get(&fingerprint).copied()),
            next_number: self.next_number(),
            messages: need.messages.iter().filter_map(|place| self.messages.get(place).cloned()).collect(),
            earlier: need.sender.iter().flat_map(|sender| self.earlier(sender)).collect(),
            acks: need.sender.as_ref().and_then(|sender| self.acks.get(&sender.untagged()).cloned()).unwrap_or_default(),
            tickets,
            known_ids,
            expecting,
            session,
            unproven_acks,
            marks,
            away: self.away(),
            ..Context::default()
        }
    }

    fn next_number(&self) -> Option<TicketNumber> {
        self.tickets.last_key_value().map(|(last, _)| TicketNumber(last.0.saturating_add(1)))
    }

    fn earlier(&self, sender: &EmailAddress) -> impl Iterator<Item = EarlierTicket> {
        let numbers = self.by_requester.get(sender).into_iter().flatten().rev().take(EARLIER_MAX);
        numbers.filter_map(|number| self.tickets.get(number)).map(EarlierTicket::from)
    }

    fn unproven(&self, scope: Scope, name: &str) -> Tally {
        self.unproven.get(&(scope, name.to_owned())).cloned().unwrap_or_default()
    }

    /// Takes a change that was decided on what is here now, and says where its message landed.
    pub fn apply(&mut self, change: Change) -> Option<Landing> {
        let mut landing = change.landing;
        if change.quarantine.is_some() {
            self.quarantined += 1;
            landing = Some(Landing::Quarantine { id: self.quarantined });
        }
        if let (Some(fingerprint), Some(landing)) = (change.fingerprint, landing) {
            self.seen.insert(fingerprint, landing);
        }
        for mut ticket in change.tickets {
            ticket.version += 1;
            let lines = change.history.iter().filter(|(number, _)| *number == ticket.number).count();
            let before = self.tickets.get(&ticket.number).map_or(0, |before| before.history);
            ticket.history = before.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.put(ticket);
        }
        for message in change.messages {
            // An order to part a thread asks which messages there are, not what they say.
            let message = Message { body: Body::default(), attachments: Vec::new(), outbox: Vec::new(), ..message };
            self.messages.insert((message.ticket, message.seq), message);
        }
        for (expected, ids) in [(false, change.message_ids), (true, change.expected_ids)] {
            for (id, number) in ids {
                self.note_id(id, number, expected);
            }
        }
        if let Some(session) = change.session {
            self.sessions.insert(session.id, ChatSession { version: session.version + 1, ..session });
        }
        if let Some(turn) = change.turn {
            self.workload.turns.retain(|t| (&t.team, &t.agent) != (&turn.team, &turn.agent));
            self.workload.turns.push(turn);
        }
        match change.absence {
            Some(Absence::Begins(away)) => drop(self.away.insert(away.agent.clone(), away)),
            Some(Absence::Ends(agent)) => drop(self.away.remove(&agent)),
            None => {}
        }
        if let Some(address) = &change.unmarked {
            self.marks.remove(address);
        }
        self.marks.extend(change.marked.map(|mark| (mark.address.clone(), mark)));
        if let Some((address, at)) = change.acked {
            if let Some(mailbox) = change.acked_unproven {
                for (scope, name) in [(Scope::Domain, address.domain()), (Scope::Mailbox, &mailbox), (Scope::Desk, "")] {
                    self.unproven.entry((scope, name.to_owned())).or_default().add(at);
                }
            }
            let acks = self.acks.entry(address.untagged()).or_default();
            acks.retain(|before| at.duration_since(*before) <= ACKS_FOR);
            acks.push(at);
        }
        landing
    }

    /// The next thing that is said in a window opens another ticket.
    pub fn end_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.ticket = None;
            session.version += 1;
        }
    }

    /// A ticket is not due any more, until it changes.
    pub fn forget_due(&mut self, due: (Timestamp, TicketNumber)) {
        self.due.remove(&due);
    }

    fn put(&mut self, ticket: Ticket) {
        let number = ticket.number;
        let before = self.tickets.get(&number);
        if let Some(due) = before.and_then(Ticket::next_due) {
            self.due.remove(&(due, number));
        }
        let load = |ticket: &Ticket| assign::bearer(ticket).map(|(agent, priority)| (assign::key(agent), priority));
        if let Some((agent, priority)) = before.and_then(load) {
            let rest = self.workload.loads.get_mut(&agent).map(|load| {
                load.take(priority);
                *load
            });
            if rest == Some(Load::default()) {
                self.workload.loads.remove(&agent);
            }
        }
        if let Some((agent, priority)) = load(&ticket) {
            self.workload.loads.entry(agent).or_default().add(priority);
        }
        self.due.extend(ticket.next_due().map(|due| (due, number)));
        let (old, new) = (before.and_then(|before| before.requester.address.clone()), ticket.requester.address.as_ref());
        if let Some(of_old) = old.filter(|old| Some(old) != new).and_then(|old| self.by_requester.get_mut(&old)) {
            of_old.remove(&number);
        }
        if let Some(address) = &ticket.requester.address {
            self.by_requester.entry(address.clone()).or_default().insert(number);
        }
        self.tickets.insert(number, ticket);
    }

    fn note_id(&mut self, id: MessageId, number: TicketNumber, expected: bool) {
        let of_id = self.ids.entry(id).or_default();
        if let Some((_, still)) = of_id.iter_mut().find(|(known, _)| *known == number) {
            *still &= expected;
        } else if of_id.len() < TICKETS_PER_ID_MAX {
            of_id.push((number, expected));
        }
    }
}
