//! How many connections a server is asked for, and who may have them.
//!
//! Servers bound the connections of a user, some those of a host, and refuse those beyond with the same words as a wrong
//! password. So there are bounds of our own, and mailboxes beyond them take turns:
//! - Places are given in the order in which they were asked for, but one that must wait for its own user's others lets
//!   those of other users pass.
//! - A mailbox that has been looked through gives up its place if that helps one that waits, and asks again later.
//! - One that is busy does so after [`TURN_MAX`].
//! - One that does neither, since its server hangs, loses its place [`REVOKE_AFTER`] somebody waits for it. So whoever
//!   waits gets a place within a time that depends on the number of mailboxes alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A busy mailbox works so long before it gives way to one that waits.
pub(super) const TURN_MAX: Duration = Duration::from_mins(1);
/// So long after somebody began to wait for it, a place is taken from whoever does not give it up: time for one mail over a
/// slow line.
pub(super) const REVOKE_AFTER: Duration = Duration::from_mins(5);

/// The places of all hosts. Clones share them.
#[derive(Clone, Debug)]
pub struct Slots {
    turns: Arc<Mutex<Turns>>,
    changed: watch::Sender<()>,
}

/// A place, or a place in the queue for one; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    id: u64,
    since: Instant,
}

impl Slots {
    /// So many connections to one host and port, and of those so many of one user.
    #[must_use]
    pub fn new(per_host_max: usize, per_user_max: usize) -> Self {
        Self { turns: Arc::new(Mutex::new(Turns::new(per_host_max, per_user_max))), changed: watch::channel(()).0 }
    }

    /// Waits for a place. May be dropped at any time.
    pub(super) async fn enter(&self, host: &str, port: u16, user: &str) -> Slot {
        let mut changed = self.changed.subscribe();
        let id = self.turns().arrive(Who { host: (host.to_ascii_lowercase(), port), user: user.to_owned() });
        // From here on it leaves when it is dropped, from the queue as well.
        let mut slot = Slot { slots: self.clone(), id, since: Instant::now() };
        self.changed.send_replace(());
        while !self.turns().is_inside(id) {
            // The sender is `self`'s.
            let _ = changed.changed().await;
        }
        slot.since = Instant::now();
        slot
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Resolves when this place is to be given up, by one who has nothing to do. Whoever sees it has to leave.
    pub(super) async fn wanted(&self) {
        let mut changed = self.slots.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if self.slots.turns().ask_to_leave(self.id) {
                return;
            }
            let _ = changed.changed().await;
        }
    }

