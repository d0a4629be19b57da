//! One run in real time: a new driver, and a new stack that connects to it on a private socket.
//!
//! Both processes have ended when [`run`] returns. Every wait has a timeout except that for the end of the run itself,
//! which a signal ends.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use shared::process::exit::Status;
use shared::process::output::{Stream, complain, harmless, text};
use shared::process::signals::Signals;
use shared::report::{Origin, RunReport};
use tokio::time::{Instant, sleep_until};

pub(crate) use super::children::LaunchError;
use super::children::{END_TIMEOUT, RunFolder, path_flag, ready, start, wait_for_driver};
use super::far::{FarEnd, FarHost};
pub(crate) use super::merge::Merged;
use super::merge::merge;
use crate::flags::spell;
use crate::launch::{Binaries, ChildExit, Process};
use crate::profile::Profiler;
use crate::settings::RunSettings;

/// How long a driver without a stack may take to end by itself before it gets a signal: a signal may have ended it
/// already, so that the stack found no driver.
const UNMET_DRIVER_TIMEOUT: Duration = Duration::from_millis(500);

/// Where the stack's text for people goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StackOutput {
    /// To the lab's standard output.
    Inherit,
    /// To the lab's standard error, because its standard output is for JSON.
    StandardError,
    /// To the lab's standard error, because its standard output is for lines of JSON, of which the stack writes those of
    /// intervals.
    Stream,
    /// Nowhere.
    Discard,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct RealRun {
    /// The exits of both processes.
    pub(crate) exits: Exits,
    /// The report of both.
    pub(crate) merged: Merged,
}

/// The exits of both processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exits {
    /// The exit of the stack.
    pub(crate) stack: ChildExit,
    /// The exit of the driver; `None` if it ended only because the lab ended it: no stack connected.
    pub(crate) driver: Option<ChildExit>,
    /// Whether a signal interrupted the lab.
    pub(crate) interrupted: bool,
}

impl RealRun {
    /// The exit status of the lab: the worst of both processes, of an interrupt and of the merged ledger.
    pub(crate) fn status(&self) -> Status {
        match &self.merged {
            Merged::Run { report, .. } => self.exits.status().or_worse(status_of_books(report)),
            Merged::DriverOnly(_) | Merged::Nothing => self.exits.status(),
        }
    }

    /// The report, if the stack wrote one.
    pub(crate) fn into_report(self) -> Option<Box<RunReport>> {
        match self.merged {
            Merged::Run { report, .. } => Some(report),
            Merged::DriverOnly(_) | Merged::Nothing => None,
        }
    }
}

/// The status of the ledgers in `report`, of both hosts if there are two.
pub(crate) fn status_of_books(report: &RunReport) -> Status {
    match &report.far {
        _ if !report.ledger.balanced => Status::Unbalanced,
        Some(far) if !far.ledger.balanced => Status::Unbalanced,
        None if report.config.far.is_some() => Status::PeerFailed,
        _ => Status::Fine,
    }
}

impl Exits {
    /// The worst status of both processes and of an interrupt.
    pub(crate) fn status(self) -> Status {
        let own = if self.interrupted { Status::Interrupted } else { Status::Fine };
        let children = [Some(self.stack), self.driver].into_iter().flatten();
        children.map(ChildExit::status).fold(own, Status::or_worse)
    }

    /// How both ended.
    pub(crate) fn named(self) -> String {
        let driver = self.driver.map_or_else(|| "ended by the lab".to_owned(), |exit| exit.to_string());
        format!("netstack: {}, driver: {driver}", self.stack)
    }

    /// Reports the exit of a process that could not report it itself.
    pub(crate) fn complain(self) {
        for (name, exit) in [("netstack", Some(self.stack)), ("driver", self.driver)] {
            if let Some(exit @ (ChildExit::Unknown(_) | ChildExit::Killed(_))) = exit {
                complain(format_args!("lab: {name}: {exit}"));
            }
        }
    }
}

