//! Renders the way up of a run as its part of the report.

use std::collections::BTreeMap;

use shared::ledger::{Imbalance, UpDropReason};
use shared::report::{SocketReport, UpReport, UpRingReport, UpTotals};

use super::apps::Joined;
use super::outcome::Outcome;
use super::way_up::UpOutcome;
use crate::layers::Consumer;

/// The way up of `outcome`, on a ring of `depth` slots.
pub(super) fn up_report(up: &UpOutcome, outcome: &Outcome, depth: u32) -> UpReport {
    let counters = &up.counters;
    let some = |(_, count): &(String, u64)| *count > 0;
    let consumed = Consumer::ALL.map(|consumer| (consumer.name().to_owned(), counters.consumed_by(consumer)));
    let drops = UpDropReason::ALL.map(|reason| (reason.name().to_owned(), counters.dropped_for(reason)));
    UpReport {
        totals: totals(up),
        received_bytes: counters.received_bytes,
        consumed: consumed.into_iter().filter(some).collect::<BTreeMap<_, _>>(),
        drops: drops.into_iter().filter(some).collect(),
        ring: UpRingReport { depth },
        sockets: outcome.apps.iter().filter_map(socket).collect(),
    }
}

fn totals(up: &UpOutcome) -> UpTotals {
    UpTotals {
        received: up.counters.received,
        delivered: up.delivered,
        consumed: up.counters.consumed(),
        dropped: up.counters.dropped(),
        in_flight: up.in_flight,
        // Everything that arrived is handled before the last figures are read.
        lost: 0,
    }
}

/// Compares the fates of the frames with how many there were, and that with the driver's count.
pub(super) fn up_imbalance(up: &UpOutcome) -> Vec<Imbalance> {
    let UpTotals { received, delivered, consumed, dropped, in_flight, lost } = totals(up);
    let fates = delivered + consumed + dropped + in_flight + lost;
    let fates =
        Imbalance::between("up", ("received", received), ("delivered + consumed + dropped + in flight + lost", fates));
    let sockets = ("datagrams that sockets have taken or keep", up.delivered + up.in_flight);
    let queued = Imbalance::between("up", ("datagrams for sockets", up.counters.queued), sockets);
    fates.into_iter().chain(queued).collect()
}

fn socket(Joined { account, receives, .. }: &Joined) -> Option<SocketReport> {
    let (receives, port) = receives.as_ref()?;
    let (reception, inbox) = (&receives.reception, &receives.inbox);
    let (received, received_bytes) = reception.taken();
    let tracked = reception.tracked();
    Some(SocketReport {
        name: account.name().to_owned(),
        port: *port,
        received,
        received_bytes,
        waiting: inbox.waiting(),
        dropped: inbox.refused(),
        checked: tracked.packets,
        missing: tracked.missing,
        reordered: tracked.reordered,
        duplicates: tracked.duplicates,
        too_late: tracked.too_late,
        untracked: tracked.untracked,
        latency_ns: (&*reception.latency.histogram()).into(),
        round_trip_ns: (&*reception.round_trip.histogram()).into(),
        timeouts: reception.timeouts(),
    })
}
