//! The way up: checks of the header (RFC 1122, section 3.2.1; RFC 8200). Fragments are dropped.

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6Header, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice};
use shared::ledger::UpDropReason;

use crate::layers::ethernet::ingress::Frame;
use crate::layers::local::Audience;
use crate::layers::{Addresses, Local, MacAddr};

/// A packet for the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layers) struct IpPacket<'a> {
    /// The station that sent the frame.
    pub(in crate::layers) from: MacAddr,
    pub(in crate::layers) addresses: Addresses,
    /// Whether it was sent to the stack alone, both by its Ethernet and by its IP address.
    pub(in crate::layers) to_us_alone: bool,
    pub(in crate::layers) protocol: IpNumber,
    /// TTL or hop limit.
    pub(in crate::layers) hops: u8,
    /// What is behind all headers of the IP layer.
    pub(in crate::layers) payload: &'a [u8],
    /// The whole packet, without the padding of its frame.
    pub(in crate::layers) bytes: &'a [u8],
}

/// How many extension headers a v6 packet may have. RFC 8200, section 4.1, recommends each of four kinds at most once,
/// and one of them at most twice.
const MOST_EXTENSIONS: usize = 8;

/// Reads the v4 packet in `frame`. Options are skipped, and no life time is too short for a host.
pub(in crate::layers) fn parse_v4<'a>(local: &Local, frame: &Frame<'a>) -> Result<IpPacket<'a>, UpDropReason> {
    let header = Ipv4HeaderSlice::from_slice(frame.payload).map_err(|_| UpDropReason::IpMalformed)?;
    let bytes = frame.payload.get(..header.total_len().into()).ok_or(UpDropReason::IpMalformed)?;
    let payload = bytes.get(header.slice().len()..).ok_or(UpDropReason::IpMalformed)?;
    if Sum16BitWords::new().add_slice(header.slice()).ones_complement() != 0 {
        return Err(UpDropReason::IpBadChecksum);
    }
    let (source, destination) = (header.source_addr(), header.destination_addr());
    let audience = local.audience_v4(destination).ok_or(UpDropReason::IpNotForUs)?;
    // RFC 1122, section 3.3.6: a broadcast on the link contains a packet to a broadcast or a group.
    if frame.audience == Audience::Many && audience == Audience::Us {
        return Err(UpDropReason::IpNotForUs);
    }
    if !local.may_come_from(source.into()) {
        return Err(UpDropReason::IpBadSource);
    }
    if header.is_fragmenting_payload() {
        return Err(UpDropReason::IpFragment);
    }
    Ok(IpPacket {
        from: frame.from,
        addresses: Addresses::V4 { source, destination },
        to_us_alone: audience == Audience::Us,
        protocol: header.protocol(),
        hops: header.ttl(),
        payload,
        bytes,
    })
}

/// Reads the v6 packet in `frame`. An unspecified source passes only in front of ICMPv6, which looks at it.
pub(in crate::layers) fn parse_v6<'a>(local: &Local, frame: &Frame<'a>) -> Result<IpPacket<'a>, UpDropReason> {
    let header = Ipv6HeaderSlice::from_slice(frame.payload).map_err(|_| UpDropReason::IpMalformed)?;
    // A length of zero means nothing behind the header; jumbograms (RFC 2675) do not fit into a frame.
    let len = Ipv6Header::LEN + usize::from(header.payload_length());
    let bytes = frame.payload.get(..len).ok_or(UpDropReason::IpMalformed)?;
    let (source, destination) = (header.source_addr(), header.destination_addr());
    let audience = local.audience_v6(destination).ok_or(UpDropReason::IpNotForUs)?;
    if !source.is_unspecified() && !local.may_come_from(source.into()) {
        return Err(UpDropReason::IpBadSource);
    }
    let (protocol, payload) = skip_extensions(header.next_header(), &bytes[Ipv6Header::LEN..])?;
    if source.is_unspecified() && protocol != IpNumber::IPV6_ICMP {
        return Err(UpDropReason::IpBadSource);
    }
    Ok(IpPacket {
        from: frame.from,
        addresses: Addresses::V6 { source, destination },
        to_us_alone: frame.audience == Audience::Us && audience == Audience::Us,
        protocol,
        hops: header.hop_limit(),
        payload,
        bytes,
    })
}

/// The protocol behind the extension headers in `rest`, of which `next` is the first, and its bytes.
fn skip_extensions(mut next: IpNumber, mut rest: &[u8]) -> Result<(IpNumber, &[u8]), UpDropReason> {
    for at in 0..=MOST_EXTENSIONS {
        match next {
            // Only directly behind the IPv6 header (RFC 8200, section 4.3); elsewhere it is an unknown protocol.
            IpNumber::IPV6_HEADER_HOP_BY_HOP if at == 0 => {}
            IpNumber::IPV6_DESTINATION_OPTIONS | IpNumber::IPV6_ROUTE_HEADER => {}
            IpNumber::IPV6_FRAGMENTATION_HEADER => return Err(UpDropReason::IpFragment),
            protocol => return Ok((protocol, rest)),
        }
        let extension = Ipv6RawExtHeaderSlice::from_slice(rest).map_err(|_| UpDropReason::IpMalformed)?;
        if next == IpNumber::IPV6_ROUTE_HEADER {
            // The fourth byte of the header: how many stations are left on the route. No kind of route is known here.
            if extension.slice()[3] != 0 {
                return Err(UpDropReason::IpUnknownOption);
            }
        } else {
            check_options(extension.payload())?;
        }
        next = extension.next_header();
        rest = &rest[extension.slice().len()..];
    }
    Err(UpDropReason::IpMalformed)
}

/// Whether a stack that knows no option may skip all of `options` (RFC 8200, section 4.2).
fn check_options(mut options: &[u8]) -> Result<(), UpDropReason> {
    /// The only option without a length.
    const PAD1: u8 = 0;
    /// The two highest bits of an option's type: what to do for a stack that does not know it. Zero is: skip it.
    const ACTION: u8 = 0b1100_0000;
    while let [kind, rest @ ..] = options {
        options = match rest {
            _ if *kind == PAD1 => rest,
            _ if kind & ACTION != 0 => return Err(UpDropReason::IpUnknownOption),
            [len, rest @ ..] => rest.get(usize::from(*len)..).ok_or(UpDropReason::IpMalformed)?,
            [] => return Err(UpDropReason::IpMalformed),
        };
    }
    Ok(())
}
