//! What each part of a configuration means for the others: what can never happen, and what nobody would do.
//!
//! A part on which the desk could not keep its word is a fault: a team that gives tickets to agents of whom none is ever on duty, a
//! calendar that does not open, a target that would not fall due for years. What is merely of no use is a warning: a rule that never
//! holds, a policy that no ticket can have, a text that nobody gets. A part that has a fault of its own is not looked at: the rest
//! would only follow from it.

mod calendars;
mod people;
mod promises;
mod rules;
mod texts;

use super::Check;
use super::texts::Texts;
use crate::config::written::Written;
use crate::domain::message::Channel;
use crate::domain::policy::{Policy, Tier};
use crate::domain::ticket::Priority;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// How far ahead calendars are looked at.
const AHEAD: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);

/// A Monday in winter, in which weeks are compared where nobody says what time it is: 2026-01-05.
const SOME_MONDAY: Timestamp = Timestamp::constant(1_767_571_200, 0);

/// All that there is to look at.
pub(super) struct Whole<'a> {
    pub(super) written: &'a Written,
    pub(super) policy: &'a Policy,
    pub(super) texts: &'a Texts,
    /// Another system is asked who a sender is, which may say anything.
    pub(super) looks_up: bool,
    /// Chat visitors can prove who they are.
    pub(super) signs_in: bool,
    /// `None`: what depends on the day is left out.
    pub(super) now: Option<Timestamp>,
}

impl Check<'_> {
    pub(super) fn prove(&mut self, whole: &Whole<'_>) {
        let customers = if self.is_sound(&["tier", "desk.customers", "customers", "address", "plan"]) {
            Customers::of(whole)
        } else {
            Customers::Anybody
        };
        let dead = if self.is_sound(&["rule", "tier", "mailbox", "chat", "team", "agent"]) {
            self.prove_rules(whole, &customers)
        } else {
            BTreeSet::new()
        };
        if self.is_sound(&["tier", "sla", "rule", "chat"]) {
            self.prove_promises(whole, &customers, &dead);
        }
        if self.is_sound(&["team", "agent", "calendar"]) {
            self.prove_people(whole);
        }
        if self.is_sound(&["calendar", "team", "agent", "sla"]) {
            self.prove_calendars(whole);
        }
        if self.is_sound(&["desk.templates", "desk.languages", "templates", "rule"]) {
            self.prove_texts(whole, &dead);
        }
        self.prove_desk(whole.policy);
    }

    /// Whether no fault was found in these sections or keys.
    fn is_sound(&self, parts: &[&str]) -> bool {
        let is_of = |key: &str, part: &&str| key.strip_prefix(*part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        !self.faults.iter().any(|fault| parts.iter().any(|part| is_of(&fault.key, part)))
    }

    /// Questions to a customer whose ticket is closed by then.
    fn prove_desk(&mut self, policy: &Policy) {
        if let (Some(nudge), Some(close)) = (policy.desk.nudge_after, policy.desk.close_pending_after)
            && nudge >= close
        {
            let right = "nobody is ever asked again: close_pending_after closes the ticket before; write a shorter time, or leave it out";
            self.warning("desk.nudge_after", right);
        }
    }
}

/// Who can write in, as far as the configuration tells.
enum Customers<'a> {
    /// Another system may say anything of anybody.
    Anybody,
    /// Those of the file, and strangers.
    Of(&'a Policy),
}

impl<'a> Customers<'a> {
    fn of(whole: &Whole<'a>) -> Self {
        if whole.looks_up { Self::Anybody } else { Self::Of(whole.policy) }
    }

    /// Whether somebody has a tier: whoever has none has the first.
    fn have_tier(&self, name: &str) -> bool {
        let Self::Of(policy) = self else { return true };
        let given = |tier: &Tier| tier.plans.iter().any(|plan| self.have_plan(plan));
        policy.tiers.first().is_some_and(|first| first.name == name)
            || policy.customers.tiers().any(|tier| tier == name)
            || policy.tier_named(name).is_some_and(given)
    }

    fn have_plan(&self, name: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Of(policy) => policy.customers.plans().any(|plan| plan == name),
        }
    }

    /// Of these organisations, in lower case, those that nobody belongs to.
    fn lack<'o>(&self, organisations: impl Iterator<Item = &'o String>) -> BTreeSet<&'o str> {
        let mut missing: BTreeSet<&str> = organisations.map(String::as_str).collect();
        match self {
            Self::Anybody => missing.clear(),
            Self::Of(policy) => {
                // A file may have a million of them, and few rules ask.
                if !missing.is_empty() {
                    for known in policy.customers.organisations() {
                        missing.remove(known.to_lowercase().as_str());
                    }
                }
            }
        }
        missing
    }
}

/// Why nothing ever comes through a channel; `None` if something does.
fn silence_of(channel: Channel, policy: &Policy) -> Option<&'static str> {
    match channel {
        Channel::Mail => None,
        Channel::Chat => policy.chat.is_none().then_some("there is no [chat]"),
        Channel::Phone => Some("nothing takes calls in yet"),
    }
}

/// Every tier, priority and channel that a ticket can have: agents may set any priority.
fn tickets<'a>(policy: &'a Policy, customers: &'a Customers<'a>) -> impl Iterator<Item = (&'a str, Priority, Channel)> {
    let tiers = policy.tiers.iter().filter(|tier| customers.have_tier(&tier.name));
    tiers.flat_map(move |tier| {
        let channels = [Channel::Mail, Channel::Chat, Channel::Phone].into_iter().filter(|channel| silence_of(*channel, policy).is_none());
        channels.flat_map(move |channel| Priority::ALL.into_iter().map(move |priority| (tier.name.as_str(), priority, channel)))
    })
}

/// `one, two`.
fn list(words: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}
