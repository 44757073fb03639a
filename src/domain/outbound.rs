//! What is to be sent: decided here, signed and written out by `mail::compose`, carried by a channel.

use super::address::{Contact, EmailAddress};
use super::message::{Attachment, MessageId, Seq, SessionId, TicketNumber};
use jiff::Timestamp;
use std::fmt;

/// Names one outbox entry for ever: the ticket, or [`TicketNumber::DESK`], and a count within it. Message-IDs derive from it, so a second
/// attempt is the same mail (P5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId {
    pub ticket: TicketNumber,
    pub n: u32,
}

impl OutboxId {
    /// Whether it is a mail of the desk's own to its ops.
    #[must_use]
    pub fn is_desks(self) -> bool {
        self.ticket == TicketNumber::DESK
    }

    /// Reads what is shown of it, such as `1042.7`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ticket, n) = text.split_once('.')?;
        let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        Some(Self { ticket: TicketNumber(number(ticket)?), n: number(n)?.try_into().ok()? })
    }
}

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ticket.0, self.n)
    }
}

/// What a mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// To the customer: number, who, by when.
    Ack,
    /// To the customer: what an agent wrote.
    Answer,
    /// To an agent: what somebody wrote, with the brief.
    Notification,
    /// To an agent: his mail was not carried out, and why.
    Held,
    /// To an agent: what `#status` or `#help` asked for.
    Reply,
    /// To the team: a clock is near its end.
    Warning,
    /// To the manager: a clock has run out.
    Breach,
    /// To the team: a ticket that nothing else would move.
    Review,
    /// To ops: a mailbox has fallen silent.
    Alarm,
    /// To ops: it answers again.
    Recovery,
    /// To ops: the daily report.
    Digest,
    /// To somebody else: what an agent asks him privately.
    Question,
    /// To the next one of the ladder: nobody answered since a target was missed.
    Escalation,
    /// To an agent: a promise is due before long.
    Reminder,
    /// To the customer: the first answer will be late, and when it comes.
    Delay,
    /// To the customer: we wait for him.
    Nudge,
    /// To the customer: is all well?
    Checkin,
}

impl Purpose {
    /// The word for logs, records and `explain`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Answer => "answer",
            Self::Notification => "notification",
            Self::Held => "held",
            Self::Reply => "reply",
            Self::Warning => "warning",
            Self::Breach => "breach",
            Self::Review => "review",
            Self::Alarm => "alarm",
            Self::Recovery => "recovery",
            Self::Digest => "digest",
            Self::Question => "question",
            Self::Escalation => "escalation",
            Self::Reminder => "reminder",
            Self::Delay => "delay",
            Self::Nudge => "nudge",
            Self::Checkin => "checkin",
        }
    }
}

/// How RFC 3834 section 5 wants an automatic mail to be marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Automatic {
    /// An answer to one message.
    Replied,
    /// Written on the desk's own account.
    Generated,
}

/// A part of a mail's text. Long texts are named, not copied: the store keeps them once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// What is new in a message of this ticket.
    NewTextOf(Seq),
    /// The whole text of a message of this ticket, each line marked with `> `.
    QuotedTextOf(Seq),
}

/// The way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Mail,
    /// Into an open chat window; if it is not open, by mail to the same contact where `else_mail`, else it waits
    /// in the session until the visitor comes back.
    Chat {
        session: SessionId,
        chat_seq: u32,
        else_mail: bool,
    },
}

/// On whose side of the ticket the recipient stands: decides what his reply address proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    Customer,
    Agent(EmailAddress),
    /// Told, but without a token: managers who are no agents, ops.
    Informed,
    /// Asked privately: his answer is for agents only.
    Asked,
}

/// One mail (or chat delivery) to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    pub id: OutboxId,
    pub purpose: Purpose,
    pub route: Route,
    pub audience: Audience,
    /// Address of the mailbox that it is sent from and that replies come back to.
    pub from: EmailAddress,
    pub from_name: String,
    /// The envelope's only recipient, and the header's To unless `shown_to` says otherwise. `None` only for a chat
    /// visitor without an address.
    pub to: Option<Contact>,
    /// All that the header shows when a mail goes to several, each with an entry of its own; else empty.
    pub shown_to: Vec<Contact>,
    /// With the ticket's tag, on one line.
    pub subject: String,
    pub in_reply_to: Option<MessageId>,
    pub references: Vec<MessageId>,
    pub body: Vec<Piece>,
    pub attachments: Vec<Attachment>,
    pub automatic: Option<Automatic>,
    pub created: Timestamp,
}

/// How far an entry of the outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Waits for its first attempt.
    Queued,
    /// An attempt failed for now; there will be another.
    Deferred,
    /// The server may or may not have taken it; it is tried again with the same Message-ID.
    Uncertain,
    Sent,
    /// Reported undeliverable afterwards.
    Bounced,
    /// Given up; ops see it.
    Failed,
}

impl Delivery {
    /// The word of the JSON interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Uncertain => "uncertain",
            Self::Sent => "sent",
            Self::Bounced => "bounced",
            Self::Failed => "failed",
        }
    }

    /// Whether no further attempt will be made.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Sent | Self::Bounced | Self::Failed => true,
            Self::Queued | Self::Deferred | Self::Uncertain => false,
        }
    }
}

/// An entry as the outbox holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    pub outbound: Outbound,
    pub delivery: Delivery,
    /// Attempts begun, the running one included.
    pub attempts: u32,
    /// When it is due next; `None` once its delivery is final.
    pub next_attempt: Option<Timestamp>,
    /// What the last attempt met, for ops, without content.
    pub last_error: Option<String>,
}
