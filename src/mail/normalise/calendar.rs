//! Invitations (RFC 5546) in a line: what, when, where, from whom. Nothing is answered, and the file stays a file.

use crate::domain::address::one_line;

/// The longest line, in octets.
const LINE_OCTETS_MAX: usize = 500;

/// One line about the first event of a calendar, if it is an invitation or an answer to one.
pub(super) fn summary(calendar: &str) -> Option<String> {
    let event = Event::of(calendar);
    let title = one_line(&event.summary, 200);
    let participant = event.attendee.as_deref().unwrap_or_default();
    let (word, from) = match event.method.to_ascii_uppercase().as_str() {
        "REQUEST" | "ADD" => ("Invitation", event.organizer.as_str()),
        "CANCEL" => ("Invitation cancelled", event.organizer.as_str()),
        "COUNTER" => ("Invitation, another time proposed", participant),
        "DECLINECOUNTER" => ("Invitation, other time declined", event.organizer.as_str()),
        "REPLY" => match event.answer.to_ascii_uppercase().as_str() {
            "ACCEPTED" => ("Invitation accepted", participant),
            "DECLINED" => ("Invitation declined", participant),
            "TENTATIVE" => ("Invitation accepted tentatively", participant),
            "DELEGATED" => ("Invitation delegated", participant),
            _ => ("Invitation answered", participant),
        },
        _ => return None,
    };
    let mut said: Vec<String> = vec![title, event.time(), one_line(&event.location, 200)];
    said.push(if from.is_empty() { String::new() } else { format!("from {}", one_line(from, 100)) });
    let said: Vec<String> = said.into_iter().filter(|part| !part.is_empty()).collect();
    let line = if said.is_empty() { word.to_owned() } else { format!("{word}: {}", said.join(", ")) };
    Some(one_line(&line, LINE_OCTETS_MAX))
}

/// A point in time as written.
#[derive(Default, Clone)]
struct Moment {
    /// `2026-11-23`
    date: String,
    /// `10:00`; empty for a whole day.
    time: String,
    /// As given, or `UTC`.
    zone: String,
}

impl Moment {
    /// Reads `20261123T100000Z` (RFC 5545 section 3.3.5) and its parameters.
    fn read(parameters: &str, value: &str) -> Option<Self> {
        let value = value.trim();
        let digits = |from: usize, count: usize| value.get(from..from + count).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let date = format!("{}-{}-{}", digits(0, 4)?, digits(4, 2)?, digits(6, 2)?);
        let Some((hour, minute)) = digits(9, 2).zip(digits(11, 2)).filter(|_| value.as_bytes().get(8) == Some(&b'T')) else {
            return Some(Self { date, ..Self::default() });
        };
        let zone = if value.ends_with('Z') { "UTC".to_owned() } else { one_line(&parameter(parameters, "TZID").unwrap_or_default(), 60) };
        Some(Self { date, time: format!("{hour}:{minute}"), zone })
    }
}

#[derive(Default)]
struct Event {
    method: String,
    summary: String,
    location: String,
    organizer: String,
    /// The first participant, and what he answers.
    attendee: Option<String>,
    answer: String,
    start: Option<Moment>,
    end: Option<Moment>,
    duration: String,
    repeats: bool,
}

impl Event {
    fn of(calendar: &str) -> Self {
        /// Lines that are looked at; an invitation has some dozens.
        const LINES_MAX: usize = 5000;
        let mut event = Self::default();
        // Components inside of one another; only what stands in the first event itself counts.
        let mut inside: Vec<String> = Vec::new();
        let mut ended = false;
        for line in unfolded(calendar).take(LINES_MAX) {
            let Some((name, parameters, value)) = split(&line) else { continue };
            let name = name.to_ascii_uppercase();
            let component = value.trim().to_ascii_uppercase();
            match (name.as_str(), inside.len()) {
                ("BEGIN", depth) if depth < 10 => inside.push(component),
                ("END", _) => {
                    ended |= inside.pop().is_some_and(|left| left == "VEVENT");
                }
                ("METHOD", 0 | 1) => event.method = component,
                (name, 2) if !ended && inside.last().is_some_and(|c| c == "VEVENT") => event.take(name, parameters, value),
                _ => {}
            }
        }
        event
    }

