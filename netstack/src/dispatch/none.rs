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

/// A socket without layers. Its first packet passes layers on a model; the headers that they write are those of all its
/// frames, whose checksum is wrong for all but the first.
pub(super) struct Bare<D> {
    device: Rc<D>,
    socket: UdpSocket<Udp<Ip<Ethernet<Model>>>>,
    model: Model,
    headers: RefCell<Vec<u8>>,
}

impl<D> Bare<D> {
    pub(super) fn new(device: Rc<D>, parts: &Parts, account: Rc<Account>, port: u16) -> Self {
        let model = Model::default();
        let socket = UdpSocket::new(Rc::new(parts.layers(model.clone())), account, port);
        Self { device, socket, model, headers: RefCell::default() }
    }

    /// Prepends the headers as the layers do: in place, because moving a packet would cost more than the layers.
    #[inline(always)]
    fn prepend(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        let headers = self.headers.borrow();
        match <&[u8; V4]>::try_from(&headers[..]) {
            // The length is a constant here, as in the layers, so the copy compiles to a few moves.
            Ok(headers) => packet.prepend(headers),
            Err(_) if headers.is_empty() => {
                self.socket.try_send(packet, to)?;
                drop(headers);
                self.headers.replace(self.model.0.take());
            }
            Err(_) => packet.prepend(&headers),
        }
        Ok(())
    }
}

impl<D: Egress<()>> Egress<SocketAddr> for Bare<D> {
    async fn send(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        self.prepend(packet, to)?;
        self.device.send(packet, &()).await
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        self.prepend(packet, to)?;
        self.device.try_send(packet, &())
    }

    /// None: what is measured is the cost of single sends.
    fn try_send_batch(&self, _: impl Batch, _: &SocketAddr) -> u64 {
        0
    }
}
