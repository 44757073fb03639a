//! What an agent's mail orders: lines that begin with `#` above its first other line, one command each.
//!
//! A command that is unknown or refused holds the whole mail, so every fault is found before anything is done.

use super::address::EmailAddress;
use super::message::{Body, Seq, Span, SpanKind, TicketNumber};
use super::policy::Policy;
use super::ticket::{Priority, SPLIT_MAX};
use super::words::nearest;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// One order, checked against the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Solve,
    Close,
    Reopen,
    Pending,
    Snooze(SignedDuration),
    /// A date that the customer was given.
    Promise(Timestamp),
    /// Handle of an agent, or nobody.
    Assign(Option<String>),
    Team(String),
    Priority(Priority),
    Tag(Vec<String>),
    Untag(Vec<String>),
    /// Answers go to this address too from now on.
    Cc(EmailAddress),
    /// They do no more.
    Uncc(EmailAddress),
    /// What follows goes to this address alone, and his answer to agents alone.
    Ask(EmailAddress),
    /// What concerns another ticket, too.
    Arrange(Arrangement),
    /// He is away from now on: until then, or until he says that he is back.
    Away(Option<Timestamp>),
    Back,
    /// All that follows is internal.
    Note,
    Spam,
    Status,
    Help,
}

/// How tickets are put together or apart; see `domain::arrange`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// This matter goes on in that ticket.
    Merge(TicketNumber),
    /// That ticket goes its own way again.
    Unmerge(TicketNumber),
    /// These messages become a ticket of their own.
    Split(Vec<Seq>),
    /// This ticket goes back to where it was split off.
    Unsplit,
}

/// The command words with their arguments, for `#help` and for hints; one in brackets may be left out.
pub const WORDS: [(&str, &str); 24] = [
    ("solve", ""),
    ("close", ""),
    ("reopen", ""),
    ("pending", ""),
    ("snooze", "2d"),
    ("promise", "fri 15:00"),
    ("assign", "ana | me | none"),
    ("team", "billing"),
    ("priority", "low | medium | high | critical"),
    ("tag", "a b"),
    ("untag", "a"),
    ("cc", "x@y.example"),
    ("uncc", "x@y.example"),
    ("ask", "x@y.example"),
    ("merge", "1041"),
    ("unmerge", "1042"),
    ("split", "3 4"),
    ("unsplit", ""),
    ("away", "[until fri 9:00 | 2 days]"),
    ("back", ""),
    ("note", ""),
    ("spam", ""),
    ("status", ""),
    ("help", ""),
];

/// Longest word that is taken as a tag, in octets.
const TAG_OCTETS_MAX: usize = 40;
/// Commands in one mail.
const COMMANDS_MAX: usize = 20;
/// Of a promise for a day: its last working hour is over.
const END_OF_DAY: Time = Time::constant(17, 0, 0, 0);

/// What was found at the top of an agent's mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    pub commands: Vec<Command>,
    /// The body with its command lines marked as such.
    pub body: Body,
}

/// Reads the commands of an agent's mail; times are those of `zone`, his own.
///
/// # Errors
/// Each line that is no command or is refused, with what would be right: one sentence a fault, for the agent.
pub fn read(body: &Body, agent_handle: &str, policy: &Policy, zone: &TimeZone, now: Timestamp) -> Result<Orders, Vec<String>> {
    let mut commands = Vec::new();
    let mut faults = Vec::new();
    let mut spans: Vec<Span> = Vec::new();
    let mut at_top = true;
    for span in &body.spans {
        if span.kind != SpanKind::New || !at_top {
            spans.push(*span);
            continue;
        }
        let mut start = span.start as usize;
        let end = span.end as usize;
        while at_top && start < end {
            let Some(rest) = body.text.get(start..end) else { break };
            let line_octets = rest.find('\n').map_or(rest.len(), |n| n + 1);
            let line = rest.get(..line_octets).unwrap_or(rest).trim();
            let line_end = start + line_octets;
            if line.is_empty() {
                push_span(&mut spans, SpanKind::New, start, line_end);
            } else if let Some(order) = command_line(line) {
                match parse(order, agent_handle, policy, zone, now) {
                    Ok(command) => commands.push(command),
                    Err(fault) => faults.push(fault),
                }
                push_span(&mut spans, SpanKind::Command, start, line_end);
            } else {
                at_top = false;
                break;
            }
            start = line_end;
        }
        if start < end {
            push_span(&mut spans, SpanKind::New, start, end);
        }
    }
    if commands.len() > COMMANDS_MAX {
        faults.push(format!("more than {COMMANDS_MAX} commands in one mail: send them in several"));
    }
    if faults.is_empty() { Ok(Orders { commands, body: Body { spans, ..body.clone() } }) } else { Err(faults) }
}

