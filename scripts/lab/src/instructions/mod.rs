//! Instructions per packet of each process, counted by valgrind. A busy machine does not change them.

mod callgrind;
mod ceiling;

use std::io;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use netstack::app::MOST_IN_A_TURN;
use serde::{Deserialize, Serialize};
use shared::exec::IdleMode;
use shared::process::signals::Signals;
use shared::units::{Bytes, Nanos};

use crate::bench::{BenchError, bulk, measured};
use crate::cli::Sides;
use crate::launch::{Binaries, FolderError, Pair};
use callgrind::Callgrind;

pub(crate) use ceiling::{Ceilings, CeilingsError};

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
    Run(#[from] BenchError),
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

/// Counts the instructions for bulk traffic of each of `sizes`; `sides` sets everything else.
///
/// # Errors
/// [`CountError`] if one size cannot be counted.
pub(crate) async fn count(
    binaries: &Binaries,
    sides: &Sides,
    sizes: &[Bytes],
    signals: &mut Signals,
) -> Result<Vec<Count>, CountError> {
    let mut counts = Vec::new();
    for size in sizes {
        let PerPacket { stack, driver } =
            instructions_per_packet(binaries, &bulk(sides, *size, MOST_IN_A_TURN), signals).await?;
        counts.push(Count { size_bytes: size.0, stack, driver });
    }
    Ok(counts)
}

/// Counts the instructions that each process takes per additional packet. `sides` sets apps, policy, transport and
/// dispatch.
///
/// Two settings make the count repeatable: both processes sleep when idle, because the machine decides how long a
/// process spins; and both share one CPU, because the machine also decides how two CPUs interleave, and thus the sizes
/// of the batches.
///
/// # Errors
/// [`CountError`] if they cannot be counted.
pub(crate) async fn instructions_per_packet(
    binaries: &Binaries,
    sides: &Sides,
    signals: &mut Signals,
) -> Result<PerPacket, CountError> {
    let mut sides = sides.clone();
    (sides.stack.waiting.idle, sides.driver.waiting.idle) = (IdleMode::Sleep, IdleMode::Sleep);
    let stack = &mut sides.stack;
    (stack.stack.length.duration, stack.lines.quiet) = (None, true);
    (stack.session.connect_timeout, stack.stack.layers.drain_timeout) = (VALGRIND_TIMEOUT, VALGRIND_TIMEOUT);
    let binaries = binaries.on(Pair::shared());
    let mut totals = [PerPacket { stack: 0.0, driver: 0.0 }; 2];
    for (packets, total) in [SHORT, LONG].into_iter().zip(&mut totals) {
        let callgrind = Callgrind::find()?;
        sides.stack.stack.length.packets = Some(packets);
        measured(&binaries.under(&callgrind.command()), &sides, signals).await?;
        let of = |program| callgrind.instructions(program).map(|count| count as f64);
        *total = PerPacket { stack: of("netstack")?, driver: of("driver")? };
    }
    let apps = sides.stack.stack.sending.apps.len().max(1) as u64;
    let more = ((LONG - SHORT) * apps) as f64;
    let [short, long] = totals;
    Ok(PerPacket { stack: (long.stack - short.stack) / more, driver: (long.driver - short.driver) / more })
}

/// The counts as a table.
pub(crate) fn table(counts: &[Count]) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["frame", "instructions per packet: stack", "driver"]);
    for count in counts {
        let Count { size_bytes, stack, driver } = count;
        table.add_row([format!("{size_bytes} B"), format!("{stack:.0}"), format!("{driver:.0}")]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
