//! Calendars that do not open, and those that nobody goes by.

use super::{AHEAD, Check, Whole};
use crate::domain::calendar::Calendar;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Closed for longer than this is no holiday.
const CLOSED_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);

impl Check<'_> {
    pub(super) fn prove_calendars(&mut self, whole: &Whole<'_>) {
        let policy = whole.policy;
        let of_teams = policy.teams.values().map(|team| team.calendar.as_str());
        let of_agents = policy.agents.iter().filter_map(|agent| agent.duty.as_deref());
        let used: BTreeSet<&str> = of_teams.chain(of_agents).chain(policy.slas.iter().filter_map(|sla| sla.calendar.as_deref())).collect();
        for (at, written) in whole.written.calendar.iter().enumerate() {
            let Some(calendar) = written.name.as_ref().and_then(|name| policy.calendars.get(name)) else { continue };
            if !used.contains(calendar.name.as_str()) {
                let right = "name it in a [[team]], an [[sla]] or as duty of an [[agent]], or leave it out";
                self.warning(&format!("calendar[{at}].name"), format!("nobody goes by calendar '{}'; {right}", calendar.name));
            }
            let Some(now) = whole.now else { continue };
            // Most calendars have their closed days in a file.
            let key = if written.closed.is_some() { "closed" } else { "holidays" };
            match longest_rest(calendar, now) {
                Rest::Throughout => {
                    let wrong = format!(
                        "swallows every opening of calendar '{}' for the next two years: no clock in it would run out",
                        calendar.name
                    );
                    self.fault(&format!("calendar[{at}].{key}"), format!("{wrong}; write fewer days, or openings as extra"));
                }
                Rest::Of { from, until } if until.duration_since(from) > CLOSED_MAX => {
                    let [from, until] = [from, until].map(|at| calendar.zone.to_datetime(at).date());
                    let wrong = format!("calendar '{}' does not open from {from} to {until}, and its clocks stand still", calendar.name);
                    self.warning(&format!("calendar[{at}].{key}"), wrong);
                }
                Rest::Of { .. } => {}
            }
            self.prove_days(&format!("calendar[{at}].{key}"), calendar, calendar.zone.to_datetime(now).date());
        }
    }

    /// Closed days that are all past: nobody has written those to come.
    fn prove_days(&mut self, path: &str, calendar: &Calendar, today: Date) {
        if let Some(last) = calendar.closed.last().filter(|last| **last < today) {
            let wrong = format!("the last closed day of calendar '{}' was {last}: it is open on every holiday to come", calendar.name);
            self.warning(path, format!("{wrong}; write those of this year"));
        }
    }
}

/// The longest time, of those ahead, in which a calendar does not open.
enum Rest {
    /// All of it.
    Throughout,
    Of {
        from: Timestamp,
        until: Timestamp,
    },
}

fn longest_rest(calendar: &Calendar, now: Timestamp) -> Rest {
    let end = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let (mut closes, mut longest) = (now, (now, now));
    let mut opens_at_all = false;
    for (opens, until) in calendar.openings(now).take_while(|(opens, _)| *opens < end) {
        opens_at_all = true;
        if opens.duration_since(closes) > longest.1.duration_since(longest.0) {
            longest = (closes, opens);
        }
        closes = closes.max(until);
    }
    if opens_at_all { Rest::Of { from: longest.0, until: longest.1 } } else { Rest::Throughout }
}
