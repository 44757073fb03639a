//! Which messages are new, and their octets.

use super::Fault;
use super::answer::{Answer, Item};
use super::commands::{Reply, Wire, uid_sets};
use super::ledger::{Ledger, Wish};
use super::pieces::{Pieces, Step, refers_to};
use crate::channel::lane::Lane;
use crate::channel::spool::{Spool, Spooled};
use crate::channel::{Handover, Received};
use crate::config::settings::After;
use crate::domain::message::Source;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Messages that one SEARCH looks at: the parser's time grows with the square of an answer's length.
const SEARCH_WINDOW: u32 = 10_000;
/// Messages whose sizes are asked for at once.
pub(super) const PLAN_MAX: usize = 500;
/// Messages of one FETCH.
const BATCH_MESSAGES_MAX: usize = 64;
/// Octets of one FETCH, as the sizes say, unless a single message is larger.
const BATCH_OCTETS_MAX: u64 = 4 << 20;
/// How much of a mail is asked for that is too large or cannot be had whole: its header and the start of its text.
const CUT_OCTETS: u64 = 256 * 1024;
/// Large messages of a mailbox that are begun; others wait before them until one of these is done.
const LARGE_BEGUN_MAX: usize = 16;
/// Large messages of a mailbox that are fetched and have not landed: no more is fetched then.
const LARGE_LANDING_MAX: usize = 2;

/// What the fetching of one mailbox needs to know.
pub(super) struct Task<'a, H: Handover> {
    pub(super) mailbox: &'a str,
    pub(super) message_octets_max: u64,
    pub(super) lane: &'a mut Lane<H>,
    pub(super) ledger: &'a mut Ledger,
    pub(super) large: &'a mut Large,
    pub(super) spool: &'a Spool,
    /// What was asked for and has not come. It stays behind when the connection ends.
    pub(super) asked: &'a mut Vec<u32>,
}

impl<H: Handover> Task<'_, H> {
    fn source(&self, uid: u32) -> Source {
        Source::Imap { mailbox: self.mailbox.to_owned(), uid_validity: self.ledger.uid_validity(), uid }
    }
}

/// Looks at the messages that were not looked at yet, by their place in the folder, so that each answer is bounded, and
/// notes which of them are work. From the end to the start: what moves down meanwhile is seen twice rather than never.
/// Where no keyword can be kept, `\Seen` does not tell what was taken in, as people read mail, too; the cursor does.
pub(super) async fn look(wire: &mut Wire, ledger: &mut Ledger, after: &After, keywords: bool) -> Result<(), Fault> {
    let criteria = match after {
        After::Flag if keywords => "UNDELETED UNKEYWORD $guichet",
        After::Move(_) | After::Delete | After::Keep | After::Flag => "UNDELETED",
    };
    let first = wire.folder.seen + 1;
    let mut last = wire.folder.exists;
    wire.folder.seen = last;
    let mut found = BTreeSet::new();
    while last >= first {
        let start = last.saturating_sub(SEARCH_WINDOW - 1).max(first);
        // A message may have gone since: a window past the end of the folder would be refused.
        let end = last.min(wire.folder.exists);
        if end >= start {
            let from = ledger.first_wanted();
            let result = wire
                .run(&format!("UID SEARCH {start}:{end} UID {from}:* {criteria}"), |answer| {
                    if let Answer::Search(uids) = answer {
                        found.extend(uids);
                    }
                })
                .await;
            if let Err(fault) = result {
                wire.folder.seen = 0;
                return Err(fault);
            }
        }
        last = start - 1;
    }
    // `n:*` always holds the last message, whatever its UID; the ledger passes over what it has.
    let now = Instant::now();
    for uid in &found {
        ledger.want(*uid, now);
    }
    if first == 1 {
        ledger.wants_only(&found, now);
    }
    Ok(())
}

/// Asks for the sizes of those whose size is not known. Of one of which only the start is asked for it is not needed.
pub(super) async fn measure(wire: &mut Wire, ledger: &mut Ledger, wishes: &[Wish], asked: &mut Vec<u32>) -> Result<(), Fault> {
    let unknown = |alone| wishes.iter().filter(move |wish| wish.size.is_none() && !wish.cut && wish.alone == alone).map(|wish| wish.uid);
    let together: Vec<u32> = unknown(false).collect();
    for (set, members) in uid_sets(&together).into_iter().chain(unknown(true).map(|uid| (uid.to_string(), vec![uid]))) {
        asked.clone_from(&members);
        let mut missing: BTreeSet<u32> = members.into_iter().collect();
        let mut without_size = BTreeSet::new();
        wire.run(&format!("UID FETCH {set} (UID FLAGS RFC822.SIZE)"), |answer| {
            let Answer::Fetch(Item { uid, size, deleted, .. }) = answer else { return };
            match size {
                Some(size) if missing.remove(&uid) => {
                    if deleted {
                        ledger.deleted(uid);
                    } else {
                        ledger.sized(uid, size);
                    }
                }
                // Perhaps unsolicited: the size may still come.
                None => drop(without_size.insert(uid)),
                Some(_) => {}
            }
        })
        .await?;
        asked.clear();
        for uid in missing {
            // It is there, and its size cannot be had: it may be of any.
            if without_size.contains(&uid) { ledger.sized(uid, u32::MAX) } else { missed(ledger, uid) }
        }
    }
    Ok(())
}

