//! The whole system in virtual time: the properties of every run.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod arrivals;
mod backpressure;
mod conservation;
mod determinism;
mod dispatch;
mod invariants;
mod many_apps;
mod ratios;
mod series;
#[path = "../common/setup.rs"]
mod setup;
mod sweep;
mod two_hosts;
