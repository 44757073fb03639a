//! Rules: what they ask and what they set.

use super::{AllNames, Check, Names, texts, wrong_name};
use crate::config::fault::unknown;
use crate::config::written::{Rule as WrittenRule, Then, When};
use crate::domain::address::EmailAddress;
use crate::domain::message::Channel;
use crate::domain::policy::{Action, Agent, Condition, Rule};
use crate::domain::ticket::TAGS_MAX;
use crate::domain::words::Words;

/// Entries of one rule's `text`, and rules: each entry is a pattern in memory (P11).
const TEXTS_MAX: usize = 200;
const RULES_MAX: usize = 500;

const CHANNELS: [Channel; 3] = [Channel::Mail, Channel::Chat, Channel::Phone];

impl Check<'_> {
    pub(super) fn rules(&mut self, written: &[WrittenRule], names: &AllNames, agents: &[Agent]) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        if written.len() > RULES_MAX {
            self.fault(&format!("rule[{RULES_MAX}]"), format!("there are {} rules; at most {RULES_MAX} can be", written.len()));
            return rules;
        }
        for (at, rule) in written.iter().enumerate() {
            let path = format!("rule[{at}]");
            let name = self.required(&format!("{path}.name"), rule.name.as_ref(), "write one; it stands in the history of tickets");
            let name = name.unwrap_or_default().to_owned();
            if name.chars().any(char::is_control) || name.chars().count() > super::NAME_CHARS_MAX {
                let right = format!("has to be one line of at most {} characters", super::NAME_CHARS_MAX);
                self.fault(&format!("{path}.name"), right);
            }
            if !name.is_empty() && rules.iter().any(|other| other.name == name) {
                self.fault(&format!("{path}.name"), format!("there is another rule '{name}' already; each needs a name of its own"));
            }
            let when = self.condition(&format!("{path}.when"), &rule.when, names);
            let then = if let Some(then) = &rule.then {
                self.action(&format!("{path}.then"), then, names, agents)
            } else {
                self.fault(&format!("{path}.then"), "is missing; write what the rule sets, such as { team = \"billing\" }");
                Action::default()
            };
            rules.push(Rule { name, when, then });
        }
        rules
    }

    fn condition(&mut self, path: &str, when: &When, names: &AllNames) -> Condition {
        let mut condition = Condition {
            tiers: self.known(&format!("{path}.tier"), "tier", texts(when.tier.as_ref()), &names.tiers),
            mailboxes: self.known(&format!("{path}.mailbox"), "mailbox", texts(when.mailbox.as_ref()), &names.mailboxes),
            languages: self.languages(&format!("{path}.language"), texts(when.language.as_ref())),
            ..Condition::default()
        };
        for (key, value) in [
            ("channel", &when.channel),
            ("mailbox", &when.mailbox),
            ("tier", &when.tier),
            ("sender", &when.sender),
            ("text", &when.text),
            ("language", &when.language),
        ] {
            // An empty list would read as "whatever", which is the opposite of what it says.
            if value.as_ref().is_some_and(|texts| texts.0.is_empty()) {
                self.fault(&format!("{path}.{key}"), "is empty and never holds; leave it out if it does not matter");
            }
        }
        for word in texts(when.channel.as_ref()) {
            match CHANNELS.into_iter().find(|channel| channel.word() == word) {
                Some(channel) => condition.channels.push(channel),
                None => self.fault(&format!("{path}.channel"), unknown("channel", word, CHANNELS.map(Channel::word))),
            }
        }
        for sender in texts(when.sender.as_ref()) {
            // The domain's normal form is that of an address in it.
            let domain = sender.trim().strip_prefix('@').map(|domain| EmailAddress::parse(&format!("x@{domain}")));
            let normal = match domain {
                Some(address) => address.map(|address| format!("@{}", address.domain())),
                None => EmailAddress::parse(sender).map(|address| address.as_str().to_owned()),
            };
            match normal {
                Ok(normal) => condition.senders.push(normal),
                Err(wrong) => self.fault(&format!("{path}.sender"), format!("'{sender}' {wrong}; write name@domain, or @domain")),
            }
        }
        let words = texts(when.text.as_ref());
        if words.len() > TEXTS_MAX {
            self.fault(&format!("{path}.text"), format!("has {} entries; at most {TEXTS_MAX} can be", words.len()));
            return condition;
        }
        for text in words {
            match Words::parse(text) {
                Ok(words) => condition.text.push((text.clone(), words)),
                Err(wrong) => self.fault(&format!("{path}.text"), format!("'{}' {wrong}", text.chars().take(40).collect::<String>())),
            }
        }
        condition
    }

    fn action(&mut self, path: &str, then: &Then, names: &AllNames, agents: &[Agent]) -> Action {
        if let Some(team) = &then.team {
            self.refers(&format!("{path}.team"), "team", team, &names.teams);
        }
        let priority = then.priority.as_ref().and_then(|word| self.priority(&format!("{path}.priority"), word));
        let tags = texts(then.tags.as_ref()).to_vec();
        for tag in &tags {
            if let Some(wrong) = wrong_name(tag) {
                self.fault(&format!("{path}.tags"), wrong);
            }
        }
        if tags.len() > TAGS_MAX {
            self.fault(&format!("{path}.tags"), format!("has {} tags; a ticket has at most {TAGS_MAX}", tags.len()));
        }
        let mut assignee = None;
        if let Some(handle) = &then.assignee {
            let agent = agents.iter().find(|agent| agent.handle.eq_ignore_ascii_case(handle));
            match agent {
                Some(agent) if then.team.as_ref().is_some_and(|team| !agent.teams.contains(team)) => {
                    let team = then.team.as_deref().unwrap_or_default();
                    self.fault(&format!("{path}.assignee"), format!("'{handle}' does not work in team '{team}', which the rule sets"));
                }
                Some(agent) => assignee = Some(agent.handle.clone()),
                None => {
                    let known = agents.iter().map(|agent| agent.handle.as_str());
                    self.fault(&format!("{path}.assignee"), unknown("agent", handle, known));
                }
            }
        }
        if then.team.is_none() && then.priority.is_none() && then.assignee.is_none() && tags.is_empty() {
            self.fault(path, "sets nothing; write at least one of team, priority, tags and assignee");
        }
        Action { team: then.team.clone(), priority, tags, assignee }
    }

    /// Those of the names that are known; a fault for each that is not.
    fn known(&mut self, path: &str, what: &str, written: &[String], known: &Names) -> Vec<String> {
        written.iter().filter(|name| self.refers(path, what, name, known)).cloned().collect()
    }
}
