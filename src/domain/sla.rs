//! Clocks: one target or alarm each, derived from what happened to it.
//!
//! ```text
//!   armed ──► Running ──warn_at──► Warned ──due──► Breached
//!               │  ▲                 │ ▲               │
//!        paused ▼  │ resumed         ▼ │               │ met: the answer was sent in time after all
//!               Paused { left, warn_left }             ▼
//!               Running, Warned ──────────met───────► Met
//! ```
//! What is kept is the log of a ticket's clocks ([`Entry`]): armed, paused, resumed, met, warned, breached, cancelled, re-targeted, each
//! with its time. A [`Clock`] is what [`derive()`] makes of it with the calendars in force: after a restart, with another calendar, after a
//! merge or with a new priority the same log gives the same clock, and [`account`] tells where each minute went. [`Clock::next_event`]
//! says when a clock next cares; [`Clock::advance`] is told the time, and a call too early does nothing. Each event is returned once,
//! whatever is called again (P5, P10).

use super::calendar::Calendar;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What a clock measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockKind {
    /// Until a person first answers.
    FirstResponse,
    /// Until a person answers the customer's latest message.
    NextResponse,
    /// Until it is solved.
    Resolution,
    /// A date that an agent gave.
    Promise,
    /// End of a snooze.
    Snooze,
    /// A solved ticket closes by itself; one that waits for its customer too long, too.
    AutoClose,
    /// Looks after a ticket that no other clock would move (P4).
    Review,
    /// Until the customer hears from a person again, while the matter is open.
    Update,
    /// The next step of the ladder after a breach.
    Escalation,
    /// When the customer is told that the first answer will be late.
    Delay,
    /// Before a promise is due, its agent is reminded.
    Reminder,
    /// A customer who is waited for is asked again.
    Nudge,
    /// The customer is asked whether all is well, some time after it was solved.
    Checkin,
}

impl ClockKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::FirstResponse,
        Self::NextResponse,
        Self::Resolution,
        Self::Promise,
        Self::Snooze,
        Self::AutoClose,
        Self::Review,
        Self::Update,
        Self::Escalation,
        Self::Delay,
        Self::Reminder,
        Self::Nudge,
        Self::Checkin,
    ];

    /// The word of the JSON interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::FirstResponse => "first_response",
            Self::NextResponse => "next_response",
            Self::Resolution => "resolution",
            Self::Promise => "promise",
            Self::Snooze => "snooze",
            Self::AutoClose => "auto_close",
            Self::Review => "review",
            Self::Update => "periodic_update",
            Self::Escalation => "escalation",
            Self::Delay => "delay_notice",
            Self::Reminder => "promise_reminder",
            Self::Nudge => "nudge",
            Self::Checkin => "checkin",
        }
    }

    /// Whether missing it is a broken target, of which team and manager hear. The others are only alarm clocks.
    #[must_use]
    pub const fn is_target(self) -> bool {
        match self {
            Self::FirstResponse | Self::NextResponse | Self::Resolution | Self::Promise | Self::Update => true,
            Self::Snooze
            | Self::AutoClose
            | Self::Review
            | Self::Escalation
            | Self::Delay
            | Self::Reminder
            | Self::Nudge
            | Self::Checkin => false,
        }
    }
}

/// What a clock runs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// So much of the calendar's opening time, in seconds.
    Within { seconds: i64, calendar: String },
    /// A moment; the calendar is that of its reader.
    At { until: Timestamp, calendar: String },
}

impl Aim {
    /// The calendar's name.
    #[must_use]
    pub fn calendar(&self) -> &str {
        match self {
            Self::Within { calendar, .. } | Self::At { calendar, .. } => calendar,
        }
    }
}

/// One line of the log of a ticket's clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Timestamp,
    pub kind: ClockKind,
    pub event: Event,
}

