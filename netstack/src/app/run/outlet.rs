//! An app's way out: its payload, its packet numbers, and the account of each send.

use std::net::SocketAddr;

use shared::exec::Clock;
use shared::ring::Headroom;
use shared::units::Nanos;

use super::payloads::Payloads;
use crate::app::{MOST_IN_A_TURN, ResolvedApp};
use crate::flow::{Flow, Offer};
use crate::stack::{Burst, Datagrams, Packet, SendError, Stamp, Tries};

/// How long a closed loop leaves a socket alone that said no: nobody will tell it when there is room again.
const AGAIN: Nanos = Nanos::from_micros(10);

pub(super) struct Outlet<'a, D> {
    socket: D,
    flow: &'a Flow,
    clock: &'a Clock,
    to: SocketAddr,
    /// Allocated once.
    payloads: Payloads,
    /// Sends since the app last gave up its turn.
    sent: u32,
}

impl<'a, D: Datagrams> Outlet<'a, D> {
    pub(super) fn new(app: &ResolvedApp, flow: &'a Flow, socket: D, clock: &'a Clock) -> Self {
        let spec = app.spec();
        let payloads = Payloads::new(spec.size().0 as usize);
        Self { socket, flow, clock, to: spec.to(), payloads, sent: 0 }
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
        self.now() < at || self.sent >= MOST_IN_A_TURN
    }

    /// Waits for `at`, and at least for the next turn if it is time to give others theirs.
    pub(super) async fn rest_until(&mut self, at: Nanos) {
        if !self.must_rest(at) {
            return;
        }
        self.sent = 0;
        if self.now() < at {
            self.clock.sleep_until(at).await;
        } else {
            self.clock.next_turn().await;
        }
    }

    /// Waits a little before the next packet is offered to a socket that said no.
    pub(super) async fn try_later(&mut self) {
        self.sent = 0;
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
        let stamp = self.next(intended);
        let offer = self.flow.offer();
        offer.settle(self.socket.try_send(self.payloads.last(), self.to, stamp))
    }

    /// Sends up to `most` packets that need not wait. Returns how many.
    #[inline(always)]
    pub(super) fn send_together(&mut self, intended: Nanos, most: u64) -> u64 {
        let turn = u64::from(MOST_IN_A_TURN - self.sent);
        let before = self.payloads.taken();
        let (payloads, most) = (&mut self.payloads, most.min(turn));
        let numbered = Numbered { payloads, flow: self.flow.id(), intended, most };
        let sent = self.socket.try_send_burst(numbered, self.to);
        if self.payloads.taken() > before + sent {
            self.payloads.give_back();
        }
        // No more than what was left of the turn, which fits.
        self.sent += sent as u32;
        self.flow.offer_accepted(sent);
        sent
    }

    /// Begins to send the next packet. Most sends need not wait, and one that does not is an ordinary
    /// call: what a future keeps for the time that it waits has to go through memory.
    #[inline(always)]
    pub(super) fn begin(&mut self, intended: Nanos) -> Result<Result<(), SendError>, Blocked<'a>> {
        let stamp = self.next(intended);
        let offer = self.flow.offer();
        if D::TRIES == Tries::IfItMustNotWait {
            return Err(Blocked { offer, stamp });
        }
        match self.socket.try_send(self.payloads.last(), self.to, stamp) {
            Err(SendError::WouldBlock) if D::TRIES == Tries::First => Err(Blocked { offer, stamp }),
            sent => Ok(offer.settle(sent)),
        }
    }

    /// Goes on with a packet that was not sent yet.
    pub(super) async fn finish(&self, blocked: Blocked<'a>) -> Result<(), SendError> {
        let sent = self.socket.send(self.payloads.last(), self.to, blocked.stamp).await;
        blocked.offer.settle(sent)
    }

    /// Takes the next packet.
    #[inline(always)]
    fn next(&mut self, intended: Nanos) -> Stamp {
        self.sent += 1;
        let (sequence, _) = self.payloads.next();
        Stamp { flow: self.flow.id(), sequence, intended }
    }
}

/// The next packets of an app.
struct Numbered<'a> {
    payloads: &'a mut Payloads,
    flow: u32,
    intended: Nanos,
    most: u64,
}

impl Burst for Numbered<'_> {
    #[inline(always)]
    fn most(&self) -> u64 {
        self.most
    }

    #[inline(always)]
    fn next<'b>(&'b mut self, headroom: &'b mut Headroom) -> Option<Packet<'b>> {
        let (sequence, payload) = self.payloads.next();
        Some(Packet::new(headroom, payload, Stamp { flow: self.flow, sequence, intended: self.intended }))
    }

    /// All are as long.
    #[inline(always)]
    fn next_alike<'b>(&'b mut self, headroom: &'b mut Headroom) -> Option<Packet<'b>> {
        self.next(headroom)
    }
}

/// A packet that was offered and may have to wait.
#[must_use = "dropped, the packet is given up"]
pub(super) struct Blocked<'a> {
    offer: Offer<'a>,
    stamp: Stamp,
}
