//! ICMP and ICMPv6: echo, errors about packets of the stack, and errors that it reports (RFC 792, RFC 4443).

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{Icmpv4Slice, Icmpv6Slice, IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice, icmpv4, icmpv6};
use shared::ledger::UpDropReason;

use super::answer::{HEADER, HOPS, Link, Message};
use super::checksum::{condense, pseudo_header};
use super::ip::ingress::IpPacket;
use super::{Addresses, Consumed, Consumer, Local, ndp};

/// The smallest MTU of a link: RFC 791, section 3.2, and RFC 8200, section 5.
const LEAST_MTU_V4: u16 = 68;
const LEAST_MTU_V6: u16 = 1280;

/// The largest error that is sent, as an IP packet: RFC 1812, section 4.3.2.3, and RFC 4443, section 2.4.
const MOST_ERROR_V4: usize = 576;
const MOST_ERROR_V6: usize = 1280;

/// Answers an echo request to the stack alone, and reads what an error says about the MTU of a path.
pub(super) fn process_v4(local: &Local, packet: &IpPacket<'_>, answer: &mut [u8]) -> Result<Consumed, UpDropReason> {
    let message = Icmpv4Slice::from_slice(packet.payload).map_err(|_| UpDropReason::IcmpMalformed)?;
    if Sum16BitWords::new().add_8bytes(condense(packet.payload)).ones_complement() != 0 {
        return Err(UpDropReason::IcmpBadChecksum);
    }
    let nothing = Consumed::by(Consumer::Icmp);
    if !packet.to_us_alone {
        return Ok(nothing);
    }
    Ok(match (message.type_u8(), message.code_u8()) {
        (icmpv4::TYPE_ECHO_REQUEST, 0) => {
            Consumed { answer: echo(local, packet, icmpv4::TYPE_ECHO_REPLY, answer), ..nothing }
        }
        (icmpv4::TYPE_DEST_UNREACH, icmpv4::CODE_DST_UNREACH_NEED_FRAG) => {
            Consumed { path_mtu: path_mtu_v4(local, &message, &packet.payload[HEADER..]), ..nothing }
        }
        _ => nothing,
    })
}

/// The same over IPv6, and what neighbour discovery does.
pub(super) fn process_v6(local: &Local, packet: &IpPacket<'_>, answer: &mut [u8]) -> Result<Consumed, UpDropReason> {
    let message = Icmpv6Slice::from_slice(packet.payload).map_err(|_| UpDropReason::IcmpMalformed)?;
    // It is part of an IP packet, so its length fits.
    let length = u16::try_from(packet.payload.len()).map_err(|_| UpDropReason::IcmpMalformed)?;
    let mut sum = pseudo_header(&packet.addresses, IpNumber::IPV6_ICMP, length);
    if sum.add_8bytes(condense(packet.payload)).ones_complement() != 0 {
        return Err(UpDropReason::IcmpBadChecksum);
    }
    let kind = message.type_u8();
    if packet.addresses.source().is_unspecified() && kind != icmpv6::TYPE_NEIGHBOR_SOLICITATION {
        return Err(UpDropReason::IpBadSource);
    }
    let nothing = Consumed::by(Consumer::Icmp);
    Ok(match (kind, message.code_u8()) {
        (icmpv6::TYPE_ROUTER_SOLICITATION..=icmpv6::TYPE_REDIRECT_MESSAGE, _) => {
            return ndp::process(local, packet, &message, answer);
        }
        _ if !packet.to_us_alone => nothing,
        (icmpv6::TYPE_ECHO_REQUEST, 0) => {
            Consumed { answer: echo(local, packet, icmpv6::TYPE_ECHO_REPLY, answer), ..nothing }
        }
        (icmpv6::TYPE_PACKET_TOO_BIG, _) => {
            Consumed { path_mtu: path_mtu_v6(local, &message, &packet.payload[HEADER..]), ..nothing }
        }
        _ => nothing,
    })
}

