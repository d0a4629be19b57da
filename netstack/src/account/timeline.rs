//! What all apps share: the interval samples, and the room in the ring.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use shared::exec::Clock;
use shared::report::Sample;
use shared::stalls::StallSchedule;
use shared::units::Nanos;

use super::room::{Room, RoomFigures};
use super::series::{MAX_SAMPLES, Series};
use super::times::Stage;

/// Counts of all apps by interval: one series for the report, and, if enabled, one for the lines that are printed
/// during the run.
///
/// Each event is counted in the interval in which it happened, not in which it was noticed: a completion by the time
/// that it carries, a drop or a refusal by its own time, a wait by its part in each interval that it overlaps (also
/// while it lasts).
#[derive(Debug)]
pub struct Timeline {
    clock: Clock,
    /// Tasks that wait for a packet to settle.
    awaiting: Cell<u64>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    /// The series for the report.
    kept: Series,
    /// The series for printed lines.
    lines: Option<Series>,
    /// How many sends wait now.
    waiting: u64,
    /// The time up to which waits are recorded in the series.
    noted: Nanos,
    room: Room,
}

impl State {
    #[inline(always)]
    fn each(&mut self, mut add: impl FnMut(&mut Series)) {
        add(&mut self.kept);
        self.lines.iter_mut().for_each(add);
    }

    /// Records all waits up to `now`. Blocked time is the number of waiting sends integrated over time, so this is
    /// called before that number changes and before a series is read.
    #[inline(always)]
    fn note_waits(&mut self, now: Nanos) {
        // Most waits begin and end in a batch, at one time.
        if now > self.noted {
            self.note_span(now);
        }
    }

    #[inline(never)]
    fn note_span(&mut self, now: Nanos) {
        let since = std::mem::replace(&mut self.noted, now);
        let waiting = self.waiting;
        if waiting > 0 {
            self.each(|series| series.block(waiting, since, now));
        }
    }
}

impl Timeline {
    /// An empty timeline that begins now, in intervals of `interval`.
    pub fn new(clock: &Clock, interval: Nanos) -> Rc<Self> {
        let now = clock.now();
        let kept = Series::new(now, interval, MAX_SAMPLES);
        Rc::new(Self {
            clock: clock.clone(),
            awaiting: Cell::new(0),
            state: RefCell::new(State { kept, lines: None, waiting: 0, noted: now, room: Room::default() }),
        })
    }

    /// Enables the series for printed lines. The caller does this before the first event.
    pub fn keep_lines(&self) {
        let state = &mut *self.state.borrow_mut();
        state.lines = Some(Series::new(state.noted, state.kept.interval(), MAX_SAMPLES));
    }

    /// The current time of the run's clock.
    #[inline(always)]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// The hardware completed `packets`, `bytes` of payload together, at `at`.
    #[inline(always)]
    pub(super) fn deliver(&self, packets: u64, bytes: u64, at: Nanos) {
        self.state.borrow_mut().each(|series| {
            let interval = series.at(at);
            interval.delivered += packets;
            interval.delivered_bytes += bytes;
        });
    }

    /// `packets` were dropped at `at`.
    pub(super) fn drop_packets(&self, packets: u64, at: Nanos) {
        self.state.borrow_mut().each(|series| series.at(at).dropped += packets);
    }

    /// `packets` were refused at `at`.
    pub(super) fn refuse(&self, packets: u64, at: Nanos) {
        self.state.borrow_mut().each(|series| series.at(at).refused += packets);
    }

    /// Each of `frames` still holds the slot that it entered at `entered`.
    pub(crate) fn keep_slots(&self, frames: u64, entered: Nanos) {
        self.state.borrow_mut().each(|series| series.hold(frames, entered, None));
    }

