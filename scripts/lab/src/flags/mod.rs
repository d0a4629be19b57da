//! Converts settings to command-line flags and back.
//!
//! A report holds settings as JSON under the names of the flags. [`read`] turns that JSON into flags; it builds the
//! arguments of a child process, and the arguments of a run that is repeated from its report.

pub(crate) mod common;
pub(crate) mod far;
pub(crate) mod foreign;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use driver::settings::Settings as DriverArgs;
use netstack::process::Args as StackArgs;
use serde::Serialize;
use serde_json::Value;
use shared::process::flags::{as_given, exclude, one_line};
use shared::process::settings::recorded_seed;
use shared::report::{ConfigReport, RunReport};

use crate::settings::{RunSettings, SimulationSettings};

/// A setting and the arguments that set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Its name in JSON: the id of the flag.
    pub(crate) id: String,
    /// One argument for each value.
    pub(crate) arguments: Vec<OsString>,
}

/// Settings that cannot be given as flags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// The settings are not a JSON object.
    #[error("the settings of {program} are missing")]
    Missing {
        /// Whose settings.
        program: String,
    },
    /// A name for which there is no flag.
    #[error("{program} has no setting {name}; was the report written by another version?")]
    Unknown {
        /// Whose settings.
        program: String,
        /// The name.
        name: String,
    },
    /// A value that the flag cannot have.
    #[error("setting {name} of {program} is {value}, which is not a value that the flag can have")]
    NoValue {
        /// Whose settings.
        program: String,
        /// The name.
        name: String,
        /// The value.
        value: String,
    },
    /// A flag refuses a value.
    #[error("{0}")]
    Refused(String),
}

/// The `recorded` settings of one program, with the flags in `given` replacing them. The environment is ignored, because
/// every setting is recorded.
///
/// # Errors
/// If a recorded setting has no flag, or a flag refuses its value.
pub(crate) fn over<S: CommandFactory + FromArgMatches>(recorded: &Value, given: &Given) -> Result<S, FlagError> {
    parse_over(read(&S::command(), recorded)?, given)
}

/// The same for `settings` that are flags already.
///
/// # Errors
/// If a flag refuses its value.
pub(crate) fn parse_over<S: CommandFactory + FromArgMatches>(
    settings: Vec<Setting>,
    given: &Given,
) -> Result<S, FlagError> {
    let mut command = S::command().no_binary_name(true).mut_args(|arg| arg.env(None::<&str>));
    let arguments = given.over(settings, &mut command);
    let parsed = command.try_get_matches_from(arguments).and_then(|matches| S::from_arg_matches(&matches));
    parsed.map_err(|error| FlagError::Refused(one_line(&error.to_string())))
}

/// Returns the arguments with which the program whose flags are `S` runs with exactly `settings`.
///
/// # Errors
/// If a setting has no flag, which is a fault of this program.
pub(crate) fn spell<S: CommandFactory + Serialize>(settings: &S) -> Result<Vec<OsString>, FlagError> {
    let config = serde_json::to_value(settings).unwrap_or_default();
    let settings = read(&S::command(), &config)?;
    Ok(settings.into_iter().flat_map(|setting| setting.arguments).collect())
}

/// Returns the settings in `config` as flags of `command`.
///
/// # Errors
/// If one of them is not a setting of `command`.
pub(crate) fn read(command: &Command, config: &Value) -> Result<Vec<Setting>, FlagError> {
    let program = || command.get_name().to_owned();
    let Value::Object(config) = config else { return Err(FlagError::Missing { program: program() }) };
    let mut settings = Vec::new();
    for (name, value) in config {
        let arg = command.get_arguments().find(|arg| arg.get_id() == name);
        let flag = arg.and_then(|arg| Some((arg, arg.get_long()?)));
        let Some((arg, long)) = flag else {
            return Err(FlagError::Unknown { program: program(), name: name.clone() });
        };
        let no_value = || FlagError::NoValue { program: program(), name: name.clone(), value: value.to_string() };
        let arguments = arguments_for(arg, long, value).ok_or_else(no_value)?;
        settings.push(Setting { id: name.clone(), arguments });
    }
    Ok(settings)
}

/// The arguments for one value: none for a null or a switch that is off; `None` if `value` is not a value of `arg`.
fn arguments_for(arg: &Arg, long: &str, value: &Value) -> Option<Vec<OsString>> {
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    match value {
        Value::Null => Some(Vec::new()),
        Value::Bool(on) if switch => Some(if *on { vec![format!("--{long}").into()] } else { Vec::new() }),
        Value::String(text) if !switch => Some(vec![with_value(long, text)]),
        Value::Number(number) if !switch => {
            // A report of an earlier version may hold a seed that the command line refuses.
            let seed = number.as_u64().filter(|_| arg.get_id() == "seed").map(recorded_seed);
            Some(vec![with_value(long, seed.unwrap_or_else(|| number.to_string()))])
        }
        Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
            values.iter().map(|value| value.as_str().map(|text| with_value(long, text))).collect()
        }
        _ => None,
    }
}

