//! Settling: what is on disk here is moved, flagged or deleted at its source, so that people and later looks see it.
//!
//! Only what has a receipt comes here (P1). Each step can be repeated: a message that is gone is passed over by the
//! server, and what was copied is noted in the ledger before it is deleted, so that a failure in between makes no second
//! copy. A refusal concerns the settling alone; the connection and the intake go on, and it is tried again later.
//!
//! One window stays open: where the server has no MOVE and the connection ends between COPY and its answer, the copy is
//! made again.

use super::Fault;
use super::answer::{Answer, Code};
use super::commands::{Wire, folder_name, uid_sets};
use super::connect::Abilities;
use super::ledger::Ledger;
use crate::config::settings::After;
use crate::fault_plan::{FaultPlan, Place};
use tokio::time::Instant;

/// Messages that the search for what was left looks at, from the oldest: the parser's time grows with the square of an
/// answer's length.
const SEARCH_WINDOW: u32 = 10_000;

/// Settles what is to be settled; returns how many were. `Err(Refused)` leaves the rest for later.
pub(super) async fn settle(
    wire: &mut Wire,
    can: &mut Abilities,
    keywords: &mut bool,
    after: &After,
    plan: &FaultPlan,
    ledger: &mut Ledger,
) -> Result<usize, Fault> {
    let (fresh, copied) = ledger.to_settle();
    let count = fresh.len() + copied.len();
    match after {
        After::Keep => ledger.settled(&fresh),
        After::Flag => {
            for (set, members) in uid_sets(&fresh) {
                store(wire, &set, "\\Seen", keywords).await?;
                reach(plan, Place::AfterFlag)?;
                ledger.settled(&members);
            }
        }
        After::Delete => {
            remove(wire, can, keywords, &copied, plan, ledger).await?;
            // P1: of a mail that was too large only the start is here; the whole of it stays where it is.
            let (cut, whole): (Vec<u32>, Vec<u32>) = fresh.iter().partition(|uid| ledger.is_cut(**uid));
            for uid in cut {
                ledger.stays(uid);
            }
            remove(wire, can, keywords, &whole, plan, ledger).await?;
        }
        After::Move(folder) => {
            // What was copied before a failure is only to be removed, never to be moved or copied again. A refusal of the
            // one does not keep the others waiting.
            let mut to_remove = copied;
            let moved = move_or_copy(wire, can, &fresh, folder, &mut to_remove, plan, ledger).await;
            if !matches!(moved, Ok(()) | Err(Fault::Refused { .. })) {
                return moved.map(|()| 0);
            }
            to_remove.sort_unstable();
            remove(wire, can, keywords, &to_remove, plan, ledger).await?;
            moved?;
        }
    }
    Ok(count)
}

/// Moves these; what is copied instead is added to what is to be removed.
async fn move_or_copy(
    wire: &mut Wire,
    can: &mut Abilities,
    fresh: &[u32],
    folder: &str,
    to_remove: &mut Vec<u32>,
    plan: &FaultPlan,
    ledger: &mut Ledger,
) -> Result<(), Fault> {
    for (set, members) in uid_sets(fresh) {
        if move_set(wire, can, &set, folder).await? {
            reach(plan, Place::AfterMove)?;
            ledger.settled(&members);
        } else {
            with_folder(wire, &format!("UID COPY {set}"), folder).await?;
            reach(plan, Place::AfterCopy)?;
            ledger.copied(&members);
            to_remove.extend(members);
        }
    }
    Ok(())
}

/// For tests: the connection breaks here if that is planned.
fn reach(plan: &FaultPlan, place: Place) -> Result<(), Fault> {
    plan.reach(place).map_err(|fault| Fault::Network(fault.to_string()))
}

