//! The tree with what is to sink into it, its panics turned into faults, and the one place where it becomes durable.

use super::keys::{Key, Kind};
use super::overlay::{Merged, Overlay, Rows, Said};
use super::record::{self, BlobRecord, Decoded, Record};
use super::refresh::Refresh;
use crate::domain::away::Away;
use crate::domain::message::{BlobId, BlobRef};
use crate::fault_plan::{FaultPlan, Place};
use crate::store::blobs::{Blobs, Location, sync_directory};
use crate::store::fault::StoreFault;
use ::sled::{Batch, Db, IVec};
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// A row as it stands in the tree.
pub(in crate::store) type Row = (IVec, IVec);

/// Tree and packs of one store, open.
pub(in crate::store) struct Engine {
    /// First, so that it is closed before what comes after that.
    db: Db,
    refresh: Refresh,
    pub(in crate::store) blobs: Blobs,
    /// Held to write while a change is shown and to read while a decision's facts are gathered, so that they are of
    /// one moment. Never held over an await or a sync.
    gate: RwLock<()>,
    /// Held for single lookups only.
    overlay: RwLock<Overlay>,
    /// Who is away, since every decision wants to know; `None` until it is asked for and after a change of it was shown. Set and
    /// taken with the gate held.
    away: RwLock<Option<Arc<[Away]>>>,
    files: Files,
    syncs: AtomicU64,
    pub(in crate::store) plan: FaultPlan,
    /// Last, so that it is released last.
    _lock: File,
}

/// The engine's own files.
struct Files {
    dir: PathBuf,
    /// The log: another handle on the file that the engine writes, since `fdatasync` is of the file and not of the handle.
    log: File,
    /// When the directory of oversized pages was last seen changed. No page of ours is oversized (see
    /// [`record::VALUE_OCTETS_MAX`]); if one ever is, it is synced too.
    oversized_changed: Mutex<Option<(i64, i64)>>,
}

impl Engine {
    /// Wraps an open tree; `dir` is the engine's directory.
    pub(super) fn new(db: Db, blobs: Blobs, refresh: Refresh, dir: &Path, lock: File, plan: FaultPlan) -> io::Result<Self> {
        let files = Files { dir: dir.to_owned(), log: File::open(dir.join("db"))?, oversized_changed: Mutex::new(None) };
        Ok(Self {
            db,
            refresh,
            blobs,
            gate: RwLock::new(()),
            overlay: RwLock::default(),
            away: RwLock::default(),
            files,
            syncs: AtomicU64::new(0),
            plan,
            _lock: lock,
        })
    }