fn push_span(spans: &mut Vec<Span>, kind: SpanKind, start: usize, end: usize) {
    let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else { return };
    match spans.last_mut() {
        Some(last) if last.kind == kind && last.end == start => last.end = end,
        _ => spans.push(Span { kind, start, end }),
    }
}

/// `#word …`; a `#` before a digit or a space is text ("#1042 works again").
fn command_line(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_alphabetic()))
}

fn parse(order: &str, me: &str, policy: &Policy, zone: &TimeZone, now: Timestamp) -> Result<Command, String> {
    let (word, argument) = order.split_once(char::is_whitespace).unwrap_or((order, ""));
    let word = word.trim_end_matches([':', ',', '.']).to_lowercase();
    let argument = argument.trim();
    let known = WORDS.iter().find(|(w, _)| *w == word);
    let Some((_, usage)) = known else {
        let near = nearest(&word, WORDS.iter().map(|(w, _)| *w));
        let hint = near.map_or("#help lists the commands".to_owned(), |w| format!("did you mean #{w}?"));
        return Err(format!("#{} is not a command: {hint}", shown(&word)));
    };
    if usage.is_empty() && !argument.is_empty() {
        return Err(format!("#{word} takes nothing behind it, but there is “{}”", shown(argument)));
    }
    if !usage.is_empty() && !usage.starts_with('[') && argument.is_empty() {
        return Err(format!("#{word} needs a value, such as #{word} {usage}"));
    }
    let refused = |why: &str| format!("#{word} {}: {why}", shown(argument));
    Ok(match word.as_str() {
        "solve" => Command::Solve,
        "close" => Command::Close,
        "reopen" => Command::Reopen,
        "pending" => Command::Pending,
        "note" => Command::Note,
        "merge" | "unmerge" => {
            let number = number(argument).ok_or_else(|| refused("is no ticket's number, such as 1041"))?;
            Command::Arrange(if word == "merge" { Arrangement::Merge(number) } else { Arrangement::Unmerge(number) })
        }
        "split" => {
            let places = places(argument).ok_or_else(|| refused("are no messages of this ticket, such as 3 or 3 4 or 3-5"))?;
            Command::Arrange(Arrangement::Split(places))
        }
        "unsplit" => Command::Arrange(Arrangement::Unsplit),
        "spam" => Command::Spam,
        "away" if argument.is_empty() => Command::Away(None),
        "away" => Command::Away(Some(
            until(argument, zone, now).ok_or_else(|| refused("is no time to come within a year, such as until fri 9:00, 4h or 2 days"))?,
        )),
        "back" => Command::Back,
        "status" => Command::Status,
        "help" => Command::Help,
        "snooze" => Command::Snooze(span(argument).ok_or_else(|| refused("is no time such as 30m, 4h or 2d"))?),
        "promise" => Command::Promise(
            moment(argument, END_OF_DAY, zone, now)
                .ok_or_else(|| refused("is no time to come, such as fri 15:00, tomorrow 9:00 or 2026-12-01 15:00"))?,
        ),
        "assign" if argument.eq_ignore_ascii_case("none") => Command::Assign(None),
        "assign" if argument.eq_ignore_ascii_case("me") => Command::Assign(Some(me.to_owned())),
        "assign" => {
            let agent = policy.agent_by_handle(argument).or_else(|| policy.agent(&EmailAddress::parse(argument).ok()?));
            let agent = agent
                .ok_or_else(|| refused(&format!("no such agent; there are {}", listed(policy.agents.iter().map(|a| a.handle.as_str())))))?;
            Command::Assign(Some(agent.handle.clone()))
        }
        "team" => {
            let team = policy.teams.keys().find(|t| t.eq_ignore_ascii_case(argument));
            Command::Team(
                team.cloned()
                    .ok_or_else(|| refused(&format!("no such team; there are {}", listed(policy.teams.keys().map(String::as_str)))))?,
            )
        }
        "priority" => Command::Priority(Priority::parse(argument).ok_or_else(|| refused("is none of low, medium, high, critical"))?),
        "cc" | "uncc" | "ask" => {
            let address = EmailAddress::parse(argument.trim_matches(['<', '>'])).map_err(|fault| refused(&fault.to_string()))?;
            if policy.is_ours(&address) {
                return Err(refused("is the desk's own address"));
            }
            match word.as_str() {
                "cc" => Command::Cc(address),
                "uncc" => Command::Uncc(address),
                _ if policy.agent(&address).is_some() => return Err(refused("is an agent: use #assign or #note")),
                _ => Command::Ask(address),
            }
        }
        "tag" => Command::Tag(tags(argument).map_err(|why| refused(&why))?),
        _ => Command::Untag(tags(argument).map_err(|why| refused(&why))?),
    })
}

