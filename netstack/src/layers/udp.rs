//! UDP: ports and checksum (RFC 768; over IPv6 RFC 8200, section 8.1).

use std::net::SocketAddr;
use std::ops::Range;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, UdpHeader};
use shared::cpu::sum_words;

use super::{Addresses, Route, Router, Via};
use crate::error::SendError;
use crate::layer::Egress;
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
        self.sum = pseudo_header(&self.route.addresses, length).add_8bytes(header);
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

/// Eight bytes with the same ones' complement sum as `payload`, from which etherparse computes the checksum. Such a sum
/// of 16-bit words may be computed over wider words and folded afterwards (RFC 1071, section 2): this function sums
/// words as wide as the processor adds.
#[inline(always)]
fn condense(payload: &[u8]) -> [u8; 8] {
    let (blocks, rest) = payload.as_chunks::<32>();
    let (words, rest) = rest.as_chunks::<8>();
    let mut sum = if blocks.is_empty() { 0 } else { u128::from(sum_words(blocks)) };
    let word = |word: &[u8; 8]| u128::from(u64::from_ne_bytes(*word));
    // At most three words are left; a loop over them would take longer than these two tests.
    let (pairs, single) = words.as_chunks::<2>();
    if let [[a, b]] = pairs {
        sum += word(a) + word(b);
    }
    if let [a] = single {
        sum += word(a);
    }
    sum += u128::from(tail(payload, rest.len()));
    // Fold to 64 bits: both casts truncate on purpose, and the upper half and the carry are added at the bottom
    // (end-around carry).
    let (sum, carry) = (sum as u64).overflowing_add((sum >> 64) as u64);
    (sum + u64::from(carry)).to_ne_bytes()
}

/// The last `len` bytes (fewer than 8) as the first bytes of a word, padded with zeros.
#[inline(always)]
fn tail(payload: &[u8], len: usize) -> u64 {
    let word = match payload.last_chunk::<8>() {
        _ if len == 0 => 0,
        // One load for any `len`: read the last 8 bytes and shift out those in front of the tail.
        Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - len)),
        None => payload.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // The word was assembled in little-endian order; put it in memory order, as `from_ne_bytes` above reads words.
    word.to_le()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Routes;
    use crate::packet::Stamp;
    use futures_util::FutureExt;
    use proptest::prelude::*;
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

    proptest! {
        #[test]
        fn the_checksum_equals_that_of_the_payload(payload in proptest::collection::vec(any::<u8>(), 0..1600)) {
            let of = |bytes: &[u8]| Sum16BitWords::new().add_2bytes([0, 1]).add_slice(bytes).ones_complement();
            prop_assert_eq!(of(&condense(&payload)), of(&payload));
        }

        #[test]
        fn long_payloads_do_not_overflow(byte in any::<u8>(), len in 0usize..70_000) {
            let payload = vec![byte; len];
            let of = |bytes: &[u8]| Sum16BitWords::new().add_2bytes([0, 1]).add_slice(bytes).ones_complement();
            prop_assert_eq!(of(&condense(&payload)), of(&payload));
        }
    }
}
