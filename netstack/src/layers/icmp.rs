//! ICMP and ICMPv6: echo, errors about packets of the stack, and errors that it reports (RFC 792, RFC 4443).

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{Icmpv4Slice, Icmpv6Slice, IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice, icmpv4, icmpv6};
use shared::ledger::UpDropReason;

use super::answer::{HOPS, Link, write_packet};
use super::checksum::{condense, pseudo_header};
use super::ip::ingress::IpPacket;
use super::{Addresses, Consumed, Consumer, Local, ndp};

/// Length of the part that all messages have: type, code, checksum, and four bytes by type.
const HEADER: usize = 8;

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

/// A message to send.
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) code: u8,
    /// What is between checksum and data.
    pub(super) rest: [u8; 4],
    pub(super) data: &'a [u8],
}

impl Message<'_> {
    /// Writes the message in an IP packet in a frame. Returns the length of the frame; `None` if it does not fit into
    /// `buffer`.
    pub(super) fn write(&self, link: Link, addresses: &Addresses, hops: u8, buffer: &mut [u8]) -> Option<usize> {
        let [a, b, c, d] = self.rest;
        let mut header = [self.kind, self.code, 0, 0, a, b, c, d];
        let length = u16::try_from(HEADER + self.data.len()).ok()?;
        // Only ICMPv6 has a pseudo-header (RFC 4443, section 2.3).
        let (protocol, mut sum) = match addresses {
            Addresses::V4 { .. } => (IpNumber::ICMP, Sum16BitWords::new()),
            Addresses::V6 { .. } => (IpNumber::IPV6_ICMP, pseudo_header(addresses, IpNumber::IPV6_ICMP, length)),
        };
        let checksum = sum.add_8bytes(header).add_8bytes(condense(self.data)).ones_complement();
        // The sum is over words in memory order, and so is its complement.
        header[2..4].copy_from_slice(&checksum.to_ne_bytes());
        write_packet(buffer, link, addresses, protocol, hops, [&header, self.data])
    }
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
