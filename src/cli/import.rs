//! `guichet import PATH…`.

use super::{Ended, complain, say};
use crate::RunFault;
use crate::channel::import::{self, Import, MailFile, Progress};
use crate::channel::lane::Budget;
use crate::channel::{Handover, HandoverFault, Receipt, Received};
use crate::config::settings::Settings;
use crate::domain::change::Landing;
use crate::domain::message::Source;
use crate::http::api::ImportedView;
use crate::http::client;
use crate::http::client::percent_encoded;
use crate::intake::{Desk, ImportReceipt, Imported, Notices, Prepared};
use anyhow::anyhow;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Where no bar can be drawn, a line tells of so many.
const LINE_EVERY: u64 = 1_000;

pub(super) fn import(config: &Path, mailbox: Option<&str>, paths: &[PathBuf], no_notices: bool) -> Result<(), Ended> {
    let settings = super::settings(config)?;
    let mailbox = mailbox_of(&settings, mailbox)?;
    let notices = if no_notices { Notices::None } else { Notices::Sent };
    let (files, unread) = import::find(paths);
    for (path, why) in &unread {
        complain(&unread_line(path, why));
    }
    let all_found = unread.is_empty();
    super::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let asked = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            asked.cancel();
        });
        let way = way(&settings).await?;
        let counts = Arc::new(Counts::default());
        let import = Import {
            mailbox,
            message_octets_max: settings.limits.message_octets_max,
            budget: Budget::new(settings.limits.intake_octets_max),
            stop: stop.clone(),
        };
        let importer = Importer { way: way.clone(), notices, counts: counts.clone() };
        let done = watched(&files, &import, importer).await;
        if let Way::Store(desk) = &way {
            desk.store().close().await;
        }
        for (path, why) in &done.unread {
            complain(&unread_line(path, why));
        }
        counts.tell(&done);
        match done.given_up {
            Some(why) => Err(Ended::Failed(anyhow!("stopped, since no message is taken in any more: {why}"))),
            None if stop.is_cancelled() => Err(Ended::Later(anyhow!("interrupted: run it again, and it goes on where it ended"))),
            None if all_found && done.unread.is_empty() && done.failed == 0 => Ok(()),
            None => Err(Ended::Said),
        }
    })
}

pub(super) fn unread_line(path: &Path, why: &str) -> String {
    crate::view::for_terminal(&format!("guichet: failed to read {}: {why}", path.display()))
}

/// The one that was named, or the only one.
fn mailbox_of(settings: &Settings, wanted: Option<&str>) -> Result<String, Ended> {
    let known: Vec<&str> = settings.mailboxes.iter().map(|mailbox| mailbox.name.as_str()).collect();
    let all = known.join(", ");
    match (wanted, known.as_slice()) {
        (Some(name), known) if known.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => Err(Ended::Wrong(vec![format!("guichet: --mailbox: there is no mailbox {name:?}; there are: {all}")])),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(Ended::Wrong(vec![format!("guichet: --mailbox NAME is needed, since there are several: {all}")])),
    }
}

/// The running daemon if there is one, else the store itself.
async fn way(settings: &Settings) -> Result<Way, Ended> {
    let socket = settings.state_dir.join(crate::CONTROL_SOCKET);
    if client::is_running(&socket).await? {
        return Ok(Way::Daemon(socket));
    }
    match crate::open_desk(settings) {
        Ok((desk, _)) => Ok(Way::Store(desk)),
        Err(fault @ RunFault::Busy(_)) => Err(Ended::Later(fault.into())),
        Err(fault) => Err(Ended::Failed(fault.into())),
    }
}

/// With a bar on a terminal, a line a thousand otherwise.
async fn watched(files: &[MailFile], import: &Import, importer: Importer) -> Progress {
    let total = files.iter().map(|file| file.octets).sum();
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(total));
    if let Some(bar) = &bar
        && let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {msg}  {eta} left")
    {
        bar.set_style(style);
    }
    let done = import::import(files, import, importer, |progress| {
        let settled = progress.landed + progress.failed;
        match &bar {
            Some(bar) => {
                bar.set_position(progress.octets);
                bar.set_message(format!("{settled} messages"));
            }
            None if settled.is_multiple_of(LINE_EVERY) => complain(&format!("{settled} messages")),
            None => {}
        }
    })
    .await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    done
}

