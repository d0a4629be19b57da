//! Interval samples: what happened since the one before.

use shared::report::Sample;
use shared::ring::ProducerPort;
use shared::units::Nanos;

use super::plan::MAX_SAMPLES;
use crate::flow::Flows;
use crate::stack::RingDevice;

/// Takes samples, and remembers what the last one had seen.
#[derive(Debug)]
pub(super) struct Sampler {
    began: Nanos,
    interval: Nanos,
    seen: Seen,
    series: Vec<Sample>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    delivered: u64,
    delivered_bytes: u64,
    dropped: u64,
    refused: u64,
    blocked_ns: u64,
}

impl Sampler {
    pub(super) fn new(began: Nanos, interval: Nanos) -> Self {
        Self { began, interval, seen: Seen::default(), series: Vec::new() }
    }

    /// End of the interval that `now` is in. A process that was held up skips what it missed.
    pub(super) fn next(&self, now: Nanos) -> Nanos {
        let over = now.since(self.began).0 / self.interval.0 + 1;
        self.began + Nanos(over.saturating_mul(self.interval.0))
    }

    /// Takes a sample at `now`.
    pub(super) fn sample<P: ProducerPort>(&mut self, now: Nanos, flows: &Flows, device: &RingDevice<P>) -> Sample {
        let total = total(flows);
        let before = std::mem::replace(&mut self.seen, total);
        let sample = Sample {
            time_ns: now.since(self.began).0,
            delivered: total.delivered - before.delivered,
            delivered_bytes: total.delivered_bytes - before.delivered_bytes,
            dropped: total.dropped - before.dropped,
            refused: total.refused - before.refused,
            occupancy: device.ring().outstanding(),
            blocked_ns: total.blocked_ns - before.blocked_ns,
        };
        if (self.series.len() as u64) < MAX_SAMPLES {
            self.series.push(sample);
        }
        sample
    }

    pub(super) fn series(&self) -> &[Sample] {
        &self.series
    }
}

fn total(flows: &Flows) -> Seen {
    let mut total = Seen::default();
    for flow in flows.all() {
        let counters = flow.counters();
        total.delivered += counters.delivered;
        total.delivered_bytes += counters.delivered_bytes;
        total.dropped += counters.dropped();
        total.refused += counters.refused();
        total.blocked_ns += flow.blocked_ns();
    }
    total
}
