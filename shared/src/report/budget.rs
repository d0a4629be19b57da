//! The CPU time of a packet by component of the source tree, as found by sampling both processes.
//!
//! The JSON key of a component is `room`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// The CPU time that a packet may take in both processes together, on underpowered hardware that must hold 1 Gbit/s.
pub const PACKET_ALLOWANCE: Nanos = Nanos::from_micros(4);

/// CPU time per delivered packet, by component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetReport {
    /// CPU time between two samples of a thread.
    pub period_ns: u64,
    /// Whether time in the kernel was sampled. If not, it is spread over all other components.
    pub kernel_sampled: bool,
    /// Delivered packets, by which all times are divided.
    pub packets: u64,
    /// [`PACKET_ALLOWANCE`].
    pub allowance_ns: u64,
    /// CPU time per packet of both processes, without spinning.
    pub ns_per_packet: f64,
    /// `ns_per_packet` as a share of the allowance.
    pub allowance_share: f64,
    /// The stack's process.
    pub netstack: ProcessBudget,
    /// The driver's process.
    pub driver: ProcessBudget,
}

/// The budget of one process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProcessBudget {
    /// Samples taken, spinning included.
    pub samples: u64,
    /// CPU time per packet, without spinning.
    pub ns_per_packet: f64,
    /// CPU time per packet spent spinning without work: part of no sum, and of no other share.
    pub spin: ComponentBudget,
    /// The rest, by component; components without a sample are left out.
    #[serde(rename = "rooms")]
    pub components: Vec<ComponentBudget>,
}

/// The budget of one component of the source tree, or of code outside it (kernel, libraries).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ComponentBudget {
    /// Its name.
    #[serde(rename = "room")]
    pub name: String,
    /// Samples that fell into it.
    pub samples: u64,
    /// Share of the process's CPU time without spinning; for `spin`, of all its CPU time.
    pub share: f64,
    /// CPU time per packet.
    pub ns_per_packet: f64,
    /// Standard error of `ns_per_packet`: that of a count of samples is its square root.
    pub error_ns: f64,
}

impl ProcessBudget {
    /// Splits `cpu`, the CPU time of the process, among the components in proportion to their samples. `None` without
    /// samples or packets.
    ///
    /// It does not multiply samples by the period, because the machine misses samples. It misses the same share in all
    /// components, so the proportions hold.
    pub fn new(components: &[(&str, u64)], spin: u64, cpu: Nanos, packets: u64) -> Option<Self> {
        let busy: u64 = components.iter().map(|(_, samples)| samples).sum();
        let samples = busy + spin;
        if samples == 0 || packets == 0 {
            return None;
        }
        let per_sample = cpu.0 as f64 / packets as f64 / samples as f64;
        let component = |name: &str, samples: u64, of: u64| ComponentBudget {
            name: name.to_owned(),
            samples,
            share: if of == 0 { 0.0 } else { samples as f64 / of as f64 },
            ns_per_packet: samples as f64 * per_sample,
            error_ns: (samples as f64).sqrt() * per_sample,
        };
        let seen = components.iter().filter(|(_, samples)| *samples > 0);
        Some(Self {
            samples,
            ns_per_packet: busy as f64 * per_sample,
            spin: component("spin", spin, samples),
            components: seen.map(|(name, samples)| component(name, *samples, busy)).collect(),
        })
    }
}

impl BudgetReport {
    /// The budget of both processes.
    pub fn new(
        period: Nanos,
        kernel_sampled: bool,
        packets: u64,
        netstack: ProcessBudget,
        driver: ProcessBudget,
    ) -> Self {
        let ns_per_packet = netstack.ns_per_packet + driver.ns_per_packet;
        Self {
            period_ns: period.0,
            kernel_sampled,
            packets,
            allowance_ns: PACKET_ALLOWANCE.0,
            ns_per_packet,
            allowance_share: ns_per_packet / PACKET_ALLOWANCE.0 as f64,
            netstack,
            driver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_split_by_samples_and_spinning_is_not_part_of_the_sum() {
        // 1 000 samples of 10 us of CPU time per packet: 10 ns each.
        let components = [("app", 400), ("udp", 0), ("ring", 100)];
        let budget = ProcessBudget::new(&components, 500, Nanos::from_millis(10), 1_000).unwrap();
        assert_eq!((budget.samples, budget.ns_per_packet), (1_000, 5_000.0));
        let [app, ring] = &budget.components[..] else { panic!("{budget:?}") };
        assert_eq!((app.name.as_str(), app.ns_per_packet, app.share, app.error_ns), ("app", 4_000.0, 0.8, 200.0));
        assert_eq!((ring.name.as_str(), ring.ns_per_packet, ring.share, ring.error_ns), ("ring", 1_000.0, 0.2, 100.0));
        assert_eq!((budget.spin.ns_per_packet, budget.spin.share), (5_000.0, 0.5));
    }

    #[test]
    fn the_sum_is_compared_with_the_allowance() {
        let process = |ns| ProcessBudget { ns_per_packet: ns, ..ProcessBudget::default() };
        let budget = BudgetReport::new(Nanos(250_000), true, 7, process(60.0), process(40.0));
        assert_eq!((budget.ns_per_packet, budget.allowance_ns, budget.allowance_share), (100.0, 4_000, 0.025));
    }

    #[test]
    fn without_packets_or_samples_nothing_is_divided() {
        assert_eq!(ProcessBudget::new(&[("app", 3)], 4, Nanos(100), 0), None);
        assert_eq!(ProcessBudget::new(&[("app", 0)], 0, Nanos(100), 9), None);
        let idle = ProcessBudget::new(&[("app", 0)], 4, Nanos(100), 1).unwrap();
        assert_eq!((idle.ns_per_packet, idle.components.len(), idle.spin.ns_per_packet), (0.0, 0, 100.0));
    }
}
