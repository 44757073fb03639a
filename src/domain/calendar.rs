//! Opening hours: the time in which a policy's clocks run.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// A stretch of a local day in minutes from midnight, `end` excluded; 1440 is midnight at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shift {
    pub start_min: u16,
    pub end_min: u16,
}

/// When a team works.
#[derive(Clone, Debug)]
pub struct Calendar {
    pub name: String,
    pub zone: TimeZone,
    /// Monday first; each day's shifts in order, without overlap.
    pub week: [Vec<Shift>; 7],
    pub closed: BTreeSet<Date>,
}
