//! Neighbour discovery: IPv6 neighbours ask for Ethernet addresses, and are asked (RFC 4861). What routers say has no
//! effect: the user sets routes and addresses.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::Icmpv6Slice;
use etherparse::icmpv6::{
    NdpOptionSlice, NdpOptionsIterator, NeighborAdvertisementPayloadSlice, NeighborSolicitationPayloadSlice,
    TYPE_NEIGHBOR_ADVERTISEMENT, TYPE_NEIGHBOR_SOLICITATION,
};
use shared::ledger::UpDropReason;

use super::answer::{Link, Message};
use super::ip::ingress::IpPacket;
use super::local::{ALL_NODES, group_v6, solicited_node};
use super::{Addresses, Consumed, Consumer, Learned, Local, MacAddr};

/// The hop limit of all messages: one that arrives with it has passed no router.
const HOPS: u8 = 255;

/// Flags of an advertisement (RFC 4861, section 4.4): it answers a solicitation, and replaces another address.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The options with the Ethernet address of a message's sender, and of its target (RFC 4861, section 4.6).
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;

/// Answers a solicitation for an address of the stack, and learns from solicitations and advertisements.
pub(super) fn process(
    local: &Local,
    packet: &IpPacket<'_>,
    message: &Icmpv6Slice<'_>,
    answer: &mut [u8],
) -> Result<Consumed, UpDropReason> {
    let Addresses::V6 { source, destination } = packet.addresses else { return Err(UpDropReason::NdpMalformed) };
    if packet.hops != HOPS || message.code_u8() != 0 {
        return Err(UpDropReason::NdpMalformed);
    }
    // Both kinds of messages have their data behind eight bytes.
    let data = packet.payload.get(8..).ok_or(UpDropReason::NdpMalformed)?;
    match message.type_u8() {
        TYPE_NEIGHBOR_SOLICITATION => solicitation(local, packet.from, source, destination, data, answer),
        TYPE_NEIGHBOR_ADVERTISEMENT => advertisement(local, destination, message.bytes5to8()[0], data),
        _ => Some(Consumed::by(Consumer::Ndp)),
    }
    .ok_or(UpDropReason::NdpMalformed)
}

/// Answers a solicitation; `None` if it fails a check of RFC 4861, section 7.1.1.
fn solicitation(
    local: &Local,
    from: MacAddr,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    data: &[u8],
    answer: &mut [u8],
) -> Option<Consumed> {
    let slice = NeighborSolicitationPayloadSlice::from_slice(data).ok()?;
    let target = slice.target_address();
    let sender = address_in(slice.options_iterator(), SOURCE_ADDRESS)?;
    // The sender looks whether an address is in use before it takes it, and has none yet.
    let detects_duplicates = source.is_unspecified();
    let possible = !detects_duplicates || (destination == solicited_node(target) && sender.is_none());
    if target.is_multicast() || !possible {
        return None;
    }
    let nothing = Consumed::by(Consumer::Ndp);
    if !local.owns(target.into()) {
        return Some(nothing);
    }
    let (mac, to, flags) = match detects_duplicates {
        true => (group_v6(ALL_NODES), ALL_NODES, OVERRIDE),
        false => (sender.filter(|mac| mac.is_unicast()).unwrap_or(from), source, SOLICITED | OVERRIDE),
    };
    let link = Link { from: local.mac(), to: mac };
    let written = write(link, target, to, (TYPE_NEIGHBOR_ADVERTISEMENT, flags), target, answer);
    let learned = sender.and_then(|mac| local.learnable(source.into(), mac));
    Some(Consumed { learned: learned.map(|learned| Learned { solicits: true, ..learned }), answer: written, ..nothing })
}

