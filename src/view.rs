//! What people and scripts see of a ticket: the JSON of the command line and the control API, and its plain text.
//!
//! Scripts depend on these names and words. Add to them; change none.

mod clocks;
mod status;

pub use clocks::{ClockLineView, ClockView};
pub use status::{AwayView, MailboxView, StatusView};

use self::clocks::{by_the_wall, clock_line};
use crate::domain::address::EmailAddress;
use crate::domain::bounce::Mark;
use crate::domain::change::{Actor, History, Landing, Quarantined};
use crate::domain::message::{Arrival, Attachment, Author, Defect, Message, Origin, Source, SpanKind, TOO_LARGE, TicketNumber, Visibility};
use crate::domain::outbound::{Audience, Delivery, OutboxEntry, Route};
use crate::domain::policy::Policy;
use crate::domain::sla::{self, ClockKind, ClockState};
use crate::domain::ticket::{Priority, Ticket};
use crate::intake::is_cut;
use crate::mail::token::Signer;
use crate::store::Report;
use crate::store::{Store, StoreFault};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt::Write as _;

/// One line of `guichet tickets`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TicketView {
    pub number: u64,
    pub subject: String,
    pub status: String,
    pub priority: String,
    pub tier: String,
    pub team: String,
    pub assignee: Option<String>,
    pub channel: String,
    pub language: String,
    pub requester: RequesterView,
    /// To whom it is answered, too.
    #[serde(default)]
    pub participants: Vec<PersonView>,
    /// Who else had a word in it; nothing is sent there but what an agent asks.
    #[serde(default)]
    pub third_parties: Vec<PersonView>,
    /// Where its matter goes on.
    #[serde(default)]
    pub merged_into: Option<u64>,
    /// What was merged into it.
    #[serde(default)]
    pub holds: Vec<u64>,
    /// What it was split off.
    #[serde(default)]
    pub split_from: Option<u64>,
    pub opened: String,
    pub tags: Vec<String>,
    pub messages: u32,
    pub clocks: Vec<ClockView>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequesterView {
    pub name: String,
    pub address: Option<String>,
}

/// Somebody beside the requester, with his part: `copied`, `asked`, `unverified`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonView {
    pub name: String,
    pub address: String,
    pub role: String,
}

/// `guichet ticket N`: the line above, the thread and the history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WholeTicketView {
    #[serde(flatten)]
    pub ticket: TicketView,
    pub thread: Vec<MessageView>,
    pub history: Vec<HistoryView>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageView {
    /// The ticket that it came to, if that was merged into this one.
    #[serde(default)]
    pub of: Option<u64>,
    /// The ticket that was made of it, if it was split off.
    #[serde(default)]
    pub moved_to: Option<u64>,
    pub seq: u32,
    pub author: String,
    pub name: String,
    pub address: Option<String>,
    pub visibility: String,
    pub channel: String,
    pub at: String,
    pub message_id: Option<String>,
    pub text: String,
    pub quoted: String,
    pub attachments: Vec<AttachmentView>,
    /// How far the mails are that carry it out; `null` for what came in.
    pub delivery: Option<String>,
    /// What is odd about it, for people.
    pub defects: Vec<String>,
    /// Which machine wrote it, if one did.
    pub machine: Option<String>,
    /// The ways by which it came: one for each place that a copy was taken in from.
    #[serde(default)]
    pub routes: Vec<RouteView>,
    /// Only the start of it came; here is the size of all of it, in octets. `guichet fetch` gets the rest.
    #[serde(default)]
    pub cut: Option<u64>,
    /// `authenticated`, `failed` or `unknown`: how far its author was to be believed when it came; `null` for what the desk wrote.
    pub verdict: Option<String>,
    /// On whose word; `null` where nobody was asked.
    pub verdict_why: Option<String>,
}

