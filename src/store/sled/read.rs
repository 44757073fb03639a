//! What is read: the facts of a decision, and what people and workers ask for.

use super::engine::{Engine, Row};
use super::keys::{self, Key, Kind, NEVER_MS};
use super::open::{META_DESK, META_UNDELIVERABLE};
use super::record::{
    AcksRecord, AttemptsRecord, ChatEventRecord, CounterRecord, CursorRecord, DeskRecord, HistoryRecord, LandingRecord, MarkRecord,
    MessageRecord, OriginRecord, OutboxRecord, QuarantineRecord, Record, SessionRecord, TallyRecord, TicketRecord,
};
use crate::domain::address::EmailAddress;
use crate::domain::assign::Workload;
use crate::domain::bounce::Mark;
use crate::domain::change::{
    AckTallies, ChatSession, Context, EARLIER_MAX, EarlierTicket, History, Landing, Need, Quarantined, TICKETS_PER_ID_MAX,
};
use crate::domain::merge::{living, with_living};
use crate::domain::message::{Message, MessageId, Origin, Seq, SessionId, TicketNumber};
use crate::domain::ops::{DeskState, DigestFacts};
use crate::domain::outbound::{OutboxEntry, OutboxId};
use crate::domain::tally::Tally;
use crate::domain::ticket::{Status, Ticket};
use crate::store::fault::StoreFault;
use crate::store::outbox::{Attempts, DeliveryState, OutboxFilter};
use crate::store::{Counts, TicketFilter};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::ops::Bound;

/// How many new ones of the quarantine the daily report names.
const DIGEST_IDS_MAX: usize = 10;

impl Engine {
    /// All that a decision may see, of one moment.
    pub(in crate::store) fn context(&self, need: &Need) -> Result<Context, StoreFault> {
        let _one_moment = self.one_moment();
        let seen = need.fingerprint.map(|fingerprint| self.landing(&keys::fingerprint(fingerprint))).transpose()?.flatten();
        let session = need.session.map(|id| self.session(id)).transpose()?.flatten();
        let mut known_ids = Vec::new();
        for id in &need.message_ids {
            known_ids.extend(self.tickets_of_id(id)?.into_iter().map(|(number, _)| (id.clone(), number)));
        }
        let own = need.own_id.as_ref().map(|id| self.tickets_of_id(id)).transpose()?.unwrap_or_default();
        let expecting: Vec<TicketNumber> = own.into_iter().filter(|(_, expected)| *expected).map(|(number, _)| number).collect();
        let mut numbers: BTreeSet<TicketNumber> = need.tickets.iter().copied().chain(need.report.map(|id| id.ticket)).collect();
        numbers.extend(known_ids.iter().map(|(_, number)| *number));
        numbers.extend(&expecting);
        numbers.extend(session.as_ref().and_then(|session| session.ticket));
        let tickets = with_living(numbers, |number| self.ticket(number))?;
        let messages = need.messages.iter().filter_map(|(number, seq)| self.message(*number, *seq).transpose());
        let messages = messages.collect::<Result<_, _>>()?;
        let (mut earlier, mut acks) = (Vec::new(), Vec::new());
        if let Some(sender) = &need.sender {
            for row in self.scan(&keys::requester(sender)).rev().take(EARLIER_MAX) {
                let number = keys::read_hashed(&row?.0).ok_or_else(|| bad_key("requester"))?;
                earlier.extend(self.ticket(number)?.as_ref().map(EarlierTicket::from));
            }
            acks = self.acks(&keys::acks(sender))?.times().map_err(|word| word.of(AcksRecord::KIND))?;
        }
        let unproven_acks = match (&need.sender, &need.acks_through) {
            (Some(sender), Some(mailbox)) => {
                let [domain, mailbox, desk] = keys::ack_tallies(sender.domain(), mailbox);
                AckTallies { domain: self.tally(&domain)?, mailbox: self.tally(&mailbox)?, desk: self.tally(&desk)? }
            }
            (Some(_) | None, _) => AckTallies::default(),
        };
        let reported = need.report.map(|id| self.outbox_entry(id)).transpose()?.flatten();
        let requesters = tickets.iter().filter_map(|ticket| ticket.requester.address.as_ref());
        let addresses: BTreeSet<&EmailAddress> = need.sender.iter().chain(requesters).collect();
        let mut marks = Vec::new();
        for address in addresses {
            marks.extend(self.mark(address)?);
        }
        let answered = need.answered.map(|id| self.answered(id)).transpose()?.flatten();
        let said_in = need.said_in.iter().find_map(|number| living(&tickets, *number));
        let said = said_in.map(|ticket| self.said(ticket)).transpose()?.unwrap_or_default();
        Ok(Context {
            seen,
            next_number: self.next_number()?,
            tickets,
            known_ids,
            expecting,
            messages,
            session,
            earlier,
            reported,
            acks,
            unproven_acks,
            marks,
            answered,
            said,
            away: self.away_now()?,
            // Asked for by itself, where it is needed.
            workload: Workload::default(),
        })
    }

