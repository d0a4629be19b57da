//! One run in virtual time, in this process.

use std::time::Duration;

use driver::backend::{Capture, Output};
use driver::session::{Dma, Setup, SteppedSession, serve};
use netstack::app::arrivals_digest;
use netstack::session::{Context, Outcome, Plan, StackRun, Watch, assemble};
use shared::exec::{Clock, Halted, Park, Virtual, run};
use shared::report::{HostReport, Origin, RunReport};
use shared::ring::Producer;
use shared::ring::loopback::pair;
use shared::units::Nanos;

use super::beside::BesideDriver;
use super::two_hosts;
use super::virtual_plan::{SimulateError, VIRTUAL, check, plan, reserve_memory};
use crate::settings::RunSettings;

/// Runs `settings` in virtual time.
///
/// # Errors
/// [`SimulateError`] if they cannot be simulated.
pub fn simulate(settings: &RunSettings) -> Result<RunReport, SimulateError> {
    simulate_on(settings, clock(settings))
}

/// The virtual clock of a run with `settings`, in which each sleep ends late by their wake latency.
pub fn clock(settings: &RunSettings) -> Virtual {
    Virtual::waking_late(settings.simulation.wake_latency)
}

/// Runs `settings` with the given `park`, which is called each time that no task can proceed.
///
/// # Errors
/// [`SimulateError`] if they cannot be simulated.
pub fn simulate_on(settings: &RunSettings, park: impl Park) -> Result<RunReport, SimulateError> {
    simulate_watched(settings, park, None)
}

/// The same; `watch` is called with each interval, in order.
///
/// # Errors
/// [`SimulateError`] if they cannot be simulated.
pub fn simulate_watched(
    settings: &RunSettings,
    park: impl Park,
    watch: Option<Watch>,
) -> Result<RunReport, SimulateError> {
    Ok(RunReport { host: Some(HostReport::read()), ..described(settings, figures(settings, park, watch)?)? })
}

/// The same without the host, the date and the command line: the report follows from the settings and the version of the program alone.
///
/// # Errors
/// [`SimulateError`] if they cannot be simulated.
pub fn simulate_anywhere(settings: &RunSettings, park: impl Park) -> Result<RunReport, SimulateError> {
    described(settings, simulate_figures(settings, park)?)
}

/// `report` with the settings, the program and the digest of the arrivals.
fn described(settings: &RunSettings, report: RunReport) -> Result<RunReport, SimulateError> {
    let plan = plan(settings)?;
    let arrivals_digest = arrivals_digest(plan.seed, &plan.apps);
    let far = match (&settings.far, report.far) {
        (Some(settings), Some(far)) => Some(Box::new(described(settings, *far)?)),
        _ => None,
    };
    Ok(RunReport { config: settings.in_report(), origin: Origin::of_program(), arrivals_digest, far, ..report })
}

/// Runs `settings` and returns the figures without the settings, the host and the digest of the arrivals, which takes
/// longer to compute than a short run.
///
/// # Errors
/// [`SimulateError`] if they cannot be simulated.
pub fn simulate_figures(settings: &RunSettings, park: impl Park) -> Result<RunReport, SimulateError> {
    figures(settings, park, None)
}

fn figures(settings: &RunSettings, park: impl Park, watch: Option<Watch>) -> Result<RunReport, SimulateError> {
    if let Some(far) = &settings.far {
        let [near, far] = two_hosts::figures(settings, far, park, watch)?;
        return Ok(RunReport { far: Some(Box::new(far)), ..near });
    }
    check(settings)?;
    let (setup, depth) = (setup(settings)?, settings.depth());
    // The session begins at time zero, as the run does.
    let plan = Plan { stalls: setup.hardware.stalls(Nanos::ZERO), ..plan(settings)?.with_way_up(false)? };
    reserve_memory(settings, depth.as_usize())?;
    let clock = Clock::default();
    let outcome = run_on(&clock, park, plan.clone(), setup, (settings.simulation.wake_latency, watch))?;
    let context = Context { clock: VIRTUAL.to_owned(), ..Context::default() };
    Ok(assemble(outcome, &plan, depth, context))
}

