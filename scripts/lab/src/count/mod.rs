//! Instructions per packet, counted by valgrind: of both processes, and of a simulation. A busy machine does not change
//! them.

mod ceilings;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::cpu;
use shared::exec::IdleMode;
use shared::process::exit::Status;
use shared::process::parent::killed_on_exit;
use shared::process::signals::Signals;
use shared::report::Origin;
use shared::units::{Bytes, Nanos};

use crate::bench::simulation;
use crate::launch::{Binaries, ChildExit, FolderError, Pin, PrivateFolder, Process, find_tool};
use crate::report::table::markdown;
use crate::runner::full_rate::{MeasureError, measured};
use crate::runner::workload::Workload;
use crate::settings::RunSettings;

pub(crate) use ceilings::{Ceilings, CeilingsError};

/// Packets of the shorter and of the longer run, over all apps. Their difference excludes what a process does once.
const SHORT: u64 = 20_000;
const LONG: u64 = 120_000;

/// Timeouts for processes under valgrind, which slows them down about fifty times.
const VALGRIND_TIMEOUT: Nanos = Nanos(60_000_000_000);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Traffic {
    /// [`Workload::BULK`].
    #[default]
    Bulk,
    /// One app that passes one packet to the stack in each call.
    Single,
    /// [`Workload::Mixed`].
    Mixed,
    /// A thousand `bulk` apps.
    ThousandApps,
    /// A simulation of one app.
    Simulation,
    /// A simulation of a thousand apps.
    SimulationOfThousandApps,
}

impl Traffic {
    /// Those that are counted at one size only, and that size: of a mix, the mean size.
    const OF_ONE_SIZE: [(Self, Bytes); 4] = [
        (Self::Mixed, Bytes(782)),
        (Self::ThousandApps, Bytes(64)),
        (Self::Simulation, Bytes(64)),
        (Self::SimulationOfThousandApps, Bytes(64)),
    ];

    /// The name in tables and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Single => "single",
            Self::Mixed => "mixed",
            Self::ThousandApps => "1000 apps",
            Self::Simulation => "simulation",
            Self::SimulationOfThousandApps => "simulation of 1000 apps",
        }
    }

    /// Counts frames of `size`.
    async fn count(
        self,
        binaries: &Binaries,
        settings: &RunSettings,
        size: Bytes,
        pin: Pin,
        signals: &mut Signals,
    ) -> Result<Count, CountError> {
        let workload = match self {
            Self::Bulk => Workload::BULK,
            Self::Single => Workload::Bulk { burst: 1 },
            Self::Mixed => Workload::Mixed,
            Self::ThousandApps => Workload::Many { apps: 1000 },
            Self::Simulation => return self.count_simulated(1, size, signals).await,
            Self::SimulationOfThousandApps => return self.count_simulated(1000, size, signals).await,
        };
        let PerPacket { stack, driver } =
            instructions_per_packet(binaries, &workload.settings(settings, size), pin, signals).await?;
        Ok(Count { traffic: self, size_bytes: size.0, stack, driver: Some(driver) })
    }

    async fn count_simulated(self, apps: u32, size: Bytes, signals: &mut Signals) -> Result<Count, CountError> {
        let (short, long) = (simulated(apps, SHORT, signals).await?, simulated(apps, LONG, signals).await?);
        let stack = (long as f64 - short as f64) / (LONG - SHORT) as f64;
        Ok(Count { traffic: self, size_bytes: size.0, stack, driver: None })
    }
}

/// Schema of the file that `lab count --json` writes.
const COUNT_SCHEMA: &str = "pushback.count/1";

/// The file that `lab count --json` writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CountReport<'a> {
    /// Name and version of the schema, [`COUNT_SCHEMA`].
    #[schemars(extend("const" = COUNT_SCHEMA))]
    schema: &'static str,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    origin: Origin,
    /// The kind of processor, on which the counts depend.
    processor: String,
    /// The counts, one for each kind of traffic and frame size.
    counts: &'a [Count],
}

