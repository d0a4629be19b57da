//! Reports as text: rendered from the same values as the JSON, and from nothing else.
//!
//! Here is what all texts share: a labelled line, a table, and text of others without control characters.

pub mod human;
mod interval;
mod run;
mod theory;
mod times;
mod up;
mod warnings;

use std::fmt::{Display, Result, Write as _};

pub use interval::{IntervalLines, STALLED, interval_header, interval_line};
pub use warnings::machine_warning;

fn line(out: &mut String, label: &str, what: impl Display) -> Result {
    writeln!(out, "{}", format!("{label:<12} {what}").trim_end())
}

/// How many apps [`traffic`] names.
const MOST_NAMED: usize = 8;

/// The apps of a run, given by name and settings, in a line: one by its settings, several by their names.
pub fn traffic(apps: &[(&str, &str)]) -> String {
    let names = apps.iter().take(MOST_NAMED).map(|(name, _)| plain(name)).collect::<Vec<_>>().join(", ");
    match apps {
        [] => "no app".to_owned(),
        [(_, spec)] if !spec.is_empty() => plain(spec),
        [_] => names,
        _ if apps.len() > MOST_NAMED => {
            format!("{} apps: {names} and {} more", human::count(apps.len() as u64), apps.len() - MOST_NAMED)
        }
        _ => format!("{}: {names}", human::counted(apps.len() as u64, "app")),
    }
}

/// Writes a table: columns as wide as their widest cell, the first one left-aligned, the others right-aligned.
fn table(out: &mut String, rows: &[Vec<String>]) -> Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    for row in rows {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 { write!(out, "{cell:<width$}")? } else { write!(out, "  {cell:>width$}")? }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// One line without control characters: names and reasons may come from the peer, and must not send control
/// sequences to the terminal.
fn plain(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(escape).collect()
}
