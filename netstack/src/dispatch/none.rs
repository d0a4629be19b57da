//! `none`: no layers. Ready frames go straight to the device, to measure the cost of everything except the layers.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use etherparse::{Ethernet2Header, Ipv4Header, UdpHeader};

use super::Parts;
use crate::account::Account;
use crate::error::SendError;
use crate::layer::Egress;
use crate::layers::{Ethernet, Ip, Udp, UdpSocket};
use crate::packet::{Batch, Packet};

/// Length of the headers of Ethernet, IPv4 and UDP together.
const V4: usize = Ethernet2Header::LEN + Ipv4Header::MIN_LEN + UdpHeader::LEN;

/// A device that keeps the headers of the last frame.
#[derive(Default, Clone)]
struct Model(Rc<RefCell<Vec<u8>>>);

impl Egress<()> for Model {
    async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        self.try_send(packet, to)
    }

    fn try_send(&self, packet: &mut Packet<'_>, (): &()) -> Result<(), SendError> {
        self.0.replace(packet.headers().to_vec());
        Ok(())
    }
}

/// Layers that run once for each app, to produce the headers of all its frames.
pub(super) struct HeaderSource {
    layers: Rc<Udp<Ip<Ethernet<Model>>>>,
    model: Model,
}

impl HeaderSource {
    pub(super) fn new(parts: &Parts) -> Self {
        let model = Model::default();
        Self { layers: Rc::new(parts.layers(model.clone())), model }
    }

    pub(super) fn socket(&self, account: Rc<Account>, port: u16) -> Headers {
        let socket = UdpSocket::new(Rc::clone(&self.layers), account, port);
        Headers { socket, model: self.model.clone(), bytes: RefCell::default() }
    }
}

/// The headers of an app's first frame.
pub(super) struct Headers {
    socket: UdpSocket<Udp<Ip<Ethernet<Model>>>>,
    model: Model,
    bytes: RefCell<Vec<u8>>,
}

impl Headers {
    /// Prepends them, as the layers do: in place, because moving a packet would cost more than the layers themselves.
    /// The first packet passes the layers to the model for that.
    #[inline(always)]
    fn prepend(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        if self.bytes.borrow().is_empty() {
            self.socket.try_send(packet, to)?;
            self.bytes.replace(self.model.0.take());
            return Ok(());
        }
        let headers = self.bytes.borrow();
        match <&[u8; V4]>::try_from(&headers[..]) {
            // The length is a constant here, as in the layers, so the copy compiles to a few moves.
            Ok(headers) => packet.prepend(headers),
            Err(_) => packet.prepend(&headers),
        }
        Ok(())
    }
}

/// A socket without layers. Every frame has the headers of the first one, whose checksum is wrong for the others.
pub(super) struct Bare<D> {
    device: Rc<D>,
    headers: Headers,
}

impl<D> Bare<D> {
    pub(super) fn new(device: Rc<D>, headers: Headers) -> Self {
        Self { device, headers }
    }
}

impl<D: Egress<()>> Egress<SocketAddr> for Bare<D> {
    async fn send(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        self.headers.prepend(packet, to)?;
        self.device.send(packet, &()).await
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        self.headers.prepend(packet, to)?;
        self.device.try_send(packet, &())
    }

    /// None: what is measured is the cost of single sends.
    fn try_send_batch(&self, _: impl Batch, _: &SocketAddr) -> u64 {
        0
    }
}
