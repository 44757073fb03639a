//! `guichet explain MAIL…`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::explain::Explained;
use crate::http::client::percent_encoded;
use crate::intake::Desk;
use anyhow::Context as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub(super) fn explain(config: &Path, mails: &[PathBuf], mailbox: Option<&str>, json: bool) -> Result<(), Ended> {
    let settings = super::settings(config)?;
    if let Some(name) = mailbox.filter(|name| settings.policy.mailbox_named(name).is_none()) {
        let known: Vec<&str> = settings.policy.mailboxes.iter().map(|mailbox| mailbox.name.as_str()).collect();
        return Err(Ended::Wrong(vec![format!("guichet: there is no mailbox '{name}'; known are: {}", known.join(", "))]));
    }
    let query = mailbox.map(|name| format!("?mailbox={}", percent_encoded(name)));
    let path_of_api = format!("/api/v1/explain{}", query.unwrap_or_default());
    let limit = settings.limits.message_octets_max;
    let place = Place::with(config, settings);
    for path in mails {
        let raw = read(path, limit)?;
        let shown = raw.clone();
        let offline = async |desk: &Desk| Ok(Some(crate::explain::explain(desk, &shown, mailbox).await?));
        let explained: Option<Explained> = ask::hand_over(&place, &path_of_api, raw, offline)?;
        let Some(explained) = explained else { continue };
        if json {
            say(&serde_json::to_string(&explained)?);
        } else {
            say(&format!("{}\n{}", path.display(), explained.text()));
        }
    }
    Ok(())
}

/// One mail, no longer than what the daemon takes in.
fn read(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut raw = Vec::new();
    let what = || format!("failed to read {}", path.display());
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut raw).with_context(what)?;
    } else {
        std::fs::File::open(path).with_context(what)?.take(limit).read_to_end(&mut raw).with_context(what)?;
    }
    Ok(raw)
}
