//! Local Maildirs: the same intake from a folder (the embedded default, import), and mail written into one.
//!
//! A file in `new/` is work; one in `cur/` is settled. A delivery is seen whole or not at all, as it is written in `tmp/`
//! and renamed.

use super::lane::{Lane, Settled};
use super::{FaultKind, Handover, Health, Received, Surroundings};
use crate::domain::message::Source;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How much is read of a file that is too large.
pub(super) const CUT_OCTETS: u64 = 256 * 1024;
/// A file that could not be taken over is tried again after so long, doubled each time up to the last.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LAST: Duration = Duration::from_mins(5);
/// After the stop is asked for, what was handed over is waited for so long.
const GRACE: Duration = Duration::from_secs(5);

/// Watches `directory` until the stop is asked for; it is made if it is missing.
pub async fn watch_maildir<H: Handover>(
    name: String,
    directory: PathBuf,
    poll_every: Duration,
    handover: H,
    around: Surroundings,
    health: watch::Sender<Health>,
) {
    let stop = around.stop.clone();
    let mut mailbox = Mailbox { lane: Lane::new(handover, around.budget.clone()), known: BTreeMap::new(), name, directory, around, health };
    let mut turn = interval(poll_every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(settled) = mailbox.lane.settled() => mailbox.note(settled).await,
            _ = turn.tick() => {
                let outcome = mailbox.take_in().await;
                mailbox.publish(outcome);
            }
        }
    }
    let last = async {
        while let Some(settled) = mailbox.lane.settled().await {
            mailbox.note(settled).await;
        }
    };
    tokio::select! {
        () = last => {}
        () = sleep(GRACE) => {}
    }
    mailbox.health.send_modify(|health| health.connected_since = None);
}

struct Mailbox<H: Handover> {
    name: String,
    directory: PathBuf,
    around: Surroundings,
    health: watch::Sender<Health>,
    lane: Lane<H>,
    /// Files of `new/` that were seen, by the name that their source has.
    known: BTreeMap<String, Known>,
}

struct Known {
    file: OsString,
    state: State,
    failures: u32,
    seen: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InLane,
    /// On disk, but still in `new/`.
    Landed,
    Later {
        until: Instant,
    },
}

impl<H: Handover> Mailbox<H> {
    /// Hands over what is in `new/` and not on its way.
    async fn take_in(&mut self) -> io::Result<()> {
        let directory = self.directory.clone();
        let listed = blocking(move || {
            make(&directory)?;
            list(&directory.join("new"))
        })
        .await?;
        let seen = self.around.clock.now();
        let present: HashSet<&OsString> = listed.iter().collect();
        self.known.retain(|_, known| known.state == State::InLane || present.contains(&known.file));
        for file in listed {
            while let Some(settled) = self.lane.settled_now() {
                self.note(settled).await;
            }
            if self.around.stop.is_cancelled() {
                break;
            }
            // The name in the source is for people and for settling; one that is not text only looks alike.
            let name = file.to_string_lossy().into_owned();
            match self.known.get(&name).map(|known| known.state) {
                None => {}
                Some(State::Later { until }) if until <= Instant::now() => {}
                Some(State::Landed) => {
                    self.settle(&name).await;
                    continue;
                }
                Some(State::InLane | State::Later { .. }) => continue,
            }
            match read(&self.directory.join("new").join(&file), self.around.limits.message_octets_max).await {
                Ok(Some(read)) => {
                    let source = Source::Maildir { mailbox: self.name.clone(), file: name.clone() };
                    self.lane.push(Received { source, raw: read.raw, arrived: read.arrived, cut: read.cut, landed_to: None }).await;
                    let known = self.known.entry(name).or_insert(Known { file, state: State::InLane, failures: 0, seen });
                    known.state = State::InLane;
                }
                Ok(None) => {}
                Err(fault) => {
                    tracing::warn!(mailbox = self.name, %fault, "a file could not be read");
                    self.known.entry(name.clone()).or_insert(Known { file, state: State::InLane, failures: 0, seen });
                    self.failed(&name);
                }
            }
        }
        Ok(())
    }

    async fn note(&mut self, (source, landing): Settled) {
        let Source::Maildir { file: name, .. } = source else { return };
        match landing {
            Ok(_) => {
                let now = self.around.clock.now();
                self.health.send_if_modified(|health| {
                    health.last_answer = Some(now);
                    false
                });
                if let Some(known) = self.known.get_mut(&name) {
                    known.state = State::Landed;
                }
                self.settle(&name).await;
            }
            Err(fault) => {
                tracing::warn!(mailbox = self.name, %fault, "a message was not taken over");
                let at = self.around.clock.now();
                self.health.send_modify(|health| health.fail(&self.name, FaultKind::Handover, fault.to_string(), at));
                self.failed(&name);
            }
        }
    }

