//! The unit of the store: what a decision must see, and what it changes.

use super::address::EmailAddress;
use super::assign::{Turn, Workload};
use super::away::{Absence, Away};
use super::bounce::Mark;
use super::message::{Arrival, Author, BlobRef, Fingerprint, Message, MessageId, Seq, SessionId, Source, TicketNumber, Visibility};
use super::ops::DeskState;
use super::outbound::{Outbound, OutboxEntry, OutboxId};
use super::tally::Tally;
use super::ticket::Ticket;
use jiff::Timestamp;

/// How many earlier tickets of a sender a decision sees.
pub const EARLIER_MAX: usize = 10;
/// How many tickets may claim one Message-ID; a stranger who repeats an id must not make a decision read them all.
pub const TICKETS_PER_ID_MAX: usize = 8;

/// What a decision asks of the store.
#[derive(Clone, Debug, Default)]
pub struct Need {
    pub fingerprint: Option<Fingerprint>,
    /// Tickets that claims name.
    pub tickets: Vec<TicketNumber>,
    /// Ids whose tickets are wanted.
    pub message_ids: Vec<MessageId>,
    /// The message's own id: which tickets expect it is wanted.
    pub own_id: Option<MessageId>,
    /// Messages that are wanted themselves.
    pub messages: Vec<(TicketNumber, Seq)>,
    pub session: Option<SessionId>,
    /// Whose earlier tickets and acks are wanted.
    pub sender: Option<EmailAddress>,
    /// The mail that a report speaks of, with its ticket.
    pub report: Option<OutboxId>,
    /// The mailbox through which the sender came, if the counts of acks to unproven senders are wanted.
    pub acks_through: Option<String>,
    /// The mail of ours that is answered, if its text is wanted.
    pub answered: Option<OutboxId>,
    /// Tickets of which what was said lately is wanted: of the first that there is.
    pub said_in: Vec<TicketNumber>,
}

/// All that a decision may see of the store, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Where this very message already is (P2).
    pub seen: Option<Landing>,
    /// The number that a new ticket would get; `None` in an empty store, whose first number the policy gives.
    pub next_number: Option<TicketNumber>,
    /// Each ticket that was asked for, by number, by id or by session, with those that they were merged into; once, ascending.
    pub tickets: Vec<Ticket>,
    /// Which of the ids asked for belong to which ticket: it has that message, or one that refers to it.
    pub known_ids: Vec<(MessageId, TicketNumber)>,
    /// Tickets that have a message which refers to this one, but not this one.
    pub expecting: Vec<TicketNumber>,
    /// Those that were asked for and are there.
    pub messages: Vec<Message>,
    pub session: Option<ChatSession>,
    /// The sender's tickets, newest first, at most ten.
    pub earlier: Vec<EarlierTicket>,
    /// The mail that a report is about, as the outbox holds it.
    pub reported: Option<OutboxEntry>,
    /// When the sender's address, tags apart, last got automatic mail, oldest first, at most the store's bound.
    pub acks: Vec<Timestamp>,
    /// How many senders who could not prove themselves got automatic mail lately.
    pub unproven_acks: AckTallies,
    /// Which of the sender's address and of the requesters' of `tickets` are marked, be it in force or not.
    pub marks: Vec<Mark>,
    /// What the mail that is answered says.
    pub answered: Option<Answered>,
    /// What was said lately in the ticket that was asked for, newest first, within the store's bounds.
    pub said: Vec<Said>,
    /// What the agents have to do, if it was asked for.
    pub workload: Workload,
    /// Agents who said that they are away, be it over or not.
    pub away: Vec<Away>,
}

/// What a mail of ours says, cut where it is very long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// What somebody wrote.
    pub carried: String,
    /// The desk's own words, such as the brief.
    pub own: String,
}

/// What somebody said in a ticket, without what he quoted, cut where it is very long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub author: Author,
    pub visibility: Visibility,
    /// It is an agent's mail that was not carried out.
    pub held: bool,
    pub text: String,
}

/// Automatic mail to senders who could not prove themselves, counted three times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckTallies {
    /// To addresses of the sender's domain.
    pub domain: Tally,
    /// Because of mail that came through this mailbox.
    pub mailbox: Tally,
    /// In all.
    pub desk: Tally,
}

/// One line of a customer's past, for the brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierTicket {
    pub number: TicketNumber,
    pub subject: String,
    pub status: &'static str,
    pub opened: Timestamp,
    /// Handle of an agent.
    pub assignee: Option<String>,
}