fn tags(argument: &str) -> Result<Vec<String>, String> {
    argument
        .split([' ', ',', '\t'])
        .filter(|t| !t.is_empty())
        .map(|tag| {
            let tag = tag.trim_start_matches('#').to_lowercase();
            if tag.len() <= TAG_OCTETS_MAX && !tag.is_empty() && tag.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) {
                Ok(tag)
            } else {
                Err(format!("a tag has letters, digits, - and _, at most {TAG_OCTETS_MAX} octets"))
            }
        })
        .collect()
}

/// `1041` or `#1041`.
fn number(text: &str) -> Option<TicketNumber> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|n| is_number && *n > 0).map(TicketNumber)
}

/// `3`, `3 4`, `3,4`, `3-5`: ascending, each once.
fn places(text: &str) -> Option<Vec<Seq>> {
    let mut places = std::collections::BTreeSet::new();
    for word in text.split([' ', ',', '\t']).filter(|w| !w.is_empty()) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last): (Seq, Seq) = (first.parse().ok()?, last.parse().ok()?);
        if first == 0 || last < first || (last - first) as usize >= SPLIT_MAX {
            return None;
        }
        places.extend(first..=last);
    }
    (!places.is_empty() && places.len() <= SPLIT_MAX).then(|| places.into_iter().collect())
}

/// `90s`, `30m`, `4h`, `2d`, `1w`, at most a year.
fn span(text: &str) -> Option<SignedDuration> {
    let text = text.trim().to_lowercase();
    let unit = text.chars().last()?;
    let number: i64 = text.get(..text.len() - unit.len_utf8())?.trim().parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let seconds = number.checked_mul(seconds)?;
    (1..=366 * 86_400).contains(&seconds).then(|| SignedDuration::from_secs(seconds))
}

/// How long somebody is away: `until fri 9:00`, `until monday` (its beginning), `2 days` (to the same time of that day), `4h`; at most a
/// year.
fn until(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let text = text.to_lowercase();
    let at = match text.strip_prefix("until") {
        Some(at) => moment(at, Time::midnight(), zone, now),
        None => later(text.strip_prefix("for").unwrap_or(&text).trim(), zone, now).or_else(|| moment(&text, Time::midnight(), zone, now)),
    };
    at.filter(|at| *at > now && at.duration_since(now) <= SignedDuration::from_hours(366 * 24))
}

/// `2 days`, `2d`, `1 week`, `4 hours`: days are those of the calendar, however long the nights of its clock are.
fn later(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: i64 = number.parse().ok().filter(|number| (1..=366 * 24 * 60).contains(number))?;
    let span = match unit.trim() {
        "m" | "min" | "minute" | "minutes" => number.minutes(),
        "h" | "hour" | "hours" => number.hours(),
        "d" | "day" | "days" => number.days(),
        "w" | "week" | "weeks" => number.weeks(),
        _ => return None,
    };
    now.to_zoned(zone.clone()).checked_add(span).ok().map(|at| at.timestamp())
}

