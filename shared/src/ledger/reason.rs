//! Where and why a packet was dropped or refused.

use crate::ring::Status;

/// A drop: the packet had been accepted. The name starts with the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// `drop-newest`: the ring had no room when the packet reached the device.
    DeviceRingFull,
    /// `drop-oldest`: a newer packet took the place of this one at the head of the queue.
    DeviceQueueFull,
    /// `deadline`: no room came in time.
    DeviceDeadline,
    /// The driver found a length that no frame has.
    DriverBadLength,
    /// The driver could not read the headers.
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

    /// Why the hardware did not send a frame; `None` if it did.
    pub const fn of_status(status: Status) -> Option<Self> {
        match status {
            Status::Sent => None,
            Status::BadLength => Some(Self::DriverBadLength),
            Status::BadHeader => Some(Self::DriverBadHeader),
            Status::BadChecksum => Some(Self::DriverBadChecksum),
        }
    }
}

/// A refusal: the payload is still the app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefuseReason {
    /// The app asked not to wait, and it would have had to.
    WouldBlock,
    /// The run ended while the app waited.
    GaveUp,
    /// The run ended before the app got to the packet's intended time.
    NotReached,
    /// No route to the destination.
    NoRoute,
    /// Nobody said where the next hop is.
    NoNeighbour,
    /// The packet is larger than the route's MTU allows.
    TooLarge,
    /// The session with the driver had ended.
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
