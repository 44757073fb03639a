//! What the desk tells those who run it: a mailbox that has fallen silent, that it answers again, and once a day all that
//! wants a person's look. Reasons, counts, ids and commands; never the content of a mail or a customer's address.
//!
//! These mails belong to no ticket. Their ids are minted from [`DeskState`], which also holds what was told: it is written in
//! the same commit (P5), so that each notice is given once, whatever is killed in between, restarted or stepped.

use super::address::{Contact, one_line};
use super::change::Change;
use super::dates;
use super::message::TicketNumber;
use super::outbound::{Audience, Automatic, Outbound, OutboxId, Piece, Purpose, Route};
use super::policy::Policy;
use super::template::{NoticeFacts, ReasonFacts, Rendered, SilenceFacts};
use super::ticket::SUBJECT_OCTETS_MAX;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A mailbox that comes and goes is told of so often: one alarm and one recovery within this.
const ALARM_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// A last report from so far ahead was written by a clock that stood wrong.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24);
/// The reason of a report, or of a machine's answer, to a mail of this room. It is never news: telling ops of it would be
/// answered as this was (P6).
pub const DESK_REPORT: &str = "desk_report";
/// What comes by itself day by day. It is told of once; what of it still waits is no reason for another report.
const ROUTINE: [&str; 3] = ["machine", "own_mail", DESK_REPORT];

/// What the desk has told its ops, and the count of its own mails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskState {
    /// Counts the writes, as a ticket's does; 0: never written.
    pub version: u64,
    /// Mails so far: the next is `0.(outbox + 1)`.
    pub outbox: u32,
    /// Up to when the daily report was given, or would have been had there been anything to tell. `None`: never.
    pub digest_at: Option<Timestamp>,
    /// The newest quarantined message, and the count of undeliverable mails, that the last report knew.
    pub told_quarantine: u64,
    pub told_undeliverable: u64,
    /// Mailboxes that were told of as silent, and not long ago.
    pub silences: Vec<Silence>,
}

/// One mailbox's silence, as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    pub mailbox: String,
    /// Its last answer before.
    pub since: Timestamp,
    pub told: Timestamp,
    /// When it was last looked through to its end, as it was known then: another such time means that it is back.
    pub last_success: Option<Timestamp>,
    /// When its end was told.
    pub ended: Option<Timestamp>,
}

impl DeskState {
    fn take_outbox_id(&mut self) -> OutboxId {
        self.outbox += 1;
        OutboxId { ticket: TicketNumber::DESK, n: self.outbox }
    }

    fn open(&self, mailbox: &str) -> Option<&Silence> {
        self.silences.iter().find(|silence| silence.mailbox == mailbox && silence.ended.is_none())
    }

    /// When another alarm about a mailbox may be given; `None`: now.
    fn paused_until(&self, mailbox: &str, now: Timestamp) -> Option<Timestamp> {
        let told = self.silences.iter().filter(|silence| silence.mailbox == mailbox).map(|silence| silence.told).max()?;
        // Both ways: a clock that was set back must not keep it quiet for ever.
        (now.duration_since(told).abs() < ALARM_PAUSE).then(|| told.saturating_add(ALARM_PAUSE).unwrap_or(Timestamp::MAX))
    }
}

/// What keeps a mailbox from being watched, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Unreachable,
    SignIn,
    Protocol,
    /// The desk itself could not take its messages.
    Handover,
}

impl Trouble {
    /// To be shown through `word`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "network",
            Self::SignIn => "sign_in",
            Self::Protocol => "protocol",
            Self::Handover => "handover",
        }
    }
}

/// All that a look at the desk rests on.
#[derive(Clone, Debug, Default)]
pub struct OpsFacts {
    pub mailboxes: Vec<MailboxFacts>,
    /// Gathered only when [`wants_digest`] says so: it takes a walk through the store.
    pub digest: Option<DigestFacts>,
}

/// How one mailbox fares.
#[derive(Clone, Debug)]
pub struct MailboxFacts {
    pub name: String,
    pub connected: bool,
    /// Time since its last answer, or since it is watched; by a clock that nobody sets.
    pub quiet: SignedDuration,
    pub last_answer: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub trouble: Option<Trouble>,
    /// Messages that were there when it was last connected.
    pub waited: u64,
}

/// What was set aside and given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestFacts {
    /// In quarantine, by reason.
    pub waiting: BTreeMap<String, u64>,
    /// Those of them that are newer than [`DeskState::told_quarantine`], and the ids of a few, newest first.
    pub fresh: BTreeMap<String, u64>,
    pub fresh_ids: Vec<u64>,
    /// The newest of all.
    pub newest: u64,
    /// Mails that could not be delivered, over all time.
    pub undeliverable: u64,
}

