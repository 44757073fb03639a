//! What was cut is made whole: a message of which only the start was fetched, since it was too large, gets the rest when a
//! person asks for it. It keeps its place, its writer and its time; its octets, text and attachments are those of the whole.

use super::Desk;
use crate::domain::change::{Landing, Need};
use crate::domain::decide;
use crate::domain::message::{Author, Defect, Message, Origin, Seq, Source, TOO_LARGE, TicketNumber};
use crate::store::StoreFault;

/// Why a message is not made whole.
#[derive(Debug, thiserror::Error)]
pub enum WholeFault {
    #[error("there is no message {seq} in {ticket}")]
    NoSuch { ticket: TicketNumber, seq: Seq },
    #[error("all of message {seq} of {ticket} is here already")]
    Already { ticket: TicketNumber, seq: Seq },
    /// What was given does not begin as what is kept.
    #[error("that is not the mail that message {seq} of {ticket} is the start of")]
    Another { ticket: TicketNumber, seq: Seq },
    #[error("the parser gave up on the whole of message {seq} of {ticket}: `--output FILE` saves it")]
    Unreadable { ticket: TicketNumber, seq: Seq },
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Desk {
    /// The message with its origin; `None` if there is no such message.
    ///
    /// # Errors
    /// The store's.
    pub fn message_and_origin(&self, ticket: TicketNumber, seq: Seq) -> Result<Option<(Message, Origin)>, StoreFault> {
        let Some(message) = self.0.store.message(ticket, seq)? else { return Ok(None) };
        let origin = self.0.store.origin(Landing::Ticket { number: ticket, seq })?.unwrap_or_default();
        Ok(Some((message, origin)))
    }

    /// The octets of a message as they came; `None` if there is no such message or nothing of it is kept.
    ///
    /// # Errors
    /// The store's.
    pub async fn message_raw(&self, ticket: TicketNumber, seq: Seq) -> Result<Option<Vec<u8>>, StoreFault> {
        match self.0.store.message(ticket, seq)?.and_then(|message| message.raw) {
            Some(raw) => self.0.store.blob(raw.id).await,
            None => Ok(None),
        }
    }

    /// Makes a message whole that was cut; on disk on return. Once done it is not done again.
    ///
    /// # Errors
    /// Why it stays as it is.
    pub async fn make_whole(&self, number: TicketNumber, seq: Seq, raw: Vec<u8>) -> Result<Message, WholeFault> {
        let (message, origin) = self.cut_message(number, seq)?;
        let another = || WholeFault::Another { ticket: number, seq };
        let start = self.message_raw(number, seq).await?.ok_or_else(another)?;
        if raw.len() < start.len() || !raw.starts_with(&start) {
            return Err(another());
        }
        let octets = raw.len() as u64;
        let Ok((raw, Some(parsed))) = self.parse(raw, None).await else {
            return Err(WholeFault::Unreadable { ticket: number, seq });
        };
        let source = origin.arrivals.into_iter().next().map(|arrival| arrival.source);
        let source = source.unwrap_or(Source::Maildir { mailbox: String::new(), file: String::new() });
        let inbound = self.keep(source, raw, parsed, None, (message.judgement.clone(), &self.policy())).await?;
        let note = Defect { name: "fetched_later", detail: format!("only its beginning had come; all {octets} octets were fetched later") };
        let whole = Message {
            // An agent's words went out as they were read then: they stay what they were.
            body: if matches!(message.author, Author::Agent(_)) { message.body.clone() } else { inbound.body },
            attachments: inbound.attachments,
            raw: inbound.raw,
            defects: std::iter::once(note).chain(inbound.defects).collect(),
            ..message
        };
        let decided = || {
            // Somebody may have been faster.
            self.cut_message(number, seq)?;
            let ticket = self.0.store.ticket(number)?.ok_or(WholeFault::NoSuch { ticket: number, seq })?;
            let need = Need { fingerprint: Some(inbound.fingerprint), ..Need::default() };
            let unknown = self.0.store.context(&need)?.seen.is_none();
            let fingerprint = Some(inbound.fingerprint).filter(|_| unknown);
            Ok::<_, WholeFault>(Some(decide::on_whole(&ticket, whole.clone(), fingerprint, octets, self.0.clock.now())))
        };
        self.carry_out_durably(decided).await?;
        tracing::info!(ticket = number.0, seq, octets, "made whole by hand");
        Ok(whole)
    }

    fn cut_message(&self, number: TicketNumber, seq: Seq) -> Result<(Message, Origin), WholeFault> {
        let found = self.message_and_origin(number, seq)?.ok_or(WholeFault::NoSuch { ticket: number, seq })?;
        if is_cut(&found.0, &found.1) { Ok(found) } else { Err(WholeFault::Already { ticket: number, seq }) }
    }
}

/// Whether only the start of a message is here. What was taken in before origins were kept bears the defect alone.
#[must_use]
pub fn is_cut(message: &Message, origin: &Origin) -> bool {
    origin.cut.is_some() || message.defects.iter().any(|defect| defect.name == TOO_LARGE)
}
