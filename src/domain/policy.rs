//! What the configuration says of decisions: read once, checked whole, then only looked at.
//!
//! `config/` builds it; nothing in it names a host, a port or a file.

use super::address::{Contact, EmailAddress};
use super::bounce::Mark;
use super::calendar::Calendar;
use super::customer::Directory;
use super::look_alike::OwnLooks;
use super::message::{Channel, Language};
use super::rule::Rules;
use super::template::Templates;
use super::ticket::{Priority, Ticket};
use super::verdict::{Judgement, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Everything that a decision may rest on besides the message and the store.
#[derive(Clone, Debug)]
pub struct Policy {
    pub desk: Desk,
    pub mailboxes: Vec<Mailbox>,
    /// Team and reply mailbox of chats; `None` if there is no chat.
    pub chat: Option<ChatDesk>,
    pub teams: BTreeMap<String, Team>,
    pub agents: Vec<Agent>,
    pub calendars: BTreeMap<String, Calendar>,
    /// In the order of the file, the lowest first; the first is what a stranger gets.
    pub tiers: Vec<Tier>,
    pub slas: Vec<Sla>,
    pub rules: Rules,
    pub customers: Directory,
    pub templates: Templates,
    /// See [`super::look_alike`]; follows from the others.
    pub own_looks: OwnLooks,
}

/// `[desk]`.
#[derive(Clone, Debug)]
pub struct Desk {
    pub name: String,
    /// The first is the fallback.
    pub languages: Vec<Language>,
    /// Number of the first ticket of an empty store.
    pub first_number: u64,
    /// How long a solved ticket stays reopenable before it closes by itself.
    pub close_solved_after: SignedDuration,
    /// How long a closed ticket is opened again by its customer; later he gets a new one.
    pub reopen_closed_within: SignedDuration,
    /// When those whom a customer copies follow the ticket.
    pub copied_follow: CopiedFollow,
    /// How long after a ticket began to wait for its customer he is asked again, and how often in all; `None`: never.
    pub nudge_after: Option<SignedDuration>,
    pub nudges_max: u8,
    /// How long a ticket waits for its customer before it closes by itself; `None`: for ever.
    pub close_pending_after: Option<SignedDuration>,
    /// How long before a promise is due its agent is reminded, the longest first.
    pub promise_reminders: Vec<SignedDuration>,
    /// How long a ticket may rest when no other clock runs, before its team is reminded (P4).
    pub review_after: SignedDuration,
    /// Automatic mails to one address within an hour (P6).
    pub acks_per_hour_max: u32,
    /// The same for an address of the customers' file, if it is believed.
    pub acks_per_hour_known_max: u32,
    /// Automatic mails within an hour to senders who could not prove themselves: of one domain, through one mailbox, in all (P6).
    pub acks_per_hour_domain_max: u32,
    pub acks_per_hour_mailbox_max: u32,
    pub acks_per_hour_desk_max: u32,
    /// Whether an agent's token counts only if his mail is authenticated; `None`: where it is judged at all.
    pub agents_must_authenticate: Option<bool>,
    /// How long an address gets nothing automatic after mail to it came back.
    pub undeliverable_for: SignedDuration,
    /// Attachments of a notification or an answer together, in octets.
    pub attached_octets_max: u64,
    /// Who is told of what goes wrong with the desk itself.
    pub ops: Vec<EmailAddress>,
    /// When, on the desk's wall ([`super::ops::zone`]), they get their daily report.
    pub digest_at: jiff::civil::Time,
}

/// When somebody whom a customer copies (To, Cc) gets later public answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopiedFollow {
    /// Once an agent says `#cc`.
    OnAgentsWord,
    /// At once, if the customer is authenticated.
    Authenticated,
}

/// `[[mailbox]]`, as far as decisions go.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pub name: String,
    pub address: EmailAddress,
    pub team: String,
    /// How long it may give no answer before ops are told; `None`: for ever.
    pub silent_after: Option<SignedDuration>,
    /// The mail servers, in lower case, whose Authentication-Results are believed; without any nobody's sender is judged.
    pub trusted_authserv_ids: Vec<String>,
    /// How the desk checks the sender of a mail that none of them judged; `None`: it does not.
    pub check: Option<SenderCheck>,
    /// List-Ids, in lower case, of groups that hand on to it what customers write to them (see `mail::list`).
    pub lists: Vec<String>,
}

