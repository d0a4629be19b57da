//! Instructions per packet of each process, counted by valgrind. A busy machine does not change them.

mod ceilings;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared::exec::IdleMode;
use shared::process::signals::Signals;
use shared::units::{Bytes, Nanos};

use crate::launch::{Binaries, FolderError, Pin, PrivateFolder, find_tool};
use crate::report::table::markdown;
use crate::runner::full_rate::{MeasureError, measured};
use crate::runner::workload::Workload;
use crate::settings::RunSettings;

pub(crate) use ceilings::{Ceilings, CeilingsError};

/// Packets of the shorter and of the longer run. Their difference excludes what a process does once.
const SHORT: u64 = 20_000;
const LONG: u64 = 120_000;

/// Timeouts for processes under valgrind, which slows them down about fifty times.
const VALGRIND_TIMEOUT: Nanos = Nanos(60_000_000_000);

/// Instructions per packet at one frame size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Bytes of the Ethernet frame without its check sequence.
    pub(crate) size_bytes: u64,
    /// Instructions per packet of the stack's process.
    pub(crate) stack: f64,
    /// Instructions per packet of the driver's process.
    pub(crate) driver: f64,
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

/// Counts the instructions for bulk traffic of each of `sizes`; `settings` sets everything else.
///
/// # Errors
/// [`CountError`] if one size cannot be counted.
pub(crate) async fn count(
    binaries: &Binaries,
    settings: &RunSettings,
    sizes: &[Bytes],
    pin: Pin,
    signals: &mut Signals,
) -> Result<Vec<Count>, CountError> {
    let mut counts = Vec::new();
    for size in sizes {
        let PerPacket { stack, driver } =
            instructions_per_packet(binaries, &Workload::BULK.settings(settings, *size), pin, signals).await?;
        counts.push(Count { size_bytes: size.0, stack, driver });
    }
    Ok(counts)
}

/// Counts the instructions that each process takes per additional packet. `settings` sets apps, policy, transport and
/// dispatch.
///
/// Two settings make the count repeatable: both processes sleep when idle, because the machine decides how long a
/// process spins; and both share one CPU, unless `pin` leaves them to the scheduler, because the machine also decides how two CPUs interleave, and thus the sizes
/// of the batches.
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
    let mut totals = [PerPacket { stack: 0.0, driver: 0.0 }; 2];
    for (packets, total) in [SHORT, LONG].into_iter().zip(&mut totals) {
        let callgrind = Callgrind::find()?;
        settings.set_packets(packets);
        measured(&binaries.under(&callgrind.command()), &settings, signals).await?;
        let of = |program| callgrind.instructions(program).map(|count| count as f64);
        *total = PerPacket { stack: of("netstack")?, driver: of("driver")? };
    }
    let apps = settings.apps().len().max(1) as u64;
    let more = ((LONG - SHORT) * apps) as f64;
    let [short, long] = totals;
    Ok(PerPacket { stack: (long.stack - short.stack) / more, driver: (long.driver - short.driver) / more })
}

/// The counts as a table.
pub(crate) fn table(counts: &[Count]) -> String {
    let row = |count: &Count| {
        [format!("{} B", count.size_bytes), format!("{:.0}", count.stack), format!("{:.0}", count.driver)]
    };
    markdown(1, ["frame", "instructions per packet: stack", "driver"], counts.iter().map(row))
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
