//! What would be decided for a mail, and why (P9): the same functions as in the daemon, without the commit.

use crate::channel::Received;
use crate::domain::address::EmailAddress;
use crate::domain::change::{Change, Landing};
use crate::domain::message::{Inbound, Message, Seq, Source, SpanKind, TicketNumber};
use crate::domain::outbound::{Audience, Outbound, Piece, Route};
use crate::domain::policy::{Mailbox, Policy};
use crate::domain::route;
use crate::domain::sla::ClockState;
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
    /// Which targets hold for the ticket; `null` where there is none.
    pub policy: Option<PolicyView>,
    /// The ticket's clocks that are not over.
    pub clocks: Vec<DueView>,
    /// Each rule in its order, with what matched, or else what did not; none where no rule is run.
    pub rules: Vec<RuleView>,
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

/// A clock that runs, warns, or stands still.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DueView {
    pub kind: String,
    pub due: String,
    /// The same on the wall of the clock's calendar.
    pub due_there: String,
    pub calendar: String,
    pub state: String,
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
    let (mailbox, mailbox_why) = home(&policy, &desk.addressed(raw), mailbox);
    let source = Source::Maildir { mailbox: mailbox.clone(), file: String::new() };
    let received = Received { source, raw: raw.to_vec(), arrived: None, cut: None, landed_to: None };
    let (inbound, context, change) = desk.consider(received).await?;

    let outcome = match (context.seen, &change.quarantine, change.tickets.first()) {
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
    let seen = seen(desk, context.seen);
    let ticket = change.tickets.first().or(seen.as_ref());
    let rule_chose = change.history.iter().find(|(_, line)| line.what.contains("policy ")).map(|(_, line)| line.why.as_str());
    Ok(Explained {
        outcome: outcome.to_owned(),
        mailbox,
        mailbox_why,
        ticket: ticket.map(view::of_ticket),
        quarantine: change.quarantine.as_ref().map(|q| format!("{}: {}", q.reason, q.detail)),
        history: change.history.iter().map(|(_, line)| view::of_history(line)).collect(),
        sender: sender(&inbound, &policy, now),
        policy: ticket.map(|ticket| targets(ticket, &policy, rule_chose)),
        clocks: ticket.map(|ticket| clocks(ticket, &policy)).unwrap_or_default(),
        rules: rules.into_iter().map(of_rule).collect(),
        outbox: change.outbox.iter().map(|mail| of_mail(mail, &change, desk.store())).collect::<Result<_, _>>()?,
        text: inbound.body.new_text(),
        verdict: inbound.judgement.verdict.word().to_owned(),
        verdict_why: inbound.judgement.reason().to_owned(),
        machine: inbound.machine.map(|(_, why)| why),
        defects: inbound.defects.iter().map(|d| format!("{}: {}", d.name, d.detail)).collect(),
    })
}

/// The mailbox that a mail came to, and why: the one that is asked for, else the first that it is addressed to, else the first.
fn home(policy: &Policy, addressed: &[EmailAddress], wanted: Option<&str>) -> (String, String) {
    let plain = |address: &EmailAddress| address.local().split('+').next().unwrap_or_default().to_owned();
    let is_of = |mailbox: &Mailbox, address: &EmailAddress| {
        mailbox.address.domain() == address.domain() && mailbox.address.local() == plain(address)
    };
    if let Some(name) = wanted {
        return (name.to_owned(), "asked for".to_owned());
    }
    let mut ours: Vec<&Mailbox> = Vec::new();
    for mailbox in addressed.iter().filter_map(|address| policy.mailboxes.iter().find(|mailbox| is_of(mailbox, address))) {
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

/// Who wrote, as the decision knows him.
fn sender(inbound: &Inbound, policy: &Policy, now: Timestamp) -> Option<SenderView> {
    let from = inbound.from.as_ref()?;
    let known = policy.know_sender(Some(&from.address), &inbound.judgement, inbound.looked_up.as_deref(), now);
    Some(SenderView {
        name: if from.name.is_empty() { known.name } else { from.name.clone() },
        address: from.address.to_string(),
        agent: policy.agent(&from.address).map(|agent| agent.handle.clone()),
        organisation: known.organisation,
        plan: known.plan,
        tier: known.tier,
        language: known.language.map(|language| language.to_string()),
        why: known.why,
    })
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
            (name, "of the policies that hold the one that says most".to_owned())
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

/// The soonest first.
fn clocks(ticket: &Ticket, policy: &Policy) -> Vec<DueView> {
    let mut clocks: Vec<_> = ticket.clocks.iter().filter(|clock| clock.is_open()).collect();
    clocks.sort_by_key(|clock| clock.due);
    let there = |due: Timestamp, calendar: &str| {
        let zone = policy.calendars.get(calendar).map_or(jiff::tz::TimeZone::UTC, |calendar| calendar.zone.clone());
        due.to_zoned(zone).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    };
    let of = |clock: &&crate::domain::sla::Clock| DueView {
        kind: clock.kind.word().to_owned(),
        due: clock.due.to_string(),
        due_there: match clock.state {
            ClockState::Paused { left_s, .. } => format!("stands still, {} left", length(SignedDuration::from_secs(left_s))),
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Met { .. } | ClockState::Breached { .. } => {
                there(clock.due, &clock.calendar)
            }
        },
        calendar: clock.calendar.clone(),
        state: clock.state.word().to_owned(),
    };
    clocks.iter().map(of).collect()
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
            out.push_str("  none: nothing would change\n");
        }
        for line in &self.history {
            let _ = writeln!(out, "  {:<10} {}\n  {:<10}   because {}", line.by, line.what, "", line.why);
        }
        out.push_str("rules\n");
        if self.rules.is_empty() {
            let why = match self.outcome.as_str() {
                "duplicate" => "none is run: it was decided about before",
                "quarantine" => "none is run: it becomes part of no ticket",
                "new" => "there are none",
                _ => "none is run: rules are for new tickets, and for those that a customer opens again",
            };
            let _ = writeln!(out, "  {why}");
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
            (None, None) => fact("outcome", &self.outcome),
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
        if let Some(known) = self.sender.as_ref().filter(|sender| sender.agent.is_none()) {
            let parts = [("organisation ", &known.organisation), ("plan ", &known.plan)];
            let mut parts: Vec<String> = parts.iter().filter(|(_, v)| !v.is_empty()).map(|(what, v)| format!("{what}{v}")).collect();
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
            let DueView { kind, due_there, state, .. } = clock;
            fact(if n == 0 { "clocks" } else { "" }, &format!("{kind:<18}{due_there} ({state})"));
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
