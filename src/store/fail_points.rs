//! Named places at which a test can make the store fail. In service the plan is empty and a place costs one branch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where a write can be cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Some octets of an entry are in the pack.
    MidPackWrite,
    /// All octets are in the pack and none is known to be on disk.
    BeforePackSync,
    /// They are on disk and nobody has been told.
    AfterPackSync,
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
}

impl Place {
    /// All, in the order of a message's way.
    pub const ALL: [Self; 9] = [
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

/// Fails once: at one place, at its n-th turn.
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

    /// Called by the store as it comes by.
    pub(super) fn reach(&self, place: Place) -> std::io::Result<()> {
        let Some(plan) = self.0.as_deref().filter(|plan| plan.place == place) else { return Ok(()) };
        let before = plan.turns_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if before != Ok(1) {
            return Ok(());
        }
        match plan.failure {
            Failure::Error => Err(std::io::Error::other(format!("planned failure at {place:?}"))),
            Failure::Abort => std::process::abort(),
        }
    }
}
