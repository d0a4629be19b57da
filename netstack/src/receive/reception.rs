//! What an app has received, as its report states it.

use std::cell::{Cell, RefCell};

use shared::ledger::Repeats;

use super::{Received, Tracked, Tracker};
use crate::app::PayloadHeader;
use shared::units::Nanos;

/// The longest latency that is believed: a sender whose clock is another one may state any time.
const LONGEST_LATENCY: Nanos = Nanos::from_secs(3600);

/// Counts and times of what one app received.
#[derive(Debug, Default)]
pub struct Reception {
    datagrams: Cell<u64>,
    bytes: Cell<u64>,
    tracker: RefCell<Tracker>,
    /// From the intended time that the payload states to the arrival.
    pub(crate) latency: Repeats,
    /// From the intended time of a request to the arrival of its response.
    pub(crate) round_trip: Repeats,
    timeouts: Cell<u64>,
}

impl Reception {
    /// The app has taken `datagram`. Returns the header of its payload, if that has one.
    pub fn note(&self, datagram: &Received) -> Option<PayloadHeader> {
        self.datagrams.set(self.datagrams.get() + 1);
        self.bytes.set(self.bytes.get() + datagram.payload.len() as u64);
        let header = PayloadHeader::read(&datagram.payload)?;
        self.tracker.borrow_mut().note(datagram.source, header.app, header.sequence);
        let latency = datagram.at.0.checked_sub(header.intended.0).map(Nanos);
        let known = latency.filter(|latency| header.intended > Nanos::ZERO && *latency <= LONGEST_LATENCY);
        known.into_iter().for_each(|latency| self.latency.note(latency.0, 1));
        Some(header)
    }

    /// The response to a request came `span` after its intended time.
    pub(crate) fn respond(&self, span: Nanos) {
        self.round_trip.note(span.0, 1);
    }

    /// The response to a request did not come in time.
    pub(crate) fn time_out(&self) {
        self.timeouts.set(self.timeouts.get() + 1);
    }

    /// Datagrams that the app has taken, and the bytes of their payloads.
    pub fn taken(&self) -> (u64, u64) {
        (self.datagrams.get(), self.bytes.get())
    }

    /// What the sequence numbers show.
    pub fn tracked(&self) -> Tracked {
        self.tracker.borrow().totals()
    }

    /// Requests whose response did not come in time.
    pub fn timeouts(&self) -> u64 {
        self.timeouts.get()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn datagram(payload: &[u8], at: u64) -> Received {
        Received { source: (Ipv4Addr::LOCALHOST, 5).into(), at: Nanos(at), payload: payload.to_vec() }
    }

    #[test]
    fn payloads_with_a_header_are_checked_and_others_are_counted() {
        let reception = Reception::default();
        let header = PayloadHeader { app: 1, sequence: 1, intended: Nanos(100) };
        assert_eq!(reception.note(&datagram(&header.to_bytes(), 150)), Some(header));
        assert_eq!(reception.note(&datagram(b"short", 160)), None);
        let tracked = reception.tracked();
        assert_eq!((reception.taken(), tracked.packets, tracked.missing), ((2, 27), 1, 1));
        assert_eq!((reception.latency.histogram().count(), reception.latency.histogram().max()), (1, 50));
    }

    #[test]
    fn a_time_that_lies_ahead_or_is_not_stated_is_no_latency() {
        let reception = Reception::default();
        for (sequence, intended) in [(0, 0), (1, 1000), (2, 999)] {
            reception.note(&datagram(&PayloadHeader { app: 0, sequence, intended: Nanos(intended) }.to_bytes(), 999));
        }
        assert_eq!((reception.latency.histogram().count(), reception.latency.histogram().max()), (1, 0));
    }
}
