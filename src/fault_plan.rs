//! Named places on the way of a message at which a test can make the daemon fail. In service the plan is empty and a place
//! costs one branch.
//!
//! One plan for the whole way, since its promises are of the whole way: it is given to the store ([`crate::store::OpenOptions`]),
//! which lends it to desk and outbox, and to the channels ([`crate::channel::Surroundings`]). It lies outside of these rooms
//! since all of them know it and it knows none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable of the environment from which a debug build takes its plan: a place, a colon, a turn, as in `AfterDecide:1`.
pub const VARIABLE: &str = "GUICHET_FAULT_PLAN";

/// Where the daemon can be cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The octets of a message are here, and nothing was done with them.
    AfterFetch,
    /// Some octets of an entry are in the pack.
    MidPackWrite,
    /// All octets are in the pack and none is known to be on disk.
    BeforePackSync,
    /// They are on disk and nobody has been told.
    AfterPackSync,
    /// A message is parsed and kept, and nothing was decided about it.
    AfterPrepare,
    /// It is decided, and the store knows nothing of that.
    AfterDecide,
    /// A change is checked and encoded.
    BeforeApply,
    /// It is visible and not yet on disk.
    AfterApply,
    /// The group is complete and only in memory.
    BeforeSink,
    /// It is in the engine's buffers.
    BeforeFlush,
    /// The engine has written and the device has not been flushed.
    AfterFlush,
    /// All is on disk and nobody has been told.
    AfterSync,
    /// A message is on disk, its channel is told, and it is not settled at its source.
    AfterReceipt,
    /// Messages are flagged at their source and nothing here says so.
    AfterFlag,
    /// Messages are moved at their source and nothing here says so.
    AfterMove,
    /// Messages are copied at their source and stand in both folders.
    AfterCopy,
    /// Messages are marked as deleted at their source and are still there.
    AfterMark,
    /// They are gone from there and nothing here says so.
    AfterExpunge,
    /// An attempt is on disk and nothing was sent.
    AfterClaim,
    /// The relay has taken a mail and nothing here says so: it will be sent once more.
    AfterContent,
    /// That it was sent is visible and not yet on disk.
    AfterSent,
}

impl Place {
    /// All, in the order of a message's way.
    pub const ALL: [Self; 21] = [
        Self::AfterFetch,
        Self::MidPackWrite,
        Self::BeforePackSync,
        Self::AfterPackSync,
        Self::AfterPrepare,
        Self::AfterDecide,
        Self::BeforeApply,
        Self::AfterApply,
        Self::BeforeSink,
        Self::BeforeFlush,
        Self::AfterFlush,
        Self::AfterSync,
        Self::AfterReceipt,
        Self::AfterFlag,
        Self::AfterMove,
        Self::AfterCopy,
        Self::AfterMark,
        Self::AfterExpunge,
        Self::AfterClaim,
        Self::AfterContent,
        Self::AfterSent,
    ];
    /// Those that the store alone comes by.
    pub const OF_STORE: [Self; 9] = [
        Self::MidPackWrite,
        Self::BeforePackSync,
        Self::AfterPackSync,
        Self::BeforeApply,
        Self::AfterApply,
        Self::BeforeSink,
        Self::BeforeFlush,
        Self::AfterFlush,
        Self::AfterSync,
    ];
}

/// What happens at the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The system reports an error.
    Error,
    /// The process ends at once, as by `kill -9`.
    Abort,
}

/// Fails once: at one place, at its n-th turn. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan(Option<Arc<Planned>>);

#[derive(Debug)]
struct Planned {
    place: Place,
    failure: Failure,
    turns_left: AtomicU32,
}

impl FaultPlan {
    /// Fails when `place` is reached for the `turn`-th time, counted from 1.
    #[must_use]
    pub fn at(place: Place, turn: u32, failure: Failure) -> Self {
        Self(Some(Arc::new(Planned { place, failure, turns_left: AtomicU32::new(turn) })))
    }

    /// What [`VARIABLE`] says, to end the process there; in a release build always the empty plan: nothing in the environment
    /// of a daemon in service can make it fail.
    ///
    /// # Errors
    /// The variable is set and says no place and turn: a test that fails nowhere would prove nothing.
    pub fn of_environment() -> Result<Self, String> {
        if !cfg!(debug_assertions) {
            return Ok(Self::default());
        }
        match std::env::var(VARIABLE) {
            Err(_) => Ok(Self::default()),
            Ok(text) => Self::read(&text).ok_or_else(|| format!("{VARIABLE}: {text:?} is no place and turn such as AfterDecide:1")),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (name, turn) = text.split_once(':')?;
        let place = Place::ALL.into_iter().find(|place| format!("{place:?}") == name)?;
        let turn = turn.parse().ok().filter(|turn| *turn > 0)?;
        Some(Self::at(place, turn, Failure::Abort))
    }

    /// Called by whoever comes by.
    ///
    /// # Errors
    /// The planned one.
    #[inline]
    pub fn reach(&self, place: Place) -> io::Result<()> {
        self.0.as_deref().map_or(Ok(()), |plan| plan.reach(place))
    }
}

impl Planned {
    fn reach(&self, place: Place) -> io::Result<()> {
        if self.place != place {
            return Ok(());
        }
        let before = self.turns_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if before != Ok(1) {
            return Ok(());
        }
        match self.failure {
            Failure::Error => Err(io::Error::other(format!("planned failure at {place:?}"))),
            Failure::Abort => std::process::abort(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_fails_once_at_its_place_and_turn() {
        let plan = FaultPlan::at(Place::AfterDecide, 2, Failure::Error);
        let fails = |place| plan.reach(place).is_err();
        assert!(!fails(Place::AfterFetch) && !fails(Place::AfterDecide), "another place, the first turn");
        assert!(fails(Place::AfterDecide) && !fails(Place::AfterDecide), "the second, and never again");
        assert!(FaultPlan::default().reach(Place::AfterDecide).is_ok(), "in service");
    }

    #[test]
    fn a_plan_is_read_from_its_text() {
        for (text, is_plan, why) in [
            ("AfterDecide:1", true, "place and turn"),
            ("AfterSent:12", true, "the last place"),
            ("AfterDecide", false, "no turn"),
            ("AfterDecide:0", false, "turns count from 1"),
            ("afterdecide:1", false, "no such place"),
            ("", false, "nothing"),
        ] {
            assert_eq!(FaultPlan::read(text).is_some(), is_plan, "{why}");
        }
    }
}
