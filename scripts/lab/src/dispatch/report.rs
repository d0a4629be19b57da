//! The figures of a comparison of the ways.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::report::median::{Median, Side};
use shared::report::{HostReport, Origin, PACKET_ALLOWANCE};
use shared::units::wire_bits;

/// Schema of the file that `lab dispatch --json` writes.
pub(crate) const DISPATCH_SCHEMA: &str = "pushback.dispatch/1";

/// The time that a packet may cost, in nanoseconds.
const BUDGET_NS: f64 = PACKET_ALLOWANCE.0 as f64;

/// Bits per second.
const GIGABIT: f64 = 1e9;

/// A whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DispatchReport {
    /// Name and version of the schema, [`DISPATCH_SCHEMA`].
    #[schemars(extend("const" = DISPATCH_SCHEMA))]
    pub(crate) schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// The machine on which it ran.
    pub(crate) host: HostReport,
    /// Seconds that each measurement took.
    pub(crate) seconds: f64,
    /// Slots of the ring.
    pub(crate) depth: u32,
    /// The factor by which the CPU of `slowed_packets_per_second` is slower than this one.
    pub(crate) slowdown: f64,
    /// The ways.
    pub(crate) ways: Vec<Way>,
    /// A run without layers: finished frames go straight to the device.
    pub(crate) without_layers: Way,
    /// What is missing, and why.
    pub(crate) left_out: Vec<String>,
}

/// One way. Its figures are those of the first size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Way {
    /// The value of `--dispatch`.
    pub(crate) name: String,
    /// End to end: 1e9 over the delivered packets per second.
    pub(crate) ns_per_packet: f64,
    /// In the process of the stack; `null` if they cannot be counted.
    pub(crate) instructions_per_packet: Option<f64>,
    /// In the stack.
    pub(crate) allocations_per_packet: f64,
    /// The time that the stack is busy for each packet, as a share of 4 us.
    pub(crate) budget_share: f64,
    /// By size of frame.
    pub(crate) sizes: Vec<AtSize>,
}

/// One way at one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AtSize {
    /// Bytes of the Ethernet frame without its check sequence.
    pub(crate) size_bytes: u64,
    /// End to end.
    pub(crate) ns_per_packet: f64,
    /// The time that the process of the stack is busy, neither spinning nor sleeping.
    pub(crate) stack_ns_per_packet: f64,
    /// The 95 % interval of that median; `null` if there are too few repetitions for one.
    #[serde(default)]
    pub(crate) stack_ns_interval: Option<(f64, f64)>,
    /// The rate that the stack could sustain on a CPU that is slower by `slowdown`.
    pub(crate) slowed_packets_per_second: f64,
    /// The packets per second of such frames in 1 Gbit/s, with preamble, check sequence and gap.
    pub(crate) gigabit_packets_per_second: f64,
    /// Whether the slowed rate is at least that; `null` if the interval contains it.
    pub(crate) holds_gigabit: Option<bool>,
    /// Every repetition, in order.
    pub(crate) repetitions: Vec<Repetition>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Repetition {
    /// End to end.
    pub(crate) ns_per_packet: f64,
    /// In the stack.
    pub(crate) stack_ns_per_packet: f64,
}

impl AtSize {
    /// The medians of `repetitions`, and the rate on a CPU that is `slowdown` times slower.
    pub(crate) fn new(size_bytes: u64, slowdown: f64, repetitions: Vec<Repetition>) -> Self {
        let middle = |of: fn(&Repetition) -> f64| Median::of(repetitions.iter().map(of));
        let stack_ns = middle(|run| run.stack_ns_per_packet);
        let slowed = stack_ns.map(|ns| 1e9 / (ns * slowdown).max(f64::MIN_POSITIVE));
        let bits = wire_bits(usize::try_from(size_bytes).unwrap_or(usize::MAX));
        let gigabit_packets_per_second = GIGABIT / bits as f64;
        Self {
            size_bytes,
            ns_per_packet: middle(|run| run.ns_per_packet).value,
            stack_ns_per_packet: stack_ns.value,
            stack_ns_interval: stack_ns.interval,
            slowed_packets_per_second: slowed.value,
            gigabit_packets_per_second,
            holds_gigabit: match slowed.against(gigabit_packets_per_second) {
                Side::Above => Some(true),
                Side::Below => Some(false),
                Side::Unknown => None,
            },
            repetitions,
        }
    }

