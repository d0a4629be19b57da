//! Runs as tables for people, and as CSV for programs.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use shared::report::RunReport;

use crate::figures::{COMPARED, EXACT, LISTED, POLICY};

/// One column per run, headed by its policy.
pub(crate) fn compared(runs: &[RunReport]) -> String {
    let row = |title: &str, cell: &dyn Fn(&RunReport) -> String| {
        let mut row = vec![title.to_owned()];
        row.extend(runs.iter().map(cell));
        row
    };
    let header = row("", &|run| (POLICY.of)(run).for_people());
    let rows = COMPARED.iter().map(|figure| row(figure.title, &|run| (figure.of)(run).for_people()));
    table(header, rows)
}

/// One line per run.
pub(crate) fn listed(runs: &[RunReport]) -> String {
    let header = LISTED.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    table(header, runs.iter().map(|run| LISTED.iter().map(|(_, figure)| (figure.of)(run).for_people()).collect()))
}

/// Names to the left, figures to the right. It reads well on a terminal and is Markdown too.
pub(crate) fn table(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A line of names, and one line per run (RFC 4180, with line feeds as line ends).
pub(crate) fn csv(runs: &[RunReport]) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| cells.map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",");
    let header = line(&mut EXACT.iter().map(|figure| figure.key.to_owned()));
    let lines = runs.iter().map(|run| line(&mut EXACT.iter().map(|figure| (figure.of)(run).exact())));
    [header].into_iter().chain(lines).map(|line| line + "\n").collect()
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{run, times};

    fn two() -> [RunReport; 2] {
        let mut waiting = run("wait", 20_000, 0);
        waiting.latency_ns = times(20_000, 616_000_000);
        waiting.blocked.total_ns = 2_450_000_000;
        let mut lossy = run("drop-newest", 20_000, 9_947);
        lossy.driver = None;
        [waiting, lossy]
    }

    #[test]
    fn a_comparison_has_a_column_for_each_policy() {
        insta::assert_snapshot!(compared(&two()));
    }

    #[test]
    fn a_list_has_a_line_for_each_run() {
        insta::assert_snapshot!(listed(&two()));
    }

    #[test]
    fn csv_has_a_name_for_each_column_and_quotes_what_has_commas() {
        let mut runs = two();
        runs[0].config.netstack = serde_json::json!({"policy": "say \"wait\", please"});
        let text = csv(&runs);
        let names: Vec<_> = text.lines().next().unwrap().split(',').collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!((names.len(), distinct.len()), (EXACT.len(), EXACT.len()));
        insta::assert_snapshot!(text);
    }
}
