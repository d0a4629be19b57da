//! `none`: no layers. Ready frames go straight to the device, to measure the cost of everything except the layers.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use etherparse::{Ethernet2Header, Ipv4Header, UdpHeader};
use shared::ring::{HEADROOM, MAX_FRAME};

use super::{Parts, Start, start};
use crate::stack::{Datagrams, Device, Ethernet, Ip, Packet, SendError, Stamp, Udp, UdpSocket};

/// Sockets without layers on `device`. The layers run once for each app, to produce the headers of all its frames.
pub(super) fn stack(device: impl Device + 'static, parts: Parts) -> Start {
    let (device, model) = (Rc::new(device), Model::default());
    let layers = Udp::new(Ip::new(parts.ethernet(model.clone()), parts.routes));
    start(layers, move |layers| Bare {
        device: Rc::clone(&device),
        layers,
        model: model.clone(),
        headers: RefCell::default(),
    })
}

/// Length of the headers of Ethernet, IPv4 and UDP together.
const V4: usize = Ethernet2Header::LEN + Ipv4Header::MIN_LEN + UdpHeader::LEN;

/// A device that keeps the headers of the last frame.
#[derive(Default, Clone)]
struct Model(Rc<RefCell<Vec<u8>>>);

impl Device for Model {
    fn max_frame(&self) -> usize {
        MAX_FRAME
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        self.0.replace(packet.headers().to_vec());
        Ok(())
    }
}

/// A socket without layers. Every frame has the headers of the first one, whose checksum is wrong for the others.
struct Bare<D> {
    device: Rc<D>,
    layers: UdpSocket<Udp<Ip<Ethernet<Model>>>>,
    model: Model,
    headers: RefCell<Vec<u8>>,
}

impl<D: Device> Bare<D> {
    /// Fills `headers` if they are empty, by sending this packet through the layers to the model.
    #[inline(always)]
    fn learn(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        if self.headers.borrow().is_empty() {
            self.layers.try_send(payload, to, stamp)?;
            self.headers.replace(self.model.0.take());
        }
        Ok(())
    }

    /// Prepends the headers in place, as the layers do: moving a packet would cost more than the layers themselves.
    #[inline(always)]
    fn prepend(&self, packet: &mut Packet<'_>) {
        let headers = self.headers.borrow();
        match <&[u8; V4]>::try_from(&headers[..]) {
            // The length is a constant here, as in the layers, so the copy compiles to a few moves.
            Ok(headers) => packet.prepend(headers),
            Err(_) => packet.prepend(&headers),
        }
    }
}

impl<D: Device> Datagrams for Bare<D> {
    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        self.learn(payload, to, stamp)?;
        let mut headroom = [0; HEADROOM];
        let mut packet = Packet::new(&mut headroom, payload, stamp);
        self.prepend(&mut packet);
        self.device.send(&packet).await
    }

    #[inline(always)]
    fn try_send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        self.learn(payload, to, stamp)?;
        let mut headroom = [0; HEADROOM];
        let mut packet = Packet::new(&mut headroom, payload, stamp);
        self.prepend(&mut packet);
        self.device.try_send(&packet)
    }
}
