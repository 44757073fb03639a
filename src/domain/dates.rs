//! Times in words, as a person of that language would write them.

use super::message::Language;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};
use std::borrow::Cow;

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
    let (date, today) = (wall.date(), now.to_zoned(zone.clone()).date());
    let mut text = Text(String::with_capacity(96));
    match language.as_str() {
        "en" => {
            day_en(&mut text, date, today);
            text.words(", ").two_digits(wall.hour()).words(":").two_digits(wall.minute());
        }
        "pt" => {
            day_pt(&mut text, date, today);
            text.words(if wall.hour() == 1 { ", à " } else { ", às " }).two_digits(wall.hour()).words(":").two_digits(wall.minute());
        }
        "et" => {
            day_et(&mut text, date, today);
            text.words(" kell ").number(wall.hour()).words(".").two_digits(wall.minute());
        }
        "es" => {
            day_es(&mut text, date, today);
            text.words(if wall.hour() == 1 { " a la " } else { " a las " }).number(wall.hour()).words(":").two_digits(wall.minute());
        }
        "de" => {
            day_de(&mut text, date, today);
            text.words(" um ").number(wall.hour()).words(":").two_digits(wall.minute()).words(" Uhr");
        }
        "fr" => {
            day_fr(&mut text, date, today);
            // No line may end between a number and its h.
            text.words(" à ").number(wall.hour()).words("\u{a0}h");
            if wall.minute() != 0 {
                text.words("\u{a0}").two_digits(wall.minute());
            }
        }
        _ => {
            text.words(&wall.strftime("%Y-%m-%d %H:%M").to_string());
        }
    }
    text.words(" (");
    place(&mut text, &wall, language);
    text.words(")");
    text.0
}

/// A text that is written from its beginning to its end: each mail has several times in it.
struct Text(String);

impl Text {
    fn words(&mut self, words: &str) -> &mut Self {
        self.0.push_str(words);
        self
    }

    fn number(&mut self, number: i8) -> &mut Self {
        if number >= 10 {
            return self.two_digits(number);
        }
        self.digit(number)
    }

    /// Such as `09`.
    fn two_digits(&mut self, number: i8) -> &mut Self {
        self.digit(number / 10).digit(number % 10)
    }

    fn digit(&mut self, digit: i8) -> &mut Self {
        self.0.push(u8::try_from(digit).map_or('?', |digit| char::from(b'0' + digit)));
        self
    }

    /// The year of a date with what stands before it, unless it is this year.
    fn year(&mut self, before: &str, date: Date, today: Date) -> &mut Self {
        if date.year() != today.year() {
            self.words(before).words(&date.year().to_string());
        }
        self
    }
}

/// A time that is put into words when somebody asks for them: see [`when_text`].
#[derive(Clone, Debug)]
pub struct Moment {
    pub at: Timestamp,
    pub zone: TimeZone,
    pub language: Language,
    pub now: Timestamp,
}

impl Moment {
    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        when_text(self.at, &self.zone, self.language, self.now)
    }
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

fn day_en(text: &mut Text, date: Date, today: Date) {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    const MONTHS: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    match days_away(date, today) {
        Some(-1) => text.words("yesterday"),
        Some(0) => text.words("today"),
        Some(_) => text.words("tomorrow"),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            text.words(day).words(" ").number(date.day()).words(" ").words(month).year(" ", date, today)
        }
    };
}

fn day_pt(text: &mut Text, date: Date, today: Date) {
    const DAYS: [&str; 7] = ["segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"];
    const MONTHS: [&str; 12] =
        ["janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro"];
    match days_away(date, today) {
        Some(-1) => text.words("ontem"),
        Some(0) => text.words("hoje"),
        Some(_) => text.words("amanhã"),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            let ordinal = if date.day() == 1 { "º" } else { "" };
            text.words(day).words(", ").number(date.day()).words(ordinal).words(" de ").words(month).year(" de ", date, today)
        }
    };
}

