//! `guichet tickets`.

use super::{Ended, ask, say};
use crate::domain::ticket::Status;
use crate::http::api::{self, Filter};
use crate::http::client::percent_encoded;
use crate::view::TicketView;
use std::path::Path;

pub(super) fn tickets(config: &Path, status: Option<String>, team: Option<String>, tier: Option<String>, json: bool) -> Result<(), Ended> {
    let settings = super::settings(config)?;
    let filter = Filter { status, team, tier };
    let query: Vec<String> = [("status", &filter.status), ("team", &filter.team), ("tier", &filter.tier)]
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|v| format!("{key}={}", percent_encoded(v))))
        .collect();
    let path = format!("/api/v1/tickets?{}", query.join("&"));
    let found: Option<Vec<TicketView>> = ask::ask(&settings, &path, |desk, _| Ok(Some(api::list(desk, &filter)?)))?;
    let found = found.unwrap_or_default();
    if !json {
        if found.is_empty() {
            say("no tickets");
        } else {
            let head = ["number", "status", "priority", "tier", "team", "assignee", "requester"];
            say(&format!(
                "{:<7} {:<8} {:<9} {:<10} {:<12} {:<10} {:<20} subject  [next]",
                head[0], head[1], head[2], head[3], head[4], head[5], head[6]
            ));
        }
    }
    for ticket in &found {
        say(&if json { serde_json::to_string(ticket)? } else { ticket.line() });
    }
    Ok(())
}

/// A status word, or `any`.
pub(super) fn status(word: &str) -> Result<String, String> {
    if word == "any" || Status::WORDS.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(format!("is none of {}, any", Status::WORDS.join(", ")))
    }
}
