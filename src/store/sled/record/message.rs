//! Messages, where they landed, and what could not land.

use super::ticket::{ChannelRecord, address, message_id};
use super::{BlobRefRecord, Ms, Record, Unreadable, damaged, from_postcard, twin};
use crate::domain::address::Contact;
use crate::domain::change::{Landing, Quarantined};
use crate::domain::message::{
    Arrival, Attachment, Author, BlobRef, Body, Defect, Message, Origin, Seq, SessionId, Source, Span, SpanKind, TicketNumber, Visibility,
};
use crate::domain::outbound::OutboxId;
use crate::domain::verdict::{Basis, Judgement, Verdict};
use crate::store::fault::StoreFault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

twin!(SpanKindRecord = SpanKind { New, Quoted, Signature, Command });
twin!(VisibilityRecord = Visibility { Public, Internal });

/// Most spans of one text (P11); what follows the last is shown as new, so that nothing is hidden.
const SPANS_MAX: usize = 512;

/// A [`Message`]; ticket and seq are the key. Version 1 ended before the judgement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct MessageRecord {
    first: FirstMessageRecord,
    judgement: JudgementRecord,
}

/// Version 1 of a [`MessageRecord`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FirstMessageRecord {
    author: AuthorRecord,
    visibility: VisibilityRecord,
    channel: ChannelRecord,
    at: Ms,
    message_id: Option<String>,
    text: TextRecord,
    spans: Vec<(SpanKindRecord, u32, u32)>,
    attachments: Vec<AttachmentRecord>,
    raw: Option<BlobRefRecord>,
    machine: Option<String>,
    defects: Vec<(String, String)>,
    chat_seq: Option<u32>,
    client_id: Option<String>,
    /// Counts of outbox entries of the same ticket, nearly always; the ticket only where it is another.
    outbox: Vec<(Option<u64>, u32)>,
}

/// A text in the record, or where it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum TextRecord {
    Here(String),
    Kept(BlobRefRecord),
}

impl Record for MessageRecord {
    const KIND: &'static str = "message";
    const VERSION: u8 = 2;

    fn read_older(version: u8, plain: &[u8]) -> Result<Self, StoreFault> {
        match version {
            1 => Ok(Self { first: from_postcard(Self::KIND, plain)?, judgement: (&Judgement::default()).into() }),
            other => Err(damaged(Self::KIND, format!("has version {other}, which was never written"))),
        }
    }
}

twin!(BasisRecord = Basis { Nobody, AuthenticationResults, ChatToken, OwnCheck });

/// A [`Judgement`].
#[derive(Clone, Debug, Serialize, Deserialize)]
struct JudgementRecord {
    verdict: VerdictRecord,
    basis: BasisRecord,
    why: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum VerdictRecord {
    Authenticated { domain: String },
    Failed,
    Unknown,
}

impl From<&Judgement> for JudgementRecord {
    fn from(judgement: &Judgement) -> Self {
        let Judgement { verdict, basis, why } = judgement;
        let verdict = match verdict {
            Verdict::Authenticated { domain } => VerdictRecord::Authenticated { domain: domain.clone() },
            Verdict::Failed => VerdictRecord::Failed,
            Verdict::Unknown => VerdictRecord::Unknown,
        };
        Self { verdict, basis: (*basis).into(), why: why.clone() }
    }
}

impl From<JudgementRecord> for Judgement {
    fn from(record: JudgementRecord) -> Self {
        let verdict = match record.verdict {
            VerdictRecord::Authenticated { domain } => Verdict::Authenticated { domain },
            VerdictRecord::Failed => Verdict::Failed,
            VerdictRecord::Unknown => Verdict::Unknown,
        };
        Self { verdict, basis: record.basis.into(), why: record.why }
    }
}

impl From<&Message> for MessageRecord {
    fn from(message: &Message) -> Self {
        // Without `..`: a new field must be thought of here.
        let Message {
            ticket,
            seq: _,
            author,
            visibility,
            channel,
            at,
            message_id,
            body,
            attachments,
            raw,
            machine,
            defects,
            judgement,
            chat_seq,
            client_id,
            outbox,
        } = message;
        let first = FirstMessageRecord {
            author: author.into(),
            visibility: (*visibility).into(),
            channel: (*channel).into(),
            at: (*at).into(),
            message_id: message_id.as_ref().map(|id| id.as_str().to_owned()),
            text: body.kept.map_or_else(|| TextRecord::Here(body.text.clone()), |kept| TextRecord::Kept(kept.into())),
            spans: bounded_spans(body, matches!(author, Author::Agent(_))),
            attachments: attachments.iter().map(AttachmentRecord::from).collect(),
            raw: raw.map(BlobRefRecord::from),
            machine: machine.clone(),
            defects: defects.iter().map(|defect| (defect.name.to_owned(), defect.detail.clone())).collect(),
            chat_seq: *chat_seq,
            client_id: client_id.clone(),
            outbox: outbox.iter().map(|id| ((id.ticket != *ticket).then_some(id.ticket.0), id.n)).collect(),
        };
        Self { first, judgement: judgement.into() }
    }
}

/// What is past the bound is one span: of a customer's text it is shown, of an agent's it does not go out.
fn bounded_spans(body: &Body, by_agent: bool) -> Vec<(SpanKindRecord, u32, u32)> {
    let mut spans: Vec<_> = body.spans.iter().take(SPANS_MAX).map(|span| (span.kind.into(), span.start, span.end)).collect();
    if let (true, Some(last), Some(end)) = (body.spans.len() > SPANS_MAX, spans.last_mut(), body.spans.last()) {
        let kind = if by_agent { SpanKindRecord::Quoted } else { SpanKindRecord::New };
        *last = (kind, last.1, end.end);
    }
    spans
}

impl MessageRecord {
    /// Where its text is, if that is not here.
    pub(in crate::store) fn kept_text(&self) -> Option<BlobRef> {
        match self.first.text {
            TextRecord::Here(_) => None,
            TextRecord::Kept(blob) => Some(blob.into()),
        }
    }