/// What happened to a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It begins; one of its kind that was there is past. `warn` is the part of the way, in thousandths, after which it warns (0: never);
    /// `step` counts where a ladder is climbed.
    Armed {
        aim: Aim,
        warn: u16,
        step: u8,
    },
    /// Another target from the same beginning: what has passed counts.
    Retargeted {
        aim: Aim,
        warn: u16,
    },
    Paused,
    Resumed,
    Met,
    Warned,
    Breached,
    Cancelled,
    /// So much opening time had been used, in seconds: stands for pauses that were too many to keep.
    Carried {
        used: i64,
    },
}

impl Event {
    /// The word of the JSON interface.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Armed { .. } => "armed",
            Self::Retargeted { .. } => "re-targeted",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Met => "met",
            Self::Warned => "warned",
            Self::Breached => "breached",
            Self::Cancelled => "cancelled",
            Self::Carried { .. } => "carried",
        }
    }
}

/// About how many lines of the log a ticket keeps (P11); of more, the oldest of clocks that have ended go. The history has them for ever.
pub const ENTRIES_MAX: usize = 200;

/// Where a clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// Runs; will warn at the time given, if it warns at all.
    Running {
        warn_at: Option<Timestamp>,
    },
    /// Runs on, and has warned.
    Warned {
        at: Timestamp,
    },
    /// Stands still with this much of its calendar's time left, in seconds.
    Paused {
        left_s: i64,
        warn_left_s: Option<i64>,
    },
    Met {
        at: Timestamp,
    },
    Breached {
        at: Timestamp,
    },
}

impl ClockState {
    /// The word of the JSON interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Warned { .. } => "warned",
            Self::Paused { .. } => "paused",
            Self::Met { .. } => "met",
            Self::Breached { .. } => "breached",
        }
    }
}

/// One target of one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    pub kind: ClockKind,
    /// Name of the calendar in which its time runs.
    pub calendar: String,
    pub armed: Timestamp,
    /// When it runs out; what a customer is told (P10). For a paused clock: when it would have.
    pub due: Timestamp,
    pub state: ClockState,
    /// Which step of its ladder it is.
    pub step: u8,
}

/// What the log says of the clocks of one kind: the last that was armed, unless it was cancelled.
#[must_use]
pub fn derive(log: &[Entry], kind: ClockKind, calendars: &BTreeMap<String, Calendar>) -> Option<Clock> {
    let begin = log.iter().rposition(|entry| entry.kind == kind && matches!(entry.event, Event::Armed { .. }))?;
    let mut run = Run::begin(log.get(begin)?, calendars)?;
    for entry in log.get(begin + 1..)?.iter().filter(|entry| entry.kind == kind) {
        run.goes_on(entry);
        if matches!(entry.event, Event::Cancelled) {
            return None;
        }
    }
    Some(run.clock())
}

/// How a clock got where it is: each line of its log with the opening time that it had used until then, in seconds.
#[must_use]
pub fn account<'a>(log: &'a [Entry], kind: ClockKind, calendars: &BTreeMap<String, Calendar>) -> Vec<(&'a Entry, i64)> {
    let mut told = Vec::new();
    let mut run: Option<Run<'_>> = None;
    for entry in log.iter().filter(|entry| entry.kind == kind) {
        match (&mut run, &entry.event) {
            (Some(run), event) if !matches!(event, Event::Armed { .. }) => run.goes_on(entry),
            (_, _) => run = Run::begin(entry, calendars),
        }
        told.push((entry, run.as_ref().map_or(0, |run| run.used_until(entry.at))));
    }
    told
}

/// Every target that the log still tells of (see [`ENTRIES_MAX`]), in its order, as it ended or stands; `true`: it was cancelled.
#[must_use]
pub fn targets(log: &[Entry], calendars: &BTreeMap<String, Calendar>) -> Vec<(Clock, bool)> {
    let begins = |(_, entry): &(usize, &Entry)| entry.kind.is_target() && matches!(entry.event, Event::Armed { .. });
    let ended = |(at, begin): (usize, &Entry)| {
        let mut run = Run::begin(begin, calendars)?;
        let mut cancelled = false;
        let rest = log.get(at + 1..)?.iter().filter(|entry| entry.kind == begin.kind);
        for entry in rest.take_while(|entry| !matches!(entry.event, Event::Armed { .. })) {
            run.goes_on(entry);
            cancelled |= matches!(entry.event, Event::Cancelled);
        }
        Some((run.clock(), cancelled))
    };
    log.iter().enumerate().filter(begins).filter_map(ended).collect()
}

