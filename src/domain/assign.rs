//! Who of a team gets a ticket, where its configuration lets the desk choose (`[[team]] assign`).
//!
//! Whoever lacks a skill that is needed, is off duty, is away or would go past his cap cannot take it. Of those who can, one who knows the
//! customer comes first; else those who speak his language; and of these, the one who has least to do, or who has waited longest. If
//! nobody can, the ticket goes on to the team's fallback. Each step says why (P9).
//!
//! What the agents have to do is counted by the store from the tickets themselves ([`bearer`]), in the commit that changes them.

use super::away::{self, Away};
use super::change::{Actor, Context, History};
use super::message::{Language, TicketNumber};
use super::policy::{Agent, Assign, Policy, Team};
use super::ticket::{Priority, Status, Ticket};
use jiff::Timestamp;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What a ticket of this priority weighs in its agent's load.
#[must_use]
pub const fn weight(priority: Priority) -> u64 {
    match priority {
        Priority::Low => 1,
        Priority::Medium => 2,
        Priority::High => 4,
        Priority::Critical => 8,
    }
}

/// Whose load a ticket is part of: its assignee's, while something is to be done about it. One that waits for the customer or for a
/// time weighs nothing.
#[must_use]
pub fn bearer(ticket: &Ticket) -> Option<(&str, Priority)> {
    let is_to_be_done = match ticket.status {
        Status::New | Status::Open => true,
        Status::Pending { .. } | Status::Snoozed { .. } | Status::Solved { .. } | Status::Closed { .. } => false,
    };
    ticket.assignee.as_deref().filter(|_| is_to_be_done).map(|agent| (agent, ticket.priority))
}

/// An agent's handle as loads and turns know it.
#[must_use]
pub fn key(handle: &str) -> String {
    handle.to_ascii_lowercase()
}

/// How many tickets an agent has to do something about, by priority, the lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load(pub [u32; 4]);

impl Load {
    /// The tickets, weighed.
    #[must_use]
    pub fn weight(&self) -> u64 {
        Priority::ALL.into_iter().zip(self.0).map(|(priority, tickets)| weight(priority) * u64::from(tickets)).sum()
    }

    /// One more.
    pub fn add(&mut self, priority: Priority) {
        self.change(priority, |tickets| tickets.saturating_add(1));
    }

    /// One less.
    pub fn take(&mut self, priority: Priority) {
        self.change(priority, |tickets| tickets.saturating_sub(1));
    }

    fn change(&mut self, priority: Priority, to: impl Fn(u32) -> u32) {
        for (of, tickets) in Priority::ALL.into_iter().zip(&mut self.0) {
            if of == priority {
                *tickets = to(*tickets);
            }
        }
    }
}

/// The desk gave somebody of a team a ticket; rules and agents who name somebody are no turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub team: String,
    /// By [`key`].
    pub agent: String,
    /// Counts the turns of the team, from 1.
    pub n: u64,
}

/// Who has how much to do, and whose turn was when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// By [`key`]; who has nothing to do may be missing.
    pub loads: BTreeMap<String, Load>,
    /// The last turn of each agent in each team.
    pub turns: Vec<Turn>,
}

impl Workload {
    fn of(&self, agent: &str) -> u64 {
        self.loads.get(agent).map_or(0, Load::weight)
    }

    fn last_turn(&self, team: &str, agent: &str) -> Option<u64> {
        self.turns.iter().find(|turn| turn.team == team && turn.agent == agent).map(|turn| turn.n)
    }

    fn next_turn(&self, team: &str, agent: String) -> Turn {
        let last = self.turns.iter().filter(|turn| turn.team == team).map(|turn| turn.n).max().unwrap_or(0);
        Turn { team: team.to_owned(), agent, n: last.saturating_add(1) }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub team: &'a str,
    pub priority: Priority,
    /// All of which are needed.
    pub skills: &'a [String],
    /// The customer's.
    pub language: Language,
    /// Who knows him, best first: each with the ticket by which.
    pub known_by: &'a [(TicketNumber, String)],
}

/// Who does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Another than was wanted if nobody there could take it.
    pub team: String,
    /// Handle; `None`: it waits for whoever of the team takes it.
    pub agent: Option<String>,
    pub turn: Option<Turn>,
    pub history: Vec<History>,
}

/// Chooses.
#[must_use]
pub fn assign(wanted: &Wanted<'_>, workload: &Workload, away: &[Away], policy: &Policy, now: Timestamp) -> Assigned {
    let mut to = Assigned { team: wanted.team.to_owned(), agent: None, turn: None, history: Vec::new() };
    let line = |what: String, why: String| History { at: now, by: Actor::Desk, what, why };
    // As often as there are teams, so that even fallbacks in a circle, which the configuration refuses, come to an end.
    for _ in &policy.teams {
        let Some(team) = policy.teams.get(&to.team).filter(|team| team.assign != Assign::Queue) else { break };
        match choose(team, wanted, workload, away, policy, now) {
            Ok((agent, why)) => {
                to.history.push(line(format!("assignee {}", agent.handle), why));
                to.turn = Some(workload.next_turn(&team.name, key(&agent.handle)));
                to.agent = Some(agent.handle.clone());
                break;
            }
            Err(why) => {
                let Some(next) = &team.fallback else {
                    to.history.push(line("assignee none".to_owned(), why));
                    break;
                };
                to.history.push(line(format!("team {next}"), format!("fallback of {}: {why}", team.name)));
                to.team.clone_from(next);
            }
        }
    }
    to
}