    /// The fastest and the slowest repetition, end to end.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let times = || self.repetitions.iter().map(|run| run.ns_per_packet);
        (times().fold(f64::INFINITY, f64::min), times().fold(0.0, f64::max))
    }
}

impl Way {
    /// The way `name`, with figures at `sizes`.
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

    /// The time that the stack is busy for each packet, in nanoseconds.
    pub(crate) fn stack_ns(&self) -> f64 {
        self.budget_share * BUDGET_NS
    }

    /// The ratio of the end-to-end times of this way and of `other`, within each repetition.
    pub(crate) fn times(&self, other: &Self) -> Median {
        Median::of(self.beside(other, |way, other| way.ns_per_packet / other.ns_per_packet))
    }

    /// `of` each repetition at the first size, paired with the same repetition of `other`.
    fn beside(&self, other: &Self, of: fn(&Repetition, &Repetition) -> f64) -> Vec<f64> {
        let (mine, theirs) = (self.sizes.first(), other.sizes.first());
        let both =
            mine.into_iter().zip(theirs).flat_map(|(mine, theirs)| mine.repetitions.iter().zip(&theirs.repetitions));
        both.map(|(mine, theirs)| of(mine, theirs)).collect()
    }
}

impl DispatchReport {
    /// The way `name`.
    pub(crate) fn way(&self, name: &str) -> Option<&Way> {
        self.ways.iter().find(|way| way.name == name)
    }

    /// The time of the layers in `way`, in nanoseconds: the time of the stack minus that without layers in the same
    /// repetition.
    pub(crate) fn layers_ns(&self, way: &Way) -> Median {
        Median::of(way.beside(&self.without_layers, |way, none| way.stack_ns_per_packet - none.stack_ns_per_packet))
    }

    /// The ratio of the time of the layers of `one` and of `other`; `None` unless both are clearly above zero.
    pub(crate) fn layers_ratio(&self, one: &Way, other: &Way) -> Option<Median> {
        if [one, other].iter().any(|way| self.layers_ns(way).against(0.0) != Side::Above) {
            return None;
        }
        let layers = |way: &Way| {
            way.beside(&self.without_layers, |way, none| way.stack_ns_per_packet - none.stack_ns_per_packet)
        };
        // In a single repetition noise may leave nothing for the layers of `other`: the ratio is then unbounded.
        let ratio = |(one, other): (f64, f64)| if other > 0.0 { one / other } else { f64::INFINITY };
        Some(Median::of(layers(one).into_iter().zip(layers(other)).map(ratio)))
    }

    /// The instructions of the layers in `way`, computed the same way.
    pub(crate) fn layers_instructions(&self, way: &Way) -> Option<f64> {
        Some(way.instructions_per_packet? - self.without_layers.instructions_per_packet?)
    }
}

#[cfg(test)]
impl DispatchReport {
    /// A report with invented figures: of an idle machine whose speed drifts by a few nanoseconds.
    pub(crate) fn made_up() -> Self {
        Self::with_noise(&[0.0, -10.0, 7.0, 3.0, -4.0, 1.0, -2.0, 5.0, 2.0], &[0.0; 9])
    }

