//! How often somebody may do something: a bucket that refills evenly (P11).

use std::time::Duration;
use tokio::time::Instant;

/// Allows `per_minute` at once and then as many a minute.
#[derive(Debug)]
pub(super) struct Pace {
    /// What one turn costs, in time.
    cost: Duration,
    /// When the bucket would be full again: the further ahead, the emptier it is.
    full_at: Instant,
}

impl Pace {
    pub(super) fn per_minute(turns: u32, now: Instant) -> Self {
        Self { cost: Duration::from_mins(1) / turns.max(1), full_at: now }
    }

    /// Takes one turn, or says that there is none left now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let after = self.full_at.max(now) + self.cost;
        let taken = after.saturating_duration_since(now) <= Duration::from_mins(1);
        if taken {
            self.full_at = after;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn p11_a_minute_holds_no_more_than_allowed() {
        let start = Instant::now();
        let mut pace = Pace::per_minute(3, start);
        let table = [
            (0, true, "a full bucket"),
            (0, true, ""),
            (0, true, "the last"),
            (1, false, "empty, and a refusal costs nothing"),
            (19, false, "not yet"),
            (20, true, "a third of a minute gives one back"),
            (21, false, "and only one"),
            (3600, true, "an hour"),
            (3600, true, ""),
            (3600, true, "gives no more than one bucket"),
            (3600, false, ""),
        ];
        for (secs, want, why) in table {
            assert_eq!(pace.take(start + Duration::from_secs(secs)), want, "at {secs} s: {why}");
        }
        assert!(Pace::per_minute(0, start).take(start), "a limit of none is a limit of one: the check refuses 0 anyway");
    }
}
