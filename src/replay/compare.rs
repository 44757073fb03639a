//! What two configurations made of the same past, side by side.

use crate::domain::message::{Channel, TicketNumber};
use crate::domain::outbound::Purpose;
use crate::domain::policy::{Policy, Sla};
use crate::domain::sla::{Clock, ClockKind, ClockState};
use crate::domain::ticket::{HELD_TAG, SPAM_TAG, Ticket};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Examples of each difference that are named.
const EXAMPLES_MAX: usize = 3;

/// What one configuration made of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Of each thing that was said, in order: what people find it by, and what became of it.
    pub fates: Vec<(String, Fate)>,
    /// Mails and chat lines that would have been sent.
    pub notices: BTreeMap<Purpose, u64>,
    /// By reason.
    pub quarantined: BTreeMap<String, u64>,
    /// How targets ended, by tier.
    pub attained: BTreeMap<String, BTreeMap<ClockKind, Attainment>>,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Opened(Box<Opening>),
    Joined(TicketNumber),
    Answered(TicketNumber),
    Quarantined,
    /// It was there before.
    Again,
    /// Our own automatic mail, or an agent's that was not carried out: left out.
    Automatic,
    /// An answer in a ticket that is not there: left out.
    NoTicket,
}

impl Fate {
    /// For people.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opens a ticket",
            Self::Joined(_) => "joins a ticket",
            Self::Answered(_) => "is an answer",
            Self::Quarantined => "goes to quarantine",
            Self::Again => "is there already",
            Self::Automatic | Self::NoTicket => "is left out",
        }
    }
}

/// How a ticket began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub ticket: TicketNumber,
    pub tier: String,
    pub team: String,
    pub assignee: Option<String>,
    pub priority: &'static str,
    /// The SLA policy, by its name or by what it is for.
    pub policy: String,
    pub language: String,
    pub tags: BTreeSet<String>,
    /// When the first answer was due.
    pub first_response_due: Option<Timestamp>,
}

impl Opening {
    /// As a ticket stands after its first message.
    #[must_use]
    pub fn of(ticket: &Ticket, channel: Channel, policy: &Policy) -> Self {
        let sla = policy.sla(&ticket.tier, ticket.priority, channel, ticket.policy.as_deref());
        Self {
            ticket: ticket.number,
            tier: ticket.tier.clone(),
            team: ticket.team.clone(),
            assignee: ticket.assignee.clone(),
            priority: ticket.priority.word(),
            policy: title(&sla),
            language: ticket.language.to_string(),
            tags: ticket.tags.clone(),
            first_response_due: ticket.clocks.iter().find(|clock| clock.kind == ClockKind::FirstResponse).map(|clock| clock.due),
        }
    }

    /// What differs, each with what it was and what it would have been.
    fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let assignee = |opening: &Self| opening.assignee.clone().unwrap_or_else(|| "nobody".to_owned());
        let tags = |opening: &Self| {
            let own = opening.tags.iter().filter(|tag| ![HELD_TAG, SPAM_TAG].contains(&tag.as_str()));
            let all = own.map(String::as_str).collect::<Vec<_>>().join(", ");
            if all.is_empty() { "none".to_owned() } else { all }
        };
        let has = |opening: &Self, tag: &str| if opening.tags.contains(tag) { "yes" } else { "no" }.to_owned();
        let (due, due_there) = direction(self.first_response_due, other.first_response_due);
        let all = [
            ("tier", self.tier.clone(), other.tier.clone()),
            ("team", self.team.clone(), other.team.clone()),
            ("priority", self.priority.to_owned(), other.priority.to_owned()),
            ("sla policy", self.policy.clone(), other.policy.clone()),
            ("assignee", assignee(self), assignee(other)),
            ("tags", tags(self), tags(other)),
            ("held", has(self, HELD_TAG), has(other, HELD_TAG)),
            ("spam", has(self, SPAM_TAG), has(other, SPAM_TAG)),
            ("language", self.language.clone(), other.language.clone()),
            ("first response due", due.to_owned(), due_there.to_owned()),
        ];
        all.into_iter().filter(|(_, was, would)| was != would).collect()
    }
}

