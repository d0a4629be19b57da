//! Schedules: seeded generators of intended times, as offsets from the app's start.
//!
//! They read no clock and do not depend on how packets settle, so the same seed gives the same arrivals under every
//! policy and depth, and on every machine.

use std::sync::Arc;

use rand_distr::{Distribution, Exp1, StandardUniform};
use rand_xoshiro::Xoshiro256PlusPlus;
use shared::units::{Nanos, Phase};

use super::spans::{Shape, draw_rest, draw_span};
use super::trace::Trace;

/// Time from one packet to the next: an exact fraction of nanoseconds, at least one nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    nanos: u128,
    per: u128,
}

impl Period {
    /// `nanos / per` nanoseconds; `None` if that is less than one, the resolution of the clock.
    pub fn new(nanos: u128, per: u128) -> Option<Self> {
        let common = gcd(nanos, per);
        (per > 0 && nanos >= per).then(|| Self { nanos: nanos / common, per: per / common })
    }

    /// In nanoseconds, exactly: numerator and denominator, without a common divisor.
    pub fn as_fraction(self) -> (u128, u128) {
        (self.nanos, self.per)
    }

    /// In nanoseconds, rounded to a float.
    pub fn as_nanos_f64(self) -> f64 {
        self.nanos as f64 / self.per as f64
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The sequence of intended times of an open-loop app. It is endless, also where it is used up: see
/// [`Arrivals::most`].
#[derive(Debug, Clone)]
pub(super) enum Arrivals {
    /// At a constant rate.
    Cbr(Cbr),
    /// A Poisson process.
    Poisson(Poisson),
    /// At a constant rate in on phases, with off phases between them.
    OnOff(OnOff),
    /// As recorded.
    Recorded(Playback),
}

impl Arrivals {
    /// Draws the next intended time, which is never earlier than the one before.
    pub(super) fn draw(&mut self) -> Nanos {
        match self {
            Self::Cbr(cbr) => cbr.draw(),
            Self::Poisson(poisson) => poisson.draw(),
            Self::OnOff(onoff) => onoff.draw(),
            Self::Recorded(playback) => playback.draw(),
        }
    }

    /// How many of the intended times that were not drawn yet are before `end`. If they are random, their number is
    /// drawn from its own distribution, conditional on what was drawn before. The time that this takes grows at most
    /// with the logarithm of the number.
    pub(super) fn count_before(self, end: u128) -> u128 {
        match self {
            Self::Cbr(cbr) => cbr.count_before(end),
            Self::Poisson(poisson) => poisson.count_before(end),
            Self::OnOff(onoff) => onoff.count_before(end),
            Self::Recorded(playback) => playback.count_before(end),
        }
    }

    /// How many packets there are; `u64::MAX` if there is always another.
    pub(super) fn most(&self) -> u64 {
        match self {
            Self::Recorded(Playback { trace, .. }) => trace.as_ref().map_or(0, |trace| trace.count()),
            Self::Cbr(_) | Self::Poisson(_) | Self::OnOff(_) => u64::MAX,
        }
    }
}

/// A constant rate: arrival number i is at exactly floor(i * period), the first at 0.
#[derive(Debug, Clone)]
pub(super) struct Cbr {
    next: Nanos,
    /// The amount by which `next` was rounded down, in units of 1 / `per` nanoseconds.
    remainder: u128,
    /// The period: whole nanoseconds, and the rest in units of 1 / `per` nanoseconds.
    whole_step: Nanos,
    step_remainder: u128,
    per: u128,
}

impl Cbr {
    /// A packet each `period`.
    pub(super) fn new(period: Period) -> Self {
        let whole_step = u64::try_from(period.nanos / period.per).unwrap_or(u64::MAX);
        Self {
            next: Nanos::ZERO,
            remainder: 0,
            whole_step: Nanos(whole_step),
            step_remainder: period.nanos % period.per,
            per: period.per,
        }
    }

    fn draw(&mut self) -> Nanos {
        let drawn = self.next;
        self.next += self.whole_step;
        // Add the remainder step by step (as Bresenham's algorithm does): i * period would need a division per packet.
        self.remainder += self.step_remainder;
        if self.remainder >= self.per {
            self.remainder -= self.per;
            self.next += Nanos(1);
        }
        drawn
    }

    /// Binary search in steps of ..., 4, 2, 1 periods, the largest first, each taken if it stays before `end`. A
    /// division is not possible, because the product of count and period may exceed 128 bits.
    fn count_before(&self, end: u128) -> u128 {
        // Adds two times of the form (whole nanoseconds, rest in units of 1 / `per`).
        let plus = |(whole, part): (u128, u128), (more, rest): (u128, u128)| {
            let carry = part + rest >= self.per;
            (whole + more + u128::from(carry), if carry { part + rest - self.per } else { part + rest })
        };
        let mut at = (u128::from(self.next.0), self.remainder);
        if at.0 >= end {
            return 0;
        }
        let period = (u128::from(self.whole_step.0), self.step_remainder);
        // At most 64 steps: a period is at least 1 ns, so 2^64 periods are past the largest time.
        let twice = |step: &(u128, u128)| Some(plus(*step, *step)).filter(|(whole, _)| *whole < end);
        let steps: Vec<_> = std::iter::successors(Some(period), twice).collect();
        let mut count = 1;
        for (power, step) in steps.into_iter().enumerate().rev() {
            let further = plus(at, step);
            if further.0 < end {
                at = further;
                count += 1 << power;
            }
        }
        count
    }
}

/// A Poisson process: independent, exponentially distributed gaps, also before the first packet.
#[derive(Debug, Clone)]
pub(super) struct Poisson {
    mean_gap: f64,
    at: Nanos,
    /// The amount by which `at` was rounded down. Kept separately, because a float that holds the whole time would lose
    /// precision as a run gets longer.
    fraction: f64,
    generator: Xoshiro256PlusPlus,
}

impl Poisson {
    /// One packet per `period` on average.
    pub(super) fn new(period: Period, generator: Xoshiro256PlusPlus) -> Self {
        Self { mean_gap: period.as_nanos_f64(), at: Nanos::ZERO, fraction: 0.0, generator }
    }

    fn draw(&mut self) -> Nanos {
        let unit: f64 = Exp1.sample(&mut self.generator);
        let gap = unit * self.mean_gap + self.fraction;
        // Rounds down; a gap above `u64::MAX` saturates.
        let whole = gap as u64;
        self.fraction = gap - whole as f64;
        self.at += Nanos(whole);
        self.at
    }

    /// The number of arrivals between the last one and `end` has a Poisson distribution.
    fn count_before(mut self, end: u128) -> u128 {
        let left = end.saturating_sub(self.at.0.into()) as f64 - self.fraction;
        // Two draws of half the mean each, because the distribution does not accept a mean as large as 2^64. It does
        // not accept a mean of zero or less either: then there are no arrivals.
        let half = rand_distr::Poisson::new(left / self.mean_gap / 2.0);
        half.map_or(0, |half| (half.sample(&mut self.generator) + half.sample(&mut self.generator)) as u128)
    }
}

/// One packet per period in on phases; none in the off phases between them.
///
/// The period continues across an off phase: an on phase shorter than the period does not always contain a packet, so
/// the rate of the on phases is exact however short they are.
#[derive(Debug, Clone)]
pub(super) struct OnOff {
    /// Times on the scale of on time, which does not advance in off phases.
    steady: Cbr,
    phases: Phases,
    /// End of the current on phase, in on time.
    on_ends: Nanos,
    /// Sum of the off phases so far: intended time minus on time.
    silent: Nanos,
    generator: Xoshiro256PlusPlus,
}

/// How many pairs of phases are drawn to count what an app did not get to.
const MOST_PAIRS: u32 = 1 << 20;

/// The phases of `onoff`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phases {
    /// Mean length of the on phase.
    pub on: Nanos,
    /// Mean length of the off phase.
    pub off: Nanos,
    /// The distribution of both lengths.
    pub shape: Shape,
    /// Where in its period, which begins with the on phase, the app begins. If lengths are random, [`Phase::Random`] is
    /// a time at which the app has run for long already: it may be in an on or in an off phase, and its rest is drawn.
    pub phase: Phase,
}

impl Phases {
    /// Whether times depend on the seed.
    pub fn are_random(&self) -> bool {
        self.shape.is_random() || self.phase == Phase::Random
    }

