//! Contents that are too large for records: raw mails, attachments, long texts. Kept once each, by their BLAKE3 hash, in
//! append-only pack files.
//!
//! An entry describes itself, so that the index can be made again from the packs alone:
//!
//! ```text
//! "gch1"  flags u32  size u64  stored u64  BLAKE3 [32]  check [4]   payload [stored]        (little-endian)
//! ```
//! `size` is the content's, `stored` the payload's; flag 1 says that the payload is a zstd frame; `check` is the front of the
//! BLAKE3 of all before it.
//!
//! One thread appends. Whoever asks while it waits for the disk is served together by the next sync. What is on disk is
//! **staged** until the change that names it writes its place into the tree, with all other staged places and the mark up
//! to which the packs are indexed; what stands behind the mark is staged again at the next open. So a content is never
//! named before it is durable, and one that nobody came to name is not appended a second time when its mail is taken in
//! again. Nothing is ever cut off a pack: a tail that was torn stays where it is, and a new pack is begun.

use super::fault::{OpenFault, StoreFault};
use crate::domain::message::{BlobId, BlobRef};
use crate::fault_plan::{FaultPlan, Place};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

/// Largest content (P11); limits of the channels are far below.
pub const BLOB_OCTETS_MAX: u64 = 1 << 30;
/// A pack that has grown to this is followed by a new one.
const PACK_OCTETS_MAX: u64 = 256 << 20;
/// One sync serves at most this much, so that the first of many does not wait for all.
const GROUP_OCTETS_MAX: u64 = 32 << 20;
const GROUP_REQUESTS_MAX: usize = 256;
/// While contents come in a stream, as from a full mailbox, a sync waits so long for the next, until it serves so many: a sync for
/// each would be most of the work.
const LINGER_IN_STREAM: Duration = Duration::from_millis(3);
const GROUP_IN_STREAM: usize = 40;
/// Who finds this many before him waits outside the queue.
const QUEUE_REQUESTS_MAX: usize = 256;

const HEAD_OCTETS: usize = 60;
const MAGIC: [u8; 4] = *b"gch1";
const FLAG_ZSTD: u32 = 1;
/// Below this a zstd frame's own head eats what it saves.
const ZSTD_FROM_OCTETS: usize = 64;
/// Mail is mostly base64, of which a higher level finds hardly more.
const ZSTD_LEVEL: i32 = 1;

thread_local! {
    /// Its tables are larger than most contents: they are made once a thread.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(content),
        none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL)?).compress(content),
    })
}

/// Where an entry is: its pack, the place of its head there, and its two lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Location {
    pub(in crate::store) pack: u32,
    pub(in crate::store) offset: u64,
    pub(in crate::store) stored: u64,
    pub(in crate::store) size: u64,
}

impl Location {
    const fn end(self) -> u64 {
        self.offset.saturating_add(HEAD_OCTETS as u64).saturating_add(self.stored)
    }
}

/// Up to where the packs are indexed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Mark {
    pub(in crate::store) pack: u32,
    pub(in crate::store) offset: u64,
}

/// A content ready to be appended: hashed and packed, which costs more than writing it and is done by whoever has it.
#[derive(Debug)]
pub(in crate::store) struct Prepared {
    pub(in crate::store) blob: BlobRef,
    flags: u32,
    payload: Vec<u8>,
}

/// The name of a content.
pub(in crate::store) fn name(content: &[u8]) -> BlobRef {
    BlobRef { id: BlobId(*blake3::hash(content).as_bytes()), size: content.len() as u64 }
}

impl Prepared {
    pub(in crate::store) fn new(blob: BlobRef, content: Vec<u8>) -> Result<Self, StoreFault> {
        if blob.size > BLOB_OCTETS_MAX {
            return Err(StoreFault::TooLarge { kind: "content", octets: blob.size, limit: BLOB_OCTETS_MAX });
        }
        if content.len() >= ZSTD_FROM_OCTETS {
            let packed = compress(&content).map_err(|fault| StoreFault::io("zstd", &fault))?;
            if packed.len() < content.len() {
                return Ok(Self { blob, flags: FLAG_ZSTD, payload: packed });
            }
        }
        Ok(Self { blob, flags: 0, payload: content })
    }

