//! Neighbour discovery: IPv6 neighbours ask for Ethernet addresses, and are asked (RFC 4861). What routers say has no
//! effect: the user sets routes and addresses.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::Icmpv6Slice;
use etherparse::icmpv6::{
    NdpOptionSlice, NdpOptionsIterator, NeighborAdvertisementPayloadSlice, NeighborSolicitationPayloadSlice,
    TYPE_NEIGHBOR_ADVERTISEMENT, TYPE_NEIGHBOR_SOLICITATION,
};
use shared::ledger::UpDropReason;

use super::answer::Link;
use super::icmp::Message;
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
