//! `guichet run`.

use super::Ended;
use crate::RunFault;
use crate::clock::Clock;
use crate::domain::policy::Policy;
use crate::fault_plan::FaultPlan;
use std::io::IsTerminal as _;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

pub(super) fn run(config: &Path) -> Result<(), Ended> {
    let settings = super::settings(config)?;
    let fault_plan = FaultPlan::of_environment().map_err(|wrong| Ended::Wrong(vec![wrong]))?;
    log();
    crate::reload::warn(&settings.warnings);
    let runtime = super::runtime()?;
    let stop = CancellationToken::new();
    let path = config.to_owned();
    let ended = runtime.block_on(async {
        // Installed before anything can be asked to stop.
        let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let signals = tokio::spawn(until_signal(term, int, stop.clone()));
        let reload = move |in_force: &Policy| crate::config::load_again(&path, in_force, Clock::system().now());
        let ended = crate::run(settings, reload, stop, fault_plan, |_| {}).await;
        signals.abort();
        ended
    });
    match ended {
        Ok(()) => Ok(()),
        Err(fault @ RunFault::Busy(_)) => Err(Ended::Later(fault.into())),
        Err(fault) => Err(Ended::Failed(fault.into())),
    }
}

/// SIGTERM and SIGINT stop in order.
async fn until_signal(mut term: Signal, mut int: Signal, stop: CancellationToken) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("told to stop");
    stop.cancel();
}

/// To standard error, in which systemd's journal reads; `GUICHET_LOG` sets what is said, as `info` or `guichet=debug`.
pub(super) fn log() {
    let wished = std::env::var("GUICHET_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::new(format!("{wished},sled=warn,lettre=warn,hyper=warn"));
    let to_terminal = std::io::stderr().is_terminal();
    // The journal has its own times.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(to_terminal).with_target(false);
    let _ = if journal { builder.without_time().try_init() } else { builder.try_init() };
}
