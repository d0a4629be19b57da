//! One run in virtual time, in this process.

use std::collections::TryReserveError;
use std::time::Duration;

use driver::backend::{Capture, CaptureError, Output};
use driver::session::{Dma, Setup, SteppedSession, serve};
use driver::settings::SettingsError;
use netstack::app::{AppSpec, Traffic, arrivals_digest};
use netstack::session::{Context, Length, Outcome, Plan, PlanError, StackRun, Watch, assemble, memory_of_a_run};
use shared::exec::{Clock, Halted, Park, Virtual, run};
use shared::limits::Ballast;
use shared::report::{HostReport, Origin, RunReport};
use shared::ring::loopback::pair;
use shared::ring::{Descriptor, MAX_FRAME, Producer};
use shared::units::{LinkRate, Nanos};

use crate::settings::RunSettings;
use crate::theory::ParameterError;

/// Why a run was not simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// Virtual time would never advance.
    #[error(transparent)]
    Timeless(#[from] Timeless),
    /// The stack's settings are invalid together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The driver's settings are invalid together.
    #[error(transparent)]
    Driver(#[from] SettingsError),
    /// The capture file cannot be opened.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The tables of a session do not fit into memory.
    #[error("no memory for the simulation ({0}); use a smaller --depth or --txqueue, or fewer apps")]
    Memory(#[from] TryReserveError),
    /// An invalid level or precision.
    #[error("--level or --precision: {0}")]
    Estimate(#[from] ParameterError),
    /// The seeds of the repetitions would exceed the largest seed.
    #[error(
        "--seed {seed}: up to {runs} runs use the seeds that follow, and the largest is {most}; use a seed of at \
         most {}, or fewer runs", most.saturating_sub(runs - 1)
    )]
    Seeds {
        /// The first seed.
        seed: u64,
        /// The largest possible number of runs.
        runs: u64,
        /// The largest seed.
        most: u64,
    },
    /// A run without a rate, so that there is no mean.
    #[error(
        "there is no rate of which to take the mean: a closed loop delivered less than two packets; raise --packets or \
         --duration"
    )]
    NoRate,
    /// Virtual time reached its end, or all tasks wait for each other.
    #[error(transparent)]
    Halted(#[from] Halted),
}

/// Settings with which packets would take no time, so that virtual time would never advance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Timeless {
    /// The hardware takes no time.
    #[error(
        "--link unlimited without --latency: a packet would take no time at all, and virtual time would stand \
         still; set --latency 10us, or --stack-cost 1us for what the stack's own work takes"
    )]
    Hardware,
    /// An app that is never blocked.
    #[error(
        "--app {app} under --policy {policy}: it is never blocked, so it would offer packets without end in no \
         time; set --stack-cost 1us for what each packet costs the stack, or use an app with a rate"
    )]
    App {
        /// The app's settings.
        app: String,
        /// The policy's.
        policy: String,
    },
    /// A request loop that takes no time.
    #[error("--app {app}: a packet that the driver refuses comes back in no time; set think above zero")]
    Think {
        /// The app's settings.
        app: String,
    },
    /// `sync` cannot wait for the CPU.
    #[error(
        "--stack-cost {0} with --dispatch sync: sync cannot wait, not even for the stack's CPU, so every packet \
         would be refused; use another --dispatch, or --stack-cost 0s"
    )]
    Sync(Nanos),
    /// `when-blocked=skip` cannot wait for the CPU.
    #[error(
        "--stack-cost {cost} with --app {app}: when-blocked=skip sends at once or not at all, and cannot wait for \
         the stack's CPU; use when-blocked=wait, or --stack-cost 0s"
    )]
    Skip {
        /// The CPU cost of a packet.
        cost: Nanos,
        /// The app's settings.
        app: String,
    },
}

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
    Ok(RunReport { config: settings.in_report(), origin: Origin::of_program(), arrivals_digest, ..report })
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
    check(settings)?;
    let (setup, depth) = (setup(settings)?, settings.depth());
    // The session begins at time zero, as the run does.
    let plan = Plan { stalls: setup.hardware.stalls(Nanos::ZERO), ..plan(settings)? };
    // In a simulation the memory of the ring belongs to this process too.
    let ring = depth.as_usize() * (MAX_FRAME + size_of::<Descriptor>());
    // Reserve the memory of the run and release it: too little memory is an error here, not an abort in the middle.
    drop(Ballast::new(memory_of_a_run(settings.stack(), depth) + ring)?);
    let clock = Clock::default();
    let outcome = run_on(&clock, park, plan.clone(), setup, (settings.simulation.wake_latency, watch))?;
    let context = Context { clock: "virtual".to_owned(), ..Context::default() };
    Ok(assemble(outcome, &plan, depth, context))
}