/// Looks at the desk; `None` if there is nothing to tell and nothing to remember.
#[must_use]
pub fn on_tick(state: &DeskState, facts: &OpsFacts, policy: &Policy, now: Timestamp) -> Option<Change> {
    if policy.desk.ops.is_empty() {
        return None;
    }
    let mut look = Look { policy, now, state: state.clone(), said: Vec::new() };
    look.recoveries(facts);
    look.silences(facts);
    look.digest(facts);
    if look.state == *state {
        return None;
    }
    let watched = |name: &str| policy.mailboxes.iter().any(|m| m.name == name && m.silent_after.is_some());
    let state = &look.state;
    let kept: Vec<Silence> = state
        .silences
        .iter()
        .filter(|s| watched(&s.mailbox) && (s.ended.is_none() || state.paused_until(&s.mailbox, now).is_some()))
        .cloned()
        .collect();
    Some(Change { desk: Some(DeskState { silences: kept, ..look.state }), outbox: look.said, ..Change::default() })
}

/// Whether the daily report is due, and its facts have to be gathered.
#[must_use]
pub fn wants_digest(state: &DeskState, policy: &Policy, now: Timestamp) -> bool {
    let is_ahead = state.digest_at.is_some_and(|last| last.duration_since(now) > AHEAD_MAX);
    !policy.desk.ops.is_empty() && !is_ahead && digest_due(state, policy).is_some_and(|due| due <= now)
}

/// When to look again if nothing happens meanwhile; `None`: never.
#[must_use]
pub fn next_tick(state: &DeskState, facts: &OpsFacts, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    if policy.desk.ops.is_empty() {
        return None;
    }
    let falls_silent = facts.mailboxes.iter().filter_map(|mailbox| {
        let limit = silent_after(policy, &mailbox.name)?;
        if state.open(&mailbox.name).is_some() {
            return None;
        }
        let at = now.saturating_add(limit.saturating_sub(mailbox.quiet)).unwrap_or(Timestamp::MAX);
        Some(state.paused_until(&mailbox.name, now).map_or(at, |paused| at.max(paused)))
    });
    falls_silent.chain(digest_due(state, policy)).min()
}

/// Whether a mailbox has been silent for longer than it may.
#[must_use]
pub fn is_silent(mailbox: &MailboxFacts, policy: &Policy) -> bool {
    silent_after(policy, &mailbox.name).is_some_and(|limit| mailbox.quiet >= limit)
}

/// The desk's time zone: that of the team to which the first mailbox belongs.
#[must_use]
pub fn zone(policy: &Policy) -> TimeZone {
    let team = policy.mailboxes.first().and_then(|mailbox| policy.teams.get(&mailbox.team));
    team.and_then(|team| policy.calendars.get(&team.calendar)).map_or(TimeZone::UTC, |calendar| calendar.zone.clone())
}

fn silent_after(policy: &Policy, mailbox: &str) -> Option<SignedDuration> {
    policy.mailbox_named(mailbox)?.silent_after
}

/// The first time of the daily report after the last one. A time that the clock of the wall leaves out is the next that it shows.
fn digest_due(state: &DeskState, policy: &Policy) -> Option<Timestamp> {
    let last = state.digest_at?;
    let zone = zone(policy);
    let mut date = last.to_zoned(zone.clone()).date();
    for _ in 0..3 {
        let at = zone.to_ambiguous_zoned(date.to_datetime(policy.desk.digest_at)).compatible().ok()?.timestamp();
        if at > last {
            return Some(at);
        }
        date = date.tomorrow().ok()?;
    }
    None
}

/// One look: the state as it becomes, and what is said.
struct Look<'a> {
    policy: &'a Policy,
    now: Timestamp,
    state: DeskState,
    said: Vec<Outbound>,
}

