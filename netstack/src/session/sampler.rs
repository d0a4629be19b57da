//! Lines: what happened in each interval, while the run goes on.
//!
//! A line is printed once it is known what had completed by the end of its interval, so lines and the series in the
//! report say the same; it may be later than the end of the interval by the time that the driver takes to publish its
//! completions.

use std::fmt;
use std::rc::Rc;

use shared::report::Sample;
use shared::ring::ProducerPort;
use shared::units::Nanos;

use crate::account::Timeline;
use crate::device::RingDevice;

/// Sees the line of each interval, in order; the last may be of a shorter one.
pub type Watch = Box<dyn FnMut(&Sample)>;

/// Shows lines.
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
    /// Shows `watch` the lines of `timeline`, on which nothing has happened.
    pub(super) fn new(timeline: Rc<Timeline>, watch: Watch) -> Self {
        timeline.keep_lines();
        Self { timeline, watch }
    }

    /// When the next line's interval ends.
    pub(super) fn next(&self) -> Nanos {
        self.timeline.line_end()
    }

    /// Shows the line of the interval that ends at `end`. What had completed by then is settled.
    pub(super) fn show<P: ProducerPort>(&mut self, end: Nanos, device: &RingDevice<P>) {
        if let Some(mut line) = self.timeline.take_line(end) {
            line.occupancy += device.unsettled_at(end);
            (self.watch)(&line);
        }
    }

    /// Shows the `lines` that are left at the end.
    pub(super) fn show_rest(&mut self, lines: &[Sample]) {
        lines.iter().for_each(&mut self.watch);
    }
}
