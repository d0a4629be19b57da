//! Where and why a packet was dropped or refused.

use crate::frame::Status;

/// Why an accepted packet was dropped. The name starts with the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// `drop-newest`: the ring had no room when the packet reached the device.
    DeviceRingFull,
    /// `drop-oldest`: the transmit queue was full, and this packet at its head was dropped for a newer one.
    DeviceQueueFull,
    /// `deadline`: no slot became free before the deadline.
    DeviceDeadline,
    /// The driver found an invalid frame length.
    DriverBadLength,
    /// The driver found invalid headers.
    DriverBadHeader,
    /// The driver found a wrong checksum.
    DriverBadChecksum,
}

impl DropReason {
    /// Every reason, in the order of the ledger's array.
    pub const ALL: [Self; 6] = [
        Self::DeviceRingFull,
        Self::DeviceQueueFull,
        Self::DeviceDeadline,
        Self::DriverBadLength,
        Self::DriverBadHeader,
        Self::DriverBadChecksum,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceRingFull => "DEVICE_RING_FULL",
            Self::DeviceQueueFull => "DEVICE_QUEUE_FULL",
            Self::DeviceDeadline => "DEVICE_DEADLINE",
            Self::DriverBadLength => "DRIVER_BAD_LENGTH",
            Self::DriverBadHeader => "DRIVER_BAD_HEADER",
            Self::DriverBadChecksum => "DRIVER_BAD_CHECKSUM",
        }
    }

    /// The reason for which the hardware did not send a frame; `None` if it did.
    pub const fn of_status(status: Status) -> Option<Self> {
        match status {
            Status::Sent => None,
            Status::BadLength => Some(Self::DriverBadLength),
            Status::BadHeader => Some(Self::DriverBadHeader),
            Status::BadChecksum => Some(Self::DriverBadChecksum),
        }
    }
}

/// Why a packet was refused; its payload is still the app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefuseReason {
    /// The app called `try_send`, and the send would have had to wait.
    WouldBlock,
    /// The run ended while the app waited.
    GaveUp,
    /// The run ended before the app got to the packet's intended time.
    NotReached,
    /// No route to the destination.
    NoRoute,
    /// The link address of the next hop is unknown.
    NoNeighbour,
    /// The next hop was asked for its link address, and did not answer.
    NeighbourUnreachable,
    /// The packet is larger than the route's MTU allows.
    TooLarge,
    /// The session with the driver was closed.
    Closed,
    /// An answer of the stack itself found neither a slot nor a place in its queue.
    AnswerNoRoom,
}

impl RefuseReason {
    /// Every reason, in the order of the ledger's array.
    pub const ALL: [Self; 9] = [
        Self::WouldBlock,
        Self::GaveUp,
        Self::NotReached,
        Self::NoRoute,
        Self::NoNeighbour,
        Self::NeighbourUnreachable,
        Self::TooLarge,
        Self::Closed,
        Self::AnswerNoRoom,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WouldBlock => "WOULD_BLOCK",
            Self::GaveUp => "GAVE_UP",
            Self::NotReached => "NOT_REACHED",
            Self::NoRoute => "NO_ROUTE",
            Self::NoNeighbour => "NO_NEIGHBOUR",
            Self::NeighbourUnreachable => "NEIGHBOUR_UNREACHABLE",
            Self::TooLarge => "TOO_LARGE",
            Self::Closed => "CLOSED",
            Self::AnswerNoRoom => "ANSWER_NO_ROOM",
        }
    }
}