/// A clock while its log is read.
struct Run<'a> {
    kind: ClockKind,
    calendars: &'a BTreeMap<String, Calendar>,
    aim: Aim,
    warn: u16,
    step: u8,
    armed: Timestamp,
    /// Seconds of opening time that had passed at `since`.
    used: i64,
    since: Timestamp,
    paused: bool,
    warned: Option<Timestamp>,
    met: Option<Timestamp>,
    breached: Option<Timestamp>,
}

impl<'a> Run<'a> {
    fn begin(entry: &Entry, calendars: &'a BTreeMap<String, Calendar>) -> Option<Self> {
        let Event::Armed { aim, warn, step } = &entry.event else { return None };
        Some(Self {
            kind: entry.kind,
            calendars,
            aim: aim.clone(),
            warn: *warn,
            step: *step,
            armed: entry.at,
            used: 0,
            since: entry.at,
            paused: false,
            warned: None,
            met: None,
            breached: None,
        })
    }

    fn goes_on(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Armed { .. } | Event::Cancelled => {}
            Event::Retargeted { aim, warn } => {
                // What was used so far was used by the old calendar.
                self.used = self.used_until(entry.at);
                self.since = self.since.max(entry.at);
                if (&self.aim, self.warn) != (aim, *warn) {
                    self.warned = None;
                }
                self.aim = aim.clone();
                self.warn = *warn;
            }
            Event::Paused => {
                self.used = self.used_until(entry.at);
                self.since = self.since.max(entry.at);
                self.paused = true;
            }
            Event::Carried { used } => {
                self.used = *used;
                self.since = entry.at;
                self.paused = false;
            }
            Event::Resumed => {
                self.since = self.since.max(entry.at);
                self.paused = false;
            }
            Event::Met => self.met = Some(entry.at.max(self.armed)),
            Event::Warned => self.warned = Some(entry.at),
            Event::Breached => self.breached = Some(entry.at),
        }
    }

    /// Opening time that it has used, in seconds.
    fn used_until(&self, at: Timestamp) -> i64 {
        let until = self.met.map_or(at, |met| met.min(at));
        if self.paused || until <= self.since {
            return self.used;
        }
        let open = self.calendar().map_or_else(|| until.duration_since(self.since), |c| c.between(self.since, until));
        self.used.saturating_add(open.as_secs())
    }

    fn calendar(&self) -> Option<&'a Calendar> {
        self.calendars.get(self.aim.calendar())
    }

    /// When so many seconds of opening time have passed in all.
    fn at(&self, seconds: i64) -> Timestamp {
        let left = SignedDuration::from_secs(seconds.saturating_sub(self.used).max(0));
        self.calendar().map_or_else(|| later(self.since, left), |c| c.add(self.since, left))
    }

    fn clock(self) -> Clock {
        let (due, warn_at, left, warn_left) = match &self.aim {
            Aim::Within { seconds, .. } => {
                let warn = seconds.saturating_mul(i64::from(self.warn)) / 1000;
                let left = |until: i64| until.saturating_sub(self.used);
                (self.at(*seconds), self.at(warn), left(*seconds), left(warn))
            }
            Aim::At { until, .. } => {
                let way = until.duration_since(self.armed);
                let warn = later(self.armed, way.checked_mul(i32::from(self.warn)).unwrap_or(way) / 1000);
                let left = |to: Timestamp| to.duration_since(self.since).as_secs();
                (*until, warn, left(*until), left(warn))
            }
        };
        let warns = self.warn > 0 && self.warned.is_none() && warn_at < due;
        let state = match (self.met, self.breached) {
            // Sent before it was due, however late we read it.
            (Some(at), _) if at <= due => ClockState::Met { at },
            (Some(_), None) => ClockState::Breached { at: due },
            (_, Some(at)) => ClockState::Breached { at },
            (None, None) if self.paused => ClockState::Paused { left_s: left, warn_left_s: warns.then_some(warn_left) },
            (None, None) => match self.warned {
                Some(at) => ClockState::Warned { at },
                None => ClockState::Running { warn_at: warns.then_some(warn_at) },
            },
        };
        let calendar = self.aim.calendar().to_owned();
        Clock { kind: self.kind, calendar, armed: self.armed, due, state, step: self.step }
    }
}

