//! What a benchmark reports: medians, spreads and ratios.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::{Deserialize, Serialize};
use shared::report::{HostReport, human};

use super::{Contestant, HEADERS};

/// Schema of what `lab bench --json` writes.
pub(crate) const BENCH_SCHEMA: &str = "pushback.bench/1";

/// A whole benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BenchReport {
    /// [`BENCH_SCHEMA`].
    pub(crate) schema: String,
    /// Where it ran.
    pub(crate) host: HostReport,
    /// Seconds that each measurement took.
    pub(crate) seconds: f64,
    /// Contestant by size.
    pub(crate) rows: Vec<Row>,
}

/// One contestant at one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The contestant.
    pub(crate) name: String,
    /// Ethernet frame without check sequence.
    pub(crate) size_bytes: u64,
    /// Median of the delivered rates.
    pub(crate) packets_per_second: f64,
    /// Its inverse.
    pub(crate) ns_per_packet: f64,
    /// Bits of the frames.
    pub(crate) bits_per_second: f64,
    /// Every repetition, in order.
    pub(crate) repetitions: Vec<f64>,
}

impl Row {
    /// The row of `contestant` at frames of `size_bytes`, from its delivered rates.
    pub(crate) fn new(contestant: Contestant, size_bytes: u64, repetitions: Vec<f64>) -> Self {
        let packets_per_second = median(&repetitions);
        Self {
            name: contestant.name().to_owned(),
            size_bytes,
            packets_per_second,
            ns_per_packet: if packets_per_second > 0.0 { 1e9 / packets_per_second } else { 0.0 },
            bits_per_second: packets_per_second * size_bytes as f64 * 8.0,
            repetitions,
        }
    }

    /// UDP payload of such a frame.
    pub(crate) fn payload(size_bytes: u64) -> u64 {
        size_bytes.saturating_sub(HEADERS)
    }
}

/// The middle value; the mean of both middle values if their number is even; 0 of none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => 0.0,
        (len, middle) if len % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The rows as a table. Ratios are against UDP over loopback at the same size.
pub(crate) fn table(report: &BenchReport) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["frame", "contestant", "delivered", "ns/packet", "of frames", "spread", "times udp-loopback"]);
    for row in &report.rows {
        let peer = report.rows.iter().find(|peer| {
            peer.size_bytes == row.size_bytes && peer.name == Contestant::UdpLoopback.name() && peer.name != row.name
        });
        let ratio = peer
            .filter(|peer| peer.packets_per_second > 0.0)
            .map(|peer| row.packets_per_second / peer.packets_per_second);
        table.add_row([
            format!("{} B", row.size_bytes),
            row.name.clone(),
            human::packet_rate(row.packets_per_second),
            format!("{:.0}", row.ns_per_packet),
            human::bit_rate(row.bits_per_second),
            spread(row),
            ratio.map_or(String::new(), |ratio| format!("{ratio:.1}")),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn spread(row: &Row) -> String {
    let least = row.repetitions.iter().copied().fold(f64::INFINITY, f64::min);
    let most = row.repetitions.iter().copied().fold(0.0, f64::max);
    format!("{} .. {}", human::packet_rate(least), human::packet_rate(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::wire::TransportKind;

    #[test]
    fn the_median_is_not_moved_by_one_bad_run() {
        assert!((median(&[5.0, 1.0, 6.0]) - 5.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 6.0, 8.0]) - 5.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }

    #[test]
    fn the_table_compares_within_a_size() {
        let rows = vec![
            Row::new(Contestant::Pushback(TransportKind::Socket), 64, vec![5e6, 4e6, 6e6]),
            Row::new(Contestant::UdpLoopback, 64, vec![1e5, 2.5e5, 3e5]),
            Row::new(Contestant::Pushback(TransportKind::Socket), 1500, vec![2e6]),
        ];
        let report = BenchReport { schema: BENCH_SCHEMA.to_owned(), host: HostReport::default(), seconds: 2.0, rows };
        insta::assert_snapshot!(table(&report));
    }
}
