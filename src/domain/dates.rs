//! Times in words, as a person of that language would write them.

use super::message::Language;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// A time in the words of a language and on the wall of a zone: `Monday 23 November, 10:30 (São Paulo time, UTC-03:00)`,
/// `today, 15:20 (…)`. The year stands there if it is not the one of `now`.
///
/// A time to come is told to the minute that it falls in or just before, a past one to the minute that it fell in: nobody
/// is told an earlier end than the clock has (P10), and nothing was received in the future. A language without words here
/// gets figures.
#[must_use]
pub fn when_text(at: Timestamp, zone: &TimeZone, language: Language, now: Timestamp) -> String {
    let shown = if at > now { minute_from(at) } else { at };
    let wall = shown.to_zoned(zone.clone());
    let today = now.to_zoned(zone.clone()).date();
    let place = place(&wall, language);
    match language.as_str() {
        "en" => format!("{}, {} ({place})", day_en(wall.date(), today), clock(&wall)),
        "pt" => {
            let article = if wall.hour() == 1 { "à" } else { "às" };
            format!("{}, {article} {} ({place})", day_pt(wall.date(), today), clock(&wall))
        }
        "et" => format!("{} kell {}.{:02} ({place})", day_et(wall.date(), today), wall.hour(), wall.minute()),
        _ => format!("{} ({place})", wall.strftime("%Y-%m-%d %H:%M")),
    }
}

/// Such as `09:05`.
fn clock(wall: &Zoned) -> String {
    format!("{:02}:{:02}", wall.hour(), wall.minute())
}

/// The same minute if no second of it has passed, else the next.
fn minute_from(at: Timestamp) -> Timestamp {
    let into_minute = at.as_second().rem_euclid(60);
    if into_minute == 0 && at.subsec_nanosecond() == 0 {
        return at;
    }
    Timestamp::from_second(at.as_second() - into_minute).ok().and_then(|t| t.checked_add(SignedDuration::from_mins(1)).ok()).unwrap_or(at)
}

/// Where a day stands as seen from today: -1, 0 or 1, or further away.
fn days_away(date: Date, today: Date) -> Option<i8> {
    [(-1, today.yesterday()), (0, Ok(today)), (1, today.tomorrow())]
        .into_iter()
        .find_map(|(away, day)| day.is_ok_and(|day| day == date).then_some(away))
}

/// The word of a list at a count from 1.
fn word<const N: usize>(words: [&'static str; N], from_one: i8) -> &'static str {
    usize::try_from(from_one - 1).ok().and_then(|at| words.get(at).copied()).unwrap_or_default()
}

fn day_en(date: Date, today: Date) -> String {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    const MONTHS: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    match days_away(date, today) {
        Some(-1) => "yesterday".to_owned(),
        Some(0) => "today".to_owned(),
        Some(_) => "tomorrow".to_owned(),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            let year = if date.year() == today.year() { String::new() } else { format!(" {}", date.year()) };
            format!("{day} {} {month}{year}", date.day())
        }
    }
}

fn day_pt(date: Date, today: Date) -> String {
    const DAYS: [&str; 7] = ["segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"];
    const MONTHS: [&str; 12] =
        ["janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro"];
    match days_away(date, today) {
        Some(-1) => "ontem".to_owned(),
        Some(0) => "hoje".to_owned(),
        Some(_) => "amanhã".to_owned(),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            let year = if date.year() == today.year() { String::new() } else { format!(" de {}", date.year()) };
            let ordinal = if date.day() == 1 { "º" } else { "" };
            format!("{day}, {}{ordinal} de {month}{year}", date.day())
        }
    }
}

fn day_et(date: Date, today: Date) -> String {
    const DAYS: [&str; 7] = ["esmaspäeval", "teisipäeval", "kolmapäeval", "neljapäeval", "reedel", "laupäeval", "pühapäeval"];
    #[rustfmt::skip]
    const MONTHS: [&str; 12] = ["jaanuaril", "veebruaril", "märtsil", "aprillil", "mail", "juunil", "juulil", "augustil", "septembril",
        "oktoobril", "novembril", "detsembril"];
    match days_away(date, today) {
        Some(-1) => "eile".to_owned(),
        Some(0) => "täna".to_owned(),
        Some(_) => "homme".to_owned(),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            let year = if date.year() == today.year() { String::new() } else { format!(" {}", date.year()) };
            format!("{day}, {}. {month}{year}", date.day())
        }
    }
}

/// Zone, what its city is called, in English, in Portuguese, and its time in Estonian (which declines the name).
const CITIES: [(&str, &str, &str, &str); 17] = [
    ("America/Sao_Paulo", "São Paulo", "São Paulo", "São Paulo aeg"),
    ("America/Belem", "Belém", "Belém", "Belémi aeg"),
    ("America/Cuiaba", "Cuiabá", "Cuiabá", "Cuiabá aeg"),
    ("America/New_York", "New York", "Nova York", "New Yorgi aeg"),
    ("Asia/Kolkata", "Kolkata", "Calcutá", "Kolkata aeg"),
    ("Europe/Amsterdam", "Amsterdam", "Amsterdã", "Amsterdami aeg"),
    ("Europe/Berlin", "Berlin", "Berlim", "Berliini aeg"),
    ("Europe/Helsinki", "Helsinki", "Helsinque", "Helsingi aeg"),
    ("Europe/Lisbon", "Lisbon", "Lisboa", "Lissaboni aeg"),
    ("Europe/London", "London", "Londres", "Londoni aeg"),
    ("Europe/Madrid", "Madrid", "Madri", "Madridi aeg"),
    ("Europe/Paris", "Paris", "Paris", "Pariisi aeg"),
    ("Europe/Riga", "Riga", "Riga", "Riia aeg"),
    ("Europe/Stockholm", "Stockholm", "Estocolmo", "Stockholmi aeg"),
    ("Europe/Tallinn", "Tallinn", "Tallinn", "Tallinna aeg"),
    ("Europe/Vilnius", "Vilnius", "Vilnius", "Vilniuse aeg"),
    ("Europe/Warsaw", "Warsaw", "Varsóvia", "Varssavi aeg"),
];

