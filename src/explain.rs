//! What would be decided for a mail, and why (P9): the same functions as in the daemon, without the commit.

use crate::channel::Received;
use crate::domain::change::Landing;
use crate::domain::message::{Source, TicketNumber};
use crate::domain::outbound::{Audience, Outbound, Piece, Route};
use crate::domain::route;
use crate::intake::Desk;
use crate::store::StoreFault;
use crate::view::{self, HistoryView, TicketView};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The way of one mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// `new`, `append`, `quarantine`, or `duplicate`.
    pub outcome: String,
    /// The ticket as it would stand afterwards.
    pub ticket: Option<TicketView>,
    /// Why it would be quarantined.
    pub quarantine: Option<String>,
    /// Each decision with its reason.
    pub history: Vec<HistoryView>,
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
    pub subject: String,
    pub text: String,
}

/// Decides about a mail as if it had just arrived, and changes nothing.
///
/// # Errors
/// The store's.
pub async fn explain(desk: &Desk, raw: &[u8]) -> Result<Explained, StoreFault> {
    let mailbox = desk.policy().mailboxes.first().map(|m| m.name.clone()).unwrap_or_default();
    let source = Source::Maildir { mailbox, file: String::new() };
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
    let rules = if context.seen.is_none() { route::explain_message(&inbound, &context, &desk.policy(), now) } else { Vec::new() };
    let of_rule = |(name, found): (String, Result<String, String>)| match found {
        Ok(why) => RuleView { name, holds: true, why },
        Err(why) => RuleView { name, holds: false, why },
    };
    let ticket = change.tickets.first().map(view::of_ticket);
    let text_of = |outbound: &Outbound| {
        let mut text = String::new();
        for piece in &outbound.body {
            match piece {
                Piece::Text(written) => text.push_str(written),
                Piece::NewTextOf(seq) | Piece::QuotedTextOf(seq) => {
                    if let Some(message) = change.messages.iter().find(|m| m.seq == *seq) {
                        text.push_str(&message.body.new_text());
                    }
                }
            }
        }
        text
    };
    Ok(Explained {
        outcome: outcome.to_owned(),
        ticket: ticket.or_else(|| seen(desk, context.seen)),
        quarantine: change.quarantine.as_ref().map(|q| format!("{}: {}", q.reason, q.detail)),
        history: change.history.iter().map(|(_, line)| view::of_history(line)).collect(),
        rules: rules.into_iter().map(of_rule).collect(),
        outbox: change
            .outbox
            .iter()
            .map(|o| MailView {
                purpose: o.purpose.word().to_owned(),
                to: o.to.as_ref().map(|c| c.address.to_string()),
                by: match o.route {
                    Route::Mail => "mail".to_owned(),
                    Route::Chat { .. } => "chat".to_owned(),
                },
                audience: match o.audience {
                    Audience::Customer => "customer".to_owned(),
                    Audience::Agent(_) => "agent".to_owned(),
                    Audience::Informed => "informed".to_owned(),
                    Audience::Asked => "asked".to_owned(),
                },
                subject: o.subject.clone(),
                text: text_of(o),
            })
            .collect(),
        text: inbound.body.new_text(),
        verdict: inbound.judgement.verdict.word().to_owned(),
        verdict_why: inbound.judgement.reason().to_owned(),
        machine: inbound.machine.map(|(_, why)| why),
        defects: inbound.defects.iter().map(|d| format!("{}: {}", d.name, d.detail)).collect(),
    })
}

/// The ticket that already holds the message.
fn seen(desk: &Desk, landing: Option<Landing>) -> Option<TicketView> {
    match landing {
        Some(Landing::Ticket { number: TicketNumber(n), .. }) => {
            desk.store().ticket(TicketNumber(n)).ok().flatten().as_ref().map(view::of_ticket)
        }
        Some(Landing::Quarantine { .. }) | None => None,
    }
}

impl Explained {
    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = match (&self.ticket, &self.quarantine) {
            (_, Some(why)) => writeln!(out, "quarantine: {why}"),
            (Some(t), None) => writeln!(out, "{}: #{} {}", self.outcome, t.number, t.subject),
            (None, None) => writeln!(out, "{}", self.outcome),
        };
        if let Some(machine) = &self.machine {
            let _ = writeln!(out, "machine: {machine}");
        }
        let _ = writeln!(out, "sender: {} ({})", self.verdict, self.verdict_why);
        for defect in &self.defects {
            let _ = writeln!(out, "defect: {defect}");
        }
        for line in &self.history {
            let _ = writeln!(out, "  {:<16} {}\n  {:<16}   because {}", line.by, line.what, "", line.why);
        }
        if !self.rules.is_empty() {
            out.push_str("rules\n");
        }
        for rule in &self.rules {
            let _ = writeln!(out, "  {:<3} {}: {}", if rule.holds { "yes" } else { "no" }, rule.name, rule.why);
        }
        for mail in &self.outbox {
            let _ = writeln!(
                out,
                "\nwould send ({}, by {}) to {}\n  Subject: {}",
                mail.purpose,
                mail.by,
                mail.to.as_deref().unwrap_or("-"),
                mail.subject
            );
            for line in mail.text.lines() {
                let _ = writeln!(out, "  | {line}");
            }
        }
        view::for_terminal(&out)
    }
}
