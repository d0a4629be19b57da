//! The log of sessions and clients: lines on standard error, and the report of the driver.
//!
//! The report on disk is replaced while the driver serves, so that a driver which is killed leaves one too.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use shared::exec::monotonic_now;
use shared::process::exit::Status;
use shared::process::json::{JsonError, JsonSink};
use shared::process::output::{complain, lines_dropped};
use shared::report::{DRIVER_SCHEMA, DriverFile, DriverReport, Origin};
use shared::units::Nanos;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::session::SessionEnd;
use crate::settings::Settings;

/// Most session reports that are kept. Beyond it, the oldest is dropped.
const MOST_REPORTS: usize = 1_000;

/// The shortest time between two replacements of the report on disk. Sessions of that time are missing from the report
/// if the driver is killed.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// The sessions that are over, and the clients that got none.
#[derive(Debug)]
pub(super) struct Log {
    /// Whether sessions that finished get no line.
    quiet: bool,
    sink: Option<Arc<JsonSink>>,
    /// When and by which command the driver was started.
    origin: Origin,
    /// Whether the report on disk lacks a session.
    is_stale: bool,
    /// When the report on disk may be replaced again.
    save_after: Instant,
    /// The result of the replacement that is in progress.
    saving: Option<oneshot::Receiver<Result<(), JsonError>>>,
    lines: LineLimit,
    reports: VecDeque<DriverReport>,
    /// Number of sessions by [`SessionEnd::name`].
    endings: BTreeMap<&'static str, u64>,
    /// Number of clients that got no session, by the code of the reason.
    unserved: BTreeMap<&'static str, u64>,
    /// Whether the counters of a session did not balance.
    unbalanced: bool,
    /// Whether a session slept although a doorbell was due.
    doorbell_missed: bool,
}

impl Log {
    /// An empty log. Its report is written to `sink`. If it is `quiet`, it has lines only for what failed.
    pub(super) fn new(sink: Option<JsonSink>, quiet: bool) -> Self {
        Self {
            quiet,
            sink: sink.map(Arc::new),
            origin: Origin::now(),
            is_stale: false,
            save_after: Instant::now(),
            saving: None,
            lines: LineLimit::default(),
            reports: VecDeque::new(),
            endings: BTreeMap::new(),
            unserved: BTreeMap::new(),
            unbalanced: false,
            doorbell_missed: false,
        }
    }

    /// Adds a session that is over.
    pub(super) fn add_session(&mut self, report: DriverReport, ended: &SessionEnd) {
        let bad = report.bad_length + report.bad_header + report.bad_checksum;
        if !self.quiet || *ended != SessionEnd::Finished || bad > 0 {
            self.note(format_args!(
                "session {}: {ended}; {} frames received, {} sent, {bad} bad, {} discarded",
                report.generation, report.received, report.sent, report.discarded
            ));
        }
        for warning in &report.warnings {
            self.note(format_args!("warning: {warning}"));
        }
        self.unbalanced |= ended.is_fault() || report.received != report.sent + bad + report.discarded;
        self.doorbell_missed |= report.process.doorbells.missed > 0;
        *self.endings.entry(ended.name()).or_default() += 1;
        if self.reports.len() == MOST_REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
        self.is_stale = true;
    }

    /// Adds a client that got no session. The report counts it under `code`; `why` is the line for people.
    pub(super) fn add_unserved(&mut self, code: &'static str, why: impl Display) {
        // This does not make the report stale, or clients that get no session could keep the disk busy. The count is
        // written with the next session, or at the end.
        *self.unserved.entry(code).or_default() += 1;
        self.note(why);
    }

    /// Writes a line on standard error, unless there were too many in this second. A client may have chosen part of its
    /// text.
    pub(super) fn note(&mut self, line: impl Display) {
        if let Some(left_out) = self.lines.admit(monotonic_now()) {
            report_left_out(left_out);
            complain(format_args!("driver: {line}"));
        }
    }

