//! Keys of the one tree. Each begins with a letter for its kind; numbers are big-endian, so that the order of the
//! octets is the order of what they mean; long texts are keys by their hash.
//!
//! | kind | key | value |
//! |---|---|---|
//! | `m` | name | counters and the layout's version |
//! | `t` | ticket | the ticket |
//! | `M` | ticket, seq | a message |
//! | `h` | ticket, n | a line of history |
//! | `f` | fingerprint | where that message landed |
//! | `i` | hash of a Message-ID, ticket | –; 1 while the message itself has not come |
//! | `p` | hash of the requester's address, ticket | – |
//! | `d` | next due time, ticket | – |
//! | `O` | ticket, n | what is to be sent |
//! | `s` | ticket, n | how far it is sent |
//! | `o` | time of the next attempt, ticket, n | – |
//! | `a` | hash of an address | when it got automatic mail |
//! | `A` | hash of what is counted | how many unproven senders got automatic mail |
//! | `u` | hash of an address | that nothing automatic goes there, and why |
//! | `c` | mailbox | the cursor |
//! | `S` | session | the chat session |
//! | `x` | session, chat seq | which message that is |
//! | `q` | id | a quarantined message |
//! | `Q` | id | where that message landed when it was released |
//! | `r` | ticket, seq | by which routes that message came, and whether all of it did |
//! | `R` | id | the same of a quarantined message |
//! | `l` | agent | how many tickets he has to do something about |
//! | `n` | hash of a team, agent | his last turn there |
//! | `w` | agent | since when he is away, and until when |
//! | `b` | blob | its place in the packs |

use crate::domain::address::EmailAddress;
use crate::domain::change::Landing;
use crate::domain::message::{BlobId, Fingerprint, MessageId, Seq, SessionId, TicketNumber};
use crate::domain::outbound::OutboxId;
use jiff::Timestamp;

/// First octet of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::store) enum Kind {
    Meta = b'm',
    Ticket = b't',
    Message = b'M',
    History = b'h',
    Fingerprint = b'f',
    MessageId = b'i',
    Requester = b'p',
    Due = b'd',
    Outbox = b'O',
    Attempts = b's',
    OutboxDue = b'o',
    Acks = b'a',
    AckTally = b'A',
    Mark = b'u',
    Cursor = b'c',
    Session = b'S',
    ChatEvent = b'x',
    Quarantine = b'q',
    Released = b'Q',
    Origin = b'r',
    QuarantineOrigin = b'R',
    Load = b'l',
    Turn = b'n',
    Away = b'w',
    Blob = b'b',
}

impl Kind {
    const ALL: [Self; 25] = [
        Self::Meta,
        Self::Ticket,
        Self::Message,
        Self::History,
        Self::Fingerprint,
        Self::MessageId,
        Self::Requester,
        Self::Due,
        Self::Outbox,
        Self::Attempts,
        Self::OutboxDue,
        Self::Acks,
        Self::AckTally,
        Self::Mark,
        Self::Cursor,
        Self::Session,
        Self::ChatEvent,
        Self::Quarantine,
        Self::Released,
        Self::Origin,
        Self::QuarantineOrigin,
        Self::Load,
        Self::Turn,
        Self::Away,
        Self::Blob,
    ];

    /// The kind of a first octet.
    pub(in crate::store) fn read(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == octet)
    }
}

/// A key, built octet by octet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Key(Vec<u8>);

impl Key {
    pub(in crate::store) fn of(kind: Kind) -> Self {
        Self(vec![kind as u8])
    }

    fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    fn number(self, number: u64) -> Self {
        self.octets(&number.to_be_bytes())
    }

    fn count(self, count: u32) -> Self {
        self.octets(&count.to_be_bytes())
    }

    /// Signed milliseconds with the sign bit turned, so that times before 1970 sort first.
    fn millisecond(self, millisecond: i64) -> Self {
        self.number(millisecond.cast_unsigned() ^ (1 << 63))
    }

    fn hash(self, text: &str) -> Self {
        self.octets(&hash16(text.as_bytes()))
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Key> for ::sled::IVec {
    fn from(key: Key) -> Self {
        Self::from(key.0)
    }
}

/// The first 16 octets of BLAKE3: enough that two texts of outside never meet, even on purpose (2^64 work).
fn hash16(octets: &[u8]) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(octets).as_bytes()[..16]);
    hash
}

/// The due time of a ticket that should have one and has not: last in the index, so that it is still listed.
pub(in crate::store) const NEVER_MS: i64 = i64::MAX;

