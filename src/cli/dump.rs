//! `guichet dump`.

use super::Ended;
use super::ask::Place;
use crate::http::api::DUMP;
use crate::http::client::{self, ClientFault};
use crate::store::{DumpOptions, StoreFault};
use anyhow::anyhow;
use std::io::{BufWriter, Write as _};
use std::path::Path;

pub(super) fn dump(config: &Path, without_times: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let path = format!("{DUMP}?without_times={without_times}");
    let answer = super::runtime()?.block_on(client::get_into(&place.socket(), &path, &mut out));
    match answer {
        Ok(200) => place.warn(),
        Ok(status) => return Err(Ended::Failed(anyhow!("the daemon answered {status}"))),
        Err(ClientFault::NotRunning) => {
            let (desk, _) = crate::open_desk(place.settings()?)?;
            let mut gone = Ok(());
            let done: Result<(), StoreFault> = desk.store().dump(DumpOptions { without_times }, |line| {
                gone = writeln!(out, "{line}");
                gone.is_ok()
            });
            done?;
            gone?;
        }
        Err(fault) => return Err(Ended::Failed(anyhow!(fault).context("failed to ask the daemon"))),
    }
    out.flush()?;
    Ok(())
}
