//! A small world for tests of decisions: a policy, and a model of the store that applies changes as the real one does.

use super::address::{Contact, EmailAddress};
use super::assign;
use super::calendar::{Calendar, Shift};
use super::change::{Change, Context, History, Need, Said};
use super::customer::{Customer, Directory};
use super::look_alike::OwnLooks;
use super::message::{Bound, Channel, Claim, Fingerprint, HELD, Inbound, Language, Message, MessageId, SessionId, Source, TicketNumber};
use super::model::Model;
use super::outbound::{Audience, Delivery, Outbound, OutboxEntry, Purpose};
use super::policy::{Agent, Assign, ChatDesk, CopiedFollow, Desk, Mailbox, Policy, Sla, Team, Tier};
use super::template::Templates;
use super::ticket::{Priority, Status, Ticket};
use super::verdict::{Basis, Judgement, Verdict};
use super::{decide, sla::ClockKind};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::{Deref, DerefMut};

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn tier(name: &str, plan: &str, priority: Priority) -> Tier {
    Tier { name: name.to_owned(), plans: vec![plan.to_owned()], priority, checkin_after: Vec::new() }
}

fn agent(handle: &str, teams: &[&str]) -> Agent {
    Agent {
        handle: handle.to_owned(),
        name: handle.to_uppercase(),
        address: address(&format!("{handle}@acme.example")),
        teams: teams.iter().map(|t| (*t).to_owned()).collect(),
        languages: Vec::new(),
        zone: None,
        skills: Vec::new(),
        duty: None,
        cap: None,
    }
}

