//! The whole system in virtual time, in one process: the same apps, layers, ring, driver session and
//! hardware model as in a run of two processes, exact to the nanosecond and deterministic to the bit.

mod one;
mod refuse;

pub use one::{Scenario, SimulateError, simulate, simulate_on};
pub use refuse::Timeless;
