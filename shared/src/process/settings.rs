//! The flags that both binaries share.
//!
//! They are in groups, and each command includes the groups that apply to it. Each flag
//! has an environment twin, `PUSHBACK_` and its name. Groups that determine the result of a run are serde values, and
//! are part of its report; socket and output paths are not.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::depth::Depth;
use crate::exec::IdleMode;
use crate::liveness::{DEFAULT_TIMEOUT, SHORTEST_TIMEOUT};
use crate::process::help::{OUTPUT, RARE, RING, TRAFFIC};
use crate::process::json::JsonTarget;
use crate::units::{Nanos, parse_accepted};

/// Settings of a run that both sides have, in real and in virtual time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Common {
    /// Slots of the ring, 1 to 65536.
    ///
    /// The most frames in flight at once: those in the ring, in the driver and in the hardware together. The smaller of
    /// the depths that are set in stack and driver is in force; the report contains it.
    #[arg(long, help_heading = RING, env = "PUSHBACK_DEPTH", value_name = "N", default_value = "1024")]
    pub depth: Depth,

    /// Slots of the ring for frames that arrive, 1 to 65536.
    ///
    /// While they are all held by frames that the stack has not finished with, the driver reads nothing from its
    /// backend. The smaller of the depths that are set in stack and driver is in force.
    #[arg(long, help_heading = RING, env = "PUSHBACK_RX_DEPTH", value_name = "N", default_value = "1024")]
    #[serde(default = "default_rx_depth")]
    pub rx_depth: Depth,

    /// Seed of all random numbers.
    ///
    /// The same seed gives the same arrivals and service times. From 0 to 9007199254740992 (2^53): reports hold it as a
    /// number, and tools that read numbers as 64-bit floats change larger ones.
    // Below what the apps send.
    #[arg(long, help_heading = TRAFFIC, display_order = 500, env = "PUSHBACK_SEED", value_name = "N", default_value_t = 1, value_parser = seed)]
    pub seed: u64,
}

/// For old reports, which lack the setting.
fn default_rx_depth() -> Depth {
    Depth::DEFAULT
}

/// How a process waits. Has no meaning in virtual time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Waiting {
    /// How to wait when there is nothing to do.
    ///
    /// With one CPU, hybrid never spins, because the peer could not run at the same time. After another program took
    /// its CPU, a process sleeps instead of spinning for 4 to 256 ms, in every mode.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_IDLE", value_name = "MODE", value_enum, default_value_t)]
    pub idle: IdleMode,

    /// End the session after this long without a sign of life of the peer.
    ///
    /// At least 100ms. Both sides send a sign of life every quarter of this time, even when there is nothing else to
    /// send. A peer that sends signs of life but completes nothing does not end the session.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_IDLE_TIMEOUT", value_name = "TIME", default_value_t = DEFAULT_TIMEOUT,
          value_parser = idle_timeout)]
    #[serde(default = "default_timeout")]
    pub idle_timeout: Nanos,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { idle: IdleMode::default(), idle_timeout: DEFAULT_TIMEOUT }
    }
}

/// For old reports, which lack the setting.
fn default_timeout() -> Nanos {
    DEFAULT_TIMEOUT
}

fn idle_timeout(text: &str) -> Result<Nanos, String> {
    parse_accepted(text, |time| *time >= SHORTEST_TIMEOUT, "use at least 100ms, as in 60s")
}

/// The socket of the connection, and the allowed users. The lab sets them itself.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Endpoint {
    /// Unix socket on which the driver listens and to which the stack connects.
    ///
    /// Both sides must set the same path, of fewer than 108 bytes.
    #[arg(long, help_heading = RING, env = "PUSHBACK_SOCKET", value_name = "PATH", default_value_os_t = default_socket())]
    pub socket: PathBuf,

    /// User id of an allowed peer, besides our own; repeatable.
    ///
    /// The permissions of the driver's socket admit only its own user and root: open it for others with chmod.
    #[arg(long = "allow-uid", help_heading = RARE, env = "PUSHBACK_ALLOW_UID", value_name = "N", value_delimiter = ',')]
    pub allow_uid: Vec<u32>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { socket: default_socket(), allow_uid: Vec::new() }
    }
}

/// Where the report goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct Output {
    /// Write the report as JSON to this file, or to standard output (-).
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_JSON", value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    pub json: Option<JsonTarget>,
}

/// Lines of JSON during a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct StreamOutput {
    /// Write JSON lines to standard output while the run goes on.
    ///
    /// They are its start, each interval, and the report at the end. A line is
    /// {"event":"start"|"interval"|"end","data":...}. Text for people goes to standard error. With --end-with-stdin, a
    /// program that started this one writes the first and the last line itself, and these are lines of intervals only.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_JSON_STREAM")]
    pub json_stream: bool,
}

/// One path per user, so that the processes of two users of a machine do not connect by accident.
fn default_socket() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    PathBuf::from(format!("/tmp/pushback-{uid}/driver.sock"))
}

/// The largest whole number of a flag that reports hold as a JSON number. Up to here every number is exact
/// as a 64-bit float, so no tool that reads a report changes it, and a run that is repeated from the report is the
/// same.
pub const MAX_EXACT: u64 = 1 << 53;