/// One way by which a message came: the message of an IMAP folder, or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// The mailbox, which is one folder of one account, or one Maildir.
    pub mailbox: String,
    pub uid_validity: Option<u32>,
    pub uid: Option<u32>,
    pub file: Option<String>,
    pub at: String,
}

/// Where a message is to be had: what `guichet fetch` asks for first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OriginView {
    /// Whether only the start of it is here.
    pub is_cut: bool,
    pub cut: Option<u64>,
    pub routes: Vec<RouteView>,
    pub message_id: Option<String>,
    /// The ticket's mailbox.
    pub mailbox: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttachmentView {
    pub name: String,
    #[serde(rename = "type")]
    pub media_type: String,
    pub size: u64,
    pub blake3: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HistoryView {
    pub at: String,
    pub by: String,
    pub what: String,
    pub why: String,
}

/// One line of `guichet quarantine list`, and what `show` tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuarantinedView {
    pub id: u64,
    /// A fixed word, such as `no_sender` or `machine`.
    pub reason: String,
    /// Why, for people.
    pub detail: String,
    /// The mailbox that it came through, or `chat`.
    pub mailbox: String,
    pub at: String,
    /// Octets of the message as it came; `null` if nothing is kept of it.
    pub octets: Option<u64>,
    /// Only its start is kept; here is the size of all of it, in octets. What is released is that start.
    #[serde(default)]
    pub cut: Option<u64>,
    /// Where it went; `null` while it is in quarantine.
    pub released: Option<LandedView>,
}

/// One line of `guichet suppressions list`, and what `lift` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SuppressionView {
    pub address: String,
    pub since: String,
    /// When it ends by itself.
    pub until: String,
    /// Somebody there complained; else mail came back.
    pub complained: bool,
    /// In the words of the mail system that said so.
    pub reason: String,
    /// The outgoing mail that it is known by, such as `1042.7`.
    pub mail: String,
}

impl SuppressionView {
    /// For people.
    #[must_use]
    pub fn line(&self) -> String {
        let what = if self.complained { "complained" } else { "came back" };
        format!("{}  {what} {}, until {}  mail {}: {}", self.address, self.since, self.until, self.mail, self.reason)
    }
}

/// A mark and until when it holds.
#[must_use]
pub fn of_mark(mark: &Mark, policy: &Policy) -> SuppressionView {
    SuppressionView {
        address: mark.address.to_string(),
        since: mark.since.to_string(),
        until: mark.until(policy.desk.undeliverable_for).to_string(),
        complained: mark.complained,
        reason: mark.reason.clone(),
        mail: mark.about.to_string(),
    }
}

/// A message's place: what `guichet quarantine release` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LandedView {
    pub ticket: u64,
    pub seq: u32,
}

/// What `guichet fetch` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MadeWholeView {
    pub ticket: u64,
    pub seq: u32,
    pub octets: u64,
    pub attachments: Vec<AttachmentView>,
}

/// One line of `guichet outbox list`, and what `retry` and `drop` print.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxView {
    /// Ticket and count, such as `1042.7`; ticket 0 stands for mails to ops, which belong to none.
    pub id: String,
    pub ticket: u64,
    /// `ack`, `answer`, `notification`, `held`, `reply`, `warning`, `breach`, `review`, `question`, `escalation`, `reminder`, `delay`,
    /// `nudge`, `checkin`; `alarm`, `recovery` or `digest` to ops.
    pub purpose: String,
    /// `null` for a chat visitor without an address.
    pub to: Option<String>,
    /// `mail` or `chat`.
    pub by: String,
    pub subject: String,
    pub created: String,
    /// `queued`, `deferred`, `uncertain`, `sent`, `bounced` or `failed`.
    pub delivery: String,
    /// Attempts begun.
    pub attempts: u32,
    /// `null` once nothing more is tried.
    pub next_attempt: Option<String>,
    /// What the last attempt met, or who ended it.
    pub last_error: Option<String>,
}

