//! What somebody said: [`Inbound`] on its way in, [`Message`] once it belongs to a ticket.

use super::address::{Contact, EmailAddress};
use super::bounce::Bounce;
use super::customer::LookedUp;
use super::verdict::Judgement;
use jiff::Timestamp;
use std::fmt;

/// The number that people say: `#1042`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketNumber(pub u64);

impl TicketNumber {
    /// No ticket's: the home of mails that the desk writes to those who run it (see `domain::ops`).
    pub const DESK: Self = Self(0);
}

impl fmt::Display for TicketNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Place of a message in its ticket, from 1.
pub type Seq = u32;

/// How a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    Mail,
    Chat,
    Phone,
}

impl Channel {
    /// The word that configuration and JSON use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Chat => "chat",
            Self::Phone => "phone",
        }
    }
}

/// A Message-ID without its angle brackets, cleaned: no white space, no control character, at most 250 octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Longest id that is kept, in octets; a longer one is cut, so that it still threads with itself.
    pub const OCTETS_MAX: usize = 250;

    /// Cleans what stands in a header; `None` if nothing usable stays.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self::cleaned(text);
        // RFC 5322 section 3.6.4: an id has two sides; words of a sentence ("Your", "message") have not.
        (id.len() > 2 && id.contains('@')).then_some(Self(id))
    }

    /// An id of our own making, from its two sides.
    #[must_use]
    pub fn of_sides(local: &str, domain: &str) -> Self {
        Self(Self::cleaned(&format!("{local}@{domain}")))
    }

    fn cleaned(text: &str) -> String {
        // Cleaned first, then cut, so that what was parsed once parses to itself again: it is stored as text.
        let clean: String = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        let mut id = clean.trim_start_matches('<').trim_end_matches('>').to_owned();
        while id.len() > Self::OCTETS_MAX || id.ends_with('>') {
            id.pop();
        }
        id
    }

    /// Without angle brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a message the same message (P2): for mail a hash of what every copy of it shares, for chat
/// of the session and the client's own id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// BLAKE3 of a content that is kept outside the records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// A kept content with its size in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRef {
    pub id: BlobId,
    pub size: u64,
}

/// One visitor's conversation in the chat window. It is the visitor's secret: who knows it may read on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// The 32 hexadecimal digits of the wire.
    #[must_use]
    pub fn to_hex(self) -> String {
        Hex(&self.0).to_string()
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        let mut id = [0u8; 16];
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Debug for SessionId {
    /// A secret: only enough to tell two apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {:02x}{:02x}…", self.0[0], self.0[1])
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(self.0, f)
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

/// Where a message was taken in, so that it can be settled there and is not taken in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A message of an IMAP folder (RFC 9051 section 2.3.1.1: the three together never mean another message).
    Imap { mailbox: String, uid_validity: u32, uid: u32 },
    /// A file of a local Maildir, by its unique name without flags.
    Maildir { mailbox: String, file: String },
    /// A frame of a chat client, by the client's own id.
    Chat { session: SessionId, client_id: String },
}

impl Source {
    /// How a message comes in from there.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Imap { .. } | Self::Maildir { .. } => Channel::Mail,
            Self::Chat { .. } => Channel::Chat,
        }
    }

    /// The mailbox's name, or `chat`.
    #[must_use]
    pub fn mailbox(&self) -> &str {
        match self {
            Self::Imap { mailbox, .. } | Self::Maildir { mailbox, .. } => mailbox,
            Self::Chat { .. } => "chat",
        }
    }
}

/// One way by which a message came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub source: Source,
    /// When it was taken in from there.
    pub at: Timestamp,
}

/// How a message came in: the routes of all its copies, and whether all of it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// In the order in which they were found, at most [`Origin::ARRIVALS_MAX`].
    pub arrivals: Vec<Arrival>,
    /// Only the start of it is kept; here is the size of all of it, in octets, as its source claims it.
    pub cut: Option<u64>,
}

impl Origin {
    /// How many routes are remembered (P11): a mail to a list that feeds many mailboxes needs a few.
    pub const ARRIVALS_MAX: usize = 16;

    /// Notes a route. `false`: it is known already, or there are too many.
    pub fn add(&mut self, arrival: &Arrival) -> bool {
        let known = self.arrivals.iter().any(|other| other.source == arrival.source);
        if known || self.arrivals.len() >= Self::ARRIVALS_MAX {
            return false;
        }
        self.arrivals.push(arrival.clone());
        true
    }
}

/// What a part of a message's text is. Nothing is deleted: a part is only shown or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// What the writer says now.
    New,
    /// What he repeats of an earlier message, with the line that introduces it.
    Quoted,
    /// His signature or the legal notice below it.
    Signature,
    /// A command line of an agent.
    Command,
}

/// A stretch of a text, in octets from its start; spans follow one another and cover the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub kind: SpanKind,
    pub start: u32,
    pub end: u32,
}

/// The text of a message and what its parts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    pub text: String,
    pub spans: Vec<Span>,
    /// Where the text is kept if it is too long for a record; [`super::super::store`] decides.
    pub kept: Option<BlobRef>,
}

