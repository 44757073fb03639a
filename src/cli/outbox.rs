//! `guichet outbox`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::domain::outbound::OutboxId;
use crate::http::api::{self, Also};
use crate::view::{self, OutboxView};
use anyhow::anyhow;
use clap::Subcommand;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// A line a mail that waits, in the order in which they are due.
    List {
        /// Also what was given up.
        #[arg(long)]
        all: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Sends it now, whether it waits or was given up.
    Retry {
        /// Ticket and count, such as 1042.7.
        #[arg(value_name = "ID", value_parser = id)]
        id: OutboxId,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Never sends it; the ticket's history tells of it (mails to ops, 0.N, have no ticket).
    Drop {
        /// Ticket and count, such as 1042.7.
        #[arg(value_name = "ID", value_parser = id)]
        id: OutboxId,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn outbox(config: &Path, verb: &Verb) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let path = |id: &OutboxId, what: &str| format!("/api/v1/outbox/{id}/{what}");
    let (id, json, entry, done): (_, _, Option<OutboxView>, _) = match *verb {
        Verb::List { all, json } => {
            let path = format!("/api/v1/outbox?all={all}");
            let found = ask::ask(&place, &path, |desk, _| Ok(Some(api::outgoing(desk, Also { all })?)))?;
            return list(&found.unwrap_or_default(), json);
        }
        Verb::Retry { id, json } => {
            let entry = ask::order(&place, &path(&id, "retry"), async |desk| Ok(Some(view::of_outbox(&desk.retry(id).await?))))?;
            (id, json, entry, "is due now")
        }
        Verb::Drop { id, json } => {
            let entry = ask::order(&place, &path(&id, "drop"), async |desk| Ok(Some(view::of_outbox(&desk.drop_outgoing(id).await?))))?;
            (id, json, entry, "is not sent")
        }
    };
    let Some(entry) = entry else { return Err(Ended::Failed(anyhow!("there is no outgoing mail {id}"))) };
    say(&if json { serde_json::to_string(&entry)? } else { format!("mail {id} {done}") });
    Ok(())
}

fn list(found: &[OutboxView], json: bool) -> Result<(), Ended> {
    if found.is_empty() && !json {
        say("nothing waits");
    }
    for entry in found {
        say(&if json { serde_json::to_string(entry)? } else { entry.line() });
    }
    Ok(())
}

fn id(text: &str) -> Result<OutboxId, String> {
    OutboxId::parse(text.trim_start_matches('#')).ok_or_else(|| "is no name of an outgoing mail, such as 1042.7".to_owned())
}
