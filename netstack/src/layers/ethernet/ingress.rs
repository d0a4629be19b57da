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