/// Teams frontline (ana, ben; manager carla) and billing (ana), office hours in UTC, three tiers.
pub(crate) fn policy() -> Policy {
    let calendar = |name: &str, shifts: Vec<Shift>, days: usize| Calendar {
        name: name.to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        week: std::array::from_fn(|day| if day < days { shifts.clone() } else { Vec::new() }),
        closed: BTreeSet::new(),
        special: BTreeMap::new(),
    };
    let mut calendars = BTreeMap::new();
    calendars.insert("always".to_owned(), calendar("always", vec![Shift { start_min: 0, end_min: 1440 }], 7));
    calendars.insert("office".to_owned(), calendar("office", vec![Shift { start_min: 540, end_min: 1020 }], 5));
    let mut teams = BTreeMap::new();
    for (name, manager) in [("frontline", Some("carla@acme.example")), ("billing", None)] {
        let team = Team {
            name: name.to_owned(),
            title: String::new(),
            calendar: "always".to_owned(),
            manager: manager.map(address),
            assign: Assign::Queue,
            cap: None,
            fallback: None,
            sticky: true,
        };
        teams.insert(name.to_owned(), team);
    }
    let mut customers = Directory::default();
    customers.add_address(
        address("joao@padaria.example"),
        Customer {
            name: "João".to_owned(),
            organisation: "Padaria".to_owned(),
            plan: "extended".to_owned(),
            language: Language::parse("pt"),
            ..Customer::default()
        },
    );
    let mut sources = BTreeMap::new();
    for (name, subject, body) in [
        (
            "ack",
            "Re: {{ subject }} [{{ number }}]",
            "Hello {{ customer }}, {{ number }} by {{ due_text }}{% if not in_hours %}, back {{ opens_text }}{% endif %}",
        ),
        ("ack_unverified", "Received [{{ number }}]", "{{ number }} by {{ due_text }}"),
        ("warning", "Due soon [{{ number }}]", "late: {{ clock }} {{ due_text }}{% if may_answer %} #help{% endif %}"),
        ("breach", "Late [{{ number }}]", "late: {{ clock }} {{ due_text }}{% if may_answer %} #help{% endif %}"),
        ("delay", "Late [{{ number }}]", "{{ number }} now by {{ due_text }}"),
        ("nudge", "Waiting [{{ number }}]", "{{ number }} closes {{ due_text }}"),
        ("checkin", "All well? [{{ number }}]", "{{ number }}"),
        ("escalation", "Still late [{{ number }}]", "late: {{ clock }} {{ due_text }}"),
        ("promise_reminder", "Promised [{{ number }}]", "promised: {{ due_text }}"),
        ("review", "Still open [{{ number }}]", "is {{ status }}"),
        ("held", "Not sent [{{ number }}]", "{% for f in faults %}{{ f }}\n{% endfor %}."),
        ("status", "Status [{{ number }}]", "is {{ status }}"),
        ("away", "[{{ number }}]", "{% if away %}away {{ away_text }}{% else %}back{% endif %}"),
        ("help", "Help [{{ number }}]", "commands"),
        (
            "ops_silent",
            "Silent: {{ mailboxes|map(attribute='mailbox')|join(' ') }}",
            "{% for m in mailboxes %}{{ m.mailbox }} {{ m.lasted }} {{ m.trouble }}\n{% endfor %}.",
        ),
        (
            "ops_recovered",
            "Back: {{ mailboxes|map(attribute='mailbox')|join(' ') }}",
            "{% for m in mailboxes %}{{ m.mailbox }} {{ m.lasted }} {{ m.waited }}\n{% endfor %}.",
        ),
        (
            "ops_digest",
            "Report",
            "{% for r in reasons %}{{ r.reason }} {{ r.waiting }} {{ r.fresh }};{% endfor %} {{ waiting }} {{ fresh }} {{ ids|join(' ') }} \
             {{ undeliverable }} {% for m in mailboxes %}{{ m.mailbox }} {{ m.lasted }}{% endfor %}.",
        ),
        ("undelivered", "Undelivered [{{ number }}]", "{% for f in faults %}{{ f }}\n{% endfor %}."),
    ] {
        sources.insert((Language::EN, name.to_owned()), format!("Subject: {subject}\n\n{body}\n"));
    }
    sources.insert(
        (Language::EN, "brief".to_owned()),
        "— guichet {{ number }}\n{{ tier }} {{ stranger }}{% if doubted %} doubted {{ doubted }}{% endif %}{% if away %} {{ away }} is away {{ away_text }}{% endif %}\n".to_owned(),
    );
    sources.insert((Language::EN, "chat_expected".to_owned()), "{{ desk }} {{ due_text }}\n".to_owned());
    let sla = |tier: Option<&str>, first: i64, resolution: i64| Sla {
        name: None,
        tier: tier.map(str::to_owned),
        priority: None,
        calendar: None,
        first_response: Some(SignedDuration::from_mins(first)),
        next_response: Some(SignedDuration::from_mins(first)),
        resolution: Some(SignedDuration::from_mins(resolution)),
        ..Sla::fallback()
    };
    Policy {
        desk: Desk {
            name: "Acme Support".to_owned(),
            languages: vec![Language::EN, Language::parse("pt").unwrap()],
            first_number: 1,
            close_solved_after: SignedDuration::from_hours(24 * 7),
            reopen_closed_within: SignedDuration::ZERO,
            copied_follow: CopiedFollow::OnAgentsWord,
            nudge_after: None,
            nudges_max: 2,
            close_pending_after: None,
            promise_reminders: Vec::new(),
            review_after: SignedDuration::from_hours(24),
            acks_per_hour_max: 3,
            acks_per_hour_known_max: 5,
            acks_per_hour_domain_max: 100,
            acks_per_hour_mailbox_max: 100,
            acks_per_hour_desk_max: 100,
            agents_must_authenticate: None,
            undeliverable_for: SignedDuration::from_hours(24 * 30),
            attached_octets_max: 1000,
            ops: Vec::new(),
            digest_at: jiff::civil::time(8, 0, 0, 0),
        },
        mailboxes: vec![Mailbox {
            name: "support".to_owned(),
            address: address("support@acme.example"),
            team: "frontline".to_owned(),
            silent_after: Some(SignedDuration::from_mins(15)),
            trusted_authserv_ids: Vec::new(),
            check: None,
            lists: Vec::new(),
        }],
        chat: Some(ChatDesk { team: "frontline".to_owned(), mailbox: "support".to_owned() }),
        teams,
        agents: vec![agent("ana", &["frontline", "billing"]), agent("ben", &["frontline"])],
        calendars,
        tiers: vec![tier("basic", "free", Priority::Low), tier("advanced", "extended", Priority::High)],
        slas: vec![sla(None, 240, 2400), sla(Some("advanced"), 60, 480)],
        rules: super::rule::Rules::default(),
        customers,
        templates: Templates::from_sources(&sources, Language::EN).unwrap(),
        own_looks: OwnLooks::default(),
    }
}

