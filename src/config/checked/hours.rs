//! Calendars: opening hours, closed days, holidays from iCalendar files.

use super::{Check, texts};
use crate::config::fault::{Fault, unknown};
use crate::config::read_text;
use crate::config::written::Calendar as WrittenCalendar;
use crate::domain::calendar::{Calendar, DAY_MIN, Shift};
use crate::domain::words::nearest;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Largest file of holidays, in octets (P11).
const HOLIDAYS_OCTETS_MAX: u64 = 4 << 20;
/// How many years a yearly holiday is written out for.
const YEARS: i16 = 60;

impl Check<'_> {
    /// All calendars by name, the built-in one among them.
    pub(super) fn calendars(&mut self, written: &[WrittenCalendar]) -> BTreeMap<String, Calendar> {
        let mut calendars = BTreeMap::from([(Calendar::ALWAYS.to_owned(), Calendar::always())]);
        for (at, calendar) in written.iter().enumerate() {
            let path = |key: &str| format!("calendar[{at}].{key}");
            let zone = self
                .required(&path("time_zone"), calendar.time_zone.as_ref(), "write a zone such as Europe/Tallinn or UTC")
                .and_then(|name| self.zone(&path("time_zone"), name));
            let week = self.week(&path("open"), texts(calendar.open.as_ref()), calendar.open.is_some());
            let mut closed = BTreeSet::new();
            for text in texts(calendar.closed.as_ref()) {
                match text.trim().parse::<Date>() {
                    Ok(date) => {
                        closed.insert(date);
                    }
                    Err(_) => self.fault(&path("closed"), format!("'{text}' is no day; write it as 2026-12-25")),
                }
            }
            if let Some(file) = &calendar.holidays {
                let file = self.path(file);
                closed.extend(self.note(&path("holidays"), &file, holidays).unwrap_or_default());
            }
            if let (Some(name), Some(zone)) = (calendar.name.clone(), zone) {
                calendars.insert(name.clone(), Calendar { name, zone, week, closed });
            }
        }
        calendars
    }

    pub(super) fn zone(&mut self, path: &str, name: &str) -> Option<TimeZone> {
        // jiff reads POSIX rules and the like as well; only a name from the database has a city to show.
        let zone = TimeZone::get(name).ok().filter(|_| !name.contains(',') && !name.starts_with(':'));
        if zone.is_none() {
            let all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let city = |zone: &str| zone.rsplit('/').next().unwrap_or_default().to_lowercase();
            let near = all
                .iter()
                .map(String::as_str)
                .find(|zone| zone.contains('/') && city(zone) == name.to_lowercase().replace(' ', "_"))
                .or_else(|| nearest(name, all.iter().map(String::as_str)));
            let near = near.map_or("write one such as Europe/Tallinn or UTC".to_owned(), |near| format!("did you mean '{near}'?"));
            self.fault(path, format!("unknown time zone '{name}'; {near}"));
        }
        zone
    }

    fn week(&mut self, path: &str, entries: &[String], is_written: bool) -> [Vec<Shift>; 7] {
        let mut week: [Vec<Shift>; 7] = std::array::from_fn(|_| Vec::new());
        for entry in entries {
            match shift_of(entry) {
                Ok((days, shift)) => {
                    for day in days {
                        if let Some(shifts) = week.get_mut(day) {
                            shifts.push(shift);
                        }
                    }
                }
                Err(wrong) => self.fault(path, wrong),
            }
        }
        for (day, shifts) in week.iter_mut().enumerate() {
            shifts.sort();
            if shifts.is_sorted_by(|earlier, later| earlier.end_min <= later.start_min) {
                continue;
            }
            self.fault(path, format!("has shifts that overlap on {}", DAYS.get(day).copied().unwrap_or_default()));
        }
        for shifts in &mut week {
            join(shifts);
        }
        if week.iter().all(Vec::is_empty) {
            let what = if is_written { "is empty" } else { "is missing" };
            self.fault(path, format!("{what}; a calendar that never opens stops every clock; write \"mon-fri 09:00-18:00\" or the like"));
        }
        week
    }
}

/// Makes shifts that touch one.
fn join(shifts: &mut Vec<Shift>) {
    shifts.dedup_by(|later, earlier| {
        let touches = earlier.end_min == later.start_min;
        if touches {
            earlier.end_min = later.end_min;
        }
        touches
    });
}

