//! What a run in virtual time is made of: its plan and its memory, and why a run cannot be simulated.

use std::collections::TryReserveError;

use driver::backend::CaptureError;
use driver::settings::SettingsError;
use netstack::app::{AppSpec, Traffic};
use netstack::session::{Length, Plan, PlanError, memory_of_a_run};
use shared::exec::Halted;
use shared::limits::Ballast;
use shared::ring::{Descriptor, MAX_FRAME};
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

/// The name of the clock in reports.
pub(super) const VIRTUAL: &str = "virtual";

/// Reserves the memory of a run whose rings have `slots` slots, and releases it: too little memory is an error here, not an
/// abort in the middle.
pub(super) fn reserve_memory(settings: &RunSettings, slots: usize) -> Result<(), TryReserveError> {
    // In a simulation the memory of the rings belongs to this process too.
    let rings = slots * (MAX_FRAME + size_of::<Descriptor>());
    Ballast::new(memory_of_a_run(settings.stack(), settings.depth()) + rings).map(drop)
}

pub(super) fn plan(settings: &RunSettings) -> Result<Plan, PlanError> {
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
    plan(settings)?.with_way_up(settings.far.is_some())?;
    settings.driver.driver.hardware(settings.driver.common.seed)?;
    Ok(())
}

/// Checks that a run with `settings` can be simulated.
///
/// # Errors
/// [`Timeless`], whose text names what to change.
pub(super) fn check(settings: &RunSettings) -> Result<(), Timeless> {
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
