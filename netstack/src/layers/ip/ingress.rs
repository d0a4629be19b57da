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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::layers::Ingress;
    use crate::layers::frames::{
        OUR_GROUP, OUR_V4, OUR_V6, OURS, THEIR_V4, THEIR_V6, datagram, extended, local, packet, packet_to, repair, udp,
    };
    use smoltcp::wire::IpProtocol;

    /// The payload that is delivered, or the reason for which it is not.
    fn delivered(frame: &[u8]) -> Result<Vec<u8>, UpDropReason> {
        match local().process(frame, &mut []) {
            Ingress::Deliver(datagram) => Ok(datagram.payload.to_vec()),
            Ingress::Consumed(consumed) => panic!("{consumed:?}"),
            Ingress::Dropped(reason) => Err(reason),
        }
    }

    /// `frame` with `value` at `at`, and checksums that are right.
    fn with(frame: &[u8], at: usize, value: u8) -> Vec<u8> {
        let mut frame = frame.to_vec();
        frame[at] = value;
        repair(&mut frame);
        frame
    }

    fn v4() -> Vec<u8> {
        udp(THEIR_V4.into(), OUR_V4.into(), b"payload")
    }

    fn v6() -> Vec<u8> {
        udp(THEIR_V6.into(), OUR_V6.into(), b"payload")
    }

    #[test]
    fn padding_behind_the_packet_is_ignored() {
        for mut frame in [v4(), v6()] {
            frame.resize(100, 0xee);
            assert_eq!(delivered(&frame), Ok(b"payload".to_vec()));
        }
    }

    #[test]
    fn contradictions_in_the_header_are_malformed() {
        let malformed = Err(UpDropReason::IpMalformed);
        // Version; header length: too short, and beyond the packet; total length: too short, and beyond the frame.
        for (at, value) in [(14, 0x55), (14, 0x44), (14, 0x4f), (17, 19), (17, 36)] {
            assert_eq!(delivered(&with(&v4(), at, value)), malformed, "{value:02x} at {at}");
        }
        for (at, value) in [(14, 0x40), (19, 16)] {
            assert_eq!(delivered(&with(&v6(), at, value)), malformed, "{value:02x} at {at}");
        }
        for len in 14..v4().len() {
            assert_eq!(delivered(&v4()[..len]), malformed);
        }
        for len in 14..v6().len() {
            assert_eq!(delivered(&v6()[..len]), malformed);
        }
        let mut flipped = v4();
        flipped[22] ^= 1;
        assert_eq!(delivered(&flipped), Err(UpDropReason::IpBadChecksum));
        assert_eq!(delivered(&with(&v4(), 22, 0)), Ok(b"payload".to_vec()), "no life time is too short");
    }

    #[test]
    fn options_are_skipped() {
        let datagram = datagram(THEIR_V4.into(), OUR_V4.into(), (1, 2), b"behind");
        // The total length of `packet` includes the option that is put in front of the datagram.
        let payload = [&[0x94, 4, 0, 0][..], &datagram].concat();
        let frame = packet(THEIR_V4.into(), OUR_V4.into(), IpProtocol::Udp, 64, &payload);
        assert_eq!(delivered(&with(&frame, 14, 0x46)), Ok(b"behind".to_vec()));
    }

    #[test]
    fn fragments_have_a_reason_of_their_own() {
        let fragment = Err(UpDropReason::IpFragment);
        for (at, value) in [(20, 0x20), (20, 0x1f), (21, 1)] {
            assert_eq!(delivered(&with(&v4(), at, value)), fragment);
        }
        assert_eq!(delivered(&with(&v4(), 20, 0)), Ok(b"payload".to_vec()), "it could have been one");
        for at in [0, 1] {
            let chain = [(60, &[1, 4, 0, 0, 0, 0][..]), (44, &[0, 1, 0, 0, 0, 7])];
            assert_eq!(delivered(&extended(&chain[at..])), fragment);
        }
    }

    #[test]
    fn who_is_no_other_host_is_no_sender() {
        let from = |source: IpAddr, destination: IpAddr| delivered(&udp(source, destination, b"payload"));
        for source in [
            [0, 0, 0, 0],
            [0, 1, 2, 3],
            [127, 0, 0, 1],
            [224, 0, 0, 1],
            [240, 0, 0, 1],
            [255, 255, 255, 255],
            [10, 0, 0, 255],
            OUR_V4.octets(),
        ] {
            assert_eq!(from(IpAddr::from(source), OUR_V4.into()), Err(UpDropReason::IpBadSource), "{source:?}");
        }
        for source in ["::", "::1", "ff02::1", "::ffff:10.0.0.2", "fd00::1"] {
            let source: Ipv6Addr = source.parse().unwrap();
            assert_eq!(from(source.into(), OUR_V6.into()), Err(UpDropReason::IpBadSource), "{source}");
        }
        for source in ["192.0.2.1", "10.0.1.255"] {
            assert!(from(source.parse::<Ipv4Addr>().unwrap().into(), OUR_V4.into()).is_ok(), "{source}");
        }
        assert!(from("fe80::1".parse().unwrap(), OUR_V6.into()).is_ok());
    }

    #[test]
    fn packets_for_the_stack_and_for_all_pass_and_others_do_not() {
        let to = |mac, source: IpAddr, destination: IpAddr| {
            let payload = datagram(source, destination, (1, 2), b"payload");
            delivered(&packet_to(mac, source, destination, IpProtocol::Udp, 64, &payload)).err()
        };
        let not_for_us = Some(UpDropReason::IpNotForUs);
        for (destination, dropped) in [
            (OUR_V4, None),
            (Ipv4Addr::BROADCAST, None),
            (Ipv4Addr::new(10, 0, 0, 255), None),
            (Ipv4Addr::new(224, 0, 0, 1), None),
            (THEIR_V4, not_for_us),
            (Ipv4Addr::new(10, 0, 255, 255), not_for_us),
            (Ipv4Addr::new(224, 0, 0, 251), not_for_us),
            (Ipv4Addr::LOCALHOST, not_for_us),
            (Ipv4Addr::UNSPECIFIED, not_for_us),
        ] {
            assert_eq!(to(OURS, THEIR_V4.into(), destination.into()), dropped, "{destination}");
            // RFC 1122, section 3.3.6.
            let by_broadcast = if destination == OUR_V4 { not_for_us } else { dropped };
            assert_eq!(to(MacAddr::BROADCAST, THEIR_V4.into(), destination.into()), by_broadcast, "{destination}");
        }
        let all_nodes_here = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1);
        for (destination, dropped) in [
            (OUR_V6, None),
            (OUR_GROUP, None),
            (crate::layers::local::ALL_NODES, None),
            (all_nodes_here, None),
            (THEIR_V6, not_for_us),
            (Ipv6Addr::LOCALHOST, not_for_us),
            (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), not_for_us),
        ] {
            assert_eq!(to(OURS, THEIR_V6.into(), destination.into()), dropped, "{destination}");
        }
    }

    #[test]
    fn extension_headers_are_skipped_up_to_a_bound() {
        let (padding, router_alert) = (&[1, 4, 0, 0, 0, 0][..], &[5, 2, 0, 0, 0, 0][..]);
        let ok = Ok(b"extended".to_vec());
        assert_eq!(delivered(&extended(&[(0, router_alert), (60, padding), (43, &[0; 6])])), ok);
        assert_eq!(delivered(&extended(&[(60, &[0; 22])])), ok, "padding of single bytes");
        assert_eq!(delivered(&extended(&[(60, padding); MOST_EXTENSIONS])), ok);
        assert_eq!(delivered(&extended(&[(60, padding); MOST_EXTENSIONS + 1])), Err(UpDropReason::IpMalformed));
        // Hop-by-hop options behind another header, authentication, and the end of the chain.
        for (at, number) in [(1, 0), (0, 51), (0, 59), (0, 6)] {
            let chain = [(60, padding), (number, padding)];
            assert_eq!(delivered(&extended(&chain[1 - at..])), Err(UpDropReason::IpUnknownProtocol), "{number}");
        }
    }

    #[test]
    fn an_option_that_must_not_be_skipped_drops_the_packet() {
        let with = |options: &[u8]| delivered(&extended(&[(60, options)])).err();
        // The two highest bits of the type; 0xc9 is the home address, 0xc2 the length of a jumbogram.
        for kind in [0x40, 0x80, 0xc2, 0xc9] {
            assert_eq!(with(&[kind, 4, 0, 0, 0, 0]), Some(UpDropReason::IpUnknownOption), "{kind:02x}");
        }
        assert_eq!(with(&[0x3f, 4, 0, 0, 0, 0]), None);
        for broken in [[1, 5, 0, 0, 0, 0], [1, 3, 0, 0, 0, 1], [1, 255, 0, 0, 0, 0]] {
            assert_eq!(with(&broken), Some(UpDropReason::IpMalformed), "{broken:?}");
        }
        let route = |left| delivered(&extended(&[(43, &[2, left, 0, 0, 0, 0])])).err();
        assert_eq!((route(0), route(1)), (None, Some(UpDropReason::IpUnknownOption)));
    }

    #[test]
    fn other_protocols_are_unknown() {
        for protocol in [IpProtocol::Tcp, IpProtocol::Igmp, IpProtocol::Icmpv6, IpProtocol::Unknown(255)] {
            let frame = packet(THEIR_V4.into(), OUR_V4.into(), protocol, 64, &[0; 20]);
            assert_eq!(delivered(&frame), Err(UpDropReason::IpUnknownProtocol), "{protocol}");
        }
        for protocol in [IpProtocol::Tcp, IpProtocol::Icmp, IpProtocol::Ipv6NoNxt] {
            let frame = packet(THEIR_V6.into(), OUR_V6.into(), protocol, 64, &[0; 20]);
            assert_eq!(delivered(&frame), Err(UpDropReason::IpUnknownProtocol), "{protocol}");
        }
    }
}
