//! The flags of the driver. Each has an environment twin, `PUSHBACK_` and its name.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use clap::builder::{PathBufValueParser, TypedValueParser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::process::help::{HARDWARE, OUTPUT, RARE, examples};
use shared::process::parent::Lifetime;
use shared::process::settings::{Common, Endpoint, Output, Waiting};
use shared::ring::{Depth, MAX_FRAME};
use shared::units::{LinkRate, Nanos, wire_bits};

use crate::backend::BackendChoice;
use crate::hardware::{Coalesce, Config, Service, Stall};
use crate::session::Dma;

/// The most random stalls in the time of one frame on the link: each is drawn.
const MOST_STALLS: u64 = 100_000;

/// All flags of the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::Parser)]
#[command(
    name = "driver",
    version,
    about = "The driver process: takes frames from the ring and sends them at the pace of its hardware model.",
    long_about = None,
    after_help = examples([
        (
            "A link of 10 Gbit/s that serves one stack after the other, until Ctrl-C",
            "driver --link 10Gbit"
        ),
        (
            "Interrupts for 32 frames at once, a stall now and then, and one session",
            "driver --once --coalesce frames=32,for=50us --stall every=100ms,for=3ms"
        ),
        (
            "Check each frame, write it to a capture, and report as JSON",
            "driver --once --verify --pcap frames.pcap --json driver.json"
        ),
    ])
)]
#[schemars(rename = "DriverSettings")]
pub struct Settings {
    /// The socket of the connection, and the allowed users.
    #[command(flatten)]
    #[serde(skip)]
    pub endpoint: Endpoint,
    /// Settings of a run that both sides have.
    #[command(flatten)]
    #[serde(flatten)]
    pub common: Common,
    /// How the process waits.
    #[command(flatten)]
    #[serde(flatten)]
    pub waiting: Waiting,
    /// Settings of a run that only the driver has.
    #[command(flatten)]
    #[serde(flatten)]
    pub driver: DriverSettings,
    /// Where sent frames go, and arriving frames come from.
    #[command(flatten)]
    #[serde(flatten)]
    pub backend: BackendSettings,
    /// Where sent frames are written.
    #[command(flatten)]
    #[serde(skip)]
    pub capture: CaptureSettings,

    /// What ends the process, other than signals.
    #[command(flatten)]
    #[serde(skip)]
    pub lifetime: Lifetime,

    /// Exit after the first session.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_ONCE")]
    #[serde(skip)]
    pub once: bool,

    /// Print only warnings and what failed, on standard error.
    ///
    /// Not that the driver is ready, and no session that finished.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_QUIET")]
    #[serde(skip)]
    pub quiet: bool,

    /// Where the report goes.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
}

/// Settings of a run that only the driver has, in real and in virtual time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct DriverSettings {
    /// The hardware model.
    #[command(flatten)]
    #[serde(flatten)]
    pub hardware: HardwareSettings,

    /// Whether the bytes of a frame are copied out of the ring.
    ///
    /// The copy is made when the hardware takes the frame, as DMA would. It is required by --pcap and --verify.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_DMA", value_name = "HOW", value_enum, default_value_t)]
    pub dma: Dma,

    /// Check headers and checksums of each frame, and drop wrong ones.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_VERIFY")]
    pub verify: bool,
}

