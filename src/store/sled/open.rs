//! Opening: the lock, the probe, the layout's version, the mark of the packs.
//!
//! ```text
//! STATE/lock              held while the store is open
//! STATE/sled/             the engine's files
//! STATE/blobs/            the packs
//! STATE/<name>.key        secrets
//! ```

use super::engine::{Engine, panic_text};
use super::keys;
use super::record::{self, CounterRecord, Decoded, Encoded, Encoder, IndexedRecord, LoadRecord, Record};
use super::refresh::Refresh;
use crate::store::OpenOptions;
use crate::store::blobs::{Blobs, Mark, pack_numbers, sync_directory};
use crate::store::fault::{OpenFault, StoreFault};
use ::sled::Db;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The layout of keys and files that this program writes. A program that knows only an older one must not write to a newer store:
/// - 1: the first.
/// - 2: counts of what agents have to do, which go with every change of a ticket.
/// - 3: agents who are away; zones of customers in tickets.
pub(in crate::store) const LAYOUT: u32 = 3;
/// Names of the counters.
pub(in crate::store) const META_LAYOUT: &str = "layout";
pub(in crate::store) const META_QUARANTINE: &str = "quarantine";
pub(in crate::store) const META_INDEXED: &str = "indexed";
/// Mails that could not be delivered, over all time.
pub(in crate::store) const META_UNDELIVERABLE: &str = "undeliverable";
/// The name of the desk's own state.
pub(in crate::store) const META_DESK: &str = "desk";

/// Opens or creates. Blocks, for seconds after a kill of a large store.
pub(in crate::store) fn open(dir: &Path, options: &OpenOptions) -> Result<Engine, OpenFault> {
    let (tree, packs) = (dir.join("sled"), dir.join("blobs"));
    for each in [dir, &tree, &packs] {
        // Mail is nobody else's business.
        DirBuilder::new().recursive(true).mode(0o700).create(each).map_err(|fault| OpenFault::io(each.display().to_string(), fault))?;
    }
    let lock = lock(&dir.join("lock"))?;
    let db = probe(&tree, options.cache_octets)?;
    let layout = check_layout(&db, &packs)?;
    let mark = read::<IndexedRecord>(&db, META_INDEXED)?.map_or_else(Mark::default, |at| Mark { pack: at.pack, offset: at.offset });
    let blobs = Blobs::open(&packs, mark, options.fault_plan.clone())?;
    let refresh = Refresh::new(tree.clone(), options.refresh_octets);
    let engine = Engine::new(db, blobs, refresh, &tree, lock, options.fault_plan.clone())
        .map_err(|fault| OpenFault::io("the engine's log", fault))?;
    sync_directory(dir).map_err(|fault| OpenFault::io("syncing the state directory", fault))?;
    if layout < LAYOUT {
        migrate(&engine, layout).map_err(refuse)?;
        tracing::info!(from = layout, to = LAYOUT, "the store has a new layout; an older guichet cannot open it any more");
    }
    // A killed process may have left changes that only the page cache holds. From now on they count as known (P2), so
    // they must be durable (P1).
    engine.make_durable().map_err(refuse)?;
    Ok(engine)
}

/// Before the engine's own lock, whose error cannot be told from others.
fn lock(path: &Path) -> Result<File, OpenFault> {
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = file.map_err(|fault| OpenFault::io("the lock file", fault))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenFault::Locked),
        Err(TryLockError::Error(fault)) => Err(OpenFault::io("the lock file", fault)),
    }
}

/// Opens the tree in a thread of its own: the engine panics on much of what it finds wrong.
pub(super) fn probe(dir: &Path, cache_octets: u64) -> Result<Db, OpenFault> {
    let config = ::sled::Config::new()
        .path(dir)
        .cache_capacity(cache_octets)
        // Durable is what our own sync made so; the engine's timer would only add writes that nobody waits for.
        .flush_every_ms(None)
        .use_compression(false);
    let thread = std::thread::Builder::new().name("guichet-open".to_owned());
    let thread = thread.spawn(move || catch_unwind(AssertUnwindSafe(|| config.open())));
    let opened = thread.map_err(|fault| OpenFault::io("starting a thread", fault))?.join();
    match opened {
        Ok(Ok(Ok(db))) => Ok(db),
        Ok(Ok(Err(::sled::Error::Io(fault)))) => Err(OpenFault::io("the engine", fault)),
        Ok(Ok(Err(fault))) => Err(OpenFault::Damaged { detail: fault.to_string() }),
        Ok(Err(panic)) | Err(panic) => Err(OpenFault::Damaged { detail: panic_text(panic.as_ref()) }),
    }
}

