//! The hardware: a pure model of a network card and its link.
//!
//! No I/O and no clock: frames are handed over with the time at which that happens, and come back
//! with the ideal time at which the hardware was done with them. Being polled late does not slow it
//! down: the service of a frame that is queued starts when the one before it ended. Only a frame
//! that comes when the link stands idle starts as late as it comes; that time is counted as starved.

mod coalesce;
mod link;
mod stall;

pub use coalesce::{Coalesce, CoalesceError};
pub use stall::{Stall, StallError};

use std::collections::{TryReserveError, VecDeque};

use serde::{Deserialize, Serialize};
use shared::report::HardwareReport;
use shared::ring::{Depth, Descriptor};
use shared::units::{LinkRate, Nanos};

use coalesce::{Batches, Report};
use link::{Link, Served};

/// How the time that a frame takes on the link comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Its bits at the link's rate.
    #[default]
    Fixed,
    /// Random, exponentially distributed, with that time as its mean.
    Exponential,
}

impl Service {
    /// Whether it depends on the seed.
    pub fn is_random(self) -> bool {
        self == Self::Exponential
    }
}

/// What hardware to model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Frames that it holds at once: handed over and not completed.
    pub queue: Depth,
    /// How fast the link is.
    pub link: LinkRate,
    /// How long a frame occupies it.
    pub service: Service,
    /// Time between the end of service and completion; the link is free during it.
    pub latency: Nanos,
    /// Interruptions of the link.
    pub stall: Option<Stall>,
    /// How completions are reported.
    pub coalesce: Coalesce,
    /// What random service times derive from.
    pub seed: u64,
}

impl Config {
    /// A queue in front of a link, and nothing else.
    pub fn new(queue: Depth, link: LinkRate) -> Self {
        Self {
            queue,
            link,
            service: Service::Fixed,
            latency: Nanos::ZERO,
            stall: None,
            coalesce: Coalesce::default(),
            seed: 0,
        }
    }

    /// What could not take effect in a session of a ring of `depth` slots that lasted so long, in words.
    pub fn without_effect(&self, depth: Depth, lasted: Nanos) -> Vec<String> {
        let mut found = Vec::new();
        let (frames, most) = (self.coalesce.frames(), self.queue.min(depth));
        if frames > most.get() {
            found.push(format!(
                "--coalesce {}: {frames} frames never finish together, because the ring and the hardware hold {most} at \
                 most, so each batch waits for its time; use frames={most} or less, or raise --depth and --hw-queue",
                self.coalesce
            ));
        }
        if let Some(stall) = self.stall.filter(|stall| lasted < stall.every()) {
            found.push(format!(
                "--stall {stall}: the session was over before the first; stall more often, or run longer"
            ));
        }
        found
    }
}

/// A frame that the hardware is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Its length.
    pub len: u32,
    /// When its last bit was on the wire.
    pub sent: Nanos,
    /// When its completion was reported.
    pub at: Nanos,
}

/// The model in action.
#[derive(Debug, Clone)]
pub struct Hardware {
    capacity: usize,
    latency: Nanos,
    link: Link,
    batches: Batches,
    /// Oldest first; everything about a frame is settled when it is handed over, except that its
    /// batch may be reported earlier.
    held: VecDeque<Held>,
    /// Frames handed over so far.
    submitted: u64,
    /// Frames completed so far.
    completed: u64,
    /// Merge key: a frame with this length and submission time extends the last run. `None` if no frame does.
    again: Option<(u32, Nanos)>,
    /// When a full queue last had room again.
    room_since: Nanos,
    origin: Nanos,
    first_submitted: Option<Nanos>,
    last_completed: Nanos,
    counters: HardwareReport,
}

/// Frames in a row of which all of this is the same: one, if the link takes its time.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// How many frames had been handed over with the last of them.
    through: u64,
    len: u32,
    served: Served,
    at: Nanos,
}

/// Memory for the frames that hardware holds, before there is any hardware.
#[derive(Debug, Default)]
pub struct Places(VecDeque<Held>);

impl Places {
    /// Room for `most` frames.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn obtain(most: usize) -> Result<Self, TryReserveError> {
        let mut places = VecDeque::new();
        places.try_reserve_exact(most)?;
        Ok(Self(places))
    }
}

