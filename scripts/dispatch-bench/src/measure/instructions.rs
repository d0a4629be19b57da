//! Instructions, counted by callgrind. Each count is the difference of two runs of different length, which excludes the
//! start of the process, and is made twice: it must repeat exactly.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use shared::process::parent::killed_on_exit;

use super::{Cell, Checks, Checksum, MeasureError, PASS, run};
use crate::ring::Ring;

/// Passes of the shorter and of the longer run.
const LENGTHS: [usize; 2] = [1, 3];

/// Runs `passes` passes of `cell`, at most [`PASSES`](super::PASSES); this is what runs under valgrind. All orders are
/// drawn, for any `passes`, so that drawing them cancels out in the difference of two runs.
pub fn one_cell(cell: Cell, passes: usize) -> Checksum {
    let (ring, orders) = (Ring::full(), cell.mode.orders());
    let table = cell.arm.build(cell.leaf, ring);
    run(table.as_ref(), orders.get(..passes).unwrap_or(&orders), ring)
}

/// Valgrind's callgrind, and the path of this program, which it runs.
#[derive(Debug, Clone)]
pub struct Callgrind {
    program: PathBuf,
}

impl Callgrind {
    /// Returns `None` if valgrind is not installed.
    ///
    /// # Errors
    /// If the path of this program is unknown.
    pub fn find() -> Result<Option<Self>, MeasureError> {
        let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let program = env::current_exe()?;
        Ok(found.is_ok_and(|status| status.success()).then_some(Self { program }))
    }

    /// Counts the instructions per call of every cell, in the order of [`Cell::all`], with one run per CPU at a time:
    /// counts do not depend on the load of the machine.
    ///
    /// # Errors
    /// If a cell cannot be counted, its count does not repeat, or it computed something else.
    pub fn count_all(&self, checks: &mut Checks) -> Result<Vec<f64>, MeasureError> {
        let cells: Vec<Cell> = Cell::all().collect();
        let (next, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(&cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let count = self.count(cell);
                        let failed = count.is_err();
                        let mut counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        counts.push((cell, count));
                        if failed {
                            // The result is an error, so no further cell is counted.
                            next.store(cells.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let mut counts = counts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        counts.sort_by_key(|(cell, _)| cells.iter().position(|other| other == cell));
        let counts = counts.into_iter().map(|(cell, count)| {
            let (per_call, checksum) = count?;
            checks.same_work(cell, LENGTHS[1], checksum).map(|()| per_call)
        });
        counts.collect()
    }

    fn count(&self, cell: Cell) -> Result<(f64, Checksum), MeasureError> {
        let (first, checksum) = self.per_call(cell)?;
        let (second, _) = self.per_call(cell)?;
        // Compared bit by bit: equal counts give equal quotients.
        if first.to_bits() == second.to_bits() {
            Ok((first, checksum))
        } else {
            Err(MeasureError::Unsteady { cell, first, second })
        }
    }

    fn per_call(&self, cell: Cell) -> Result<(f64, Checksum), MeasureError> {
        let [short, long] = LENGTHS;
        let (less, _) = self.run(cell, short)?;
        let (more, checksum) = self.run(cell, long)?;
        Ok((more.saturating_sub(less) as f64 / ((long - short) * PASS) as f64, checksum))
    }

    /// Runs one process; returns its instructions and its checksum.
    fn run(&self, cell: Cell, passes: usize) -> Result<(u64, Checksum), MeasureError> {
        let refuse = |why: String| MeasureError::Callgrind { cell, why };
        // `bound`: the process is killed if the thread that waits for it here ends.
        let mut command = killed_on_exit("valgrind").map_err(|error| refuse(error.to_string()))?;
        command
            .args(["--tool=callgrind", "--vgdb=no", "--callgrind-out-file=/dev/null"])
            .arg(&self.program)
            .arg("pass");
        command.args([cell.arm.to_string(), cell.mode.to_string(), cell.leaf.to_string(), passes.to_string()]);
        let output = command.output().map_err(|error| refuse(error.to_string()))?;
        let output_text = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(refuse(format!("{}: {}", output.status, output_text.lines().last().unwrap_or_default())));
        }
        let counted = collected(&output_text).ok_or_else(|| refuse("its output has no count".to_owned()))?;
        let checksum = String::from_utf8_lossy(&output.stdout).into_owned();
        let checksum = Checksum::try_from(checksum).map_err(|error| refuse(format!("no checksum: {error}")))?;
        Ok((counted, checksum))
    }
}

/// Parses the number in valgrind's line `==1234== Collected : 567`.
fn collected(output_text: &str) -> Option<u64> {
    output_text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_the_output_of_valgrind() {
        let output_text = "==7== Callgrind, a call-graph\n==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n";
        assert_eq!(collected(output_text), Some(1_234_567));
        assert_eq!(collected("==7== Collected : none\n"), None);
        assert_eq!(collected(""), None);
    }
}