/// Who knows a customer: the agent of the ticket that he continues, then those of his earlier tickets, the newest first.
#[must_use]
pub fn known_by(continues: Option<TicketNumber>, context: &Context) -> Vec<(TicketNumber, String)> {
    let of_old = context.tickets.iter().filter(|ticket| Some(ticket.number) == continues);
    let of_old = of_old.filter_map(|ticket| Some((ticket.number, ticket.assignee.clone()?)));
    of_old.chain(context.earlier.iter().filter_map(|earlier| Some((earlier.number, earlier.assignee.clone()?)))).collect()
}

/// Whether a ticket that is taken up again has nobody who looks after it: nobody ever had it, or he has left.
#[must_use]
pub fn is_nobodys(ticket: &Ticket, policy: &Policy) -> bool {
    !ticket.status.is_active() && policy.assignee(ticket).is_none()
}

/// One who can take it.
struct Candidate<'a> {
    agent: &'a Agent,
    load: u64,
    /// `None`, which is before all, had none yet.
    last_turn: Option<u64>,
}

/// Why somebody cannot take it, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hindrance {
    Unskilled,
    OffDuty,
    AtCap,
    /// He said so: that goes before all.
    Away,
}

fn choose<'p>(
    team: &Team,
    wanted: &Wanted<'_>,
    workload: &Workload,
    away: &[Away],
    policy: &'p Policy,
    now: Timestamp,
) -> Result<(&'p Agent, String), String> {
    let (mut able, mut hindered) = (Vec::new(), BTreeMap::<Hindrance, u32>::new());
    for agent in policy.members(&team.name) {
        let key = key(&agent.handle);
        let load = workload.of(&key);
        let is_away = away::of(away, &agent.handle, now).is_some();
        match hindrance(agent, team, wanted, load, policy, now).max(is_away.then_some(Hindrance::Away)) {
            None => able.push(Candidate { agent, load, last_turn: workload.last_turn(&team.name, &key) }),
            Some(hindrance) => *hindered.entry(hindrance).or_default() += 1,
        }
    }
    let skilled = if wanted.skills.is_empty() { String::new() } else { format!("; has {}", wanted.skills.join(", ")) };
    if team.sticky
        && let Some((number, known)) = wanted
            .known_by
            .iter()
            .find_map(|(number, handle)| Some((number, able.iter().find(|c| c.agent.handle.eq_ignore_ascii_case(handle))?)))
    {
        return Ok((known.agent, format!("knows the customer: had {number}{skilled}")));
    }
    let speaking = |c: &&Candidate<'_>| speaks(c.agent, wanted.language, policy);
    let speakers: Vec<&Candidate<'_>> = able.iter().filter(speaking).collect();
    let (among, language) = if speakers.is_empty() {
        (able.iter().collect(), format!("; nobody who can take it speaks {}", wanted.language))
    } else {
        (speakers, format!("; speaks {}", wanted.language))
    };
    let order = |a: &&Candidate<'_>, b: &&Candidate<'_>| match team.assign {
        Assign::LeastLoaded => a.load.cmp(&b.load).then(a.last_turn.cmp(&b.last_turn)),
        Assign::RoundRobin => a.last_turn.cmp(&b.last_turn),
        Assign::Queue => Ordering::Equal,
    };
    // Of equals the first of the file.
    let Some(first) = among.iter().copied().min_by(order) else { return Err(nobody(team, &hindered, wanted)) };
    let second = among.iter().copied().filter(|c| c.agent.handle != first.agent.handle).min_by(order);
    let why = second.map_or_else(|| "the only one".to_owned(), |second| preferred(team.assign, first, second));
    Ok((first.agent, format!("{why}{skilled}{language}")))
}

fn hindrance(agent: &Agent, team: &Team, wanted: &Wanted<'_>, load: u64, policy: &Policy, now: Timestamp) -> Option<Hindrance> {
    let calendar = policy.calendars.get(agent.duty_in(team));
    let cap = agent.cap_in(team);
    if !wanted.skills.iter().all(|skill| agent.has_skill(skill)) {
        Some(Hindrance::Unskilled)
    } else if !calendar.is_none_or(|calendar| calendar.is_open(now)) {
        Some(Hindrance::OffDuty)
    } else if load.saturating_add(weight(wanted.priority)) > cap {
        Some(Hindrance::AtCap)
    } else {
        None
    }
}

/// Why the one and not the other, who would be next.
fn preferred(by: Assign, one: &Candidate<'_>, other: &Candidate<'_>) -> String {
    let waited = if one.last_turn == other.last_turn { "stands earlier in the file" } else { "waited longer" };
    let handle = &other.agent.handle;
    match by {
        Assign::LeastLoaded if one.load == other.load => format!("least loaded: {} as {handle}, and {waited}", one.load),
        Assign::LeastLoaded => format!("least loaded: {} against {} of {handle}", one.load, other.load),
        Assign::RoundRobin | Assign::Queue => format!("round-robin: {waited} than {handle}"),
    }
}

/// Who names no language speaks the desk's first.
#[must_use]
pub fn speaks(agent: &Agent, language: Language, policy: &Policy) -> bool {
    agent.languages.contains(&language) || (agent.languages.is_empty() && policy.desk.languages.first() == Some(&language))
}

fn nobody(team: &Team, hindered: &BTreeMap<Hindrance, u32>, wanted: &Wanted<'_>) -> String {
    let told = |(hindrance, agents): (&Hindrance, &u32)| match hindrance {
        Hindrance::Unskilled => format!("{agents} without {}", wanted.skills.join(", ")),
        Hindrance::OffDuty => format!("{agents} off duty"),
        Hindrance::AtCap => format!("{agents} at the cap"),
        Hindrance::Away => format!("{agents} away"),
    };
    let told: Vec<String> = hindered.iter().map(told).collect();
    let told = if told.is_empty() { "it has no agents".to_owned() } else { told.join(", ") };
    format!("nobody in {} can take it: {told}", team.name)
}

#[cfg(test)]
mod tests;