/// Why a frame from the driver was dropped on its way up. The name starts with the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpDropReason {
    /// The frame is shorter than an Ethernet header.
    EthernetTooShort,
    /// The frame's source is a group, or no station at all.
    EthernetBadSource,
    /// The frame is for another station, or for a group that the stack has not joined.
    EthernetNotForUs,
    /// The frame has a VLAN tag.
    EthernetVlan,
    /// The frame contains neither ARP nor IP.
    EthernetUnknownType,
    /// The ARP message is too short, is not about IPv4 over Ethernet, is neither request nor reply, or comes from an
    /// impossible address.
    ArpMalformed,
    /// A header is too short, or its version or a length in it contradicts the frame.
    IpMalformed,
    /// The checksum of the IPv4 header is wrong.
    IpBadChecksum,
    /// No other host can have the source address: it is a group, a broadcast, the loopback, unspecified, or the
    /// stack's own.
    IpBadSource,
    /// The destination is neither an address of the stack nor a group or broadcast that it receives.
    IpNotForUs,
    /// A fragment: packets are not put together.
    IpFragment,
    /// An IPv6 option that the stack does not know, and that must not be skipped.
    IpUnknownOption,
    /// The packet contains neither UDP nor ICMP.
    IpUnknownProtocol,
    /// A message of neighbour discovery that fails a check of RFC 4861: hop limit, code, lengths, addresses, options.
    NdpMalformed,
    /// The ICMP message is too short.
    IcmpMalformed,
    /// The checksum of the ICMP message is wrong.
    IcmpBadChecksum,
    /// The datagram is shorter than its header, or than its length field says.
    UdpMalformed,
    /// The checksum of the datagram is wrong, or missing over IPv6.
    UdpBadChecksum,
    /// No socket has the destination port.
    UdpNoSocket,
    /// The receive queue of the socket was full.
    SocketQueueFull,
}

impl UpDropReason {
    /// Every reason, in the order of the ledger's array.
    pub const ALL: [Self; 20] = [
        Self::EthernetTooShort,
        Self::EthernetBadSource,
        Self::EthernetNotForUs,
        Self::EthernetVlan,
        Self::EthernetUnknownType,
        Self::ArpMalformed,
        Self::IpMalformed,
        Self::IpBadChecksum,
        Self::IpBadSource,
        Self::IpNotForUs,
        Self::IpFragment,
        Self::IpUnknownOption,
        Self::IpUnknownProtocol,
        Self::NdpMalformed,
        Self::IcmpMalformed,
        Self::IcmpBadChecksum,
        Self::UdpMalformed,
        Self::UdpBadChecksum,
        Self::UdpNoSocket,
        Self::SocketQueueFull,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EthernetTooShort => "ETHERNET_TOO_SHORT",
            Self::EthernetBadSource => "ETHERNET_BAD_SOURCE",
            Self::EthernetNotForUs => "ETHERNET_NOT_FOR_US",
            Self::EthernetVlan => "ETHERNET_VLAN",
            Self::EthernetUnknownType => "ETHERNET_UNKNOWN_TYPE",
            Self::ArpMalformed => "ARP_MALFORMED",
            Self::IpMalformed => "IP_MALFORMED",
            Self::IpBadChecksum => "IP_BAD_CHECKSUM",
            Self::IpBadSource => "IP_BAD_SOURCE",
            Self::IpNotForUs => "IP_NOT_FOR_US",
            Self::IpFragment => "IP_FRAGMENT",
            Self::IpUnknownOption => "IP_UNKNOWN_OPTION",
            Self::IpUnknownProtocol => "IP_UNKNOWN_PROTOCOL",
            Self::NdpMalformed => "NDP_MALFORMED",
            Self::IcmpMalformed => "ICMP_MALFORMED",
            Self::IcmpBadChecksum => "ICMP_BAD_CHECKSUM",
            Self::UdpMalformed => "UDP_MALFORMED",
            Self::UdpBadChecksum => "UDP_BAD_CHECKSUM",
            Self::UdpNoSocket => "UDP_NO_SOCKET",
            Self::SocketQueueFull => "SOCKET_QUEUE_FULL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_the_order_of_their_arrays_and_names_follow_the_code() {
        assert!(UpDropReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
        let written = |name: &str| name.replace('_', "").to_lowercase();
        for reason in UpDropReason::ALL {
            assert_eq!(written(reason.name()), format!("{reason:?}").to_lowercase());
        }
        for reason in RefuseReason::ALL {
            assert_eq!(written(reason.name()), format!("{reason:?}").to_lowercase());
        }
    }
}