/// `São Paulo time, UTC-03:00`: by which wall the time is told. The offset is the one of that day.
fn place(wall: &Zoned, language: Language) -> String {
    let seconds = wall.offset().seconds();
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    let offset = if seconds == 0 { "UTC".to_owned() } else { format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60) };
    // Names without a city (`UTC`, `Etc/GMT+3`) say nothing that the offset does not.
    let Some((name, city)) =
        wall.time_zone().iana_name().filter(|name| !name.starts_with("Etc/")).and_then(|name| Some((name, name.rsplit_once('/')?.1)))
    else {
        return offset;
    };
    let known = CITIES.iter().find(|(zone, ..)| *zone == name);
    let plain = city.replace('_', " ");
    let clock = match language.as_str() {
        "en" => format!("{} time", known.map_or(plain.as_str(), |k| k.1)),
        "pt" => format!("horário de {}", known.map_or(plain.as_str(), |k| k.2)),
        "et" => known.map_or_else(|| format!("ajavöönd {plain}"), |k| k.3.to_owned()),
        _ => return offset,
    };
    format!("{clock}, {offset}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_times_read_as_a_person_writes_them() {
        #[rustfmt::skip]
        let table = [
            ("2026-11-23T10:30-03", "America/Sao_Paulo", "en", "Monday 23 November, 10:30 (São Paulo time, UTC-03:00)", "another day"),
            ("2026-11-23T10:30-03", "America/Sao_Paulo", "pt", "segunda-feira, 23 de novembro, às 10:30 (horário de São Paulo, UTC-03:00)", "another day"),
            ("2026-11-23T10:30-03", "America/Sao_Paulo", "et", "esmaspäeval, 23. novembril kell 10.30 (São Paulo aeg, UTC-03:00)", "another day"),
            ("2026-11-20T15:20-03", "America/Sao_Paulo", "en", "today, 15:20 (São Paulo time, UTC-03:00)", "today"),
            ("2026-11-20T15:20-03", "America/Sao_Paulo", "pt", "hoje, às 15:20 (horário de São Paulo, UTC-03:00)", "today"),
            ("2026-11-20T16:20+02", "Europe/Tallinn", "et", "täna kell 16.20 (Tallinna aeg, UTC+02:00)", "today"),
            ("2026-11-21T09:00+02", "Europe/Tallinn", "et", "homme kell 9.00 (Tallinna aeg, UTC+02:00)", "no leading zero in Estonian"),
            ("2026-11-21T09:00+00", "Europe/Lisbon", "pt", "amanhã, às 09:00 (horário de Lisboa, UTC)", "no offset to show"),
            ("2026-11-21T01:15+00", "Europe/Lisbon", "pt", "amanhã, à 01:15 (horário de Lisboa, UTC)", "one o'clock is singular"),
            ("2026-11-19T09:00+00", "UTC", "en", "yesterday, 09:00 (UTC)", "a zone without a city"),
            ("2026-11-19T09:00+00", "UTC", "et", "eile kell 9.00 (UTC)", "yesterday"),
            ("2026-11-19T09:00+00", "UTC", "pt", "ontem, às 09:00 (UTC)", "yesterday"),
            ("2027-01-01T09:00+00", "UTC", "en", "Friday 1 January 2027, 09:00 (UTC)", "another year"),
            ("2027-01-01T09:00+00", "UTC", "pt", "sexta-feira, 1º de janeiro de 2027, às 09:00 (UTC)", "another year, the first"),
            ("2027-01-01T09:00+00", "UTC", "et", "reedel, 1. jaanuaril 2027 kell 9.00 (UTC)", "another year"),
            ("2027-07-01T09:00+03", "Europe/Tallinn", "en", "Thursday 1 July 2027, 09:00 (Tallinn time, UTC+03:00)", "the offset of that day, not of today"),
            ("2026-11-25T09:00+05:30", "Asia/Kolkata", "en", "Wednesday 25 November, 09:00 (Kolkata time, UTC+05:30)", "half an hour"),
            ("2026-11-25T09:00+01", "Europe/Ljubljana", "et", "kolmapäeval, 25. novembril kell 9.00 (ajavöönd Ljubljana, UTC+01:00)", "a name that we cannot decline"),
            ("2026-11-25T09:00:00.001+00", "UTC", "en", "Wednesday 25 November, 09:01 (UTC)", "to come: never told too early"),
            ("2026-11-20T13:59:59+00", "UTC", "en", "today, 13:59 (UTC)", "past: never told too late"),
            ("2026-11-25T09:00+01", "Europe/Berlin", "de", "2026-11-25 09:00 (UTC+01:00)", "no words for it"),
            ("2026-11-21T01:00+02", "Europe/Tallinn", "en", "tomorrow, 01:00 (Tallinn time, UTC+02:00)", "the day is the wall's, not UTC's"),
        ];
        let now: Timestamp = "2026-11-20T14:00Z".parse().unwrap();
        for (at, zone, language, expect, why) in table {
            let zone = TimeZone::get(zone).unwrap();
            let at: Timestamp = at.parse().unwrap();
            assert_eq!(when_text(at, &zone, Language::parse(language).unwrap(), now), expect, "{why}");
        }
    }

    #[test]
    fn the_zones_of_our_cities_exist() {
        for (zone, ..) in CITIES {
            assert!(TimeZone::get(zone).is_ok(), "{zone}");
        }
    }
}
