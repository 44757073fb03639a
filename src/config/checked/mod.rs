//! From what was written to what may be used: every fault is noted with its place, and the checks go on, so that one run
//! shows them all. Where something cannot be used, its place is taken by nothing, and the whole is refused at the end.

mod assign;
mod cues;
mod edges;
mod holidays;
mod hours;
mod look_up;
mod promises;
mod proof;
mod rules;
mod senders;
mod sign_in;
mod texts;

use super::customers;
use super::duration;
use super::fault::{Fault, unknown};
use super::locate::{Places, shown};
use super::settings::{Counts, Limits, Settings};
use super::written::{Desk as WrittenDesk, Limits as WrittenLimits, OneOrMany, Written};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Calendar;
use crate::domain::customer::Directory;
use crate::domain::look_alike::OwnLooks;
use crate::domain::message::Language;
use crate::domain::policy::{Agent, CopiedFollow, Desk, Policy, Team};
use crate::domain::rule::Rules;
use crate::domain::ticket::Priority;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest name of a thing, in characters.
const NAME_CHARS_MAX: usize = 60;

/// Addresses of `desk.ops`: each gets a mail of its own.
const OPS_MAX: usize = 20;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The name of a thing that others may refer to, and where it stands.
type Names = BTreeSet<String>;

/// What there is to say of a configuration.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
    /// `None` where it could not be read at all.
    pub(super) counts: Option<Counts>,
}

impl Counts {
    fn of(written: &Written) -> Self {
        Self {
            mailboxes: written.mailbox.len(),
            teams: written.team.len(),
            agents: written.agent.len(),
            // One of each is built in.
            tiers: written.tier.len().max(1),
            calendars: written.calendar.len() + 1,
            policies: written.sla.len(),
            rules: written.rule.len(),
            templates: 0,
            customers: 0,
        }
    }
}

/// Checks everything; `None` where some part could not be built at all. The result is good only if no fault was noted.
pub(super) fn check(
    written: &Written,
    places: Places,
    base_dir: &Path,
    credentials_dir: Option<&Path>,
    in_force: Option<&Directory>,
    now: Option<Timestamp>,
    told: &mut Told,
) -> Option<Settings> {
    let state_dir = written.desk.state_dir.as_deref().map(|dir| base_dir.join(dir)).unwrap_or_default();
    let Told { faults, warnings, counts } = told;
    *counts = Some(Counts::of(written));
    let mut check = Check { places, faults, warnings, base_dir, credentials_dir, state_dir };
    let names = AllNames::of(written, &mut check);
    let (mailboxes, sources) = check.mailboxes(&written.mailbox, written.desk.trusted_authserv_ids.as_ref(), &names);
    let desk = check.desk(&written.desk, &mailboxes);
    let relay = check.relay(written.smtp.as_ref(), &mailboxes, &sources);
    let chat = written.chat.as_ref().map(|chat| check.chat(chat, &mailboxes, &names));
    let http = written.http.as_ref().and_then(|http| check.http(http, written.chat.as_ref()));
    let calendars = check.calendars(&written.calendar);
    let agents = check.agents(written, &mailboxes, &names);
    let teams = check.teams(written, &mailboxes, &names, &agents);
    let tiers = check.tiers(written, &names);
    let slas = check.slas(written, &names);
    let limits = check.limits(&written.limits);
    let dns = check.dns(&written.dns);
    let (templates, texts) = check.templates(&written.desk, &desk.languages, &tiers);
    let customers = written.desk.customers.as_deref().map(|file| {
        let path = check.path(file);
        let directory = check.note("desk.customers", &path, |path, faults| customers::load(path, &tiers, in_force, faults));
        (path, directory.unwrap_or_default())
    });
    let (customers_file, customers) = customers.unzip();
    let look_up = check.look_up(&written.customers);

    let plans = tiers.iter().flat_map(|tier| tier.plans.iter().cloned()).collect();
    let around = rules::Around { agents: &agents, teams: &teams, ops: &desk.ops, slas: &slas, plans, templates: templates.as_ref() };
    let rules = check.rules(&written.rule, &names, &around);
    let cues = check.cues(&written.desk);

    let (chat_desk, chat_settings) = chat.flatten().unzip();
    let policy = Policy {
        desk,
        mailboxes,
        chat: chat_desk,
        teams,
        agents,
        calendars,
        tiers,
        slas,
        rules: Rules::new(rules, cues),
        customers: customers.unwrap_or_default(),
        templates: templates?,
        own_looks: OwnLooks::default(),
    };
    check.prove(&proof::Whole {
        written,
        policy: &policy,
        texts: &texts,
        looks_up: look_up.is_some(),
        signs_in: chat_settings.as_ref().is_some_and(|chat| chat.identity_secret.is_some()),
        now,
    });
    if let Some(counts) = counts {
        counts.templates = texts.count(&policy.desk.languages);
        counts.customers = policy.customers.len();
    }
    Some(Settings {
        policy: Arc::new(policy),
        warnings: Vec::new(),
        state_dir: written.desk.state_dir.is_some().then_some(check.state_dir)?,
        mailboxes: sources,
        relay: relay?,
        chat: chat_settings,
        http,
        dns,
        customers_file,
        look_up,
        limits,
    })
}

