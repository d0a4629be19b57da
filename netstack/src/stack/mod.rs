//! The protocol layers, from a socket down to the ring.
//!
//! Each layer is a trait with a native `async fn`, generic over the layer below. What a layer does
//! to a packet is a pure function; the trait is how it is called.

mod error;
mod packet;

pub use error::SendError;
pub use packet::{HEADROOM, Packet, Stamp};

use std::net::SocketAddr;

/// What an app sends on: a socket of the stack, or a layer that somebody put on top of one.
pub trait Datagrams {
    /// Sends one datagram, and waits as long as a layer below has to wait. Dropping the future
    /// gives the attempt up; the packet was then never accepted.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent at all; the payload is still the caller's.
    fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> impl Future<Output = Result<(), SendError>>;

    /// Sends one datagram now, or not at all.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] where [`Datagrams::send`] would wait, and all of its errors.
    fn try_send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError>;
}
