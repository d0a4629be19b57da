//! The texts of `lab help TOPIC`: what several commands have in common. They are made from the tables that the parsers
//! and the programs themselves use, so they cannot say anything else.

mod app;
mod exit;
mod policy;
mod report;
mod units;

use std::fmt::Write;

use clap::builder::{StyledStr, Styles};
use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table};

/// The widest line of a text, like that of a command's help.
const WIDTH: u16 = 100;

/// A topic that `lab help` explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    App,
    Policy,
    Units,
    Report,
    Exit,
}

impl Topic {
    /// Every topic, in the order in which they are listed.
    pub(crate) const ALL: [Self; 5] = [Self::App, Self::Policy, Self::Units, Self::Report, Self::Exit];

    /// The word behind `lab help`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Policy => "policy",
            Self::Units => "units",
            Self::Report => "report",
            Self::Exit => "exit",
        }
    }

    /// What it is about, in a line.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::App => "--app: kinds of traffic, their keys, units and defaults",
            Self::Policy => "--policy: what each does, what it loses and what it delays",
            Self::Units => "How rates, sizes, times and shares are spelled",
            Self::Report => "The figures of a report, by their names in JSON",
            Self::Exit => "Exit statuses, and which wins",
        }
    }

    /// The whole text.
    pub(crate) fn text(self) -> StyledStr {
        match self {
            Self::App => app::text(),
            Self::Policy => policy::text(),
            Self::Units => units::text(),
            Self::Report => report::text(),
            Self::Exit => exit::text(),
        }
    }
}

/// A text with paragraphs and tables under headings, which look like those of a command's help.
struct Text(StyledStr);

impl Text {
    /// A text that begins with a paragraph.
    fn new(paragraph: &str) -> Self {
        let mut text = Self(StyledStr::new());
        text.push(&wrapped(paragraph));
        text
    }

    /// Adds a heading, and `body` below it.
    fn under(mut self, heading: &str, body: &str) -> Self {
        let styles = Styles::default();
        let header = styles.get_header();
        self.push(&format!("\n\n{header}{heading}:{header:#}\n{body}"));
        self
    }

    fn push(&mut self, text: &str) {
        // Writing to a text cannot fail.
        let _ = self.0.write_str(text);
    }
}

/// Rows in columns; the last one is wrapped.
fn columns<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.add_rows(rows);
    for column in table.column_iter_mut().take(N - 1) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    // A line of the table begins with a blank; blanks at its end fill the last column.
    table.lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// A paragraph whose lines are no longer than those of a command's help.
fn wrapped(paragraph: &str) -> String {
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let full = lines.last().is_some_and(|line| line.len() + 1 + word.len() > usize::from(WIDTH));
        match lines.last_mut() {
            Some(line) if !full => {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// The same, indented like what stands under a heading.
fn indented(paragraph: &str) -> String {
    columns([[paragraph.to_owned()]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_a_text_of_the_width_of_help() {
        for topic in Topic::ALL {
            let text = topic.text().to_string();
            insta::assert_snapshot!(topic.name(), text);
            let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > usize::from(WIDTH)).collect();
            assert!(wide.is_empty(), "{wide:?}");
        }
    }

    #[test]
    fn a_paragraph_keeps_its_words() {
        let words = "word ".repeat(60);
        assert!(wrapped(&words).lines().all(|line| line.len() <= usize::from(WIDTH)));
        assert!(wrapped(&words).split_whitespace().eq(words.split_whitespace()));
    }
}