pub(in crate::store) fn meta(name: &str) -> Key {
    Key::of(Kind::Meta).octets(name.as_bytes())
}

pub(in crate::store) fn ticket(number: TicketNumber) -> Key {
    Key::of(Kind::Ticket).number(number.0)
}

pub(in crate::store) fn messages(ticket: TicketNumber) -> Key {
    Key::of(Kind::Message).number(ticket.0)
}

pub(in crate::store) fn message(ticket: TicketNumber, seq: Seq) -> Key {
    messages(ticket).count(seq)
}

pub(in crate::store) fn history_of(ticket: TicketNumber) -> Key {
    Key::of(Kind::History).number(ticket.0)
}

pub(in crate::store) fn history(ticket: TicketNumber, n: u32) -> Key {
    history_of(ticket).count(n)
}

pub(in crate::store) fn fingerprint(fingerprint: Fingerprint) -> Key {
    Key::of(Kind::Fingerprint).octets(&fingerprint.0)
}

/// The value of a Message-ID whose message has not come; one that has come has none.
pub(in crate::store) const EXPECTED: [u8; 1] = [1];

pub(in crate::store) fn message_id(id: &MessageId) -> Key {
    Key::of(Kind::MessageId).hash(id.as_str())
}

pub(in crate::store) fn message_id_ticket(id: &MessageId, ticket: TicketNumber) -> Key {
    message_id(id).number(ticket.0)
}

pub(in crate::store) fn requester(address: &EmailAddress) -> Key {
    Key::of(Kind::Requester).hash(address.as_str())
}

pub(in crate::store) fn requester_ticket(address: &EmailAddress, ticket: TicketNumber) -> Key {
    requester(address).number(ticket.0)
}

pub(in crate::store) fn due(millisecond: i64, ticket: TicketNumber) -> Key {
    Key::of(Kind::Due).millisecond(millisecond).number(ticket.0)
}

pub(in crate::store) fn outbox_of(ticket: TicketNumber) -> Key {
    Key::of(Kind::Outbox).number(ticket.0)
}

pub(in crate::store) fn outbox(id: OutboxId) -> Key {
    outbox_of(id.ticket).count(id.n)
}

pub(in crate::store) fn attempts_of(ticket: TicketNumber) -> Key {
    Key::of(Kind::Attempts).number(ticket.0)
}

pub(in crate::store) fn attempts(id: OutboxId) -> Key {
    attempts_of(id.ticket).count(id.n)
}

pub(in crate::store) fn outbox_due(at: Timestamp, id: OutboxId) -> Key {
    Key::of(Kind::OutboxDue).millisecond(at.as_millisecond()).number(id.ticket.0).count(id.n)
}

pub(in crate::store) fn acks(address: &EmailAddress) -> Key {
    Key::of(Kind::Acks).hash(&address.untagged())
}

pub(in crate::store) fn mark(address: &EmailAddress) -> Key {
    Key::of(Kind::Mark).hash(address.as_str())
}

/// The three counts of acks to unproven senders: of a domain, of a mailbox, of all.
pub(in crate::store) fn ack_tallies(domain: &str, mailbox: &str) -> [Key; 3] {
    // No domain and no mailbox has a blank in its name.
    [format!("domain {domain}"), format!("mailbox {mailbox}"), "desk".to_owned()].map(|whose| Key::of(Kind::AckTally).hash(&whose))
}

pub(in crate::store) fn cursor(mailbox: &str) -> Key {
    Key::of(Kind::Cursor).octets(mailbox.as_bytes())
}

pub(in crate::store) fn session(session: SessionId) -> Key {
    Key::of(Kind::Session).octets(&session.0)
}

pub(in crate::store) fn chat_events(session: SessionId) -> Key {
    Key::of(Kind::ChatEvent).octets(&session.0)
}

pub(in crate::store) fn chat_event(session: SessionId, chat_seq: u32) -> Key {
    chat_events(session).count(chat_seq)
}

pub(in crate::store) fn quarantine(id: u64) -> Key {
    Key::of(Kind::Quarantine).number(id)
}

pub(in crate::store) fn released(id: u64) -> Key {
    Key::of(Kind::Released).number(id)
}

pub(in crate::store) fn origin(landing: Landing) -> Key {
    match landing {
        Landing::Ticket { number, seq } => Key::of(Kind::Origin).number(number.0).count(seq),
        Landing::Quarantine { id } => Key::of(Kind::QuarantineOrigin).number(id),
    }
}

/// Of an agent by [`crate::domain::assign::key`].
pub(in crate::store) fn load(agent: &str) -> Key {
    Key::of(Kind::Load).octets(agent.as_bytes())
}

