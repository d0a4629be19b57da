//! Stalls: times at which the link of the hardware stops. Afterwards it resumes the frame that it was transmitting.
//!
//! When the stalls of a session are follows from the setting, a seed and the start of the session alone. So the stack,
//! which is told these three, knows when the hardware stands still, and charges no app for it.

mod setting;

pub use setting::{Stall, StallError, Timing};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Stream};
use crate::units::Nanos;

/// What the stalls of a session follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StallSchedule {
    /// How often and for how long.
    pub stall: Stall,
    /// The seed of random ones.
    pub seed: u64,
    /// The start of the session.
    pub origin: Nanos,
}

/// The stalls of one session. Transmissions are extended in the order of their starts.
#[derive(Debug, Clone, Copy)]
pub struct Stalls(Pattern);

#[derive(Debug, Clone, Copy)]
enum Pattern {
    None,
    Fixed(Fixed),
    Random(Random),
}

/// A transmission that is extended by stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// When it ends.
    pub end: Nanos,
    /// How long the link was stopped between its earliest start and its end.
    pub stalled: Nanos,
}

impl Stalls {
    /// The stalls of a session that begins at `origin`. They depend on `seed` and on nothing else.
    pub fn new(stall: Option<Stall>, seed: u64, origin: Nanos) -> Self {
        let Some(stall) = stall else { return Self(Pattern::None) };
        let (every, length) = (stall.every(), stall.length());
        Self(match stall.timing() {
            Timing::Fixed { phase } => {
                let phase = phase.resolve(every, Draw::new(seed, Stream::StallPhase, 0).uniform());
                Pattern::Fixed(Fixed { every, length, phase, origin })
            }
            Timing::Exponential => {
                let block = Nanos(every.0.saturating_mul(BLOCK));
                Pattern::Random(
                    Random { gap: every - length, length, seed, origin, block, ..Random::default() }.skip_to(0),
                )
            }
        })
    }

    /// When the first stall begins; `None` if there is none.
    pub fn first(&self) -> Option<Nanos> {
        match self.0 {
            Pattern::None => None,
            Pattern::Fixed(Fixed { every, phase, origin, .. }) => Some(origin + (every - phase)),
            Pattern::Random(first) => Some(first.begin),
        }
    }

    /// Extends a transmission by the stalls that it meets. It could begin at `start`, no earlier than the transmission
    /// before it ended, and takes `span` of the link's time, or a part of a nanosecond longer if `more` is set.
    #[inline(always)]
    pub fn extend(&mut self, start: Nanos, span: Nanos, more: bool) -> Extended {
        match &mut self.0 {
            Pattern::None => Extended { end: start + span, stalled: Nanos::ZERO },
            Pattern::Fixed(fixed) => fixed.extend(start, span, more),
            Pattern::Random(random) => random.extend(start, span, more),
        }
    }
}

impl Stalls {
    /// Moves on to `now`, without counting the stalls before it: those of a long time need not be drawn.
    pub fn skip_to(&mut self, now: Nanos) {
        if let Pattern::Random(random) = &mut self.0 {
            random.skip_to_time(now);
        }
    }

    /// For how long the link has been stopped by `now`, which is no earlier than in any call before. Only the difference
    /// between two results without a [`Stalls::skip_to`] in between means anything.
    pub fn stopped_by(&mut self, now: Nanos) -> Nanos {
        match &mut self.0 {
            Pattern::None => Nanos::ZERO,
            Pattern::Fixed(fixed) => fixed.stopped_by(now),
            Pattern::Random(random) => random.stopped_by(now),
        }
    }

    /// The beginning and the end of each stall that ends after `from` and begins before `until`, in order.
    pub fn spans(&self, from: Nanos, until: Nanos) -> impl Iterator<Item = (Nanos, Nanos)> + use<> {
        let first = match self.0 {
            Pattern::None => None,
            Pattern::Fixed(fixed) => Some(fixed.last_before(from)).map(|(begin, end)| (begin, end, self.0)),
            Pattern::Random(mut random) => {
                random.skip_to_time(from);
                Some((random.begin, random.end, Pattern::Random(random)))
            }
        };
        let all = std::iter::successors(first, |(begin, end, pattern)| match pattern {
            Pattern::None => None,
            Pattern::Fixed(fixed) => Some((*begin + fixed.every, *end + fixed.every, *pattern)),
            Pattern::Random(random) => {
                let next = random.next();
                Some((next.begin, next.end, Pattern::Random(next)))
            }
        });
        let all = all.map(|(begin, end, _)| (begin, end)).take_while(move |(begin, _)| *begin < until);
        all.filter(move |(_, end)| *end > from)
    }
}

