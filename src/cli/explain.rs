//! `guichet explain MAIL…`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::explain::Explained;
use crate::intake::Desk;
use anyhow::Context as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub(super) fn explain(config: &Path, mails: &[PathBuf], json: bool) -> Result<(), Ended> {
    let settings = super::settings(config)?;
    let limit = settings.limits.message_octets_max;
    let place = Place::with(config, settings);
    for path in mails {
        let raw = read(path, limit)?;
        let shown = raw.clone();
        let offline = async |desk: &Desk| Ok(Some(crate::explain::explain(desk, &shown).await?));
        let explained: Option<Explained> = ask::hand_over(&place, "/api/v1/explain", raw, offline)?;
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
