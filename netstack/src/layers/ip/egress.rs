//! The way down: routes, MTU and the header (RFC 791, RFC 8200). Packets are never fragmented.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use etherparse::{IpNumber, Ipv4Header, Ipv6Header};

use crate::error::SendError;
use crate::layer::Egress;
use crate::layers::answer::HOPS;
use crate::layers::{Addresses, Route};
use crate::packet::{Batch, Encapsulate, Packet};

/// Where an IP packet goes, and what it contains.
#[derive(Debug, Clone)]
pub struct Via {
    /// The protocol of the packet's payload.
    pub protocol: IpNumber,
    /// The route to its destination.
    pub route: Rc<Route>,
}

/// The IP layer.
#[derive(Debug)]
pub struct Ip<L> {
    below: L,
    /// Cache: the header of the last v4 packet, because consecutive packets mostly share it.
    template: RefCell<Template>,
}

/// A v4 header with identification 0, and its checksum.
#[derive(Debug)]
struct Template {
    key: HeaderKey,
    bytes: [u8; Ipv4Header::MIN_LEN],
    checksum: u16,
}

/// The fields in which v4 headers differ, besides identification and checksum: the key of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HeaderKey {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    /// Bytes behind the header.
    len: u16,
    protocol: IpNumber,
}

impl<L> Ip<L> {
    /// IP on top of `below`.
    pub fn new(below: L) -> Self {
        let (source, destination) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        let nowhere = HeaderKey { source, destination, len: 0, protocol: IpNumber::UDP };
        Self { below, template: RefCell::new(Template::new(nowhere)) }
    }

    #[inline(always)]
    fn encapsulate(&self, packet: &mut Packet<'_>, via: &Via) -> Result<(), SendError> {
        let (protocol, mtu) = (via.protocol, via.route.mtu);
        match via.route.addresses {
            Addresses::V4 { source, destination } => {
                let template = &mut *self.template.borrow_mut();
                HeadersV4 { template, source, destination, protocol, mtu }.encapsulate(packet)
            }
            Addresses::V6 { source, destination } => {
                HeadersV6 { source, destination, protocol, mtu }.encapsulate(packet)
            }
        }
    }
}

impl<L: Egress<IpAddr>> Egress<Via> for Ip<L> {
    const RESUMES: bool = L::RESUMES;

    async fn send(&self, packet: &mut Packet<'_>, via: &Via) -> Result<(), SendError> {
        self.encapsulate(packet, via)?;
        self.below.send(packet, &via.route.next_hop).await
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, via: &Via) -> Result<(), SendError> {
        self.encapsulate(packet, via)?;
        self.below.try_send(packet, &via.route.next_hop)
    }

    /// One call per IP version: each is compiled with a constant header length, which makes its loop faster.
    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, via: &Via) -> u64 {
        let (protocol, mtu, next_hop) = (via.protocol, via.route.mtu, &via.route.next_hop);
        match via.route.addresses {
            Addresses::V4 { source, destination } => {
                let template = &mut *self.template.borrow_mut();
                let batch = batch.through(HeadersV4 { template, source, destination, protocol, mtu });
                self.below.try_send_batch(batch, next_hop)
            }
            Addresses::V6 { source, destination } => {
                let batch = batch.through(HeadersV6 { source, destination, protocol, mtu });
                self.below.try_send_batch(batch, next_hop)
            }
        }
    }
}

/// Writes the headers of v4 packets from one address to another.
struct HeadersV4<'a> {
    template: &'a mut Template,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: IpNumber,
    mtu: usize,
}

impl Encapsulate for HeadersV4<'_> {
    #[inline(always)]
    fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError> {
        let Self { source, destination, protocol, mtu, .. } = *self;
        let key = HeaderKey { source, destination, len: fitting(packet.len(), Ipv4Header::MIN_LEN, mtu)?, protocol };
        if self.template.key != key {
            *self.template = Template::new(key);
        }
        let mut header = self.template.bytes;
        self.template.identify(&mut header, identification(packet));
        packet.prepend(&header);
        Ok(())
    }

    #[inline(always)]
    fn encapsulate_same_length(&mut self, packet: &mut Packet<'_>) {
        let identification = identification(packet);
        self.template.identify(packet.renew(Ipv4Header::MIN_LEN), identification);
    }
}

/// Writes the headers of v6 packets from one address to another.
struct HeadersV6 {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: IpNumber,
    mtu: usize,
}

impl Encapsulate for HeadersV6 {
    #[inline(always)]
    fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError> {
        let len = fitting(packet.len(), Ipv6Header::LEN, self.mtu)?;
        packet.prepend(&encapsulate_v6(len, self.protocol, self.source, self.destination));
        Ok(())
    }

    /// The header is the same for every packet of this length.
    #[inline(always)]
    fn encapsulate_same_length(&mut self, packet: &mut Packet<'_>) {
        packet.renew(Ipv6Header::LEN);
    }
}