    /// The message, with the text that was fetched where [`Self::kept_text`] names one.
    pub(in crate::store) fn message(self, ticket: TicketNumber, seq: Seq, fetched: String) -> Result<Message, Unreadable> {
        let Self { first, judgement } = self;
        let (text, kept) = match first.text {
            TextRecord::Here(text) => (text, None),
            TextRecord::Kept(blob) => (fetched, Some(blob.into())),
        };
        Ok(Message {
            ticket,
            seq,
            author: first.author.try_into()?,
            visibility: first.visibility.into(),
            channel: first.channel.into(),
            at: first.at.try_into()?,
            message_id: first.message_id.as_deref().map(message_id).transpose()?,
            body: Body {
                text,
                spans: first.spans.into_iter().map(|(kind, start, end)| Span { kind: kind.into(), start, end }).collect(),
                kept,
            },
            attachments: first.attachments.into_iter().map(Attachment::from).collect(),
            raw: first.raw.map(BlobRef::from),
            machine: first.machine,
            defects: first.defects.into_iter().map(|(name, detail)| Defect { name: fixed_word(&name), detail }).collect(),
            judgement: judgement.into(),
            chat_seq: first.chat_seq,
            client_id: first.client_id,
            outbox: first.outbox.into_iter().map(|(other, n)| OutboxId { ticket: other.map_or(ticket, TicketNumber), n }).collect(),
        })
    }
}

/// The fixed word of a defect. The words come from our own code, so that few exist; a store that holds very many others
/// is not ours, and its words are not remembered without bound.
fn fixed_word(word: &str) -> &'static str {
    const WORDS_MAX: usize = 500;
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = words.get(word) {
        return known;
    }
    if words.len() >= WORDS_MAX {
        return "other";
    }
    let word: &'static str = Box::leak(word.to_owned().into_boxed_str());
    words.insert(word);
    word
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ContactRecord {
    name: String,
    address: String,
}

impl From<&Contact> for ContactRecord {
    fn from(contact: &Contact) -> Self {
        Self { name: contact.name.clone(), address: contact.address.as_str().to_owned() }
    }
}

impl TryFrom<ContactRecord> for Contact {
    type Error = Unreadable;

