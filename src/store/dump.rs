//! The whole store as text (`guichet dump`): one line a row, in the order of the rows, for comparing two stores and for reports
//! to whoever looks after the program.
//!
//! What people wrote, who they are, and what opens a ticket (our own Message-IDs bear signatures) stands in it as a hash under
//! a key of this installation: equal things stay equal, and nothing can be guessed from it. Contents of blobs are named by
//! their own hash.

use super::blobs::Location;
use super::fault::StoreFault;
use super::sled::engine::{Engine, Row};
use super::sled::keys::{self, Kind, NEVER_MS, Parts};
use super::sled::open::{META_DESK, META_INDEXED};
use super::sled::read::{bad_key, mark_of, outbox_id};
use super::sled::record::{
    AcksRecord, BlobRecord, ChatEventRecord, CounterRecord, CursorRecord, HistoryRecord, LandingRecord, MessageRecord, QuarantineRecord,
    Record,
};
use super::sled::record::{LoadRecord, OriginRecord, TallyRecord, TurnRecord};
use crate::domain::address::{Contact, EmailAddress};
use crate::domain::assign::{Load, Turn};
use crate::domain::away::Away;
use crate::domain::bounce::Mark;
use crate::domain::change::{Actor, ChatSession, History, Landing, Quarantined};
use crate::domain::message::Origin;
use crate::domain::message::{
    Attachment, Author, BlobId, BlobRef, Body, Fingerprint, Message, MessageId, SessionId, Source, SpanKind, TicketNumber, Visibility,
};
use crate::domain::ops::DeskState;
use crate::domain::outbound::{Audience, Automatic, Outbound, OutboxId, Piece, Route};
use crate::domain::sla::{Clock, ClockState};
use crate::domain::tally::Tally;
use crate::domain::ticket::{Priority, Status, Ticket};
use crate::store::outbox::Attempts;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How a dump is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpOptions {
    /// Times as `T` and figures within texts of our own as `0`, and without what a store keeps of its mailboxes and files
    /// alone: two stores that took in the same mail at different times are then the same.
    pub without_times: bool,
}

/// Gives all lines to `line`, until it says that nobody reads on. A row that cannot be read is a line, too.
pub(super) fn dump(engine: &Engine, key: &[u8; 32], options: DumpOptions, mut line: impl FnMut(String) -> bool) -> Result<(), StoreFault> {
    let dump = Dump { engine, key, options };
    for row in engine.all() {
        let row = row?;
        let text = match dump.row(&row) {
            Ok(text) => text,
            Err(fault @ StoreFault::Io(_)) => return Err(fault),
            Err(fault) => Some(format!("unreadable: {fault}")),
        };
        if text.is_some_and(|text| !line(text)) {
            break;
        }
    }
    Ok(())
}

struct Dump<'a> {
    engine: &'a Engine,
    key: &'a [u8; 32],
    options: DumpOptions,
}

