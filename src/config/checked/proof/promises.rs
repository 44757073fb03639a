//! Tiers that nobody has, policies that no ticket can have, targets that never fall due.

use super::{AHEAD, Check, Customers, SOME_MONDAY, Whole, list, silence_of, tickets};
use crate::config::checked::in_words;
use crate::domain::policy::{Policy, Sla};
use jiff::SignedDuration;
use std::collections::BTreeSet;

impl Check<'_> {
    pub(super) fn prove_promises(&mut self, whole: &Whole<'_>, customers: &Customers<'_>, dead_rules: &BTreeSet<usize>) {
        let policy = whole.policy;
        for (at, tier) in policy.tiers.iter().enumerate().filter(|(_, tier)| !customers.have_tier(&tier.name)) {
            let gone = if tier.checkin_after.is_empty() { "" } else { ", and nobody its check-ins" };
            let right = "write one of its plans, or the tier itself, into desk.customers";
            self.warning(&format!("tier[{at}].name"), format!("no customer has tier '{}'{gone}; {right}", tier.name));
        }
        let held: Vec<&Sla> = tickets(policy, customers).filter_map(|(t, p, c)| policy.sla_of_all(t, p, c)).collect();
        let asked = |by_dead: bool| {
            let rules = policy.rules.iter().enumerate().filter(move |(at, _)| dead_rules.contains(at) == by_dead);
            rules.filter_map(|(_, rule)| rule.then.policy.as_deref()).collect::<BTreeSet<&str>>()
        };
        let (asked, asked_in_vain) = (asked(false), asked(true));
        for (at, sla) in policy.slas.iter().enumerate() {
            let is_asked = sla.name.as_deref().is_some_and(|name| asked.contains(name));
            if is_asked || held.iter().any(|held| std::ptr::eq(*held, sla)) {
                self.prove_targets(at, sla, policy, whole);
            } else {
                let in_vain = sla.name.as_deref().is_some_and(|name| asked_in_vain.contains(name));
                let (key, why) = self.why_not_held(sla, policy, customers, in_vain);
                self.warning(&format!("sla[{at}]{key}"), format!("no ticket can have this policy: {why}"));
            }
            for step in &sla.escalate {
                if policy.is_ours(&step.to) {
                    let wrong = format!("'{}' is the address of a mailbox: the desk would write to itself", step.to);
                    self.fault(&format!("sla[{at}].escalate"), format!("{wrong}; write that of a person"));
                }
            }
        }
    }

    /// The key that keeps a policy from every ticket, and why.
    fn why_not_held(&self, sla: &Sla, policy: &Policy, customers: &Customers<'_>, in_vain: bool) -> (&'static str, String) {
        let by_rule = if in_vain { "the rule that asks for it never holds" } else { "no rule asks for it" };
        if !sla.is_for_all() {
            let right =
                if in_vain { "" } else { "; write then = { policy = \"…\" } in a [[rule]], or name a tier, priority or channel here" };
            return (".name", format!("it names neither tier, priority nor channel, and {by_rule}{right}"));
        }
        if let Some(tier) = sla.tier.as_ref().filter(|tier| !customers.have_tier(tier)) {
            return (".tier", format!("no customer has tier '{tier}'"));
        }
        if let Some((channel, why)) = sla.channel.and_then(|channel| Some((channel, silence_of(channel, policy)?))) {
            return (".channel", format!("nothing comes by {}, for {why}", channel.word()));
        }
        // What stands in its way, each once, in the order of the file.
        let holds = |(tier, priority, channel): &(&str, _, _)| sla.fits(tier, *priority, *channel);
        let winners: Vec<&Sla> = tickets(policy, customers).filter(holds).filter_map(|(t, p, c)| policy.sla_of_all(t, p, c)).collect();
        let lines = policy.slas.iter().enumerate().filter(|(_, sla)| winners.iter().any(|winner| std::ptr::eq(*winner, *sla)));
        let lines: Vec<u32> = lines.filter_map(|(at, _)| self.places.find(&format!("sla[{at}]")).line).collect();
        let lines = format!("{} {}", if lines.len() == 1 { "line" } else { "lines" }, list(&lines));
        let named = if sla.name.is_some() { format!(", and {by_rule}") } else { String::new() };
        (
            "",
            format!(
                "wherever it would hold, another comes first ({lines}), which says more or stands earlier{named}; leave it out, or let it say more"
            ),
        )
    }

    /// A target that takes years of the calendar that it runs in.
    fn prove_targets(&mut self, at: usize, sla: &Sla, policy: &Policy, whole: &Whole<'_>) {
        let Sla { first_response, next_response, resolution, update_every, .. } = sla;
        let targets = [
            ("first_response", first_response),
            ("next_response", next_response),
            ("resolution", resolution),
            ("update_every", update_every),
        ];
        let names: BTreeSet<&str> = match &sla.calendar {
            Some(calendar) => BTreeSet::from([calendar.as_str()]),
            None => policy.teams.values().map(|team| team.calendar.as_str()).collect(),
        };
        let from = whole.now.unwrap_or(SOME_MONDAY);
        for (key, target) in targets.into_iter().filter_map(|(key, target)| Some((key, (*target)?))) {
            for (name, calendar) in names.iter().filter_map(|name| Some((name, policy.calendars.get(*name)?))) {
                let takes = calendar.add(from, target).duration_since(from);
                if takes > AHEAD {
                    let week: i64 = calendar.week.iter().flatten().map(|shift| i64::from(shift.end_min) - i64::from(shift.start_min)).sum();
                    let week = in_words(SignedDuration::from_mins(week));
                    let wrong = format!("{} of opening time take more than two years in calendar '{name}'", in_words(target));
                    let right = "write it in hours of being open, or name another calendar";
                    self.fault(&format!("sla[{at}].{key}"), format!("{wrong}, which opens {week} a week; {right}"));
                    break;
                }
            }
        }
    }
}
