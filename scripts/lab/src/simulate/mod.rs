//! Simulates the whole system in virtual time, in one process: the same apps, layers, ring, driver session and hardware
//! model as in a run of two processes, exact to the nanosecond and with the same result each time.

mod judge;
mod one;
mod refuse;
mod replicate;

pub use judge::theory_of;
pub use one::{Only, Scenario, SimulateError, measure, simulate, simulate_on};
pub use refuse::Timeless;
pub use replicate::{DEFAULT_PRECISION, Repeat, Replicated, replicate, replicate_while};
