//! The producer's side of the ring: a sender acquires a credit, then submits its frame through a port.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Frame, Frames, Occupancy, ProducerIndex, ProducerPort};
use crate::connection::{CloseReason, Connection};
use crate::credits::{Acquire, Credits, Grant};
use crate::depth::Depth;
use crate::exec::Clock;
use crate::frame::{Completion, Descriptor};
use crate::units::Nanos;

/// Reserves slots, submits frames, and takes completions back.
#[derive(Debug)]
pub struct Producer<P> {
    port: P,
    clock: Clock,
    depth: Depth,
    /// One credit per slot. A credit is spent on submission and released on completion.
    credits: Credits,
    slots: RefCell<Slots>,
    /// Permits that were submitted on a dead connection.
    lost: Cell<u64>,
}

/// Which slots are held, and how many over time.
#[derive(Debug)]
struct Slots {
    index: ProducerIndex,
    occupancy: Occupancy,
}

impl Slots {
    /// Records how many slots are held from `at` on (from the last change on, if that was later).
    #[inline(always)]
    fn note(&mut self, at: Nanos) {
        self.occupancy.set(at, u64::from(self.index.outstanding()));
    }
}

/// The ring's counters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RingStats {
    /// Frames submitted.
    pub submitted: u64,
    /// Frames completed.
    pub completed: u64,
    /// Times that a sender found no free slot, not counting further ones before the next wake.
    pub stops: u64,
    /// Times that waiters got room after a stop.
    pub wakes: u64,
}

impl<P: ProducerPort> Producer<P> {
    /// An empty ring of `depth` slots on `port`, which serves its waiters with each slot that becomes free.
    pub fn new(port: P, depth: Depth, clock: Clock) -> Self {
        Self::with_wake_point(port, depth, 1, clock)
    }

    /// An empty ring of `depth` slots on `port`. Once a sender waits for room, waiters are served only when at least
    /// `wake_point` slots are free; `wake_point` is at most `depth`.
    pub fn with_wake_point(port: P, depth: Depth, wake_point: u32, clock: Clock) -> Self {
        let slots = u64::from(depth.get());
        Self {
            port,
            depth,
            credits: Credits::with_wake_point(slots, wake_point.into()),
            slots: RefCell::new(Slots { index: ProducerIndex::new(depth), occupancy: Occupancy::new(clock.now()) }),
            lost: Cell::new(0),
            clock,
        }
    }

    /// The transport below.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// The connection to which this ring belongs.
    #[inline(always)]
    pub fn connection(&self) -> &Rc<Connection> {
        self.port.connection()
    }