/// Learns from an advertisement; `None` if it fails a check of RFC 4861, section 7.1.2.
fn advertisement(local: &Local, destination: Ipv6Addr, flags: u8, data: &[u8]) -> Option<Consumed> {
    let slice = NeighborAdvertisementPayloadSlice::from_slice(data).ok()?;
    let target = slice.target_address();
    let mac = address_in(slice.options_iterator(), TARGET_ADDRESS)?;
    if target.is_multicast() || (destination.is_multicast() && flags & SOLICITED != 0) {
        return None;
    }
    let overrides = flags & OVERRIDE != 0;
    let learned = mac.and_then(|mac| local.learnable(target.into(), mac));
    let learned = learned.map(|learned| Learned { overrides, ..learned });
    Some(Consumed { learned, ..Consumed::by(Consumer::Ndp) })
}

/// The Ethernet address in the first option of type `wanted`; `None` if the options are malformed.
fn address_in(options: NdpOptionsIterator<'_>, wanted: u8) -> Option<Option<MacAddr>> {
    let mut found = None;
    for option in options {
        let address = match option.ok()? {
            NdpOptionSlice::SourceLinkLayerAddress(option) if wanted == SOURCE_ADDRESS => option.link_layer_address(),
            NdpOptionSlice::TargetLinkLayerAddress(option) if wanted == TARGET_ADDRESS => option.link_layer_address(),
            _ => continue,
        };
        // Over Ethernet the option has one length (RFC 2464, section 6).
        found = found.or(Some(MacAddr(address.try_into().ok()?)));
    }
    Some(found)
}

/// Writes a solicitation for the Ethernet address of `target`. Returns the length of the frame.
pub(super) fn solicit(local: &Local, target: Ipv6Addr, buffer: &mut [u8]) -> Option<usize> {
    let IpAddr::V6(own) = local.address_towards(target.into())? else { return None };
    let group = solicited_node(target);
    let link = Link { from: local.mac(), to: group_v6(group) };
    write(link, own, group, (TYPE_NEIGHBOR_SOLICITATION, 0), target, buffer)
}

