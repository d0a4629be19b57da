//! Frames of the stack itself: answers, and requests for neighbours.
//!
//! They have no app that could wait, and the way up must not wait for them. So no policy applies: a frame that finds no
//! room waits in a short queue, and if that is full, it is refused.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use shared::exec::Signal;
use shared::ledger::RefuseReason;
use shared::ring::{Permit, ProducerPort};

use super::RingDevice;
use super::in_flight::PacketRecord;
use crate::account::{Account, STACK};
use crate::packet::Stamp;

/// How many frames wait for room at most. They are served in the same order as the apps that wait, so a full ring does
/// not make the stack unreachable.
const MOST_WAITING: usize = 16;

/// What the stack sends itself, through the device of type `RingDevice<P>`.
#[derive(Debug)]
pub(crate) struct OwnFrames<P> {
    device: Rc<RingDevice<P>>,
    account: Rc<Account>,
    /// Frames that wait for room, oldest first.
    waiting: RefCell<VecDeque<Vec<u8>>>,
    queued: Signal,
    /// Whether no frame is sent any more: the farewell states the final count.
    closed: Cell<bool>,
}

impl<P: ProducerPort> OwnFrames<P> {
    /// Frames for `device`, counted in `account`.
    pub(crate) fn new(device: &Rc<RingDevice<P>>, account: &Rc<Account>) -> Self {
        Self {
            device: Rc::clone(device),
            account: Rc::clone(account),
            waiting: RefCell::default(),
            queued: Signal::default(),
            closed: Cell::new(false),
        }
    }

    /// Sends `frame` if there is room; otherwise it waits for room, unless too many do.
    pub(crate) fn send(&self, frame: &[u8]) {
        self.account.offer_many(1);
        if self.closed.get() {
            return self.account.refuse(RefuseReason::GaveUp, 1, self.account.timeline().now());
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty()
            && let Some(permit) = self.device.ring().try_reserve()
        {
            return self.submit(permit, frame);
        }
        if waiting.len() >= MOST_WAITING {
            return self.account.refuse(RefuseReason::AnswerNoRoom, 1, self.account.timeline().now());
        }
        waiting.push_back(frame.to_vec());
        self.queued.notify();
    }

    /// Sends the frames that wait, in the order in which they and the apps began to wait. Runs as a task of its own, until
    /// the session closes.
    pub(crate) async fn run(&self) {
        while !self.device.ring().connection().is_closed() {
            self.queued.wait_for(|| (!self.waiting.borrow().is_empty()).then_some(())).await;
            let permit = self.device.ring().reserve().await;
            if let Some(frame) = self.waiting.borrow_mut().pop_front() {
                self.submit(permit, &frame);
            }
        }
    }

    fn submit(&self, permit: Permit<'_, P>, frame: &[u8]) {
        self.account.accept(1);
        let now = self.account.timeline().now();
        let stamp = Stamp { flow: STACK, sequence: self.account.counters().accepted - 1, intended: now };
        // Its payload is the whole frame: it is no app's.
        self.device.submit(permit, PacketRecord::new(stamp, frame.len(), now), None, frame, &[]);
    }

    /// Refuses the frames that still wait, and all that come later: the run is about to drain.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        let left = self.waiting.take().len() as u64;
        if left > 0 {
            self.account.refuse(RefuseReason::GaveUp, left, self.account.timeline().now());
        }
    }
}