/// Reads `mon-fri 09:00-12:30`, `sat,sun 10:00-14:00`, `daily 00:00-24:00`: the days, from Monday 0, and the shift.
fn shift_of(entry: &str) -> Result<(Vec<usize>, Shift), String> {
    let form = || format!("'{entry}' is no opening time; write it as \"mon-fri 09:00-12:30\"");
    let (days, times) = entry.trim().rsplit_once(char::is_whitespace).ok_or_else(form)?;
    let (start, end) = times.split_once('-').ok_or_else(form)?;
    let (start_min, end_min) = (minute_of(start).ok_or_else(form)?, minute_of(end).ok_or_else(form)?);
    if end_min == start_min {
        return Err(format!("'{entry}' ends as it begins; leave it out, or write 00:00-24:00 for a whole day"));
    }
    if end_min < start_min {
        let night = if end_min > 0 {
            format!("; write a night as two: {start}-24:00, and 00:00-{end} of the day after")
        } else {
            format!("; write {start}-24:00")
        };
        return Err(format!("'{entry}' ends before it begins{night}"));
    }
    let mut found = Vec::new();
    for part in days.split(',') {
        let part = part.trim().to_lowercase();
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day_of(first)?, day_of(last)?),
            None if part == "daily" => (0, 6),
            None => (day_of(&part)?, day_of(&part)?),
        };
        // `sat-mon` goes over the end of the week.
        let count = (last + 7 - first) % 7 + 1;
        for day in (first..first + count).map(|day| day % 7) {
            if found.contains(&day) {
                return Err(format!("'{entry}' has {} twice", DAYS.get(day).copied().unwrap_or_default()));
            }
            found.push(day);
        }
    }
    Ok((found, Shift { start_min, end_min }))
}

fn day_of(word: &str) -> Result<usize, String> {
    let word = word.trim();
    DAYS.iter().position(|day| *day == word).ok_or_else(|| unknown("day", word, DAYS.into_iter().chain(["daily"])))
}

/// `09:30` in minutes; `24:00` is the end of the day.
fn minute_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    if minutes.len() != 2 || hours.is_empty() || hours.len() > 2 {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MIN).then_some(minute)
}

/// The whole days of the events of an iCalendar file (RFC 5545). Events that come every year are written out; whatever cannot
/// be understood is a fault, because a holiday that is passed over is a promise that is broken.
fn holidays(path: &Path, faults: &mut Vec<Fault>) -> Result<BTreeSet<Date>, String> {
    let text = read_text(path, HOLIDAYS_OCTETS_MAX)?;
    let mut days = BTreeSet::new();
    let mut fault = |line: u32, key: &str, message: &str| {
        faults.push(Fault { file: path.display().to_string(), line: Some(line), key: key.to_owned(), message: message.to_owned() });
    };
    if !text.lines().next().is_some_and(|line| line.trim().eq_ignore_ascii_case("BEGIN:VCALENDAR")) {
        return Err("is no iCalendar file: it has to begin with BEGIN:VCALENDAR".to_owned());
    }
    let mut event: Option<Event> = None;
    for (line, content) in unfolded(&text) {
        let (name, value) = content.split_once(':').unwrap_or((&content, ""));
        let name = name.split(';').next().unwrap_or_default().to_ascii_uppercase();
        match (name.as_str(), &mut event) {
            ("BEGIN", _) if value.eq_ignore_ascii_case("VEVENT") => event = Some(Event { line, ..Event::default() }),
            ("DTSTART", Some(event)) => {
                event.has_start = true;
                event.first = whole_day(value);
                if event.first.is_none() {
                    fault(line, "DTSTART", "is no whole day; write it as DTSTART;VALUE=DATE:20261225");
                }
            }
            // RFC 5545 section 3.6.1: the end of an event is not a part of it.
            ("DTEND", Some(event)) => match whole_day(value) {
                Some(date) => event.end = Some(date),
                None => fault(line, "DTEND", "is no whole day; write it as DTEND;VALUE=DATE:20261226"),
            },
            ("RRULE", Some(event)) => match yearly(value) {
                Some(until) => event.yearly_until = Some(until),
                None => fault(line, "RRULE", "is more than FREQ=YEARLY with UNTIL; write the days out"),
            },
            ("RDATE" | "EXDATE" | "DURATION", Some(_)) => fault(line, &name, "is not understood; write the days out"),
            ("END", Some(done)) if value.eq_ignore_ascii_case("VEVENT") => {
                if !done.has_start {
                    fault(done.line, "VEVENT", "has no DTSTART");
                }
                days.extend(done.days());
                event = None;
            }
            _ => {}
        }
    }
    Ok(days)
}

#[derive(Default)]
struct Event {
    line: u32,
    /// One that is understood, or not.
    has_start: bool,
    first: Option<Date>,
    end: Option<Date>,
    yearly_until: Option<Date>,
}