fn day_et(text: &mut Text, date: Date, today: Date) {
    const DAYS: [&str; 7] = ["esmaspäeval", "teisipäeval", "kolmapäeval", "neljapäeval", "reedel", "laupäeval", "pühapäeval"];
    #[rustfmt::skip]
    const MONTHS: [&str; 12] = ["jaanuaril", "veebruaril", "märtsil", "aprillil", "mail", "juunil", "juulil", "augustil", "septembril",
        "oktoobril", "novembril", "detsembril"];
    match days_away(date, today) {
        Some(-1) => text.words("eile"),
        Some(0) => text.words("täna"),
        Some(_) => text.words("homme"),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            text.words(day).words(", ").number(date.day()).words(". ").words(month).year(" ", date, today)
        }
    };
}

/// With the article, as it stands behind "at the latest": `el lunes 23 de noviembre`.
fn day_es(text: &mut Text, date: Date, today: Date) {
    const DAYS: [&str; 7] = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"];
    #[rustfmt::skip]
    const MONTHS: [&str; 12] = ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
        "noviembre", "diciembre"];
    match days_away(date, today) {
        Some(-1) => text.words("ayer"),
        Some(0) => text.words("hoy"),
        Some(_) => text.words("mañana"),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            text.words("el ").words(day).words(" ").number(date.day()).words(" de ").words(month).year(" de ", date, today)
        }
    };
}

/// In the dative, as it stands behind "at the latest": `am Montag, dem 23. November,`.
fn day_de(text: &mut Text, date: Date, today: Date) {
    const DAYS: [&str; 7] = ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"];
    #[rustfmt::skip]
    const MONTHS: [&str; 12] = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
        "November", "Dezember"];
    match days_away(date, today) {
        Some(-1) => text.words("gestern"),
        Some(0) => text.words("heute"),
        Some(_) => text.words("morgen"),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            text.words("am ").words(day).words(", dem ").number(date.day()).words(". ").words(month).year(" ", date, today).words(",")
        }
    };
}

fn day_fr(text: &mut Text, date: Date, today: Date) {
    const DAYS: [&str; 7] = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"];
    const MONTHS: [&str; 12] =
        ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];
    match days_away(date, today) {
        Some(-1) => text.words("hier"),
        Some(0) => text.words("aujourd’hui"),
        Some(_) => text.words("demain"),
        None => {
            let (day, month) = (word(DAYS, date.weekday().to_monday_one_offset()), word(MONTHS, date.month()));
            let ordinal = if date.day() == 1 { "er" } else { "" };
            text.words(day).words(" ").number(date.day()).words(ordinal).words(" ").words(month).year(" ", date, today)
        }
    };
}

/// What the city of a zone is called.
struct City {
    zone: &'static str,
    en: &'static str,
    pt: &'static str,
    /// Its time, because Estonian declines the name.
    et: &'static str,
    es: &'static str,
    de: &'static str,
    fr: &'static str,
}

const fn city(
    zone: &'static str,
    en: &'static str,
    pt: &'static str,
    et: &'static str,
    es: &'static str,
    de: &'static str,
    fr: &'static str,
) -> City {
    City { zone, en, pt, et, es, de, fr }
}