fn missed(ledger: &mut Ledger, uid: u32) {
    if ledger.missed(uid, Instant::now()) {
        tracing::warn!(uid, "the folder lists a message and does not give it: it is asked for again as long as it is listed");
    }
}

/// Fetches the first of what is wished for, and pushes each message into the lane as it comes, so that fetching, preparing
/// and committing overlap. A large one is only begun, up to its header; [`next_piece`] goes on. `false`: too many large
/// ones are begun, so that nothing was done.
pub(super) async fn next_batch<H: Handover>(wire: &mut Wire, wishes: &[Wish], mut task: Task<'_, H>) -> Result<bool, Fault> {
    let Some(Batch { uids, how }) = batches(wishes, task.message_octets_max, task.spool).into_iter().next() else { return Ok(true) };
    match how {
        How::Together => together(wire, uids, "BODY.PEEK[]", None, None, task).await.map(|()| true),
        How::Start => {
            for uid in &uids {
                task.large.forget(*uid);
            }
            let cut_octets = CUT_OCTETS.min(task.message_octets_max);
            together(wire, uids, &format!("BODY.PEEK[]<0.{cut_octets}>"), Some(cut_octets), None, task).await.map(|()| true)
        }
        How::Alone => {
            // For as long as it takes to come, no other large one is in memory; the wire sets the limit.
            let turn = task.spool.alone().await;
            together(wire, uids, "BODY.PEEK[]", None, turn, task).await.map(|()| true)
        }
        How::Pieces(size) => match uids.first() {
            Some(uid) => begin(wire, *uid, size, &mut task).await,
            None => Ok(true),
        },
    }
}

async fn together<H: Handover>(
    wire: &mut Wire,
    uids: Vec<u32>,
    section: &str,
    cut_octets: Option<u64>,
    mut turn: Option<OwnedSemaphorePermit>,
    task: Task<'_, H>,
) -> Result<(), Fault> {
    // So few UIDs are always one set.
    let set = uid_sets(&uids).into_iter().map(|(set, _)| set).collect::<Vec<_>>().join(",");
    *task.asked = uids;
    let tag = wire.send(&format!("UID FETCH {set} (UID FLAGS RFC822.SIZE INTERNALDATE {section})")).await?;
    let mut without_body = BTreeSet::new();
    loop {
        match wire.next(&tag).await? {
            Reply::Continue(_) => return Err(Fault::Protocol("the server waits for more than there is".into())),
            Reply::Done => break,
            Reply::Data(Answer::Fetch(item)) => {
                let Some(place) = task.asked.iter().position(|uid| *uid == item.uid) else { continue };
                if item.deleted {
                    task.ledger.deleted(item.uid);
                    task.asked.swap_remove(place);
                    continue;
                }
                let Some(raw) = item.body else {
                    without_body.insert(item.uid);
                    continue;
                };
                task.asked.swap_remove(place);
                if let Some(large) = task.large.answered_by(&raw) {
                    task.ledger.waits_behind(item.uid, large);
                    continue;
                }
                let octets = raw.len() as u64;
                // Not what the size says but what came decides: some servers only estimate a size.
                let is_cut = cut_octets.is_some_and(|cut_octets| octets >= cut_octets);
                let received = Received {
                    source: task.source(item.uid),
                    raw,
                    arrived: item.arrived,
                    cut: is_cut.then(|| item.size.map_or(octets, u64::from).max(octets)),
                    landed_to: Some(task.ledger.floor()).filter(|floor| *floor > 0),
                };
                match turn.take() {
                    Some(turn) => task.lane.push_alone(received, task.spool.clone(), turn),
                    None => task.lane.push(received).await,
                }
                task.ledger.taken(item.uid);
                if is_cut {
                    task.ledger.cut(item.uid);
                }
            }
            Reply::Data(_) => {}
        }
    }
    let now = Instant::now();
    for uid in std::mem::take(task.asked) {
        if without_body.contains(&uid) { task.ledger.failed(uid, now) } else { missed(task.ledger, uid) }
    }
    Ok(())
}

