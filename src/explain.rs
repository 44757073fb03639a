//! What would be decided for a mail, and why (P9): the same functions as in the daemon, without the commit.

use crate::channel::Received;
use crate::domain::address::EmailAddress;
use crate::domain::bounce::News;
use crate::domain::change::{Change, History, Landing};
use crate::domain::customer::Known;
use crate::domain::message::{Inbound, Message, Seq, Source, SpanKind, TicketNumber};
use crate::domain::outbound::{Audience, Outbound, Piece, Route};
use crate::domain::policy::{Mailbox, Policy};
use crate::domain::route;
use crate::domain::sla::{Clock, ClockKind, ClockState};
use crate::domain::threading::{self, Place};
use crate::domain::ticket::Ticket;
use crate::intake::Desk;
use crate::store::{Store, StoreFault};
use crate::view::{self, HistoryView, TicketView};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The way of one mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// `new`, `append`, `quarantine`, or `duplicate`.
    pub outcome: String,
    /// Why it belongs there, and as whose word.
    #[serde(default)]
    pub outcome_why: String,
    /// The mailbox as whose mail it is judged, and why that one.
    pub mailbox: String,
    pub mailbox_why: String,
    /// The ticket as it would stand afterwards.
    pub ticket: Option<TicketView>,
    /// Why it would be quarantined.
    pub quarantine: Option<String>,
    /// Each decision with its reason.
    pub history: Vec<HistoryView>,
    /// Who wrote it; `null` where the mail names nobody.
    pub sender: Option<SenderView>,
    /// Whose matter it is: the ticket's requester, else the sender; `null` where that is nobody with an address.
    #[serde(default)]
    pub customer: Option<SenderView>,
    /// Which targets hold for the ticket; `null` where there is none.
    pub policy: Option<PolicyView>,
    /// The ticket's clocks that are not over, and those that end by this mail.
    pub clocks: Vec<DueView>,
    /// Each rule in its order, with what matched, or else what did not; none where no rule is run.
    pub rules: Vec<RuleView>,
    /// Why no rule is run; empty where there are some.
    #[serde(default)]
    pub rules_why: String,
    /// What would be sent, to whom.
    pub outbox: Vec<MailView>,
    /// The text that counts as new.
    pub text: String,
    pub machine: Option<String>,
    /// `authenticated`, `failed` or `unknown`: how far the sender is to be believed.
    pub verdict: String,
    pub verdict_why: String,
    pub defects: Vec<String>,
}

/// What is known of who wrote, and where from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SenderView {
    pub name: String,
    pub address: String,
    /// The handle of the agent who writes from that address.
    pub agent: Option<String>,
    pub organisation: String,
    pub plan: String,
    /// What a new ticket of his would get.
    pub tier: String,
    /// Of the customers' file or the look-up.
    pub language: Option<String>,
    pub why: String,
}

/// The targets of a ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyView {
    /// `gold`, `tier advanced, priority critical`, `all tickets`, or `built in`.
    pub name: String,
    pub why: String,
    pub calendar: String,
    /// As they are counted in that calendar: `first_response 4h`.
    pub targets: Vec<String>,
}

/// A clock that runs, warns, or stands still, or that this mail ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DueView {
    pub kind: String,
    pub due: String,
    /// The same on the wall of the clock's calendar.
    pub due_there: String,
    pub calendar: String,
    /// As it is afterwards; `cancelled` where it is no more.
    pub state: String,
    /// What this mail does to it: `begins`, `is met`, `is cancelled`, `is paused`, `goes on`, `is due at another time`, `ends late`, or
    /// `stays as it was`.
    #[serde(default)]
    pub becomes: String,
}

/// Whether a rule holds, and why or why not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleView {
    pub name: String,
    pub holds: bool,
    pub why: String,
}

