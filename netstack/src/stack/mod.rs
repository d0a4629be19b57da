//! The protocol layers, from a socket down to the ring.
//!
//! Each layer is a trait with a native `async fn`, generic over the layer below, so that any layer
//! can be tested against a fake neighbour and a user can put one of their own in between. What a
//! layer does to a packet is a pure function; the trait is how it is called. What it waits for is kept in the
//! packet's [`Place`], so that a send may be begun anew; [`crate::dispatch`] has the ways to call it.
//!
//! | layer | trait | may wait for |
//! | --- | --- | --- |
//! | [`UdpSocket`] | [`Datagrams`] | its send budget |
//! | [`Udp`] | [`Transport`] | |
//! | [`Ip`] | [`Network`] | |
//! | [`Ethernet`] | [`Link`] | the neighbour's address |
//! | [`RingDevice`] | [`Device`] | room in the ring, as its policy has it |
//!
//! Room is asked for last: whoever holds a permit waits for nothing any more.
//!
//! Packets that follow each other, and need not wait, go down together as a [`Burst`]. A layer that knows nothing of
//! bursts gets its packets one by one.

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

/// What a send comes to that may not wait. Every wait in the stack can be given up without a trace,
/// so one poll is a try.
fn now(send: impl Future<Output = Result<(), SendError>>) -> Result<(), SendError> {
    match pin!(send).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(sent) => sent,
        Poll::Pending => Err(SendError::WouldBlock),
    }
}
