//! The ticket and its history.

use super::{Ms, Record, Unreadable, twin};
use crate::domain::address::EmailAddress;
use crate::domain::change::{Actor, History};
use crate::domain::message::{Channel, Language, MessageId, SessionId, TicketNumber};
use crate::domain::sla::{Clock, ClockKind, ClockState};
use crate::domain::ticket::{Participant, Priority, Requester, Status, Ticket};
use serde::{Deserialize, Serialize};

twin!(ChannelRecord = Channel { Mail, Chat, Phone });
twin!(PriorityRecord = Priority { Low, Medium, High, Critical });
twin!(ClockKindRecord = ClockKind { FirstResponse, NextResponse, Resolution, Promise, Snooze, AutoClose, Review });

/// A [`Ticket`]; its number is the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct TicketRecord {
    version: u64,
    subject: String,
    status: StatusRecord,
    priority: PriorityRecord,
    tier: String,
    team: String,
    assignee: Option<String>,
    channel: ChannelRecord,
    language: String,
    requester: (String, Option<String>),
    participants: Vec<(String, String)>,
    organisation: String,
    mailbox: String,
    session: Option<[u8; 16]>,
    opened: Ms,
    tags: Vec<String>,
    clocks: Vec<ClockRecord>,
    messages: u32,
    outbox: u32,
    history: u32,
    last_customer_id: Option<String>,
}

impl Record for TicketRecord {
    const KIND: &'static str = "ticket";
    const VERSION: u8 = 1;
}

impl From<&Ticket> for TicketRecord {
    fn from(ticket: &Ticket) -> Self {
        // Without `..`: a new field must be thought of here.
        let Ticket {
            number: _,
            version,
            subject,
            status,
            priority,
            tier,
            team,
            assignee,
            channel,
            language,
            requester,
            participants,
            organisation,
            mailbox,
            session,
            opened,
            tags,
            clocks,
            messages,
            outbox,
            history,
            last_customer_id,
        } = ticket;
        Self {
            version: *version,
            subject: subject.clone(),
            status: (*status).into(),
            priority: (*priority).into(),
            tier: tier.clone(),
            team: team.clone(),
            assignee: assignee.clone(),
            channel: (*channel).into(),
            language: language.as_str().to_owned(),
            requester: (requester.name.clone(), requester.address.as_ref().map(|address| address.as_str().to_owned())),
            participants: participants.iter().map(|p| (p.name.clone(), p.address.as_str().to_owned())).collect(),
            organisation: organisation.clone(),
            mailbox: mailbox.clone(),
            session: session.map(|session| session.0),
            opened: (*opened).into(),
            tags: tags.iter().cloned().collect(),
            clocks: clocks.iter().map(ClockRecord::from).collect(),
            messages: *messages,
            outbox: *outbox,
            history: *history,
            last_customer_id: last_customer_id.as_ref().map(|id| id.as_str().to_owned()),
        }
    }
}

impl TicketRecord {
    /// As it is stored: one version on, with the history lines that are stored with it.
    pub(in crate::store) fn next(ticket: &Ticket, history: u32) -> Self {
        Self { version: ticket.version.saturating_add(1), history, ..Self::from(ticket) }
    }

    pub(in crate::store) fn ticket(self, number: TicketNumber) -> Result<Ticket, Unreadable> {
        Ok(Ticket {
            number,
            version: self.version,
            subject: self.subject,
            status: self.status.try_into()?,
            priority: self.priority.into(),
            tier: self.tier,
            team: self.team,
            assignee: self.assignee,
            channel: self.channel.into(),
            language: Language::parse(&self.language).ok_or(Unreadable("language"))?,
            requester: Requester { name: self.requester.0, address: self.requester.1.as_deref().map(address).transpose()? },
            participants: self
                .participants
                .into_iter()
                .map(|(name, text)| Ok(Participant { name, address: address(&text)? }))
                .collect::<Result<_, Unreadable>>()?,
            organisation: self.organisation,
            mailbox: self.mailbox,
            session: self.session.map(SessionId),
            opened: self.opened.try_into()?,
            tags: self.tags.into_iter().collect(),
            clocks: self.clocks.into_iter().map(Clock::try_from).collect::<Result<_, _>>()?,
            messages: self.messages,
            outbox: self.outbox,
            history: self.history,
            last_customer_id: self.last_customer_id.as_deref().map(message_id).transpose()?,
        })
    }
}

pub(super) fn address(text: &str) -> Result<EmailAddress, Unreadable> {
    EmailAddress::parse(text).map_err(|_| Unreadable("address"))
}