/// Writes a message about `target`, with the stack's Ethernet address in an option.
fn write(
    link: Link,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    (kind, flags): (u8, u8),
    target: Ipv6Addr,
    buffer: &mut [u8],
) -> Option<usize> {
    let option = if kind == TYPE_NEIGHBOR_SOLICITATION { SOURCE_ADDRESS } else { TARGET_ADDRESS };
    let mut data = [0; 24];
    data[..16].copy_from_slice(&target.octets());
    // The length of an option is in units of eight bytes.
    data[16..18].copy_from_slice(&[option, 1]);
    data[18..].copy_from_slice(&link.from.0);
    let message = Message { kind, code: 0, rest: [flags, 0, 0, 0], data: &data };
    message.write(link, &Addresses::V6 { source, destination }, HOPS, buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Ingress;
    use crate::layers::frames::{
        OUR_GROUP, OUR_GROUP_MAC, OUR_V6, OURS, THEIR_V6, THEIRS, advertisement, icmp_v6_to, local, repair,
        solicitation,
    };
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{EthernetFrame, Icmpv6Packet, Icmpv6Repr, Ipv6Packet, NdiscNeighborFlags as Flags, NdiscRepr};

    const FURTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
    const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);

    /// A message of the stack, as an independent reader finds it: the stations it is from and to, the IP address it is
    /// to, what it is about, its flags if it is an advertisement, and the Ethernet address in its option.
    #[derive(Debug, PartialEq)]
    struct Read {
        mac: MacAddr,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        target: Ipv6Addr,
        flags: Option<u8>,
        option: Vec<u8>,
    }

    fn read(frame: &[u8]) -> Read {
        let frame = EthernetFrame::new_checked(frame).unwrap();
        assert_eq!(frame.src_addr().0, OURS.0);
        let packet = Ipv6Packet::new_checked(frame.payload()).unwrap();
        let (source, destination) = (packet.src_addr(), packet.dst_addr());
        assert_eq!((packet.hop_limit(), packet.total_len()), (255, frame.payload().len()));
        let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
        let repr = Icmpv6Repr::parse(&source, &destination, &message, &ChecksumCapabilities::default()).unwrap();
        let (target, flags, option) = match repr {
            Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr, lladdr }) => {
                (target_addr, Some(flags.bits()), lladdr)
            }
            Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, lladdr }) => (target_addr, None, lladdr),
            other => panic!("{other:?}"),
        };
        let option = option.unwrap().as_bytes().to_vec();
        Read { mac: MacAddr(frame.dst_addr().0), source, destination, target, flags, option }
    }

    fn process(frame: &[u8]) -> Result<(Consumed, Option<Read>), UpDropReason> {
        let mut answer = [0; 1514];
        match local().process(frame, &mut answer) {
            Ingress::Consumed(consumed) => Ok((consumed, consumed.answer.map(|len| read(&answer[..len])))),
            Ingress::Dropped(reason) => Err(reason),
            Ingress::Deliver(datagram) => panic!("{datagram:?}"),
        }
    }

    fn answer_to(mac: MacAddr, destination: Ipv6Addr, flags: u8) -> Option<Read> {
        let (source, target, option) = (OUR_V6, OUR_V6, OURS.0.to_vec());
        Some(Read { mac, source, destination, target, flags: Some(flags), option })
    }

    #[test]
    fn a_solicitation_is_answered_and_its_sender_learned() {
        let (consumed, answer) = process(&solicitation(THEIR_V6, OUR_V6, Some(FURTHER))).unwrap();
        assert_eq!(consumed.by, Consumer::Ndp);
        let learned = Learned { ip: THEIR_V6.into(), mac: FURTHER, solicits: true, overrides: true };
        assert_eq!(consumed.learned, Some(learned));
        assert_eq!(answer, answer_to(FURTHER, THEIR_V6, SOLICITED | OVERRIDE));
        // Without the option, the answer goes to the station that sent the frame, and nothing is learned.
        for sender in [None, Some(MacAddr::BROADCAST)] {
            let (consumed, answer) = process(&solicitation(THEIR_V6, OUR_V6, sender)).unwrap();
            assert_eq!((consumed.learned, answer), (None, answer_to(THEIRS, THEIR_V6, SOLICITED | OVERRIDE)));
        }
        let (consumed, _) = process(&solicitation(LINK_LOCAL, OUR_V6, Some(FURTHER))).unwrap();
        assert_eq!(consumed.learned.map(|learned| learned.ip), Some(LINK_LOCAL.into()), "it is on every link");
        let far = "2001:db8::1".parse().unwrap();
        assert_eq!(process(&solicitation(far, OUR_V6, Some(FURTHER))).unwrap().0.learned, None);
    }

    #[test]
    fn who_detects_duplicates_is_answered_by_way_of_all_nodes() {
        let (consumed, answer) = process(&solicitation(Ipv6Addr::UNSPECIFIED, OUR_V6, None)).unwrap();
        assert_eq!((consumed.learned, answer), (None, answer_to(group_v6(ALL_NODES), ALL_NODES, OVERRIDE)));
        // RFC 4861, section 7.1.1: no option, and to the group of the target.
        let with_option = solicitation(Ipv6Addr::UNSPECIFIED, OUR_V6, Some(THEIRS));
        let repr = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr: OUR_V6, lladdr: None });
        let to_us = icmp_v6_to(OURS, Ipv6Addr::UNSPECIFIED, OUR_V6, 255, &repr);
        for frame in [with_option, to_us] {
            assert_eq!(process(&frame), Err(UpDropReason::NdpMalformed));
        }
    }

    #[test]
    fn an_advertisement_is_learned_with_its_override_flag() {
        for (flags, overrides) in [(Flags::SOLICITED | Flags::OVERRIDE, true), (Flags::SOLICITED, false)] {
            let (consumed, answer) = process(&advertisement(THEIR_V6, flags, Some(FURTHER))).unwrap();
            let learned = Learned { ip: THEIR_V6.into(), mac: FURTHER, solicits: false, overrides };
            assert_eq!((consumed.learned, answer), (Some(learned), None));
        }
        let nothing = |target, mac| process(&advertisement(target, Flags::OVERRIDE, mac)).unwrap().0.learned;
        assert_eq!(nothing(THEIR_V6, None), None);
        assert_eq!(nothing(THEIR_V6, Some(MacAddr([0; 6]))), None);
        assert_eq!(nothing(OUR_V6, Some(FURTHER)), None, "another station with the stack's address");
        assert_eq!(nothing("2001:db8::1".parse().unwrap(), Some(FURTHER)), None);
    }

    #[test]
    fn what_fails_a_check_is_malformed() {
        let solicits = solicitation(THEIR_V6, OUR_V6, Some(THEIRS));
        let advertises = advertisement(THEIR_V6, Flags::SOLICITED | Flags::OVERRIDE, Some(THEIRS));
        let group = advertisement(ALL_NODES, Flags::OVERRIDE, Some(THEIRS));
        let flags = Flags::SOLICITED | Flags::OVERRIDE;
        let repr = NdiscRepr::NeighborAdvert { target_addr: THEIR_V6, flags, lladdr: None };
        let solicited_by_all = icmp_v6_to(group_v6(ALL_NODES), THEIR_V6, ALL_NODES, 255, &Icmpv6Repr::Ndisc(repr));
        for frame in [group, solicited_by_all] {
            assert_eq!(process(&frame), Err(UpDropReason::NdpMalformed));
        }
        for valid in [solicits, advertises] {
            // Hop limit; code; length of the option: none, one that exceeds the message, and another than Ethernet's.
            for (at, value) in [(21, 254), (55, 1), (79, 0), (79, 2), (78, 0)] {
                let mut frame = valid.clone();
                frame[at] = value;
                repair(&mut frame);
                let expected = if (at, value) == (78, 0) { None } else { Some(UpDropReason::NdpMalformed) };
                assert_eq!(process(&frame).err(), expected, "{value} at {at}");
            }
            let mut long = valid.clone();
            long[18..20].copy_from_slice(&40_u16.to_be_bytes());
            long[79] = 2;
            long.extend([0; 8]);
            repair(&mut long);
            assert_eq!(process(&long), Err(UpDropReason::NdpMalformed), "an Ethernet address has six bytes");
        }
    }

    #[test]
    fn routers_are_heard_and_nothing_follows() {
        let router = Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { lladdr: None });
        let heard = process(&icmp_v6_to(OURS, THEIR_V6, OUR_V6, 255, &router));
        assert_eq!(heard, Ok((Consumed::by(Consumer::Ndp), None)));
        assert_eq!(process(&icmp_v6_to(OURS, THEIR_V6, OUR_V6, 64, &router)), Err(UpDropReason::NdpMalformed));
        let for_another = process(&solicitation(THEIR_V6, "fd00::1:0:1".parse().unwrap(), Some(THEIRS)));
        assert_eq!(for_another, Ok((Consumed::by(Consumer::Ndp), None)), "the same group, another address");
    }

    #[test]
    fn a_solicitation_of_the_stack_goes_to_the_group_of_the_target() {
        let mut frame = [0; 1514];
        let target = "fd00::5:0:1".parse().unwrap();
        let len = local().ask(IpAddr::V6(target), &mut frame).unwrap();
        let (mac, source, destination) = (OUR_GROUP_MAC, OUR_V6, OUR_GROUP);
        let option = OURS.0.to_vec();
        assert_eq!(read(&frame[..len]), Read { mac, source, destination, target, flags: None, option });
        assert!(local().ask(LINK_LOCAL.into(), &mut frame).is_some());
        assert_eq!(local().ask("2001:db8::1".parse().unwrap(), &mut frame), None);
    }
}
