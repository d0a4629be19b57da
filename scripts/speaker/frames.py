"""Ethernet frames: UDP over IPv4, answers to ARP requests, checks, and the header in payloads of apps."""

import struct

STACK_MAC, DRIVER_MAC = bytes([2, 0, 0, 0, 0, 1]), bytes([2, 0, 0, 0, 0, 2])
STACK_IP, DRIVER_IP = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
PORT = 9
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
PAYLOAD_HEADER = struct.Struct(">2sIQQ")
MAX_PAYLOAD = 1472
# Status of a completion.
BAD_LENGTH, BAD_HEADER, BAD_CHECKSUM = 1, 2, 3


class BadFrame(Exception):
    """A frame that does not parse; `status` is that of its completion."""

    def __init__(self, status, what):
        super().__init__(what)
        self.status = status


def checksum(data):
    """The internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def payload(size, sequence, now):
    """The payload of a packet of app 0. The header is left out if it has no room."""
    header = PAYLOAD_HEADER.pack(b"PB", 0, sequence, now)
    return header + bytes(size - len(header)) if size >= len(header) else bytes(size)


def udp(source_mac, target_mac, source, target, data):
    """A frame with a UDP datagram from port 9 to port 9."""
    length = 8 + len(data)
    datagram = struct.pack(">HHHH", PORT, PORT, length, 0) + data
    pseudo = source + target + struct.pack(">BBH", 0, 17, length)
    datagram = datagram[:6] + struct.pack(">H", checksum(pseudo + datagram) or 0xFFFF) + data
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0, source, target)
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return target_mac + source_mac + struct.pack(">H", IPV4) + header + datagram


def arp_answer(frame, mac, address):
    """The answer to an ARP request for this address; None if the frame is anything else."""
    if len(frame) < 42 or frame[12:22] != bytes.fromhex("0806 0001 0800 06 04 0001") or frame[38:42] != address:
        return None
    asker_mac, asker = frame[22:28], frame[28:32]
    return asker_mac + mac + bytes.fromhex("0806 0001 0800 06 04 0002") + mac + address + asker_mac + asker


def read_udp(frame):
    """(target address, target port, payload) of a frame with UDP over IPv4, None for other frames.

    BadFrame if lengths or checksums of an IPv4 frame are wrong, or if it is no frame of IPv4, IPv6 or ARP.
    """
    if len(frame) < 14:
        raise BadFrame(BAD_LENGTH, f"a frame of {len(frame)} bytes")
    kind = frame[12] << 8 | frame[13]
    if kind in (ARP, IPV6):
        return None
    if kind != IPV4:
        raise BadFrame(BAD_HEADER, f"an EtherType {kind:#06x}")
    packet = frame[14:]
    if len(packet) < 20 or packet[0] >> 4 != 4:
        raise BadFrame(BAD_HEADER, "no IPv4 header")
    head, total = 4 * (packet[0] & 15), packet[2] << 8 | packet[3]
    padding = len(packet) - total
    if head < 20 or total < head or padding < 0 or (padding > 0 and len(frame) > 60):
        raise BadFrame(BAD_HEADER, f"an IPv4 packet of {total} bytes in {len(packet)}")
    if checksum(packet[:head]) != 0:
        raise BadFrame(BAD_CHECKSUM, "the checksum of the IPv4 header is wrong")
    fragment = (packet[6] << 8 | packet[7]) & 0x3FFF
    if packet[9] != 17 or fragment:
        return None
    datagram = packet[head:total]
    if len(datagram) < 8 or datagram[4] << 8 | datagram[5] != len(datagram):
        raise BadFrame(BAD_HEADER, "a wrong UDP length")
    pseudo = packet[12:20] + struct.pack(">BBH", 0, 17, len(datagram))
    if datagram[6:8] != b"\0\0" and checksum(pseudo + datagram) != 0:
        raise BadFrame(BAD_CHECKSUM, "the checksum of UDP is wrong")
    return packet[16:20], datagram[2] << 8 | datagram[3], datagram[8:]


def read_payload(data):
    """(app, sequence, intended time) of a payload with a header, else None."""
    if len(data) < PAYLOAD_HEADER.size or data[:2] != b"PB":
        return None
    return PAYLOAD_HEADER.unpack_from(data)[1:]