/// What `guichet verify` found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportView {
    pub ok: bool,
    pub counts: std::collections::BTreeMap<String, u64>,
    pub faults: Vec<String>,
}

/// What the check found, with a word for each count.
#[must_use]
pub fn of_report(report: &Report) -> ReportView {
    let counts = [
        ("tickets", report.tickets),
        ("tickets closed", report.tickets_closed),
        ("messages", report.messages),
        ("history lines", report.history_lines),
        ("fingerprints", report.fingerprints),
        ("routes", report.routes),
        ("outbox entries", report.outbox_entries),
        ("outbox waiting", report.outbox_waiting),
        ("chat sessions", report.sessions),
        ("quarantined", report.quarantined),
        ("blobs", report.blobs),
        ("blob octets", report.blob_octets),
        ("blobs unnamed", report.blobs_unnamed),
        ("faults", report.faults_total),
    ];
    ReportView {
        ok: report.is_clean(),
        counts: counts.into_iter().map(|(what, count)| (what.to_owned(), count)).collect(),
        faults: report.faults.iter().map(ToString::to_string).collect(),
    }
}

/// The line of a quarantined message.
#[must_use]
pub fn of_quarantined(id: u64, quarantined: &Quarantined, cut: Option<u64>, released: Option<Landing>) -> QuarantinedView {
    QuarantinedView {
        id,
        reason: quarantined.reason.clone(),
        detail: quarantined.detail.clone(),
        mailbox: quarantined.source.mailbox().to_owned(),
        at: quarantined.at.to_string(),
        octets: quarantined.raw.map(|raw| raw.size),
        cut,
        released: released.and_then(of_landing),
    }
}

/// A place in a ticket.
#[must_use]
pub const fn of_landing(landing: Landing) -> Option<LandedView> {
    match landing {
        Landing::Ticket { number, seq } => Some(LandedView { ticket: number.0, seq }),
        Landing::Quarantine { .. } => None,
    }
}

/// A message that was made whole.
#[must_use]
pub fn of_made_whole(message: &Message) -> MadeWholeView {
    MadeWholeView {
        ticket: message.ticket.0,
        seq: message.seq,
        octets: message.raw.map_or(0, |raw| raw.size),
        attachments: message.attachments.iter().map(of_attachment).collect(),
    }
}

fn of_attachment(a: &Attachment) -> AttachmentView {
    AttachmentView { name: a.name.clone(), media_type: a.media_type.clone(), size: a.blob.size, blake3: a.blob.id.to_string() }
}

/// The line of an outgoing message.
#[must_use]
pub fn of_outbox(entry: &OutboxEntry) -> OutboxView {
    let outbound = &entry.outbound;
    OutboxView {
        id: outbound.id.to_string(),
        ticket: outbound.id.ticket.0,
        purpose: outbound.purpose.word().to_owned(),
        to: outbound.to.as_ref().map(|to| to.address.to_string()),
        by: match outbound.route {
            Route::Mail => "mail".to_owned(),
            Route::Chat { .. } => "chat".to_owned(),
        },
        subject: outbound.subject.clone(),
        created: outbound.created.to_string(),
        delivery: entry.delivery.word().to_owned(),
        attempts: entry.attempts,
        next_attempt: entry.next_attempt.map(|at| at.to_string()),
        last_error: entry.last_error.clone(),
    }
}

