//! The parts of the lab that start no process: queueing theory, and a simulation of the whole system in virtual
//! time.
#![forbid(unsafe_code)]

pub mod simulate;
pub mod theory;