/// The settings of both programs in `run` that differ from their defaults, as flags. A setting that this version has
/// no flag for is shown as `name=value`.
pub(crate) fn in_force(run: &RunReport) -> Vec<String> {
    changed_flags(&ConfigReport { simulate: None, ..run.config.clone() })
}

/// The same for all settings in `config`, those of a simulation included.
pub(crate) fn changed_flags(config: &ConfigReport) -> Vec<String> {
    let defaults = RunSettings::defaults();
    let mut flags = changed(&StackArgs::command(), &config.netstack, &defaults.netstack);
    let driver = changed(&DriverArgs::command(), &config.driver, &defaults.driver);
    let simulation = config.simulate.iter();
    let simulation =
        simulation.flat_map(|config| changed(&SimulationSettings::command(), config, &defaults.simulation));
    // A flag that both programs have is listed once.
    let others: Vec<_> = driver.into_iter().chain(simulation).filter(|flag| !flags.contains(flag)).collect();
    flags.extend(others);
    flags.extend(config.far.iter().map(|far| format!("--far={}", far::spelled(far))));
    flags
}

/// The command that makes the run with the settings in `config`, by the clock `virtual` or `real`.
pub(crate) fn repeating_command(clock: &str, config: &ConfigReport) -> String {
    // A run in real time has no settings of a simulation.
    let (words, simulate) = if clock == "real" { ("lab run", None) } else { ("lab simulate", config.simulate.clone()) };
    let flags = changed_flags(&ConfigReport { simulate, ..config.clone() });
    let flags = flags.iter().filter(|flag| *flag != "--quiet").map(|flag| shell_word(flag));
    [words.to_owned()].into_iter().chain(flags).collect::<Vec<_>>().join(" ")
}

/// `word` as a shell reads it: in quotes if it has characters with a meaning there.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/%+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn changed(command: &Command, config: &Value, defaults: &impl Serialize) -> Vec<String> {
    let defaults = serde_json::to_value(defaults).unwrap_or_default();
    let Value::Object(config) = config else { return Vec::new() };
    let changed = config.iter().filter(|(name, value)| defaults.get(*name) != Some(*value));
    let spelled = changed.flat_map(|(name, value)| {
        let one = Value::Object([(name.clone(), value.clone())].into_iter().collect());
        match read(command, &one) {
            Ok(settings) => settings.into_iter().flat_map(|setting| setting.arguments).collect(),
            Err(_) => vec![OsString::from(format!("{name}={value}"))],
        }
    });
    spelled.map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The settings in `simulation`, those that only a simulation has, that are not the defaults, as flags.
