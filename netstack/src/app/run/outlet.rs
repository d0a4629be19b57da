//! The sending side of an app: payloads, packet numbers, turns, and the offer of each packet.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use shared::exec::{Clock, Sleep};
use shared::ring::{HEADROOM, Headroom};
use shared::units::Nanos;

use super::payloads::Payloads;
use crate::account::{Account, Offer};
use crate::app::{MOST_IN_A_TURN, ResolvedApp};
use crate::error::SendError;
use crate::layer::{Egress, Tries};
use crate::packet::{Batch, Packet, Reservation, Stamp};

/// How long a closed loop waits after a refused send (`WouldBlock`). A send that does not wait registers no waker, so
/// the app must try again until a slot is free; 10 us is less than the time of a full-size frame at 1 Gbit/s (12.3 us).
const RETRY_INTERVAL: Nanos = Nanos::from_micros(10);

/// Sends the packets of one app.
pub(super) struct Outlet<'a, D> {
    socket: D,
    account: &'a Account,
    clock: &'a Clock,
    /// The sleep until each intended time, one after the other.
    sleep: Sleep,
    to: SocketAddr,
    /// Allocated once for the whole run.
    payloads: Payloads,
    /// Sends since the app last waited or yielded to other tasks.
    sent: u32,
    /// Slots that were granted to the last send that waited, for the next ones.
    reservation: Reservation,
    /// Whether the last send that was completed by [`Outlet::finish`] had to wait for room: then the next one probably
    /// has to, too.
    waited: bool,
}

impl<'a, D: Egress<SocketAddr>> Outlet<'a, D> {
    /// `states_times` is whether the payloads state their intended times.
    pub(super) fn new(
        app: &ResolvedApp,
        seed: u64,
        account: &'a Account,
        socket: D,
        clock: &'a Clock,
        states_times: bool,
    ) -> Self {
        let spec = app.spec();
        let payloads = Payloads::new(app.lengths(seed), account.id(), states_times);
        Self {
            socket,
            account,
            clock,
            sleep: clock.sleep_until(Nanos::ZERO),
            to: spec.to(),
            payloads,
            sent: 0,
            reservation: Reservation::default(),
            waited: false,
        }
    }

