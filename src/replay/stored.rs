//! The past as the desk's own store has it: who spoke in which ticket is known, and no token has to be read. A running daemon tells it
//! over its control socket, piece by piece, in frames.

use super::archive::Span;
use super::past::{Belief, Content, Item, Origin, Speaker};
use crate::domain::change::Landing;
use crate::domain::message::{Arrival, Author, Channel, HELD, Message, Seq, SessionId, TicketNumber};
use crate::domain::ticket::Ticket;
use crate::store::{Store, StoreFault, TicketFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;

/// Longest header of a frame, in octets: a text of a chat stands in it.
const HEADER_OCTETS_MAX: usize = 4 << 20;
/// Longest mail of a frame: what the daemon has taken in once is told, whatever is allowed today.
const MAIL_OCTETS_MAX: usize = 1 << 30;

/// What is told, in this order: how many, each, the end. Without the end it was broken off.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Told {
    Count(u64),
    Item(Box<Item>),
    End,
}

/// Where something that was said can be read: as little as puts all of them in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Timestamp,
    landing: Landing,
}

/// Tells all that was said in a span, by time, but for tickets that began before it; `tell` says whether anybody listens on. Blocks.
///
/// # Errors
/// The store's.
pub fn each(store: &Store, span: Span, mut tell: impl FnMut(Told) -> bool) -> Result<(), StoreFault> {
    let places = places(store, span)?;
    if !tell(Told::Count(places.len() as u64)) {
        return Ok(());
    }
    for Place { at, landing } in places {
        let item = match landing {
            Landing::Ticket { number, seq } => in_ticket(store, at, number, seq)?,
            Landing::Quarantine { id } => set_aside(store, at, id)?,
        };
        if let Some(item) = item
            && !tell(Told::Item(Box::new(item)))
        {
            return Ok(());
        }
    }
    tell(Told::End);
    Ok(())
}

fn places(store: &Store, span: Span) -> Result<Vec<Place>, StoreFault> {
    let mut places = Vec::new();
    for ticket in store.tickets(TicketFilter::Any) {
        let ticket = ticket?;
        if !span.holds(ticket.opened) {
            continue;
        }
        // What was split off stands in front, and in the ticket that it came to as well.
        let copies = Seq::try_from(ticket.copies()).unwrap_or(Seq::MAX);
        for seq in copies.saturating_add(1)..=ticket.messages {
            let Some(message) = store.message(ticket.number, seq)? else { continue };
            let at = arrival(store, &message)?.map_or(message.at, |arrival| arrival.at);
            if message.author != Author::Desk && span.holds(at) {
                places.push(Place { at, landing: Landing::Ticket { number: ticket.number, seq } });
            }
        }
    }
    for (id, quarantined) in store.quarantine()? {
        if span.holds(quarantined.at) && store.released(id)?.is_none() {
            places.push(Place { at: quarantined.at, landing: Landing::Quarantine { id } });
        }
    }
    places.sort_unstable();
    Ok(places)
}

/// The first way by which it came. An agent's message has the time at which he sent it; here it counts when it came.
fn arrival(store: &Store, message: &Message) -> Result<Option<Arrival>, StoreFault> {
    let landing = Landing::Ticket { number: message.ticket, seq: message.seq };
    Ok(store.origin(landing)?.and_then(|origin| origin.arrivals.into_iter().next()))
}

fn in_ticket(store: &Store, at: Timestamp, number: TicketNumber, seq: Seq) -> Result<Option<Item>, StoreFault> {
    let (Some(ticket), Some(message)) = (store.ticket(number)?, store.message(number, seq)?) else { return Ok(None) };
    let speaker = match &message.author {
        Author::Desk => return Ok(None),
        Author::Agent(contact) => {
            let carried_out = !message.defects.iter().any(|defect| defect.name == HELD);
            Speaker::Agent { address: contact.address.to_string(), carried_out }
        }
        Author::Customer { .. } | Author::ThirdParty(_) => Speaker::Other(Belief::from(&message.judgement)),
    };
    let mailbox = arrival(store, &message)?.map_or_else(|| ticket.mailbox.clone(), |arrival| arrival.source.mailbox().to_owned());
    let content = match message.raw {
        Some(raw) => store.blob_now(raw.id)?.map(Content::Mail),
        None if message.channel == Channel::Chat => chat_line(&ticket, message),
        None => None,
    };
    let split_from = ticket.split_off.as_ref().map(|split| split.from.0);
    let origin = Origin::Ticket { number: number.0, seq, split_from, speaker };
    Ok(content.map(|content| Item { at, mailbox: Some(mailbox), name: format!("{number}.{seq}"), origin, content }))
}

