//! No layers: ready frames go straight to the device. What a run costs besides its layers.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use etherparse::{Ethernet2Header, Ipv4Header, UdpHeader};
use shared::ring::{HEADROOM, MAX_FRAME};

use super::{Parts, Start, start};
use crate::stack::{Datagrams, Device, Ethernet, Ip, Packet, SendError, Stamp, Udp, UdpSocket};

/// Nothing on `device`. The layers are asked once for each app, for headers to use again.
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

/// Headers of Ethernet, IPv4 and UDP together.
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

/// A socket without layers. Every frame has the headers of the first, its checksum included.
struct Bare<D> {
    device: Rc<D>,
    layers: UdpSocket<Udp<Ip<Ethernet<Model>>>>,
    model: Model,
    headers: RefCell<Vec<u8>>,
}

impl<D: Device> Bare<D> {
    /// Makes sure that there are headers.
    #[inline(always)]
    fn learn(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        if self.headers.borrow().is_empty() {
            self.layers.try_send(payload, to, stamp)?;
            self.headers.replace(self.model.0.take());
        }
        Ok(())
    }

    /// In place, as the layers do it: a packet that is moved costs more than they do.
    #[inline(always)]
    fn prepend(&self, packet: &mut Packet<'_>) {
        let headers = self.headers.borrow();
        match <&[u8; V4]>::try_from(&headers[..]) {
            // Of a length that the compiler knows, as theirs is.
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