    /// Waits until the report on disk has to be replaced, with [`Log::save`]: without end while it is up to date.
    pub(super) async fn save_due(&mut self) {
        if let Some(saving) = &mut self.saving {
            let saved = saving.await;
            self.saving = None;
            if let Ok(Err(error)) = saved {
                self.note(error);
            }
        }
        if !self.is_stale || !self.sink.as_ref().is_some_and(|sink| sink.can_be_replaced()) {
            pending::<()>().await;
        }
        sleep_until(self.save_after).await;
    }

    /// Starts to replace the report on disk, on a thread of its own: a slow disk must not delay the accept loop.
    pub(super) fn save(&mut self, settings: &Settings) {
        self.save_after = Instant::now() + SAVE_INTERVAL;
        let Some(sink) = self.sink.clone() else { return };
        let file = self.to_file(settings);
        let (result, saved) = oneshot::channel();
        let work = move || drop(result.send(sink.write(&file)));
        // If no thread can be started, the report stays stale, and is saved later. `close` needs no thread.
        if thread::Builder::new().name("report".to_owned()).spawn(work).is_ok() {
            (self.saving, self.is_stale) = (Some(saved), false);
        }
    }

    /// Writes the report for the last time.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn close(&mut self, settings: &Settings) -> Result<(), JsonError> {
        if let Some(saving) = self.saving.take() {
            // Its result does not matter: the report is written again below.
            let _ = saving.blocking_recv();
        }
        report_left_out(self.lines.take_left_out());
        self.sink.as_ref().map_or(Ok(()), |sink| sink.write(&self.to_file(settings)))
    }

    /// Returns the status of the driver: `status`, or that of a worse problem in a session.
    pub(super) fn judge(&self, status: Status) -> Status {
        match status {
            _ if self.unbalanced => Status::Unbalanced,
            Status::Fine if self.doorbell_missed => Status::Failed,
            status => status,
        }
    }

    /// The report.
    fn to_file(&self, settings: &Settings) -> DriverFile {
        let named =
            |counts: &BTreeMap<&str, u64>| counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        DriverFile {
            schema: DRIVER_SCHEMA.to_owned(),
            origin: self.origin.clone(),
            config: serde_json::to_value(settings).unwrap_or_default(),
            sessions: self.reports.iter().cloned().collect(),
            endings: named(&self.endings),
            turned_away: named(&self.unserved),
            log_lines_dropped: self.lines.total + lines_dropped(),
        }
    }
}

fn report_left_out(lines: u64) {
    if lines > 0 {
        complain(format_args!("driver: {lines} lines were left out, because too many came in a second"));
    }
}

/// Most lines that are written in a second: more than a person reads, and few enough that clients cannot fill a disk
/// with them.
const LINES_PER_SECOND: u32 = 50;

/// Limits lines to [`LINES_PER_SECOND`], and counts those that are left out.
#[derive(Debug, Default)]
struct LineLimit {
    /// The second in which lines are counted, in whole seconds of the clock.
    second: u64,
    /// Lines written in that second so far.
    lines: u32,
    /// Lines that were left out since the last line was written.
    left_out: u64,
    /// Lines that were left out in all.
    total: u64,
}

impl LineLimit {
    /// Returns how many lines were left out before a line at time `at`, or `None` if that line must be left out too.
    fn admit(&mut self, at: Nanos) -> Option<u64> {
        let second = at.0 / Nanos::from_secs(1).0;
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        if self.lines == LINES_PER_SECOND {
            self.left_out += 1;
            self.total += 1;
            return None;
        }
        self.lines += 1;
        Some(self.take_left_out())
    }

    /// Returns how many lines were left out since the last call.
    fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_left_out_and_counted() {
        let mut limit = LineLimit::default();
        let second = Nanos::from_secs(7);
        let admitted = (0..1_000).filter_map(|n| limit.admit(second + Nanos(n))).collect::<Vec<_>>();
        assert_eq!(admitted, vec![0; LINES_PER_SECOND as usize]);
        assert_eq!(limit.admit(Nanos::from_secs(8)), Some(1_000 - u64::from(LINES_PER_SECOND)));
        assert_eq!(limit.admit(Nanos::from_secs(8)), Some(0), "they are reported once");
        assert_eq!((limit.total, limit.take_left_out()), (950, 0));
    }
}