/// Runs both programs once with `settings`, and waits for their end.
///
/// # Errors
/// [`LaunchError`] if there was no run. A run that failed has a result.
pub(crate) async fn run(
    binaries: &Binaries,
    settings: &RunSettings,
    output: StackOutput,
    signals: &mut Signals,
) -> Result<RealRun, LaunchError> {
    run_profiled(binaries, settings, output, signals, None).await
}

/// The same, with a profiler that samples both processes from the first packet on.
///
/// # Errors
/// As [`run`].
pub(crate) async fn run_profiled(
    binaries: &Binaries,
    settings: &RunSettings,
    output: StackOutput,
    signals: &mut Signals,
    mut profiler: Option<&mut Profiler>,
) -> Result<RealRun, LaunchError> {
    let run = both(binaries, settings, output, signals, profiler.as_deref_mut()).await;
    if let Some(profiler) = profiler {
        profiler.finish().await;
    }
    run
}

async fn both(
    binaries: &Binaries,
    settings: &RunSettings,
    output: StackOutput,
    signals: &mut Signals,
    profiler: Option<&mut Profiler>,
) -> Result<RealRun, LaunchError> {
    let folder = RunFolder::new()?;
    let far = match &settings.far {
        Some(far) => Some(FarHost::start(binaries, far, &folder, signals).await?),
        None => None,
    };
    let mut near = settings.driver.clone();
    if far.is_some() {
        near.backend.backend = folder.wire();
    }
    let mut arguments = spell(&near)?;
    arguments.extend([folder.flag("--socket", "socket"), folder.flag("--json", "driver.json"), "--once".into()]);
    arguments.extend(settings.driver.capture.pcap.as_deref().map(|path| path_flag("--pcap", path)));
    let errors = File::create(folder.path("driver.err"))?;
    let mut driver = start(&binaries.driver, &arguments, Stdio::piped(), errors.into())?;
    let mut run = beside_driver(&mut driver, binaries, settings, output, signals, &folder, profiler).await;
    driver.kill().await;
    if let (Some(far), Some(settings)) = (far, &settings.far) {
        let FarEnd { report, said } = far.end(&folder, signals.have_come()).await?;
        if report.is_none() {
            complain(format_args!("lab: the far host left no report: {}", harmless(&said)));
        }
        if let Ok(RealRun { merged: Merged::Run { report: near, .. }, .. }) = &mut run {
            near.config.far = Some(Box::new(settings.in_report()));
            near.far = report;
        }
    }
    let said = fs::read_to_string(folder.path("driver.err")).unwrap_or_default();
    match &mut run {
        Err(LaunchError::DriverEnded { said: text, .. }) => *text = said.trim().to_owned(),
        Err(_) => {}
        // After a run without trouble, the report has all that the driver wrote.
        Ok(run) => {
            let trouble = run.exits.driver.is_some_and(|exit| exit.status() != Status::Fine);
            let lines = said.lines().filter(|_| trouble).map(|line| harmless(line) + "\n");
            text(Stream::Err, lines.collect::<String>());
        }
    }
    run
}