/// Stalls of equal lengths at equal intervals.
#[derive(Debug, Clone, Copy)]
struct Fixed {
    every: Nanos,
    length: Nanos,
    /// Where in its period the session begins.
    phase: Nanos,
    origin: Nanos,
}

impl Fixed {
    /// The last stall that begins at or before `at`; the first one if all begin later.
    fn last_before(&self, at: Nanos) -> (Nanos, Nanos) {
        let number = ((at.since(self.origin) + self.phase).0 / self.every.0).max(1);
        let begin = (self.origin + Nanos(self.every.0.saturating_mul(number))).since(self.phase);
        (begin, begin + self.length)
    }

    fn stopped_by(&self, now: Nanos) -> Nanos {
        let since = (now.since(self.origin) + self.phase).0;
        // The first cycle has no stall.
        let Some(whole) = (since / self.every.0).checked_sub(1) else { return Nanos::ZERO };
        Nanos(whole * self.length.0 + (since % self.every.0).min(self.length.0))
    }

    fn extend(&self, start: Nanos, span: Nanos, more: bool) -> Extended {
        // In each cycle but the first, the link first stops for `length`, then runs for `window`.
        let (cycle, window) = (self.every.0, self.every.0 - self.length.0);
        let since = (start.since(self.origin) + self.phase).0;
        let within = since % cycle;
        // `wait` is the rest of a stall at `start`, and `run` is how long the link runs after it until the next stall.
        let (wait, run) = match (since / cycle, self.length.0.checked_sub(within)) {
            (1.., Some(left)) if left > 0 => (left, window),
            _ => (0, cycle - within),
        };
        let stalls = match span.0.checked_sub(run) {
            None => 0,
            Some(0) if !more => 0,
            Some(left) if more => left / window + 1,
            // A transmission that ends exactly with a window meets no further stall: hence the 1.
            Some(left) => (left - 1) / window + 1,
        };
        let stalled = Nanos(wait.saturating_add(stalls.saturating_mul(self.length.0)));
        Extended { end: start + span + stalled, stalled }
    }
}

/// Stalls of random lengths at random intervals: the one that the link is in or meets next. Those before it have ended
/// before the start of the last transmission, so that no later one meets them.
///
/// Time is divided into blocks. Each begins with a gap, and a stall that is under way at its end is cut there. So the
/// stalls of a block follow from its number alone, and those during a long idle time need not be drawn. Exponential gaps
/// have no memory, so only the stalls that are cut differ: fewer than one in 4096.
#[derive(Debug, Clone, Copy, Default)]
struct Random {
    /// Mean time from the end of a stall to the beginning of the next.
    gap: Nanos,
    /// Mean length.
    length: Nanos,
    seed: u64,
    /// Start of the session.
    origin: Nanos,
    /// Length of a block.
    block: Nanos,
    /// The number of the block that this stall is in.
    number: u64,
    /// The number of the stall after this one within the block.
    next: u64,
    begin: Nanos,
    end: Nanos,
    /// Lengths of the stalls before it that were counted.
    counted: Nanos,
}

/// The length of a block, in mean times from one stall to the next.
const BLOCK: u64 = 4096;

/// Draws are numbered by block and stall: a block of [`BLOCK`] mean times has far fewer stalls than this.
const MOST_IN_A_BLOCK: u64 = 1 << 20;

impl Random {
    /// The first stall of block `number` or of a later one.
    fn skip_to(self, number: u64) -> Self {
        let begin = self.start_of(number);
        Self { number, next: 0, begin, end: begin, ..self }.next()
    }

    /// When block `number` begins.
    fn start_of(&self, number: u64) -> Nanos {
        self.origin + Nanos(self.block.0.saturating_mul(number))
    }

    /// The stall after this one.
    fn next(self) -> Self {
        let span = |mean: Nanos, stream| {
            let number = self.number.wrapping_mul(MOST_IN_A_BLOCK).wrapping_add(self.next);
            let unit = Draw::new(self.seed, stream, number).exponential();
            // Rounds to the nearest nanosecond, so that the mean is kept. A product above `u64::MAX` saturates.
            Nanos((unit * mean.0 as f64).round() as u64)
        };
        let (begin, over) = (self.end + span(self.gap, Stream::StallGaps), self.start_of(self.number + 1));
        if begin >= over && over < Nanos::MAX {
            return self.skip_to(self.number + 1);
        }
        let end = (begin + span(self.length, Stream::StallLengths)).min(over);
        Self { begin, end, next: self.next + 1, ..self }
    }