/// A policy by its name, or by what it is for.
fn title(sla: &Sla) -> String {
    if let Some(name) = &sla.name {
        return name.clone();
    }
    let parts = [sla.tier.clone(), sla.priority.map(|p| p.word().to_owned()), sla.channel.map(|c| c.word().to_owned())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "for all".to_owned() } else { parts.join(", ") }
}

/// How often a target was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attainment {
    pub met: u64,
    /// Answered late, or not at all and past its time.
    pub missed: u64,
    /// Not yet met, and not yet late, at the end.
    pub open: u64,
}

impl Attainment {
    /// Counts a target. One that was cancelled in time is none.
    pub fn count(&mut self, clock: &Clock, cancelled: bool) {
        match clock.state {
            ClockState::Met { .. } => self.met += 1,
            ClockState::Breached { .. } => self.missed += 1,
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Paused { .. } if cancelled => {}
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Paused { .. } => self.open += 1,
        }
    }

    /// Met of those that ended, in per cent; `None` if none did.
    #[must_use]
    pub fn per_cent(&self) -> Option<f64> {
        let ended = self.met + self.missed;
        #[allow(clippy::cast_precision_loss, reason = "counts of messages")]
        (ended > 0).then(|| self.met as f64 * 100.0 / ended as f64)
    }
}

/// The two, side by side. `now` is the configuration in force.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub messages: u64,
    pub fates: BTreeMap<&'static str, Pair<u64>>,
    pub quarantined: BTreeMap<String, Pair<u64>>,
    /// Tickets that begin in both.
    pub tickets: u64,
    /// Those of them that begin otherwise.
    pub differing: u64,
    pub routing: Vec<Difference>,
    /// Messages with another fate altogether.
    pub moved: Vec<Difference>,
    /// By tier and target.
    pub attained: BTreeMap<String, BTreeMap<&'static str, Pair<Attainment>>>,
    pub notices: BTreeMap<&'static str, Pair<u64>>,
}

/// In force, and other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    pub now: T,
    pub new: T,
}

/// One way in which messages differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Such as `team`.
    pub what: &'static str,
    pub now: String,
    pub new: String,
    pub count: u64,
    /// The first of them.
    pub examples: Vec<String>,
}

impl Comparison {
    /// Both heard the same, in the same order.
    #[must_use]
    pub fn of([now, new]: &[Outcome; 2]) -> Self {
        let mut tally = Tally::default();
        let (mut tickets, mut differing) = (0, 0);
        let mut fates: BTreeMap<&'static str, Pair<u64>> = BTreeMap::new();
        for ((name, was), (_, would)) in now.fates.iter().zip(&new.fates) {
            fates.entry(was.word()).or_default().now += 1;
            fates.entry(would.word()).or_default().new += 1;
            match (was, would) {
                (Fate::Opened(was), Fate::Opened(would)) => {
                    tickets += 1;
                    let differences = was.differences(would);
                    differing += u64::from(!differences.is_empty());
                    for (what, was, would) in differences {
                        tally.add(what, was, would, name);
                    }
                }
                (was, would) if was.word() != would.word() => tally.add("fate", was.word().to_owned(), would.word().to_owned(), name),
                (_, _) => {}
            }
        }
        let (moved, routing) = tally.sorted().into_iter().partition(|difference| difference.what == "fate");
        let tiers: BTreeSet<&String> = now.attained.keys().chain(new.attained.keys()).collect();
        let targets = |outcome: &'_ Outcome, tier: &str| outcome.attained.get(tier).cloned().unwrap_or_default();
        let of_tier = |tier: &String| {
            let pairs = side_by_side(targets(now, tier).iter(), targets(new, tier).iter(), |kind| kind.word());
            (tier.clone(), pairs)
        };
        let attained = tiers.into_iter().map(of_tier).collect();
        Self {
            messages: now.fates.len() as u64,
            fates,
            quarantined: side_by_side(now.quarantined.iter(), new.quarantined.iter(), String::clone),
            tickets,
            differing,
            routing,
            moved,
            attained,
            notices: side_by_side(now.notices.iter(), new.notices.iter(), |purpose| purpose.word()),
        }
    }

