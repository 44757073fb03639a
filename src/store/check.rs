//! The store proves itself: every index against the rows, both ways (`guichet verify`).
//!
//! One walk over all rows. A row is checked against the rows that it points at; where the other way round cannot be seen
//! from there (a ticket that its index forgot), the row that is pointed at looks for the index. What is counted is
//! counted within a ticket, whose rows lie together.

use super::blobs::Location;
use super::fault::StoreFault;
use super::sled::apply::{blobs_of, due_ms};
use super::sled::engine::{Engine, Row};
use super::sled::keys::{self, Kind, NEVER_MS, Parts};
use super::sled::open::META_QUARANTINE;
use super::sled::read::{bad_key, mark_of, outbox_id};
use super::sled::record::{
    AcksRecord, BlobRecord, ChatEventRecord, CounterRecord, CursorRecord, HistoryRecord, LandingRecord, LoadRecord, MessageRecord,
    OriginRecord, Record, TallyRecord, TurnRecord, spilled_blob,
};
use super::sled::writer::Pause;
use crate::domain::assign::{self, Load, Turn};
use crate::domain::change::{History, Landing};
use crate::domain::message::{BlobId, Origin, SessionId, TicketNumber};
use crate::domain::ticket::{Status, Ticket};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

/// How many faults are told one by one.
const FAULTS_TOLD_MAX: usize = 100;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which promise or index: `P3`, `P4`, `P5`, `index`, `content`, `record`.
    pub of: &'static str,
    /// Without content of messages.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.of, self.what)
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub tickets: u64,
    pub tickets_closed: u64,
    pub messages: u64,
    pub history_lines: u64,
    pub fingerprints: u64,
    /// Ways by which messages came; one that came twice has two.
    pub routes: u64,
    pub outbox_entries: u64,
    pub outbox_waiting: u64,
    pub sessions: u64,
    pub quarantined: u64,
    pub blobs: u64,
    pub blob_octets: u64,
    /// Contents that nothing names: kept, and then the process ended. No fault.
    pub blobs_unnamed: u64,
    /// All faults, counted.
    pub faults_total: u64,
    /// The first hundred of them.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether all holds.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.faults_total == 0
    }

    fn fault(&mut self, of: &'static str, what: impl Into<String>) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_TOLD_MAX {
            self.faults.push(Fault { of, what: what.into() });
        }
    }

    fn demand(&mut self, holds: bool, of: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.fault(of, what());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tickets       {} ({} closed)", self.tickets, self.tickets_closed)?;
        writeln!(f, "messages      {} ({} fingerprints, {} routes)", self.messages, self.fingerprints, self.routes)?;
        writeln!(f, "history       {}", self.history_lines)?;
        writeln!(f, "outbox        {} ({} waiting)", self.outbox_entries, self.outbox_waiting)?;
        writeln!(f, "chat sessions {}", self.sessions)?;
        writeln!(f, "quarantined   {}", self.quarantined)?;
        writeln!(f, "contents      {} of {} octets ({} not named by anything)", self.blobs, self.blob_octets, self.blobs_unnamed)?;
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        match self.faults_total.saturating_sub(self.faults.len() as u64) {
            0 => {}
            more => writeln!(f, "and {more} more")?,
        }
        write!(f, "{}", if self.is_clean() { "all holds" } else { "the store does not hold what it promises" })
    }
}

/// Walks the whole store.
pub(super) fn verify(engine: &Engine, still: Pause, deep: bool) -> Result<Report, StoreFault> {
    let mut walk = Walk {
        engine,
        deep,
        report: Report::default(),
        named: HashSet::new(),
        indexed: Vec::new(),
        run: None,
        loads: BTreeMap::new(),
        turns: BTreeSet::new(),
    };
    // Changes wait while the rows are walked; contents are never taken away, so that looking at them keeps nobody waiting.
    for row in engine.all() {
        let row = row?;
        // A record that cannot be read is one fault more, not the end of the walk; a disk that cannot be read is.
        match walk.row(&row) {
            Ok(()) => {}
            Err(fault @ StoreFault::Io(_)) => return Err(fault),
            Err(fault) => walk.report.fault("record", fault.to_string()),
        }
    }
    drop(still);
    walk.loads();
    walk.contents();
    Ok(walk.report)
}

