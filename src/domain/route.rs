//! The ordered rules: which team, how urgent, which tags (P9: each one that holds says what matched).

use super::change::{Actor, History};
use super::customer::Known;
use super::message::Inbound;
use super::policy::{Condition, Policy, Rule};
use super::ticket::{Priority, TAGS_MAX};
use super::words::Searched;
use jiff::Timestamp;
use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::ops::Deref;

/// What the rules made of a new matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    pub team: String,
    pub priority: Priority,
    pub tags: BTreeSet<String>,
    /// Handle of an agent.
    pub assignee: Option<String>,
    pub history: Vec<History>,
}

/// Runs the rules in their order over what mailbox and tier give to begin with.
#[must_use]
pub fn route(inbound: &Inbound, known: &Known, start: (String, Priority), policy: &Policy, now: Timestamp) -> Routing {
    let (team, priority) = start;
    let mut routing = Routing { team, priority, tags: BTreeSet::new(), assignee: None, history: Vec::new() };
    let new_text = inbound.body.new_text();
    // Found when the first rule asks for words.
    let texts = LazyCell::new(|| [("subject", Searched::new(&inbound.subject)), ("text", Searched::new(&new_text))]);
    for rule in &policy.rules {
        if let Some(why) = matches(&rule.when, inbound, known, &texts) {
            apply(rule, &why, &mut routing, now);
        }
    }
    routing
}

/// Where the words of rules are sought, with what each is called.
type Texts<'t> = [(&'static str, Searched<'t>); 2];

/// Which part of a condition decided, in words; `None` if it does not hold.
fn matches<'t>(when: &Condition, inbound: &Inbound, known: &Known, texts: &impl Deref<Target = Texts<'t>>) -> Option<String> {
    let mut why = Vec::new();
    let mut holds = |listed: bool, found: Option<String>| match (listed, found) {
        (false, _) => true,
        (true, Some(found)) => {
            why.push(found);
            true
        }
        (true, None) => false,
    };
    // Whoever is known not to be who he claims is no sender that a rule could speak of.
    let sender = inbound.from.as_ref().filter(|_| !inbound.judgement.has_failed()).map(|f| &f.address);
    let all = holds(!when.tiers.is_empty(), when.tiers.contains(&known.tier).then(|| format!("tier {}", known.tier)))
        && holds(
            !when.channels.is_empty(),
            when.channels.contains(&inbound.channel).then(|| format!("channel {}", inbound.channel.word())),
        )
        && holds(
            !when.mailboxes.is_empty(),
            when.mailboxes.iter().find(|m| *m == inbound.source.mailbox()).map(|m| format!("mailbox {m}")),
        )
        && holds(
            !when.senders.is_empty(),
            sender.and_then(|a| {
                when.senders
                    .iter()
                    .find(|s| s.strip_prefix('@').map_or(a.as_str() == *s, |d| a.domain() == d))
                    .map(|s| format!("sender {s}"))
            }),
        )
        && holds(!when.languages.is_empty(), inbound.language.filter(|l| when.languages.contains(l)).map(|l| format!("language {l}")))
        && holds(
            !when.text.is_empty(),
            when.text.iter().find_map(|(written, words)| {
                texts.iter().find(|(_, text)| words.are_in(text)).map(|(place, _)| format!("'{written}' in the {place}"))
            }),
        );
    all.then(|| if why.is_empty() { "it always holds".to_owned() } else { why.join(", ") })
}

fn apply(rule: &Rule, why: &str, routing: &mut Routing, now: Timestamp) {
    let mut what = Vec::new();
    if let Some(team) = &rule.then.team {
        what.push(format!("team {team}"));
        routing.team.clone_from(team);
    }
    if let Some(priority) = rule.then.priority {
        what.push(format!("priority {}", priority.word()));
        routing.priority = priority;
    }
    if let Some(assignee) = &rule.then.assignee {
        what.push(format!("assignee {assignee}"));
        routing.assignee = Some(assignee.clone());
    }
    for tag in &rule.then.tags {
        if routing.tags.len() < TAGS_MAX && routing.tags.insert(tag.clone()) {
            what.push(format!("tag {tag}"));
        }
    }
    routing.history.push(History {
        at: now,
        by: Actor::Rule(rule.name.clone()),
        what: what.join(", "),
        why: format!("rule '{}' matched {why}", rule.name),
    });
}