impl Mailbox {
    /// Whether anybody is asked about the senders of its mail.
    #[must_use]
    pub fn judges_senders(&self) -> bool {
        self.check.is_some() || !self.trusted_authserv_ids.is_empty()
    }
}

/// What a check of our own may rely on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SenderCheck {
    /// Our own relays, in lower case, as they call themselves in the Received fields that they write.
    pub relays: Vec<String>,
    /// Domains, in lower case, whose ARC seals are believed.
    pub trusted_arc_sealers: Vec<String>,
}

/// `[chat]`, as far as decisions go.
#[derive(Clone, Debug)]
pub struct ChatDesk {
    pub team: String,
    /// Name of the mailbox that answers to visitors who have left are sent from.
    pub mailbox: String,
}

/// `[[team]]`.
#[derive(Clone, Debug)]
pub struct Team {
    pub name: String,
    /// What customers read of it; empty: nothing.
    pub title: String,
    pub calendar: String,
    /// Told of breaches.
    pub manager: Option<EmailAddress>,
    /// How its tickets come to an agent.
    pub assign: Assign,
    /// Most that the desk gives each of its agents, by the weights of [`super::assign::weight`]; `None`: as much as there is.
    pub cap: Option<u32>,
    /// The team that gets what nobody here can take.
    pub fallback: Option<String>,
    /// Whether an agent who knows the customer comes first.
    pub sticky: bool,
}

/// How a ticket comes to an agent, where no rule and no agent names one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assign {
    /// The team is told, and whoever answers first has it.
    #[default]
    Queue,
    /// To the one who has waited longest for one.
    RoundRobin,
    /// To the one who has least to do.
    LeastLoaded,
}

impl Assign {
    pub const ALL: [Self; 3] = [Self::Queue, Self::RoundRobin, Self::LeastLoaded];

    /// The word of the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::RoundRobin => "round-robin",
            Self::LeastLoaded => "least-loaded",
        }
    }
}

/// `[[agent]]`.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What `#assign` and JSON call him; by default the local part of his address.
    pub handle: String,
    pub name: String,
    pub address: EmailAddress,
    pub teams: Vec<String>,
    pub languages: Vec<Language>,
    /// In which he reads and writes times; that of his team's calendar where it is not written.
    pub zone: Option<jiff::tz::TimeZone>,
    pub skills: Vec<String>,
    /// The calendar by which he is on duty; the team's, if he has none of his own.
    pub duty: Option<String>,
    /// Instead of his team's.
    pub cap: Option<u32>,
}

/// `[[tier]]`.
#[derive(Clone, Debug)]
pub struct Tier {
    pub name: String,
    /// Plans that give it.
    pub plans: Vec<String>,
    /// Priority of a ticket of this tier before rules.
    pub priority: Priority,
    /// How long after its solution a customer is asked whether all is well, the earliest first.
    pub checkin_after: Vec<SignedDuration>,
}

/// Targets where no `[[sla]]` speaks of a tier and priority: a working day and a working week of the team's calendar.
const FIRST_RESPONSE_ELSE: SignedDuration = SignedDuration::from_hours(8);
const RESOLUTION_ELSE: SignedDuration = SignedDuration::from_hours(40);

/// Part of the time after which the team is warned, where a policy does not say.
pub const WARN_AT_ELSE: f64 = 0.75;

/// `[[sla]]`: the targets of a tier and priority.
#[derive(Clone, Debug)]
pub struct Sla {
    /// By which a rule asks for it. One with a name and neither tier, priority nor channel holds only where a rule does.
    pub name: Option<String>,
    pub tier: Option<String>,
    pub priority: Option<Priority>,
    pub channel: Option<Channel>,
    /// The team's, if it names none.
    pub calendar: Option<String>,
    pub first_response: Option<SignedDuration>,
    pub next_response: Option<SignedDuration>,
    pub resolution: Option<SignedDuration>,
    /// How often the customer hears from a person while the matter is open.
    pub update_every: Option<SignedDuration>,
    /// Part of the time after which the team is warned, above 0 and below 1.
    pub warn_at: f64,
    /// Whether resolution and periodic update stand still while the ticket is pending, and while it is snoozed.
    pub pauses_pending: bool,
    pub pauses_snoozed: bool,
    /// Part of the first response's time after which the customer is told that it will be late.
    pub delay_notice_at: Option<f64>,
    /// How much later he is told to expect it; the target itself where this is not written.
    pub delay_by: Option<SignedDuration>,
    /// Who hears of a breach besides the manager, the earliest first.
    pub escalate: Vec<Step>,
}

