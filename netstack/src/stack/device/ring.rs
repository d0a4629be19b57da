//! The device on top of the ring.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use shared::exec::{Clock, Signal};
use shared::ledger::DropReason;
use shared::ring::{Completion, Frame, Frames, Headroom, MAX_FRAME, Need, Permit, Producer, ProducerPort, Status};
use shared::units::Nanos;

use super::pending::Pending;
use super::queue::TxQueue;
use super::room::{Room, Waited};
use super::under_way::{Run, UnderWay};
use super::{Device, Policy};
use crate::flow::{Flows, Stage};
use crate::stack::{Burst, Packet, Place, SendError};

/// Sends frames through the ring, and does what its policy says when there is no room.
#[derive(Debug)]
pub struct RingDevice<P> {
    ring: Producer<P>,
    policy: Policy,
    flows: Rc<Flows>,
    clock: Clock,
    under_way: RefCell<UnderWay>,
    /// Frames in front of the ring; empty but for [`Policy::DropOldest`].
    queue: RefCell<TxQueue>,
    /// Told when the queue gets its first frame.
    queued: Signal,
    /// Set once nothing may enter the ring any more.
    sealed: Cell<bool>,
    /// Nanoseconds that completed frames held their slots.
    held_ns: Cell<u128>,
    /// Told when nothing is under way any more, or never will complete.
    quiet: Signal,
    /// When the last frame completed that was settled.
    settled_to: Cell<Nanos>,
    /// Told when frames were settled, or none will be any more.
    settled: Signal,
}

impl<P: ProducerPort> RingDevice<P> {
    /// A device on `ring`. `txqueue` is how many frames wait in front of it under
    /// [`Policy::DropOldest`], at least one; the other policies have no queue.
    pub fn new(ring: Producer<P>, policy: Policy, txqueue: usize, flows: Rc<Flows>, clock: Clock) -> Self {
        let places = if policy == Policy::DropOldest { txqueue.max(1) } else { 0 };
        Self {
            under_way: RefCell::new(UnderWay::new(ring.depth().as_usize())),
            queue: RefCell::new(TxQueue::new(places)),
            queued: Signal::default(),
            sealed: Cell::default(),
            quiet: Signal::default(),
            settled_to: Cell::default(),
            settled: Signal::default(),
            held_ns: Cell::new(0),
            ring,
            policy,
            flows,
            clock,
        }
    }

    /// Tells the port whom to ask before the stack goes to sleep.
    pub fn answer_before_sleep(self: &Rc<Self>)
    where
        P: 'static,
    {
        let device = Rc::downgrade(self);
        let need = move || match device.upgrade() {
            Some(device) => device.need(),
            None => Need::Nothing,
        };
        self.ring.port().before_sleep_ask(Box::new(need));
    }

    /// What to be woken for. Only waiters for room are delayed until the wake point; a budget, a response or the
    /// end of the run may depend on any completion.
    fn need(&self) -> Need {
        match self.ring.shortfall() {
            _ if self.flows.are_awaited() || self.quiet.is_awaited() || self.settled.is_awaited() => Need::Completion,
            Some(frames) => Need::Room(frames),
            None => Need::Nothing,
        }
    }

    /// The ring below.
    pub fn ring(&self) -> &Producer<P> {
        &self.ring
    }

    /// What the device does when the ring is full.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Nanoseconds that completed frames held their slots, summed packet by packet.
    pub fn held_ns(&self) -> u128 {
        self.held_ns.get()
    }

    /// Frames that wait in front of the ring.
    pub fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Settles what the hardware completes, until the session closes. Runs as a task of its own,
    /// so that completions are seen even if nobody sends.
    pub async fn run_completions(&self) {
        let port = self.ring.port();
        // What came before the end is settled before the end is seen.
        let next = || if self.settle_completions() { Some(true) } else { port.is_closed().then_some(false) };
        while port.arrived().wait_for(next).await {
            self.settled.notify();
            if self.is_quiet() {
                self.quiet.notify();
            }
        }
        self.settled.notify();
        self.quiet.notify();
    }

    /// Ready once it is known what had completed by `time`, which has passed, or the session has closed.
    pub async fn settled_by(&self, time: Nanos) {
        let known = || {
            // Frames complete in the order in which they were submitted.
            let oldest = self.under_way.borrow().oldest();
            let none_left = oldest.is_none_or(|submitted| submitted > time);
            (none_left || self.settled_to.get() > time || self.ring.port().is_closed()).then_some(())
        };
        self.settled.wait_for(known).await;
    }

