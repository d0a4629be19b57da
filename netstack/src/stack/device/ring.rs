//! The device on top of the ring: policies, and the accounting of what is in flight.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use shared::exec::{Clock, Signal};
use shared::ledger::DropReason;
use shared::ring::{Completion, Frame, Frames, Headroom, MAX_FRAME, Need, Permit, Producer, ProducerPort, Status};
use shared::units::Nanos;

use super::pending::Pending;
use super::queue::TxQueue;
use super::room::{Room, Waited};
use super::under_way::{InFlight, Run};
use super::{Device, Policy};
use crate::flow::{Flows, Stage};
use crate::stack::{Burst, Packet, Place, SendError};

/// Sends frames through the ring, and applies its policy when there is no room.
#[derive(Debug)]
pub struct RingDevice<P> {
    ring: Producer<P>,
    policy: Policy,
    flows: Rc<Flows>,
    clock: Clock,
    /// The in-flight table: what occupies the slots of the ring.
    in_flight: RefCell<InFlight>,
    /// The transmit queue in front of the ring; always empty except under [`Policy::DropOldest`].
    queue: RefCell<TxQueue>,
    /// Notified when a frame enters the transmit queue.
    queued: Signal,
    /// Whether frames may no longer move from the transmit queue into the ring.
    sealed: Cell<bool>,
    /// Nanoseconds that completed frames held their slots, summed over frames.
    held_ns: Cell<u128>,
    /// Notified when ring and queue are empty, or the session has closed.
    drained: Signal,
    /// Completion time of the last frame that was settled.
    last_settled: Cell<Nanos>,
    /// Notified when frames were settled, or the session has closed.
    settled: Signal,
}

impl<P: ProducerPort> RingDevice<P> {
    /// A device on `ring`. `txqueue` is the number of frames that the transmit queue holds under
    /// [`Policy::DropOldest`], at least one; the other policies have no queue.
    pub fn new(ring: Producer<P>, policy: Policy, txqueue: usize, flows: Rc<Flows>, clock: Clock) -> Self {
        let places = if policy == Policy::DropOldest { txqueue.max(1) } else { 0 };
        Self {
            in_flight: RefCell::new(InFlight::new(ring.depth().as_usize())),
            queue: RefCell::new(TxQueue::new(places)),
            queued: Signal::default(),
            sealed: Cell::default(),
            drained: Signal::default(),
            last_settled: Cell::default(),
            settled: Signal::default(),
            held_ns: Cell::new(0),
            ring,
            policy,
            flows,
            clock,
        }
    }

    /// Registers this device with the port. Before the stack sleeps, the port calls it to find out which completion
    /// must ring the doorbell.
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