impl From<&Ticket> for EarlierTicket {
    fn from(ticket: &Ticket) -> Self {
        Self {
            number: ticket.number,
            subject: ticket.subject.clone(),
            status: ticket.status.word(),
            opened: ticket.opened,
            assignee: ticket.assignee.clone(),
        }
    }
}

/// Where a message ended (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Landing {
    Ticket { number: TicketNumber, seq: Seq },
    Quarantine { id: u64 },
}

/// A visitor's conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatSession {
    pub id: SessionId,
    /// The ticket that its next message joins; `None` before the first message and after the end.
    pub ticket: Option<TicketNumber>,
    /// What the window has been shown or has said, so far.
    pub last_seq: u32,
    /// Counts the writes, as [`Ticket::version`] does.
    pub version: u64,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    Desk,
    Rule(String),
    Agent(String),
    Customer,
}

/// One line of a ticket's history (P9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub at: Timestamp,
    pub by: Actor,
    /// Such as `team billing`.
    pub what: String,
    /// Such as `rule 'invoices' matched subject`.
    pub why: String,
}

/// A line of history in words.
pub(super) fn line(at: Timestamp, by: Actor, what: impl Into<String>, why: impl Into<String>) -> History {
    History { at, by, what: what.into(), why: why.into() }
}

/// A message that could not be made part of a ticket, kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    pub at: Timestamp,
    pub source: Source,
    pub raw: Option<BlobRef>,
    /// A fixed word: `no_sender`, `own_mail`, `unbound_agent`, …
    pub reason: String,
    /// For people.
    pub detail: String,
}

/// What one decision changes: all of it or nothing. Every number in it was fixed by the decision, so that applying it is
/// all that is left to do; `expects` of it is that tickets, session and desk still have the versions that they were read
/// at, and that a new ticket's number is still free.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The message that is dealt with by this change; taken in once.
    pub fingerprint: Option<Fingerprint>,
    /// Where the mailbox's cursor stands afterwards, if it moves.
    pub source: Option<Source>,
    pub landing: Option<Landing>,
    /// The route by which the message came; written down also if it was there already (P2).
    pub arrival: Option<Arrival>,
    /// Of the message only the start is kept; the size of all of it, in octets.
    pub cut: Option<u64>,
    /// A message that was cut, as it is now that all of it is here. It takes the place that it had.
    pub whole: Option<Box<Message>>,
    /// The tickets as they are afterwards, each with the version that it was read at (0: new).
    pub tickets: Vec<Ticket>,
    pub messages: Vec<Message>,
    pub history: Vec<(TicketNumber, History)>,
    pub outbox: Vec<Outbound>,
    /// Message-IDs by which later mail finds its ticket.
    pub message_ids: Vec<(MessageId, TicketNumber)>,
    /// Message-IDs that its messages refer to and that nobody has brought yet, so that mail threads alike in any order of arrival.
    pub expected_ids: Vec<(MessageId, TicketNumber)>,
    /// The session as it is afterwards, with the version that it was read at (0: new).
    pub session: Option<ChatSession>,
    pub quarantine: Option<Quarantined>,
    /// The quarantine entry that this message, named by `fingerprint`, leaves for its `landing`. Applied only while it is there.
    pub releases: Option<u64>,
    /// A mail that waits and is not to be sent after all, with the reason. Applied only while it waits.
    pub dropped: Option<(OutboxId, String)>,
    /// A mail that was sent and has come back as undeliverable, and when that was learned.
    pub bounced: Option<(OutboxId, Timestamp)>,
    /// An address to which nothing automatic goes from now on.
    pub marked: Option<Mark>,
    /// An address that is marked no more.
    pub unmarked: Option<EmailAddress>,
    /// Automatic mail to an address, counted against its cap.
    pub acked: Option<(EmailAddress, Timestamp)>,
    /// The mailbox through which the one who was `acked` came, if he could not prove himself: it counts against the caps of his
    /// domain, that mailbox and the desk, too.
    pub acked_unproven: Option<String>,
    /// What the desk has told its ops, with the version that it was read at (0: new). Mails of its own (`0.n`) come with it only.
    pub desk: Option<DeskState>,
    /// A mail could not be delivered for good: counted, so that ops hear of it.
    pub undeliverable: bool,
    /// The desk itself chose who gets a ticket: his turn.
    pub turn: Option<Turn>,
    /// An agent goes away, or is back.
    pub absence: Option<Absence>,
}
