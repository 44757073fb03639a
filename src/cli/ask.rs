//! The running daemon if there is one, else the store itself: the same answer from both.

use super::{Ended, complain};
use crate::config::settings::Settings;
use crate::http::client::{self, ClientFault};
use crate::intake::Desk;
use crate::mail::token::Signer;
use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// Where the daemon of a configuration is to be found, or else its store. To ask a daemon needs no more than that, so that one
/// can look while a file is being changed and is wrong for now; what opens the store itself needs all of it right.
pub(super) struct Place {
    config: PathBuf,
    state_dir: PathBuf,
    settings: OnceCell<Settings>,
}

impl Place {
    pub(super) fn of(config: &Path) -> Result<Self, Ended> {
        let (settings, state_dir) = match crate::config::state_dir(config) {
            Some(dir) => (OnceCell::new(), dir),
            // What is wrong is said with its place.
            None => return Ok(Self::with(config, super::settings(config)?)),
        };
        Ok(Self { config: config.to_owned(), state_dir, settings })
    }

    /// The same for who has read the configuration already.
    pub(super) fn with(config: &Path, settings: Settings) -> Self {
        Self { config: config.to_owned(), state_dir: settings.state_dir.clone(), settings: settings.into() }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.state_dir.join(crate::CONTROL_SOCKET)
    }

    /// All of the configuration, or each of its faults.
    pub(super) fn settings(&self) -> Result<&Settings, Ended> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = super::settings(&self.config)?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// After the daemon's answer: what on disk would not be taken at its next start or reload.
    pub(super) fn warn(&self) {
        if let Err(Ended::Wrong(faults)) = self.settings()
            && let Some(first) = faults.first()
        {
            let more = if faults.len() > 1 { format!(" (and {} more: `guichet check`)", faults.len() - 1) } else { String::new() };
            complain(&format!("warning: the daemon runs with an earlier configuration; the one on disk is wrong: {first}{more}"));
        }
    }
}

/// Asks at `path`; where no daemon runs, `offline` answers from the opened store. `None`: there is no such thing.
pub(super) fn ask<T: DeserializeOwned>(
    place: &Place,
    path: &str,
    offline: impl FnOnce(&Desk, &Signer) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    of_either(place, path, None, |body| json(&body), async |desk, signer| offline(desk, signer))
}

/// Asks at `path`, as [`ask`] does, where the offline answer has to be waited for.
pub(super) fn ask_async<T: DeserializeOwned>(
    place: &Place,
    path: &str,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    of_either(place, path, None, |body| json(&body), async |desk, _| offline(desk).await)
}

/// Has something done at `path`; where no daemon runs, `offline` does it with the opened store. `None`: there is no such thing.
pub(super) fn order<T: DeserializeOwned>(
    place: &Place,
    path: &str,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    hand_over(place, path, Vec::new(), offline)
}

/// Hands octets over at `path`; where no daemon runs, `offline` does with them what it would. `None`: there is no such thing.
pub(super) fn hand_over<T: DeserializeOwned>(
    place: &Place,
    path: &str,
    octets: Vec<u8>,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    of_either(place, path, Some(octets), |body| json(&body), async |desk, _| offline(desk).await)
}

/// Asks for octets as they are.
pub(super) fn octets(
    place: &Place,
    path: &str,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<Vec<u8>>>,
) -> Result<Option<Vec<u8>>, Ended> {
    of_either(place, path, None, Ok, async |desk, _| offline(desk).await)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("failed to read the daemon's answer")
}

fn of_either<T>(
    place: &Place,
    path: &str,
    body: Option<Vec<u8>>,
    read: impl FnOnce(Vec<u8>) -> anyhow::Result<T>,
    offline: impl AsyncFnOnce(&Desk, &Signer) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    let runtime = super::runtime()?;
    let socket = place.socket();
    let answer = runtime.block_on(async {
        match body {
            None => client::get(&socket, path).await,
            Some(body) => client::post(&socket, path, body).await,
        }
    });
    if answer.is_ok() {
        place.warn();
    }
    match answer {
        Ok((200, body)) => Ok(Some(read(body)?)),
        Ok((404, _)) => Ok(None),
        // Understood and refused: its reason is said as it would be without a daemon.
        Ok((409, body)) => Err(Ended::Failed(anyhow!("{}", String::from_utf8_lossy(&body).trim()))),
        Ok((status, body)) => Err(Ended::Failed(anyhow!("the daemon answered {status}: {}", String::from_utf8_lossy(&body).trim()))),
        Err(ClientFault::NotRunning) => {
            let settings = place.settings()?;
            runtime.block_on(async {
                let (desk, signer) = crate::open_desk(settings)?;
                let found = offline(&desk, &signer).await;
                desk.store().close().await;
                Ok(found?)
            })
        }
        Err(fault) => Err(Ended::Failed(anyhow!(fault).context("failed to ask the daemon"))),
    }
}