    fn take(&mut self, name: &str, parameters: &str, value: &str) {
        match name {
            "SUMMARY" if self.summary.is_empty() => self.summary = unescaped(value),
            "LOCATION" if self.location.is_empty() => self.location = unescaped(value),
            "ORGANIZER" if self.organizer.is_empty() => self.organizer = person(parameters, value),
            "ATTENDEE" if self.attendee.is_none() => {
                self.attendee = Some(person(parameters, value));
                self.answer = parameter(parameters, "PARTSTAT").unwrap_or_default();
            }
            "DTSTART" if self.start.is_none() => self.start = Moment::read(parameters, value),
            "DTEND" if self.end.is_none() => self.end = Moment::read(parameters, value),
            "DURATION" if self.duration.is_empty() => self.duration = one_line(value, 20),
            "RRULE" => self.repeats = true,
            _ => {}
        }
    }

    /// `2026-11-23 10:00–11:00 (Europe/Tallinn)`
    fn time(&self) -> String {
        let Some(start) = &self.start else { return String::new() };
        let mut said = start.date.clone();
        if !start.time.is_empty() {
            said = format!("{said} {}", start.time);
        }
        match &self.end {
            Some(end) if end.time.is_empty() => {
                // RFC 5545 section 3.6.1: the end is the day after the last.
                let last = end.date.parse::<jiff::civil::Date>().ok().and_then(|day| day.yesterday().ok()).map(|day| day.to_string());
                if let Some(last) = last.filter(|last| *last > start.date) {
                    said = format!("{said}–{last}");
                }
            }
            Some(end) if end.date == start.date && end.zone == start.zone => said = format!("{said}–{}", end.time),
            Some(end) if end.zone == start.zone => said = format!("{said}–{} {}", end.date, end.time),
            Some(end) => said = format!("{said} ({})–{} {} ({})", start.zone, end.date, end.time, end.zone),
            None if !self.duration.is_empty() => said = format!("{said} for {}", self.duration),
            None => {}
        }
        if !start.zone.is_empty() && !said.ends_with(')') {
            said = format!("{said} ({})", start.zone);
        }
        if self.repeats { format!("{said}, repeated") } else { said }
    }
}

/// Lines with those that are folded joined (RFC 5545 section 3.1).
fn unfolded(calendar: &str) -> impl Iterator<Item = String> {
    const LOGICAL_OCTETS_MAX: usize = 4000;
    let mut lines = calendar.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).peekable();
    std::iter::from_fn(move || {
        let mut line = lines.next()?.to_owned();
        while let Some(next) = lines.next_if(|next| next.starts_with([' ', '\t'])) {
            if line.len() < LOGICAL_OCTETS_MAX {
                line.push_str(&next[1..]);
            }
        }
        Some(line)
    })
}

/// Name, parameters and value; a colon in a quoted parameter is a part of it.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let mut quoted = false;
    let colon = line.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    let (front, value) = (&line[..colon], &line[colon + 1..]);
    let (name, parameters) = front.split_once(';').unwrap_or((front, ""));
    Some((name, parameters, value))
}

fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while !rest.is_empty() {
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        let (one, behind) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        if let Some((name, value)) = one.split_once('=')
            && name.trim().eq_ignore_ascii_case(wanted)
        {
            return Some(value.trim().trim_matches('"').to_owned());
        }
        rest = behind;
    }
    None
}

/// The common name, or the address.
fn person(parameters: &str, value: &str) -> String {
    let name = parameter(parameters, "CN").unwrap_or_default();
    if !name.trim().is_empty() {
        return name;
    }
    let value = value.trim();
    value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).map_or(value, |_| &value[7..]).to_owned()
}

