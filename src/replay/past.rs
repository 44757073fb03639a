//! Something that was said in the past, as it was found and as it is heard.

use crate::domain::address::{Contact, EmailAddress};
use crate::domain::message::{BlobId, BlobRef, Inbound, SessionId};
use crate::domain::verdict::{Basis, Judgement, Verdict};
use crate::intake::inbound;
use crate::mail::forwarded;
use crate::mail::normalise::{NormaliseLimits, Parsed, normalise};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that was said, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    pub at: Timestamp,
    /// The mailbox that it came through, by its name; `None` where only the mail itself can tell.
    pub mailbox: Option<String>,
    /// What people find it by: `#1042.1`, or a file.
    pub name: String,
    pub origin: Origin,
    pub content: Content,
}

/// Where it was found, and what is known there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Among mail: who answers whom has to be seen from it. The last one of a thread says that its matter was done with.
    Archive { last: bool },
    /// In a ticket, which may have been made of messages of another.
    Ticket { number: u64, seq: u32, split_from: Option<u64>, speaker: Speaker },
    /// In no ticket.
    Quarantine,
}

/// Who it was, as the desk saw it then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speaker {
    /// A customer or a third party; with how far he was believed.
    Other(Belief),
    /// An agent, by his address; `false`: his mail was not carried out.
    Agent { address: String, carried_out: bool },
}

/// A verdict of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Belief {
    Authenticated(String),
    Failed,
    /// Looked into, and nothing was found.
    Unknown,
    /// Nobody was asked.
    #[default]
    Unasked,
}

/// What was said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Content {
    /// The octets of a mail; they travel apart from the rest.
    Mail(#[serde(skip)] Vec<u8>),
    Chat {
        /// Names a conversation; not the visitor's secret.
        session: [u8; 16],
        client_id: String,
        name: String,
        address: Option<String>,
        text: String,
    },
}

impl From<&Judgement> for Belief {
    fn from(judgement: &Judgement) -> Self {
        match (&judgement.verdict, judgement.is_judged()) {
            (Verdict::Authenticated { domain }, _) => Self::Authenticated(domain.clone()),
            (Verdict::Failed, _) => Self::Failed,
            (Verdict::Unknown, true) => Self::Unknown,
            (Verdict::Unknown, false) => Self::Unasked,
        }
    }
}

impl Belief {
    /// The judgement, as it was found then.
    #[must_use]
    pub fn judgement(&self) -> Judgement {
        let (verdict, basis) = match self {
            Self::Authenticated(domain) => (Verdict::Authenticated { domain: domain.clone() }, Basis::AuthenticationResults),
            Self::Failed => (Verdict::Failed, Basis::AuthenticationResults),
            Self::Unknown => (Verdict::Unknown, Basis::AuthenticationResults),
            Self::Unasked => (Verdict::Unknown, Basis::Nobody),
        };
        Judgement { verdict, basis, why: "as it was found when it came".to_owned() }
    }
}

/// An item that was read, for both simulations.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Timestamp,
    pub mailbox: Option<String>,
    pub name: String,
    pub origin: Origin,
    pub what: What,
}

/// What was read.
#[derive(Clone, Debug)]
pub enum What {
    /// A mail without the contents of its files; `kept` stand for what the store would hold.
    Mail {
        parsed: Box<Parsed>,
        kept: Vec<BlobRef>,
    },
    Chat(Box<Inbound>),
}

impl Heard {
    /// Reads an item. Only what an agent (`is_agent`) forwards is looked into.
    #[must_use]
    pub fn read(item: Item, limits: &NormaliseLimits, is_agent: impl Fn(&EmailAddress) -> bool) -> Self {
        let Item { at, mailbox, name, origin, content } = item;
        let what = match content {
            Content::Mail(raw) => {
                let mut parsed = normalise(&raw, limits);
                if parsed.from.as_ref().is_some_and(|from| is_agent(&from.address)) {
                    parsed.forwarded = forwarded::find(&parsed, limits).map(Box::new);
                }
                let parts = inbound::parts(raw, &mut parsed);
                // Nobody reads them: their sizes are what rules ask for.
                let kept = parts.iter().map(|part| BlobRef { id: BlobId([0; 32]), size: part.len() as u64 }).collect();
                What::Mail { parsed: Box::new(parsed), kept }
            }
            Content::Chat { session, client_id, name, address, text } => {
                let belief = match &origin {
                    Origin::Ticket { speaker: Speaker::Other(belief), .. } => belief.clone(),
                    Origin::Ticket { speaker: Speaker::Agent { .. }, .. } | Origin::Archive { .. } | Origin::Quarantine => Belief::Unasked,
                };
                let from = address.and_then(|address| EmailAddress::parse(&address).ok()).map(|address| Contact { name, address });
                let said = inbound::in_chat(SessionId(session), client_id, from, text, at);
                What::Chat(Box::new(Inbound { judgement: belief.judgement(), ..said }))
            }
        };
        Self { at, mailbox, name, origin, what }
    }
}
