//! Frames from the network, written by an independent writer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netstack::layers::{Local, MacAddr};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpProtocol, Ipv4Packet,
    Ipv4Repr, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr, RawHardwareAddress, UdpPacket, UdpRepr,
};

pub(crate) const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(crate) const THEIRS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
pub(crate) const OUR_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const THEIR_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const OUR_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const THEIR_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

/// The stack of these tests.
pub(crate) fn local() -> Local {
    Local::new(OURS, [(OUR_V4.into(), 24), (OUR_V6.into(), 64)], 1500)
}

pub(crate) fn frame(to: MacAddr, from: MacAddr, protocol: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let [dst_addr, src_addr] = [to, from].map(|mac| EthernetAddress(mac.0));
    let mut bytes = vec![0; 14 + payload.len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    EthernetRepr { src_addr, dst_addr, ethertype: protocol }.emit(&mut frame);
    frame.payload_mut().copy_from_slice(payload);
    bytes
}

/// A packet in a frame from them to us.
pub(crate) fn packet(source: IpAddr, destination: IpAddr, protocol: IpProtocol, hops: u8, payload: &[u8]) -> Vec<u8> {
    packet_to(OURS, source, destination, protocol, hops, payload)
}

/// A packet in a frame from them to `mac`.
pub(crate) fn packet_to(
    mac: MacAddr,
    source: IpAddr,
    destination: IpAddr,
    next_header: IpProtocol,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let payload_len = payload.len();
    match (source, destination) {
        (IpAddr::V4(src_addr), IpAddr::V4(dst_addr)) => {
            let mut bytes = vec![0; 20 + payload_len];
            let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
            let repr = Ipv4Repr { src_addr, dst_addr, next_header, payload_len, hop_limit };
            repr.emit(&mut packet, &ChecksumCapabilities::default());
            packet.payload_mut().copy_from_slice(payload);
            frame(mac, THEIRS, EthernetProtocol::Ipv4, &bytes)
        }
        (IpAddr::V6(src_addr), IpAddr::V6(dst_addr)) => {
            let mut bytes = vec![0; 40 + payload_len];
            let mut packet = Ipv6Packet::new_unchecked(&mut bytes);
            Ipv6Repr { src_addr, dst_addr, next_header, payload_len, hop_limit }.emit(&mut packet);
            packet.payload_mut().copy_from_slice(payload);
            frame(mac, THEIRS, EthernetProtocol::Ipv6, &bytes)
        }
        _ => panic!("{source} and {destination} are of one family"),
    }
}

/// A datagram with its header.
pub(crate) fn datagram(source: IpAddr, destination: IpAddr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8 + payload.len()];
    UdpRepr { src_port: ports.0, dst_port: ports.1 }.emit(
        &mut UdpPacket::new_unchecked(&mut bytes),
        &IpAddress::from(source),
        &IpAddress::from(destination),
        payload.len(),
        |body| body.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    bytes
}

/// A frame with a datagram from port 4000 to port 9.
pub(crate) fn udp(source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
    let datagram = datagram(source, destination, (4000, 9), payload);
    packet(source, destination, IpProtocol::Udp, 64, &datagram)
}

pub(crate) fn icmp_v4(repr: &Icmpv4Repr<'_>) -> Vec<u8> {
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    packet(THEIR_V4.into(), OUR_V4.into(), IpProtocol::Icmp, 64, &bytes)
}

pub(crate) fn icmp_v6(repr: &Icmpv6Repr<'_>) -> Vec<u8> {
    icmp_v6_to(OURS, THEIR_V6, OUR_V6, 64, repr)
}

pub(crate) fn icmp_v6_to(
    mac: MacAddr,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hops: u8,
    repr: &Icmpv6Repr<'_>,
) -> Vec<u8> {
    let mut bytes = vec![0; repr.buffer_len()];
    let mut message = Icmpv6Packet::new_unchecked(&mut bytes[..]);
    repr.emit(&source, &destination, &mut message, &ChecksumCapabilities::default());
    packet_to(mac, source.into(), destination.into(), IpProtocol::Icmpv6, hops, &bytes)
}

/// The group in which the owner of an address that ends like `OUR_V6` listens.
pub(crate) const OUR_GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
pub(crate) const OUR_GROUP_MAC: MacAddr = MacAddr([0x33, 0x33, 0xff, 0, 0, 1]);

fn lladdr(mac: Option<MacAddr>) -> Option<RawHardwareAddress> {
    mac.map(|mac| RawHardwareAddress::from(EthernetAddress(mac.0)))
}

/// A solicitation from `source` for the address of `target`, with an option that says the sender's.
pub(crate) fn solicitation(source: Ipv6Addr, target: Ipv6Addr, sender: Option<MacAddr>) -> Vec<u8> {
    let repr = NdiscRepr::NeighborSolicit { target_addr: target, lladdr: lladdr(sender) };
    icmp_v6_to(OUR_GROUP_MAC, source, OUR_GROUP, 255, &Icmpv6Repr::Ndisc(repr))
}

/// An answer to a solicitation of the stack.
pub(crate) fn advertisement(target: Ipv6Addr, flags: NdiscNeighborFlags, sender: Option<MacAddr>) -> Vec<u8> {
    let repr = NdiscRepr::NeighborAdvert { target_addr: target, flags, lladdr: lladdr(sender) };
    icmp_v6_to(OURS, THEIR_V6, OUR_V6, 255, &Icmpv6Repr::Ndisc(repr))
}

pub(crate) fn arp(to: MacAddr, operation: ArpOperation, sender: (MacAddr, Ipv4Addr), target: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0; 28];
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(sender.0.0),
        source_protocol_addr: sender.1,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    repr.emit(&mut ArpPacket::new_unchecked(&mut bytes));
    frame(to, THEIRS, EthernetProtocol::Arp, &bytes)
}

