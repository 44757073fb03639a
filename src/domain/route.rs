//! The ordered rules: which team, how urgent, which tags, who is told (P9: each one that holds says what matched).
//!
//! All rules are run once, in the order of the file, on one of two [occasions](Occasion): those that say `reopened = true` when
//! a customer's message opens a ticket again, all others when a message opens a new one. A condition asks about the message and
//! its sender, which no rule changes; so nothing that a rule does makes another hold or not hold, and nothing is run again. Two
//! things of an earlier rule reach a later one: `stop`, which ends the pass, and the team, whose calendar `hours` goes by. Where
//! two rules set the same, the later one wins.

use super::address::EmailAddress;
use super::change::{Actor, Context, History};
use super::cues::Cue;
use super::customer::Known;
use super::forward;
use super::lifecycle;
use super::message::{Attachment, Inbound};
use super::policy::Policy;
use super::rule::{Authenticity, Condition, Glob, HeaderIs, Hours, Occasion, Pattern, PriorityChange, Rule, Said};
use super::rule_index::Keys;
use super::rule_text::{Found, PLACES};
use super::threading::{self, Place};
use super::ticket::{HELD_TAG, Priority, SPAM_TAG, TAGS_MAX, Ticket};
use super::verdict::Verdict;
use super::words::{Searched, Words};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// What rules are asked about.
#[derive(Clone, Copy)]
pub struct Matter<'a> {
    pub inbound: &'a Inbound,
    pub known: &'a Known,
    pub occasion: Occasion,
    /// Whether the sender has no earlier ticket; `None` if nobody knows who he is.
    pub first_contact: Option<bool>,
    /// What holds before the first rule.
    pub team: &'a str,
    pub priority: Priority,
    pub now: Timestamp,
}

/// What the rules made of a matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    pub team: String,
    pub priority: Priority,
    pub tags: BTreeSet<String>,
    /// Handle of an agent.
    pub assignee: Option<String>,
    /// What whoever answers has to know.
    pub skills: BTreeSet<String>,
    /// Name of the `[[sla]]` that is to hold.
    pub policy: Option<String>,
    /// Name of the text that acknowledges instead of `ack`.
    pub template: Option<String>,
    /// Who is told besides.
    pub notify: Vec<EmailAddress>,
    /// The rule that keeps automatic mail from the customer.
    pub held: Option<String>,
    /// The rule that closes it as spam.
    pub spam: Option<String>,
    pub history: Vec<History>,
}

/// Runs the rules in their order.
#[must_use]
pub fn route(matter: Matter<'_>, policy: &Policy) -> Routing {
    let mut routing = Routing::unruled(matter.team, matter.priority);
    if !policy.rules.iter().any(|rule| rule.occasion() == matter.occasion) {
        return routing;
    }
    let body = matter.inbound.body.new_text();
    let facts = Facts::new(matter, &body, policy);
    for rule in facts.candidates().into_iter().filter_map(|at| policy.rules.get(at)) {
        if rule.occasion() == matter.occasion
            && let Ok(why) = facts.matches(rule, &routing.team)
        {
            routing.apply(rule, &why, matter.now);
            if rule.stop {
                break;
            }
        }
    }
    routing
}

/// Each rule in its order, with what matched, or else what did not.
#[must_use]
pub fn explain(matter: Matter<'_>, policy: &Policy) -> Vec<(String, Result<String, String>)> {
    let body = matter.inbound.body.new_text();
    let facts = Facts::new(matter, &body, policy);
    let mut routing = Routing::unruled(matter.team, matter.priority);
    let mut stopped: Option<&str> = None;
    let mut explained = Vec::new();
    for rule in policy.rules.iter() {
        let found = match (rule.occasion() == matter.occasion, stopped) {
            (false, _) if matter.occasion == Occasion::New => Err("is only for tickets that are reopened".to_owned()),
            (false, _) => Err("is only for new tickets".to_owned()),
            (true, Some(by)) => Err(format!("rule '{by}' ended the pass")),
            (true, None) => facts.matches(rule, &routing.team).map_err(|part| facts.why_not(part, rule, &routing.team)),
        };
        if let Ok(why) = &found {
            routing.apply(rule, why, matter.now);
            stopped = rule.stop.then_some(rule.name.as_str());
        }
        explained.push((rule.name.clone(), found));
    }
    explained
}