    /// From `new/` to `cur/`, seen. No flush: if it is lost in a crash, the desk knows the message (P2).
    async fn settle(&mut self, name: &str) {
        let Some(known) = self.known.get(name) else { return };
        let from = self.directory.join("new").join(&known.file);
        let mut settled = known.file.clone();
        settled.push(":2,S");
        match tokio::fs::rename(&from, self.directory.join("cur").join(settled)).await {
            Ok(()) => drop(self.known.remove(name)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => drop(self.known.remove(name)),
            Err(fault) => tracing::warn!(mailbox = self.name, %fault, "settling failed"),
        }
    }

    fn failed(&mut self, name: &str) {
        if let Some(known) = self.known.get_mut(name) {
            known.failures += 1;
            let delay = RETRY_FIRST.saturating_mul(1 << (known.failures - 1).min(20)).min(RETRY_LAST);
            known.state = State::Later { until: Instant::now() + delay };
        }
    }

    fn publish(&self, outcome: io::Result<()>) {
        let now = self.around.clock.now();
        let backlog = self.known.len();
        let oldest = self.known.values().map(|known| known.seen).min();
        // Nobody has to wake up because all is as it was a moment ago.
        self.health.send_if_modified(|health| {
            let mut changed = health.backlog != backlog;
            health.backlog = backlog;
            health.oldest_seen = oldest;
            match outcome {
                Ok(()) => {
                    if health.connected_since.is_none() {
                        health.connected_since = Some(now);
                        health.waited = backlog;
                        changed = true;
                    }
                    health.last_success = Some(now);
                    health.last_answer = Some(now);
                }
                Err(fault) => {
                    tracing::warn!(mailbox = self.name, %fault, "the folder could not be looked through");
                    health.connected_since = None;
                    health.fail(&self.name, FaultKind::Network, fault.to_string(), now);
                    changed = true;
                }
            }
            changed
        });
    }
}

/// The file of a mail by its name without flags, settled or not; `None` if it is gone. Blocks.
///
/// # Errors
/// The disk's.
pub fn find(directory: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    for folder in ["new", "cur"].map(|folder| directory.join(folder)) {
        for file in list(&folder)? {
            if file.to_string_lossy().split(':').next() == Some(name) {
                return Ok(Some(folder.join(file)));
            }
        }
    }
    Ok(None)
}

/// The files, by the time in their names, then by name.
pub(super) fn list(new: &Path) -> io::Result<Vec<OsString>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(new)? {
        let entry = entry?;
        // Neither a folder nor a link: what a link points to was never delivered here.
        if entry.file_type()?.is_file() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.file_name());
        }
    }
    files.sort_by_cached_key(|file| (time_in(&file.to_string_lossy()), file.clone()));
    Ok(files)
}

/// A name begins with the seconds of its delivery; one that does not comes last.
pub(super) fn time_in(name: &str) -> u64 {
    name.split_once('.').and_then(|(seconds, _)| seconds.parse().ok()).unwrap_or(u64::MAX)
}

pub(super) struct Read {
    pub(super) raw: Vec<u8>,
    pub(super) arrived: Option<Timestamp>,
    pub(super) cut: Option<u64>,
}