    /// `app` held a slot for each of `frames` from `entered` on, until the hardware completed the frames at `left`.
    #[inline(always)]
    pub(crate) fn release_slots(&self, app: u32, frames: u64, entered: Nanos, left: Nanos) {
        let state = &mut *self.state.borrow_mut();
        state.each(|series| series.hold(frames, entered, Some(left)));
        state.room.blame.free(app, frames, left);
    }

    /// The hardware stalls according to `schedule`. The caller states this before the first event.
    pub(crate) fn expect_stalls(&self, schedule: StallSchedule) {
        self.state.borrow_mut().room.blame.expect_stalls(schedule);
    }

    /// An app joins; its number is how many have joined before.
    pub(super) fn join(&self) {
        self.state.borrow_mut().room.blame.join();
    }

    /// `app` took `slots` of the ring, now. `full` is whether they were the last free ones.
    #[inline(always)]
    pub(crate) fn take_slots(&self, app: u32, slots: u64, full: bool) {
        let (room, now) = (&mut self.state.borrow_mut().room, self.now());
        room.blame.take(app, slots, now);
        if full {
            room.fill(now);
        }
    }

    /// A send found no room in the ring, now.
    pub(crate) fn stop(&self) {
        self.state.borrow_mut().room.stop(self.now());
    }

    /// The figures about room at the end of a run, now, on a ring of `depth` slots.
    pub(crate) fn room_figures(&self, depth: u32) -> RoomFigures {
        self.state.borrow().room.figures(depth, self.now())
    }

    /// A send of `app` begins to wait at `stage`, now; returns the time.
    #[inline(always)]
    pub(super) fn wait_begins(&self, app: u32, stage: Stage) -> Nanos {
        let (state, now) = (&mut *self.state.borrow_mut(), self.now());
        state.note_waits(now);
        state.waiting += 1;
        if stage == Stage::Room {
            state.room.begin_wait(app, now);
        }
        now
    }

    /// A send of `app` stops waiting at `stage`, now; returns the time.
    #[inline(always)]
    pub(super) fn wait_ends(&self, app: u32, stage: Stage) -> Nanos {
        let (state, now) = (&mut *self.state.borrow_mut(), self.now());
        state.note_waits(now);
        state.waiting -= 1;
        if stage == Stage::Room {
            state.room.blame.end(app, now);
        }
        now
    }

    /// A task begins to wait for a packet to settle: for a response, or for bytes of the budget. It waits until the
    /// returned value is dropped.
    pub(super) fn await_settling(self: &Rc<Self>) -> Awaiting {
        self.awaiting.set(self.awaiting.get() + 1);
        Awaiting(Rc::clone(self))
    }

    /// Whether any task waits for a packet to settle.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaiting.get() > 0
    }

    /// When the interval of the next line ends; [`Nanos::MAX`] if lines are not enabled.
    pub fn line_end(&self) -> Nanos {
        self.state.borrow().lines.as_ref().map_or(Nanos::MAX, Series::first_end)
    }

    /// Takes the next line, if its interval ends at or before `time`. Its occupancy does not include frames that have
    /// not completed yet.
    pub fn take_line(&self, time: Nanos) -> Option<Sample> {
        let state = &mut *self.state.borrow_mut();
        state.note_waits(self.now());
        state.lines.as_mut()?.take(time)
    }

    /// Ends the series now. Returns the samples for the report, the interval in force, and the lines that were not
    /// taken yet, of which the last may cover less than an interval.
    pub fn finish(&self) -> (Vec<Sample>, Nanos, Vec<Sample>) {
        let state = &mut *self.state.borrow_mut();
        let ended = self.now();
        state.note_waits(ended);
        let series = state.kept.finish(ended);
        let lines = state.lines.as_mut().map(|lines| lines.finish(ended));
        (series, state.kept.interval(), lines.unwrap_or_default())
    }
}

/// A wait for a packet to settle, while this value lives.
#[derive(Debug)]
pub(super) struct Awaiting(Rc<Timeline>);

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.0.awaiting.set(self.0.awaiting.get() - 1);
    }
}