/// Valid frames of every kind that the stack reads, with padding and without.
pub(crate) fn valid() -> Vec<Vec<u8>> {
    let data = (0..56).collect::<Vec<u8>>();
    let (ident, seq_no, data) = (0x1234, 7, &data[..]);
    let mut short = udp(THEIR_V4.into(), OUR_V4.into(), b"pad");
    short.resize(60, 0);
    vec![
        udp(THEIR_V4.into(), OUR_V4.into(), b"hello"),
        udp(THEIR_V6.into(), OUR_V6.into(), b"hello"),
        udp(THEIR_V4.into(), OUR_V4.into(), &[0xa5; 1472]),
        udp(THEIR_V6.into(), OUR_V6.into(), b""),
        short,
        extended(&[(0, &[5, 2, 0, 0, 1, 0]), (60, &[1, 4, 0, 0, 0, 0])]),
        icmp_v4(&Icmpv4Repr::EchoRequest { ident, seq_no, data }),
        icmp_v6(&Icmpv6Repr::EchoRequest { ident, seq_no, data }),
        icmp_v4(&Icmpv4Repr::EchoReply { ident, seq_no, data }),
        fragmentation_needed(OUR_V4, 0),
        fragmentation_needed(OUR_V4, 1400),
        too_big(OUR_V6, 1300),
        arp(MacAddr::BROADCAST, ArpOperation::Request, (THEIRS, THEIR_V4), OUR_V4),
        arp(OURS, ArpOperation::Reply, (THEIRS, THEIR_V4), OUR_V4),
        solicitation(THEIR_V6, OUR_V6, Some(THEIRS)),
        solicitation(Ipv6Addr::UNSPECIFIED, OUR_V6, None),
        advertisement(THEIR_V6, NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE, Some(THEIRS)),
        icmp_v6_to(OURS, THEIR_V6, OUR_V6, 255, &Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { lladdr: None })),
    ]
}

/// A v6 datagram behind extension headers, each with its number and what is behind its first two bytes.
pub(crate) fn extended(extensions: &[(u8, &[u8])]) -> Vec<u8> {
    let number_at = |at: usize| extensions.get(at).map_or(IpProtocol::Udp.into(), |(number, _)| *number);
    let mut payload: Vec<u8> = Vec::new();
    for (at, (_, bytes)) in extensions.iter().enumerate() {
        // The length is in units of eight bytes, besides the first.
        payload.extend([number_at(at + 1), ((bytes.len() + 2) / 8 - 1) as u8]);
        payload.extend_from_slice(bytes);
    }
    payload.extend(datagram(THEIR_V6.into(), OUR_V6.into(), (4000, 9), b"extended"));
    packet(THEIR_V6.into(), OUR_V6.into(), number_at(0).into(), 64, &payload)
}

