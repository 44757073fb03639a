//! Which windows are open, and how they are told that there is something new.
//!
//! A window is told *that*, never *what*: it reads the store itself. So a hint may be lost, doubled or early without
//! harm, each window costs the same memory however slow it is, and nobody waits for it. To be called after the commit.

use crate::domain::message::SessionId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The open windows of all sessions; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    // Held for a look-up and some flags, never over an await.
    rooms: Arc<Mutex<HashMap<SessionId, Room>>>,
}

/// One session: several windows may look at it.
#[derive(Debug)]
struct Room {
    bells: Vec<Arc<Bell>>,
    /// Messages of this session whose commit is not finished; their window may be gone.
    in_hand: usize,
    /// The highest number that a window has confirmed.
    confirmed: watch::Sender<u32>,
}

#[derive(Debug, Default)]
struct Bell {
    told: Mutex<Told>,
    rung: Notify,
}

/// What a window was told since it last asked; doubled hints have become one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// There may be something new in the store.
    pub news: bool,
    /// This person is writing.
    pub typing: Option<String>,
}

/// An open window's place; leaving is dropping it.
#[derive(Debug)]
pub struct Seat {
    hub: Hub,
    session: SessionId,
    bell: Arc<Bell>,
}

/// Keeps a session known while one of its messages is being committed.
#[derive(Debug)]
pub struct InHand {
    hub: Hub,
    session: SessionId,
}

impl Hub {
    /// Nobody is here yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a place. What is committed from now on is hinted at; read the store after this, not before.
    #[must_use]
    pub fn join(&self, session: SessionId) -> Seat {
        let bell = Arc::new(Bell::default());
        self.rooms().entry(session).or_insert_with(Room::empty).bells.push(Arc::clone(&bell));
        Seat { hub: self.clone(), session, bell }
    }

    /// Tells every window of the session that there may be something new; `false` if none is open.
    pub fn hint(&self, session: SessionId) -> bool {
        self.ring(session, |told| told.news = true)
    }

    /// Tells every window of the session that somebody is writing; `false` if none is open.
    pub fn typing(&self, session: SessionId, name: &str) -> bool {
        self.ring(session, |told| told.typing = Some(name.to_owned()))
    }

    /// Whether a window of the session is open.
    #[must_use]
    pub fn connected(&self, session: SessionId) -> bool {
        self.rooms().get(&session).is_some_and(|room| !room.bells.is_empty())
    }

    /// Hints, and waits until a window has confirmed that it got number `seq`: a connection that is open here may be
    /// long dead at the other end. `false` if no window is open or none confirms within `patience`; the message
    /// stays in the store and is shown when the visitor comes back.
    pub async fn deliver(&self, session: SessionId, seq: u32, patience: Duration) -> bool {
        let Some(mut confirmed) = self.rooms().get(&session).map(|room| room.confirmed.subscribe()) else { return false };
        if !self.hint(session) {
            return false;
        }
        let confirmed = tokio::time::timeout(patience, confirmed.wait_for(|&so_far| so_far >= seq)).await;
        matches!(confirmed, Ok(Ok(_)))
    }

    /// Whether the session is in use: it was minted here or found in the store, even if nothing of it is stored yet.
    #[must_use]
    pub fn in_use(&self, session: SessionId) -> bool {
        self.rooms().contains_key(&session)
    }

    /// Open windows, over all sessions.
    #[must_use]
    pub fn windows(&self) -> usize {
        self.rooms().values().map(|room| room.bells.len()).sum()
    }

    fn ring(&self, session: SessionId, tell: impl Fn(&mut Told)) -> bool {
        let rooms = self.rooms();
        let Some(room) = rooms.get(&session) else { return false };
        room.bells.iter().for_each(|bell| bell.ring(&tell));
        !room.bells.is_empty()
    }

