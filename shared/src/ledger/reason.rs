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
    /// The packet is larger than the route's MTU allows.
    TooLarge,
    /// The session with the driver was closed.
    Closed,
}

impl RefuseReason {
    /// Every reason, in the order of the ledger's array.
    pub const ALL: [Self; 7] = [
        Self::WouldBlock,
        Self::GaveUp,
        Self::NotReached,
        Self::NoRoute,
        Self::NoNeighbour,
        Self::TooLarge,
        Self::Closed,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WouldBlock => "WOULD_BLOCK",
            Self::GaveUp => "GAVE_UP",
            Self::NotReached => "NOT_REACHED",
            Self::NoRoute => "NO_ROUTE",
            Self::NoNeighbour => "NO_NEIGHBOUR",
            Self::TooLarge => "TOO_LARGE",
            Self::Closed => "CLOSED",
        }
    }
}
