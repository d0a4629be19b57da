//! IP: routes, MTU and the header (RFC 791, RFC 8200). Nothing is fragmented.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, Ipv4Header, Ipv6Header};

use super::{Addresses, Link, Packet, Route, Routes, SendError, now};

/// A network layer: what UDP sits on.
#[allow(async_fn_in_trait, reason = "one thread: no future has to be Send")]
pub trait Network {
    /// The way to `to`. The layer above needs it before it can compute its checksum.
    ///
    /// # Errors
    /// [`SendError::NoRoute`].
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError>;

    /// Sends `packet`, which holds a `protocol` header and a payload, along `route`.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent; the payload is still the caller's.
    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError>;

    /// Sends `packet` now, or not at all.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] where [`Network::send`] would wait, and all of its errors.
    fn try_send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        now(self.send(packet, protocol, route))
    }
}

/// The IP layer.
#[derive(Debug)]
pub struct Ip<L> {
    below: L,
    routes: Routes,
    /// IPv4 identification of the next packet (RFC 6864 lets it be anything here).
    identification: Cell<u16>,
    /// What was found and made for the last packet, and fits the next one more often than not.
    last: RefCell<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    to: IpAddr,
    route: Rc<Route>,
    header: Option<Template>,
}

/// A v4 header without identification and checksum.
#[derive(Debug)]
struct Template {
    len: u16,
    protocol: IpNumber,
    bytes: [u8; Ipv4Header::MIN_LEN],
    sum: Sum16BitWords,
}

/// Hops that a packet may take (RFC 1700's recommended default).
const HOPS: u8 = 64;

impl<L: Link> Ip<L> {
    /// IP on top of `below`.
    pub fn new(below: L, routes: Routes) -> Self {
        Self { below, routes, identification: Cell::new(0), last: RefCell::default() }
    }
}

impl<L: Link> Network for Ip<L> {
    #[inline(always)]
    fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
        let mut last = self.last.borrow_mut();
        if let Some(last) = last.as_ref().filter(|last| last.to == to) {
            return Ok(Rc::clone(&last.route));
        }
        let route = Rc::new(self.routes.find(to, self.below.mtu())?);
        *last = Some(Last { to, route: Rc::clone(&route), header: None });
        Ok(route)
    }

    async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        self.encapsulate(packet, protocol, route)?;
        self.below.send(packet, route.next_hop).await
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        self.encapsulate(packet, protocol, route)?;
        self.below.try_send(packet, route.next_hop)
    }
}

impl<L: Link> Ip<L> {
    #[inline(always)]
    fn encapsulate(&self, packet: &mut Packet<'_>, protocol: IpNumber, route: &Route) -> Result<(), SendError> {
        match route.addresses {
            Addresses::V4 { source, destination } => {
                let len = fitting(packet.len(), Ipv4Header::MIN_LEN, route.mtu)?;
                let identification = self.identification.replace(self.identification.get().wrapping_add(1));
                let mut last = self.last.borrow_mut();
                let mut fresh = None;
                let template = match last.as_mut().filter(|last| std::ptr::eq(&*last.route, route)) {
                    Some(last) => &mut last.header,
                    None => &mut fresh,
                };
                if template.as_ref().is_none_or(|known| known.len != len || known.protocol != protocol) {
                    *template = Some(Template::new(len, protocol, source, destination));
                }
                if let Some(template) = template {
                    template.prepend(packet, identification);
                }
            }
            Addresses::V6 { source, destination } => {
                let len = fitting(packet.len(), Ipv6Header::LEN, route.mtu)?;
                packet.prepend(&encapsulate_v6(len, protocol, source, destination));
            }
        }
        Ok(())
    }
}

/// The length of the packet's part behind the IP header, if the whole fits.
fn fitting(inner: usize, header: usize, mtu: usize) -> Result<u16, SendError> {
    let len = inner + header;
    match u16::try_from(inner) {
        Ok(inner) if len <= mtu => Ok(inner),
        _ => Err(SendError::TooLarge { len, mtu }),
    }
}