impl Event {
    fn days(&self) -> Vec<Date> {
        let Some(first) = self.first else { return Vec::new() };
        let last_year = self.yearly_until.map_or(first.year(), |until| until.year().min(first.year().saturating_add(YEARS)));
        let mut days = Vec::new();
        for year in first.year()..=last_year {
            // The 29th of February is a holiday only in years that have one.
            let Ok(mut day) = Date::new(year, first.month(), first.day()) else { continue };
            if self.yearly_until.is_some_and(|until| day > until) {
                break;
            }
            let length = self.end.and_then(|end| first.until(end).ok()).map_or(1, |span| span.get_days().clamp(1, 366));
            for _ in 0..length {
                days.push(day);
                let Ok(next) = day.tomorrow() else { break };
                day = next;
            }
        }
        days
    }
}

/// `20261225`; with a time behind it, it is no whole day.
fn whole_day(value: &str) -> Option<Date> {
    let value = value.trim();
    (value.len() == 8).then(|| Date::strptime("%Y%m%d", value).ok()).flatten()
}

/// The last day of a rule that says no more than that an event comes every year.
fn yearly(rule: &str) -> Option<Date> {
    let (mut is_yearly, mut until) = (false, Date::MAX);
    for part in rule.trim().split(';') {
        match part.to_ascii_uppercase().split_once('=') {
            Some(("FREQ", "YEARLY")) => is_yearly = true,
            Some(("INTERVAL", "1")) => {}
            Some(("UNTIL", day)) => until = whole_day(day.get(..8)?)?,
            _ => return None,
        }
    }
    is_yearly.then_some(until)
}

/// Lines with those that continue them (RFC 5545 section 3.1), each with the number of its first.
fn unfolded(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_times_are_read() {
        for (entry, days, minutes) in [
            ("mon-fri 09:00-12:30", vec![0, 1, 2, 3, 4], (540, 750)),
            ("Sat,Sun  10:00-14:00", vec![5, 6], (600, 840)),
            ("sat-mon 0:00-24:00", vec![5, 6, 0], (0, 1440)),
            ("daily 00:00-06:00", (0..7).collect(), (0, 360)),
            ("mon, wed-thu 22:00-24:00", vec![0, 2, 3], (1320, 1440)),
        ] {
            let shift = Shift { start_min: minutes.0, end_min: minutes.1 };
            assert_eq!(shift_of(entry), Ok((days, shift)), "{entry}");
        }
        for entry in
            ["", "mon", "09:00-10:00", "mon 9-17", "mon 09:00-24:01", "mon 09:60-10:00", "mon,mon 09:00-10:00", "mon 09:00 - 10:00"]
        {
            assert!(shift_of(entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn shifts_that_touch_are_one() {
        let mut shifts = [(0, 60), (60, 120), (180, 240)].map(|(start_min, end_min)| Shift { start_min, end_min }).to_vec();
        join(&mut shifts);
        assert_eq!(shifts, [(0, 120), (180, 240)].map(|(start_min, end_min)| Shift { start_min, end_min }));
    }

    /// The days of 2026 and 2027, and the faults, of events with these lines.
    fn read(events: &[&str]) -> (Vec<String>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.ics");
        let events: String = events.iter().map(|event| format!("BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n")).collect::<Vec<_>>().concat();
        std::fs::write(&path, format!("BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n")).unwrap();
        let mut faults = Vec::new();
        let days = holidays(&path, &mut faults).unwrap();
        let near = days.iter().filter(|day| (2026..=2027).contains(&day.year())).map(ToString::to_string).collect();
        (near, faults.iter().map(|fault| format!("{}: {}: {}", fault.line.unwrap_or(0), fault.key, fault.message)).collect())
    }

    #[test]
    fn holidays_are_whole_days() {
        let (days, faults) = read(&[
            "SUMMARY:Natal\r\nDTSTART;VALUE=DATE:20261225",
            "DTSTART;VALUE=DATE:20261231\r\nDTEND;VALUE=DATE:20270102",
            "DTSTART;VALUE=DATE:20200224\r\nRRULE:FREQ=YEARLY",
            "DTSTART;VALUE=DATE:20250501\r\nRRULE:FREQ=YEARLY;UNTIL=20261231",
            "DTSTART;VALUE=\r\n DATE:20260907",
        ]);
        assert_eq!(faults, Vec::<String>::new());
        #[rustfmt::skip]
        assert_eq!(days, ["2026-02-24", "2026-05-01", "2026-09-07", "2026-12-25", "2026-12-31", "2027-01-01", "2027-02-24"]);
    }

    #[test]
    fn p12_a_holiday_that_is_not_understood_is_a_fault() {
        let (_, faults) = read(&["DTSTART:20261225T100000Z", "DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=MONTHLY", "SUMMARY:x"]);
        assert_eq!(
            faults,
            [
                "3: DTSTART: is no whole day; write it as DTSTART;VALUE=DATE:20261225",
                "7: RRULE: is more than FREQ=YEARLY with UNTIL; write the days out",
                "9: VEVENT: has no DTSTART",
            ]
        );
    }
}