    /// Whether one who is busy has had its turn, and somebody waits. Whoever sees it has to leave.
    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= TURN_MAX && self.slots.turns().ask_to_leave(self.id)
    }

    /// Resolves when somebody has waited for this place for too long.
    pub(super) async fn revoked(&self) {
        let mut changed = self.slots.changed.subscribe();
        let helps = || self.slots.turns().helps(self.id);
        loop {
            changed.borrow_and_update();
            if helps() == 0 {
                let _ = changed.changed().await;
                continue;
            }
            let mut over = std::pin::pin!(sleep(REVOKE_AFTER));
            loop {
                tokio::select! {
                    () = &mut over => return,
                    _ = changed.changed() => {}
                }
                if helps() == 0 {
                    break;
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.turns().leave(self.id);
        self.slots.changed.send_replace(());
    }
}

/// For whom a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Who {
    host: (String, u16),
    user: String,
}

#[derive(Debug)]
struct Inside {
    who: Who,
    /// It was asked to leave and is about to.
    leaving: bool,
}

/// Who is inside and who waits: the decision alone, without time.
#[derive(Debug)]
struct Turns {
    per_host_max: usize,
    per_user_max: usize,
    next_id: u64,
    inside: BTreeMap<u64, Inside>,
    /// In the order in which they came.
    waiting: BTreeMap<u64, Who>,
}

impl Turns {
    fn new(per_host_max: usize, per_user_max: usize) -> Self {
        let (per_host_max, per_user_max) = (per_host_max.max(1), per_user_max.max(1));
        Self { per_host_max, per_user_max, next_id: 0, inside: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn arrive(&mut self, who: Who) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, who);
        self.admit();
        id
    }

    fn leave(&mut self, id: u64) {
        self.inside.remove(&id);
        self.waiting.remove(&id);
        self.admit();
    }

    fn is_inside(&self, id: u64) -> bool {
        self.inside.contains_key(&id)
    }

    /// Lets in whom there is room for, the longest-waiting first.
    fn admit(&mut self) {
        let ids: Vec<u64> = self.waiting.keys().copied().collect();
        for id in ids {
            let has_room = self.waiting.get(&id).is_some_and(|who| !self.is_host_full(who) && !self.is_user_full(who));
            if has_room && let Some(who) = self.waiting.remove(&id) {
                self.inside.insert(id, Inside { who, leaving: false });
            }
        }
    }

    fn is_host_full(&self, who: &Who) -> bool {
        self.inside.values().filter(|inside| inside.who.host == who.host).count() >= self.per_host_max
    }

    fn is_user_full(&self, who: &Who) -> bool {
        self.inside.values().filter(|inside| inside.who == *who).count() >= self.per_user_max
    }

    /// How many of those who wait would be brought nearer to a place if this one left.
    fn helps(&self, id: u64) -> usize {
        let Some(Inside { who: own, .. }) = self.inside.get(&id) else { return 0 };
        self.waiting.values().filter(|who| who.host == own.host && (*who == own || !self.is_user_full(who))).count()
    }

    /// Whether this one has to leave: those who are leaving already may be enough. Then it counts among them.
    fn ask_to_leave(&mut self, id: u64) -> bool {
        let helps = self.helps(id);
        let Some(Inside { who: Who { host, .. }, leaving: false }) = self.inside.get(&id) else { return self.is_inside(id) };
        let leaving = self.inside.iter().filter(|(other, inside)| **other != id && inside.leaving && inside.who.host == *host).count();
        let must = helps > leaving;
        if let Some(inside) = self.inside.get_mut(&id) {
            inside.leaving |= must;
        }
        must
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn who(host: &str, user: &str) -> Who {
        Who { host: (host.to_owned(), 993), user: user.to_owned() }
    }

    #[test]
    fn who_is_let_in_and_who_has_to_leave() {
        let mut turns = Turns::new(3, 2);
        let [a1, a2, a3] = [0; 3].map(|_| turns.arrive(who("h", "a")));
        assert_eq!([a1, a2, a3].map(|id| turns.is_inside(id)), [true, true, false], "two of one user");
        let b1 = turns.arrive(who("h", "b"));
        assert!(turns.is_inside(b1), "another user's does not wait behind it");
        assert_eq!([a1, a2, b1].map(|id| turns.helps(id)), [1, 1, 0], "b's leaving would not help a");
        let c1 = turns.arrive(who("h", "c"));
        assert_eq!([a1, a2, b1].map(|id| turns.helps(id)), [2, 2, 1], "the host is full: all would help c");
        let other = turns.arrive(who("other", "a"));
        assert!(turns.is_inside(other) && turns.helps(other) == 0, "another host has places of its own");
        assert!(turns.ask_to_leave(b1), "one leaves for c");
        assert!(turns.ask_to_leave(a1), "and one for a");
        assert!(!turns.ask_to_leave(a2), "which is enough");
        assert!(turns.ask_to_leave(a1), "whoever has to leave has to, however often it asks");
        turns.leave(b1);
        assert!(turns.is_inside(c1) && !turns.is_inside(a3), "a's user is still full");
        turns.leave(a1);
        assert!(turns.is_inside(a3));
        assert!(!turns.ask_to_leave(a2), "nobody waits any more");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive(u8, u8),
        /// Whoever is asked to leave does.
        Yield(prop::sample::Index),
        /// A fault, a stop: inside or waiting.
        Vanish(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0u8..2, 0u8..3).prop_map(|(host, user)| Step::Arrive(host, user)),
            2 => any::<prop::sample::Index>().prop_map(Step::Yield),
            1 => any::<prop::sample::Index>().prop_map(Step::Vanish),
        ]
    }

    proptest! {
        #[test]
        fn p11_the_bounds_hold_and_everybody_gets_a_turn(
            per_host in 1usize..4, per_user in 1usize..3, steps in proptest::collection::vec(step(), 0..60),
        ) {
            let mut turns = Turns::new(per_host, per_user);
            for step in steps {
                let all: Vec<u64> = turns.inside.keys().chain(turns.waiting.keys()).copied().collect();
                match step {
                    Step::Arrive(host, user) => { turns.arrive(who(&host.to_string(), &user.to_string())); }
                    Step::Yield(index) if !turns.inside.is_empty() => {
                        let id = *turns.inside.keys().nth(index.index(turns.inside.len())).unwrap();
                        if turns.ask_to_leave(id) { turns.leave(id); }
                    }
                    Step::Vanish(index) if !all.is_empty() => turns.leave(all[index.index(all.len())]),
                    Step::Yield(_) | Step::Vanish(_) => {}
                }
                for inside in turns.inside.values() {
                    let of_host = turns.inside.values().filter(|other| other.who.host == inside.who.host).count();
                    let of_user = turns.inside.values().filter(|other| other.who == inside.who).count();
                    prop_assert!(of_host <= per_host && of_user <= per_user);
                }
                for waiting in turns.waiting.values() {
                    prop_assert!(turns.is_host_full(waiting) || turns.is_user_full(waiting), "nobody waits for nothing");
                }
            }
            // Now nobody else comes. Those who are inside do as they are asked: everybody gets in, in as many rounds as there are.
            let mut left: Vec<u64> = turns.waiting.keys().copied().collect();
            for _ in 0..left.len() {
                for id in turns.inside.keys().copied().collect::<Vec<_>>() {
                    if turns.ask_to_leave(id) { turns.leave(id); }
                }
                left.retain(|id| !turns.is_inside(*id) && turns.waiting.contains_key(id));
            }
            prop_assert!(left.is_empty(), "{left:?} still wait in {turns:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_loses_its_place_and_one_in_the_queue_can_go() {
        let slots = Slots::new(1, 1);
        let hangs = slots.enter("Imap.Example", 993, "a").await;
        let gone = tokio::time::timeout(Duration::from_secs(1), slots.enter("imap.example", 993, "b")).await;
        assert!(gone.is_err(), "the same host in other letters: no place");
        tokio::time::timeout(REVOKE_AFTER * 10, hangs.revoked()).await.expect_err("nobody waits: it may hang");
        let waits = slots.enter("imap.example", 993, "c");
        let begun = Instant::now();
        let server = async move {
            hangs.revoked().await;
            assert_eq!(begun.elapsed(), REVOKE_AFTER, "measured from when somebody began to wait");
            drop(hangs);
        };
        tokio::join!(async { drop(waits.await) }, server);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_one_has_its_turn_and_an_idle_one_leaves_at_once() {
        let slots = Slots::new(1, 1);
        let busy = slots.enter("h", 993, "a").await;
        tokio::time::advance(TURN_MAX).await;
        assert!(!busy.is_over(), "nobody waits");
        let wait = async {
            busy.wanted().await;
            assert!(busy.is_over(), "its turn was over");
            drop(busy);
        };
        let ((), next) = tokio::join!(wait, slots.enter("h", 993, "b"));
        assert!(!next.is_over());
    }
}
