//! When, by which program and by which command a report was made.

use std::path::Path;

use jiff::{Timestamp, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::git_revision;

/// When, by which program and by which command a report was made. Each is null in reports of versions that did not
/// write it; date and command line are null too in files that must be the same each time that they are made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Origin {
    /// When the program began to make it, in UTC, as RFC 3339 writes it.
    pub date: Option<String>,
    /// The version of the program.
    pub version: Option<String>,
    /// The git revision of the program, with `-dirty` behind it if sources were changed, or `unknown`.
    pub git_revision: Option<String>,
    /// The command line, one item for each argument; the program without its folder.
    pub command_line: Option<Vec<String>>,
}

impl Origin {
    /// This program alone, for files that must be the same each time that they are made.
    pub fn of_program() -> Self {
        Self {
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            git_revision: Some(git_revision().to_owned()),
            ..Self::default()
        }
    }

    /// This program and its command line, now.
    pub fn now() -> Self {
        let mut arguments = std::env::args_os();
        // The program's name without its folder, which means nothing on another machine.
        let program = arguments.next().map(|program| Path::new(&program).file_name().unwrap_or_default().to_owned());
        let command_line = program.into_iter().chain(arguments);
        let command_line = command_line.map(|argument| argument.to_string_lossy().into_owned()).collect();
        Self { date: Some(date(Timestamp::now())), command_line: Some(command_line), ..Self::of_program() }
    }
}

/// Spells `time` to the second: what it tells apart takes longer.
fn date(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_utc_to_the_second() {
        let time = Timestamp::from_millisecond(1_795_766_399_400).unwrap();
        assert_eq!(date(time), "2026-11-27T07:59:59Z");
    }

    #[test]
    fn only_the_program_is_the_same_each_time() {
        let (program, now) = (Origin::of_program(), Origin::now());
        assert_eq!((&program.version, &program.git_revision), (&now.version, &now.git_revision));
        assert_eq!((program.date, program.command_line), (None, None));
        assert!(
            now.date.is_some_and(|date| date.ends_with('Z')) && now.command_line.is_some_and(|words| !words.is_empty())
        );
        assert_eq!(serde_json::from_str::<Origin>("{}").unwrap(), Origin::default(), "an old report has none of it");
    }
}
