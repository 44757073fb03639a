//! Holidays from an iCalendar file (RFC 5545).
//!
//! A reader of our own: of the format it takes whole days and what comes every year, and all else that could move a day is a
//! fault with its line, because a holiday that is passed over is a promise that is broken. A general reader would hand over the
//! properties and leave just that to us, without the lines.

use crate::config::fault::Fault;
use crate::config::read_text;
use jiff::civil::{Date, Weekday};
use std::collections::BTreeSet;
use std::path::Path;

/// Largest file of holidays, in octets (P11).
const HOLIDAYS_OCTETS_MAX: u64 = 4 << 20;
/// Events of one file.
const EVENTS_MAX: usize = 10_000;
/// Days of all events of one file, those that come twice counted twice.
const ALL_DAYS_MAX: usize = 500_000;
/// Years that a yearly holiday is written out for; no clock of ours runs outside of them.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;
/// Days of one event.
const DAYS_MAX: i32 = 366;

/// The whole days of the events of a file. Events that come every year are written out.
pub(super) fn holidays(path: &Path, faults: &mut Vec<Fault>) -> Result<BTreeSet<Date>, String> {
    let text = read_text(path, HOLIDAYS_OCTETS_MAX)?;
    let mut fault = |line: u32, key: &str, message: &str| {
        faults.push(Fault { file: path.display().to_string(), line: Some(line), key: key.to_owned(), message: message.to_owned() });
    };
    let text = text.trim_start_matches('\u{feff}');
    if !text.lines().next().is_some_and(|line| line.trim().eq_ignore_ascii_case("BEGIN:VCALENDAR")) {
        return Err("is no iCalendar file: it has to begin with BEGIN:VCALENDAR".to_owned());
    }
    let (mut days, mut events, mut all_days) = (BTreeSet::new(), 0, 0);
    let mut event: Option<Event> = None;
    // Parts of an event, such as an alarm, have properties of the same names.
    let mut depth_inside = 0_u32;
    let mut ends_whole = false;
    for (line, content) in unfolded(text) {
        let (name, value) = content.split_once(':').unwrap_or((&content, ""));
        let (name, value) = (name.split(';').next().unwrap_or_default().trim().to_ascii_uppercase(), value.trim());
        let is_event = value.eq_ignore_ascii_case("VEVENT");
        ends_whole |= name == "END" && value.eq_ignore_ascii_case("VCALENDAR");
        let Some(open) = event.as_mut() else {
            if name == "BEGIN" && is_event {
                events += 1;
                if events > EVENTS_MAX {
                    return Err(format!("has more than {EVENTS_MAX} events"));
                }
                event = Some(Event { line, ..Event::default() });
            }
            continue;
        };
        match name.as_str() {
            "BEGIN" if is_event => {
                fault(open.line, "VEVENT", "has no END:VEVENT");
                event = Some(Event { line, ..Event::default() });
                depth_inside = 0;
            }
            "BEGIN" => depth_inside += 1,
            "END" if is_event => {
                match open.days() {
                    Ok(found) => {
                        all_days += found.len();
                        if all_days > ALL_DAYS_MAX {
                            return Err(format!("has more than {ALL_DAYS_MAX} days"));
                        }
                        days.extend(found);
                    }
                    Err((line, key, message)) => fault(line, key, message),
                }
                event = None;
                depth_inside = 0;
            }
            "END" => depth_inside = depth_inside.saturating_sub(1),
            _ if depth_inside > 0 => {}
            _ => {
                if let Err(message) = open.read(line, &name, value) {
                    open.is_faulty = true;
                    fault(line, &name, message);
                }
            }
        }
    }
    if let Some(open) = event {
        fault(open.line, "VEVENT", "has no END:VEVENT; the file may have been cut off");
    } else if !ends_whole {
        return Err("has no END:VCALENDAR; it may have been cut off".to_owned());
    }
    Ok(days)
}

#[derive(Default)]
struct Event {
    line: u32,
    /// A fault of it was told already.
    is_faulty: bool,
    is_cancelled: bool,
    first: Option<Date>,
    /// With its line.
    end: Option<(u32, Date)>,
    length: Option<i32>,
    /// With its line.
    rule: Option<(u32, Rule)>,
    except: BTreeSet<Date>,
}

/// How an event comes back every year.
#[derive(Clone, Copy)]
struct Rule {
    interval: i16,
    until: Date,
    count: Option<usize>,
    month: Option<i8>,
    day: Option<i8>,
    /// `-1MO` is the last Monday.
    weekday: Option<(i8, Weekday)>,
}

