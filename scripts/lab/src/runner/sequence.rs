//! Many runs, in virtual or in real time: simulations on several CPUs at once, real runs one after the other.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::exec::{Halted, StopHandle};
use shared::process::exit::Status;
use shared::process::signals::Signals;
use shared::report::{Ending, RunReport};

use super::real::{LaunchError, StackOutput, run};
use super::virtual_plan::SimulateError;
use super::virtual_time::{clock, simulate_anywhere};
use crate::launch::Binaries;
use crate::settings::RunSettings;
use crate::theory::theory_of;

/// How the time of a run passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClockKind {
    /// In two processes, by the clock of the machine.
    Real,
    /// In one process, as fast as it can be computed: exact, and the same each time.
    Virtual,
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Virtual => "virtual",
        })
    }
}

/// A run that has ended as planned, or that failed. A run that was interrupted is neither.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its place in the list of runs.
    pub(crate) index: usize,
    /// Its report, or why there is no valid one.
    pub(crate) result: Result<Box<RunReport>, Fault>,
    /// How long it took by the clock of the machine.
    pub(crate) wall: Duration,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fault {
    /// The exit status of a command that makes this run alone.
    pub(crate) status: u8,
    /// The reason.
    pub(crate) reason: String,
    /// Its report, if there is one: the ledger does not balance, or a process failed in the middle.
    pub(crate) report: Option<Box<RunReport>>,
}

/// Where runs are made.
#[derive(Debug)]
pub(crate) enum Place {
    /// In virtual time, on this many CPUs at once.
    Virtual {
        /// How many at once, at least 1.
        jobs: usize,
    },
    /// In real time, one after the other.
    Real(Box<Binaries>),
}

impl Place {
    /// The clock of its runs.
    pub(crate) fn clock(&self) -> ClockKind {
        match self {
            Self::Virtual { .. } => ClockKind::Virtual,
            Self::Real(_) => ClockKind::Real,
        }
    }

