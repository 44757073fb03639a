//! `guichet status`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::view::StatusView;
use std::path::Path;

/// Exit 1 if mail is not taken in.
pub(super) fn status(config: &Path, json: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let found: Option<StatusView> =
        ask::ask_async(&place, "/api/v1/status", async |desk| Ok(Some(crate::health::status_offline(desk).await?)))?;
    let Some(status) = found else { return Ok(()) };
    say(&if json { serde_json::to_string(&status)? } else { status.text() });
    if status.missing.is_empty() { Ok(()) } else { Err(Ended::Said) }
}