impl Hardware {
    /// Idle hardware in a session that starts at `origin`. It holds frames in `places`, which grow if need be.
    pub fn new(config: &Config, origin: Nanos, places: Places) -> Self {
        Self {
            capacity: config.queue.as_usize(),
            latency: config.latency,
            link: Link::new(config, origin),
            batches: Batches::new(config.coalesce),
            held: places.0,
            submitted: 0,
            completed: 0,
            again: None,
            room_since: origin,
            origin,
            first_submitted: None,
            last_completed: origin,
            counters: HardwareReport::default(),
        }
    }

    /// Whether it can take one more frame.
    pub fn has_room(&self) -> bool {
        self.held() < self.capacity
    }

    /// Frames handed over and not completed.
    pub fn held(&self) -> usize {
        // Never above the queue's depth, which fits.
        (self.submitted - self.completed) as usize
    }

    /// Takes a frame at `now`, which is no earlier than in any call before. Returns
    /// whether there was room; without room, nothing happens.
    #[inline]
    pub fn submit(&mut self, frame: &Descriptor, now: Nanos) -> bool {
        if !self.has_room() {
            return false;
        }
        self.submitted += 1;
        match self.held.back_mut() {
            Some(last) if self.again == Some((frame.len, now)) => last.through = self.submitted,
            _ => self.hold(frame, now),
        }
        true
    }

    /// Serves a frame that is not like the one before.
    fn hold(&mut self, frame: &Descriptor, now: Nanos) {
        self.note_submission(frame, now);
        let served = self.link.serve(frame, now);
        let (at, alone) = match self.batches.finish(served.end + self.latency) {
            Report::Within(at) => (at, false),
            Report::Full { at, before } => {
                // Frames that share a batch are held one by one.
                self.held.iter_mut().rev().take(before as usize).for_each(|held| held.at = at);
                (at, before == 0)
            }
        };
        self.held.push_back(Held { through: self.submitted, len: frame.len, served, at });
        self.again = (alone && self.link.serves_alike(&served)).then_some((frame.len, now));
    }

    fn note_submission(&mut self, frame: &Descriptor, now: Nanos) {
        // A claim of the peer, so it counts only as far as it can be true.
        let waiting_since = frame.submitted.clamp(self.origin, now.max(self.origin));
        self.first_submitted.get_or_insert(waiting_since);
        if let Some(idle_since) = self.link.idle_since(now) {
            let starved = now.since(idle_since.max(waiting_since).max(self.room_since));
            self.counters.starved_ns += starved.0;
        }
    }

    /// When the oldest frame completes, as far as is known now; a frame that is handed over later
    /// may fill its batch earlier.
    pub fn next_completion(&self) -> Option<Nanos> {
        self.completion_of(1)
    }

    /// When the oldest `frames` have completed, as far as is known now.
    pub fn completion_of(&self, frames: usize) -> Option<Nanos> {
        let last = self.completed.saturating_add(frames as u64);
        let run = self.held.partition_point(|held| held.through < last);
        self.held.get(run).filter(|_| frames > 0).map(|held| held.at)
    }

    /// How many completions it can go on for without a new frame, and with half of its queue to
    /// spare.
    pub fn reserve(&self) -> usize {
        self.held().saturating_sub(self.capacity / 2)
    }

    /// The oldest frame, if it has completed by `now`.
    pub fn complete(&mut self, now: Nanos) -> Option<Done> {
        self.complete_run(now, 1).map(|(done, _)| done)
    }

    /// The oldest frames that share length and times, if they have completed by `now`, and how many they are:
    /// `most` at most, and one at least.
    #[inline]
    pub fn complete_run(&mut self, now: Nanos, most: u64) -> Option<(Done, u64)> {
        let &Held { through, len, served, at } = self.held.front().filter(|held| most > 0 && held.at <= now)?;
        // There are never more than just before some of them complete.
        self.counters.occupancy_max = self.most_held();
        if !self.has_room() {
            self.room_since = at;
        }
        let frames = (through - self.completed).min(most);
        self.completed += frames;
        if self.completed == through {
            self.held.pop_front();
        }
        self.batches.reported(at);
        self.last_completed = at;
        // Parts of the time that has passed, as those above, so the sum fits into what a clock can show.
        self.counters.busy_ns += served.busy.0 * frames;
        self.counters.stalled_ns += served.stalled.0 * frames;
        Some((Done { len, sent: served.end, at }, frames))
    }

