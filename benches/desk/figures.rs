//! Figures out of measurements.

use std::time::Duration;

/// Times, to be asked for their quantiles.
pub struct Times(Vec<Duration>);

impl Times {
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that so many of a thousand do not exceed (nearest rank).
    pub fn permille(&self, permille: usize) -> Duration {
        let rank = (self.0.len() * permille).div_ceil(1000).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// One line of a table, in milliseconds.
    pub fn line(&self, what: &str) -> String {
        let [p50, p90, p99, max] = [500, 900, 990, 1000].map(|permille| ms(self.permille(permille)));
        format!("{what:<44}{p50:>9.1}{p90:>9.1}{p99:>9.1}{max:>9.1}")
    }

    pub fn head(what: &str) -> String {
        format!("{what:<44}{:>9}{:>9}{:>9}{:>9}", "p50", "p90", "p99", "max")
    }
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How many a second.
pub fn rate(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

/// The middle one; of an even number the lower of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// `met` or `MISSED`, for a value that must be below its limit.
pub fn verdict(value: f64, below: f64) -> &'static str {
    if value < below { "met" } else { "MISSED" }
}
