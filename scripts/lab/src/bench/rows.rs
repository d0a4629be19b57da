//! The figures of a benchmark: medians, spreads and ratios.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::report::median::Median;
use shared::report::{HostReport, Origin};

use super::contestant::{Contestant, Peer, Variant};
use super::simulation::Simulated;
use crate::count::Count;

/// Schema of the file that `lab bench --json` writes.
pub(crate) const BENCH_SCHEMA: &str = "pushback.bench/1";

/// A whole benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct BenchReport {
    /// Name and version of the schema, [`BENCH_SCHEMA`].
    #[schemars(extend("const" = BENCH_SCHEMA))]
    pub(crate) schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// The machine on which it ran.
    pub(crate) host: HostReport,
    /// Seconds that each measurement took.
    pub(crate) seconds: f64,
    /// Slots of each ring.
    pub(crate) depth: u32,
    /// One row for each contestant and size.
    pub(crate) rows: Vec<Row>,
    /// Instructions of stack and driver by traffic and size; empty where they cannot be counted.
    pub(crate) instructions: Vec<Count>,
    /// How fast simulations run.
    #[serde(default)]
    pub(crate) simulations: Vec<Simulated>,
    /// What is missing, and why.
    pub(crate) left_out: Vec<String>,
}

/// What one run delivered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delivered {
    /// Packets per second.
    pub(crate) packets_per_second: f64,
    /// Bits of Ethernet frames per second, without their check sequences.
    pub(crate) bits_per_second: f64,
}

impl Delivered {
    /// `packets_per_second`, in frames of `size_bytes`.
    pub(crate) fn of_size(packets_per_second: f64, size_bytes: u64) -> Self {
        Self { packets_per_second, bits_per_second: packets_per_second * size_bytes as f64 * 8.0 }
    }
}

/// One contestant at one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Row {
    /// The contestant.
    pub(crate) name: String,
    /// Bytes of the Ethernet frame without its check sequence; of mixed traffic, the mean over its apps.
    pub(crate) size_bytes: u64,
    /// Median of the delivered rates.
    pub(crate) packets_per_second: f64,
    /// 1e9 / `packets_per_second`; 0 if nothing was delivered.
    pub(crate) ns_per_packet: f64,
    /// Median of the frame bits per second.
    pub(crate) bits_per_second: f64,
    /// Ratios to other contestants at the same size.
    pub(crate) ratios: Ratios,
    /// The 95 % intervals of these ratios.
    #[serde(default)]
    pub(crate) intervals: Intervals,
    /// The rate of each repetition, in order.
    pub(crate) repetitions: Vec<f64>,
}

/// The ratios of a row to other contestants at its size; `null` without that contestant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ratios {
    /// Packets per second over those of memif: more is better.
    pub(crate) of_memif: Option<f64>,
    /// Time per packet over that of the bare ring: less is better.
    pub(crate) times_bare_ring: Option<f64>,
    /// Packets per second over those of UDP over loopback: more is better.
    pub(crate) times_udp_loopback: Option<f64>,
    /// Packets per second over those of one `bulk` app of this project: more is better.
    #[serde(default)]
    pub(crate) of_bulk: Option<f64>,
}

/// The interval of each of [`Ratios`]; `null` if there is no ratio, or too few repetitions for an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Intervals {
    /// Of `of_memif` in [`Ratios`].
    pub(crate) of_memif: Option<(f64, f64)>,
    /// Of `times_bare_ring` in [`Ratios`].
    pub(crate) times_bare_ring: Option<(f64, f64)>,
    /// Of `times_udp_loopback` in [`Ratios`].
    pub(crate) times_udp_loopback: Option<(f64, f64)>,
    /// Of `of_bulk` in [`Ratios`].
    #[serde(default)]
    pub(crate) of_bulk: Option<(f64, f64)>,
}

