//! A session that its caller steps, beside the tasks of a stack in the same process: for simulations.
//!
//! In real time the driver runs while the stack sleeps, and the stack sleeps until the completion that it needs. So it
//! is here: [`SteppedSession::step`] is what the driver does at one time, and [`SteppedSession::needed_by`] is when the
//! stack must be woken. Between those times the hardware completes frames by itself, and the next step finds them all,
//! with the times at which they completed.

use shared::exec::Clock;
use shared::ring::loopback::LoopbackConsumer;
use shared::ring::{ConsumerPort, Need, NoRing, Producer, ProducerPort};
use shared::units::Nanos;

use super::up::Up;
use super::{Session, Setup, send_farewell};
use crate::backend::Backend;

/// A session with a stack in this process, and with a ring of `U` for frames that arrive if there is one.
pub struct SteppedSession<B, U = NoRing> {
    session: Session<LoopbackConsumer, U, B>,
    /// Whether it has ended, so that there is nothing more to do.
    over: bool,
}

impl<B: Backend> SteppedSession<B> {
    /// A session that begins now, and reads nothing from its backend.
    pub fn new(port: LoopbackConsumer, clock: Clock, setup: Setup<B>) -> Self {
        Self { session: Session::new(port, None, clock, setup), over: false }
    }
}

impl<B: Backend, U: ProducerPort> SteppedSession<B, U> {
    /// A session that begins now, with a ring for frames that arrive. It belongs to the connection of `port`.
    pub fn with_both(port: LoopbackConsumer, up: Producer<U>, clock: Clock, setup: Setup<B>) -> Self {
        Self { session: Session::new(port, Some(up), clock, setup), over: false }
    }

    /// Takes frames, completes those that are done by `now`, and answers the stack's farewell. Returns whether the
    /// stack may be able to go on.
    #[inline]
    pub fn step(&mut self, now: Nanos) -> bool {
        let session = &mut self.session;
        let due = session.more_is_due(now) || session.can_take() || session.may_read(now);
        if self.over || !(due || session.connection().has_control() || session.connection().is_closed()) {
            return false;
        }
        let before = session.progress();
        if let Some(ended) = session.advance(now) {
            let report = session.close(&ended);
            send_farewell(session.connection(), &ended, &report);
            self.over = true;
        }
        self.over || session.progress() > before
    }

    /// When the hardware does something next: it completes a frame, or reads one.
    #[inline]
    pub fn next_completion(&self) -> Option<Nanos> {
        if self.over {
            return None;
        }
        let session = &self.session;
        let completion = if session.blocked.waits() { None } else { session.hardware.next_completion() };
        match session.up.as_ref().and_then(Up::next_read) {
            Some(read) => Some(completion.map_or(read, |at| at.min(read))),
            None => completion,
        }
    }

    /// When the next step is needed, if that is before `timer`, the time at which the stack next does something by
    /// itself. The step at that time then comes first.
    #[inline]
    pub fn needed_by(&self, timer: Nanos) -> Option<Nanos> {
        // Mostly nothing happens before. This test is the cheapest one.
        self.next_completion().filter(|at| *at < timer)?;
        // The stack cannot know when a frame arrives, so each read is a turn.
        let read = self.session.up.as_ref().and_then(Up::next_read);
        [self.needed_completion(), read].into_iter().flatten().min().filter(|at| *at < timer)
    }

    /// When the completion happens that the stack needs, or that the hardware needs to take further frames.
    #[inline]
    fn needed_completion(&self) -> Option<Nanos> {
        let session = &self.session;
        let frames = match session.port.need() {
            _ if session.blocked.waits() => return None,
            // These frames go into the hardware at the time at which it has room.
            _ if session.port.waiting() > 0 || !session.refused.is_empty() => 1,
            Need::Nothing => return None,
            Need::Completion => 1,
            // The cast cannot truncate: no more frames than the depth are needed.
            Need::Room(frames) => (frames as usize).min(session.hardware.held()),
        };
        session.hardware.completion_of(frames)
    }
}