    /// How many slots there are.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Returns a permit if a slot is free and no sender waits for one.
    #[inline(always)]
    pub fn try_reserve(&self) -> Option<Permit<'_, P>> {
        let credit = self.credits.try_acquire(1)?;
        Some(self.permit(credit))
    }

    /// Submits a frame if a slot is free and the connection is open; returns whether it did. Reserves and submits in
    /// one call, for a caller that does nothing in between.
    #[inline(always)]
    pub fn try_submit(&self, descriptor: Descriptor, headers: &[u8], payload: &[u8]) -> bool {
        !self.connection().is_closed() && self.credits.try_spend(1) && self.submit(descriptor, headers, payload)
    }

    /// Submits a frame whose credit is spent already.
    #[inline(always)]
    fn submit(&self, descriptor: Descriptor, headers: &[u8], payload: &[u8]) -> bool {
        let taken = {
            let slots = &mut *self.slots.borrow_mut();
            let taken = slots.index.submit();
            slots.note(self.clock.now());
            taken
        };
        if taken {
            self.port.submit(Frame { descriptor, headers, payload });
        }
        taken
    }

    /// Submits up to `most` of `frames`: with the credits in `reserved` if there are any, otherwise as far as slots are
    /// free. Returns how many; 0 if the connection is closed. Credits that are left over return.
    #[inline(always)]
    pub fn try_submit_batch(&self, most: u64, reserved: Option<Grant<&Credits>>, frames: &mut impl Frames) -> u64 {
        if self.connection().is_closed() {
            // As in [`Permit::submit`]: the next waiter must not be granted these.
            reserved.map(Grant::spend);
            return 0;
        }
        let slots = &mut *self.slots.borrow_mut();
        let held = match reserved {
            Some(reserved) => self.credits.adopt(reserved).spend(),
            None => self.credits.try_spend_up_to(most.min(slots.index.free().into())),
        };
        // The cast cannot truncate: `held` is at most the number of free slots, which is a u32.
        let submitted = self.port.submit_batch(held.min(most) as u32, frames);
        slots.index.submit_group(submitted);
        slots.note(self.clock.now());
        let unused = held - u64::from(submitted);
        if unused > 0 {
            self.credits.release(unused);
        }
        submitted.into()
    }

    /// Waits in FIFO order for a permit.
    pub fn reserve(&self) -> Reserve<'_, P> {
        Reserve { producer: self, credit: self.credits.acquire(1) }
    }

    /// Turns a credit of this ring into a permit.
    ///
    /// # Panics
    /// If the credit belongs to another ring.
    #[inline(always)]
    pub fn redeem<C: Borrow<Credits>>(&self, credit: Grant<C>) -> Permit<'_, P> {
        self.permit(self.credits.adopt(credit))
    }

    fn permit<'a>(&'a self, credit: Grant<&'a Credits>) -> Permit<'a, P> {
        Permit { producer: self, credit }
    }

    /// Takes the next completion, frees its slot and serves the wait queue. A completion that is not that of the
    /// oldest outstanding frame closes the connection.
    pub fn next_completion(&self) -> Option<Completion> {
        let completion = self.port.next_completion()?.possible(self.clock.now());
        let free = self.free(&mut self.slots.borrow_mut(), &completion, 1);
        free.then(|| {
            self.credits.release(1);
            completion
        })
    }

    /// Takes every completion that arrived. Those that share status and times, and were completed together, are reported
    /// as one `each(first, count)`. The wait queue is served once, after all of them. Returns how many there were.
    pub fn take_completions(&self, mut each: impl FnMut(Completion, u64)) -> u64 {
        let mut slots = self.slots.borrow_mut();
        let mut freed = 0;
        let shortfall = self.credits.shortfall();
        // When the hardware completed the frame whose slot lets the head of the wait queue be served.
        let mut room_at = None;
        let now = self.clock.now();
        while let Some((first, frames)) = self.port.next_completions(u32::MAX) {
            // The peer writes these times.
            let first = first.possible(now);
            if !self.free(&mut slots, &first, frames) {
                break;
            }
            freed += u64::from(frames);
            if room_at.is_none() && shortfall.is_some_and(|needed| freed >= needed) {
                room_at = Some(first.at);
            }
            each(first, frames.into());
        }
        drop(slots);
        if freed > 0 {
            self.credits.release(freed);
        }
        if let Some(at) = room_at {
            self.clock.note_late(at);
        }
        freed
    }

    /// Frees the slots of `frames` frames; `completion` is that of the first. Returns `false`, and closes the
    /// connection, if they are not the oldest outstanding ones.
    fn free(&self, slots: &mut Slots, completion: &Completion, frames: u32) -> bool {
        let freed = slots.index.complete_group(completion.position, frames);
        match freed {
            // Recorded at the hardware's completion time, not at the time this side noticed it (it may have slept).
            Ok(()) => slots.note(completion.at),
            Err(error) => self.connection().close(CloseReason::Index(error)),
        }
        freed.is_ok()
    }

    /// Frames submitted and not completed yet.
    pub fn outstanding(&self) -> u32 {
        self.slots.borrow().index.outstanding()
    }

    /// How many senders wait for a permit.
    pub fn waiting(&self) -> usize {
        self.credits.waiting()
    }

    /// How many more slots must become free before the head of the wait queue is served; `None` if none waits.
    pub fn shortfall(&self) -> Option<u64> {
        self.credits.shortfall()
    }

    /// The credits of the slots, one for each: to wait for room apart from a frame, or for several slots. Turn a credit
    /// into a permit with [`Producer::redeem`].
    pub fn credits(&self) -> &Credits {
        &self.credits
    }

    /// How many credits are free.
    pub fn room(&self) -> u64 {
        self.credits.available()
    }

    /// Calls `read` with the number of slots held over time, up to now.
    pub fn with_occupancy<T>(&self, read: impl FnOnce(&Occupancy) -> T) -> T {
        let mut slots = self.slots.borrow_mut();
        slots.note(self.clock.now());
        read(&slots.occupancy)
    }

    /// Frames that were submitted after the connection closed.
    pub fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// The ring's counters.
    pub fn stats(&self) -> RingStats {
        let index = &self.slots.borrow().index;
        let (stops, wakes) = self.credits.stops_and_wakes();
        RingStats { submitted: index.submitted(), completed: index.completed(), stops, wakes }
    }
}

/// The right to submit one frame; submitting cannot fail. Dropped unused, its credit returns.
#[derive(Debug)]
#[must_use = "a permit that is dropped returns its credit"]
pub struct Permit<'a, P: ProducerPort> {
    producer: &'a Producer<P>,
    credit: Grant<&'a Credits>,
}

impl<P: ProducerPort> Permit<'_, P> {
    /// Submits the frame, which occupies a slot until its completion. Returns whether the connection is open: if it
    /// closed since the permit was granted, the frame counts as lost.
    #[inline(always)]
    pub fn submit(self, descriptor: Descriptor, headers: &[u8], payload: &[u8]) -> bool {
        let Self { producer, credit } = self;
        if producer.connection().is_closed() {
            producer.lost.set(producer.lost.get() + 1);
            // Do not return the credit: it would be granted to the next waiter, whose packet would be lost as well.
            credit.spend();
            return false;
        }
        credit.spend();
        producer.submit(descriptor, headers, payload)
    }
}

/// Future of [`Producer::reserve`].
#[derive(Debug)]
#[must_use = "a reservation joins the wait queue only when it is awaited"]
pub struct Reserve<'a, P> {
    producer: &'a Producer<P>,
    credit: Acquire<&'a Credits>,
}

impl<'a, P: ProducerPort> Future for Reserve<'a, P> {
    type Output = Permit<'a, P>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a, P>> {
        let producer = self.producer;
        Pin::new(&mut self.credit).poll(cx).map(|credit| producer.permit(credit))
    }
}
