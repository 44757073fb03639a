//! What stands in a value: a version, a form and a record in postcard.
//!
//! Records are not domain types: those change with the code, these are a promise to every store on a disk. The order
//! of fields and of variants is the format; a change of either is a new version beside the old one, never an edit.

mod desk;
mod message;
mod outbox;
mod ticket;
mod workload;

pub(in crate::store) use desk::DeskRecord;
pub(in crate::store) use message::{LandingRecord, MessageRecord, OriginRecord, QuarantineRecord};
pub(in crate::store) use outbox::{AttemptsRecord, OutboxRecord};
pub(in crate::store) use ticket::{HistoryRecord, TicketRecord};
pub(in crate::store) use workload::{AwayRecord, LoadRecord, TurnRecord};

use crate::domain::address::EmailAddress;
use crate::domain::bounce::Mark;
use crate::domain::change::ChatSession;
use crate::domain::message::{BlobId, BlobRef, SessionId, TicketNumber};
use crate::domain::outbound::OutboxId;
use crate::domain::tally::Tally;
use crate::store::blobs::Location;
use crate::store::fault::StoreFault;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Most octets of a value in the tree; a longer record goes to the packs and the value only names it. The engine puts
/// up to 20 neighbours into one page and a page of more than 128 KiB into a file of its own, which is what its recovery
/// trips over ("tried to serialize Uninitialized"): 20 of these and their keys stay below.
pub(in crate::store) const VALUE_OCTETS_MAX: usize = 6 * 1024;
/// Most octets of a record, wherever it is (P11).
pub(in crate::store) const RECORD_OCTETS_MAX: usize = 1024 * 1024;
/// From here on compression wins more than it costs: the tables of a small frame take longer than its content.
const ZSTD_FROM_OCTETS: usize = 1000;
const ZSTD_LEVEL: i32 = 1;

const FORM_PLAIN: u8 = 0;
/// Followed by the record's length (u32, little-endian) and a zstd frame.
const FORM_ZSTD: u8 = 1;
/// Followed by a blob's id and size (u64, little-endian): the record is in the packs.
const FORM_SPILLED: u8 = 2;

/// Something that a value holds.
pub(in crate::store) trait Record: Serialize + DeserializeOwned {
    /// For faults.
    const KIND: &'static str;
    /// The version that is written.
    const VERSION: u8;

    /// Reads a record of an earlier version.
    fn read_older(version: u8, _plain: &[u8]) -> Result<Self, StoreFault> {
        Err(damaged(Self::KIND, format!("has version {version}, which was never written")))
    }
}

/// A record in its octets.
pub(in crate::store) enum Encoded {
    Value(Vec<u8>),
    /// Too long for the tree: to be kept as a blob and named with [`spilled`].
    Spill(Vec<u8>),
}

/// A value as far as it can be read without the packs.
pub(in crate::store) enum Decoded<R> {
    Record(R),
    /// To be fetched and read with [`decode_spilled`], as this version.
    Spilled(BlobRef, u8),
}

