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
    let header = LISTED.iter().map(|figure| figure.title.to_owned()).collect();
    table(header, runs.iter().map(|run| LISTED.iter().map(|figure| (figure.of)(run).for_people()).collect()))
}

/// Names to the left, figures to the right. It reads well on a terminal and is Markdown too.
fn table(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
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
