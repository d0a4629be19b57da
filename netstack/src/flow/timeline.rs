//! When things happened, for all apps together.

use std::cell::RefCell;
use std::rc::Rc;

use shared::exec::Clock;
use shared::report::Sample;
use shared::units::Nanos;

use super::series::{MAX_SAMPLES, Series};

/// What happened to all apps, by time: one series for the report, and one for the lines that are printed while a run
/// goes on, if there are such lines.
///
/// What is added lies where it happened: a completion at the time that it carries, a drop or a refusal at its own, a
/// wait in each interval that it overlaps, also while it goes on.
#[derive(Debug)]
pub struct Timeline {
    clock: Clock,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    kept: Series,
    lines: Option<Series>,
    /// Sends that wait.
    waiting: u64,
    /// Up to when their waits are noted.
    noted: Nanos,
}

impl State {
    #[inline(always)]
    fn each(&mut self, mut add: impl FnMut(&mut Series)) {
        add(&mut self.kept);
        self.lines.iter_mut().for_each(add);
    }

    /// Notes the waits up to `now`: their sum is the number of waiting sends, integrated over time.
    #[inline(always)]
    fn note_waits(&mut self, now: Nanos) {
        let since = std::mem::replace(&mut self.noted, now);
        let waiting = self.waiting;
        if waiting > 0 && now > since {
            self.each(|series| series.block(waiting, since, now));
        }
    }
}

impl Timeline {
    /// Nothing, from now on, in intervals of `interval`.
    pub fn new(clock: &Clock, interval: Nanos) -> Rc<Self> {
        let now = clock.now();
        let kept = Series::new(now, interval, MAX_SAMPLES);
        Rc::new(Self { clock: clock.clone(), state: RefCell::new(State { kept, lines: None, waiting: 0, noted: now }) })
    }

    /// Keeps a series for lines as well. To be called before anything happens.
    pub fn keep_lines(&self) {
        let state = &mut *self.state.borrow_mut();
        state.lines = Some(Series::new(state.noted, state.kept.interval(), MAX_SAMPLES));
    }

    /// The time.
    #[inline(always)]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// The hardware completed `packets` of `bytes` in all at `at`.
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

    /// So many `frames` held a slot each from `entered` to `left`, or hold it still.
    #[inline(always)]
    pub fn hold_slots(&self, frames: u64, entered: Nanos, left: Option<Nanos>) {
        self.state.borrow_mut().each(|series| series.hold(frames, entered, left));
    }

    /// A send begins to wait.
    pub(super) fn wait_begins(&self) {
        let state = &mut *self.state.borrow_mut();
        state.note_waits(self.now());
        state.waiting += 1;
    }

    /// A send waits no longer.
    pub(super) fn wait_ends(&self) {
        let state = &mut *self.state.borrow_mut();
        state.note_waits(self.now());
        state.waiting -= 1;
    }

    /// When the next line's interval ends; never without lines.
    pub fn line_end(&self) -> Nanos {
        self.state.borrow().lines.as_ref().map_or(Nanos::MAX, Series::first_end)
    }

    /// Takes the next line, if its interval ends by `time`. Of the slots held, frames that have not completed are not
    /// counted.
    pub fn take_line(&self, time: Nanos) -> Option<Sample> {
        let state = &mut *self.state.borrow_mut();
        state.note_waits(self.now());
        state.lines.as_mut()?.take(time)
    }

    /// Ends the series now. Returns the one for the report, with the interval in force, and the lines that were not
    /// taken yet, the last of which may be shorter.
    pub fn finish(&self) -> (Vec<Sample>, Nanos, Vec<Sample>) {
        let state = &mut *self.state.borrow_mut();
        let ended = self.now();
        state.note_waits(ended);
        let series = state.kept.finish(ended);
        let lines = state.lines.as_mut().map(|lines| lines.finish(ended));
        (series, state.kept.interval(), lines.unwrap_or_default())
    }
}