impl Row {
    /// The row of contestant `name` at frames of `size_bytes`, computed from what each of its runs delivered.
    pub(crate) fn new(name: &str, size_bytes: u64, runs: &[Delivered]) -> Self {
        let repetitions: Vec<f64> = runs.iter().map(|run| run.packets_per_second).collect();
        let packets_per_second = Median::of(repetitions.iter().copied()).value;
        Self {
            name: name.to_owned(),
            size_bytes,
            packets_per_second,
            ns_per_packet: if packets_per_second > 0.0 { 1e9 / packets_per_second } else { 0.0 },
            bits_per_second: Median::of(runs.iter().map(|run| run.bits_per_second)).value,
            ratios: Ratios::default(),
            intervals: Intervals::default(),
            repetitions,
        }
    }

    /// The slowest and the fastest repetition.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let least = self.repetitions.iter().copied().fold(f64::INFINITY, f64::min);
        (least, self.repetitions.iter().copied().fold(0.0, f64::max))
    }
}

/// Computes the ratios of `rows`, all of one size, to the reference contestants.
///
/// Rates are paired by repetition, and the median of their ratios is used: if the machine slows down in the middle, the
/// ratio of two medians may compare a run from before with one from after.
pub(crate) fn compare(rows: &mut [Row]) {
    let rates = |name| rows.iter().find(|row| row.name == name).map(|row| row.repetitions.clone());
    let (memif, bare, udp) = (rates("memif"), rates(Peer::BareRing.name()), rates(Peer::UdpLoopback.name()));
    let bulk = rates(Contestant::Pushback(Variant::Shm).name());
    for row in rows {
        let over = |peer: &Option<Vec<f64>>| peer.as_ref().and_then(|peer| median_ratio(&row.repetitions, peer));
        let of_memif = over(&memif);
        let times_bare_ring = bare.as_ref().and_then(|bare| median_ratio(bare, &row.repetitions));
        let times_udp_loopback = over(&udp);
        let of_bulk = over(&bulk);
        row.ratios = Ratios {
            of_memif: of_memif.map(|ratio| ratio.value),
            times_bare_ring: times_bare_ring.map(|ratio| ratio.value),
            times_udp_loopback: times_udp_loopback.map(|ratio| ratio.value),
            of_bulk: of_bulk.map(|ratio| ratio.value),
        };
        row.intervals = Intervals {
            of_memif: of_memif.and_then(|ratio| ratio.interval),
            times_bare_ring: times_bare_ring.and_then(|ratio| ratio.interval),
            times_udp_loopback: times_udp_loopback.and_then(|ratio| ratio.interval),
            of_bulk: of_bulk.and_then(|ratio| ratio.interval),
        };
    }
}

/// The median of the ratios `rates` / `of` within each repetition, ignoring repetitions in which either is 0.
fn median_ratio(rates: &[f64], of: &[f64]) -> Option<Median> {
    let both = rates.iter().zip(of).filter(|(rate, of)| **rate > 0.0 && **of > 0.0);
    let ratios: Vec<f64> = both.map(|(rate, of)| rate / of).collect();
    (!ratios.is_empty()).then(|| Median::of(ratios))
}

#[cfg(test)]
impl Row {
    /// A row of these packet rates.
    pub(crate) fn of_rates(name: &str, size_bytes: u64, rates: &[f64]) -> Self {
        let runs: Vec<_> = rates.iter().map(|rate| Delivered::of_size(*rate, size_bytes)).collect();
        Self::new(name, size_bytes, &runs)
    }
}

