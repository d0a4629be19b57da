//! Units as newtypes, with one strict spelling each.
//!
//! `k M G` are 1000, `Ki Mi Gi` are 1024. The unit of a rate is `bit` or `pps`, that of a size `B`, that of a time
//! `ns us ms s`. An ambiguous text is refused, with the right spelling in the message.
//! Values are printed in the shortest exact spelling, which parses to the same value.
//! [`Pairs`] are settings that consist of several values, each under its key.

mod bytes;
mod decimal;
mod error;
mod link;
mod nanos;
mod nearest;
mod pairs;
mod percent;
mod phase;
mod rate;
mod ratio;
mod scale;

pub use bytes::Bytes;
pub use error::{Quantity, UnitError, UnitProblem, parse_accepted, shown};
pub use link::{LinkRate, wire_bits};
pub use nanos::Nanos;
pub use nearest::{did_you_mean, nearest};
pub use pairs::{Pairs, PairsError};
pub use percent::Percent;
pub use phase::Phase;
pub use rate::{BitRate, PacketRate};
pub use ratio::Ratio;
