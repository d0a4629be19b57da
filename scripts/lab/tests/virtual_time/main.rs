//! The whole system in virtual time: what must hold in every run.

mod conservation;
mod determinism;
mod invariants;
mod setup;
mod sweep;
