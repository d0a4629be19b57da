//! Units as newtypes, with one strict spelling each.
//!
//! `k M G` are 1000, `Ki Mi Gi` are 1024. Rates say `bit` or `pps`, sizes say `B`, times say
//! `ns us ms s`. What could be read in two ways is refused, with the right spelling in the message.
//! What is printed is the shortest exact spelling, and reads back as the same value.

mod bytes;
mod decimal;
mod error;
mod link;
mod nanos;
mod percent;
mod rate;
mod ratio;
mod scale;

pub use bytes::Bytes;
pub use error::{Quantity, UnitError, UnitProblem, parse_accepted};
pub use link::{LinkRate, wire_bits};
pub use nanos::Nanos;
pub use percent::Percent;
pub use rate::{BitRate, PacketRate};
pub use ratio::Ratio;
