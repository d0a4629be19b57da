//! The session with the driver: plan, greeting, run, farewell, report.

mod apps;
mod claims;
mod connect;
mod extension;
mod farewell;
mod outcome;
mod pairing;
mod plan;
mod report;
mod run;
mod sampler;
mod up_report;
mod way_up;

pub use apps::{Apps, JoinError, Joined, Socket};
pub use connect::{ConnectError, Greeted, Memory, Request, Terms, connect};
pub use extension::Extension;
pub use outcome::{OccupancyFigures, Outcome, Snapshot};
pub use pairing::Pairing;
pub use plan::{Length, Plan, PlanError, memory_of_a_run};
pub use report::{Context, Grant, assemble};
pub use run::StackRun;
pub use sampler::Watch;
pub use way_up::UpOutcome;