    /// Holds changes back while it is held.
    pub(in crate::store) fn one_moment(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change visible to all that is read from now on.
    pub(in crate::store) fn show(&self, rows: Rows) {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let first = [Kind::Away as u8];
        if rows.range::<[u8], _>((Bound::Included(&first[..]), Bound::Unbounded)).next().is_some_and(|(key, _)| key.starts_with(&first)) {
            *self.away.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        self.overlay.write().unwrap_or_else(PoisonError::into_inner).show(rows);
    }

    /// Writes all that was shown until now, in one batch: of a group of changes all or none survive. After a fault it is not known
    /// what is in the tree. What is read does not change by it.
    pub(in crate::store) fn sink(&self) -> Result<(), StoreFault> {
        self.plan.reach(Place::BeforeSink).map_err(|fault| StoreFault::io("writing a group", &fault))?;
        let rows = self.overlay.write().unwrap_or_else(PoisonError::into_inner).sink();
        let mut batch = Batch::default();
        for (key, value) in rows.iter() {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.apply(batch)?;
        self.overlay.write().unwrap_or_else(PoisonError::into_inner).sunk();
        Ok(())
    }

    /// Writes to the tree, past the overlay.
    pub(in crate::store) fn apply(&self, batch: Batch) -> Result<(), StoreFault> {
        guarded(|| self.db.apply_batch(batch))
    }

    /// **The one sync.** The engine's `flush` hands its buffers to the system but never flushes the device (on Linux it calls
    /// `sync_file_range`, whose manual page warns of exactly that), so that our own `fdatasync` has to follow. Blocks.
    /// After a fault nothing that was applied since the last success may be called durable, ever.
    pub(in crate::store) fn make_durable(&self) -> Result<(), StoreFault> {
        let reach = |place| self.plan.reach(place).map_err(|fault| StoreFault::io("syncing", &fault));
        reach(Place::BeforeFlush)?;
        self.refresh.note(guarded(|| self.db.flush())?);
        reach(Place::AfterFlush)?;
        self.files.sync().map_err(|fault| StoreFault::io("syncing", &fault))?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        reach(Place::AfterSync)
    }

    /// Nothing is written any more, and all was: with the last user of the tree goes what makes the next start slow.
    pub(in crate::store) fn closed_in_order(&self) {
        self.refresh.want();
    }

    /// Successful syncs so far.
    pub(in crate::store) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// All who said that they are away, read by `read` if it is not known yet. Only with [`Engine::one_moment`] held.
    pub(in crate::store) fn away_or(&self, read: impl FnOnce() -> Result<Vec<Away>, StoreFault>) -> Result<Arc<[Away]>, StoreFault> {
        if let Some(away) = self.away.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(Arc::clone(away));
        }
        let away: Arc<[Away]> = read()?.into();
        *self.away.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&away));
        Ok(away)
    }

    fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) fn get(&self, key: &Key) -> Result<Option<IVec>, StoreFault> {
        // A row leaves the overlay only when it is in the tree, so that it is in one of them.
        let said = self.overlay().get(key.as_ref());
        match said {
            Some(Said::Is(value)) => Ok(Some(value)),
            Some(Said::Removed) => Ok(None),
            None => guarded(|| self.db.get(key)),
        }
    }

    pub(in crate::store) fn has(&self, key: &Key) -> Result<bool, StoreFault> {
        Ok(self.get(key)?.is_some())
    }

    /// All rows whose keys begin so, in order, from either end.
    pub(in crate::store) fn scan(&self, prefix: &Key) -> Scan {
        let after = after(prefix.as_ref());
        let over = self.overlay().between(Bound::Included(prefix.as_ref()), excluded(after.as_deref()));
        Scan(Merged::new(over, Tree(self.db.scan_prefix(prefix))))
    }

    /// All rows between two keys, in order.
    pub(in crate::store) fn between(&self, from: Bound<&Key>, to: Bound<&Key>) -> Scan {
        let over = self.overlay().between(from.map(AsRef::as_ref), to.map(AsRef::as_ref));
        Scan(Merged::new(over, Tree(self.db.range::<&Key, _>((from, to)))))
    }

    /// Every row there is.
    pub(in crate::store) fn all(&self) -> Scan {
        let over = self.overlay().between(Bound::Unbounded, Bound::Unbounded);
        Scan(Merged::new(over, Tree(self.db.iter())))
    }

    /// The last key of a kind of which no row is ever removed.
    pub(in crate::store) fn last_of(&self, kind: Kind) -> Result<Option<IVec>, StoreFault> {
        let prefix = Key::of(kind);
        let after = after(prefix.as_ref());
        let over = self.overlay().last_between(Bound::Included(prefix.as_ref()), excluded(after.as_deref()));
        let in_tree = Tree(self.db.scan_prefix(&prefix)).next_back().transpose()?.map(|(key, _)| key);
        Ok(over.max(in_tree))
    }

    /// Reads the record of a key.
    pub(in crate::store) fn load<R: Record>(&self, key: &Key) -> Result<Option<R>, StoreFault> {
        self.get(key)?.map(|value| self.read(&value)).transpose()
    }

    /// Reads a value's record, from the packs if it is there.
    pub(in crate::store) fn read<R: Record>(&self, value: &[u8]) -> Result<R, StoreFault> {
        match record::decode(value)? {
            Decoded::Record(record) => Ok(record),
            Decoded::Spilled(blob, version) => record::decode_spilled(&self.content(blob, R::KIND)?, version),
        }
    }

    /// Where a content is; `None` if it was never kept.
    pub(in crate::store) fn locate(&self, id: BlobId) -> Result<Option<Location>, StoreFault> {
        // In this order: a place leaves the stage only after it is in the tree.
        if let Some(location) = self.blobs.staged(id) {
            return Ok(Some(location));
        }
        Ok(self.load::<BlobRecord>(&super::keys::blob(id))?.map(Location::from))
    }

    /// A content that a record of this kind names and that must be there.
    pub(in crate::store) fn content(&self, blob: BlobRef, kind: &'static str) -> Result<Vec<u8>, StoreFault> {
        let location =
            self.locate(blob.id)?.ok_or_else(|| StoreFault::Damaged { kind, detail: format!("its blob {} is missing", blob.id) })?;
        self.blobs.read(blob.id, location)
    }

    /// A text that a record of this kind names.
    pub(in crate::store) fn text(&self, blob: BlobRef, kind: &'static str) -> Result<String, StoreFault> {
        String::from_utf8(self.content(blob, kind)?)
            .map_err(|_| StoreFault::Damaged { kind, detail: format!("its blob {} is no text", blob.id) })
    }

    /// Octets of the engine's files.
    pub(in crate::store) fn octets(&self) -> io::Result<u64> {
        let mut octets = 0;
        for file in std::fs::read_dir(&self.files.dir)? {
            let metadata = file?.metadata()?;
            if metadata.is_file() {
                octets += metadata.len();
            }
        }
        Ok(octets)
    }
}