/// The layout that the store has.
fn check_layout(db: &Db, packs: &Path) -> Result<u32, OpenFault> {
    if let Some(CounterRecord(found)) = read(db, META_LAYOUT)? {
        return match u32::try_from(found) {
            Ok(known @ 1..=LAYOUT) => Ok(known),
            Ok(0) => Err(OpenFault::Damaged { detail: "its layout is 0, which was never written".to_owned() }),
            newer => Err(OpenFault::Newer { found: newer.unwrap_or(u32::MAX), known: LAYOUT }),
        };
    }
    // Without this check a lost tree beside packs would begin again at the first number, and take in all mail twice.
    let has_packs = pack_numbers(packs).map_err(|fault| OpenFault::io("listing the packs", fault))?;
    if !db.is_empty() || !has_packs.is_empty() {
        return Err(OpenFault::Damaged { detail: "its records are gone".to_owned() });
    }
    let mut encoder = Encoder::new().map_err(|fault| OpenFault::io("zstd", fault))?;
    let value = value(&mut encoder, &CounterRecord(LAYOUT.into())).map_err(refuse)?;
    db.insert(keys::meta(META_LAYOUT), value).map_err(|fault| OpenFault::Damaged { detail: fault.to_string() })?;
    Ok(LAYOUT)
}

/// From an older layout, in one batch with the layout's number: all of it or none survives a kill. What came with 3 is nowhere yet.
fn migrate(engine: &Engine, from: u32) -> Result<(), StoreFault> {
    let mut encoder = Encoder::new().map_err(|fault| StoreFault::io("zstd", &fault))?;
    let mut batch = ::sled::Batch::default();
    let loads = if from < 2 { engine.count_loads()? } else { std::collections::BTreeMap::new() };
    for (agent, load) in loads {
        batch.insert(keys::load(&agent), value(&mut encoder, &LoadRecord::from(load))?);
    }
    batch.insert(keys::meta(META_LAYOUT), value(&mut encoder, &CounterRecord(LAYOUT.into()))?);
    engine.apply(batch)
}

/// A record that is short enough for the tree.
fn value<R: Record>(encoder: &mut Encoder, record: &R) -> Result<Vec<u8>, StoreFault> {
    let (Encoded::Value(value) | Encoded::Spill(value)) = encoder.encode(record)?;
    Ok(value)
}

fn read<R: Record>(db: &Db, name: &str) -> Result<Option<R>, OpenFault> {
    let value = catch_unwind(AssertUnwindSafe(|| db.get(keys::meta(name))))
        .map_err(|panic| OpenFault::Damaged { detail: panic_text(panic.as_ref()) })?
        .map_err(|fault| OpenFault::Damaged { detail: fault.to_string() })?;
    match value.map(|value| record::decode(&value)).transpose().map_err(refuse)? {
        Some(Decoded::Record(record)) => Ok(Some(record)),
        Some(Decoded::Spilled(..)) => Err(OpenFault::Damaged { detail: format!("its {name} is too long") }),
        None => Ok(None),
    }
}

fn refuse(fault: StoreFault) -> OpenFault {
    match fault {
        StoreFault::NewerRecord { found, known, .. } => OpenFault::Newer { found: found.into(), known: known.into() },
        StoreFault::Io(detail) => OpenFault::io("the engine", std::io::Error::other(detail)),
        fault @ (StoreFault::Failed(_)
        | StoreFault::Closed
        | StoreFault::TooLarge { .. }
        | StoreFault::Damaged { .. }
        | StoreFault::Unsound(_)
        | StoreFault::MissingBlob(_)
        | StoreFault::NoSuchEntry(_)) => OpenFault::Damaged { detail: fault.to_string() },
    }
}