fn set_aside(store: &Store, at: Timestamp, id: u64) -> Result<Option<Item>, StoreFault> {
    let Some(quarantined) = store.quarantined(id)? else { return Ok(None) };
    let Some(raw) = quarantined.raw else { return Ok(None) };
    let content = store.blob_now(raw.id)?.map(Content::Mail);
    let mailbox = Some(quarantined.source.mailbox().to_owned());
    Ok(content.map(|content| Item { at, mailbox, name: format!("quarantine {id}"), origin: Origin::Quarantine, content }))
}

fn chat_line(ticket: &Ticket, message: Message) -> Option<Content> {
    let Author::Customer { name, address } = message.author else { return None };
    Some(Content::Chat {
        session: anonymous(ticket.session?),
        client_id: message.client_id.unwrap_or_default(),
        name,
        address: address.map(|address| address.to_string()),
        text: message.body.text,
    })
}

/// Who knows a session may read its chat: outside of the daemon it has another name.
fn anonymous(session: SessionId) -> [u8; 16] {
    let mut name = [0; 16];
    blake3::Hasher::new().update(&session.0).finalize_xof().fill(&mut name);
    name
}

/// One frame: its header's length, the header as JSON, the octets' length, the octets.
///
/// # Errors
/// It cannot be written as JSON.
pub fn frame(told: &Told) -> serde_json::Result<Vec<u8>> {
    let header = serde_json::to_vec(told)?;
    let raw = match told {
        Told::Item(item) => match &item.content {
            Content::Mail(raw) => raw.as_slice(),
            Content::Chat { .. } => &[],
        },
        Told::Count(_) | Told::End => &[],
    };
    let mut frame = Vec::with_capacity(header.len() + raw.len() + 16);
    for part in [header.as_slice(), raw] {
        frame.extend_from_slice(&(part.len() as u64).to_be_bytes());
        frame.extend_from_slice(part);
    }
    Ok(frame)
}

/// The header and the octets of a frame, and where the next begins.
type Frame<'o> = (&'o [u8], &'o [u8], usize);

/// Takes frames apart as their octets come.
pub struct Frames<F> {
    waiting: Vec<u8>,
    tell: F,
    ended: bool,
}

impl<F: FnMut(Told)> Frames<F> {
    /// `tell` hears of each.
    pub const fn new(tell: F) -> Self {
        Self { waiting: Vec::new(), tell, ended: false }
    }

    /// Whether the end has come.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The header and the octets of the first frame, with where the next begins; `None` until all of it is here.
    fn first(octets: &[u8]) -> io::Result<Option<Frame<'_>>> {
        let part = |from: usize, max: usize| {
            let Some(length) = octets.get(from..from + 8).and_then(|length| length.try_into().ok()) else { return Ok(None) };
            let length = usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX);
            if length > max {
                return Err(io::Error::other("the daemon tells of something that is too large"));
            }
            Ok(octets.get(from + 8..from + 8 + length).map(|part| (part, from + 8 + length)))
        };
        let Some((header, end)) = part(0, HEADER_OCTETS_MAX)? else { return Ok(None) };
        Ok(part(end, MAIL_OCTETS_MAX)?.map(|(raw, end)| (header, raw, end)))
    }
}

impl<F: FnMut(Told)> io::Write for Frames<F> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(octets);
        let mut from = 0;
        while let Some((header, raw, end)) = Self::first(self.waiting.get(from..).unwrap_or_default())? {
            let mut told: Told = serde_json::from_slice(header)?;
            if let Told::Item(item) = &mut told
                && let Content::Mail(content) = &mut item.content
            {
                *content = raw.to_vec();
            }
            self.ended |= matches!(told, Told::End);
            (self.tell)(told);
            from += end;
        }
        self.waiting.drain(..from);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