/// The v4 identification. RFC 6864 allows any value, because packets have "don't fragment" set. The sequence number
/// gives the same value each time that the header of a pending send is written.
#[inline(always)]
fn identification(packet: &Packet<'_>) -> u16 {
    // The low 16 bits, on purpose.
    packet.stamp().sequence as u16
}

/// Returns `inner`, the length behind the IP header, if the whole packet fits both the length field and `mtu`.
fn fitting(inner: usize, header: usize, mtu: usize) -> Result<u16, SendError> {
    let len = inner + header;
    match u16::try_from(len) {
        // The whole length fits 16 bits, so `inner`, which is shorter, does too.
        Ok(_) if len <= mtu => Ok(inner as u16),
        _ => Err(SendError::TooLarge { len, mtu }),
    }
}

impl Template {
    #[cold]
    fn new(key: HeaderKey) -> Self {
        let header = Ipv4Header {
            total_len: key.len + Ipv4Header::MIN_LEN_U16,
            dont_fragment: true,
            time_to_live: HOPS,
            protocol: key.protocol,
            source: key.source.octets(),
            destination: key.destination.octets(),
            ..Ipv4Header::default()
        };
        let checksum = header.calc_header_checksum();
        let mut bytes = [0; Ipv4Header::MIN_LEN];
        bytes.copy_from_slice(&header.to_bytes());
        Self { key, bytes, checksum }
    }

    /// Writes the identification (bytes 4 and 5) into a copy of this header, and the matching checksum (bytes 10 and
    /// 11), updated incrementally: RFC 1624, equation 3, with 0 as the old identification.
    #[inline(always)]
    fn identify(&self, header: &mut [u8], identification: u16) {
        let (sum, carry) = (!self.checksum).overflowing_add(identification);
        let checksum = !(sum + u16::from(carry));
        header[4..6].copy_from_slice(&identification.to_be_bytes());
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
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
    use crate::layers::{Router, Routes};
    use crate::packet::Stamp;
    use futures_util::FutureExt;
    use shared::ring::HEADROOM;
    use smoltcp::wire::{Ipv4Packet, Ipv6Packet};

    #[derive(Default)]
    struct Fake(RefCell<Vec<(Vec<u8>, IpAddr)>>);

    impl Egress<IpAddr> for Fake {
        async fn send(&self, packet: &mut Packet<'_>, next_hop: &IpAddr) -> Result<(), SendError> {
            self.try_send(packet, next_hop)
        }

        fn try_send(&self, packet: &mut Packet<'_>, next_hop: &IpAddr) -> Result<(), SendError> {
            self.0.borrow_mut().push(([packet.headers(), packet.payload()].concat(), *next_hop));
            Ok(())
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn send(to: &str, payload: &[u8]) -> Result<Vec<(Vec<u8>, IpAddr)>, SendError> {
        let routes = Routes::default().network(ip("10.0.0.1"), 24).network(ip("fd00::1"), 64);
        let router = Router::new(routes.default_via(ip("10.0.0.254"), ip("10.0.0.1")), 100);
        let layer = Ip::new(Fake::default());
        for sequence in 0..2 {
            let via = Via { protocol: IpNumber::UDP, route: router.find(ip(to))? };
            let mut headroom = [0; HEADROOM];
            let mut packet = Packet::new(&mut headroom, payload, Stamp { sequence, ..Stamp::default() });
            let sent = layer.send(&mut packet, &via).now_or_never();
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
    fn the_checksum_follows_every_identification() {
        let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(255, 254, 253, 252));
        // Lengths for which adding the identification carries early, late, and almost never.
        for len in [0, 1, 7_000, 0x7fff, 65_000] {
            let template = Template::new(HeaderKey { source, destination, len, protocol: IpNumber::UDP });
            for identification in 0..=u16::MAX {
                let mut header = template.bytes;
                template.identify(&mut header, identification);
                let header = Ipv4Packet::new_unchecked(&header[..]);
                assert!(header.verify_checksum() && header.ident() == identification, "{len} {identification}");
            }
        }
    }

    #[test]
    fn an_independent_reader_accepts_the_v6_header() {
        let sent = send("fd00::9", b"payload").unwrap();
        let packet = Ipv6Packet::new_checked(&sent[0].0[..]).unwrap();
        assert_eq!((packet.hop_limit(), packet.payload()), (64, &b"payload"[..]));
        assert_eq!(IpAddr::from(packet.dst_addr()), ip("fd00::9"));
    }

    #[test]
    fn a_packet_longer_than_the_mtu_is_refused_and_not_truncated() {
        assert!(send("10.0.0.2", &[0; 80]).is_ok());
        assert_eq!(send("10.0.0.2", &[0; 81]), Err(SendError::TooLarge { len: 101, mtu: 100 }));
        assert_eq!(send("fd00::2", &[0; 61]), Err(SendError::TooLarge { len: 101, mtu: 100 }));
        assert_eq!(send("fd01::2", b""), Err(SendError::NoRoute(ip("fd01::2"))));
    }
}