/// A mail that would be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailView {
    pub purpose: String,
    pub to: Option<String>,
    pub by: String,
    pub audience: String,
    pub from: String,
    pub subject: String,
    pub text: String,
    /// Names of the files that go with it.
    pub attachments: Vec<String>,
}

/// Decides about a mail as if it had just arrived, and changes nothing. Without `mailbox` it is the one that the mail is addressed to.
///
/// # Errors
/// The store's.
pub async fn explain(desk: &Desk, raw: &[u8], mailbox: Option<&str>) -> Result<Explained, StoreFault> {
    let policy = desk.policy();
    let (mailbox, mailbox_why) = home(&policy, || desk.addressed(raw), mailbox);
    let source = Source::Maildir { mailbox: mailbox.clone(), file: String::new() };
    let received = Received { source, raw: raw.to_vec(), arrived: None, cut: None, landed_to: None };
    let (inbound, context, change) = desk.consider(received).await?;

    let own = |ticket: &&Ticket| matches!(change.landing, Some(Landing::Ticket { number, .. }) if number == ticket.number);
    // Others that are merged with it, or split off it, stand beside it.
    let decided = change.tickets.iter().find(own).or(change.tickets.first());
    let outcome = match (context.seen, &change.quarantine, decided) {
        (Some(_), _, _) => "duplicate",
        (_, Some(_), _) => "quarantine",
        (_, None, Some(ticket)) if ticket.version == 0 => "new",
        (_, None, _) => "append",
    };
    let now = desk.clock().now();
    // A copy of what was decided about before is not decided about again.
    let rules = if context.seen.is_none() { route::explain_message(&inbound, &context, &policy, now) } else { Vec::new() };
    let of_rule = |(name, found): (String, Result<String, String>)| match found {
        Ok(why) => RuleView { name, holds: true, why },
        Err(why) => RuleView { name, holds: false, why },
    };
    let place = threading::place(&inbound, &context, &policy);
    let rules_why = if rules.is_empty() { no_rules(outcome, &inbound, &place, &policy) } else { "" };
    let seen = seen(desk, context.seen);
    let ticket = decided.or(seen.as_ref());
    let before = ticket.and_then(|ticket| context.tickets.iter().find(|before| before.number == ticket.number)).or(seen.as_ref());
    let sender = sender(&inbound, &policy, now);
    let customer = customer(ticket, sender.as_ref(), &policy, now);
    let rule_chose = change.history.iter().find(|(_, line)| line.what.contains("policy ")).map(|(_, line)| line.why.as_str());
    Ok(Explained {
        outcome: outcome.to_owned(),
        outcome_why: outcome_why(&inbound, context.seen, &place),
        mailbox,
        mailbox_why,
        ticket: ticket.map(view::of_ticket),
        quarantine: change.quarantine.as_ref().map(|q| format!("{}: {}", q.reason, q.detail)),
        history: change.history.iter().map(|(number, line)| of_history(*number, line, ticket)).collect(),
        sender,
        customer,
        policy: ticket.map(|ticket| targets(ticket, &policy, rule_chose)),
        clocks: ticket.map(|ticket| clocks(before, ticket, &policy)).unwrap_or_default(),
        rules: rules.into_iter().map(of_rule).collect(),
        rules_why: rules_why.to_owned(),
        outbox: change.outbox.iter().map(|mail| of_mail(mail, &change, desk.store())).collect::<Result<_, _>>()?,
        text: inbound.body.new_text(),
        verdict: inbound.judgement.verdict.word().to_owned(),
        verdict_why: inbound.judgement.reason().to_owned(),
        machine: inbound.machine.map(|(_, why)| why),
        defects: inbound.defects.iter().map(|d| format!("{}: {}", d.name, d.detail)).collect(),
    })
}

