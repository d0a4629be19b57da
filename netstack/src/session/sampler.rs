//! Prints what happened in each interval, a line for each, while the run goes on.
//!
//! A line is printed once it is known what had completed by the end of its interval, so the lines and the series in the
//! report have the same figures. A line may be later than the end of the interval by the time that the driver takes to
//! publish its completions.

use std::fmt;
use std::rc::Rc;

use shared::report::Sample;
use shared::ring::ProducerPort;
use shared::units::Nanos;

use crate::account::Timeline;
use crate::device::RingDevice;

/// Called with the sample of each interval, in order; the last interval may be shorter.
pub type Watch = Box<dyn FnMut(&Sample)>;

/// Passes the sample of each line to a [`Watch`].
pub(super) struct Sampler {
    timeline: Rc<Timeline>,
    watch: Watch,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("timeline", &self.timeline).finish_non_exhaustive()
    }
}

impl Sampler {
    /// Calls `watch` with the lines of `timeline`, which has no events yet.
    pub(super) fn new(timeline: Rc<Timeline>, watch: Watch) -> Self {
        timeline.keep_lines();
        Self { timeline, watch }
    }

    /// When the next line's interval ends.
    pub(super) fn next(&self) -> Nanos {
        self.timeline.line_end()
    }

    /// Passes on the line of the interval that ends at `end`. The caller has settled all frames that completed by then,
    /// as far as the driver has reported them.
    pub(super) fn show<P: ProducerPort>(&mut self, end: Nanos, device: &RingDevice<P>) {
        if let Some(mut line) = self.timeline.take_line(end) {
            line.occupancy += device.unsettled_at(end);
            (self.watch)(&line);
        }
    }

    /// Passes on the `lines` that are left at the end.
    pub(super) fn show_rest(&mut self, lines: &[Sample]) {
        lines.iter().for_each(&mut self.watch);
    }
}
