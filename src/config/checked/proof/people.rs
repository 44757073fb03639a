//! Teams that cannot give their tickets to anybody.

use super::{Check, SOME_MONDAY, Whole, list};
use crate::domain::assign::weight;
use crate::domain::calendar::Calendar;
use crate::domain::policy::{Agent, Assign, Policy, Team};
use crate::domain::ticket::Priority;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

impl Check<'_> {
    pub(super) fn prove_people(&mut self, whole: &Whole<'_>) {
        let policy = whole.policy;
        let from = whole.now.unwrap_or(SOME_MONDAY);
        let mut meet = BTreeMap::new();
        for (at, name) in whole.written.team.iter().enumerate().filter_map(|(at, team)| Some((at, team.name.as_ref()?))) {
            let Some(team) = policy.teams.get(name).filter(|team| team.assign != Assign::Queue) else { continue };
            let on_duty = |agent: &Agent| {
                let duty = agent.duty_in(team);
                *meet.entry((team.calendar.clone(), duty.to_owned())).or_insert_with(|| do_meet(policy, &team.calendar, duty, from))
            };
            if !policy.members(name).any(on_duty) {
                let wrong = format!("can give nobody a ticket: no agent of team '{name}' is on duty in any hour in which it is open");
                self.fault(&format!("team[{at}].assign"), format!("{wrong}; see duty of its agents and calendar of the team"));
                continue;
            }
            self.prove_caps(at, team, policy);
        }
        for (at, agent) in whole.written.agent.iter().enumerate() {
            let teams = agent.teams.as_ref().map(|teams| teams.0.as_slice()).unwrap_or_default();
            let is_given = teams.iter().filter_map(|team| policy.teams.get(team)).any(|team| team.assign != Assign::Queue);
            for (key, is_written) in [("duty", agent.duty.is_some()), ("cap", agent.cap.is_some())] {
                if is_written && !is_given {
                    let why = "has no effect: in none of the agent's teams does the desk choose who gets a ticket";
                    self.warning(
                        &format!("agent[{at}].{key}"),
                        format!("{why}; write assign = \"least-loaded\" or \"round-robin\" in one"),
                    );
                }
            }
        }
    }

    /// Caps that are below the weight of one ticket.
    fn prove_caps(&mut self, at: usize, team: &Team, policy: &Policy) {
        let caps = policy.members(&team.name).map(|agent| agent.cap_in(team));
        let most = caps.max().unwrap_or(u64::MAX);
        let heavy: Vec<Priority> = Priority::ALL.into_iter().filter(|priority| weight(*priority) > most).collect();
        if heavy.is_empty() || team.fallback.is_some() {
            return;
        }
        let weights = list(heavy.iter().map(|priority| format!("{} weighs {}", priority.word(), weight(*priority))));
        let key = if team.cap.is_some() { "cap" } else { "assign" };
        let wrong = format!("no agent of team '{}' may have more than {most}, and {weights}: such tickets are given to nobody", team.name);
        self.warning(&format!("team[{at}].{key}"), format!("{wrong}; write a larger cap, or a fallback"));
    }
}

/// Whether there is a time in which both are open, by their weeks: single days come and go.
fn do_meet(policy: &Policy, team: &str, duty: &str, from: Timestamp) -> bool {
    if team == duty {
        return true;
    }
    // What is missing has a fault of its own.
    let (Some(team), Some(duty)) = (policy.calendars.get(team), policy.calendars.get(duty)) else { return true };
    let plain = |of: &Calendar| Calendar { closed: std::collections::BTreeSet::new(), special: BTreeMap::new(), ..of.clone() };
    let (team, duty) = (plain(team), plain(duty));
    // In summer as well as in winter: zones change on different days, or not at all.
    [from, from.checked_add(SignedDuration::from_hours(26 * 7 * 24)).unwrap_or(from)].into_iter().any(|from| {
        let until = from.checked_add(SignedDuration::from_hours(8 * 24)).unwrap_or(from);
        let within = |calendar: &Calendar| calendar.openings(from).take_while(|(opens, _)| *opens < until).collect::<Vec<_>>();
        let (ours, theirs) = (within(&team), within(&duty));
        ours.iter().any(|(opens, closes)| theirs.iter().any(|(begins, ends)| opens < ends && begins < closes))
    })
}
