//! Slots of the ring that an app was granted in one wait, for several of its packets.
//!
//! A wait for room costs far more than a packet. So an app that has more to send asks for several slots at once: the
//! packet that waited takes one, and the others stay here until the app sends the next packets, which it does before
//! anything else runs. Dropped, or when the app has to wait again, the slots return to the ring.
//!
//! The waits of the packet that the app sends now are noted here as well, because a packet does not outlive each try to
//! send it.
//!
//! The device states here what a send would have to wait for, if that is room alone. The app can then wait in one small
//! future, and try again. The futures of all layers together are larger: with a thousand apps they never stay in the
//! cache.

use std::cell::{Cell, OnceCell};
use std::future::{Future, poll_fn};
use std::pin::pin;

use shared::credits::{Credits, Grant};
use shared::units::Nanos;

use super::waits::WaitsSoFar;
use super::{WaitPlace, WaitTimes};
use crate::account::{Account, Blocked, Stage};

/// The slots that an app has reserved.
#[derive(Debug, Default)]
pub struct Reservation {
    /// Where room is waited for and granted slots belong, once a send found no room or waited for it.
    room: OnceCell<Credits>,
    /// Slots of `room` that were granted and not used: credits that are spent as far as `room` knows.
    granted: Cell<u64>,
    /// How many packets the app would send now.
    asks: Cell<u32>,
    /// Whether the last send found no room there.
    full: Cell<bool>,
    /// How long the packet that is sent now has waited.
    waits: WaitsSoFar,
}

impl Reservation {
    /// Asks for `packets` slots in the next wait for room.
    pub(crate) fn ask(&self, packets: u32) {
        self.asks.set(packets);
    }

    /// Returns the slots that were not used: no slot is held during a wait.
    pub(crate) fn give_back(&self) {
        drop(self.take(self.granted.get()));
    }

    /// How many slots it asks for; at least one.
    pub(crate) fn asks(&self) -> u32 {
        self.asks.get().max(1)
    }

    /// Whether no slots are left.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.granted.get() == 0
    }

    /// The device found no room in the ring of `room` for a packet, which has to wait for nothing else.
    pub(crate) fn note_full(&self, room: &Credits) {
        self.room.get_or_init(|| room.clone());
        self.full.set(true);
    }

    /// Forgets that sends wait for room alone.
    #[inline(always)]
    pub(crate) fn forget_room(&self) {
        self.full.set(false);
    }

    /// Whether the device found no room for a packet, since [`Reservation::forget_room`].
    pub(crate) fn is_full(&self) -> bool {
        self.full.get()
    }

    /// Waits in FIFO order for the slots that were asked for, as far as they are granted; `account` is blocked
    /// meanwhile. Ready at once if no send has found that there is no room. Returns whether it had to wait.
    pub(crate) async fn granted(&self, account: &Account) -> bool {
        let Some(room) = self.room.get() else { return false };
        let mut acquire = pin!(room.acquire_share(self.asks(), account.id()));
        let mut blocked = None;
        let grant = poll_fn(|cx| {
            let polled = acquire.as_mut().poll(cx);
            if polled.is_pending() && blocked.is_none() {
                // Blocked time begins with the first poll that is pending.
                blocked = Some(account.begin_own_wait(Stage::Room));
            }
            polled
        });
        self.granted.set(grant.await.spend());
        let waited = blocked.map(Blocked::end);
        waited.inspect(|span| self.note_wait(WaitPlace::Room, *span));
        waited.is_some()
    }

    /// Notes that the packet has waited at `place` for `span`.
    pub(crate) fn note_wait(&self, place: WaitPlace, span: Nanos) {
        self.waits.add(place, span);
    }

    /// The waits of the packet that is sent now, if it has waited; the next packet begins without any.
    #[inline(always)]
    pub(crate) fn take_waits(&self) -> Option<WaitTimes> {
        self.waits.take()
    }

    /// Keeps what is left of `grant` after the first credit, which is returned.
    pub(crate) fn keep(&self, grant: Grant) -> Grant<&Credits> {
        let room = self.room.get_or_init(|| grant.pool().clone());
        self.granted.set(grant.spend() - 1);
        room.resume(1)
    }

    /// Takes one slot, if any is left.
    #[inline(always)]
    pub(crate) fn take_one(&self) -> Option<Grant<&Credits>> {
        self.take(1)
    }

    /// Takes all slots that are left, if any is; they are of the ring of `room`.
    #[inline(always)]
    pub(crate) fn take_all<'a>(&self, room: &'a Credits) -> Option<Grant<&'a Credits>> {
        self.take(self.granted.get()).map(|grant| room.adopt(grant))
    }

    #[inline(always)]
    fn take(&self, amount: u64) -> Option<Grant<&Credits>> {
        if self.is_empty() {
            return None;
        }
        self.granted.set(self.granted.get() - amount);
        self.room.get().map(|room| room.resume(amount))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use shared::credits::Credits;

    fn granted(pool: &Credits, most: u32) -> Grant {
        let mut waiter = pool.acquire_share_owned(most, 0);
        assert!(waiter.poll_unpin(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
        pool.release(most.into());
        waiter.now_or_never().expect("that many credits are free")
    }

    #[test]
    fn each_slot_is_taken_once_and_what_is_left_returns() {
        let pool = Credits::new(6);
        pool.try_acquire(6).expect("all are free").spend();
        let reservation = Reservation::default();
        reservation.ask(4);
        assert_eq!((reservation.asks(), reservation.is_empty()), (4, true));
        reservation.keep(granted(&pool, 4)).spend();
        reservation.take_one().expect("three are left").spend();
        assert!(!reservation.is_empty());
        reservation.give_back();
        assert_eq!((pool.available(), reservation.is_empty()), (2, true));
        assert!(reservation.take_one().is_none() && reservation.take_all(&pool).is_none());
    }

    #[test]
    fn an_app_that_ends_leaves_no_slot_behind() {
        let pool = Credits::new(4);
        pool.try_acquire(4).expect("all are free").spend();
        let reservation = Reservation::default();
        reservation.keep(granted(&pool, 4)).spend();
        drop(reservation);
        assert_eq!(pool.available(), 3);
        pool.release(1);
        assert_eq!(pool.available(), 4);
    }
}