/// The log of clocks of before there was one.
#[must_use]
pub fn log_of(clocks: &[Clock]) -> Vec<Entry> {
    let mut log = Vec::new();
    for clock in clocks {
        let entry = |at, event| Entry { at, kind: clock.kind, event };
        let calendar = clock.calendar.clone();
        let aim = match clock.state {
            ClockState::Paused { left_s, .. } => Aim::Within { seconds: left_s, calendar },
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Met { .. } | ClockState::Breached { .. } => {
                Aim::At { until: clock.due, calendar }
            }
        };
        let way = clock.due.duration_since(clock.armed).as_secs().max(1);
        let warn = match clock.state {
            ClockState::Running { warn_at: Some(at) } => (at.duration_since(clock.armed).as_secs() * 1000 / way).clamp(1, 999),
            ClockState::Running { warn_at: None }
            | ClockState::Warned { .. }
            | ClockState::Paused { .. }
            | ClockState::Met { .. }
            | ClockState::Breached { .. } => 0,
        };
        log.push(entry(clock.armed, Event::Armed { aim, warn: u16::try_from(warn).unwrap_or(0), step: clock.step }));
        match clock.state {
            ClockState::Running { .. } => {}
            ClockState::Warned { at } => log.push(entry(at, Event::Warned)),
            ClockState::Paused { .. } => log.push(entry(clock.armed, Event::Paused)),
            ClockState::Met { at } => log.push(entry(at, Event::Met)),
            ClockState::Breached { at } => log.push(entry(at, Event::Breached)),
        }
    }
    log
}

/// Adds a line. An alarm's earlier lines go with its next beginning: it is no target of which anybody asks later.
pub fn note(log: &mut Vec<Entry>, entry: Entry, calendars: &BTreeMap<String, Calendar>) {
    if matches!(entry.event, Event::Armed { .. }) && !entry.kind.is_target() {
        log.retain(|old| old.kind != entry.kind);
    }
    if log.len() >= ENTRIES_MAX {
        let begins = |kind| log.iter().rposition(|e| e.kind == kind && matches!(e.event, Event::Armed { .. }));
        let past = log.iter().enumerate().find(|(at, e)| begins(e.kind).is_some_and(|begin| *at < begin)).map(|(at, _)| at);
        match past {
            Some(at) => drop(log.remove(at)),
            None => carry(log, entry.kind, calendars),
        }
    }
    log.push(entry);
}

/// Puts what a clock that was paused or re-targeted too often had used in the place of all that, and its last target at its beginning.
fn carry(log: &mut Vec<Entry>, kind: ClockKind, calendars: &BTreeMap<String, Calendar>) {
    drop_targets_of_pauses(log, kind);
    let Some(last) = last_begin(log, kind) else { return };
    let Some((at, used)) = account(log.get(..=last).unwrap_or_default(), kind, calendars).pop().map(|(entry, used)| (entry.at, used))
    else {
        return;
    };
    let target = log.iter().take(last + 1).enumerate().rev().find_map(|(place, entry)| match &entry.event {
        Event::Retargeted { aim, warn } if entry.kind == kind => Some((place, aim.clone(), *warn)),
        Event::Retargeted { .. }
        | Event::Armed { .. }
        | Event::Paused
        | Event::Resumed
        | Event::Met
        | Event::Warned
        | Event::Breached
        | Event::Cancelled
        | Event::Carried { .. } => None,
    });
    let (mut place, mut kept) = (0, 0);
    log.retain_mut(|entry| {
        let here = place;
        place += 1;
        if here > last {
            return true;
        }
        let is_folded = entry.kind == kind
            && match &mut entry.event {
                Event::Paused | Event::Resumed | Event::Carried { .. } | Event::Retargeted { .. } => true,
                // It was about the target of before.
                Event::Warned => target.as_ref().is_some_and(|(since, ..)| here < *since),
                Event::Armed { aim, warn, .. } => {
                    if let Some((_, last_aim, last_warn)) = &target {
                        (*aim, *warn) = (last_aim.clone(), *last_warn);
                    }
                    false
                }
                Event::Met | Event::Breached | Event::Cancelled => false,
            };
        kept += usize::from(!is_folded);
        !is_folded
    });
    log.insert(kept, Entry { at, kind, event: Event::Carried { used } });
}

