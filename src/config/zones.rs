//! Time zones by the names of the time zone database.

use crate::domain::words::nearest;
use jiff::tz::TimeZone;

/// The zone of a name such as `Europe/Lisbon`, in whatever case.
#[must_use]
pub fn named(name: &str) -> Option<TimeZone> {
    // jiff reads POSIX rules and the like as well; only a name from the database has a city to show.
    TimeZone::get(name).ok().filter(|zone| !name.contains(',') && !name.starts_with(':') && zone.iana_name().is_some())
}

/// What is wrong with a name that is none, and what would be right.
pub(super) fn unknown(name: &str) -> String {
    let all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or_default().to_lowercase();
    let near = all
        .iter()
        .map(String::as_str)
        .find(|zone| zone.contains('/') && city(zone) == name.to_lowercase().replace(' ', "_"))
        .or_else(|| nearest(name, all.iter().map(String::as_str)));
    let near = near.map_or("write one such as Europe/Tallinn or UTC".to_owned(), |near| format!("did you mean '{near}'?"));
    format!("unknown time zone '{name}'; {near}")
}
