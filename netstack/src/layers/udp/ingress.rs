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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::layers::Ingress;
    use crate::layers::frames::{OUR_V4, OUR_V6, THEIR_V4, THEIR_V6, THEIRS, datagram, local, packet, udp};
    use smoltcp::wire::IpProtocol;

    /// Both directions' addresses in each family.
    const PAIRS: [(IpAddr, IpAddr); 2] =
        [(IpAddr::V4(THEIR_V4), IpAddr::V4(OUR_V4)), (IpAddr::V6(THEIR_V6), IpAddr::V6(OUR_V6))];

    fn delivered((source, destination): (IpAddr, IpAddr), datagram: &[u8]) -> Result<Vec<u8>, UpDropReason> {
        match local().process(&packet(source, destination, IpProtocol::Udp, 64, datagram), &mut []) {
            Ingress::Deliver(datagram) => Ok(datagram.payload.to_vec()),
            Ingress::Consumed(consumed) => panic!("{consumed:?}"),
            Ingress::Dropped(reason) => Err(reason),
        }
    }

    #[test]
    fn a_datagram_of_an_independent_writer_is_delivered() {
        for (source, destination) in PAIRS {
            for payload in [&b""[..], b"x", b"hello", &[0xff; 1452]] {
                let frame = udp(source, destination, payload);
                let Ingress::Deliver(datagram) = local().process(&frame, &mut []) else { panic!("{frame:02x?}") };
                let (from, to) = (SocketAddr::new(source, 4000), SocketAddr::new(destination, 9));
                assert_eq!((datagram.source, datagram.destination), (from, to));
                assert_eq!((datagram.payload, datagram.from()), (payload, THEIRS));
            }
        }
    }

    #[test]
    fn a_checksum_may_be_missing_over_v4_only() {
        for (pair, expected) in PAIRS.into_iter().zip([Ok(b"data".to_vec()), Err(UpDropReason::UdpBadChecksum)]) {
            let mut datagram = datagram(pair.0, pair.1, (1, 2), b"data");
            datagram[6..8].fill(0);
            assert_eq!(delivered(pair, &datagram), expected);
        }
    }

    #[test]
    fn a_wrong_checksum_drops_the_datagram() {
        for pair in PAIRS {
            let valid = datagram(pair.0, pair.1, (1, 2), b"data");
            for at in 0..valid.len() {
                let mut flipped = valid.clone();
                flipped[at] ^= 1;
                assert!(delivered(pair, &flipped).is_err(), "{at}");
            }
        }
        // The pseudo-header covers the addresses.
        let elsewhere = datagram(IpAddr::from([10, 0, 0, 3]), OUR_V4.into(), (1, 2), b"data");
        assert_eq!(delivered(PAIRS[0], &elsewhere), Err(UpDropReason::UdpBadChecksum));
    }

    #[test]
    fn lengths_that_contradict_the_packet_are_malformed() {
        for pair in PAIRS {
            let valid = datagram(pair.0, pair.1, (1, 2), b"data");
            for (length, bytes) in [(0, 12), (7, 12), (13, 12), (12, 11), (8, 7), (65_535, 12)] {
                let mut lie = valid[..bytes].to_vec();
                lie[4..6].copy_from_slice(&u16::to_be_bytes(length));
                assert_eq!(delivered(pair, &lie), Err(UpDropReason::UdpMalformed), "{length} of {bytes}");
            }
            let longer = [&valid[..], b"more"].concat();
            assert_eq!(delivered(pair, &longer), Ok(b"data".to_vec()), "what is behind the datagram is not part of it");
        }
    }
}
