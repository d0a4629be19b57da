//! The whole system in virtual time: what must hold in every run.

mod conservation;
mod determinism;
mod invariants;
#[path = "../common/setup.rs"]
mod setup;
mod sweep;
