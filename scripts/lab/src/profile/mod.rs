//! `lab run --profile`: where the nanoseconds of a packet go, room by room of the source tree.
//!
//! At 100 ns a packet, timers on the path would measure themselves. So `perf` samples both processes from
//! outside, a few thousand times a second of CPU time ([`perf`], [`samples`]). Each sampled address is
//! resolved to the functions there, inlined ones included ([`lines`]), and the innermost that is ours
//! names the room ([`charge`], [`rooms`]). A room's share of the samples is its share of the process's
//! CPU time, and that divided by the delivered packets is the budget.

mod charge;
mod lines;
mod perf;
mod rooms;
mod samples;

use std::collections::HashMap;

use shared::report::{BudgetReport, ProcessBudget, RunReport};
use shared::units::Nanos;

use crate::launch::Binaries;
use charge::{Call, charge};
use lines::{Lines, LinesError};
use perf::{NoSamples, Perf, PerfError, period};
use rooms::Room;
use samples::Sample;

/// Why there can be no profile; found before anything runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// By perf.
    #[error(transparent)]
    Perf(#[from] PerfError),
    /// By the programs.
    #[error(transparent)]
    Lines(#[from] LinesError),
}

/// Why a run has no budget.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBudget {
    /// Nothing to count.
    #[error(transparent)]
    Samples(#[from] NoSamples),
    /// Nothing to divide by, or nothing to divide.
    #[error("{0} was not sampled, delivered nothing, or did not report its CPU time; let the run last longer")]
    Nothing(&'static str),
}

/// Samples one run.
pub(crate) struct Profiler {
    perf: Perf,
    netstack: Sampled,
    driver: Sampled,
    /// The first thing that went wrong.
    trouble: Option<NoSamples>,
}

/// A process that is sampled.
struct Sampled {
    lines: Lines,
    /// Its program, as perf names it.
    program: String,
    pid: u32,
    counts: HashMap<Room, u64>,
}

impl Profiler {
    /// Makes sure that both programs and the machine can be profiled.
    ///
    /// # Errors
    /// [`ProfileError`] with the remedy.
    pub(crate) fn prepare(binaries: &Binaries) -> Result<Self, ProfileError> {
        let (netstack, driver) = (Sampled::new(&binaries.netstack.path)?, Sampled::new(&binaries.driver.path)?);
        Ok(Self { perf: Perf::prepare()?, netstack, driver, trouble: None })
    }

    /// Samples these processes from now on. If that is impossible, the run goes on without.
    pub(crate) async fn attach(&mut self, netstack: Option<u32>, driver: Option<u32>) {
        // One that has ended is not worth sampling.
        let (Some(netstack), Some(driver)) = (netstack, driver) else { return };
        (self.netstack.pid, self.driver.pid) = (netstack, driver);
        self.trouble = self.perf.attach([netstack, driver]).await.err();
    }

    /// Ends the sampling.
    pub(crate) async fn finish(&mut self) {
        let finished = self.perf.finish().await;
        self.trouble = self.trouble.take().or(finished.err());
    }

    /// The budget of the run that `report` is of.
    ///
    /// # Errors
    /// [`NoBudget`] if it was not sampled: the report holds without.
    pub(crate) fn budget(mut self, report: &RunReport) -> Result<BudgetReport, NoBudget> {
        if let Some(trouble) = self.trouble {
            return Err(trouble.into());
        }
        let mut kernel_sampled = true;
        let (netstack, driver) = (&mut self.netstack, &mut self.driver);
        self.perf.samples(|sample| {
            kernel_sampled &= !sample.user_only;
            [&mut *netstack, &mut *driver].into_iter().for_each(|process| process.count(sample));
        })?;
        let packets = report.totals.delivered;
        let cpu = |cpu_ns| Nanos(cpu_ns);
        let of_driver = report.driver.as_ref().map_or(0, |driver| driver.process.cpu_ns);
        let netstack =
            self.netstack.budget(cpu(report.process.cpu_ns), packets).ok_or(NoBudget::Nothing("netstack"))?;
        let driver = self.driver.budget(cpu(of_driver), packets).ok_or(NoBudget::Nothing("driver"))?;
        Ok(BudgetReport::new(period(), kernel_sampled, packets, netstack, driver))
    }
}

impl Sampled {
    fn new(program: &std::path::Path) -> Result<Self, LinesError> {
        let lines = Lines::of(program)?;
        // The kernel tells it without links.
        let program = program.canonicalize().unwrap_or_else(|_| program.to_owned()).to_string_lossy().into_owned();
        Ok(Self { lines, program, pid: 0, counts: HashMap::new() })
    }

    /// Charges `sample` to a room, if it is of this process.
    fn count(&mut self, sample: &Sample) {
        if sample.pid != self.pid {
            return;
        }
        for frame in sample.frames.iter().filter(|frame| frame.object == self.program) {
            self.lines.learn(frame.address);
        }
        let lines = &self.lines;
        let calls = sample.frames.iter().flat_map(|frame| {
            let known = if frame.object == self.program { lines.at(frame.address) } else { &[] };
            let foreign = known.is_empty().then_some(Call::Foreign(frame));
            known.iter().map(Call::Known).chain(foreign)
        });
        *self.counts.entry(charge(&calls.collect::<Vec<_>>())).or_default() += 1;
    }

    /// `cpu` among the rooms.
    fn budget(&self, cpu: Nanos, packets: u64) -> Option<ProcessBudget> {
        let samples = |room| self.counts.get(&room).copied().unwrap_or_default();
        let rooms = Room::WORK.map(|room| (room.name(), samples(room)));
        if cpu == Nanos::ZERO { None } else { ProcessBudget::new(&rooms, samples(Room::Spin), cpu, packets) }
    }
}
