//! A histogram: the exact sum of the values, and their counts in buckets that are at most 0.1 % wide.
//!
//! The layout is that of an HdrHistogram with three significant digits over all of `u64`: values below 2048 have
//! a bucket each; above, each doubling is divided into 1024 buckets. The counts lie in small pieces, each
//! of which is allocated when a value first falls into it. So a histogram of equal values takes half a kilobyte,
//! and no value is too large.
//!
//! ```
//! use shared::ledger::Histogram;
//!
//! let mut times = Histogram::default();
//! times.record(1_500, 99);
//! times.record(u64::MAX, 1);
//! assert_eq!((times.count(), times.min(), times.max()), (100, 1_500, u64::MAX));
//! assert_eq!((times.quantile(500), times.quantile(999)), (1_500, u64::MAX));
//! ```

/// Binary digits of a value within its doubling: 2^10 = 1024 buckets are each at most 0.1 % wide.
const DIGITS: u32 = 10;
const BUCKETS_PER_DOUBLING: usize = 1 << DIGITS;
/// Counts in one piece: 512 bytes.
const PIECE: usize = 64;
/// The entry of a piece that is not allocated. There are at most 880 pieces, so it is no index.
const ABSENT: u16 = u16::MAX;

/// How often each value occurred. A value may be recorded with a weight, such as the time for which it held.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// The number of the piece that the first entry of `directory` stands for.
    first: usize,
    /// The index of each piece in `counts`, in pieces; [`ABSENT`] if no value has fallen into it.
    directory: Vec<u16>,
    counts: Vec<u64>,
    /// The sum of the counts, in a wider integer: as long as it fits into 64 bits, each count does, and `sum` fits
    /// into 128. So [`Histogram::is_exact`] checks this one value, and `record` need not check for overflow.
    total: u128,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { first: 0, directory: Vec::new(), counts: Vec::new(), total: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

impl Histogram {
    /// Counts `value` `times` times, at the cost of once.
    #[inline]
    pub fn record(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.total += u128::from(times);
        // The product of two u64 fits into a u128. The sum may wrap; `is_exact` is false then (see `total`).
        self.sum = self.sum.wrapping_add(u128::from(value) * u128::from(times));
        let count = self.count_of(bucket(value));
        *count = count.wrapping_add(times);
    }

    /// The count of a bucket.
    #[inline]
    fn count_of(&mut self, bucket: usize) -> &mut u64 {
        let (piece, within) = (bucket / PIECE, bucket % PIECE);
        // For a piece below `first` the subtraction wraps to a large number, which is outside of the directory too.
        let place = self.directory.get(piece.wrapping_sub(self.first)).map_or(ABSENT, |place| *place);
        let at = usize::from(place) * PIECE + within;
        // One comparison for both: an ABSENT piece is out of bounds.
        if at >= self.counts.len() {
            return self.count_of_new(piece, within);
        }
        &mut self.counts[at]
    }

    /// Allocates `piece` and returns its count `within`.
    #[cold]
    fn count_of_new(&mut self, piece: usize, within: usize) -> &mut u64 {
        if self.directory.is_empty() {
            self.first = piece;
        }
        if piece < self.first {
            self.directory.splice(..0, std::iter::repeat_n(ABSENT, self.first - piece));
            self.first = piece;
        }
        let entry = piece - self.first;
        if entry >= self.directory.len() {
            self.directory.resize(entry + 1, ABSENT);
        }
        let at = self.counts.len();
        // The cast cannot truncate: there are at most 880 pieces.
        self.directory[entry] = (at / PIECE) as u16;
        self.counts.resize(at + PIECE, 0);
        &mut self.counts[at + within]
    }

    /// Adds another histogram to this one.
    pub fn add(&mut self, other: &Self) {
        for (bucket, times) in other.buckets() {
            let count = self.count_of(bucket);
            *count = count.wrapping_add(times);
        }
        self.total += other.total;
        self.sum = self.sum.wrapping_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values were counted.
    pub fn count(&self) -> u128 {
        self.total
    }

    /// The exact sum.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The exact mean; zero if nothing was counted.
    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }

    /// The smallest value, exact; zero if nothing was counted.
    pub fn min(&self) -> u64 {
        if self.total == 0 { 0 } else { self.min }
    }

    /// The largest value, exact; zero if nothing was counted.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Whether no count and no sum has overflowed: if more than 2^64 - 1 values were counted, they may be wrong, and
    /// the report must contain a warning.
    pub fn is_exact(&self) -> bool {
        u64::try_from(self.total).is_ok()
    }

    /// The value that `thousandths` thousandths of the values do not exceed, within 0.1 %, and never outside of the
    /// range of recorded values. Zero if nothing was counted.
    pub fn quantile(&self, thousandths: u16) -> u64 {
        // In integers, because 0.999 times 1000 in floats may be slightly above 999 and would round up to 1000.
        let rank = (self.total * u128::from(thousandths)).div_ceil(1000).max(1);
        let mut passed = 0;
        let found = self.buckets().find(|(_, count)| {
            passed += u128::from(*count);
            passed >= rank
        });
        found.map_or(self.max, |(bucket, _)| highest(bucket).clamp(self.min(), self.max))
    }

    /// The values, in ascending order, with how often each occurred. Values that share a bucket are one, the largest
    /// that the bucket can have, but never above [`Histogram::max`].
    pub fn values(&self) -> impl Iterator<Item = (u64, u64)> {
        self.buckets().map(|(bucket, count)| (highest(bucket).min(self.max), count))
    }

    /// The buckets that are not empty, in ascending order, with their counts.
    fn buckets(&self) -> impl Iterator<Item = (usize, u64)> {
        let pieces = self.directory.iter().zip(self.first..).filter(|(place, _)| **place != ABSENT);
        let counts = pieces.flat_map(|(place, piece)| {
            let at = usize::from(*place) * PIECE;
            (piece * PIECE..).zip(self.counts[at..at + PIECE].iter().copied())
        });
        counts.filter(|(_, count)| *count > 0)
    }
}

/// The number of the bucket of `value`.
#[inline]
fn bucket(value: u64) -> usize {
    // How often the value must be halved to be below 2048. Setting bit 10 makes that 0 for all values below 2048.
    let halvings = u64::BITS - 1 - DIGITS - (value | BUCKETS_PER_DOUBLING as u64).leading_zeros();
    // The cast cannot truncate, also on 32 bits: the shifted value is below 2048.
    (halvings as usize) * BUCKETS_PER_DOUBLING + (value >> halvings) as usize
}

/// The largest value in `bucket`.
fn highest(bucket: usize) -> u64 {
    let halvings = (bucket / BUCKETS_PER_DOUBLING).saturating_sub(1);
    let lowest = ((bucket - halvings * BUCKETS_PER_DOUBLING) as u64) << halvings;
    // Not `(lowest + width) - 1`: for the last bucket `lowest + width` would overflow.
    lowest + ((1 << halvings) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Histogram {
        /// Bytes on the heap.
        fn heap(&self) -> usize {
            self.directory.capacity() * size_of::<u16>() + self.counts.capacity() * size_of::<u64>()
        }
    }

    fn of(values: &[u64]) -> Histogram {
        let mut all = Histogram::default();
        values.iter().for_each(|value| all.record(*value, 1));
        all
    }

    /// Values of all orders of magnitude.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift), 1..400)
    }

    #[test]
    fn buckets_are_contiguous_and_each_value_is_in_its_own() {
        for number in 0..56_320 {
            let last = highest(number);
            assert_eq!(bucket(last), number);
            if last < u64::MAX {
                assert_eq!(bucket(last + 1), number + 1, "behind {last}");
            }
        }
        assert_eq!((highest(56_319), bucket(u64::MAX)), (u64::MAX, 56_319));
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_values(mut values in values(), thousandths in 0..=1000u16) {
            let all = of(&values);
            values.sort_unstable();
            let rank = (values.len() * usize::from(thousandths)).div_ceil(1000).max(1);
            let (exact, reported) = (values[rank - 1], all.quantile(thousandths));
            prop_assert!(reported >= exact && reported - exact <= exact / 1024, "{reported} for {exact}");
            prop_assert!((all.min()..=all.max()).contains(&reported));
            prop_assert_eq!((all.min(), all.max()), (values[0], values[values.len() - 1]));
            prop_assert_eq!(all.sum(), values.iter().map(|value| u128::from(*value)).sum::<u128>());
        }

        #[test]
        fn adding_a_histogram_equals_recording_its_values(left in values(), right in values()) {
            let mut sum = of(&left);
            sum.add(&of(&right));
            let whole = of(&[left, right].concat());
            prop_assert_eq!((sum.count(), sum.sum(), sum.min(), sum.max()), (whole.count(), whole.sum(), whole.min(), whole.max()));
            prop_assert!(sum.buckets().eq(whole.buckets()));
        }
    }

    /// A histogram that ends at an hour would report quantiles below the mean.
    #[test]
    fn quantiles_of_days_and_centuries_are_right() {
        let day = 86_400_000_000_000;
        let mut all = of(&[day; 100]);
        assert_eq!((all.quantile(500), all.quantile(990), all.mean() as u64), (day, day, day));
        all.record(u64::MAX, 300);
        assert_eq!((all.quantile(500), all.quantile(250)), (u64::MAX, highest(bucket(day))));
    }

    /// The bucket of 2048 ends at 2049, and that of 65 536 at 65 599.
    #[test]
    fn no_quantile_is_above_the_maximum_or_below_the_minimum() {
        for full in [2_048, 4_096, 40_001, 65_536] {
            let mut held = Histogram::default();
            held.record(full, 7_000_000_000);
            assert_eq!((held.quantile(1), held.quantile(500), held.quantile(1000)), (full, full, full));
        }
        assert_eq!(Histogram::default().quantile(500), 0);
    }

    #[test]
    fn only_pieces_with_values_take_memory() {
        let mut all = Histogram::default();
        assert_eq!(all.heap(), 0);
        (0..1000).for_each(|nanos| all.record(12_304_000 + nanos, 1));
        assert!(all.heap() < 1024, "{}", all.heap());
        // Three orders of magnitude in small steps: from 10 us to 10 ms.
        (0..10_000).for_each(|step| all.record(step * 1_000, 1));
        assert!(all.heap() < 160 * 1024, "{}", all.heap());
        all.record(0, 1);
        all.record(u64::MAX, 1);
        assert_eq!((all.quantile(0), all.quantile(1000)), (0, u64::MAX));
        let all = of(&[u64::MAX, 0, 12_304]);
        assert!(all.heap() < 4096, "the pieces between are not there: {}", all.heap());
    }

    #[test]
    fn a_histogram_that_overflowed_is_not_exact() {
        let mut all = Histogram::default();
        all.record(u64::MAX, u64::MAX);
        assert!(all.is_exact());
        assert_eq!(all.sum(), u128::from(u64::MAX) * u128::from(u64::MAX));
        all.record(0, 0);
        assert_eq!((all.min(), all.is_exact()), (u64::MAX, true), "nothing was counted");
        all.record(5, 1);
        assert!(!all.is_exact());
    }
}