impl Files {
    fn sync(&self) -> io::Result<()> {
        self.log.sync_data()?;
        let oversized = self.dir.join("blobs");
        let metadata = std::fs::metadata(&oversized)?;
        let changed = (metadata.mtime(), metadata.mtime_nsec());
        let mut seen = self.oversized_changed.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != Some(changed) {
            for file in std::fs::read_dir(&oversized)? {
                File::open(file?.path())?.sync_data()?;
            }
            sync_directory(&oversized)?;
            // Snapshots are written at open only, and renamed without a sync of the directory.
            sync_directory(&self.dir)?;
            *seen = Some(changed);
        }
        Ok(())
    }
}

/// Rows in order.
pub(in crate::store) struct Scan(Merged<Tree>);

impl Iterator for Scan {
    type Item = Result<Row, StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

/// Rows of the tree in order; the engine's panics and errors come as faults.
struct Tree(::sled::Iter);

impl Iterator for Tree {
    type Item = Result<Row, StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        guarded(|| self.0.next().transpose()).transpose()
    }
}

impl DoubleEndedIterator for Tree {
    fn next_back(&mut self) -> Option<Self::Item> {
        guarded(|| self.0.next_back().transpose()).transpose()
    }
}

/// The first key after all that begin with a prefix; `None` if there can be none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|octet| *octet != u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

fn excluded(end: Option<&[u8]>) -> Bound<&[u8]> {
    end.map_or(Bound::Unbounded, Bound::Excluded)
}

/// Runs a call into the engine. It reports much of what it finds wrong on disk by a panic.
fn guarded<T>(call: impl FnOnce() -> ::sled::Result<T>) -> Result<T, StoreFault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(::sled::Error::Io(fault))) => Err(StoreFault::io("the engine", &fault)),
        Ok(Err(fault)) => Err(StoreFault::Damaged { kind: "page", detail: fault.to_string() }),
        Err(panic) => Err(StoreFault::Damaged { kind: "page", detail: panic_text(panic.as_ref()) }),
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the engine panicked").chars().take(300).collect()
}