    fn leave(&self, session: SessionId, change: impl FnOnce(&mut Room)) {
        let mut rooms = self.rooms();
        if let Some(room) = rooms.get_mut(&session) {
            change(room);
            if room.bells.is_empty() && room.in_hand == 0 {
                rooms.remove(&session);
            }
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<SessionId, Room>> {
        // Nothing panics while it is held; were it so, the map would still be whole.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn empty() -> Self {
        Self { bells: Vec::new(), in_hand: 0, confirmed: watch::Sender::new(0) }
    }
}

impl Bell {
    fn ring(&self, tell: impl Fn(&mut Told)) {
        tell(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.rung.notify_one();
    }

    fn take(&self) -> Told {
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seat {
    /// Waits until there is something to be told. May be cancelled: what was told stays told until it is returned.
    pub async fn told(&self) -> Told {
        loop {
            let told = self.bell.take();
            if told != Told::default() {
                return told;
            }
            self.bell.rung.notified().await;
        }
    }

    /// The session that this is a window of.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Hints to the other windows of this session.
    pub fn hint_others(&self) {
        let rooms = self.hub.rooms();
        let others = rooms.get(&self.session).into_iter().flat_map(|room| &room.bells);
        others.filter(|bell| !Arc::ptr_eq(bell, &self.bell)).for_each(|bell| bell.ring(|told| told.news = true));
    }

    /// This window has all up to `seq`.
    pub fn confirm(&self, seq: u32) {
        if let Some(room) = self.hub.rooms().get(&self.session) {
            room.confirmed.send_if_modified(|so_far| std::mem::replace(so_far, seq.max(*so_far)) < seq);
        }
    }

    /// Keeps the session known until a commit is finished, whatever becomes of this window.
    #[must_use]
    pub fn in_hand(&self) -> InHand {
        if let Some(room) = self.hub.rooms().get_mut(&self.session) {
            room.in_hand += 1;
        }
        InHand { hub: self.hub.clone(), session: self.session }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(self.session, |room| room.bells.retain(|bell| !Arc::ptr_eq(bell, &self.bell)));
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.hub.leave(self.session, |room| room.in_hand = room.in_hand.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const A: SessionId = SessionId([1; 16]);
    const B: SessionId = SessionId([2; 16]);
    const NEWS: Told = Told { news: true, typing: None };

    fn told(seat: &Seat) -> Option<Told> {
        seat.told().now_or_never()
    }

    #[test]
    fn hints_reach_each_window_of_the_session_and_no_other() {
        let hub = Hub::new();
        assert!(!hub.hint(A), "nobody is there");
        let (one, two, other) = (hub.join(A), hub.join(A), hub.join(B));
        assert!(hub.hint(A));
        assert!(hub.hint(A), "doubled");
        assert_eq!((told(&one), told(&two), told(&other)), (Some(NEWS), Some(NEWS), None));
        assert_eq!(told(&one), None, "doubled hints are one");
        one.hint_others();
        assert_eq!((told(&one), told(&two)), (None, Some(NEWS)));
        assert!(hub.typing(A, "Ana"));
        assert_eq!(told(&one), Some(Told { news: false, typing: Some("Ana".into()) }));
        drop(one);
        assert!(hub.connected(A), "the second window is still open");
        drop(two);
        assert!(!hub.connected(A) && !hub.in_use(A) && hub.connected(B));
        assert_eq!(hub.windows(), 1);
    }

    #[test]
    fn a_cancelled_wait_loses_no_hint() {
        let hub = Hub::new();
        let seat = hub.join(A);
        let mut waiting = Box::pin(seat.told());
        assert!(waiting.as_mut().now_or_never().is_none());
        hub.hint(A);
        drop(waiting);
        assert_eq!(told(&seat), Some(NEWS));
    }

    #[test]
    fn p2_a_session_stays_known_while_its_message_is_committed() {
        let hub = Hub::new();
        let seat = hub.join(A);
        let in_hand = seat.in_hand();
        drop(seat);
        assert!(hub.in_use(A) && !hub.connected(A) && !hub.hint(A));
        drop(in_hand);
        assert!(!hub.in_use(A));
    }

    #[tokio::test(start_paused = true)]
    async fn p5_delivered_means_that_a_window_said_so() {
        let hub = Hub::new();
        let patience = Duration::from_secs(10);
        assert!(!hub.deliver(A, 1, patience).await, "nobody is there");
        let seat = hub.join(A);
        assert!(!hub.deliver(A, 1, patience).await, "the other end is dead");
        let (delivered, ()) = tokio::join!(hub.deliver(A, 2, patience), async {
            assert_eq!(seat.told().await, NEWS);
            seat.confirm(1);
            tokio::task::yield_now().await;
            seat.confirm(2);
        });
        assert!(delivered);
        assert!(hub.deliver(A, 1, patience).await, "an earlier number is there too");
        let (delivered, ()) = tokio::join!(hub.deliver(A, 3, patience), async { drop(seat) });
        assert!(!delivered, "the window has closed meanwhile");
    }
}
