//! The protocol layers, from a socket down to the ring.
//!
//! Each layer is a trait with a native `async fn`, generic over the layer below, so any layer can be tested against a
//! fake neighbour and a user can insert a layer of their own. What a layer does to a packet is a pure function; the
//! trait is how it is called. The waits of a pending send are kept in the packet's [`Place`], so its future may be
//! dropped and created again between polls without losing a position in a wait queue. [`crate::dispatch`] contains the
//! ways to call the layers.
//!
//! | layer | trait | may wait for |
//! | --- | --- | --- |
//! | [`UdpSocket`] | [`Datagrams`] | its send budget |
//! | [`Udp`] | [`Transport`] | |
//! | [`Ip`] | [`Network`] | |
//! | [`Ethernet`] | [`Link`] | the neighbour's address |
//! | [`RingDevice`] | [`Device`] | room in the ring, depending on its policy |
//!
//! A send reserves room last. While it holds a permit it waits for nothing, so a permit is never held up by a wait
//! for a budget or a neighbour (at depth 1 that would deadlock).
//!
//! Consecutive packets that need not wait descend together as a [`Burst`]. A layer that does not implement
//! `try_send_burst` receives its packets one by one.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

mod burst;
mod checksum;
mod cost;
pub mod device;
mod error;
mod ethernet;
mod ip;
mod neighbour;
mod packet;
mod place;
mod route;
mod socket;
mod udp;

pub use burst::{Burst, Encapsulate, Through};
pub use cost::Costly;
pub use device::{Device, Policy, RingDevice};
pub use error::SendError;
pub use ethernet::{Ethernet, Link};
pub use ip::{Ip, Network};
pub use neighbour::{MacAddr, MacAddrError, Neighbours};
pub use packet::{Packet, Stamp};
pub use place::Place;
pub use route::{Addresses, Route, Routes};
pub use socket::{Datagrams, Tries, UdpSocket};
pub use udp::{Transport, Udp};

/// Polls `send` once and returns [`SendError::WouldBlock`] if it is pending. Dropping a pending send cancels its waits
/// and returns its credits and budget, so a single poll is a complete non-blocking attempt.
fn now(send: impl Future<Output = Result<(), SendError>>) -> Result<(), SendError> {
    // No waker is needed, because `send` is dropped here in either case.
    match pin!(send).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(sent) => sent,
        Poll::Pending => Err(SendError::WouldBlock),
    }
}