    /// The rest of the off phase in which the app begins, zero if it begins in an on phase; then that of the on phase
    /// with which it begins, or the one that follows.
    fn begin(&self, generator: &mut Xoshiro256PlusPlus) -> (Nanos, Nanos) {
        let Self { on, off, shape, phase } = *self;
        let at = match phase {
            Phase::At(Nanos::ZERO) => return (Nanos::ZERO, draw_span(on, shape, generator)),
            Phase::At(at) => at,
            Phase::Random => phase.resolve(on + off, StandardUniform.sample(generator)),
        };
        match (at < on, shape) {
            (true, Shape::Fixed) => (Nanos::ZERO, on - at),
            (false, Shape::Fixed) => ((on + off) - at, on),
            (true, _) => (Nanos::ZERO, draw_rest(on, shape, generator)),
            (false, _) => (draw_rest(off, shape, generator), draw_span(on, shape, generator)),
        }
    }
}

impl OnOff {
    /// Phases whose mean is 0 make no progress, so `on` is at least 1 ns.
    pub(super) fn new(period: Period, phases: Phases, mut generator: Xoshiro256PlusPlus) -> Self {
        let phases = Phases { on: phases.on.max(Nanos(1)), ..phases };
        let (silent, on_ends) = phases.begin(&mut generator);
        Self { steady: Cbr::new(period), phases, on_ends, silent, generator }
    }