/// Of the targets that a clock got while it stood still only the last was ever run to.
fn drop_targets_of_pauses(log: &mut Vec<Entry>, kind: ClockKind) {
    let (mut paused, mut before) = (false, None);
    let mut idle = Vec::new();
    for (at, entry) in log.iter().enumerate().filter(|(_, entry)| entry.kind == kind) {
        let is_target = matches!(entry.event, Event::Retargeted { .. });
        idle.extend(before.filter(|_| is_target));
        paused = stands(&entry.event, paused);
        before = (is_target && paused).then_some(at);
    }
    for at in idle.into_iter().rev() {
        log.remove(at);
    }
}

/// The last line at which a clock went on to run: as before, or to another target.
fn last_begin(log: &[Entry], kind: ClockKind) -> Option<usize> {
    let (mut paused, mut last) = (false, None);
    for (at, entry) in log.iter().enumerate().filter(|(_, entry)| entry.kind == kind) {
        if matches!(entry.event, Event::Resumed) || (!paused && matches!(entry.event, Event::Retargeted { .. })) {
            last = Some(at);
        }
        paused = stands(&entry.event, paused);
    }
    last
}

/// Whether a clock stands still after an event, if before it did or did not.
const fn stands(event: &Event, paused: bool) -> bool {
    match event {
        Event::Paused => true,
        Event::Armed { .. } | Event::Resumed | Event::Carried { .. } => false,
        Event::Retargeted { .. } | Event::Met | Event::Warned | Event::Breached | Event::Cancelled => paused,
    }
}

pub(crate) fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What happened to a clock as time passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockEvent {
    Warned,
    /// It ran out. For [`ClockKind::is_target`] that is a breach; for the others it is what they are for.
    Elapsed,
}

impl Clock {
    /// When it wants to be asked again; `None` if never by itself.
    #[must_use]
    pub fn next_event(&self) -> Option<Timestamp> {
        match self.state {
            ClockState::Running { warn_at: Some(warn_at) } => Some(warn_at.min(self.due)),
            ClockState::Running { warn_at: None } | ClockState::Warned { .. } => Some(self.due),
            ClockState::Paused { .. } | ClockState::Met { .. } | ClockState::Breached { .. } => None,
        }
    }

    /// Whether it is still to be met.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self.state {
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Paused { .. } => true,
            ClockState::Met { .. } | ClockState::Breached { .. } => false,
        }
    }

    /// Moves it to `now`. A clock that slept through its warning only breaches: a warning after the fact helps nobody.
    pub fn advance(&mut self, now: Timestamp) -> Option<ClockEvent> {
        match self.state {
            ClockState::Running { .. } | ClockState::Warned { .. } if now >= self.due => {
                self.state = ClockState::Breached { at: self.due };
                Some(ClockEvent::Elapsed)
            }
            ClockState::Running { warn_at: Some(warn_at) } if now >= warn_at => {
                self.state = ClockState::Warned { at: now };
                Some(ClockEvent::Warned)
            }
            ClockState::Running { .. }
            | ClockState::Warned { .. }
            | ClockState::Paused { .. }
            | ClockState::Met { .. }
            | ClockState::Breached { .. } => None,
        }
    }
}
