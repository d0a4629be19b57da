//! ARP: IPv4 neighbours ask for Ethernet addresses, and are asked (RFC 826).

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{ArpEthIpv4Packet, ArpHardwareId, ArpOperation, ArpPacketSlice, EtherType};
use shared::ledger::UpDropReason;

use super::answer::{Link, write_frame};
use super::ethernet::ingress::Frame;
use super::{Consumed, Consumer, Learned, Local, MacAddr};

/// Answers a request for an address of the stack, and learns from requests and replies to it. The sender of a probe
/// (RFC 5227) has no address yet: it is answered, and nothing is learned.
pub(super) fn process(local: &Local, frame: &Frame<'_>, answer: &mut [u8]) -> Result<Consumed, UpDropReason> {
    let Message { operation, sender_mac, sender, target } =
        Message::parse(frame.payload).ok_or(UpDropReason::ArpMalformed)?;
    let (probe, own) = (sender.is_unspecified(), local.owns(sender.into()));
    // An answer would go to this station.
    let one_station = sender_mac.is_unicast();
    if !one_station || !(probe || own || local.may_come_from(sender.into())) {
        return Err(UpDropReason::ArpMalformed);
    }
    let nothing = Consumed::by(Consumer::Arp);
    // Another station that uses an address of the stack learns nothing from an answer.
    if !local.owns(target.into()) || own || sender_mac == local.mac() {
        return Ok(nothing);
    }
    let solicits = operation == ArpOperation::REQUEST;
    let learned = local.learnable(sender.into(), sender_mac).map(|learned| Learned { solicits, ..learned });
    let reply = || {
        let (operation, target_mac) = (ArpOperation::REPLY, sender_mac);
        write(local, Link { from: local.mac(), to: sender_mac }, operation, target, target_mac, sender, answer)
    };
    Ok(Consumed { learned, answer: solicits.then(reply).flatten(), ..nothing })
}

/// Writes a request for the Ethernet address of `target`. Returns the length of the frame.
pub(super) fn request(local: &Local, target: Ipv4Addr, buffer: &mut [u8]) -> Option<usize> {
    let IpAddr::V4(own) = local.address_towards(target.into())? else { return None };
    let link = Link { from: local.mac(), to: MacAddr::BROADCAST };
    write(local, link, ArpOperation::REQUEST, own, MacAddr([0; 6]), target, buffer)
}

fn write(
    local: &Local,
    link: Link,
    operation: ArpOperation,
    own: Ipv4Addr,
    target_mac: MacAddr,
    target: Ipv4Addr,
    buffer: &mut [u8],
) -> Option<usize> {
    let message = ArpEthIpv4Packet {
        operation,
        sender_mac: local.mac().0,
        sender_ipv4: own.octets(),
        target_mac: target_mac.0,
        target_ipv4: target.octets(),
    };
    write_frame(buffer, link, EtherType::ARP, [&message.to_bytes()[..]])
}

/// A request or reply about IPv4 over Ethernet.
struct Message {
    operation: ArpOperation,
    sender_mac: MacAddr,
    sender: Ipv4Addr,
    target: Ipv4Addr,
}

