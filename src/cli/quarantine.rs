//! `guichet quarantine`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::http::api::{self, Also};
use crate::view::{self, LandedView, QuarantinedView};
use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use std::io::Write as _;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// A line a message.
    List {
        /// Also what was released.
        #[arg(long)]
        all: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One message: why, from where, when.
    Show {
        #[arg(value_name = "ID")]
        id: u64,
        /// The message itself, octet by octet as it came.
        #[arg(long, conflicts_with = "json")]
        raw: bool,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Makes it part of a ticket after all, as a customer's message.
    Release {
        #[arg(value_name = "ID")]
        id: u64,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn quarantine(config: &Path, verb: &Verb) -> Result<(), Ended> {
    match *verb {
        Verb::List { all, json } => list(config, all, json),
        Verb::Show { id, raw: true, .. } => raw(config, id),
        Verb::Show { id, raw: false, json } => show(config, id, json),
        Verb::Release { id, json } => release(config, id, json),
    }
}

fn list(config: &Path, all: bool, json: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let path = format!("/api/v1/quarantine?all={all}");
    let found: Option<Vec<QuarantinedView>> = ask::ask(&place, &path, |desk, _| Ok(Some(api::set_aside(desk, Also { all })?)))?;
    let found = found.unwrap_or_default();
    if found.is_empty() && !json {
        say("nothing is in quarantine");
    }
    for message in &found {
        say(&if json { serde_json::to_string(message)? } else { message.line() });
    }
    Ok(())
}

fn show(config: &Path, id: u64, json: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let found: Option<QuarantinedView> =
        ask::ask(&place, &format!("/api/v1/quarantine/{id}"), |desk, _| Ok(api::one_set_aside(desk, id)?))?;
    let found = found.ok_or_else(|| none(id))?;
    if json {
        say(&serde_json::to_string(&found)?);
        return Ok(());
    }
    say(&found.text());
    Ok(())
}

fn raw(config: &Path, id: u64) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let path = format!("/api/v1/quarantine/{id}/raw");
    let found = ask::octets(&place, &path, async |desk| Ok(desk.quarantined_raw(id).await?))?;
    let octets = found.ok_or_else(|| none(id))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&octets).and_then(|()| out.flush()).context("failed to write to standard output")?;
    Ok(())
}

fn release(config: &Path, id: u64, json: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let path = format!("/api/v1/quarantine/{id}/release");
    let landed: Option<LandedView> = ask::order(&place, &path, async |desk| Ok(view::of_landing(desk.release(id).await?)))?;
    let landed = landed.ok_or_else(|| none(id))?;
    say(&if json { serde_json::to_string(&landed)? } else { format!("message {id} is now part of #{}", landed.ticket) });
    Ok(())
}

fn none(id: u64) -> Ended {
    Ended::Failed(anyhow!("there is no message {id} in quarantine"))
}
