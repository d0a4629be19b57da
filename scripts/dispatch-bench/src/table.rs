//! Renders the report: a table for each leaf, and the published figures beside those measured here.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use shared::report::median::FEWEST;

use crate::arms::Arm;
use crate::leaf::LeafKind;
use crate::measure::Mode;
use crate::report::{Report, Row, times};

/// The cell of a figure that was not measured.
const NOTHING: &str = "-";

/// Renders `report` as Markdown.
pub fn render(report: &Report) -> String {
    let mut parts = vec![about(report)];
    parts.extend(report.not_counted.iter().map(|why| format!("Instructions were not counted: {why}.")));
    for leaf in LeafKind::ALL {
        parts.push(format!("## {}", heading(leaf)));
        parts.push(of_leaf(report, leaf));
    }
    parts.push("## The story's figures".to_owned());
    parts.push(story(report));
    parts.push(UNKNOWN.to_owned());
    parts.join("\n\n")
}

fn about(report: &Report) -> String {
    format!(
        "Calls through {} levels: **hot** is one variant over and over, **cold** {} variants in shuffled order, \
         another one for each pass. Times \
         are medians, with quartiles, of {} interleaved repetitions of {} calls; `x native` is against `native` in the \
         same column and repetition. Instructions, allocations and bytes are per call; bytes are what holds a call in progress, on the \
         heap or not. All arms computed the same. The sync arms cannot wait: they repeat a refused call. A chain of \
         `slot`s carries one call at a time; `stackfuture` requires futures that are `Send`, which is claimed here with \
         `unsafe` and costs nothing at run time; the others need no `unsafe`.",
        report.levels, report.variants, report.repetitions, report.calls
    )
}

fn heading(leaf: LeafKind) -> &'static str {
    match leaf {
        LeafKind::Ready => "Always ready",
        LeafKind::Waits => "The ring is full: one wait in the wait queue, one wake-up",
        LeafKind::Body => "Always ready, with a header and a checksum to write",
    }
}

/// What is unknown about the published figures.
const UNKNOWN: &str = "The story's source is not public: neither its machine, its compiler and their settings are \
    known, nor what a level and a leaf of its tree do, how often it branches, and whether its levels were inlined.";

fn of_leaf(report: &Report, leaf: LeafKind) -> String {
    let mut table = empty([
        "arm",
        "hot ns",
        "quartiles",
        "x native",
        "cold ns",
        "quartiles",
        "x native",
        "instructions hot",
        "cold",
        "allocations",
        "bytes",
    ]);
    for arm in Arm::ALL {
        let [Some(hot), Some(cold)] = Mode::ALL.map(|mode| report.row(arm, mode, leaf)) else { continue };
        let mut line = vec![arm.to_string()];
        line.extend([hot, cold].into_iter().flat_map(|row| time(report, row, leaf)));
        line.extend([instructions(hot), instructions(cold)]);
        // Both modes call the same code, so the two figures should be equal; both are shown if they differ.
        line.push(one_or_both(hot.allocations_per_call, cold.allocations_per_call));
        line.push(one_or_both(hot.future_bytes, cold.future_bytes));
        table.add_row(line);
    }
    table.to_string()
}

fn time(report: &Report, row: &Row, leaf: LeafKind) -> [String; 3] {
    let mode = Mode::ALL.into_iter().find(|mode| mode.to_string() == row.mode);
    let native = mode.and_then(|mode| report.row(Arm::Native, mode, leaf));
    let spread = row.ns_per_call;
    [
        format!("{:.1}", spread.median),
        format!("{:.1} .. {:.1}", spread.lower_quartile, spread.upper_quartile),
        native.map_or(NOTHING.to_owned(), |native| format!("{:.2}", times(row, native).value)),
    ]
}

fn instructions(row: &Row) -> String {
    row.instructions_per_call.map_or(NOTHING.to_owned(), |count| format!("{count:.1}"))
}

fn one_or_both(hot: f64, cold: f64) -> String {
    if hot == cold { format!("{hot}") } else { format!("{hot} / {cold}") }
}

fn story(report: &Report) -> String {
    let mut table = empty(["time of", "the story", "hot", "95 %", "cold", "95 %"]);
    let enclosed = |interval: Option<(f64, f64)>| match interval {
        Some((low, high)) => format!("{low:.2} .. {high:.2}"),
        None => format!("too noisy to say: it takes {FEWEST} repetitions"),
    };
    for ratio in &report.story {
        table.add_row([
            ratio.name.clone(),
            ratio.story.map_or(NOTHING.to_owned(), |story| format!("{story:.2}")),
            format!("{:.2}", ratio.hot),
            enclosed(ratio.hot_interval),
            format!("{:.2}", ratio.cold),
            enclosed(ratio.cold_interval),
        ]);
    }
    table.to_string()
}

/// An empty table with figures aligned to the right.
fn empty<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_an_arm_a_line_and_a_leaf_a_table() {
        insta::assert_snapshot!(render(&Report::made_up(Ok((0..72).map(|at| f64::from(at) + 0.5).collect()))));
    }

    #[test]
    fn without_counts_the_report_states_the_reason_in_one_line() {
        let text = render(&Report::made_up(Err("valgrind is not installed")));
        assert_eq!(text.lines().filter(|line| line.contains("valgrind is not installed")).count(), 1, "{text}");
    }
}