pub(crate) fn simulated(simulation: &Value) -> Vec<String> {
    let defaults = serde_json::to_value(SimulationSettings::default()).unwrap_or_default();
    let fields = simulation.as_object().into_iter().flatten();
    let changed = fields.filter(|(name, value)| defaults.get(*name) != Some(*value));
    changed
        .map(|(name, value)| {
            format!("--{} {}", name.replace('_', "-"), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect()
}

/// `--long=value` as one argument: a value that begins with a dash would otherwise be read as a flag.
fn with_value(long: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut argument = OsString::from(format!("--{long}="));
    argument.push(value);
    argument
}

/// The command that was called, and the flags on its command line (without those from the environment and without
/// defaults).
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// The words that call the command, such as `lab theory for`.
    pub(crate) words: String,
    settings: Vec<Setting>,
}

impl Given {
    /// The flags that set `settings`.
    pub(crate) fn of(settings: Vec<Setting>) -> Self {
        Self { words: String::new(), settings }
    }

    /// The arguments with which this process, whose command is `command`, was started.
    pub(crate) fn here(command: Command) -> Self {
        let arguments: Vec<_> = std::env::args_os().collect();
        let command = as_given(command, &arguments);
        let matches = command.clone().get_matches_from(arguments);
        Self::in_matches(&command, &matches)
    }

    /// Whether the flag with this `id` is on the command line.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.settings.iter().any(|setting| setting.id == id)
    }

    fn in_matches(command: &Command, matches: &ArgMatches) -> Self {
        if let Some((below, matches)) =
            matches.subcommand().and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)))
        {
            let given = Self::in_matches(below, matches);
            return Self { words: format!("{} {}", command.get_name(), given.words), ..given };
        }
        let given = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let settings = command.get_arguments().filter(given).filter_map(|arg| {
            let (id, long) = (arg.get_id().to_string(), arg.get_long()?);
            let values = matches.get_raw(&id).into_iter().flatten();
            let arguments = match arg.get_action() {
                ArgAction::SetTrue => vec![format!("--{long}").into()],
                _ => values.map(|value| with_value(long, value)).collect(),
            };
            Some(Setting { id, arguments })
        });
        Self { words: command.get_name().to_owned(), settings: settings.collect() }
    }

    /// The arguments of `command` that set `recorded`, except those that a flag on the command line replaces or
    /// excludes; then the flags on the command line.
    pub(crate) fn over(&self, recorded: Vec<Setting>, command: &mut Command) -> Vec<OsString> {
        command.build();
        let args = |ids: &mut dyn Iterator<Item = &Setting>| -> Vec<&Arg> {
            ids.filter_map(|setting| command.get_arguments().find(|arg| arg.get_id() == &*setting.id)).collect()
        };
        let given = args(&mut self.settings.iter());
        let excluded: BTreeSet<_> = args(&mut recorded.iter())
            .into_iter()
            .filter(|arg| given.iter().any(|given| given == arg || exclude(command, given, arg)))
            .map(|arg| arg.get_id().to_string())
            .collect();
        let kept = recorded.into_iter().filter(|setting| !excluded.contains(&setting.id));
        let own = self.settings.iter().filter(|setting| given.iter().any(|arg| arg.get_id() == &*setting.id));
        kept.chain(own.cloned()).flat_map(|setting| setting.arguments).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches, Parser};

    use super::*;

    fn stack(flags: &[&str]) -> StackArgs {
        StackArgs::try_parse_from([&["netstack"], flags].concat()).unwrap()
    }

    fn reparsed<S: CommandFactory + FromArgMatches + Serialize>(settings: &S) -> S {
        let arguments = [OsString::from("program")].into_iter().chain(spell(settings).unwrap());
        S::from_arg_matches(&S::command().try_get_matches_from(arguments).unwrap()).unwrap()
    }

    fn json(settings: &impl Serialize) -> Value {
        serde_json::to_value(settings).unwrap()
    }

    #[test]
    fn every_setting_of_both_programs_can_be_given_as_flags() {
        for flags in [
            &[][..],
            &["--policy=deadline=5ms", "--app=cbr:load=2", "--app=bulk:size=22B", "--packets=7", "--quiet"],
            &[
                "--depth=1",
                "--idle=sleep",
                "--seed=recorded:18446744073709551614",
                "--duration=1.5s",
                "--gateway=10.0.0.9",
            ],
            &["--dispatch=poll"],
        ] {
            let settings = stack(flags);
            assert_eq!(json(&reparsed(&settings)), json(&settings), "{flags:?}");
        }
        for flags in [
            &["driver"][..],
            &["driver", "--link=unlimited", "--hw-queue=2", "--latency=20us", "--verify"],
            &["driver", "--stall=every=1ms,for=10us", "--service=exponential", "--coalesce=frames=4,for=50us"],
            &["driver", "--stall=every=1ms,for=10us,distribution=exponential"],
            &["driver", "--stall=every=1ms,for=10us,phase=random"],
        ] {
            let settings = DriverArgs::try_parse_from(flags).unwrap();
            assert_eq!(reparsed(&settings), settings, "{flags:?}");
        }
    }

    #[test]
    fn an_unknown_setting_or_value_is_refused() {
        let refusal = |config| read(&StackArgs::command(), &config).unwrap_err().to_string();
        assert_eq!(
            refusal(serde_json::json!({"colour": 1})),
            "netstack has no setting colour; was the report written by another version?"
        );
        assert_eq!(
            refusal(serde_json::json!({"depth": ["1"]})),
            "setting depth of netstack is [\"1\"], which is not a value that the flag can have"
        );
        assert_eq!(refusal(Value::Null), "the settings of netstack are missing");
    }

    fn replayed(recorded: &[&str], given: &[&str]) -> StackArgs {
        let matches = StackArgs::command().get_matches_from([&["netstack"], given].concat());
        let given = Given::in_matches(&StackArgs::command(), &matches);
        let recorded = read(&StackArgs::command(), &json(&stack(recorded))).unwrap();
        let arguments = given.over(recorded, &mut StackArgs::command());
        let arguments = [OsString::from("netstack")].into_iter().chain(arguments);
        StackArgs::try_parse_from(arguments).unwrap()
    }

    #[test]
    fn a_flag_on_the_command_line_replaces_the_recorded_setting() {
        let recorded = ["--depth=16", "--app=cbr:load=2", "--app=bulk", "--packets=9", "--quiet"];
        let same = replayed(&recorded, &[]);
        assert_eq!(json(&same), json(&stack(&recorded)));
        let other = replayed(&recorded, &["--depth", "8", "--app", "poisson:load=1"]);
        assert_eq!(
            (other.common.depth.get(), other.stack.sending.apps.len(), other.stack.length.packets),
            (8, 1, Some(9))
        );
    }

    #[test]
    fn a_flag_on_the_command_line_removes_recorded_settings_that_it_excludes() {
        let by_time = replayed(&["--packets=9"], &["--duration=1s"]).stack.length;
        assert_eq!((by_time.packets, by_time.duration.is_some()), (None, true));
        let by_count = replayed(&["--duration=1s"], &["--packets=9"]).stack.length;
        assert_eq!((by_count.packets, by_count.duration), (Some(9), None));
    }
}
