//! Events added up by interval.
//!
//! A pure value: each event is added with its time, and counts in the interval of that time, however late it is added.
//! An interval includes its end and not its start, so the sum over all intervals up to a time t covers all events at or
//! before t. A series is bounded: when it is full, adjacent intervals are merged in pairs and the interval doubles.

use std::collections::VecDeque;

use shared::report::Sample;
use shared::units::Nanos;

/// How many intervals the series of a run holds at most.
pub(super) const MAX_SAMPLES: usize = 100_000;

/// Counts in intervals of equal length.
#[derive(Debug)]
pub(super) struct Series {
    /// Beginning of the series; the times of samples are relative to it.
    began: Nanos,
    /// The interval of the settings.
    configured: Nanos,
    /// The interval in force: `configured` times a power of two.
    interval: Nanos,
    /// How many intervals it holds at most; at least 2.
    most: usize,
    /// Start of the first interval that was not taken yet.
    from: Nanos,
    /// Slots held at `from`.
    held: u64,
    /// The intervals from `from` on, up to the last one with an event.
    intervals: VecDeque<Interval>,
    /// Cache: the interval of the last event, because the next one mostly falls into it too.
    last: Span,
}

/// Counts of one interval.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Interval {
    pub(super) delivered: u64,
    pub(super) delivered_bytes: u64,
    pub(super) dropped: u64,
    pub(super) refused: u64,
    /// Summed over apps, hence 128 bits.
    blocked_ns: u128,
    /// Frames that began to hold a slot.
    entered: u64,
    /// Frames that freed their slot.
    left: u64,
}

/// The interval number `index`, of the times after `after` and up to `until`. The default is empty: it contains no
/// time.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    after: Nanos,
    until: Nanos,
    index: usize,
}

impl Span {
    #[inline(always)]
    fn contains(&self, time: Nanos) -> bool {
        self.after < time && time <= self.until
    }
}

impl Interval {
    fn merge(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.delivered_bytes += other.delivered_bytes;
        self.dropped += other.dropped;
        self.refused += other.refused;
        self.blocked_ns += other.blocked_ns;
        self.entered += other.entered;
        self.left += other.left;
    }
}

impl Series {
    /// An empty series from `began` on, in intervals of `interval` until `most` of them no longer suffice.
    pub(super) fn new(began: Nanos, interval: Nanos, most: usize) -> Self {
        Self {
            began,
            configured: interval,
            interval,
            most,
            from: began,
            held: 0,
            intervals: VecDeque::new(),
            last: Span::default(),
        }
    }

    /// The interval in force.
    pub(super) fn interval(&self) -> Nanos {
        self.interval
    }

    /// The interval in which an event at `time` counts: the one that contains `time` or, if that was taken already, the
    /// first one that was not.
    #[inline(always)]
    pub(super) fn at(&mut self, time: Nanos) -> &mut Interval {
        if !self.last.contains(time) {
            self.seek(time);
        }
        &mut self.intervals[self.last.index]
    }

    /// Sets `last` to the interval of `time`, and creates it and all before it if they do not exist.
    #[cold]
    fn seek(&mut self, time: Nanos) {
        while self.index_of(time) >= self.most as u64 {
            self.coarsen();
        }
        // The cast cannot truncate: the index is below `most`, a usize.
        let index = self.index_of(time) as usize;
        if self.intervals.len() <= index {
            self.intervals.resize(index + 1, Interval::default());
        }
        let after = self.from + Nanos(self.interval.0 * index as u64);
        self.last = Span { after, until: after + self.interval, index };
    }

    fn index_of(&self, time: Nanos) -> u64 {
        // Minus 1, because an interval includes its end and not its start.
        time.since(self.from).0.saturating_sub(1) / self.interval.0
    }

    /// Merges adjacent intervals in pairs, and doubles the interval.
    fn coarsen(&mut self) {
        let pairs = self.intervals.len().div_ceil(2);
        for pair in 0..pairs {
            let mut merged = self.intervals[2 * pair];
            if let Some(second) = self.intervals.get(2 * pair + 1) {
                merged.merge(second);
            }
            self.intervals[pair] = merged;
        }
        self.intervals.truncate(pairs);
        self.interval = self.interval + self.interval;
        self.last = Span::default();
    }

    /// `apps` sends were blocked from `from` to `to`.
    pub(super) fn block(&mut self, apps: u64, from: Nanos, to: Nanos) {
        // Seek the end first: that doubles the interval as often as needed, so the loop has at most `most` turns.
        self.seek(to);
        let mut from = from;
        while from < to {
            self.seek(from + Nanos(1));
            let Span { until, index, .. } = self.last;
            let until = until.min(to);
            self.intervals[index].blocked_ns += u128::from(apps) * u128::from(until.since(from).0);
            from = until;
        }
    }