struct Walk<'a> {
    engine: &'a Engine,
    deep: bool,
    report: Report,
    named: HashSet<BlobId>,
    indexed: Vec<(BlobId, Location)>,
    run: Option<Run>,
    /// Of each agent: by the tickets, and as it is stored.
    loads: BTreeMap<String, (Load, Load)>,
    /// Team and count of each turn.
    turns: BTreeSet<(String, u64)>,
}

/// The rows of one kind and ticket, which must be numbered from 1 without a hole.
struct Run {
    kind: u8,
    ticket: TicketNumber,
    rows: u32,
}

impl Walk<'_> {
    fn row(&mut self, row: &Row) -> Result<(), StoreFault> {
        let (key, value) = row;
        self.named.extend(spilled_blob(value).map(|blob| blob.id));
        let Some(kind) = key.first().copied().and_then(Kind::read) else {
            self.report.fault("record", "a row has a key of no known kind");
            return Ok(());
        };
        match kind {
            Kind::Meta => drop(self.engine.desk_state()?),
            Kind::Ticket => self.ticket(row)?,
            Kind::Message => self.message(row)?,
            Kind::History => self.history(row)?,
            Kind::Fingerprint => self.fingerprint(value)?,
            Kind::MessageId => drop(self.hashed(key, "a Message-ID")?),
            Kind::Requester => self.requester(key)?,
            Kind::Due => self.due(key)?,
            Kind::Outbox => self.outbox(key)?,
            Kind::Attempts => self.attempts(key)?,
            Kind::OutboxDue => self.outbox_due(key)?,
            Kind::Acks => drop(self.engine.read::<AcksRecord>(value)?.times().map_err(|word| word.of(AcksRecord::KIND))?),
            Kind::AckTally => drop(self.engine.read::<TallyRecord>(value)?),
            Kind::Mark => self.mark(key, value)?,
            Kind::Cursor => drop(self.engine.read::<CursorRecord>(value)?),
            Kind::Session => self.session(key)?,
            Kind::ChatEvent => self.chat_event(key, value)?,
            Kind::Quarantine => self.quarantined(row)?,
            Kind::Released => self.released(row)?,
            Kind::Origin | Kind::QuarantineOrigin => self.origin(kind, row)?,
            Kind::Load => self.load(key, value)?,
            Kind::Turn => self.turn(key, value)?,
            Kind::Away => drop(self.engine.away_of_row(row)?),
            Kind::Blob => self.blob(key, value)?,
        }
        Ok(())
    }

    fn ticket(&mut self, row: &Row) -> Result<(), StoreFault> {
        let ticket = self.engine.ticket_of_row(row)?;
        let number = ticket.number;
        self.report.tickets += 1;
        self.report.demand(number != TicketNumber::DESK, "record", || "a ticket has the number of none".to_owned());
        let closed = matches!(ticket.status, Status::Closed { .. });
        self.report.tickets_closed += u64::from(closed);
        self.report.demand(closed || !ticket.team.is_empty(), "P4", || format!("ticket {number} has no team"));
        self.report.demand(closed || ticket.next_due().is_some(), "P4", || format!("ticket {number} has no next time"));
        if let Some(due) = due_ms(&ticket) {
            let has = self.engine.has(&keys::due(due, number))?;
            self.report.demand(has, "P4", || format!("ticket {number} is not in the due index"));
        }
        self.merged(&ticket)?;
        if let Some((agent, priority)) = assign::bearer(&ticket) {
            self.loads.entry(assign::key(agent)).or_default().0.add(priority);
        }
        if let Some(address) = &ticket.requester.address {
            let has = self.engine.has(&keys::requester_ticket(address, number))?;
            self.report.demand(has, "index", || format!("ticket {number} is not in its requester's index"));
        }
        // Where the last of each is there and no more, the walk over those rows sees to the rest.
        for (key, next, count, what) in [
            (keys::message(number, ticket.messages), keys::message(number, ticket.messages.saturating_add(1)), ticket.messages, "messages"),
            (
                keys::history(number, ticket.history),
                keys::history(number, ticket.history.saturating_add(1)),
                ticket.history,
                "history lines",
            ),
        ] {
            let holds = (count == 0 || self.engine.has(&key)?) && !self.engine.has(&next)?;
            self.report.demand(holds, "record", || format!("ticket {number} does not have the {count} {what} that it counts"));
        }
        Ok(())
    }

    /// Who writes to a merged ticket must come to the other (P3), and from there back if it is undone.
    fn merged(&mut self, ticket: &Ticket) -> Result<(), StoreFault> {
        let number = ticket.number;
        if let Some(merged) = ticket.merged {
            let holds = self.engine.ticket(merged.into)?.is_some_and(|into| into.absorbed.contains(&number));
            let sound = holds && ticket.is_closed() && merged.into != number;
            self.report.demand(sound, "P3", || format!("ticket {number} was merged into {}, which does not hold it", merged.into));
        }
        for other in &ticket.absorbed {
            let there = self.engine.ticket(*other)?.is_some_and(|other| other.merged.is_some());
            self.report.demand(there, "P3", || format!("ticket {number} holds {other}, which was not merged"));
        }
        for (seq, to) in &ticket.moved {
            let has = self.engine.has(&keys::ticket(*to))?;
            self.report.demand(has, "P3", || format!("message {number}.{seq} is in ticket {to} now, which is not there"));
        }
        Ok(())
    }

    fn message(&mut self, (key, value): &Row) -> Result<(), StoreFault> {
        self.count(key, "a message")?;
        let (ticket, seq) = keys::read_counted(key).ok_or_else(|| bad_key(MessageRecord::KIND))?;
        self.report.messages += 1;
        // Its text is read by the deep check, as a content.
        let record: MessageRecord = self.engine.read(value)?;
        let message = record.message(ticket, seq, String::new()).map_err(|word| word.of(MessageRecord::KIND))?;
        self.named.extend(blobs_of(&message));
        for id in message.outbox {
            let has = self.engine.has(&keys::outbox(id))?;
            self.report.demand(has, "P5", || format!("message {ticket}.{seq} was to be sent by entry {id}, which is not there"));
        }
        Ok(())
    }

    fn history(&mut self, (key, value): &Row) -> Result<(), StoreFault> {
        self.count(key, "a history line")?;
        self.report.history_lines += 1;
        History::try_from(self.engine.read::<HistoryRecord>(value)?).map_err(|word| word.of(HistoryRecord::KIND))?;
        Ok(())
    }

    /// Rows of a ticket come in order: each must be the next.
    fn count(&mut self, key: &[u8], what: &str) -> Result<(), StoreFault> {
        let (ticket, n) = keys::read_counted(key).ok_or_else(|| bad_key("counted row"))?;
        let kind = key.first().copied().unwrap_or_default();
        if self.run.as_ref().is_none_or(|run| run.ticket != ticket || run.kind != kind) {
            self.run = None;
            let has = self.engine.has(&keys::ticket(ticket))?;
            self.report.demand(has, "record", || format!("{what} belongs to ticket {ticket}, which is not there"));
        }
        let run = self.run.get_or_insert(Run { kind, ticket, rows: 0 });
        run.rows = run.rows.saturating_add(1);
        if run.rows != n {
            self.report.fault("record", format!("{what} of ticket {ticket} is number {n} where {} was expected", run.rows));
            run.rows = n;
        }
        Ok(())
    }

    fn fingerprint(&mut self, value: &[u8]) -> Result<(), StoreFault> {
        self.report.fingerprints += 1;
        let landing = Landing::from(self.engine.read::<LandingRecord>(value)?);
        let (has, place) = match landing {
            Landing::Ticket { number, seq: 0 } => (self.engine.has(&keys::ticket(number))?, format!("ticket {number}")),
            Landing::Ticket { number, seq } => (self.engine.has(&keys::message(number, seq))?, format!("message {number}.{seq}")),
            Landing::Quarantine { id } => (self.engine.has(&keys::quarantine(id))?, format!("quarantine {id}")),
        };
        self.report.demand(has, "P3", || format!("a message landed in {place}, which is not there"));
        if let Landing::Quarantine { id } = landing {
            let released = self.engine.has(&keys::released(id))?;
            self.report.demand(!released, "P3", || format!("a message is still in quarantine {id}, which it was released from"));
        }
        Ok(())
    }

    fn released(&mut self, (key, value): &Row) -> Result<(), StoreFault> {
        let id = Parts::of(key).number().ok_or_else(|| bad_key("release"))?;
        let there = self.engine.has(&keys::quarantine(id))?;
        self.report.demand(there, "record", || format!("quarantined message {id} was released and is not there"));
        let landed = match Landing::from(self.engine.read::<LandingRecord>(value)?) {
            Landing::Ticket { number, seq } => self.engine.has(&keys::message(number, seq))?,
            Landing::Quarantine { .. } => false,
        };
        self.report.demand(landed, "P3", || format!("quarantined message {id} was released into a ticket that does not have it"));
        Ok(())
    }

    fn origin(&mut self, kind: Kind, (key, value): &Row) -> Result<(), StoreFault> {
        let of_ticket = || keys::read_counted(key).map(|(number, seq)| (Landing::Ticket { number, seq }, keys::message(number, seq)));
        let of_quarantine = || Parts::of(key).number().map(|id| (Landing::Quarantine { id }, keys::quarantine(id)));
        let place = if kind == Kind::Origin { of_ticket() } else { of_quarantine() };
        let (landing, message) = place.ok_or_else(|| bad_key(OriginRecord::KIND))?;
        let origin = Origin::try_from(self.engine.read::<OriginRecord>(value)?).map_err(|word| word.of(OriginRecord::KIND))?;
        self.report.routes += origin.arrivals.len() as u64;
        let has = self.engine.has(&message)?;
        self.report.demand(has, "index", || format!("routes are known of {landing:?}, which is not there"));
        let mut once = Origin::default();
        let sound = origin.arrivals.iter().all(|arrival| once.add(arrival));
        self.report.demand(sound, "P2", || format!("a route of {landing:?} is there twice, or there are too many"));
        Ok(())
    }

    fn mark(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        let mark = mark_of(self.engine.read(value)?)?;
        let own = keys::mark(&mark.address);
        self.report.demand(own.as_ref() == key, "index", || "a mark does not stand under its address".to_owned());
        let has = self.engine.has(&keys::outbox(mark.about))?;
        self.report.demand(has, "record", || format!("an address is marked because of mail {}, which is not there", mark.about));
        Ok(())
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        let agent = keys::read_load(key).ok_or_else(|| bad_key(LoadRecord::KIND))?;
        let load = Load::from(self.engine.read::<LoadRecord>(value)?);
        self.report.demand(load != Load::default(), "index", || format!("agent {agent} is counted with no ticket"));
        self.loads.entry(agent).or_default().1 = load;
        Ok(())
    }

    fn loads(&mut self) {
        for (agent, (of_tickets, stored)) in std::mem::take(&mut self.loads) {
            self.report.demand(of_tickets == stored, "index", || {
                format!("agent {agent} is counted with {:?} tickets by priority, and has {:?}", stored.0, of_tickets.0)
            });
        }
    }

    fn turn(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        let turn = Turn::from(self.engine.read::<TurnRecord>(value)?);
        let own = keys::turn(&turn.team, &turn.agent);
        self.report.demand(own.as_ref() == key, "index", || "a turn does not stand under its agent".to_owned());
        let once = self.turns.insert((turn.team.clone(), turn.n));
        self.report.demand(once && turn.n > 0, "record", || format!("turn {} of team {} was given twice, or is none", turn.n, turn.team));
        Ok(())
    }

    fn last_quarantine_id(&self) -> Result<u64, StoreFault> {
        Ok(self.engine.load::<CounterRecord>(&keys::meta(META_QUARANTINE))?.map_or(0, |last| last.0))
    }

    fn hashed(&mut self, key: &[u8], what: &str) -> Result<Option<Ticket>, StoreFault> {
        let number = keys::read_hashed(key).ok_or_else(|| bad_key("index"))?;
        let ticket = self.engine.ticket(number)?;
        self.report.demand(ticket.is_some(), "index", || format!("{what} leads to ticket {number}, which is not there"));
        Ok(ticket)
    }

    fn requester(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        if let Some(ticket) = self.hashed(key, "a requester")? {
            let own = ticket.requester.address.as_ref().map(|address| keys::requester_ticket(address, ticket.number));
            let same = own.is_some_and(|own| own.as_ref() == key);
            self.report.demand(same, "index", || format!("an address that is not its requester's leads to ticket {}", ticket.number));
        }
        Ok(())
    }

    fn due(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        let (at, number) = keys::read_due(key).ok_or_else(|| bad_key("due"))?;
        let holds = self.engine.ticket(number)?.is_some_and(|ticket| due_ms(&ticket) == Some(at));
        let shown = if at == NEVER_MS { "never".to_owned() } else { format!("{at} ms") };
        self.report.demand(holds, "P4", || format!("the due index has ticket {number} at {shown}, which the ticket has not"));
        Ok(())
    }

    fn outbox(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        let id = outbox_id(key)?;
        self.report.outbox_entries += 1;
        let Some(entry) = self.engine.outbox_entry(id)? else {
            self.report.fault("P5", format!("outbox entry {id} has no state"));
            return Ok(());
        };
        self.named.extend(entry.outbound.attachments.iter().map(|attachment| attachment.blob.id));
        let count = if id.is_desks() { Some(self.engine.desk_state()?.outbox) } else { self.engine.ticket(id.ticket)?.map(|t| t.outbox) };
        let counted = count.is_some_and(|count| id.n >= 1 && id.n <= count);
        self.report.demand(counted, "record", || format!("outbox entry {id} is not counted by its ticket, or by the desk"));
        self.report.outbox_waiting += u64::from(!entry.delivery.is_final());
        match entry.next_attempt {
            Some(at) => {
                let has = self.engine.has(&keys::outbox_due(at, id))?;
                self.report.demand(has && !entry.delivery.is_final(), "P5", || format!("outbox entry {id} waits and is not queued"));
            }
            None => self.report.demand(entry.delivery.is_final(), "P5", || format!("outbox entry {id} waits for no time")),
        }
        Ok(())
    }

    fn attempts(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        let id = outbox_id(key)?;
        let has = self.engine.has(&keys::outbox(id))?;
        self.report.demand(has, "P5", || format!("outbox entry {id} has no content"));
        Ok(())
    }

    fn outbox_due(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        let (at, id) = keys::read_outbox_due(key).ok_or_else(|| bad_key("outbox"))?;
        let attempts = self.engine.attempts(id)?;
        let holds = attempts.is_some_and(|attempts| attempts.next_attempt.is_some_and(|next| next.as_millisecond() == at));
        self.report.demand(holds, "P5", || format!("the outbox has entry {id} at {at} ms, which the entry has not"));
        Ok(())
    }

    fn session(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        self.report.sessions += 1;
        let id = Parts::of(key).take().map(SessionId).ok_or_else(|| bad_key("chat session"))?;
        if let Some(number) = self.engine.session(id)?.and_then(|session| session.ticket) {
            let has = self.engine.has(&keys::ticket(number))?;
            self.report.demand(has, "index", || format!("a chat session joins ticket {number}, which is not there"));
        }
        Ok(())
    }

    fn chat_event(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        let mut parts = Parts::of(key);
        let (session, chat_seq) = (parts.take().map(SessionId), parts.count());
        let (Some(session), Some(chat_seq)) = (session, chat_seq) else { return Err(bad_key("chat event")) };
        let event: ChatEventRecord = self.engine.read(value)?;
        let number = TicketNumber(event.ticket);
        let has = self.engine.has(&keys::message(number, event.seq))? && self.engine.has(&keys::session(session))?;
        self.report
            .demand(has, "index", || format!("a chat window shows message {number}.{} at {chat_seq}, and one is not there", event.seq));
        Ok(())
    }

    fn quarantined(&mut self, row: &Row) -> Result<(), StoreFault> {
        self.report.quarantined += 1;
        let (id, quarantined) = self.engine.quarantined_of_row(row)?;
        self.named.extend(quarantined.raw.map(|blob| blob.id));
        let counted = id <= self.last_quarantine_id()?;
        self.report.demand(counted, "record", || format!("quarantined message {id} is not counted"));
        Ok(())
    }

    fn blob(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        let id = Parts::of(key).take().map(BlobId).ok_or_else(|| bad_key(BlobRecord::KIND))?;
        let location = Location::from(self.engine.read::<BlobRecord>(value)?);
        self.report.blobs += 1;
        self.report.blob_octets += location.size;
        self.indexed.push((id, location));
        Ok(())
    }

    /// What the rows name must be there, and what is there must be what its index says.
    fn contents(&mut self) {
        // In the order of the packs, which is the order of the disk.
        self.indexed.sort_unstable_by_key(|(_, location)| (location.pack, location.offset));
        let mut seen = HashSet::with_capacity(self.indexed.len());
        for (id, location) in std::mem::take(&mut self.indexed) {
            seen.insert(id);
            let named = self.named.contains(&id);
            self.report.blobs_unnamed += u64::from(!named);
            let checked = if self.deep { self.engine.blobs.read(id, location).map(drop) } else { self.engine.blobs.check(id, location) };
            if let Err(fault) = checked {
                self.report.fault("content", format!("blob {id}: {fault}"));
            }
        }
        let missing = self.named.difference(&seen).count();
        self.report.demand(missing == 0, "content", || format!("{missing} contents are named and not there"));
    }
}