    fn most_held(&self) -> u32 {
        // Never above the queue's depth, which fits.
        self.counters.occupancy_max.max(self.held() as u32)
    }

    /// Its counters so far; frames that it still holds count towards occupancy alone.
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

    const FULL: u32 = 1514;

    fn hardware(queue: u32, change: impl FnOnce(&mut Config)) -> Hardware {
        let mut config = Config::new(Depth::new(queue).unwrap(), "1Gbit".parse().unwrap());
        change(&mut config);
        Hardware::new(&config, Nanos(0), Places::default())
    }

    fn frame(submitted: u64) -> Descriptor {
        Descriptor { len: FULL, submitted: Nanos(submitted), ..Descriptor::default() }
    }

    fn ends(hardware: &mut Hardware) -> Vec<u64> {
        std::iter::from_fn(|| hardware.complete(Nanos::MAX)).map(|done| done.at.0).collect()
    }

    #[test]
    fn a_full_queue_takes_nothing_until_a_frame_is_completed() {
        let mut hardware = hardware(2, |_| ());
        assert!(hardware.submit(&frame(0), Nanos(0)) && hardware.submit(&frame(0), Nanos(0)));
        assert!(!hardware.submit(&frame(0), Nanos(20_000)), "completed, but not taken yet");
        assert_eq!(hardware.complete(Nanos(12_303)), None);
        let done = Done { len: FULL, sent: Nanos(12_304), at: Nanos(12_304) };
        assert_eq!(hardware.complete(Nanos(20_000)), Some(done));
        assert!(hardware.submit(&frame(0), Nanos(20_000)));
        assert_eq!(ends(&mut hardware), [24_608, 36_912], "looking late did not slow it down");
    }

    #[test]
    fn latency_holds_a_place_but_not_the_link() {
        let mut hardware = hardware(2, |config| config.latency = Nanos(100_000));
        assert!(hardware.submit(&frame(0), Nanos(0)) && hardware.submit(&frame(0), Nanos(0)));
        assert_eq!(hardware.complete(Nanos(99_999)), None);
        assert!(!hardware.has_room());
        assert_eq!(ends(&mut hardware), [112_304, 124_608]);
    }

    #[test]
    fn time_without_work_is_starved_only_while_there_was_work_in_the_ring() {
        let mut hardware = hardware(1, |_| ());
        hardware.submit(&frame(0), Nanos(500));
        assert_eq!(hardware.report().starved_ns, 500);
        hardware.complete(Nanos(12_804));
        hardware.submit(&frame(20_000), Nanos(20_010));
        assert_eq!(hardware.report().starved_ns, 510, "the ring was empty until 20 000");
        hardware.complete(Nanos(40_000));
        hardware.submit(&frame(u64::MAX), Nanos(50_000));
        assert_eq!(hardware.report().starved_ns, 510, "a time in the future is no claim on the past");
    }

    #[test]
    fn a_queue_that_was_full_by_design_is_not_starved() {
        let mut hardware = hardware(1, |config| config.latency = Nanos(100_000));
        hardware.submit(&frame(0), Nanos(0));
        assert!(hardware.complete(Nanos(112_304)).is_some());
        hardware.submit(&frame(0), Nanos(112_304));
        assert_eq!(hardware.report().starved_ns, 0);
    }

    #[test]
    fn a_batch_is_reported_together_and_counts_until_then() {
        let mut hardware = hardware(4, |config| config.coalesce = "frames=3,for=1ms".parse().unwrap());
        for _ in 0..4 {
            hardware.submit(&frame(0), Nanos(0));
        }
        assert!(!hardware.has_room());
        assert_eq!(hardware.complete(Nanos(36_911)), None);
        assert_eq!(hardware.complete(Nanos(36_912)).map(|done| (done.sent.0, done.at.0)), Some((12_304, 36_912)));
        assert_eq!(ends(&mut hardware), [36_912, 36_912, 49_216 + 1_000_000]);
    }