    fn head(&self) -> [u8; HEAD_OCTETS] {
        let mut head = [0; HEAD_OCTETS];
        head[..4].copy_from_slice(&MAGIC);
        head[4..8].copy_from_slice(&self.flags.to_le_bytes());
        head[8..16].copy_from_slice(&self.blob.size.to_le_bytes());
        head[16..24].copy_from_slice(&(self.payload.len() as u64).to_le_bytes());
        head[24..56].copy_from_slice(&self.blob.id.0);
        let check = blake3::hash(&head[..56]);
        head[56..].copy_from_slice(&check.as_bytes()[..4]);
        head
    }
}

/// What an entry says of itself.
#[derive(Debug)]
struct Head {
    flags: u32,
    size: u64,
    stored: u64,
    id: BlobId,
}

impl Head {
    /// `None` if these octets are no head that this program wrote.
    fn read(head: &[u8; HEAD_OCTETS]) -> Option<Self> {
        let word = |at: usize| -> Option<u64> { Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?)) };
        let flags = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
        let read = Self { flags, size: word(8)?, stored: word(16)?, id: BlobId(head.get(24..56)?.try_into().ok()?) };
        let checked = blake3::hash(&head[..56]).as_bytes()[..4] == head[56..];
        (head[..4] == MAGIC && checked && read.size <= BLOB_OCTETS_MAX && read.stored <= BLOB_OCTETS_MAX).then_some(read)
    }
}

/// The packs of one store.
pub(in crate::store) struct Blobs {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    permits: Semaphore,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    dir: PathBuf,
    /// See [`Blobs::stopped`].
    stopped: CancellationToken,
    staged: Mutex<HashMap<BlobId, Location>>,
    syncs: AtomicU64,
}

struct Request {
    parts: Vec<Prepared>,
    answer: oneshot::Sender<Result<(), StoreFault>>,
}

impl Blobs {
    /// Opens the packs, and stages what stands behind the mark. Blocks.
    pub(in crate::store) fn open(dir: &Path, mark: Mark, plan: FaultPlan) -> Result<Self, OpenFault> {
        let shared =
            Arc::new(Shared { dir: dir.to_owned(), stopped: CancellationToken::new(), staged: Mutex::default(), syncs: AtomicU64::new(0) });
        let packs = Packs::open(Arc::clone(&shared), mark, plan)?;
        let (queue, requests) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("guichet-blobs".to_owned())
            .spawn(move || {
                // Whatever ends the thread, a panic too.
                let _stopped = packs.shared.stopped.clone().drop_guard();
                packs.run(&requests);
            })
            .map_err(|fault| OpenFault::io("starting a thread", fault))?;
        Ok(Self { shared, queue: Mutex::new(Some(queue)), permits: Semaphore::new(QUEUE_REQUESTS_MAX), thread: Mutex::new(Some(thread)) })
    }

    /// Cancelled once either writing thread, of contents or of records, does no further work.
    pub(in crate::store) fn stopped(&self) -> &CancellationToken {
        &self.shared.stopped
    }

    /// Durable on return. A content that is staged already is not appended again.
    pub(in crate::store) async fn keep(&self, parts: Vec<Prepared>) -> Result<(), StoreFault> {
        let _permit: SemaphorePermit<'_> = self.permits.acquire().await.map_err(|_| StoreFault::Closed)?;
        self.send(parts)?.await.map_err(|_| StoreFault::Closed)?
    }

