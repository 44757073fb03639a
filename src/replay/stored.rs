//! The past as the desk's own store has it: who spoke in which ticket is known, and no token has to be read. A running daemon tells it
//! over its control socket, piece by piece, in frames.

use super::archive::Span;
use super::past::{Belief, Content, Item, Origin, Speaker};
use crate::domain::change::Landing;
use crate::domain::message::{Author, BlobId, Channel, HELD, Message, Seq, SessionId, TicketNumber};
use crate::domain::ticket::Ticket;
use crate::store::{Store, StoreFault, TicketFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;

/// Longest header of a frame, in octets: a text of a chat stands in it.
const HEADER_OCTETS_MAX: usize = 4 << 20;

/// What is told, in this order: how many, each, the end. Without the end it was broken off.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Told {
    Count(u64),
    Item(Box<Item>),
    End,
}

/// Where something that was said can be read.
struct Place {
    at: Timestamp,
    number: TicketNumber,
    seq: Seq,
    /// `None`: a line of a chat.
    raw: Option<BlobId>,
    mailbox: String,
    origin: Origin,
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
    for place in places {
        let content = match place.raw {
            Some(raw) => store.blob_now(raw)?.map(Content::Mail),
            None => chat_line(store, &place)?,
        };
        let Some(content) = content else { continue };
        let name = if place.number == TicketNumber::DESK { "quarantine".to_owned() } else { format!("{}.{}", place.number, place.seq) };
        let item = Item { at: place.at, mailbox: Some(place.mailbox), name, origin: place.origin, content };
        if !tell(Told::Item(Box::new(item))) {
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
        // What was split off stands in the ticket that it came to, too.
        let copies = ticket.split_off.as_ref().map_or(0, |split| split.messages.len());
        for message in store.messages(ticket.number)?.into_iter().skip(copies) {
            places.extend(place(store, &ticket, &message)?.filter(|place| span.holds(place.at)));
        }
    }
    for (id, quarantined) in store.quarantine()? {
        if span.holds(quarantined.at) && store.released(id)?.is_none() {
            places.push(Place {
                at: quarantined.at,
                number: TicketNumber::DESK,
                seq: 0,
                raw: quarantined.raw.map(|raw| raw.id),
                mailbox: quarantined.source.mailbox().to_owned(),
                origin: Origin::Quarantine,
            });
        }
    }
    places.sort_by_key(|place| (place.at, place.number, place.seq));
    Ok(places)
}

fn place(store: &Store, ticket: &Ticket, message: &Message) -> Result<Option<Place>, StoreFault> {
    let speaker = match &message.author {
        Author::Desk => return Ok(None),
        Author::Agent(contact) => {
            let carried_out = !message.defects.iter().any(|defect| defect.name == HELD);
            Speaker::Agent { address: contact.address.to_string(), carried_out }
        }
        Author::Customer { .. } | Author::ThirdParty(_) => Speaker::Other(Belief::from(&message.judgement)),
    };
    let (number, seq) = (message.ticket, message.seq);
    let arrival = store.origin(Landing::Ticket { number, seq })?.and_then(|origin| origin.arrivals.into_iter().next());
    // An agent's message has the time at which he sent it; here it counts when it came.
    let at = arrival.as_ref().map_or(message.at, |arrival| arrival.at);
    let mailbox = arrival.map_or_else(|| ticket.mailbox.clone(), |arrival| arrival.source.mailbox().to_owned());
    let is_chat = message.channel == Channel::Chat && message.raw.is_none();
    if message.raw.is_none() && !is_chat {
        return Ok(None);
    }
    let origin = Origin::Ticket { number: number.0, seq, speaker };
    Ok(Some(Place { at, number, seq, raw: message.raw.map(|raw| raw.id), mailbox, origin }))
}

fn chat_line(store: &Store, place: &Place) -> Result<Option<Content>, StoreFault> {
    let session = store.ticket(place.number)?.and_then(|ticket| ticket.session);
    let (Some(session), Some(message)) = (session, store.message(place.number, place.seq)?) else { return Ok(None) };
    let Author::Customer { name, address } = message.author else { return Ok(None) };
    Ok(Some(Content::Chat {
        session: anonymous(session),
        client_id: message.client_id.unwrap_or_default(),
        name,
        address: address.map(|address| address.to_string()),
        text: message.body.text,
    }))
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
    octets_max: usize,
    tell: F,
    ended: bool,
}

impl<F: FnMut(Told)> Frames<F> {
    /// No mail has more octets than `mail_octets_max`.
    pub const fn new(mail_octets_max: usize, tell: F) -> Self {
        Self { waiting: Vec::new(), octets_max: mail_octets_max, tell, ended: false }
    }

    /// Whether the end has come.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The header and the octets of the first frame, with where the next begins; `None` until all of it is here.
    fn first(octets: &[u8], octets_max: usize) -> io::Result<Option<Frame<'_>>> {
        let part = |from: usize, max: usize| {
            let Some(length) = octets.get(from..from + 8).and_then(|length| length.try_into().ok()) else { return Ok(None) };
            let length = usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX);
            if length > max {
                return Err(io::Error::other("the daemon tells of something that is too large"));
            }
            Ok(octets.get(from + 8..from + 8 + length).map(|part| (part, from + 8 + length)))
        };
        let Some((header, end)) = part(0, HEADER_OCTETS_MAX)? else { return Ok(None) };
        Ok(part(end, octets_max)?.map(|(raw, end)| (header, raw, end)))
    }
}

impl<F: FnMut(Told)> io::Write for Frames<F> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(octets);
        let mut from = 0;
        while let Some((header, raw, end)) = Self::first(self.waiting.get(from..).unwrap_or_default(), self.octets_max)? {
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