    /// Frames that were in the ring at `time` and have not been settled.
    pub fn unsettled_at(&self, time: Nanos) -> u32 {
        let later = self.under_way.borrow().submitted_after(time);
        // No more than the ring is deep, which fits.
        self.ring.outstanding() - later as u32
    }

    /// Settles what completed. Returns whether anything did.
    fn settle_completions(&self) -> bool {
        let now = self.clock.now();
        let mut under_way = self.under_way.borrow_mut();
        let completed = self.ring.take_completions(|Completion { status, at, .. }, mut frames| {
            while frames > 0
                && let Some(run) = under_way.pop(frames)
            {
                frames -= run.packets;
                // A driver may claim any time, but nothing completes before it was submitted or after now.
                self.settle(&run, status, at.max(run.each.submitted).min(now));
            }
        });
        completed > 0
    }

    fn settle(&self, run: &Run, status: Status, completed: Nanos) {
        let &Run { each: Pending { flow, intended, accepted, submitted, .. }, packets } = run;
        let held = u128::from(completed.since(submitted).0) * u128::from(packets);
        self.held_ns.set(self.held_ns.get() + held);
        self.settled_to.set(completed);
        self.flows.with(flow, |flow| {
            flow.timeline().hold_slots(packets, submitted, Some(completed));
            match DropReason::of_status(status) {
                None => flow.deliver(packets, run.bytes(), intended, accepted, completed),
                Some(reason) => flow.drop_packets(packets, run.bytes(), reason, completed),
            }
        });
    }

    /// Lets nothing into the ring any more that waits in front of it: what has been submitted can be
    /// counted now. Completions are still settled.
    pub fn seal(&self) {
        self.sealed.set(true);
    }

    /// Feeds the ring from the queue, until the session closes or the ring is sealed. Runs as a task
    /// of its own.
    pub async fn run_queue(&self) {
        while !self.ring.port().is_closed() {
            self.queued.wait_for(|| (!self.queue.borrow().is_empty()).then_some(())).await;
            let permit = self.ring.reserve().await;
            if self.sealed.get() {
                break;
            }
            let mut queue = self.queue.borrow_mut();
            queue.pop_with(|pending, frame| self.submit(permit, pending, frame, &[]));
        }
    }

    /// Ready when nothing is under way any more, or the session has closed.
    pub async fn drained(&self) {
        let done = || (self.is_quiet() || self.ring.port().is_closed()).then_some(());
        self.quiet.wait_for(done).await;
    }

    fn is_quiet(&self) -> bool {
        self.ring.outstanding() == 0 && self.queue.borrow().is_empty()
    }

    /// Decides the fate of everything that is still under way: in flight if the driver lives, lost
    /// if it does not.
    pub fn close_accounts(&self) {
        let alive = !self.ring.port().is_closed();
        let close = |run: Run| {
            let flow = self.flows.get(run.each.flow);
            if alive { flow.leave_in_flight(run.packets) } else { flow.lose(run.packets, run.bytes()) }
        };
        let mut under_way = self.under_way.borrow_mut();
        while let Some(run) = under_way.pop(u64::MAX) {
            self.flows.with(run.each.flow, |flow| flow.timeline().hold_slots(run.packets, run.each.submitted, None));
            close(run);
        }
        let mut queue = self.queue.borrow_mut();
        while queue.pop_with(|each, _| close(Run::of(each))).is_some() {}
    }

    #[inline(always)]
    fn send_now(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        let pending = Pending::of(packet, self.clock.now());
        if !self.ring.try_submit(pending.descriptor(packet.len()), packet.headers(), packet.payload()) {
            return Err(if self.ring.port().is_closed() { SendError::Closed } else { SendError::WouldBlock });
        }
        self.under_way.borrow_mut().push(Run::of(pending));
        self.flows.with(pending.flow, |flow| flow.accept(1));
        Ok(())
    }

    /// [`RingDevice::send_now`], for as many packets as find room.
    #[inline(always)]
    fn send_burst_now(&self, burst: impl Burst) -> u64 {
        let most = burst.most();
        let mut noted =
            Noted { burst, now: self.clock.now(), run: Run::default(), under_way: self.under_way.borrow_mut() };
        let sent = self.ring.try_submit_burst(most, &mut noted);
        noted.under_way.push(noted.run);
        if sent > 0 {
            self.flows.with(noted.run.each.flow, |flow| flow.accept(sent));
        }
        sent
    }

