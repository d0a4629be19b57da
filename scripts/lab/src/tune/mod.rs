//! `lab tune`: how deep must the ring be? A search over depths, each judged by simulations.

mod advice;
mod answer;
mod limits;
mod search;
mod wake_latency;

use shared::process::signals::Signals;

pub(crate) use answer::{Answer, Real, Tried, Waiting};
pub(crate) use limits::Limits;
pub(crate) use search::Found;
pub(crate) use wake_latency::measure_wake_latency;

use crate::points::estimate::Estimated;
use crate::points::run::{Count, MakeError, Making, Order};
use crate::points::setting::SettingError;
use crate::points::store::Memory;
use crate::points::table::{Points, PointsError};
use crate::runner::sequence::{Fault, Place};
use crate::settings::RunSettings;
use crate::threshold::Thresholds;

/// The depths are compared with the rate of the deepest ring.
const DEEPEST: u32 = 65_536;

/// The share of the rate of the deepest ring that a ring that waits must keep.
pub(crate) const RATE_KEPT: f64 = 0.99;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TuneError {
    /// A run could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The settings are invalid together.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// A setting cannot be set.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A run failed.
    #[error("the run at depth {depth} failed: {}", fault.reason)]
    Failed {
        /// Its depth.
        depth: u32,
        /// Why.
        fault: Fault,
    },
    /// No packet was offered.
    #[error("no packet was offered at depth {0}: there is no loss to judge; use a longer --duration, or a higher rate")]
    NothingOffered(u32),
    /// A signal.
    #[error("interrupted before there was an answer")]
    Interrupted,
}

/// Makes the runs of one depth after another and keeps what it has made.
pub(crate) struct Bench<'a> {
    pub(crate) base: &'a RunSettings,
    pub(crate) place: &'a Place,
    pub(crate) count: Count,
    pub(crate) level: f64,
    pub(crate) signals: &'a mut Signals,
    /// Results by the digest of the settings.
    kept: Memory,
    /// How many depths were run.
    pub(crate) depths_run: usize,
    /// Whether an interval is still wider than was asked for.
    pub(crate) wide: bool,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(
        base: &'a RunSettings,
        place: &'a Place,
        (count, level): (Count, f64),
        signals: &'a mut Signals,
    ) -> Self {
        Self { base, place, count, level, signals, kept: Memory::default(), depths_run: 0, wide: false }
    }

    /// The figures at `depths`, in their order. Simulations are made on all CPUs at once.
    ///
    /// # Errors
    /// [`TuneError`] if a run failed or was interrupted.
    pub(crate) fn at(&mut self, depths: &[u32]) -> Result<Vec<Estimated>, TuneError> {
        let values = depths.iter().map(|depth| vec![depth.to_string()]).collect();
        let set = Points::of(self.base, self.place.clock(), vec!["depth".to_owned()], values)?;
        let mut set = set.repeated(Making::at_first(self.count))?;
        let mut making = Making {
            place: self.place,
            keep: &mut self.kept,
            count: self.count,
            level: self.level,
            order: Order::Mixed,
            only: None,
            thresholds: &Thresholds::default(),
        };
        let made = making.make(&mut set, self.signals)?;
        if let Some((run, fault)) = made.faults().next() {
            return Err(TuneError::Failed { depth: depths[set.runs()[run].point], fault: fault.clone() });
        }
        if self.signals.have_come() {
            return Err(TuneError::Interrupted);
        }
        self.depths_run += usize::from(made.new > 0) * depths.len();
        let points = made.estimates(&set, self.level).map_err(MakeError::from)?;
        for (depth, point) in depths.iter().zip(&points) {
            if point.figure("offered").mean.is_none_or(|offered| offered == 0.0) {
                return Err(TuneError::NothingOffered(*depth));
            }
        }
        self.wide |= !made.wide.is_empty();
        Ok(points)
    }

    fn one(&mut self, depth: u32) -> Result<Estimated, TuneError> {
        Ok(self.at(&[depth])?.remove(0))
    }

    /// Finds a depth up to `deepest` that meets the limits which a deeper ring can help to meet. If `exhaustive` is set,
    /// all depths are tried, and the one that is found meets all limits.
    ///
    /// # Errors
    /// As [`Bench::at`].
    pub(crate) fn find(&mut self, limits: &Limits, deepest: u32, exhaustive: bool) -> Result<Found, TuneError> {
        if exhaustive {
            let all: Vec<u32> = (1..=deepest).collect();
            let points = self.at(&all)?;
            // Every depth is known, so all limits can be judged.
            return search::try_all(deepest, |depth| Ok(limits.broken(&points[depth as usize - 1]).is_empty()));
        }
        let waits = !self.base.stack().policy.never_waits();
        search::search(deepest, |depth| Ok(deep_enough(limits, &self.one(depth)?, waits)))
    }

    /// The smallest depth that keeps [`RATE_KEPT`] of the rate of the deepest ring. For a policy that waits, whose rate
    /// does not fall with depth.
    ///
    /// # Errors
    /// As [`Bench::at`].
    pub(crate) fn find_rate(&mut self) -> Result<Option<(u32, Estimated)>, TuneError> {
        let rate = |point: &Estimated| point.figure("bits_per_second").mean.unwrap_or(0.0);
        let needed = RATE_KEPT * rate(&self.one(DEEPEST)?);
        let found = search::first(DEEPEST, |depth| Ok::<_, TuneError>(rate(&self.one(depth)?) >= needed))?;
        found.map(|depth| Ok((depth, self.one(depth)?))).transpose()
    }
}

/// Whether no limit is broken that a deeper ring can help to meet.
fn deep_enough(limits: &Limits, point: &Estimated, senders_wait: bool) -> bool {
    limits.broken(point).iter().all(|broken| !broken.limit.needs_depth(senders_wait))
}