    pub(in crate::store) fn landing(&self, key: &Key) -> Result<Option<Landing>, StoreFault> {
        Ok(self.load::<LandingRecord>(key)?.map(Landing::from))
    }

    pub(in crate::store) fn acks(&self, key: &Key) -> Result<AcksRecord, StoreFault> {
        Ok(self.load::<AcksRecord>(key)?.unwrap_or_default())
    }

    pub(in crate::store) fn mark(&self, address: &EmailAddress) -> Result<Option<Mark>, StoreFault> {
        self.load::<MarkRecord>(&keys::mark(address))?.map(mark_of).transpose()
    }

    pub(in crate::store) fn marks(&self) -> Result<Vec<Mark>, StoreFault> {
        let rows = self.scan(&Key::of(Kind::Mark));
        rows.map(|row| mark_of(self.read(&row?.1)?)).collect()
    }

    pub(in crate::store) fn tally(&self, key: &Key) -> Result<Tally, StoreFault> {
        Ok(self.load::<TallyRecord>(key)?.map(Tally::from).unwrap_or_default())
    }

    fn next_number(&self) -> Result<Option<TicketNumber>, StoreFault> {
        let Some(key) = self.last_of(Kind::Ticket)? else { return Ok(None) };
        let last = keys::Parts::of(&key).number().ok_or_else(|| bad_key(TicketRecord::KIND))?;
        Ok(Some(TicketNumber(last.saturating_add(1))))
    }

    /// The tickets of a Message-ID, each with whether the message is only expected there.
    fn tickets_of_id(&self, id: &MessageId) -> Result<Vec<(TicketNumber, bool)>, StoreFault> {
        let read = |(key, value): Row| {
            let number = keys::read_hashed(&key).ok_or_else(|| bad_key("Message-ID"))?;
            Ok((number, value.as_ref() == keys::EXPECTED))
        };
        self.scan(&keys::message_id(id)).take(TICKETS_PER_ID_MAX).map(|row| read(row?)).collect()
    }

    pub(in crate::store) fn ticket(&self, number: TicketNumber) -> Result<Option<Ticket>, StoreFault> {
        let Some(record) = self.load::<TicketRecord>(&keys::ticket(number))? else { return Ok(None) };
        record.ticket(number).map(Some).map_err(|word| word.of(TicketRecord::KIND))
    }

