//! The device layer: the only layer that drops packets on the way down, when its policy says so and the ring is full.

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

    /// Sends `packet`, a whole frame. Its bytes are copied before this returns.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the session with the driver has ended.
    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError>;

    /// Sends `packet`, a whole frame, without waiting.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if [`Device::send`] would wait; otherwise the same errors.
    fn try_send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        now(self.send(packet))
    }

    /// Sends frames of `burst` in order until one would have to wait, with the same result as calling
    /// [`Device::try_send`] for each. Returns how many were sent; always 0 if this layer does not support bursts.
    fn try_send_burst(&self, _burst: impl Burst) -> u64 {
        0
    }
}