pub(super) fn message_id(text: &str) -> Result<MessageId, Unreadable> {
    MessageId::parse(text).ok_or(Unreadable("Message-ID"))
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum StatusRecord {
    New,
    Open,
    Pending { since: Ms },
    Snoozed { until: Ms },
    Solved { at: Ms },
    Closed { at: Ms },
}

impl From<Status> for StatusRecord {
    fn from(status: Status) -> Self {
        match status {
            Status::New => Self::New,
            Status::Open => Self::Open,
            Status::Pending { since } => Self::Pending { since: since.into() },
            Status::Snoozed { until } => Self::Snoozed { until: until.into() },
            Status::Solved { at } => Self::Solved { at: at.into() },
            Status::Closed { at } => Self::Closed { at: at.into() },
        }
    }
}

impl TryFrom<StatusRecord> for Status {
    type Error = Unreadable;

    fn try_from(record: StatusRecord) -> Result<Self, Unreadable> {
        Ok(match record {
            StatusRecord::New => Self::New,
            StatusRecord::Open => Self::Open,
            StatusRecord::Pending { since } => Self::Pending { since: since.try_into()? },
            StatusRecord::Snoozed { until } => Self::Snoozed { until: until.try_into()? },
            StatusRecord::Solved { at } => Self::Solved { at: at.try_into()? },
            StatusRecord::Closed { at } => Self::Closed { at: at.try_into()? },
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ClockRecord {
    kind: ClockKindRecord,
    calendar: String,
    armed: Ms,
    due: Ms,
    state: ClockStateRecord,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum ClockStateRecord {
    Running { warn_at: Option<Ms> },
    Warned { at: Ms },
    Paused { left_s: i64, warn_left_s: Option<i64> },
    Met { at: Ms },
    Breached { at: Ms },
}

impl From<&Clock> for ClockRecord {
    fn from(clock: &Clock) -> Self {
        let Clock { kind, calendar, armed, due, state } = clock;
        Self {
            kind: (*kind).into(),
            calendar: calendar.clone(),
            armed: (*armed).into(),
            due: (*due).into(),
            state: match *state {
                ClockState::Running { warn_at } => ClockStateRecord::Running { warn_at: warn_at.map(Ms::from) },
                ClockState::Warned { at } => ClockStateRecord::Warned { at: at.into() },
                ClockState::Paused { left_s, warn_left_s } => ClockStateRecord::Paused { left_s, warn_left_s },
                ClockState::Met { at } => ClockStateRecord::Met { at: at.into() },
                ClockState::Breached { at } => ClockStateRecord::Breached { at: at.into() },
            },
        }
    }
}

impl TryFrom<ClockRecord> for Clock {
    type Error = Unreadable;

    fn try_from(record: ClockRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            kind: record.kind.into(),
            calendar: record.calendar,
            armed: record.armed.try_into()?,
            due: record.due.try_into()?,
            state: match record.state {
                ClockStateRecord::Running { warn_at } => ClockState::Running { warn_at: warn_at.map(TryInto::try_into).transpose()? },
                ClockStateRecord::Warned { at } => ClockState::Warned { at: at.try_into()? },
                ClockStateRecord::Paused { left_s, warn_left_s } => ClockState::Paused { left_s, warn_left_s },
                ClockStateRecord::Met { at } => ClockState::Met { at: at.try_into()? },
                ClockStateRecord::Breached { at } => ClockState::Breached { at: at.try_into()? },
            },
        })
    }
}

/// A line of [`History`]; ticket and place are the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct HistoryRecord {
    at: Ms,
    by: ActorRecord,
    what: String,
    why: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum ActorRecord {
    Desk,
    Rule(String),
    Agent(String),
    Customer,
}

impl Record for HistoryRecord {
    const KIND: &'static str = "line of history";
    const VERSION: u8 = 1;
}

impl From<&History> for HistoryRecord {
    fn from(history: &History) -> Self {
        let History { at, by, what, why } = history;
        Self {
            at: (*at).into(),
            by: match by {
                Actor::Desk => ActorRecord::Desk,
                Actor::Rule(name) => ActorRecord::Rule(name.clone()),
                Actor::Agent(handle) => ActorRecord::Agent(handle.clone()),
                Actor::Customer => ActorRecord::Customer,
            },
            what: what.clone(),
            why: why.clone(),
        }
    }
}

impl TryFrom<HistoryRecord> for History {
    type Error = Unreadable;

    fn try_from(record: HistoryRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            at: record.at.try_into()?,
            by: match record.by {
                ActorRecord::Desk => Actor::Desk,
                ActorRecord::Rule(name) => Actor::Rule(name),
                ActorRecord::Agent(handle) => Actor::Agent(handle),
                ActorRecord::Customer => Actor::Customer,
            },
            what: record.what,
            why: record.why,
        })
    }
}