impl<'a> CountReport<'a> {
    pub(crate) fn new(origin: Origin, counts: &'a [Count]) -> Self {
        Self { schema: COUNT_SCHEMA, origin, processor: cpu::kind(), counts }
    }
}

/// Instructions per packet of one kind of traffic at one frame size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Count {
    /// What is counted; `bulk` in files from before there was anything else.
    #[serde(default)]
    pub(crate) traffic: Traffic,
    /// Bytes of the Ethernet frame without its check sequence.
    pub(crate) size_bytes: u64,
    /// Instructions per packet of the stack's process; of a simulation, all of them.
    pub(crate) stack: f64,
    /// Instructions per packet of the driver's process; none in a simulation, where stack and driver are one process.
    pub(crate) driver: Option<f64>,
}

/// Instructions per packet of both processes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PerPacket {
    pub(crate) stack: f64,
    pub(crate) driver: f64,
}

/// Why there is no count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    /// valgrind is missing.
    #[error("instructions are left out: valgrind is not on the PATH; install it (Debian package valgrind)")]
    NoValgrind,
    /// A run failed.
    #[error(transparent)]
    Run(#[from] MeasureError),
    /// valgrind does not start.
    #[error("valgrind does not start: {0}; reinstall it")]
    Start(io::Error),
    /// valgrind wrote no count.
    #[error("valgrind wrote no count of the instructions of {0}; check that it can run target/release/{0}")]
    NoFigure(&'static str),
    /// There is no folder for the output of valgrind.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The output of valgrind cannot be read.
    #[error("the output of valgrind cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Counts the instructions for each [`Traffic`]: bulk and single packets at each of `sizes`, the others at one size.
/// `settings` sets everything else.
///
/// # Errors
/// [`CountError`] if one of them cannot be counted.
pub(crate) async fn count(
    binaries: &Binaries,
    settings: &RunSettings,
    sizes: &[Bytes],
    pin: Pin,
    signals: &mut Signals,
) -> Result<Vec<Count>, CountError> {
    let of_each_size = [Traffic::Bulk, Traffic::Single].into_iter();
    let of_each_size = of_each_size.flat_map(|traffic| sizes.iter().map(move |size| (traffic, *size)));
    let mut counts = Vec::new();
    for (traffic, size) in of_each_size.chain(Traffic::OF_ONE_SIZE) {
        counts.push(traffic.count(binaries, settings, size, pin, signals).await?);
    }
    Ok(counts)
}

/// Counts the instructions that each process takes per additional packet. `settings` sets apps, policy, transport and
/// dispatch.
///
/// Two settings make the count repeatable: both processes sleep when idle, because the machine decides how long a
/// process spins; and both share one CPU, unless `pin` leaves them to the scheduler, because the machine also decides
/// how two CPUs interleave, and thus the sizes of the batches.
///
/// # Errors
/// [`CountError`] if they cannot be counted.
pub(crate) async fn instructions_per_packet(
    binaries: &Binaries,
    settings: &RunSettings,
    pin: Pin,
    signals: &mut Signals,
) -> Result<PerPacket, CountError> {
    let mut settings = settings.clone();
    settings.set_idle(IdleMode::Sleep);
    settings.set_quiet();
    settings.set_timeouts(VALGRIND_TIMEOUT);
    let binaries = binaries.on(pin.shared_cpu());
    let apps = settings.apps().len().max(1) as u64;
    let mut totals = [PerPacket { stack: 0.0, driver: 0.0 }; 2];
    for (packets, total) in [SHORT, LONG].into_iter().zip(&mut totals) {
        let callgrind = Callgrind::find()?;
        settings.set_packets(packets / apps);
        measured(&binaries.under(&callgrind.command()), &settings, signals).await?;
        let of = |program| callgrind.instructions(program).map(|count| count as f64);
        *total = PerPacket { stack: of("netstack")?, driver: of("driver")? };
    }
    let more = ((LONG / apps - SHORT / apps) * apps) as f64;
    let [short, long] = totals;
    Ok(PerPacket { stack: (long.stack - short.stack) / more, driver: (long.driver - short.driver) / more })
}

/// Counts the instructions of the simulation with `apps` that together offer `packets`: see [`simulation::flags`].
async fn simulated(apps: u32, packets: u64, signals: &mut Signals) -> Result<u64, CountError> {
    let callgrind = Callgrind::find()?;
    let [valgrind, others @ ..] = callgrind.command();
    let mut command = tokio::process::Command::from(killed_on_exit(valgrind).map_err(CountError::Start)?);
    command.args(others).arg(std::env::current_exe().map_err(CountError::Start)?).arg("simulate");
    command.args(simulation::flags(apps, packets)).stdout(Stdio::null());
    let mut process = Process::start(command, Stdio::null()).map_err(CountError::Start)?;
    let exit = tokio::select! {
        exit = process.exited() => exit.map_err(CountError::Start)?,
        _ = signals.next() => {
            process.kill().await;
            return Err(MeasureError::Interrupted.into());
        }
    };
    if exit != ChildExit::Status(Status::Fine) {
        return Err(MeasureError::Lost.into());
    }
    callgrind.instructions("lab")
}

/// The counts as a table.
pub(crate) fn table(counts: &[Count]) -> String {
    let row = |count: &Count| {
        let driver = count.driver.map_or("in the same process".to_owned(), |driver| format!("{driver:.0}"));
        [count.traffic.name().to_owned(), format!("{} B", count.size_bytes), format!("{:.0}", count.stack), driver]
    };
    markdown(2, ["traffic", "frame", "instructions per packet: stack", "driver"], counts.iter().map(row))
}

/// The path of valgrind, and a folder for its output.
#[derive(Debug)]
struct Callgrind {
    valgrind: PathBuf,
    folder: PrivateFolder,
}

impl Callgrind {
    /// Finds valgrind on the PATH.
    ///
    /// # Errors
    /// If it is not there.
    fn find() -> Result<Self, CountError> {
        let valgrind = find_tool("valgrind").ok_or(CountError::NoValgrind)?;
        Ok(Self { valgrind, folder: PrivateFolder::new()? })
    }

    /// The command to run a program under.
    fn command(&self) -> [OsString; 5] {
        let mut file = OsString::from("--callgrind-out-file=");
        file.push(self.folder.path().join("%p"));
        [self.valgrind.clone().into(), "--tool=callgrind".into(), "--quiet".into(), "--vgdb=no".into(), file]
    }

    /// The instructions that the program named `program` took; it must have ended.
    ///
    /// # Errors
    /// If callgrind wrote no count for it.
    fn instructions(&self, program: &'static str) -> Result<u64, CountError> {
        let files = fs::read_dir(self.folder.path())?.flatten();
        let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        let count = texts.filter_map(|text| total(&text, program)).next();
        count.ok_or(CountError::NoFigure(program))
    }
}

/// The total in the text of a callgrind file, if the file is of `program`.
fn total(text: &str, program: &str) -> Option<u64> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let path = value("cmd:")?.split(' ').next()?;
    if Path::new(path).file_name()? == program { value("summary:")?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_the_file_of_the_program() {
        let text = "# callgrind format\nversion: 1\npid: 7\ncmd:  /bin/netstack --socket /tmp/driver\n\n\
                    positions: line\nevents: Ir\nsummary: 375026888\n\n\nfn=(1) main\n10 5\n\ntotals: 375026888\n";
        assert_eq!(total(text, "netstack"), Some(375_026_888));
        assert_eq!(total(text, "driver"), None);
        assert_eq!(total("cmd: /bin/driver\n", "driver"), None);
    }
}