#[cfg(test)]
impl BenchReport {
    /// A report with invented figures, for tests.
    pub(crate) fn made_up() -> Self {
        let rows = |size, rates: [(&str, &[f64]); 7]| {
            let mut rows = rates.map(|(name, rates)| Row::of_rates(name, size, rates));
            compare(&mut rows);
            rows
        };
        let small = rows(
            64,
            [
                ("pushback-shm", &[9e6, 8e6, 14e6]),
                ("pushback-shm-nodma", &[10e6, 9e6, 11e6]),
                ("pushback-socket", &[5e6, 4e6, 6e6]),
                ("bare-ring", &[50e6, 60e6, 40e6]),
                ("unix-stream", &[20e6, 16e6, 24e6]),
                ("udp-loopback", &[1e5, 5e5, 6e5]),
                ("memif", &[25e6, 24e6, 26e6]),
            ],
        );
        let mut large = vec![Row::of_rates("pushback-shm", 1500, &[2e6]), Row::of_rates("bare-ring", 1500, &[4e6])];
        compare(&mut large);
        Self {
            schema: BENCH_SCHEMA.to_owned(),
            origin: Origin::default(),
            host: HostReport::default(),
            seconds: 2.0,
            depth: 1024,
            rows: small.into_iter().chain(large).collect(),
            instructions: vec![
                Count { traffic: crate::count::Traffic::Bulk, size_bytes: 64, stack: 321.4, driver: Some(210.0) },
                Count { traffic: crate::count::Traffic::Simulation, size_bytes: 64, stack: 2500.0, driver: None },
            ],
            simulations: vec![Simulated::new(1, vec![5e6, 4e6, 8e6]), Simulated::new(1000, vec![2e6])],
            left_out: vec!["something is left out: it is made up".to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_against_the_same_size_and_absent_without_a_peer() {
        let report = BenchReport::made_up();
        let ratios = |name, size| {
            let row = report.rows.iter().find(|row| row.name == name && row.size_bytes == size).unwrap();
            let ratios = row.ratios;
            (ratios.of_memif, ratios.times_bare_ring, ratios.times_udp_loopback)
        };
        assert_eq!(ratios("pushback-shm", 64), (Some(0.36), Some(50.0 / 9.0), Some(14e6 / 6e5)));
        assert_eq!(ratios("bare-ring", 64).1, Some(1.0));
        assert_eq!(ratios("pushback-shm", 1500), (None, Some(2.0), None));
    }

    #[test]
    fn a_machine_that_slows_down_in_the_middle_does_not_change_ratios() {
        let mut rows = [("memif", [20.0, 20.0, 10.0]), ("pushback-shm", [30.0, 15.0, 15.0])]
            .map(|(name, rates)| Row::of_rates(name, 64, &rates));
        compare(&mut rows);
        assert_eq!(rows[1].ratios.of_memif, Some(1.5));
        rows[0].repetitions.fill(0.0);
        compare(&mut rows);
        assert_eq!(rows[1].ratios.of_memif, None);
    }

    #[test]
    fn the_interval_of_a_ratio_is_over_pairs_of_the_same_repetition() {
        let memif = [10.0, 20.0, 10.0, 20.0, 10.0, 20.0, 10.0];
        let times = [1.5, 1.4, 1.6, 1.3, 1.5, 1.7, 1.5];
        let ours: Vec<f64> = memif.iter().zip(times).map(|(rate, times)| rate * times).collect();
        let mut rows = [Row::of_rates("memif", 64, &memif), Row::of_rates("pushback-shm", 64, &ours)];
        compare(&mut rows);
        let (low, high) = rows[1].intervals.of_memif.unwrap();
        assert!((low - 1.3).abs() < 1e-9 && (high - 1.7).abs() < 1e-9, "{low} {high}");
        assert_eq!(rows[0].intervals.of_memif, Some((1.0, 1.0)));
        assert_eq!(rows[1].intervals.times_bare_ring, None);
    }

    #[test]
    fn the_names_in_json_do_not_move() {
        let json = serde_json::to_value(BenchReport::made_up()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&json["rows"][0]).unwrap());
        assert_eq!((&json["schema"], &json["depth"]), (&"pushback.bench/1".into(), &1024.into()));
        let count = serde_json::json!({"traffic": "bulk", "size_bytes": 64, "stack": 321.4, "driver": 210.0});
        assert_eq!(json["instructions"][0], count);
    }
}