    fn draw(&mut self) -> Nanos {
        let steady = self.steady.draw();
        while steady >= self.on_ends && self.on_ends < Nanos::MAX {
            self.silent += draw_span(self.phases.off, self.phases.shape, &mut self.generator);
            self.on_ends += draw_span(self.phases.on, self.phases.shape, &mut self.generator);
        }
        steady + self.silent
    }

    /// Converts `end` to on time, and counts the arrivals before that.
    fn count_before(mut self, end: u128) -> u128 {
        let on_ends = u128::from(self.on_ends.0);
        let silence = on_ends + u128::from(self.silent.0);
        let steady_end = match end.checked_sub(silence) {
            None => end.saturating_sub(self.silent.0.into()),
            Some(span) => on_ends + self.on_time(span),
        };
        self.steady.count_before(steady_end)
    }

    /// How much of `span`, which begins with an off phase, is in on phases.
    fn on_time(&mut self, span: u128) -> u128 {
        let (on, off) = (u128::from(self.phases.on.0), u128::from(self.phases.off.0));
        match self.phases.shape {
            Shape::Fixed => span / (on + off) * on + (span % (on + off)).saturating_sub(off),
            // Round up, because arrivals are at whole nanoseconds: those before a fraction are before the next integer.
            Shape::Exponential => self.random_on_time(span as f64).ceil() as u128,
            Shape::Pareto(_) => self.drawn_on_time(span),
        }
    }

    /// [`OnOff::on_time`] by drawing each phase, because sums of Pareto spans have no distribution with a name. After
    /// [`MOST_PAIRS`] pairs it takes the mean for the rest, so that it ends soon in the longest run.
    fn drawn_on_time(&mut self, span: u128) -> u128 {
        let (mut left, mut on_time) = (span, 0);
        for _ in 0..MOST_PAIRS {
            let [off, on] = [self.phases.off, self.phases.on]
                .map(|mean| u128::from(draw_span(mean, self.phases.shape, &mut self.generator).0));
            on_time += left.saturating_sub(off).min(on);
            left = left.saturating_sub(off + on);
            if left == 0 {
                return on_time;
            }
        }
        let (on, off) = (u128::from(self.phases.on.0), u128::from(self.phases.off.0));
        on_time + left / (on + off) * on
    }

