//! What a change becomes: checked against what is visible, then rows, all of them or none.

mod origin;
mod workload;

use super::engine::Engine;
use super::keys::{self, Key, Kind, NEVER_MS};
use super::open::{META_DESK, META_INDEXED, META_QUARANTINE, META_UNDELIVERABLE};
use super::overlay;
use super::record::{
    self, AttemptsRecord, BlobRecord, ChatEventRecord, CounterRecord, CursorRecord, DeskRecord, Encoded, Encoder, HistoryRecord,
    IndexedRecord, LandingRecord, MarkRecord, MessageRecord, OutboxRecord, QuarantineRecord, Record, SessionRecord, TallyRecord,
    TicketRecord,
};
use super::writer::{Claim, News, Update};
use crate::domain::change::{Change, Landing};
use crate::domain::message::{BlobId, Message, SessionId, Source, TicketNumber};
use crate::domain::outbound::{Delivery, OutboxEntry, OutboxId};
use crate::domain::ticket::{Status, Ticket};
use crate::fault_plan::Place;
use crate::store::Outcome;
use crate::store::blobs::{self, Prepared};
use crate::store::fault::StoreFault;
use crate::store::outbox::{Attempts, Settled};
use ::sled::IVec;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Turns requests into rows and shows them; the only writer.
pub(super) struct Applier {
    pub(super) engine: Arc<Engine>,
    encoder: Encoder,
}

/// How an attempt to apply ended badly.
pub(super) enum Failed {
    /// Nothing was written; the store goes on.
    Refused(StoreFault),
    /// Nothing was written: these records are too long for the tree. To be asked for again once they are kept.
    Keep(Vec<Prepared>),
    /// It is not known what was written; nothing may be written any more.
    Broken(StoreFault),
}

impl From<StoreFault> for Failed {
    fn from(fault: StoreFault) -> Self {
        Self::Refused(fault)
    }
}

impl Applier {
    pub(super) fn new(engine: Arc<Engine>) -> std::io::Result<Self> {
        Ok(Self { engine, encoder: Encoder::new()? })
    }

