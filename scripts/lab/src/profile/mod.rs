//! `lab run --profile`: the CPU time of a packet by component of the source tree.
//!
//! At 100 ns a packet, timers on the path would mostly measure themselves. So `perf` samples both processes from
//! outside, a few thousand times per second of CPU time ([`perf`], [`samples`]). Each sampled address is resolved to
//! its functions, including inlined ones ([`lines`]), and the innermost one of this project decides the component
//! ([`charge`], [`components`]). A component's share of the samples is its share of the CPU time of the process;
//! divided by the delivered packets, that is the budget.

mod charge;
mod components;
mod lines;
mod perf;
mod samples;

use std::collections::HashMap;

use shared::report::{BudgetReport, ProcessBudget, RunReport};
use shared::units::Nanos;

use crate::launch::Binaries;
use charge::{Call, charge};
use components::Component;
use lines::{Lines, LinesError};
use perf::{NoSamples, Perf, PerfError, period};
use samples::Sample;

/// Why a profile is impossible; found before anything runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// perf is missing or not allowed.
    #[error(transparent)]
    Perf(#[from] PerfError),
    /// A program has no line tables.
    #[error(transparent)]
    Lines(#[from] LinesError),
}

/// Why a run has no budget.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBudget {
    /// There are no samples.
    #[error(transparent)]
    Samples(#[from] NoSamples),
    /// There are no samples of one process, no delivered packets, or no CPU time.
    #[error("{0} was not sampled, delivered nothing, or did not report its CPU time; let the run last longer")]
    Nothing(&'static str),
}

/// Samples one run of both processes.
pub(crate) struct Profiler {
    perf: Perf,
    netstack: Sampled,
    driver: Sampled,
    /// The first error of perf.
    trouble: Option<NoSamples>,
}

/// A process that is sampled.
struct Sampled {
    lines: Lines,
    /// The path of its program, as perf reports it.
    program: String,
    pid: u32,
    counts: HashMap<Component, u64>,
}

impl Profiler {
    /// Checks that both programs can be profiled on this machine.
    ///
    /// # Errors
    /// [`ProfileError`] with the remedy.
    pub(crate) fn prepare(binaries: &Binaries) -> Result<Self, ProfileError> {
        let (netstack, driver) = (Sampled::new(&binaries.netstack.path)?, Sampled::new(&binaries.driver.path)?);
        Ok(Self { perf: Perf::prepare()?, netstack, driver, trouble: None })
    }

    /// Starts to sample the processes `netstack` and `driver`. If that fails, the run continues without a profile.
    pub(crate) async fn attach(&mut self, netstack: Option<u32>, driver: Option<u32>) {
        // A process that has ended already cannot be sampled.
        let (Some(netstack), Some(driver)) = (netstack, driver) else { return };
        (self.netstack.pid, self.driver.pid) = (netstack, driver);
        self.trouble = self.perf.attach([netstack, driver]).await.err();
    }

    /// Stops sampling.
    pub(crate) async fn finish(&mut self) {
        let finished = self.perf.finish().await;
        self.trouble = self.trouble.take().or(finished.err());
    }

    /// The budget of the run of `report`.
    ///
    /// # Errors
    /// [`NoBudget`] if there is none; `report` is valid without one.
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
        // perf reports the path that the kernel has, with symbolic links resolved.
        let program = program.canonicalize().unwrap_or_else(|_| program.to_owned()).to_string_lossy().into_owned();
        Ok(Self { lines, program, pid: 0, counts: HashMap::new() })
    }

    /// Counts `sample` for a component, if it is of this process.
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

    /// Divides `cpu` among the components in proportion to their samples.
    fn budget(&self, cpu: Nanos, packets: u64) -> Option<ProcessBudget> {
        let samples = |component| self.counts.get(&component).copied().unwrap_or_default();
        let components = Component::WORK.map(|component| (component.name(), samples(component)));
        if cpu == Nanos::ZERO { None } else { ProcessBudget::new(&components, samples(Component::Spin), cpu, packets) }
    }
}
