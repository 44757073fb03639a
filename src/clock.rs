//! The only reader of time.
//!
//! Wall time is for what is stored and seen by people; monotonic time (tokio's) is for time limits and delays and is
//! never stored. A test holds that nothing else reads either.

use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

/// Tells the time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The machine's.
    #[must_use]
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// One that stands still until it is told otherwise.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(Mutex::new(start))))
    }

    /// Now, cut to the millisecond: what is stored and what is decided on are the same.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = match &self.0 {
            Kind::System => Timestamp::now(),
            Kind::Manual(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        };
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Moves a manual clock, backwards too; the machine's cannot be moved and stays.
    pub fn advance(&self, by: SignedDuration) {
        match &self.0 {
            Kind::System => {}
            Kind::Manual(time) => {
                let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
                *time = time.checked_add(by).unwrap_or(*time);
            }
        }
    }
}