    fn send(&self, parts: Vec<Prepared>) -> Result<oneshot::Receiver<Result<(), StoreFault>>, StoreFault> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().ok_or(StoreFault::Closed)?.send(Request { parts, answer }).map_err(|_| StoreFault::Closed)?;
        Ok(answered)
    }

    /// Where a content is that no change has named yet.
    pub(in crate::store) fn staged(&self, id: BlobId) -> Option<Location> {
        self.shared.staged().get(&id).copied()
    }

    /// All that is staged, and the mark once it is indexed.
    pub(in crate::store) fn all_staged(&self) -> (Vec<(BlobId, Location)>, Option<Mark>) {
        let staged: Vec<_> = self.shared.staged().iter().map(|(id, location)| (*id, *location)).collect();
        let mark = staged.iter().map(|(_, location)| Mark { pack: location.pack, offset: location.end() }).max();
        (staged, mark)
    }

    /// To be called once the places of these are in the tree, and not before: a reader looks here first, then there.
    pub(in crate::store) fn forget(&self, indexed: &[(BlobId, Location)]) {
        let mut staged = self.shared.staged();
        for (id, _) in indexed {
            staged.remove(id);
        }
        if staged.is_empty() {
            staged.shrink_to(64);
        }
    }

    /// Reads a content and checks it against its name. Blocks.
    pub(in crate::store) fn read(&self, id: BlobId, location: Location) -> Result<Vec<u8>, StoreFault> {
        let file = File::open(pack_path(&self.shared.dir, location.pack)).map_err(|fault| StoreFault::io("opening a pack", &fault))?;
        let head = read_head(&file, location.offset).map_err(|detail| damaged(location, detail))?;
        if head.id != id || head.size != location.size || head.stored != location.stored {
            return Err(damaged(location, "the entry is another one"));
        }
        read_content(&file, location.offset, &head).map_err(|detail| damaged(location, detail))
    }

    /// Whether the entry at a place is the one that its index names, without reading its content. Blocks.
    pub(in crate::store) fn check(&self, id: BlobId, location: Location) -> Result<(), StoreFault> {
        let file = File::open(pack_path(&self.shared.dir, location.pack)).map_err(|fault| StoreFault::io("opening a pack", &fault))?;
        let head = read_head(&file, location.offset).map_err(|detail| damaged(location, detail))?;
        let there = file.metadata().map_err(|fault| StoreFault::io("reading a pack", &fault))?.len();
        if head.id != id || head.size != location.size || head.stored != location.stored || there < location.end() {
            return Err(damaged(location, "the entry is another one"));
        }
        Ok(())
    }

    /// Octets of all packs on disk.
    pub(in crate::store) fn octets(&self) -> io::Result<u64> {
        let mut octets = 0;
        for number in pack_numbers(&self.shared.dir)? {
            octets += std::fs::metadata(pack_path(&self.shared.dir, number))?.len();
        }
        Ok(octets)
    }

    /// Syncs so far.
    pub(in crate::store) fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Ends the thread after what is queued. Blocks.
    pub(in crate::store) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn staged(&self) -> std::sync::MutexGuard<'_, HashMap<BlobId, Location>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The appending side, in its own thread.
struct Packs {
    shared: Arc<Shared>,
    plan: FaultPlan,
    /// The pack that is appended to, opened at the first need.
    open: Option<Pack>,
    /// The number of the pack to go on with, and its length; 0 begins it.
    next: (u32, u64),
    /// Set once a sync has failed: what the disk holds is not known any more.
    failed: Option<StoreFault>,
}

struct Pack {
    number: u32,
    file: File,
    length: u64,
}