/// A mail from somebody with a text, the `n`th of its test.
pub(crate) fn mail(n: u32, from: &str, subject: &str, text: &str) -> Inbound {
    let mut fingerprint = [0; 16];
    fingerprint[..4].copy_from_slice(&n.to_be_bytes());
    let source = Source::Imap { mailbox: "support".to_owned(), uid_validity: 1, uid: n };
    Inbound {
        landed_to: Some(n),
        message_id: MessageId::parse(&format!("m{n}@x.example")),
        from: EmailAddress::parse(from).ok().map(|address| Contact { name: String::new(), address }),
        subject: subject.to_owned(),
        ..Inbound::new(source, Fingerprint(fingerprint), Timestamp::UNIX_EPOCH, text)
    }
}

/// A line of a chat window.
pub(crate) fn chat(n: u32, session: u8, text: &str) -> Inbound {
    let source = Source::Chat { session: SessionId([session; 16]), client_id: format!("c{n}") };
    Inbound { source, channel: Channel::Chat, message_id: None, from: None, ..mail(n, "", "", text) }
}

/// With the proof that its sender was written to as the customer, or as the agent that he is.
pub(crate) fn proven(mut inbound: Inbound, ticket: u64, as_agent: bool) -> Inbound {
    let from = inbound.from.as_ref().unwrap().address.clone();
    let bound_to = if as_agent { Bound::Agent(from) } else { Bound::Customer };
    inbound.claims.push(Claim { ticket: TicketNumber(ticket), bound_to, stood_in: "reply address" });
    inbound
}

/// With what a trusted server says of its sender.
pub(crate) fn judged(mut inbound: Inbound, verdict: Verdict) -> Inbound {
    inbound.judgement = Judgement { verdict, basis: Basis::AuthenticationResults, why: "told by mx.acme.example".to_owned() };
    inbound
}

/// The verdict that speaks for an address of this domain.
pub(crate) fn authenticated(domain: &str) -> Verdict {
    Verdict::Authenticated { domain: domain.to_owned() }
}

/// The model of the store with all that was said and sent, and a time that stands still until it is moved.
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    model: Model,
    pub(crate) messages: Vec<Message>,
    pub(crate) sent: Vec<Outbound>,
    pub(crate) history: Vec<(TicketNumber, History)>,
    pub(crate) quarantined: Vec<String>,
}

