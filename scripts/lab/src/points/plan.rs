//! A plan of a sweep: a TOML file with the settings of all points and those that vary.
//!
//! ```toml
//! title = "Loss and latency by depth, waiting and dropping"
//! clock = "virtual"
//! repetitions = 3
//!
//! [flags]
//! link = "1Gbit"
//! app = ["poisson:load=0.9,name=web", "bulk"]
//! packets = 20000
//! verify = true
//!
//! [vary]
//! depth = "1..1024*2"
//! policy = ["wait", "drop-newest"]
//! "app.web.load" = [0.5, 0.7, 0.9]
//! ```
//!
//! A flag has the name of the command line, without dashes. A value that varies is a list or, like on the command line,
//! a text with ranges.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Command, CommandFactory, FromArgMatches};
use driver::settings::Settings as DriverArgs;
use netstack::process::Args as StackArgs;
use serde::Deserialize;
use shared::units::Percent;
use toml::Value;

use super::axis::{Axis, AxisError};
use crate::flags::{FlagError, Given, Setting, parse_over};
use crate::runner::sequence::ClockKind;
use crate::settings::{RunSettings, SimulationSettings};
use crate::threshold::Condition;

/// A plan.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Plan {
    /// What it answers, in a line.
    pub(crate) title: Option<String>,
    pub(crate) clock: Option<ClockKind>,
    pub(crate) repetitions: Option<u64>,
    pub(crate) precision: Option<Percent>,
    /// Conditions of --fail-if, besides those of the command line.
    #[serde(default)]
    pub(crate) fail_if: Vec<Condition>,
    #[serde(default)]
    flags: toml::Table,
    #[serde(default)]
    vary: toml::Table,
}

/// A plan that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub(crate) struct PlanError {
    file: PathBuf,
    problem: PlanProblem,
}

/// What is wrong with a plan.
#[derive(Debug, thiserror::Error)]
enum PlanProblem {
    #[error("cannot be read ({0}); name a plan, such as scripts/plans/depth-by-policy.toml")]
    Unreadable(#[from] io::Error),
    #[error("is no plan: {0}")]
    Malformed(String),
    #[error("repetitions = {0}: use a number from 1 to 1000000")]
    Repetitions(u64),
    #[error("repetitions and precision both say how many runs to make; leave one of them out")]
    TwoCounts,
    #[error("[flags] {0}: no such flag of a run; see lab sweep --help")]
    UnknownFlag(String),
    #[error("[flags] {0} is set by the sweep itself; remove it")]
    OwnFlag(String),
    #[error("[{table}] {key}: a {kind} is no value of a flag; write a text, a number, true, or a list of these")]
    Kind { table: &'static str, key: String, kind: &'static str },
    #[error("[flags] {0} is a switch; write true or false")]
    Switch(String),
    #[error("[flags] {0}")]
    Flag(#[from] FlagError),
    #[error("[vary] {0}")]
    Axis(#[from] AxisError),
}

impl Plan {
    /// Reads the plan in `file`.
    ///
    /// # Errors
    /// If it cannot be read or is malformed.
    pub(crate) fn read(file: &Path) -> Result<Self, PlanError> {
        let text = fs::read_to_string(file).map_err(PlanProblem::Unreadable);
        text.and_then(|text| Self::parse(&text)).map_err(|problem| PlanError { file: file.to_owned(), problem })
    }

    fn parse(text: &str) -> Result<Self, PlanProblem> {
        // The error has the line, what was expected there, and the keys that exist.
        let plan: Self = toml::from_str(text).map_err(|error| PlanProblem::Malformed(in_one_line(&error, text)))?;
        match (plan.repetitions, plan.precision) {
            (Some(_), Some(_)) => Err(PlanProblem::TwoCounts),
            (Some(count), None) if !(1..=1_000_000).contains(&count) => Err(PlanProblem::Repetitions(count)),
            _ => Ok(plan),
        }
    }

    /// The names of the flags that it sets.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &str> {
        self.flags.keys().map(String::as_str)
    }

    /// The settings of all points: those of the plan, with the flags in `given` replacing them. Variables of the
    /// environment that set flags of a run are ignored, so that a plan means the same everywhere.
    ///
    /// # Errors
    /// [`PlanError`], which names the flag.
    pub(crate) fn settings(&self, file: &Path, given: &Given) -> Result<RunSettings, PlanError> {
        self.resolve(given).map_err(|problem| PlanError { file: file.to_owned(), problem })
    }

    fn resolve(&self, given: &Given) -> Result<RunSettings, PlanProblem> {
        let commands = [StackArgs::command(), DriverArgs::command(), SimulationSettings::command()];
        for key in self.flags.keys() {
            let has = |command: &Command| command.get_arguments().any(|arg| arg.get_long() == Some(key));
            if !commands.iter().any(has) {
                return Err(PlanProblem::UnknownFlag(key.clone()));
            }
            if ["socket", "json", "once", "allow-uid", "end-with-stdin", "pcap"].contains(&key.as_str()) {
                return Err(PlanProblem::OwnFlag(key.clone()));
            }
        }
        Ok(RunSettings {
            netstack: self.side::<StackArgs>(given)?,
            driver: self.side::<DriverArgs>(given)?,
            simulation: self.side::<SimulationSettings>(given)?,
            far: None,
        })
    }

    /// The settings of one program.
    fn side<S: CommandFactory + FromArgMatches>(&self, given: &Given) -> Result<S, PlanProblem> {
        let command = S::command();
        let mut settings = Vec::new();
        for (key, value) in &self.flags {
            let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(key)) else { continue };
            let switch = matches!(arg.get_action(), ArgAction::SetTrue);
            let arguments = match value {
                Value::Boolean(true) if switch => vec![format!("--{key}").into()],
                Value::Boolean(false) if switch => Vec::new(),
                _ if switch => return Err(PlanProblem::Switch(key.clone())),
                value => texts("flags", key, value)?.iter().map(|text| format!("--{key}={text}").into()).collect(),
            };
            settings.push(Setting { id: arg.get_id().to_string(), arguments });
        }
        Ok(parse_over(settings, given)?)
    }

    /// What varies, in the order of the file.
    ///
    /// # Errors
    /// [`PlanError`], which names the setting.
    pub(crate) fn axes(&self, file: &Path) -> Result<Vec<Axis>, PlanError> {
        let axis = |(key, value): (&String, &Value)| match value {
            Value::String(text) => Ok(format!("{key}={text}").parse()?),
            value => Ok(Axis::new(key, texts("vary", key, value)?.iter().map(String::as_str))?),
        };
        let axes = self.vary.iter().map(axis).collect::<Result<_, PlanProblem>>();
        axes.map_err(|problem| PlanError { file: file.to_owned(), problem })
    }
}

/// The message of `error`, with the number of its line.
fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', " ");
    match error.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("line {line}: {message}")
        }
        None => message,
    }
}

