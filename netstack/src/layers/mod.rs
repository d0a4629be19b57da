//! The protocol layers: from a socket down to Ethernet, and from a frame up to a socket.
//!
//! What a layer does to a packet on its way down is a pure function (see [`crate::packet::Encapsulate`]); how layers
//! call each other is the contract [`crate::layer`]. [`crate::dispatch`] contains the ways to call them. The way up is
//! [`ingress`]: a pure function too.

mod answer;
mod arp;
mod bounded;
mod checksum;
mod ethernet;
mod icmp;
pub mod ingress;
mod ip;
mod local;
mod ndp;
mod neighbours;
mod routes;
mod socket;
mod udp;

/// The tests' frames: the fuzz target and the tests of the crate write the same ones.
#[cfg(test)]
#[allow(dead_code, reason = "some are for the other tests")]
#[path = "../../fuzz/targets/frames.rs"]
mod frames;

pub use ethernet::{Ethernet, MTU, MacAddr, MacAddrError};
pub use ingress::{Consumed, Consumer, Datagram, Ingress};
pub use ip::{Ip, Via};
pub use local::Local;
pub use neighbours::{Due, Learned, Neighbours};
pub use routes::{Addresses, PathMtus, Route, Router, Routes};
pub use socket::UdpSocket;
pub use udp::{Udp, UdpTo};
