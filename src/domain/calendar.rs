//! Opening hours: the time in which a policy's clocks run.
//!
//! The rule that everything here follows: **the desk is open while the clock on its wall shows a time within a shift of a
//! day that is not closed, or within an extra opening of whatever day.** So an hour that a summer time change leaves out is not worked, and one that comes twice is
//! worked twice. Between two changes of its zone, wall time is UTC plus a constant, and that is how it is reckoned.

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Minutes of a day.
pub const DAY_MIN: u16 = 1440;

/// How far ahead an opening is sought: past it a calendar counts as one that never opens. About 40 years.
const HORIZON_DAYS: u32 = 15_000;

/// A stretch of a local day in minutes from midnight, `end` excluded; 1440 is midnight at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shift {
    pub start_min: u16,
    pub end_min: u16,
}

/// When a team works.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    pub name: String,
    pub zone: TimeZone,
    /// Monday first; each day's shifts in order, without overlap.
    pub week: [Vec<Shift>; 7],
    pub closed: BTreeSet<Date>,
    /// Days that are open otherwise than their weekday says: all shifts of the day, in order, without overlap. They hold on a
    /// closed day as well; see [`Calendar::open_also`].
    pub special: BTreeMap<Date, Vec<Shift>>,
}

impl Calendar {
    /// Name of the calendar that is built in: day and night, every day.
    pub const ALWAYS: &'static str = "always";

    /// Day and night, every day, in UTC.
    #[must_use]
    pub fn always() -> Self {
        let day = vec![Shift { start_min: 0, end_min: DAY_MIN }];
        Self {
            name: Self::ALWAYS.to_owned(),
            zone: TimeZone::UTC,
            week: std::array::from_fn(|_| day.clone()),
            closed: BTreeSet::new(),
            special: BTreeMap::new(),
        }
    }

    /// Opens one day once: for this shift alone if it is closed, else besides its other hours. Closed days have to be known by
    /// then.
    pub fn open_also(&mut self, date: Date, shift: Shift) {
        let mut shifts = self.shifts(date).to_vec();
        shifts.push(shift);
        unite(&mut shifts);
        self.special.insert(date, shifts);
    }

    /// Whether it never closes, so that its time is plain time whatever its zone does.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.closed.is_empty() && self.week.iter().all(|day| matches!(day.as_slice(), [Shift { start_min: 0, end_min: DAY_MIN }]))
    }

    /// The first instant at which `work` of opening time has passed since `from`. Closing time counts: what runs out at
    /// the end of a shift is due then, not at the next opening. Nothing to do is done at `from`.
    ///
    /// A calendar that does not open for some forty years (the configuration refuses one that never does) gives plain
    /// time, so that a clock is early rather than never.
    #[must_use]
    pub fn add(&self, from: Timestamp, work: SignedDuration) -> Timestamp {
        let plain = from.checked_add(work).unwrap_or(Timestamp::MAX);
        if !work.is_positive() {
            return from;
        }
        if self.is_always() {
            return plain;
        }
        let mut left = work;
        for (opens, closes) in self.openings(from) {
            let open_for = closes.duration_since(opens);
            if left <= open_for {
                return opens.checked_add(left).unwrap_or(Timestamp::MAX);
            }
            left -= open_for;
        }
        plain
    }

    /// Opening time between two instants; zero if `to` is not after `from`.
    #[must_use]
    pub fn between(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        if to <= from {
            return SignedDuration::ZERO;
        }
        if self.is_always() {
            return to.duration_since(from);
        }
        self.openings(from)
            .take_while(|(opens, _)| *opens < to)
            .fold(SignedDuration::ZERO, |sum, (opens, closes)| sum + closes.min(to).duration_since(opens))
    }

    /// Whether somebody is there.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let wall = self.zone.to_datetime(at);
        let minute = u16::try_from(i32::from(wall.hour()) * 60 + i32::from(wall.minute())).unwrap_or(0);
        self.shifts(wall.date()).iter().any(|s| s.start_min <= minute && minute < s.end_min)
    }

    /// When it is open next: `at` itself if it is open then; `None` if it does not open for some forty years.
    #[must_use]
    pub fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_always() { Some(at) } else { self.openings(at).next().map(|(opens, _)| opens) }
    }

    /// Whether any shift stands in its week; single days aside.
    #[must_use]
    pub fn ever_opens(&self) -> bool {
        self.week.iter().flatten().any(|shift| shift.start_min < shift.end_min)
    }

    /// When a day is open.
    fn shifts(&self, date: Date) -> &[Shift] {
        if let Some(shifts) = self.special.get(&date) {
            return shifts;
        }
        if self.closed.contains(&date) {
            return &[];
        }
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        self.week.get(day).map_or(&[], Vec::as_slice)
    }

    /// Stretches of opening time from `from` on, in order, none empty; the first is cut at `from`. They end after some forty years.
    #[must_use]
    pub fn openings(&self, from: Timestamp) -> Openings<'_> {
        let stretch = Stretch::around(&self.zone, from);
        let date = stretch.offset.to_datetime(from).date();
        Openings { calendar: self, from, date, midnight: stretch.midnight(date), stretch, shift: 0, days_left: HORIZON_DAYS }
    }
}