impl Message {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let slice = ArpPacketSlice::from_slice(bytes).ok()?;
        let (operation, over) = (slice.operation(), (slice.hw_addr_type(), slice.proto_addr_type()));
        let known = [ArpOperation::REQUEST, ArpOperation::REPLY].contains(&operation);
        if !known || over != (ArpHardwareId::ETHERNET, EtherType::IPV4) {
            return None;
        }
        // The conversions fail where the message states other sizes of addresses.
        let ipv4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
        let sender_mac = MacAddr(slice.sender_hw_addr().try_into().ok()?);
        let (sender, target) = (ipv4(slice.sender_protocol_addr())?, ipv4(slice.target_protocol_addr())?);
        Some(Self { operation, sender_mac, sender, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Ingress;
    use crate::layers::frames::{OUR_V4, OURS, THEIR_V4, THEIRS, arp, local};
    use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetFrame};

    const BROADCAST: MacAddr = MacAddr::BROADCAST;

    fn process(frame: &[u8]) -> Result<(Consumed, Option<ArpRepr>), UpDropReason> {
        let mut answer = [0; 1514];
        match local().process(frame, &mut answer) {
            Ingress::Consumed(consumed) => Ok((consumed, consumed.answer.map(|len| read(&answer[..len], THEIRS)))),
            Ingress::Dropped(reason) => Err(reason),
            Ingress::Deliver(datagram) => panic!("{datagram:?}"),
        }
    }

    /// What an independent reader finds in a frame of the stack to `mac`.
    fn read(frame: &[u8], mac: MacAddr) -> ArpRepr {
        let frame = EthernetFrame::new_checked(frame).unwrap();
        assert_eq!((frame.src_addr().0, frame.dst_addr().0), (OURS.0, mac.0));
        ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_answered_and_its_sender_learned() {
        for to in [BROADCAST, OURS] {
            let (consumed, answer) = process(&arp(to, ArpOperation::Request, (THEIRS, THEIR_V4), OUR_V4)).unwrap();
            assert_eq!(consumed.by, Consumer::Arp);
            let learned = Learned { ip: THEIR_V4.into(), mac: THEIRS, solicits: true, overrides: true };
            assert_eq!(consumed.learned, Some(learned));
            let ArpRepr::EthernetIpv4 {
                operation,
                source_hardware_addr,
                source_protocol_addr,
                target_hardware_addr,
                target_protocol_addr,
            } = answer.unwrap()
            else {
                panic!("{answer:?}")
            };
            assert_eq!(operation, ArpOperation::Reply);
            assert_eq!((source_hardware_addr.0, source_protocol_addr), (OURS.0, OUR_V4));
            assert_eq!((target_hardware_addr.0, target_protocol_addr), (THEIRS.0, THEIR_V4));
        }
    }

    #[test]
    fn a_reply_is_learned_and_not_answered() {
        let (consumed, answer) = process(&arp(OURS, ArpOperation::Reply, (THEIRS, THEIR_V4), OUR_V4)).unwrap();
        assert_eq!(answer, None);
        let learned = Learned { ip: THEIR_V4.into(), mac: THEIRS, solicits: false, overrides: true };
        assert_eq!(consumed.learned, Some(learned));
    }

    #[test]
    fn what_is_for_others_or_comes_from_strangers_is_not_learned() {
        let (far, nobody) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::UNSPECIFIED);
        for (operation, sender, target, answered) in [
            // A request for another host, and a gratuitous one.
            (ArpOperation::Request, (THEIRS, THEIR_V4), Ipv4Addr::new(10, 0, 0, 9), false),
            (ArpOperation::Request, (THEIRS, THEIR_V4), THEIR_V4, false),
            (ArpOperation::Reply, (THEIRS, THEIR_V4), THEIR_V4, false),
            // A probe, and a host of another network.
            (ArpOperation::Request, (THEIRS, nobody), OUR_V4, true),
            (ArpOperation::Request, (THEIRS, far), OUR_V4, true),
            // Another station with an address of the stack.
            (ArpOperation::Request, (THEIRS, OUR_V4), OUR_V4, false),
            (ArpOperation::Request, (OURS, THEIR_V4), OUR_V4, false),
        ] {
            let (consumed, answer) = process(&arp(BROADCAST, operation, sender, target)).unwrap();
            assert_eq!(
                (consumed.learned, answer.is_some()),
                (None, answered),
                "{operation:?} from {sender:?} for {target}"
            );
        }
    }

    #[test]
    fn impossible_senders_and_other_kinds_of_messages_are_malformed() {
        let valid = arp(BROADCAST, ArpOperation::Request, (THEIRS, THEIR_V4), OUR_V4);
        for mac in [BROADCAST, MacAddr([0; 6]), MacAddr([1, 0, 0, 0, 0, 0])] {
            let frame = arp(BROADCAST, ArpOperation::Request, (mac, THEIR_V4), OUR_V4);
            assert_eq!(process(&frame), Err(UpDropReason::ArpMalformed), "{mac}");
        }
        for ip in [[127, 0, 0, 1], [224, 0, 0, 1], [255; 4], [10, 0, 0, 255]] {
            let frame = arp(BROADCAST, ArpOperation::Request, (THEIRS, ip.into()), OUR_V4);
            assert_eq!(process(&frame), Err(UpDropReason::ArpMalformed), "{ip:?}");
        }
        for len in 14..valid.len() {
            assert_eq!(process(&valid[..len]), Err(UpDropReason::ArpMalformed), "{len}");
        }
        // Hardware type, protocol, both sizes, operation.
        for at in 14..22 {
            let mut frame = valid.clone();
            frame[at] ^= 0x10;
            assert_eq!(process(&frame), Err(UpDropReason::ArpMalformed), "{at}");
        }
    }

    #[test]
    fn a_request_of_the_stack_is_broadcast_and_only_for_neighbours() {
        let mut frame = [0; 64];
        let len = local().ask(THEIR_V4.into(), &mut frame).unwrap();
        let ArpRepr::EthernetIpv4 {
            operation, source_hardware_addr, source_protocol_addr, target_protocol_addr, ..
        } = read(&frame[..len], BROADCAST)
        else {
            panic!("not about IPv4")
        };
        assert_eq!((operation, source_hardware_addr.0), (ArpOperation::Request, OURS.0));
        assert_eq!((source_protocol_addr, target_protocol_addr), (OUR_V4, THEIR_V4));
        assert_eq!(local().ask(IpAddr::from([192, 0, 2, 1]), &mut frame), None);
        assert_eq!(local().ask(THEIR_V4.into(), &mut frame[..41]), None, "no room");
    }
}
