//! What the driver keeps of its visitors, for the report that it leaves behind.

use std::collections::{BTreeMap, VecDeque};

use shared::exit::Status;
use shared::output::lines_dropped;
use shared::report::{DRIVER_SCHEMA, DriverFile, DriverReport};

use crate::session::Ended;
use crate::settings::Settings;

/// Reports that are kept; a driver that serves more sessions forgets the oldest.
const MOST_REPORTS: usize = 1_000;

/// Sessions that are over, and clients that got none.
#[derive(Debug, Default)]
pub(super) struct Log {
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
    /// Keeps what a session left behind.
    pub(super) fn file(&mut self, report: DriverReport, ended: &Ended) {
        let bad = report.bad_length + report.bad_header + report.bad_checksum;
        self.unbalanced |= ended.is_fault() || report.received != report.sent + bad + report.discarded;
        self.overslept |= report.process.doorbells.missed > 0;
        *self.endings.entry(ended.name()).or_default() += 1;
        if self.reports.len() == MOST_REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
    }

    /// A client got no session.
    pub(super) fn turned_away(&mut self, why: &'static str) {
        *self.turned_away.entry(why).or_default() += 1;
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
    pub(super) fn into_file(self, settings: &Settings) -> DriverFile {
        let named =
            |counts: BTreeMap<&str, u64>| counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        DriverFile {
            schema: DRIVER_SCHEMA.to_owned(),
            config: serde_json::to_value(settings).unwrap_or_default(),
            sessions: self.reports.into(),
            endings: named(self.endings),
            turned_away: named(self.turned_away),
            log_lines_dropped: lines_dropped(),
        }
    }
}
