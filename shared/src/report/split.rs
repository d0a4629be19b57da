//! Where the delivered packets spent their latency.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The latency of all delivered packets, split by where they spent it: sums of nanoseconds, in the order in which a
/// packet passes the places. They add up to the sum of the latencies. Only sums and means add up: a 99th percentile
/// of the whole is not the sum of those of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SplitReport {
    /// The delivered packets.
    pub packets: u64,
    /// The sum of their latencies, from the intended time to completion.
    pub latency_ns: u128,
    /// From the intended time until the app's send had nothing to wait for: the app was late or waited with an earlier
    /// packet. Includes the time of the app and of the layers themselves.
    pub source_ns: u128,
    /// Waiting for bytes of the send budget.
    pub budget_ns: u128,
    /// Waiting for the Ethernet address of the next hop.
    pub neighbour_ns: u128,
    /// Waiting for the modelled CPU of the stack, and in it.
    pub stack_ns: u128,
    /// Waiting for room in the ring.
    pub room_ns: u128,
    /// In the transmit queue of the device, which only drop-oldest has.
    pub device_queue_ns: u128,
    /// In the ring, until the hardware took the frame.
    pub ring_ns: u128,
    /// In the hardware, until the frame was completed.
    pub hardware_ns: u128,
    /// The parts of `hardware_ns`; null if the driver's counters are missing, or are not of the same packets.
    pub hardware: Option<HardwareSplit>,
}

/// What the time in the hardware consists of; adds up to [`SplitReport::hardware_ns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HardwareSplit {
    /// In the hardware's queue, until the link was free.
    pub queue_ns: u128,
    /// On the link, with the stalls that interrupted the transmission.
    pub link_ns: u128,
    /// From the end of transmission to completion: the hardware delay, and coalescing.
    pub delay_ns: u128,
}

impl HardwareSplit {
    fn total(&self) -> u128 {
        self.queue_ns + self.link_ns + self.delay_ns
    }
}

impl SplitReport {
    /// The same with the hardware's own split, if that is one of the same packets' time.
    #[must_use]
    pub fn with_hardware(self, split: HardwareSplit) -> Self {
        Self { hardware: Some(split).filter(|split| split.total() == self.hardware_ns), ..self }
    }

    /// Each place that a packet passes, in order, with the sum of its time there. Together they are the latency.
    pub fn places(&self) -> Vec<(&'static str, u128)> {
        let mut places = vec![
            ("source", self.source_ns),
            ("budget", self.budget_ns),
            ("neighbour", self.neighbour_ns),
            ("stack", self.stack_ns),
            ("room", self.room_ns),
            ("device queue", self.device_queue_ns),
            ("ring", self.ring_ns),
        ];
        match self.hardware {
            Some(HardwareSplit { queue_ns, link_ns, delay_ns }) => {
                places.extend([("hardware queue", queue_ns), ("link", link_ns), ("delay and coalescing", delay_ns)])
            }
            None => places.push(("hardware", self.hardware_ns)),
        }
        places
    }
}
