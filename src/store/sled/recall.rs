//! What was said before, for the few decisions that compare texts with it: bounded, and read only where it is asked for (P11).

use super::engine::Engine;
use crate::domain::change::{Answered, Said};
use crate::domain::message::{HELD, SpanKind, Visibility};
use crate::domain::outbound::{OutboxId, Piece, Purpose};
use crate::domain::ticket::Ticket;
use crate::store::fault::StoreFault;

/// Octets of a text that are compared with another.
const TEXT_OCTETS_MAX: usize = 64 * 1024;
/// Messages of each visibility that are recalled.
const MESSAGES_MAX: usize = 20;
/// Messages that are looked at for them.
const LOOKED_AT_MAX: u32 = 60;

impl Engine {
    /// What a mail of ours says; `None` if there is none.
    pub(super) fn answered(&self, id: OutboxId) -> Result<Option<Answered>, StoreFault> {
        let Some(entry) = self.outbox_entry(id)? else { return Ok(None) };
        let mut answered = Answered::default();
        for piece in &entry.outbound.body {
            match piece {
                Piece::Text(text) => append(&mut answered.own, text),
                // A mail that was held shows the agent his own words, for him to send again.
                Piece::QuotedTextOf(_) if entry.outbound.purpose == Purpose::Held => {}
                Piece::NewTextOf(seq) => {
                    let message = self.message(id.ticket, *seq)?;
                    append(&mut answered.carried, &message.map(|m| m.body.of(SpanKind::New)).unwrap_or_default());
                }
                Piece::QuotedTextOf(seq) => {
                    let message = self.message(id.ticket, *seq)?;
                    append(&mut answered.carried, &message.map(|m| m.body.text).unwrap_or_default());
                }
            }
        }
        Ok(Some(answered))
    }

    /// What was said lately in a ticket, newest first.
    pub(super) fn said(&self, ticket: &Ticket) -> Result<Vec<Said>, StoreFault> {
        let mut said = Vec::new();
        // Counted apart, so that a long thread does not hide what is internal, nor the other way round.
        let mut left = [(MESSAGES_MAX, TEXT_OCTETS_MAX); 2];
        for seq in (1..=ticket.messages).rev().take(LOOKED_AT_MAX as usize) {
            if left.iter().all(|(messages, octets)| *messages == 0 || *octets == 0) {
                break;
            }
            let Some(message) = self.message(ticket.number, seq)? else { continue };
            let (messages, octets) = match message.visibility {
                Visibility::Public => &mut left[0],
                Visibility::Internal => &mut left[1],
            };
            let new = message.body.new_text();
            let text = &new[..new.floor_char_boundary(*octets)];
            // What machines say beside the thread is no secret of anybody's.
            let is_machines = message.visibility == Visibility::Internal && message.machine.is_some();
            if *messages == 0 || text.is_empty() || is_machines {
                continue;
            }
            *messages -= 1;
            *octets -= text.len();
            let held = message.defects.iter().any(|defect| defect.name == HELD);
            said.push(Said { author: message.author, visibility: message.visibility, held, text: text.to_owned() });
        }
        Ok(said)
    }
}

/// Adds a text below another, as far as there is room.
fn append(all: &mut String, text: &str) {
    all.push_str(&text[..text.floor_char_boundary(TEXT_OCTETS_MAX.saturating_sub(all.len() + 1))]);
    all.push('\n');
}
