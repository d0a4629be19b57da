//! The driver's flags. Each has an environment twin, `PUSHBACK_` and its name.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use clap::builder::{PathBufValueParser, TypedValueParser};
use serde::{Deserialize, Serialize};
use shared::process::parent::Lifetime;
use shared::process::settings::{Common, Meeting, Output, Waiting};
use shared::ring::Depth;
use shared::units::{LinkRate, Nanos};

use crate::hardware::{Coalesce, Config, Service, Stall};
use crate::session::Dma;

/// Everything that the driver takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Parser)]
#[command(name = "driver", version, about = "The driver process: takes frames from the ring and sends them at the pace of its hardware model.", long_about = None)]
pub struct Settings {
    /// Where it meets the stack.
    #[command(flatten)]
    #[serde(skip)]
    pub meeting: Meeting,
    /// What shapes a run on both sides.
    #[command(flatten)]
    #[serde(flatten)]
    pub common: Common,
    /// How it waits.
    #[command(flatten)]
    #[serde(flatten)]
    pub waiting: Waiting,
    /// What only the driver takes, in real and in virtual time.
    #[command(flatten)]
    #[serde(flatten)]
    pub driver: DriverSettings,
    /// What is left of the frames.
    #[command(flatten)]
    #[serde(skip)]
    pub capture: CaptureSettings,

    /// How long it lives, signals apart.
    #[command(flatten)]
    #[serde(skip)]
    pub lifetime: Lifetime,

    /// Exit after the first session.
    #[arg(long, env = "PUSHBACK_ONCE")]
    #[serde(skip)]
    pub once: bool,

    /// Where the report goes.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
}

/// What only the driver takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct DriverSettings {
    /// The hardware.
    #[command(flatten)]
    #[serde(flatten)]
    pub hardware: HardwareSettings,

    /// Whether a frame's bytes are copied out of the ring when the hardware takes it.
    #[arg(long, env = "PUSHBACK_DMA", value_name = "HOW", value_enum, default_value_t)]
    pub dma: Dma,

    /// Check headers and checksums of each frame; those that are wrong are not sent.
    #[arg(long, env = "PUSHBACK_VERIFY")]
    pub verify: bool,
}

/// How the hardware behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct HardwareSettings {
    /// Frames that the hardware holds at once, 1 to 65536.
    ///
    /// Counts frames handed over and not completed: the one on the wire and those in --latency
    /// included. It is a bound within the ring's depth.
    #[arg(long, env = "PUSHBACK_HW_QUEUE", value_name = "N", default_value = "256")]
    pub hw_queue: Depth,

    /// Rate of the link, such as 1Gbit, or unlimited.
    ///
    /// Preamble, check sequence and gap take their share: 1500 B of IP are 12304 ns at 1Gbit.
    #[arg(long, env = "PUSHBACK_LINK", value_name = "RATE", default_value = "1Gbit")]
    pub link: LinkRate,

    /// How long a frame occupies the link: its bits, or a random time of that mean.
    #[arg(long, env = "PUSHBACK_SERVICE", value_name = "MODEL", value_enum, default_value_t)]
    pub service: Service,

    /// Time from the end of a frame on the link to its completion, such as 20us.
    ///
    /// The link is free meanwhile, the frame's place in the hardware is not.
    #[arg(long, env = "PUSHBACK_LATENCY", value_name = "TIME", default_value = "0s")]
    pub latency: Nanos,

    /// The link stands still at intervals: every=100ms,for=5ms.
    #[arg(long, env = "PUSHBACK_STALL", value_name = "every=TIME,for=TIME")]
    pub stall: Option<Stall>,

    /// Completions are reported when N frames have finished, or TIME after the first of them.
    #[arg(long, env = "PUSHBACK_COALESCE", value_name = "frames=N,for=TIME", default_value_t)]
    pub coalesce: Coalesce,
}

/// What is left of the frames that were sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct CaptureSettings {
    /// Write what was sent to this capture file, or to a named pipe that a program reads from.
    #[arg(long, env = "PUSHBACK_PCAP", value_name = "FILE", value_hint = ValueHint::FilePath,
          value_parser = PathBufValueParser::new().try_map(capture))]
    pub pcap: Option<PathBuf>,
}

/// Refuses standard output, where the driver reports that it is ready.
fn capture(path: PathBuf) -> Result<PathBuf, String> {
    if path == Path::new("-") || path == Path::new("/dev/stdout") {
        return Err("a capture does not go to standard output; name a file, or a pipe that mkfifo has made".to_owned());
    }
    Ok(path)
}

