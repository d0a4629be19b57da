//! `static`: generics at each level, so the compiler can inline all layers into one function.

use std::convert::identity;

use super::{Parts, Start, start};
use crate::stack::{Device, Ip, Udp};

/// The layers on `device`.
pub(super) fn stack(device: impl Device + 'static, parts: Parts) -> Start {
    start(Udp::new(Ip::new(parts.ethernet(device), parts.routes)), identity)
}
