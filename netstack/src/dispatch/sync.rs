//! `sync`: no futures. A send that would have to wait is refused. This is the baseline for the other ways.

use std::net::SocketAddr;

use super::{Parts, Start, start};
use crate::stack::{Burst, Datagrams, Device, Ip, SendError, Stamp, Tries, Udp};

/// The layers on `device`.
pub(super) fn stack(device: impl Device + 'static, parts: Parts) -> Start {
    start(Udp::new(Ip::new(parts.ethernet(device), parts.routes)), Refusing)
}

/// A socket whose `send` refuses instead of waiting.
struct Refusing<D>(D);

impl<D: Datagrams> Datagrams for Refusing<D> {
    const TRIES: Tries = Tries::Always;

    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        self.try_send(payload, to, stamp)
    }

    #[inline(always)]
    fn try_send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        self.0.try_send(payload, to, stamp)
    }

    #[inline(always)]
    fn try_send_burst(&self, burst: impl Burst, to: SocketAddr) -> u64 {
        self.0.try_send_burst(burst, to)
    }
}
