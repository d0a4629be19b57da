//! UDP both ways.

mod egress;
pub(super) mod ingress;

pub use egress::{Udp, UdpTo};
