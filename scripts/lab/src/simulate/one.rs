//! One simulated run.

use std::rc::Rc;

use driver::backend::Output;
use driver::session::{Setup, serve};
use driver::settings::{Settings as DriverArgs, SettingsError};
use netstack::app::arrivals_digest;
use netstack::process::Args as StackArgs;
use netstack::session::{Context, Length, Plan, PlanError, assemble, run_stack};
use shared::exec::{Clock, Interrupt, Park, Stalled, Tasks, Virtual, run};
use shared::report::{ConfigReport, HostReport, RunReport};
use shared::ring::memory::{MemoryConsumer, MemoryProducer, pair};
use shared::ring::{Depth, Producer};
use shared::units::Nanos;

use super::refuse::{Timeless, check};

/// What is simulated: the settings of both processes, and what only a simulation has.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The stack's settings.
    pub stack: StackArgs,
    /// The driver's.
    pub driver: DriverArgs,
    /// How long the stack's CPU takes for each packet.
    pub stack_cost: Nanos,
}

/// Why there is no simulated run.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// Virtual time would stand still.
    #[error(transparent)]
    Timeless(#[from] Timeless),
    /// The stack's settings make no run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The driver's settings make no hardware.
    #[error(transparent)]
    Driver(#[from] SettingsError),
    /// A fault of the program.
    #[error(transparent)]
    Stalled(#[from] Stalled),
}

impl Scenario {
    /// The ring's depth in force: the smaller of what both ask for.
    pub fn depth(&self) -> Depth {
        self.stack.common.depth.min(self.driver.common.depth)
    }

    fn plan(&self) -> Result<Plan, PlanError> {
        let (settings, seed) = (&self.stack.stack, self.stack.common.seed);
        let plan = Plan::new(settings, Length::of(settings)?, seed, self.driver.driver.link)?;
        Ok(Plan { stack_cost: self.stack_cost, ..plan })
    }

    fn setup(&self) -> Result<Setup<Output>, SettingsError> {
        let settings = &self.driver.driver;
        Ok(Setup {
            generation: 1,
            depth: self.depth(),
            hardware: settings.hardware(self.driver.common.seed)?,
            dma: settings.dma,
            verify: settings.verify,
            backend: Output::Model,
            interrupt: Rc::new(Interrupt::never()),
            usage: Box::new(Default::default),
        })
    }
}

/// Runs `scenario` in virtual time.
///
/// # Errors
/// [`SimulateError`] if it cannot be simulated.
pub fn simulate(scenario: &Scenario) -> Result<RunReport, SimulateError> {
    simulate_on(scenario, Virtual::default())
}

/// Runs `scenario` on a park of one's own, which sees every moment at which nothing can move.
///
/// # Errors
/// [`SimulateError`] if it cannot be simulated.
pub fn simulate_on(scenario: &Scenario, park: impl Park) -> Result<RunReport, SimulateError> {
    check(scenario)?;
    let (plan, setup, depth) = (scenario.plan()?, scenario.setup()?, scenario.depth());
    let clock = Clock::default();
    let (inner, planned) = (clock.clone(), plan.clone());
    let ends = pair(depth);
    let outcome = run(&clock, park, move |tasks| both(tasks, inner, ends, setup, planned, depth))?;
    let context = Context {
        config: ConfigReport {
            netstack: serde_json::to_value(&scenario.stack).unwrap_or_default(),
            driver: serde_json::to_value(&scenario.driver).unwrap_or_default(),
        },
        clock: "virtual".to_owned(),
        host: HostReport::read(),
        arrivals_digest: arrivals_digest(plan.seed, &plan.apps),
        ..Context::default()
    };
    Ok(assemble(outcome, &plan, depth, context))
}

async fn both(
    tasks: Tasks,
    clock: Clock,
    (producer, consumer): (MemoryProducer, MemoryConsumer),
    setup: Setup<Output>,
    plan: Plan,
    depth: Depth,
) -> netstack::session::Outcome {
    let driver_clock = clock.clone();
    tasks.spawn(async move { drop(serve(consumer, driver_clock, setup).await) });
    let ring = Producer::new(producer, depth, clock.clone());
    run_stack(tasks, clock, ring, plan, Rc::new(Interrupt::never()), |_| {}).await
}