/// [`explain`] for a message that the desk decides about; nothing where no rule is run on it.
#[must_use]
pub fn explain_message(inbound: &Inbound, context: &Context, policy: &Policy, now: Timestamp) -> Vec<(String, Result<String, String>)> {
    match threading::place(inbound, context, policy) {
        Place::Opens { .. } => explain(Start::of(inbound, policy, now).matter(inbound, context, now), policy),
        Place::Forwards { forwarded, agent, .. } => {
            let original = forward::original(inbound, forwarded, agent);
            explain(Start::of(&original, policy, now).matter(&original, context, now), policy)
        }
        Place::Customer { ticket, .. } if inbound.machine.is_none() && !ticket.status.is_active() => {
            let known = policy.know_at(ticket.requester.address.as_ref(), now);
            explain(Matter::reopened(inbound, &known, ticket, now), policy)
        }
        Place::Customer { .. }
        | Place::Quarantine { .. }
        | Place::Agent { .. }
        | Place::AgentOnCustomerSide { .. }
        | Place::Doubted { .. }
        | Place::ThirdParty { .. }
        | Place::Report { .. }
        | Place::DeskReport { .. } => Vec::new(),
    }
}

/// What holds of a new matter before the first rule.
pub(super) struct Start {
    pub known: Known,
    pub team: String,
    pub mailbox: String,
    pub priority: Priority,
}

impl Start {
    pub(super) fn of(inbound: &Inbound, policy: &Policy, now: Timestamp) -> Self {
        let known =
            policy.know_sender(inbound.from.as_ref().map(|from| &from.address), &inbound.judgement, inbound.looked_up.as_deref(), now);
        let (team, mailbox) = home(inbound, policy);
        let priority = policy.tier_named(&known.tier).map_or(Priority::Medium, |t| t.priority);
        Self { known, team, mailbox, priority }
    }

    pub(super) fn matter<'a>(&'a self, inbound: &'a Inbound, context: &Context, now: Timestamp) -> Matter<'a> {
        let is_known = inbound.from.is_some() && !inbound.judgement.has_failed();
        let first_contact = is_known.then_some(context.earlier.is_empty());
        Matter { inbound, known: &self.known, occasion: Occasion::New, first_contact, team: &self.team, priority: self.priority, now }
    }
}

impl<'a> Matter<'a> {
    /// Of a ticket that is opened again.
    #[must_use]
    pub fn reopened(inbound: &'a Inbound, known: &'a Known, ticket: &'a Ticket, now: Timestamp) -> Self {
        let (team, priority) = (ticket.team.as_str(), ticket.priority);
        Self { inbound, known, occasion: Occasion::Reopened, first_contact: Some(false), team, priority, now }
    }
}

impl Routing {
    fn unruled(team: &str, priority: Priority) -> Self {
        Self {
            team: team.to_owned(),
            priority,
            tags: BTreeSet::new(),
            assignee: None,
            skills: BTreeSet::new(),
            policy: None,
            template: None,
            notify: Vec::new(),
            held: None,
            spam: None,
            history: Vec::new(),
        }
    }

