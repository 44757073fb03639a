//! `guichet ticket N`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::http::api;
use crate::view::WholeTicketView;
use anyhow::anyhow;
use std::path::Path;

pub(super) fn ticket(config: &Path, number: u64, json: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let path = format!("/api/v1/tickets/{number}");
    let found: Option<WholeTicketView> = ask::ask(&place, &path, |desk, signer| Ok(api::one(desk, signer, number)?))?;
    let Some(found) = found else { return Err(Ended::Failed(anyhow!("there is no ticket #{number}"))) };
    say(&if json { serde_json::to_string(&found)? } else { found.text() });
    Ok(())
}

/// `1042` or `#1042`.
pub(super) fn number(text: &str) -> Result<u64, String> {
    text.trim_start_matches('#').parse().map_err(|_| "is no ticket number, such as 1042".to_owned())
}