impl Packs {
    fn open(shared: Arc<Shared>, mark: Mark, plan: FaultPlan) -> Result<Self, OpenFault> {
        let numbers = pack_numbers(&shared.dir).map_err(|fault| OpenFault::io("listing the packs", fault))?;
        let mut next = (1, 0);
        if mark.pack > numbers.last().copied().unwrap_or(0) {
            return Err(OpenFault::Damaged { detail: format!("pack {} is missing", mark.pack) });
        }
        for number in numbers {
            next = (number + 1, 0);
            if number < mark.pack {
                continue;
            }
            let from = if number == mark.pack { mark.offset } else { 0 };
            let file = File::open(pack_path(&shared.dir, number)).map_err(|fault| OpenFault::io("opening a pack", fault))?;
            let length = file.metadata().map_err(|fault| OpenFault::io("reading a pack", fault))?.len();
            if length < from {
                return Err(OpenFault::Damaged { detail: format!("pack {number} has {length} octets and must have {from}") });
            }
            // A killed process may have left entries that only the page cache holds; they are about to be believed.
            if length > from {
                file.sync_all().map_err(|fault| OpenFault::io("syncing a pack", fault))?;
            }
            let (found, end) = scan(&file, number, from, length);
            shared.staged().extend(found);
            if end == length && length < PACK_OCTETS_MAX {
                next = (number, length);
            }
        }
        sync_directory(&shared.dir).map_err(|fault| OpenFault::io("syncing the packs' directory", fault))?;
        Ok(Self { shared, plan, open: None, next, failed: None })
    }

    fn run(mut self, requests: &mpsc::Receiver<Request>) {
        let mut in_stream = false;
        loop {
            let patience = if in_stream { LINGER_IN_STREAM } else { Duration::ZERO };
            let first = match requests.recv_timeout(patience) {
                Ok(first) => first,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    in_stream = false;
                    let Ok(first) = requests.recv() else { return };
                    first
                }
            };
            let octets_of = |request: &Request| request.parts.iter().map(|part| part.payload.len() as u64).sum::<u64>();
            let mut octets = octets_of(&first);
            let mut group = vec![first];
            while octets < GROUP_OCTETS_MAX && group.len() < GROUP_REQUESTS_MAX {
                let patience = if in_stream && group.len() < GROUP_IN_STREAM { LINGER_IN_STREAM } else { Duration::ZERO };
                let Ok(request) = requests.recv_timeout(patience) else { break };
                octets += octets_of(&request);
                group.push(request);
            }
            in_stream = group.len() > 1;
            let outcome = self.append(group.iter().flat_map(|request| &request.parts));
            for request in group {
                // Whoever has stopped waiting loses nothing: the content stays.
                let _ = request.answer.send(outcome.clone());
            }
        }
    }

    /// Appends and syncs; then stages.
    fn append<'a>(&mut self, parts: impl Iterator<Item = &'a Prepared>) -> Result<(), StoreFault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let mut appended = HashMap::new();
        for part in parts {
            if appended.contains_key(&part.blob.id) || self.shared.staged().contains_key(&part.blob.id) {
                continue;
            }
            let location = self.write(part)?;
            appended.insert(part.blob.id, location);
        }
        if appended.is_empty() {
            return Ok(());
        }
        self.sync()?;
        self.shared.staged().extend(appended);
        self.plan.reach(Place::AfterPackSync).map_err(|fault| self.fail("after a pack's sync", &fault))
    }

    /// Writes one entry. A fault here (a full disk) leaves the length as it was: the next entry overwrites the torn one.
    fn write(&mut self, part: &Prepared) -> Result<Location, StoreFault> {
        if self.open.as_ref().is_some_and(|pack| pack.length >= PACK_OCTETS_MAX) {
            self.sync()?;
            self.open = None;
        }
        let pack = match &mut self.open {
            Some(pack) => pack,
            none => none.insert(begin(&self.shared.dir, self.next).map_err(|fault| StoreFault::io("opening a pack", &fault))?),
        };
        let location = Location { pack: pack.number, offset: pack.length, stored: part.payload.len() as u64, size: part.blob.size };
        let written = pack
            .file
            .write_all_at(&part.head(), location.offset)
            .and_then(|()| self.plan.reach(Place::MidPackWrite))
            .and_then(|()| pack.file.write_all_at(&part.payload, location.offset + HEAD_OCTETS as u64));
        written.map_err(|fault| StoreFault::io("writing a pack", &fault))?;
        pack.length = location.end();
        self.next = if pack.length < PACK_OCTETS_MAX { (pack.number, pack.length) } else { (pack.number + 1, 0) };
        Ok(location)
    }

    fn sync(&mut self) -> Result<(), StoreFault> {
        let Some(pack) = &self.open else { return Ok(()) };
        let synced = self.plan.reach(Place::BeforePackSync).and_then(|()| pack.file.sync_data());
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        synced.map_err(|fault| self.fail("syncing a pack", &fault))
    }

    fn fail(&mut self, what: &str, fault: &io::Error) -> StoreFault {
        let fault = StoreFault::Failed(format!("{what}: {fault}"));
        tracing::error!(%fault, "the packs have failed");
        self.failed = Some(fault.clone());
        self.shared.stopped.cancel();
        fault
    }
}