impl Dump<'_> {
    fn row(&self, row: &Row) -> Result<Option<String>, StoreFault> {
        let (key, value) = row;
        let Some(kind) = key.first().copied().and_then(Kind::read) else { return Err(bad_key("row")) };
        Ok(Some(match kind {
            Kind::Meta => return self.meta(key),
            Kind::Ticket => self.ticket(&self.engine.ticket_of_row(row)?),
            Kind::Message => {
                let (ticket, seq) = counted(key)?;
                self.message(&self.engine.message(ticket, seq)?.ok_or_else(|| bad_key(MessageRecord::KIND))?)
            }
            Kind::History => {
                let (ticket, n) = counted(key)?;
                let line = History::try_from(self.engine.read::<HistoryRecord>(value)?).map_err(|word| word.of(HistoryRecord::KIND))?;
                self.history(ticket, n, &line)
            }
            Kind::Fingerprint => {
                let fingerprint = Parts::of(key).take().map(Fingerprint).ok_or_else(|| bad_key("fingerprint"))?;
                format!("fingerprint {fingerprint:?} landed={}", landing(self.engine.read::<LandingRecord>(value)?.into()))
            }
            Kind::MessageId => self.index("message-id", key)?,
            Kind::Requester => self.index("requester", key)?,
            Kind::Due => {
                let (at, ticket) = keys::read_due(key).ok_or_else(|| bad_key("due"))?;
                format!("due {ticket} at={}", self.millisecond(at))
            }
            Kind::Outbox => {
                let id = outbox_id(key)?;
                self.outbound(&self.engine.outbox_entry(id)?.ok_or_else(|| bad_key("outbox"))?.outbound)
            }
            Kind::Attempts => {
                let id = outbox_id(key)?;
                self.attempts(id, &self.engine.attempts(id)?.ok_or_else(|| bad_key("outbox"))?)
            }
            Kind::OutboxDue => {
                let (at, id) = keys::read_outbox_due(key).ok_or_else(|| bad_key("outbox"))?;
                format!("outbox-due {id} at={}", self.millisecond(at))
            }
            Kind::Acks => {
                let times = self.engine.read::<AcksRecord>(value)?.times().map_err(|word| word.of(AcksRecord::KIND))?;
                let times: Vec<String> = times.into_iter().map(|at| self.time(at)).collect();
                format!("acks {} at={}", self.hash(key.get(1..).unwrap_or_default()), list(&times))
            }
            Kind::AckTally => {
                let tally: Tally = self.engine.read::<TallyRecord>(value)?.into();
                let whose = self.hash(key.get(1..).unwrap_or_default());
                let together = tally.counts.iter().fold(0_u32, |sum, count| sum.saturating_add(*count));
                if self.options.without_times {
                    format!("ack-tally {whose} {together}")
                } else {
                    format!("ack-tally {whose} {together} steps={:?} last={}", tally.counts, tally.last)
                }
            }
            Kind::Mark => {
                let Mark { address, since, complained, reason, about } = mark_of(self.engine.read(value)?)?;
                let (address, reason) = (self.hash(address.as_str().as_bytes()), self.hash(reason.as_bytes()));
                format!("mark {address} since={} complained={complained} about={about} reason={reason}", self.time(since))
            }
            Kind::Cursor => return self.cursor(key, value),
            Kind::Session => {
                let id = Parts::of(key).take().map(SessionId).ok_or_else(|| bad_key("chat session"))?;
                self.session(&self.engine.session(id)?.ok_or_else(|| bad_key("chat session"))?)
            }
            Kind::ChatEvent => {
                let mut parts = Parts::of(key);
                let (session, n) = (parts.take().map(SessionId), parts.count());
                let (Some(session), Some(n)) = (session, n) else { return Err(bad_key("chat event")) };
                let event: ChatEventRecord = self.engine.read(value)?;
                format!("chat-event {} {n} message=#{}.{}", self.hash(&session.0), event.ticket, event.seq)
            }
            Kind::Quarantine => {
                let (id, quarantined) = self.engine.quarantined_of_row(row)?;
                self.quarantined(id, &quarantined)
            }
            Kind::Released => {
                let id = Parts::of(key).number().ok_or_else(|| bad_key(QuarantineRecord::KIND))?;
                format!("released {id} landed={}", landing(self.engine.read::<LandingRecord>(value)?.into()))
            }
            Kind::Origin => {
                let (ticket, seq) = counted(key)?;
                self.origin(&format!("{ticket}.{seq}"), &self.origin_of(value)?)
            }
            Kind::QuarantineOrigin => {
                let id = Parts::of(key).number().ok_or_else(|| bad_key(OriginRecord::KIND))?;
                self.origin(&format!("quarantine {id}"), &self.origin_of(value)?)
            }
            Kind::Load => {
                let agent = keys::read_load(key).ok_or_else(|| bad_key(LoadRecord::KIND))?;
                let load = Load::from(self.engine.read::<LoadRecord>(value)?);
                let tickets: Vec<String> = Priority::ALL.iter().zip(load.0).map(|(p, tickets)| format!("{}:{tickets}", p.word())).collect();
                format!("load {agent} tickets={} weight={}", list(&tickets), load.weight())
            }
            Kind::Turn => {
                let Turn { team, agent, n } = self.engine.read::<TurnRecord>(value)?.into();
                format!("turn {team} {agent} n={n}")
            }
            Kind::Away => {
                let Away { agent, since, until } = self.engine.away_of_row(row)?;
                format!("away {agent} since={} until={}", self.time(since), self.maybe_time(until))
            }
            Kind::Blob => self.blob(key, value)?,
        }))
    }

    fn origin_of(&self, value: &[u8]) -> Result<Origin, StoreFault> {
        Origin::try_from(self.engine.read::<OriginRecord>(value)?).map_err(|word| word.of(OriginRecord::KIND))
    }

    fn meta(&self, key: &[u8]) -> Result<Option<String>, StoreFault> {
        let name = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
        Ok(match name.as_str() {
            // Where the packs were last indexed: of the files, not of what is in them.
            META_INDEXED => None,
            META_DESK => Some(self.desk(&self.engine.desk_state()?)),
            _ => {
                let count = self.engine.load::<CounterRecord>(&keys::meta(&name))?.map_or(0, |counter| counter.0);
                Some(format!("counter {name} {count}"))
            }
        })
    }

    fn desk(&self, state: &DeskState) -> String {
        let DeskState { version, outbox, digest_at, told_quarantine, told_undeliverable, silences } = state;
        let silences: Vec<String> = silences
            .iter()
            .map(|s| format!("{}:{}:{}:{}", s.mailbox, self.time(s.since), self.time(s.told), self.maybe_time(s.ended)))
            .collect();
        // How often it was looked at is not of what it is.
        let version = if self.options.without_times { "V".to_owned() } else { version.to_string() };
        format!(
            "desk version={version} outbox={outbox} digest={} told_quarantine={told_quarantine} told_undeliverable={told_undeliverable} silences={}",
            self.maybe_time(*digest_at),
            list(&silences)
        )
    }

    fn ticket(&self, ticket: &Ticket) -> String {
        // Without `..`, here and below: a new field must be thought of.
        let Ticket {
            number,
            version,
            subject,
            status,
            priority,
            tier,
            team,
            assignee,
            channel,
            language,
            zone,
            requester,
            participants,
            organisation,
            mailbox,
            session,
            opened,
            tags,
            clocks,
            messages,
            outbox,
            history,
            last_customer_id,
            third_parties,
            merged,
            absorbed,
            split_off,
            moved,
            apart,
            noted,
            log,
            policy,
        } = ticket;
        let since = match status {
            Status::New | Status::Open => "-".to_owned(),
            Status::Pending { since: at } | Status::Snoozed { until: at } | Status::Solved { at } | Status::Closed { at } => self.time(*at),
        };
        let participants: Vec<String> = participants.iter().map(|p| self.person(&p.name, Some(&p.address))).collect();
        let clocks: Vec<String> = clocks.iter().map(|clock| self.clock(clock)).collect();
        format!(
            "ticket {number} version={version} status={}@{since} priority={} tier={tier} team={team} assignee={} channel={} language={language} \
             zone={} mailbox={mailbox} opened={} subject={} requester={} participants={} organisation={} session={} tags={} clocks={} \
             messages={messages} outbox={outbox} history={history} last_customer_id={} third_parties={} merged={} absorbed={} split_off={} \
             moved={} apart={} noted={}@{:?} policy={} log={}",
            status.word(),
            priority.word(),
            assignee.as_deref().unwrap_or("-"),
            channel.word(),
            zone.as_ref().and_then(|zone| zone.iana_name()).unwrap_or("-"),
            self.time(*opened),
            self.hash(subject.as_bytes()),
            self.person(&requester.name, requester.address.as_ref()),
            list(&participants),
            self.hash(organisation.as_bytes()),
            session.map_or_else(|| "-".to_owned(), |session| self.hash(&session.0)),
            list(&tags.iter().cloned().collect::<Vec<_>>()),
            list(&clocks),
            self.id(last_customer_id.as_ref()),
            list(&third_parties.iter().map(|t| format!("{}:{}", self.person(&t.name, Some(&t.address)), t.asked)).collect::<Vec<_>>()),
            merged.as_ref().map_or_else(|| "-".to_owned(), |m| format!("{}@{}:{}", m.into, self.time(m.at), m.was.word())),
            list(&absorbed.iter().map(ToString::to_string).collect::<Vec<_>>()),
            split_off.as_ref().map_or_else(|| "-".to_owned(), |s| format!("{}:{:?}", s.from, s.messages)),
            list(&moved.iter().map(|(seq, to)| format!("{seq}:{to}")).collect::<Vec<_>>()),
            list(&apart.iter().map(ToString::to_string).collect::<Vec<_>>()),
            noted.last,
            noted.counts,
            policy.as_deref().unwrap_or("-"),
            list(
                &log.iter()
                    .map(|entry| format!("{}:{}@{}", entry.kind.word(), entry.event.word(), self.time(entry.at)))
                    .collect::<Vec<_>>()
            ),
        )
    }

    fn clock(&self, clock: &Clock) -> String {
        let Clock { kind, calendar, armed, due, state, step } = clock;
        let more = match state {
            ClockState::Running { warn_at } => self.maybe_time(*warn_at),
            ClockState::Warned { at } | ClockState::Met { at } | ClockState::Breached { at } => self.time(*at),
            ClockState::Paused { .. } if self.options.without_times => "T".to_owned(),
            ClockState::Paused { left_s, warn_left_s } => format!("{left_s}s/{}s", warn_left_s.unwrap_or_default()),
        };
        format!("{}:{calendar}:{}:{}:{}@{more}/{step}", kind.word(), self.time(*armed), self.time(*due), state.word())
    }

    fn message(&self, message: &Message) -> String {
        let Message {
            ticket,
            seq,
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
            chat_seq,
            client_id,
            outbox,
            judgement,
        } = message;
        let of_ours = *author == Author::Desk;
        let author = match author {
            Author::Customer { name, address } => format!("customer:{}", self.person(name, address.as_ref())),
            Author::ThirdParty(contact) => format!("third_party:{}", self.contact(contact)),
            Author::Agent(contact) => format!("agent:{}", self.contact(contact)),
            Author::Desk => "desk".to_owned(),
        };
        let visibility = match visibility {
            Visibility::Public => "public",
            Visibility::Internal => "internal",
        };
        format!(
            "message {ticket}.{seq} by={author} {visibility} channel={} at={} id={} body={} attachments={} raw={} machine={} defects={} \
             verdict={} chat_seq={} client_id={} outbox={}",
            channel.word(),
            self.time(*at),
            self.id(message_id.as_ref()),
            self.body(body, of_ours),
            self.attachments(attachments),
            blob(raw.as_ref()),
            machine.as_ref().map_or_else(|| "-".to_owned(), |machine| format!("{:?}", self.said(machine))),
            list(&defects.iter().map(|defect| defect.name).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()),
            judgement.verdict.word(),
            chat_seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string()),
            client_id.as_ref().map_or_else(|| "-".to_owned(), |id| self.hash(id.as_bytes())),
            list(&outbox.iter().map(OutboxId::to_string).collect::<Vec<_>>()),
        )
    }

    fn body(&self, body: &Body, of_ours: bool) -> String {
        let Body { text, spans, kept } = body;
        if of_ours {
            return self.text(text);
        }
        let spans: Vec<String> = spans
            .iter()
            .map(|span| {
                let kind = match span.kind {
                    SpanKind::New => "new",
                    SpanKind::Quoted => "quoted",
                    SpanKind::Signature => "signature",
                    SpanKind::Command => "command",
                };
                format!("{kind}:{}-{}", span.start, span.end)
            })
            .collect();
        format!("{}:{}:{}:kept={}", text.len(), self.hash(text.as_bytes()), list(&spans), blob(kept.as_ref()))
    }

    fn history(&self, ticket: TicketNumber, n: u32, line: &History) -> String {
        let History { at, by, what, why } = line;
        let by = match by {
            Actor::Desk => "desk".to_owned(),
            Actor::Rule(name) => format!("rule:{name}"),
            Actor::Agent(handle) => format!("agent:{handle}"),
            Actor::Customer => "customer".to_owned(),
        };
        format!("history {ticket}.{n} at={} by={by} what={:?} why={:?}", self.time(*at), self.said(what), self.said(why))
    }

    fn outbound(&self, outbound: &Outbound) -> String {
        let Outbound {
            id,
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
        let route = match route {
            Route::Mail => "mail".to_owned(),
            Route::Chat { session, chat_seq, else_mail } => format!("chat:{}:{chat_seq}:{else_mail}", self.hash(&session.0)),
        };
        let audience = match audience {
            Audience::Customer => "customer".to_owned(),
            Audience::Agent(address) => format!("agent:{}", self.hash(address.as_str().as_bytes())),
            Audience::Informed => "informed".to_owned(),
            Audience::Asked => "asked".to_owned(),
        };
        let pieces: Vec<String> = body
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => self.text(text),
                Piece::NewTextOf(seq) => format!("new_text_of:{seq}"),
                Piece::QuotedTextOf(seq) => format!("quoted_text_of:{seq}"),
            })
            .collect();
        let automatic = match automatic {
            None => "-",
            Some(Automatic::Replied) => "replied",
            Some(Automatic::Generated) => "generated",
        };
        let shown_to: Vec<String> = shown_to.iter().map(|contact| self.contact(contact)).collect();
        let references: Vec<String> = references.iter().map(|id| self.id(Some(id))).collect();
        format!(
            "outbox {id} purpose={} route={route} audience={audience} from={} to={} shown_to={} subject={} in_reply_to={} references={} \
             body={} attachments={} automatic={automatic} created={}",
            purpose.word(),
            self.person(from_name, Some(from)),
            to.as_ref().map_or_else(|| "-".to_owned(), |to| self.contact(to)),
            list(&shown_to),
            self.hash(subject.as_bytes()),
            self.id(in_reply_to.as_ref()),
            list(&references),
            list(&pieces),
            self.attachments(attachments),
            self.time(*created),
        )
    }

    fn attempts(&self, id: OutboxId, attempts: &Attempts) -> String {
        let Attempts { delivery, attempts, next_attempt, last_error, by_mail } = attempts;
        let error = last_error.as_ref().map_or_else(|| "-".to_owned(), |error| self.hash(error.as_bytes()));
        let next = self.maybe_time(*next_attempt);
        format!("attempts {id} delivery={} attempts={attempts} next={next} last_error={error} by_mail={by_mail}", delivery.word())
    }

    fn cursor(&self, key: &[u8], value: &[u8]) -> Result<Option<String>, StoreFault> {
        let mailbox = String::from_utf8_lossy(key.get(1..).unwrap_or_default());
        let CursorRecord { uid_validity, uid } = self.engine.read(value)?;
        Ok((!self.options.without_times).then(|| format!("cursor {mailbox} uid_validity={uid_validity} uid={uid}")))
    }

    fn session(&self, session: &ChatSession) -> String {
        let ChatSession { id, ticket, last_seq, version } = session;
        let ticket = ticket.map_or_else(|| "-".to_owned(), |ticket| ticket.to_string());
        format!("session {} ticket={ticket} last_seq={last_seq} version={version}", self.hash(&id.0))
    }

    fn source(&self, source: &Source) -> String {
        match source {
            Source::Imap { mailbox, uid, .. } if self.options.without_times => format!("imap:{mailbox}:V:{uid}"),
            Source::Imap { mailbox, uid_validity, uid } => format!("imap:{mailbox}:{uid_validity}:{uid}"),
            Source::Maildir { mailbox, file } => format!("maildir:{mailbox}:{}", self.hash(file.as_bytes())),
            Source::Chat { session, .. } => format!("chat:{}", self.hash(&session.0)),
        }
    }

    fn origin(&self, of: &str, origin: &Origin) -> String {
        let arrivals: Vec<String> =
            origin.arrivals.iter().map(|arrival| format!("{}@{}", self.source(&arrival.source), self.time(arrival.at))).collect();
        let cut = origin.cut.map_or_else(|| "-".to_owned(), |octets| octets.to_string());
        format!("origin {of} cut={cut} arrivals={}", list(&arrivals))
    }

    fn quarantined(&self, id: u64, quarantined: &Quarantined) -> String {
        let Quarantined { at, source, raw, reason, detail } = quarantined;
        let source = self.source(source);
        let (at, raw) = (self.time(*at), blob(raw.as_ref()));
        format!("quarantine {id} at={at} source={source} raw={raw} reason={reason} detail={:?}", self.said(detail))
    }

    fn blob(&self, key: &[u8], value: &[u8]) -> Result<String, StoreFault> {
        let id = Parts::of(key).take().map(BlobId).ok_or_else(|| bad_key(BlobRecord::KIND))?;
        let Location { pack, offset, size, .. } = self.engine.read::<BlobRecord>(value)?.into();
        Ok(if self.options.without_times { format!("blob {id} size={size}") } else { format!("blob {id} size={size} at={pack}:{offset}") })
    }

    /// An index by the hash of an address or an id, which alone could be guessed.
    fn index(&self, what: &str, key: &[u8]) -> Result<String, StoreFault> {
        let ticket = keys::read_hashed(key).ok_or_else(|| bad_key("index"))?;
        Ok(format!("{what} {} ticket={ticket}", self.hash(key.get(1..17).unwrap_or_default())))
    }

    fn attachments(&self, attachments: &[Attachment]) -> String {
        let shown: Vec<String> = attachments
            .iter()
            .map(|Attachment { name, media_type, blob: content, content_id }| {
                let content_id = content_id.as_ref().map_or_else(|| "-".to_owned(), |id| self.hash(id.as_bytes()));
                format!("{}:{}:{}:{content_id}", self.hash(name.as_bytes()), self.hash(media_type.as_bytes()), blob(Some(content)))
            })
            .collect();
        list(&shown)
    }

    fn contact(&self, contact: &Contact) -> String {
        self.person(&contact.name, Some(&contact.address))
    }

    fn person(&self, name: &str, address: Option<&EmailAddress>) -> String {
        format!("{}<{}>", self.hash(name.as_bytes()), address.map_or_else(|| "-".to_owned(), |a| self.hash(a.as_str().as_bytes())))
    }

    fn id(&self, id: Option<&MessageId>) -> String {
        id.map_or_else(|| "-".to_owned(), |id| self.hash(id.as_str().as_bytes()))
    }

    /// A text that the desk wrote, in which times stand.
    fn text(&self, text: &str) -> String {
        let written = if self.options.without_times { without_figures(text) } else { text.to_owned() };
        format!("{}:{}", written.len(), self.hash(written.as_bytes()))
    }

    /// What the desk said of itself, with whatever may be an address hidden.
    fn said(&self, text: &str) -> String {
        let mut said = String::with_capacity(text.len());
        for word in text.split_inclusive(char::is_whitespace) {
            if word.contains('@') {
                let _ = write!(said, "{} ", self.hash(word.trim_end().as_bytes()));
            } else if self.options.without_times {
                said.push_str(&without_figures(word));
            } else {
                said.push_str(word);
            }
        }
        said.trim_end().to_owned()
    }

    fn time(&self, at: Timestamp) -> String {
        if self.options.without_times { "T".to_owned() } else { at.to_string() }
    }

    fn maybe_time(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(|| "-".to_owned(), |at| self.time(at))
    }

    fn millisecond(&self, at: i64) -> String {
        if at == NEVER_MS {
            return "never".to_owned();
        }
        Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| self.time(at))
    }

    /// 64 bits: enough to tell apart what one store holds.
    fn hash(&self, octets: &[u8]) -> String {
        if octets.is_empty() {
            return "-".to_owned();
        }
        hex(&blake3::keyed_hash(self.key, octets).as_bytes()[..8])
    }
}

fn counted(key: &[u8]) -> Result<(TicketNumber, u32), StoreFault> {
    keys::read_counted(key).ok_or_else(|| bad_key("counted row"))
}

fn landing(landing: Landing) -> String {
    match landing {
        Landing::Ticket { number, seq } => format!("{number}.{seq}"),
        Landing::Quarantine { id } => format!("quarantine:{id}"),
    }
}

fn blob(blob: Option<&BlobRef>) -> String {
    blob.map_or_else(|| "-".to_owned(), |blob| format!("{}:{}", blob.size, blob.id))
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(","))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut hex, octet| {
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

/// Each run of figures as one `0`, a fraction with it: a time may have one or not.
fn without_figures(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_run = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if in_run && c == '.' && chars.peek().is_some_and(char::is_ascii_digit) {
            continue;
        }
        let figure = c.is_ascii_digit();
        if !figure {
            out.push(c);
        } else if !in_run {
            out.push('0');
        }
        in_run = figure;
    }
    out
}
