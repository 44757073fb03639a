//! Clocks: one running target each, and what becomes of it as time passes.
//!
//! ```text
//!   Running ──warn_at──► Warned ──due──► Breached
//!     │  ▲                 │ ▲
//!     ▼  │ resume          ▼ │ resume
//!     Paused { left, warn_left }           Running, Warned ──met──► Met
//! ```
//! [`Clock::next_event`] says when a clock next cares; [`Clock::advance`] is told the time, and a call too early
//! does nothing. Each event is returned once, whatever is called again (P5, P10).

use jiff::Timestamp;

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
    /// A solved ticket closes by itself.
    AutoClose,
    /// Looks after a ticket that no other clock would move (P4).
    Review,
}

impl ClockKind {
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
        }
    }

    /// Whether missing it is a broken target, of which team and manager hear. The others are only alarm clocks.
    #[must_use]
    pub const fn is_target(self) -> bool {
        match self {
            Self::FirstResponse | Self::NextResponse | Self::Resolution | Self::Promise => true,
            Self::Snooze | Self::AutoClose | Self::Review => false,
        }
    }
}

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
