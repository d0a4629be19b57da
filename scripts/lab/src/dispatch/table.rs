//! Renders the ways as tables for people, which are also Markdown.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use shared::report::human;
use shared::report::median::Median;

use super::report::{DispatchReport, Way};
use super::sentences::{TOO_NOISY, remedy, sentences};

/// The cost of each way, its rate on a slower CPU, the sentences, and what is missing.
pub(crate) fn table(report: &DispatchReport) -> String {
    let mut parts = vec![costs(report), slowed(report)];
    parts.push(sentences(report).iter().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n"));
    if parts.iter().any(|part| part.contains(TOO_NOISY)) {
        parts.push(remedy(report));
    }
    parts.extend(report.left_out.iter().cloned());
    parts.join("\n\n")
}

fn markdown(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    rows.for_each(|row| {
        table.add_row(row);
    });
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn costs(report: &DispatchReport) -> String {
    let header = [
        "way",
        "ns/packet",
        "spread",
        "stack busy, ns",
        "of 4 us",
        "its layers, ns",
        "instructions",
        "its layers",
        "allocations",
    ];
    let row = |way: &Way| {
        let (least, most) = way.sizes.first().map_or((0.0, 0.0), |at| at.spread());
        let whole = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.0}"));
        vec![
            way.name.clone(),
            format!("{:.1}", way.ns_per_packet),
            format!("{least:.1} .. {most:.1}"),
            format!("{:.1}", way.stack_ns()),
            human::percent(way.budget_share),
            // The row without layers has no time of layers.
            if way.name == report.without_layers.name { String::new() } else { layers(&report.layers_ns(way)) },
            whole(way.instructions_per_packet),
            whole(report.layers_instructions(way)),
            format!("{}", way.allocations_per_packet),
        ]
    };
    markdown(header.map(str::to_owned).into(), report.ways.iter().chain([&report.without_layers]).map(row))
}

/// The time of the layers, with its interval if there is one.
fn layers(ns: &Median) -> String {
    if ns.interval.is_some() { format!("{:.1} ({ns:.1})", ns.value) } else { format!("{:.1}", ns.value) }
}

/// The rate that the stack could sustain on a slower CPU, and whether that is a gigabit.
fn slowed(report: &DispatchReport) -> String {
    let Some(first) = report.ways.first() else { return String::new() };
    let title = format!("on a CPU {} times slower", report.slowdown);
    let sizes = first
        .sizes
        .iter()
        .map(|at| format!("{} B ({} is a gigabit)", at.size_bytes, human::packet_rate(at.gigabit_packets_per_second)));
    let header = [title].into_iter().chain(sizes).collect();
    let row = |way: &Way| {
        let held = |holds| match holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => TOO_NOISY,
        };
        let at = way
            .sizes
            .iter()
            .map(|at| format!("{}: {}", human::packet_rate(at.slowed_packets_per_second), held(at.holds_gigabit)));
        [way.name.clone()].into_iter().chain(at).collect()
    };
    markdown(header, report.ways.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_a_line_for_each_way() {
        insta::assert_snapshot!(table(&DispatchReport::made_up()));
    }

    #[test]
    fn a_noisy_comparison_is_reported_with_the_remedy() {
        // With this drift the static way takes 50 to 331 ns, on both sides of the threshold of 70.4 ns.
        let noisy = DispatchReport::with_noise(&[0.0, -45.0, 40.0, -40.0, 30.0, -35.0, 231.0, 1.0, -50.0], &[0.0]);
        let text = table(&noisy);
        let row = text.lines().find(|line| line.starts_with("| static") && line.contains("pps")).unwrap();
        assert!(row.contains("1 Mpps: too noisy to say"), "{row}");
        assert!(text.contains("more --repetitions, a longer --time or an idle machine help"), "{text}");
        assert!(!table(&DispatchReport::made_up()).contains("help"));
    }
}
