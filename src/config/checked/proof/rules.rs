//! Rules that can hold for nothing, or change nothing.

use super::{Check, Customers, Whole, list, silence_of};
use crate::domain::calendar::Calendar;
use crate::domain::message::Channel;
use crate::domain::policy::{Assign, Mailbox, Policy, Team};
use crate::domain::rule::{Action, Authenticity, Condition, Hours, PriorityChange, Rule};
use std::collections::BTreeSet;

/// An entry of a condition that can be met by nothing: its key, what is written, and why.
struct Dead {
    key: &'static str,
    written: String,
    why: String,
}

/// What a condition asks that nothing can meet.
#[derive(Default)]
struct Found {
    entries: Vec<Dead>,
    /// The condition never holds because of this key.
    never: Option<(&'static str, String)>,
}

impl Check<'_> {
    /// Warns of what is of no use, and gives the rules, by their places, that never hold.
    pub(super) fn prove_rules(&mut self, whole: &Whole<'_>, customers: &Customers<'_>) -> BTreeSet<usize> {
        let rules: &[Rule] = &whole.policy.rules;
        let asked = || rules.iter().flat_map(|rule| rule.unless.iter().chain([&rule.when]));
        let nobodys = customers.lack(asked().flat_map(|condition| &condition.organisations));
        let mut dead = BTreeSet::new();
        for (at, rule) in rules.iter().enumerate() {
            let path = format!("rule[{at}]");
            if self.prove_condition(&format!("{path}.when"), "", &rule.when, whole, customers, &nobodys) {
                dead.insert(at);
                continue;
            }
            if let Some(unless) = &rule.unless {
                let no_exception = ", so that nothing is excepted";
                self.prove_condition(&format!("{path}.unless"), no_exception, unless, whole, customers, &nobodys);
                if rule.when.is_within(&Condition { reopened: rule.when.reopened, ..unless.clone() }) {
                    self.warning(&format!("{path}.unless"), "never lets the rule hold: it holds wherever 'when' does");
                    dead.insert(at);
                    continue;
                }
            }
            let alive = |other: &(usize, &Rule)| !dead.contains(&other.0);
            if let Some((_, other)) = rules.iter().enumerate().take(at).filter(alive).find(|(_, other)| comes_before(other, rule)) {
                if other.stop {
                    let end = format!("the earlier rule '{}' holds wherever it would, and says stop", other.name);
                    self.warning(&format!("{path}.name"), format!("'{}' never holds: {end}", rule.name));
                    dead.insert(at);
                } else {
                    let end = format!(
                        "the earlier rule '{}' holds wherever it does, and closes the ticket as spam; leave this one out",
                        other.name
                    );
                    self.warning(&format!("{path}.name"), format!("'{}' changes nothing: {end}", rule.name));
                }
                continue;
            }
            if let Some(other) = undone_by(rule, rules.get(at + 1..).unwrap_or_default()) {
                let end = format!("the later rule '{}' holds wherever it does, and sets the same; write that one first", other.name);
                self.warning(&format!("{path}.name"), format!("'{}' changes nothing: {end}", rule.name));
            }
            self.prove_action(&format!("{path}.then"), rule, whole.policy);
        }
        dead
    }

    /// Warns of what in a condition nothing can meet; whether the condition never holds.
    fn prove_condition(
        &mut self,
        path: &str,
        so: &str,
        condition: &Condition,
        whole: &Whole<'_>,
        customers: &Customers<'_>,
        nobodys: &BTreeSet<&str>,
    ) -> bool {
        let mut found = Found::default();
        found.of_customers(condition, whole.policy, customers, nobodys);
        found.of_the_way(condition, whole);
        for Dead { key, written, why } in &found.entries {
            self.warning(&format!("{path}.{key}"), format!("'{written}' in it is never met: {why}"));
        }
        if let Some((key, why)) = &found.never {
            self.warning(&format!("{path}.{key}"), format!("never holds: {why}{so}"));
        }
        found.never.is_some()
    }