/// The hardware model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct HardwareSettings {
    /// Most frames in the hardware at once, 1 to 65536.
    ///
    /// A frame counts from its handover to its completion, also while it is on the link and during --latency. The
    /// ring's depth is a bound too, so a number above it has no effect.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_HW_QUEUE", value_name = "N", default_value = "256")]
    pub hw_queue: Depth,

    /// Rate of the link, such as 1Gbit, or unlimited.
    ///
    /// A frame takes link time for its preamble, check sequence and gap too: an IP packet of 1500 B takes 12304 ns at
    /// 1Gbit.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_LINK", value_name = "RATE", default_value = "1Gbit")]
    pub link: LinkRate,

    /// How long a frame occupies the link.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_SERVICE", value_name = "MODEL", value_enum, default_value_t)]
    pub service: Service,

    /// Time from the link to the completion, such as 20us.
    ///
    /// It begins when the frame has left the link. The link is free during this time, but the frame still counts in
    /// --hw-queue.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_LATENCY", value_name = "TIME", default_value = "0s")]
    pub latency: Nanos,

    /// Stop the link at intervals, such as every=100ms,for=5ms.
    ///
    /// A frame on the link is resumed afterwards. The first stall begins one interval after the start of the session;
    /// phase=TIME lets it, and all others, begin by that time earlier, and phase=random draws a time within the
    /// interval. With distribution=exponential, the time from the end of a stall to the beginning of the next is
    /// exponential with mean every - for, and so is the length with mean for. What is drawn depends on --seed alone.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_STALL", value_name = "every=TIME,for=TIME")]
    pub stall: Option<Stall>,

    /// Report completions in batches, such as frames=32,for=50us.
    ///
    /// A batch is reported when N frames have finished, or TIME after the first of them. This is the interrupt
    /// coalescing of a network card. frames=1,for=0s reports each frame as it finishes.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_COALESCE", value_name = "frames=N,for=TIME", default_value_t)]
    pub coalesce: Coalesce,
}

/// Where sent frames go, and arriving frames come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct BackendSettings {
    /// Where sent frames go: model, tap=NAME or wire=PATH.
    ///
    /// model drops them, and nothing arrives. tap=NAME is a TAP interface, which is made if it does not exist: that
    /// needs the capability CAP_NET_ADMIN, or the interface is made before with ip tuntap add dev NAME mode tap user
    /// USER. wire=PATH joins two drivers through a Unix socket: the driver that starts first listens there, and the
    /// second connects. Frames that arrive go to a stack that has asked for a ring for them.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_BACKEND", value_name = "KIND", default_value_t)]
    #[serde(default)]
    pub backend: BackendChoice,
}

/// Where sent frames are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct CaptureSettings {
    /// Write each sent frame to this pcap file, or named pipe.
    ///
    /// And each frame that arrives. If the file or the reader of the pipe takes no more, the capture ends with a warning,
    /// and the run goes on. In a simulation, the times of frames are those of the virtual clock, which begins at 0.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_PCAP", value_name = "FILE", value_hint = ValueHint::FilePath,
          value_parser = PathBufValueParser::new().try_map(capture))]
    pub pcap: Option<PathBuf>,
}

/// Refuses standard output, on which the driver reports that it is ready.
fn capture(path: PathBuf) -> Result<PathBuf, String> {
    if path == Path::new("-") || path == Path::new("/dev/stdout") {
        return Err(
            "a capture cannot be written to standard output; name a file, or a named pipe made with mkfifo".to_owned()
        );
    }
    Ok(path)
}

/// Flags that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Random service times have a mean of zero.
    #[error(
        "--service exponential needs a link that takes time, and --link is unlimited; set --link 1Gbit, for example"
    )]
    NoServiceTime,
    /// A flag reads the bytes of frames, which --dma none does not copy.
    #[error("--dma none leaves the bytes of a frame untouched, and {flag} reads them; drop one of the two")]
    NoBytes {
        /// The flag.
        flag: &'static str,
    },
    /// More random stalls in the time of a frame than can be drawn.
    #[error(
        "--stall {stall}: a frame takes {frame} on the link, and more than {MOST_STALLS} random stalls in that time are \
         too many to draw; raise every, or --link"
    )]
    StallsPerFrame {
        /// The stalls.
        stall: Stall,
        /// The time of the largest frame.
        frame: Nanos,
    },
}

impl Settings {
    /// The hardware that these settings describe.
    ///
    /// # Errors
    /// If two flags contradict each other.
    pub fn hardware(&self) -> Result<Config, SettingsError> {
        if self.driver.dma == Dma::None && self.capture.pcap.is_some() {
            return Err(SettingsError::NoBytes { flag: "--pcap" });
        }
        if self.driver.dma == Dma::None && self.backend.backend != BackendChoice::Model {
            return Err(SettingsError::NoBytes { flag: "--backend" });
        }
        self.driver.hardware(self.common.seed)
    }
}

