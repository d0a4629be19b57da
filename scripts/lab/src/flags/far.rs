//! `--far 'FLAGS'`: the host at the other end of the wire, described by flags of its own.

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser};
use driver::settings::DriverSettings;
use netstack::settings::StackSettings;
use shared::process::flags::one_line;
use shared::process::settings::Common;
use shared::report::ConfigReport;
use shared::units::Nanos;

use super::{changed_flags, shell_word};
use crate::settings::{RunSettings, SimulationSettings};

/// The addresses of the far host, unless its flags set others: those to which the apps of the near one send by default.
const ADDRESSES: [&str; 2] = ["10.0.0.2/24", "fd00::2/64"];

/// What runs on the far host, unless its flags say otherwise: it receives what the apps of the near one send by default.
const APPS: [&str; 1] = ["sink:port=9"];

/// Its seed, unless its flags set another.
const SEED: u64 = 2;

/// The flags of a far host.
#[derive(Debug, Parser)]
#[command(name = "--far", no_binary_name = true, disable_help_flag = true)]
struct FarHost {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    stack: StackSettings,
    #[command(flatten)]
    driver: DriverSettings,
    #[command(flatten)]
    simulation: SimulationSettings,
}

/// The flags do not describe a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--far {flags}: {problem}")]
pub(crate) struct FarError {
    flags: String,
    problem: String,
}

/// The settings of the far host that `flags` describe, as a shell splits them into words. The environment is ignored: it
/// describes the near host.
///
/// # Errors
/// [`FarError`] if a word is no flag, or a quote is not closed.
pub(crate) fn far_host(flags: &str) -> Result<RunSettings, FarError> {
    let failed = |problem: String| FarError { flags: shell_word(flags), problem };
    let words = shlex::split(flags).ok_or_else(|| failed("a quote is not closed; close it".to_owned()))?;
    let command = FarHost::command().mut_args(|arg| arg.env(None::<&str>));
    let parsed = command.try_get_matches_from(words).map_err(|error| failed(one_line(&error.to_string())))?;
    let by_default = |id| parsed.value_source(id) != Some(ValueSource::CommandLine);
    let (address, apps, seed) = (by_default("address"), by_default("apps"), by_default("seed"));
    let FarHost { mut common, mut stack, driver, simulation } =
        FarHost::from_arg_matches(&parsed).map_err(|error| failed(one_line(&error.to_string())))?;
    if simulation.wake_latency > Nanos::ZERO {
        return Err(failed("--wake-latency is that of both hosts; give it outside of --far".to_owned()));
    }
    // With the seed of the near host, apps of the same number would draw the same arrivals.
    if seed {
        common.seed = SEED;
    }
    // The defaults above are valid, so parsing them does not fail.
    if address {
        stack.layers.address = ADDRESSES.iter().filter_map(|address| address.parse().ok()).collect();
    }
    if apps {
        stack.sending.apps = APPS.iter().filter_map(|app| app.parse().ok()).collect();
    }
    Ok(RunSettings { simulation, ..RunSettings::new(&common, stack, &driver) })
}

/// The flags of a far host with the settings of `config`, as [`far_host`] reads them.
pub(super) fn spelled(config: &ConfigReport) -> String {
    let flags = changed_flags(config);
    flags.iter().filter(|flag| *flag != "--quiet").map(|flag| shell_word(flag)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_host_has_addresses_and_an_app_of_its_own_and_survives_being_spelled() {
        let host = far_host("--depth 4 --link 100Mbit").unwrap();
        assert_eq!((host.depth().get(), host.apps()[0].to_string()), (4, "sink:port=9,queue=256".to_owned()));
        assert_eq!(host.stack().layers.address[0].to_string(), "10.0.0.2/24");
        let again = far_host(&spelled(&host.in_report())).unwrap();
        assert_eq!(again.in_report(), host.in_report());
        let other = far_host("--app 'echo:port=7' --address 10.0.0.7/24").unwrap();
        assert_eq!(other.stack().layers.address.len(), 1);
        assert_eq!(other.apps()[0].to_string(), "echo:port=7,queue=256");
    }

    #[test]
    fn an_error_names_the_flags_and_the_remedy() {
        let error = |flags: &str| far_host(flags).unwrap_err().to_string();
        assert!(error("--depth 0").starts_with("--far '--depth 0': "), "{}", error("--depth 0"));
        assert!(error("--dept 1").contains("--dept"), "{}", error("--dept 1"));
        assert!(error("'open").contains("quote is not closed"), "{}", error("'open"));
    }
}