/// Writes values; holds the compressor's memory between two of them.
pub(in crate::store) struct Encoder(zstd::bulk::Compressor<'static>);

impl Encoder {
    pub(in crate::store) fn new() -> std::io::Result<Self> {
        Ok(Self(zstd::bulk::Compressor::new(ZSTD_LEVEL)?))
    }

    pub(in crate::store) fn encode<R: Record>(&mut self, record: &R) -> Result<Encoded, StoreFault> {
        let plain = postcard::to_stdvec(record).map_err(|fault| damaged(R::KIND, format!("cannot be encoded: {fault}")))?;
        if plain.len() > RECORD_OCTETS_MAX {
            return Err(StoreFault::TooLarge { kind: R::KIND, octets: plain.len() as u64, limit: RECORD_OCTETS_MAX as u64 });
        }
        let mut value = vec![R::VERSION, FORM_PLAIN];
        if plain.len() >= ZSTD_FROM_OCTETS {
            let packed = self.0.compress(&plain).map_err(|fault| StoreFault::io("zstd", &fault))?;
            if packed.len() + 4 < plain.len() {
                value[1] = FORM_ZSTD;
                value.extend_from_slice(&u32::try_from(plain.len()).unwrap_or(u32::MAX).to_le_bytes());
                value.extend_from_slice(&packed);
            }
        }
        if value[1] == FORM_PLAIN {
            value.extend_from_slice(&plain);
        }
        Ok(if value.len() > VALUE_OCTETS_MAX { Encoded::Spill(plain) } else { Encoded::Value(value) })
    }
}

/// The value that names a record in the packs.
pub(in crate::store) fn spilled<R: Record>(blob: BlobRef) -> Vec<u8> {
    let mut value = vec![R::VERSION, FORM_SPILLED];
    value.extend_from_slice(&blob.id.0);
    value.extend_from_slice(&blob.size.to_le_bytes());
    value
}

/// Reads a value. A version that is not known is a fault, never a guess.
pub(in crate::store) fn decode<R: Record>(value: &[u8]) -> Result<Decoded<R>, StoreFault> {
    let &[version, form, ref rest @ ..] = value else { return Err(damaged(R::KIND, "is shorter than its head")) };
    if version > R::VERSION {
        return Err(StoreFault::NewerRecord { kind: R::KIND, found: version, known: R::VERSION });
    }
    match form {
        FORM_PLAIN => read(version, rest).map(Decoded::Record),
        FORM_ZSTD => {
            let (length, frame) = rest.split_first_chunk().ok_or_else(|| damaged(R::KIND, "has no length"))?;
            let length = u32::from_le_bytes(*length) as usize;
            if length > RECORD_OCTETS_MAX {
                return Err(damaged(R::KIND, format!("claims {length} octets")));
            }
            let plain = unpack(frame, length).map_err(|fault| damaged(R::KIND, fault.to_string()))?;
            read(version, &plain).map(Decoded::Record)
        }
        FORM_SPILLED => spilled_blob(value).map(|blob| Decoded::Spilled(blob, version)).ok_or_else(|| damaged(R::KIND, "names no blob")),
        other => Err(damaged(R::KIND, format!("has form {other}"))),
    }
}

/// With a decompressor for each thread, as to make one costs more than to use it.
fn unpack(frame: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    thread_local! {
        static KEPT: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    }
    KEPT.with_borrow_mut(|kept| match kept {
        Some(decompressor) => decompressor.decompress(frame, length),
        none => none.insert(zstd::bulk::Decompressor::new()?).decompress(frame, length),
    })
}

/// Where a value's record is, if it is in the packs, whatever its kind.
pub(in crate::store) fn spilled_blob(value: &[u8]) -> Option<BlobRef> {
    let &[_, FORM_SPILLED, ref rest @ ..] = value else { return None };
    let (id, size) = rest.split_first_chunk()?;
    Some(BlobRef { id: BlobId(*id), size: u64::from_le_bytes(size.try_into().ok()?) })
}

/// Reads the octets of a record that was in the packs.
pub(in crate::store) fn decode_spilled<R: Record>(plain: &[u8], version: u8) -> Result<R, StoreFault> {
    read(version, plain)
}

/// Reads a record of any version up to the one that is written.
fn read<R: Record>(version: u8, plain: &[u8]) -> Result<R, StoreFault> {
    if version == R::VERSION { from_postcard(R::KIND, plain) } else { R::read_older(version, plain) }
}

fn from_postcard<T: DeserializeOwned>(kind: &'static str, plain: &[u8]) -> Result<T, StoreFault> {
    match postcard::take_from_bytes(plain) {
        Ok((record, [])) => Ok(record),
        Ok((_, rest)) => Err(damaged(kind, format!("has {} octets too many", rest.len()))),
        Err(fault) => Err(damaged(kind, fault.to_string())),
    }
}

fn damaged(kind: &'static str, detail: impl Into<String>) -> StoreFault {
    StoreFault::Damaged { kind, detail: detail.into() }
}

/// A stored word that the domain does not take; says which.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Unreadable(pub(in crate::store) &'static str);

impl Unreadable {
    pub(in crate::store) fn of(self, kind: &'static str) -> StoreFault {
        damaged(kind, format!("holds no valid {}", self.0))
    }
}

/// Time in milliseconds since 1970; the desk's clock is no finer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Ms(i64);

impl From<Timestamp> for Ms {
    fn from(time: Timestamp) -> Self {
        Self(time.as_millisecond())
    }
}

impl TryFrom<Ms> for Timestamp {
    type Error = Unreadable;

    fn try_from(ms: Ms) -> Result<Self, Unreadable> {
        Self::from_millisecond(ms.0).map_err(|_| Unreadable("time"))
    }
}

/// A [`BlobRef`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct BlobRefRecord {
    id: [u8; 32],
    size: u64,
}

impl From<BlobRef> for BlobRefRecord {
    fn from(blob: BlobRef) -> Self {
        Self { id: blob.id.0, size: blob.size }
    }
}

impl From<BlobRefRecord> for BlobRef {
    fn from(record: BlobRefRecord) -> Self {
        Self { id: BlobId(record.id), size: record.size }
    }
}

/// An enum of the domain without data, and its stored twin; the order of the words is the format.
macro_rules! twin {
    ($record:ident = $domain:ident { $($word:ident),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        pub(super) enum $record { $($word),+ }

        impl From<$domain> for $record {
            fn from(word: $domain) -> Self {
                match word { $($domain::$word => Self::$word),+ }
            }
        }

        impl From<$record> for $domain {
            fn from(word: $record) -> Self {
                match word { $($record::$word => Self::$word),+ }
            }
        }
    };
}
pub(super) use twin;

/// A counter or the layout's version.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) struct CounterRecord(pub(in crate::store) u64);

impl Record for CounterRecord {
    const KIND: &'static str = "counter";
    const VERSION: u8 = 1;
}

/// How far a mailbox is taken in.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) struct CursorRecord {
    pub(in crate::store) uid_validity: u32,
    pub(in crate::store) uid: u32,
}

