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
