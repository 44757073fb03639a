//! Which messages are new, and their octets.

use super::Fault;
use super::answer::{Answer, Item};
use super::commands::{Reply, Wire, uid_sets};
use super::ledger::{Ledger, Wish};
use crate::channel::lane::Lane;
use crate::channel::{Handover, Received};
use crate::config::settings::After;
use crate::domain::message::Source;
use std::collections::BTreeSet;
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

/// What the fetching of one mailbox needs to know.
pub(super) struct Task<'a, H: Handover> {
    pub(super) mailbox: &'a str,
    pub(super) message_octets_max: u64,
    pub(super) lane: &'a mut Lane<H>,
    pub(super) ledger: &'a mut Ledger,
    /// What was asked for and has not come. It stays behind when the connection ends.
    pub(super) asked: &'a mut Vec<u32>,
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
    for uid in &found {
        ledger.want(*uid);
    }
    if first == 1 {
        ledger.wants_only(&found, Instant::now());
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
/// and committing overlap.
pub(super) async fn next_batch<H: Handover>(wire: &mut Wire, wishes: &[Wish], task: Task<'_, H>) -> Result<(), Fault> {
    let Some(Batch { uids, cut }) = batches(wishes, task.message_octets_max).into_iter().next() else { return Ok(()) };
    // So few UIDs are always one set.
    let set = uid_sets(&uids).into_iter().map(|(set, _)| set).collect::<Vec<_>>().join(",");
    *task.asked = uids;
    let cut_octets = CUT_OCTETS.min(task.message_octets_max);
    let section = if cut { format!("BODY.PEEK[]<0.{cut_octets}>") } else { "BODY.PEEK[]".to_owned() };
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
                let octets = raw.len() as u64;
                // Not what the size says but what came decides: some servers only estimate a size.
                let is_cut = cut && octets >= cut_octets;
                let received = Received {
                    source: Source::Imap { mailbox: task.mailbox.to_owned(), uid_validity: task.ledger.uid_validity(), uid: item.uid },
                    raw,
                    arrived: item.arrived,
                    cut: is_cut.then(|| item.size.map_or(octets, u64::from).max(octets)),
                    landed_to: Some(task.ledger.floor()).filter(|floor| *floor > 0),
                };
                task.lane.push(received).await;
                task.ledger.taken(item.uid);
                if is_cut {
                    task.ledger.cut(item.uid);
                }
                task.asked.swap_remove(place);
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

struct Batch {
    uids: Vec<u32>,
    cut: bool,
}

/// Cuts what is wished for into batches that are bounded in count and octets. A suspect and one that is cut go alone.
fn batches(wishes: &[Wish], message_octets_max: u64) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    // Octets that the last batch still takes; `None`: it takes nothing more.
    let mut room: Option<u64> = None;
    for wish in wishes {
        let Some(size) = wish.size.map(u64::from).or(wish.cut.then_some(CUT_OCTETS)) else { continue };
        let cut = wish.cut || size > message_octets_max;
        let alone = cut || wish.alone;
        let left = room.and_then(|room| room.checked_sub(size));
        match (batches.last_mut(), left) {
            (Some(batch), Some(left)) if !alone && batch.uids.len() < BATCH_MESSAGES_MAX => {
                batch.uids.push(wish.uid);
                room = Some(left);
            }
            _ => {
                batches.push(Batch { uids: vec![wish.uid], cut });
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
        let wish = |uid, size| Wish { uid, size: Some(size), alone: false, cut: false };
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
            let batches = batches(&wishes, 10 << 20);
            assert_eq!(batches.iter().map(|batch| batch.uids.clone()).collect::<Vec<_>>(), expected, "{reason}");
        }
        let many: Vec<Wish> = (1..=100).map(|uid| wish(uid, 10)).collect();
        assert_eq!(batches(&many, 10 << 20).iter().map(|batch| batch.uids.len()).collect::<Vec<_>>(), [64, 36], "and in count");
    }
}
