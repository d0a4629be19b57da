//! Apps: their settings, their schedules, and the loops that send.
//!
//! ```text
//! AppSpec  --resolve-->  ResolvedApp  --run_app-->  packets on a socket, counted in a Flow
//! ```
//!
//! Apps are plain futures over a [`Datagrams`](crate::stack::Datagrams) socket. Clock and random generator are passed
//! in, so the same app runs in real and in virtual time.

mod digest;
mod ended;
mod resolve;
mod run;
mod schedule;
mod spec;

pub use digest::arrivals_digest;
pub use ended::Ended;
pub use resolve::{ResolveError, ResolvedApp, check_all, resolve_all};
pub use run::{Horizon, Run, run_app};
pub use schedule::{Period, Phases, Shape};
pub use spec::{AppSpec, Kind, MOST_IN_A_TURN, Pace, Process, SpecError, SpecProblem, Traffic, WhenBlocked};
