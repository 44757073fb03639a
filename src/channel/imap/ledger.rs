//! What is known of each message of a folder while the daemon runs: wanted, on its way, landed, settled.
//!
//! The ledger outlives connections, so that nothing is fetched twice because a connection broke, nothing is fetched in a
//! busy loop because it cannot be taken in, and a copy that was made is not made again. It is lost with the process;
//! then the desk knows what it has (P2).
//!
//! ```text
//!            taken            landed             settled
//!   Wanted ────────► InLane ─────────► Landed ───────────► Done (forgotten once all below are)
//!     ▲  ▲              │ failed          │ stays until the server takes it
//!     │  └── Later ◄────┘                 ▼
//!     └───── (back-off) ◄── missed, struck
//!     ▲                       │ missed again and again
//!     └────── Missing ◄───────┘ until the folder is looked through: still listed, or gone
//! ```
//!
//! Where a folder is left as it is, the floor says what was taken in, and is kept by the desk as the mailbox's cursor.
//! Where settling takes a message out of the listing, the listing says it: what is listed is work, whatever its UID, and
//! the floor only bounds the memory.
//!
//! A message that answers a large one which is still being fetched waits as `Behind` until that one has landed or failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// The first delay of a message that could not be taken in; it doubles up to the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delays {
    pub(super) first: Duration,
    pub(super) last: Duration,
}

impl Delays {
    /// The delay after so many failures, from 1.
    pub(super) fn after(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.last)
    }
}

/// How often a message that the folder lists may be missing from the answer before it waits for another listing.
const MISSES_MAX: u32 = 3;
/// How often fetching a message alone may end the connection before only its start is asked for.
const STRIKES_BEFORE_CUT: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    Later {
        until: Instant,
    },
    /// Listed and not given, several times: gone, or hidden. The next listing of the whole folder tells which.
    Missing,
    InLane,
    /// On disk here (P1); `copied`: in the other folder already, without MOVE.
    Landed {
        copied: bool,
    },
    /// It answers a large message that is still on its way, and must not be decided about before that.
    Behind,
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    size: Option<u32>,
    failures: u32,
    misses: u32,
    /// How often a connection ended while this message was asked for alone; `suspect`: while it was asked for at all.
    strikes: u32,
    suspect: bool,
    /// Only its start was taken in: what is at the source is the only whole copy.
    cut: bool,
    /// When the folder first listed it to us.
    seen: Instant,
    /// The server's pieces of it do not fit together: it is to be asked for whole.
    plain: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    uid_validity: u32,
    /// Messages up to the floor are passed over, not those that are still listed.
    by_cursor: bool,
    /// Everything up to here is done.
    floor: u32,
    /// Messages at or below the floor that are listed all the same, though they are done: settled in vain, or to stay.
    stay: BTreeSet<u32>,
    entries: BTreeMap<u32, Entry>,
    /// Which messages wait behind which.
    behind: BTreeMap<u32, Vec<u32>>,
    /// Entries that are done and stand above one that is not.
    done_count: usize,
    delays: Delays,
}

/// How to ask for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) uid: u32,
    /// As the server claims it; `None`: not asked yet.
    pub(super) size: Option<u32>,
    /// A connection ended over it: ask for it alone.
    pub(super) alone: bool,
    /// Ask for its start only.
    pub(super) cut: bool,
    /// Do not ask for it in pieces.
    pub(super) plain: bool,
}

impl Ledger {
    pub(super) const fn new(delays: Delays) -> Self {
        Self {
            uid_validity: 0,
            by_cursor: false,
            floor: 0,
            stay: BTreeSet::new(),
            entries: BTreeMap::new(),
            behind: BTreeMap::new(),
            done_count: 0,
            delays,
        }
    }

    /// The folder was opened. Under another UIDVALIDITY all UIDs mean other messages: everything is looked at anew, from
    /// `cursor` if that speaks of the same validity. `by_cursor`: nothing but the cursor tells what was taken in.
    pub(super) fn opened(&mut self, uid_validity: u32, by_cursor: bool, cursor: Option<(u32, u32)>) {
        if self.uid_validity != uid_validity {
            *self = Self { uid_validity, ..Self::new(self.delays) };
        }
        self.by_cursor = by_cursor;
        if let Some((validity, uid)) = cursor
            && validity == uid_validity
            && uid > self.floor
        {
            self.floor = uid;
            self.entries.retain(|&known, _| known > uid);
            self.done_count = self.entries.values().filter(|entry| entry.state == State::Done).count();
            self.raise_floor();
        }
    }