    /// Applies a change if what it was decided on still holds. Says whether anything was written.
    pub(super) fn commit(&mut self, change: &Change) -> Result<(Outcome, bool), Failed> {
        let mut rows = Rows::default();
        if let Some(landing) = self.known(change)? {
            // The message is where it was, but its mailbox has come further (P2: a changed UIDVALIDITY).
            self.put_cursor(change, &mut rows)?;
            self.put_route(change, landing, &mut rows)?;
            let wrote = self.show(rows)?;
            return Ok((Outcome::Duplicate(landing), wrote));
        }
        let Some(stored) = self.stored_as_expected(change)? else { return Ok((Outcome::Stale, false)) };
        check_sound(change, &stored)?;
        self.check_own_mails(change)?;
        self.check_blobs(change)?;
        let landing = self.put_quarantine(change, &mut rows)?;
        if let (Some(id), Some(landing)) = (change.releases, landing) {
            self.put(&mut rows, keys::released(id), &LandingRecord::from(landing))?;
        }
        if let (Some(fingerprint), Some(landing)) = (change.fingerprint, landing) {
            self.put(&mut rows, keys::fingerprint(fingerprint), &LandingRecord::from(landing))?;
        }
        if let Some(landing) = landing {
            self.put_origin(change, landing, &mut rows)?;
        }
        for ticket in &change.tickets {
            self.put_ticket(change, ticket, stored.get(&ticket.number), &mut rows)?;
        }
        self.put_workload(change, &stored, &mut rows)?;
        self.put_messages(change, &stored, &mut rows)?;
        self.put_outbox(change, &mut rows)?;
        if let Some((id, at)) = change.bounced {
            self.put_update(&mut rows, id, |attempts| attempts.mark(Delivery::Bounced, at))?;
        }
        if let Some((id, why)) = &change.dropped {
            self.put_update(&mut rows, *id, |attempts| attempts.give_up(why.clone()))?;
        }
        for (id, number) in &change.message_ids {
            rows.mark(keys::message_id_ticket(id, *number));
        }
        for (id, number) in &change.expected_ids {
            let key = keys::message_id_ticket(id, *number);
            if !self.engine.has(&key)? {
                rows.expect(key);
            }
        }
        if let Some(session) = &change.session {
            self.put(&mut rows, keys::session(session.id), &SessionRecord::next(session))?;
        }
        if let Some(address) = &change.unmarked {
            rows.remove(keys::mark(address));
        }
        if let Some(mark) = &change.marked {
            self.put(&mut rows, keys::mark(&mark.address), &MarkRecord::from(mark))?;
        }
        if let Some((address, at)) = &change.acked {
            let key = keys::acks(address);
            let mut acks = self.engine.acks(&key)?;
            acks.add(*at);
            self.put(&mut rows, key, &acks)?;
            if let Some(mailbox) = &change.acked_unproven {
                for key in keys::ack_tallies(address.domain(), mailbox) {
                    let mut tally = self.engine.tally(&key)?;
                    tally.add(*at);
                    self.put(&mut rows, key, &TallyRecord::from(&tally))?;
                }
            }
        }
        if let Some(desk) = &change.desk {
            self.put(&mut rows, keys::meta(META_DESK), &DeskRecord::next(desk))?;
        }
        if change.undeliverable {
            let count = self.engine.counter(META_UNDELIVERABLE)?.saturating_add(1);
            self.put(&mut rows, keys::meta(META_UNDELIVERABLE), &CounterRecord(count))?;
        }
        self.put_cursor(change, &mut rows)?;
        let wrote = self.show(rows)?;
        Ok((Outcome::Committed(landing), wrote))
    }

    /// Records the attempts of what is due, and returns it. An entry that cannot be read is given up, so that it does not stop
    /// those behind it.
    pub(super) fn claim(&mut self, &Claim { now, lease, limit }: &Claim) -> Result<Vec<OutboxEntry>, Failed> {
        let (mut rows, mut claimed) = (Rows::default(), Vec::new());
        for row in self.engine.scan(&Key::of(Kind::OutboxDue)) {
            let (key, _) = row?;
            let Some((at, id)) = keys::read_outbox_due(&key) else { continue };
            if at > now.as_millisecond() || claimed.len() >= limit {
                break;
            }
            rows.remove(key);
            let mut attempts = match self.engine.attempts(id) {
                Ok(Some(attempts)) => attempts,
                Ok(None) => continue,
                Err(fault) => given_up(id, &fault),
            };
            if !attempts.delivery.is_final() {
                attempts.begin(now, lease);
                match self.engine.entry(id, attempts.clone()) {
                    Ok(entry) => claimed.push(entry),
                    Err(fault) => attempts = given_up(id, &fault),
                }
            }
            self.put_attempts(&mut rows, id, &attempts)?;
        }
        self.show(rows)?;
        Ok(claimed)
    }

    /// Writes down how a delivery stands.
    pub(super) fn update(&mut self, update: &Update) -> Result<(), Failed> {
        let mut rows = Rows::default();
        self.put_update(&mut rows, update.id, |attempts| match &update.news {
            News::Settled(verdict) => {
                // Ops may have dropped it, or a report of its failure come, while the attempt ran; only a success overrides the
                // former.
                let overrides = attempts.delivery == Delivery::Failed && *verdict == Settled::Sent;
                if !attempts.delivery.is_final() || overrides {
                    attempts.settle(verdict.clone(), update.now);
                }
            }
            News::Marked(delivery) => attempts.mark(*delivery, update.now),
        })?;
        self.show(rows).map(|_| ())
    }