#[rustfmt::skip]
const CITIES: [City; 36] = [
    city("America/Sao_Paulo", "São Paulo", "São Paulo", "São Paulo aeg", "São Paulo", "São Paulo", "São Paulo"),
    city("America/Argentina/Buenos_Aires", "Buenos Aires", "Buenos Aires", "Buenos Airese aeg", "Buenos Aires", "Buenos Aires", "Buenos Aires"),
    city("America/Belem", "Belém", "Belém", "Belémi aeg", "Belém", "Belém", "Belém"),
    city("America/Bogota", "Bogotá", "Bogotá", "Bogotá aeg", "Bogotá", "Bogotá", "Bogota"),
    city("America/Cuiaba", "Cuiabá", "Cuiabá", "Cuiabá aeg", "Cuiabá", "Cuiabá", "Cuiabá"),
    city("America/Los_Angeles", "Los Angeles", "Los Angeles", "Los Angelese aeg", "Los Ángeles", "Los Angeles", "Los Angeles"),
    city("America/Mexico_City", "Mexico City", "Cidade do México", "México aeg", "Ciudad de México", "Mexiko-Stadt", "Mexico"),
    city("America/New_York", "New York", "Nova York", "New Yorgi aeg", "Nueva York", "New York", "New York"),
    city("Asia/Kolkata", "Kolkata", "Calcutá", "Kolkata aeg", "Calcuta", "Kolkata", "Calcutta"),
    city("Asia/Tokyo", "Tokyo", "Tóquio", "Tokyo aeg", "Tokio", "Tokio", "Tokyo"),
    city("Europe/Amsterdam", "Amsterdam", "Amsterdã", "Amsterdami aeg", "Ámsterdam", "Amsterdam", "Amsterdam"),
    city("Europe/Athens", "Athens", "Atenas", "Ateena aeg", "Atenas", "Athen", "Athènes"),
    city("Europe/Berlin", "Berlin", "Berlim", "Berliini aeg", "Berlín", "Berlin", "Berlin"),
    city("Europe/Brussels", "Brussels", "Bruxelas", "Brüsseli aeg", "Bruselas", "Brüssel", "Bruxelles"),
    city("Europe/Bucharest", "Bucharest", "Bucareste", "Bukaresti aeg", "Bucarest", "Bukarest", "Bucarest"),
    city("Europe/Budapest", "Budapest", "Budapeste", "Budapesti aeg", "Budapest", "Budapest", "Budapest"),
    city("Europe/Copenhagen", "Copenhagen", "Copenhague", "Kopenhaageni aeg", "Copenhague", "Kopenhagen", "Copenhague"),
    city("Europe/Dublin", "Dublin", "Dublin", "Dublini aeg", "Dublín", "Dublin", "Dublin"),
    city("Europe/Helsinki", "Helsinki", "Helsinque", "Helsingi aeg", "Helsinki", "Helsinki", "Helsinki"),
    city("Europe/Istanbul", "Istanbul", "Istambul", "Istanbuli aeg", "Estambul", "Istanbul", "Istanbul"),
    city("Europe/Kyiv", "Kyiv", "Kiev", "Kiievi aeg", "Kiev", "Kiew", "Kyiv"),
    city("Europe/Lisbon", "Lisbon", "Lisboa", "Lissaboni aeg", "Lisboa", "Lissabon", "Lisbonne"),
    city("Europe/London", "London", "Londres", "Londoni aeg", "Londres", "London", "Londres"),
    city("Europe/Luxembourg", "Luxembourg", "Luxemburgo", "Luxembourgi aeg", "Luxemburgo", "Luxemburg", "Luxembourg"),
    city("Europe/Madrid", "Madrid", "Madri", "Madridi aeg", "Madrid", "Madrid", "Madrid"),
    city("Europe/Oslo", "Oslo", "Oslo", "Oslo aeg", "Oslo", "Oslo", "Oslo"),
    city("Europe/Paris", "Paris", "Paris", "Pariisi aeg", "París", "Paris", "Paris"),
    city("Europe/Prague", "Prague", "Praga", "Praha aeg", "Praga", "Prag", "Prague"),
    city("Europe/Riga", "Riga", "Riga", "Riia aeg", "Riga", "Riga", "Riga"),
    city("Europe/Rome", "Rome", "Roma", "Rooma aeg", "Roma", "Rom", "Rome"),
    city("Europe/Stockholm", "Stockholm", "Estocolmo", "Stockholmi aeg", "Estocolmo", "Stockholm", "Stockholm"),
    city("Europe/Tallinn", "Tallinn", "Tallinn", "Tallinna aeg", "Tallin", "Tallinn", "Tallinn"),
    city("Europe/Vienna", "Vienna", "Viena", "Viini aeg", "Viena", "Wien", "Vienne"),
    city("Europe/Vilnius", "Vilnius", "Vilnius", "Vilniuse aeg", "Vilna", "Vilnius", "Vilnius"),
    city("Europe/Warsaw", "Warsaw", "Varsóvia", "Varssavi aeg", "Varsovia", "Warschau", "Varsovie"),
    city("Europe/Zurich", "Zurich", "Zurique", "Zürichi aeg", "Zúrich", "Zürich", "Zurich"),
];

