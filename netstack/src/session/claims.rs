//! Compares the claims of the driver's farewell with what this side knows.
//!
//! A claim that cannot be true is a fault of the driver, not of this side's books: the run then ends as one whose
//! driver failed.

use shared::ledger::{Counters, DropReason, Imbalance};
use shared::report::DriverReport;
use shared::ring::Depth;
use shared::units::Nanos;

/// What this side knows of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// The session's number in the driver's grant; `None` if there was no grant.
    pub(super) generation: Option<u64>,
    /// An upper bound of the length of the session; `None` if there was no grant.
    pub(super) lasted: Option<Nanos>,
    pub(super) depth: Depth,
    /// All apps together.
    pub(super) total: &'a Counters,
    /// Frames that this side took out of the receive ring; `None` if there is none.
    pub(super) up_received: Option<u64>,
    /// Frames that this side submitted.
    pub(super) submitted: u64,
    /// Whether the driver left first. Frames that were on their way when it sent its farewell never reached it.
    pub(super) left_first: bool,
    /// Bytes of the frames that were delivered; `None` if they are not known for each app, or if layers of an extension
    /// may have changed the frames.
    pub(super) frame_bytes: Option<u64>,
}

/// Describes each claim of the farewell, which counts `frames` and has the `report`, that cannot be true.
pub(super) fn contradictions(frames: u64, report: &DriverReport, known: &Known<'_>) -> Vec<String> {
    let fates = [report.sent, report.bad_length, report.bad_header, report.bad_checksum, report.discarded];
    // A claim may be any number, also a number so large that a sum overflows.
    let fates = fates.into_iter().fold(0, u64::saturating_add);
    let dropped = |reason| ("dropped", known.total.dropped_for(reason));
    let submitted = match known.left_first {
        true => known.submitted.min(report.received),
        false => known.submitted,
    };
    let generation = known.generation.unwrap_or(report.generation);
    let depth = u64::from(known.depth.get());
    let most = |claimed: u32| u64::from(claimed).min(depth);
    let most_ns = |claimed: u64| known.lasted.map_or(claimed, |lasted| claimed.min(lasted.0));
    let (starved, active) = (report.hardware.starved_ns, report.hardware.active_ns);
    let claims = [
        (("time starved", starved), ("the most there can be", most_ns(starved))),
        (("time active", active), ("the most there can be", most_ns(active))),
        (("session", report.generation), ("session in the grant", generation)),
        (("frames", frames), ("received", report.received)),
        (("received", report.received), ("submitted by the stack", submitted)),
        (("received", report.received), ("sent + bad + discarded", fates)),
        (("sent", report.sent), ("delivered", known.total.delivered)),
        (
            ("bytes sent", report.sent_bytes),
            ("bytes of delivered frames", known.frame_bytes.unwrap_or(report.sent_bytes)),
        ),
        (("bad length", report.bad_length), dropped(DropReason::DriverBadLength)),
        (("bad header", report.bad_header), dropped(DropReason::DriverBadHeader)),
        (("bad checksum", report.bad_checksum), dropped(DropReason::DriverBadChecksum)),
        (("slots held at once", u64::from(report.held_max)), ("the most there can be", most(report.held_max))),
        (
            ("frames in the hardware at once", u64::from(report.hardware.occupancy_max)),
            ("the most there can be", most(report.hardware.occupancy_max)),
        ),
    ];
    // Without a receive ring there is nothing to count; with one, a report that lacks it claims zero.
    let up = report.up.unwrap_or_default();
    let up = known.up_received.map(|received| {
        [
            (("frames put into the receive ring", up.submitted), ("received", received)),
            (
                ("frames that the stack has finished with", up.completed),
                ("the most there can be", up.completed.min(received)),
            ),
        ]
    });
    claims
        .into_iter()
        .chain(up.into_iter().flatten())
        .filter_map(|(claimed, counted)| Imbalance::between("driver", claimed, counted))
        .map(|imbalance| imbalance.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::report::UpDriverReport;

    use super::*;

    fn total() -> Counters {
        let mut total = Counters::default();
        (total.offered, total.accepted, total.delivered, total.delivered_bytes) = (10, 10, 10, 1_000);
        total
    }

    fn known(total: &Counters) -> Known<'_> {
        let frame_bytes = Some(1_000 + 10 * 42);
        Known {
            generation: Some(3),
            lasted: Some(Nanos(1_000)),
            depth: Depth::new(8).unwrap(),
            total,
            up_received: Some(4),
            submitted: 10,
            left_first: false,
            frame_bytes,
        }
    }

    fn honest() -> DriverReport {
        DriverReport {
            generation: 3,
            received: 10,
            sent: 10,
            sent_bytes: 1_420,
            held_max: 8,
            up: Some(UpDriverReport { submitted: 4, completed: 3, ..UpDriverReport::default() }),
            ..DriverReport::default()
        }
    }

    #[test]
    fn an_honest_farewell_contradicts_nothing() {
        let total = total();
        assert_eq!(contradictions(10, &honest(), &known(&total)), [""; 0]);
        let crossed = Known { submitted: 12, left_first: true, ..known(&total) };
        assert_eq!(contradictions(10, &honest(), &crossed), [""; 0]);
    }

    #[test]
    fn each_claim_is_checked() {
        let lies: [fn(&mut DriverReport); 16] = [
            |report| report.generation = 4,
            |report| report.received = 11,
            |report| report.sent = 9,
            |report| report.sent_bytes = 1_421,
            |report| report.bad_length = 1,
            |report| report.bad_header = 1,
            |report| report.bad_checksum = u64::MAX,
            |report| report.discarded = 1,
            |report| report.held_max = 9,
            |report| report.hardware.occupancy_max = 9,
            |report| report.hardware.starved_ns = 1_001,
            |report| report.hardware.active_ns = u64::MAX,
            |report| report.up.as_mut().unwrap().submitted = 5,
            |report| report.up.as_mut().unwrap().submitted = 3,
            |report| report.up.as_mut().unwrap().completed = 5,
            |report| report.up = None,
        ];
        let total = total();
        for (number, lie) in lies.into_iter().enumerate() {
            let mut report = honest();
            lie(&mut report);
            assert!(!contradictions(10, &report, &known(&total)).is_empty(), "lie {number}");
        }
        assert_eq!(contradictions(9, &honest(), &known(&total)).len(), 1);
        let more = DriverReport { received: 13, discarded: 3, ..honest() };
        let crossed = Known { submitted: 12, left_first: true, ..known(&total) };
        assert_eq!(contradictions(13, &more, &crossed).len(), 1);
    }
}
