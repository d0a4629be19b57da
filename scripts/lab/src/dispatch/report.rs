//! What a comparison of the ways reports.

use serde::{Deserialize, Serialize};
use shared::report::{HostReport, PACKET_ALLOWANCE};
use shared::units::wire_bits;

use crate::bench::median;

/// Schema of what `lab dispatch --json` writes.
pub(crate) const DISPATCH_SCHEMA: &str = "pushback.dispatch/1";

/// What a packet may cost, in nanoseconds.
const BUDGET_NS: f64 = PACKET_ALLOWANCE.0 as f64;

/// Bits a second.
const GIGABIT: f64 = 1e9;

/// A whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DispatchReport {
    /// [`DISPATCH_SCHEMA`].
    pub(crate) schema: String,
    /// Where it ran.
    pub(crate) host: HostReport,
    /// Seconds that each measurement took.
    pub(crate) seconds: f64,
    /// Slots of the ring.
    pub(crate) depth: u32,
    /// By which a CPU that is asked about is slower than this one.
    pub(crate) slowdown: f64,
    /// The ways.
    pub(crate) ways: Vec<Way>,
    /// What is left without layers: ready frames, straight to the device.
    pub(crate) without_layers: Way,
    /// What is not here, and why.
    pub(crate) left_out: Vec<String>,
}

/// One way. Its own figures are those of the first size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// As `--dispatch` has it.
    pub(crate) name: String,
    /// From end to end: the inverse of the rate at which packets were delivered.
    pub(crate) ns_per_packet: f64,
    /// In the stack's process; `null` where they cannot be counted.
    pub(crate) instructions_per_packet: Option<f64>,
    /// In the stack.
    pub(crate) allocations_per_packet: f64,
    /// What the stack is busy for each packet, as a share of 4 us.
    pub(crate) budget_share: f64,
    /// By size of frame.
    pub(crate) sizes: Vec<AtSize>,
}

/// One way at one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AtSize {
    /// Ethernet frame without check sequence.
    pub(crate) size_bytes: u64,
    /// From end to end.
    pub(crate) ns_per_packet: f64,
    /// That the stack's process is busy: neither spins nor sleeps.
    pub(crate) stack_ns_per_packet: f64,
    /// What the stack could sustain on a CPU that is slower by the factor asked about.
    pub(crate) slowed_packets_per_second: f64,
    /// What a gigabit carries of such frames, with preamble, check sequence and gap.
    pub(crate) gigabit_packets_per_second: f64,
    /// Whether the one is as much as the other.
    pub(crate) holds_gigabit: bool,
    /// Every repetition, in order.
    pub(crate) repetitions: Vec<Repetition>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repetition {
    /// From end to end.
    pub(crate) ns_per_packet: f64,
    /// In the stack.
    pub(crate) stack_ns_per_packet: f64,
}

impl AtSize {
    /// The medians of `repetitions`, and what they mean on a CPU that is `slowdown` times slower.
    pub(crate) fn new(size_bytes: u64, slowdown: f64, repetitions: Vec<Repetition>) -> Self {
        let middle = |of: fn(&Repetition) -> f64| median(&repetitions.iter().map(of).collect::<Vec<_>>());
        let stack_ns_per_packet = middle(|run| run.stack_ns_per_packet);
        let slowed_packets_per_second = 1e9 / (stack_ns_per_packet * slowdown).max(f64::MIN_POSITIVE);
        let bits = wire_bits(usize::try_from(size_bytes).unwrap_or(usize::MAX));
        let gigabit_packets_per_second = GIGABIT / bits as f64;
        Self {
            size_bytes,
            ns_per_packet: middle(|run| run.ns_per_packet),
            stack_ns_per_packet,
            slowed_packets_per_second,
            gigabit_packets_per_second,
            holds_gigabit: slowed_packets_per_second >= gigabit_packets_per_second,
            repetitions,
        }
    }

    /// The fastest and the slowest repetition, from end to end.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let times = || self.repetitions.iter().map(|run| run.ns_per_packet);
        (times().fold(f64::INFINITY, f64::min), times().fold(0.0, f64::max))
    }
}

impl Way {
    /// The way of that name.
    pub(crate) fn new(name: &str, instructions: Option<f64>, allocations: f64, sizes: Vec<AtSize>) -> Self {
        let of_first = |of: fn(&AtSize) -> f64| sizes.first().map_or(0.0, of);
        Self {
            name: name.to_owned(),
            ns_per_packet: of_first(|at| at.ns_per_packet),
            instructions_per_packet: instructions,
            allocations_per_packet: allocations,
            budget_share: of_first(|at| at.stack_ns_per_packet) / BUDGET_NS,
            sizes,
        }
    }

    /// What the stack is busy for each packet.
    pub(crate) fn stack_ns(&self) -> f64 {
        self.budget_share * BUDGET_NS
    }
}

impl DispatchReport {
    /// The way of that name.
    pub(crate) fn way(&self, name: &str) -> Option<&Way> {
        self.ways.iter().find(|way| way.name == name)
    }

    /// What the layers cost the stack in `way`, in nanoseconds: the whole less what is left without them.
    pub(crate) fn layers_ns(&self, way: &Way) -> f64 {
        way.stack_ns() - self.without_layers.stack_ns()
    }

    /// The same in instructions.
    pub(crate) fn layers_instructions(&self, way: &Way) -> Option<f64> {
        Some(way.instructions_per_packet? - self.without_layers.instructions_per_packet?)
    }
}

#[cfg(test)]
impl DispatchReport {
    /// A report that nobody measured.
    pub(crate) fn made_up() -> Self {
        let way = |name, instructions, allocations, ns: f64| {
            let repetition = |ns| Repetition { ns_per_packet: ns + 20.0, stack_ns_per_packet: ns };
            let sizes = [(64, ns), (1500, ns + 40.0)].map(|(size, ns)| {
                AtSize::new(size, 10.0, vec![repetition(ns), repetition(ns - 10.0), repetition(ns + 7.0)])
            });
            Way::new(name, Some(instructions), allocations, sizes.into())
        };
        Self {
            schema: DISPATCH_SCHEMA.to_owned(),
            host: HostReport::default(),
            seconds: 1.0,
            depth: 1024,
            slowdown: 10.0,
            ways: vec![
                way("static", 800.0, 0.0, 100.0),
                way("boxed", 2500.0, 5.0, 300.0),
                way("inline", 1700.0, 0.0, 210.0),
                way("poll", 1000.0, 0.0, 120.0),
                way("sync", 790.0, 0.0, 99.0),
            ],
            without_layers: way("none", 600.0, 0.0, 70.0),
            left_out: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_are_what_is_gone_without_them() {
        let report = DispatchReport::made_up();
        let boxed = report.way("boxed").unwrap();
        assert!((report.layers_ns(boxed) - 230.0).abs() < 1e-9);
        assert_eq!(report.layers_instructions(boxed), Some(1900.0));
        assert!((boxed.budget_share - 0.075).abs() < 1e-9);
    }

    #[test]
    fn a_gigabit_of_small_frames_leaves_704_ns_each() {
        let at = |ns| AtSize::new(64, 10.0, vec![Repetition { ns_per_packet: ns, stack_ns_per_packet: ns }]);
        assert!(at(70.4).holds_gigabit && !at(70.5).holds_gigabit);
        assert_eq!(at(70.4).gigabit_packets_per_second.round() as u64, 1_420_455);
    }
}
