//! Apps: their settings, their schedules, and the loops that send.
//!
//! ```text
//! AppSpec  --resolve-->  ResolvedApp  --run_app-->  packets on a socket, counted in an Account
//! ```
//!
//! Apps are plain futures over a socket, an [`Egress`](crate::layer::Egress) to socket addresses. Clock and random
//! generator are passed in, so the same app runs in real and in virtual time.

mod cancel;
mod digest;
mod header;
mod resolve;
mod run;
mod schedule;
mod sizes;
mod spans;
mod spec;
mod trace;

pub use cancel::CancelToken;
pub use digest::arrivals_digest;
pub use header::PayloadHeader;
pub use resolve::{ResolveError, ResolvedApp, check_all, resolve_all, source_port};
pub use run::{AppContext, Horizon, Receives, run_app};
pub use schedule::{Period, Phases};
pub use sizes::Sizes;
pub use spans::Shape;
pub use spec::{
    AppSpec, Key, Kind, Listen, MOST_IN_A_TURN, Pace, Process, SpecError, SpecProblem, Traffic, Via, WhenBlocked,
};
pub use trace::{Trace, TraceError, TraceProblem};
