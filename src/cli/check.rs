//! `guichet check`.

use super::{Ended, say};
use std::path::Path;

pub(super) fn check(config: &Path) -> Result<(), Ended> {
    let settings = super::settings(config)?;
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    let policy = &settings.policy;
    say(&format!(
        "{}: right. {} mailboxes, {} teams, {} agents, {} tiers, {} rules, {} customers.",
        config.display(),
        policy.mailboxes.len(),
        policy.teams.len(),
        policy.agents.len(),
        policy.tiers.len(),
        policy.rules.len(),
        policy.customers.len()
    ));
    if let Some(hint) = super::no_ops(&settings) {
        say(hint);
    }
    Ok(())
}
