//! How often something happened within the last hour, in a few octets however often that was.

use jiff::Timestamp;

/// Counts of the last hour in steps of five minutes. What is asked for is never too little: the step that began up to five
/// minutes before the hour counts as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The step of the last count: five minutes since 1970.
    pub last: i64,
    /// Of the steps that end with `last`, the oldest first; at most [`Tally::STEPS`].
    pub counts: Vec<u32>,
}

impl Tally {
    const STEP_S: i64 = 300;
    /// An hour, and the step in which it began.
    pub const STEPS: usize = 13;

    /// How often within the last hour.
    #[must_use]
    pub fn within_hour(&self, now: Timestamp) -> u32 {
        let mut moved = self.clone();
        moved.move_to(now);
        moved.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Once more. A time that lies before the last count is counted with that.
    pub fn add(&mut self, at: Timestamp) {
        self.move_to(at);
        match self.counts.last_mut() {
            Some(count) => *count = count.saturating_add(1),
            None => self.counts.push(1),
        }
    }

    fn move_to(&mut self, now: Timestamp) {
        let step = now.as_second().div_euclid(Self::STEP_S);
        if self.counts.is_empty() {
            self.last = step;
        }
        let ahead = usize::try_from(step.saturating_sub(self.last)).unwrap_or(0);
        if ahead == 0 {
            return;
        }
        self.last = step;
        if ahead >= Self::STEPS {
            self.counts.clear();
            return;
        }
        self.counts.extend(std::iter::repeat_n(0, ahead));
        let old = self.counts.len().saturating_sub(Self::STEPS);
        self.counts.drain(..old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_hour_is_an_hour_and_at_most_five_minutes() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        for (times, now, expect, why) in [
            (vec![], 0, 0, "nothing"),
            (vec![0, 1, 2], 2, 3, "at once"),
            (vec![0], 3599, 1, "within the hour"),
            (vec![0], 3899, 1, "its step has not ended"),
            (vec![0], 3900, 0, "past"),
            (vec![0, 3600], 3900, 1, "only the newer"),
            (vec![0], 1_000_000, 0, "long past"),
            (vec![1_000_000, 0], 1_000_000, 2, "a clock that went back loses nothing"),
            (vec![1_000_000], 0, 1, "nor by being asked"),
        ] {
            let mut tally = Tally::default();
            for second in times {
                tally.add(at(second));
            }
            assert_eq!(tally.within_hour(at(now)), expect, "{why}");
        }
    }

    proptest! {
        #[test]
        fn p6_it_never_counts_too_little(mut times in proptest::collection::vec(0_i64..20_000, 0..60), later in 0_i64..9_000) {
            times.sort_unstable();
            let mut tally = Tally::default();
            for second in &times {
                tally.add(Timestamp::from_second(*second).unwrap());
            }
            let now = times.last().copied().unwrap_or_default() + later;
            let since = |span: i64| u32::try_from(times.iter().filter(|second| **second > now - span).count()).unwrap();
            let told = tally.within_hour(Timestamp::from_second(now).unwrap());
            prop_assert!(told >= since(3600) && told <= since(3900));
            prop_assert!(tally.counts.len() <= Tally::STEPS);
        }
    }
}
