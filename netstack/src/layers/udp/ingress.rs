//! The way up: length and checksum (RFC 768; over IPv6 RFC 8200, section 8.1).

use std::net::SocketAddr;

use etherparse::{IpNumber, UdpHeader, UdpHeaderSlice};
use shared::ledger::UpDropReason;

use crate::layers::checksum::{condense, pseudo_header};
use crate::layers::ip::ingress::IpPacket;
use crate::layers::{Addresses, Datagram};

/// Reads the datagram in `packet`. What is behind its length is ignored, as other stacks do.
pub(in crate::layers) fn parse(packet: IpPacket<'_>) -> Result<Datagram<'_>, UpDropReason> {
    let header = UdpHeaderSlice::from_slice(packet.payload).map_err(|_| UpDropReason::UdpMalformed)?;
    let length = header.length();
    let datagram = packet.payload.get(..length.into()).ok_or(UpDropReason::UdpMalformed)?;
    let payload = datagram.get(UdpHeader::LEN..).ok_or(UpDropReason::UdpMalformed)?;
    let unchecked = header.checksum() == 0 && matches!(packet.addresses, Addresses::V4 { .. });
    let sum = || pseudo_header(&packet.addresses, IpNumber::UDP, length).add_8bytes(condense(datagram));
    // Without a checksum the sum may be right by accident.
    if !unchecked && (header.checksum() == 0 || sum().ones_complement() != 0) {
        return Err(UpDropReason::UdpBadChecksum);
    }
    Ok(Datagram {
        source: SocketAddr::new(packet.addresses.source(), header.source_port()),
        destination: SocketAddr::new(packet.addresses.destination(), header.destination_port()),
        payload,
        packet,
    })
}