/// The names of each kind, known before the checks: what is wrong with a team must not make those who name it wrong, too.
struct AllNames {
    mailboxes: Names,
    teams: Names,
    calendars: Names,
    tiers: Names,
}

/// The tier of a configuration that has none.
const ONLY_TIER: &str = "standard";

impl AllNames {
    fn of(written: &Written, check: &mut Check<'_>) -> Self {
        let mut calendars = check.names("calendar", written.calendar.iter().map(|c| c.name.as_deref()), Some(Calendar::ALWAYS));
        calendars.insert(Calendar::ALWAYS.to_owned());
        let mut tiers = check.names("tier", written.tier.iter().map(|t| t.name.as_deref()), None);
        if written.tier.is_empty() {
            tiers.insert(ONLY_TIER.to_owned());
        }
        Self {
            mailboxes: check.names("mailbox", written.mailbox.iter().map(|m| m.name.as_deref()), Some("chat")),
            teams: check.names("team", written.team.iter().map(|t| t.name.as_deref()), None),
            calendars,
            tiers,
        }
    }

    /// The team that is meant where none is named: the only one.
    fn only_team(&self) -> Option<&String> {
        self.teams.first().filter(|_| self.teams.len() == 1)
    }
}

/// What the checks share.
struct Check<'a> {
    places: Places,
    faults: &'a mut Vec<Fault>,
    warnings: &'a mut Vec<Fault>,
    base_dir: &'a Path,
    credentials_dir: Option<&'a Path>,
    /// Empty if none is written, which is a fault of its own.
    state_dir: PathBuf,
}

