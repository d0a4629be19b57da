//! The way down: ports and checksum (RFC 768; over IPv6 RFC 8200, section 8.1).

use std::net::SocketAddr;
use std::ops::Range;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, UdpHeader};

use crate::error::SendError;
use crate::layer::Egress;
use crate::layers::checksum::{condense, pseudo_header};
use crate::layers::{Route, Router, Via};
use crate::packet::{Batch, Encapsulate, Packet};

/// The destination of a datagram, and its source port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpTo {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver.
    pub to: SocketAddr,
}

/// The UDP layer. It looks up the route, because the checksum covers the addresses of both sides.
#[derive(Debug)]
pub struct Udp<N> {
    below: N,
    router: Router,
}

impl<N> Udp<N> {
    /// UDP on top of `below`, which receives the routes of `router`.
    pub fn new(below: N, router: Router) -> Self {
        Self { below, router }
    }

    #[inline(always)]
    fn via(&self, to: &UdpTo) -> Result<Via, SendError> {
        Ok(Via { protocol: IpNumber::UDP, route: self.router.find(to.to.ip())? })
    }
}

impl<N: Egress<Via>> Egress<UdpTo> for Udp<N> {
    const RESUMES: bool = N::RESUMES;

    async fn send(&self, packet: &mut Packet<'_>, to: &UdpTo) -> Result<(), SendError> {
        let via = self.via(to)?;
        Headers::new(&via.route, to).encapsulate(packet)?;
        self.below.send(packet, &via).await
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &UdpTo) -> Result<(), SendError> {
        let via = self.via(to)?;
        Headers::new(&via.route, to).encapsulate(packet)?;
        self.below.try_send(packet, &via)
    }

    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, to: &UdpTo) -> u64 {
        let Ok(via) = self.via(to) else { return 0 };
        self.below.try_send_batch(batch.through(Headers::new(&via.route, to)), &via)
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
    fn new(route: &'a Route, to: &UdpTo) -> Self {
        Self { route, ports: (to.source_port, to.to.port()), sum: Sum16BitWords::new() }
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
        self.sum = pseudo_header(&self.route.addresses, IpNumber::UDP, length).add_8bytes(header);
        header[CHECKSUM].copy_from_slice(&self.checksum(packet.payload()));
        packet.prepend(&header);
        Ok(())
    }

    #[inline(always)]
    fn encapsulate_same_length(&mut self, packet: &mut Packet<'_>) {
        let checksum = self.checksum(packet.payload());
        packet.renew(UdpHeader::LEN)[CHECKSUM].copy_from_slice(&checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Routes;
    use crate::packet::Stamp;
    use futures_util::FutureExt;
    use shared::ring::HEADROOM;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpAddress, UdpPacket, UdpRepr};
    use std::cell::RefCell;

    /// Keeps each packet that it receives.
    #[derive(Default)]
    struct Fake(RefCell<Vec<Vec<u8>>>);

    impl Egress<Via> for Fake {
        async fn send(&self, packet: &mut Packet<'_>, via: &Via) -> Result<(), SendError> {
            self.try_send(packet, via)
        }

        fn try_send(&self, packet: &mut Packet<'_>, via: &Via) -> Result<(), SendError> {
            assert_eq!(via.protocol, IpNumber::UDP);
            self.0.borrow_mut().push([packet.headers(), packet.payload()].concat());
            Ok(())
        }
    }

    fn udp() -> Udp<Fake> {
        let routes = Routes::default().network("10.0.0.1".parse().unwrap(), 24).network("::1".parse().unwrap(), 64);
        Udp::new(Fake::default(), Router::new(routes, 1500))
    }

    fn check(to: &str, source: IpAddress, payload: &[u8]) {
        let udp = udp();
        let to: SocketAddr = to.parse().unwrap();
        let sent = udp
            .send(&mut Packet::new(&mut [0; HEADROOM], payload, Stamp::default()), &UdpTo { source_port: 4000, to })
            .now_or_never();
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
        let udp = udp();
        let payload = vec![0; 65_528];
        let to = SocketAddr::from(([10, 0, 0, 2], 9));
        let sent = udp
            .send(&mut Packet::new(&mut [0; HEADROOM], &payload, Stamp::default()), &UdpTo { source_port: 1, to })
            .now_or_never();
        assert_eq!(sent, Some(Err(SendError::TooLarge { len: 65_536, mtu: 1500 })));
    }
}