/// The part of a run during which the driver runs.
#[expect(clippy::disallowed_methods, reason = "the stream is handed to a child, and nothing is written to it")]
async fn beside_driver(
    driver: &mut Process,
    binaries: &Binaries,
    settings: &RunSettings,
    output: StackOutput,
    signals: &mut Signals,
    folder: &RunFolder,
    profiler: Option<&mut Profiler>,
) -> Result<RealRun, LaunchError> {
    ready(driver, signals).await?;
    let mut arguments = spell(&settings.netstack)?;
    arguments.extend([folder.flag("--socket", "socket"), folder.flag("--json", "run.json")]);
    arguments.extend((output == StackOutput::Stream).then(|| "--json-stream".into()));
    let out = match output {
        StackOutput::Inherit | StackOutput::Stream => Stdio::inherit(),
        StackOutput::StandardError => Stdio::from(io::stderr().as_fd().try_clone_to_owned()?),
        StackOutput::Discard => Stdio::null(),
    };
    let mut stack = start(&binaries.netstack, &arguments, out, Stdio::inherit())?;
    if let Some(profiler) = profiler {
        // The stack is stopped until perf samples it, so that the profile begins with its first packet.
        stack.signal(Signal::STOP);
        profiler.attach(stack.id(), driver.id()).await;
        stack.signal(Signal::CONT);
    }
    let exit = wait_for_stack(&mut stack, signals, folder).await;
    stack.kill().await;
    let stack = exit?;
    let report = folder.report("run.json").map(|run: RunReport| {
        // The command of the stack names files that are gone after the run.
        let origin = Origin { date: run.origin.date.clone(), ..Origin::now() };
        RunReport { origin, ..run }
    });
    // A stack without a report may never have connected to the driver, which would then wait without end.
    let timeout = match (&report, stack.status()) {
        (Some(_), _) => END_TIMEOUT,
        (None, Status::PeerFailed) => UNMET_DRIVER_TIMEOUT,
        (None, _) => Duration::ZERO,
    };
    let driver = wait_for_driver(driver, timeout).await?;
    let driver = if report.is_some() { driver } else { without_a_run(stack, driver)? };
    let exits = Exits { stack, driver, interrupted: signals.have_come() };
    Ok(RealRun { exits, merged: merge(report, folder.report("driver.json")) })
}

/// The exit of the driver to report after a stack that left no report. A process that ends before there is a run sends
/// no farewell, so the other one can only report that its peer failed.
fn without_a_run(stack: ChildExit, driver: Option<ChildExit>) -> Result<Option<ChildExit>, LaunchError> {
    let (interrupted, failed) = (ChildExit::Status(Status::Interrupted), ChildExit::Status(Status::PeerFailed));
    match (stack, driver) {
        (stack, Some(driver)) if (stack, driver) == (failed, interrupted) => Err(LaunchError::Interrupted),
        (_, Some(driver)) if driver == failed => Ok(None),
        (_, driver) => Ok(driver),
    }
}

/// Waits for the end of the stack, and passes the first signal on to it; the stack informs the driver. A stack that
/// does not end then is killed.
async fn wait_for_stack(
    stack: &mut Process,
    signals: &mut Signals,
    folder: &RunFolder,
) -> Result<ChildExit, LaunchError> {
    let mut deadline: Option<Instant> = None;
    loop {
        let late = async {
            match deadline {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            exit = stack.exited() => return Ok(exit?),
            () = signals.next() => {
                stack.signal(Signal::INT);
                deadline = Some(Instant::now() + END_TIMEOUT);
            }
            () = late => {
                // A stack that has written its report only waits for the reader of its text.
                if !folder.path("run.json").exists() {
                    stack.signal(Signal::KILL);
                }
                deadline = Some(Instant::now() + END_TIMEOUT);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_of_either_process_before_the_run_is_an_interrupt() {
        let status = ChildExit::Status;
        let (interrupted, failed) = (status(Status::Interrupted), status(Status::PeerFailed));
        assert!(matches!(without_a_run(failed, Some(interrupted)), Err(LaunchError::Interrupted)));
        for stack in [interrupted, failed, status(Status::Usage), ChildExit::Killed(9)] {
            assert_eq!(without_a_run(stack, Some(failed)).unwrap(), None, "{stack}");
        }
        for (stack, driver) in [
            (failed, None),
            (failed, Some(ChildExit::Killed(9))),
            (status(Status::Usage), Some(interrupted)),
            (interrupted, Some(status(Status::Unbalanced))),
        ] {
            assert_eq!(without_a_run(stack, driver).unwrap(), driver, "{stack} {driver:?}");
        }
    }
}