    /// Sends a packet that found no room: when there is some, or not at all if that takes too long.
    ///
    /// It counts as accepted only once its fate is decided: an app that gives up before still has it.
    async fn send_waiting(&self, packet: &Packet<'_>, patience: Option<Nanos>) {
        let own = Place::default();
        let kept = packet.place().unwrap_or(&own).room();
        let begin = || {
            let pending = Pending::of(packet, self.clock.now());
            let expiry = patience.map(|patience| self.clock.sleep_until(pending.accepted + patience));
            let room = Room { pending, credit: self.ring.reserve_credit(), expiry };
            self.flows.get(pending.flow).timed(Stage::Room, room)
        };
        kept.over(begin).await;
        let Some(Waited { mut pending, credit }) = kept.take() else { return };
        let flow = self.flows.get(pending.flow);
        flow.accept(1);
        match credit {
            Some(credit) => {
                // Without a deadline it was admitted now, and with one when it reached the device.
                pending.accepted = if patience.is_none() { self.clock.now() } else { pending.accepted };
                self.submit(self.ring.redeem(credit), pending, packet.headers(), packet.payload());
            }
            None => flow.drop_packets(1, pending.bytes(), DropReason::DeviceDeadline, self.clock.now()),
        }
    }

    fn send_or_drop(&self, packet: &Packet<'_>) {
        let flow = self.flows.get(packet.stamp().flow);
        flow.accept(1);
        let pending = Pending::of(packet, self.clock.now());
        match self.ring.try_reserve() {
            Some(permit) => self.submit(permit, pending, packet.headers(), packet.payload()),
            None => flow.drop_packets(1, pending.bytes(), DropReason::DeviceRingFull, pending.accepted),
        }
    }

    fn send_or_queue(&self, packet: &Packet<'_>) {
        let flow = self.flows.get(packet.stamp().flow);
        flow.accept(1);
        let pending = Pending::of(packet, self.clock.now());
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty()
            && let Some(permit) = self.ring.try_reserve()
        {
            return self.submit(permit, pending, packet.headers(), packet.payload());
        }
        if let Some(oldest) = queue.push(packet, pending) {
            self.flows.get(oldest.flow).drop_packets(1, oldest.bytes(), DropReason::DeviceQueueFull, pending.accepted);
        }
        self.queued.notify();
    }

    /// Between permit and submit nothing waits, and submitting cannot fail.
    #[inline(always)]
    fn submit(&self, permit: Permit<'_, P>, mut pending: Pending, headers: &[u8], payload: &[u8]) {
        pending.submitted = self.clock.now();
        let descriptor = pending.descriptor(headers.len() + payload.len());
        if permit.submit(descriptor, headers, payload) {
            self.under_way.borrow_mut().push(Run::of(pending));
        } else {
            self.flows.get(pending.flow).lose(1, pending.bytes());
        }
    }
}

/// The frames of a burst, noted as under way by and by.
struct Noted<'a, B> {
    burst: B,
    now: Nanos,
    /// Those that were not noted yet.
    run: Run,
    under_way: RefMut<'a, UnderWay>,
}

impl<B: Burst> Frames for Noted<'_, B> {
    #[inline(always)]
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
        let packet = self.burst.next(headroom)?;
        let next = Run::of(Pending::of(&packet, self.now));
        self.under_way.push(std::mem::replace(&mut self.run, next));
        Some(next.frame(packet))
    }

    #[inline(always)]
    fn next_alike<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
        let packet = self.burst.next_alike(headroom)?;
        debug_assert!(self.run.each.is_like(&Pending::of(&packet, self.now)), "a burst is of one app, for one time");
        self.run.packets += 1;
        Some(self.run.frame(packet))
    }
}

impl<P: ProducerPort> Device for Rc<RingDevice<P>> {
    fn max_frame(&self) -> usize {
        MAX_FRAME
    }

    #[inline(always)]
    fn try_send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        match self.policy {
            Policy::Wait | Policy::Deadline(_) => self.send_now(packet),
            _ if self.ring.port().is_closed() => Err(SendError::Closed),
            Policy::DropNewest => {
                self.send_or_drop(packet);
                Ok(())
            }
            Policy::DropOldest => {
                self.send_or_queue(packet);
                Ok(())
            }
        }
    }

    #[inline(always)]
    fn try_send_burst(&self, burst: impl Burst) -> u64 {
        match self.policy {
            Policy::Wait | Policy::Deadline(_) => self.send_burst_now(burst),
            Policy::DropNewest | Policy::DropOldest => 0,
        }
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        // Who waits already is told by its wait.
        if !packet.place().is_some_and(Place::is_at_room) {
            match self.try_send(packet) {
                Err(SendError::WouldBlock) => {}
                sent => return sent,
            }
        }
        self.send_waiting(packet, self.policy.patience()).await;
        Ok(())
    }
}
