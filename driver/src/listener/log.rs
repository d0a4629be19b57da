//! What the driver keeps of its sessions and clients: lines for people, and the report that it leaves behind.
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
use shared::report::{DRIVER_SCHEMA, DriverFile, DriverReport};
use shared::units::Nanos;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::session::SessionEnd;
use crate::settings::Settings;

/// Reports that are kept; a driver that serves more sessions forgets the oldest.
const MOST_REPORTS: usize = 1_000;

/// The shortest time between two replacements of the report on disk: all that is lost if the driver is killed.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Sessions that are over, and clients that got none.
#[derive(Debug)]
pub(super) struct Log {
    sink: Option<Arc<JsonSink>>,
    /// Whether something happened that the report on disk does not have.
    is_stale: bool,
    /// When the report on disk may be replaced again.
    save_after: Instant,
    /// The replacement that is going on.
    saving: Option<oneshot::Receiver<Result<(), JsonError>>>,
    lines: LineLimit,
    reports: VecDeque<DriverReport>,
    /// How often, by how they ended: there are few ways.
    endings: BTreeMap<&'static str, u64>,
    /// How often, by why.
    turned_away: BTreeMap<&'static str, u64>,
    unbalanced: bool,
    /// Whether a session slept over a doorbell that did not come.
    overslept: bool,
}

impl Log {
    /// An empty log, of which a report is written to `sink`.
    pub(super) fn new(sink: Option<JsonSink>) -> Self {
        Self {
            sink: sink.map(Arc::new),
            is_stale: false,
            save_after: Instant::now(),
            saving: None,
            lines: LineLimit::default(),
            reports: VecDeque::new(),
            endings: BTreeMap::new(),
            turned_away: BTreeMap::new(),
            unbalanced: false,
            overslept: false,
        }
    }

    /// Keeps what a session left behind.
    pub(super) fn file(&mut self, report: DriverReport, ended: &SessionEnd) {
        let bad = report.bad_length + report.bad_header + report.bad_checksum;
        self.note(format_args!(
            "session {}: {ended}; {} frames received, {} sent, {bad} bad, {} discarded",
            report.generation, report.received, report.sent, report.discarded
        ));
        for warning in &report.warnings {
            self.note(format_args!("warning: {warning}"));
        }
        self.unbalanced |= ended.is_fault() || report.received != report.sent + bad + report.discarded;
        self.overslept |= report.process.doorbells.missed > 0;
        *self.endings.entry(ended.name()).or_default() += 1;
        if self.reports.len() == MOST_REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
        self.is_stale = true;
    }

    /// A client got no session: `code` is one word for all of a kind, `why` is for people.
    pub(super) fn turned_away(&mut self, code: &'static str, why: impl Display) {
        // Written with the next session, or at the end: clients that get none must not keep the disk busy.
        *self.turned_away.entry(code).or_default() += 1;
        self.note(why);
    }

    /// Writes a line for people, unless too many came in this second. Part of it may be in a client's words.
    pub(super) fn note(&mut self, line: impl Display) {
        if let Some(left_out) = self.lines.admit(monotonic_now()) {
            report_left_out(left_out);
            complain(format_args!("driver: {line}"));
        }
    }

    /// Ready when the report on disk is to be replaced, with [`Log::save`]; never while nothing has changed.
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

    /// Begins to replace the report on disk, on a thread of its own: a slow disk keeps no client waiting.
    pub(super) fn save(&mut self, settings: &Settings) {
        self.save_after = Instant::now() + SAVE_INTERVAL;
        let Some(sink) = self.sink.clone() else { return };
        let file = self.as_file(settings);
        let (result, saved) = oneshot::channel();
        let work = move || drop(result.send(sink.write(&file)));
        // Without a thread it is tried again; the report that is written at the end needs none.
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
            // How it went does not matter: the report is written again.
            let _ = saving.blocking_recv();
        }
        report_left_out(self.lines.take_left_out());
        self.sink.as_ref().map_or(Ok(()), |sink| sink.write(&self.as_file(settings)))
    }

    /// The worst of `status` and of what the sessions showed.
    pub(super) fn judge(&self, status: Status) -> Status {
        match status {
            _ if self.unbalanced => Status::Unbalanced,
            Status::Fine if self.overslept => Status::Failed,
            status => status,
        }
    }

    /// As it is written.
    fn as_file(&self, settings: &Settings) -> DriverFile {
        let named =
            |counts: &BTreeMap<&str, u64>| counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        DriverFile {
            schema: DRIVER_SCHEMA.to_owned(),
            config: serde_json::to_value(settings).unwrap_or_default(),
            sessions: self.reports.iter().cloned().collect(),
            endings: named(&self.endings),
            turned_away: named(&self.turned_away),
            log_lines_dropped: self.lines.total + lines_dropped(),
        }
    }
}

fn report_left_out(lines: u64) {
    if lines > 0 {
        complain(format_args!("driver: {lines} lines were left out, because too many came in a second"));
    }
}

/// How many lines may be written in a second. More than a person reads, and few enough that clients cannot fill a disk
/// with them.
const LINES_PER_SECOND: u32 = 50;

/// Limits lines to [`LINES_PER_SECOND`], and counts those that are left out.
#[derive(Debug, Default)]
struct LineLimit {
    /// The second that counts, in whole seconds of the clock.
    second: u64,
    /// Lines of that second so far.
    lines: u32,
    /// Lines that were left out since one was last written.
    left_out: u64,
    /// Lines that were ever left out.
    total: u64,
}

impl LineLimit {
    /// Whether a line that comes `at` may be written; if so, how many were left out before it.
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

    /// How many lines were left out since the last call.
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