/// The line of a ticket.
#[must_use]
pub fn of_ticket(ticket: &Ticket) -> TicketView {
    TicketView {
        number: ticket.number.0,
        subject: ticket.subject.clone(),
        status: ticket.status.word().to_owned(),
        priority: ticket.priority.word().to_owned(),
        tier: ticket.tier.clone(),
        team: ticket.team.clone(),
        assignee: ticket.assignee.clone(),
        channel: ticket.channel.word().to_owned(),
        language: ticket.language.to_string(),
        requester: RequesterView {
            name: ticket.requester.name.clone(),
            address: ticket.requester.address.as_ref().map(ToString::to_string),
        },
        participants: ticket.participants.iter().map(|p| person(&p.name, &p.address, "copied")).collect(),
        third_parties: ticket
            .third_parties
            .iter()
            .map(|t| person(&t.name, &t.address, if t.asked { "asked" } else { "unverified" }))
            .collect(),
        merged_into: ticket.merged.map(|merged| merged.into.0),
        holds: ticket.absorbed.iter().map(|number| number.0).collect(),
        split_from: ticket.split_off.as_ref().map(|split| split.from.0),
        opened: ticket.opened.to_string(),
        tags: ticket.tags.iter().cloned().collect(),
        messages: ticket.messages,
        clocks: ticket
            .clocks
            .iter()
            .map(|c| ClockView {
                kind: c.kind.word().to_owned(),
                due: c.due.to_string(),
                state: c.state.word().to_owned(),
                local: None,
                left: match c.state {
                    ClockState::Paused { left_s, .. } => Some(left_s),
                    ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Met { .. } | ClockState::Breached { .. } => None,
                },
                tells: None,
                log: Vec::new(),
            })
            .collect(),
    }
}

fn person(name: &str, address: &EmailAddress, role: &str) -> PersonView {
    PersonView { name: name.to_owned(), address: address.to_string(), role: role.to_owned() }
}

/// Lines for `history`.
#[must_use]
pub fn of_history(history: &History) -> HistoryView {
    let by = match &history.by {
        Actor::Desk => "desk".to_owned(),
        Actor::Customer => "customer".to_owned(),
        Actor::Rule(name) => format!("rule:{name}"),
        Actor::Agent(handle) => format!("agent:{handle}"),
    };
    HistoryView { at: history.at.to_string(), by, what: history.what.clone(), why: history.why.clone() }
}

/// Where a ticket stands in a list, most urgent first: what is due first among the targets, then the higher priority, then the older.
/// Small, so that a list of any length can be put in order by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    rests: bool,
    /// In milliseconds, which is how finely times are stored; what owes nothing comes last.
    owed_ms: i64,
    priority: Reverse<Priority>,
    pub number: TicketNumber,
}

impl Urgency {
    #[must_use]
    pub fn of(ticket: &Ticket) -> Self {
        let owed = ticket.clocks.iter().filter(|c| c.kind.is_target()).filter_map(|c| match c.state {
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Breached { .. } => Some(c.due.as_millisecond()),
            ClockState::Paused { .. } | ClockState::Met { .. } => None,
        });
        Self {
            rests: !ticket.status.is_active(),
            owed_ms: owed.min().unwrap_or(i64::MAX),
            priority: Reverse(ticket.priority),
            number: ticket.number,
        }
    }
}

/// A ticket with all that was said and done.
///
/// # Errors
/// The store's.
pub fn of_whole(store: &Store, ticket: &Ticket, policy: &Policy, signer: &Signer) -> Result<WholeTicketView, StoreFault> {
    let mut thread = thread_of(store, ticket, policy, signer)?;
    for number in &ticket.absorbed {
        let Some(merged) = store.ticket(*number)? else { continue };
        // What was split off a ticket and then merged again has copies in front.
        let own = thread_of(store, &merged, policy, signer)?.into_iter().skip(merged.copies());
        thread.extend(own.map(|(at, message)| (at, MessageView { of: Some(number.0), ..message })));
    }
    if !ticket.absorbed.is_empty() {
        thread.sort_by_key(|(at, _)| *at);
    }
    let thread = thread.into_iter().map(|(_, message)| message).collect();
    let history = store.history(ticket.number)?.iter().map(of_history).collect();
    let mut view = of_ticket(ticket);
    let ladder = policy.sla_of(ticket).escalate;
    for (shown, clock) in view.clocks.iter_mut().zip(&ticket.clocks) {
        shown.local = Some(by_the_wall(clock.due, &clock.calendar, policy));
        if clock.kind == ClockKind::Escalation {
            shown.tells = ladder.get(usize::from(clock.step)).map(|step| step.to.to_string());
        }
        if clock.kind.is_target() {
            let lines = sla::account(&ticket.log, clock.kind, &policy.calendars);
            shown.log = lines.into_iter().map(|(entry, used)| clock_line(entry, used, clock, policy)).collect();
        }
    }
    Ok(WholeTicketView { ticket: view, thread, history })
}

