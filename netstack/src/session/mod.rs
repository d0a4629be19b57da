//! The session with the driver: plan, greeting, run, farewell, report.

mod apps;
mod claims;
mod connect;
mod extension;
mod farewell;
mod outcome;
mod plan;
mod report;
mod run;
mod sampler;

pub use apps::{Apps, JoinError, Joined, Socket};
pub use connect::{ConnectError, Greeted, Request, Terms, connect};
pub use extension::Extension;
pub use outcome::{OccupancyFigures, Outcome, Snapshot};
pub use plan::{Length, Plan, PlanError, memory_of_a_run};
pub use report::{Context, Grant, assemble};
pub use run::StackRun;
pub use sampler::Watch;