/// What an earlier process had marked as deleted, and ended before it was gone: it is on disk here and copied where that was
/// wished, and no look would find it again. It is to be removed and nothing else.
pub(super) async fn find_marked(wire: &mut Wire, after: &After, ledger: &mut Ledger) -> Result<(), Fault> {
    match after {
        After::Move(_) | After::Delete => {}
        After::Flag | After::Keep => return Ok(()),
    }
    let last = wire.folder.exists.min(SEARCH_WINDOW);
    if last == 0 {
        return Ok(());
    }
    let now = Instant::now();
    let search = format!("UID SEARCH 1:{last} DELETED KEYWORD $guichet");
    let found = wire.run(&search, |answer| {
        if let Answer::Search(uids) = answer {
            for uid in uids {
                ledger.marked(uid, now);
            }
        }
    });
    match found.await {
        // Untidy, but no reason to take nothing in.
        Err(Fault::Refused { .. }) | Ok(()) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Moves, if the server can; false if it cannot (RFC 6851 section 3.1).
async fn move_set(wire: &mut Wire, can: &mut Abilities, set: &str, folder: &str) -> Result<bool, Fault> {
    if !can.moves {
        return Ok(false);
    }
    match with_folder(wire, &format!("UID MOVE {set}"), folder).await {
        Ok(()) => Ok(true),
        // Advertised all the same: some proxies pass on a capability that the server behind them has not.
        Err(Fault::Refused { bad, text, .. }) if bad || text.to_ascii_lowercase().contains("unknown command") => {
            tracing::warn!("the server advertises MOVE but does not know it: copying instead");
            can.moves = false;
            Ok(false)
        }
        Err(fault) => Err(fault),
    }
}

/// Runs a command upon a folder; if it is refused, creates the folder and tries once more. Servers should say TRYCREATE
/// (RFC 9051 section 6.4.7), but not all do: whether the folder was missing is told by whether it could be created.
async fn with_folder(wire: &mut Wire, command: &str, folder: &str) -> Result<(), Fault> {
    let name = folder_name(folder);
    let command = format!("{command} {name}");
    let refusal = match wire.run(&command, |_| {}).await {
        Err(refusal @ Fault::Refused { bad: false, .. }) => refusal,
        other => return other,
    };
    match wire.run(&format!("CREATE {name}"), |_| {}).await {
        Ok(()) => {
            tracing::info!(said = matches!(refusal, Fault::Refused { code: Code::TryCreate, .. }), "created the folder for settled mail");
            wire.run(&command, |_| {}).await
        }
        Err(Fault::Refused { .. }) => Err(refusal),
        Err(fault) => Err(fault),
    }
}

/// Gives a flag, and our keyword if it can be kept. A server that refuses the keyword that it offered to keep is asked for
/// the flag alone, and not offered the keyword again.
async fn store(wire: &mut Wire, set: &str, flag: &str, keywords: &mut bool) -> Result<(), Fault> {
    if *keywords {
        match wire.run(&format!("UID STORE {set} +FLAGS.SILENT ({flag} $guichet)"), |_| {}).await {
            Err(Fault::Refused { .. }) => {}
            other => return other,
        }
    }
    wire.run(&format!("UID STORE {set} +FLAGS.SILENT ({flag})"), |_| {}).await?;
    if std::mem::take(keywords) {
        tracing::warn!("the server offers to keep keywords and refuses ours: going on without");
    }
    Ok(())
}

/// Marks as deleted and removes exactly these.
async fn remove(
    wire: &mut Wire,
    can: &mut Abilities,
    keywords: &mut bool,
    uids: &[u32],
    plan: &FaultPlan,
    ledger: &mut Ledger,
) -> Result<(), Fault> {
    for (set, members) in uid_sets(uids) {
        // The keyword tells us, after a crash, that they are only to be removed (see `find_marked`), and people, where they
        // have to stay, why they are marked.
        store(wire, &set, "\\Deleted", keywords).await?;
        reach(plan, Place::AfterMark)?;
        if can.uid_plus {
            match wire.run(&format!("UID EXPUNGE {set}"), |_| {}).await {
                Err(Fault::Refused { bad: true, .. }) => {
                    tracing::warn!("the server advertises UIDPLUS but does not know UID EXPUNGE: expunging without");
                    can.uid_plus = false;
                }
                other => other?,
            }
        }
        if !can.uid_plus && only_these_are_deleted(wire, &members).await? {
            wire.run("EXPUNGE", |_| {}).await?;
        }
        reach(plan, Place::AfterExpunge)?;
        ledger.settled(&members);
    }
    Ok(())
}

/// EXPUNGE without UIDPLUS (RFC 4315) takes all that is marked in the folder, also what a person marked and may still
/// want back.
async fn only_these_are_deleted(wire: &mut Wire, ours: &[u32]) -> Result<bool, Fault> {
    let mut only_ours = true;
    wire.run("UID SEARCH DELETED", |answer| {
        if let Answer::Search(uids) = answer {
            only_ours &= uids.iter().all(|uid| ours.binary_search(uid).is_ok());
        }
    })
    .await?;
    Ok(only_ours)
}