/// Writes the reply to an echo request: the same identifier, sequence number and data, from the address that was asked.
fn echo(local: &Local, packet: &IpPacket<'_>, reply: u8, answer: &mut [u8]) -> Option<usize> {
    let ([_, _, _, _, rest @ ..], data) = packet.payload.split_first_chunk::<HEADER>()?;
    let link = Link { from: local.mac(), to: packet.from };
    Message { kind: reply, code: 0, rest: *rest, data }.write(link, &packet.addresses.reversed(), HOPS, answer)
}

/// The answer to a datagram that was sent to the stack alone and whose port has no socket: as much of its packet as an
/// error may contain. Returns the length of the frame.
pub(super) fn port_unreachable(local: &Local, packet: &IpPacket<'_>, answer: &mut [u8]) -> Option<usize> {
    let (kind, code, most, headers) = match packet.addresses {
        Addresses::V4 { .. } => (icmpv4::TYPE_DEST_UNREACH, icmpv4::CODE_DST_UNREACH_PORT, MOST_ERROR_V4, 20 + HEADER),
        Addresses::V6 { .. } => (icmpv6::TYPE_DST_UNREACH, icmpv6::CODE_DST_UNREACH_PORT, MOST_ERROR_V6, 40 + HEADER),
    };
    let most = most.min(local.mtu()).saturating_sub(headers);
    let data = &packet.bytes[..packet.bytes.len().min(most)];
    let link = Link { from: local.mac(), to: packet.from };
    Message { kind, code, rest: [0; 4], data }.write(link, &packet.addresses.reversed(), HOPS, answer)
}

/// What "fragmentation needed" says: the destination of the packet of the stack that it quotes, and the MTU of the next
/// link on the path (RFC 1191). `None` if it quotes no such packet, or if the MTU is impossible or nothing new.
fn path_mtu_v4(local: &Local, message: &Icmpv4Slice<'_>, quote: &[u8]) -> Option<(IpAddr, u16)> {
    /// MTUs of common links, for routers that do not state theirs: RFC 1191, section 7.1.
    const PLATEAUS: [u16; 10] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];
    let quoted = Ipv4HeaderSlice::from_slice(quote).ok()?;
    let [_, _, high, low] = message.bytes5to8();
    let mtu = match u16::from_be_bytes([high, low]) {
        0 => *PLATEAUS.iter().find(|plateau| **plateau < quoted.total_len())?,
        stated => stated,
    };
    let (source, destination) = (quoted.source_addr().into(), quoted.destination_addr().into());
    lowered(local, source, destination, (mtu >= LEAST_MTU_V4).then_some(mtu)?)
}

/// The same of "packet too big". A lower MTU than every link has is ignored (RFC 8201, section 4).
fn path_mtu_v6(local: &Local, message: &Icmpv6Slice<'_>, quote: &[u8]) -> Option<(IpAddr, u16)> {
    let quoted = Ipv6HeaderSlice::from_slice(quote).ok()?;
    let mtu = u16::try_from(u32::from_be_bytes(message.bytes5to8())).ok()?;
    let (source, destination) = (quoted.source_addr().into(), quoted.destination_addr().into());
    lowered(local, source, destination, (mtu >= LEAST_MTU_V6).then_some(mtu)?)
}