fn thread_of(store: &Store, ticket: &Ticket, policy: &Policy, signer: &Signer) -> Result<Vec<(Timestamp, MessageView)>, StoreFault> {
    let deliveries = store.deliveries(ticket.number)?;
    let domain = policy.mailbox(&ticket.mailbox).map_or("localhost", |m| m.address.domain()).to_owned();
    let mut thread = Vec::new();
    for message in store.messages(ticket.number)? {
        let states: Vec<Delivery> =
            message.outbox.iter().filter_map(|id| deliveries.iter().find(|d| d.id == *id).map(|d| d.attempts.delivery)).collect();
        let sent_id = message.outbox.first().map(|id| signer.message_id(*id, &Audience::Customer, &domain).to_string());
        let origin = store.origin(Landing::Ticket { number: ticket.number, seq: message.seq })?.unwrap_or_default();
        let moved_to = ticket.moved.iter().find(|(seq, _)| *seq == message.seq).map(|(_, to)| to.0);
        let view = of_message(&message, &origin, worst(&states), sent_id, &policy.desk.name);
        thread.push((message.at, MessageView { moved_to, ..view }));
    }
    Ok(thread)
}

/// Where a message is to be had.
#[must_use]
pub fn of_origin(message: &Message, origin: &Origin, mailbox: &str) -> OriginView {
    OriginView {
        is_cut: is_cut(message, origin),
        cut: origin.cut,
        routes: origin.arrivals.iter().map(of_arrival).collect(),
        message_id: message.message_id.as_ref().map(ToString::to_string),
        mailbox: mailbox.to_owned(),
    }
}

fn of_arrival(arrival: &Arrival) -> RouteView {
    let (uid_validity, uid, file) = match &arrival.source {
        Source::Imap { uid_validity, uid, .. } => (Some(*uid_validity), Some(*uid), None),
        Source::Maildir { file, .. } => (None, None, Some(file.clone())),
        Source::Chat { .. } => (None, None, None),
    };
    RouteView { mailbox: arrival.source.mailbox().to_owned(), uid_validity, uid, file, at: arrival.at.to_string() }
}

fn of_message(message: &Message, origin: &Origin, delivery: Option<Delivery>, sent_id: Option<String>, desk: &str) -> MessageView {
    let (author, name, address) = match &message.author {
        Author::Customer { name, address } => ("customer", name.clone(), address.as_ref().map(ToString::to_string)),
        Author::ThirdParty(contact) => ("customer", contact.name.clone(), Some(contact.address.to_string())),
        Author::Agent(contact) => ("agent", contact.name.clone(), Some(contact.address.to_string())),
        Author::Desk => ("desk", desk.to_owned(), None),
    };
    MessageView {
        of: None,
        moved_to: None,
        seq: message.seq,
        author: author.to_owned(),
        name,
        address,
        visibility: match message.visibility {
            Visibility::Public => "public".to_owned(),
            Visibility::Internal => "internal".to_owned(),
        },
        channel: message.channel.word().to_owned(),
        at: message.at.to_string(),
        // What the customer got is what he may quote: for what went out it is the id of the mail that carried it.
        message_id: sent_id.or_else(|| message.message_id.as_ref().map(ToString::to_string)),
        text: message.body.new_text(),
        quoted: message.body.of(SpanKind::Quoted),
        attachments: message.attachments.iter().map(of_attachment).collect(),
        delivery: delivery.map(|d| d.word().to_owned()),
        defects: message.defects.iter().map(|d| defect_line(message, d)).collect(),
        machine: message.machine.clone(),
        routes: origin.arrivals.iter().map(of_arrival).collect(),
        cut: origin.cut,
        verdict: (message.author != Author::Desk).then(|| message.judgement.verdict.word().to_owned()),
        verdict_why: Some(message.judgement.why.clone()).filter(|_| message.judgement.is_judged()),
    }
}