    fn put_update(&mut self, rows: &mut Rows, id: OutboxId, change: impl FnOnce(&mut Attempts)) -> Result<(), StoreFault> {
        let mut attempts = self.engine.attempts(id)?.ok_or(StoreFault::NoSuchEntry(id))?;
        if let Some(at) = attempts.next_attempt {
            rows.remove(keys::outbox_due(at, id));
        }
        change(&mut attempts);
        self.put_attempts(rows, id, &attempts)
    }

    /// Where the change's message already is, unless it is to be taken from there.
    fn known(&self, change: &Change) -> Result<Option<Landing>, StoreFault> {
        let known = change.fingerprint.map_or(Ok(None), |fingerprint| self.engine.landing(&keys::fingerprint(fingerprint)))?;
        let Some(id) = change.releases else { return Ok(known) };
        if let Some(landing) = self.engine.released(id)? {
            return Ok(Some(landing));
        }
        match known {
            Some(Landing::Quarantine { id: at }) if at == id => Ok(None),
            Some(elsewhere) => Ok(Some(elsewhere)),
            None => Err(StoreFault::Unsound("a message is released that is not in quarantine")),
        }
    }

    /// The stored tickets that the change rewrites; `None` if one of them, the session, the desk or the mail to be dropped is
    /// not what it was decided on.
    fn stored_as_expected(&self, change: &Change) -> Result<Option<BTreeMap<TicketNumber, Ticket>>, StoreFault> {
        let mut stored = BTreeMap::new();
        for ticket in &change.tickets {
            let before = self.engine.ticket(ticket.number)?;
            if before.as_ref().map_or(0, |before| before.version) != ticket.version {
                return Ok(None);
            }
            stored.extend(before.map(|before| (ticket.number, before)));
        }
        if let Some(desk) = &change.desk
            && self.engine.desk_state()?.version != desk.version
        {
            return Ok(None);
        }
        if let Some((id, _)) = &change.dropped
            && self.engine.attempts(*id)?.is_none_or(|attempts| attempts.delivery.is_final())
        {
            return Ok(None);
        }
        if let Some(session) = &change.session {
            let before = self.engine.session(session.id)?;
            if before.map_or(0, |before| before.version) != session.version {
                return Ok(None);
            }
        }
        Ok(Some(stored))
    }

    /// Mails of the desk's own come with its state, which counts them.
    fn check_own_mails(&self, change: &Change) -> Result<(), StoreFault> {
        let mut counts: Vec<u32> = change.outbox.iter().map(|outbound| outbound.id).filter(|id| id.is_desks()).map(|id| id.n).collect();
        if counts.is_empty() && change.desk.is_none() {
            return Ok(());
        }
        let Some(desk) = &change.desk else { return Err(StoreFault::Unsound("a mail of the desk's own comes without its state")) };
        counts.sort_unstable();
        let before = self.engine.desk_state()?.outbox;
        if counts.into_iter().eq(before.saturating_add(1)..=desk.outbox) && desk.outbox >= before {
            return Ok(());
        }
        Err(StoreFault::Unsound("the desk's own mails do not follow one another"))
    }

    /// Every content that the change names was kept before (P1).
    fn check_blobs(&self, change: &Change) -> Result<(), StoreFault> {
        let mut named: BTreeSet<BlobId> = change.messages.iter().chain(change.whole.as_deref()).flat_map(blobs_of).collect();
        named.extend(change.quarantine.iter().filter_map(|quarantined| quarantined.raw).map(|blob| blob.id));
        named.extend(change.outbox.iter().flat_map(|outbound| outbound.attachments.iter().map(|attachment| attachment.blob.id)));
        for id in named {
            if self.engine.blobs.staged(id).is_none() && !self.engine.has(&keys::blob(id))? {
                return Err(StoreFault::MissingBlob(id));
            }
        }
        Ok(())
    }