impl Body {
    /// A text that is new from start to end.
    #[must_use]
    pub fn all_new(text: impl Into<String>) -> Self {
        let text = text.into();
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { spans: vec![Span { kind: SpanKind::New, start: 0, end }], text, kept: None }
    }

    /// All that is of one kind, joined and trimmed of empty lines at both ends.
    #[must_use]
    pub fn of(&self, kind: SpanKind) -> String {
        let all: String = self.parts(kind).collect();
        all.trim_matches(['\n', '\r']).trim_end().to_owned()
    }

    /// Whether the writer says anything now.
    #[must_use]
    pub fn says_something_new(&self) -> bool {
        self.parts(SpanKind::New).any(|part| !part.trim_start().is_empty())
    }

    fn parts(&self, kind: SpanKind) -> impl Iterator<Item = &str> {
        let spans = self.spans.iter().filter(move |span| span.kind == kind);
        spans.filter_map(|span| self.text.get(span.start as usize..span.end as usize))
    }

    /// What the writer says now.
    #[must_use]
    pub fn new_text(&self) -> String {
        self.of(SpanKind::New)
    }
}

/// A file that came with a message. The name is display data: cleaned, never a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    pub media_type: String,
    pub blob: BlobRef,
    /// Content-ID of an inline picture, without angle brackets.
    pub content_id: Option<String>,
}

/// What is odd about a message that is filed all the same: a fixed word for machines and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Such as `no_date`, `cut_text`, `unknown_charset`.
    pub name: &'static str,
    pub detail: String,
}

/// Which machine speaks and how it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Out of office, receipts and other replies that a program wrote.
    AutoReply,
    /// Reports of a mail system about mail that could not be delivered.
    Bounce,
    /// Lists and newsletters.
    Bulk,
    /// A program that reports on its own account (`auto-generated`): a customer's monitor, a web form. It may open a
    /// ticket, but is never answered.
    Generated,
    /// Our own mail come back.
    Ourselves,
}

/// Two-letter language code, lower case (ISO 639-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language([u8; 2]);

impl Language {
    /// English: the language of last resort.
    pub const EN: Self = Self(*b"en");

    /// Reads the primary subtag of a language tag: `pt-BR` is `pt` (RFC 5646 section 2.2.1).
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?.trim();
        let &[a, b] = primary.as_bytes() else { return None };
        (a.is_ascii_alphabetic() && b.is_ascii_alphabetic()).then_some(Self([a.to_ascii_lowercase(), b.to_ascii_lowercase()]))
    }

    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("en")
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A proof, found in an address or a Message-ID, that its bearer was written to about a ticket. Only
/// `mail::token` makes one, after checking the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub ticket: TicketNumber,
    pub bound_to: Bound,
    /// Where it stood, for the history: `reply address` or `Message-ID`.
    pub stood_in: &'static str,
}

/// Whom a claim was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The customer's side of the ticket.
    Customer,
    /// This agent; the signature covers the address (P8).
    Agent(EmailAddress),
    /// Somebody whom an agent asked privately: whatever comes with it stays internal.
    Asked,
}

/// A message on its way in: parsed, bounded, its long parts already kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    pub source: Source,
    pub channel: Channel,
    pub fingerprint: Fingerprint,
    /// How far its IMAP folder had landed without a gap when it came: the mailbox's cursor moves so far.
    pub landed_to: Option<u32>,
    /// The octets as they came; `None` for chat, whose text is all there is.
    pub raw: Option<BlobRef>,
    /// These are only the start; here is the size of all of it, in octets, as its source claims it.
    pub cut: Option<u64>,
    /// When the daemon took it in. Order and clocks use this, never the sender's date.
    pub received_at: Timestamp,
    /// What the sender's Date header claims.
    pub sent_at: Option<Timestamp>,
    pub message_id: Option<MessageId>,
    pub in_reply_to: Vec<MessageId>,
    /// Oldest first, as in the header, at most [`REFERENCES_MAX`].
    pub references: Vec<MessageId>,
    /// `None` where no single usable From address stands.
    pub from: Option<Contact>,
    pub reply_to: Vec<Contact>,
    /// To and Cc, without our own; at most [`RECIPIENTS_MAX`].
    pub recipients: Vec<Contact>,
    pub claims: Vec<Claim>,
    pub subject: String,
    pub body: Body,
    pub attachments: Vec<Attachment>,
    pub machine: Option<(Machine, String)>,
    pub bounce: Option<Bounce>,
    pub language: Option<Language>,
    pub defects: Vec<Defect>,
    /// How far `from` is to be believed.
    pub judgement: Judgement,
    /// Those fields of its header that some rule asks for, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What another system said of `from`, or of the writer of what is forwarded; `None` if none was asked.
    pub looked_up: Option<Box<LookedUp>>,
    /// The mail of somebody else that it shows; looked for only where an agent's address writes without any claim.
    pub forwarded: Option<Box<Forwarded>>,
}