/// Puts shifts in order, and makes those that touch or overlap one.
pub fn unite(shifts: &mut Vec<Shift>) {
    shifts.sort();
    shifts.dedup_by(|later, earlier| {
        let touches = later.start_min <= earlier.end_min;
        if touches {
            earlier.end_min = earlier.end_min.max(later.end_min);
        }
        touches
    });
}

/// A time in which the zone's offset does not change.
#[derive(Debug)]
struct Stretch {
    offset: Offset,
    /// The change that ends it; `None` in a zone that changes no more.
    ends: Option<Timestamp>,
}

impl Stretch {
    fn around(zone: &TimeZone, at: Timestamp) -> Self {
        Self { offset: zone.to_offset(at), ends: zone.following(at).next().map(|change| change.timestamp()) }
    }

    fn midnight(&self, date: Date) -> Option<Timestamp> {
        self.offset.to_timestamp(date.at(0, 0, 0, 0)).ok()
    }
}

/// Walks day by day, and over each change of the zone.
#[derive(Debug)]
pub struct Openings<'a> {
    calendar: &'a Calendar,
    /// Nothing before it is given.
    from: Timestamp,
    stretch: Stretch,
    date: Date,
    /// Midnight of `date` by the offset of the stretch, reckoned once; `None` past the last day that there is.
    midnight: Option<Timestamp>,
    /// Next shift of `date`.
    shift: usize,
    days_left: u32,
}

impl Iterator for Openings<'_> {
    type Item = (Timestamp, Timestamp);

    fn next(&mut self) -> Option<Self::Item> {
        while self.days_left > 0 {
            if self.is_past_change(self.instant(0)?) {
                self.enter_next_stretch();
                continue;
            }
            let Some(shift) = self.calendar.shifts(self.date).get(self.shift).copied() else {
                if self.is_past_change(self.instant(DAY_MIN)?) {
                    self.enter_next_stretch();
                } else {
                    self.goes_to(self.date.tomorrow().ok()?);
                }
                self.days_left -= 1;
                continue;
            };
            let opens = self.instant(shift.start_min)?.max(self.from);
            let closes = self.instant(shift.end_min)?;
            self.shift += 1;
            let closes = self.stretch.ends.map_or(closes, |change| closes.min(change));
            if opens < closes {
                return Some((opens, closes));
            }
        }
        None
    }
}

