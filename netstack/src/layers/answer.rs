//! Writes the frames that the stack sends by itself: answers, and requests for a neighbour's address.

use std::iter;

use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv6Header};

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