impl Check<'_> {
    /// Notes a fault, unless the form of the value is wrong already: the rest would only follow from it.
    fn fault(&mut self, path: &str, message: impl Into<String>) {
        if self.places.is_marked(path) {
            return;
        }
        let fault = self.at(path, message.into());
        self.faults.push(fault);
    }

    /// Notes what is not wrong, but most likely not meant.
    fn warning(&mut self, path: &str, message: impl Into<String>) {
        let warning = self.at(path, message.into());
        self.warnings.push(warning);
    }

    fn at(&self, path: &str, message: String) -> Fault {
        let place = self.places.find(path);
        let key = place.called.unwrap_or_else(|| shown(path));
        Fault { file: place.file, line: place.line, key, message }
    }

    /// A value that has to be there, not empty.
    fn required<'w>(&mut self, path: &str, value: Option<&'w String>, right: &str) -> Option<&'w str> {
        match value.map(|text| text.trim()) {
            Some("") => self.fault(path, format!("is empty; {right}")),
            Some(text) => return Some(text),
            None => self.fault(path, format!("is missing; {right}")),
        }
        None
    }

    /// The names of one list, each fit to be written in a command, there once, and not the one that is built in.
    fn names<'w>(&mut self, list: &str, names: impl Iterator<Item = Option<&'w str>>, built_in: Option<&str>) -> Names {
        let mut known = Names::new();
        for (at, name) in names.enumerate() {
            let path = format!("{list}[{at}].name");
            let Some(name) = name else {
                self.fault(&path, format!("is missing; a {list} needs a name"));
                continue;
            };
            if let Some(wrong) = wrong_name(name) {
                self.fault(&path, wrong);
            } else if built_in == Some(name) {
                self.fault(&path, format!("'{name}' is built in; choose another name"));
            } else if !known.insert(name.to_owned()) {
                self.fault(&path, format!("there is another {list} '{name}' already; each needs a name of its own"));
            }
        }
        known
    }

    /// Whether a name is known; a fault if not.
    fn refers(&mut self, path: &str, what: &str, name: &str, known: &Names) -> bool {
        let is_known = known.contains(name);
        if !is_known {
            self.fault(path, unknown(what, name, known.iter().map(String::as_str)));
        }
        is_known
    }

    fn address(&mut self, path: &str, text: &str) -> Option<EmailAddress> {
        EmailAddress::parse(text).map_err(|wrong| self.fault(path, format!("'{text}' {wrong}; write name@domain alone"))).ok()
    }

    fn priority(&mut self, path: &str, word: &str) -> Option<Priority> {
        let priority = Priority::parse(word);
        if priority.is_none() {
            self.fault(path, unknown("priority", word, Priority::ALL.map(Priority::word)));
        }
        priority
    }

    fn language(&mut self, path: &str, tag: &str) -> Option<Language> {
        let language = Language::parse(tag).filter(|_| tag.split(['-', '_']).all(|part| part.chars().all(|c| c.is_ascii_alphanumeric())));
        if language.is_none() {
            self.fault(path, format!("'{tag}' is no language; write two letters such as en, pt or et (ISO 639-1)"));
        }
        language
    }

    fn languages(&mut self, path: &str, tags: &[String]) -> Vec<Language> {
        let mut languages = Vec::new();
        for tag in tags {
            match self.language(path, tag) {
                Some(language) if languages.contains(&language) => self.fault(path, format!("has '{language}' twice")),
                Some(language) => languages.push(language),
                None => {}
            }
        }
        languages
    }

    /// A length of time within bounds; `None` if none is written or it is wrong.
    fn duration(&mut self, path: &str, text: Option<&String>, within: RangeInclusive<SignedDuration>) -> Option<SignedDuration> {
        match duration::parse(text?) {
            Ok(length) if length < *within.start() => {
                self.fault(path, format!("is too short; the least is {}", in_words(*within.start())));
            }
            Ok(length) if length > *within.end() => self.fault(path, format!("is too long; the most is {}", in_words(*within.end()))),
            Ok(length) => return Some(length),
            Err(wrong) => self.fault(path, wrong.to_string()),
        }
        None
    }

    /// A number within bounds; what is wrong becomes the least.
    fn number(&mut self, path: &str, number: Option<u64>, within: RangeInclusive<u64>) -> u64 {
        match number {
            Some(number) if within.contains(&number) => number,
            Some(number) => {
                self.fault(path, format!("is {number}; it has to be from {} to {}", within.start(), within.end()));
                *within.start()
            }
            None => {
                self.fault(path, format!("is missing; write a number from {} to {}", within.start(), within.end()));
                *within.start()
            }
        }
    }

    /// A path of the configuration: relative ones start from its directory.
    fn path(&self, text: &str) -> PathBuf {
        self.base_dir.join(text)
    }

    /// Reads something from a file that a key names: its faults belong to the file, and that it cannot be read to the key.
    fn note<T>(&mut self, key: &str, path: &Path, read: impl FnOnce(&Path, &mut Vec<Fault>) -> Result<T, String>) -> Option<T> {
        read(path, self.faults).map_err(|wrong| self.fault(key, format!("{} {wrong}", path.display()))).ok()
    }

    fn desk(&mut self, desk: &WrittenDesk, mailboxes: &[crate::domain::policy::Mailbox]) -> Desk {
        let name = self.required("desk.name", desk.name.as_ref(), "write how customers know you").unwrap_or_default().to_owned();
        if name.chars().any(char::is_control) || name.chars().count() > NAME_CHARS_MAX {
            self.fault("desk.name", format!("has to be one line of at most {NAME_CHARS_MAX} characters"));
        }
        let right = "write where tickets are kept, such as state_dir = \"/var/lib/guichet\"";
        if let Some(dir) = self.required("desk.state_dir", desk.state_dir.as_ref(), right) {
            let dir = self.path(dir);
            if dir.exists() && !dir.is_dir() {
                self.fault("desk.state_dir", format!("{} is no directory", dir.display()));
            }
        }
        let tags = desk.languages.as_ref().map(|words| words.0.as_slice()).unwrap_or_default();
        let languages = self.languages("desk.languages", tags);
        if languages.is_empty() {
            self.fault("desk.languages", "is empty; write at least one, such as [\"en\"]");
        }
        Desk {
            name,
            languages,
            first_number: self.number("desk.first_number", desk.first_number, 1..=1_000_000_000),
            close_solved_after: self.duration("desk.close_solved_after", desk.close_solved_after.as_ref(), SECOND..=YEAR).unwrap_or(YEAR),
            reopen_closed_within: self
                .duration("desk.reopen_closed_within", desk.reopen_closed_within.as_ref(), SignedDuration::ZERO..=YEAR)
                .unwrap_or(YEAR),
            copied_follow: self.copied_follow(desk.copied_follow.as_deref()),
            nudge_after: self.duration("desk.nudge_after", desk.nudge_after.as_ref(), SECOND..=YEAR),
            nudges_max: u8::try_from(self.number("desk.nudges_max", desk.nudges_max, 1..=10)).unwrap_or(1),
            close_pending_after: self.duration("desk.close_pending_after", desk.close_pending_after.as_ref(), SECOND..=YEAR),
            promise_reminders: self.ladder("desk.promise_reminders", desk.promise_reminders.as_ref(), true),
            review_after: self.duration("desk.review_after", desk.review_after.as_ref(), SECOND..=YEAR).unwrap_or(YEAR),
            acks_per_hour_max: self.acks("desk.acks_per_hour_max", desk.acks_per_hour_max),
            acks_per_hour_known_max: self.acks("desk.acks_per_hour_known_max", desk.acks_per_hour_known_max),
            acks_per_hour_domain_max: self.acks_in_all("desk.acks_per_hour_domain_max", desk.acks_per_hour_domain_max),
            acks_per_hour_mailbox_max: self.acks_in_all("desk.acks_per_hour_mailbox_max", desk.acks_per_hour_mailbox_max),
            acks_per_hour_desk_max: self.acks_in_all("desk.acks_per_hour_desk_max", desk.acks_per_hour_desk_max),
            agents_must_authenticate: self.agents_must_authenticate(desk.agents_must_authenticate, mailboxes),
            undeliverable_for: self.duration("desk.undeliverable_for", desk.undeliverable_for.as_ref(), SECOND..=YEAR).unwrap_or(YEAR),
            attached_octets_max: self.number("desk.attached_octets_max", desk.attached_octets_max, 0..=200_000_000),
            ops: self.ops(desk.ops.as_ref().map(|words| words.0.as_slice()).unwrap_or_default(), mailboxes),
            digest_at: self.digest_at(desk.digest_at.as_deref()),
        }
    }

    fn copied_follow(&mut self, written: Option<&str>) -> CopiedFollow {
        match written {
            Some("authenticated") => CopiedFollow::Authenticated,
            Some("agent") | None => CopiedFollow::OnAgentsWord,
            Some(other) => {
                self.fault("desk.copied_follow", format!("'{other}' is neither \"agent\" nor \"authenticated\""));
                CopiedFollow::OnAgentsWord
            }
        }
    }

    /// Who runs the desk.
    fn ops(&mut self, written: &[String], mailboxes: &[crate::domain::policy::Mailbox]) -> Vec<EmailAddress> {
        let mut ops = Vec::new();
        for text in written {
            let Some(address) = self.address("desk.ops", text) else { continue };
            if is_mailbox(&address, mailboxes) {
                self.fault("desk.ops", format!("'{address}' is the address of a mailbox: the desk would write to itself"));
            } else if ops.contains(&address) {
                self.fault("desk.ops", format!("has '{address}' twice"));
            } else {
                ops.push(address);
            }
        }
        if written.len() > OPS_MAX {
            self.fault("desk.ops", format!("has {} addresses; at most {OPS_MAX} can be: write that of a list", written.len()));
        }
        ops
    }

    fn digest_at(&mut self, written: Option<&str>) -> jiff::civil::Time {
        let text = written.unwrap_or("08:00").trim();
        let is_form =
            [5, 8].contains(&text.len()) && text.bytes().enumerate().all(|(n, b)| if n % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
        match text.parse() {
            Ok(time) if is_form => time,
            Ok(_) | Err(_) => {
                self.fault(
                    "desk.digest_at",
                    format!("'{}' is no time of the day; write one such as 08:00", text.chars().take(40).collect::<String>()),
                );
                jiff::civil::Time::midnight()
            }
        }
    }

    /// The store remembers a few more acknowledgements of an address than may be allowed here.
    fn acks(&mut self, key: &str, written: Option<u32>) -> u32 {
        u32::try_from(self.number(key, written.map(u64::from), 1..=250)).unwrap_or(1)
    }

    fn acks_in_all(&mut self, key: &str, written: Option<u32>) -> u32 {
        u32::try_from(self.number(key, written.map(u64::from), 0..=1_000_000)).unwrap_or(u32::MAX)
    }

    /// An agent whose mail nobody can authenticate could never be believed.
    fn agents_must_authenticate(&mut self, written: Option<bool>, mailboxes: &[crate::domain::policy::Mailbox]) -> Option<bool> {
        if let (Some(true), Some(mailbox)) = (written, mailboxes.iter().find(|mailbox| !mailbox.judges_senders())) {
            let right = "write the name of the mail server that takes its mail in, or let it check_senders itself, or leave this out";
            self.fault(
                "desk.agents_must_authenticate",
                format!("no agent could answer through mailbox '{}', which has no trusted_authserv_ids; {right}", mailbox.name),
            );
        }
        written
    }

    fn teams(
        &mut self,
        written: &Written,
        mailboxes: &[crate::domain::policy::Mailbox],
        names: &AllNames,
        agents: &[Agent],
    ) -> BTreeMap<String, Team> {
        if written.team.is_empty() {
            self.fault("team", "no team is there; add [[team]] with a name, and an [[agent]] with teams = [that name]");
        }
        let mut teams = BTreeMap::new();
        for (at, team) in written.team.iter().enumerate() {
            let Some(name) = team.name.clone() else { continue };
            let path = format!("team[{at}]");
            let calendar = team.calendar.clone().unwrap_or_else(|| Calendar::ALWAYS.to_owned());
            self.refers(&format!("{path}.calendar"), "calendar", &calendar, &names.calendars);
            let manager_path = format!("{path}.manager");
            let manager = team.manager.as_ref().and_then(|text| self.address(&manager_path, text));
            if manager.as_ref().is_some_and(|manager| is_mailbox(manager, mailboxes)) {
                self.fault(&manager_path, "is the address of a mailbox: the desk would write to itself");
            }
            let has_agents = agents.iter().any(|agent| agent.teams.contains(&name));
            if names.teams.contains(&name) && !has_agents && team.manager.is_none() {
                self.fault(&path, format!("nobody works in team '{name}'; name it in the teams of an [[agent]], or give it a manager"));
            }
            let assign = self.assign(&path, team, has_agents);
            let (cap, fallback, sticky) = (team.cap, team.fallback.clone(), team.sticky.unwrap_or(true));
            let title = team.title.clone().unwrap_or_default();
            if title.chars().any(char::is_control) || title.chars().count() > NAME_CHARS_MAX {
                self.fault(&format!("{path}.title"), format!("has to stand on one line, of {NAME_CHARS_MAX} characters at most"));
            }
            teams.insert(name.clone(), Team { name, title, calendar, manager, assign, cap, fallback, sticky });
        }
        self.fallbacks(written, names);
        teams
    }

    fn agents(&mut self, written: &Written, mailboxes: &[crate::domain::policy::Mailbox], names: &AllNames) -> Vec<Agent> {
        let mut agents: Vec<Agent> = Vec::new();
        for (at, agent) in written.agent.iter().enumerate() {
            let path = |key: &str| format!("agent[{at}].{key}");
            let name = self.required(&path("name"), agent.name.as_ref(), "write it as customers shall see it");
            let address = self
                .required(&path("address"), agent.address.as_ref(), "write where the agent reads mail")
                .and_then(|text| self.address(&path("address"), text));
            let teams = agent.teams.clone().unwrap_or_default().0;
            for team in &teams {
                self.refers(&path("teams"), "team", team, &names.teams);
            }
            if teams.is_empty() {
                self.fault(&path("teams"), "is missing; write at least one team, or nothing ever reaches this agent");
            }
            let tags = agent.languages.as_ref().map(|words| words.0.as_slice()).unwrap_or_default();
            let languages = self.languages(&path("languages"), tags);
            let skills = self.skills(&path("skills"), agent.skills.as_ref());
            if let Some(duty) = &agent.duty {
                self.refers(&path("duty"), "calendar", duty, &names.calendars);
            }
            let Some(address) = address else { continue };
            if is_mailbox(&address, mailboxes) {
                self.fault(&path("address"), "is the address of a mailbox: the desk would write to itself");
            }
            if agents.iter().any(|other| other.address == address) {
                self.fault(&path("address"), format!("another agent has {address} already"));
            }
            let handle = agent.handle.clone().unwrap_or_else(|| address.local().to_owned());
            // Without a handle of its own the fault is the address's, and so is the line.
            let handle_path = path(if agent.handle.is_some() { "handle" } else { "address" });
            if let Some(wrong) = wrong_name(&handle) {
                self.fault(&handle_path, wrong);
            } else if ["me", "none"].contains(&handle.to_lowercase().as_str()) {
                self.fault(&handle_path, format!("'{handle}' is a word of #assign; write another handle"));
            } else if agents.iter().any(|other| other.handle.eq_ignore_ascii_case(&handle)) {
                self.fault(&handle_path, format!("another agent is '{handle}' already; write a handle of its own"));
            }
            let zone = agent.time_zone.as_ref().and_then(|name| self.zone(&path("time_zone"), name));
            let (name, duty, cap) = (name.unwrap_or_default().to_owned(), agent.duty.clone(), agent.cap);
            agents.push(Agent { handle, name, address, teams, languages, zone, skills, duty, cap });
        }
        agents
    }

    fn limits(&mut self, limits: &WrittenLimits) -> Limits {
        let message = self.number("limits.message_octets_max", limits.message_octets_max, 1_024..=2_000_000_000);
        let intake = self.number("limits.intake_octets_max", limits.intake_octets_max, 1_024..=64_000_000_000);
        let spool = self.number("limits.spool_octets", limits.spool_octets, 1_024..=64_000_000);
        if intake < spool {
            self.fault("limits.intake_octets_max", "is less than spool_octets: the largest mail that is not fetched in pieces has to fit");
        }
        let per_host = self.number("limits.imap_connections_per_host_max", limits.imap_connections_per_host_max, 1..=10_000);
        let per_user = self.number("limits.imap_connections_per_user_max", limits.imap_connections_per_user_max, 1..=10_000);
        // Above, there is what the store keeps as one content.
        let fetch = self.number("limits.fetch_octets_max", limits.fetch_octets_max, 1_024..=1_000_000_000);
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let frame = self.number("limits.chat_frame_octets_max", limits.chat_frame_octets_max, 256..=1_000_000);
        let connections = self.number("limits.chat_connections_max", limits.chat_connections_max, 1..=1_000_000);
        let per_minute = limits.chat_messages_per_minute_max.map(u64::from);
        let per_minute = self.number("limits.chat_messages_per_minute_max", per_minute, 1..=100_000);
        Limits {
            message_octets_max: message,
            intake_octets_max: intake,
            imap_connections_per_host_max: count(per_host),
            imap_connections_per_user_max: count(per_user),
            spool_octets: spool,
            fetch_octets_max: fetch,
            chat_frame_octets_max: count(frame),
            chat_connections_max: count(connections),
            chat_messages_per_minute_max: u32::try_from(per_minute).unwrap_or(u32::MAX),
        }
    }
}

