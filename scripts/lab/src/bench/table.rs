//! Renders a benchmark as tables for people, which are also Markdown.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use shared::report::human;

use super::{BenchReport, Row};
use crate::instructions;

/// The table of contestants, the table of instructions, and a line for each thing that is missing.
pub(crate) fn table(report: &BenchReport) -> String {
    let mut parts = vec![contestants(&report.rows)];
    if !report.instructions.is_empty() {
        parts.push(instructions::table(&report.instructions));
    }
    parts.extend(report.left_out.iter().cloned());
    parts.join("\n\n")
}

fn contestants(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "frame",
        "contestant",
        "delivered",
        "ns/packet",
        "of frames",
        "spread",
        "of memif",
        "times bare ring",
        "times udp",
    ]);
    for row in rows {
        let (least, most) = row.spread();
        let ratio = |value: Option<f64>, interval: Option<(f64, f64)>, digits| match (value, interval) {
            (Some(value), Some((low, high))) => format!("{value:.digits$} ({low:.digits$} to {high:.digits$})"),
            (Some(value), None) => format!("{value:.digits$}"),
            (None, _) => String::new(),
        };
        let (ratios, intervals) = (row.ratios, row.intervals);
        table.add_row([
            format!("{} B", row.size_bytes),
            row.name.clone(),
            human::packet_rate(row.packets_per_second),
            format!("{:.1}", row.ns_per_packet),
            human::bit_rate(row.bits_per_second),
            format!("{} .. {}", human::packet_rate(least), human::packet_rate(most)),
            ratio(ratios.of_memif, intervals.of_memif, 2),
            ratio(ratios.times_bare_ring, intervals.times_bare_ring, 2),
            ratio(ratios.times_udp_loopback, intervals.times_udp_loopback, 1),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_a_line_for_each_contestant_and_for_what_is_missing() {
        insta::assert_snapshot!(table(&BenchReport::made_up()));
    }
}
