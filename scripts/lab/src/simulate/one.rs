//! One simulated run.

use std::collections::TryReserveError;
use std::rc::Rc;

use driver::backend::Output;
use driver::session::{Setup, serve};
use driver::settings::{Settings as DriverArgs, SettingsError};
use netstack::app::{AppSpec, Traffic, arrivals_digest};
use netstack::process::Args as StackArgs;
use netstack::session::{Context, Length, Plan, PlanError, assemble, memory_of_a_run, run_stack};
use serde::{Deserialize, Serialize};
use shared::exec::{Clock, Halted, Interrupt, Park, Tasks, Virtual, run};
use shared::process::limits::Ballast;
use shared::report::{ConfigReport, HostReport, RunReport};
use shared::ring::loopback::{LoopbackConsumer, LoopbackProducer, pair};
use shared::ring::{Depth, Descriptor, MAX_FRAME, Producer};
use shared::units::{LinkRate, Nanos};

use super::refuse::{Timeless, check};
use crate::theory::ParameterError;
use crate::theory::applies::{Fit, NoFit, fit};

/// The settings of both processes, and those that only a simulation has.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The stack's settings.
    pub stack: StackArgs,
    /// The driver's settings.
    pub driver: DriverArgs,
    /// The settings that only a simulation has.
    pub only: Only,
}

/// The settings that only a simulation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Only {
    /// CPU time that the stack takes for each packet.
    pub stack_cost: Nanos,
    /// The time after which steady-state counting starts; by default a tenth of the expected length.
    pub warmup: Option<Nanos>,
    /// How late each sleep ends: the time that the machine takes to wake a CPU.
    pub wake_latency: Nanos,
}

/// Why a scenario was not simulated.
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

impl Scenario {
    /// The ring's depth in force: the smaller of the depths that both sides ask for.
    pub fn depth(&self) -> Depth {
        self.stack.common.depth.min(self.driver.common.depth)
    }

    /// A virtual clock in which each sleep ends `wake_latency` late.
    pub fn park(&self) -> Virtual {
        Virtual::waking_late(self.only.wake_latency)
    }

    /// The theory model that fits the scenario.
    ///
    /// # Errors
    /// [`NoFit`] with the first condition that is not met.
    pub fn fit(&self) -> Result<Fit, NoFit> {
        fit(&self.stack, &self.driver, self.only.stack_cost, self.only.wake_latency)
    }

    /// The same scenario with another seed.
    pub fn seeded(&self, seed: u64) -> Self {
        let mut other = self.clone();
        other.stack.common.seed = seed;
        other.driver.common.seed = seed;
        other
    }

    /// Whether anything in it depends on the seed.
    pub fn is_random(&self) -> bool {
        self.stack.stack.sending.apps.iter().any(AppSpec::is_random) || self.driver.driver.hardware.service.is_random()
    }

    fn plan(&self) -> Result<Plan, PlanError> {
        let (settings, seed) = (&self.stack.stack, self.stack.common.seed);
        let plan = Plan::new(settings, Length::of(settings), seed, self.depth(), self.driver.driver.hardware.link)?;
        let warmup = self.only.warmup.unwrap_or_else(|| Nanos(self.expected_length(&plan).0 / 10));
        Ok(Plan { stack_cost: self.only.stack_cost, warmup, ..plan })
    }

    /// Estimates how long the apps take to offer all packets.
    fn expected_length(&self, plan: &Plan) -> Nanos {
        let packets = match plan.length {
            Length::Duration(duration) => return duration,
            Length::Packets(packets) => packets,
        };
        let on_the_link = |app: &AppSpec| match self.driver.driver.hardware.link {
            LinkRate::Limited(rate) => rate.time_for_bits(app.wire_bits()),
            LinkRate::Unlimited => self.driver.driver.hardware.latency,
        };
        // All apps share the link and the CPU; each has its own rate.
        let shared: Nanos = plan.apps.iter().map(|app| on_the_link(app.spec()).max(self.only.stack_cost)).sum();
        let own = plan.apps.iter().map(|app| match (app.period(), app.spec().traffic()) {
            (Some(period), _) => Nanos(period.as_nanos_f64() as u64),
            (None, Traffic::ReqResp { think, .. }) => think + on_the_link(app.spec()),
            (None, _) => Nanos::ZERO,
        });
        let each = own.max().unwrap_or_default().max(shared);
        Nanos(each.0.saturating_mul(packets))
    }

    fn setup(&self) -> Result<Setup<Output>, SimulateError> {
        let settings = &self.driver.driver;
        let hardware = settings.hardware(self.driver.common.seed)?;
        let setup = Setup::new(hardware, self.depth(), settings.dma, Output::Model)?;
        Ok(Setup { verify: settings.verify, ..setup })
    }
}

/// Runs `scenario` in virtual time.
///
/// # Errors
/// [`SimulateError`] if it cannot be simulated.
pub fn simulate(scenario: &Scenario) -> Result<RunReport, SimulateError> {
    simulate_on(scenario, scenario.park())
}

/// Runs `scenario` with the given `park`, which is called each time that no task can proceed.
///
/// # Errors
/// [`SimulateError`] if it cannot be simulated.
pub fn simulate_on(scenario: &Scenario, park: impl Park) -> Result<RunReport, SimulateError> {
    let report = measure(scenario, park)?;
    let plan = scenario.plan()?;
    Ok(RunReport {
        config: ConfigReport {
            netstack: serde_json::to_value(&scenario.stack).unwrap_or_default(),
            driver: serde_json::to_value(&scenario.driver).unwrap_or_default(),
            simulate: serde_json::to_value(scenario.only).ok(),
        },
        host: HostReport::read(),
        arrivals_digest: arrivals_digest(plan.seed, &plan.apps),
        ..report
    })
}

/// Runs `scenario` and returns its figures without the settings, the host and the digest of the arrivals, which takes
/// longer to compute than a short run.
///
/// # Errors
/// [`SimulateError`] if it cannot be simulated.
pub fn measure(scenario: &Scenario, park: impl Park) -> Result<RunReport, SimulateError> {
    check(scenario)?;
    let (plan, setup, depth) = (scenario.plan()?, scenario.setup()?, scenario.depth());
    // In a simulation the memory of the ring belongs to this process too.
    let ring = depth.as_usize() * (MAX_FRAME + size_of::<Descriptor>());
    // Reserve the memory of the run and release it: too little memory is an error here, not an abort in the middle.
    drop(Ballast::new(memory_of_a_run(&scenario.stack.stack, depth) + ring)?);
    let clock = Clock::default();
    let (inner, planned, interrupt) = (clock.clone(), plan.clone(), park.interrupt());
    let ends = pair(depth);
    let outcome = run(&clock, park, move |tasks| both(tasks, inner, ends, setup, planned, depth, interrupt))?;
    let context = Context { clock: "virtual".to_owned(), ..Context::default() };
    Ok(assemble(outcome, &plan, depth, context))
}

async fn both(
    tasks: Tasks,
    clock: Clock,
    (producer, consumer): (LoopbackProducer, LoopbackConsumer),
    setup: Setup<Output>,
    plan: Plan,
    depth: Depth,
    interrupt: Rc<Interrupt>,
) -> netstack::session::Outcome {
    let driver_clock = clock.clone();
    // Only the report of the stack is used; it contains what the driver sent in its farewell.
    tasks.spawn(async move { drop(serve(consumer, driver_clock, setup).await) });
    let ring = Producer::with_wake_point(producer, depth, plan.wake_point, clock.clone());
    run_stack(tasks, clock, ring, plan, interrupt, None).await
}
