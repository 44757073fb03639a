//! The ticket: one matter, its thread, its state.
//!
//! ```text
//!            a person answers            #pending                #snooze 2d
//!   New ─────────────────────► Open ───────────────► Pending   ────────────► Snoozed
//!    │                          ▲ ▲◄──customer writes──┘  ▲                      │
//!    │ #solve                   │ └───────time is over or customer writes────────┘
//!    ▼                          │ customer writes, #reopen
//!   Solved ─────────────────────┘
//!    │ auto close, #close
//!    ▼
//!   Closed        (a customer who writes to it soon opens it again; later he gets a new ticket that names this one)
//! ```
//!
//! A ticket may be merged into another ([`Merged`]): it is closed then, and whoever writes to it writes to that other. Messages may be
//! split off into a ticket of their own ([`SplitOff`]). Both are done and undone by `domain::merge`, and delete nothing.

use super::address::{Contact, EmailAddress, one_line};
use super::message::{Channel, Language, MessageId, Seq, SessionId, TicketNumber};
use super::outbound::OutboxId;
use super::sla::{Clock, Entry};
use super::tally::Tally;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// What is to be done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    Low,
    Medium,
    High,
    Critical,
}

impl Priority {
    /// All, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word of configuration, commands and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.word().eq_ignore_ascii_case(word))
    }
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    New,
    Open,
    /// Waits for the customer.
    Pending {
        since: Timestamp,
    },
    /// Waits for a time.
    Snoozed {
        until: Timestamp,
    },
    Solved {
        at: Timestamp,
    },
    Closed {
        at: Timestamp,
    },
}

impl Status {
    /// The words, in the order of a ticket's life.
    pub const WORDS: [&'static str; 6] = ["new", "open", "pending", "snoozed", "solved", "closed"];

    /// The word of commands and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Open => "open",
            Self::Pending { .. } => "pending",
            Self::Snoozed { .. } => "snoozed",
            Self::Solved { .. } => "solved",
            Self::Closed { .. } => "closed",
        }
    }

    /// Whether the desk owes the customer something.
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::New | Self::Open | Self::Pending { .. } | Self::Snoozed { .. } => true,
            Self::Solved { .. } | Self::Closed { .. } => false,
        }
    }
}

/// Whoever opened the ticket. A chat visitor may have no address; a mail always has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    pub name: String,
    pub address: Option<EmailAddress>,
}

/// A further address that the ticket is answered to: copied, as Cc is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    pub name: String,
    pub address: EmailAddress,
}

/// Somebody else who had a word in it. Agents see what he writes; nothing is sent to him but what an agent asks him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThirdParty {
    pub name: String,
    pub address: EmailAddress,
    /// An agent asked him privately; else he came by himself with a token that was made for another, and is unverified.
    pub asked: bool,
}

/// This ticket's matter goes on in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    pub into: TicketNumber,
    pub at: Timestamp,
    /// Its status before: what an undoing brings back.
    pub was: Status,
}

/// This ticket was made of messages of another, copies of which are its first ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitOff {
    pub from: TicketNumber,
    /// Their places there, in the order that they have here.
    pub messages: Vec<Seq>,
}

/// Bounds of what one ticket's record holds (P11): it is rewritten at each message.
pub const PARTICIPANTS_MAX: usize = 50;
/// The tag of a ticket that is not worth an answer.
pub const SPAM_TAG: &str = "spam";
/// The tag of a ticket whose customer gets no automatic mail until a person takes it away.
pub const HELD_TAG: &str = "held";
pub const THIRD_PARTIES_MAX: usize = 20;
pub const TAGS_MAX: usize = 50;
/// How many tickets one may hold that were merged into it, at any remove; so long is the longest chain of redirections.
pub const MERGED_MAX: usize = 30;
/// How many messages may be split off a ticket.
pub const SPLIT_MAX: usize = 50;
pub const SUBJECT_OCTETS_MAX: usize = 500;
pub const NAME_OCTETS_MAX: usize = 200;

