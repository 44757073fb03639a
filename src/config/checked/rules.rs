//! Rules: what they ask and what they set.

use super::{AllNames, Check, Names, texts, wrong_name};
use crate::config::fault::unknown;
use crate::config::written::{Header, OneOrMany, Rule as WrittenRule, Then, When};
use crate::domain::address::EmailAddress;
use crate::domain::cues::Cue;
use crate::domain::message::Channel;
use crate::domain::policy::{Agent, Sla, Team};
use crate::domain::rule::{Action, Authenticity, Condition, Glob, HeaderIs, Hours, Pattern, PriorityChange, Rule, Said, Sender, Sought};
use crate::domain::template::Templates;
use crate::domain::ticket::{Priority, TAGS_MAX};
use crate::domain::words::Words;
use std::collections::BTreeMap;

/// Entries of one list of a rule, rules, and regular expressions of all rules: each is a pattern in memory (P11).
const TEXTS_MAX: usize = 200;
const RULES_MAX: usize = 2_000;
const PATTERNS_MAX: usize = 1_000;
const PATTERNS_OCTETS_MAX: usize = 250 << 20;

const CHANNELS: [Channel; 3] = [Channel::Mail, Channel::Chat, Channel::Phone];

/// What rules may name.
pub(super) struct Around<'a> {
    pub(super) agents: &'a [Agent],
    pub(super) teams: &'a BTreeMap<String, Team>,
    pub(super) ops: &'a [EmailAddress],
    pub(super) slas: &'a [Sla],
    /// Those that give a tier.
    pub(super) plans: Names,
    /// `None`: they are wrong themselves.
    pub(super) templates: Option<&'a Templates>,
}

