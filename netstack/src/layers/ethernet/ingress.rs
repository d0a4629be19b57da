//! The way up: which frames are for the stack (IEEE 802.3).

use etherparse::{EtherType, Ethernet2Slice};
use shared::ledger::UpDropReason;

use super::MacAddr;
use crate::layers::Local;
use crate::layers::local::Audience;

/// A frame for the stack.
#[derive(Debug, Clone, Copy)]
pub(in crate::layers) struct Frame<'a> {
    pub(in crate::layers) kind: Kind,
    /// The station that sent it: one station, and not a group.
    pub(in crate::layers) from: MacAddr,
    pub(in crate::layers) audience: Audience,
    /// What it contains, with any padding.
    pub(in crate::layers) payload: &'a [u8],
}

/// What a frame contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layers) enum Kind {
    Arp,
    Ipv4,
    Ipv6,
}

/// Reads the header of `frame`.
pub(in crate::layers) fn parse<'a>(local: &Local, frame: &'a [u8]) -> Result<Frame<'a>, UpDropReason> {
    let frame = Ethernet2Slice::from_slice_without_fcs(frame).map_err(|_| UpDropReason::EthernetTooShort)?;
    let audience = local.audience(MacAddr(frame.destination())).ok_or(UpDropReason::EthernetNotForUs)?;
    let from = MacAddr(frame.source());
    // An answer goes there, and must go to one station.
    if !from.is_unicast() {
        return Err(UpDropReason::EthernetBadSource);
    }
    let kind = match frame.ether_type() {
        EtherType::ARP => Kind::Arp,
        EtherType::IPV4 => Kind::Ipv4,
        EtherType::IPV6 => Kind::Ipv6,
        EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING | EtherType::VLAN_DOUBLE_TAGGED_FRAME => {
            return Err(UpDropReason::EthernetVlan);
        }
        _ => return Err(UpDropReason::EthernetUnknownType),
    };
    Ok(Frame { kind, from, audience, payload: frame.payload_slice() })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::layers::Ingress;
    use crate::layers::frames::{OUR_GROUP_MAC, OUR_V4, OURS, THEIR_V4, THEIRS, local, packet_to, udp};
    use smoltcp::wire::{EthernetProtocol, IpProtocol};

    fn dropped(frame: &[u8]) -> Option<UpDropReason> {
        match local().process(frame, &mut []) {
            Ingress::Dropped(reason) => Some(reason),
            Ingress::Deliver(_) | Ingress::Consumed(_) => None,
        }
    }

    #[test]
    fn frames_for_the_stack_and_its_groups_pass_and_others_do_not() {
        let destination = Ipv4Addr::BROADCAST;
        for (mac, passes) in [
            (OURS, true),
            (MacAddr::BROADCAST, true),
            (MacAddr([0x33, 0x33, 0, 0, 0, 1]), true),
            (OUR_GROUP_MAC, true),
            (MacAddr([0x01, 0x00, 0x5e, 0, 0, 1]), true),
            (THEIRS, false),
            (MacAddr([0; 6]), false),
            (MacAddr([0x33, 0x33, 0xff, 0, 0, 2]), false),
            (MacAddr([0x33, 0x33, 0, 0, 0, 2]), false),
            (MacAddr([0x01, 0x00, 0x5e, 0, 0, 251]), false),
            (MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]), false),
        ] {
            let mut frame =
                packet_to(mac, THEIR_V4.into(), destination.into(), IpProtocol::Udp, 64, &[0, 9, 0, 9, 0, 8, 0, 0]);
            assert_eq!(dropped(&frame), (!passes).then_some(UpDropReason::EthernetNotForUs), "{mac}");
            frame[..6].copy_from_slice(&mac.0);
            for source in [MacAddr::BROADCAST, MacAddr([0; 6]), MacAddr([1, 2, 3, 4, 5, 6])] {
                frame[6..12].copy_from_slice(&source.0);
                let reason = if passes { UpDropReason::EthernetBadSource } else { UpDropReason::EthernetNotForUs };
                assert_eq!(dropped(&frame), Some(reason), "from {source} to {mac}");
            }
        }
    }

    #[test]
    fn a_stack_without_an_address_of_a_family_joins_no_group_of_it() {
        let local = |ip: &str| Local::new(OURS, [(ip.parse().unwrap(), 8)], 1500);
        for (ip, group) in [("10.0.0.1", [0x33, 0x33, 0, 0, 0, 1]), ("fd00::1", [0x01, 0x00, 0x5e, 0, 0, 1])] {
            assert_eq!(local(ip).audience(MacAddr(group)), None);
        }
    }

    #[test]
    fn short_frames_tags_and_unknown_protocols_have_their_reasons() {
        let valid = udp(THEIR_V4.into(), OUR_V4.into(), b"x");
        for len in 0..14 {
            assert_eq!(dropped(&valid[..len]), Some(UpDropReason::EthernetTooShort));
        }
        let with_type = |kind: u16| {
            let mut frame = valid.clone();
            frame[12..14].copy_from_slice(&kind.to_be_bytes());
            dropped(&frame)
        };
        assert_eq!(with_type(EthernetProtocol::Ipv4.into()), None);
        for tag in [0x8100, 0x88a8, 0x9100] {
            assert_eq!(with_type(tag), Some(UpDropReason::EthernetVlan));
        }
        // A length (IEEE 802.3 with LLC), LLDP, and a loopback test.
        for unknown in [0x0026, 0x05dc, 0x88cc, 0x9000, 0xffff] {
            assert_eq!(with_type(unknown), Some(UpDropReason::EthernetUnknownType), "{unknown:04x}");
        }
    }
}
