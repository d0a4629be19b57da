//! Queueing theory: the figures that a run should measure.
//!
//! Pure functions without clock, randomness or I/O. Runs in virtual time are checked against them, so a fault in the
//! stack, in the hardware model or in a meter shows as a figure that differs from the prediction.
//!
//! Units, unless a name ends in `_ns`: times are in mean service times, rates in packets
//! per mean service time (so the server's own rate is 1). `load` is the rho of the textbooks: the arrival
//! rate over the service rate. `places` is their K: how many packets may be present, including the one in
//! service. In this project that is the depth of the ring.
//!
//! As in the textbooks, a packet is *offered* to the server here, and *accepted* if it finds a place. A report counts
//! from the app on: under the dropping policies its `accepted` is what is called offered here, so its
//! `totals.loss_ratio` (dropped / accepted) is the loss ratio of these models.
//!
//! | module | model | what it predicts |
//! | --- | --- | --- |
//! | [`dd1k`] | D/D/1/K | constant rate, fixed service: exact counts |
//! | [`mm1k`] | M/M/1/K | Poisson arrivals, exponential service |
//! | [`md1k`] | M/D/1/K | Poisson arrivals, fixed service |
//! | [`erlang_b`] | M/G/K/K | a fixed latency with K places, and no other limit |
//! | [`finite_source`] | M/M/1//N | closed loop: N applications that wait for the response, then think |
//! | [`unbounded`] | M/M/1, M/D/1 | the limit of very deep rings |
//! | [`token_bucket`] | network calculus | a depth that never drops, and the worst delay: bounds, not means |
//! | [`lindley`] | any | the exact outcome of one given sequence of packets, to the nanosecond |
//! | [`little`] | any | the identity that every meter must satisfy exactly |
//! | [`estimate`] | | means of replications, with intervals |
//! | [`applies`] | | which model fits a run, from its settings |
//! | [`agreement`] | | whether a measurement supports a prediction |

pub mod agreement;
pub mod applies;
pub mod dd1k;
pub mod erlang_b;
mod error;
pub mod estimate;
pub mod finite_source;
pub(crate) mod judge;
pub mod lindley;
pub mod little;
pub mod md1k;
mod mg1k;
pub mod mm1k;
mod model;
mod pace;
mod prediction;
pub mod token_bucket;
pub mod unbounded;

#[cfg(test)]
pub(crate) mod testing;

pub use error::{MAX_PLACES, ParameterError};
pub use judge::theory_of;
pub use model::Model;
pub use pace::Pace;
pub use prediction::Prediction;
