//! `guichet suppressions`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::domain::address::EmailAddress;
use crate::http::api;
use crate::http::client::percent_encoded;
use crate::intake::LiftFault;
use crate::view::{self, SuppressionView};
use anyhow::anyhow;
use clap::Subcommand;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// A line an address, the newest first: since when, until when, and why.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Lets automatic mail go there again, until mail to it comes back once more.
    Lift {
        #[arg(value_name = "ADDRESS", value_parser = address)]
        address: EmailAddress,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn suppressions(config: &Path, verb: &Verb) -> Result<(), Ended> {
    let place = Place::of(config)?;
    match verb {
        Verb::List { json } => {
            let found = ask::ask(&place, api::SUPPRESSIONS, |desk, _| Ok(Some(api::suppressed(desk)?)))?;
            list(&found.unwrap_or_default(), *json)
        }
        Verb::Lift { address, json } => {
            let path = format!("{}/{}/lift", api::SUPPRESSIONS, percent_encoded(address.as_str()));
            let lifted: Option<SuppressionView> = ask::order(&place, &path, async |desk| match desk.lift(address).await {
                Ok(mark) => Ok(Some(view::of_mark(&mark, &desk.policy()))),
                Err(LiftFault::NoSuch) => Ok(None),
                Err(fault @ LiftFault::Store(_)) => Err(fault.into()),
            })?;
            let none = || Ended::Failed(anyhow!("nothing keeps automatic mail from {address}"));
            let lifted = lifted.ok_or_else(none)?;
            say(&if *json { serde_json::to_string(&lifted)? } else { format!("{address} gets automatic mail again") });
            Ok(())
        }
    }
}

fn list(found: &[SuppressionView], json: bool) -> Result<(), Ended> {
    if found.is_empty() && !json {
        say("automatic mail goes to every address");
    }
    for mark in found {
        say(&if json { serde_json::to_string(mark)? } else { mark.line() });
    }
    Ok(())
}

fn address(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|fault| fault.to_string())
}
