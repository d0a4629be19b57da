//! Units as newtypes, with one strict spelling each.
//!
//! `k M G` are 1000, `Ki Mi Gi` are 1024. Rates say `bit` or `pps`, sizes say `B`, times say
//! `ns us ms s`. What could be read in two ways is refused, with the right spelling in the message.

mod nanos;

pub use nanos::Nanos;
