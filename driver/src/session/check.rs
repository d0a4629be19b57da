//! What is wrong with a frame, if anything: lengths always, headers and checksums on request.

use etherparse::err::ipv4::SliceError;
use etherparse::{Ethernet2HeaderSlice, Ipv4Slice, Ipv6Slice, UdpSlice, ether_type, ip_number};
use shared::ring::{MAX_FRAME, MIN_FRAME, Status};

/// Shorter frames are padded on the wire, and a stack may have done so already.
const PADDED: usize = 60;

/// Whether any frame can be `len` bytes long.
pub(super) fn is_frame_length(len: u32) -> bool {
    (MIN_FRAME..=MAX_FRAME).contains(&(len as usize))
}

/// Reads Ethernet, IP and UDP headers and recomputes their checksums.
///
/// IP payloads that it cannot parse (fragments, other protocols) pass.
pub(super) fn verify(frame: &[u8]) -> Status {
    let Ok(ethernet) = Ethernet2HeaderSlice::from_slice(frame) else { return Status::BadHeader };
    let packet = &frame[MIN_FRAME..];
    let verdict = match ethernet.ether_type() {
        ether_type::IPV4 => verify_v4(packet, frame.len()),
        ether_type::IPV6 => verify_v6(packet, frame.len()),
        _ => Err(Status::BadHeader),
    };
    verdict.err().unwrap_or(Status::Sent)
}

fn verify_v4(packet: &[u8], frame_len: usize) -> Result<(), Status> {
    let ip = Ipv4Slice::from_slice(packet).map_err(|_: SliceError| Status::BadHeader)?;
    let header = ip.header().to_header();
    no_surplus(packet.len(), header.total_len.into(), frame_len)?;
    if header.header_checksum != header.calc_header_checksum() {
        return Err(Status::BadChecksum);
    }
    if ip.is_payload_fragmented() || ip.payload_ip_number() != ip_number::UDP {
        return Ok(());
    }
    let udp = udp(ip.payload().payload)?;
    // Over IPv4, zero means that the sender computed none (RFC 768).
    let right = udp.checksum() == 0
        || udp.to_header().calc_checksum_ipv4(&header, udp.payload()).is_ok_and(|right| right == udp.checksum());
    if right { Ok(()) } else { Err(Status::BadChecksum) }
}

fn verify_v6(packet: &[u8], frame_len: usize) -> Result<(), Status> {
    let ip = Ipv6Slice::from_slice(packet).map_err(|_| Status::BadHeader)?;
    let header = ip.header().to_header();
    no_surplus(packet.len(), 40 + usize::from(header.payload_length), frame_len)?;
    if ip.is_payload_fragmented() || ip.payload().ip_number != ip_number::UDP {
        return Ok(());
    }
    let udp = udp(ip.payload().payload)?;
    let right = udp.to_header().calc_checksum_ipv6(&header, udp.payload()).is_ok_and(|right| right == udp.checksum());
    if right { Ok(()) } else { Err(Status::BadChecksum) }
}

/// Bytes behind the packet are padding, or the length field lies.
fn no_surplus(actual: usize, declared: usize, frame_len: usize) -> Result<(), Status> {
    if actual == declared || frame_len <= PADDED { Ok(()) } else { Err(Status::BadHeader) }
}

fn udp(payload: &[u8]) -> Result<UdpSlice<'_>, Status> {
    let udp = UdpSlice::from_slice(payload).map_err(|_| Status::BadHeader)?;
    if usize::from(udp.length()) == payload.len() { Ok(udp) } else { Err(Status::BadHeader) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    fn frame(v6: bool, payload: &[u8]) -> Vec<u8> {
        let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let ip = if v6 { ethernet.ipv6([1; 16], [2; 16], 64) } else { ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64) };
        let mut bytes = Vec::new();
        ip.udp(1, 2).write(&mut bytes, payload).unwrap();
        bytes
    }

    #[test]
    fn valid_frames_pass_with_and_without_padding() {
        for v6 in [false, true] {
            assert_eq!(verify(&frame(v6, &[7; 1000])), Status::Sent);
        }
        let mut short = frame(false, b"");
        short.resize(PADDED, 0);
        assert_eq!(verify(&short), Status::Sent);
    }

    #[test]
    fn a_change_of_any_byte_behind_the_addresses_is_detected() {
        let good = frame(false, b"some payload, long enough not to be padded at all");
        // Addresses of the link layer are covered by no checksum.
        for at in 12..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_ne!(verify(&bad), Status::Sent, "byte {at}");
        }
    }

    #[test]
    fn the_status_names_the_kind_of_fault() {
        let good = frame(false, &[7; 100]);
        let broken = |at: usize, value: u8| {
            let mut bad = good.clone();
            bad[at] = value;
            verify(&bad)
        };
        assert_eq!(broken(12, 0x86), Status::BadHeader, "ethernet type");
        assert_eq!(broken(14, 0x44), Status::BadHeader, "header length");
        assert_eq!(broken(17, 100), Status::BadHeader, "total length");
        assert_eq!(broken(22, 1), Status::BadChecksum, "time to live");
        assert_eq!(broken(39, 9), Status::BadHeader, "length of the datagram");
        assert_eq!(broken(60, 1), Status::BadChecksum, "payload");
        assert_eq!(verify(&good[..good.len() - 1]), Status::BadHeader, "cut");
        assert_eq!(verify(&[good.as_slice(), &[0]].concat()), Status::BadHeader, "surplus");
        assert_eq!(verify(&[0; MIN_FRAME]), Status::BadHeader);
    }

    #[test]
    fn no_checksum_is_allowed_over_v4_and_not_over_v6() {
        let none = |v6, at: usize| {
            let mut bytes = frame(v6, &[7; 100]);
            bytes[at..at + 2].fill(0);
            verify(&bytes)
        };
        assert_eq!(none(false, 40), Status::Sent);
        assert_eq!(none(true, 60), Status::BadChecksum);
    }
}
