//! A session with one stack: frames out of the ring, through the hardware, completions back; and on the way up, frames
//! from the backend into the other ring.
//!
//! [`serve`] is a plain future over the executor's clock and a port of the ring, and so is [`serve_both`] over two
//! rings. A simulation steps the same session itself, as a [`SteppedSession`]. It takes a frame only while the
//! hardware has room for it, and completes frames in ring order: a frame that is refused waits for
//! those before it, and never occupies the link. A frame that the backend does not take stays in the hardware until
//! the backend is ready again. On the way up (`up`), a frame is read only while the link is free and a slot is.

mod blocked;
mod check;
mod dma;
mod ending;
mod setup;
mod stepped;
mod up;

pub use ending::SessionEnd;
pub use setup::{Dma, Setup, Tables};
pub use stepped::SteppedSession;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use shared::connection::{CloseReason, Connection};
use shared::control::{Control, WireError};
use shared::exec::{Clock, Interest, Order, Readiness, Sleep};
use shared::report::{BackendReport, DriverReport, Warning, WarningCode};
use shared::ring::{Completion, ConsumerPort, Descriptor, NoRing, Producer, ProducerPort, Status};
use shared::units::Nanos;

use crate::backend::Backend;
use crate::hardware::{Completed, Hardware};
use blocked::Blocked;
use check::{is_frame_length, verify};
use dma::FrameCopies;
use ending::{name_of, send_farewell, stack_leaves};
use up::Up;

/// A session that is over.
#[derive(Debug)]
pub struct SessionOutcome<B> {
    /// Its counters.
    pub report: DriverReport,
    /// How it ended.
    pub ended: SessionEnd,
    /// For the next session.
    pub backend: B,
}

/// Serves the stack at the other end of `port` until one of them ends the session. Nothing is read from the backend.
pub async fn serve<P: ConsumerPort, B: Backend>(port: P, clock: Clock, setup: Setup<B>) -> SessionOutcome<B> {
    serve_both(port, None::<Producer<NoRing>>, clock, setup).await
}

/// The same with a ring for frames that arrive, `up`, if there is one. It belongs to the connection of `port`.
pub async fn serve_both<P: ConsumerPort, U: ProducerPort, B: Backend>(
    port: P,
    up: Option<Producer<U>>,
    clock: Clock,
    setup: Setup<B>,
) -> SessionOutcome<B> {
    let mut session = Session::new(port, up, clock, setup);
    let ended = session.run().await;
    let report = session.close(&ended);
    if send_farewell(session.connection(), &ended, &report) {
        stack_leaves(session.connection(), &session.clock).await;
    }
    SessionOutcome { report, ended, backend: session.setup.backend }
}

/// How many frames are taken before the next look for completed ones: few enough that their copies stay in the
/// first-level cache. Hardware that needs no time never holds more.
const BURST: u64 = 16;

struct Session<P, U, B> {
    port: P,
    /// The way up, if there is a ring for it.
    up: Option<Up<U>>,
    /// Whether the backend takes frames.
    blocked: Blocked,
    clock: Clock,
    setup: Setup<B>,
    hardware: Hardware,
    /// When the session began.
    began: Nanos,
    frames: FrameCopies,
    /// Refused frames that wait for those before them, oldest first. They hold slots of the ring,
    /// so there are never more than depth.
    refused: VecDeque<Refused>,
    taken: u64,
    completed: u64,
    /// The timer of the next completion. Kept from wait to wait: most arrivals do not change it.
    due: Option<Sleep>,
    /// When the last frame completed: times never go back in ring order.
    last_at: Nanos,
    report: DriverReport,
}

#[derive(Debug)]
struct Refused {
    position: u64,
    status: Status,
    taken: Nanos,
}

impl<P: ConsumerPort, U: ProducerPort, B: Backend> Session<P, U, B> {
    fn new(port: P, up: Option<Producer<U>>, clock: Clock, mut setup: Setup<B>) -> Self {
        let began = setup.began.unwrap_or(clock.now());
        let Tables { queue, frames, refused } = std::mem::take(&mut setup.tables);
        Self {
            hardware: Hardware::new(&setup.hardware, began, queue),
            up: up.map(|ring| Up::new(ring, setup.hardware.link, began)),
            blocked: Blocked::default(),
            began,
            frames,
            refused,
            taken: 0,
            completed: 0,
            due: None,
            last_at: began,
            report: DriverReport { generation: setup.generation, ..DriverReport::default() },
            port,
            clock,
            setup,
        }
    }

