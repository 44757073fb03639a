//! Entries of the outbox.

use super::message::{AttachmentRecord, ContactRecord};
use super::ticket::{address, message_id};
use super::{Ms, Record, Unreadable, twin};
use crate::domain::address::Contact;
use crate::domain::message::{Attachment, SessionId};
use crate::domain::outbound::{Audience, Automatic, Delivery, Outbound, OutboxId, Piece, Purpose, Route};
use crate::store::outbox::Attempts;
use serde::{Deserialize, Serialize};

twin!(
    PurposeRecord = Purpose {
        Ack,
        Answer,
        Notification,
        Held,
        Reply,
        Warning,
        Breach,
        Review,
        Alarm,
        Recovery,
        Digest,
        Question,
        Escalation,
        Reminder,
        Delay,
        Nudge,
        Checkin
    }
);
twin!(AutomaticRecord = Automatic { Replied, Generated });
twin!(DeliveryRecord = Delivery { Queued, Deferred, Uncertain, Sent, Bounced, Failed });

/// An [`Outbound`]; its id is the key. Written once: what changes with each attempt is [`AttemptsRecord`], which is small,
/// since the engine gives space back slowly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct OutboxRecord {
    purpose: PurposeRecord,
    route: RouteRecord,
    audience: AudienceRecord,
    from: String,
    from_name: String,
    to: Option<ContactRecord>,
    shown_to: Vec<ContactRecord>,
    subject: String,
    in_reply_to: Option<String>,
    references: Vec<String>,
    body: Vec<PieceRecord>,
    attachments: Vec<AttachmentRecord>,
    automatic: Option<AutomaticRecord>,
    created: Ms,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum RouteRecord {
    Mail,
    Chat { session: [u8; 16], chat_seq: u32, else_mail: bool },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum AudienceRecord {
    Customer,
    Agent(String),
    Informed,
    Asked,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum PieceRecord {
    Text(String),
    NewTextOf(u32),
    QuotedTextOf(u32),
}

impl Record for OutboxRecord {
    const KIND: &'static str = "outbox entry";
    const VERSION: u8 = 1;
}

impl From<&Outbound> for OutboxRecord {
    fn from(outbound: &Outbound) -> Self {
        // Without `..`: a new field must be thought of here.
        let Outbound {
            id: _,
            purpose,
            route,
            audience,
            from,
            from_name,
            to,
            shown_to,
            subject,
            in_reply_to,
            references,
            body,
            attachments,
            automatic,
            created,
        } = outbound;
        Self {
            purpose: (*purpose).into(),
            route: match *route {
                Route::Mail => RouteRecord::Mail,
                Route::Chat { session, chat_seq, else_mail } => RouteRecord::Chat { session: session.0, chat_seq, else_mail },
            },
            audience: match audience {
                Audience::Customer => AudienceRecord::Customer,
                Audience::Agent(address) => AudienceRecord::Agent(address.as_str().to_owned()),
                Audience::Informed => AudienceRecord::Informed,
                Audience::Asked => AudienceRecord::Asked,
            },
            from: from.as_str().to_owned(),
            from_name: from_name.clone(),
            to: to.as_ref().map(ContactRecord::from),
            shown_to: shown_to.iter().map(ContactRecord::from).collect(),
            subject: subject.clone(),
            in_reply_to: in_reply_to.as_ref().map(|id| id.as_str().to_owned()),
            references: references.iter().map(|id| id.as_str().to_owned()).collect(),
            body: body
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => PieceRecord::Text(text.clone()),
                    Piece::NewTextOf(seq) => PieceRecord::NewTextOf(*seq),
                    Piece::QuotedTextOf(seq) => PieceRecord::QuotedTextOf(*seq),
                })
                .collect(),
            attachments: attachments.iter().map(AttachmentRecord::from).collect(),
            automatic: automatic.map(AutomaticRecord::from),
            created: (*created).into(),
        }
    }
}

impl OutboxRecord {
    pub(in crate::store) fn outbound(self, id: OutboxId) -> Result<Outbound, Unreadable> {
        Ok(Outbound {
            id,
            purpose: self.purpose.into(),
            route: match self.route {
                RouteRecord::Mail => Route::Mail,
                RouteRecord::Chat { session, chat_seq, else_mail } => Route::Chat { session: SessionId(session), chat_seq, else_mail },
            },
            audience: match self.audience {
                AudienceRecord::Customer => Audience::Customer,
                AudienceRecord::Agent(text) => Audience::Agent(address(&text)?),
                AudienceRecord::Informed => Audience::Informed,
                AudienceRecord::Asked => Audience::Asked,
            },
            from: address(&self.from)?,
            from_name: self.from_name,
            to: self.to.map(Contact::try_from).transpose()?,
            shown_to: self.shown_to.into_iter().map(Contact::try_from).collect::<Result<_, _>>()?,
            subject: self.subject,
            in_reply_to: self.in_reply_to.as_deref().map(message_id).transpose()?,
            references: self.references.iter().map(|text| message_id(text)).collect::<Result<_, _>>()?,
            body: self
                .body
                .into_iter()
                .map(|piece| match piece {
                    PieceRecord::Text(text) => Piece::Text(text),
                    PieceRecord::NewTextOf(seq) => Piece::NewTextOf(seq),
                    PieceRecord::QuotedTextOf(seq) => Piece::QuotedTextOf(seq),
                })
                .collect(),
            attachments: self.attachments.into_iter().map(Attachment::from).collect(),
            automatic: self.automatic.map(Automatic::from),
            created: self.created.try_into()?,
        })
    }
}

/// How far an entry is; its id is the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct AttemptsRecord {
    delivery: DeliveryRecord,
    attempts: u32,
    next_attempt: Option<Ms>,
    last_error: Option<String>,
    /// A chat delivery that has turned to mail.
    by_mail: bool,
}

impl Record for AttemptsRecord {
    const KIND: &'static str = "state of an outbox entry";
    const VERSION: u8 = 1;
}

impl From<&Attempts> for AttemptsRecord {
    fn from(attempts: &Attempts) -> Self {
        let Attempts { delivery, attempts, next_attempt, last_error, by_mail } = attempts;
        Self {
            delivery: (*delivery).into(),
            attempts: *attempts,
            next_attempt: next_attempt.map(Ms::from),
            last_error: last_error.clone(),
            by_mail: *by_mail,
        }
    }
}

impl TryFrom<AttemptsRecord> for Attempts {
    type Error = Unreadable;

    fn try_from(record: AttemptsRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            delivery: record.delivery.into(),
            attempts: record.attempts,
            next_attempt: record.next_attempt.map(TryInto::try_into).transpose()?,
            last_error: record.last_error,
            by_mail: record.by_mail,
        })
    }
}