/// Large messages of one mailbox between their first piece and their landing. It outlives connections: what has come of one
/// is not fetched again.
#[derive(Default)]
pub(super) struct Large {
    fetching: Vec<Pieces>,
    /// Fetched and not landed, with their Message-IDs.
    landing: Vec<(u32, Vec<u8>)>,
}

impl Large {
    /// The folder was opened, perhaps with other messages.
    pub(super) fn opened(&mut self, uid_validity: u32, floor: u32) {
        self.fetching.retain(|pieces| pieces.uid_validity == uid_validity && pieces.uid > floor);
        self.landing.retain(|(uid, _)| *uid > floor);
    }

    /// The connection ended over these.
    pub(super) fn struck(&mut self, uids: &[u32]) {
        for pieces in self.fetching.iter_mut().filter(|pieces| uids.contains(&pieces.uid)) {
            pieces.paused = true;
        }
    }

    /// It has landed, or will be fetched anew.
    pub(super) fn forget(&mut self, uid: u32) {
        self.fetching.retain(|pieces| pieces.uid != uid);
        self.landing.retain(|(other, _)| *other != uid);
    }

    /// The large message that a mail answers and that has not landed. A ticket is found by what it holds already, so that
    /// such an answer has to come after; all other mail may pass.
    fn answered_by(&self, mail: &[u8]) -> Option<u32> {
        let fetching = self.fetching.iter().filter_map(|pieces| Some((pieces.uid, pieces.message_id.as_deref()?)));
        let mut large = fetching.chain(self.landing.iter().map(|(uid, id)| (*uid, id.as_slice())));
        large.find(|(_, id)| refers_to(mail, id)).map(|(uid, _)| uid)
    }

    /// Whether [`next_piece`] has something to do.
    pub(super) fn may_go_on<H: Handover>(&self, lane: &mut Lane<H>) -> bool {
        self.fetching.iter().any(|pieces| !pieces.paused) && lane.large_on_the_way() < LARGE_LANDING_MAX
    }
}

/// Begins a large message, or goes on with one over which a connection ended: its header is here when this returns, and
/// with it what is needed to let others pass.
async fn begin<H: Handover>(wire: &mut Wire, uid: u32, size: u32, task: &mut Task<'_, H>) -> Result<bool, Fault> {
    let begun = task.large.fetching.iter().position(|pieces| pieces.uid == uid && pieces.size == size);
    let at = if let Some(at) = begun {
        at
    } else {
        if task.large.fetching.len() >= LARGE_BEGUN_MAX {
            return Ok(false);
        }
        task.large.forget(uid);
        let spool = task.spool.clone();
        let file = tokio::task::spawn_blocking(move || spool.file()).await.unwrap_or_else(|fault| Err(std::io::Error::other(fault)));
        match file {
            Ok(file) => task.large.fetching.push(Pieces::new(task.ledger.uid_validity(), uid, size, file)),
            Err(fault) => {
                tracing::error!(mailbox = task.mailbox, uid, %fault, "no file for a large message: it is tried again later");
                task.ledger.failed(uid, Instant::now());
                return Ok(true);
            }
        }
        task.large.fetching.len() - 1
    };
    if let Some(pieces) = task.large.fetching.get_mut(at) {
        pieces.paused = false;
    }
    task.ledger.taken(uid);
    step(wire, at, task).await?;
    Ok(true)
}

/// Fetches one more piece of the large message that was begun first.
pub(super) async fn next_piece<H: Handover>(wire: &mut Wire, mut task: Task<'_, H>) -> Result<(), Fault> {
    match task.large.fetching.iter().position(|pieces| !pieces.paused) {
        Some(at) => step(wire, at, &mut task).await,
        None => Ok(()),
    }
}

async fn step<H: Handover>(wire: &mut Wire, at: usize, task: &mut Task<'_, H>) -> Result<(), Fault> {
    let Some(pieces) = task.large.fetching.get_mut(at) else { return Ok(()) };
    let uid = pieces.uid;
    *task.asked = vec![uid];
    let step = pieces.step(wire, |_, _| true).await?;
    task.asked.clear();
    let complete = matches!(step, Step::Complete);
    match step {
        Step::More => {
            task.ledger.progressed(uid);
            return Ok(());
        }
        Step::Complete => {}
        Step::Misfit(why) => {
            tracing::warn!(mailbox = task.mailbox, uid, why, "a large message cannot be had in pieces: it is asked for whole");
            task.ledger.misfit(uid);
        }
        Step::Absent => missed(task.ledger, uid),
        Step::Disk(fault) => {
            tracing::error!(mailbox = task.mailbox, uid, %fault, "a large message cannot be spooled: it is tried again later");
            task.ledger.failed(uid, Instant::now());
        }
    }
    let pieces = task.large.fetching.remove(at);
    if complete {
        // Shared with nobody any more: each write is over before the next is asked for.
        let Ok(file) = Arc::try_unwrap(pieces.file) else { return Ok(()) };
        task.large.landing.extend(pieces.message_id.map(|id| (uid, id)));
        let source = task.source(uid);
        let landed_to = Some(task.ledger.floor()).filter(|floor| *floor > 0);
        let spooled = Spooled { source, file, octets: pieces.size.into(), arrived: pieces.arrived, landed_to };
        task.lane.push_large(spooled, task.spool.clone());
    }
    Ok(())
}