    fn apply(&mut self, rule: &Rule, why: &str, now: Timestamp) {
        let mut what = Vec::new();
        let then = &rule.then;
        if let Some(team) = &then.team {
            what.push(format!("team {team}"));
            self.team.clone_from(team);
        }
        if let Some(change) = then.priority {
            let place = Priority::ALL.iter().position(|p| *p == self.priority).unwrap_or_default();
            self.priority = match change {
                PriorityChange::Set(priority) => priority,
                PriorityChange::Up => Priority::ALL.get(place + 1).copied().unwrap_or(self.priority),
                PriorityChange::Down => place.checked_sub(1).and_then(|below| Priority::ALL.get(below).copied()).unwrap_or(self.priority),
            };
            what.push(format!("priority {}", self.priority.word()));
        }
        if let Some(assignee) = &then.assignee {
            what.push(format!("assignee {assignee}"));
            self.assignee = Some(assignee.clone());
        }
        for skill in &then.skills {
            what.push(format!("skill {skill}"));
            self.skills.insert(skill.clone());
        }
        for tag in &then.tags {
            if self.tags.len() < TAGS_MAX && self.tags.insert(tag.clone()) {
                what.push(format!("tag {tag}"));
            }
        }
        if let Some(policy) = &then.policy {
            what.push(format!("policy {policy}"));
            self.policy = Some(policy.clone());
        }
        if let Some(template) = &then.template {
            what.push(format!("template {template}"));
            self.template = Some(template.clone());
        }
        for address in &then.notify {
            what.push(format!("notify {address}"));
            if !self.notify.contains(address) {
                self.notify.push(address.clone());
            }
        }
        // Tags of the desk's own come in addition: without them nobody could see or undo it.
        if then.hold {
            what.push(format!("held: no automatic mail to the customer until #untag {HELD_TAG}"));
            self.held = Some(rule.name.clone());
            self.tags.insert(HELD_TAG.to_owned());
        }
        if then.spam {
            what.push("spam".to_owned());
            self.spam = Some(rule.name.clone());
            self.tags.insert(SPAM_TAG.to_owned());
        }
        if rule.stop {
            what.push("no later rule".to_owned());
        }
        self.history.push(History {
            at: now,
            by: Actor::Rule(rule.name.clone()),
            what: what.join(", "),
            why: format!("rule '{}' matched {why}", rule.name),
        });
    }
}

/// The part of a condition that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Channel,
    Mailbox,
    Tier,
    Plan,
    Organisation,
    Sender,
    Authenticity,
    Language,
    FirstContact,
    Hours,
    Attachment,
    Header,
    Subject,
    Text,
    Body,
    Cue,
    /// The condition after `unless` holds.
    Unless,
}

/// What conditions are asked about; what costs something is found when the first rule asks for it.
struct Facts<'a> {
    matter: Matter<'a>,
    policy: &'a Policy,
    body: &'a str,
    /// Whoever is known not to be who he claims is no sender that a rule could speak of.
    sender: Option<&'a EmailAddress>,
    organisation: String,
    searched: [OnceCell<Searched>; PLACES],
    found: OnceCell<[Found; PLACES]>,
    /// In the order of [`Cue::ALL`].
    cues: [OnceCell<Option<String>>; Cue::ALL.len()],
}

/// Where words and expressions are sought, with what the history calls it: the subject and the new text.
const SUBJECT: usize = 0;
const BODY: usize = 1;
const PLACE_WORDS: [&str; PLACES] = ["subject", "text"];

impl<'a> Facts<'a> {
    fn new(matter: Matter<'a>, body: &'a str, policy: &'a Policy) -> Self {
        Self {
            matter,
            policy,
            body,
            sender: matter.inbound.from.as_ref().filter(|_| !matter.inbound.judgement.has_failed()).map(|from| &from.address),
            organisation: matter.known.organisation.to_lowercase(),
            searched: Default::default(),
            found: OnceCell::new(),
            cues: Default::default(),
        }
    }

    fn candidates(&self) -> Vec<usize> {
        let (inbound, known) = (self.matter.inbound, self.matter.known);
        let keys = Keys {
            occasion: self.matter.occasion,
            channel: inbound.channel.word(),
            mailbox: inbound.source.mailbox(),
            tier: &known.tier,
            plan: &known.plan,
            organisation: &self.organisation,
            authenticity: authenticity(&inbound.judgement.verdict).word(),
            language: inbound.language.as_ref().map_or("", |language| language.as_str()),
            first_contact: self.matter.first_contact,
            has_attachment: !inbound.attachments.is_empty(),
            sender: self.sender,
            headers: &inbound.headers,
            texts: self.texts(),
        };
        self.policy.rules.index.candidates(&keys, || self.found())
    }

    fn texts(&self) -> [&'a str; PLACES] {
        [&self.matter.inbound.subject, self.body]
    }

    fn searched(&self, place: usize) -> &Searched {
        self.searched[place].get_or_init(|| Searched::new(self.texts()[place]))
    }

    /// What of all that the rules seek stands in the texts.
    fn found(&self) -> &[Found; PLACES] {
        self.found.get_or_init(|| [SUBJECT, BODY].map(|place| self.policy.rules.index.in_texts.find(self.searched(place))))
    }