impl Event {
    /// Takes in one property.
    fn read(&mut self, line: u32, name: &str, value: &str) -> Result<(), &'static str> {
        match name {
            "DTSTART" => self.first = Some(whole_day(value).ok_or("is no whole day; write it as DTSTART;VALUE=DATE:20261225")?),
            // RFC 5545 section 3.6.1: the end of an event is not a part of it.
            "DTEND" => self.end = Some((line, whole_day(value).ok_or("is no whole day; write it as DTEND;VALUE=DATE:20261226")?)),
            "DURATION" => self.length = Some(whole_days(value).ok_or("is no number of whole days; write it as P2D")?),
            "RRULE" if self.rule.is_some() => return Err("is there twice; write the days out"),
            "RRULE" => {
                let rule = Rule::parse(value).ok_or(
                    "is more than FREQ=YEARLY with UNTIL, COUNT, INTERVAL, one BYMONTH and one BYMONTHDAY or BYDAY; write the days out",
                )?;
                self.rule = Some((line, rule));
            }
            "EXDATE" => {
                for day in value.split(',') {
                    self.except.insert(whole_day(day).ok_or("is no whole day; write it as EXDATE;VALUE=DATE:20261225")?);
                }
            }
            "RDATE" | "RECURRENCE-ID" | "EXRULE" => return Err("is not understood; write the days out"),
            "STATUS" => self.is_cancelled = value.eq_ignore_ascii_case("CANCELLED"),
            _ => {}
        }
        Ok(())
    }

    fn days(&self) -> Result<Vec<Date>, (u32, &'static str, &'static str)> {
        if self.is_faulty || self.is_cancelled {
            return Ok(Vec::new());
        }
        let first = self.first.ok_or((self.line, "VEVENT", "has no DTSTART"))?;
        let length = match self.end {
            // Some programs write a single day so.
            Some((_, end)) if end == first => 1,
            Some((line, end)) => match first.until(end).map(|span| span.get_days()) {
                Ok(days) if days < 1 => return Err((line, "DTEND", "is before DTSTART")),
                Ok(days) => days,
                Err(_) => DAYS_MAX + 1,
            },
            None => self.length.unwrap_or(1),
        };
        if length > DAYS_MAX {
            return Err((self.line, "VEVENT", "is longer than a year"));
        }
        let starts = match &self.rule {
            None => vec![first],
            Some((line, rule)) => {
                let starts = rule.starts(first);
                if starts.is_empty() {
                    return Err((*line, "RRULE", "never comes"));
                }
                starts
            }
        };
        let mut days = Vec::new();
        for start in starts.into_iter().filter(|start| !self.except.contains(start)) {
            days.extend(start.series(jiff::Span::new().days(1)).take(usize::try_from(length).unwrap_or(1)));
        }
        Ok(days)
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let mut rule = Self { interval: 1, until: Date::MAX, count: None, month: None, day: None, weekday: None };
        let mut is_yearly = false;
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let part = part.trim().to_ascii_uppercase();
            match part.split_once('=')? {
                ("FREQ", "YEARLY") => is_yearly = true,
                ("INTERVAL", years) => rule.interval = years.parse().ok().filter(|years| (1..=100).contains(years))?,
                ("UNTIL", day) => rule.until = whole_day(day.get(..8)?)?,
                ("COUNT", times) => rule.count = Some(times.parse().ok().filter(|times| *times > 0)?),
                ("BYMONTH", month) => rule.month = Some(month.parse().ok().filter(|month| (1..=12).contains(month))?),
                ("BYMONTHDAY", day) => rule.day = Some(day.parse().ok().filter(|day| (1..=31).contains(day))?),
                ("BYDAY", day) => rule.weekday = Some(nth_weekday(day)?),
                // The week's first day changes nothing in what is understood here.
                ("WKST", _) => {}
                _ => return None,
            }
        }
        // A weekday without its month counts through the year, and with a day of the month it is a filter: neither is a holiday's.
        let is_plain = rule.weekday.is_none() || (rule.month.is_some() && rule.day.is_none());
        (is_yearly && is_plain).then_some(rule)
    }

    /// The days on which it begins, from the first to the end of [`YEARS`].
    fn starts(&self, first: Date) -> Vec<Date> {
        let mut starts = Vec::new();
        let mut counted = 0;
        let mut year = first.year();
        while year <= *YEARS.end() && self.count.is_none_or(|count| counted < count) {
            // The 29th of February is a holiday only in years that have one.
            if let Some(day) = self.in_year(year, first).filter(|day| *day >= first) {
                if day > self.until {
                    break;
                }
                counted += 1;
                // All of what began at the end of the year before stays.
                if year >= *YEARS.start() - 1 {
                    starts.push(day);
                }
            }
            year += self.interval;
        }
        starts
    }

    fn in_year(&self, year: i16, first: Date) -> Option<Date> {
        let month = self.month.unwrap_or(first.month());
        match self.weekday {
            Some((nth, weekday)) => Date::new(year, month, 1).ok()?.nth_weekday_of_month(nth, weekday).ok(),
            None => Date::new(year, month, self.day.unwrap_or(first.day())).ok(),
        }
    }
}