struct Batch {
    uids: Vec<u32>,
    how: How,
}

/// How a batch is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Whole, with others.
    Together,
    /// Only its start.
    Start,
    /// In pieces; with its size.
    Pieces(u32),
    /// Whole though it is large, while no other large one is in memory.
    Alone,
}

/// Cuts what is wished for into batches that are bounded in count and octets. A suspect, one that is cut and one that is
/// large go alone.
fn batches(wishes: &[Wish], message_octets_max: u64, spool: &Spool) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    // Octets that the last batch still takes; `None`: it takes nothing more.
    let mut room: Option<u64> = None;
    for wish in wishes {
        // What is asked for by its start alone may have no size that the server tells.
        let Some(claimed) = wish.size.or(wish.cut.then_some(0)) else { continue };
        let size = u64::from(claimed);
        let how = if wish.cut || size > message_octets_max {
            How::Start
        } else if !spool.takes(size) {
            How::Together
        } else if wish.plain {
            How::Alone
        } else {
            How::Pieces(claimed)
        };
        let alone = how != How::Together || wish.alone;
        let left = room.and_then(|room| room.checked_sub(size));
        match (batches.last_mut(), left) {
            (Some(batch), Some(left)) if !alone && batch.uids.len() < BATCH_MESSAGES_MAX => {
                batch.uids.push(wish.uid);
                room = Some(left);
            }
            _ => {
                batches.push(Batch { uids: vec![wish.uid], how });
                room = if alone { None } else { BATCH_OCTETS_MAX.checked_sub(size) };
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_batches_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 9 << 20).unwrap();
        let wish = |uid, size| Wish { uid, size: Some(size), alone: false, cut: false, plain: false };
        let mb = 1 << 20;
        #[rustfmt::skip]
        let cases = [
            (vec![wish(1, mb), wish(2, mb), wish(3, 2 * mb), wish(4, 1)], vec![vec![1, 2, 3], vec![4]], "4 MiB together, then the next"),
            (vec![wish(1, 9 * mb), wish(2, 1)], vec![vec![1], vec![2]], "larger than a batch: alone"),
            (vec![wish(1, 1), wish(2, 11 * mb), wish(3, 1)], vec![vec![1], vec![2], vec![3]], "larger than the limit: cut, alone"),
            (vec![wish(1, 1), Wish { alone: true, ..wish(2, 0) }, wish(3, 0)], vec![vec![1], vec![2], vec![3]], "a suspect goes alone"),
            (vec![wish(1, 1), Wish { size: None, ..wish(2, 0) }, wish(3, 1)], vec![vec![1, 3]], "of unknown size: not now"),
            (vec![Wish { size: None, alone: true, cut: true, ..wish(2, 0) }], vec![vec![2]], "only the start, whatever the size"),
            (vec![], vec![], "nothing"),
        ];
        for (wishes, expected, reason) in cases {
            let batches = batches(&wishes, 10 << 20, &spool);
            assert_eq!(batches.iter().map(|batch| batch.uids.clone()).collect::<Vec<_>>(), expected, "{reason}");
        }
        let large = 9 * mb + 1;
        let how = |wish: Wish| batches(&[wish], 10 << 20, &spool).first().map(|batch| batch.how);
        assert_eq!(how(wish(1, 9 * mb)), Some(How::Together));
        assert_eq!(how(wish(1, large)), Some(How::Pieces(large)));
        assert_eq!(how(Wish { plain: true, ..wish(1, large) }), Some(How::Alone));
        assert_eq!(how(Wish { cut: true, ..wish(1, large) }), Some(How::Start));
        assert_eq!(how(wish(1, 11 * mb)), Some(How::Start));
        let many: Vec<Wish> = (1..=100).map(|uid| wish(uid, 10)).collect();
        assert_eq!(batches(&many, 10 << 20, &spool).iter().map(|batch| batch.uids.len()).collect::<Vec<_>>(), [64, 36], "and in count");
    }
}
