//! Makes the runs of a set of points, except those that a folder holds already.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use shared::process::exit::Status;
use shared::process::signals::Signals;
use shared::report::human;

use super::estimate::{Estimated, Sample, Samples, estimated, is_precise};
use super::store::{Keep, StoreError};
use super::table::{Points, TableFile};
use crate::progress::Progress;
use crate::runner::sequence::{ClockKind, Ended, Fault, Place};
use crate::theory::ParameterError;
use crate::threshold::Thresholds;

/// The fewest runs of a point whose precision is asked for: two or three that agree by chance would end it.
const MIN_RUNS: u64 = 10;

/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// How many runs each point has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Count {
    /// This many.
    Exactly(u64),
    /// As many as the intervals of loss, mean sojourn and rate need to be this narrow, relative to their means.
    Until {
        precision: f64,
        /// The most.
        at_most: u64,
    },
}

/// Which runs to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// Those that failed before.
    Failed,
}

/// How the points of a set belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each for itself. Real runs are made in an order that the seed decides, so that what changes on the machine
    /// meanwhile does not look like an effect of a setting. With a precision, a point has as many runs as it needs.
    Mixed,
    /// They are compared seed by seed: all points run with one seed, then all with the next, and a precision gives all
    /// of them as many runs as the widest needs. A real run that fails ends it: the next one would fail likewise, and
    /// without it the others have nothing to be compared with.
    Paired,
}

/// What was made.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) samples: Samples,
    /// How long each new run took, by the name of its file.
    pub(crate) wall_ns: BTreeMap<String, u64>,
    /// Runs that the folder held.
    pub(crate) found: usize,
    /// Runs that were made.
    pub(crate) new: usize,
    /// Points whose intervals are still wider than was asked for.
    pub(crate) wide: Vec<usize>,
}

