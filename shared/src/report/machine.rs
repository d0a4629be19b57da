//! Whether this machine set a result, and not the model.
//!
//! The hardware stands idle while the ring holds frames if the driver takes them late. Where more was offered than was
//! delivered, that time is lost rate. Where everything offered was delivered when it was due, the rate was kept, and
//! being late shows in the times of packets alone.

use super::{AppReport, RunReport, Warning, WarningCode, human};
use crate::ledger::DropReason;
use crate::ring::Depth;

/// The share of the rate that may be lost before the rate is the machine's and not the model's.
const LOST_RATE: f64 = 0.01;

/// The share of the mean sojourn that being late may make up before the sojourn is the machine's.
const LATE: f64 = 0.1;

/// The share of a run for which a driver may work before it is out of CPU time.
const WORKING: f64 = 0.9;

/// Apps that send as fast as they may, or wait for responses: they would have sent more on a faster machine.
const CLOSED_LOOPS: [&str; 2] = ["bulk", "reqresp"];

/// What to know about the machine's part in `report`, whose other values are there.
pub fn machine_warning(report: &RunReport) -> Option<Warning> {
    let driver = report.driver.as_ref()?;
    // A claim of the peer: hardware cannot have been idle for longer than the run took.
    let idle_ns = report.hardware.starved_ns.min(report.elapsed_ns);
    let idle = share(idle_ns as f64, report.elapsed_ns as f64);
    // An idle link loses no more than was missed: what was delivered in its time was not lost.
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
    let part = share(late_ns, report.sojourn_ns.mean);
    (part > LATE).then(|| {
        let text = format!(
            "the driver took frames {} late on average, where their mean time from acceptance to completion is {}: \
             this machine set that time, but the rate was kept",
            human::time(late_ns),
            human::time(report.sojourn_ns.mean)
        );
        Warning::new(WarningCode::DriverLate, text)
    })
}

/// The share of what there was to send that was not delivered for want of room, or later than its schedule has it.
fn missed(report: &RunReport) -> f64 {
    let is_closed = |app: &AppReport| app.spec.split(':').next().is_some_and(|kind| CLOSED_LOOPS.contains(&kind));
    if report.apps.iter().any(is_closed) {
        return 1.0;
    }
    let no_room = [DropReason::DeviceRingFull, DropReason::DeviceQueueFull, DropReason::DeviceDeadline];
    let dropped: u64 = no_room.iter().filter_map(|reason| report.drops.get(reason.name())).sum();
    let behind = |app: &AppReport| {
        // An app that falls behind steadily is at the end twice as far behind as on average.
        let at_the_end = 2.0 * (app.latency_ns.mean - app.sojourn_ns.mean);
        app.totals.offered as f64 * share(at_the_end, report.elapsed_ns as f64)
    };
    let behind: f64 = report.apps.iter().map(behind).sum();
    share((report.totals.refused + dropped) as f64 + behind, report.totals.offered as f64)
}

/// What would let the hardware run dry less often in a run like this.
fn remedies(report: &RunReport) -> Vec<String> {
    let setting = |key| report.config.driver.get(key).and_then(|value| value.as_str());
    let depth = report.ring.depth;
    let full = report.ring.occupancy_max >= depth;
    let mut remedies = Vec::new();
    // More work ahead covers a driver that is late, but not one that is too slow.
    if full && !is_working(report) {
        match setting("hw_queue").and_then(|queue| queue.parse::<u32>().ok()) {
            Some(queue) if queue < depth => remedies.push(format!("raise --hw-queue, which is {queue}")),
            _ if depth >= Depth::MOST => {}
            _ => remedies.push(format!("raise --depth, which is {depth}, and keep --hw-queue at least as large")),
        }
    }
    if full {
        remedies.push("lower --link".to_owned());
    }
    remedies
}

/// Whether the driver worked nearly all the time.
fn is_working(report: &RunReport) -> bool {
    let process = report.driver.as_ref().map(|driver| driver.process).unwrap_or_default();
    let worked = process.cpu_ns.saturating_sub(process.idle.spin_ns);
    share(worked as f64, report.elapsed_ns as f64) >= WORKING
}

fn advice(remedies: &[String]) -> String {
    if remedies.is_empty() { String::new() } else { format!("; {}", remedies.join(", or ")) }
}

/// `part` of `whole`; nothing of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
