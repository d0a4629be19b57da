//! `inline`: a trait object at each level, and a future for each send in space that the caller provides.
//!
//! The object reports the size of its future, and constructs it in the caller's space; nothing is allocated. The future
//! of a level contains the space for the level below, so the space grows from level to level.

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use dynify::{Dynify, dynify};
use etherparse::IpNumber;

use super::{Parts, Start, start};
use crate::stack::{
    Datagrams, Device, Ip, Link, Network, Packet, Place, Route, SendError, Stamp, Transport, Tries, Udp, UdpSocket,
};

/// The layers on `device`.
pub(super) fn stack(device: impl Device + 'static, parts: Parts) -> Start {
    let device: Box<dyn InlineDevice> = Box::new(device);
    let link: Box<dyn InlineLink> = Box::new(parts.ethernet(device));
    let network: Box<dyn InlineNetwork> = Box::new(Ip::new(link, parts.routes));
    let transport: Box<dyn InlineTransport> = Box::new(Udp::new(network));
    start(transport, |socket: UdpSocket<_>| -> Box<dyn InlineDatagrams> { Box::new(socket) })
}

/// Space for the future of a level, left uninitialised: clearing it would cost time for each packet.
type Space<const BYTES: usize> = MaybeUninit<[u8; BYTES]>;

/// Upper bound for one wait: its future contains a `Place`, as the caller keeps none, and less than 512 bytes besides.
const WAIT: usize = size_of::<Place>() + 512;

// Space at each level: that of the level below, and what its own waits (two at most) or headers need. Too little space
// makes `init` panic, which every test of this way would show.
const DEVICE: usize = 2 * WAIT;
const LINK: usize = DEVICE + 2 * WAIT;
const NETWORK: usize = LINK + 256;
const TRANSPORT: usize = NETWORK + 256;
const DATAGRAMS: usize = TRANSPORT + 2 * WAIT;

#[dynify(remote = "crate::stack::Device")]
trait InlineDevice {
    fn max_frame(&self) -> usize;
    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError>;
}

impl Device for Box<dyn InlineDevice> {
    fn max_frame(&self) -> usize {
        (**self).max_frame()
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        let mut space = Space::<DEVICE>::uninit();
        (**self).send(packet).init(&mut space).await
    }
}

#[dynify(remote = "crate::stack::Link")]
trait InlineLink {
    fn mtu(&self) -> usize;
    async fn send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError>;
}

impl Link for Box<dyn InlineLink> {
    fn mtu(&self) -> usize {
        (**self).mtu()
    }

    async fn send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError> {
        let mut space = Space::<LINK>::uninit();
        (**self).send(packet, next_hop).init(&mut space).await
    }
}

#[dynify(remote = "crate::stack::Network")]
trait InlineNetwork {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError>;
    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError>;
}

impl Network for Box<dyn InlineNetwork> {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
        (**self).route(to)
    }

    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        let mut space = Space::<NETWORK>::uninit();
        (**self).send(packet, protocol, route).init(&mut space).await
    }
}

#[dynify(remote = "crate::stack::Transport")]
trait InlineTransport {
    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError>;
}

impl Transport for Box<dyn InlineTransport> {
    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        let mut space = Space::<TRANSPORT>::uninit();
        (**self).send(packet, source_port, to).init(&mut space).await
    }
}

#[dynify(remote = "crate::stack::Datagrams")]
trait InlineDatagrams {
    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError>;
}

impl Datagrams for Box<dyn InlineDatagrams> {
    const TRIES: Tries = Tries::IfItMustNotWait;

    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        let mut space = Space::<DATAGRAMS>::uninit();
        (**self).send(payload, to, stamp).init(&mut space).await
    }
}