    /// Each of `frames` held one slot from `entered` to `left`; `None` if it still holds it.
    #[inline(always)]
    pub(super) fn hold(&mut self, frames: u64, entered: Nanos, left: Option<Nanos>) {
        // Occupancy is sampled at the ends of intervals; within one interval the frames do not show in any sample.
        if left.is_some_and(|left| self.last.contains(entered) && self.last.contains(left)) {
            return;
        }
        self.hold_over_an_end(frames, entered, left);
    }

    /// [`Series::hold`], for frames that held their slots at the end of an interval.
    #[cold]
    fn hold_over_an_end(&mut self, frames: u64, entered: Nanos, left: Option<Nanos>) {
        // Changes in intervals that were taken already are added to the occupancy at `from`.
        match entered > self.from {
            true => self.at(entered).entered += frames,
            false => self.held += frames,
        }
        match left {
            Some(left) if left > self.from => self.at(left).left += frames,
            Some(_) => self.held -= frames,
            None => {}
        }
    }

    /// The end of the first interval that was not taken yet.
    pub(super) fn first_end(&self) -> Nanos {
        self.from + self.interval
    }

    /// Takes the first interval, if it ends at or before `time`. Once all intervals are taken, the interval returns to
    /// the configured one.
    pub(super) fn take(&mut self, time: Nanos) -> Option<Sample> {
        let sample = self.pop(time)?;
        if self.intervals.is_empty() {
            self.interval = self.configured;
        }
        Some(sample)
    }

    /// Takes all that is left. The series ends at `ended`; no event is later.
    pub(super) fn finish(&mut self, ended: Nanos) -> Vec<Sample> {
        if ended > self.from || self.from == self.began {
            self.seek(ended);
        }
        let mut samples: Vec<_> = std::iter::from_fn(|| self.pop(ended)).collect();
        if let Some(mut last) = self.intervals.pop_front() {
            self.intervals.drain(..).for_each(|later| last.merge(&later));
            samples.push(self.sample(&last, ended));
        }
        samples
    }

    fn pop(&mut self, time: Nanos) -> Option<Sample> {
        let end = self.first_end();
        if end > time {
            return None;
        }
        let first = self.intervals.pop_front().unwrap_or_default();
        self.from = end;
        self.last = Span::default();
        Some(self.sample(&first, end))
    }