    /// [`OnOff::on_time`] for exponential phases, without drawing each phase.
    ///
    /// First the total lengths of 1, 2, 4, ... pairs (an off phase and an on phase) are drawn, which have gamma
    /// distributions, until a group does not fit into the rest of `span`. That group is then halved: given the sum of
    /// the whole, the sum of its first half is the whole times a share with a beta distribution. The first half is
    /// taken if it fits; the search continues in the other half, or in the first one if it does not fit, down to a
    /// single pair.
    fn random_on_time(&mut self, span: f64) -> f64 {
        let (mut left, mut on_time, mut pairs) = (span, 0.0, 1.0);
        let mut too_long = loop {
            let sums = [self.phases.off, self.phases.on].map(|mean| mean.0 as f64 * self.unit_gamma(pairs));
            if sums[0] + sums[1] > left {
                break sums;
            }
            left -= sums[0] + sums[1];
            on_time += sums[1];
            pairs *= 2.0;
        };
        while pairs > 1.0 {
            pairs /= 2.0;
            let half = too_long.map(|sum| sum * self.half_share(pairs));
            if half[0] + half[1] > left {
                too_long = half;
            } else {
                left -= half[0] + half[1];
                on_time += half[1];
                too_long = [too_long[0] - half[0], too_long[1] - half[1]];
            }
        }
        // The last pair: its off phase, and as much of its on phase as fits.
        on_time + (left - too_long[0]).clamp(0.0, too_long[1])
    }

    /// The sum of `count` exponential spans whose mean is 1.
    fn unit_gamma(&mut self, count: f64) -> f64 {
        // The distribution exists for every positive count, and `count` is at least 1.
        rand_distr::Gamma::new(count, 1.0).map_or(0.0, |sum| sum.sample(&mut self.generator))
    }

    /// The share of the first `count` of 2 * `count` exponential spans in the sum of all.
    fn half_share(&mut self, count: f64) -> f64 {
        let (first, second) = (self.unit_gamma(count), self.unit_gamma(count));
        first / (first + second)
    }
}

/// The times of recorded packets. After the last of them, times are the mean gap apart, so that a rate may count the gap
/// behind each packet.
#[derive(Debug, Clone)]
pub(super) struct Playback {
    /// `None` has no packet.
    trace: Option<Arc<Trace>>,
    /// How many were drawn.
    next: u64,
    /// The last time that was drawn.
    last: Nanos,
}

impl Playback {
    pub(super) fn new(trace: Option<Arc<Trace>>) -> Self {
        Self { trace, next: 0, last: Nanos::ZERO }
    }

    fn draw(&mut self) -> Nanos {
        let Some(trace) = &self.trace else { return Nanos::ZERO };
        let gap = Nanos(trace.span().0 / trace.count().saturating_sub(1).max(1));
        self.last = trace.packet(self.next).map_or(self.last + gap, |packet| packet.at);
        self.next += 1;
        self.last
    }

    fn count_before(self, end: u128) -> u128 {
        self.trace.map_or(0, |trace| trace.count_before(end).saturating_sub(self.next).into())
    }
}

/// The endless sequence of think times of a `reqresp` app.
#[derive(Debug, Clone)]
pub(super) struct ThinkTimes {
    mean: Nanos,
    shape: Shape,
    generator: Xoshiro256PlusPlus,
}

impl ThinkTimes {
    /// Think times with mean `mean`.
    pub(super) fn new(mean: Nanos, shape: Shape, generator: Xoshiro256PlusPlus) -> Self {
        Self { mean, shape, generator }
    }

