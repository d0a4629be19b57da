//! The device on top of the ring: policies, and the accounting of what is in flight.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use shared::exec::{Clock, Signal};
use shared::ledger::DropReason;
use shared::ring::{Completion, Need, Permit, Producer, ProducerPort, Status};
use shared::units::Nanos;

use super::Policy;
use super::batch::BatchFrames;
use super::in_flight::{FrameGroup, InFlight, IntendedTimes, PacketRecord};
use super::measures::{DeviceFigures, Measures};
use super::transmit_queue::TransmitQueue;
use crate::account::{Accounts, MOST_WITH_HISTOGRAMS, Stage};
use crate::error::SendError;
use crate::layer::Egress;
use crate::packet::{Batch, Packet, PendingSend, Reservation, Wait, WaitFor, WaitOver, WaitPlace, WaitTimes, Waited};

/// Sends frames through the ring, and applies its policy when there is no room.
#[derive(Debug)]
pub struct RingDevice<P> {
    ring: Producer<P>,
    policy: Policy,
    accounts: Rc<Accounts>,
    clock: Clock,
    /// The in-flight table: what occupies the slots of the ring.
    in_flight: RefCell<InFlight>,
    /// The transmit queue in front of the ring; always empty except under [`Policy::DropOldest`].
    queue: RefCell<TransmitQueue>,
    /// Notified when a frame enters the transmit queue.
    queued: Signal,
    /// Whether frames may no longer move from the transmit queue into the ring.
    sealed: Cell<bool>,
    measures: Measures,
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
    pub fn new(ring: Producer<P>, policy: Policy, txqueue: usize, accounts: Rc<Accounts>, clock: Clock) -> Self {
        let places = if policy == Policy::DropOldest { txqueue.max(1) } else { 0 };
        Self {
            in_flight: RefCell::new(InFlight::new(ring.depth().as_usize())),
            queue: RefCell::new(TransmitQueue::new(places)),
            queued: Signal::default(),
            sealed: Cell::default(),
            drained: Signal::default(),
            last_settled: Cell::default(),
            settled: Signal::default(),
            measures: Measures::new(ring.depth().as_usize()),
            ring,
            policy,
            accounts,
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
            _ if self.accounts.are_awaited() || self.drained.is_awaited() || self.settled.is_awaited() => {
                Need::Completion
            }
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

    /// What it measured, if `packets` were delivered and `latency_ns` is the sum of their latencies.
    pub fn figures(&self, packets: u64, latency_ns: u128) -> DeviceFigures {
        self.measures.figures(packets, latency_ns)
    }

    /// Frames in the transmit queue.
    pub fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Settles frames as they complete, until the session closes. Runs as a task of its own, so that completions are
    /// handled even if no app sends.
    pub async fn run_completions(&self) {
        let connection = self.ring.connection();
        poll_fn(|cx| {
            if self.settle_completions() {
                self.settled.notify();
                if self.drained.is_awaited() && self.is_drained() {
                    self.drained.notify();
                }
            }
            // The order matters: completions that arrived before the session closed are settled first.
            if connection.is_closed() {
                return Poll::Ready(());
            }
            connection.arrived().register(cx);
            Poll::Pending
        })
        .await;
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
            (none_left || self.last_settled.get() > time || self.ring.connection().is_closed()).then_some(())
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
        let mut in_flight = self.in_flight.borrow_mut();
        // So many accounts do not stay in the cache from one completion to the next.
        let many = self.accounts.count() as usize > MOST_WITH_HISTOGRAMS;
        let some_wait = self.ring.waiting() > 0;
        let completed = self.ring.take_completions(|first, mut frames| {
            if some_wait {
                self.measures.free_slots(in_flight.popped(), frames, first.at);
            }
            while frames > 0 {
                if many && let Some(upcoming) = in_flight.upcoming() {
                    self.accounts.prefetch(upcoming);
                }
                let Some((group, intended)) = in_flight.pop(frames) else { break };
                frames -= group.packets;
                self.settle(&group, intended, &first);
            }
            while let Some((place, span)) = in_flight.popped_wait() {
                if first.status == Status::Sent {
                    self.measures.deliver_wait(place, span);
                }
            }
        });
        completed > 0
    }

    /// Records the completion of `group`, whose frames were delivered or dropped, depending on the status.
    fn settle(
        &self,
        group: &FrameGroup,
        intended: IntendedTimes<'_>,
        &Completion { status, taken, at, .. }: &Completion,
    ) {
        let &FrameGroup { each: PacketRecord { flow, accepted, submitted, .. }, packets, .. } = group;
        // The driver is not trusted: no frame completes before its submission. The ring has checked that none is taken
        // after its completion, or completes after now.
        let completed = at.max(submitted);
        let held = completed.since(submitted);
        self.measures.hold(packets, held);
        self.last_settled.set(completed);
        self.accounts.with(
            flow,
            #[inline(always)]
            |account| {
                account.timeline().release_slots(flow, packets, submitted, completed);
                match DropReason::of_status(status) {
                    None => {
                        account.deliver(packets, group.bytes(), intended, accepted, completed);
                        self.measures.deliver(packets, submitted, taken);
                        // Under `deadline`, too, a packet is accepted before it is submitted, but it waits for room meanwhile.
                        if self.policy.has_queue() {
                            self.measures.deliver_queued(packets, submitted.since(accepted));
                        }
                    }
                    Some(reason) => {
                        account.drop_packets(packets, group.bytes(), reason, completed);
                        self.measures.hold_in_vain(packets, held);
                    }
                }
            },
        );
    }

    /// Stops frames from moving from the transmit queue into the ring, so that the number of submitted frames is final.
    /// Completions are still settled.
    pub fn seal(&self) {
        self.sealed.set(true);
    }

    /// Moves frames from the transmit queue into the ring, until the session closes or the device is sealed. Runs as a
    /// task of its own.
    pub async fn run_queue(&self) {
        while !self.ring.connection().is_closed() {
            self.queued.wait_for(|| (!self.queue.borrow().is_empty()).then_some(())).await;
            let permit = self.ring.reserve().await;
            // The device may have been sealed during that wait; dropping the permit returns its credit.
            if self.sealed.get() {
                break;
            }
            let mut queue = self.queue.borrow_mut();
            queue.pop_with(|record, waits, frame| self.submit(permit, record, waits, frame, &[]));
        }
    }

    /// Ready when ring and transmit queue are empty, or the session has closed.
    pub async fn drained(&self) {
        let done = || (self.is_drained() || self.ring.connection().is_closed()).then_some(());
        self.drained.wait_for(done).await;
    }

    fn is_drained(&self) -> bool {
        self.ring.outstanding() == 0 && self.queue.borrow().is_empty()
    }

    /// Counts every frame that is still in the ring or the transmit queue: as in flight if the session is open, as lost
    /// if it has closed.
    pub fn close_accounts(&self) {
        let alive = !self.ring.connection().is_closed();
        let close = |group: FrameGroup| {
            let account = self.accounts.get(group.each.flow);
            if alive { account.leave_in_flight(group.packets) } else { account.lose(group.packets, group.bytes()) }
        };
        let mut in_flight = self.in_flight.borrow_mut();
        while let Some((group, _)) = in_flight.pop(u64::MAX) {
            self.accounts
                .with(group.each.flow, |account| account.timeline().keep_slots(group.packets, group.each.submitted));
            close(group);
        }
        let mut queue = self.queue.borrow_mut();
        while queue.pop_with(|each, _, _| close(FrameGroup::of(each))).is_some() {}
    }

    /// Submits `packet` if there is room now: the fast path of the policies that wait.
    #[inline(always)]
    fn send_now(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        let record = PacketRecord::of(packet, self.clock.now());
        if let Some(credit) = packet.reservation().and_then(Reservation::take_one) {
            self.accounts.with(record.flow, |account| account.accept(1));
            let permit = self.ring.redeem(credit);
            self.submit(permit, record, packet.take_waits(), packet.headers(), packet.payload());
            return Ok(());
        }
        if !self.ring.try_submit(record.descriptor(packet.len()), packet.headers(), packet.payload()) {
            return Err(self.no_room(packet));
        }
        self.enter(record, packet.take_waits());
        self.accounts.with(record.flow, |account| account.accept(1));
        Ok(())
    }

    /// The error of a packet that found no room. Under `wait` its app may wait for room by itself.
    #[cold]
    fn no_room(&self, packet: &Packet<'_>) -> SendError {
        if self.ring.connection().is_closed() {
            return SendError::Closed;
        }
        self.accounts.with(packet.stamp().flow, |account| account.timeline().stop());
        if self.policy == Policy::Wait
            && let Some(reservation) = packet.reservation()
        {
            reservation.note_full(self.ring.credits());
        }
        SendError::WouldBlock
    }

    /// Submits packets of `batch` until there is no room, with the same result as calling [`RingDevice::send_now`] for
    /// each. Returns how many were submitted.
    #[inline(always)]
    fn send_batch_now(&self, batch: impl Batch) -> u64 {
        let most = batch.most();
        let reserved = batch.reservation().and_then(|reservation| reservation.take_all(self.ring.credits()));
        let mut frames = BatchFrames {
            batch,
            now: self.clock.now(),
            group: FrameGroup::default(),
            in_flight: self.in_flight.borrow_mut(),
        };
        let sent = self.ring.try_submit_batch(most, reserved, &mut frames);
        // The last group is still open; an empty batch leaves an empty group, which the table ignores.
        frames.in_flight.push(frames.group);
        if sent > 0 {
            self.note_sent(frames.group.each.flow, sent, frames.in_flight.is_full());
        }
        sent
    }

    /// `packets` of one app were accepted and submitted. `full` is whether they took the last free slots.
    // Not inlined: the loop over the packets of a batch would have fewer registers.
    #[inline(never)]
    fn note_sent(&self, flow: u32, packets: u64, full: bool) {
        self.accounts.with(flow, |account| {
            account.accept(packets);
            account.timeline().take_slots(flow, packets, full);
        });
    }

    /// Enters a packet that was submitted in the in-flight table.
    #[inline(always)]
    fn enter(&self, record: PacketRecord, waits: Option<WaitTimes>) {
        let mut in_flight = self.in_flight.borrow_mut();
        if let Some(waits) = waits {
            self.note_waits(&mut in_flight, record.submitted, waits);
        }
        in_flight.push(FrameGroup::of(record));
        let full = in_flight.is_full();
        self.accounts.with(
            record.flow,
            #[inline(always)]
            |account| account.timeline().take_slots(record.flow, 1, full),
        );
    }

    /// The next packet to be entered, which was submitted at `submitted`, has waited.
    #[inline(never)]
    fn note_waits(&self, in_flight: &mut InFlight, submitted: Nanos, waits: WaitTimes) {
        waits.spans().for_each(|(place, span)| in_flight.note_wait(place, span));
        if waits.at(WaitPlace::Room) > Nanos::ZERO {
            self.measures.use_room(in_flight.pushed(), submitted);
        }
    }

    /// Waits in FIFO order for room and submits `packet`; drops it instead if `timeout` passes first.
    ///
    /// The packet is counted as accepted only at the end of the wait: an app that cancels the send before still has the
    /// payload, and its packet counts as refused.
    async fn send_waiting(&self, packet: &Packet<'_>, wait: &Wait, timeout: Option<Nanos>) {
        let (flow, reservation) = (packet.stamp().flow, packet.reservation());
        let begin = || {
            let began = self.clock.now();
            let expiry = timeout.map(|timeout| self.clock.sleep_until(began + timeout));
            let most = reservation.map_or(1, Reservation::asks);
            WaitFor { credit: Some(self.ring.credits().acquire_share_owned(most, flow)), expiry, began }
        };
        wait.wait(begin, || Some(self.accounts.get(flow).begin_wait(Stage::Room))).await;
        let Some(WaitOver { waited, began, blocked }) = wait.take() else { return };
        packet.note_wait(WaitPlace::Room, blocked);
        let waits = packet.take_waits();
        let account = self.accounts.get(flow);
        account.accept(1);
        // Under `wait` a packet is accepted when it gets its permit (now); under `deadline`, when it reached the
        // device.
        let accepted = if timeout.is_none() { self.clock.now() } else { began };
        let record = PacketRecord::of(packet, accepted);
        match waited {
            Waited::Granted(granted) => {
                let permit = match reservation {
                    Some(reservation) => self.ring.redeem(reservation.keep(granted)),
                    None => self.ring.redeem(granted),
                };
                self.submit(permit, record, waits, packet.headers(), packet.payload());
            }
            Waited::Met | Waited::Expired => {
                account.drop_packets(1, record.bytes(), DropReason::DeviceDeadline, self.clock.now());
            }
        }
    }

    /// Tail drop: submits `packet`, or drops it if there is no room.
    fn send_or_drop(&self, packet: &Packet<'_>) {
        let account = self.accounts.get(packet.stamp().flow);
        account.accept(1);
        let record = PacketRecord::of(packet, self.clock.now());
        let waits = packet.take_waits();
        match self.ring.try_reserve() {
            Some(permit) => self.submit(permit, record, waits, packet.headers(), packet.payload()),
            None => {
                account.timeline().stop();
                account.drop_packets(1, record.bytes(), DropReason::DeviceRingFull, record.accepted);
            }
        }
    }

    /// Head drop: submits `packet`, or appends it to the transmit queue, which drops its oldest frame if it is full.
    fn send_or_queue(&self, packet: &Packet<'_>) {
        let account = self.accounts.get(packet.stamp().flow);
        account.accept(1);
        let record = PacketRecord::of(packet, self.clock.now());
        let mut queue = self.queue.borrow_mut();
        // Only past an empty queue: otherwise the packet would overtake those in it.
        if queue.is_empty()
            && let Some(permit) = self.ring.try_reserve()
        {
            return self.submit(permit, record, packet.take_waits(), packet.headers(), packet.payload());
        }
        account.timeline().stop();
        if let Some(oldest) = queue.push(packet, record) {
            self.accounts.get(oldest.flow).drop_packets(
                1,
                oldest.bytes(),
                DropReason::DeviceQueueFull,
                record.accepted,
            );
        }
        self.queued.notify();
    }

    /// Submits one frame with `permit` and records it in the in-flight table; on a closed session it counts as lost.
    /// Nothing waits between permit and submit.
    #[inline(always)]
    pub(super) fn submit(
        &self,
        permit: Permit<'_, P>,
        mut record: PacketRecord,
        waits: Option<WaitTimes>,
        headers: &[u8],
        payload: &[u8],
    ) {
        record.submitted = self.clock.now();
        let descriptor = record.descriptor(headers.len() + payload.len());
        if permit.submit(descriptor, headers, payload) {
            self.enter(record, waits);
        } else {
            self.accounts.get(record.flow).lose(1, record.bytes());
        }
    }
}

impl<P: ProducerPort> Egress<()> for Rc<RingDevice<P>> {
    const RESUMES: bool = true;

    async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        let own = Wait::default();
        let wait = packet.pending().map_or(&own, PendingSend::room);
        // A send that is already queued for a credit is being polled again: skip the fast path, or it would overtake
        // itself and leave its position in the wait queue behind.
        if wait.is_idle() {
            match self.try_send(packet, to) {
                Err(SendError::WouldBlock) => {}
                sent => return sent,
            }
        }
        self.send_waiting(packet, wait, self.policy.room_timeout()).await;
        Ok(())
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, (): &()) -> Result<(), SendError> {
        match self.policy {
            Policy::Wait | Policy::Deadline(_) => self.send_now(packet),
            _ if self.ring.connection().is_closed() => Err(SendError::Closed),
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
    fn try_send_batch(&self, batch: impl Batch, (): &()) -> u64 {
        match self.policy {
            Policy::Wait | Policy::Deadline(_) => self.send_batch_now(batch),
            // Each packet is counted, and dropped or submitted, on its own.
            Policy::DropNewest | Policy::DropOldest => 0,
        }
    }
}