    /// The highest UID under which the folder gave a message.
    pub(super) fn highest(&self) -> u32 {
        let given = |entry: &Entry| match entry.state {
            State::InLane | State::Landed { .. } | State::Behind | State::Done => true,
            State::Wanted | State::Later { .. } | State::Missing => false,
        };
        self.entries.iter().rev().find(|(_, entry)| given(entry)).map_or(self.floor, |(&uid, _)| uid.max(self.floor))
    }

    /// The folder was put back to an earlier state: its UIDs are handed out once more.
    pub(super) fn put_back(&mut self) {
        self.uid_validity = 0;
    }

    /// Keywords cannot be kept after all: from now on the cursor alone tells what was taken in.
    pub(super) fn goes_by_cursor(&mut self) {
        self.by_cursor = true;
    }

    /// The first UID to look at.
    pub(super) fn first_wanted(&self) -> u32 {
        if self.by_cursor { self.floor().saturating_add(1) } else { 1 }
    }

    /// Up to here every message is done: what the desk may keep as the mailbox's cursor.
    pub(super) fn floor(&self) -> u32 {
        // What is listed below it all the same is work.
        self.entries.first_key_value().map_or(self.floor, |(&first, _)| self.floor.min(first.saturating_sub(1)))
    }

    pub(super) fn uid_validity(&self) -> u32 {
        self.uid_validity
    }

    /// The folder lists it.
    pub(super) fn want(&mut self, uid: u32, now: Instant) {
        let is_passed_over = if self.by_cursor { uid <= self.floor } else { self.stay.contains(&uid) };
        if uid > 0 && !is_passed_over {
            let fresh = || Entry {
                state: State::Wanted,
                size: None,
                failures: 0,
                misses: 0,
                strikes: 0,
                suspect: false,
                cut: false,
                plain: false,
                seen: now,
            };
            self.entries.entry(uid).or_insert_with(fresh);
        }
    }

    /// The folder lists these, from [`Self::first_wanted`] on, and no others.
    pub(super) fn wants_only(&mut self, listed: &BTreeSet<u32>, now: Instant) {
        self.stay.retain(|uid| listed.contains(uid));
        let (mut gone, mut settled) = (Vec::new(), Vec::new());
        for (&uid, entry) in &mut self.entries {
            match (entry.state, listed.contains(&uid)) {
                (State::Missing, true) => entry.state = State::Later { until: now + self.delays.after(entry.misses) },
                (State::Wanted | State::Later { .. } | State::Missing, false) => gone.push(uid),
                // Settled by a command whose answer was lost, or by a person.
                (State::Landed { copied: false }, false) => settled.push(uid),
                (State::Done, false) if !self.by_cursor => gone.push(uid),
                (State::Wanted | State::Later { .. } | State::InLane | State::Landed { .. } | State::Behind | State::Done, _) => {}
            }
        }
        for uid in gone {
            let was_done = self.entries.remove(&uid).is_some_and(|entry| entry.state == State::Done);
            self.done_count -= usize::from(was_done);
        }
        self.settled(&settled);
        self.raise_floor();
    }

    /// The next messages to ask for, in the order of the folder; last those over which connections ended: a message that
    /// does so each time must not be the first thing of each connection (P3).
    pub(super) fn wishes(&self, now: Instant, count_max: usize) -> Vec<Wish> {
        let due = |entry: &Entry| match entry.state {
            State::Wanted => true,
            State::Later { until } => until <= now,
            State::Missing | State::InLane | State::Landed { .. } | State::Behind | State::Done => false,
        };
        let wish = |(&uid, entry): (&u32, &Entry)| Wish {
            uid,
            size: entry.size,
            alone: entry.suspect,
            cut: entry.strikes >= STRIKES_BEFORE_CUT,
            plain: entry.plain,
        };
        let harmless = self.entries.iter().filter(|(_, entry)| due(entry) && entry.strikes == 0);
        let struck = self.entries.iter().filter(|(_, entry)| due(entry) && entry.strikes > 0);
        harmless.chain(struck).map(wish).take(count_max).collect()
    }

