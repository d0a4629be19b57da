//! A frame from the network, which may be anything: the stack reads it without a panic, delivers only what an
//! independent reader accepts, and answers only with frames that such a reader accepts.

use std::net::IpAddr;

use netstack::layers::{Consumed, Consumer, Datagram, Ingress, MacAddr};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, Icmpv4Repr,
    Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv4Packet, Ipv6Packet, NdiscRepr, UdpPacket,
};

use super::frames::{OUR_V4, OUR_V6, OURS, local, repair};

/// The longest frame.
const MOST: usize = 1514;

/// Lets the stack read the frame as it is, and with its checksums repaired.
pub(crate) fn target(data: &[u8]) {
    let mut frame = data[..data.len().min(MOST)].to_vec();
    check(&frame);
    repair(&mut frame);
    check(&frame);
}

/// Lets the stack read the frame, and checks the result. Returns whether it was dropped.
pub(crate) fn check(frame: &[u8]) -> bool {
    let (local, mut answer) = (local(), [0; MOST]);
    let result = local.process(frame, &mut answer);
    match result {
        Ingress::Dropped(_) => return true,
        Ingress::Deliver(datagram) => {
            check_datagram(frame, &datagram);
            if let Some(len) = local.port_unreachable(&datagram, &mut answer) {
                assert!(len <= frame.len() + 20 + 20 + 8, "{len} answer {}", frame.len());
                check_answer(frame, &answer[..len]);
            }
        }
        Ingress::Consumed(Consumed { by, learned, path_mtu, answer: written }) => {
            if let Some(learned) = learned {
                let ours = [IpAddr::from(OUR_V4), OUR_V6.into()].contains(&learned.ip) || learned.mac == OURS;
                assert!(learned.mac.is_unicast() && !learned.ip.is_multicast() && !ours, "{learned:?}");
                assert_ne!(by, Consumer::Icmp);
            }
            if let Some((to, mtu)) = path_mtu {
                let least = if to.is_ipv4() { 68 } else { 1280 };
                assert!(by == Consumer::Icmp && (least..1500).contains(&mtu), "{mtu} to {to}");
            }
            if let Some(len) = written {
                // The longest answer to a short request is a neighbour advertisement with its option.
                assert!(len <= frame.len().max(86), "{len} answer {}", frame.len());
                check_answer(frame, &answer[..len]);
            }
        }
    }
    assert_eq!(local.process(frame, &mut []), without_answer(result), "an answer without room is none");
    false
}