/// A mail that was forwarded: what it says of itself, which is as true as he who forwards it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Who wrote it.
    pub from: Contact,
    pub subject: String,
    /// Only where a time zone stands beside the time.
    pub sent_at: Option<Timestamp>,
    pub message_id: Option<MessageId>,
    /// What he wrote.
    pub body: Body,
    /// What stands above it: the words of the one who forwards.
    pub above: Body,
    /// His files: those of the attached mail, else all that came.
    pub attachments: Vec<Attachment>,
    pub machine: Option<(Machine, String)>,
    pub language: Option<Language>,
    /// It came as a file, with its own header, and not as a part of the text.
    pub attached: bool,
}

impl Inbound {
    /// Somebody says this there, of whom nothing else is known.
    #[must_use]
    pub fn new(source: Source, fingerprint: Fingerprint, received_at: Timestamp, text: impl Into<String>) -> Self {
        Self {
            channel: source.channel(),
            source,
            fingerprint,
            landed_to: None,
            raw: None,
            cut: None,
            received_at,
            sent_at: None,
            message_id: None,
            in_reply_to: Vec::new(),
            references: Vec::new(),
            from: None,
            reply_to: Vec::new(),
            recipients: Vec::new(),
            claims: Vec::new(),
            subject: String::new(),
            body: Body::all_new(text),
            attachments: Vec::new(),
            machine: None,
            bounce: None,
            language: None,
            defects: Vec::new(),
            judgement: Judgement::default(),
            headers: Vec::new(),
            looked_up: None,
            forwarded: None,
        }
    }

    /// Whether another system knows its sender as a customer.
    #[must_use]
    pub fn is_found(&self) -> bool {
        matches!(self.looked_up.as_deref(), Some(LookedUp::Found(_)))
    }

    /// The chat window that it came from, if it did.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self.source {
            Source::Chat { session, .. } => Some(session),
            Source::Imap { .. } | Source::Maildir { .. } => None,
        }
    }
}

impl Inbound {
    /// Where its mailbox's cursor may stand once this is committed.
    #[must_use]
    pub fn cursor(&self) -> Option<Source> {
        match (&self.source, self.landed_to) {
            (Source::Imap { mailbox, uid_validity, .. }, Some(uid)) => {
                Some(Source::Imap { mailbox: mailbox.clone(), uid_validity: *uid_validity, uid })
            }
            (Source::Imap { .. } | Source::Maildir { .. } | Source::Chat { .. }, _) => None,
        }
    }

    /// The route by which it came; none for chat, whose window is known otherwise.
    #[must_use]
    pub fn arrival(&self) -> Option<Arrival> {
        match self.source {
            Source::Imap { .. } | Source::Maildir { .. } => Some(Arrival { source: self.source.clone(), at: self.received_at }),
            Source::Chat { .. } => None,
        }
    }

    /// The window's own name for what its visitor said.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match &self.source {
            Source::Chat { client_id, .. } => Some(client_id),
            Source::Imap { .. } | Source::Maildir { .. } => None,
        }
    }
}

/// How many ids of a References header are looked at; the newest are kept.
pub const REFERENCES_MAX: usize = 50;
/// How many addresses of To and Cc are kept as display data.
pub const RECIPIENTS_MAX: usize = 50;

/// Who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The requester or a participant; a chat visitor may have no address.
    Customer {
        name: String,
        address: Option<EmailAddress>,
    },
    /// Somebody who holds a token of the ticket but is no participant: agents see it, nothing is sent there.
    ThirdParty(Contact),
    Agent(Contact),
    Desk,
}

/// Who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    Public,
    Internal,
}

/// One thing that somebody said, as part of a ticket. Never changed afterwards, but that one of which only the start had
/// come is made whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub ticket: TicketNumber,
    pub seq: Seq,
    pub author: Author,
    pub visibility: Visibility,
    pub channel: Channel,
    pub at: Timestamp,
    pub message_id: Option<MessageId>,
    pub body: Body,
    pub attachments: Vec<Attachment>,
    pub raw: Option<BlobRef>,
    /// `auto_reply`, `bounce`, … where a machine speaks.
    pub machine: Option<String>,
    pub defects: Vec<Defect>,
    /// How far its author is to be believed, as it was found when it came.
    pub judgement: Judgement,
    /// Place in the chat window's own count, where it is shown there.
    pub chat_seq: Option<u32>,
    /// The window's own name for what its visitor said.
    pub client_id: Option<String>,
    /// The mails that carry it out; their states make up its `delivery`.
    pub outbox: Vec<super::outbound::OutboxId>,
}

/// The defect of an agent's mail that was not carried out.
pub const HELD: &str = "held";

/// The defect of a message of which only the start was fetched.
pub const TOO_LARGE: &str = "too_large";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_p11_a_route_is_noted_once_and_few_are() {
        let arrival = |uid| Arrival { source: Source::Imap { mailbox: "support".into(), uid_validity: 1, uid }, at: Timestamp::UNIX_EPOCH };
        let mut origin = Origin::default();
        assert!(origin.add(&arrival(1)));
        assert!(!origin.add(&Arrival { at: Timestamp::MAX, ..arrival(1) }), "the same place at another time");
        for uid in 2..100 {
            origin.add(&arrival(uid));
        }
        assert_eq!(origin.arrivals.len(), Origin::ARRIVALS_MAX);
    }
}
