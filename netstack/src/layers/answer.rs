//! Writes the frames that the stack sends by itself: answers, and requests for a neighbour's address.

use std::iter;

use etherparse::checksum::Sum16BitWords;
use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv6Header};

use super::checksum::{condense, pseudo_header};
use super::{Addresses, MacAddr};

/// TTL and hop limit of packets that may be routed (64 is the default that RFC 1700 recommends).
pub(super) const HOPS: u8 = 64;

/// The ends of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) from: MacAddr,
    pub(super) to: MacAddr,
}

/// Writes a frame with `parts` behind its header. Returns its length; `None` if it does not fit into `buffer`.
pub(super) fn write_frame<'p>(
    buffer: &mut [u8],
    link: Link,
    ether_type: EtherType,
    parts: impl IntoIterator<Item = &'p [u8]>,
) -> Option<usize> {
    let header = Ethernet2Header { source: link.from.0, destination: link.to.0, ether_type }.to_bytes();
    let mut len = 0;
    let mut put = |part: &[u8]| {
        buffer.get_mut(len..)?.get_mut(..part.len())?.copy_from_slice(part);
        len += part.len();
        Some(())
    };
    put(&header)?;
    parts.into_iter().try_for_each(put)?;
    Some(len)
}

/// Writes a frame with an IP packet that contains `parts`. Returns its length; `None` if it does not fit into `buffer`.
pub(super) fn write_packet(
    buffer: &mut [u8],
    link: Link,
    addresses: &Addresses,
    protocol: IpNumber,
    hops: u8,
    parts: [&[u8]; 2],
) -> Option<usize> {
    let inner = u16::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).ok()?;
    match addresses {
        Addresses::V4 { source, destination } => {
            let mut header = Ipv4Header {
                total_len: inner.checked_add(Ipv4Header::MIN_LEN_U16)?,
                // Such a packet needs no identification (RFC 6864, section 4.1).
                dont_fragment: true,
                time_to_live: hops,
                protocol,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv4Header::default()
            };
            header.header_checksum = header.calc_header_checksum();
            let header = header.to_bytes();
            write_frame(buffer, link, EtherType::IPV4, iter::once(&header[..]).chain(parts))
        }
        Addresses::V6 { source, destination } => {
            let header = Ipv6Header {
                payload_length: inner,
                next_header: protocol,
                hop_limit: hops,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv6Header::default()
            };
            let header = header.to_bytes();
            write_frame(buffer, link, EtherType::IPV6, iter::once(&header[..]).chain(parts))
        }
    }
}
/// Length of the part that all messages of ICMP have: type, code, checksum, and four bytes by type.
pub(super) const HEADER: usize = 8;

/// A message of ICMP or ICMPv6 to send.
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) code: u8,
    /// What is between checksum and data.
    pub(super) rest: [u8; 4],
    pub(super) data: &'a [u8],
}

impl Message<'_> {
    /// Writes the message in an IP packet in a frame. Returns the length of the frame; `None` if it does not fit into
    /// `buffer`.
    pub(super) fn write(&self, link: Link, addresses: &Addresses, hops: u8, buffer: &mut [u8]) -> Option<usize> {
        let [a, b, c, d] = self.rest;
        let mut header = [self.kind, self.code, 0, 0, a, b, c, d];
        let length = u16::try_from(HEADER + self.data.len()).ok()?;
        // Only ICMPv6 has a pseudo-header (RFC 4443, section 2.3).
        let (protocol, mut sum) = match addresses {
            Addresses::V4 { .. } => (IpNumber::ICMP, Sum16BitWords::new()),
            Addresses::V6 { .. } => (IpNumber::IPV6_ICMP, pseudo_header(addresses, IpNumber::IPV6_ICMP, length)),
        };
        let checksum = sum.add_8bytes(header).add_8bytes(condense(self.data)).ones_complement();
        // The sum is over words in memory order, and so is its complement.
        header[2..4].copy_from_slice(&checksum.to_ne_bytes());
        write_packet(buffer, link, addresses, protocol, hops, [&header, self.data])
    }
}