    fn are_in(&self, words: &Words, place: usize) -> bool {
        words.key.map_or_else(|| words.are_in(self.searched(place)), |key| self.found()[place].has(key))
    }

    fn matches_in(&self, pattern: &Pattern, place: usize) -> bool {
        (pattern.keys.is_none() || self.found()[place].lets_match(pattern)) && pattern.regex.is_match(self.texts()[place])
    }

    fn cue(&self, cue: Cue) -> Option<String> {
        let found = self.cues.iter().zip(Cue::ALL).find(|(_, of)| *of == cue)?.0.get_or_init(|| {
            let are_there = |words: &Words| [SUBJECT, BODY].into_iter().any(|place| self.are_in(words, place));
            let languages = &self.policy.desk.languages;
            self.policy.rules.cues.find(cue, self.texts(), are_there, self.matter.inbound.language, languages)
        });
        found.clone()
    }

    /// What of a rule matched, in words, or the part that did not hold.
    fn matches(&self, rule: &Rule, team: &str) -> Result<String, Part> {
        let why = self.holds(&rule.when, team)?;
        if rule.unless.as_ref().is_some_and(|unless| self.holds(unless, team).is_ok()) {
            return Err(Part::Unless);
        }
        Ok(why)
    }

    fn holds(&self, when: &Condition, team: &str) -> Result<String, Part> {
        let (inbound, known) = (self.matter.inbound, self.matter.known);
        let mut why = Why(String::new());
        let one_of = |what: &str, list: &[String], value: &str| list.iter().find(|one| *one == value).map(|one| format!("{what} {one}"));
        // What costs least is asked first.
        why.need(Part::Tier, &when.tiers, || one_of("tier", &when.tiers, &known.tier))?;
        why.need(Part::Channel, &when.channels, || {
            when.channels.contains(&inbound.channel).then(|| format!("channel {}", inbound.channel.word()))
        })?;
        why.need(Part::Mailbox, &when.mailboxes, || one_of("mailbox", &when.mailboxes, inbound.source.mailbox()))?;
        why.need(Part::Plan, &when.plans, || one_of("plan", &when.plans, &known.plan))?;
        why.need(Part::Organisation, &when.organisations, || one_of("organisation", &when.organisations, &self.organisation))?;
        why.need(Part::Sender, &when.senders, || {
            let sender = self.sender?;
            when.senders.iter().find(|one| one.is(sender)).map(|one| format!("sender {}", one.written()))
        })?;
        why.need(Part::Authenticity, &when.authenticity, || {
            let verdict = authenticity(&inbound.judgement.verdict);
            when.authenticity.contains(&verdict).then(|| format!("sender is {}", verdict.word()))
        })?;
        why.need(Part::Language, &when.languages, || {
            inbound.language.filter(|l| when.languages.contains(l)).map(|l| format!("language {l}"))
        })?;
        why.need(Part::FirstContact, when.first_contact.as_slice(), || {
            let word = if when.first_contact == Some(true) { "first contact" } else { "not the first contact" };
            (when.first_contact == self.matter.first_contact).then(|| word.to_owned())
        })?;
        why.need(Part::Hours, when.hours.as_slice(), || {
            let open = self.is_open(team);
            let word = if open { "in hours" } else { "out of hours" };
            (when.hours == Some(if open { Hours::In } else { Hours::Out })).then(|| format!("{word} of team {team}"))
        })?;
        why.need(Part::Attachment, when.has_attachment.as_slice(), || {
            let some = !inbound.attachments.is_empty();
            (when.has_attachment == Some(some)).then(|| if some { "an attachment" } else { "no attachment" }.to_owned())
        })?;
        if !when.attachment_types.is_empty() || when.attachment_octets_min.is_some() {
            why.add(&of_files(&inbound.attachments, &when.attachment_types, when.attachment_octets_min).ok_or(Part::Attachment)?);
        }
        why.need(Part::Header, &when.headers, || when.headers.iter().find_map(|header| self.header(header)))?;
        self.said(Part::Subject, &when.subject, &[SUBJECT], &mut why)?;
        self.said(Part::Text, &when.text, &[SUBJECT, BODY], &mut why)?;
        self.said(Part::Body, &when.body, &[BODY], &mut why)?;
        why.need(Part::Cue, &when.cues, || when.cues.iter().find_map(|cue| self.cue(*cue)))?;
        if when.reopened {
            why.add("reopened");
        }
        Ok(if why.0.is_empty() { "it always holds".to_owned() } else { why.0 })
    }