/// With what to do about it, where something can be done.
fn defect_line(message: &Message, defect: &Defect) -> String {
    let Defect { name, detail } = defect;
    if *name == TOO_LARGE {
        return format!("{name}: {detail}; the rest: `guichet fetch {} {}`", message.ticket.0, message.seq);
    }
    format!("{name}: {detail}")
}

/// Of several mails that carry one message, the one that a person should know of.
fn worst(states: &[Delivery]) -> Option<Delivery> {
    let rank = |d: &Delivery| match d {
        Delivery::Sent => 0,
        Delivery::Queued => 1,
        Delivery::Deferred => 2,
        Delivery::Uncertain => 3,
        Delivery::Bounced => 4,
        Delivery::Failed => 5,
    };
    states.iter().max_by_key(|d| rank(d)).copied()
}

/// Control characters of text from outside would command the reader's terminal.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

impl TicketView {
    /// One line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let next = self
            .clocks
            .iter()
            .filter(|c| c.state == "running" || c.state == "warned" || c.state == "breached")
            .min_by(|a, b| a.due.cmp(&b.due))
            .map_or(String::new(), |c| format!("{} {} {}", c.kind, c.state, c.due));
        let who =
            if self.requester.name.is_empty() { self.requester.address.clone().unwrap_or_default() } else { self.requester.name.clone() };
        let subject: String = self.subject.chars().take(60).collect();
        for_terminal(&format!(
            "#{:<6} {:<8} {:<9} {:<10} {:<12} {:<10} {:<20} {subject}  [{next}]",
            self.number,
            self.status,
            self.priority,
            self.tier,
            self.team,
            self.assignee.as_deref().unwrap_or("-"),
            who.chars().take(20).collect::<String>(),
        ))
    }
}

impl RouteView {
    fn line(&self) -> String {
        let place = match (self.uid_validity, self.uid, &self.file) {
            (Some(uid_validity), Some(uid), _) => format!("UID {uid} of {uid_validity}"),
            (_, _, Some(file)) => file.clone(),
            (_, _, None) => String::new(),
        };
        format!("{} {place} · {}", self.mailbox, self.at)
    }
}

impl QuarantinedView {
    /// One line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let released = self.released.as_ref().map_or(String::new(), |landed| format!("  [released into #{}]", landed.ticket));
        let octets = self.octets.map_or("-".to_owned(), |octets| octets.to_string());
        let cut = self.cut.map_or(String::new(), |whole| format!("  [only the start of {whole} octets]"));
        for_terminal(&format!(
            "{:<6} {:<15} {:<12} {:<25} {octets:>9}  {}{cut}{released}",
            self.id, self.reason, self.mailbox, self.at, self.detail
        ))
    }

    /// All that is known of it, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "id        {}\nreason    {}\ndetail    {}", self.id, self.reason, self.detail);
        let _ = writeln!(out, "mailbox   {}\nat        {}", self.mailbox, self.at);
        let _ = match self.octets {
            Some(octets) => writeln!(out, "octets    {octets}"),
            None => writeln!(out, "octets    nothing is kept of it"),
        };
        if let Some(whole) = self.cut {
            let _ = writeln!(out, "cut       only its start is kept; all of it, {whole} octets, is in its mailbox");
        }
        if let Some(landed) = &self.released {
            let _ = writeln!(out, "released  into #{}, message {}", landed.ticket, landed.seq);
        }
        for_terminal(out.trim_end())
    }
}