#[derive(Default)]
struct Counts {
    taken_in: AtomicU64,
    already: AtomicU64,
    quarantined: AtomicU64,
}

impl Counts {
    fn note(&self, imported: Imported) {
        let count = match imported {
            Imported { already: true, .. } => &self.already,
            Imported { landing: Landing::Quarantine { .. }, .. } => &self.quarantined,
            Imported { landing: Landing::Ticket { .. }, .. } => &self.taken_in,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, done: &Progress) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        for (what, count) in [
            ("taken in", of(&self.taken_in)),
            ("already there", of(&self.already)),
            ("quarantined", of(&self.quarantined)),
            ("failed", done.failed + done.unread.len() as u64),
        ] {
            say(&format!("{what:<14} {count}"));
        }
    }
}

#[derive(Clone)]
enum Way {
    Daemon(PathBuf),
    Store(Desk),
}

/// The desk, here or behind the control socket, for messages of the past.
#[derive(Clone)]
struct Importer {
    way: Way,
    notices: Notices,
    counts: Arc<Counts>,
}

enum Ready {
    Here(Box<Prepared>),
    /// The daemon parses it.
    There(Received),
}

impl Handover for Importer {
    type Prepared = Ready;

    fn prepare(&self, received: Received) -> BoxFuture<'static, Result<Ready, HandoverFault>> {
        let way = self.way.clone();
        async move {
            Ok(match way {
                Way::Daemon(_) => Ready::There(received),
                Way::Store(desk) => Ready::Here(Box::new(desk.prepare(received).await?)),
            })
        }
        .boxed()
    }

    fn accept(&self, prepared: Ready) -> BoxFuture<'static, Result<Receipt, HandoverFault>> {
        let Self { way, notices, counts } = self.clone();
        async move {
            let imported: ImportReceipt = match (way, prepared) {
                (Way::Store(desk), Ready::Here(prepared)) => desk.import(*prepared, notices).await?,
                (Way::Daemon(socket), Ready::There(received)) => {
                    // The answer comes when it is on disk there.
                    let imported =
                        hand_over(&socket, received, notices).await.map_err(|fault| HandoverFault::Store(format!("{fault:#}")))?;
                    std::future::ready(Ok(imported)).boxed()
                }
                (Way::Store(_), Ready::There(_)) | (Way::Daemon(_), Ready::Here(_)) => return Err(HandoverFault::Stopping),
            };
            Ok(imported
                .map(move |imported| {
                    imported.map(|imported| {
                        counts.note(imported);
                        imported.landing
                    })
                })
                .boxed())
        }
        .boxed()
    }

    fn cursor(&self, _mailbox: &str) -> BoxFuture<'static, Option<(u32, u32)>> {
        std::future::ready(None).boxed()
    }
}

/// To the running daemon.
async fn hand_over(socket: &Path, received: Received, notices: Notices) -> anyhow::Result<Imported> {
    let file = match &received.source {
        Source::Maildir { file, .. } => file.as_str(),
        Source::Imap { .. } | Source::Chat { .. } => "",
    };
    let cut = received.cut.map_or_else(String::new, |whole| format!("&cut={whole}"));
    let path = format!(
        "/api/v1/import?mailbox={}&notices={}&file={}{cut}",
        percent_encoded(received.source.mailbox()),
        notices == Notices::Sent,
        percent_encoded(file)
    );
    let (status, body) = client::post(socket, &path, received.raw).await?;
    anyhow::ensure!(status == 200, "the daemon answered {status}: {}", String::from_utf8_lossy(&body).trim());
    Ok(serde_json::from_slice::<ImportedView>(&body)?.into())
}