fn without_answer(result: Ingress<'_>) -> Ingress<'_> {
    match result {
        Ingress::Consumed(consumed) => Ingress::Consumed(Consumed { answer: None, ..consumed }),
        other => other,
    }
}

/// The datagram lies in the frame, with a header in front of it whose length and checksum are right.
fn check_datagram(frame: &[u8], datagram: &Datagram<'_>) {
    let payload = datagram.payload;
    let at = payload.as_ptr() as usize - frame.as_ptr() as usize;
    let udp = UdpPacket::new_checked(&frame[at - 8..at + payload.len()]).unwrap_or_else(|_| panic!("{datagram:?}"));
    let (source, destination) = (datagram.source.ip().into(), datagram.destination.ip().into());
    assert_eq!((udp.len() as usize, udp.payload()), (8 + payload.len(), payload));
    let unchecked = udp.checksum() == 0 && datagram.source.is_ipv4();
    assert!(unchecked || (udp.checksum() != 0 && udp.verify_checksum(&source, &destination)), "{datagram:?}");
    assert_eq!((udp.src_port(), udp.dst_port()), (datagram.source.port(), datagram.destination.port()));
    let frame = EthernetFrame::new_unchecked(frame);
    match (source, destination) {
        (smoltcp::wire::IpAddress::Ipv4(source), smoltcp::wire::IpAddress::Ipv4(destination)) => {
            let packet = Ipv4Packet::new_checked(frame.payload()).unwrap_or_else(|_| panic!("{datagram:?}"));
            assert!(packet.verify_checksum() && packet.version() == 4);
            assert!(!packet.more_frags() && packet.frag_offset() == 0 && packet.next_header() == IpProtocol::Udp);
            assert_eq!((packet.src_addr(), packet.dst_addr()), (source, destination));
            assert!(at + payload.len() <= 14 + usize::from(packet.total_len()), "behind the packet's end");
        }
        (smoltcp::wire::IpAddress::Ipv6(source), smoltcp::wire::IpAddress::Ipv6(destination)) => {
            let packet = Ipv6Packet::new_checked(frame.payload()).unwrap_or_else(|_| panic!("{datagram:?}"));
            assert_eq!((packet.version(), packet.src_addr(), packet.dst_addr()), (6, source, destination));
            assert!(at + payload.len() <= 14 + packet.total_len(), "behind the packet's end");
        }
        _ => panic!("two families: {datagram:?}"),
    }
}

/// An independent reader accepts the answer, and it says what the stack may say to `request`.
fn check_answer(request: &[u8], answer: &[u8]) {
    let frame = EthernetFrame::new_checked(answer).unwrap_or_else(|_| panic!("{answer:02x?}"));
    let (to, from) = (MacAddr(frame.dst_addr().0), MacAddr(frame.src_addr().0));
    let all_nodes = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
    assert!(from == OURS && (to.is_unicast() || to == all_nodes), "{from} to {to}");
    let caps = ChecksumCapabilities::default();
    match frame.ethertype() {
        EthernetProtocol::Arp => {
            let repr = ArpPacket::new_checked(frame.payload()).and_then(|packet| ArpRepr::parse(&packet));
            let Ok(ArpRepr::EthernetIpv4 { operation, source_protocol_addr, source_hardware_addr, .. }) = repr else {
                panic!("{answer:02x?}")
            };
            assert_eq!((operation, source_protocol_addr), (ArpOperation::Reply, OUR_V4));
            assert_eq!(source_hardware_addr.0, OURS.0);
        }
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(frame.payload()).unwrap_or_else(|_| panic!("{answer:02x?}"));
            assert!(packet.verify_checksum() && packet.src_addr() == OUR_V4);
            assert_eq!(usize::from(packet.total_len()), frame.payload().len());
            let message = Icmpv4Packet::new_checked(packet.payload()).unwrap_or_else(|_| panic!("{answer:02x?}"));
            assert!(message.verify_checksum() && packet.total_len() <= 1500);
            // smoltcp reads no error that quotes a part of a packet only, so its `Repr` is not used for it.
            if message.msg_type() == Icmpv4Message::DstUnreachable {
                let quote = message.data();
                assert_eq!((message.msg_code(), &request[14..][..quote.len()]), (3, quote));
                assert!(packet.total_len() <= 576);
            } else {
                let repr = Icmpv4Repr::parse(&message, &caps);
                assert!(matches!(repr, Ok(Icmpv4Repr::EchoReply { .. })), "{repr:?}");
            }
        }
        EthernetProtocol::Ipv6 => {
            let packet = Ipv6Packet::new_checked(frame.payload()).unwrap_or_else(|_| panic!("{answer:02x?}"));
            assert_eq!((packet.src_addr(), packet.total_len()), (OUR_V6, frame.payload().len()));
            let message = Icmpv6Packet::new_checked(packet.payload()).unwrap_or_else(|_| panic!("{answer:02x?}"));
            match Icmpv6Repr::parse(&OUR_V6, &packet.dst_addr(), &message, &caps) {
                Ok(Icmpv6Repr::EchoReply { .. }) => {}
                Ok(Icmpv6Repr::DstUnreachable { .. }) => assert!(packet.total_len() <= 1280),
                Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { target_addr, lladdr: Some(_), .. })) => {
                    assert_eq!((target_addr, packet.hop_limit()), (OUR_V6, 255));
                }
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}
