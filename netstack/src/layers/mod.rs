//! The protocol layers, from a socket down to Ethernet.
//!
//! What a layer does to a packet is a pure function (see [`crate::packet::Encapsulate`]); how layers call each other is
//! the contract [`crate::layer`]. [`crate::dispatch`] contains the ways to call them.

mod ethernet;
mod ip;
mod neighbours;
mod routes;
mod socket;
mod udp;

pub use ethernet::{Ethernet, MTU};
pub use ip::{Ip, Via};
pub use neighbours::{MacAddr, MacAddrError, Neighbours};
pub use routes::{Addresses, Route, Router, Routes};
pub use socket::UdpSocket;
pub use udp::{Udp, UdpTo};
