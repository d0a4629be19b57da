//! The warnings about the numbers of a run: too large for JSON parsers, lines dropped, or set by this machine.
//!
//! The machine sets a result if the driver takes frames late: the hardware is idle while the ring holds frames. If more
//! was offered than delivered, that time reduced the rate. If everything offered was delivered on time, the rate was
//! kept, and the lateness only lengthened the packets' sojourn.

use super::human;
use crate::depth::Depth;
use crate::ledger::DropReason;
use crate::report::{AppReport, RunReport, Warning, WarningCode};

/// A larger loss of rate than this share gets a warning.
const LOST_RATE: f64 = 0.01;

/// A larger share of lateness in the mean sojourn than this gets a warning.
const LATE: f64 = 0.1;

/// A driver that works for at least this share of the run is limited by its CPU time.
const WORKING: f64 = 0.9;

/// Kinds of apps without a schedule: they would have sent more on a faster machine.
const CLOSED_LOOPS: [&str; 2] = ["bulk", "reqresp"];

impl RunReport {
    /// A warning for each number that is too large for most JSON parsers.
    pub fn beyond_64_bits(&self) -> Vec<Warning> {
        let (ring, hardware) = (&self.ring, self.hardware.as_ref());
        let (queued, delayed) = hardware.map_or((0, 0), |hardware| (hardware.queued_ns, hardware.delayed_ns));
        let sums = [
            ("blocked.total_ns", self.blocked.total_ns),
            ("ring.occupancy_ns", ring.occupancy_ns),
            ("ring.held_ns", ring.held_ns),
            ("latency_split.latency_ns", self.latency_split.map_or(0, |split| split.latency_ns)),
            ("hardware.queued_ns", queued),
            ("hardware.delayed_ns", delayed),
        ];
        let waits = self.blocked.stages.values().map(|stage| stage.waits_ns.count);
        let most = waits.chain([self.sojourn_ns.count, self.latency_ns.count]).max();
        let wide = sums.into_iter().filter(|(_, sum)| *sum > u64::MAX.into()).map(|(key, sum)| {
            format!("{key} is {sum}, which is above 2^64 - 1: read it with a program whose integers have 128 bits")
        });
        let full = most.filter(|count| *count == u64::MAX).map(|_| {
            "more times were measured than 64 bits can count: no quantile is to be trusted; shorten the run".to_owned()
        });
        wide.chain(full).map(|text| Warning::new(WarningCode::Beyond64Bits, text)).collect()
    }

    /// A warning if interval lines were dropped.
    pub fn dropped_lines(&self) -> Option<Warning> {
        let text = || {
            format!(
                "{} interval lines were dropped, because their reader stopped reading: take them from the series in \
                 the JSON report, or use a longer --interval, or --quiet",
                human::count(self.lines_dropped)
            )
        };
        (self.lines_dropped > 0).then(|| Warning::new(WarningCode::LinesDropped, text()))
    }
}

/// A warning if the machine set the rate or the sojourn of `report`, which must be complete except for its warnings.
pub fn machine_warning(report: &RunReport) -> Option<Warning> {
    let driver = report.driver.as_ref()?;
    // `starved_ns` comes from the peer, so it is not trusted: idle time cannot exceed the length of the run.
    let idle_ns = report.hardware().map_or(0, |hardware| hardware.starved_ns).min(report.elapsed_ns);
    let idle = share(idle_ns as f64, report.elapsed_ns as f64);
    // Idle time reduced the rate at most by the share that was missed: packets that were delivered on time lost
    // nothing.
    let missed = missed(report);
    if idle.min(missed) > LOST_RATE {
        let text = format!(
            "the hardware stood idle for {} of the run while the ring held frames, and delivered less for it: this \
             machine set the result, not the model{}",
            human::percent(idle),
            advice(&remedies(report))
        );
        return Some(Warning::new(WarningCode::HardwareStarved, text));
    }
    let late_ns = share(idle_ns as f64, driver.received as f64);
    let sojourn_ns = report.sojourn_ns.mean.unwrap_or(0.0);
    let part = share(late_ns, sojourn_ns);
    (part > LATE).then(|| {
        let text = format!(
            "the driver took frames {} late on average, where their mean sojourn is {}: \
             this machine set that time, but the rate was kept",
            human::time(late_ns),
            human::time(sojourn_ns)
        );
        Warning::new(WarningCode::DriverLate, text)
    })
}

/// The share of the offered packets that found no room, or that the apps sent behind schedule. 1 for closed loops,
/// which always have more to send.
fn missed(report: &RunReport) -> f64 {
    let is_closed = |app: &AppReport| app.spec.split(':').next().is_some_and(|kind| CLOSED_LOOPS.contains(&kind));
    if report.apps.iter().any(is_closed) {
        return 1.0;
    }
    let no_room = [DropReason::DeviceRingFull, DropReason::DeviceQueueFull, DropReason::DeviceDeadline];
    let dropped: u64 = no_room.iter().filter_map(|reason| report.drops.get(reason.name())).sum();
    let behind = |app: &AppReport| {
        // An app that falls behind at a constant rate is at the end twice as far behind as on average.
        let at_the_end = match (app.latency_ns.mean, app.sojourn_ns.mean) {
            (Some(latency), Some(sojourn)) => 2.0 * (latency - sojourn),
            _ => 0.0,
        };
        app.totals.offered as f64 * share(at_the_end, report.elapsed_ns as f64)
    };
    let behind: f64 = report.apps.iter().map(behind).sum();
    share((report.totals.refused + dropped) as f64 + behind, report.totals.offered as f64)
}

/// Changes of settings with which the hardware would be idle less often.
fn remedies(report: &RunReport) -> Vec<String> {
    let depth = report.ring.depth;
    let full = report.ring.occupancy_max >= depth;
    let mut remedies = Vec::new();
    // A longer hardware queue or ring bridges the time until a late driver runs, but does not help a driver that is
    // short of CPU time.
    if full && !is_working(report) {
        match report.config.driver["hw_queue"].as_u64() {
            Some(queue) if queue < u64::from(depth) => remedies.push(format!("raise --hw-queue, which is {queue}")),
            _ if depth >= Depth::MOST => {}
            _ => remedies.push(format!("raise --depth, which is {depth}, and keep --hw-queue at least as large")),
        }
    }
    if full {
        remedies.push("lower --link".to_owned());
    }
    remedies
}

/// Whether the driver used CPU time without spinning for nearly the whole run.
fn is_working(report: &RunReport) -> bool {
    let process = report.driver.as_ref().map(|driver| driver.process).unwrap_or_default();
    let worked = process.cpu_ns.saturating_sub(process.idle.spin_ns);
    share(worked as f64, report.elapsed_ns as f64) >= WORKING
}

fn advice(remedies: &[String]) -> String {
    if remedies.is_empty() { String::new() } else { format!("; {}", remedies.join(", or ")) }
}

/// `part / whole`, or 0 if `whole` is 0.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