/// "Fragmentation needed" about a packet of 1500 B from `source`, with the MTU that a router states, or 0.
pub(crate) fn fragmentation_needed(source: Ipv4Addr, mtu: u16) -> Vec<u8> {
    let (next_header, dst_addr) = (IpProtocol::Udp, Ipv4Addr::new(192, 0, 2, 7));
    let header = Ipv4Repr { src_addr: source, dst_addr, next_header, payload_len: 1480, hop_limit: 60 };
    let repr = Icmpv4Repr::DstUnreachable { reason: Icmpv4DstUnreachable::FragRequired, header, data: &[0; 8] };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    bytes[6..8].copy_from_slice(&mtu.to_be_bytes());
    Icmpv4Packet::new_unchecked(&mut bytes).fill_checksum();
    packet(THEIR_V4.into(), OUR_V4.into(), IpProtocol::Icmp, 64, &bytes)
}

/// "Packet too big" about a packet from `source`.
pub(crate) fn too_big(source: Ipv6Addr, mtu: u32) -> Vec<u8> {
    let (next_header, dst_addr) = (IpProtocol::Udp, Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));
    let header = Ipv6Repr { src_addr: source, dst_addr, next_header, payload_len: 1460, hop_limit: 60 };
    icmp_v6(&Icmpv6Repr::PktTooBig { mtu, header, data: &[0; 8] })
}

/// Computes all checksums of `frame` again, as far as its headers can be read.
pub(crate) fn repair(frame: &mut [u8]) {
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else { return };
    let (source, destination, protocol, upper): (IpAddress, IpAddress, IpProtocol, &mut [u8]) = match frame.ethertype()
    {
        EthernetProtocol::Ipv4 => {
            let Ok(mut packet) = Ipv4Packet::new_checked(frame.payload_mut()) else { return };
            packet.fill_checksum();
            let (len, total) = (usize::from(packet.header_len()), usize::from(packet.total_len()));
            let ends = (packet.src_addr().into(), packet.dst_addr().into(), packet.next_header());
            let Some(upper) = packet.into_inner().get_mut(len..total) else { return };
            (ends.0, ends.1, ends.2, upper)
        }
        EthernetProtocol::Ipv6 => {
            let Ok(packet) = Ipv6Packet::new_checked(frame.payload_mut()) else { return };
            let total = 40 + usize::from(packet.payload_len());
            let (source, destination, mut protocol) = (packet.src_addr(), packet.dst_addr(), packet.next_header());
            let Some(mut upper) = packet.into_inner().get_mut(40..total) else { return };
            while let IpProtocol::HopByHop | IpProtocol::Ipv6Opts | IpProtocol::Ipv6Route = protocol {
                let &mut [next, len, ..] = upper else { return };
                protocol = next.into();
                let Some(rest) = upper.get_mut(8 * (usize::from(len) + 1)..) else { return };
                upper = rest;
            }
            (source.into(), destination.into(), protocol, upper)
        }
        _ => return,
    };
    match (protocol, source, destination) {
        (IpProtocol::Udp, ..) => {
            let len = upper.get(4..6).map_or(0, |len| usize::from(u16::from_be_bytes([len[0], len[1]])));
            if (8..=upper.len()).contains(&len) {
                UdpPacket::new_unchecked(upper).fill_checksum(&source, &destination);
            }
        }
        (IpProtocol::Icmp, ..) if upper.len() >= 8 => Icmpv4Packet::new_unchecked(upper).fill_checksum(),
        (IpProtocol::Icmpv6, IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) if upper.len() >= 8 => {
            Icmpv6Packet::new_unchecked(upper).fill_checksum(&source, &destination);
        }
        _ => {}
    }
}
