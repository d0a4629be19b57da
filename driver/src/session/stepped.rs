//! A session that its caller steps, beside the tasks of a stack in the same process: for simulations.
//!
//! In real time the driver runs while the stack sleeps, and the stack sleeps until the completion that it needs. So it
//! is here: [`SteppedSession::step`] is what the driver does at one time, and [`SteppedSession::needed_by`] is when the
//! stack must be woken. Between those times the hardware completes frames by itself, and the next step finds them all,
//! with the times at which they completed.

use shared::exec::Clock;
use shared::ring::loopback::LoopbackConsumer;
use shared::ring::{ConsumerPort, Need};
use shared::units::Nanos;

use super::{Session, Setup, send_farewell};
use crate::backend::Backend;

/// A session with a stack in this process.
pub struct SteppedSession<B> {
    session: Session<LoopbackConsumer, B>,
    /// Whether it has ended, so that there is nothing more to do.
    over: bool,
}

impl<B: Backend> SteppedSession<B> {
    /// A session that begins now.
    pub fn new(port: LoopbackConsumer, clock: Clock, setup: Setup<B>) -> Self {
        Self { session: Session::new(port, clock, setup), over: false }
    }

    /// Takes frames, completes those that are done by `now`, and answers the stack's farewell. Returns whether the
    /// stack may be able to go on.
    #[inline]
    pub fn step(&mut self, now: Nanos) -> bool {
        let session = &mut self.session;
        let due = session.more_is_due(now) || session.can_take();
        if self.over || !(due || session.connection().has_control() || session.connection().is_closed()) {
            return false;
        }
        let before = session.completed;
        if let Some(ended) = session.advance(now) {
            let report = session.close(&ended);
            send_farewell(session.connection(), &ended, &report);
            self.over = true;
        }
        self.over || session.completed > before
    }

    /// When the hardware completes the next frame.
    #[inline]
    pub fn next_completion(&self) -> Option<Nanos> {
        if self.over { None } else { self.session.hardware.next_completion() }
    }

    /// When the next step is needed, if that is before `timer`, the time at which the stack next does something by
    /// itself. The step at that time then comes first.
    #[inline]
    pub fn needed_by(&self, timer: Nanos) -> Option<Nanos> {
        // Mostly nothing completes before, or the stack does not need it. The first test is the cheaper one.
        self.next_completion().filter(|at| *at < timer)?;
        let session = &self.session;
        let frames = match session.port.need() {
            // These frames go into the hardware at the time at which it has room.
            _ if session.port.waiting() > 0 || !session.refused.is_empty() => 1,
            Need::Nothing => return None,
            Need::Completion => 1,
            // The cast cannot truncate: no more frames than the depth are needed.
            Need::Room(frames) => (frames as usize).min(session.hardware.held()),
        };
        session.hardware.completion_of(frames).filter(|at| *at < timer)
    }
}