/// One step of the ladder after a breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Since the breach, on any day and at any hour.
    pub after: SignedDuration,
    pub to: EmailAddress,
}

impl Sla {
    /// Whether it is for such tickets.
    #[must_use]
    pub fn fits(&self, tier: &str, priority: Priority, channel: Channel) -> bool {
        self.tier.as_deref().is_none_or(|own| own == tier)
            && self.priority.is_none_or(|own| own == priority)
            && self.channel.is_none_or(|own| own == channel)
    }

    /// Whether it holds without being asked for.
    #[must_use]
    pub const fn is_for_all(&self) -> bool {
        self.name.is_none() || self.tier.is_some() || self.priority.is_some() || self.channel.is_some()
    }

    /// What holds where no policy does, in the team's calendar.
    #[must_use]
    pub fn fallback() -> Self {
        Self {
            name: None,
            tier: None,
            priority: None,
            channel: None,
            calendar: None,
            first_response: Some(FIRST_RESPONSE_ELSE),
            next_response: None,
            resolution: Some(RESOLUTION_ELSE),
            update_every: None,
            warn_at: WARN_AT_ELSE,
            pauses_pending: true,
            pauses_snoozed: true,
            delay_notice_at: None,
            delay_by: None,
            escalate: Vec::new(),
        }
    }
}

impl Agent {
    /// Whether he has a skill, in whatever case it is written.
    #[must_use]
    pub fn has_skill(&self, skill: &str) -> bool {
        self.skills.iter().any(|own| own.eq_ignore_ascii_case(skill))
    }

    /// The name of the calendar by which he is on duty in a team.
    #[must_use]
    pub fn duty_in<'a>(&'a self, team: &'a Team) -> &'a str {
        self.duty.as_deref().unwrap_or(&team.calendar)
    }

    /// What his tickets may weigh together in a team.
    #[must_use]
    pub fn cap_in(&self, team: &Team) -> u64 {
        self.cap.or(team.cap).map_or(u64::MAX, u64::from)
    }

    /// As who he writes and is written to.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact { name: self.name.clone(), address: self.address.clone() }
    }
}

impl Policy {
    /// The targets of a ticket: the policy that a rule chose by its name; else, of those that hold, the one that says most (of two that
    /// say as much the one that names the tier, then the one that names the priority), and of such again the earlier in the file.
    /// None is ever missing (P4).
    #[must_use]
    pub fn sla(&self, tier: &str, priority: Priority, channel: Channel, chosen: Option<&str>) -> Sla {
        let named = |name: &str| self.slas.iter().find(|sla| sla.name.as_deref() == Some(name));
        chosen.and_then(named).or_else(|| self.sla_of_all(tier, priority, channel)).cloned().unwrap_or_else(Sla::fallback)
    }

    /// The policy that holds without being asked for; `None` where none does.
    #[must_use]
    pub fn sla_of_all(&self, tier: &str, priority: Priority, channel: Channel) -> Option<&Sla> {
        let mut best: Option<((u8, u8), &Sla)> = None;
        for sla in self.slas.iter().filter(|sla| sla.is_for_all()) {
            let holds = sla.fits(tier, priority, channel);
            let [by_tier, by_priority, by_channel] = [sla.tier.is_some(), sla.priority.is_some(), sla.channel.is_some()].map(u8::from);
            let says = (by_tier + by_priority + by_channel, by_tier * 4 + by_priority * 2 + by_channel);
            if holds && best.is_none_or(|(most, _)| says > most) {
                best = Some((says, sla));
            }
        }
        best.map(|(_, sla)| sla)
    }

    /// The targets of a ticket as it stands.
    #[must_use]
    pub fn sla_of(&self, ticket: &Ticket) -> Sla {
        self.sla(&ticket.tier, ticket.priority, ticket.channel, ticket.policy.as_deref())
    }