pub(in crate::store) fn turn(team: &str, agent: &str) -> Key {
    Key::of(Kind::Turn).hash(team).octets(agent.as_bytes())
}

pub(in crate::store) fn away(agent: &str) -> Key {
    Key::of(Kind::Away).octets(agent.as_bytes())
}

pub(in crate::store) fn blob(id: BlobId) -> Key {
    Key::of(Kind::Blob).octets(&id.0)
}

/// Reads a key from its end or its front; `None` where it is shorter than its kind must be.
pub(in crate::store) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// The key without its kind.
    pub(in crate::store) fn of(key: &'a [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    pub(in crate::store) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(in crate::store) fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(in crate::store) fn ticket(&mut self) -> Option<TicketNumber> {
        self.number().map(TicketNumber)
    }

    pub(in crate::store) fn count(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(in crate::store) fn millisecond(&mut self) -> Option<i64> {
        self.number().map(|number| (number ^ (1 << 63)).cast_signed())
    }

    pub(in crate::store) fn outbox_id(&mut self) -> Option<OutboxId> {
        Some(OutboxId { ticket: self.ticket()?, n: self.count()? })
    }

    /// `Some` if nothing is left over.
    pub(in crate::store) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Reads the time and ticket of a `d` key.
pub(in crate::store) fn read_due(key: &[u8]) -> Option<(i64, TicketNumber)> {
    let mut parts = Parts::of(key);
    let read = (parts.millisecond()?, parts.ticket()?);
    parts.end().map(|()| read)
}

/// Reads the time and id of an `o` key.
pub(in crate::store) fn read_outbox_due(key: &[u8]) -> Option<(i64, OutboxId)> {
    let mut parts = Parts::of(key);
    let read = (parts.millisecond()?, parts.outbox_id()?);
    parts.end().map(|()| read)
}

/// Reads the agent of an `l` or `w` key.
pub(in crate::store) fn read_load(key: &[u8]) -> Option<String> {
    String::from_utf8(key.get(1..)?.to_vec()).ok()
}

/// Reads the number at the end of an `i` or `p` key.
pub(in crate::store) fn read_hashed(key: &[u8]) -> Option<TicketNumber> {
    let mut parts = Parts::of(key);
    parts.take::<16>()?;
    let number = parts.ticket()?;
    parts.end().map(|()| number)
}

/// Reads the ticket and count of an `M`, `h` or `O` key.
pub(in crate::store) fn read_counted(key: &[u8]) -> Option<(TicketNumber, u32)> {
    let mut parts = Parts::of(key);
    let read = (parts.ticket()?, parts.count()?);
    parts.end().map(|()| read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    proptest! {
        #[test]
        fn order_of_keys_is_order_of_times(a in -100_000_000_000_000_i64..200_000_000_000_000, b in -100_000_000_000_000_i64..200_000_000_000_000, n: u64, m: u64) {
            let (left, right) = (due(a, TicketNumber(n)), due(b, TicketNumber(m)));
            prop_assert_eq!(left.cmp(&right), (a, n).cmp(&(b, m)));
            prop_assert_eq!(read_due(left.as_ref()), Some((a, TicketNumber(n))));
            prop_assert!(left < due(NEVER_MS, TicketNumber(0)));
        }

        #[test]
        fn order_of_keys_is_order_of_numbers(a: (u64, u32), b: (u64, u32)) {
            let key = |(ticket, n)| outbox(OutboxId { ticket: TicketNumber(ticket), n });
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(read_counted(key(a).as_ref()), Some((TicketNumber(a.0), a.1)));
        }

        #[test]
        fn an_outbox_key_reads_back(ms in 0_i64..200_000_000_000_000, ticket: u64, n: u32) {
            let id = OutboxId { ticket: TicketNumber(ticket), n };
            prop_assert_eq!(read_outbox_due(outbox_due(at(ms), id).as_ref()), Some((ms, id)));
        }

        #[test]
        fn octets_that_are_no_key_are_refused(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(read_due(&octets).is_some(), octets.len() == 17);
            prop_assert_eq!(read_outbox_due(&octets).is_some(), octets.len() == 21);
            prop_assert_eq!(read_counted(&octets).is_some(), octets.len() == 13);
            prop_assert_eq!(read_hashed(&octets).is_some(), octets.len() == 25);
        }
    }

    #[test]
    fn a_ticket_is_no_prefix_of_another() {
        assert!(!message(TicketNumber(256), 1).as_ref().starts_with(messages(TicketNumber(1)).as_ref()));
    }
}
