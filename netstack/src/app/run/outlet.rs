//! An app's way out: its payload, its packet numbers, and the account of each send.

use std::net::SocketAddr;

use shared::exec::Clock;
use shared::units::Nanos;

use crate::app::ResolvedApp;
use crate::flow::{Flow, Offer};
use crate::stack::{Datagrams, SendError, Stamp, Tries};

/// After so many sends, an app that never had to wait lets others have their turn.
const BURST: u32 = 64;

/// How long a closed loop leaves a socket alone that said no: nobody will tell it when there is room again.
const AGAIN: Nanos = Nanos::from_micros(10);

pub(super) struct Outlet<'a, D> {
    socket: D,
    flow: &'a Flow,
    clock: &'a Clock,
    to: SocketAddr,
    /// Allocated once; only the number at its end changes. At its front, now and then a number would
    /// look like the header of some protocol, and analysers would find it malformed.
    payload: Vec<u8>,
    sequence: u64,
    /// Sends since the app last gave up its turn.
    burst: u32,
}

impl<'a, D: Datagrams> Outlet<'a, D> {
    pub(super) fn new(app: &ResolvedApp, flow: &'a Flow, socket: D, clock: &'a Clock) -> Self {
        let spec = app.spec();
        // A pattern that is easy to recognise in a capture.
        let payload = (0..spec.size().0).map(|at| at as u8).collect();
        Self { socket, flow, clock, to: spec.to(), payload, sequence: 0, burst: 0 }
    }

    pub(super) fn flow(&self) -> &'a Flow {
        self.flow
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Whether a packet that is meant for `at` has to wait for its time, or for the others' turns.
    #[inline(always)]
    pub(super) fn must_rest(&self, at: Nanos) -> bool {
        self.now() < at || self.burst >= BURST
    }

    /// Waits for `at`, and at least for the next turn if it is time to give others theirs.
    pub(super) async fn rest_until(&mut self, at: Nanos) {
        if !self.must_rest(at) {
            return;
        }
        self.burst = 0;
        if self.now() < at {
            self.clock.sleep_until(at).await;
        } else {
            self.clock.next_turn().await;
        }
    }

    /// Waits a little before the next packet is offered to a socket that said no.
    pub(super) async fn try_later(&mut self) {
        self.burst = 0;
        self.clock.sleep_until(self.now() + AGAIN).await;
    }

    /// Sends the next packet, waiting as long as it takes. Dropped before it is done, the packet was
    /// given up.
    pub(super) async fn send(&mut self, intended: Nanos) -> Result<(), SendError> {
        match self.begin(intended) {
            Ok(sent) => sent,
            Err(blocked) => self.finish(blocked).await,
        }
    }

    /// Sends the next packet now or not at all.
    #[inline(always)]
    pub(super) fn try_send(&mut self, intended: Nanos) -> Result<(), SendError> {
        let stamp = self.next_stamp(intended);
        let offer = self.flow.offer(intended);
        offer.settle(self.socket.try_send(&self.payload, self.to, stamp))
    }

    /// Begins to send the next packet. Most sends need not wait, and one that does not is an ordinary
    /// call: what a future keeps for the time that it waits has to go through memory.
    #[inline(always)]
    pub(super) fn begin(&mut self, intended: Nanos) -> Result<Result<(), SendError>, Blocked<'a>> {
        let stamp = self.next_stamp(intended);
        let offer = self.flow.offer(intended);
        if D::TRIES == Tries::IfItMustNotWait {
            return Err(Blocked { offer, stamp });
        }
        match self.socket.try_send(&self.payload, self.to, stamp) {
            Err(SendError::WouldBlock) if D::TRIES == Tries::First => Err(Blocked { offer, stamp }),
            sent => Ok(offer.settle(sent)),
        }
    }

    /// Goes on with a packet that was not sent yet.
    pub(super) async fn finish(&self, blocked: Blocked<'a>) -> Result<(), SendError> {
        let sent = self.socket.send(&self.payload, self.to, blocked.stamp).await;
        blocked.offer.settle(sent)
    }

    #[inline(always)]
    fn next_stamp(&mut self, intended: Nanos) -> Stamp {
        let sequence = self.sequence;
        self.sequence += 1;
        self.burst += 1;
        // Big-endian, so that a payload with room for less holds the bytes that change.
        match self.payload.last_chunk_mut() {
            // As one word: the layers read it as such, soon enough to notice the difference.
            Some(number) => *number = sequence.to_be_bytes(),
            None => self.payload.iter_mut().rev().zip(sequence.to_le_bytes()).for_each(|(byte, digit)| *byte = digit),
        }
        Stamp { flow: self.flow.id(), sequence, intended }
    }
}

/// A packet that was offered and may have to wait.
#[must_use = "dropped, the packet is given up"]
pub(super) struct Blocked<'a> {
    offer: Offer<'a>,
    stamp: Stamp,
}
