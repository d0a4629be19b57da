//! `boxed`: a trait object at each level, and a boxed future for each send.
//!
//! This is the usual cost of `async fn` in an object-safe trait (`async_trait`): one allocation for each level that a
//! packet passes.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use async_trait::async_trait;
use etherparse::IpNumber;

use super::{Parts, Start, start};
use crate::stack::{
    Datagrams, Device, Ip, Link, Network, Packet, Route, SendError, Stamp, Transport, Tries, Udp, UdpSocket,
};

/// The layers on `device`.
pub(super) fn stack(device: impl Device + 'static, parts: Parts) -> Start {
    let device: Box<dyn BoxedDevice> = Box::new(device);
    let link: Box<dyn BoxedLink> = Box::new(parts.ethernet(device));
    let network: Box<dyn BoxedNetwork> = Box::new(Ip::new(link, parts.routes));
    let transport: Box<dyn BoxedTransport> = Box::new(Udp::new(network));
    start(transport, |socket: UdpSocket<_>| -> Box<dyn BoxedDatagrams> { Box::new(socket) })
}

#[async_trait(?Send)]
trait BoxedDevice {
    fn max_frame(&self) -> usize;
    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError>;
}

#[async_trait(?Send)]
impl<D: Device> BoxedDevice for D {
    fn max_frame(&self) -> usize {
        Device::max_frame(self)
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        Device::send(self, packet).await
    }
}

impl Device for Box<dyn BoxedDevice> {
    fn max_frame(&self) -> usize {
        (**self).max_frame()
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        (**self).send(packet).await
    }
}

#[async_trait(?Send)]
trait BoxedLink {
    fn mtu(&self) -> usize;
    async fn send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError>;
}

#[async_trait(?Send)]
impl<L: Link> BoxedLink for L {
    fn mtu(&self) -> usize {
        Link::mtu(self)
    }

    async fn send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError> {
        Link::send(self, packet, next_hop).await
    }
}

impl Link for Box<dyn BoxedLink> {
    fn mtu(&self) -> usize {
        (**self).mtu()
    }

    async fn send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError> {
        (**self).send(packet, next_hop).await
    }
}

#[async_trait(?Send)]
trait BoxedNetwork {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError>;
    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError>;
}

#[async_trait(?Send)]
impl<N: Network> BoxedNetwork for N {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
        Network::route(self, to)
    }

    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        Network::send(self, packet, protocol, route).await
    }
}

impl Network for Box<dyn BoxedNetwork> {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
        (**self).route(to)
    }

    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        (**self).send(packet, protocol, route).await
    }
}

#[async_trait(?Send)]
trait BoxedTransport {
    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError>;
}

#[async_trait(?Send)]
impl<T: Transport> BoxedTransport for T {
    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        Transport::send(self, packet, source_port, to).await
    }
}

impl Transport for Box<dyn BoxedTransport> {
    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        (**self).send(packet, source_port, to).await
    }
}

#[async_trait(?Send)]
trait BoxedDatagrams {
    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError>;
}

#[async_trait(?Send)]
impl<D: Datagrams> BoxedDatagrams for D {
    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        Datagrams::send(self, payload, to, stamp).await
    }
}

impl Datagrams for Box<dyn BoxedDatagrams> {
    const TRIES: Tries = Tries::IfItMustNotWait;

    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        (**self).send(payload, to, stamp).await
    }
}