    proptest! {
        /// Whether frames are held as runs or one by one, each completes at the same time, and the report is the same.
        #[test]
        fn runs_change_nothing(
            stall in any::<bool>(),
            limited in any::<bool>(),
            coalesce in any::<bool>(),
            moves in proptest::collection::vec((0u32..2, 0u64..2, 0u64..9), 0..200),
        ) {
            let mut runs = hardware(8, |config| {
                config.stall = stall.then(|| "every=9ns,for=3ns".parse().unwrap());
                config.latency = Nanos(1);
                if coalesce {
                    config.coalesce = "frames=3,for=2ns".parse().unwrap();
                }
                if !limited {
                    config.link = LinkRate::Unlimited;
                }
            });
            let mut single = runs.clone();
            let mut now = Nanos(0);
            for (long, later, most) in moves {
                now += Nanos(later);
                let frame = Descriptor { len: FULL - long, submitted: now, ..Descriptor::default() };
                single.again = None;
                prop_assert_eq!(runs.submit(&frame, now), single.submit(&frame, now));
                prop_assert_eq!(runs.held(), single.held());
                for frames in 0..10 {
                    prop_assert_eq!(runs.completion_of(frames), single.completion_of(frames));
                }
                let mut left = most;
                while left > 0 && let Some((done, frames)) = runs.complete_run(now, left) {
                    left -= frames;
                    for _ in 0..frames {
                        prop_assert_eq!(single.complete(now), Some(done));
                    }
                }
                prop_assert!(left == 0 || single.complete(now).is_none());
            }
            prop_assert_eq!(runs.report(), single.report());
        }
    }

    #[test]
    fn frames_that_take_no_time_and_come_together_are_one_run() {
        let mut hardware = hardware(8, |config| config.link = LinkRate::Unlimited);
        for now in [5, 5, 5, 6] {
            assert!(hardware.submit(&frame(5), Nanos(now)));
        }
        let done = |at| Done { len: FULL, sent: Nanos(at), at: Nanos(at) };
        assert_eq!(hardware.complete_run(Nanos(6), 0), None);
        assert_eq!(hardware.complete_run(Nanos(6), 2), Some((done(5), 2)));
        assert_eq!(hardware.complete_run(Nanos(6), 9), Some((done(5), 1)));
        assert_eq!((hardware.completion_of(1), hardware.completion_of(usize::MAX)), (Some(Nanos(6)), None));
        assert_eq!(hardware.complete_run(Nanos(6), 9), Some((done(6), 1)));
    }

    #[test]
    fn what_can_never_take_effect_is_named() {
        let found = |coalesce: &str, queue: u32, depth: u32| {
            let mut config = Config::new(Depth::new(queue).unwrap(), LinkRate::Unlimited);
            config.coalesce = coalesce.parse().unwrap();
            config.without_effect(Depth::new(depth).unwrap(), Nanos::ZERO)
        };
        for (coalesce, queue, depth, most) in
            [("frames=9,for=2ms", 256, 8, 8), ("frames=100,for=1us", 64, 1024, 64), ("frames=2,for=1s", 1, 1, 1)]
        {
            let said = found(coalesce, queue, depth).concat();
            assert!(said.contains(coalesce) && said.contains(&format!("use frames={most} or less")), "{said}");
        }
        for (coalesce, queue, depth) in
            [("frames=8,for=2ms", 256, 8), ("frames=64,for=1us", 64, 64), ("frames=1,for=0s", 1, 1)]
        {
            assert_eq!(found(coalesce, queue, depth), [""; 0], "{coalesce}");
        }
        let mut stalls = Config::new(Depth::new(8).unwrap(), LinkRate::Unlimited);
        stalls.stall = Some("every=40ms,for=3ms".parse().unwrap());
        let over = |lasted| stalls.without_effect(Depth::new(8).unwrap(), Nanos(lasted)).len();
        assert_eq!((over(39_999_999), over(40_000_000)), (1, 0));
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