impl Deref for World {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Model {
        &mut self.model
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            policy: policy(),
            // A Monday, 08:00 in UTC.
            now: "2026-11-23T08:00:00Z".parse().unwrap(),
            model: Model::default(),
            messages: Vec::new(),
            sent: Vec::new(),
            history: Vec::new(),
            quarantined: Vec::new(),
        }
    }

    /// What the store would answer, texts included.
    pub(crate) fn context(&self, inbound: &Inbound) -> Context {
        let further = |context: &Context| decide::further(inbound, context, &self.policy, self.now);
        let read = |need: &Need| {
            let said_in = need.said_in.first();
            let said = self.messages.iter().rev().filter(|m| Some(&m.ticket) == said_in).map(|m| Said {
                author: m.author.clone(),
                visibility: m.visibility,
                held: m.defects.iter().any(|d| d.name == HELD),
                text: m.body.new_text(),
            });
            let reported = need.report.and_then(|about| self.sent.iter().find(|o| o.id == about)).map(|o| OutboxEntry {
                outbound: o.clone(),
                delivery: Delivery::Sent,
                attempts: 1,
                next_attempt: None,
                last_error: None,
            });
            let messages = self.messages.iter().filter(|m| need.messages.contains(&(m.ticket, m.seq))).cloned().collect();
            Ok::<_, Infallible>(Context { said: said.collect(), reported, messages, ..self.model.context(need) })
        };
        let Ok(context) = decide::facts(decide::need(inbound), further, read, || Ok(self.workload().clone()));
        context
    }

    pub(crate) fn turns(&self) -> &[assign::Turn] {
        &self.workload().turns
    }

    /// Somebody says something; what was decided is applied.
    pub(crate) fn hears(&mut self, inbound: Inbound) -> Change {
        let inbound = Inbound { received_at: self.now, ..inbound };
        let change = decide::on_message(&inbound, &self.context(&inbound), &self.policy, self.now);
        self.apply(&change);
        change
    }

    /// A person takes a message out of quarantine.
    pub(crate) fn releases(&mut self, inbound: &Inbound, id: u64) -> Option<Change> {
        let change = decide::on_release(inbound, id, &self.context(inbound), &self.policy, self.now)?;
        self.apply(&change);
        Some(change)
    }

    /// A visitor ends his conversation.
    pub(crate) fn end_chat(&mut self, session: u8) {
        self.model.end_session(SessionId([session; 16]));
    }

    /// Time passes, ticket by ticket as it comes due.
    pub(crate) fn waits(&mut self, span: SignedDuration) {
        let end = self.now + span;
        while let Some(due) = self.tickets.values().filter_map(Ticket::next_due).min().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let number = self.tickets.values().find(|t| t.next_due() == Some(due)).unwrap().number;
            let marks: Vec<_> = self.marks.values().cloned().collect();
            let change = decide::on_time(&self.tickets[&number], &marks, &self.model.away(), &self.policy, self.now).expect("it is due");
            self.apply(&change);
        }
        self.now = end;
    }

    /// Other calendars are in force: what the daemon does after a reload.
    pub(crate) fn takes_calendars(&mut self) {
        let changes: Vec<_> = self.tickets.values().filter_map(|t| decide::on_calendars(t, &self.policy, self.now)).collect();
        for change in changes {
            self.apply(&change);
        }
    }

    fn apply(&mut self, change: &Change) {
        for ticket in &change.tickets {
            let stored = self.tickets.get(&ticket.number).map_or(0, |t| t.version);
            assert_eq!(stored, ticket.version, "a change is decided on what is stored");
        }
        self.quarantined.extend(change.quarantine.iter().map(|aside| aside.reason.clone()));
        self.messages.extend(change.messages.iter().cloned());
        self.sent.extend(change.outbox.iter().cloned());
        self.history.extend(change.history.iter().cloned());
        self.model.apply(change.clone());
        self.check();
    }

    /// P4 and P7, after each step.
    fn check(&self) {
        for ticket in self.tickets.values() {
            if !matches!(ticket.status, Status::Closed { .. }) {
                assert!(self.policy.teams.contains_key(&ticket.team), "P4: {} has a team", ticket.number);
                assert!(ticket.next_due().is_some(), "P4: {} has a next time", ticket.number);
            }
            let seqs: Vec<_> = self.messages.iter().filter(|m| m.ticket == ticket.number).map(|m| m.seq).collect();
            assert_eq!(seqs.len(), ticket.messages as usize, "each place in the thread is taken once");
        }
        for outbound in &self.sent {
            let Some(to) = outbound.to.as_ref().filter(|_| !outbound.id.is_desks()) else { continue };
            let ticket = &self.tickets[&outbound.id.ticket];
            match &outbound.audience {
                Audience::Customer => {
                    let ack = outbound.purpose == Purpose::Ack;
                    assert!(ack || ticket.is_participant(&to.address), "P7: an answer goes to participants only");
                    assert!(self.policy.agent(&to.address).is_none() || ticket.is_participant(&to.address), "P7: not to agents");
                }
                Audience::Agent(address) => assert_eq!(*address, to.address, "P8: a token goes to its own agent"),
                Audience::Informed => {}
                Audience::Asked => {
                    assert!(ticket.third_parties.iter().any(|t| t.asked && t.address == to.address), "P7: whom an agent asked");
                }
            }
        }
    }

    pub(crate) fn ticket(&self, number: u64) -> &Ticket {
        &self.tickets[&TicketNumber(number)]
    }

    /// Recipients of all that was sent for a purpose, in order.
    pub(crate) fn told(&self, purpose: Purpose) -> Vec<&str> {
        self.sent.iter().filter(|o| o.purpose == purpose).map(|o| o.to.as_ref().map_or("window", |t| t.address.as_str())).collect()
    }

    pub(crate) fn clock(&self, number: u64, kind: ClockKind) -> &'static str {
        self.ticket(number).clocks.iter().find(|c| c.kind == kind).map_or("none", |c| c.state.word())
    }
}
