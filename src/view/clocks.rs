//! A ticket's clocks: where they stand, and where their time went.

use crate::domain::policy::Policy;
use crate::domain::sla::{self, Aim, Clock, Event};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClockView {
    pub kind: String,
    pub due: String,
    pub state: String,
    /// `due` by the wall of its calendar; only of one ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Of a paused clock: seconds of its calendar's opening time that it has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<i64>,
    /// Of a ladder's clock: whom its next step tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tells: Option<String>,
    /// Where its time went, line by line; only of one ticket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<ClockLineView>,
}

/// One line of the log of a clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClockLineView {
    pub at: String,
    /// `armed`, `paused`, `resumed`, `met`, `warned`, `breached`, `cancelled`, `re-targeted` or `carried`.
    pub event: String,
    /// Seconds of its calendar's opening time that it had used by then.
    pub used: i64,
    /// What it runs to from then on, such as `4 h 00 min of office`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aim: Option<String>,
    /// `at` by the wall of its calendar.
    #[serde(default)]
    pub local: String,
}

impl ClockView {
    /// Where it stands and when it is due, in words.
    pub(super) fn stands(&self) -> String {
        let due = self.local.as_ref().unwrap_or(&self.due);
        match (self.state.as_str(), self.left) {
            (state, Some(left)) => format!("{state}, {} left", hours(left)),
            (state @ ("met" | "breached"), None) => format!("{state}, was due {due}"),
            (state, None) => format!("{state}, due {due}"),
        }
    }
}

impl ClockLineView {
    /// What is told behind its time: how long it had run by then, and what it runs to from there.
    pub(super) fn told(&self) -> String {
        let used = format!("after {} of opening time", hours(self.used));
        let aim = self.aim.as_ref().map(|aim| match aim.split_once(" of ") {
            Some((length, calendar)) if !aim.starts_with("until ") => format!("may take {length} of calendar '{calendar}'"),
            Some(_) | None => format!("runs {aim}"),
        });
        match (self.event.as_str(), aim) {
            ("armed", Some(aim)) => format!(", {aim}"),
            (_, Some(aim)) => format!(", {used}, {aim}"),
            (_, None) => format!(", {used}"),
        }
    }
}

pub(super) fn clock_line(entry: &sla::Entry, used: i64, clock: &Clock, policy: &Policy) -> ClockLineView {
    let aim = match &entry.event {
        Event::Armed { aim, .. } | Event::Retargeted { aim, .. } => Some(match aim {
            Aim::Within { seconds, calendar } => format!("{} of {calendar}", hours(*seconds)),
            Aim::At { until, calendar } => format!("until {}", by_the_wall(*until, calendar, policy)),
        }),
        Event::Paused | Event::Resumed | Event::Met | Event::Warned | Event::Breached | Event::Cancelled | Event::Carried { .. } => None,
    };
    let local = by_the_wall(entry.at, &clock.calendar, policy);
    ClockLineView { at: entry.at.to_string(), event: entry.event.word().to_owned(), used, aim, local }
}

/// A time as the calendar's people see it on their wall, to the second.
pub(super) fn by_the_wall(at: Timestamp, calendar: &str, policy: &Policy) -> String {
    let zone = policy.calendars.get(calendar).map_or(jiff::tz::TimeZone::UTC, |calendar| calendar.zone.clone());
    at.to_zoned(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}

fn hours(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    if rest == 0 { format!("{hours} h {minutes:02} min") } else { format!("{hours} h {minutes:02} min {rest:02} s") }
}