impl Check<'_> {
    pub(super) fn rules(&mut self, written: &[WrittenRule], names: &AllNames, around: &Around<'_>) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        if written.len() > RULES_MAX {
            self.fault(&format!("rule[{RULES_MAX}]"), format!("there are {} rules; at most {RULES_MAX} can be", written.len()));
            return rules;
        }
        let (mut patterns, mut octets) = (0, 0);
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
            let when = self.condition(&format!("{path}.when"), &rule.when, names, around);
            let unless = rule.unless.as_ref().map(|unless| self.unless(&format!("{path}.unless"), unless, names, around));
            let stop = rule.stop == Some(true);
            let then = match &rule.then {
                Some(then) => self.action(&format!("{path}.then"), then, names, around),
                // It keeps the later ones from what it names.
                None if stop => Action::default(),
                None => {
                    self.fault(&format!("{path}.then"), "is missing; write what the rule sets, such as { team = \"billing\" }");
                    Action::default()
                }
            };
            let rule = Rule { name, when, unless, then, stop };
            for pattern in [Some(&rule.when), rule.unless.as_ref()].into_iter().flatten().flat_map(patterns_of) {
                patterns += 1;
                octets += pattern.octets_max();
            }
            rules.push(rule);
        }
        if patterns > PATTERNS_MAX {
            self.fault("rule[0]", format!("and the other rules have {patterns} regular expressions; at most {PATTERNS_MAX} can be"));
        }
        if octets > PATTERNS_OCTETS_MAX {
            let (all, most) = (octets >> 20, PATTERNS_OCTETS_MAX >> 20);
            let right = "say less with counts such as {1,500} or classes such as \\w";
            self.fault(
                "rule[0]",
                format!("and the other rules have regular expressions of up to {all} MiB; at most {most} MiB can be; {right}"),
            );
        }
        rules
    }

    /// The condition that must not hold.
    fn unless(&mut self, path: &str, unless: &When, names: &AllNames, around: &Around<'_>) -> Condition {
        let condition = self.condition(path, unless, names, around);
        if unless.reopened.is_some() {
            self.fault(&format!("{path}.reopened"), "says when a rule is run, and stands in 'when' only");
        } else if condition.is_empty() && !self.faults.iter().any(|fault| fault.key.starts_with("rule.unless")) {
            self.fault(path, "is empty and always holds, so that the rule never does; leave it out, or write a condition");
        }
        condition
    }

    fn condition(&mut self, path: &str, when: &When, names: &AllNames, around: &Around<'_>) -> Condition {
        let key = |key: &str| format!("{path}.{key}");
        for (name, value) in lists(when) {
            // An empty list would read as "whatever", which is the opposite of what it says.
            if value.as_ref().is_some_and(|texts| texts.0.is_empty()) {
                self.fault(&key(name), "is empty and never holds; leave it out if it does not matter");
            }
            if value.as_ref().is_some_and(|texts| texts.0.len() > TEXTS_MAX) {
                self.fault(&key(name), format!("has {} entries; at most {TEXTS_MAX} can be", texts(value.as_ref()).len()));
                return Condition::default();
            }
        }
        for plan in texts(when.plan.as_ref()).iter().filter(|plan| !around.plans.contains(*plan)) {
            let known = around.plans.iter().map(String::as_str);
            self.warning(&key("plan"), format!("{}; only customers whose plan gives no tier have it", unknown("plan", plan, known)));
        }
        if when.attachment == Some(false) && (when.attachment_type.is_some() || when.attachment_octets_min.is_some()) {
            self.fault(&key("attachment"), "is false, and a file is asked for beside it: that never holds");
        }
        Condition {
            channels: self.one_of(&key("channel"), "channel", when.channel.as_ref(), CHANNELS, Channel::word),
            mailboxes: self.known(&key("mailbox"), "mailbox", texts(when.mailbox.as_ref()), &names.mailboxes),
            tiers: self.known(&key("tier"), "tier", texts(when.tier.as_ref()), &names.tiers),
            plans: texts(when.plan.as_ref()).to_vec(),
            organisations: texts(when.organisation.as_ref()).iter().map(|name| name.trim().to_lowercase()).collect(),
            senders: texts(when.sender.as_ref()).iter().filter_map(|sender| self.sender(&key("sender"), sender)).collect(),
            authenticity: self.one_of(&key("authenticity"), "word", when.authenticity.as_ref(), Authenticity::ALL, Authenticity::word),
            languages: self.languages(&key("language"), texts(when.language.as_ref())),
            first_contact: when.first_contact,
            reopened: when.reopened == Some(true),
            hours: when.hours.as_deref().and_then(|word| self.hours(&key("hours"), word)),
            has_attachment: when.attachment,
            attachment_types: texts(when.attachment_type.as_ref()).iter().map(|glob| Glob::new(glob.trim())).collect(),
            attachment_octets_min: when.attachment_octets_min,
            headers: (0..).zip(&when.header).filter_map(|(at, header)| self.header(&format!("{path}.header[{at}]"), header)).collect(),
            subject: self.said([&key("subject"), &key("subject_regex")], when.subject.as_ref(), when.subject_regex.as_ref()),
            text: self.said([&key("text"), &key("text_regex")], when.text.as_ref(), when.text_regex.as_ref()),
            body: self.said([&key("body"), &key("body_regex")], when.body.as_ref(), when.body_regex.as_ref()),
            cues: self.one_of(&key("cue"), "cue", when.cue.as_ref(), Cue::ALL, Cue::word),
        }
    }

    /// Values that are chosen by their words.
    fn one_of<T: Copy, const N: usize>(
        &mut self,
        path: &str,
        what: &str,
        written: Option<&OneOrMany>,
        all: [T; N],
        word_of: fn(T) -> &'static str,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for word in texts(written) {
            match all.into_iter().find(|one| word_of(*one) == word) {
                Some(one) => found.push(one),
                None => self.fault(path, unknown(what, word, all.map(word_of))),
            }
        }
        found
    }

    fn hours(&mut self, path: &str, word: &str) -> Option<Hours> {
        match word {
            "in" => Some(Hours::In),
            "out" => Some(Hours::Out),
            other => {
                self.fault(path, format!("'{other}' is neither \"in\" nor \"out\""));
                None
            }
        }
    }

    /// An address, a domain, or a pattern of addresses, in normal form.
    fn sender(&mut self, path: &str, written: &str) -> Option<Sender> {
        let trimmed = written.trim();
        let sender = if trimmed.contains(['*', '?']) {
            like(trimmed).map(Sender::Like).ok_or_else(|| "is no pattern of addresses".to_owned())
        } else if let Some(domain) = trimmed.strip_prefix('@') {
            // The domain's normal form is that of an address in it.
            let address = EmailAddress::parse(&format!("x@{domain}")).map_err(|wrong| wrong.to_string());
            address.map(|address| Sender::Domain(address.domain().to_owned()))
        } else {
            EmailAddress::parse(written).map(Sender::Address).map_err(|wrong| wrong.to_string())
        };
        match sender {
            Ok(sender) => return Some(sender),
            Err(wrong) => self.fault(path, format!("'{written}' {wrong}; write name@domain, @domain, or a pattern such as *@*.domain")),
        }
        None
    }

    fn header(&mut self, path: &str, header: &Header) -> Option<HeaderIs> {
        let right = "write the name of a header field, such as X-Priority";
        let name = self.required(&format!("{path}.name"), header.name.as_ref(), right)?.to_ascii_lowercase();
        // RFC 5322 section 2.2: printable US-ASCII without the colon.
        if !name.chars().all(|c| c.is_ascii_graphic() && c != ':') {
            self.fault(&format!("{path}.name"), format!("'{name}' is no name of a header field; {right}"));
            return None;
        }
        let said = self.said([&format!("{path}.text"), &format!("{path}.regex")], header.text.as_ref(), header.regex.as_ref());
        Some(HeaderIs { name, said })
    }

    /// Words and regular expressions of one place.
    fn said(&mut self, paths: [&str; 2], words: Option<&OneOrMany>, patterns: Option<&OneOrMany>) -> Said {
        let cut = |text: &str| text.chars().take(40).collect::<String>();
        let mut said = Said::default();
        for text in texts(words) {
            match Words::parse(text) {
                Ok(words) => said.words.push(Sought { written: text.clone(), words }),
                Err(wrong) => self.fault(paths[0], format!("'{}' {wrong}", cut(text))),
            }
        }
        for text in texts(patterns) {
            match Pattern::parse(text) {
                Ok(pattern) => said.patterns.push(pattern),
                Err(wrong) => self.fault(paths[1], format!("'{}' {wrong}", cut(text))),
            }
        }
        said
    }

    fn action(&mut self, path: &str, then: &Then, names: &AllNames, around: &Around<'_>) -> Action {
        if let Some(team) = &then.team {
            self.refers(&format!("{path}.team"), "team", team, &names.teams);
        }
        let priority = match then.priority.as_deref() {
            Some("up") => Some(PriorityChange::Up),
            Some("down") => Some(PriorityChange::Down),
            Some(word) => {
                let priority = Priority::parse(word);
                if priority.is_none() {
                    let known = Priority::ALL.map(Priority::word).into_iter().chain(["up", "down"]);
                    self.fault(&format!("{path}.priority"), unknown("priority", word, known));
                }
                priority.map(PriorityChange::Set)
            }
            None => None,
        };
        let tags = texts(then.tags.as_ref()).to_vec();
        let skills = texts(then.skill.as_ref()).to_vec();
        for (key, word) in tags.iter().map(|tag| ("tags", tag)).chain(skills.iter().map(|skill| ("skill", skill))) {
            if let Some(wrong) = wrong_name(word) {
                self.fault(&format!("{path}.{key}"), wrong);
            }
        }
        if tags.len() > TAGS_MAX {
            self.fault(&format!("{path}.tags"), format!("has {} tags; a ticket has at most {TAGS_MAX}", tags.len()));
        }
        if let Some(policy) = &then.policy {
            let known: Names = around.slas.iter().filter_map(|sla| sla.name.clone()).collect();
            self.refers(&format!("{path}.policy"), "sla", policy, &known);
        }
        if let (Some(template), Some(templates)) = (&then.template, around.templates)
            && !(template.starts_with("ack") && templates.has(template))
        {
            let right =
                "write ack_… and put a text of that name into the directory of desk.templates, at least in the desk's first language";
            self.fault(&format!("{path}.template"), format!("there is no acknowledgement '{template}'; {right}"));
        }
        if then.hold == Some(true) && then.spam == Some(true) {
            self.fault(&format!("{path}.hold"), "has no effect beside spam, which closes the ticket; leave one of them out");
        }
        let action = Action {
            team: then.team.clone(),
            priority,
            tags,
            assignee: then.assignee.as_ref().and_then(|handle| self.assignee(path, handle, then, around.agents)),
            skills,
            policy: then.policy.clone(),
            template: then.template.clone(),
            notify: texts(then.notify.as_ref()).iter().filter_map(|who| self.told(&format!("{path}.notify"), who, around)).collect(),
            hold: then.hold == Some(true),
            spam: then.spam == Some(true),
        };
        let sets_nothing = then.team.is_none()
            && then.priority.is_none()
            && then.assignee.is_none()
            && then.policy.is_none()
            && then.template.is_none()
            && action.tags.is_empty()
            && action.skills.is_empty()
            && texts(then.notify.as_ref()).is_empty()
            && !action.hold
            && !action.spam;
        if sets_nothing {
            self.fault(
                path,
                "sets nothing; write at least one of team, priority, tags, assignee, skill, policy, template, notify, hold and spam",
            );
        }
        action
    }

    fn assignee(&mut self, path: &str, handle: &str, then: &Then, agents: &[Agent]) -> Option<String> {
        match agents.iter().find(|agent| agent.handle.eq_ignore_ascii_case(handle)) {
            Some(agent) if then.team.as_ref().is_some_and(|team| !agent.teams.contains(team)) => {
                let team = then.team.as_deref().unwrap_or_default();
                self.fault(&format!("{path}.assignee"), format!("'{handle}' does not work in team '{team}', which the rule sets"));
                None
            }
            Some(agent) => Some(agent.handle.clone()),
            None => {
                self.fault(&format!("{path}.assignee"), unknown("agent", handle, agents.iter().map(|agent| agent.handle.as_str())));
                None
            }
        }
    }

    /// Nobody else may read what customers write (P7): agents, managers, ops.
    fn told(&mut self, path: &str, who: &str, around: &Around<'_>) -> Option<EmailAddress> {
        if let Some(agent) = around.agents.iter().find(|agent| agent.handle.eq_ignore_ascii_case(who)) {
            return Some(agent.address.clone());
        }
        let address = EmailAddress::parse(who).ok();
        let known = address.filter(|address| {
            let is_manager = around.teams.values().any(|team| team.manager.as_ref() == Some(address));
            is_manager || around.ops.contains(address) || around.agents.iter().any(|agent| agent.address == *address)
        });
        if known.is_none() {
            let right = "write an agent's handle, or the address of an agent, of a team's manager, or of desk.ops";
            self.fault(path, format!("'{who}' is nobody whom tickets may be told; {right}"));
        }
        known
    }

    /// Those of the names that are known; a fault for each that is not.
    fn known(&mut self, path: &str, what: &str, written: &[String], known: &Names) -> Vec<String> {
        written.iter().filter(|name| self.refers(path, what, name, known)).cloned().collect()
    }
}

