//! `[[tier]]` and `[[sla]]`: what customers are promised.

use super::{AllNames, Check, SECOND, YEAR, unknown};
use crate::config::written::{OneOrMany, Sla as WrittenSla, Written};
use crate::domain::message::Channel;
use crate::domain::policy::{Sla, Step, Tier, WARN_AT_ELSE};
use crate::domain::ticket::Priority;
use jiff::SignedDuration;

/// Steps of a ladder.
const STEPS_MAX: usize = 10;

impl Check<'_> {
    pub(super) fn tiers(&mut self, written: &Written, names: &AllNames) -> Vec<Tier> {
        if written.tier.is_empty() {
            let bare =
                |name: &String| Tier { name: name.clone(), plans: Vec::new(), priority: Priority::Medium, checkin_after: Vec::new() };
            return names.tiers.iter().map(bare).collect();
        }
        let mut tiers: Vec<Tier> = Vec::new();
        for (at, tier) in written.tier.iter().enumerate() {
            let priority = tier.priority.as_ref().and_then(|word| self.priority(&format!("tier[{at}].priority"), word));
            let plans = tier.plans.clone().unwrap_or_default().0;
            for (n, plan) in plans.iter().enumerate() {
                let path = format!("tier[{at}].plans");
                if plan.trim().is_empty() {
                    self.fault(&path, "has an empty plan");
                } else if plans.iter().take(n).any(|other| other == plan) {
                    self.fault(&path, format!("has plan '{plan}' twice"));
                } else if let Some(other) = tiers.iter().find(|other| other.plans.contains(plan)) {
                    self.fault(&path, format!("plan '{plan}' gives tier '{}' already", other.name));
                }
            }
            let checkin_after = self.ladder(&format!("tier[{at}].checkin_after"), tier.checkin_after.as_ref(), false);
            let priority = priority.unwrap_or(Priority::Medium);
            tiers.extend(tier.name.clone().map(|name| Tier { name, plans, priority, checkin_after }));
        }
        tiers
    }

    /// Lengths of time, each shorter (or longer) than the one before.
    pub(super) fn ladder(&mut self, path: &str, written: Option<&OneOrMany>, falls: bool) -> Vec<SignedDuration> {
        let mut steps: Vec<SignedDuration> = Vec::new();
        for text in written.map(|written| written.0.as_slice()).unwrap_or_default() {
            let Some(step) = self.duration(path, Some(text), SECOND..=YEAR) else { continue };
            if steps.last().is_some_and(|last| if falls { step >= *last } else { step <= *last }) {
                let right = if falls { "the longest" } else { "the shortest" };
                self.fault(path, format!("'{text}' is out of order; write {right} first, each once"));
            }
            steps.push(step);
        }
        self.bounded(path, &mut steps);
        steps
    }

    fn bounded<T>(&mut self, path: &str, steps: &mut Vec<T>) {
        if steps.len() > STEPS_MAX {
            self.fault(path, format!("has {} steps; the most is {STEPS_MAX}", steps.len()));
            steps.truncate(STEPS_MAX);
        }
    }

    pub(super) fn slas(&mut self, written: &Written, names: &AllNames) -> Vec<Sla> {
        let mut slas: Vec<Sla> = Vec::new();
        for (at, sla) in written.sla.iter().enumerate() {
            let found = self.sla(at, sla, names);
            let is_understood = sla.priority.is_some() == found.priority.is_some() && sla.channel.is_some() == found.channel.is_some();
            let same = |other: &&Sla| (&other.tier, other.priority, other.channel) == (&found.tier, found.priority, found.channel);
            if is_understood && found.name.is_none() && slas.iter().find(same).is_some() {
                let fault = "an earlier policy of this tier, priority and channel would always win; leave one of them out, or give it a name for rules";
                self.fault(&format!("sla[{at}]"), fault);
            }
            if found.name.is_some() && slas.iter().any(|other| other.name == found.name) {
                self.fault(&format!("sla[{at}].name"), "another policy has this name; write one of its own");
            }
            slas.push(found);
        }
        slas
    }

    fn sla(&mut self, at: usize, sla: &WrittenSla, names: &AllNames) -> Sla {
        let path = |key: &str| format!("sla[{at}].{key}");
        if let Some(tier) = &sla.tier {
            self.refers(&path("tier"), "tier", tier, &names.tiers);
        }
        if let Some(calendar) = &sla.calendar {
            self.refers(&path("calendar"), "calendar", calendar, &names.calendars);
        }
        let priority = sla.priority.as_ref().and_then(|word| self.priority(&path("priority"), word));
        let channel = sla.channel.as_ref().and_then(|word| {
            let all = [Channel::Mail, Channel::Chat, Channel::Phone];
            let channel = all.into_iter().find(|channel| channel.word() == word);
            if channel.is_none() {
                self.fault(&path("channel"), unknown("channel", word, all.map(Channel::word)));
            }
            channel
        });
        let mut target = |key: &str, text: &Option<String>| self.duration(&path(key), text.as_ref(), SECOND..=YEAR);
        let first_response = target("first_response", &sla.first_response);
        let next_response = target("next_response", &sla.next_response);
        let resolution = target("resolution", &sla.resolution);
        let update_every = target("update_every", &sla.update_every);
        let delay_by = target("delay_by", &sla.delay_by);
        if sla.first_response.is_none() && sla.next_response.is_none() && sla.resolution.is_none() {
            let right = "has no target; write at least one of first_response, next_response and resolution";
            if !["first_response", "next_response", "resolution"].iter().any(|key| self.places.is_marked(&path(key))) {
                self.fault(&format!("sla[{at}]"), right);
            }
        }
        if let (Some(first), Some(resolution)) = (first_response, resolution)
            && first > resolution
        {
            self.fault(&path("first_response"), "is longer than resolution; it has to be at most as long");
        }
        let mut part = |key: &str, part: Option<f64>| {
            if let Some(part) = part.filter(|part| !(*part > 0.0 && *part < 1.0)) {
                self.fault(&path(key), format!("is {part}; it has to be above 0 and below 1, such as 0.75"));
            }
        };
        part("warn_at", sla.warn_at);
        part("delay_notice_at", sla.delay_notice_at);
        if sla.delay_notice_at.is_some() && first_response.is_none() {
            self.fault(&path("delay_notice_at"), "is a part of first_response, which is not written here");
        }
        let (mut pauses_pending, mut pauses_snoozed) = (sla.pause.is_none(), sla.pause.is_none());
        for word in sla.pause.as_ref().map(|words| words.0.as_slice()).unwrap_or_default() {
            match word.as_str() {
                "pending" => pauses_pending = true,
                "snoozed" => pauses_snoozed = true,
                _ => self.fault(&path("pause"), unknown("status", word, ["pending", "snoozed"])),
            }
        }
        Sla {
            name: sla.name.clone(),
            tier: sla.tier.clone(),
            priority,
            channel,
            calendar: sla.calendar.clone(),
            first_response,
            next_response,
            resolution,
            update_every,
            warn_at: sla.warn_at.unwrap_or(WARN_AT_ELSE),
            pauses_pending,
            pauses_snoozed,
            delay_notice_at: sla.delay_notice_at,
            delay_by,
            escalate: self.escalation(&path("escalate"), sla.escalate.as_ref()),
        }
    }

    /// `"1h head@acme.example"`: how long after a breach, and who is told.
    fn escalation(&mut self, path: &str, written: Option<&OneOrMany>) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for text in written.map(|written| written.0.as_slice()).unwrap_or_default() {
            let Some((after, to)) = text.trim().split_once(char::is_whitespace) else {
                self.fault(
                    path,
                    format!("'{text}' is no step; write how long after the breach and who is told, such as \"1h head@acme.example\""),
                );
                continue;
            };
            let after = self.duration(path, Some(&after.to_owned()), SECOND..=YEAR);
            let (Some(after), Some(to)) = (after, self.address(path, to.trim())) else { continue };
            if steps.last().is_some_and(|last| after < last.after) {
                self.fault(path, format!("'{text}' is out of order; write the shortest first"));
            }
            steps.push(Step { after, to });
        }
        self.bounded(path, &mut steps);
        steps
    }
}