    fn try_from(record: ContactRecord) -> Result<Self, Unreadable> {
        Ok(Self { address: address(&record.address)?, name: record.name })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum AuthorRecord {
    Customer { name: String, address: Option<String> },
    ThirdParty(ContactRecord),
    Agent(ContactRecord),
    Desk,
}

impl From<&Author> for AuthorRecord {
    fn from(author: &Author) -> Self {
        match author {
            Author::Customer { name, address } => {
                Self::Customer { name: name.clone(), address: address.as_ref().map(|address| address.as_str().to_owned()) }
            }
            Author::ThirdParty(contact) => Self::ThirdParty(contact.into()),
            Author::Agent(contact) => Self::Agent(contact.into()),
            Author::Desk => Self::Desk,
        }
    }
}

impl TryFrom<AuthorRecord> for Author {
    type Error = Unreadable;

    fn try_from(record: AuthorRecord) -> Result<Self, Unreadable> {
        Ok(match record {
            AuthorRecord::Customer { name, address: text } => Self::Customer { name, address: text.as_deref().map(address).transpose()? },
            AuthorRecord::ThirdParty(contact) => Self::ThirdParty(contact.try_into()?),
            AuthorRecord::Agent(contact) => Self::Agent(contact.try_into()?),
            AuthorRecord::Desk => Self::Desk,
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AttachmentRecord {
    name: String,
    media_type: String,
    blob: BlobRefRecord,
    content_id: Option<String>,
}

impl From<&Attachment> for AttachmentRecord {
    fn from(attachment: &Attachment) -> Self {
        let Attachment { name, media_type, blob, content_id } = attachment;
        Self { name: name.clone(), media_type: media_type.clone(), blob: (*blob).into(), content_id: content_id.clone() }
    }
}

impl From<AttachmentRecord> for Attachment {
    fn from(record: AttachmentRecord) -> Self {
        Self { name: record.name, media_type: record.media_type, blob: record.blob.into(), content_id: record.content_id }
    }
}

/// Where a fingerprint landed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) enum LandingRecord {
    Ticket { number: u64, seq: u32 },
    Quarantine { id: u64 },
}

impl Record for LandingRecord {
    const KIND: &'static str = "landing";
    const VERSION: u8 = 1;
}

impl From<Landing> for LandingRecord {
    fn from(landing: Landing) -> Self {
        match landing {
            Landing::Ticket { number, seq } => Self::Ticket { number: number.0, seq },
            Landing::Quarantine { id } => Self::Quarantine { id },
        }
    }
}

impl From<LandingRecord> for Landing {
    fn from(record: LandingRecord) -> Self {
        match record {
            LandingRecord::Ticket { number, seq } => Self::Ticket { number: TicketNumber(number), seq },
            LandingRecord::Quarantine { id } => Self::Quarantine { id },
        }
    }
}

/// A [`Quarantined`] message; its id is the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct QuarantineRecord {
    at: Ms,
    source: SourceRecord,
    raw: Option<BlobRefRecord>,
    reason: String,
    detail: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum SourceRecord {
    Imap { mailbox: String, uid_validity: u32, uid: u32 },
    Maildir { mailbox: String, file: String },
    Chat { session: [u8; 16], client_id: String },
}

impl From<&Source> for SourceRecord {
    fn from(source: &Source) -> Self {
        match source.clone() {
            Source::Imap { mailbox, uid_validity, uid } => Self::Imap { mailbox, uid_validity, uid },
            Source::Maildir { mailbox, file } => Self::Maildir { mailbox, file },
            Source::Chat { session, client_id } => Self::Chat { session: session.0, client_id },
        }
    }
}

impl From<SourceRecord> for Source {
    fn from(record: SourceRecord) -> Self {
        match record {
            SourceRecord::Imap { mailbox, uid_validity, uid } => Self::Imap { mailbox, uid_validity, uid },
            SourceRecord::Maildir { mailbox, file } => Self::Maildir { mailbox, file },
            SourceRecord::Chat { session, client_id } => Self::Chat { session: SessionId(session), client_id },
        }
    }
}

/// An [`Origin`]; where the message landed is the key. A message of a store from before there were any has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct OriginRecord {
    cut: Option<u64>,
    arrivals: Vec<(SourceRecord, Ms)>,
}

impl Record for OriginRecord {
    const KIND: &'static str = "origin";
    const VERSION: u8 = 1;
}

impl From<&Origin> for OriginRecord {
    fn from(origin: &Origin) -> Self {
        let Origin { arrivals, cut } = origin;
        Self { cut: *cut, arrivals: arrivals.iter().map(|arrival| ((&arrival.source).into(), arrival.at.into())).collect() }
    }
}

impl TryFrom<OriginRecord> for Origin {
    type Error = Unreadable;

    fn try_from(record: OriginRecord) -> Result<Self, Unreadable> {
        let arrivals = record.arrivals.into_iter().map(|(source, at)| Ok(Arrival { source: source.into(), at: at.try_into()? }));
        Ok(Self { cut: record.cut, arrivals: arrivals.collect::<Result<_, Unreadable>>()? })
    }
}

impl Record for QuarantineRecord {
    const KIND: &'static str = "quarantined message";
    const VERSION: u8 = 1;
}

impl From<&Quarantined> for QuarantineRecord {
    fn from(quarantined: &Quarantined) -> Self {
        let Quarantined { at, source, raw, reason, detail } = quarantined;
        Self { at: (*at).into(), source: source.into(), raw: raw.map(BlobRefRecord::from), reason: reason.clone(), detail: detail.clone() }
    }
}

impl TryFrom<QuarantineRecord> for Quarantined {
    type Error = Unreadable;

    fn try_from(record: QuarantineRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            at: record.at.try_into()?,
            source: record.source.into(),
            raw: record.raw.map(BlobRef::from),
            reason: record.reason,
            detail: record.detail,
        })
    }
}