    /// The quarantined message's id is the store's to give; so is the landing that names it.
    fn put_quarantine(&mut self, change: &Change, rows: &mut Rows) -> Result<Option<Landing>, StoreFault> {
        let Some(quarantined) = &change.quarantine else { return Ok(change.landing) };
        let counter = keys::meta(META_QUARANTINE);
        let id = self.engine.load::<CounterRecord>(&counter)?.map_or(0, |last| last.0).saturating_add(1);
        self.put(rows, counter, &CounterRecord(id))?;
        self.put(rows, keys::quarantine(id), &QuarantineRecord::from(quarantined))?;
        Ok(Some(Landing::Quarantine { id }))
    }

    /// The ticket one version on, its history, and the indexes that follow from it.
    fn put_ticket(&mut self, change: &Change, ticket: &Ticket, before: Option<&Ticket>, rows: &mut Rows) -> Result<(), StoreFault> {
        let mut history = before.map_or(0, |before| before.history);
        for (_, line) in change.history.iter().filter(|(number, _)| *number == ticket.number) {
            history = history.saturating_add(1);
            self.put(rows, keys::history(ticket.number, history), &HistoryRecord::from(line))?;
        }
        self.put(rows, keys::ticket(ticket.number), &TicketRecord::next(ticket, history))?;
        let (due_before, due) = (before.and_then(due_ms), due_ms(ticket));
        if due_before != due {
            if let Some(due) = due_before {
                rows.remove(keys::due(due, ticket.number));
            }
            if let Some(due) = due {
                rows.mark(keys::due(due, ticket.number));
            }
        }
        let (requester_before, requester) =
            (before.and_then(|before| before.requester.address.as_ref()), ticket.requester.address.as_ref());
        if requester_before != requester {
            if let Some(address) = requester_before {
                rows.remove(keys::requester_ticket(address, ticket.number));
            }
            if let Some(address) = requester {
                rows.mark(keys::requester_ticket(address, ticket.number));
            }
        }
        Ok(())
    }

    fn put_messages(&mut self, change: &Change, stored: &BTreeMap<TicketNumber, Ticket>, rows: &mut Rows) -> Result<(), StoreFault> {
        if let Some(whole) = &change.whole {
            self.put(rows, keys::message(whole.ticket, whole.seq), &MessageRecord::from(whole.as_ref()))?;
        }
        for message in &change.messages {
            self.put(rows, keys::message(message.ticket, message.seq), &MessageRecord::from(message))?;
            if let Some(chat_seq) = message.chat_seq {
                let session = session_of(change, stored, message.ticket).ok_or(StoreFault::Unsound("a chat message has no session"))?;
                let event = ChatEventRecord { ticket: message.ticket.0, seq: message.seq };
                self.put(rows, keys::chat_event(session, chat_seq), &event)?;
            }
        }
        Ok(())
    }

    fn put_outbox(&mut self, change: &Change, rows: &mut Rows) -> Result<(), StoreFault> {
        for outbound in &change.outbox {
            self.put(rows, keys::outbox(outbound.id), &OutboxRecord::from(outbound))?;
            self.put_attempts(rows, outbound.id, &Attempts::first(outbound))?;
        }
        Ok(())
    }

    /// How far an entry is, and when it is due; the caller removes the time that it was due before.
    fn put_attempts(&mut self, rows: &mut Rows, id: OutboxId, attempts: &Attempts) -> Result<(), StoreFault> {
        self.put(rows, keys::attempts(id), &AttemptsRecord::from(attempts))?;
        if let Some(at) = attempts.next_attempt {
            rows.mark(keys::outbox_due(at, id));
        }
        Ok(())
    }

    /// Within one UIDVALIDITY a cursor only moves forward; another one begins anew (RFC 9051 section 2.3.1.1).
    fn put_cursor(&mut self, change: &Change, rows: &mut Rows) -> Result<(), StoreFault> {
        let Some(Source::Imap { mailbox, uid_validity, uid }) = &change.source else { return Ok(()) };
        if self.engine.cursor(mailbox)?.is_some_and(|(validity, highest)| validity == *uid_validity && highest >= *uid) {
            return Ok(());
        }
        self.put(rows, keys::cursor(mailbox), &CursorRecord { uid_validity: *uid_validity, uid: *uid })
    }

