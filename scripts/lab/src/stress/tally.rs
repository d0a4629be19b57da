//! Counts exit statuses by kind of case and by process.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

/// Counts by case, process and status.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(String, String), BTreeMap<String, u32>>);

impl Tally {
    pub(super) fn add(&mut self, case: impl fmt::Display, who: impl fmt::Display, status: &str) {
        let counts = self.0.entry((case.to_string(), who.to_string())).or_default();
        *counts.entry(status.to_owned()).or_default() += 1;
    }
}

/// An exit status as text: a number, or the signal.
pub(super) fn named(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["case", "process", "ended with"]);
        for ((case, who), counts) in &self.0 {
            let counts: Vec<_> = counts.iter().map(|(status, count)| format!("{status}: {count}")).collect();
            table.add_row([case, who, &counts.join(", ")]);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted_by_case_and_process() {
        let mut tally = Tally::default();
        for (who, status) in [("lab", 130 << 8), ("lab", 9), ("driver", 130 << 8), ("lab", 9)] {
            tally.add("KILL to the lab", who, &named(ExitStatus::from_raw(status)));
        }
        let table = tally.to_string();
        let rows: Vec<_> =
            table.lines().skip(2).map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows, ["| KILL to the lab | driver | 130: 1 |", "| KILL to the lab | lab | 130: 1, signal 9: 2 |"]);
    }
}