    /// What a rule sets that has no effect beside the rest, or that nobody can do.
    fn prove_action(&mut self, path: &str, rule: &Rule, policy: &Policy) {
        let Action { team, assignee, skills, template, notify, hold, spam, policy: _, priority: _, tags: _ } = &rule.then;
        let of_no_use =
            [("team", *spam && team.is_some()), ("assignee", *spam && assignee.is_some()), ("notify", *spam && !notify.is_empty())];
        for (key, _) in of_no_use.into_iter().filter(|(_, is)| *is) {
            self.warning(&format!("{path}.{key}"), "has no effect beside spam: the ticket is closed, and nobody hears of it");
        }
        if template.is_some() {
            let why = match (*spam, *hold, rule.when.reopened, rule.when.channels.as_slice()) {
                (true, ..) => Some("beside spam: nothing is sent"),
                (false, true, ..) => Some("beside hold: nothing is sent to the customer"),
                (false, false, true, _) => Some("in a rule for reopened tickets: these were acknowledged before"),
                (false, false, false, [Channel::Chat]) => Some("in a chat, whose window shows who answers and by when"),
                (false, false, false, _) => None,
            };
            if let Some(why) = why {
                self.warning(&format!("{path}.template"), format!("has no effect {why}"));
            }
        }
        if *spam || assignee.is_some() {
            return;
        }
        if !skills.is_empty() {
            self.prove_skills(path, skills, team.as_deref(), policy);
        }
        if let Some(team) = team.as_deref().and_then(|team| policy.teams.get(team)).filter(|team| team.assign != Assign::Queue) {
            let spoken = |language| policy.members(&team.name).any(|agent| crate::domain::assign::speaks(agent, language, policy));
            let languages = &rule.when.languages;
            if !languages.is_empty() && !languages.iter().any(|language| spoken(*language)) {
                let who = format!("nobody of team '{}' speaks {}", team.name, list(languages));
                self.warning(&format!("{path}.team"), format!("{who}, which the rule is for; write it in the languages of an [[agent]]"));
            }
        }
    }

    fn prove_skills(&mut self, path: &str, skills: &[String], team: Option<&str>, policy: &Policy) {
        let able = |team: &Team| policy.members(&team.name).any(|agent| skills.iter().all(|skill| agent.has_skill(skill)));
        let key = format!("{path}.skill");
        let right = "write it in the skills of an [[agent]] there";
        let Some(first) = team.and_then(|team| policy.teams.get(team)) else {
            if !policy.teams.values().any(able) {
                self.warning(&key, format!("nobody in any team has {}: the ticket would wait for whoever takes it; {right}", list(skills)));
            }
            return;
        };
        if first.assign == Assign::Queue {
            let right = "write assign = \"least-loaded\" or \"round-robin\" there, or leave it out";
            self.warning(
                &key,
                format!("has no effect in team '{}', whose tickets are taken by whoever answers first; {right}", first.name),
            );
            return;
        }
        // Fallbacks do not go in a circle: that is a fault of its own.
        let mut way = vec![first];
        while let Some(next) = way.last().and_then(|team| team.fallback.as_ref()).and_then(|next| policy.teams.get(next)) {
            way.push(next);
        }
        let assigns = |team: &&&Team| team.assign != Assign::Queue;
        if !way.iter().filter(assigns).any(|team| able(team)) {
            let names = list(way.iter().filter(assigns).map(|team| format!("'{}'", team.name)));
            self.warning(&key, format!("nobody in team {names} has {}: the ticket would wait for whoever takes it; {right}", list(skills)));
        }
    }
}

impl Found {
    /// Notes the entries of a list that nothing can meet; of all of them, the condition never holds.
    fn list<T>(&mut self, key: &'static str, entries: &[T], written: impl Fn(&T) -> String, why: impl Fn(&T) -> Option<String>) {
        let dead: Vec<Dead> = entries.iter().filter_map(|entry| Some(Dead { key, written: written(entry), why: why(entry)? })).collect();
        match dead.first() {
            Some(first) if dead.len() == entries.len() => self.never(key, first.why.clone()),
            Some(_) => self.entries.extend(dead),
            None => {}
        }
    }

    fn never(&mut self, key: &'static str, why: impl Into<String>) {
        self.never.get_or_insert_with(|| (key, why.into()));
    }

    /// Who writes.
    fn of_customers(&mut self, asks: &Condition, policy: &Policy, customers: &Customers<'_>, nobodys: &BTreeSet<&str>) {
        self.list("tier", &asks.tiers, Clone::clone, |tier| (!customers.have_tier(tier)).then(|| format!("no customer has tier '{tier}'")));
        // One of which no tier speaks has its own warning.
        let is_known = |plan: &String| policy.tiers.iter().any(|tier| tier.plans.contains(plan));
        let plans: Vec<String> = asks.plans.iter().filter(|plan| is_known(plan)).cloned().collect();
        if plans.len() == asks.plans.len() {
            let why = |plan: &String| (!customers.have_plan(plan)).then(|| format!("no customer has plan '{plan}'"));
            self.list("plan", &plans, Clone::clone, why);
        }
        self.list("organisation", &asks.organisations, Clone::clone, |name| {
            nobodys.contains(name.as_str()).then(|| format!("no customer is of organisation '{name}'"))
        });
        if asks.reopened && asks.first_contact == Some(true) {
            self.never("first_contact", "whoever opens a ticket again has written before");
        }
    }