/// `20261225`; with a time behind it, it is no whole day.
fn whole_day(value: &str) -> Option<Date> {
    let value = value.trim();
    (value.len() == 8).then(|| Date::strptime("%Y%m%d", value).ok()).flatten()
}

/// `P2D` and `P1W` (RFC 5545 section 3.3.6).
fn whole_days(value: &str) -> Option<i32> {
    let value = value.strip_prefix('+').unwrap_or(value).strip_prefix('P')?;
    let (count, days) = value.strip_suffix('D').map(|count| (count, 1)).or_else(|| value.strip_suffix('W').map(|count| (count, 7)))?;
    count.parse::<i32>().ok().and_then(|count| count.checked_mul(days)).filter(|days| *days > 0)
}

/// `3MO`, `-1FR`.
fn nth_weekday(text: &str) -> Option<(i8, Weekday)> {
    let (nth, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let weekday = match day {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    };
    nth.parse().ok().filter(|nth: &i8| (1..=5).contains(&nth.abs())).map(|nth| (nth, weekday))
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

    fn read_whole(text: &str) -> (Result<BTreeSet<Date>, String>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.ics");
        std::fs::write(&path, text).unwrap();
        let mut faults = Vec::new();
        let days = holidays(&path, &mut faults);
        (days, faults.iter().map(|fault| format!("{}: {}: {}", fault.line.unwrap_or(0), fault.key, fault.message)).collect())
    }

    /// The days of 2026 and 2027, and the faults, of events with these lines.
    fn read(events: &[&str]) -> (Vec<String>, Vec<String>) {
        let events: String = events.iter().map(|event| format!("BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n")).collect::<Vec<_>>().concat();
        let (days, faults) = read_whole(&format!("BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n"));
        (days.unwrap().iter().filter(|day| (2026..=2027).contains(&day.year())).map(ToString::to_string).collect(), faults)
    }

    #[test]
    fn holidays_are_whole_days() {
        #[rustfmt::skip]
        let table = [
            ("SUMMARY:Natal\r\nDTSTART;VALUE=DATE:20261225", "2026-12-25", "one day"),
            ("DTSTART;VALUE=DATE:20261231\r\nDTEND;VALUE=DATE:20270102", "2026-12-31 2027-01-01", "the end is not a part of it; over the year's end"),
            ("DTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261225", "2026-12-25", "an end as some write it"),
            ("DTSTART;VALUE=DATE:20260228\r\nDURATION:P2D", "2026-02-28 2026-03-01", "a length"),
            ("DTSTART;VALUE=DATE:20200224\r\nRRULE:FREQ=YEARLY", "2026-02-24 2027-02-24", "each year"),
            ("DTSTART;VALUE=DATE:19180224\r\nRRULE:FREQ=YEARLY", "2026-02-24 2027-02-24", "each year for long"),
            ("DTSTART;VALUE=DATE:20201231\r\nDTEND;VALUE=DATE:20210102\r\nRRULE:FREQ=YEARLY", "2026-01-01 2026-12-31 2027-01-01 2027-12-31", "two days each year"),
            ("DTSTART;VALUE=DATE:20250501\r\nRRULE:FREQ=YEARLY;UNTIL=20261231", "2026-05-01", "until"),
            ("DTSTART;VALUE=DATE:20250501\r\nRRULE:FREQ=YEARLY;UNTIL=20270501T000000Z;WKST=MO", "2026-05-01 2027-05-01", "until, with a time"),
            ("DTSTART;VALUE=DATE:20250501\r\nRRULE:FREQ=YEARLY;COUNT=2", "2026-05-01", "twice"),
            ("DTSTART;VALUE=DATE:20250501\r\nRRULE:FREQ=YEARLY;INTERVAL=2", "2027-05-01", "each second year"),
            ("DTSTART;VALUE=DATE:20240229\r\nRRULE:FREQ=YEARLY", "", "no such day in these years"),
            ("DTSTART;VALUE=DATE:20241128\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-11-26 2027-11-25", "the fourth Thursday"),
            ("DTSTART;VALUE=DATE:20240527\r\nRRULE:FREQ=YEARLY;BYDAY=-1MO;BYMONTH=5", "2026-05-25 2027-05-31", "the last Monday"),
            ("DTSTART;VALUE=DATE:20241225\r\nRRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25", "2026-12-25 2027-12-25", "said twice"),
            ("DTSTART;VALUE=DATE:20250501\r\nRRULE:FREQ=YEARLY\r\nEXDATE;VALUE=DATE:20260501,20280501", "2027-05-01", "but for"),
            ("DTSTART;VALUE=\r\n DATE:20260907", "2026-09-07", "a line that goes on"),
            ("dtstart;value=date:20260907", "2026-09-07", "small letters"),
            ("DTSTART;VALUE=DATE:20260907\r\nSTATUS:CANCELLED", "", "does not take place"),
            ("DTSTART;VALUE=DATE:20260907\r\nBEGIN:VALARM\r\nDURATION:PT15M\r\nEND:VALARM", "2026-09-07", "an alarm is no part of the time"),
        ];
        for (event, expect, why) in table {
            let (days, faults) = read(&[event]);
            assert_eq!((days.join(" ").as_str(), faults), (expect, vec![]), "{why}");
        }
        let (days, _) = read_whole(
            "\u{feff}BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nBEGIN:DAYLIGHT\nRRULE:FREQ=MONTHLY\nEND:DAYLIGHT\nEND:VTIMEZONE\nEND:VCALENDAR",
        );
        assert_eq!(days, Ok(BTreeSet::new()), "rules of a zone are no events");
    }

    #[test]
    fn p12_a_holiday_that_is_not_understood_is_a_fault() {
        let (_, faults) = read(&[
            "DTSTART:20261225T100000Z",
            "DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=MONTHLY",
            "SUMMARY:x",
            "DTSTART;VALUE=DATE:20260102\r\nDTEND;VALUE=DATE:20260101",
            "DTSTART;VALUE=DATE:20260102\r\nDTEND;VALUE=DATE:20270601",
            "DTSTART;VALUE=DATE:20260102\r\nDURATION:PT1H",
            "DTSTART;VALUE=DATE:20260230\r\nRRULE:FREQ=YEARLY;BYDAY=MO",
            "DTSTART;VALUE=DATE:20260102\r\nRDATE;VALUE=DATE:20260103",
            "DTSTART;VALUE=DATE:20260102\r\nRRULE:FREQ=YEARLY;UNTIL=20200101",
        ]);
        let rule = "is more than FREQ=YEARLY with UNTIL, COUNT, INTERVAL, one BYMONTH and one BYMONTHDAY or BYDAY; write the days out";
        assert_eq!(
            faults,
            [
                "3: DTSTART: is no whole day; write it as DTSTART;VALUE=DATE:20261225",
                &format!("7: RRULE: {rule}"),
                "9: VEVENT: has no DTSTART",
                "14: DTEND: is before DTSTART",
                "16: VEVENT: is longer than a year",
                "22: DURATION: is no number of whole days; write it as P2D",
                "25: DTSTART: is no whole day; write it as DTSTART;VALUE=DATE:20261225",
                &format!("26: RRULE: {rule}"),
                "30: RDATE: is not understood; write the days out",
                "34: RRULE: never comes",
            ]
        );
        for (text, expect, why) in [
            ("", "Err(is no iCalendar file: it has to begin with BEGIN:VCALENDAR)", "empty"),
            ("<html>", "Err(is no iCalendar file: it has to begin with BEGIN:VCALENDAR)", "the page of a sign-in"),
            ("BEGIN:VCALENDAR\n", "Err(has no END:VCALENDAR; it may have been cut off)", "cut off"),
            (
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\n",
                "2: VEVENT: has no END:VEVENT; the file may have been cut off",
                "cut off",
            ),
            (
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nBEGIN:VEVENT\nDTSTART:20260102\nEND:VEVENT\nEND:VCALENDAR",
                "2: VEVENT: has no END:VEVENT",
                "without its end",
            ),
        ] {
            let (days, faults) = read_whole(text);
            assert_eq!(days.err().map_or(faults.join("\n"), |wrong| format!("Err({wrong})")), expect, "{why}");
        }
    }

    #[test]
    fn p11_a_large_file_of_holidays_ends() {
        let lasting = "BEGIN:VEVENT\nDTSTART:19000101\nDURATION:P366D\nRRULE:FREQ=YEARLY\nEND:VEVENT\n";
        let (days, _) = read_whole(&format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", lasting.repeat(EVENTS_MAX)));
        assert_eq!(days, Err(format!("has more than {ALL_DAYS_MAX} days")));
        let short = "BEGIN:VEVENT\nDTSTART:20260101\nEND:VEVENT\n";
        let (days, _) = read_whole(&format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", short.repeat(EVENTS_MAX + 1)));
        assert_eq!(days, Err(format!("has more than {EVENTS_MAX} events")));
        let (days, faults) =
            read_whole(&format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", "BEGIN:VEVENT\nDTSTART:99991231\nDURATION:P366D\nEND:VEVENT\n"));
        assert_eq!((days.map(|days| days.len()), faults), (Ok(1), vec![]), "the end of time");
    }
}