/// A time to come in a zone: `fri 15:00`, `tomorrow 9:00`, `15:00`, `2026-12-01 15:00`, `2026-12-01`. A day alone means this time of it.
fn moment(text: &str, of_day: Time, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let here = now.to_zoned(zone.clone());
    let mut day: Option<Date> = None;
    let mut weekday: Option<Weekday> = None;
    let mut time: Option<Time> = None;
    for word in text.to_lowercase().split_whitespace() {
        if let Ok(date) = word.parse::<Date>() {
            day = Some(date);
        } else if word == "today" {
            day = Some(here.date());
        } else if word == "tomorrow" {
            day = Some(here.date().tomorrow().ok()?);
        } else if let Some(named) = named_day(word) {
            weekday = Some(named);
        } else if let Some((hour, minute)) = word.split_once([':', '.', 'h']) {
            // Programs write the seconds, too.
            let (minute, second) = minute.split_once([':', '.']).unwrap_or((minute, "0"));
            let minute = if minute.is_empty() { 0 } else { minute.parse().ok()? };
            time = Some(Time::new(hour.parse().ok()?, minute, second.parse().ok()?, 0).ok()?);
        } else {
            return None;
        }
    }
    let time = time.unwrap_or(of_day);
    let on = |date: Date| date.to_datetime(time).to_zoned(zone.clone()).ok().map(|z| z.timestamp());
    match (day, weekday) {
        (Some(day), None) => on(day).filter(|at| *at > now),
        (None, Some(weekday)) => (0..=7_i64)
            .filter_map(|days| here.date().checked_add(days.days()).ok())
            .filter(|date| date.weekday() == weekday)
            .filter_map(on)
            .find(|at| *at > now),
        (None, None) if !text.trim().is_empty() => on(here.date()).filter(|at| *at > now).or_else(|| on(here.date().tomorrow().ok()?)),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn named_day(word: &str) -> Option<Weekday> {
    let start: String = word.chars().take(3).collect();
    Some(match start.as_str() {
        "mon" | "seg" | "esm" => Weekday::Monday,
        "tue" | "ter" | "tei" => Weekday::Tuesday,
        "wed" | "qua" | "kol" => Weekday::Wednesday,
        "thu" | "qui" | "nel" => Weekday::Thursday,
        "fri" | "sex" | "ree" => Weekday::Friday,
        "sat" | "sáb" | "sab" | "lau" => Weekday::Saturday,
        "sun" | "dom" | "püh" => Weekday::Sunday,
        _ => return None,
    })
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.take(30).collect();
    names.join(", ")
}

/// What somebody wrote, short enough to repeat in an answer to him.
fn shown(text: &str) -> String {
    super::address::one_line(text, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_orders_may_have_seconds() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        for (text, expect, why) in [
            ("15:00:30", Some("2026-11-22T15:00:30Z"), "as programs write it"),
            ("2026-12-01 15:00:07", Some("2026-12-01T15:00:07Z"), "with its day"),
            ("tomorrow 9.30.15", Some("2026-11-23T09:30:15Z"), "with dots"),
            ("15h", Some("2026-11-22T15:00:00Z"), "without minutes"),
            ("15h30", Some("2026-11-22T15:30:00Z"), "without seconds"),
            ("15:00:", None, "none where they should be"),
            ("15:00:60", None, "no second"),
            ("15:00:00:00", None, "more than there is"),
        ] {
            let at = moment(text, END_OF_DAY, &TimeZone::UTC, now).map(|at| at.to_string());
            assert_eq!(at.as_deref(), expect, "{text}: {why}");
        }
        for (text, expect, why) in
            [("90s", Some(90), "seconds"), ("4h", Some(14_400), "hours"), ("0s", None, "no time"), ("99999999s", None, "more than a year")]
        {
            assert_eq!(span(text).map(|span| span.as_secs()), expect, "{text}: {why}");
        }
    }
}