    fn sample(&mut self, interval: &Interval, end: Nanos) -> Sample {
        self.held = self.held + interval.entered - interval.left;
        Sample {
            time_ns: end.since(self.began).0,
            delivered: interval.delivered,
            delivered_bytes: interval.delivered_bytes,
            dropped: interval.dropped,
            refused: interval.refused,
            // The cast cannot truncate: at most `depth` slots are held.
            occupancy: self.held as u32,
            blocked_ns: interval.blocked_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One number of each sample.
    fn each<T>(samples: &[Sample], of: impl Fn(&Sample) -> T) -> Vec<T> {
        samples.iter().map(of).collect()
    }

    #[test]
    fn an_event_added_late_counts_in_its_own_interval_and_an_interval_includes_its_end() {
        let mut series = Series::new(Nanos(1_000), Nanos(70), 8);
        for time in [1_000, 1_200, 1_070, 1_071, 1_140, 1_030] {
            series.at(Nanos(time)).delivered += 1;
        }
        let samples = series.finish(Nanos(1_210));
        assert_eq!(each(&samples, |sample| (sample.time_ns, sample.delivered)), [(70, 3), (140, 2), (210, 1)]);
    }

    #[test]
    fn a_wait_is_split_over_the_intervals_that_it_overlaps() {
        let mut series = Series::new(Nanos(0), Nanos(100), 8);
        series.block(1, Nanos(30), Nanos(330));
        series.block(2, Nanos(250), Nanos(260));
        let samples = series.finish(Nanos(350));
        let blocked = each(&samples, |sample| (sample.time_ns, sample.blocked_ns));
        assert_eq!(blocked, [(100, 70), (200, 100), (300, 120), (350, 30)]);
    }

    #[test]
    fn slots_are_held_from_entry_to_completion() {
        let mut series = Series::new(Nanos(0), Nanos(10), 8);
        series.hold(3, Nanos(0), Some(Nanos(25)));
        series.hold(2, Nanos(15), Some(Nanos(20)));
        series.hold(1, Nanos(12), None);
        assert_eq!(each(&series.finish(Nanos(40)), |sample| sample.occupancy), [3, 4, 1, 1]);
    }

    #[test]
    fn a_full_series_merges_pairs_of_intervals_and_doubles_the_interval() {
        let mut series = Series::new(Nanos(0), Nanos(10), 4);
        for time in 1..=90 {
            series.at(Nanos(time)).dropped += 1;
        }
        series.hold(1, Nanos(35), Some(Nanos(45)));
        let samples = series.finish(Nanos(95));
        assert_eq!(series.interval(), Nanos(40));
        let rows = each(&samples, |sample| (sample.time_ns, sample.dropped, sample.occupancy));
        assert_eq!(rows, [(40, 40, 1), (80, 40, 0), (95, 10, 0)]);
    }

    #[test]
    fn a_gap_of_2_to_the_64_intervals_stays_within_the_bound() {
        let mut series = Series::new(Nanos(0), Nanos(1), 16);
        series.at(Nanos(3)).refused += 1;
        series.block(1, Nanos(5), Nanos(u64::MAX - 1));
        let samples = series.finish(Nanos(u64::MAX - 1));
        assert_eq!((samples.len(), series.interval()), (16, Nanos(1 << 60)));
        assert_eq!(samples.iter().map(|sample| sample.blocked_ns).sum::<u128>(), u128::from(u64::MAX - 6));
        assert_eq!(samples[0].refused, 1);
    }

    #[test]
    fn intervals_that_are_taken_in_time_keep_the_configured_interval() {
        let mut series = Series::new(Nanos(0), Nanos(10), 2);
        for end in (10..=200).step_by(10) {
            series.at(Nanos(end)).delivered += end;
            assert_eq!(series.take(Nanos(end)).map(|sample| (sample.time_ns, sample.delivered)), Some((end, end)));
            assert_eq!(series.take(Nanos(end + 9)), None);
        }
        // A gap longer than the series holds doubles the interval; once taken, it is as before.
        series.at(Nanos(235)).delivered += 7;
        assert_eq!(series.take(Nanos(300)).map(|sample| (sample.time_ns, sample.delivered)), Some((220, 0)));
        assert_eq!(series.take(Nanos(300)).map(|sample| (sample.time_ns, sample.delivered)), Some((240, 7)));
        assert_eq!(series.take(Nanos(300)).map(|sample| sample.time_ns), Some(250));
        assert_eq!(each(&series.finish(Nanos(257)), |sample| sample.time_ns), [257]);
    }

    #[test]
    fn a_series_that_ends_at_an_interval_s_end_has_no_empty_sample_behind_it() {
        let mut series = Series::new(Nanos(5), Nanos(10), 4);
        assert_eq!(each(&series.finish(Nanos(25)), |sample| sample.time_ns), [10, 20]);
        let mut nothing = Series::new(Nanos(5), Nanos(10), 4);
        assert_eq!(each(&nothing.finish(Nanos(5)), |sample| sample.time_ns), [0]);
    }

    proptest! {
        /// In any order of events, with intervals taken meanwhile or not: the samples add up to the totals, the
        /// intervals are contiguous, and no app is blocked for longer than an interval lasts.
        #[test]
        fn sums_are_totals(
            interval in 1u64..50,
            most in 2usize..20,
            take in any::<bool>(),
            waits in proptest::collection::vec((0u64..9, 0u64..60, 0u64..60), 0..60),
            packets in proptest::collection::vec((0u64..1_500, 1u64..9), 0..60),
        ) {
            let mut series = Series::new(Nanos(0), Nanos(interval), most);
            let (mut now, mut blocked, mut apps, mut samples) = (0, 0, 0, Vec::new());
            for (waiting, pause, wait) in waits {
                let from = now + pause;
                now = from + wait;
                series.block(waiting, Nanos(from), Nanos(now));
                blocked += waiting * wait;
                apps = apps.max(waiting);
                if take {
                    samples.extend(series.take(Nanos(now)));
                }
            }
            for (time, count) in &packets {
                now = now.max(*time);
                let interval = series.at(Nanos(*time));
                interval.delivered += count;
                interval.delivered_bytes += count * 100;
                interval.dropped += 1;
                interval.refused += 2;
            }
            samples.extend(series.finish(Nanos(now)));
            let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum::<u64>();
            let delivered: u64 = packets.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(sum(|sample| sample.delivered), delivered);
            prop_assert_eq!(sum(|sample| sample.delivered_bytes), delivered * 100);
            prop_assert_eq!(sum(|sample| sample.dropped), packets.len() as u64);
            prop_assert_eq!(sum(|sample| sample.refused), packets.len() as u64 * 2);
            prop_assert_eq!(samples.iter().map(|sample| sample.blocked_ns).sum::<u128>(), u128::from(blocked));
            let mut from = 0;
            for sample in &samples {
                prop_assert!(sample.blocked_ns <= u128::from((sample.time_ns - from) * apps));
                from = sample.time_ns;
            }
            prop_assert_eq!(from, now);
            prop_assert!(take || samples.len() <= most);
        }
    }
}