/// Why the runs were not made, or not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("--level or --precision: {0}")]
    Level(#[from] ParameterError),
    #[error(transparent)]
    Points(#[from] super::table::PointsError),
    #[error("out of system resources: {0}")]
    System(#[from] std::io::Error),
}

/// Why runs are not made to the end of the table.
enum Halt {
    /// A run failed, and the others are not made.
    Fault,
    Error(MakeError),
}

impl From<std::io::Error> for Halt {
    fn from(error: std::io::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

/// Where the runs of a set are made and kept.
pub(crate) struct Making<'a> {
    pub(crate) place: &'a Place,
    pub(crate) keep: &'a mut dyn Keep,
    pub(crate) count: Count,
    pub(crate) level: f64,
    pub(crate) order: Order,
    pub(crate) only: Option<Only>,
    pub(crate) thresholds: &'a Thresholds,
}

impl Making<'_> {
    /// Makes the runs of `set`, to which runs are added as the precision needs them. An interrupt ends it: `signals`
    /// tell.
    ///
    /// # Errors
    /// [`MakeError`]; the runs that have ended are kept.
    pub(crate) fn make(&mut self, set: &mut Points, signals: &mut Signals) -> Result<Made, MakeError> {
        let mut made = Made::default();
        loop {
            let table = TableFile::new(set);
            self.keep.save_table(&table)?;
            let digests: Vec<_> = table.digests().map(str::to_owned).collect();
            self.find(&digests, &mut made)?;
            let ended = self.make_missing(set, &digests, &mut made, signals)?;
            if !ended || signals.have_come() {
                return Ok(made);
            }
            let wide = self.wide(set, &made.samples)?;
            let Count::Until { at_most, .. } = self.count else { return Ok(made) };
            let more: Vec<usize> = match self.order {
                Order::Paired if !wide.is_empty() => (0..set.points.len()).filter(|at| set.has_noise(*at)).collect(),
                Order::Paired | Order::Mixed => wide.clone(),
            };
            // A quarter more at a time, so that the number of rounds is small and few runs are made in vain.
            let missing = |point: usize| {
                let count = set.runs_of(point).len() as u64;
                (point, count.div_ceil(4).min(at_most.saturating_sub(count)))
            };
            let more: Vec<_> = more.into_iter().map(missing).filter(|(_, count)| *count > 0).collect();
            if more.is_empty() || self.only.is_some() {
                made.wide = wide;
                return Ok(made);
            }
            set.extend(&more)?;
        }
    }

    /// How many runs each point has at first.
    pub(crate) fn at_first(count: Count) -> u64 {
        match count {
            Count::Exactly(count) => count,
            Count::Until { at_most, .. } => MIN_RUNS.min(at_most),
        }
    }

    /// Reads the runs that are not in `made` yet and that the folder holds.
    fn find(&self, digests: &[String], made: &mut Made) -> Result<(), MakeError> {
        for digest in &digests[made.samples.len()..] {
            let found = self.keep.sample(digest, self.thresholds)?;
            made.found += usize::from(found.is_some());
            made.samples.push(found);
        }
        Ok(())
    }

    /// Returns whether it went on to the end of the table or an interrupt, rather than to a run that failed.
    fn make_missing(
        &mut self,
        set: &Points,
        digests: &[String],
        made: &mut Made,
        signals: &mut Signals,
    ) -> Result<bool, MakeError> {
        let missing = |run: &usize| match (&made.samples[*run], self.only) {
            (None, None) => true,
            (Some(Err(_)), Some(Only::Failed)) => true,
            (Some(_) | None, _) => false,
        };
        let mut pending: Vec<usize> = (0..digests.len()).filter(missing).collect();
        let is_real = self.place.clock() == ClockKind::Real;
        if is_real && self.order == Order::Mixed {
            shuffle(&mut pending, set.base.seed());
        }
        let to_the_first_fault = is_real && self.order == Order::Paired;
        let settings = |at: usize| set.settings(set.runs()[pending[at]]);
        let (mut told, keep) = (Told::new(pending.len()), &mut *self.keep);
        let halted = self.place.run_all(pending.len(), &settings, signals, |Ended { index, result, wall }| {
            let (run, failed) = (pending[index], result.is_err());
            made.samples[run] = Some(Sample::of_result(&result, self.thresholds));
            made.wall_ns.insert(digests[run].clone(), u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX));
            made.new += 1;
            told.one_more(failed);
            keep.save(&digests[run], result)?;
            if failed && to_the_first_fault { Err(Halt::Fault) } else { Ok(()) }
        });
        match halted {
            Ok(()) => Ok(true),
            Err(Halt::Fault) => Ok(false),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    /// The points whose intervals are wider than was asked for.
    fn wide(&self, set: &Points, samples: &Samples) -> Result<Vec<usize>, MakeError> {
        let Count::Until { precision, .. } = self.count else { return Ok(Vec::new()) };
        let mut wide = Vec::new();
        for point in (0..set.points.len()).filter(|point| set.has_noise(*point)) {
            if !is_precise(&estimated(set, samples, point, self.level)?, precision) {
                wide.push(point);
            }
        }
        Ok(wide)
    }
}

impl Made {
    /// The estimates of all points.
    ///
    /// # Errors
    /// If `level` is not a level.
    pub(crate) fn estimates(&self, set: &Points, level: f64) -> Result<Vec<Estimated>, ParameterError> {
        (0..set.points.len()).map(|point| estimated(set, &self.samples, point, level)).collect()
    }

    /// The runs that failed, by number.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (usize, &Fault)> {
        let samples = self.samples.iter().enumerate();
        samples.filter_map(|(run, sample)| Some((run, sample.as_ref()?.as_ref().err()?)))
    }

    /// What makes runs fail by --fail-if and --strict, by the number of the run.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (usize, &str)> {
        let samples = self.samples.iter().enumerate();
        let judged = samples.filter_map(|(run, sample)| Some((run, sample.as_ref()?.as_ref().ok()?)));
        judged.flat_map(|(run, sample)| sample.failures.iter().map(move |failure| (run, failure.as_str())))
    }

    /// How many runs have no result: an interrupt came before them.
    pub(crate) fn missing(&self) -> usize {
        self.samples.iter().filter(|sample| sample.is_none()).count()
    }

    /// The worst status of the runs that failed.
    pub(crate) fn status(&self) -> Status {
        let some_run = self.samples.iter().flatten().any(Result::is_ok);
        self.faults().map(|(_, fault)| fault.status()).fold(Status::Fine, |worst, status| match status {
            // The flags were right; one of the points cannot be run.
            Status::Usage if some_run => worst.or_worse(Status::Failed),
            status => worst.or_worse(status),
        })
    }
}

/// Puts `all` into an order that `seed` decides (Fisher and Yates).
fn shuffle(all: &mut [usize], seed: u64) {
    let mut draws = SplitMix64::seed_from_u64(seed);
    for end in (1..all.len()).rev() {
        // The bias of the remainder is far below one in a million for any length that fits into memory.
        all.swap(end, (draws.next_u64() % (end as u64 + 1)) as usize);
    }
}

/// How far the runs are, on standard error.
struct Told {
    progress: Progress,
    began: Instant,
    shown: Option<Instant>,
    all: usize,
    done: usize,
    failed: usize,
}

impl Told {
    fn new(all: usize) -> Self {
        let (progress, began) = (Progress::new(), Instant::now());
        progress.now(&format!("0 of {all} runs ..."));
        Self { progress, began, shown: None, all, done: 0, failed: 0 }
    }

    fn one_more(&mut self, failed: bool) {
        self.done += 1;
        self.failed += usize::from(failed);
        if self.shown.is_none_or(|shown| shown.elapsed() >= SHOWN_EVERY) {
            self.shown = Some(Instant::now());
            self.progress.now(&line(self.done, self.all, self.failed, self.began.elapsed()));
        }
    }
}

/// `12 of 300 runs, 1 failed, 25 s left ...`
fn line(done: usize, all: usize, failed: usize, spent: Duration) -> String {
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let left = spent.as_secs_f64() / done as f64 * (all - done) as f64;
    format!("{done} of {all} runs{failed}, {} left ...", human::time(left * 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_real_runs_is_mixed_and_follows_from_the_seed() {
        let order = |seed| {
            let mut all: Vec<usize> = (0..100).collect();
            shuffle(&mut all, seed);
            all
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        assert_ne!(sorted, (0..100).collect::<Vec<_>>());
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_time_left_follows_from_the_runs_so_far() {
        let after = |done, failed| line(done, 300, failed, Duration::from_secs(10));
        insta::assert_snapshot!([after(100, 0), after(300, 2)].join("\n"), @"
        100 of 300 runs, 20 s left ...
        300 of 300 runs, 2 failed, 0 ns left ...
        ");
    }
}
