//! `--from`: repeats a run from its report.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use shared::report::{ConfigReport, OLD_RUN_SCHEMA, RUN_SCHEMA, RunReport};

use crate::flags::{FlagError, Given, over};
use crate::settings::{RunSettings, SimulationSettings};

/// Schema of the file that `lab compare --json` writes.
pub(crate) const COMPARE_SCHEMA: &str = "pushback.compare/1";

/// A file from which no run can be repeated.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub(crate) struct FileError {
    /// The file.
    pub(crate) file: PathBuf,
    /// What is wrong with it.
    pub(crate) problem: FileProblem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileProblem {
    /// It cannot be read.
    #[error("cannot be read ({0}); name a report that was written with --json")]
    Unreadable(#[from] io::Error),
    /// It is not JSON, or not all of it.
    #[error("is not a complete report ({0}); name one that was written with --json")]
    Malformed(#[from] serde_json::Error),
    /// Its schema is missing or not one of these.
    #[error("its schema is {0}; use a report of schema {RUN_SCHEMA}, {OLD_RUN_SCHEMA} or {COMPARE_SCHEMA}")]
    UnknownSchema(String),
    /// It is a folder, and none of its files is a report.
    #[error("it holds no report of schema {RUN_SCHEMA}, {OLD_RUN_SCHEMA} or {COMPARE_SCHEMA}; write some with --json")]
    NoReport,
    /// It holds several runs where one is needed.
    #[error("it holds {0} runs; use the report of a single run, of schema {RUN_SCHEMA}")]
    Several(usize),
    /// Its settings cannot be given as flags.
    #[error("cannot be repeated: {0}")]
    Settings(#[from] FlagError),
}

/// Reads the runs in `file`, or on standard input if `file` is `-`.
///
/// # Errors
/// If it cannot be read or is not a report.
pub(crate) fn runs_in(file: &Path) -> Result<Vec<RunReport>, FileError> {
    load(file).map_err(|problem| FileError { file: file.to_owned(), problem })
}

fn load(file: &Path) -> Result<Vec<RunReport>, FileProblem> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        text
    } else {
        fs::read_to_string(file)?
    };
    parse(&text)
}

/// The field that every report has: its schema.
#[derive(Default, Deserialize)]
struct Head {
    schema: Option<String>,
}

/// The part of a comparison that is read back.
#[derive(Deserialize)]
struct Compared {
    runs: Vec<RunReport>,
}

fn parse(text: &str) -> Result<Vec<RunReport>, FileProblem> {
    // Parsed from the text, not from a `Value`: a `Value` turns numbers above 2^64 - 1 into fractions.
    let head = serde_json::from_str::<Head>(text);
    // JSON whose head is of another shape (an array, say) has no schema; text that is not JSON is an error.
    let head = head.or_else(|error| if error.is_data() { Ok(Head::default()) } else { Err(error) })?;
    match head.schema.as_deref() {
        Some(RUN_SCHEMA | OLD_RUN_SCHEMA) => Ok(vec![serde_json::from_str(text)?]),
        Some(COMPARE_SCHEMA) => Ok(serde_json::from_str::<Compared>(text)?.runs),
        Some(other) => Err(FileProblem::UnknownSchema(other.escape_debug().to_string())),
        None => Err(FileProblem::UnknownSchema("missing".to_owned())),
    }
}

/// The settings for repeating the run in `file`, with the flags in `given` replacing recorded ones.
///
/// # Errors
/// If the file does not hold exactly one run that can be repeated.
pub(crate) fn replay(file: &Path, given: &Given) -> Result<RunSettings, FileError> {
    let repeat = || {
        let runs = load(file)?;
        let [run] = &runs[..] else { return Err(FileProblem::Several(runs.len())) };
        settings_of(run, given)
    };
    repeat().map_err(|problem| FileError { file: file.to_owned(), problem })
}

/// The settings for repeating `run`, with the flags in `given` replacing recorded ones of the near host. Those that only a
/// simulation has are the defaults if the run was in real time.
///
/// # Errors
/// If a recorded setting has no flag, or a flag refuses its value.
pub(crate) fn settings_of(run: &RunReport, given: &Given) -> Result<RunSettings, FileProblem> {
    settings_in(&run.config, given)
}

fn settings_in(config: &ConfigReport, given: &Given) -> Result<RunSettings, FileProblem> {
    let (netstack, driver) = (over(&config.netstack, given)?, over(&config.driver, given)?);
    let recorded = config.simulate.clone().map(serde_json::from_value).transpose()?;
    let recorded: SimulationSettings = recorded.unwrap_or_default();
    let simulation = over(&serde_json::to_value(recorded)?, given)?;
    let far = config.far.as_ref().map(|far| settings_in(far, &Given::default()).map(Box::new)).transpose()?;
    Ok(RunSettings { netstack, driver, simulation, far })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use netstack::process::Args as StackArgs;
    use shared::report::{Warning, WarningCode};

    use super::*;
    use crate::fixture::run;

    fn problem(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn both_schemas_are_read() {
        let run = run("wait", 10, 0);
        let one = serde_json::to_string(&run).unwrap();
        assert_eq!(parse(&one).unwrap(), std::slice::from_ref(&run));
        let two = serde_json::json!({"schema": COMPARE_SCHEMA, "runs": [run, run]}).to_string();
        assert_eq!(parse(&two).unwrap().len(), 2);
    }

    #[test]
    fn reports_of_the_previous_schema_are_read() {
        let mut old = serde_json::to_value(run("wait", 10, 0)).unwrap();
        old["schema"] = OLD_RUN_SCHEMA.into();
        old["warnings"] = serde_json::json!(["words alone"]);
        let read = parse(&old.to_string()).unwrap();
        assert_eq!(read[0].warnings, [Warning::new(WarningCode::Other, "words alone")]);
    }

    /// A `Value` would turn them into fractions.
    #[test]
    fn sums_above_64_bits_keep_their_last_digit() {
        let mut wide = run("wait", 10, 0);
        wide.blocked.total_ns = u128::from(u64::MAX) + 2;
        wide.ring.occupancy_ns = u128::MAX;
        for app in &mut wide.apps {
            app.blocked.values_mut().for_each(|stage| stage.total_ns = 7 << 70);
        }
        let text = serde_json::to_string(&wide).unwrap();
        assert!(text.contains("\"total_ns\":18446744073709551617"), "{text}");
        assert_eq!(parse(&text).unwrap(), std::slice::from_ref(&wide));
        let compared = format!("{{\"schema\":\"{COMPARE_SCHEMA}\",\"runs\":[{text}]}}");
        assert_eq!(parse(&compared).unwrap(), [wide]);
    }

    #[test]
    fn a_file_that_is_not_a_report_is_refused_with_a_remedy() {
        assert!(problem("{").contains("not a complete report"));
        let unknown = problem(r#"{"schema": "pushback.run/3"}"#);
        assert!(unknown.contains("pushback.run/3") && unknown.contains("pushback.run/2"), "{unknown}");
        assert!(problem("[]").contains("missing"));
        assert!(problem(r#"{"schema": "pushback.run/2"}"#).contains("missing field"));
    }

    #[test]
    fn a_recorded_value_that_its_flag_refuses_is_reported_with_the_flag() {
        let mut recorded = serde_json::to_value(StackArgs::parse_from(["netstack"])).unwrap();
        recorded["depth"] = "0".into();
        let refused = over::<StackArgs>(&recorded, &Given::default()).unwrap_err().to_string();
        assert!(refused.contains("--depth") && refused.contains("1 to 65536"), "{refused}");
    }
}