    /// Words first, which cost less than expressions.
    fn said(&self, part: Part, said: &Said, places: &[usize], why: &mut Why) -> Result<(), Part> {
        why.need(part, &said.words, || {
            said.words.iter().find_map(|sought| {
                let place = places.iter().find(|place| self.are_in(&sought.words, **place))?;
                Some(format!("'{}' in the {}", sought.written, PLACE_WORDS[*place]))
            })
        })?;
        why.need(part, &said.patterns, || {
            said.patterns.iter().find_map(|pattern| {
                let place = places.iter().find(|place| self.matches_in(pattern, **place))?;
                Some(format!("/{}/ in the {}", pattern.written, PLACE_WORDS[*place]))
            })
        })
    }

    fn header(&self, header: &HeaderIs) -> Option<String> {
        let mut fields = self.matter.inbound.headers.iter().filter(|(name, _)| *name == header.name);
        let Said { words, patterns } = &header.said;
        fields.find_map(|(name, value)| {
            let mut found = vec![format!("header {name}")];
            if !words.is_empty() {
                let text = Searched::new(value);
                found.push(format!("'{}'", words.iter().find(|sought| sought.words.are_in(&text))?.written));
            }
            if !patterns.is_empty() {
                found.push(format!("/{}/", patterns.iter().find(|pattern| pattern.regex.is_match(value))?.written));
            }
            Some(found.join(" "))
        })
    }

    /// A team that is open whenever nobody says otherwise.
    fn is_open(&self, team: &str) -> bool {
        let calendar = self.policy.teams.get(team).and_then(|team| self.policy.calendars.get(&team.calendar));
        calendar.is_none_or(|calendar| calendar.is_open(self.matter.now))
    }