    /// Moves on to the block of `now`. The stalls of the blocks in between have ended before.
    fn skip_to_time(&mut self, now: Nanos) {
        let number = now.since(self.origin).0 / self.block.0;
        if number > self.number {
            *self = self.skip_to(number);
        }
    }

    fn stopped_by(&mut self, now: Nanos) -> Nanos {
        // Times are saturated at `Nanos::MAX`; a stall that begins there is never met.
        while self.end <= now && self.begin < Nanos::MAX {
            self.counted += self.end.since(self.begin);
            *self = self.next();
        }
        self.counted + now.since(self.begin)
    }

    fn extend(&mut self, start: Nanos, span: Nanos, more: bool) -> Extended {
        self.skip_to_time(start);
        let (mut at, mut left, mut stalled) = (start, span, Nanos::ZERO);
        // Times are saturated at `Nanos::MAX`; a stall that begins there is never met.
        while self.begin < Nanos::MAX {
            let run = self.begin.since(at);
            // A transmission that ends exactly as the stall begins does not meet it; one that begins then does.
            let meets = at >= self.begin || left > run || (left == run && more);
            if !meets {
                break;
            }
            left = left - run;
            let resumed = at.max(self.end);
            stalled += resumed.since(at.max(self.begin));
            at = resumed;
            *self = self.next();
        }
        Extended { end: at + left, stalled }
    }
}

#[cfg(test)]
mod tests {
    use crate::units::Phase;
    use proptest::prelude::*;

    use super::*;

    const ORIGIN: Nanos = Nanos(1000);

    fn fixed(every: u64, length: u64, phase: Phase) -> Stalls {
        let stall = Stall::new(Nanos(every), Nanos(length), Timing::Fixed { phase }).unwrap();
        Stalls::new(Some(stall), 5, ORIGIN)
    }

    fn random(every: u64, length: u64, seed: u64) -> Stalls {
        let stall = Stall::new(Nanos(every), Nanos(length), Timing::Exponential).unwrap();
        Stalls::new(Some(stall), seed, ORIGIN)
    }

    /// Beginning and end of each random stall that begins before `until`.
    fn listed(stalls: Stalls, until: Nanos) -> Vec<(Nanos, Nanos)> {
        let Pattern::Random(first) = stalls.0 else { panic!("{stalls:?}") };
        let all = std::iter::successors(Some(first), |stall| Some(stall.next()));
        all.take_while(|stall| stall.begin < until).map(|stall| (stall.begin, stall.end)).collect()
    }

    fn extend(start: u64, span: u64, more: bool) -> (u64, u64) {
        let extended = fixed(100, 10, Phase::default()).extend(ORIGIN + Nanos(start), Nanos(span), more);
        (extended.end.since(ORIGIN).0, extended.stalled.0)
    }

    #[test]
    fn a_transmission_is_suspended_and_resumed() {
        assert_eq!(extend(0, 50, false), (50, 0), "the first cycle has no stall");
        assert_eq!(extend(90, 10, false), (100, 0), "it ends as the stall begins");
        assert_eq!(extend(90, 10, true), (110, 10), "a part of a nanosecond is left");
        assert_eq!(extend(90, 20, false), (120, 10));
        assert_eq!(extend(105, 20, false), (130, 5), "it could begin within a stall");
        assert_eq!(extend(100, 90, false), (200, 10));
        assert_eq!(extend(100, 91, false), (211, 20));
        assert_eq!(extend(0, 100 + 90 + 90 + 1, false), (311, 30));
    }

    #[test]
    fn a_phase_moves_all_stalls_towards_the_start_of_the_session() {
        let mut stalls = fixed(100, 10, Phase::At(Nanos(30)));
        assert_eq!(stalls.first(), Some(ORIGIN + Nanos(70)));
        let extended = |end: u64, stalled| Extended { end: ORIGIN + Nanos(end), stalled: Nanos(stalled) };
        assert_eq!(stalls.extend(ORIGIN, Nanos(70), false), extended(70, 0));
        assert_eq!(stalls.extend(ORIGIN + Nanos(70), Nanos(1), false), extended(81, 10));
        assert_eq!(stalls.extend(ORIGIN + Nanos(81), Nanos(100), false), extended(191, 10));
    }