/// RFC 5545 section 3.3.11.
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push(' '),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(method: &str, fields: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\n{fields}\r\nBEGIN:VALARM\r\nSUMMARY:alarm\r\nEND:VALARM\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:second\r\nLOCATION:there\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    }

    #[test]
    fn invitations_are_summed_up_in_a_line() {
        for (method, fields, expect, why) in [
            (
                "REQUEST",
                "SUMMARY:Review\\, part 1\r\nDTSTART;TZID=Europe/Tallinn:20261123T100000\r\nDTEND;TZID=Europe/Tallinn:20261123T110000\r\nLOCATION:Room\r\n  5\r\nORGANIZER;CN=\"Ana; S:\":mailto:ana@x.example",
                Some("Invitation: Review, part 1, 2026-11-23 10:00–11:00 (Europe/Tallinn), Room 5, from Ana; S:"),
                "all there is: escaped, folded, quoted",
            ),
            (
                "REQUEST",
                "SUMMARY:a\r\nDTSTART:20261123T100000Z\r\nDTEND:20261124T110000Z",
                Some("Invitation: a, 2026-11-23 10:00–2026-11-24 11:00 (UTC)"),
                "over midnight, UTC",
            ),
            (
                "REQUEST",
                "SUMMARY:a\r\nDTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:20261124",
                Some("Invitation: a, 2026-11-23"),
                "a whole day",
            ),
            (
                "REQUEST",
                "SUMMARY:a\r\nDTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:20261126",
                Some("Invitation: a, 2026-11-23–2026-11-25"),
                "whole days",
            ),
            (
                "REQUEST",
                "SUMMARY:a\r\nDTSTART:20261123T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY",
                Some("Invitation: a, 2026-11-23 10:00 for PT1H, repeated"),
                "floating, with a duration",
            ),
            (
                "REQUEST",
                "SUMMARY:a\r\nDTSTART;TZID=A:20261123T100000\r\nDTEND;TZID=B:20261123T110000",
                Some("Invitation: a, 2026-11-23 10:00 (A)–2026-11-23 11:00 (B)"),
                "two zones: a flight",
            ),
            ("CANCEL", "SUMMARY:a\r\nORGANIZER:MAILTO:ana@x.example", Some("Invitation cancelled: a, from ana@x.example"), "cancelled"),
            (
                "reply",
                "ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@x.example",
                Some("Invitation accepted: from bob@x.example"),
                "accepted, nothing else said",
            ),
            ("REPLY", "SUMMARY:a\r\nATTENDEE;CN=Bob;PARTSTAT=declined:mailto:b@x", Some("Invitation declined: a, from Bob"), "declined"),
            (
                "REPLY",
                "SUMMARY:a\r\nATTENDEE;PARTSTAT=X-NEW:mailto:b@x",
                Some("Invitation answered: a, from b@x"),
                "an answer that is not known",
            ),
            ("COUNTER", "SUMMARY:a\r\nATTENDEE:mailto:b@x", Some("Invitation, another time proposed: a, from b@x"), "counter"),
            ("REQUEST", "", Some("Invitation"), "nothing said"),
            ("REQUEST", "SUMMARY:a\\nb\u{202e}c\\", Some("Invitation: a bc\\"), "on one line, without bidi controls"),
            ("REQUEST", "DTSTART:garbage\r\nDTSTART:20261123", Some("Invitation: 2026-11-23"), "a time that cannot be read"),
            ("PUBLISH", "SUMMARY:a", None, "no invitation"),
        ] {
            assert_eq!(summary(&event(method, fields)).as_deref(), expect, "{why}");
        }
        assert_eq!(summary("nothing of the kind"), None);
        let long = summary(&event("REQUEST", &format!("SUMMARY:{}\r\nLOCATION:{}", "ä".repeat(10_000), "x\r\n ".repeat(10_000)))).unwrap();
        assert!(long.len() <= LINE_OCTETS_MAX, "{}", long.len());
    }
}