fn plan(settings: &RunSettings) -> Result<Plan, PlanError> {
    let (stack, simulation) = (settings.stack(), settings.simulation);
    let plan = Plan::new(stack, Length::of(stack), settings.seed(), settings.depth(), settings.hardware().link)?;
    let warmup = simulation.warmup.unwrap_or_else(|| Nanos(expected_length(settings, &plan).0 / 10));
    Ok(Plan { stack_cost: simulation.stack_cost, warmup, ..plan })
}

/// Estimates how long the apps take to offer all packets.
fn expected_length(settings: &RunSettings, plan: &Plan) -> Nanos {
    let packets = match plan.length {
        Length::Duration(duration) => return duration,
        Length::Packets(packets) => packets,
    };
    let hardware = settings.hardware();
    let on_the_link = |app: &AppSpec| match hardware.link {
        LinkRate::Limited(rate) => {
            let (bits, weight) = app.wire_bits();
            rate.time_for_bits(u64::try_from(bits / weight).unwrap_or(u64::MAX))
        }
        LinkRate::Unlimited => hardware.latency,
    };
    // All apps share the link and the CPU; each has its own rate.
    let cost = settings.simulation.stack_cost;
    let shared: Nanos = plan.apps.iter().map(|app| on_the_link(app.spec()).max(cost)).sum();
    let own = plan.apps.iter().map(|app| match (app.period(), app.spec().traffic()) {
        (Some(period), _) => Nanos(period.as_nanos_f64() as u64),
        (None, Traffic::ReqResp { think, .. }) => think + on_the_link(app.spec()),
        (None, _) => app.spec().trace().map_or(Nanos::ZERO, |trace| Nanos(trace.span().0 / trace.count())),
    });
    let each = own.max().unwrap_or_default().max(shared);
    Nanos(each.0.saturating_mul(packets))
}

/// Checks that the settings are valid together, without a run.
///
/// # Errors
/// [`SimulateError`], whose text names what to change.
pub(crate) fn check_settings(settings: &RunSettings, virtual_time: bool) -> Result<(), SimulateError> {
    if virtual_time {
        check(settings)?;
    }
    plan(settings)?;
    settings.driver.driver.hardware(settings.driver.common.seed)?;
    Ok(())
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

/// A park beside the driver: its session is stepped whenever no task can proceed.
struct BesideDriver<P> {
    park: P,
    /// `None` if the session is a task.
    driver: Option<SteppedSession<Output>>,
}

impl<P: Park> Park for BesideDriver<P> {
    fn now(&mut self) -> Nanos {
        self.park.now()
    }

    #[inline]
    fn step(&mut self) -> bool {
        self.driver.as_mut().is_some_and(|driver| driver.step(self.park.now()))
    }

    fn exchange(&mut self) -> bool {
        self.park.exchange()
    }

    /// At the completion that the stack needs, if that is earlier than its next timer.
    #[inline]
    fn next_turn(&mut self, timer: Option<Nanos>) -> Option<Nanos> {
        match (&self.driver, timer) {
            (Some(driver), Some(timer)) => Some(driver.needed_by(timer).unwrap_or(timer)),
            (Some(driver), None) => driver.next_completion(),
            (None, timer) => timer,
        }
    }

    fn park(&mut self, deadline: Option<Nanos>) -> bool {
        self.park.park(deadline)
    }
}

/// Checks that a run with `settings` can be simulated.
///
/// # Errors
/// [`Timeless`], whose text names what to change.
fn check(settings: &RunSettings) -> Result<(), Timeless> {
    let (stack, hardware, cost) = (settings.stack(), settings.hardware(), settings.simulation.stack_cost);
    let free = cost == Nanos::ZERO;
    if free && hardware.link == LinkRate::Unlimited && hardware.latency == Nanos::ZERO {
        return Err(Timeless::Hardware);
    }
    if !free && !stack.sending.dispatch.waits() {
        return Err(Timeless::Sync(cost));
    }
    for spec in settings.apps() {
        let app = || spec.to_string();
        match spec.traffic() {
            Traffic::Bulk { .. } if free && stack.policy.never_waits() => {
                return Err(Timeless::App { app: app(), policy: stack.policy.to_string() });
            }
            Traffic::ReqResp { think: Nanos::ZERO, .. } if free && stack.policy.never_waits() => {
                return Err(Timeless::Think { app: app() });
            }
            _ if spec.skips() && !free => {
                return Err(Timeless::Skip { cost, app: app() });
            }
            _ => {}
        }
    }
    Ok(())
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
                let settings = RunSettings { netstack, driver, simulation: Default::default() };
                let [stepped, task] = [Nanos::ZERO, Nanos(1)].map(|latency| report(&settings, latency));
                assert_eq!(stepped, task, "{stack}");
            }
        }
    }
}
