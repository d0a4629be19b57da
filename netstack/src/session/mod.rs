//! The session with the driver: greeting, run, farewell, report.

mod connect;
mod outcome;
mod plan;
mod report;
mod run;
mod sampler;

pub use connect::{ConnectError, Greeted, connect};
pub use outcome::Outcome;
pub use plan::{Plan, PlanError};
pub use report::assemble;
pub use run::{Stop, run_stack};