    /// The completion that must wake the stack. Only waiters for room are delayed until the wake point; a wait for a
    /// budget, a response or the end of the run may end with any completion.
    fn need(&self) -> Need {
        match self.ring.shortfall() {
            _ if self.flows.are_awaited() || self.drained.is_awaited() || self.settled.is_awaited() => Need::Completion,
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

    /// Nanoseconds that completed frames held their slots, summed over frames.
    pub fn held_ns(&self) -> u128 {
        self.held_ns.get()
    }

    /// Frames in the transmit queue.
    pub fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Settles frames as they complete, until the session closes. Runs as a task of its own, so that completions are
    /// handled even if no app sends.
    pub async fn run_completions(&self) {
        let port = self.ring.port();
        // The order matters: completions that arrived before the session closed are settled first.
        let next = || if self.settle_completions() { Some(true) } else { port.is_closed().then_some(false) };
        while port.arrived().wait_for(next).await {
            self.settled.notify();
            if self.is_drained() {
                self.drained.notify();
            }
        }
        self.settled.notify();
        self.drained.notify();
    }

    /// Ready once every frame that completed at or before `time` is settled, or the session has closed. `time` must
    /// have passed.
    pub async fn settled_by(&self, time: Nanos) {
        let known = || {
            // Frames complete in ring order, so a later completion, or an oldest frame submitted after `time`, shows
            // that none is missing.
            let oldest = self.in_flight.borrow().oldest();
            let none_left = oldest.is_none_or(|submitted| submitted > time);
            (none_left || self.last_settled.get() > time || self.ring.port().is_closed()).then_some(())
        };
        self.settled.wait_for(known).await;
    }

    /// Frames that were in the ring at `time` and have not been settled.
    pub fn unsettled_at(&self, time: Nanos) -> u32 {
        let later = self.in_flight.borrow().submitted_after(time);
        // The cast cannot truncate: at most `depth` frames are in flight.
        self.ring.outstanding() - later as u32
    }

    /// Settles the frames whose completions have arrived. Returns whether there were any.
    fn settle_completions(&self) -> bool {
        let now = self.clock.now();
        let mut in_flight = self.in_flight.borrow_mut();
        let completed = self.ring.take_completions(|Completion { status, at, .. }, mut frames| {
            while frames > 0
                && let Some(run) = in_flight.pop(frames)
            {
                frames -= run.packets;
                // The driver is not trusted: clamp its time, as no frame completes before its submission or after now.
                self.settle(&run, status, at.max(run.each.submitted).min(now));
            }
        });
        completed > 0
    }

    /// Records the completion of `run`, whose frames were delivered or dropped, depending on `status`.
    fn settle(&self, run: &Run, status: Status, completed: Nanos) {
        let &Run { each: Pending { flow, intended, accepted, submitted, .. }, packets } = run;
        let held = u128::from(completed.since(submitted).0) * u128::from(packets);
        self.held_ns.set(self.held_ns.get() + held);
        self.last_settled.set(completed);
        self.flows.with(flow, |flow| {
            flow.timeline().hold_slots(packets, submitted, Some(completed));
            match DropReason::of_status(status) {
                None => flow.deliver(packets, run.bytes(), intended, accepted, completed),
                Some(reason) => flow.drop_packets(packets, run.bytes(), reason, completed),
            }
        });
    }

    /// Stops frames from moving from the transmit queue into the ring, so that the number of submitted frames is final.
    /// Completions are still settled.
    pub fn seal(&self) {
        self.sealed.set(true);
    }

    /// Moves frames from the transmit queue into the ring, until the session closes or the device is sealed. Runs as a
    /// task of its own.
    pub async fn run_queue(&self) {
        while !self.ring.port().is_closed() {
            self.queued.wait_for(|| (!self.queue.borrow().is_empty()).then_some(())).await;
            let permit = self.ring.reserve().await;
            // The device may have been sealed during that wait; dropping the permit returns its credit.
            if self.sealed.get() {
                break;
            }
            let mut queue = self.queue.borrow_mut();
            queue.pop_with(|pending, frame| self.submit(permit, pending, frame, &[]));
        }
    }

    /// Ready when ring and transmit queue are empty, or the session has closed.
    pub async fn drained(&self) {
        let done = || (self.is_drained() || self.ring.port().is_closed()).then_some(());
        self.drained.wait_for(done).await;
    }

    fn is_drained(&self) -> bool {
        self.ring.outstanding() == 0 && self.queue.borrow().is_empty()
    }

    /// Counts every frame that is still in the ring or the transmit queue: as in flight if the session is open, as lost
    /// if it has closed.
    pub fn close_accounts(&self) {
        let alive = !self.ring.port().is_closed();
        let close = |run: Run| {
            let flow = self.flows.get(run.each.flow);
            if alive { flow.leave_in_flight(run.packets) } else { flow.lose(run.packets, run.bytes()) }
        };
        let mut in_flight = self.in_flight.borrow_mut();
        while let Some(run) = in_flight.pop(u64::MAX) {
            self.flows.with(run.each.flow, |flow| flow.timeline().hold_slots(run.packets, run.each.submitted, None));
            close(run);
        }
        let mut queue = self.queue.borrow_mut();
        while queue.pop_with(|each, _| close(Run::of(each))).is_some() {}
    }

    /// Submits `packet` if there is room now: the fast path of the policies that wait.
    #[inline(always)]
    fn send_now(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        let pending = Pending::of(packet, self.clock.now());
        if !self.ring.try_submit(pending.descriptor(packet.len()), packet.headers(), packet.payload()) {
            return Err(if self.ring.port().is_closed() { SendError::Closed } else { SendError::WouldBlock });
        }
        self.in_flight.borrow_mut().push(Run::of(pending));
        self.flows.with(pending.flow, |flow| flow.accept(1));
        Ok(())
    }

    /// Submits packets of `burst` until there is no room, with the same result as calling [`RingDevice::send_now`] for
    /// each. Returns how many were submitted.
    #[inline(always)]
    fn send_burst_now(&self, burst: impl Burst) -> u64 {
        let most = burst.most();
        let mut frames =
            BurstFrames { burst, now: self.clock.now(), run: Run::default(), in_flight: self.in_flight.borrow_mut() };
        let sent = self.ring.try_submit_burst(most, &mut frames);
        // The last run is still open; an empty burst leaves an empty run, which the table ignores.
        frames.in_flight.push(frames.run);
        if sent > 0 {
            self.flows.with(frames.run.each.flow, |flow| flow.accept(sent));
        }
        sent
    }

    /// Waits in FIFO order for room and submits `packet`; drops it instead if `timeout` passes first.
    ///
    /// The packet is counted as accepted only at the end of the wait: an app that cancels the send before still has the
    /// payload, and its packet counts as refused.
    async fn send_waiting(&self, packet: &Packet<'_>, timeout: Option<Nanos>) {
        let own = Place::default();
        let kept = packet.place().unwrap_or(&own).room();
        let begin = || {
            let pending = Pending::of(packet, self.clock.now());
            let expiry = timeout.map(|timeout| self.clock.sleep_until(pending.accepted + timeout));
            let room = Room { pending, credit: self.ring.reserve_credit(), expiry };
            self.flows.get(pending.flow).timed(Stage::Room, room)
        };
        kept.wait(begin).await;
        let Some(Waited { mut pending, credit }) = kept.take() else { return };
        let flow = self.flows.get(pending.flow);
        flow.accept(1);
        match credit {
            Some(credit) => {
                // Under `wait` a packet is accepted when it gets its permit (now); under `deadline`, when it reached
                // the device.
                pending.accepted = if timeout.is_none() { self.clock.now() } else { pending.accepted };
                self.submit(self.ring.redeem(credit), pending, packet.headers(), packet.payload());
            }
            None => flow.drop_packets(1, pending.bytes(), DropReason::DeviceDeadline, self.clock.now()),
        }
    }

    /// Tail drop: submits `packet`, or drops it if there is no room.
    fn send_or_drop(&self, packet: &Packet<'_>) {
        let flow = self.flows.get(packet.stamp().flow);
        flow.accept(1);
        let pending = Pending::of(packet, self.clock.now());
        match self.ring.try_reserve() {
            Some(permit) => self.submit(permit, pending, packet.headers(), packet.payload()),
            None => flow.drop_packets(1, pending.bytes(), DropReason::DeviceRingFull, pending.accepted),
        }
    }

    /// Head drop: submits `packet`, or appends it to the transmit queue, which drops its oldest frame if it is full.
    fn send_or_queue(&self, packet: &Packet<'_>) {
        let flow = self.flows.get(packet.stamp().flow);
        flow.accept(1);
        let pending = Pending::of(packet, self.clock.now());
        let mut queue = self.queue.borrow_mut();
        // Only past an empty queue: otherwise the packet would overtake those in it.
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

    /// Submits one frame with `permit` and records it in the in-flight table; on a closed session it counts as lost.
    /// Nothing waits between permit and submit.
    #[inline(always)]
    fn submit(&self, permit: Permit<'_, P>, mut pending: Pending, headers: &[u8], payload: &[u8]) {
        pending.submitted = self.clock.now();
        let descriptor = pending.descriptor(headers.len() + payload.len());
        if permit.submit(descriptor, headers, payload) {
            self.in_flight.borrow_mut().push(Run::of(pending));
        } else {
            self.flows.get(pending.flow).lose(1, pending.bytes());
        }
    }
}

/// The frames of a burst, recorded in the in-flight table as the ring pulls them.
struct BurstFrames<'a, B> {
    burst: B,
    /// Time of acceptance and submission, read once for the whole burst.
    now: Nanos,
    /// The open run: the last packets that were pulled, not yet in the table.
    run: Run,
    in_flight: RefMut<'a, InFlight>,
}

impl<B: Burst> Frames for BurstFrames<'_, B> {
    #[inline(always)]
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
        let packet = self.burst.next(headroom)?;
        let next = Run::of(Pending::of(&packet, self.now));
        self.in_flight.push(std::mem::replace(&mut self.run, next));
        Some(next.frame(packet))
    }

    #[inline(always)]
    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
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
        // A send that is already queued for a credit is being polled again: skip the fast path, or it would overtake
        // itself and leave its position in the wait queue behind.
        if !packet.place().is_some_and(Place::waits_for_room) {
            match self.try_send(packet) {
                Err(SendError::WouldBlock) => {}
                sent => return sent,
            }
        }
        self.send_waiting(packet, self.policy.room_timeout()).await;
        Ok(())
    }
}
