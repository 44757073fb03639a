//! Agents who are away: from `#away` until `#back`, or until the time that they named.
//!
//! Who is away is not on duty: he is given no ticket. What he has stays his, but his team hears of it too.

use super::assign;
use jiff::Timestamp;

/// Somebody is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// By [`assign::key`]. One whom the configuration does not name (any more) is nobody.
    pub agent: String,
    pub since: Timestamp,
    /// The first moment at which he is back; `None`: until he says so.
    pub until: Option<Timestamp>,
}

/// What an agent says of himself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    Begins(Away),
    /// Of the agent of this [`assign::key`].
    Ends(String),
}

impl Away {
    /// Whether he still is.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The absence of an agent, by his handle, if he is away now.
#[must_use]
pub fn of<'a>(away: &'a [Away], handle: &str, now: Timestamp) -> Option<&'a Away> {
    // Mostly nobody is.
    away.iter().find(|away| away.holds(now) && away.agent == assign::key(handle))
}
