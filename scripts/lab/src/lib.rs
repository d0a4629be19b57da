//! What the lab knows without starting a process: queueing theory, and the whole system in virtual
//! time.
#![forbid(unsafe_code)]

pub mod simulate;
pub mod theory;
