//! How the daemon fares.

use super::for_terminal;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// `guichet status`: how the daemon fares.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StatusView {
    /// Whether a daemon is running; without one, only what the store tells is told.
    pub running: bool,
    /// What keeps mail from being taken in, a sentence each.
    pub missing: Vec<String>,
    pub mailboxes: Vec<MailboxView>,
    /// Messages in quarantine.
    pub quarantine_waiting: u64,
    /// What is to be sent and is not yet.
    pub outbox_waiting: u64,
    /// Mails of tickets that could not be delivered for good, over all time.
    pub undeliverable: u64,
    /// Agents who are away now.
    #[serde(default)]
    pub away: Vec<AwayView>,
    /// What keeps nothing from working and wants a person all the same, a sentence each: a configuration that was not taken.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// An agent who is away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AwayView {
    pub agent: String,
    pub since: String,
    /// `None`: until he says `#back`.
    pub until: Option<String>,
}

/// How a mailbox fares, without addresses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MailboxView {
    pub name: String,
    /// Signed in, with its folder open.
    pub connected: bool,
    /// Without an answer for longer than `silent_after`.
    pub silent: bool,
    /// When it was last looked through to its end.
    pub last_success: Option<String>,
    /// How far behind intake may be: time since the oldest message that is known and not settled was first seen; while it is not
    /// connected, at least the time since its last answer.
    pub lag_seconds: u64,
    /// Messages that are known and not yet on disk here and settled there.
    pub backlog: u64,
    /// `network`, `sign_in`, `protocol` or `handover`: what went wrong last, also if all is well again.
    pub last_fault: Option<String>,
    pub last_fault_at: Option<String>,
}

impl StatusView {
    /// A table for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{:<20} {:<10} {:<25} {:>8} {:>8}  last fault", "mailbox", "state", "last success", "lag", "backlog");
        for mailbox in &self.mailboxes {
            let _ = writeln!(
                out,
                "{:<20} {:<10} {:<25} {:>7}s {:>8}  {}",
                mailbox.name,
                mailbox.state(),
                mailbox.last_success.as_deref().unwrap_or("-"),
                mailbox.lag_seconds,
                mailbox.backlog,
                mailbox.fault()
            );
        }
        let _ = writeln!(out, "\nin quarantine        {}", self.quarantine_waiting);
        let _ = writeln!(out, "waits to be sent     {}", self.outbox_waiting);
        let _ = writeln!(out, "never delivered      {}", self.undeliverable);
        for AwayView { agent, since, until } in &self.away {
            let _ = writeln!(out, "away                 {agent}, since {since}, until {}", until.as_deref().unwrap_or("#back"));
        }
        for wanted in self.missing.iter().chain(&self.warnings) {
            let _ = writeln!(out, "! {wanted}");
        }
        for_terminal(out.trim_end())
    }
}

impl MailboxView {
    /// One line of `/readyz`.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "mailbox {}: {}, last success {}, lag {} s, backlog {}",
            self.name,
            self.state(),
            self.last_success.as_deref().unwrap_or("never"),
            self.lag_seconds,
            self.backlog
        )
    }

    const fn state(&self) -> &'static str {
        match (self.silent, self.connected) {
            (true, _) => "silent",
            (false, true) => "connected",
            (false, false) => "away",
        }
    }

    fn fault(&self) -> String {
        match (&self.last_fault, &self.last_fault_at) {
            (Some(fault), Some(at)) => format!("{fault} at {at}"),
            (Some(_) | None, None) | (None, Some(_)) => "-".to_owned(),
        }
    }
}