/// One ticket as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub number: TicketNumber,
    /// Counts the writes; 0 has never been stored. A commit names the version that it was decided on.
    pub version: u64,
    pub subject: String,
    pub status: Status,
    pub priority: Priority,
    pub tier: String,
    pub team: String,
    /// Handle of an agent.
    pub assignee: Option<String>,
    pub channel: Channel,
    pub language: Language,
    /// By whose wall its customer is told times; that of the calendar which a time is of, where it is not known.
    pub zone: Option<TimeZone>,
    pub requester: Requester,
    pub participants: Vec<Participant>,
    pub third_parties: Vec<ThirdParty>,
    pub organisation: String,
    /// Name of the mailbox that the customer's answers come from.
    pub mailbox: String,
    /// The chat window, where it began there.
    pub session: Option<SessionId>,
    pub opened: Timestamp,
    pub tags: BTreeSet<String>,
    /// What happened to its clocks, and what follows from that with the calendars in force (see `domain::sla`).
    pub log: Vec<Entry>,
    pub clocks: Vec<Clock>,
    /// Name of the SLA policy that a rule chose; else the one that fits best.
    pub policy: Option<String>,
    /// Messages so far; the next one's seq is one more.
    pub messages: Seq,
    /// Outbox entries so far.
    pub outbox: u32,
    /// History entries so far.
    pub history: u32,
    /// Newest Message-ID of the customer's side: what the next answer replies to.
    pub last_customer_id: Option<MessageId>,
    pub merged: Option<Merged>,
    /// Tickets that were merged into this one.
    pub absorbed: Vec<TicketNumber>,
    pub split_off: Option<SplitOff>,
    /// Messages that a ticket of their own was made of, which has copies of them: each with that ticket.
    pub moved: Vec<(Seq, TicketNumber)>,
    /// Tickets that a person parted from this one: the desk does not join them again by itself.
    pub apart: Vec<TicketNumber>,
    /// How often its people were lately told of what programs and third parties wrote in it.
    pub noted: Tally,
}

impl Ticket {
    /// Whether this address may see what is public in it.
    #[must_use]
    pub fn is_participant(&self, address: &EmailAddress) -> bool {
        self.requester.address.as_ref() == Some(address) || self.participants.iter().any(|p| p.address == *address)
    }

    /// Notes that somebody who has no part in it wrote, or was asked.
    pub fn meet_third_party(&mut self, contact: &Contact, asked: bool) {
        if let Some(known) = self.third_parties.iter_mut().find(|t| t.address == contact.address) {
            known.asked |= asked;
        } else if !self.is_participant(&contact.address) && self.third_parties.len() < THIRD_PARTIES_MAX {
            let name = one_line(&contact.name, NAME_OCTETS_MAX);
            self.third_parties.push(ThirdParty { name, address: contact.address.clone(), asked });
        }
    }

    /// Answers go to this address too from now on. `false`: they do already, or there are too many.
    pub fn copy_to(&mut self, contact: &Contact) -> bool {
        if self.is_participant(&contact.address) || self.participants.len() >= PARTICIPANTS_MAX {
            return false;
        }
        self.participants.push(Participant { name: one_line(&contact.name, NAME_OCTETS_MAX), address: contact.address.clone() });
        self.third_parties.retain(|t| t.address != contact.address);
        true
    }

    /// How many of its messages, its first ones, are copies of another's: what was split off that.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.split_off.as_ref().map_or(0, |split| split.messages.len())
    }

    /// Whether nothing happens in it any more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.status, Status::Closed { .. })
    }

    /// When something happens to it by itself next (P4): the earliest time at which one of its clocks wants attention.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.clocks.iter().filter_map(Clock::next_event).min()
    }

    /// Takes the next place in the thread.
    pub fn take_seq(&mut self) -> Seq {
        self.messages += 1;
        self.messages
    }

    /// Takes the next name in the outbox.
    pub fn take_outbox_id(&mut self) -> OutboxId {
        self.outbox += 1;
        OutboxId { ticket: self.number, n: self.outbox }
    }
}