    /// A report in which each repetition is off by its `drift`, equal for all ways, and by `jitter`, which differs
    /// between ways.
    pub(crate) fn with_noise(drift: &[f64], jitter: &[f64]) -> Self {
        let way = |index: usize, name, instructions, allocations, ns: f64| {
            let sizes = [(64, ns), (1500, ns + 40.0)].map(|(size, ns)| {
                let repetition = |(at, drift): (usize, &f64)| {
                    let ns = ns + drift + jitter[(at + 2 * index) % jitter.len()];
                    Repetition { ns_per_packet: ns + 20.0, stack_ns_per_packet: ns }
                };
                AtSize::new(size, 10.0, drift.iter().enumerate().map(repetition).collect())
            });
            Way::new(name, Some(instructions), allocations, sizes.into())
        };
        Self {
            schema: DISPATCH_SCHEMA.to_owned(),
            origin: Origin::default(),
            host: HostReport::default(),
            seconds: 1.0,
            depth: 1024,
            slowdown: 10.0,
            ways: vec![
                way(0, "static", 800.0, 0.0, 100.0),
                way(1, "boxed", 2500.0, 5.0, 300.0),
                way(2, "inline", 1700.0, 0.0, 210.0),
                way(3, "poll", 1000.0, 0.0, 120.0),
                way(4, "sync", 790.0, 0.0, 99.0),
            ],
            without_layers: way(5, "none", 600.0, 0.0, 70.0),
            left_out: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_the_layers_is_the_difference_to_a_run_without_them() {
        let report = DispatchReport::made_up();
        let boxed = report.way("boxed").unwrap();
        assert!((report.layers_ns(boxed).value - 230.0).abs() < 1e-9);
        assert_eq!(report.layers_instructions(boxed), Some(1900.0));
        assert!((boxed.budget_share - 0.075_25).abs() < 1e-9);
        let ratio = report.layers_ratio(boxed, report.way("poll").unwrap()).unwrap();
        assert!((ratio.value - 4.6).abs() < 1e-9 && ratio.against(1.0) == Side::Above, "{ratio:?}");
    }

    fn at(stack_ns: &[f64]) -> AtSize {
        let repetition = |ns: &f64| Repetition { ns_per_packet: *ns, stack_ns_per_packet: *ns };
        AtSize::new(64, 10.0, stack_ns.iter().map(repetition).collect())
    }

    #[test]
    fn a_gigabit_of_small_frames_leaves_704_ns_each() {
        assert_eq!((at(&[70.3; 6]).holds_gigabit, at(&[70.5; 6]).holds_gigabit), (Some(true), Some(false)));
        assert_eq!(at(&[70.4; 6]).gigabit_packets_per_second.round() as u64, 1_420_455);
    }

    #[test]
    fn an_interval_that_contains_the_threshold_does_not_decide_about_a_gigabit() {
        // The median is below 70.4 ns in the first case, and above it in the second; neither decides.
        for shift in [0.0, 14.0] {
            let noisy = [31.0, 55.0, 58.0, 61.0, 62.0, 69.0, 71.0, 90.0, 331.0].map(|ns| ns + shift);
            assert_eq!(at(&noisy).holds_gigabit, None, "{shift}");
        }
        // One outlier changes nothing; five repetitions are too few.
        assert_eq!(at(&[31.0, 50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0, 331.0]).holds_gigabit, Some(true));
        assert_eq!(at(&[50.0; 5]).holds_gigabit, None);
    }

    #[test]
    fn layers_that_are_lost_in_noise_have_no_ratio() {
        let wild = [0.0, 60.0, -55.0, 80.0, -70.0, 20.0, -35.0, 45.0, -60.0];
        let report = DispatchReport::with_noise(&[0.0; 9], &wild);
        let [boxed, poll] = ["boxed", "poll"].map(|name| report.way(name).unwrap());
        assert_eq!(report.layers_ns(poll).against(0.0), Side::Unknown, "{:?}", report.layers_ns(poll));
        assert_eq!(report.layers_ratio(boxed, poll), None);
        assert_eq!(report.layers_ns(boxed).against(0.0), Side::Above);
    }
}