    /// When the first message that waits is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let until = |entry: &Entry| match entry.state {
            State::Later { until } => Some(until),
            State::Wanted | State::Missing | State::InLane | State::Landed { .. } | State::Behind | State::Done => None,
        };
        self.entries.values().filter_map(until).min()
    }

    pub(super) fn sized(&mut self, uid: u32, size: u32) {
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.size = Some(size);
        }
    }

    /// Handed over.
    pub(super) fn taken(&mut self, uid: u32) {
        self.set(uid, State::InLane);
    }

    /// Only the start of it was handed over.
    pub(super) fn cut(&mut self, uid: u32) {
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.cut = true;
        }
    }

    pub(super) fn is_cut(&self, uid: u32) -> bool {
        self.entries.get(&uid).is_some_and(|entry| entry.cut)
    }

    /// Another piece of it came: whatever ended a connection before did not do so again.
    pub(super) fn progressed(&mut self, uid: u32) {
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.strikes = 0;
        }
    }

    /// Its pieces do not fit together: from now on it is asked for whole.
    pub(super) fn misfit(&mut self, uid: u32) {
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.plain = true;
            entry.state = State::Wanted;
        }
    }

    /// It answers a large message that is on its way: its turn comes when that one has landed, or has failed.
    pub(super) fn waits_behind(&mut self, uid: u32, large: u32) {
        self.set(uid, State::Behind);
        self.behind.entry(large).or_default().push(uid);
    }

    fn release(&mut self, large: u32) {
        for uid in self.behind.remove(&large).unwrap_or_default() {
            self.set(uid, State::Wanted);
        }
    }

    /// On disk.
    pub(super) fn landed(&mut self, uid: u32) {
        self.set(uid, State::Landed { copied: false });
        self.release(uid);
    }

    /// Could not be taken over, or came without its content.
    pub(super) fn failed(&mut self, uid: u32, now: Instant) {
        let delays = self.delays;
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.failures += 1;
            entry.state = State::Later { until: now + delays.after(entry.failures) };
        }
        self.release(uid);
    }

    /// Listed, asked for, and not answered: expunged meanwhile, or hidden. It is asked for a few times more, then after
    /// each listing of the whole folder that still has it. True when it begins to wait for one.
    pub(super) fn missed(&mut self, uid: u32, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&uid) else { return false };
        entry.misses = entry.misses.saturating_add(1);
        let waits = entry.misses >= MISSES_MAX;
        entry.state = if waits { State::Missing } else { State::Later { until: now + self.delays.after(entry.misses) } };
        self.release(uid);
        waits
    }

    /// The server says that it is deleted: nobody's work any more.
    pub(super) fn deleted(&mut self, uid: u32) {
        self.done(uid);
    }

    /// The connection ended while these were asked for and had not come. From now on each is asked for alone, so that the
    /// one that is to blame holds up nobody else (P3).
    pub(super) fn struck(&mut self, asked: &[u32], now: Instant) {
        let alone = asked.len() == 1;
        for uid in asked {
            let delays = self.delays;
            if let Some(entry) = self.entries.get_mut(uid) {
                entry.suspect = true;
                if alone {
                    entry.strikes += 1;
                    entry.state = State::Later { until: now + delays.after(entry.strikes) };
                }
            }
        }
    }

    /// What is on disk and not yet settled, ascending: those that still have to be copied, and those that were.
    pub(super) fn to_settle(&self) -> (Vec<u32>, Vec<u32>) {
        let (mut fresh, mut copied) = (Vec::new(), Vec::new());
        for (&uid, entry) in &self.entries {
            match entry.state {
                State::Landed { copied: false } => fresh.push(uid),
                State::Landed { copied: true } => copied.push(uid),
                State::Wanted | State::Later { .. } | State::Missing | State::InLane | State::Behind | State::Done => {}
            }
        }
        (fresh, copied)
    }

    /// An earlier process had it on disk and elsewhere, and marked it as deleted: it is only to be removed.
    pub(super) fn marked(&mut self, uid: u32, now: Instant) {
        if !self.entries.contains_key(&uid) {
            self.want(uid, now);
            self.copied(&[uid]);
        }
    }

    pub(super) fn copied(&mut self, uids: &[u32]) {
        for uid in uids {
            self.set(*uid, State::Landed { copied: true });
        }
    }

    /// Settled at the source.
    pub(super) fn settled(&mut self, uids: &[u32]) {
        for uid in uids {
            self.done(*uid);
        }
    }

    /// Done, and to stay where it is.
    pub(super) fn stays(&mut self, uid: u32) {
        self.stay.insert(uid);
        self.done(uid);
    }

    /// How many are known and not done.
    pub(super) fn backlog(&self) -> usize {
        self.entries.len() - self.done_count
    }

    /// When the oldest of them was first seen.
    pub(super) fn oldest_seen(&self) -> Option<Instant> {
        // The first is never done: see `raise_floor`.
        self.entries.first_key_value().map(|(_, entry)| entry.seen)
    }

    fn done(&mut self, uid: u32) {
        self.release(uid);
        if let Some(entry) = self.entries.get_mut(&uid)
            && entry.state != State::Done
        {
            entry.state = State::Done;
            self.done_count += 1;
            if uid <= self.floor {
                // For the second time: the server takes it, and lists it again.
                self.stay.insert(uid);
            }
            self.raise_floor();
        }
    }

    fn set(&mut self, uid: u32, state: State) {
        if let Some(entry) = self.entries.get_mut(&uid)
            && entry.state != State::Done
        {
            entry.state = state;
        }
    }

    /// Forgets what is done as far as everything below is done, too: memory follows the work, not the folder.
    fn raise_floor(&mut self) {
        while let Some(first) = self.entries.first_entry() {
            if first.get().state != State::Done {
                break;
            }
            self.floor = self.floor.max(*first.key());
            first.remove();
            self.done_count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: Delays = Delays { first: Duration::from_secs(1), last: Duration::from_mins(1) };

    fn uids(ledger: &Ledger, now: Instant) -> Vec<u32> {
        ledger.wishes(now, 100).iter().map(|wish| wish.uid).collect()
    }

    fn ledger(wanted: &[u32]) -> Ledger {
        let mut ledger = Ledger::new(DELAYS);
        ledger.opened(7, true, None);
        for uid in wanted {
            ledger.want(*uid, Instant::now());
        }
        ledger
    }

    #[test]
    fn p3_what_failed_waits_and_holds_up_nobody() {
        let now = Instant::now();
        let mut ledger = ledger(&[1, 2, 3]);
        ledger.taken(1);
        ledger.failed(1, now);
        assert_eq!(uids(&ledger, now), [2, 3], "the others go on");
        assert_eq!(ledger.next_due(), Some(now + Duration::from_secs(1)));
        assert_eq!(uids(&ledger, now + Duration::from_secs(1)), [1, 2, 3], "its turn comes again, in its place");
        ledger.settled(&[2, 3]);
        assert_eq!(ledger.floor(), 0, "the floor does not pass what has not landed");
    }

    #[test]
    fn what_is_done_is_forgotten_and_not_wanted_again() {
        let now = Instant::now();
        let mut ledger = ledger(&[1, 2, 3]);
        ledger.settled(&[1, 3]);
        assert_eq!((ledger.floor(), ledger.backlog()), (1, 1));
        ledger.want(3, Instant::now());
        ledger.want(1, Instant::now());
        assert_eq!(uids(&ledger, now), [2], "a listing that still shows them changes nothing");
        ledger.settled(&[2]);
        assert_eq!((ledger.floor(), ledger.entries.len()), (3, 0));
    }

    #[test]
    fn another_validity_begins_anew() {
        let now = Instant::now();
        let mut ledger = ledger(&[1, 2]);
        ledger.settled(&[1, 2]);
        ledger.opened(8, true, Some((7, 2)));
        ledger.want(1, Instant::now());
        assert_eq!(uids(&ledger, now), [1], "a cursor of another validity says nothing");
        ledger.opened(8, true, Some((8, 5)));
        assert_eq!((ledger.floor(), uids(&ledger, now)), (5, vec![]), "one of this validity does");
    }

    #[test]
    fn p3_a_message_that_ends_connections_is_found_out() {
        let mut now = Instant::now();
        let mut ledger = ledger(&[1, 2, 3]);
        ledger.struck(&[1, 2, 3], now);
        assert!(ledger.wishes(now, 9).iter().all(|wish| wish.alone && !wish.cut), "each is asked for alone");
        for _ in 0..2 {
            ledger.struck(&[2], now);
            assert_eq!(uids(&ledger, now), [1, 3], "the one to blame waits");
            now += Duration::from_mins(1);
        }
        let wishes = ledger.wishes(now, 9);
        assert_eq!(
            wishes.iter().map(|wish| (wish.uid, wish.cut)).collect::<Vec<_>>(),
            [(1, false), (3, false), (2, true)],
            "then, last, its start"
        );
    }

    #[test]
    fn p3_an_answer_waits_for_the_large_message_and_not_for_ever() {
        let now = Instant::now();
        for (over, why) in [
            (Ledger::landed as fn(&mut Ledger, u32), "landed"),
            (|ledger, uid| ledger.failed(uid, Instant::now()), "could not be taken in"),
            (|ledger, uid| assert!(!ledger.missed(uid, Instant::now())), "is gone"),
            (Ledger::deleted, "was deleted"),
        ] {
            let mut ledger = ledger(&[1, 2, 3]);
            ledger.taken(1);
            ledger.taken(2);
            ledger.waits_behind(2, 1);
            assert_eq!(uids(&ledger, now), [3], "{why}");
            over(&mut ledger, 1);
            assert_eq!(uids(&ledger, now), [2, 3], "{why}");
        }
    }

    #[test]
    fn p3_a_large_message_that_comes_on_is_not_given_up() {
        let now = Instant::now();
        let mut ledger = ledger(&[1]);
        for _ in 0..5 {
            ledger.struck(&[1], now);
            ledger.progressed(1);
        }
        assert!(
            ledger.wishes(now + Duration::from_mins(1), 9).iter().all(|wish| !wish.cut),
            "a connection that is slow, not a mail that is bad"
        );
    }

    #[test]
    fn p3_a_message_that_is_listed_and_not_given_waits_for_another_listing() {
        let mut now = Instant::now();
        let mut ledger = ledger(&[1, 2, 3]);
        ledger.settled(&[2]);
        for miss in 1..=3 {
            assert!(uids(&ledger, now).contains(&1), "asked for a few times");
            assert_eq!(ledger.missed(1, now), miss == 3);
            now += Duration::from_mins(1);
        }
        assert_eq!((uids(&ledger, now), ledger.floor()), (vec![3], 0), "then it waits, and the floor with it");
        ledger.wants_only(&BTreeSet::from([1, 2]), now);
        assert_eq!(uids(&ledger, now + Duration::from_mins(1)), [1], "still listed: asked for again; 3 is gone");
        assert!(ledger.missed(1, now), "and waits again after one miss");
        ledger.wants_only(&BTreeSet::from([2]), now);
        assert_eq!((ledger.backlog(), ledger.floor(), uids(&ledger, now)), (0, 2, vec![]), "gone: the floor passes");
    }

    #[test]
    fn p3_what_is_listed_is_work_unless_the_cursor_alone_tells() {
        let now = Instant::now();
        for (by_cursor, expected) in [(false, vec![1, 2]), (true, vec![])] {
            let mut ledger = Ledger::new(DELAYS);
            ledger.opened(7, by_cursor, None);
            ledger.want(2, Instant::now());
            ledger.settled(&[2]);
            assert_eq!((ledger.floor(), ledger.first_wanted()), (2, if by_cursor { 3 } else { 1 }));
            for uid in [1, 2] {
                ledger.want(uid, Instant::now());
            }
            assert_eq!(uids(&ledger, now), expected, "1 was hidden before, 2 was settled in vain");
            assert_eq!(ledger.floor(), if by_cursor { 2 } else { 0 }, "the cursor does not pass what has not landed");
            ledger.settled(&[1, 2]);
            ledger.want(2, Instant::now());
            assert_eq!((ledger.floor(), uids(&ledger, now)), (2, vec![]), "in vain again: it stays");
            ledger.wants_only(&BTreeSet::new(), now);
            assert_eq!((ledger.stay.len(), ledger.entries.len(), ledger.backlog()), (0, 0, 0), "nothing is remembered of what is gone");
        }
    }

    #[test]
    fn what_was_settled_without_an_answer_is_done_once_it_is_not_listed() {
        let now = Instant::now();
        let mut ledger = ledger(&[1, 2, 3]);
        for uid in [1, 2, 3] {
            ledger.landed(uid);
        }
        ledger.copied(&[2]);
        ledger.wants_only(&BTreeSet::from([3]), now);
        assert_eq!(ledger.to_settle(), (vec![3], vec![2]), "a copy that was made still has to be removed");
    }

    #[test]
    fn a_folder_that_was_put_back_is_looked_at_anew() {
        let now = Instant::now();
        let mut ledger = ledger(&[1, 2, 3]);
        ledger.settled(&[1, 2]);
        assert_eq!(ledger.highest(), 2, "3 was listed and never given: who knows whether it is there");
        ledger.put_back();
        ledger.opened(7, true, None);
        ledger.want(1, Instant::now());
        assert_eq!((ledger.highest(), uids(&ledger, now)), (0, vec![1]));
    }
}
