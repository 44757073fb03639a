//! How tickets come to agents: what a team says of it, and what its agents can.

use super::{AllNames, Check, wrong_name};
use crate::config::fault::unknown;
use crate::config::written::{Team as WrittenTeam, Words, Written};
use crate::domain::policy::Assign;

impl Check<'_> {
    /// How a team's tickets come to its agents. What is of no use there is a fault: somebody means something by it.
    pub(super) fn assign(&mut self, path: &str, team: &WrittenTeam, has_agents: bool) -> Assign {
        let word = team.assign.as_deref().unwrap_or(Assign::Queue.word());
        let key = format!("{path}.assign");
        let Some(assign) = Assign::ALL.into_iter().find(|assign| assign.word() == word) else {
            self.fault(&key, unknown("way to assign", word, Assign::ALL.map(Assign::word)));
            return Assign::Queue;
        };
        if assign == Assign::Queue {
            for (name, is_written) in
                [("cap", team.cap.is_some()), ("fallback", team.fallback.is_some()), ("sticky", team.sticky.is_some())]
            {
                if is_written {
                    let right = "is of use only beside assign = \"least-loaded\" or \"round-robin\"; write one of these, or leave this out";
                    self.fault(&format!("{path}.{name}"), right);
                }
            }
        } else if !has_agents {
            self.fault(&key, "has nobody to give a ticket to; name the team in the teams of an [[agent]], or leave this out");
        }
        if team.cap == Some(0) {
            self.fault(&format!("{path}.cap"), "is 0: nobody would ever get a ticket; write at least 1, or assign = \"queue\"");
        }
        assign
    }

    /// Fallbacks lead to teams that there are, and not in a circle.
    pub(super) fn fallbacks(&mut self, written: &Written, names: &AllNames) {
        let next = |name: &str| written.team.iter().find(|t| t.name.as_deref() == Some(name)).and_then(|t| t.fallback.as_deref());
        for (at, team) in written.team.iter().enumerate() {
            let (Some(name), Some(fallback)) = (team.name.as_deref(), team.fallback.as_deref()) else { continue };
            let path = format!("team[{at}].fallback");
            if !self.refers(&path, "team", fallback, &names.teams) {
                continue;
            }
            let mut way = vec![name];
            let mut step = Some(fallback);
            while let Some(to) = step.filter(|_| way.len() <= written.team.len()) {
                way.push(to);
                if to == name {
                    self.fault(&path, format!("leads back to where it began: {}; one of them has to end it", way.join(" -> ")));
                    break;
                }
                step = next(to);
            }
        }
    }

    /// Words that rules may ask for.
    pub(super) fn skills(&mut self, path: &str, written: Option<&Words>) -> Vec<String> {
        let mut skills: Vec<String> = Vec::new();
        for skill in written.map(|words| words.0.as_slice()).unwrap_or_default() {
            if let Some(wrong) = wrong_name(skill) {
                self.fault(path, wrong);
            } else if skills.iter().any(|other| other.eq_ignore_ascii_case(skill)) {
                self.fault(path, format!("has '{skill}' twice"));
            } else {
                skills.push(skill.clone());
            }
        }
        skills
    }
}
