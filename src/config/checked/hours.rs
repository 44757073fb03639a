//! Calendars: opening hours, closed days, single openings.

use super::holidays::holidays;
use super::{Check, texts};
use crate::config::fault::unknown;
use crate::config::written::Calendar as WrittenCalendar;
use crate::config::zones;
use crate::domain::calendar::{Calendar, DAY_MIN, Shift, unite};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

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
            let extra = self.extra(&path("extra"), texts(calendar.extra.as_ref()));
            if let (Some(name), Some(zone)) = (calendar.name.clone(), zone) {
                let mut calendar = Calendar { name: name.clone(), zone, week, closed, special: BTreeMap::new() };
                for (date, shift) in extra {
                    calendar.open_also(date, shift);
                }
                calendars.insert(name, calendar);
            }
        }
        calendars
    }

    pub(super) fn zone(&mut self, path: &str, name: &str) -> Option<TimeZone> {
        let zone = zones::named(name);
        if zone.is_none() {
            self.fault(path, zones::unknown(name));
        }
        zone
    }

    /// Single openings. Those of one day may touch; where they overlap, one of them is a mistake.
    fn extra(&mut self, path: &str, entries: &[String]) -> Vec<(Date, Shift)> {
        let mut extra: Vec<(Date, Shift)> = Vec::new();
        for entry in entries {
            match extra_of(entry) {
                Ok((date, shift)) => {
                    let overlaps =
                        |(day, other): &(Date, Shift)| *day == date && other.start_min < shift.end_min && shift.start_min < other.end_min;
                    if extra.iter().any(overlaps) {
                        self.fault(path, format!("has openings that overlap on {date}"));
                    }
                    extra.push((date, shift));
                }
                Err(wrong) => self.fault(path, wrong),
            }
        }
        extra
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
            unite(shifts);
        }
        if week.iter().all(Vec::is_empty) {
            let what = if is_written { "is empty" } else { "is missing" };
            self.fault(path, format!("{what}; a calendar that never opens stops every clock; write \"mon-fri 09:00-18:00\" or the like"));
        }
        week
    }
}

/// Reads `mon-fri 09:00-12:30`, `sat,sun 10:00-14:00`, `daily 00:00-24:00`: the days, from Monday 0, and the shift.
fn shift_of(entry: &str) -> Result<(Vec<usize>, Shift), String> {
    let form = || format!("'{entry}' is no opening time; write it as \"mon-fri 09:00-12:30\"");
    let (days, times) = entry.trim().rsplit_once(char::is_whitespace).ok_or_else(form)?;
    let shift = times_of(entry, times, form)?;
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
    Ok((found, shift))
}

/// Reads `2026-12-20 10:00-14:00`.
fn extra_of(entry: &str) -> Result<(Date, Shift), String> {
    let form = || format!("'{entry}' is no single opening; write it as \"2026-12-20 10:00-14:00\"");
    let (date, times) = entry.trim().split_once(char::is_whitespace).ok_or_else(form)?;
    let date: Date = date.parse().map_err(|_| form())?;
    Ok((date, times_of(entry, times.trim(), form)?))
}

/// Reads the `09:00-12:30` of an entry.
fn times_of(entry: &str, times: &str, form: impl Fn() -> String) -> Result<Shift, String> {
    let (start, end) = times.split_once('-').ok_or_else(&form)?;
    let (start_min, end_min) = (minute_of(start).ok_or_else(&form)?, minute_of(end).ok_or_else(&form)?);
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
    Ok(Shift { start_min, end_min })
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
        let mut shifts = [(180, 240), (0, 60), (60, 120)].map(|(start_min, end_min)| Shift { start_min, end_min }).to_vec();
        unite(&mut shifts);
        assert_eq!(shifts, [(0, 120), (180, 240)].map(|(start_min, end_min)| Shift { start_min, end_min }));
    }

    #[test]
    fn single_openings_are_read() {
        for (entry, day, minutes) in
            [("2026-12-20 10:00-14:00", "2026-12-20", (600, 840)), ("  2028-02-29   0:00-24:00 ", "2028-02-29", (0, 1440))]
        {
            assert_eq!(extra_of(entry), Ok((day.parse().unwrap(), Shift { start_min: minutes.0, end_min: minutes.1 })), "{entry}");
        }
        for entry in [
            "",
            "2026-12-20",
            "2026-02-29 10:00-14:00",
            "20.12.2026 10:00-14:00",
            "sun 10:00-14:00",
            "2026-12-20 10:00",
            "2026-12-20 10:00-10:00",
            "2026-12-20 22:00-02:00",
            "2026-12-20 10:00-24:01",
            "2026-12-20T10:00-14:00",
        ] {
            assert!(extra_of(entry).is_err(), "{entry}");
        }
    }
}