    /// Encodes a record; one that is too long for the tree has to go to the packs first.
    fn put<R: Record>(&mut self, rows: &mut Rows, key: Key, record: &R) -> Result<(), StoreFault> {
        let value = match self.encoder.encode(record)? {
            Encoded::Value(value) => value,
            Encoded::Spill(plain) => {
                let blob = blobs::name(&plain);
                if self.engine.locate(blob.id)?.is_none() {
                    rows.to_keep.push(Prepared::new(blob, plain)?);
                }
                record::spilled::<R>(blob)
            }
        };
        rows.rows.insert(key.into(), Some(value.into()));
        Ok(())
    }

    /// Shows the rows. Says whether there was anything.
    fn show(&mut self, rows: Rows) -> Result<bool, Failed> {
        if !rows.to_keep.is_empty() {
            return Err(Failed::Keep(rows.to_keep));
        }
        if rows.rows.is_empty() {
            return Ok(false);
        }
        let broken = |fault: std::io::Error| Failed::Broken(StoreFault::io("applying a change", &fault));
        self.engine.plan.reach(Place::BeforeApply).map_err(broken)?;
        self.engine.show(rows.rows);
        self.engine.plan.reach(Place::AfterApply).map_err(broken)?;
        Ok(true)
    }

    /// Shows the places of all that was kept since the last time, so that they sink with the changes that name them.
    pub(super) fn show_places(&mut self) -> Result<(), StoreFault> {
        let (staged, mark) = self.engine.blobs.all_staged();
        let mut rows = Rows::default();
        for (id, location) in &staged {
            self.put(&mut rows, keys::blob(*id), &BlobRecord::from(*location))?;
        }
        if let Some(mark) = mark {
            self.put(&mut rows, keys::meta(META_INDEXED), &IndexedRecord { pack: mark.pack, offset: mark.offset })?;
        }
        self.engine.show(rows.rows);
        self.engine.blobs.forget(&staged);
        Ok(())
    }
}

/// What a request comes to.
#[derive(Default)]
struct Rows {
    rows: overlay::Rows,
    /// Records that have to be in the packs first.
    to_keep: Vec<Prepared>,
}

impl Rows {
    /// A row that is all key.
    fn mark(&mut self, key: Key) {
        self.rows.insert(key.into(), Some(IVec::default()));
    }

    /// A Message-ID whose message is not there yet; [`Rows::mark`] says that it has come.
    fn expect(&mut self, key: Key) {
        self.rows.insert(key.into(), Some(IVec::from(&keys::EXPECTED)));
    }

    fn remove(&mut self, key: impl Into<IVec>) {
        self.rows.insert(key.into(), None);
    }
}

/// What becomes of an entry that cannot be read: ops see it, and those behind it go on.
fn given_up(id: OutboxId, fault: &StoreFault) -> Attempts {
    tracing::error!(%id, %fault, "an outbox entry cannot be read and is given up");
    Attempts { delivery: Delivery::Failed, attempts: 0, next_attempt: None, last_error: Some(fault.to_string()), by_mail: false }
}

/// When the due index names a ticket. One that is not closed is always in it, so that no list forgets it (P4).
pub(in crate::store) fn due_ms(ticket: &Ticket) -> Option<i64> {
    let due = ticket.next_due().map(Timestamp::as_millisecond);
    due.or_else(|| (!matches!(ticket.status, Status::Closed { .. })).then_some(NEVER_MS))
}

