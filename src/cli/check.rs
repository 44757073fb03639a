//! `guichet check`.

use super::{Ended, say};
use crate::clock::Clock;
use crate::config::settings::Counts;
use crate::config::{self, Proof};
use std::path::Path;

pub(super) fn check(path: &Path, strict: bool) -> Result<(), Ended> {
    let Proof { outcome, warnings, counts } = config::prove(path, Some(Clock::system().now()));
    let warned: Vec<String> = warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    let (faults, settings) = match outcome {
        Ok(settings) => (Vec::new(), Some(settings)),
        Err(faults) => (faults, None),
    };
    let is_right = faults.is_empty() && (!strict || warnings.is_empty());
    let summary = summary(path, counts, faults.len(), warnings.len(), is_right);
    if !is_right {
        let lines = faults.iter().map(ToString::to_string).chain(warned).chain([summary]);
        return Err(Ended::Wrong(lines.collect()));
    }
    for line in warned {
        say(&line);
    }
    if let Some(hint) = settings.as_ref().and_then(super::no_ops) {
        say(hint);
    }
    say(&summary);
    Ok(())
}

/// `guichet.toml: right. 1 mailbox, 2 teams, …; 0 faults, 1 warning.`
fn summary(path: &Path, counts: Option<Counts>, faults: usize, warnings: usize, is_right: bool) -> String {
    let found = format!("{}, {}", many(faults, "fault"), many(warnings, "warning"));
    let word = if is_right { "right" } else { "wrong" };
    let Some(Counts { mailboxes, teams, agents, tiers, calendars, policies, rules, templates, customers }) = counts else {
        return format!("{}: {word}. {found}.", path.display());
    };
    let parts = [
        (mailboxes, "mailbox"),
        (teams, "team"),
        (agents, "agent"),
        (tiers, "tier"),
        (calendars, "calendar"),
        (policies, "policy"),
        (rules, "rule"),
        (templates, "template"),
        (customers, "customer"),
    ];
    let parts: Vec<String> = parts.into_iter().map(|(count, of)| many(count, of)).collect();
    format!("{}: {word}. {}; {found}.", path.display(), parts.join(", "))
}

fn many(count: usize, of: &str) -> String {
    match (count, of) {
        (1, _) => format!("1 {of}"),
        (_, "mailbox") => format!("{count} mailboxes"),
        (_, "policy") => format!("{count} policies"),
        (_, _) => format!("{count} {of}s"),
    }
}