/// The mailbox that a mail came to, and why: the one that is asked for, else the first that it is addressed to, else the first.
fn home(policy: &Policy, addressed: impl FnOnce() -> Vec<EmailAddress>, wanted: Option<&str>) -> (String, String) {
    if let Some(name) = wanted {
        return (name.to_owned(), "asked for".to_owned());
    }
    let mut ours: Vec<&Mailbox> = Vec::new();
    for mailbox in addressed().iter().filter_map(|address| policy.mailbox_of(address)) {
        if !ours.iter().any(|known| known.name == mailbox.name) {
            ours.push(mailbox);
        }
    }
    match (ours.as_slice(), policy.mailboxes.as_slice()) {
        ([one], _) => (one.name.clone(), format!("the mail is addressed to {}", one.address)),
        ([first, others @ ..], _) => {
            let others: Vec<&str> = others.iter().map(|mailbox| mailbox.name.as_str()).collect();
            (first.name.clone(), format!("the mail is addressed to it first, and to {} too; another with --mailbox", others.join(", ")))
        }
        ([], [only]) => (only.name.clone(), "the only one; the mail is addressed to none".to_owned()),
        ([], [first, ..]) => (first.name.clone(), "the first; the mail is addressed to none of them, another with --mailbox".to_owned()),
        ([], []) => (String::new(), "there is none".to_owned()),
    }
}

/// Why the mail belongs where it ends, and as whose word it is taken.
fn outcome_why(inbound: &Inbound, seen: Option<Landing>, place: &Place<'_>) -> String {
    match seen {
        Some(Landing::Ticket { number, seq }) => return format!("the same mail is message {seq} of {number}"),
        Some(Landing::Quarantine { id }) => return format!("the same mail is number {id} in quarantine"),
        None => {}
    }
    match place {
        Place::Quarantine { detail, .. } => detail.clone(),
        Place::Agent { why, .. } | Place::Customer { why, .. } if inbound.machine.is_some() => {
            format!("{why}; a machine wrote it: it answers and changes nothing")
        }
        Place::Agent { agent, why, .. } => format!("{why}; it is the word of agent {}", agent.handle),
        Place::AgentOnCustomerSide { agent, why, .. } => format!("{why}, which is the customer's, from agent {}: held", agent.handle),
        Place::Customer { why, also, .. } => {
            let also: Vec<String> = also.iter().map(|ticket| format!(", and {} is the same matter", ticket.number)).collect();
            format!("{why}{}; it is the word of its customer", also.concat())
        }
        Place::Doubted { why, .. } => format!("{why}; its sender is in doubt: only agents see it"),
        Place::ThirdParty { why, .. } => format!("{why}; it is the word of a third party: only agents see it"),
        Place::Report { about, fate, .. } => {
            let news = match fate.news {
                News::Delivered => "arrived",
                News::Delayed => "is delayed",
                News::Failed => "came back",
                News::Complained => "was complained about",
            };
            format!("a mail system reports that mail {about} to {} {news}", fate.recipient)
        }
        Place::DeskReport { about, .. } => format!("a mail system reports about mail {about} to ops"),
        Place::Forwards { agent, why, .. } => format!("{why}; agent {} forwards it", agent.handle),
        Place::Opens { continues: Some(number), why } => format!("{why}; it refers to {number}"),
        Place::Opens { continues: None, why } => why.clone(),
    }
}