/// `São Paulo time, UTC-03:00`: by which wall the time is told. The offset is the one of that day.
fn place(text: &mut Text, wall: &Zoned, language: Language) {
    // Names without a city (`UTC`, `Etc/GMT+3`) say nothing that the offset does not.
    let name = wall.time_zone().iana_name().filter(|name| !name.starts_with("Etc/"));
    if let Some((name, city)) = name.and_then(|name| Some((name, name.rsplit_once('/')?.1))) {
        let known = CITIES.iter().find(|city| city.zone == name);
        let plain = || Cow::Owned(city.replace('_', " "));
        let called = |name: fn(&City) -> &'static str| known.map_or_else(plain, |city| Cow::Borrowed(name(city)));
        match language.as_str() {
            "en" => text.words(&called(|city| city.en)).words(" time, "),
            "pt" => text.words("horário de ").words(&called(|city| city.pt)).words(", "),
            "et" => text.words(if known.is_some() { "" } else { "ajavöönd " }).words(&called(|city| city.et)).words(", "),
            "es" => text.words("hora de ").words(&called(|city| city.es)).words(", "),
            "de" => text.words("Ortszeit ").words(&called(|city| city.de)).words(", "),
            "fr" => {
                let name = called(|city| city.fr);
                // No city of the database whose name begins so has an aspirated h.
                let is_elided = name.starts_with(['A', 'E', 'I', 'O', 'U', 'H', 'É']);
                text.words(if is_elided { "heure d’" } else { "heure de " }).words(&name).words(", ")
            }
            // Where the words are missing the offset has to do.
            _ => text,
        };
    }
    offset(text, wall.offset());
}

