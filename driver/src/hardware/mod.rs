//! The hardware: a model of a network card and its link, without I/O and without a clock.
//!
//! The caller submits each frame with the time at which it does so, and takes completions with their ideal times. Late
//! polling does not slow the hardware down: the link begins a queued frame when the frame before it ends. Only a frame
//! that is submitted while the link is idle begins as late as it is submitted. The time for which the link was idle
//! although that frame was in the ring counts as starved.
//!
//! ```
//! use driver::hardware::{Config, Hardware, QueueMemory};
//! use shared::ring::{Depth, Descriptor};
//! use shared::units::Nanos;
//!
//! let config = Config::new(Depth::new(2)?, "1Gbit".parse()?);
//! let mut hardware = Hardware::new(&config, Nanos::ZERO, QueueMemory::obtain(2)?);
//! let frame = Descriptor { len: 1514, ..Descriptor::default() };
//! assert!(hardware.submit(&frame, Nanos::ZERO) && hardware.submit(&frame, Nanos::ZERO));
//! assert!(!hardware.has_room());
//!
//! // A frame of 1514 B occupies a link of 1 Gbit/s for 12304 ns: preamble, FCS and gap included.
//! assert_eq!(hardware.next_completion(), Some(Nanos(12_304)));
//! assert_eq!(hardware.complete(Nanos(12_303)), None);
//! let completed = hardware.complete(Nanos(20_000)).map(|frame| frame.at);
//! assert_eq!(completed, Some(Nanos(12_304)), "looking late does not change the time");
//! assert_eq!(hardware.next_completion(), Some(Nanos(24_608)));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! This is the sending direction. [`Reception`] is the receiving one.

mod coalesce;
mod config;
mod link;
mod receive;

pub use coalesce::{Coalesce, CoalesceError};
pub use config::{Config, Service};
pub use receive::Reception;
pub use shared::stalls::{Stall, StallError, Timing};

use std::collections::TryReserveError;

use shared::fifo::Fifo;
use shared::report::HardwareReport;
use shared::ring::Descriptor;
use shared::units::Nanos;

use coalesce::{Coalescer, ReportTime};
use link::{Link, Transmission};

/// A frame that the hardware has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// Its length.
    pub len: u32,
    /// When the hardware took it.
    pub taken: Nanos,
    /// When its last bit was on the wire.
    pub sent: Nanos,
    /// When its completion was reported.
    pub at: Nanos,
}

/// The state of the hardware in a session.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// Most frames that it holds at once.
    capacity: usize,
    latency: Nanos,
    link: Link,
    coalescer: Coalescer,
    /// The frames that it holds, oldest first. All times of a frame are final when it is submitted, except that a later
    /// frame may complete its batch earlier.
    groups: Fifo<FrameGroup>,
    /// Copy: when the oldest of them completes, or [`Nanos::MAX`]. It is read several times for each frame.
    next: Nanos,
    /// Frames submitted so far.
    submitted: u64,
    /// Frames completed so far.
    completed: u64,
    /// Length and submission time of a frame that may join the last group; `None` if no frame may.
    joins_last: Option<(u32, Nanos)>,
    /// When the queue had room again after it was full.
    room_since: Nanos,
    /// When the session began.
    origin: Nanos,
    /// When the first frame was put into the ring.
    first_submitted: Option<Nanos>,
    last_completed: Nanos,
    counters: HardwareReport,
}

/// Consecutive frames with the same length and the same times. A group has more than one frame only if frames take no
/// time on the link.
#[derive(Debug, Clone, Copy)]
struct FrameGroup {
    /// The value of `Hardware::submitted` right after its last frame.
    through: u64,
    len: u32,
    /// When they were submitted.
    taken: Nanos,
    transmission: Transmission,
    /// When its completions are reported.
    at: Nanos,
}

/// Memory for the queue of a [`Hardware`], so that a caller can obtain it in advance.
#[derive(Debug, Default)]
pub struct QueueMemory(Fifo<FrameGroup>);