/// Why no rule is run, where none is.
fn no_rules(outcome: &str, inbound: &Inbound, place: &Place<'_>, policy: &Policy) -> &'static str {
    match (outcome, place) {
        ("duplicate", _) => "it was decided about before",
        ("quarantine", _) => "it becomes part of no ticket",
        (_, Place::Agent { .. } | Place::AgentOnCustomerSide { .. }) => "rules are for what customers write, and an agent wrote it",
        (_, Place::Report { .. } | Place::DeskReport { .. }) => "rules are for what customers write, and a mail system wrote it",
        (_, Place::Customer { .. }) if inbound.machine.is_some() => "rules are for what people write, and a machine wrote it",
        (_, Place::Customer { ticket, .. }) if ticket.status.is_active() => {
            "rules are for new tickets, and for those that a customer opens again; this one was not over"
        }
        (_, Place::Doubted { .. } | Place::ThirdParty { .. }) => "rules are for what customers write, and only agents see it",
        (_, Place::Customer { .. } | Place::Quarantine { .. } | Place::Forwards { .. } | Place::Opens { .. }) => {
            if policy.rules.is_empty() { "there are none" } else { "none of them is for such a mail" }
        }
    }
}

/// A line of history; one of another ticket names it.
fn of_history(number: TicketNumber, line: &History, ticket: Option<&Ticket>) -> HistoryView {
    let mut view = view::of_history(line);
    if ticket.is_none_or(|ticket| ticket.number != number) {
        view.what = format!("{number}: {}", view.what);
    }
    view
}

/// Whose matter it is. Agents, machines and third parties write about somebody else's.
fn customer(ticket: Option<&Ticket>, sender: Option<&SenderView>, policy: &Policy, now: Timestamp) -> Option<SenderView> {
    let Some(ticket) = ticket else { return sender.filter(|sender| sender.agent.is_none()).cloned() };
    let address = ticket.requester.address.as_ref()?;
    if let Some(sender) = sender.filter(|sender| sender.address == address.as_str()) {
        return Some(sender.clone());
    }
    let known = policy.know_at(Some(address), now);
    let name = if ticket.requester.name.is_empty() { known.name.clone() } else { ticket.requester.name.clone() };
    Some(sender_view(name, address, known, policy))
}

/// Who wrote, as the decision knows him.
fn sender(inbound: &Inbound, policy: &Policy, now: Timestamp) -> Option<SenderView> {
    let from = inbound.from.as_ref()?;
    let known = policy.know_sender(Some(&from.address), &inbound.judgement, inbound.looked_up.as_deref(), now);
    let name = if from.name.is_empty() { known.name.clone() } else { from.name.clone() };
    Some(sender_view(name, &from.address, known, policy))
}

fn sender_view(name: String, address: &EmailAddress, known: Known, policy: &Policy) -> SenderView {
    SenderView {
        name,
        address: address.to_string(),
        agent: policy.agent(address).map(|agent| agent.handle.clone()),
        organisation: known.organisation,
        plan: known.plan,
        tier: known.tier,
        language: known.language.map(|language| language.to_string()),
        why: known.why,
    }
}

/// Which policy holds for a ticket as it stands.
fn targets(ticket: &Ticket, policy: &Policy, rule_chose: Option<&str>) -> PolicyView {
    let sla = policy.sla_of(ticket);
    let of_all = policy.sla_of_all(&ticket.tier, ticket.priority, ticket.channel);
    let chosen = ticket.policy.as_ref().filter(|name| policy.slas.iter().any(|sla| sla.name.as_ref() == Some(*name)));
    let (name, why) = match (chosen, of_all) {
        (Some(name), _) => (name.clone(), rule_chose.unwrap_or("a rule asked for it").to_owned()),
        (None, Some(sla)) => {
            let parts = [
                sla.tier.as_ref().map(|tier| format!("tier {tier}")),
                sla.priority.map(|priority| format!("priority {}", priority.word())),
                sla.channel.map(|channel| format!("channel {}", channel.word())),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            let name = sla.name.clone().unwrap_or_else(|| if parts.is_empty() { "all tickets".to_owned() } else { parts.join(", ") });
            (name, "of the policies that fit the ticket, this one names the most about it".to_owned())
        }
        (None, None) => ("built in".to_owned(), "no [[sla]] holds".to_owned()),
    };
    let all = [
        ("first_response", sla.first_response),
        ("next_response", sla.next_response),
        ("resolution", sla.resolution),
        ("periodic_update", sla.update_every),
    ];
    let targets = all.into_iter().filter_map(|(kind, target)| Some(format!("{kind} {}", length(target?))));
    let calendar = policy.calendar_name(&sla, &ticket.team).to_owned();
    PolicyView { name, why, calendar, targets: targets.collect() }
}

/// `1h 30m`, `40h`: hours of a calendar, never its days.
fn length(of: SignedDuration) -> String {
    let (hours, minutes, seconds) = (of.as_secs() / 3600, of.as_secs() / 60 % 60, of.as_secs() % 60);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s")].into_iter().filter(|(count, _)| *count != 0);
    let parts: Vec<String> = parts.map(|(count, unit)| format!("{count}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// What becomes of each clock: the soonest first, then those that end by this mail.
fn clocks(before: Option<&Ticket>, after: &Ticket, policy: &Policy) -> Vec<DueView> {
    let of_before = |kind: ClockKind| before.and_then(|ticket| ticket.clocks.iter().find(|clock| clock.kind == kind && clock.is_open()));
    let of_after = |kind: ClockKind| after.clocks.iter().find(|clock| clock.kind == kind);
    let kept = after.clocks.iter().filter(|clock| clock.is_open() || of_before(clock.kind).is_some());
    let mut kept: Vec<(&Clock, &str)> = kept.map(|clock| (clock, becomes(of_before(clock.kind), clock))).collect();
    kept.sort_by_key(|(clock, _)| (!clock.is_open(), clock.due));
    let gone = before.into_iter().flat_map(|ticket| &ticket.clocks).filter(|clock| clock.is_open() && of_after(clock.kind).is_none());
    let kept = kept.into_iter().map(|(clock, becomes)| due(clock, clock.state.word(), becomes, policy));
    kept.chain(gone.map(|clock| due(clock, "cancelled", "is cancelled", policy))).collect()
}

fn becomes(before: Option<&Clock>, after: &Clock) -> &'static str {
    let Some(before) = before else { return "begins" };
    match (before.state, after.state) {
        (_, ClockState::Met { .. }) => "is met",
        (_, ClockState::Breached { .. }) if !after.is_open() => "ends late",
        (ClockState::Paused { .. }, ClockState::Paused { .. }) => "stays as it was",
        (_, ClockState::Paused { .. }) => "is paused",
        (ClockState::Paused { .. }, _) => "goes on",
        (_, _) if before.armed != after.armed => "begins",
        (_, _) if before.due != after.due => "is due at another time",
        (_, _) => "stays as it was",
    }
}

fn due(clock: &Clock, state: &str, becomes: &str, policy: &Policy) -> DueView {
    let zone = policy.calendars.get(&clock.calendar).map_or(jiff::tz::TimeZone::UTC, |calendar| calendar.zone.clone());
    let there = clock.due.to_zoned(zone).strftime("%a %Y-%m-%d %H:%M %Z").to_string();
    DueView {
        kind: clock.kind.word().to_owned(),
        due: clock.due.to_string(),
        due_there: match clock.state {
            ClockState::Paused { left_s, .. } => format!("stands still, {} left", length(SignedDuration::from_secs(left_s))),
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Met { .. } | ClockState::Breached { .. } => there,
        },
        calendar: clock.calendar.clone(),
        state: state.to_owned(),
        becomes: becomes.to_owned(),
    }
}

/// A mail in full, as the outbox would write it.
fn of_mail(mail: &Outbound, change: &Change, store: &Store) -> Result<MailView, StoreFault> {
    let mut text = String::new();
    for piece in &mail.body {
        match piece {
            Piece::Text(written) => text.push_str(written),
            Piece::NewTextOf(seq) => {
                if let Some(message) = message(mail.id.ticket, *seq, change, store)? {
                    text.push_str(message.body.of(SpanKind::New).trim());
                }
            }
            Piece::QuotedTextOf(seq) => {
                if let Some(message) = message(mail.id.ticket, *seq, change, store)? {
                    for line in message.body.text.trim().lines() {
                        let _ = writeln!(text, "> {line}");
                    }
                }
            }
        }
    }
    Ok(MailView {
        purpose: mail.purpose.word().to_owned(),
        to: mail.to.as_ref().map(|contact| contact.address.to_string()),
        by: match mail.route {
            Route::Mail => "mail".to_owned(),
            Route::Chat { .. } => "chat".to_owned(),
        },
        audience: match mail.audience {
            Audience::Customer => "customer".to_owned(),
            Audience::Agent(_) => "agent".to_owned(),
            Audience::Informed => "informed".to_owned(),
            Audience::Asked => "asked".to_owned(),
        },
        from: mail.from.to_string(),
        subject: mail.subject.clone(),
        text,
        attachments: mail.attachments.iter().map(|attachment| attachment.name.clone()).collect(),
    })
}

/// A message of a ticket: one that comes with the change, or an earlier one.
fn message(ticket: TicketNumber, seq: Seq, change: &Change, store: &Store) -> Result<Option<Message>, StoreFault> {
    match change.messages.iter().find(|message| message.ticket == ticket && message.seq == seq) {
        Some(message) => Ok(Some(message.clone())),
        None => store.message(ticket, seq),
    }
}

/// The ticket that already holds the message.
fn seen(desk: &Desk, landing: Option<Landing>) -> Option<Ticket> {
    match landing {
        Some(Landing::Ticket { number: TicketNumber(n), .. }) => desk.store().ticket(TicketNumber(n)).ok().flatten(),
        Some(Landing::Quarantine { .. }) | None => None,
    }
}

impl Explained {
    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.write_facts(&mut out);
        out.push_str("decisions\n");
        if self.history.is_empty() {
            let why = if self.outcome == "duplicate" {
                "nothing would change; only the way by which it came is noted"
            } else {
                "nothing would change"
            };
            let _ = writeln!(out, "  none: {why}");
        }
        for line in &self.history {
            let _ = writeln!(out, "  {:<10} {}\n  {:<10}   because {}", line.by, line.what, "", line.why);
        }
        out.push_str("rules\n");
        if self.rules.is_empty() {
            let _ = writeln!(out, "  none is run: {}", self.rules_why);
        }
        for rule in &self.rules {
            let _ = writeln!(out, "  {:<3} {}: {}", if rule.holds { "yes" } else { "no" }, rule.name, rule.why);
        }
        match self.outbox.len() {
            0 => out.push_str("nothing would be sent\n"),
            1 => out.push_str("1 mail would be sent\n"),
            n => {
                let _ = writeln!(out, "{n} mails would be sent");
            }
        }
        for (n, mail) in (1..).zip(&self.outbox) {
            self.write_mail(n, mail, &mut out);
        }
        view::for_terminal(&out)
    }

    /// What it is, who wrote it, and what it becomes.
    fn write_facts(&self, out: &mut String) {
        let mut fact = |name: &str, what: &str| {
            let _ = writeln!(out, "{name:<10}{what}");
        };
        match (&self.ticket, &self.quarantine) {
            (_, Some(why)) => fact("outcome", &format!("quarantine, {why}")),
            (Some(t), None) => {
                let what = match self.outcome.as_str() {
                    "new" => "a new ticket",
                    "append" => "joins ticket",
                    "duplicate" => "was taken in before, as part of",
                    other => other,
                };
                fact("outcome", &format!("{what} #{}: {}", t.number, t.subject));
            }
            (None, None) if self.outcome == "duplicate" => fact("outcome", "was taken in before"),
            (None, None) => fact("outcome", &self.outcome),
        }
        // What keeps it in quarantine is said above.
        if self.quarantine.is_none() {
            fact("", &format!("because {}", self.outcome_why));
        }
        fact("mailbox", &format!("{}: {}", self.mailbox, self.mailbox_why));
        match &self.sender {
            Some(SenderView { name, address, agent, .. }) => {
                let agent = agent.as_ref().map(|handle| format!(", the address of agent {handle}")).unwrap_or_default();
                let name = if name.is_empty() { String::new() } else { format!("{name} ") };
                fact("sender", &format!("{name}<{address}>{agent}"));
            }
            None => fact("sender", "nobody whom it names"),
        }
        fact("verdict", &format!("{}: {}", self.verdict, self.verdict_why));
        if let Some(machine) = &self.machine {
            fact("machine", machine);
        }
        for defect in &self.defects {
            fact("defect", defect);
        }
        if let Some(known) = &self.customer {
            let parts = [("organisation ", &known.organisation), ("plan ", &known.plan)];
            let mut parts: Vec<String> = parts.iter().filter(|(_, v)| !v.is_empty()).map(|(what, v)| format!("{what}{v}")).collect();
            // The sender's name and address stand above.
            if self.sender.as_ref().is_none_or(|sender| sender.address != known.address) {
                parts.insert(0, format!("{} <{}>", known.name, known.address).trim_start().to_owned());
            }
            parts.extend(known.language.as_ref().map(|language| format!("language {language}")));
            parts.push(format!("tier {}", known.tier));
            fact("customer", &parts.join(", "));
            fact("", &format!("because {}", known.why));
        }
        if let Some(t) = self.ticket.as_ref().filter(|_| self.quarantine.is_none()) {
            let assignee = t.assignee.as_deref().unwrap_or("nobody");
            let parts = format!("{}, tier {}, priority {}, language {}", t.status, t.tier, t.priority, t.language);
            let tags = if t.tags.is_empty() { String::new() } else { format!(", tags {}", t.tags.join(" ")) };
            fact("ticket", &format!("{parts}, team {}, assigned to {assignee}{tags}", t.team));
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| self.quarantine.is_none()) {
            fact("policy", &format!("{}: {}, in calendar '{}'", policy.name, policy.targets.join(", "), policy.calendar));
            fact("", &format!("because {}", policy.why));
        }
        for (n, clock) in self.clocks.iter().enumerate().filter(|_| self.quarantine.is_none()) {
            let DueView { kind, due_there, state, becomes, .. } = clock;
            let what = match (becomes.as_str(), state.as_str()) {
                ("is met" | "is cancelled" | "ends late", _) => format!("{becomes}; was due {due_there}"),
                ("is paused", _) => format!("{becomes}; {due_there}"),
                (_, "paused") => format!("{becomes}, paused; {due_there}"),
                _ => format!("{becomes}, {state}: due {due_there}"),
            };
            fact(if n == 0 { "clocks" } else { "" }, &format!("{kind:<18}{what}"));
        }
    }

    fn write_mail(&self, n: usize, mail: &MailView, out: &mut String) {
        let to = mail.to.as_deref().unwrap_or("the chat window");
        let _ = writeln!(out, "\n{n}. {} by {} to {} {to}", mail.purpose, mail.by, with_article(&mail.audience));
        let _ = writeln!(out, "   From: {}\n   Subject: {}", mail.from, mail.subject);
        if !mail.attachments.is_empty() {
            let _ = writeln!(out, "   with {}", mail.attachments.join(", "));
        }
        // Agents get the same, each with a token of his own, which is put in as it is sent.
        let twin = self.outbox.iter().take(n - 1).position(|other| other.subject == mail.subject && other.text == mail.text);
        if let Some(twin) = twin {
            let _ = writeln!(out, "   the same text as {}", twin + 1);
            return;
        }
        for line in mail.text.lines() {
            let _ = writeln!(out, "   | {line}");
        }
    }
}

fn with_article(audience: &str) -> String {
    match audience {
        "customer" => "the customer".to_owned(),
        "agent" => "agent".to_owned(),
        "informed" => "somebody who is told".to_owned(),
        "asked" => "somebody who is asked".to_owned(),
        other => other.to_owned(),
    }
}