/// The values of a flag as text; a list has several.
fn texts(table: &'static str, key: &str, value: &Value) -> Result<Vec<String>, PlanProblem> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(on) => Ok(on.to_string()),
        other => Err(PlanProblem::Kind { table, key: key.to_owned(), kind: other.type_str() }),
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"
title = "An example"
clock = "virtual"
repetitions = 3

[flags]
link = "100Mbit"
app = ["poisson:load=0.9,name=web", "bulk"]
packets = 2000
depth = 8
verify = true
stack-cost = "4us"

[vary]
policy = ["wait", "drop-newest"]
depth = "1..8*2"
"app.web.load" = [0.5, 0.7]
"#;

    #[test]
    fn settings_and_axes_are_read_in_the_order_of_the_file() {
        let plan = Plan::parse(EXAMPLE).unwrap();
        let settings = plan.resolve(&Given::default()).unwrap();
        assert_eq!((settings.depth().get(), settings.apps().len()), (8, 2));
        assert!(settings.driver.driver.verify && settings.simulation.stack_cost.to_string() == "4us");
        let axes: Vec<_> = plan.axes(Path::new("x")).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(axes, ["policy=wait,drop-newest", "depth=1,2,4,8", "app.web.load=0.5,0.7"]);
    }

    #[test]
    fn a_flag_on_the_command_line_wins_and_excludes_those_of_the_plan() {
        let plan = Plan::parse(EXAMPLE).unwrap();
        let given = |id: &str, flag: &str| Setting { id: id.to_owned(), arguments: vec![flag.into()] };
        let given = Given::of(vec![given("duration", "--duration=1s"), given("depth", "--depth=16")]);
        let settings = plan.resolve(&given).unwrap();
        let length = &settings.stack().length;
        assert_eq!((settings.depth().get(), length.packets, length.duration.is_some()), (16, None, true));
    }

    #[test]
    fn every_mistake_is_named_with_its_place_and_remedy() {
        let texts = [
            "titel = 'x'",
            "repetitions = 0",
            "repetitions = 3\nprecision = '5%'",
            "[flags",
            "clock = 'sundial'",
            "[flags]\ncolour = 1",
            "[flags]\nsocket = '/x'",
            "[flags]\ndepth = 0",
            "[flags]\nverify = 'maybe'",
            "[flags.app]\nx = 1",
            "[vary]\ndepth = []",
            "[vary]\ndepth = '8..4'",
            "[vary]\ndepth = [1, 1]",
        ];
        let messages = texts.map(|text| {
            let plan = Plan::parse(text);
            let checked = plan.and_then(|plan| {
                plan.resolve(&Given::default())?;
                plan.axes(Path::new("x")).map_err(|error| error.problem)
            });
            checked.map(|_| ()).unwrap_err().to_string()
        });
        insta::assert_snapshot!(messages.join("\n"), @"
        is no plan: line 1: unknown field `titel`, expected one of `title`, `clock`, `repetitions`, `precision`, `fail-if`, `flags`, `vary`
        repetitions = 0: use a number from 1 to 1000000
        repetitions and precision both say how many runs to make; leave one of them out
        is no plan: line 1: unclosed table, expected `]`
        is no plan: line 1: unknown variant `sundial`, expected `real` or `virtual`
        [flags] colour: no such flag of a run; see lab sweep --help
        [flags] socket is set by the sweep itself; remove it
        [flags] invalid value '0' for '--depth <N>': 0 is not possible; use a whole number from 1 to 65536
        [flags] verify is a switch; write true or false
        [flags] app: a table is no value of a flag; write a text, a number, true, or a list of these
        [vary] depth: a value is empty; write values with one comma between them, or with | if they have commas
        [vary] depth: 8..4 is no range (its end is below its beginning); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        [vary] depth: 1 is given twice; write each value once
        ");
    }
}