    /// Draws the next think time.
    pub(super) fn draw(&mut self) -> Nanos {
        draw_span(self.mean, self.shape, &mut self.generator)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::units::Ratio;

    use super::super::spans::generator;
    use super::*;

    fn period(nanos: u128, per: u128) -> Period {
        Period::new(nanos, per).unwrap()
    }

    fn times(mut arrivals: Arrivals, count: usize) -> Vec<u64> {
        std::iter::repeat_with(|| arrivals.draw().0).take(count).collect()
    }

    fn mean_and_variance(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        (mean, values.map(|value| (value - mean).powi(2)).sum::<f64>() / count)
    }

    #[test]
    fn the_millionth_cbr_arrival_is_exact() {
        // 1472 B at 7 Mbit/s, and wire time of full frames at 0.9 of a gigabit: neither is a whole number.
        for (nanos, per) in [(1472 * 8 * 1_000_000_000, 7_000_000), (12_304_000_000_000, 900_000_000), (1, 1)] {
            let drawn = times(Arrivals::Cbr(Cbr::new(period(nanos, per))), 1_000_001);
            for i in [0, 1, 2, 3, 999, 1_000_000] {
                assert_eq!(u128::from(drawn[i]), i as u128 * nanos / per, "arrival {i} each {nanos}/{per}");
            }
        }
    }

    #[test]
    fn a_period_below_a_nanosecond_is_none() {
        assert_eq!((Period::new(999, 1000), Period::new(1, 0)), (None, None));
    }

    #[test]
    fn a_period_above_the_largest_time_saturates() {
        let drawn = times(Arrivals::Cbr(Cbr::new(period(u128::MAX, 1))), 3);
        assert_eq!(drawn, [0, u64::MAX, u64::MAX]);
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_variance_of_an_exponential() {
        let drawn = times(Arrivals::Poisson(Poisson::new(period(25_001, 2), generator(1, 0))), 200_001);
        let gaps = drawn.windows(2).map(|pair| (pair[1] - pair[0]) as f64);
        let (mean, variance) = mean_and_variance(gaps);
        assert!((mean / 12_500.5 - 1.0).abs() < 0.01, "mean {mean}");
        assert!((variance.sqrt() / 12_500.5 - 1.0).abs() < 0.01, "deviation {}", variance.sqrt());
    }

    #[test]
    fn poisson_keeps_its_rate_when_gaps_are_close_to_a_nanosecond() {
        let drawn = times(Arrivals::Poisson(Poisson::new(period(3, 2), generator(1, 0))), 1_000_000);
        let mean = drawn[999_999] as f64 / 1e6;
        assert!((mean / 1.5 - 1.0).abs() < 0.01, "rounding each gap down would make it about 1: {mean}");
    }

    #[test]
    fn onoff_is_silent_in_its_off_phases_and_keeps_its_rate_in_the_others() {
        let phases = Phases { on: Nanos(100), off: Nanos(1000), shape: Shape::Fixed, phase: Phase::default() };
        let drawn = times(Arrivals::OnOff(OnOff::new(period(30, 1), phases, generator(1, 0))), 8);
        // 30 ns apart, but nothing from 100 to 1100, and the next 30 ns are counted across the gap.
        assert_eq!(drawn, [0, 30, 60, 90, 1120, 1150, 1180, 2210]);
    }

    #[test]
    fn a_phase_is_where_in_its_period_the_app_begins() {
        let drawn = |at| {
            let phases = Phases { on: Nanos(100), off: Nanos(1000), shape: Shape::Fixed, phase: Phase::At(Nanos(at)) };
            times(Arrivals::OnOff(OnOff::new(period(30, 1), phases, generator(1, 0))), 6)
        };
        assert_eq!(drawn(70), [0, 1030, 1060, 1090, 1120, 2150], "30 ns of the on phase are left");
        assert_eq!(drawn(100), [1000, 1030, 1060, 1090, 2120, 2150], "the off phase begins");
        assert_eq!(drawn(1099), [1, 31, 61, 91, 1121, 1151]);
    }

    /// As many apps begin in an on phase as it has a share of the time, within five standard deviations.
    #[test]
    fn a_random_phase_is_anywhere_in_the_period() {
        let (seeds, share) = (20_000u64, 0.3f64);
        for shape in [Shape::Fixed, Shape::Exponential, Shape::Pareto(Ratio(1.5))] {
            let phases = Phases { on: Nanos(3_000_000), off: Nanos(7_000_000), shape, phase: Phase::Random };
            let first = |seed| OnOff::new(period(1, 1), phases, generator(seed, 0)).draw();
            let firsts: Vec<Nanos> = (0..seeds).map(first).collect();
            let on = firsts.iter().filter(|first| **first == Nanos::ZERO).count() as f64;
            let deviation = (share * (1.0 - share) * seeds as f64).sqrt();
            assert!((on - share * seeds as f64).abs() < 5.0 * deviation, "{shape}: {on}");
            assert!(shape != Shape::Fixed || firsts.iter().all(|first| *first <= Nanos(7_000_000)));
        }
    }

    #[test]
    fn exponential_phases_keep_the_share_of_on_time() {
        let phases =
            Phases { on: Nanos(10_000), off: Nanos(30_000), shape: Shape::Exponential, phase: Phase::default() };
        let drawn = times(Arrivals::OnOff(OnOff::new(period(100, 1), phases, generator(3, 0))), 1_000_000);
        let share = 1e6 * 100.0 / drawn[999_999] as f64;
        assert!((share / 0.25 - 1.0).abs() < 0.05, "{share}");
        assert!(drawn.is_sorted());
    }

    /// How many of the next times are before `end`, counted by drawing each.
    fn drawn_before(mut arrivals: Arrivals, end: u64) -> u128 {
        std::iter::repeat_with(|| arrivals.draw().0).take_while(|at| *at < end).count() as u128
    }

    /// `arrivals` without the first `drawn` times.
    fn after(mut arrivals: Arrivals, drawn: u64) -> Arrivals {
        (0..drawn).for_each(|_| _ = arrivals.draw());
        arrivals
    }

    proptest! {
        #[test]
        fn counts_of_fixed_arrivals_equal_those_drawn_one_by_one(
            (per, more) in (1..40u128, 0..4_000u128),
            on in 1..300u64,
            off in 0..300u64,
            at in 0.0..1.0f64,
            drawn in 0..100u64,
            span in 0..20_000u64,
        ) {
            let period = period(per + more, per);
            let phase = Phase::At(Phase::Random.resolve(Nanos(on + off), at));
            let phases = Phases { on: Nanos(on), off: Nanos(off), shape: Shape::Fixed, phase };
            let onoff = OnOff::new(period, phases, generator(1, 0));
            for arrivals in [Arrivals::Cbr(Cbr::new(period)), Arrivals::OnOff(onoff)] {
                let mut arrivals = after(arrivals, drawn);
                let end = arrivals.draw().0 + span;
                prop_assert_eq!(arrivals.clone().count_before(end.into()), drawn_before(arrivals, end));
            }
        }
    }

    #[test]
    fn counts_of_pareto_phases_equal_those_drawn_one_by_one() {
        for (seed, drawn) in (0..200).flat_map(|seed| [(seed, 0), (seed, 1 + seed % 50)]) {
            let shape = Shape::Pareto(Ratio(1.2));
            let phases = Phases { on: Nanos(3_000), off: Nanos(2_000), shape, phase: Phase::Random };
            let onoff = Arrivals::OnOff(OnOff::new(period(777, 1), phases, generator(seed, 0)));
            let mut arrivals = after(onoff, drawn);
            let end = arrivals.draw().0 + 300_000;
            assert_eq!(arrivals.clone().count_before(end.into()), drawn_before(arrivals, end), "{seed}");
        }
    }

    /// About 2^64 packets: drawing them one by one would not end.
    #[test]
    fn counting_is_fast_for_the_largest_counts() {
        let end = u128::from(u64::MAX);
        assert_eq!(Arrivals::Cbr(Cbr::new(period(1, 1))).count_before(end), end);
        assert_eq!(Arrivals::Cbr(Cbr::new(period(10, 7))).count_before(end), (end * 7).div_ceil(10));
        let phases = Phases { on: Nanos(3), off: Nanos(4), shape: Shape::Fixed, phase: Phase::default() };
        let onoff = OnOff::new(period(1, 1), phases, generator(1, 0));
        assert_eq!(Arrivals::OnOff(onoff).count_before(end), end / 7 * 3 + (end % 7).min(3));
        // After the pairs that are drawn one by one, the mean counts.
        let pareto = Phases { shape: Shape::Pareto(Ratio(3.0)), ..phases };
        let count = Arrivals::OnOff(OnOff::new(period(1, 1), pareto, generator(1, 0))).count_before(end) as f64;
        assert!((count / (end as f64 * 3.0 / 7.0) - 1.0).abs() < 1e-6, "{count}");
        let phases = Phases { shape: Shape::Exponential, ..phases };
        let onoff = OnOff::new(period(1, 1), phases, generator(1, 0));
        for (random, share) in
            [(Arrivals::OnOff(onoff), 3.0 / 7.0), (Arrivals::Poisson(Poisson::new(period(1, 1), generator(1, 0))), 1.0)]
        {
            let count = random.count_before(end) as f64;
            assert!((count / (end as f64 * share) - 1.0).abs() < 1e-6, "{count}");
        }
    }

    /// Checks over many seeds that counts drawn as one number have the mean and the variance of counts of single draws.
    fn counts_match(of: impl Fn(u64) -> Arrivals, end: u64) {
        let seeds = 0..4_000;
        let (mean, variance) = mean_and_variance(seeds.clone().map(|seed| of(seed).count_before(end.into()) as f64));
        let (expected, spread) = mean_and_variance(seeds.map(|seed| drawn_before(of(seed), end) as f64));
        let error = (spread / 4_000.0).sqrt();
        assert!((mean - expected).abs() < 4.0 * error, "mean {mean}, one by one {expected}");
        assert!((variance / spread - 1.0).abs() < 0.2, "variance {variance}, one by one {spread}");
    }

    #[test]
    fn counts_of_random_arrivals_have_the_distribution_of_those_drawn_one_by_one() {
        for (nanos, drawn, end) in [(1_000_000, 0, 800_000), (1_000, 1, 500_000), (333, 5, 200_000)] {
            counts_match(
                |seed| after(Arrivals::Poisson(Poisson::new(period(nanos, 1), generator(seed, 0))), drawn),
                end,
            );
        }
        // Phases much longer than the span, about as long, and much shorter.
        for (on, off, drawn) in [(500_000, 300_000, 0), (20_000, 70_000, 3), (400, 300, 0), (5_000, 50, 7)] {
            let phases = Phases { on: Nanos(on), off: Nanos(off), shape: Shape::Exponential, phase: Phase::default() };
            let onoff = |seed| Arrivals::OnOff(OnOff::new(period(777, 1), phases, generator(seed, 0)));
            counts_match(|seed| after(onoff(seed), drawn), 200_000);
        }
    }

    #[test]
    fn think_times_are_fixed_or_exponential() {
        let mut fixed = ThinkTimes::new(Nanos(7), Shape::Fixed, generator(1, 0));
        assert_eq!([fixed.draw(), fixed.draw()], [Nanos(7); 2]);
        let mut varied = ThinkTimes::new(Nanos(1_000_000), Shape::Exponential, generator(1, 0));
        let drawn: Vec<f64> = std::iter::repeat_with(|| varied.draw().0 as f64).take(100_000).collect();
        let (mean, variance) = mean_and_variance(drawn.into_iter());
        assert!((mean / 1e6 - 1.0).abs() < 0.01 && (variance.sqrt() / 1e6 - 1.0).abs() < 0.02);
    }

    #[test]
    fn every_app_and_every_seed_has_its_own_sequence() {
        let drawn = |seed, index| times(Arrivals::Poisson(Poisson::new(period(1000, 1), generator(seed, index))), 10);
        assert_eq!(drawn(1, 0), drawn(1, 0));
        assert_ne!(drawn(1, 0), drawn(1, 1));
        assert_ne!(drawn(1, 0), drawn(2, 0));
        assert_ne!(drawn(1, 1), drawn(2, 0));
    }
}
