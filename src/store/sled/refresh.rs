//! A stop in order leaves a store that opens quickly.
//!
//! The engine writes a snapshot of its page table only when it opens, and an opening reads all of the log that is younger than
//! the snapshot: after months of writing many gigabytes. So after much writing it is opened once more when it has closed. Ended in
//! the midst of that, the store is what it was: a snapshot gets its name once it is whole and on disk.

use super::open::probe;
use crate::store::blobs::sync_directory;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// After more than this the next start does it: a stop has to come to its end.
const OCTETS_MAX: u64 = 16 << 30;
/// The engine's own threads let go of its files a moment after it is closed.
const ATTEMPTS: u32 = 40;
const ATTEMPT_EVERY: Duration = Duration::from_millis(25);
/// What is held of pages meanwhile.
const CACHE_OCTETS: u64 = 1 << 20;

/// Opens and closes the engine once more when it goes, if that is wanted and worth it. To be let go after the engine and before the
/// store's lock.
pub(super) struct Refresh {
    tree: PathBuf,
    from_octets: u64,
    written_octets: AtomicU64,
    wanted: AtomicBool,
}

impl Refresh {
    /// Worth it from so many octets of log on.
    pub(super) const fn new(tree: PathBuf, from_octets: u64) -> Self {
        Self { tree, from_octets, written_octets: AtomicU64::new(0), wanted: AtomicBool::new(false) }
    }

    /// So much went into the log.
    pub(super) fn note(&self, octets: usize) {
        self.written_octets.fetch_add(octets as u64, Ordering::Relaxed);
    }

    /// The store was closed in order.
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        // The log is written in a circle: what is overwritten is not read.
        let in_file = std::fs::metadata(self.tree.join("db")).map_or(0, |file| file.len());
        let octets = in_file.min(*self.written_octets.get_mut());
        if !*self.wanted.get_mut() || !(self.from_octets..=OCTETS_MAX).contains(&octets) {
            return;
        }
        tracing::info!(octets, "much was written: a new snapshot of the store is made for the next start");
        for _ in 0..ATTEMPTS {
            match probe(&self.tree, CACHE_OCTETS) {
                Ok(db) => {
                    drop(db);
                    // Else a power cut could take the new one's name and leave none, and all of the log would be read.
                    let _ = sync_directory(&self.tree);
                    return;
                }
                Err(fault) if !fault.to_string().contains("could not acquire lock") => {
                    tracing::warn!(%fault, "no snapshot was made");
                    return;
                }
                Err(_) => std::thread::sleep(ATTEMPT_EVERY),
            }
        }
        tracing::warn!("no snapshot was made: the store is still read");
    }
}
