//! `guichet doctor`.

use super::{Ended, say};
use crate::channel::dns::Resolver;
use crate::channel::probe::Finding;
use crate::channel::smtp::SmtpRelay;
use crate::channel::{imap, maildir};
use crate::config::settings::{MailboxSource, Relay, Settings};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use std::path::{Path, PathBuf};

pub(super) fn doctor(config: &Path) -> Result<(), Ended> {
    let settings = super::settings(config)?;
    let mut all_well = true;
    for (subject, findings) in super::runtime()?.block_on(examine(&settings)) {
        for Finding { what, fault } in findings {
            all_well &= fault.is_none();
            let line = match fault {
                None => format!("ok      {subject}: {what}"),
                Some(wrong) => format!("FAILED  {subject}: {what}: {}; {}", wrong.said, wrong.remedy),
            };
            say(&crate::view::for_terminal(&line));
        }
    }
    if let Some(hint) = super::no_ops(&settings) {
        say(hint);
    }
    if all_well { Ok(()) } else { Err(Ended::Said) }
}

/// All at once: one that hangs holds up the others no longer than its own time limit.
async fn examine(settings: &Settings) -> Vec<(String, Vec<Finding>)> {
    let slots = imap::Slots::new(settings.limits.imap_connections_per_host_max, settings.limits.imap_connections_per_user_max);
    let slots = &slots;
    let mut subjects: Vec<BoxFuture<'_, (String, Vec<Finding>)>> = vec![state(settings).boxed()];
    for mailbox in &settings.mailboxes {
        let name = format!("mailbox {}", mailbox.name);
        subjects.push(match &mailbox.source {
            MailboxSource::Imap(account) => async move { (name, imap::probe(account, slots).await) }.boxed(),
            MailboxSource::Maildir(folder) => async move { (name, maildir_found(folder.clone()).await) }.boxed(),
        });
    }
    subjects.push(async { ("relay".to_owned(), relay(settings).await) }.boxed());
    if settings.policy.mailboxes.iter().any(|mailbox| mailbox.check.is_some()) {
        subjects.push(async { ("dns".to_owned(), Resolver::new(settings.dns.clone()).probe().await) }.boxed());
    }
    join_all(subjects).await
}

async fn relay(settings: &Settings) -> Vec<Finding> {
    match &settings.relay {
        Relay::Maildir(folder) => maildir_found(folder.clone()).await,
        Relay::Smtp(account) => match SmtpRelay::new(account.clone()) {
            Ok(relay) => relay.probe().await,
            Err(fault) => vec![Finding::failed("TLS", &fault, "check ca_file: it has to be a PEM file of certificates")],
        },
    }
}

async fn maildir_found(folder: PathBuf) -> Vec<Finding> {
    let what = format!("Maildir {}", folder.display());
    vec![
        found(what, "it, and new, cur and tmp in it, have to be readable and writable for this user", move || maildir::probe(&folder))
            .await,
    ]
}

async fn state(settings: &Settings) -> (String, Vec<Finding>) {
    let folder = settings.state_dir.clone();
    let what = format!("{} is writable", folder.display());
    let finding = found(what, "the directory has to belong to this user, on a disk with room", move || {
        std::fs::create_dir_all(&folder)?;
        let trial = folder.join(format!(".doctor.{}", std::process::id()));
        std::fs::write(&trial, b"trial").and_then(|()| std::fs::remove_file(&trial))
    });
    ("state_dir".to_owned(), vec![finding.await])
}

async fn found(what: String, remedy: &str, trial: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Finding {
    match tokio::task::spawn_blocking(trial).await {
        Ok(Ok(())) => Finding::ok(what),
        Ok(Err(fault)) => Finding::failed(what, &fault, remedy),
        Err(fault) => Finding::failed(what, &fault, remedy),
    }
}