fn setup(settings: &RunSettings) -> Result<Setup<Output>, SimulateError> {
    let driver = &settings.driver.driver;
    let hardware = settings.driver.hardware()?;
    let output = match &settings.driver.capture.pcap {
        // The virtual clock begins at 0, and so do the times in the capture.
        Some(path) => Output::Capture(Box::new(Capture::create(path, Duration::ZERO)?)),
        None => Output::Model,
    };
    // Without a capture the bytes go nowhere: only a check reads them.
    let reads_bytes = driver.verify || matches!(output, Output::Capture(_));
    let dma = if reads_bytes { driver.dma } else { Dma::None };
    let setup = Setup::new(hardware, settings.depth(), dma, output)?;
    Ok(Setup { verify: driver.verify, ..setup })
}

/// Runs a stack and a driver as `plan` and `setup` say.
///
/// If sleeps end late, each completion is a sleep of the driver that ends late: its session is a task with a timer, as
/// the apps are. If they end on time, the driver is stepped beside the tasks, which takes half as long and yields the
/// same report.
fn run_on(
    clock: &Clock,
    park: impl Park,
    plan: Plan,
    setup: Setup<Output>,
    (wake_latency, watch): (Nanos, Option<Watch>),
) -> Result<Outcome, Halted> {
    let depth = setup.depth;
    let (producer, consumer) = pair(depth);
    let ring = Producer::with_wake_point(producer, depth, plan.wake_point, clock.clone());
    let stack = StackRun::new(ring, plan).interrupted_by(park.interrupt()).watched_by(watch);
    let time = clock.clone();
    let (stepped, late) = match wake_latency {
        Nanos::ZERO => (Some(SteppedSession::new(consumer, clock.clone(), setup)), None),
        _ => (None, Some(serve(consumer, clock.clone(), setup))),
    };
    run(clock, BesideDriver { park, driver: stepped }, move |tasks| {
        if let Some(session) = late {
            // Only the report of the stack is used; it contains what the driver sent in its farewell.
            tasks.spawn(async move { drop(session.await) });
        }
        stack.run(tasks, time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches};

    fn parse<S: CommandFactory + FromArgMatches>(flags: &str) -> S {
        let matches = S::command().no_binary_name(true).try_get_matches_from(flags.split_whitespace()).unwrap();
        S::from_arg_matches(&matches).unwrap()
    }

    fn report(settings: &RunSettings, wake_latency: Nanos) -> RunReport {
        let (clock, plan) = (Clock::default(), plan(settings).unwrap());
        let outcome = run_on(&clock, Virtual::default(), plan.clone(), setup(settings).unwrap(), (wake_latency, None));
        let outcome = outcome.unwrap();
        assemble(outcome, &plan, settings.depth(), Context::default())
    }

    #[test]
    fn a_driver_that_is_stepped_gives_the_same_report_as_one_that_is_a_task_with_timers() {
        let apps = [
            "--app poisson:load=0.7,size=300B --app reqresp:think=30us --app bulk:budget=3000B,size=700B",
            "--app onoff:load=2,on=300us,off=300us --app cbr:load=0.5,size=100B,when-blocked=skip",
            "--app poisson:load=1.2 --app poisson:load=0.1,budget=2kB,size=22B",
        ];
        let drivers = [
            "--hw-queue 3 --coalesce frames=4,for=70us --latency 20us",
            "--hw-queue 64 --stall every=700us,for=90us --service exponential --verify",
        ];
        for policy in ["wait --wake half", "wait --wake each", "drop-newest", "drop-oldest", "deadline=60us"] {
            for (apps, driver) in apps.iter().flat_map(|apps| drivers.iter().map(move |driver| (apps, driver))) {
                let stack = format!("--depth 8 --txqueue 5 --packets 300 --interval 1ms --policy {policy} {apps}");
                let driver = format!("--link 100Mbit --depth 8 {driver}");
                let (netstack, driver) = (parse(&stack), parse(&driver));
                let settings = RunSettings { netstack, driver, simulation: Default::default(), far: None };
                let [stepped, task] = [Nanos::ZERO, Nanos(1)].map(|latency| report(&settings, latency));
                assert_eq!(stepped, task, "{stack}");
            }
        }
    }
}
