//! Where the delivered packets spent their latency.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The latency of all delivered packets, split by where they spent it: sums of nanoseconds, in the order in which a
/// packet passes the places. They add up to the sum of the latencies. Only sums and means add up: a 99th percentile
/// of the whole is not the sum of those of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SplitReport {
    /// The delivered packets, those that the stack sent itself included.
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
    /// The parts of `hardware_ns`; null if the driver's counters are missing, or do not add up to it.
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
    /// The sum of the parts; `None` if it is too large to be one of times.
    fn total(&self) -> Option<u128> {
        self.queue_ns.checked_add(self.link_ns)?.checked_add(self.delay_ns)
    }

    /// The same without `early`, the time before the packets were submitted: from the queue, and what is left of it from
    /// the link, which was idle then.
    fn without(self, early: u128) -> Self {
        let of_queue = early.min(self.queue_ns);
        let of_link = (early - of_queue).min(self.link_ns);
        Self { queue_ns: self.queue_ns - of_queue, link_ns: self.link_ns - of_link, ..self }
    }
}

impl SplitReport {
    /// The same with the hardware's own split, if that is one of the same packets' time. In real time the driver may take a
    /// frame in a turn that began before the stack submitted it: `early_ns` is the sum of these times, which the driver
    /// counts and the stack does not.
    #[must_use]
    pub fn with_hardware(self, split: HardwareSplit, early_ns: u128) -> Self {
        let split = split.without(early_ns);
        Self { hardware: Some(split).filter(|split| split.total() == Some(self.hardware_ns)), ..self }
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

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: SplitReport = SplitReport {
        packets: 1,
        latency_ns: 30,
        hardware_ns: 30,
        hardware: None,
        source_ns: 0,
        budget_ns: 0,
        neighbour_ns: 0,
        stack_ns: 0,
        room_ns: 0,
        device_queue_ns: 0,
        ring_ns: 0,
    };

    #[test]
    fn the_hardware_s_parts_are_shown_if_they_add_up() {
        let split = HardwareSplit { queue_ns: 5, link_ns: 20, delay_ns: 5 };
        assert_eq!(WHOLE.with_hardware(split, 0).hardware, Some(split));
        assert_eq!(WHOLE.with_hardware(HardwareSplit { delay_ns: 6, ..split }, 0).hardware, None);
    }

    #[test]
    fn time_before_the_packet_was_submitted_is_not_the_packet_s() {
        let split = HardwareSplit { queue_ns: 3, link_ns: 29, delay_ns: 5 };
        let shown = HardwareSplit { queue_ns: 0, link_ns: 25, delay_ns: 5 };
        assert_eq!(WHOLE.with_hardware(split, 7).hardware, Some(shown));
    }

    #[test]
    fn sums_that_a_driver_cannot_have_counted_are_not_shown() {
        let lie = HardwareSplit { queue_ns: u128::MAX, link_ns: 0, delay_ns: 31 };
        assert_eq!(WHOLE.with_hardware(lie, 0).hardware, None);
    }
}
