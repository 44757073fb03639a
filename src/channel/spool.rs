//! Large mail on its way: fetched piece by piece into a file, read back when its turn comes.
//!
//! What is promised is that memory follows the configuration, however much large mail arrives together (P11): only a piece
//! of each is in memory while it is fetched, and all of one at a time while it is parsed and kept. A file here is no promise
//! to the sender: nothing is settled because of it (P1). It has no name, so that a process that is killed leaves nothing.

use super::{HandoverFault, Received};
use crate::domain::message::Source;
use axum::body::Bytes;
use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Name of the directory in the state directory.
const DIRECTORY: &str = "spool";

/// Where large mail waits, over all mailboxes. Clones share it.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
    from_octets: u64,
    alone: Arc<Semaphore>,
    bench: Arc<Bench>,
}

/// Where large mail is worked on: one thread for what blocks, and another only where one hangs. Parsed and packed now here and now there, each mail would leave
/// its size behind in the arena of another thread, which the system's allocator keeps: several times what is in use.
#[derive(Debug, Default)]
struct Bench(OnceLock<Option<Runtime>>);

impl Bench {
    /// Made at the first need: most desks have little large mail.
    fn handle(&self) -> Option<&Handle> {
        let build = || {
            let mut runtime = Builder::new_multi_thread();
            runtime.worker_threads(1).max_blocking_threads(4).thread_name("guichet-large").enable_all().build()
        };
        let made = self.0.get_or_init(|| build().inspect_err(|fault| tracing::error!(%fault, "no thread for large mail")).ok());
        made.as_ref().map(Runtime::handle)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take().flatten() {
            // Whoever drops it may be a task, which must not wait.
            runtime.shutdown_background();
        }
    }
}

impl Spool {
    /// Makes the directory, and takes away what an earlier process may have left in it. Blocks.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(state_dir: &Path, from_octets: u64) -> io::Result<Self> {
        let dir = state_dir.join(DIRECTORY);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        for entry in fs::read_dir(&dir)? {
            match fs::remove_file(entry?.path()) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Self { dir, from_octets, alone: Arc::new(Semaphore::new(1)), bench: Arc::default() })
    }

    /// Whether a mail of this size goes through here.
    #[must_use]
    pub const fn takes(&self, octets: u64) -> bool {
        octets > self.from_octets
    }

    /// A file without a name. Blocks for a moment.
    ///
    /// # Errors
    /// The disk's.
    pub fn file(&self) -> io::Result<File> {
        unnamed(&self.dir)
    }

    /// Takes octets in that come in a stream; `None` if there are more than the limit.
    ///
    /// # Errors
    /// The stream's and the disk's.
    pub async fn receive<E: std::fmt::Display>(
        &self,
        stream: impl Stream<Item = Result<Bytes, E>>,
        octets_max: u64,
    ) -> io::Result<Option<Held>> {
        let spool = self.clone();
        let file = tokio::task::spawn_blocking(move || spool.file()).await.unwrap_or_else(|fault| Err(io::Error::other(fault)))?;
        let file = Arc::new(file);
        let mut octets = 0;
        let mut stream = std::pin::pin!(stream);
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|fault| io::Error::other(fault.to_string()))?;
            let length = piece.len() as u64;
            if octets + length > octets_max {
                return Ok(None);
            }
            write_at(&file, octets, piece.into()).await?;
            octets += length;
        }
        Ok(Some(Held { file, octets }))
    }

    /// Works on a large mail where it belongs; it ends with the caller.
    ///
    /// # Errors
    /// It panicked, or the daemon stops.
    pub async fn apart<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, HandoverFault> {
        let Some(handle) = self.bench.handle() else { return Ok(work.await) };
        let mut working = JoinSet::new();
        working.spawn_on(work, handle);
        match working.join_next().await {
            Some(Ok(done)) => Ok(done),
            Some(Err(fault)) => Err(HandoverFault::Store(format!("a large message: {fault}"))),
            None => Err(HandoverFault::Stopping),
        }
    }

    /// The turn of one large mail to be in memory.
    pub async fn alone(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.alone).acquire_owned().await.ok()
    }
}

/// A file in a directory, whose name is taken away at once. Blocks for a moment.
///
/// # Errors
/// The disk's.
pub fn unnamed(dir: &Path) -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let path = dir.join(format!("{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        match File::options().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            // Another process that had this id was ended before it could take the name away.
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
            file => {
                let file = file?;
                fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
}

/// Octets that wait in a file.
#[derive(Debug)]
pub struct Held {
    file: Arc<File>,
    octets: u64,
}

impl Held {
    /// All of them in memory.
    ///
    /// # Errors
    /// The disk's.
    pub async fn octets(self) -> io::Result<Vec<u8>> {
        let read = tokio::task::spawn_blocking(move || read_all(&self.file, self.octets)).await;
        read.unwrap_or_else(|fault| Err(io::Error::other(fault)))
    }
}

/// So many octets of a file. Blocks.
///
/// # Errors
/// The disk's, and that there are fewer.
pub fn read_all(file: &File, octets: u64) -> io::Result<Vec<u8>> {
    let mut raw = vec![0; usize::try_from(octets).map_err(io::Error::other)?];
    file.read_exact_at(&mut raw, 0)?;
    Ok(raw)
}

/// A mail of which all is in a file.
#[derive(Debug)]
pub struct Spooled {
    pub source: Source,
    pub file: File,
    pub octets: u64,
    pub arrived: Option<Timestamp>,
    /// See [`Received::landed_to`].
    pub landed_to: Option<u32>,
}

impl Spooled {
    /// All of it in memory. Blocks.
    pub(super) fn read(self) -> io::Result<Received> {
        let raw = read_all(&self.file, self.octets)?;
        Ok(Received { source: self.source, raw, arrived: self.arrived, cut: None, landed_to: self.landed_to })
    }
}

/// Writes a piece at its place, off the async threads.
pub(super) async fn write_at(file: &Arc<File>, offset: u64, piece: Vec<u8>) -> io::Result<()> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || file.write_all_at(&piece, offset)).await.unwrap_or_else(|fault| Err(io::Error::other(fault)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_files_have_no_name_and_what_was_left_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 10).unwrap();
        assert_eq!([10, 11].map(|octets| spool.takes(octets)), [false, true]);
        let file = spool.file().unwrap();
        file.write_all_at(b"mail", 0).unwrap();
        let left = dir.path().join(DIRECTORY).join("1.1");
        assert_eq!(fs::read_dir(left.parent().unwrap()).unwrap().count(), 0);
        fs::write(&left, "from a process that was killed in between").unwrap();
        Spool::open(dir.path(), 10).unwrap();
        assert!(!left.exists());

        let source = Source::Maildir { mailbox: "m".into(), file: "f".into() };
        let of = |octets, file: &File| Spooled {
            source: source.clone(),
            file: file.try_clone().unwrap(),
            octets,
            arrived: None,
            landed_to: None,
        };
        assert_eq!(of(4, &file).read().unwrap().raw, b"mail");
        assert!(of(5, &file).read().is_err(), "never less than there was");
    }
}