/// Reads a file within the limit; `None` if it is gone.
pub(super) async fn read(path: &Path, message_octets_max: u64) -> io::Result<Option<Read>> {
    let file = match tokio::fs::File::open(path).await {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let about = file.metadata().await?;
    let cut = (about.len() > message_octets_max).then_some(about.len());
    let octets_max = if cut.is_some() { CUT_OCTETS.min(message_octets_max) } else { message_octets_max };
    let mut raw = Vec::new();
    file.take(octets_max).read_to_end(&mut raw).await?;
    let arrived = about.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    Ok(Some(Read { raw, arrived, cut }))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// Writes one mail into a Maildir, which is made if it is missing. When it returns, the mail is on disk and in its
/// place. `at` only names the file. Blocks: call it off the async threads.
pub fn deliver(directory: &Path, at: Timestamp, octets: &[u8]) -> io::Result<PathBuf> {
    static DELIVERIES: AtomicU64 = AtomicU64::new(0);
    make(directory)?;
    let (tmp, new) = (directory.join("tmp"), directory.join("new"));
    loop {
        // No other process has this id now, and this one does not count twice; a name of an earlier process with the same
        // id and time is passed over.
        let count = DELIVERIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.M{}P{}Q{count}.guichet", at.as_second(), at.subsec_microsecond(), std::process::id());
        let (written, place) = (tmp.join(&name), new.join(&name));
        if place.try_exists()? || directory.join("cur").join(format!("{name}:2,S")).try_exists()? {
            continue;
        }
        match std::fs::File::create_new(&written) {
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
            file => {
                let outcome = write(&mut file?, octets).and_then(|()| std::fs::rename(&written, &place));
                if let Err(fault) = outcome {
                    // Nobody reads what stays in tmp/; the fault that made it stay is the one to tell.
                    let _ = std::fs::remove_file(&written);
                    return Err(fault);
                }
                sync(&new)?;
                return Ok(place);
            }
        }
    }
}

/// Whether mail can be taken from this folder, which is made if it is missing, and whether files can be moved and
/// written in it. Blocks.
pub fn probe(directory: &Path) -> io::Result<()> {
    make(directory)?;
    list(&directory.join("new"))?;
    for folder in ["tmp", "new", "cur"] {
        let trial = directory.join(folder).join(format!(".guichet-doctor.{}", std::process::id()));
        std::fs::write(&trial, b"")?;
        std::fs::remove_file(&trial)?;
    }
    Ok(())
}

fn write(file: &mut std::fs::File, octets: &[u8]) -> io::Result<()> {
    io::Write::write_all(file, octets)?;
    file.sync_all()
}

/// Makes the three folders, and makes their names last.
fn make(directory: &Path) -> io::Result<()> {
    for folder in ["tmp", "new", "cur"] {
        let folder = directory.join(folder);
        if !folder.is_dir() {
            std::fs::create_dir_all(&folder)?;
            sync(directory)?;
            if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync(parent)?;
            }
        }
    }
    Ok(())
}

fn sync(directory: &Path) -> io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::imap::tests::desk::{Desk, surroundings, until};
    use tokio::task::JoinHandle;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn files(directory: &Path, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(directory.join(folder))
            .map(|all| all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.sort();
        names
    }

    fn start(directory: &Path, desk: &Desk) -> (Surroundings, watch::Receiver<Health>, JoinHandle<()>) {
        let (sender, health) = watch::channel(Health::default());
        let around = surroundings();
        let every = Duration::from_millis(10);
        let watching = watch_maildir("local".into(), directory.to_owned(), every, desk.clone(), around.clone(), sender);
        (around, health, tokio::spawn(watching))
    }

    #[test]
    fn a_delivery_is_whole_and_its_name_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = directory.path().join("a/b");
        let time = at("2026-11-22T10:00:00.000123Z");
        let places: Vec<PathBuf> = (0..3).map(|n| deliver(&maildir, time, format!("mail {n}").as_bytes()).unwrap()).collect();
        assert_eq!(files(&maildir, "new").len(), 3, "the same time three times");
        assert_eq!(files(&maildir, "tmp"), [""; 0]);
        assert_eq!(std::fs::read_to_string(&places[2]).unwrap(), "mail 2");
        assert!(places[0].file_name().unwrap().to_str().unwrap().starts_with("1795341600.M123P"), "{places:?}");
    }

    #[tokio::test]
    async fn p1_a_file_is_settled_once_it_has_its_receipt() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = directory.path();
        let desk = Desk::new();
        deliver(maildir, at("2026-11-22T10:00:09Z"), b"second, held").unwrap();
        deliver(maildir, at("2026-11-22T10:00:00Z"), b"first").unwrap();
        let (around, health, watching) = start(maildir, &desk);
        until("the first is settled", || files(maildir, "cur").len() == 1).await;
        until("the second is accepted", || desk.accepted() == ["first", "second, held"]).await;
        assert_eq!(files(maildir, "new").len(), 1, "no receipt, not settled");
        desk.release.send_replace(true);
        until("both are settled", || files(maildir, "new").is_empty()).await;
        assert!(files(maildir, "cur").iter().all(|name| name.ends_with(".guichet:2,S")));
        around.stop.cancel();
        watching.await.unwrap();
        assert_eq!(desk.prepared().len(), 2, "each was read once");
        assert_eq!(health.borrow().last_fault, None);
    }

    #[tokio::test]
    async fn p3_what_cannot_be_taken_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = directory.path();
        let desk = Desk::new();
        let (around, health, watching) = start(maildir, &desk);
        until("it is made", || maildir.join("cur").is_dir()).await;
        std::fs::create_dir(maildir.join("new/folder")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", maildir.join("new/link")).unwrap();
        std::fs::write(maildir.join("new/.hidden"), "hidden").unwrap();
        for (n, text) in ["refuse", "panic", "fine", &"x".repeat(2_000)].iter().enumerate() {
            std::fs::write(maildir.join(format!("new/{n}.name")), text).unwrap();
        }
        until("the others are settled", || files(maildir, "cur") == ["2.name:2,S", "3.name:2,S"]).await;
        assert_eq!(desk.cuts(), [None, Some(2_000)], "a large one is taken in by its start (P11)");
        assert_eq!(files(maildir, "new"), [".hidden", "0.name", "1.name", "folder", "link"]);
        assert_eq!(health.borrow().last_fault.clone().map(|(kind, ..)| kind), Some(FaultKind::Handover));
        around.stop.cancel();
        watching.await.unwrap();
    }

    #[test]
    fn files_come_by_the_time_in_their_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["10.b", "9.c", "10.a", "no-time", "x.y"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let names: Vec<String> = list(directory.path()).unwrap().into_iter().map(|file| file.into_string().unwrap()).collect();
        assert_eq!(names, ["9.c", "10.a", "10.b", "no-time", "x.y"]);
    }
}
