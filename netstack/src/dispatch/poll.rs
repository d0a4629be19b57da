//! `poll`: a trait object at each level, and no future that outlives a call.
//!
//! A non-blocking try comes first: an ordinary call from object to object. If the send has to wait, it is polled, and
//! each poll calls the layers' `send` again from the top; that future lives on the call stack, for one poll. Between
//! polls the state is in the caller's [`Place`], which keeps the position in each wait queue (FIFO); dropping the place
//! cancels the send.
//!
//! Arguments that are too large for a register pass through memory, and reading a copy in other widths than it was just
//! written in stalls the CPU (failed store forwarding). So a try passes references to older values, and passes a new
//! stamp as separate fields.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use etherparse::IpNumber;
use shared::units::Nanos;

use super::{Parts, Start, start};
use crate::stack::{
    Datagrams, Device, Ip, Link, Network, Packet, Place, Route, SendError, Stamp, Transport, Udp, UdpSocket,
};

/// The layers on `device`.
pub(super) fn stack(device: impl Device + 'static, parts: Parts) -> Start {
    let device: Box<dyn PollDevice> = Box::new(device);
    let link: Box<dyn PollLink> = Box::new(parts.ethernet(device));
    let network: Box<dyn PollNetwork> = Box::new(Ip::new(link, parts.routes));
    let transport: Box<dyn PollTransport> = Box::new(Udp::new(network));
    start(transport, |socket: UdpSocket<_>| -> Box<dyn PollDatagrams> { Box::new(socket) })
}

/// The result of a poll. After `Pending` the caller calls again with the same place.
type Sent = Poll<Result<(), SendError>>;

/// Polls `$send`, a send of `$packet`, once. If it is pending, removes the headers that it prepended, because the next
/// poll calls the layers again and they prepend them again.
macro_rules! poll_once {
    ($packet:ident, $cx:ident, $send:expr) => {{
        let headers = $packet.headers().len();
        let sent = pin!($send).poll($cx);
        if sent.is_pending() {
            $packet.strip_to(headers);
        }
        sent
    }};
}

trait PollDevice {
    fn max_frame(&self) -> usize;
    fn try_send(&self, packet: &Packet<'_>) -> Result<(), SendError>;
    fn poll_send(&self, cx: &mut Context<'_>, packet: &Packet<'_>) -> Sent;
}

impl<D: Device> PollDevice for D {
    fn max_frame(&self) -> usize {
        Device::max_frame(self)
    }

    fn try_send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        Device::try_send(self, packet)
    }

    fn poll_send(&self, cx: &mut Context<'_>, packet: &Packet<'_>) -> Sent {
        pin!(Device::send(self, packet)).poll(cx)
    }
}

impl Device for Box<dyn PollDevice> {
    fn max_frame(&self) -> usize {
        (**self).max_frame()
    }

    fn try_send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        (**self).try_send(packet)
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        poll_fn(|cx| (**self).poll_send(cx, packet)).await
    }
}

trait PollLink {
    fn mtu(&self) -> usize;
    fn try_send(&self, packet: &mut Packet<'_>, next_hop: &IpAddr) -> Result<(), SendError>;
    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, next_hop: IpAddr) -> Sent;
}

impl<L: Link> PollLink for L {
    fn mtu(&self) -> usize {
        Link::mtu(self)
    }

    fn try_send(&self, packet: &mut Packet<'_>, next_hop: &IpAddr) -> Result<(), SendError> {
        Link::try_send(self, packet, *next_hop)
    }

    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, next_hop: IpAddr) -> Sent {
        poll_once!(packet, cx, Link::send(self, packet, next_hop))
    }
}

impl Link for Box<dyn PollLink> {
    fn mtu(&self) -> usize {
        (**self).mtu()
    }

    fn try_send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError> {
        (**self).try_send(packet, &next_hop)
    }

    async fn send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError> {
        poll_fn(|cx| (**self).poll_send(cx, packet, next_hop)).await
    }
}

trait PollNetwork {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError>;
    fn try_send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError>;
    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Sent;
}

impl<N: Network> PollNetwork for N {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
        Network::route(self, to)
    }

    fn try_send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        Network::try_send(self, packet, protocol, route)
    }

    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Sent {
        poll_once!(packet, cx, Network::send(self, packet, protocol, route))
    }
}

impl Network for Box<dyn PollNetwork> {
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
        (**self).route(to)
    }

    fn try_send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        (**self).try_send(packet, protocol, route)
    }

    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        poll_fn(|cx| (**self).poll_send(cx, packet, protocol, route)).await
    }
}

trait PollTransport {
    fn try_send(&self, packet: &mut Packet<'_>, source_port: u16, to: &SocketAddr) -> Result<(), SendError>;
    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Sent;
}

impl<T: Transport> PollTransport for T {
    fn try_send(&self, packet: &mut Packet<'_>, source_port: u16, to: &SocketAddr) -> Result<(), SendError> {
        Transport::try_send(self, packet, source_port, *to)
    }

    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Sent {
        poll_once!(packet, cx, Transport::send(self, packet, source_port, to))
    }
}

impl Transport for Box<dyn PollTransport> {
    fn try_send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        (**self).try_send(packet, source_port, &to)
    }

    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        poll_fn(|cx| (**self).poll_send(cx, packet, source_port, to)).await
    }
}

trait PollDatagrams {
    /// `flow`, `sequence` and `intended` are the fields of a stamp; see the module's documentation.
    fn try_send(
        &self,
        payload: &[u8],
        to: &SocketAddr,
        flow: u32,
        sequence: u64,
        intended: Nanos,
    ) -> Result<(), SendError>;
    fn poll_send(&self, cx: &mut Context<'_>, payload: &[u8], to: SocketAddr, stamp: Stamp, place: &Place) -> Sent;
}

impl<T: Transport> PollDatagrams for UdpSocket<T> {
    fn try_send(
        &self,
        payload: &[u8],
        to: &SocketAddr,
        flow: u32,
        sequence: u64,
        intended: Nanos,
    ) -> Result<(), SendError> {
        Datagrams::try_send(self, payload, *to, Stamp { flow, sequence, intended })
    }

    fn poll_send(&self, cx: &mut Context<'_>, payload: &[u8], to: SocketAddr, stamp: Stamp, place: &Place) -> Sent {
        pin!(self.send_from(place, payload, to, stamp)).poll(cx)
    }
}

impl Datagrams for Box<dyn PollDatagrams> {
    fn try_send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        (**self).try_send(payload, &to, stamp.flow, stamp.sequence, stamp.intended)
    }

    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        let place = Place::default();
        poll_fn(|cx| (**self).poll_send(cx, payload, to, stamp, &place)).await
    }
}