/// `UTC`, `UTC-03:00`.
fn offset(text: &mut Text, offset: Offset) {
    let seconds = offset.seconds();
    text.words("UTC");
    if seconds != 0 {
        let minutes = seconds.abs() / 60;
        // Less than 26 hours, by what jiff takes for an offset.
        let [hours, minutes] = [minutes / 60, minutes % 60].map(|number| i8::try_from(number).unwrap_or(0));
        text.words(if seconds < 0 { "-" } else { "+" }).two_digits(hours).words(":").two_digits(minutes);
    }
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
            ("2026-11-23T10:30+01", "Europe/Madrid", "es", "el lunes 23 de noviembre a las 10:30 (hora de Madrid, UTC+01:00)", "another day"),
            ("2026-11-20T15:20-03", "America/Sao_Paulo", "es", "hoy a las 15:20 (hora de São Paulo, UTC-03:00)", "today"),
            ("2026-11-21T01:15-06", "America/Mexico_City", "es", "mañana a la 1:15 (hora de Ciudad de México, UTC-06:00)", "one o'clock is singular"),
            ("2026-11-19T00:05+00", "UTC", "es", "ayer a las 0:05 (UTC)", "yesterday, just after midnight"),
            ("2027-01-01T09:00+00", "UTC", "es", "el viernes 1 de enero de 2027 a las 9:00 (UTC)", "another year"),
            ("2026-11-23T10:30+01", "Europe/Berlin", "de", "am Montag, dem 23. November, um 10:30 Uhr (Ortszeit Berlin, UTC+01:00)", "another day"),
            ("2026-11-20T15:20+01", "Europe/Vienna", "de", "heute um 15:20 Uhr (Ortszeit Wien, UTC+01:00)", "today"),
            ("2026-11-21T09:00+01", "Europe/Ljubljana", "de", "morgen um 9:00 Uhr (Ortszeit Ljubljana, UTC+01:00)", "tomorrow; a city that has no other name"),
            ("2026-11-19T09:05+00", "UTC", "de", "gestern um 9:05 Uhr (UTC)", "yesterday"),
            ("2027-03-06T09:00+00", "UTC", "de", "am Samstag, dem 6. März 2027, um 9:00 Uhr (UTC)", "another year"),
            ("2026-11-20T15:20+02", "Europe/Athens", "fr", "aujourd’hui à 15\u{a0}h\u{a0}20 (heure d’Athènes, UTC+02:00)", "a name of its own, elided"),
            ("2026-11-23T10:30+01", "Europe/Paris", "fr", "lundi 23 novembre à 10\u{a0}h\u{a0}30 (heure de Paris, UTC+01:00)", "another day"),
            ("2026-11-20T15:20+01", "Europe/Amsterdam", "fr", "aujourd’hui à 15\u{a0}h\u{a0}20 (heure d’Amsterdam, UTC+01:00)", "today; elided"),
            ("2026-11-21T09:00+02", "Europe/Helsinki", "fr", "demain à 9\u{a0}h (heure d’Helsinki, UTC+02:00)", "a whole hour has no minutes"),
            ("2026-11-19T09:05+00", "UTC", "fr", "hier à 9\u{a0}h\u{a0}05 (UTC)", "yesterday"),
            ("2027-01-01T09:00+00", "UTC", "fr", "vendredi 1er janvier 2027 à 9\u{a0}h (UTC)", "another year, the first"),
            ("2026-11-25T09:00+01", "Europe/Berlin", "fi", "2026-11-25 09:00 (UTC+01:00)", "no words for it"),
            ("2027-10-31T00:30+00", "Europe/Lisbon", "en", "Sunday 31 October 2027, 01:30 (Lisbon time, UTC+01:00)", "the night that has an hour twice: the first"),
            ("2027-10-31T01:30+00", "Europe/Lisbon", "en", "Sunday 31 October 2027, 01:30 (Lisbon time, UTC)", "and the second, an hour later"),
            ("2027-03-28T00:59+00", "Europe/Lisbon", "pt", "domingo, 28 de março de 2027, às 00:59 (horário de Lisboa, UTC)", "the night that lacks an hour: its last minute before"),
            ("2027-03-28T01:00+00", "Europe/Lisbon", "pt", "domingo, 28 de março de 2027, às 02:00 (horário de Lisboa, UTC+01:00)", "and the minute behind it"),
            ("2026-11-20T14:30+00", "Pacific/Kiritimati", "en", "today, 04:30 (Kiritimati time, UTC+14:00)", "it is the 21st there"),
            ("2026-11-21T10:00+00", "Pacific/Kiritimati", "en", "tomorrow, 00:00 (Kiritimati time, UTC+14:00)", "and the 22nd begins"),
            ("2026-11-21T10:00+00", "Pacific/Pago_Pago", "en", "today, 23:00 (Pago Pago time, UTC-11:00)", "where it is the 20th still, a day behind"),
            ("2026-11-20T11:30+00", "Pacific/Auckland", "de", "heute um 0:30 Uhr (Ortszeit Auckland, UTC+13:00)", "the day began there before it was seen here"),
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
        for city in &CITIES {
            assert!(TimeZone::get(city.zone).is_ok(), "{}", city.zone);
        }
    }
    #[test]
    fn every_day_and_month_has_its_words() {
        let now: Timestamp = "2025-06-15T12:00Z".parse().unwrap();
        for language in ["en", "pt", "et", "es", "de", "fr"].map(|tag| Language::parse(tag).unwrap()) {
            let texts = (0..366).map(|day| {
                let at = now + SignedDuration::from_hours(24 * (200 + day));
                when_text(at, &TimeZone::UTC, language, now)
            });
            let (mut days, mut months) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
            for text in texts {
                let words: Vec<&str> =
                    text.split(|c: char| !c.is_alphabetic() && c != '-').filter(|word| word.chars().count() > 2).collect();
                let words: Vec<&str> = words.into_iter().filter(|word| !["UTC", "Uhr", "kell", "dem", "las"].contains(word)).collect();
                let [day, month] = words[..] else { panic!("{language}: {text}: {words:?}") };
                days.insert(day.to_owned());
                months.insert(month.to_owned());
            }
            assert_eq!((days.len(), months.len()), (7, 12), "{language}: {days:?} {months:?}");
        }
    }
}