    pub(super) fn account(&self) -> &'a Account {
        self.account
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    pub(super) fn clock(&self) -> &'a Clock {
        self.clock
    }

    /// How many packets it has taken so far, which is the number of the next one.
    pub(super) fn taken(&self) -> u64 {
        self.payloads.taken()
    }

    /// Whether a packet with intended time `at` must wait: for that time, or because the app has sent
    /// [`MOST_IN_A_TURN`] packets and must yield to other tasks.
    #[inline(always)]
    pub(super) fn must_rest(&self, at: Nanos) -> bool {
        self.now() < at || self.sent >= MOST_IN_A_TURN
    }

    /// Waits until `at` if that is later than now; otherwise yields to other tasks if the turn is used up.
    ///
    /// Not an `async fn`, because every packet of a schedule rests: this future becomes a part of the loop's.
    #[inline(always)]
    pub(super) fn rest_until(&mut self, at: Nanos) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            if self.now() < at {
                self.sent = 0;
                return self.sleep.poll_until(cx, at);
            }
            if self.sent < MOST_IN_A_TURN {
                return Poll::Ready(());
            }
            self.sent = 0;
            self.clock.wake_next_turn(cx);
            Poll::Pending
        })
    }

    /// Waits for [`RETRY_INTERVAL`] after a refused send.
    pub(super) async fn try_later(&mut self) {
        self.sent = 0;
        self.clock.sleep_until(self.now() + RETRY_INTERVAL).await;
    }

    /// Sends the next packet, and waits as long as it takes. Dropping the future cancels the send; the packet is then
    /// refused.
    pub(super) async fn send(&mut self, intended: Nanos) -> Result<(), SendError> {
        match self.begin(intended) {
            Ok(sent) => sent,
            Err(blocked) => self.finish(blocked, 1).await,
        }
    }

    /// Whether to try a send before waiting: yes if a slot is reserved, if the last send found room, or if the app has a
    /// send budget (the wait for that comes first, so only a try finds out which wait it is).
    #[inline(always)]
    pub(super) fn may_proceed(&self) -> bool {
        !self.waited || !self.reservation.is_empty() || self.account.budget().is_some()
    }

    /// Sends the next packet without waiting.
    #[inline(always)]
    pub(super) fn try_send(&mut self, intended: Nanos) -> Result<(), SendError> {
        let stamp = self.next(intended);
        let offer = self.account.offer();
        offer.close(self.try_send_last(stamp))
    }

    /// Sends the next packets in one call: those that `due` has a time for, as many as need not wait, as the turn allows,
    /// as have the same length, and at most `most`. Returns how many.
    #[inline(always)]
    pub(super) fn send_together(&mut self, most: u64, due: impl Due) -> u64 {
        let turn = u64::from(MOST_IN_A_TURN - self.sent);
        let before = self.payloads.taken();
        let Self { payloads, reservation, .. } = self;
        let most = payloads.run(most.min(turn));
        let numbered = Numbered { payloads, reservation, flow: self.account.id(), due, most };
        let sent = self.socket.try_send_batch(numbered, &self.to);
        // The stack may have pulled one packet more than it sent, such as one that is too long for the MTU.
        if self.payloads.taken() > before + sent {
            self.payloads.give_back();
        }
        // The cast cannot truncate: at most `turn`, which came from a `u32`.
        self.sent += sent as u32;
        self.account.offer_many(sent);
        sent
    }

    /// Begins to send the next packet: offers it, and tries to send it without waiting. Returns `Err` if the send has
    /// to be completed by [`Outlet::finish`].
    ///
    /// Separate from `finish` because most sends need not wait: this is an ordinary call, whereas a future keeps its
    /// state in memory.
    #[inline(always)]
    pub(super) fn begin(&mut self, intended: Nanos) -> Result<Result<(), SendError>, Blocked<'a>> {
        let stamp = self.next(intended);
        let offer = self.account.offer();
        let tries = match D::TRIES {
            Tries::First => self.may_proceed(),
            Tries::IfItMustNotWait => false,
            Tries::Always => true,
        };
        if !tries {
            return Err(Blocked { offer, stamp });
        }
        // The device states again whether this send waits for room alone.
        self.reservation.forget_room();
        match self.try_send_last(stamp) {
            Err(SendError::WouldBlock) if D::TRIES == Tries::First => Err(Blocked { offer, stamp }),
            sent => Ok(offer.close(sent)),
        }
    }

    /// Completes a send that [`Outlet::begin`] left open, waiting as long as it takes. If it has to wait for room, it
    /// asks for that of `packets`, this one included.
    pub(super) async fn finish(&mut self, blocked: Blocked<'a>, packets: u32) -> Result<(), SendError> {
        let Blocked { offer, stamp } = blocked;
        self.reservation.ask(packets);
        self.waited = false;
        let mut sent = Err(SendError::WouldBlock);
        if D::TRIES == Tries::First && self.reservation.is_full() {
            self.reservation.give_back();
            self.waited = self.reservation.granted(self.account).await;
            sent = self.try_send_last(stamp);
        }
        if sent == Err(SendError::WouldBlock) {
            // The send has to wait for something else, or it is not known yet for what.
            self.reservation.forget_room();
            let mut headroom = [0; HEADROOM];
            let mut packet = Packet::reserving(&mut headroom, self.payloads.last(), stamp, &self.reservation);
            let mut send = pin!(self.socket.send(&mut packet, &self.to));
            let polled = poll_fn(|cx| {
                let sent = send.as_mut().poll(cx);
                if sent.is_pending() {
                    self.reservation.give_back();
                }
                sent
            });
            sent = polled.await;
        }
        // Waits of this packet that no layer has taken are not those of the next one.
        self.reservation.take_waits();
        if !self.reservation.is_empty() {
            // The slots are for a new turn, of which this is the first send: no more are asked for than fit into it.
            self.sent = 1;
        }
        offer.close(sent)
    }

    /// Sends the payload taken last without waiting.
    #[inline(always)]
    fn try_send_last(&self, stamp: Stamp) -> Result<(), SendError> {
        let mut headroom = [0; HEADROOM];
        let mut packet = Packet::reserving(&mut headroom, self.payloads.last(), stamp, &self.reservation);
        self.socket.try_send(&mut packet, &self.to)
    }

    /// Takes the next payload and number, as a packet with intended time `intended`.
    #[inline(always)]
    fn next(&mut self, intended: Nanos) -> Stamp {
        self.sent += 1;
        let (sequence, _) = self.payloads.next(intended);
        Stamp { flow: self.account.id(), sequence, intended }
    }
}

/// The intended times of packets that are sent together.
pub(super) trait Due {
    /// The intended time of the next packet; `None` if no further packet is due now. The packet before it has been
    /// accepted, if there was one.
    fn next(&mut self) -> Option<Nanos>;
}

/// Any number of packets, all intended for this time.
impl Due for Nanos {
    #[inline(always)]
    fn next(&mut self) -> Option<Nanos> {
        Some(*self)
    }
}

/// The next packets of an app, as a batch.
struct Numbered<'a, T> {
    payloads: &'a mut Payloads,
    reservation: &'a Reservation,
    flow: u32,
    due: T,
    most: u64,
}

impl<T: Due> Batch for Numbered<'_, T> {
    #[inline(always)]
    fn most(&self) -> u64 {
        self.most
    }

    #[inline(always)]
    fn next<'b>(&'b mut self, headroom: &'b mut Headroom) -> Option<Packet<'b>> {
        let intended = self.due.next()?;
        let (sequence, payload) = self.payloads.next(intended);
        Some(Packet::new(headroom, payload, Stamp { flow: self.flow, sequence, intended }))
    }

    /// All packets of this batch have the same length.
    #[inline(always)]
    fn next_same_length<'b>(&'b mut self, headroom: &'b mut Headroom) -> Option<Packet<'b>> {
        self.next(headroom)
    }

    #[inline(always)]
    fn reservation(&self) -> Option<&Reservation> {
        Some(self.reservation)
    }
}

/// A packet that was offered and not sent yet. Dropping it counts the packet as cancelled.
#[must_use = "dropping it cancels the send"]
pub(super) struct Blocked<'a> {
    offer: Offer<'a>,
    stamp: Stamp,
}