    /// For people: what was asked and what is so.
    fn why_not(&self, part: Part, rule: &Rule, team: &str) -> String {
        let (inbound, known, when) = (self.matter.inbound, self.matter.known, &rule.when);
        let not = |what: &str, is: &str, wanted: &[String]| {
            let is = if is.is_empty() { "unknown" } else { is };
            format!("{what} is {is}, not {}", wanted.join(" or "))
        };
        let words = |place: &str, said: &Said| {
            let sought = said.words.iter().map(|sought| format!("'{}'", sought.written));
            let sought: Vec<String> = sought.chain(said.patterns.iter().map(|p| format!("/{}/", p.written))).collect();
            let both = if said.words.is_empty() || said.patterns.is_empty() { "" } else { " (of both kinds)" };
            format!("the {place} has none of {}{both}", sought.join(", "))
        };
        match part {
            Part::Channel => not("channel", inbound.channel.word(), &when.channels.iter().map(|c| c.word().to_owned()).collect::<Vec<_>>()),
            Part::Mailbox => not("mailbox", inbound.source.mailbox(), &when.mailboxes),
            Part::Tier => not("tier", &known.tier, &when.tiers),
            Part::Plan => not("plan", &known.plan, &when.plans),
            Part::Organisation => not("organisation", &known.organisation, &when.organisations),
            Part::Sender => {
                let sender = match (self.sender, &inbound.from) {
                    (Some(sender), _) => sender.as_str(),
                    (None, Some(_)) => "not believed",
                    (None, None) => "",
                };
                not("sender", sender, &when.senders.iter().map(super::rule::Sender::written).collect::<Vec<_>>())
            }
            Part::Authenticity => {
                let wanted: Vec<_> = when.authenticity.iter().map(|a| a.word().to_owned()).collect();
                not("sender", inbound.judgement.verdict.word(), &wanted)
            }
            Part::Language => {
                let is = inbound.language.map(|l| l.to_string()).unwrap_or_default();
                not("language", &is, &when.languages.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
            Part::FirstContact => match self.matter.first_contact {
                Some(true) => "the sender has no earlier ticket".to_owned(),
                Some(false) => "the sender has an earlier ticket".to_owned(),
                None => "nobody knows who the sender is".to_owned(),
            },
            Part::Hours => format!("it is {} of team {team}", if self.is_open(team) { "in hours" } else { "out of hours" }),
            Part::Attachment if inbound.attachments.is_empty() => "there is no attachment".to_owned(),
            Part::Attachment if when.has_attachment == Some(false) => "there is an attachment".to_owned(),
            Part::Attachment => "no attachment is of such a type and size".to_owned(),
            Part::Header => {
                let asked: Vec<&str> = when.headers.iter().map(|header| header.name.as_str()).collect();
                format!("no such header {}", asked.join(", "))
            }
            Part::Subject => words("subject", &when.subject),
            Part::Text => words("subject and the text", &when.text).replace(" has none", " have none"),
            Part::Body => words("text", &when.body),
            Part::Cue => format!("no cue of {}", when.cues.iter().map(|cue| cue.word()).collect::<Vec<_>>().join(", ")),
            Part::Unless => {
                let why = rule.unless.as_ref().and_then(|unless| self.holds(unless, team).ok()).unwrap_or_default();
                format!("unless: {why}")
            }
        }
    }
}

/// What held, in words.
struct Why(String);

impl Why {
    /// Asks for a part if it is listed.
    fn need<T>(&mut self, part: Part, listed: &[T], found: impl FnOnce() -> Option<String>) -> Result<(), Part> {
        if !listed.is_empty() {
            self.add(&found().ok_or(part)?);
        }
        Ok(())
    }

    fn add(&mut self, found: &str) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        self.0.push_str(found);
    }
}

const fn authenticity(verdict: &Verdict) -> Authenticity {
    match verdict {
        Verdict::Authenticated { .. } => Authenticity::Authenticated,
        Verdict::Failed => Authenticity::Failed,
        Verdict::Unknown => Authenticity::Unknown,
    }
}

/// A file of one of these types, of any if none is named, that has at least so many octets.
fn of_files(files: &[Attachment], types: &[Glob], least: Option<u64>) -> Option<String> {
    let file = files.iter().find(|file| {
        let is_type = types.is_empty() || types.iter().any(|glob| glob.is(&file.media_type.to_lowercase()));
        is_type && least.is_none_or(|least| file.blob.size >= least)
    })?;
    Some(format!("attachment {} of {} octets", file.media_type, file.blob.size))
}

/// The team and the mailbox that a message's way in belongs to.
fn home(inbound: &Inbound, policy: &Policy) -> (String, String) {
    let of_mail = || {
        let mailbox = policy.mailbox(inbound.source.mailbox());
        mailbox.map_or_else(Default::default, |m| (m.team.clone(), m.name.clone()))
    };
    match (&policy.chat, inbound.session()) {
        (Some(chat), Some(_)) => (chat.team.clone(), chat.mailbox.clone()),
        (Some(_), None) | (None, _) => of_mail(),
    }
}

/// What the rules make of a ticket that its customer opens again, with all that follows for it. What rules do not set stays.
pub(super) fn reopen(ticket: &mut Ticket, inbound: &Inbound, known: &Known, policy: &Policy, now: Timestamp) -> Routing {
    let mut routing = route(Matter::reopened(inbound, known, ticket, now), policy);
    if routing.history.is_empty() {
        return routing;
    }
    ticket.team.clone_from(&routing.team);
    ticket.priority = routing.priority;
    if routing.assignee.is_some() {
        ticket.assignee.clone_from(&routing.assignee);
    }
    for tag in &routing.tags {
        if ticket.tags.len() < TAGS_MAX || [HELD_TAG, SPAM_TAG].contains(&tag.as_str()) {
            ticket.tags.insert(tag.clone());
        }
    }
    if routing.policy.is_some() {
        ticket.policy.clone_from(&routing.policy);
    }
    routing.history.extend(lifecycle::retarget(ticket, policy, now));
    if let Some(rule) = &routing.spam {
        routing.history.extend(lifecycle::close(ticket, policy, now, Actor::Rule(rule.clone()), "spam"));
    }
    routing
}

#[cfg(test)]
mod tests;
