//! Starts stacks one right after another, with one driver or with a driver for each.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use shared::process::exit::Status;
use shared::process::signals::Signals;
use shared::ring::Depth;

use super::{Printer, StressError, TestProcess, TestSetup, orphans, status_text};
use crate::launch::Binaries;
use crate::progress::Progress;
use crate::report::table::markdown;

/// Starts `count` stacks at each of `depths`, with one driver for all of them, and with a driver for each. Prints each
/// violation and a table, and returns whether there was no violation.
///
/// # Errors
/// [`StressError`] if processes cannot be started.
pub(crate) fn starts(
    binaries: &Binaries,
    count: u32,
    depths: &[Depth],
    printer: Printer,
) -> Result<Status, StressError> {
    let signals = Signals::new()?;
    let mut rows = Vec::new();
    let mut violations = 0;
    'all: for depth in depths {
        for (name, each) in [("one for all", false), ("one for each", true)] {
            let setup = TestSetup::new(binaries)?;
            let mut series = Series { setup, depth: depth.to_string(), row: Row::default(), printer };
            if each {
                series.pairs(count, &signals)?
            } else {
                series.one_driver(count, &signals)?
            }
            series.look_for_leftovers()?;
            let Row { starts, busy, violations: wrong, time } = series.row;
            let cells = [starts.to_string(), busy.to_string(), wrong.to_string(), format!("{:.1}", time.as_secs_f64())];
            rows.push([name.to_owned(), depth.to_string()].into_iter().chain(cells).collect::<Vec<_>>());
            violations += wrong;
            if signals.have_come() {
                break 'all;
            }
        }
    }
    let header = ["driver", "depth", "starts", "refused as BUSY", "violations", "time, s"];
    printer.result(markdown(header.len(), header, rows));
    Ok(match (violations, signals.have_come()) {
        (0, false) => Status::Fine,
        (0, true) => Status::Interrupted,
        _ => Status::Failed,
    })
}

#[derive(Debug, Default)]
struct Row {
    starts: u32,
    busy: u32,
    violations: u32,
    time: Duration,
}

/// Starts of one kind: one row of the table.
struct Series {
    setup: TestSetup,
    depth: String,
    row: Row,
    printer: Printer,
}

impl Series {
    fn one_driver(&mut self, count: u32, signals: &Signals) -> Result<(), StressError> {
        let progress = Progress::new();
        let mut driver = self.setup.driver(&["--link", "unlimited", "--depth", &self.depth])?;
        let began = Instant::now();
        while self.row.starts < count && !signals.have_come() {
            progress.now(&format!("{} of {count} at depth {}, one driver ...", self.row.starts, self.depth));
            self.stack()?;
        }
        self.row.time = began.elapsed();
        driver.signal(Signal::INT);
        self.must_end(&mut driver, Status::Interrupted).map(drop)
    }

    fn pairs(&mut self, count: u32, signals: &Signals) -> Result<(), StressError> {
        let progress = Progress::new();
        let began = Instant::now();
        while self.row.starts < count && !signals.have_come() {
            progress.now(&format!("{} of {count} pairs at depth {} ...", self.row.starts, self.depth));
            let mut driver = self.setup.driver(&["--link", "unlimited", "--once", "--depth", &self.depth])?;
            if self.stack()? {
                self.must_end(&mut driver, Status::Fine)?;
            } else {
                // The failed stack is counted as a violation; the driver may still wait for one.
                driver.signal(Signal::INT);
                driver.end()?;
            }
        }
        self.row.time = began.elapsed();
        Ok(())
    }

    fn stack(&mut self) -> Result<bool, StressError> {
        let mut stack = self.setup.stack(&["--packets", "1", "--depth", &self.depth])?;
        self.row.starts += 1;
        self.must_end(&mut stack, Status::Fine)
    }

    /// Returns whether `process` ends with `status`.
    fn must_end(&mut self, process: &mut TestProcess, status: Status) -> Result<bool, StressError> {
        let ended = process.end()?;
        if ended.is_none() {
            process.kill()?;
        }
        let well = ended.and_then(|ended| ended.code()) == Some(i32::from(status as u8));
        if !well {
            let how = ended.map_or("hangs".to_owned(), |ended| format!("ended with {}", status_text(ended)));
            self.row.busy += u32::from(process.last_error().contains("BUSY"));
            self.violation(&format!("{} {how}: {}", process.name, process.last_error()));
        }
        Ok(well)
    }

    fn look_for_leftovers(&mut self) -> Result<(), StressError> {
        for orphan in orphans(&[])? {
            self.violation(&format!("{} is left", orphan.name));
        }
        for folder in ["files", "temporary"] {
            for name in self.setup.strays(folder, &[]) {
                self.violation(&format!("the file {name} is left"));
            }
        }
        Ok(())
    }

    fn violation(&mut self, what: &str) {
        self.row.violations += 1;
        self.printer.violation(format_args!("depth {}, start {}: {what}", self.depth, self.row.starts));
    }
}