impl QueueMemory {
    /// Memory for `frames` frames.
    ///
    /// # Errors
    /// If the system does not give that memory.
    pub fn obtain(frames: usize) -> Result<Self, TryReserveError> {
        Ok(Self(Fifo::obtain(frames)?))
    }
}

impl Hardware {
    /// Idle hardware in a session that begins at `origin`. `memory` grows if it is too small for the queue.
    pub fn new(config: &Config, origin: Nanos, memory: QueueMemory) -> Self {
        Self {
            capacity: config.queue.as_usize(),
            latency: config.latency,
            link: Link::new(config, origin),
            coalescer: Coalescer::new(config.coalesce),
            groups: memory.0,
            next: Nanos::MAX,
            submitted: 0,
            completed: 0,
            joins_last: None,
            room_since: origin,
            origin,
            first_submitted: None,
            last_completed: origin,
            counters: HardwareReport::default(),
        }
    }

    /// Whether the queue has room for one more frame.
    pub fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// For how many more frames the queue has room.
    pub fn room(&self) -> u64 {
        self.capacity as u64 - (self.submitted - self.completed)
    }

    /// Frames that are submitted and not completed.
    pub fn held(&self) -> usize {
        // At most the queue's depth, which fits.
        (self.submitted - self.completed) as usize
    }

    /// Takes `frame` at `now`, which is no earlier than in any call before. Returns whether the queue had room; if it
    /// had none, nothing changes.
    #[inline]
    pub fn submit(&mut self, frame: &Descriptor, now: Nanos) -> bool {
        self.submit_group(frame, 1, now) > 0
    }

    /// Takes up to `frames` frames at `now`, as far as the queue has room. `first` is the first of them, the others
    /// differ from it by consecutive sequence numbers. Returns how many it took.
    #[inline]
    pub fn submit_group(&mut self, first: &Descriptor, frames: u64, now: Nanos) -> u64 {
        let frames = frames.min(self.room());
        let (before, last) = (self.submitted, self.submitted + frames);
        while self.submitted < last {
            if self.joins_last == Some((first.len, now))
                && let Some(group) = self.groups.back_mut()
            {
                self.submitted = last;
                group.through = last;
            } else {
                let sequence = first.sequence.wrapping_add(self.submitted - before);
                self.submitted += 1;
                self.begin_group(&Descriptor { sequence, ..*first }, now);
            }
        }
        frames
    }

    /// Transmits a frame that does not join the last group.
    #[inline]
    fn begin_group(&mut self, frame: &Descriptor, now: Nanos) {
        self.count_starved(frame, now);
        let transmission = self.link.transmit(frame, now);
        let (at, alone) = match self.coalescer.finish(transmission.end + self.latency) {
            ReportTime::AtLatest(at) => (at, false),
            ReportTime::Now { at, before: 0 } => (at, true),
            ReportTime::Now { at, before } => {
                // The frames of an open batch are in groups of one, so `before` groups are `before` frames.
                let first = self.groups.len().saturating_sub(before as usize);
                for place in first..self.groups.len() {
                    self.groups.get_mut(place).into_iter().for_each(|group| group.at = at);
                }
                (at, false)
            }
        };
        self.groups.push(FrameGroup { through: self.submitted, len: frame.len, taken: now, transmission, at });
        // No frame completes before an older one, and one that fills a batch completes together with all of it.
        self.next = self.next.min(at);
        self.joins_last = (alone && self.link.repeats(&transmission)).then_some((frame.len, now));
    }

    fn count_starved(&mut self, frame: &Descriptor, now: Nanos) {
        // The stack claims this time, so it is limited to what is possible: not before the session, and not after now.
        let waiting_since = frame.submitted.clamp(self.origin, now.max(self.origin));
        self.first_submitted.get_or_insert(waiting_since);
        if let Some(idle_since) = self.link.idle_since(now) {
            let starved = now.since(idle_since.max(waiting_since).max(self.room_since));
            self.counters.starved_ns += starved.0;
        }
    }