impl Template {
    /// The IPv4 header in front of `len` bytes.
    fn new(len: u16, protocol: IpNumber, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        let header = Ipv4Header {
            total_len: len + Ipv4Header::MIN_LEN_U16,
            dont_fragment: true,
            time_to_live: HOPS,
            protocol,
            source: source.octets(),
            destination: destination.octets(),
            ..Ipv4Header::default()
        };
        let mut bytes = [0; Ipv4Header::MIN_LEN];
        bytes.copy_from_slice(&header.to_bytes());
        Self { len, protocol, bytes, sum: Sum16BitWords::new().add_slice(&bytes) }
    }

    /// Puts the header in front of `packet`, identification and checksum (bytes 4 and 10) included.
    #[inline(always)]
    fn prepend(&self, packet: &mut Packet<'_>, identification: u16) {
        let identification = identification.to_be_bytes();
        let checksum = self.sum.clone().add_2bytes(identification).ones_complement().to_ne_bytes();
        let mut bytes = self.bytes;
        bytes[4..6].copy_from_slice(&identification);
        bytes[10..12].copy_from_slice(&checksum);
        packet.prepend(&bytes);
    }
}

/// The IPv6 header in front of `len` bytes.
#[inline(always)]
fn encapsulate_v6(len: u16, protocol: IpNumber, source: Ipv6Addr, destination: Ipv6Addr) -> [u8; Ipv6Header::LEN] {
    Ipv6Header {
        payload_length: len,
        next_header: protocol,
        hop_limit: HOPS,
        source: source.octets(),
        destination: destination.octets(),
        ..Ipv6Header::default()
    }
    .to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stamp;
    use futures_util::FutureExt;
    use smoltcp::wire::{Ipv4Packet, Ipv6Packet};
    use std::cell::RefCell;

    #[derive(Default)]
    struct Fake(RefCell<Vec<(Vec<u8>, IpAddr)>>);

    impl Link for Fake {
        fn mtu(&self) -> usize {
            100
        }

        async fn send(&self, packet: &mut Packet<'_>, next_hop: IpAddr) -> Result<(), SendError> {
            self.0.borrow_mut().push(([packet.headers(), packet.payload()].concat(), next_hop));
            Ok(())
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn send(to: &str, payload: &[u8]) -> Result<Vec<(Vec<u8>, IpAddr)>, SendError> {
        let routes = Routes::default().on_link(ip("10.0.0.1"), 24).on_link(ip("fd00::1"), 64);
        let layer = Ip::new(Fake::default(), routes.default_via(ip("10.0.0.254"), ip("10.0.0.1")));
        for _ in 0..2 {
            let route = layer.route(ip(to))?;
            let sent = layer.send(&mut Packet::new(payload, Stamp::default()), IpNumber::UDP, &route).now_or_never();
            assert!(sent.is_some(), "IP never waits");
            sent.unwrap_or(Ok(()))?;
        }
        Ok(layer.below.0.take())
    }

    #[test]
    fn an_independent_reader_accepts_the_v4_header() {
        let sent = send("192.0.2.7", b"payload").unwrap();
        let packet = Ipv4Packet::new_checked(&sent[1].0[..]).unwrap();
        assert!(packet.verify_checksum() && packet.dont_frag());
        assert_eq!((packet.ident(), packet.hop_limit(), packet.payload()), (1, 64, &b"payload"[..]));
        assert_eq!(sent[1].1, ip("10.0.0.254"), "by way of the gateway");
    }

    #[test]
    fn an_independent_reader_accepts_the_v6_header() {
        let sent = send("fd00::9", b"payload").unwrap();
        let packet = Ipv6Packet::new_checked(&sent[0].0[..]).unwrap();
        assert_eq!((packet.hop_limit(), packet.payload()), (64, &b"payload"[..]));
        assert_eq!(IpAddr::from(packet.dst_addr()), ip("fd00::9"));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_not_cut() {
        assert!(send("10.0.0.2", &[0; 80]).is_ok());
        assert_eq!(send("10.0.0.2", &[0; 81]), Err(SendError::TooLarge { len: 101, mtu: 100 }));
        assert_eq!(send("fd00::2", &[0; 61]), Err(SendError::TooLarge { len: 101, mtu: 100 }));
        assert_eq!(send("fd01::2", b""), Err(SendError::NoRoute(ip("fd01::2"))));
    }
}
