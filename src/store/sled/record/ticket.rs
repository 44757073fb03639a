//! The ticket and its history.

use super::{Ms, Record, TallyRecord, Unreadable, damaged, from_postcard, twin};
use crate::domain::address::EmailAddress;
use crate::domain::change::{Actor, History};
use crate::domain::message::{Channel, Language, MessageId, SessionId, TicketNumber};
use crate::domain::sla::{self, Aim, Clock, ClockKind, ClockState, Entry, Event};
use crate::domain::tally::Tally;
use crate::domain::ticket::{Merged, Participant, Priority, Requester, SplitOff, Status, ThirdParty, Ticket};
use crate::store::fault::StoreFault;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

twin!(ChannelRecord = Channel { Mail, Chat, Phone });
twin!(PriorityRecord = Priority { Low, Medium, High, Critical });
twin!(
    ClockKindRecord = ClockKind {
        FirstResponse,
        NextResponse,
        Resolution,
        Promise,
        Snooze,
        AutoClose,
        Review,
        Update,
        Escalation,
        Delay,
        Reminder,
        Nudge,
        Checkin
    }
);

/// A [`Ticket`]; its number is the key. First as it was before tickets could be merged and split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct TicketRecord {
    first: TicketRecordV1,
    /// Name, address, whether he was asked.
    third_parties: Vec<(String, String, bool)>,
    merged: Option<(u64, Ms, StatusRecord)>,
    absorbed: Vec<u64>,
    split_off: Option<(u64, Vec<u32>)>,
    moved: Vec<(u32, u64)>,
    apart: Vec<u64>,
    noted: TallyRecord,
    log: Vec<EntryRecord>,
    /// Of each clock.
    steps: Vec<u8>,
    policy: Option<String>,
    /// By its name in the time zone database.
    zone: Option<String>,
}

/// A line of the log of clocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct EntryRecord {
    at: Ms,
    kind: ClockKindRecord,
    event: EventRecord,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum EventRecord {
    Armed { aim: AimRecord, warn: u16, step: u8 },
    Retargeted { aim: AimRecord, warn: u16 },
    Paused,
    Resumed,
    Met,
    Warned,
    Breached,
    Cancelled,
    Carried { used: i64 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum AimRecord {
    Within { seconds: i64, calendar: String },
    At { until: Ms, calendar: String },
}

impl From<&Aim> for AimRecord {
    fn from(aim: &Aim) -> Self {
        match aim {
            Aim::Within { seconds, calendar } => Self::Within { seconds: *seconds, calendar: calendar.clone() },
            Aim::At { until, calendar } => Self::At { until: (*until).into(), calendar: calendar.clone() },
        }
    }
}

impl TryFrom<AimRecord> for Aim {
    type Error = Unreadable;

    fn try_from(record: AimRecord) -> Result<Self, Unreadable> {
        Ok(match record {
            AimRecord::Within { seconds, calendar } => Self::Within { seconds, calendar },
            AimRecord::At { until, calendar } => Self::At { until: until.try_into()?, calendar },
        })
    }
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let Entry { at, kind, event } = entry;
        let event = match event {
            Event::Armed { aim, warn, step } => EventRecord::Armed { aim: aim.into(), warn: *warn, step: *step },
            Event::Retargeted { aim, warn } => EventRecord::Retargeted { aim: aim.into(), warn: *warn },
            Event::Paused => EventRecord::Paused,
            Event::Resumed => EventRecord::Resumed,
            Event::Met => EventRecord::Met,
            Event::Warned => EventRecord::Warned,
            Event::Breached => EventRecord::Breached,
            Event::Cancelled => EventRecord::Cancelled,
            Event::Carried { used } => EventRecord::Carried { used: *used },
        };
        Self { at: (*at).into(), kind: (*kind).into(), event }
    }
}

impl TryFrom<EntryRecord> for Entry {
    type Error = Unreadable;

    fn try_from(record: EntryRecord) -> Result<Self, Unreadable> {
        let event = match record.event {
            EventRecord::Armed { aim, warn, step } => Event::Armed { aim: aim.try_into()?, warn, step },
            EventRecord::Retargeted { aim, warn } => Event::Retargeted { aim: aim.try_into()?, warn },
            EventRecord::Paused => Event::Paused,
            EventRecord::Resumed => Event::Resumed,
            EventRecord::Met => Event::Met,
            EventRecord::Warned => Event::Warned,
            EventRecord::Breached => Event::Breached,
            EventRecord::Cancelled => Event::Cancelled,
            EventRecord::Carried { used } => Event::Carried { used },
        };
        Ok(Self { at: record.at.try_into()?, kind: record.kind.into(), event })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct TicketRecordV1 {
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
    const VERSION: u8 = 3;

    fn read_older(version: u8, plain: &[u8]) -> Result<Self, StoreFault> {
        if version == 2 {
            // All but the zone, which stands at its end: none.
            return from_postcard(Self::KIND, &[plain, &[0]].concat());
        }
        if version != 1 {
            return Err(damaged(Self::KIND, format!("has version {version}, which was never written")));
        }
        Ok(Self {
            first: from_postcard(Self::KIND, plain)?,
            third_parties: Vec::new(),
            merged: None,
            absorbed: Vec::new(),
            split_off: None,
            moved: Vec::new(),
            apart: Vec::new(),
            noted: (&Tally::default()).into(),
            log: Vec::new(),
            steps: Vec::new(),
            policy: None,
            zone: None,
        })
    }
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
            zone,
            requester,
            participants,
            third_parties,
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
            merged,
            absorbed,
            split_off,
            moved,
            apart,
            noted,
            log,
            policy,
        } = ticket;
        Self {
            first: TicketRecordV1 {
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
            },
            third_parties: third_parties.iter().map(|t| (t.name.clone(), t.address.as_str().to_owned(), t.asked)).collect(),
            merged: merged.map(|Merged { into, at, was }| (into.0, at.into(), was.into())),
            absorbed: absorbed.iter().map(|number| number.0).collect(),
            split_off: split_off.as_ref().map(|SplitOff { from, messages }| (from.0, messages.clone())),
            moved: moved.iter().map(|(seq, number)| (*seq, number.0)).collect(),
            apart: apart.iter().map(|number| number.0).collect(),
            noted: noted.into(),
            log: log.iter().map(EntryRecord::from).collect(),
            steps: clocks.iter().map(|clock| clock.step).collect(),
            policy: policy.clone(),
            zone: zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned),
        }
    }
}