fn lowered(local: &Local, source: IpAddr, destination: IpAddr, mtu: u16) -> Option<(IpAddr, u16)> {
    let ours = local.owns(source) && local.may_come_from(destination);
    (ours && usize::from(mtu) < local.mtu()).then_some((destination, mtu))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::layers::frames::{
        OUR_V4, OUR_V6, OURS, THEIR_V4, THEIR_V6, THEIRS, datagram, fragmentation_needed, icmp_v4, icmp_v6, icmp_v6_to,
        local, packet, packet_to, too_big, udp,
    };
    use crate::layers::local::{ALL_NODES, group_v6};
    use crate::layers::{Ingress, MacAddr};
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        EthernetFrame, Icmpv4Message, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
        IpProtocol, Ipv4Packet, Ipv6Packet,
    };

    fn process(frame: &[u8]) -> (Result<Consumed, UpDropReason>, Vec<u8>) {
        let mut answer = [0; 1514];
        match local().process(frame, &mut answer) {
            Ingress::Consumed(consumed) => (Ok(consumed), answer[..consumed.answer.unwrap_or(0)].to_vec()),
            Ingress::Dropped(reason) => (Err(reason), Vec::new()),
            Ingress::Deliver(datagram) => panic!("{datagram:?}"),
        }
    }

    /// The IP packet in a frame from us to them.
    fn ip(frame: &[u8]) -> &[u8] {
        let frame = EthernetFrame::new_checked(frame).unwrap();
        assert_eq!((frame.src_addr().0, frame.dst_addr().0), (OURS.0, THEIRS.0));
        frame.into_inner().get(14..).unwrap()
    }

    fn checked_v4(bytes: &[u8]) -> Ipv4Packet<&[u8]> {
        let packet = Ipv4Packet::new_checked(bytes).unwrap();
        assert!(packet.verify_checksum());
        assert_eq!((packet.src_addr(), packet.dst_addr(), packet.hop_limit()), (OUR_V4, THEIR_V4, 64));
        assert_eq!((usize::from(packet.total_len()), packet.next_header()), (bytes.len(), IpProtocol::Icmp));
        packet
    }

    fn checked_v6(bytes: &[u8]) -> Ipv6Packet<&[u8]> {
        let packet = Ipv6Packet::new_checked(bytes).unwrap();
        assert_eq!((packet.src_addr(), packet.dst_addr(), packet.hop_limit()), (OUR_V6, THEIR_V6, 64));
        assert_eq!((packet.total_len(), packet.next_header()), (bytes.len(), IpProtocol::Icmpv6));
        packet
    }

    #[test]
    fn an_echo_request_is_answered_with_the_same_data() {
        let caps = ChecksumCapabilities::default();
        for len in [0, 1, 56, 1452] {
            let data: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let (ident, seq_no, data) = (0xbeef, 77, &data[..]);
            let request = icmp_v4(&Icmpv4Repr::EchoRequest { ident, seq_no, data });
            let (consumed, answer) = process(&request);
            assert_eq!(consumed, Ok(Consumed { answer: Some(request.len()), ..Consumed::by(Consumer::Icmp) }));
            let packet = checked_v4(ip(&answer));
            let message = Icmpv4Packet::new_checked(packet.payload()).unwrap();
            assert_eq!(Icmpv4Repr::parse(&message, &caps), Ok(Icmpv4Repr::EchoReply { ident, seq_no, data }));

            let request = icmp_v6(&Icmpv6Repr::EchoRequest { ident, seq_no, data });
            let (consumed, answer) = process(&request);
            assert_eq!(consumed, Ok(Consumed { answer: Some(request.len()), ..Consumed::by(Consumer::Icmp) }));
            let packet = checked_v6(ip(&answer));
            let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
            let read = Icmpv6Repr::parse(&OUR_V6, &THEIR_V6, &message, &caps);
            assert_eq!(read, Ok(Icmpv6Repr::EchoReply { ident, seq_no, data }));
        }
    }

    #[test]
    fn an_echo_request_to_many_or_of_another_code_is_not_answered() {
        let nothing = (Ok(Consumed::by(Consumer::Icmp)), Vec::new());
        let echo = Icmpv4Repr::EchoRequest { ident: 1, seq_no: 2, data: b"data" };
        let mut message = vec![0; echo.buffer_len()];
        echo.emit(&mut Icmpv4Packet::new_unchecked(&mut message), &ChecksumCapabilities::default());
        for destination in [Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 255), Ipv4Addr::new(224, 0, 0, 1)] {
            for mac in [OURS, MacAddr::BROADCAST] {
                let frame = packet_to(mac, THEIR_V4.into(), destination.into(), IpProtocol::Icmp, 64, &message);
                assert_eq!(process(&frame), nothing);
            }
        }
        let echo = Icmpv6Repr::EchoRequest { ident: 1, seq_no: 2, data: b"data" };
        for (mac, destination) in [(group_v6(ALL_NODES), ALL_NODES), (OURS, ALL_NODES), (group_v6(ALL_NODES), OUR_V6)] {
            assert_eq!(process(&icmp_v6_to(mac, THEIR_V6, destination, 64, &echo)), nothing, "{destination}");
        }
        message[1] = 1;
        Icmpv4Packet::new_unchecked(&mut message).fill_checksum();
        assert_eq!(process(&packet(THEIR_V4.into(), OUR_V4.into(), IpProtocol::Icmp, 64, &message)), nothing);
    }

    #[test]
    fn short_messages_and_wrong_checksums_are_dropped() {
        for (source, destination, protocol) in [
            (IpAddr::from(THEIR_V4), IpAddr::from(OUR_V4), IpProtocol::Icmp),
            (THEIR_V6.into(), OUR_V6.into(), IpProtocol::Icmpv6),
        ] {
            for len in 0..8 {
                let frame = packet(source, destination, protocol, 64, &vec![0; len]);
                assert_eq!(process(&frame).0, Err(UpDropReason::IcmpMalformed));
            }
            let frame = packet(source, destination, protocol, 64, &[8, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(process(&frame).0, Err(UpDropReason::IcmpBadChecksum));
        }
        let (unspecified, echo) = (Ipv6Addr::UNSPECIFIED, Icmpv6Repr::EchoRequest { ident: 1, seq_no: 2, data: b"" });
        assert_eq!(process(&icmp_v6_to(OURS, unspecified, OUR_V6, 64, &echo)).0, Err(UpDropReason::IpBadSource));
    }

    #[test]
    fn errors_and_other_messages_are_never_answered() {
        let unreachable = packet(THEIR_V4.into(), OUR_V4.into(), IpProtocol::Icmp, 64, &{
            let mut message =
                [&[3, 3, 0, 0, 0, 0, 0, 0][..], ip_of(&udp(OUR_V4.into(), THEIR_V4.into(), b"x"))].concat();
            Icmpv4Packet::new_unchecked(&mut message).fill_checksum();
            message
        });
        assert_eq!(process(&unreachable).0, Ok(Consumed::by(Consumer::Icmp)));
        for kind in (0..=u8::MAX).filter(|kind| *kind != icmpv4::TYPE_ECHO_REQUEST) {
            let mut message = [0; 20];
            message[0] = kind;
            Icmpv4Packet::new_unchecked(&mut message).fill_checksum();
            let frame = packet(THEIR_V4.into(), OUR_V4.into(), IpProtocol::Icmp, 64, &message);
            assert_eq!(process(&frame).0, Ok(Consumed::by(Consumer::Icmp)), "{kind}");
        }
        for kind in (0..=u8::MAX).filter(|kind| !matches!(*kind, icmpv6::TYPE_ECHO_REQUEST | 133..=137)) {
            let mut message = [0; 48];
            message[0] = kind;
            Icmpv6Packet::new_unchecked(&mut message).fill_checksum(&THEIR_V6, &OUR_V6);
            let frame = packet(THEIR_V6.into(), OUR_V6.into(), IpProtocol::Icmpv6, 64, &message);
            assert_eq!(process(&frame).0, Ok(Consumed::by(Consumer::Icmp)), "{kind}");
        }
    }

    fn ip_of(frame: &[u8]) -> &[u8] {
        &frame[14..]
    }

    #[test]
    fn the_mtu_of_a_path_is_read_from_errors_about_packets_of_the_stack() {
        let path_mtu = |frame: &[u8]| {
            let (consumed, answer) = process(frame);
            assert!(answer.is_empty());
            consumed.unwrap().path_mtu.map(|(_, mtu)| mtu)
        };
        let far = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(process(&fragmentation_needed(OUR_V4, 1400)).0.unwrap().path_mtu, Some((far, 1400)));
        // A packet of 1500 B did not pass a router that does not state its MTU: the next lower one of RFC 1191.
        for (stated, read) in
            [(0, Some(1492)), (67, None), (68, Some(68)), (1499, Some(1499)), (1500, None), (9000, None)]
        {
            assert_eq!(path_mtu(&fragmentation_needed(OUR_V4, stated)), read, "{stated}");
        }
        for (stated, read) in
            [(0, None), (1279, None), (1280, Some(1280)), (1499, Some(1499)), (1500, None), (1 << 16, None)]
        {
            assert_eq!(path_mtu(&too_big(OUR_V6, stated)), read, "{stated}");
        }
        // About packets of others.
        assert_eq!(path_mtu(&fragmentation_needed(THEIR_V4, 1400)), None);
        assert_eq!(path_mtu(&too_big(THEIR_V6, 1400)), None);
    }

    #[test]
    fn an_unknown_port_is_answered_with_the_packet() {
        let mut answer = [0; 1514];
        for len in [0, 5, 1452] {
            let payload = vec![7; len];
            let frame = udp(THEIR_V4.into(), OUR_V4.into(), &payload);
            let Ingress::Deliver(datagram) = local().process(&frame, &mut []) else { panic!() };
            let written = local().port_unreachable(&datagram, &mut answer).unwrap();
            let packet = checked_v4(ip(&answer[..written]));
            let message = Icmpv4Packet::new_checked(packet.payload()).unwrap();
            assert!(message.verify_checksum());
            assert_eq!((message.msg_type(), message.msg_code()), (Icmpv4Message::DstUnreachable, 3));
            assert_eq!(message.data(), &frame[14..frame.len().min(14 + 576 - 28)]);

            let frame = udp(THEIR_V6.into(), OUR_V6.into(), &payload);
            let Ingress::Deliver(datagram) = local().process(&frame, &mut []) else { panic!() };
            let written = local().port_unreachable(&datagram, &mut answer).unwrap();
            let packet = checked_v6(ip(&answer[..written]));
            let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
            let read = Icmpv6Repr::parse(&OUR_V6, &THEIR_V6, &message, &ChecksumCapabilities::default());
            let Ok(Icmpv6Repr::DstUnreachable { reason, header, data }) = read else { panic!("{read:?}") };
            assert_eq!((reason, header.src_addr), (Icmpv6DstUnreachable::PortUnreachable, THEIR_V6));
            assert_eq!(data, &frame[54..frame.len().min(14 + 1280 - 48)]);
            assert!(packet.total_len() <= 1280);
        }
    }

    #[test]
    fn a_datagram_to_many_has_no_answer() {
        let mut answer = [0; 1514];
        let many_v4: IpAddr = Ipv4Addr::BROADCAST.into();
        for (mac, source, destination) in [
            (MacAddr::BROADCAST, IpAddr::from(THEIR_V4), many_v4),
            (OURS, THEIR_V4.into(), many_v4),
            (OURS, THEIR_V4.into(), [224, 0, 0, 1].into()),
            (OURS, THEIR_V6.into(), ALL_NODES.into()),
            (group_v6(ALL_NODES), THEIR_V6.into(), OUR_V6.into()),
        ] {
            let payload = datagram(source, destination, (1, 2), b"x");
            let frame = packet_to(mac, source, destination, IpProtocol::Udp, 64, &payload);
            let Ingress::Deliver(datagram) = local().process(&frame, &mut []) else { panic!() };
            assert_eq!(local().port_unreachable(&datagram, &mut answer), None, "{destination} at {mac}");
        }
    }
}