    fn connection(&self) -> &Rc<Connection> {
        self.port.connection()
    }

    async fn run(&mut self) -> SessionEnd {
        poll_fn(|cx| {
            loop {
                if let Some(ended) = self.advance(self.clock.now()) {
                    return Poll::Ready(ended);
                }
                if self.up.as_ref().is_some_and(Up::has_more) {
                    // Frames wait that could be read now: let the connection and the other tasks run before.
                    self.clock.wake_next_turn(cx);
                    return Poll::Pending;
                }
                if self.poll_wait(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Moves frames and completions until there is nothing more to do at `now`. Returns how the session ended, if it
    /// did.
    fn advance(&mut self, now: Nanos) -> Option<SessionEnd> {
        if self.setup.readiness.take() {
            self.blocked.retry();
            self.up.iter_mut().for_each(|up| up.frame_arrived(now));
        }
        if let Some(up) = &mut self.up {
            up.advance(&mut self.setup.backend, now);
        }
        loop {
            let held = self.note_held();
            // Completions first: at equal times, they free slots before new frames are taken.
            self.complete_due(now);
            let taken = self.take_what_fits(now);
            if self.may_end(held)
                && let Some(ended) = self.fault(held).or_else(|| self.ending())
            {
                return Some(ended);
            }
            // Go on: more frames may wait, and hardware that needs no time has room again. The loop ends, because the
            // ring holds at most `depth` frames until the port moves bytes, which happens between calls.
            if !taken || !self.more_is_due(now) && !self.can_take() {
                return None;
            }
        }
    }

    /// Completes, in ring order, the frames that are done by `now`.
    #[inline(always)]
    fn complete_due(&mut self, now: Nanos) {
        while self.more_is_due(now) {
            // The hardware counts only sent frames, so refused frames may lie between those of one of its groups.
            let behind = self.refused.front().map_or(u64::MAX, |refused| refused.position - self.completed);
            if behind == 0
                && let Some(refused) = self.refused.pop_front()
            {
                self.complete(refused.status, (refused.taken, refused.taken), 1);
            } else {
                let (backend, blocked, copies) = (&mut self.setup.backend, &mut self.blocked, &mut self.frames);
                let offer = |done: &Completed, frames| {
                    if backend.discards() {
                        copies.skip(frames);
                        return frames;
                    }
                    let sent = blocked.sends_at(now).max(done.sent);
                    let taken = copies.release(frames, done.len, |bytes| backend.sent(bytes, sent));
                    blocked.note(taken, frames, now);
                    taken
                };
                if let Some((done, frames)) = self.hardware.complete_group_if(now, behind, offer) {
                    self.sent(done, frames);
                }
            }
        }
    }

    fn sent(&mut self, done: Completed, frames: u64) {
        // A frame that the backend took late completes late, and so do those behind it.
        self.last_at = self.last_at.max(self.blocked.last_until());
        self.report.sent_bytes += u64::from(done.len) * frames;
        // A frame that was refused may have completed later than these; completions are published in ring order.
        if self.last_at > done.at {
            self.hardware.delay(self.last_at.since(done.at), frames);
        }
        self.complete(Status::Sent, (done.taken, done.at), frames);
    }

    /// Completes the oldest `frames`, which share status and times.
    fn complete(&mut self, status: Status, (taken, at): (Nanos, Nanos), frames: u64) {
        *match status {
            Status::Sent => &mut self.report.sent,
            Status::BadLength => &mut self.report.bad_length,
            Status::BadHeader => &mut self.report.bad_header,
            Status::BadChecksum => &mut self.report.bad_checksum,
        } += frames;
        self.last_at = self.last_at.max(at);
        // The cast cannot truncate: `frames` is at most the depth, which is a u32.
        let first = Completion { position: self.completed, status, taken, at: self.last_at };
        self.port.complete_group(first, frames as u32);
        self.completed += frames;
    }

    /// Whether another frame that was taken can complete by `now`.
    #[inline(always)]
    fn more_is_due(&self, now: Nanos) -> bool {
        self.hardware.is_due(now) && !self.blocked.waits()
            || self.refused.front().is_some_and(|refused| refused.position == self.completed)
    }

    /// Whether a frame waits in the ring and the hardware has room for it.
    #[inline(always)]
    fn can_take(&self) -> bool {
        self.hardware.has_room() && self.port.waiting() > 0
    }

    /// Whether the way up may be able to go on at `now`.
    fn may_read(&self, now: Nanos) -> bool {
        self.setup.readiness.is_ready() || self.up.as_ref().is_some_and(|up| up.may_advance(now))
    }

    /// A count that grows with everything that the stack may notice.
    fn progress(&self) -> u64 {
        self.completed + self.up.as_ref().map_or(0, Up::submitted)
    }

    /// Takes up to [`BURST`] frames while the hardware has room. Returns whether there was any.
    #[inline(always)]
    fn take_what_fits(&mut self, now: Nanos) -> bool {
        let (before, last) = (self.taken, self.taken + BURST);
        loop {
            let most = self.hardware.room().min(last - self.taken);
            // Checked frames are taken one by one, because each may be refused.
            let most = if self.setup.verify { most.min(1) } else { most };
            if most == 0 {
                break;
            }
            // The cast cannot truncate: `most` is at most `BURST`.
            let Some((first, frames)) = self.port.take_frames(most as u32, &mut self.frames) else { break };
            match first.len {
                len if !is_frame_length(len) => self.refuse(frames, Status::BadLength, now),
                len if self.setup.verify => match verify(self.frames.last(len)) {
                    Status::Sent => self.hand_over(&first, frames, now),
                    status => self.refuse(frames, status, now),
                },
                _ => self.hand_over(&first, frames, now),
            }
        }
        self.taken != before
    }

    /// Gives frames that were taken to the hardware, which has room for them.
    #[inline(always)]
    fn hand_over(&mut self, first: &Descriptor, frames: u32, now: Nanos) {
        self.hardware.submit_group(first, frames.into(), now);
        self.taken += u64::from(frames);
    }

    /// Refuses frames that were taken last.
    fn refuse(&mut self, frames: u32, status: Status, now: Nanos) {
        for _ in 0..frames {
            self.frames.discard_last();
            self.refused.push_back(Refused { position: self.taken, status, taken: now });
            self.taken += 1;
        }
    }

    /// Frames in the ring, here and in the hardware.
    fn note_held(&mut self) -> u64 {
        let held = self.taken - self.completed + u64::from(self.port.waiting());
        self.report.held_max = self.report.held_max.max(u32::try_from(held).unwrap_or(u32::MAX));
        held
    }

    /// Whether there is anything for [`Session::fault`] or [`Session::ending`] to find.
    #[inline(always)]
    fn may_end(&self, held: u64) -> bool {
        let connection = self.connection();
        held > u64::from(self.setup.depth.get())
            || self.hardware.held() > self.setup.hardware.queue.as_usize()
            || connection.has_control()
            || connection.is_closed()
            || self.setup.interrupt.is_asked()
            || self.setup.backend.failed().is_some()
            || self.up.as_ref().is_some_and(|up| up.fault().is_some())
    }

    /// Checks the bounds that must hold. Returns the fault if one does not.
    #[cold]
    fn fault(&self, held: u64) -> Option<SessionEnd> {
        let (depth, queue) = (self.setup.depth, self.setup.hardware.queue);
        if held > u64::from(depth.get()) {
            return Some(SessionEnd::Fault(format!("{held} frames held in a ring of {depth}")));
        }
        if let Some(fault) = self.up.as_ref().and_then(Up::fault) {
            return Some(SessionEnd::Fault(fault));
        }
        let in_hardware = self.hardware.held();
        (in_hardware > queue.as_usize())
            .then(|| SessionEnd::Fault(format!("{in_hardware} frames in a hardware queue of {queue}")))
    }

    /// Takes the control messages that arrived. Returns how the session ended, if it did.
    #[cold]
    fn ending(&self) -> Option<SessionEnd> {
        match self.connection().next_control() {
            // No message may follow a farewell.
            Some(Control::Bye(_)) if self.connection().next_control().is_some() => {
                self.connection().close(WireError::Unexpected("message behind the farewell").into());
            }
            Some(Control::Bye(bye)) => {
                if let Some(reason) = self.connection().closed().filter(CloseReason::is_violation) {
                    return Some(SessionEnd::Failed(reason));
                }
                let received = self.taken + u64::from(self.port.waiting());
                return Some(SessionEnd::by_stack(*bye, received));
            }
            Some(other) => self.connection().close(WireError::Unexpected(name_of(&other)).into()),
            None => {}
        }
        if self.connection().is_closed()
            && let Some(reason) = self.connection().closed()
        {
            return Some(SessionEnd::Failed(reason));
        }
        if self.setup.interrupt.is_asked() {
            return Some(SessionEnd::Interrupted);
        }
        self.setup.backend.failed().map(SessionEnd::BackendFailed)
    }

    /// Registers the task to be polled when something may have changed: the connection, the request to stop, the
    /// backend, or the hardware. Ready if the hardware has completed what this session waits for.
    ///
    /// The caller has looked at all of them in the same poll, so no notification between the look and this registration
    /// can be lost. The next poll looks at all of them again, whichever woke the task.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.next_time();
        if at != self.due.as_ref().map(Sleep::at) {
            self.due = at.map(|at| self.clock.sleep_until_as(Order::Completion, at));
        }
        self.port.connection().arrived().register(cx);
        self.setup.interrupt.register(cx);
        if self.poll_backend(cx).is_ready() {
            return Poll::Ready(());
        }
        self.due.as_mut().map_or(Poll::Pending, |due| Pin::new(due).poll(cx))
    }

    /// The next time at which there is something to do.
    #[inline(always)]
    fn next_time(&self) -> Option<Nanos> {
        // While the backend takes nothing, no time of the hardware matters.
        let completion = if self.blocked.waits() { None } else { self.hardware.completion_of(self.batch_limit()) };
        match &self.up {
            None => completion,
            Some(up) => [completion, up.next_read()].into_iter().flatten().min(),
        }
    }

    /// Registers the task to be polled when the backend is ready for what it was not ready for. Ready if it is already.
    fn poll_backend(&mut self, cx: &Context<'_>) -> Poll<()> {
        let readable = self.up.as_ref().is_some_and(Up::waits_for_frame);
        let interest = Interest { readable, writable: self.blocked.waits() };
        let readiness: &Readiness = &self.setup.readiness;
        if interest.is_none() {
            // A frame that arrives while no slot is free must not wake this side again and again.
            readiness.ignore();
            return Poll::Pending;
        }
        if readiness.is_ready() {
            return Poll::Ready(());
        }
        readiness.watch(self.setup.backend.wait_on(interest));
        readiness.register(cx);
        Poll::Pending
    }

    /// Returns how many completions may pass before the session must look again: the hardware must not run dry
    /// while frames wait for it, and the completions that the stack waits for must be published in time.
    fn batch_limit(&self) -> usize {
        let held = self.hardware.held();
        let most = if self.port.waiting() > 0 {
            self.hardware.completions_until_half_full().clamp(1, held.max(1))
        } else {
            held
        };
        // Refused frames are completed behind sent ones, and are not counted among them.
        let most = if self.refused.is_empty() { most } else { most.min(1) };
        // The cast cannot truncate: `most` is at most the depth of the hardware queue, which is a u32.
        self.port.batch_limit(most as u32) as usize
    }

    /// Ends the session, which takes no more frames. Returns its report.
    fn close(&mut self, ended: &SessionEnd) -> DriverReport {
        (self.setup.closing)();
        self.report.received = self.taken + u64::from(self.port.waiting());
        // The rest was received and will never be completed.
        self.report.discarded = self.report.received - self.completed;
        let now = self.clock.now();
        self.report.up = self.up.as_mut().map(|up| up.close(now));
        let (kind, blocked_ns) = (self.setup.backend.kind().to_owned(), self.blocked.total(now).0);
        self.report.backend = Some(BackendReport { kind, blocked_ns });
        self.setup.backend.flush();
        self.report(ended)
    }

    fn warnings(&self) -> Vec<Warning> {
        let lasted = self.clock.now().since(self.began);
        let found = self.setup.hardware.without_effect(self.setup.depth, lasted);
        let found = found.into_iter().map(|text| Warning::new(WarningCode::NoEffect, text));
        let left_out = self.up.as_ref().and_then(Up::warning);
        found.chain(self.setup.backend.warning()).chain(left_out).collect()
    }

    fn report(&self, ended: &SessionEnd) -> DriverReport {
        let mut hardware = self.hardware.report();
        // While the backend takes nothing, the model's link is idle behind frames that have been sent; no machine is at
        // fault.
        let blocked = self.blocked.total(self.clock.now());
        hardware.starved_ns = hardware.starved_ns.saturating_sub(blocked.0);
        DriverReport {
            ended: ended.to_string(),
            hardware,
            process: (self.setup.usage)(),
            warnings: self.warnings(),
            ..self.report.clone()
        }
    }
}
