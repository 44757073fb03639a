//! Lengths of time as people write them: `90s`, `15m`, `4h`, `1h30m`, `2d`.

use jiff::SignedDuration;

const UNITS: [(&str, i64); 6] = [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Longest that is understood: a hundred years. It keeps sums far from any overflow.
const MAX_MS: i64 = 100 * 366 * 86_400_000;

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationFault {
    #[error("is empty; write a length of time such as 15m, 4h or 2d")]
    Empty,
    #[error("'{0}' has no unit; write {0}s, {0}m, {0}h or {0}d")]
    Unitless(String),
    #[error("'{0}' is no length of time; write 90s, 15m, 4h, 1h30m or 2d")]
    Form(String),
    #[error("unknown unit '{0}'; known are: ms, s, m, h, d, w")]
    Unit(String),
    #[error("its units have to go from the largest to the smallest, each once, as in 1h30m")]
    Order,
    #[error("is longer than a hundred years")]
    Length,
}

/// Reads a length of time. A day is 24 hours and a week 7 days: in opening hours, 2d are 48 hours of them.
pub(super) fn parse(text: &str) -> Result<SignedDuration, DurationFault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DurationFault::Empty);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DurationFault::Unitless(text.to_owned()));
    }
    let form = || DurationFault::Form(text.chars().take(40).collect());
    let (mut rest, mut sum_ms, mut last_unit) = (text, 0_i64, usize::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        if number.is_empty() || unit.is_empty() {
            return Err(form());
        }
        let at = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(|| DurationFault::Unit(unit.to_owned()))?;
        if last_unit != usize::MAX && at <= last_unit {
            return Err(DurationFault::Order);
        }
        last_unit = at;
        let number: i64 = number.parse().map_err(|_| DurationFault::Length)?;
        let part = UNITS.get(at).and_then(|(_, ms)| number.checked_mul(*ms));
        sum_ms = part.and_then(|part| sum_ms.checked_add(part)).filter(|sum| *sum <= MAX_MS).ok_or(DurationFault::Length)?;
        rest = behind.trim_start();
    }
    Ok(SignedDuration::from_millis(sum_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read() {
        for (text, expect_ms) in [
            ("90s", 90_000),
            ("15m", 900_000),
            ("4h", 14_400_000),
            ("2d", 172_800_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1w", 604_800_000),
            ("250ms", 250),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(SignedDuration::from_millis(expect_ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_says_what_would_be() {
        for (text, expect) in [
            ("", "is empty; write a length of time such as 15m, 4h or 2d"),
            ("15", "'15' has no unit; write 15s, 15m, 15h or 15d"),
            ("m", "'m' is no length of time; write 90s, 15m, 4h, 1h30m or 2d"),
            ("-5m", "'-5m' is no length of time; write 90s, 15m, 4h, 1h30m or 2d"),
            ("1.5h", "'1.5h' is no length of time; write 90s, 15m, 4h, 1h30m or 2d"),
            ("5 m", "'5 m' is no length of time; write 90s, 15m, 4h, 1h30m or 2d"),
            ("1h30", "'1h30' is no length of time; write 90s, 15m, 4h, 1h30m or 2d"),
            ("5min", "unknown unit 'min'; known are: ms, s, m, h, d, w"),
            ("30m1h", "its units have to go from the largest to the smallest, each once, as in 1h30m"),
            ("5m5m", "its units have to go from the largest to the smallest, each once, as in 1h30m"),
            ("99999999999999999999h", "is longer than a hundred years"),
            ("101w9999999h", "is longer than a hundred years"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expect, "{text}");
        }
    }
}