impl DriverSettings {
    /// The hardware that these settings describe, with `seed` as the seed of its random service times and stalls.
    ///
    /// # Errors
    /// If two flags contradict each other.
    pub fn hardware(&self, seed: u64) -> Result<Config, SettingsError> {
        let hardware = &self.hardware;
        if hardware.service == Service::Exponential && hardware.link == LinkRate::Unlimited {
            return Err(SettingsError::NoServiceTime);
        }
        if self.dma == Dma::None && self.verify {
            return Err(SettingsError::NoBytes { flag: "--verify" });
        }
        if let (LinkRate::Limited(rate), Some(stall)) = (hardware.link, hardware.stall.filter(Stall::is_random)) {
            let frame = rate.time_for_bits(wire_bits(MAX_FRAME));
            if frame.0 / stall.every().0 > MOST_STALLS {
                return Err(SettingsError::StallsPerFrame { stall, frame });
            }
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
        assert_eq!(json["hw_queue"], 2);
        assert_eq!(json["backend"], "model");
        assert_eq!(json["stall"], "every=1ms,for=10us");
        assert_eq!(json["coalesce"], "frames=1,for=0s");
        assert_eq!(serde_json::from_value::<Settings>(json).unwrap(), settings);
    }

    #[test]
    fn an_error_names_the_flag_the_value_and_the_remedy() {
        for (flag, value, remedy) in [
            ("--hw-queue", "0", "1 to 65536"),
            ("--link", "1000", "1000kbit"),
            ("--link", "0Gbit", "unlimited"),
            ("--service", "random", "exponential"),
            ("--latency", "20", "20us"),
            ("--stall", "every=1ms", "every=100ms,for=5ms"),
            ("--stall", "every=1ms,for=1us,distribution=normal", "fixed or exponential"),
            ("--stall", "every=1ms,for=1us,phase=1ms", "below 1ms, or random"),
            ("--coalesce", "frames=2,for=0s", "for=50us"),
            ("--dma", "maybe", "none"),
            ("--backend", "tun=x", "tap=NAME"),
            ("--backend", "tap=averyveryverylongname", "15 bytes"),
            ("--pcap", "-", "mkfifo"),
            ("--pcap", "/dev/stdout", "mkfifo"),
        ] {
            let said = parse(&[&format!("{flag}={value}")]).unwrap_err().to_string();
            assert!(said.contains(flag) && said.contains(value) && said.contains(remedy), "{said}");
        }
    }

    #[test]
    fn an_invalid_hardware_queue_is_not_reported_as_an_invalid_depth() {
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
        assert_eq!(hardware(&["--dma=none", "--backend=tap=x"]), Err(SettingsError::NoBytes { flag: "--backend" }));
    }

    #[test]
    fn every_flag_has_its_twin_in_the_environment() {
        for arg in Settings::command().get_arguments() {
            let Some(flag) = arg.get_long().filter(|flag| !["help", "version"].contains(flag)) else { continue };
            let twin = format!("PUSHBACK_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(arg.get_env().and_then(|twin| twin.to_str()), Some(&*twin));
        }
    }

    #[test]
    fn random_stalls_that_are_too_many_to_draw_are_refused() {
        let hardware = |flags: &[&str]| Settings::try_parse_from([&["driver"], flags].concat()).unwrap().hardware();
        let stall = "--stall=every=10us,for=1us,distribution=exponential";
        assert!(hardware(&[stall, "--link=100kbit"]).is_ok());
        let refused = hardware(&[stall, "--link=1bit"]).unwrap_err().to_string();
        assert!(refused.contains("raise every, or --link"), "{refused}");
        assert!(hardware(&["--stall=every=10us,for=1us", "--link=1bit"]).is_ok(), "regular ones are computed");
    }
}