/// Flags that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A random time of mean zero.
    #[error(
        "--service exponential needs a link that takes time, and --link is unlimited; set --link 1Gbit, for example"
    )]
    NoServiceTime,
    /// A flag needs the bytes of frames, and --dma none does not copy them.
    #[error("--dma none leaves the bytes of a frame untouched, and {flag} reads them; drop one of the two")]
    NoBytes {
        /// The flag that needs them.
        flag: &'static str,
    },
}

impl Settings {
    /// The hardware that they describe.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub fn hardware(&self) -> Result<Config, SettingsError> {
        if self.driver.dma == Dma::None && self.capture.pcap.is_some() {
            return Err(SettingsError::NoBytes { flag: "--pcap" });
        }
        self.driver.hardware(self.common.seed)
    }
}

impl DriverSettings {
    /// The hardware that they describe, with `seed` behind all that is random in it.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub fn hardware(&self, seed: u64) -> Result<Config, SettingsError> {
        let hardware = &self.hardware;
        if hardware.service == Service::Exponential && hardware.link == LinkRate::Unlimited {
            return Err(SettingsError::NoServiceTime);
        }
        if self.dma == Dma::None && self.verify {
            return Err(SettingsError::NoBytes { flag: "--verify" });
        }
        Ok(Config {
            queue: hardware.hw_queue,
            link: hardware.link,
            service: hardware.service,
            latency: hardware.latency,
            stall: hardware.stall,
            coalesce: hardware.coalesce,
            seed,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(flags: &[&str]) -> Result<Settings, clap::Error> {
        Settings::try_parse_from([&["driver"], flags].concat())
    }

    #[test]
    fn settings_survive_json() {
        let flags = ["--depth=3", "--hw-queue=2", "--latency=20us", "--stall=every=1ms,for=10us", "--verify"];
        let settings = parse(&flags).unwrap();
        let json = serde_json::to_value(&settings).unwrap();
        assert_eq!(json["hw_queue"], "2");
        assert_eq!(json["stall"], "every=1ms,for=10us");
        assert_eq!(json["coalesce"], "frames=1,for=0s");
        assert_eq!(serde_json::from_value::<Settings>(json).unwrap(), settings);
    }

    #[test]
    fn what_is_refused_names_the_flag_the_value_and_the_remedy() {
        for (flag, value, remedy) in [
            ("--hw-queue", "0", "1 to 65536"),
            ("--link", "1000", "1000kbit"),
            ("--link", "0Gbit", "unlimited"),
            ("--service", "random", "exponential"),
            ("--latency", "20", "20us"),
            ("--stall", "every=1ms", "every=100ms,for=5ms"),
            ("--coalesce", "frames=2,for=0s", "for=50us"),
            ("--dma", "maybe", "none"),
            ("--pcap", "-", "mkfifo"),
            ("--pcap", "/dev/stdout", "mkfifo"),
        ] {
            let said = parse(&[&format!("{flag}={value}")]).unwrap_err().to_string();
            assert!(said.contains(flag) && said.contains(value) && said.contains(remedy), "{said}");
        }
    }

    #[test]
    fn a_hardware_queue_that_cannot_be_is_not_blamed_on_the_depth() {
        for wrong in ["0", "65537", "-3", "8slots"] {
            let said = parse(&[&format!("--hw-queue={wrong}")]).unwrap_err().to_string();
            assert!(said.contains("--hw-queue") && said.contains("1 to 65536") && !said.contains("depth"), "{said}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let hardware = |flags: &[&str]| parse(flags).unwrap().hardware();
        assert!(hardware(&[]).is_ok());
        assert_eq!(hardware(&["--service=exponential", "--link=unlimited"]), Err(SettingsError::NoServiceTime));
        assert_eq!(hardware(&["--dma=none", "--verify"]), Err(SettingsError::NoBytes { flag: "--verify" }));
        assert_eq!(hardware(&["--dma=none", "--pcap=x"]), Err(SettingsError::NoBytes { flag: "--pcap" }));
    }

    #[test]
    fn every_flag_has_its_twin_in_the_environment() {
        for arg in Settings::command().get_arguments() {
            let Some(flag) = arg.get_long().filter(|flag| !["help", "version"].contains(flag)) else { continue };
            let twin = format!("PUSHBACK_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(arg.get_env().and_then(|twin| twin.to_str()), Some(&*twin));
        }
    }
}
