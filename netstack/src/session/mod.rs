//! The session with the driver: plan, greeting, run, farewell, report.

mod claims;
mod connect;
mod outcome;
mod plan;
mod report;
mod run;
mod sampler;

pub use connect::{ConnectError, Greeted, Request, Terms, connect};
pub use outcome::{OccupancyFigures, Outcome, Snapshot};
pub use plan::{Length, Plan, PlanError, memory_of_a_run};
pub use report::{Context, Grant, assemble};
pub use run::run_stack;
pub use sampler::Watch;