impl Record for CursorRecord {
    const KIND: &'static str = "cursor";
    const VERSION: u8 = 1;
}

/// When an address last got automatic mail, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::store) struct AcksRecord(Vec<Ms>);

impl AcksRecord {
    /// How many are remembered.
    pub(in crate::store) const TIMES_MAX: usize = 256;

    pub(in crate::store) fn add(&mut self, at: Timestamp) {
        let at = Ms::from(at);
        let place = self.0.partition_point(|earlier| earlier.0 <= at.0);
        self.0.insert(place, at);
        let surplus = self.0.len().saturating_sub(Self::TIMES_MAX);
        self.0.drain(..surplus);
    }

    pub(in crate::store) fn times(self) -> Result<Vec<Timestamp>, Unreadable> {
        self.0.into_iter().map(Timestamp::try_from).collect()
    }
}

impl Record for AcksRecord {
    const KIND: &'static str = "list of acks";
    const VERSION: u8 = 1;
}

/// A [`Tally`]; what it counts is the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct TallyRecord {
    last: i64,
    counts: Vec<u32>,
}

impl Record for TallyRecord {
    const KIND: &'static str = "tally of acks";
    const VERSION: u8 = 1;
}

impl From<&Tally> for TallyRecord {
    fn from(tally: &Tally) -> Self {
        let Tally { last, counts } = tally;
        Self { last: *last, counts: counts.clone() }
    }
}

impl From<TallyRecord> for Tally {
    fn from(record: TallyRecord) -> Self {
        Self { last: record.last, counts: record.counts }
    }
}

/// A [`Mark`]; the hash of its address is the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct MarkRecord {
    address: String,
    since: Ms,
    complained: bool,
    reason: String,
    ticket: u64,
    n: u32,
}

impl Record for MarkRecord {
    const KIND: &'static str = "mark of an address";
    const VERSION: u8 = 1;
}

impl From<&Mark> for MarkRecord {
    fn from(mark: &Mark) -> Self {
        let Mark { address, since, complained, reason, about } = mark;
        Self {
            address: address.as_str().to_owned(),
            since: Ms::from(*since),
            complained: *complained,
            reason: reason.clone(),
            ticket: about.ticket.0,
            n: about.n,
        }
    }
}

impl TryFrom<MarkRecord> for Mark {
    type Error = Unreadable;

    fn try_from(record: MarkRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            address: EmailAddress::parse(&record.address).map_err(|_| Unreadable("address"))?,
            since: record.since.try_into()?,
            complained: record.complained,
            reason: record.reason,
            about: OutboxId { ticket: TicketNumber(record.ticket), n: record.n },
        })
    }
}

/// A chat session; its id is the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) struct SessionRecord {
    ticket: Option<u64>,
    last_seq: u32,
    version: u64,
}

impl SessionRecord {
    /// As it is stored: one version on.
    pub(in crate::store) fn next(session: &ChatSession) -> Self {
        Self { ticket: session.ticket.map(|ticket| ticket.0), last_seq: session.last_seq, version: session.version.saturating_add(1) }
    }

    pub(in crate::store) fn session(self, id: SessionId) -> ChatSession {
        ChatSession { id, ticket: self.ticket.map(TicketNumber), last_seq: self.last_seq, version: self.version }
    }
}

impl Record for SessionRecord {
    const KIND: &'static str = "chat session";
    const VERSION: u8 = 1;
}

/// Which message a chat window was shown at a place of its own count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) struct ChatEventRecord {
    pub(in crate::store) ticket: u64,
    pub(in crate::store) seq: u32,
}

impl Record for ChatEventRecord {
    const KIND: &'static str = "chat event";
    const VERSION: u8 = 1;
}

/// Where a blob is in the packs; its id is the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) struct BlobRecord {
    pack: u32,
    offset: u64,
    stored: u64,
    size: u64,
}

impl From<Location> for BlobRecord {
    fn from(location: Location) -> Self {
        Self { pack: location.pack, offset: location.offset, stored: location.stored, size: location.size }
    }
}

impl From<BlobRecord> for Location {
    fn from(record: BlobRecord) -> Self {
        Self { pack: record.pack, offset: record.offset, stored: record.stored, size: record.size }
    }
}

impl Record for BlobRecord {
    const KIND: &'static str = "blob's place";
    const VERSION: u8 = 1;
}

/// Up to where the packs are indexed: all before it stands in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::store) struct IndexedRecord {
    pub(in crate::store) pack: u32,
    pub(in crate::store) offset: u64,
}

impl Record for IndexedRecord {
    const KIND: &'static str = "mark of the packs";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests;