impl Openings<'_> {
    /// When the wall shows this minute of the day, by the offset of the stretch.
    fn instant(&self, minute: u16) -> Option<Timestamp> {
        self.midnight?.checked_add(SignedDuration::from_mins(i64::from(minute))).ok()
    }

    fn goes_to(&mut self, date: Date) {
        self.date = date;
        self.midnight = self.stretch.midnight(date);
        self.shift = 0;
    }

    fn is_past_change(&self, at: Timestamp) -> bool {
        self.stretch.ends.is_some_and(|change| at >= change)
    }

    /// Goes on at the change, on the day that the wall then shows: the same day again, or, where a change falls on
    /// midnight, the one before or after.
    fn enter_next_stretch(&mut self) {
        if let Some(change) = self.stretch.ends {
            self.from = self.from.max(change);
            self.stretch = Stretch::around(&self.calendar.zone, change);
            self.goes_to(self.stretch.offset.to_datetime(change).date());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// First and last day from Monday 0, with their shifts in minutes.
    type Days<'a> = &'a [(usize, usize, &'a [(u16, u16)])];

    fn calendar(zone: &str, days: Days, closed: &str) -> Calendar {
        let mut week: [Vec<Shift>; 7] = std::array::from_fn(|_| Vec::new());
        for (first, last, shifts) in days {
            for day in &mut week[*first..=*last] {
                day.extend(shifts.iter().map(|&(start_min, end_min)| Shift { start_min, end_min }));
            }
        }
        let zone = TimeZone::get(zone).unwrap();
        let closed = closed.split_whitespace().map(|d| d.parse().unwrap()).collect();
        Calendar { name: "test".to_owned(), zone, week, closed, special: BTreeMap::new() }
    }

    const SPLIT: Days = &[(0, 4, &[(540, 750), (810, 1080)])];
    const NIGHT: Days = &[(0, 6, &[(0, 360), (1320, 1440)])];
    const FULL: Days = &[(0, 6, &[(0, 1440)])];
    const DAY: Days = &[(0, 4, &[(540, 1020)])];

    #[test]
    fn p10_work_ends_where_the_wall_says() {
        #[rustfmt::skip]
        let table = [
            ("America/Sao_Paulo", SPLIT, "", "2026-11-23T09:00-03", 60, "2026-11-23T10:00-03", "within a shift"),
            ("America/Sao_Paulo", SPLIT, "", "2026-11-23T12:00-03", 60, "2026-11-23T14:00-03", "over lunch"),
            ("America/Sao_Paulo", SPLIT, "", "2026-11-23T12:00-03", 30, "2026-11-23T12:30-03", "runs out as lunch begins, not after it"),
            ("America/Sao_Paulo", SPLIT, "", "2026-11-20T17:59-03", 2, "2026-11-23T09:01-03", "over a weekend"),
            ("America/Sao_Paulo", SPLIT, "", "2026-11-21T03:00-03", 15, "2026-11-23T09:15-03", "asked when closed, starts at the next opening"),
            ("America/Sao_Paulo", SPLIT, "2026-12-25 2027-01-01", "2026-12-24T17:00-03", 120, "2026-12-28T10:00-03", "a holiday before a weekend"),
            ("America/Sao_Paulo", SPLIT, "2027-01-01", "2026-12-31T17:30-03", 60, "2027-01-04T09:30-03", "the end of a year"),
            ("America/Sao_Paulo", NIGHT, "", "2018-11-03T23:00-03", 120, "2018-11-04T02:00-02", "midnight itself is left out: 0:00 is 1:00"),
            ("America/Sao_Paulo", NIGHT, "", "2019-02-16T23:30-02", 60, "2019-02-16T23:30-03", "the hour before midnight comes twice"),
            ("Europe/Tallinn", NIGHT, "", "2026-03-29T02:00+02", 120, "2026-03-29T05:00+03", "spring: 3:00 is 4:00"),
            ("Europe/Tallinn", NIGHT, "", "2026-10-25T02:00+03", 180, "2026-10-25T04:00+02", "autumn: 3:00 to 4:00 twice"),
            ("Europe/Lisbon", DAY, "", "2026-03-27T16:30+00", 240, "2026-03-30T12:30+01", "hours of an office do not care about the change on Sunday"),
            ("Europe/Lisbon", DAY, "2026-04-03 2026-04-06", "2026-04-02T16:00+01", 120, "2026-04-07T10:00+01", "Easter"),
            ("Asia/Kolkata", DAY, "", "2026-11-23T16:30+05:30", 45, "2026-11-24T09:15+05:30", "half an hour of offset"),
            ("UTC", DAY, "", "2026-11-23T09:00+00", 480, "2026-11-23T17:00+00", "a whole day's work is done as it closes"),
            ("UTC", DAY, "", "2026-11-23T09:00+00", 0, "2026-11-23T09:00+00", "nothing to do"),
            ("UTC", DAY, "", "2026-11-21T09:00+00", -5, "2026-11-21T09:00+00", "less than nothing to do"),
            ("UTC", FULL, "2026-11-22", "2026-11-21T23:00+00", 120, "2026-11-23T01:00+00", "day and night, but for a holiday"),
        ];
        for (zone, week, closed, from, minutes, expect, why) in table {
            let calendar = calendar(zone, week, closed);
            let (from, expect) = (instant(from), instant(expect));
            assert_eq!(calendar.add(from, SignedDuration::from_mins(minutes)), expect, "{why}");
            assert_eq!(calendar.between(from, expect), SignedDuration::from_mins(minutes.max(0)), "{why}");
        }
    }

    /// `2026-11-23T09:00-03`
    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn always_is_plain_time_in_any_zone() {
        let always = Calendar::always();
        assert!(always.is_always() && always.is_open(Timestamp::UNIX_EPOCH));
        let day = calendar("Europe/Tallinn", FULL, "");
        let from = instant("2026-10-24T12:00+03");
        assert_eq!(day.add(from, SignedDuration::from_hours(24)), from + SignedDuration::from_hours(24), "25 hours of wall time");
        assert_eq!(day.next_opening(from), Some(from));
        assert_eq!(always.add(from, SignedDuration::MAX), Timestamp::MAX, "no overflow");
    }

    #[test]
    fn a_calendar_that_never_opens_still_ends() {
        let never = calendar("Europe/Tallinn", &[], "");
        let from = instant("2026-10-24T12:00+03");
        assert_eq!(never.add(from, SignedDuration::from_hours(1)), from + SignedDuration::from_hours(1));
        assert_eq!((never.next_opening(from), never.ever_opens()), (None, false));
        assert_eq!(never.between(from, from + SignedDuration::from_hours(9000)), SignedDuration::ZERO);
    }

    #[test]
    fn p10_a_day_can_be_open_once() {
        // Saturday 19 and Sunday 20 December 2026; Friday 25 is closed.
        let mut office = calendar("America/Sao_Paulo", SPLIT, "2026-12-25");
        for (day, start_min, end_min) in [
            ("2026-12-20", 600, 840),
            ("2026-12-20", 840, 900),
            ("2026-12-25", 540, 600),
            ("2026-12-21", 720, 840),
            ("2026-12-22", 1080, 1440),
            ("2026-12-23", 0, 30),
        ] {
            office.open_also(day.parse().unwrap(), Shift { start_min, end_min });
        }
        for (from, minutes, expect, why) in [
            ("2026-12-18T17:30-03", 60, "2026-12-20T10:30-03", "on the Sunday that is open"),
            ("2026-12-20T13:30-03", 90, "2026-12-20T15:00-03", "two openings that touch are one"),
            ("2026-12-20T14:30-03", 31, "2026-12-21T09:01-03", "and Monday as ever"),
            ("2026-12-21T12:00-03", 120, "2026-12-21T14:00-03", "no lunch that day, and its hours are not counted twice"),
            ("2026-12-22T17:00-03", 60 * 7 + 30, "2026-12-23T00:30-03", "longer, over midnight"),
            ("2026-12-23T00:30-03", 1, "2026-12-23T09:01-03", "not longer than that"),
            ("2026-12-24T18:00-03", 30, "2026-12-25T09:30-03", "an hour of a closed day"),
            ("2026-12-25T09:30-03", 31, "2026-12-28T09:01-03", "and no more of it"),
        ] {
            assert_eq!(office.add(instant(from), SignedDuration::from_mins(minutes)), instant(expect), "{why}");
            assert_eq!(office.between(instant(from), instant(expect)), SignedDuration::from_mins(minutes), "{why}");
        }
        assert!(office.is_open(instant("2026-12-25T09:59-03")) && !office.is_open(instant("2026-12-25T10:00-03")));
        assert_eq!(office.next_opening(instant("2026-12-19T12:00-03")), Some(instant("2026-12-20T10:00-03")));
        let mut always = calendar("UTC", FULL, "2026-12-25");
        always.open_also("2026-12-25".parse().unwrap(), Shift { start_min: 0, end_min: DAY_MIN });
        assert_eq!(always.between(instant("2026-12-24T12:00Z"), instant("2026-12-26T12:00Z")), SignedDuration::from_hours(48));
    }

    #[test]
    fn opening_is_told_ahead() {
        let split = calendar("America/Sao_Paulo", SPLIT, "2026-11-23");
        let open = instant("2026-11-24T10:00-03");
        assert_eq!(split.next_opening(instant("2026-11-20T18:00-03")), Some(instant("2026-11-24T09:00-03")), "weekend and holiday");
        assert_eq!(split.next_opening(open), Some(open));
        assert!(!split.is_open(instant("2026-11-24T12:30-03")), "the end of a shift is closed");
    }

    /// A calendar, and what was said of single days, as the slow way needs it.
    #[derive(Clone, Debug)]
    struct Said {
        calendar: Calendar,
        extra: Vec<(Date, Shift)>,
    }

    /// Minute by minute, from what the wall shows alone.
    fn slow_add(calendar: &Said, from: Timestamp, minutes: i64) -> Option<Timestamp> {
        let (mut at, mut left) = (from, minutes);
        for _ in 0..60 * 24 * 30 {
            left -= i64::from(slow_open(calendar, at));
            at += SignedDuration::from_mins(1);
            if left == 0 {
                return Some(at);
            }
        }
        None
    }

    /// Seconds of opening time, counted in minutes of the wall; no zone of our days changes within one.
    fn slow_between(calendar: &Said, from: Timestamp, to: Timestamp) -> i64 {
        let (mut at, mut sum) = (from, 0);
        while at < to {
            let minute_ends = Timestamp::from_second((at.as_second().div_euclid(60) + 1) * 60).unwrap().min(to);
            sum += if slow_open(calendar, at) { minute_ends.as_second() - at.as_second() } else { 0 };
            at = minute_ends;
        }
        sum
    }

    fn slow_open(Said { calendar, extra }: &Said, at: Timestamp) -> bool {
        let wall = at.to_zoned(calendar.zone.clone()).datetime();
        let minute = i16::from(wall.hour()) * 60 + i16::from(wall.minute());
        let is_in = |s: &Shift| (s.start_min.cast_signed()..s.end_min.cast_signed()).contains(&minute);
        if extra.iter().any(|(date, shift)| *date == wall.date() && is_in(shift)) {
            return true;
        }
        let day = &calendar.week[usize::try_from(wall.weekday().to_monday_zero_offset()).unwrap()];
        !calendar.closed.contains(&wall.date()) && day.iter().any(is_in)
    }

    fn any_day() -> impl Strategy<Value = Vec<Shift>> {
        proptest::collection::btree_set(0..=DAY_MIN, 0..=6).prop_map(|edges| {
            let edges: Vec<u16> = edges.into_iter().collect();
            edges.chunks_exact(2).map(|edge| Shift { start_min: edge[0], end_min: edge[1] }).collect()
        })
    }

    fn any_calendar() -> impl Strategy<Value = (Said, Timestamp)> {
        // Days around a change of each zone, where faults live, and any other day.
        #[rustfmt::skip]
        let places = [
            ("America/Sao_Paulo", "2018-11-03T12:00-03"), // midnight is left out
            ("America/Sao_Paulo", "2019-02-16T12:00-02"), // the hour before midnight comes twice
            ("America/Sao_Paulo", "2026-10-31T12:00-03"), // no summer time any more
            ("America/Sao_Paulo", "2026-12-31T12:00-03"), // the end of a year
            ("Europe/Tallinn", "2026-03-28T12:00+02"),
            ("Europe/Tallinn", "2026-10-24T12:00+03"),
            ("Europe/Lisbon", "2026-03-28T12:00+00"),
            ("Europe/Dublin", "2026-10-24T12:00+01"), // whose summer time is its standard
            ("Australia/Lord_Howe", "2026-04-04T12:00+11"), // half an hour twice
            ("Australia/Lord_Howe", "2026-10-03T12:00+10:30"), // half an hour left out
            ("Australia/Sydney", "2026-04-04T12:00+11"), // the south has it the other way round
            ("Australia/Sydney", "2026-10-03T12:00+10"),
            ("America/Santiago", "2026-04-04T12:00-03"), // at midnight, in the south
            ("America/Santiago", "2026-09-05T12:00-04"),
            ("America/Havana", "2026-11-01T00:00-04"),
            ("Antarctica/Troll", "2026-03-28T12:00+00"), // two hours
            ("Africa/Casablanca", "2026-02-14T12:00+01"), // back for Ramadan
            ("Pacific/Apia", "2011-12-29T12:00-10"), // a day that never was
            ("Asia/Kolkata", "2026-12-31T12:00+05:30"),
            ("Asia/Kathmandu", "2028-02-28T12:00+05:45"), // a leap year
            ("UTC", "2027-02-28T12:00+00"),
        ];
        let week = proptest::array::uniform7(any_day());
        let closed = proptest::collection::vec(-1..6_i64, 0..3);
        let extra = proptest::collection::vec((-1..6_i64, 0..DAY_MIN, 1..=DAY_MIN), 0..3);
        let place = proptest::sample::select(places.to_vec());
        (place, week, 0..4 * 86_400_i64, closed, extra).prop_map(|((zone, near), week, seconds, closed, extra)| {
            let zone = TimeZone::get(zone).unwrap();
            let from = instant(near) + SignedDuration::from_secs(seconds - 86_400);
            let day = |days: i64| (from + SignedDuration::from_hours(24 * days)).to_zoned(zone.clone()).date();
            let closed: BTreeSet<Date> = closed.into_iter().map(day).collect();
            let extra: Vec<(Date, Shift)> = extra
                .into_iter()
                .map(|(days, start_min, minutes)| (day(days), Shift { start_min, end_min: (start_min + minutes).min(DAY_MIN) }))
                .collect();
            let mut calendar = Calendar { name: String::new(), zone, week, closed, special: BTreeMap::new() };
            for (date, shift) in &extra {
                calendar.open_also(*date, *shift);
            }
            (Said { calendar, extra }, from)
        })
    }

    /// The minute that an instant falls into.
    fn whole(at: Timestamp) -> Timestamp {
        Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn p10_agrees_with_counting_minutes((said, from) in any_calendar(), minutes in 1..4000_i64) {
            let (calendar, from) = (&said.calendar, whole(from));
            let work = SignedDuration::from_mins(minutes);
            if let Some(expect) = slow_add(&said, from, minutes) {
                let done = calendar.add(from, work);
                prop_assert_eq!(done, expect);
                prop_assert_eq!(calendar.between(from, done), work);
                prop_assert!(calendar.between(from, done - SignedDuration::from_secs(1)) < work, "the first such instant");
            }
            prop_assert_eq!(calendar.is_open(from), slow_open(&said, from));
            if let Some(opening) = calendar.next_opening(from) {
                prop_assert!(calendar.is_open(opening));
                prop_assert_eq!(calendar.between(from, opening), SignedDuration::ZERO);
            }
        }

        #[test]
        fn p10_agrees_with_counting_between_any_two_instants((said, from) in any_calendar(), seconds in -90..8 * 86_400_i64) {
            let to = from + SignedDuration::from_secs(seconds);
            let expect = slow_between(&said, from, to);
            prop_assert_eq!(said.calendar.between(from, to).as_secs(), expect);
            if expect > 0 {
                let done = said.calendar.add(from, SignedDuration::from_secs(expect));
                prop_assert!(done <= to && slow_between(&said, from, done) == expect);
            }
        }

        #[test]
        fn waiting_splits((said, from) in any_calendar(), first in 1..180_000_i64, second in 1..180_000_i64) {
            // A paused clock goes on with what is left: nothing is gained or lost by the pause.
            let (calendar, first, second) = (said.calendar, SignedDuration::from_secs(first), SignedDuration::from_secs(second));
            prop_assert_eq!(calendar.add(calendar.add(from, first), second), calendar.add(from, first + second));
        }
    }
}