/// Opens the pack to append to. A new one is made known to its directory before anything in it is believed.
fn begin(dir: &Path, (number, length): (u32, u64)) -> io::Result<Pack> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(pack_path(dir, number))?;
    if length == 0 {
        file.sync_all()?;
        sync_directory(dir)?;
    }
    Ok(Pack { number, file, length })
}

/// All whole entries of a pack from a place on whose contents are right, and the end of the last whole one.
fn scan(file: &File, pack: u32, from: u64, length: u64) -> (Vec<(BlobId, Location)>, u64) {
    let mut found = Vec::new();
    let mut offset = from;
    while offset < length {
        let Ok(head) = read_head(file, offset) else { break };
        let location = Location { pack, offset, stored: head.stored, size: head.size };
        if location.end() > length {
            break;
        }
        // After a loss of power a head may be there and its payload not.
        if read_content(file, offset, &head).is_ok() {
            found.push((head.id, location));
        }
        offset = location.end();
    }
    (found, offset)
}

fn read_head(file: &File, offset: u64) -> Result<Head, &'static str> {
    let mut head = [0; HEAD_OCTETS];
    file.read_exact_at(&mut head, offset).map_err(|_| "the pack ends before the entry")?;
    Head::read(&head).ok_or("there is no entry")
}

fn read_content(file: &File, offset: u64, head: &Head) -> Result<Vec<u8>, &'static str> {
    let begin = offset.checked_add(HEAD_OCTETS as u64).ok_or("the entry is out of bounds")?;
    let there = file.metadata().map_err(|_| "the pack cannot be read")?.len();
    // Lengths were bounded by `Head::read`; memory is taken only for what the file really has.
    if begin.checked_add(head.stored).is_none_or(|end| end > there) {
        return Err("the pack ends within the entry");
    }
    let (Ok(stored), Ok(size)) = (usize::try_from(head.stored), usize::try_from(head.size)) else { return Err("the entry is too large") };
    let mut payload = vec![0; stored];
    file.read_exact_at(&mut payload, begin).map_err(|_| "the entry cannot be read")?;
    let content = match head.flags {
        0 => payload,
        FLAG_ZSTD => zstd::bulk::decompress(&payload, size).map_err(|_| "the entry cannot be unpacked")?,
        _ => return Err("the entry has unknown flags; a newer guichet may have written it"),
    };
    if content.len() != size || name(&content).id != head.id {
        return Err("the content is not what was kept");
    }
    Ok(content)
}

fn damaged(location: Location, detail: &str) -> StoreFault {
    StoreFault::Damaged { kind: "content", detail: format!("pack {} at {}: {detail}", location.pack, location.offset) }
}

fn pack_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.pack"))
}

/// Numbers of the packs that exist, ascending.
pub(in crate::store) fn pack_numbers(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for file in std::fs::read_dir(dir)? {
        let name = file?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".pack")).and_then(|digits| digits.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the names of files in a directory durable.
pub(in crate::store) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