/// Contents that a message names.
pub(in crate::store) fn blobs_of(message: &Message) -> impl Iterator<Item = BlobId> {
    let own = [message.raw, message.body.kept].into_iter().flatten();
    own.chain(message.attachments.iter().map(|attachment| attachment.blob)).map(|blob| blob.id)
}

/// Whose window shows a ticket's messages: the session that the change is about, else the ticket's own.
fn session_of(change: &Change, stored: &BTreeMap<TicketNumber, Ticket>, number: TicketNumber) -> Option<SessionId> {
    let ticket = change.tickets.iter().find(|ticket| ticket.number == number).or_else(|| stored.get(&number));
    change.session.as_ref().map(|session| session.id).or_else(|| ticket.and_then(|ticket| ticket.session))
}

/// A change that would leave a hole or overwrite something is a fault of the decision; it is refused whole.
fn check_sound(change: &Change, stored: &BTreeMap<TicketNumber, Ticket>) -> Result<(), StoreFault> {
    let demand = |holds: bool, what: &'static str| if holds { Ok(()) } else { Err(StoreFault::Unsound(what)) };
    let tickets: BTreeMap<TicketNumber, &Ticket> = change.tickets.iter().map(|ticket| (ticket.number, ticket)).collect();
    demand(tickets.len() == change.tickets.len(), "a ticket is written twice")?;
    demand(!tickets.contains_key(&TicketNumber::DESK), "a ticket has the number of none")?;
    demand(change.fingerprint.is_none() || change.landing.is_some() || change.quarantine.is_some(), "a message lands nowhere")?;
    match change.landing {
        Some(Landing::Ticket { number, .. }) => {
            demand(change.quarantine.is_none(), "a message lands twice")?;
            demand(tickets.contains_key(&number), "a message lands in a ticket that is not written")?;
        }
        Some(Landing::Quarantine { .. }) => demand(change.quarantine.is_some(), "a message lands in a quarantine that is not written")?,
        None => {}
    }
    let lands = change.fingerprint.is_some() && matches!(change.landing, Some(Landing::Ticket { .. }));
    demand(change.releases.is_none() || lands, "a message is released to nowhere")?;
    if let Some(whole) = &change.whole {
        let there = stored.get(&whole.ticket).is_some_and(|before| (1..=before.messages).contains(&whole.seq));
        demand(there, "a message is made whole that is not there")?;
    }
    for (number, ticket) in &tickets {
        let (messages_before, outbox_before) = stored.get(number).map_or((0, 0), |before| (before.messages, before.outbox));
        let mut seqs: Vec<u32> = change.messages.iter().filter(|message| message.ticket == *number).map(|message| message.seq).collect();
        seqs.sort_unstable();
        demand(
            seqs.into_iter().eq(messages_before.saturating_add(1)..=ticket.messages),
            "the messages of a ticket do not follow one another",
        )?;
        let mut counts: Vec<u32> =
            change.outbox.iter().filter(|outbound| outbound.id.ticket == *number).map(|outbound| outbound.id.n).collect();
        counts.sort_unstable();
        demand(counts.windows(2).all(|pair| pair[0] < pair[1]), "two outbox entries have one name")?;
        demand(counts.iter().all(|n| *n > outbox_before && *n <= ticket.outbox), "an outbox entry has a name that is taken")?;
        demand(ticket.outbox >= outbox_before, "a ticket's outbox count goes back")?;
    }
    let owners = change.messages.iter().map(|message| message.ticket);
    let owners = owners
        .chain(change.outbox.iter().filter(|outbound| !outbound.id.is_desks()).map(|outbound| outbound.id.ticket))
        .chain(change.history.iter().map(|(number, _)| *number));
    let owners = owners.chain(change.dropped.iter().filter(|(id, _)| !id.is_desks()).map(|(id, _)| id.ticket));
    let mut owners = owners.chain(change.message_ids.iter().map(|(_, number)| *number));
    demand(owners.all(|number| tickets.contains_key(&number)), "something belongs to a ticket that is not written")
}