    /// For a terminal; `titles` are the two configurations' names.
    #[must_use]
    pub fn text(&self, [now, new]: [&str; 2]) -> String {
        let mut out = String::new();
        let width = now.chars().count().max(new.chars().count()).max(16);
        let head = |out: &mut String, what: &str| {
            let _ = writeln!(out, "\n{what:<40} {now:>width$} {new:>width$}");
        };
        let row = |out: &mut String, what: &str, now: &str, new: &str| {
            let mark = if now == new { "" } else { "  *" };
            let _ = writeln!(out, "  {what:<38} {now:>width$} {new:>width$}{mark}");
        };
        head(&mut out, "messages");
        for (what, pair) in &self.fates {
            row(&mut out, what, &pair.now.to_string(), &pair.new.to_string());
        }
        for (reason, pair) in &self.quarantined {
            row(&mut out, &format!("quarantine: {reason}"), &pair.now.to_string(), &pair.new.to_string());
        }
        head(&mut out, "targets met");
        for (tier, targets) in &self.attained {
            for (kind, pair) in targets {
                row(&mut out, &format!("{tier}: {kind}"), &met(&pair.now), &met(&pair.new));
            }
        }
        head(&mut out, "sent");
        for (purpose, pair) in &self.notices {
            row(&mut out, purpose, &pair.now.to_string(), &pair.new.to_string());
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of tickets")]
        let share = if self.tickets == 0 { 0.0 } else { self.differing as f64 * 100.0 / self.tickets as f64 };
        let _ = writeln!(out, "\nrouting: {} of {} tickets begin otherwise ({share:.1} %)", self.differing, self.tickets);
        for difference in self.moved.iter().chain(&self.routing) {
            let Difference { what, now, new, count, examples } = difference;
            let _ = writeln!(out, "  {count:>8}  {what}: {now} -> {new}   such as {}", examples.join(", "));
        }
        crate::view::for_terminal(&out)
    }
}

fn met(attainment: &Attainment) -> String {
    let Attainment { met, missed, open } = attainment;
    let open = if *open == 0 { String::new() } else { format!(", {open} open") };
    attainment.per_cent().map_or_else(|| format!("-{open}"), |share| format!("{share:.1} % of {}{open}", met + missed))
}

/// Each has another time: that it moves is what counts.
fn direction(was: Option<Timestamp>, would: Option<Timestamp>) -> (&'static str, &'static str) {
    match (was, would) {
        (Some(was), Some(would)) if would < was => ("then", "earlier"),
        (Some(was), Some(would)) if would > was => ("then", "later"),
        (Some(_), Some(_)) => ("then", "then"),
        (Some(_), None) => ("some time", "none"),
        (None, Some(_)) => ("none", "some time"),
        (None, None) => ("none", "none"),
    }
}

fn side_by_side<'a, K: 'a, V: Copy + Default + 'a, W: Ord>(
    now: impl Iterator<Item = (&'a K, &'a V)>,
    new: impl Iterator<Item = (&'a K, &'a V)>,
    word: impl Fn(&K) -> W,
) -> BTreeMap<W, Pair<V>> {
    let mut pairs: BTreeMap<W, Pair<V>> = BTreeMap::new();
    for (key, count) in now {
        pairs.entry(word(key)).or_default().now = *count;
    }
    for (key, count) in new {
        pairs.entry(word(key)).or_default().new = *count;
    }
    pairs
}

/// Differences of one kind, counted.
#[derive(Default)]
struct Tally(BTreeMap<(&'static str, String, String), (u64, Vec<String>)>);

impl Tally {
    fn add(&mut self, what: &'static str, now: String, new: String, name: &str) {
        let (count, examples) = self.0.entry((what, now, new)).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(name.to_owned());
        }
    }

    /// The most frequent first.
    fn sorted(self) -> Vec<Difference> {
        let all = self.0.into_iter().map(|((what, now, new), (count, examples))| Difference { what, now, new, count, examples });
        let mut all: Vec<Difference> = all.collect();
        all.sort_by_key(|difference| std::cmp::Reverse(difference.count));
        all
    }
}