    /// The calendar that a policy's time runs in: its own, else that of the team; day and night if neither is there.
    #[must_use]
    pub fn calendar<'a>(&'a self, sla: &Sla, team: &str) -> Cow<'a, Calendar> {
        self.calendars.get(self.calendar_name(sla, team)).map_or_else(|| Cow::Owned(Calendar::always()), Cow::Borrowed)
    }

    /// The name of the calendar that a team works by; empty if there is no such team.
    #[must_use]
    pub fn team_calendar(&self, team: &str) -> &str {
        self.teams.get(team).map_or("", |t| t.calendar.as_str())
    }

    /// The name of the calendar that a policy's time runs in: its own, else that of the team.
    #[must_use]
    pub fn calendar_name<'a>(&'a self, sla: &'a Sla, team: &str) -> &'a str {
        sla.calendar.as_deref().unwrap_or_else(|| self.team_calendar(team))
    }

    /// The tier of a name.
    #[must_use]
    pub fn tier_named(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|t| t.name == name)
    }

    /// The agent of an address, if there is one.
    #[must_use]
    pub fn agent(&self, address: &EmailAddress) -> Option<&Agent> {
        self.agents.iter().find(|a| a.address == *address)
    }

    /// Who has a ticket, unless nobody has, or he has left.
    #[must_use]
    pub fn assignee(&self, ticket: &Ticket) -> Option<&Agent> {
        ticket.assignee.as_deref().and_then(|handle| self.agent_by_handle(handle))
    }

    /// The agent of a handle, if there is one.
    #[must_use]
    pub fn agent_by_handle(&self, handle: &str) -> Option<&Agent> {
        self.agents.iter().find(|a| a.handle.eq_ignore_ascii_case(handle))
    }

    /// Who works in a team, in the order of the file.
    pub fn members<'a, 't>(&'a self, team: &'t str) -> impl Iterator<Item = &'a Agent> + use<'a, 't> {
        self.agents.iter().filter(move |a| a.teams.iter().any(|t| t == team))
    }

    /// Whether the desk itself gives tickets to agents, in any team.
    #[must_use]
    pub fn assigns(&self) -> bool {
        self.teams.values().any(|team| team.assign != Assign::Queue)
    }

    /// The mailbox of a name, or the first: there is always one.
    #[must_use]
    pub fn mailbox(&self, name: &str) -> Option<&Mailbox> {
        self.mailbox_named(name).or(self.mailboxes.first())
    }

    /// The mailbox of a name.
    #[must_use]
    pub fn mailbox_named(&self, name: &str) -> Option<&Mailbox> {
        self.mailboxes.iter().find(|m| m.name == name)
    }

    /// Whether the sender of a mail that bears an agent's address may be taken for that agent, as far as the address goes: his
    /// token has to come beside it (P8).
    #[must_use]
    pub fn believes_agent(&self, judgement: &Judgement) -> bool {
        match judgement.verdict {
            Verdict::Authenticated { .. } => true,
            Verdict::Failed => false,
            Verdict::Unknown => !self.desk.agents_must_authenticate.unwrap_or(judgement.is_judged()),
        }
    }

    /// Whether a mark still keeps automatic mail from its address.
    #[must_use]
    pub fn holds(&self, mark: &Mark, now: Timestamp) -> bool {
        now < mark.until(self.desk.undeliverable_for)
    }

    /// Whether an address is one of the desk's own, with or without a token behind a `+`.
    #[must_use]
    pub fn is_ours(&self, address: &EmailAddress) -> bool {
        self.mailbox_of(address).is_some()
    }

    /// Whose address it is, with or without a token behind a `+`.
    #[must_use]
    pub fn mailbox_of(&self, address: &EmailAddress) -> Option<&Mailbox> {
        let plain = address.local().split('+').next().unwrap_or_default();
        self.mailboxes.iter().find(|m| m.address.domain() == address.domain() && m.address.local() == plain)
    }

    /// The language to write in: the first of `wished` that the desk speaks, else its first.
    #[must_use]
    pub fn language(&self, wished: impl IntoIterator<Item = Language>) -> Language {
        wished.into_iter().find(|l| self.desk.languages.contains(l)).or(self.desk.languages.first().copied()).unwrap_or(Language::EN)
    }
}