    /// When the oldest frame completes. A frame that is submitted later may fill its batch: then it completes earlier.
    #[inline(always)]
    pub fn next_completion(&self) -> Option<Nanos> {
        (self.held() > 0).then_some(self.next)
    }

    /// Whether it holds a frame that has completed by `now`.
    #[inline(always)]
    pub fn is_due(&self, now: Nanos) -> bool {
        self.next <= now && self.held() > 0
    }

    /// When the oldest `frames` frames have completed; `None` if it holds fewer. A frame that is submitted later may
    /// fill their batch: then they complete earlier.
    pub fn completion_of(&self, frames: usize) -> Option<Nanos> {
        let group = match frames {
            0 => return None,
            1 => 0,
            _ => self.groups.partition_point(|group| group.through < self.completed.saturating_add(frames as u64)),
        };
        self.groups.get(group).map(|group| group.at)
    }

    /// How many frames may complete, with none submitted, before the queue is no more than half full.
    pub fn completions_until_half_full(&self) -> usize {
        self.held().saturating_sub(self.capacity / 2)
    }

    /// Takes the oldest frame out of the queue, if it has completed by `now`.
    pub fn complete(&mut self, now: Nanos) -> Option<Completed> {
        self.complete_group(now, 1).map(|(frame, _)| frame)
    }

    /// Takes the oldest frames that share their length and times out of the queue, at most `most` of them, if they have
    /// completed by `now`. Returns what they share, and their number, which is not 0.
    #[inline]
    pub fn complete_group(&mut self, now: Nanos, most: u64) -> Option<(Completed, u64)> {
        self.complete_group_if(now, most, |_, frames| frames)
    }

    /// The same for frames that may have to stay: `take` is called with what they share and their number, and returns
    /// how many of them leave the queue, oldest first. `None` also if it returns 0, and then nothing changes.
    #[inline(always)]
    pub fn complete_group_if(
        &mut self,
        now: Nanos,
        most: u64,
        take: impl FnOnce(&Completed, u64) -> u64,
    ) -> Option<(Completed, u64)> {
        if most == 0 || !self.is_due(now) {
            return None;
        }
        let &FrameGroup { through, len, taken, transmission, at } = self.groups.front()?;
        let completed = Completed { len, taken, sent: transmission.end, at };
        let most = (through - self.completed).min(most);
        let frames = take(&completed, most).min(most);
        if frames == 0 {
            return None;
        }
        // The number of frames that it holds is greatest just before some of them complete.
        self.counters.occupancy_max = self.most_held();
        if !self.has_room() {
            self.room_since = at;
        }
        self.completed += frames;
        if self.completed == through {
            self.groups.pop();
            self.next = self.groups.front().map_or(Nanos::MAX, |next| next.at);
        }
        self.coalescer.reported(at);
        self.last_completed = at;
        // Busy and stalled times do not overlap, and lie between the origin and now: their sums fit.
        self.counters.busy_ns += transmission.busy.0 * frames;
        self.counters.stalled_ns += transmission.stalled.0 * frames;
        let started = transmission.end.since(transmission.busy + transmission.stalled);
        self.counters.queued_ns += u128::from(started.since(taken).0) * u128::from(frames);
        // Mostly there is neither a delay nor coalescing, and this is one comparison.
        if at > transmission.end {
            self.delay(at.since(transmission.end), frames);
        }
        Some((completed, frames))
    }

    /// `frames` completed frames were reported later than the hardware completed them, by `span`.
    #[inline(never)]
    pub fn delay(&mut self, span: Nanos, frames: u64) {
        self.counters.delayed_ns += u128::from(span.0) * u128::from(frames);
    }

    fn most_held(&self) -> u32 {
        // At most the queue's depth, which fits.
        self.counters.occupancy_max.max(self.held() as u32)
    }