    /// Not closed: in the order in which they are due. Any: by number.
    pub(in crate::store) fn tickets(&self, filter: TicketFilter) -> Box<dyn Iterator<Item = Result<Ticket, StoreFault>> + '_> {
        match filter {
            TicketFilter::NotClosed => {
                let due = self.scan(&Key::of(Kind::Due)).map(|row| keys::read_due(&row?.0).ok_or_else(|| bad_key("due")));
                let tickets = due.map(|read| self.ticket(read?.1)).filter_map(Result::transpose);
                Box::new(tickets.filter(|ticket| !ticket.as_ref().is_ok_and(|ticket| matches!(ticket.status, Status::Closed { .. }))))
            }
            TicketFilter::Any => Box::new(self.scan(&Key::of(Kind::Ticket)).map(|row| self.ticket_of_row(&row?))),
        }
    }

    pub(in crate::store) fn ticket_of_row(&self, (key, value): &Row) -> Result<Ticket, StoreFault> {
        let number = keys::Parts::of(key).ticket().ok_or_else(|| bad_key(TicketRecord::KIND))?;
        self.read::<TicketRecord>(value)?.ticket(number).map_err(|word| word.of(TicketRecord::KIND))
    }

    pub(in crate::store) fn message(&self, ticket: TicketNumber, seq: Seq) -> Result<Option<Message>, StoreFault> {
        self.load::<MessageRecord>(&keys::message(ticket, seq))?.map(|record| self.with_text(record, ticket, seq)).transpose()
    }

    pub(in crate::store) fn messages(&self, ticket: TicketNumber) -> Result<Vec<Message>, StoreFault> {
        self.scan(&keys::messages(ticket)).map(|row| self.message_of_row(&row?)).collect()
    }

    fn message_of_row(&self, (key, value): &Row) -> Result<Message, StoreFault> {
        let (ticket, seq) = keys::read_counted(key).ok_or_else(|| bad_key(MessageRecord::KIND))?;
        self.with_text(self.read(value)?, ticket, seq)
    }

    fn with_text(&self, record: MessageRecord, ticket: TicketNumber, seq: Seq) -> Result<Message, StoreFault> {
        let text = record.kept_text().map(|blob| self.text(blob, MessageRecord::KIND)).transpose()?.unwrap_or_default();
        record.message(ticket, seq, text).map_err(|word| word.of(MessageRecord::KIND))
    }

    pub(in crate::store) fn history(&self, ticket: TicketNumber) -> Result<Vec<History>, StoreFault> {
        let lines = self.scan(&keys::history_of(ticket)).map(|row| self.read::<HistoryRecord>(&row?.1));
        lines.map(|record| History::try_from(record?).map_err(|word| word.of(HistoryRecord::KIND))).collect()
    }

    pub(in crate::store) fn session(&self, id: SessionId) -> Result<Option<ChatSession>, StoreFault> {
        Ok(self.load::<SessionRecord>(&keys::session(id))?.map(|record| record.session(id)))
    }

    pub(in crate::store) fn chat_since(&self, session: SessionId, after: u32, limit: usize) -> Result<Vec<Message>, StoreFault> {
        let (from, to) = (keys::chat_event(session, after), keys::chat_event(session, u32::MAX));
        let mut messages = Vec::new();
        for row in self.between(Bound::Excluded(&from), Bound::Included(&to)).take(limit) {
            let event: ChatEventRecord = self.read(&row?.1)?;
            messages.extend(self.message(TicketNumber(event.ticket), event.seq)?);
        }
        Ok(messages)
    }

    pub(in crate::store) fn cursor(&self, mailbox: &str) -> Result<Option<(u32, u32)>, StoreFault> {
        Ok(self.load::<CursorRecord>(&keys::cursor(mailbox))?.map(|cursor| (cursor.uid_validity, cursor.uid)))
    }

    pub(in crate::store) fn quarantine(&self) -> Result<Vec<(u64, Quarantined)>, StoreFault> {
        self.scan(&Key::of(Kind::Quarantine)).map(|row| self.quarantined_of_row(&row?)).collect()
    }

    pub(in crate::store) fn quarantined(&self, id: u64) -> Result<Option<Quarantined>, StoreFault> {
        let Some(record) = self.load::<QuarantineRecord>(&keys::quarantine(id))? else { return Ok(None) };
        Quarantined::try_from(record).map(Some).map_err(|word| word.of(QuarantineRecord::KIND))
    }

    pub(in crate::store) fn released(&self, id: u64) -> Result<Option<Landing>, StoreFault> {
        self.landing(&keys::released(id))
    }

    pub(in crate::store) fn counter(&self, name: &str) -> Result<u64, StoreFault> {
        Ok(self.load::<CounterRecord>(&keys::meta(name))?.map_or(0, |counter| counter.0))
    }

    pub(in crate::store) fn desk_state(&self) -> Result<DeskState, StoreFault> {
        let Some(record) = self.load::<DeskRecord>(&keys::meta(META_DESK))? else { return Ok(DeskState::default()) };
        record.try_into().map_err(|word: super::record::Unreadable| word.of(DeskRecord::KIND))
    }

    pub(in crate::store) fn counts(&self) -> Result<Counts, StoreFault> {
        let rows = |kind| self.scan(&Key::of(kind)).try_fold(0_u64, |count, row| row.map(|_| count + 1));
        Ok(Counts {
            quarantine_waiting: rows(Kind::Quarantine)?.saturating_sub(rows(Kind::Released)?),
            outbox_waiting: rows(Kind::OutboxDue)?,
            undeliverable: self.counter(META_UNDELIVERABLE)?,
        })
    }

    pub(in crate::store) fn digest_facts(&self, told: u64) -> Result<DigestFacts, StoreFault> {
        let mut facts = DigestFacts { undeliverable: self.counter(META_UNDELIVERABLE)?, ..DigestFacts::default() };
        for row in self.scan(&Key::of(Kind::Quarantine)) {
            let (id, quarantined) = self.quarantined_of_row(&row?)?;
            facts.newest = facts.newest.max(id);
            if self.released(id)?.is_some() {
                continue;
            }
            *facts.waiting.entry(quarantined.reason.clone()).or_default() += 1;
            if id > told {
                *facts.fresh.entry(quarantined.reason).or_default() += 1;
                facts.fresh_ids.insert(0, id);
                facts.fresh_ids.truncate(DIGEST_IDS_MAX);
            }
        }
        Ok(facts)
    }

    pub(in crate::store) fn origin(&self, landing: Landing) -> Result<Option<Origin>, StoreFault> {
        let record = self.load::<OriginRecord>(&keys::origin(landing))?;
        record.map(Origin::try_from).transpose().map_err(|word| word.of(OriginRecord::KIND))
    }

    pub(in crate::store) fn quarantined_of_row(&self, (key, value): &Row) -> Result<(u64, Quarantined), StoreFault> {
        let id = keys::Parts::of(key).number().ok_or_else(|| bad_key(QuarantineRecord::KIND))?;
        let quarantined = Quarantined::try_from(self.read::<QuarantineRecord>(value)?);
        Ok((id, quarantined.map_err(|word| word.of(QuarantineRecord::KIND))?))
    }

    /// Tickets with a clock event due by `now`, and the time of the next that is not among them.
    pub(in crate::store) fn due(&self, now: Timestamp, limit: usize) -> Result<(Vec<TicketNumber>, Option<Timestamp>), StoreFault> {
        let mut tickets = Vec::new();
        for row in self.scan(&Key::of(Kind::Due)) {
            let (at, ticket) = keys::read_due(&row?.0).ok_or_else(|| bad_key("due"))?;
            if at > now.as_millisecond() || tickets.len() >= limit {
                // A ticket that nothing would wake has no time at all; `verify` reports it.
                let next = (at != NEVER_MS).then(|| Timestamp::from_millisecond(at)).transpose();
                return Ok((tickets, next.map_err(|_| bad_key("due"))?));
            }
            tickets.push(ticket);
        }
        Ok((tickets, None))
    }

    pub(in crate::store) fn attempts(&self, id: OutboxId) -> Result<Option<Attempts>, StoreFault> {
        self.load::<AttemptsRecord>(&keys::attempts(id))?.map(attempts_of).transpose()
    }

    pub(in crate::store) fn outbox_entry(&self, id: OutboxId) -> Result<Option<OutboxEntry>, StoreFault> {
        self.attempts(id)?.map(|attempts| self.entry(id, attempts)).transpose()
    }

    /// The entry with its content.
    pub(in crate::store) fn entry(&self, id: OutboxId, attempts: Attempts) -> Result<OutboxEntry, StoreFault> {
        let record: Option<OutboxRecord> = self.load(&keys::outbox(id))?;
        let record =
            record.ok_or_else(|| StoreFault::Damaged { kind: OutboxRecord::KIND, detail: "has a state and no content".to_owned() })?;
        Ok(attempts.entry(record.outbound(id).map_err(|word| word.of(OutboxRecord::KIND))?))
    }

    pub(in crate::store) fn outbox_list(&self, filter: OutboxFilter, limit: usize) -> Result<Vec<OutboxEntry>, StoreFault> {
        let ids: Box<dyn Iterator<Item = Result<OutboxId, StoreFault>>> = match filter {
            OutboxFilter::Waiting => Box::new(
                self.scan(&Key::of(Kind::OutboxDue))
                    .map(|row| keys::read_outbox_due(&row?.0).map(|(_, id)| id).ok_or_else(|| bad_key("outbox"))),
            ),
            OutboxFilter::GivenUp | OutboxFilter::Any => Box::new(self.scan(&Key::of(Kind::Attempts)).map(|row| outbox_id(&row?.0))),
        };
        let mut entries = Vec::new();
        for id in ids {
            let id = id?;
            if entries.len() >= limit {
                break;
            }
            if let Some(attempts) = self.attempts(id)?.filter(|attempts| filter.takes(attempts.delivery)) {
                entries.push(self.entry(id, attempts)?);
            }
        }
        Ok(entries)
    }

    pub(in crate::store) fn deliveries(&self, ticket: TicketNumber) -> Result<Vec<DeliveryState>, StoreFault> {
        let rows = self.scan(&keys::attempts_of(ticket));
        rows.map(|row| {
            let (key, value) = row?;
            Ok(DeliveryState { id: outbox_id(&key)?, attempts: attempts_of(self.read(&value)?)? })
        })
        .collect()
    }

    pub(in crate::store) fn next_outbox(&self) -> Result<Option<Timestamp>, StoreFault> {
        let Some((key, _)) = self.scan(&Key::of(Kind::OutboxDue)).next().transpose()? else { return Ok(None) };
        let (at, _) = keys::read_outbox_due(&key).ok_or_else(|| bad_key("outbox"))?;
        Timestamp::from_millisecond(at).map(Some).map_err(|_| bad_key("outbox"))
    }
}

pub(in crate::store) fn mark_of(record: MarkRecord) -> Result<Mark, StoreFault> {
    Mark::try_from(record).map_err(|word| word.of(MarkRecord::KIND))
}

pub(super) fn attempts_of(record: AttemptsRecord) -> Result<Attempts, StoreFault> {
    Attempts::try_from(record).map_err(|word| word.of(AttemptsRecord::KIND))
}

pub(in crate::store) fn outbox_id(key: &[u8]) -> Result<OutboxId, StoreFault> {
    let (ticket, n) = keys::read_counted(key).ok_or_else(|| bad_key(OutboxRecord::KIND))?;
    Ok(OutboxId { ticket, n })
}

pub(in crate::store) fn bad_key(kind: &'static str) -> StoreFault {
    StoreFault::Damaged { kind, detail: "its key is malformed".to_owned() }
}
