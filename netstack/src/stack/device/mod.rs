//! The device layer: the only place of the stack that may drop for want of room.

mod pending;
mod policy;
mod queue;
mod ring;
mod room;
mod under_way;

pub use policy::{Policy, PolicyError};
pub use ring::RingDevice;
pub(super) use room::Room;

use super::{Burst, Packet, SendError, now};

/// A device: what Ethernet sits on.
#[allow(async_fn_in_trait, reason = "one thread: no future has to be Send")]
pub trait Device {
    /// The largest frame, in bytes, without frame check sequence.
    fn max_frame(&self) -> usize;

    /// Takes a whole frame. It is copied before this returns.
    ///
    /// # Errors
    /// [`SendError::Closed`] if there is no driver any more.
    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError>;

    /// Takes a whole frame now, or not at all.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] where [`Device::send`] would wait, and all of its errors.
    fn try_send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        now(self.send(packet))
    }

    /// Takes frames of `burst` that need not wait, as [`Device::try_send`] would one after the other. Returns how
    /// many: none if this layer has them one by one only.
    fn try_send_burst(&self, _burst: impl Burst) -> u64 {
        0
    }
}