    /// Its counters so far. Frames that it still holds count in `occupancy_max` only.
    pub fn report(&self) -> HardwareReport {
        let first = self.first_submitted.unwrap_or(self.last_completed);
        let active_ns = self.last_completed.since(first).0;
        HardwareReport { active_ns, occupancy_max: self.most_held(), ..self.counters.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::ring::Depth;
    use shared::units::LinkRate;

    const FULL: u32 = 1514;

    fn hardware(queue: u32, change: impl FnOnce(&mut Config)) -> Hardware {
        let mut config = Config::new(Depth::new(queue).unwrap(), "1Gbit".parse().unwrap());
        change(&mut config);
        Hardware::new(&config, Nanos(0), QueueMemory::default())
    }

    fn frame(submitted: u64) -> Descriptor {
        Descriptor { len: FULL, submitted: Nanos(submitted), ..Descriptor::default() }
    }

    fn ends(hardware: &mut Hardware) -> Vec<u64> {
        std::iter::from_fn(|| hardware.complete(Nanos::MAX)).map(|frame| frame.at.0).collect()
    }

    #[test]
    fn a_full_queue_takes_no_frame_until_one_is_taken_out() {
        let mut hardware = hardware(2, |_| ());
        assert!(hardware.submit(&frame(0), Nanos(0)) && hardware.submit(&frame(0), Nanos(0)));
        assert!(!hardware.submit(&frame(0), Nanos(20_000)), "completed, but not taken out yet");
        assert_eq!(hardware.complete(Nanos(12_303)), None);
        let completed = Completed { len: FULL, taken: Nanos(0), sent: Nanos(12_304), at: Nanos(12_304) };
        assert_eq!(hardware.complete(Nanos(20_000)), Some(completed));
        assert!(hardware.submit(&frame(0), Nanos(20_000)));
        assert_eq!(ends(&mut hardware), [24_608, 36_912], "late polling does not slow it down");
    }

    #[test]
    fn during_latency_a_frame_counts_in_the_queue_and_the_link_is_free() {
        let mut hardware = hardware(2, |config| config.latency = Nanos(100_000));
        assert!(hardware.submit(&frame(0), Nanos(0)) && hardware.submit(&frame(0), Nanos(0)));
        assert_eq!(hardware.complete(Nanos(99_999)), None);
        assert!(!hardware.has_room());
        assert_eq!(ends(&mut hardware), [112_304, 124_608]);
    }

    #[test]
    fn idle_time_counts_as_starved_only_while_a_frame_was_in_the_ring() {
        let mut hardware = hardware(1, |_| ());
        hardware.submit(&frame(0), Nanos(500));
        assert_eq!(hardware.report().starved_ns, 500);
        hardware.complete(Nanos(12_804));
        hardware.submit(&frame(20_000), Nanos(20_010));
        assert_eq!(hardware.report().starved_ns, 510, "the ring was empty until 20 000");
        hardware.complete(Nanos(40_000));
        hardware.submit(&frame(u64::MAX), Nanos(50_000));
        assert_eq!(hardware.report().starved_ns, 510, "a time in the future adds nothing");
    }

    #[test]
    fn idle_time_behind_a_full_queue_does_not_count_as_starved() {
        let mut hardware = hardware(1, |config| config.latency = Nanos(100_000));
        hardware.submit(&frame(0), Nanos(0));
        assert!(hardware.complete(Nanos(112_304)).is_some());
        hardware.submit(&frame(0), Nanos(112_304));
        assert_eq!(hardware.report().starved_ns, 0);
    }

    #[test]
    fn a_batch_is_reported_together_and_holds_its_places_until_then() {
        let mut hardware = hardware(4, |config| config.coalesce = "frames=3,for=1ms".parse().unwrap());
        for _ in 0..4 {
            hardware.submit(&frame(0), Nanos(0));
        }
        assert!(!hardware.has_room());
        assert_eq!(hardware.complete(Nanos(36_911)), None);
        assert_eq!(hardware.complete(Nanos(36_912)).map(|frame| (frame.sent.0, frame.at.0)), Some((12_304, 36_912)));
        assert_eq!(ends(&mut hardware), [36_912, 36_912, 49_216 + 1_000_000]);
    }

    proptest! {
        /// Frames in groups complete at the same times as frames that are held one by one, with the same report.
        #[test]
        fn frames_complete_in_groups_as_they_do_one_by_one(
            stall in proptest::sample::select(&["", "every=9ns,for=3ns", "every=9ns,for=3ns,phase=random",
                "every=10us,for=9us,distribution=exponential"][..]),
            limited in any::<bool>(),
            coalesce in any::<bool>(),
            moves in proptest::collection::vec((0u32..2, 0u64..2, 0u64..9), 0..200),
        ) {
            let mut grouped = hardware(8, |config| {
                config.stall = (!stall.is_empty()).then(|| stall.parse().unwrap());
                config.latency = Nanos(1);
                if coalesce {
                    config.coalesce = "frames=3,for=2ns".parse().unwrap();
                }
                if !limited {
                    config.link = LinkRate::Unlimited;
                }
            });
            let mut single = grouped.clone();
            let mut now = Nanos(0);
            for (long, later, most) in moves {
                now += Nanos(later);
                let frame = Descriptor { len: FULL - long, submitted: now, ..Descriptor::default() };
                single.joins_last = None;
                prop_assert_eq!(grouped.submit(&frame, now), single.submit(&frame, now));
                prop_assert_eq!(grouped.held(), single.held());
                for frames in 0..10 {
                    prop_assert_eq!(grouped.completion_of(frames), single.completion_of(frames));
                }
                prop_assert_eq!(grouped.next_completion(), grouped.completion_of(1));
                let mut left = most;
                while left > 0 && let Some((completed, frames)) = grouped.complete_group(now, left) {
                    left -= frames;
                    for _ in 0..frames {
                        prop_assert_eq!(single.complete(now), Some(completed));
                    }
                }
                prop_assert!(left == 0 || single.complete(now).is_none());
            }
            prop_assert_eq!(grouped.report(), single.report());
        }
    }

    #[test]
    fn frames_that_take_no_time_and_are_submitted_together_are_one_group() {
        let mut hardware = hardware(8, |config| config.link = LinkRate::Unlimited);
        for now in [5, 5, 5, 6] {
            assert!(hardware.submit(&frame(5), Nanos(now)));
        }
        let completed = |at| Completed { len: FULL, taken: Nanos(at), sent: Nanos(at), at: Nanos(at) };
        assert_eq!(hardware.complete_group(Nanos(6), 0), None);
        assert_eq!(hardware.complete_group(Nanos(6), 2), Some((completed(5), 2)));
        assert_eq!(hardware.complete_group(Nanos(6), 9), Some((completed(5), 1)));
        assert_eq!((hardware.completion_of(1), hardware.completion_of(usize::MAX)), (Some(Nanos(6)), None));
        assert_eq!(hardware.complete_group(Nanos(6), 9), Some((completed(6), 1)));
    }

    #[test]
    fn busy_stalled_and_active_add_up() {
        let mut hardware = hardware(8, |config| config.stall = Some("every=20us,for=5us".parse().unwrap()));
        for _ in 0..3 {
            hardware.submit(&frame(1_000), Nanos(1_000));
        }
        // 19 000 ns of work until 20 us, a stall, 15 000 until 40 us, a stall, the rest.
        assert_eq!(ends(&mut hardware), [13_304, 30_608, 47_912]);
        let report = hardware.report();
        assert_eq!((report.busy_ns, report.stalled_ns, report.active_ns), (36_912, 10_000, 46_912));
        assert_eq!((report.starved_ns, report.occupancy_max), (0, 3));
    }
}
