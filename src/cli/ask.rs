//! The running daemon if there is one, else the store itself: the same answer from both.

use super::Ended;
use crate::config::settings::Settings;
use crate::http::client::{self, ClientFault};
use crate::intake::Desk;
use crate::mail::token::Signer;
use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Asks at `path`; where no daemon runs, `offline` answers from the opened store. `None`: there is no such thing.
pub(super) fn ask<T: DeserializeOwned>(
    settings: &Settings,
    path: &str,
    offline: impl FnOnce(&Desk, &Signer) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    of_either(settings, path, None, |body| json(&body), async |desk, signer| offline(desk, signer))
}

/// Asks at `path`, as [`ask`] does, where the offline answer has to be waited for.
pub(super) fn ask_async<T: DeserializeOwned>(
    settings: &Settings,
    path: &str,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    of_either(settings, path, None, |body| json(&body), async |desk, _| offline(desk).await)
}

/// Has something done at `path`; where no daemon runs, `offline` does it with the opened store. `None`: there is no such thing.
pub(super) fn order<T: DeserializeOwned>(
    settings: &Settings,
    path: &str,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    hand_over(settings, path, Vec::new(), offline)
}

/// Hands octets over at `path`; where no daemon runs, `offline` does with them what it would. `None`: there is no such thing.
pub(super) fn hand_over<T: DeserializeOwned>(
    settings: &Settings,
    path: &str,
    octets: Vec<u8>,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    of_either(settings, path, Some(octets), |body| json(&body), async |desk, _| offline(desk).await)
}

/// Asks for octets as they are.
pub(super) fn octets(
    settings: &Settings,
    path: &str,
    offline: impl AsyncFnOnce(&Desk) -> anyhow::Result<Option<Vec<u8>>>,
) -> Result<Option<Vec<u8>>, Ended> {
    of_either(settings, path, None, Ok, async |desk, _| offline(desk).await)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("failed to read the daemon's answer")
}

fn of_either<T>(
    settings: &Settings,
    path: &str,
    body: Option<Vec<u8>>,
    read: impl FnOnce(Vec<u8>) -> anyhow::Result<T>,
    offline: impl AsyncFnOnce(&Desk, &Signer) -> anyhow::Result<Option<T>>,
) -> Result<Option<T>, Ended> {
    let runtime = super::runtime()?;
    let socket: PathBuf = settings.state_dir.join(crate::CONTROL_SOCKET);
    let answer = runtime.block_on(async {
        match body {
            None => client::get(&socket, path).await,
            Some(body) => client::post(&socket, path, body).await,
        }
    });
    match answer {
        Ok((200, body)) => Ok(Some(read(body)?)),
        Ok((404, _)) => Ok(None),
        // Understood and refused: its reason is said as it would be without a daemon.
        Ok((409, body)) => Err(Ended::Failed(anyhow!("{}", String::from_utf8_lossy(&body).trim()))),
        Ok((status, body)) => Err(Ended::Failed(anyhow!("the daemon answered {status}: {}", String::from_utf8_lossy(&body).trim()))),
        Err(ClientFault::NotRunning) => runtime.block_on(async {
            let (desk, signer) = crate::open_desk(settings)?;
            let found = offline(&desk, &signer).await;
            desk.store().close().await;
            Ok(found?)
        }),
        Err(fault) => Err(Ended::Failed(anyhow!(fault).context("failed to ask the daemon"))),
    }
}