    #[test]
    fn a_random_phase_is_uniform_in_the_period() {
        let seeds = 0..20_000u64;
        let stall = "every=1ms,for=1us,phase=random".parse().unwrap();
        let first = seeds.clone().map(|seed| Stalls::new(Some(stall), seed, ORIGIN).first().unwrap().since(ORIGIN));
        let firsts: Vec<f64> = first.map(|first| first.0 as f64 / 1e6).collect();
        assert!(firsts.iter().all(|first| *first > 0.0 && *first <= 1.0));
        let mean = firsts.iter().sum::<f64>() / firsts.len() as f64;
        // Five standard errors of the mean of a uniform distribution, whose variance is 1/12.
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / firsts.len() as f64).sqrt(), "{mean}");
    }

    #[test]
    fn gaps_and_lengths_of_random_stalls_are_exponential() {
        let (gap, length) = (70_000.0, 30_000.0);
        let stalls = listed(random(100_000, 30_000, 11), Nanos(20_000_000_000));
        let gaps = stalls.windows(2).map(|pair| pair[1].0.since(pair[0].1).0 as f64 / gap);
        let lengths = stalls.iter().map(|(begin, end)| end.since(*begin).0 as f64 / length);
        let count = stalls.len() as f64;
        // 200 000 are expected; the number has a variance of at most one per stall.
        assert!((count - 2e5).abs() < 5.0 * 2e5f64.sqrt(), "{count}");
        for spans in [gaps.collect::<Vec<_>>(), lengths.collect()] {
            let mean = spans.iter().sum::<f64>() / spans.len() as f64;
            let variance = spans.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / spans.len() as f64;
            // Five standard errors: the variance of an exponential is 1, its fourth central moment 9.
            assert!((mean - 1.0).abs() < 5.0 / count.sqrt(), "{mean}");
            assert!((variance - 1.0).abs() < 5.0 * (8.0 / count).sqrt(), "{variance}");
        }
    }

    #[test]
    fn a_long_idle_time_is_skipped_to_the_stalls_that_stepping_through_it_finds() {
        let blocks = 3;
        let until = ORIGIN + Nanos(blocks * BLOCK * 10_000);
        let all = listed(random(10_000, 1000, 7), until + Nanos(BLOCK * 10_000));
        // Somewhere in the last block, within a stall.
        let (begin, end) =
            *all.iter().find(|(begin, end)| *begin > until + Nanos(500_000) && *end > *begin + Nanos(1)).unwrap();
        let extended = random(10_000, 1000, 7).extend(begin, Nanos(1), false);
        assert_eq!((extended.stalled, extended.end), (end - begin, end + Nanos(1)));
        // A time of years is reached at once.
        let extended = random(10_000, 1000, 7).extend(Nanos(u64::MAX / 2), Nanos(10), false);
        assert!(extended.end >= Nanos(u64::MAX / 2 + 10));
    }

    proptest! {
        /// Against a transmission that is always under way: it is stopped for as long as it is not on the link.
        #[test]
        fn the_time_stopped_is_what_a_transmission_is_extended_by(
            seed in any::<u64>(),
            is_random in any::<bool>(),
            spans in prop::collection::vec(1u64..200_000, 1..40),
        ) {
            let phase = Phase::At(Nanos(seed % 20_000));
            let (mut link, mut watched) = match is_random {
                true => (random(20_000, 7_000, seed), random(20_000, 7_000, seed)),
                false => (fixed(20_000, 7_000, phase), fixed(20_000, 7_000, phase)),
            };
            let (mut at, mut stopped) = (ORIGIN, Nanos::ZERO);
            for span in spans {
                let extended = link.extend(at, Nanos(span), false);
                at = extended.end;
                stopped += extended.stalled;
                prop_assert_eq!(watched.stopped_by(at), stopped);
            }
            let listed = watched_spans(is_random, seed, phase, at);
            prop_assert_eq!(listed, stopped);
        }
    }

    /// The stalls up to `until`, added up one by one.
    fn watched_spans(is_random: bool, seed: u64, phase: Phase, until: Nanos) -> Nanos {
        let stalls = if is_random { random(20_000, 7_000, seed) } else { fixed(20_000, 7_000, phase) };
        stalls.spans(Nanos::ZERO, until).fold(Nanos::ZERO, |sum, (begin, end)| sum + end.min(until).since(begin))
    }

    #[test]
    fn the_stalls_of_a_late_time_are_found_at_once() {
        let late = Nanos(u64::MAX / 2);
        for stalls in [fixed(20_000, 7_000, Phase::default()), random(20_000, 7_000, 3)] {
            let (begin, end) = stalls.spans(late, late + Nanos(1_000_000)).next().unwrap();
            assert!(end > late && begin < late + Nanos(1_000_000), "{begin} {end}");
        }
        let from = |from: u64| fixed(100, 10, Phase::default()).spans(ORIGIN + Nanos(from), ORIGIN + Nanos(301));
        let since = |from_time: u64| from(from_time).map(|(begin, _)| begin.since(ORIGIN).0).collect::<Vec<_>>();
        assert_eq!((since(0), since(109), since(110)), (vec![100, 200, 300], vec![100, 200, 300], vec![200, 300]));
    }

    #[test]
    fn random_stalls_depend_on_the_seed() {
        let until = Nanos(10_000_000);
        assert_eq!(listed(random(50_000, 1_000, 3), until), listed(random(50_000, 1_000, 3), until));
        assert_ne!(listed(random(50_000, 1_000, 3), until), listed(random(50_000, 1_000, 4), until));
    }

    /// Times saturate instead of overflowing, and the search for the next stall ends.
    #[test]
    fn the_end_of_time_is_reached() {
        let mut stalls = random(u64::MAX, u64::MAX / 2, 1);
        let mut at = ORIGIN;
        for _ in 0..100 {
            at = stalls.extend(at, Nanos(u64::MAX / 4), true).end;
        }
        assert_eq!(at, Nanos::MAX);
        assert_eq!(stalls.extend(Nanos::MAX, Nanos(1), true).end, Nanos::MAX);
    }

    proptest! {
        /// The result equals that of a step through every nanosecond.
        #[test]
        fn a_transmission_ends_where_stepping_through_each_nanosecond_ends_it(
            every in 2u64..40,
            share in 0.0f64..1.0,
            offset in 0.0f64..1.0,
            start in 0u64..200,
            span in 1u64..200,
        ) {
            let length = 1 + ((every - 2) as f64 * share) as u64;
            let phase = (every as f64 * offset) as u64;
            let still = |at: u64| at + phase >= every && (at + phase) % every < length;
            let (mut at, mut left, mut lost) = (start, span, 0);
            while left > 0 {
                if still(at) { lost += 1 } else { left -= 1 }
                at += 1;
            }
            let mut stalls = fixed(every, length, Phase::At(Nanos(phase)));
            let extended = stalls.extend(ORIGIN + Nanos(start), Nanos(span), false);
            prop_assert_eq!((extended.end.since(ORIGIN).0, extended.stalled.0), (at, lost));
        }

        /// However the time is divided into transmissions, the link is stopped exactly during the listed stalls.
        #[test]
        fn the_link_is_stopped_during_the_stalls_and_at_no_other_time(
            seed: u64,
            length in 1u64..10_000,
            moves in proptest::collection::vec((0u64..30_000, 0u64..30_000, any::<bool>()), 1..60),
        ) {
            let mut stalls = random(10_000 + length / 2, length, seed);
            let mut free = ORIGIN;
            let until = |time| listed(random(10_000 + length / 2, length, seed), time);
            for (idle, span, more) in moves {
                let start = free + Nanos(idle);
                let Extended { end, stalled } = stalls.extend(start, Nanos(span), more);
                prop_assert_eq!(end.since(start).since(stalled), Nanos(span), "it was transmitted for its whole time");
                // A stall that begins as the transmission ends is met if a part of a nanosecond is left.
                let met = until(end + Nanos(1)).into_iter().filter(|(begin, _)| *begin < end || more || span == 0);
                let stopped: Nanos = met.map(|(begin, stop)| stop.min(end).since(begin.max(start))).sum();
                prop_assert_eq!(stopped, stalled);
                free = end;
            }
        }

        /// A transmission takes the same time as its parts one after the other.
        #[test]
        fn a_transmission_in_parts_ends_at_the_same_time(
            seed: u64,
            spans in proptest::collection::vec(1u64..30_000, 1..40),
        ) {
            let mut whole = random(20_000, 5_000, seed);
            let mut parts = whole;
            let once = whole.extend(ORIGIN, Nanos(spans.iter().sum()), false);
            let (mut at, mut stalled) = (ORIGIN, Nanos::ZERO);
            for span in spans {
                let part = parts.extend(at, Nanos(span), false);
                (at, stalled) = (part.end, stalled + part.stalled);
            }
            prop_assert_eq!(once, Extended { end: at, stalled });
        }
    }
}