/// The lists of a condition, by their keys.
fn lists(when: &When) -> [(&'static str, &Option<OneOrMany>); 16] {
    [
        ("channel", &when.channel),
        ("mailbox", &when.mailbox),
        ("tier", &when.tier),
        ("plan", &when.plan),
        ("organisation", &when.organisation),
        ("sender", &when.sender),
        ("authenticity", &when.authenticity),
        ("language", &when.language),
        ("attachment_type", &when.attachment_type),
        ("subject", &when.subject),
        ("text", &when.text),
        ("body", &when.body),
        ("subject_regex", &when.subject_regex),
        ("text_regex", &when.text_regex),
        ("body_regex", &when.body_regex),
        ("cue", &when.cue),
    ]
}

fn patterns_of(condition: &Condition) -> impl Iterator<Item = &Pattern> {
    let headers = condition.headers.iter().map(|header| &header.said);
    [&condition.subject, &condition.text, &condition.body].into_iter().chain(headers).flat_map(|said| &said.patterns)
}

/// A pattern of addresses in their normal form: one `@`, and behind it a domain of which each part without a star is in ASCII.
fn like(written: &str) -> Option<Glob> {
    const CHARS_MAX: usize = 254;
    let (local, domain) = written.split_once('@')?;
    if written.chars().count() > CHARS_MAX || written.chars().any(|c| c.is_whitespace() || c.is_control()) || local.is_empty() {
        return None;
    }
    let part = |part: &str| {
        if part.contains(['*', '?']) || part.is_empty() {
            return Some(part.to_owned());
        }
        let normal = EmailAddress::parse(&format!("x@{part}.example")).ok()?;
        normal.domain().strip_suffix(".example").map(str::to_owned)
    };
    let domain: Vec<String> = domain.split('.').map(part).collect::<Option<_>>()?;
    let domain = domain.join(".");
    (!domain.is_empty() && !domain.contains('@')).then(|| Glob::new(&format!("{local}@{domain}")))
}
