//! Renders runs as tables for people and as CSV for programs.

use std::collections::BTreeSet;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Row, Table};
use shared::report::RunReport;

use crate::flags::in_force;
use crate::report::figures::{COMPARED, DEPTH, EXACT, LISTED, POLICY, Value};
use crate::report::story::warnings;

/// One column per run, headed by its name. Figures that are equal in all runs are listed in one line below the table.
pub(crate) fn compared(runs: &[(String, &RunReport)]) -> String {
    let row = |title: &str, cells: &mut dyn Iterator<Item = String>| -> Vec<String> {
        [title.to_owned()].into_iter().chain(cells).collect()
    };
    let header = row("", &mut runs.iter().map(|(name, _)| name.clone()));
    let rows =
        COMPARED.iter().map(|figure| row(figure.title, &mut runs.iter().map(|(_, run)| (figure.of)(run).for_people())));
    let equal = |row: &Vec<String>| row.len() > 2 && row[1..].iter().all(|cell| *cell == row[1]);
    let (same, different): (Vec<_>, Vec<_>) = rows.partition(equal);
    let mut parts = Vec::new();
    if !different.is_empty() {
        parts.push(markdown(1, header, different));
    }
    let measured = same.iter().filter(|row| row[1] != Value::None.for_people());
    let figures: Vec<_> = measured.map(|row| format!("{} {}", row[0], row[1])).collect();
    if !figures.is_empty() {
        parts.push(format!("The same under all: {}.", figures.join("; ")));
    }
    parts.join("\n\n")
}

/// One line per run, then the settings that only some runs have, then the warnings of the runs.
pub(crate) fn listed(runs: &[RunReport]) -> String {
    let header: Vec<_> = LISTED.iter().map(|(heading, _)| *heading).collect();
    let row = |run| LISTED.iter().map(|(_, figure)| (figure.of)(run).for_people()).collect::<Vec<_>>();
    let mut text = markdown(1, header, runs.iter().map(row));
    let some = in_some(runs);
    if !some.is_empty() {
        let flags: Vec<_> = some.iter().map(|flag| format!("`{flag}`")).collect();
        text += &format!("\n\nIn some runs: {}.", flags.join(" "));
    }
    let whose =
        |run: &RunReport| format!("{} at depth {}", (POLICY.of)(run).for_people(), (DEPTH.of)(run).for_people());
    for warning in warnings(runs.iter().map(|run| (whose(run), run))) {
        text += &format!("\n\n{warning}");
    }
    text
}

/// The settings that some `runs` have and others have not, as flags. Those in columns are left out.
fn in_some(runs: &[RunReport]) -> BTreeSet<String> {
    let each: Vec<Vec<String>> = runs.iter().map(in_force).collect();
    let shown = |flag: &str| ["--policy=", "--depth="].iter().any(|column| flag.starts_with(column));
    let in_all = |flag: &String| each.iter().all(|run| run.contains(flag));
    each.iter().flatten().filter(|flag| !shown(flag) && !in_all(flag)).cloned().collect()
}

/// A table whose first `names` columns are aligned to the left and whose figures are aligned to the right, readable on
/// a terminal and valid Markdown.
pub(crate) fn markdown<R: Into<Row>>(
    names: usize,
    header: impl Into<Row>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A header line and one line per run (RFC 4180, with line feeds as line ends).
pub(crate) fn csv(runs: &[RunReport]) -> String {
    let header = csv_line(EXACT.iter().map(|figure| figure.key.to_owned()));
    let lines = runs.iter().map(|run| csv_line(EXACT.iter().map(|figure| (figure.of)(run).exact())));
    [header].into_iter().chain(lines).collect()
}

/// One line of CSV with its line feed.
pub(crate) fn csv_line(cells: impl IntoIterator<Item = String>) -> String {
    cells.into_iter().map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",") + "\n"
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use shared::report::{Warning, WarningCode};

    use super::*;
    use crate::fixture::{run, times};

    fn two() -> [RunReport; 2] {
        let mut waiting = run("wait", 20_000, 0);
        waiting.latency_ns = times(20_000, 616_000_000);
        waiting.blocked.total_ns = 2_450_000_000;
        let mut lossy = run("drop-newest", 20_000, 9_947);
        (lossy.driver, lossy.hardware) = (None, None);
        [waiting, lossy]
    }

    #[test]
    fn a_comparison_has_a_column_for_each_policy() {
        let two = two();
        insta::assert_snapshot!(compared(&[("wait".to_owned(), &two[0]), ("drop-newest".to_owned(), &two[1])]));
    }

    #[test]
    fn a_list_has_a_line_for_each_run() {
        insta::assert_snapshot!(listed(&two()));
    }

    #[test]
    fn a_list_shows_the_settings_of_some_runs_and_the_warnings() {
        let setting = |depth: u32, interval: &str| {
            let mut run = run("drop-newest", 100, 3);
            let settings = crate::settings::RunSettings::defaults();
            run.config.netstack = serde_json::to_value(&settings.netstack).unwrap();
            run.config.driver = serde_json::to_value(&settings.driver).unwrap();
            run.config.netstack["policy"] = "drop-newest".into();
            run.config.netstack["apps"] = serde_json::json!(["cbr:load=0.8", "bulk"]);
            run.config.netstack["interval"] = interval.into();
            run.config.driver["link"] = "35Mbit".into();
            run.config.driver["verify"] = true.into();
            for side in [&mut run.config.netstack, &mut run.config.driver] {
                side["depth"] = depth.to_string().into();
            }
            run.ring.depth = depth;
            run.warnings = vec![Warning::new(WarningCode::HardwareStarved, format!("idle for {depth} %"))];
            run
        };
        let below = |runs: &[RunReport]| listed(runs).lines().skip(2 + runs.len()).collect::<Vec<_>>().join("\n");
        assert_eq!(
            below(&[setting(3, "1s"), setting(7, "1s")]),
            "\nWarning (drop-newest at depth 3, and likewise drop-newest at depth 7): idle for 3 %."
        );
        let varied = below(&[setting(3, "2s"), setting(3, "1s")]);
        assert!(varied.contains("\nIn some runs: `--interval=2s`.\n"), "{varied}");
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