/// Prefix of a seed from a report, which may be above [`MAX_EXACT`], because earlier versions accepted
/// any 64-bit number. Only the lab writes it, for the processes that repeat such a run.
const RECORDED: &str = "recorded:";

/// The value of `--seed` for a `seed` that was read from a report.
pub fn recorded_seed(seed: u64) -> String {
    if seed > MAX_EXACT { format!("{RECORDED}{seed}") } else { seed.to_string() }
}

/// Parses a seed of the command line or of the environment.
///
/// # Errors
/// The accepted range: tools that read the report would change a seed above [`MAX_EXACT`].
pub fn seed(text: &str) -> Result<u64, String> {
    if let Some(recorded) = text.strip_prefix(RECORDED) {
        return recorded.parse().map_err(|_| format!("use a whole number from 0 to {}", u64::MAX));
    }
    match text.parse() {
        Ok(seed @ 0..=MAX_EXACT) => Ok(seed),
        _ => Err(format!(
            "use a whole number from 0 to {MAX_EXACT} (2^53): above it, tools that read the report change the seed"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::process::parent::Lifetime;

    #[derive(Debug, Serialize, clap::Parser)]
    struct Flags {
        #[command(flatten)]
        #[serde(flatten)]
        common: Common,
        #[command(flatten)]
        #[serde(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        #[serde(skip)]
        endpoint: Endpoint,
        #[command(flatten)]
        #[serde(skip)]
        lifetime: Lifetime,
        #[command(flatten)]
        #[serde(skip)]
        output: Output,
    }

    fn parse(flags: &[&str]) -> Result<Flags, clap::Error> {
        Flags::try_parse_from([&["test"], flags].concat())
    }

    #[test]
    fn without_flags_the_defaults_apply() {
        let Flags { common, waiting, endpoint, lifetime, output } = parse(&[]).unwrap();
        assert_eq!((common.depth.get(), common.rx_depth.get(), common.seed), (1024, 1024, 1));
        assert_eq!((waiting, endpoint, lifetime, output), Default::default());
    }

    #[test]
    fn a_dash_is_standard_output_and_anything_else_a_file() {
        assert_eq!(parse(&["--json", "-"]).unwrap().output.json, Some(JsonTarget::Stdout));
        assert_eq!(parse(&["--json", "out.json"]).unwrap().output.json, Some(JsonTarget::File("out.json".into())));
        assert!(parse(&["--json", ""]).is_err());
    }

    #[test]
    fn a_refusal_names_the_flag_the_value_and_the_remedy() {
        for (flag, value, remedy) in [
            ("--depth", "0", "1 to 65536"),
            ("--rx-depth", "65537", "1 to 65536"),
            ("--idle", "doze", "hybrid"),
            ("--idle-timeout", "99ms", "at least 100ms"),
            ("--idle-timeout", "60", "60s"),
            ("--seed", "-1", "whole number"),
            ("--seed", "9007199254740993", "0 to 9007199254740992 (2^53)"),
            ("--seed", "18446744073709551615", "0 to 9007199254740992 (2^53)"),
            ("--seed", "recorded:1e3", "whole number"),
        ] {
            let error = parse(&[&format!("{flag}={value}")]).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains(value), "{error}");
            assert!(error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn the_largest_seed_is_accepted_and_one_from_a_report_may_be_larger() {
        for (spelled, seed) in [("0", 0), ("9007199254740992", 1 << 53)] {
            assert_eq!(parse(&["--seed", spelled]).unwrap().common.seed, seed);
            assert_eq!(recorded_seed(seed), spelled);
        }
        for seed in [MAX_EXACT + 1, 0xfeed_beef_dead_cafe, u64::MAX] {
            assert_eq!(parse(&["--seed", &recorded_seed(seed)]).unwrap().common.seed, seed);
        }
    }

    #[test]
    fn the_settings_of_a_run_round_trip_through_json_and_the_others_are_left_out() {
        let flags =
            parse(&["--depth=3", "--idle=sleep", "--seed=9", "--socket=a", "--end-with-stdin", "--json=-"]).unwrap();
        let json = serde_json::to_string(&flags).unwrap();
        assert_eq!(json, r#"{"depth":3,"rx_depth":1024,"seed":9,"idle":"sleep","idle_timeout":"60s"}"#);
        assert_eq!(serde_json::from_str::<Common>(&json).unwrap(), flags.common);
        let old = r#"{"depth":3,"seed":9}"#;
        assert_eq!(serde_json::from_str::<Common>(old).unwrap(), flags.common, "an old report");
        assert_eq!(serde_json::from_str::<Waiting>(&json).unwrap(), flags.waiting);
    }

    #[test]
    fn every_flag_has_its_twin_in_the_environment() {
        let command = <Flags as clap::CommandFactory>::command();
        for flag in command.get_arguments().filter_map(clap::Arg::get_long).filter(|flag| *flag != "help") {
            let twin = command.get_arguments().find(|arg| arg.get_long() == Some(flag)).and_then(clap::Arg::get_env);
            assert_eq!(
                twin.and_then(|twin| twin.to_str()),
                Some(&*format!("PUSHBACK_{}", flag.replace('-', "_").to_uppercase()))
            );
        }
    }
}