/// What is wrong with a name that people write in commands and on the command line.
fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("is empty; write a name".to_owned())
    } else if name.chars().count() > NAME_CHARS_MAX {
        Some(format!("is longer than {NAME_CHARS_MAX} characters"))
    } else if name.chars().any(|c| c.is_whitespace() || c.is_control() || ",;='\"".contains(c)) || name.starts_with(['#', '-']) {
        Some(format!("'{}' cannot be a name; write one word, such as '{}'", name.escape_debug(), as_name(name)))
    } else {
        None
    }
}

/// The nearest to a text that can be a name.
fn as_name(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && !"_.-".contains(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").trim_start_matches('-').to_lowercase()
}

/// Whether an address is that of a mailbox, with or without a token behind a `+`.
fn is_mailbox(address: &EmailAddress, mailboxes: &[crate::domain::policy::Mailbox]) -> bool {
    let plain = address.local().split('+').next().unwrap_or_default();
    mailboxes.iter().any(|mailbox| mailbox.address.domain() == address.domain() && mailbox.address.local() == plain)
}

fn in_words(length: SignedDuration) -> String {
    let ms = length.as_millis();
    match ms {
        _ if ms % 86_400_000 == 0 => format!("{}d", ms / 86_400_000),
        _ if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        _ if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        _ if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

/// The texts of a key that may have one or many.
fn texts(value: Option<&OneOrMany>) -> &[String] {
    value.map(|texts| texts.0.as_slice()).unwrap_or_default()
}