impl Look<'_> {
    /// Those that were told of as silent and have been looked through since.
    fn recoveries(&mut self, facts: &OpsFacts) {
        let mut back = Vec::new();
        for silence in self.state.silences.iter_mut().filter(|silence| silence.ended.is_none()) {
            let Some(mailbox) = facts.mailboxes.iter().find(|m| m.name == silence.mailbox) else { continue };
            if mailbox.last_success.is_some() && mailbox.last_success != silence.last_success {
                silence.ended = Some(self.now);
                back.push((mailbox, silence.since));
            }
        }
        let back: Vec<_> = back.into_iter().map(|(mailbox, since)| self.silence_facts(mailbox, since)).collect();
        if !back.is_empty() {
            self.say(Purpose::Recovery, "ops_recovered", NoticeFacts { mailboxes: back, ..NoticeFacts::default() }, facts);
        }
    }

    /// Those that have just fallen silent, in one mail: many mailboxes share a server.
    fn silences(&mut self, facts: &OpsFacts) {
        let may_be_told = |mailbox: &&MailboxFacts| {
            self.state.open(&mailbox.name).is_none() && self.state.paused_until(&mailbox.name, self.now).is_none()
        };
        let (due, others): (Vec<_>, Vec<_>) = facts.mailboxes.iter().filter(may_be_told).partition(|m| is_silent(m, self.policy));
        if due.is_empty() {
            return;
        }
        // Those that went down with them and would follow one by one within minutes.
        let soon = others.into_iter().filter(|mailbox| {
            let limit = silent_after(self.policy, &mailbox.name);
            !mailbox.connected && limit.is_some_and(|limit| mailbox.quiet >= limit / 4 * 3)
        });
        let mut told = Vec::new();
        for mailbox in due.into_iter().chain(soon).collect::<Vec<_>>() {
            let since = mailbox.last_answer.unwrap_or_else(|| self.now.saturating_sub(mailbox.quiet).unwrap_or(Timestamp::MIN));
            self.state.silences.retain(|silence| silence.mailbox != mailbox.name);
            self.state.silences.push(Silence {
                mailbox: mailbox.name.clone(),
                since,
                told: self.now,
                last_success: mailbox.last_success,
                ended: None,
            });
            told.push(self.silence_facts(mailbox, since));
        }
        self.say(Purpose::Alarm, "ops_silent", NoticeFacts { mailboxes: told, ..NoticeFacts::default() }, facts);
    }

    /// The daily report, if its time has come and there is something in it.
    fn digest(&mut self, facts: &OpsFacts) {
        let last = self.state.digest_at;
        if last.is_none_or(|last| last.duration_since(self.now) > AHEAD_MAX) {
            // The first look ever, or a clock that stood ahead: the next report is due at its next time.
            self.state.digest_at = Some(self.now);
            return;
        }
        let Some(digest) = facts.digest.as_ref().filter(|_| wants_digest(&self.state, self.policy, self.now)) else { return };
        let undeliverable = digest.undeliverable.saturating_sub(self.state.told_undeliverable);
        let silent: Vec<SilenceFacts> = facts
            .mailboxes
            .iter()
            .filter_map(|mailbox| self.state.open(&mailbox.name).map(|silence| self.silence_facts(mailbox, silence.since)))
            .collect();
        let is_news = digest.fresh.keys().any(|reason| reason != DESK_REPORT);
        let still_waits = digest.waiting.keys().any(|reason| !ROUTINE.contains(&reason.as_str()));
        self.state.digest_at = Some(self.now);
        self.state.told_quarantine = digest.newest;
        self.state.told_undeliverable = digest.undeliverable;
        if !is_news && !still_waits && undeliverable == 0 && silent.is_empty() {
            return;
        }
        let of = |counts: &BTreeMap<String, u64>, reason: &str| counts.get(reason).copied().unwrap_or_default();
        let reasons = digest.waiting.iter().map(|(reason, waiting)| ReasonFacts {
            reason: reason.clone(),
            waiting: *waiting,
            fresh: of(&digest.fresh, reason),
        });
        let notice = NoticeFacts {
            mailboxes: silent,
            reasons: reasons.collect(),
            waiting: digest.waiting.values().sum(),
            fresh: digest.fresh.values().sum(),
            ids: digest.fresh_ids.iter().map(ToString::to_string).collect(),
            undeliverable,
            ..NoticeFacts::default()
        };
        self.say(Purpose::Digest, "ops_digest", notice, facts);
    }

    fn silence_facts(&self, mailbox: &MailboxFacts, since: Timestamp) -> SilenceFacts {
        SilenceFacts {
            mailbox: mailbox.name.clone(),
            since_text: dates::when_text(since, &zone(self.policy), self.policy.language([]), self.now),
            lasted: span_text(self.now.duration_since(since)),
            trouble: mailbox.trouble.map(|trouble| trouble.word().to_owned()).unwrap_or_default(),
            waited: mailbox.waited,
        }
    }

    /// One mail to each of the ops, from a mailbox that answers if there is one: what is answered to it is then read.
    fn say(&mut self, purpose: Purpose, template: &str, notice: NoticeFacts, facts: &OpsFacts) {
        let policy = self.policy;
        let answers = |name: &str| facts.mailboxes.iter().find(|m| m.name == name).is_none_or(|m| !is_silent(m, policy));
        let Some(from) = policy.mailboxes.iter().find(|m| answers(&m.name)).or(policy.mailboxes.first()) else { return };
        let notice = NoticeFacts { desk: policy.desk.name.clone(), ..notice };
        let language = policy.language([]);
        let unwritten = |_| Rendered { subject: format!("{}: {template}", policy.desk.name), text: "`guichet status`".to_owned() };
        let Rendered { subject, text } = policy.templates.render(language, template, notice).unwrap_or_else(unwritten);
        let all: Vec<Contact> = policy.desk.ops.iter().map(|address| Contact { name: String::new(), address: address.clone() }).collect();
        for to in &all {
            self.said.push(Outbound {
                id: self.state.take_outbox_id(),
                purpose,
                route: Route::Mail,
                audience: Audience::Informed,
                from: from.address.clone(),
                from_name: policy.desk.name.clone(),
                to: Some(to.clone()),
                shown_to: if all.len() > 1 { all.clone() } else { Vec::new() },
                subject: one_line(&subject, SUBJECT_OCTETS_MAX),
                in_reply_to: None,
                references: Vec::new(),
                body: vec![Piece::Text(text.clone())],
                attachments: Vec::new(),
                automatic: Some(Automatic::Generated),
                created: self.now,
            });
        }
    }
}

/// A length of time in the symbols that every language has, to the minute: `3 min`, `2 h 5 min`.
fn span_text(span: SignedDuration) -> String {
    let minutes = span.as_mins().max(0);
    match (minutes / 60, minutes % 60) {
        (0, 0) => "< 1 min".to_owned(),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests;