impl OutboxView {
    /// One line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let to = self.to.as_deref().unwrap_or("the chat window");
        let next = self.next_attempt.as_deref().unwrap_or("-");
        let error = self.last_error.as_deref().unwrap_or_default();
        for_terminal(&format!(
            "{:<10} {:<12} {:<9} {:>3}  {next:<25} {to:<30} {error}",
            self.id, self.purpose, self.delivery, self.attempts
        ))
    }
}

impl WholeTicketView {
    /// The whole ticket for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let t = &self.ticket;
        let mut out = String::new();
        let _ = writeln!(out, "#{}  {}", t.number, t.subject);
        let _ = writeln!(
            out,
            "{} · priority {} · tier {} · team {} · assigned to {} · by {} · in {}",
            t.status,
            t.priority,
            t.tier,
            t.team,
            t.assignee.as_deref().unwrap_or("nobody"),
            t.channel,
            t.language
        );
        let _ = writeln!(out, "from {} {}", t.requester.name, t.requester.address.as_deref().unwrap_or(""));
        for person in t.participants.iter().chain(&t.third_parties) {
            let _ = writeln!(out, "{} {} {}", person.role, person.name, person.address);
        }
        if let Some(into) = t.merged_into {
            let _ = writeln!(out, "merged into #{into}");
        }
        if !t.holds.is_empty() {
            let _ = writeln!(out, "holds {}", t.holds.iter().map(|n| format!("#{n}")).collect::<Vec<_>>().join(", "));
        }
        if let Some(from) = t.split_from {
            let _ = writeln!(out, "split off #{from}");
        }
        if !t.tags.is_empty() {
            let _ = writeln!(out, "tags {}", t.tags.join(", "));
        }
        for clock in &t.clocks {
            let tells = clock.tells.as_ref().map_or_else(String::new, |to| format!(", tells {to}"));
            let _ = writeln!(out, "clock {:<16} {}{tells}", clock.kind, clock.stands());
            for line in &clock.log {
                let _ = writeln!(out, "      {:<11} {}{}", line.event, line.local, line.told());
            }
        }
        for m in &self.thread {
            let marks = match (&m.delivery, m.visibility.as_str()) {
                (Some(delivery), _) => format!(" · {delivery}"),
                (None, "internal") => " · internal".to_owned(),
                (None, _) => String::new(),
            };
            let marks = m.moved_to.map_or(marks.clone(), |to| format!("{marks} · moved to #{to}"));
            let place = m.of.map_or_else(|| m.seq.to_string(), |of| format!("#{of} {}", m.seq));
            let author = if m.machine.is_some() { "machine" } else { &m.author };
            let who = [author, &m.name, m.address.as_deref().unwrap_or("")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            let _ = writeln!(out, "\n[{place}] {} · {}{marks}", who.join(" "), m.at);
            for line in m.text.lines() {
                let _ = writeln!(out, "    {line}");
            }
            for a in &m.attachments {
                let _ = writeln!(out, "    + {} ({}, {} octets)", a.name, a.media_type, a.size);
            }
            if let Some(machine) = &m.machine {
                let _ = writeln!(out, "    ! a machine wrote it: {machine}");
            }
            for defect in &m.defects {
                let _ = writeln!(out, "    ! {defect}");
            }
            for route in &m.routes {
                let _ = writeln!(out, "    < {}", route.line());
            }
            if let (Some(verdict), Some(why)) = (&m.verdict, &m.verdict_why) {
                let _ = writeln!(out, "    sender {verdict} ({why})");
            }
        }
        let _ = writeln!(out, "\nhistory");
        for h in &self.history {
            let _ = writeln!(out, "  {} {:<16} {} ({})", h.at, h.by, h.what, h.why);
        }
        for_terminal(&out)
    }
}
