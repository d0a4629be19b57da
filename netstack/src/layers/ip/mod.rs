//! IP both ways, v4 and v6. Packets are never fragmented, and fragments are not put together.

mod egress;
pub(super) mod ingress;

pub use egress::{Ip, Via};
