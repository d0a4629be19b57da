//! UDP: ports and checksum (RFC 768; over IPv6 RFC 8200, section 8.1).

use std::net::SocketAddr;
use std::ops::Range;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, UdpHeader};

use super::checksum::condense;
use super::{Addresses, Burst, Encapsulate, Network, Packet, Route, SendError, now};

/// A transport layer: what sockets sit on.
#[allow(async_fn_in_trait, reason = "one thread: no future has to be Send")]
pub trait Transport {
    /// Sends `packet`, which holds a payload only.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent; the payload is still the caller's.
    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError>;

    /// Sends `packet` without waiting.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if [`Transport::send`] would wait; otherwise the same errors.
    fn try_send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        now(self.send(packet, source_port, to))
    }

    /// Sends packets of `burst` in order until one would have to wait, with the same result as calling
    /// [`Transport::try_send`] for each. Returns how many were sent; always 0 if this layer does not support bursts.
    fn try_send_burst(&self, _burst: impl Burst, _source_port: u16, _to: SocketAddr) -> u64 {
        0
    }
}

/// The UDP layer.
#[derive(Debug)]
pub struct Udp<N> {
    below: N,
}

impl<N: Network> Udp<N> {
    /// UDP on top of `below`.
    pub fn new(below: N) -> Self {
        Self { below }
    }
}

impl<N: Network> Transport for Udp<N> {
    async fn send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        let route = self.below.route(to.ip())?;
        Headers::new(&route, source_port, to.port()).encapsulate(packet)?;
        self.below.send(packet, IpNumber::UDP, &route).await
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, source_port: u16, to: SocketAddr) -> Result<(), SendError> {
        let route = self.below.route(to.ip())?;
        Headers::new(&route, source_port, to.port()).encapsulate(packet)?;
        self.below.try_send(packet, IpNumber::UDP, &route)
    }

    #[inline(always)]
    fn try_send_burst(&self, burst: impl Burst, source_port: u16, to: SocketAddr) -> u64 {
        let Ok(route) = self.below.route(to.ip()) else { return 0 };
        let headers = Headers::new(&route, source_port, to.port());
        self.below.try_send_burst(burst.through(headers), IpNumber::UDP, &route)
    }
}

/// Bytes of the header that hold the checksum.
const CHECKSUM: Range<usize> = 6..8;

/// Writes the UDP headers of packets from one port to another.
struct Headers<'a> {
    route: &'a Route,
    ports: (u16, u16),
    /// The checksum's sum over pseudo-header and header of the last packet: the same for every packet of equal length.
    sum: Sum16BitWords,
}

impl<'a> Headers<'a> {
    #[inline(always)]
    fn new(route: &'a Route, source_port: u16, destination_port: u16) -> Self {
        Self { route, ports: (source_port, destination_port), sum: Sum16BitWords::new() }
    }

    #[inline(always)]
    fn checksum(&mut self, payload: &[u8]) -> [u8; 2] {
        self.sum.add_8bytes(condense(payload)).to_ones_complement_with_no_zero().to_ne_bytes()
    }
}

impl Encapsulate for Headers<'_> {
    #[inline(always)]
    fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError> {
        let len = UdpHeader::LEN + packet.payload().len();
        // The IP layer checks the length against the MTU; here it only has to fit the 16-bit length field.
        let length = u16::try_from(len).map_err(|_| SendError::TooLarge { len, mtu: self.route.mtu })?;
        let (source_port, destination_port) = self.ports;
        let mut header = UdpHeader { source_port, destination_port, length, checksum: 0 }.to_bytes();
        self.sum = pseudo_header(&self.route.addresses, length).add_8bytes(header);
        header[CHECKSUM].copy_from_slice(&self.checksum(packet.payload()));
        packet.prepend(&header);
        Ok(())
    }

    #[inline(always)]
    fn encapsulate_alike(&mut self, packet: &mut Packet<'_>) {
        let checksum = self.checksum(packet.payload());
        packet.renew(UdpHeader::LEN)[CHECKSUM].copy_from_slice(&checksum);
    }
}

/// The sum over the pseudo-header (addresses, protocol and length), which the checksum covers besides the datagram.
#[inline(always)]
fn pseudo_header(addresses: &Addresses, length: u16) -> Sum16BitWords {
    let [high, low] = length.to_be_bytes();
    let mut sum = match addresses {
        Addresses::V4 { source, destination } => {
            let [a, b, c, d] = source.octets();
            let [e, f, g, h] = destination.octets();
            Sum16BitWords::new().add_8bytes([a, b, c, d, e, f, g, h])
        }
        Addresses::V6 { source, destination } => {
            Sum16BitWords::new().add_16bytes(source.octets()).add_16bytes(destination.octets())
        }
    };
    // IPv6 has protocol and length as wider fields; the additional bytes are zero and do not change the sum.
    sum.add_4bytes([0, IpNumber::UDP.0, high, low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stamp;
    use futures_util::FutureExt;
    use shared::ring::HEADROOM;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpAddress, UdpPacket, UdpRepr};
    use std::cell::RefCell;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::rc::Rc;

    /// Has one route to every destination and keeps each packet that it receives.
    #[derive(Default)]
    struct Fake(RefCell<Vec<Vec<u8>>>);

    impl Network for Fake {
        fn route(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
            let addresses = match to {
                IpAddr::V4(destination) => Addresses::V4 { source: Ipv4Addr::new(10, 0, 0, 1), destination },
                IpAddr::V6(destination) => Addresses::V6 { source: Ipv6Addr::LOCALHOST, destination },
            };
            Ok(Rc::new(Route { addresses, next_hop: to, mtu: 1500 }))
        }

        async fn send(&self, packet: &mut Packet<'_>, protocol: IpNumber, _: &Route) -> Result<(), SendError> {
            assert_eq!(protocol, IpNumber::UDP);
            self.0.borrow_mut().push([packet.headers(), packet.payload()].concat());
            Ok(())
        }
    }

    fn check(to: &str, source: IpAddress, payload: &[u8]) {
        let udp = Udp::new(Fake::default());
        let to: SocketAddr = to.parse().unwrap();
        let sent = udp.send(&mut Packet::new(&mut [0; HEADROOM], payload, Stamp::default()), 4000, to).now_or_never();
        assert_eq!(sent, Some(Ok(())));
        let bytes = udp.below.0.borrow().first().unwrap().clone();
        let read = UdpPacket::new_checked(&bytes[..]).unwrap();
        let repr = UdpRepr::parse(&read, &source, &to.ip().into(), &ChecksumCapabilities::default()).unwrap();
        assert_eq!((repr.src_port, repr.dst_port, read.payload()), (4000, 9, payload));
        assert_ne!(read.checksum(), 0, "a checksum of zero would mean: none");
    }

    #[test]
    fn an_independent_reader_accepts_header_and_checksum() {
        for payload in [&b""[..], b"x", b"hello", &[0xff; 1472]] {
            check("10.0.0.2:9", IpAddress::v4(10, 0, 0, 1), payload);
            check("[::2]:9", IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 1), payload);
        }
    }

    #[test]
    fn a_payload_beyond_the_length_field_is_refused() {
        let udp = Udp::new(Fake::default());
        let payload = vec![0; 65_528];
        let to = SocketAddr::from(([10, 0, 0, 2], 9));
        let sent = udp.send(&mut Packet::new(&mut [0; HEADROOM], &payload, Stamp::default()), 1, to).now_or_never();
        assert_eq!(sent, Some(Err(SendError::TooLarge { len: 65_536, mtu: 1500 })));
    }
}