    /// Makes `count` runs, whose settings `settings` returns by index, and calls `each` when one has ended. Runs that an
    /// interrupt cuts short are left out, and none is started after it.
    ///
    /// # Errors
    /// If `each` fails, which ends the sequence, or the system has no resources for it.
    pub(crate) fn run_all<E: From<io::Error>>(
        &self,
        count: usize,
        settings: &(impl Fn(usize) -> RunSettings + Sync),
        signals: &mut Signals,
        mut each: impl FnMut(Ended) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Virtual { jobs } => simulate_all(*jobs, count, settings, &signals.stop(), each),
            Self::Real(binaries) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                for index in 0..count {
                    if signals.have_come() {
                        break;
                    }
                    let start = Instant::now();
                    if let Some(result) = runtime.block_on(real(binaries, &settings(index), signals)) {
                        each(Ended { index, result, wall: start.elapsed() })?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// One run of both processes; `None` if it was interrupted.
async fn real(
    binaries: &Binaries,
    settings: &RunSettings,
    signals: &mut Signals,
) -> Option<Result<Box<RunReport>, Fault>> {
    let run = match run(binaries, settings, StackOutput::Discard, signals).await {
        Ok(run) => run,
        Err(LaunchError::Interrupted) => return None,
        Err(error) => return Some(Err(Fault::new(error.status(), error.to_string(), None))),
    };
    if signals.have_come() {
        return None;
    }
    let (status, exits) = (run.status(), run.exits);
    let report = run.into_report();
    Some(match (status, report) {
        (Status::Fine, Some(mut report)) => {
            report.theory = theory_of(&report);
            Ok(report)
        }
        // Nothing was delivered: a result like any other.
        (Status::Failed, Some(report)) if report.is_fruitless() && report.ledger.balanced => Ok(report),
        (status, report) => {
            let why = report.as_ref().and_then(|report| why(report));
            Err(Fault::new(status, why.unwrap_or_else(|| exits.named()), report))
        }
    })
}

/// What is wrong with the run of a report.
fn why(report: &RunReport) -> Option<String> {
    if !report.ledger.balanced {
        return Some(format!("the ledger does not balance: {}", report.ledger.violations.join("; ")));
    }
    match &report.ending {
        Ending::PeerFailed(why) => Some(format!("the driver failed: {why}")),
        _ => None,
    }
}

/// Simulates on `jobs` threads. Runs are started in order; they end in any order.
fn simulate_all<E: From<io::Error>>(
    jobs: usize,
    count: usize,
    settings: &(impl Fn(usize) -> RunSettings + Sync),
    stop: &StopHandle,
    mut each: impl FnMut(Ended) -> Result<(), E>,
) -> Result<(), E> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = |ended: SyncSender<Ended>| {
        while !stop.is_asked() && !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let start = Instant::now();
            let Some(result) = simulated(|| settings(index), stop) else { break };
            // Fails if the receiver gave up after an error.
            let _ = ended.send(Ended { index, result, wall: start.elapsed() });
        }
    };
    thread::scope(|scope| {
        // Bounded, so that reports do not pile up while a slow disk takes one.
        let (sender, receiver) = sync_channel(jobs);
        for started in 0..jobs.min(count) {
            let sender = sender.clone();
            match thread::Builder::new().name("simulate".to_owned()).spawn_scoped(scope, || work(sender)) {
                Ok(_) => {}
                // Fewer threads than were asked for take longer and give the same.
                Err(_) if started > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        drop(sender);
        let all = receiver.iter().try_for_each(&mut each).inspect_err(|_| failed.store(true, Ordering::Relaxed));
        // A thread that waits for room in the channel finds it closed.
        drop(receiver);
        all
    })
}

/// One simulation; `None` if it was interrupted. A fault of the program in one run must not lose the others: it fails
/// that run.
fn simulated(settings: impl FnOnce() -> RunSettings, stop: &StopHandle) -> Option<Result<Box<RunReport>, Fault>> {
    let run = || {
        let settings = settings();
        simulate_anywhere(&settings, clock(&settings).until(stop))
    };
    let report = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return Some(Err(Fault::new(status_of(&error), error.to_string(), None))),
        Err(panic) => {
            let reason = format!("the simulation crashed, which is a fault of the program: {}", said(&*panic));
            return Some(Err(Fault::new(Status::Failed, reason, None)));
        }
    };
    if report.ending == Ending::Interrupted {
        return None;
    }
    let mut report = Box::new(report);
    report.theory = theory_of(&report);
    Some(match why(&report) {
        Some(why) => Err(Fault::new(Status::Unbalanced, why, Some(report))),
        None => Ok(report),
    })
}

/// The exit status of a command whose simulation fails with `error`.
pub(crate) fn status_of(error: &SimulateError) -> Status {
    match error {
        SimulateError::Halted(Halted::Stalled) | SimulateError::Memory(_) => Status::Failed,
        _ => Status::Usage,
    }
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

impl Fault {
    fn new(status: Status, reason: String, report: Option<Box<RunReport>>) -> Self {
        Self { status: status as u8, reason, report }
    }

    /// The status as a value.
    pub(crate) fn status(&self) -> Status {
        let all = [Status::Usage, Status::PeerFailed, Status::Unbalanced, Status::Interrupted];
        all.into_iter().find(|status| *status as u8 == self.status).unwrap_or(Status::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn settings(seed: u64) -> RunSettings {
        let mut settings = RunSettings::defaults();
        settings.set_apps(&["poisson:load=0.9"]).unwrap();
        settings.set_packets(50);
        settings.with_seed(seed)
    }

    fn simulate(jobs: usize, count: usize, settings: &(impl Fn(usize) -> RunSettings + Sync)) -> Vec<Ended> {
        let mut all = Vec::new();
        let stop = StopHandle::new().unwrap();
        simulate_all::<io::Error>(jobs, count, settings, &stop, |ended| {
            all.push(ended);
            Ok(())
        })
        .unwrap();
        all.sort_by_key(|ended| ended.index);
        all
    }

    #[test]
    fn each_run_is_made_once_and_does_not_depend_on_the_number_of_threads() {
        let reports = |jobs| -> Vec<String> {
            let runs = simulate(jobs, 9, &|index| settings(index as u64 + 1));
            runs.iter().map(|run| serde_json::to_string(run.result.as_ref().unwrap()).unwrap()).collect()
        };
        let (one, four) = (reports(1), reports(4));
        assert_eq!(one.len(), 9);
        assert_eq!(one, four);
    }

    #[test]
    fn a_run_that_fails_or_crashes_is_reported_and_the_others_are_made() {
        let odd = |index: usize| {
            let mut settings = settings(1);
            assert!(index != 2, "crash");
            if index == 1 {
                // No time passes, so it cannot be simulated.
                settings.set_apps(&["bulk"]).unwrap();
                settings.set_link(shared::units::LinkRate::Unlimited);
            }
            settings
        };
        let runs = simulate(2, 4, &odd);
        assert!(runs[0].result.is_ok() && runs[3].result.is_ok());
        let fault = |index: usize| runs[index].result.as_ref().unwrap_err();
        assert!(fault(1).status() == Status::Usage && fault(1).reason.contains("--latency"), "{:?}", fault(1));
        assert!(fault(2).status() == Status::Failed && fault(2).reason.ends_with("crash"), "{:?}", fault(2));
    }

    #[test]
    fn an_error_of_the_caller_ends_the_sequence_and_an_interrupt_starts_none() {
        let (made, stop) = (Mutex::new(0), StopHandle::new().unwrap());
        let full = |_| Err(io::Error::other("full"));
        let counted = |index: usize| {
            *made.lock().unwrap() += 1;
            settings(index as u64)
        };
        assert_eq!(simulate_all(1, 1_000_000, &counted, &stop, full).unwrap_err().to_string(), "full");
        assert!(*made.lock().unwrap() < 1_000_000);
        stop.stop();
        simulate_all::<io::Error>(4, 5, &counted, &stop, |_| panic!("it was interrupted before")).unwrap();
    }
}