impl TicketRecord {
    /// As it is stored: one version on, with the history lines that are stored with it.
    pub(in crate::store) fn next(ticket: &Ticket, history: u32) -> Self {
        let record = Self::from(ticket);
        Self { first: TicketRecordV1 { version: ticket.version.saturating_add(1), history, ..record.first }, ..record }
    }

    pub(in crate::store) fn ticket(self, number: TicketNumber) -> Result<Ticket, Unreadable> {
        let first = self.first;
        let mut clocks = first.clocks.into_iter().map(Clock::try_from).collect::<Result<Vec<_>, _>>()?;
        for (clock, step) in clocks.iter_mut().zip(self.steps) {
            clock.step = step;
        }
        let mut log = self.log.into_iter().map(Entry::try_from).collect::<Result<Vec<_>, _>>()?;
        if log.is_empty() {
            // Of before there was one.
            log = sla::log_of(&clocks);
        }
        Ok(Ticket {
            number,
            version: first.version,
            subject: first.subject,
            status: first.status.try_into()?,
            priority: first.priority.into(),
            tier: first.tier,
            team: first.team,
            assignee: first.assignee,
            channel: first.channel.into(),
            language: Language::parse(&first.language).ok_or(Unreadable("language"))?,
            requester: Requester { name: first.requester.0, address: first.requester.1.as_deref().map(address).transpose()? },
            participants: first
                .participants
                .into_iter()
                .map(|(name, text)| Ok(Participant { name, address: address(&text)? }))
                .collect::<Result<_, Unreadable>>()?,
            third_parties: self
                .third_parties
                .into_iter()
                .map(|(name, text, asked)| Ok(ThirdParty { name, address: address(&text)?, asked }))
                .collect::<Result<_, Unreadable>>()?,
            organisation: first.organisation,
            mailbox: first.mailbox,
            session: first.session.map(SessionId),
            opened: first.opened.try_into()?,
            tags: first.tags.into_iter().collect(),
            clocks,
            messages: first.messages,
            outbox: first.outbox,
            history: first.history,
            last_customer_id: first.last_customer_id.as_deref().map(message_id).transpose()?,
            merged: self
                .merged
                .map(|(into, at, was)| Ok::<_, Unreadable>(Merged { into: TicketNumber(into), at: at.try_into()?, was: was.try_into()? }))
                .transpose()?,
            absorbed: self.absorbed.into_iter().map(TicketNumber).collect(),
            split_off: self.split_off.map(|(from, messages)| SplitOff { from: TicketNumber(from), messages }),
            moved: self.moved.into_iter().map(|(seq, number)| (seq, TicketNumber(number))).collect(),
            apart: self.apart.into_iter().map(TicketNumber).collect(),
            noted: self.noted.into(),
            log,
            policy: self.policy,
            // One that the database no longer has is as good as none.
            zone: self.zone.and_then(|name| TimeZone::get(&name).ok()),
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
        // Its step is with the ticket.
        let Clock { kind, calendar, armed, due, state, step: _ } = clock;
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
            step: 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_of_before_merges_is_still_read() {
        let now = TicketRecord::from(&crate::store::tests::support::ticket(7));
        let plain = postcard::to_stdvec(&now.first).unwrap();
        let read = TicketRecord::read_older(1, &plain).unwrap().ticket(TicketNumber(7)).unwrap();
        assert_eq!(read, crate::store::tests::support::ticket(7));
    }

    #[test]
    fn a_ticket_of_before_zones_is_still_read() {
        let now = TicketRecord::from(&crate::store::tests::support::ticket(7));
        let plain = postcard::to_stdvec(&now).unwrap();
        let (last, before) = plain.split_last().unwrap();
        assert_eq!(*last, 0, "no zone");
        let read = TicketRecord::read_older(2, before).unwrap().ticket(TicketNumber(7)).unwrap();
        assert_eq!(read, crate::store::tests::support::ticket(7));
    }
}