    /// How it comes in, and when.
    fn of_the_way(&mut self, asks: &Condition, whole: &Whole<'_>) {
        let policy = whole.policy;
        let silent = |channel: &Channel| silence_of(*channel, policy).map(str::to_owned);
        self.list("channel", &asks.channels, |channel| channel.word().to_owned(), silent);
        if asks.channels.as_slice() == [Channel::Chat] {
            for (key, is_asked) in [
                ("mailbox", !asks.mailboxes.is_empty()),
                ("header", !asks.headers.is_empty()),
                ("subject", !asks.subject.words.is_empty()),
                ("subject_regex", !asks.subject.patterns.is_empty()),
                ("attachment_type", !asks.attachment_types.is_empty()),
                ("attachment_octets_min", asks.attachment_octets_min.is_some()),
            ] {
                if is_asked {
                    self.never(key, "the rule is for chat alone, which has none");
                }
            }
            if asks.has_attachment == Some(true) {
                self.never("attachment", "the rule is for chat alone, which has none");
            }
        }
        let judges = policy.mailboxes.iter().any(Mailbox::judges_senders);
        self.list(
            "authenticity",
            &asks.authenticity,
            |one| one.word().to_owned(),
            |one| {
                let can_be = match one {
                    Authenticity::Authenticated => judges || whole.signs_in,
                    Authenticity::Failed => judges,
                    Authenticity::Unknown => true,
                };
                let right = "write trusted_authserv_ids or check_senders";
                (!can_be).then(|| format!("nobody is asked about senders; {right}"))
            },
        );
        let always = |team: &Team| policy.calendars.get(&team.calendar).is_some_and(Calendar::is_always);
        if asks.hours == Some(Hours::Out) && policy.teams.values().all(always) {
            self.never("hours", "every team works day and night; write a calendar for one");
        }
        let cues = policy.rules.cues();
        self.list(
            "cue",
            &asks.cues,
            |cue| cue.word().to_owned(),
            |cue| {
                let languages: Vec<_> = if asks.languages.is_empty() { cues.languages().collect() } else { asks.languages.clone() };
                let has_words = languages.iter().any(|language| cues.has(*cue, *language));
                (!has_words).then(|| format!("the list of its words is empty in {}; see desk.cues", list(languages)))
            },
        );
    }
}

/// Whether wherever `rule` would hold `earlier` holds first, and leaves it nothing to do.
fn comes_before(earlier: &Rule, rule: &Rule) -> bool {
    let ends = earlier.stop || earlier.then.spam;
    ends && earlier.unless.as_ref().is_none_or(|unless| rule.unless.as_ref() == Some(unless))
        && rule.occasion() == earlier.occasion()
        && rule.when.is_within(&earlier.when)
}

/// The later rule that sets all again that this one sets.
fn undone_by<'r>(rule: &Rule, later: &'r [Rule]) -> Option<&'r Rule> {
    let Action { team, priority, tags, assignee, skills, policy, template, notify, hold, spam } = &rule.then;
    // These add up, or end the matter.
    if rule.stop || !tags.is_empty() || !skills.is_empty() || !notify.is_empty() || *hold || *spam {
        return None;
    }
    for other in later.iter().filter(|other| other.occasion() == rule.occasion()) {
        let then = &other.then;
        let sets_all = (team.is_none() || then.team.is_some())
            && (priority.is_none() || matches!(then.priority, Some(PriorityChange::Set(_))))
            && (assignee.is_none() || then.assignee.is_some())
            && (policy.is_none() || then.policy.is_some())
            && (template.is_none() || then.template.is_some());
        if sets_all && other.unless.is_none() && rule.when.is_within(&other.when) {
            return Some(other);
        }
        // The pass may end here, or go by the team's hours; nothing is said of what comes then.
        let by_hours = |condition: &Condition| condition.hours.is_some();
        if other.stop || by_hours(&other.when) || other.unless.as_ref().is_some_and(by_hours) {
            return None;
        }
    }
    None
}
