//! Slots of the ring that an app was granted in one wait, for several of its packets.
//!
//! A wait for room costs far more than a packet. So an app that has more to send asks for several slots at once: the
//! packet that waited takes one, and the others stay here until the app sends the next packets, which it does before
//! anything else runs. Dropped, or when the app has to wait again, the slots return to the ring.
//!
//! The device states here what a send would have to wait for, if that is room alone. The app can then wait in one small
//! future, and try again. The futures of all layers together are larger: with a thousand apps they never stay in the
//! cache.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use shared::credits::{Credits, Grant};

use super::{Wait, WaitFor, Waited};
use crate::account::{Account, Stage};

/// The slots that an app has reserved.
#[derive(Debug, Default)]
pub struct Reservation {
    /// How many packets the app would send now.
    asks: Cell<u32>,
    /// At least one credit, if there is a grant.
    granted: RefCell<Option<Grant>>,
    /// Where room is waited for, once a send found none.
    room: RefCell<Option<Room>>,
    /// Whether the last send found no room there.
    full: Cell<bool>,
}

/// The room of a ring, and the account that is blocked while an app waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) credits: Credits,
    pub(crate) account: Rc<Account>,
}

impl Reservation {
    /// Asks for `packets` slots in the next wait for room.
    pub(crate) fn ask(&self, packets: u32) {
        self.asks.set(packets);
    }

    /// Returns the slots that were not used: no slot is held during a wait.
    pub(crate) fn give_back(&self) {
        self.granted.take();
    }

    /// How many slots it asks for; at least one.
    pub(crate) fn asks(&self) -> u32 {
        self.asks.get().max(1)
    }

    /// Whether no slots are left.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.granted.borrow().is_none()
    }

    /// The device found no room for a packet, which has to wait for nothing else.
    pub(crate) fn note_full(&self, room: impl FnOnce() -> Room) {
        self.room.borrow_mut().get_or_insert_with(room);
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

    /// Waits in FIFO order for the slots that were asked for, as far as they are granted. Ready at once if no send has
    /// found that there is no room. Returns whether it had to wait.
    pub(crate) async fn granted(&self) -> bool {
        let Some(Room { credits, account }) = self.room.borrow().clone() else { return false };
        let (wait, blocked) = (Wait::default(), Cell::new(false));
        let begin = || WaitFor { credit: Some(credits.acquire_share(self.asks(), account.id())), ..WaitFor::default() };
        let begin_blocked = || {
            blocked.set(true);
            Some(account.begin_wait(Stage::Room))
        };
        wait.wait(begin, begin_blocked).await;
        if let Some((Waited::Granted(grant), _)) = wait.take() {
            self.granted.replace(Some(grant));
        }
        blocked.get()
    }

    /// Keeps what is left of `grant` after the first credit, which is returned.
    pub(crate) fn keep(&self, mut grant: Grant) -> Grant {
        let first = grant.split(1);
        self.granted.replace(Some(grant).filter(|rest| rest.amount() > 0));
        first
    }

    /// Takes one slot, if any is left.
    #[inline(always)]
    pub(crate) fn take_one(&self) -> Option<Grant> {
        // Most packets find none, and a look costs less than a take.
        if self.is_empty() {
            return None;
        }
        self.granted.take().map(|grant| self.keep(grant))
    }

    /// Takes all slots that are left.
    #[inline(always)]
    pub(crate) fn take_all(&self) -> Option<Grant> {
        self.granted.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use shared::credits::Credits;

    fn granted(pool: &Credits, most: u32) -> Grant {
        let mut waiter = pool.acquire_share(most, 0);
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
        assert!(reservation.take_one().is_none() && reservation.take_all().is_none());
    }

    #[test]
    fn an_app_that_ends_leaves_no_slot_behind() {
        let pool = Credits::new(4);
        pool.try_acquire(4).expect("all are free").spend();
        let reservation = Reservation::default();
        let first = reservation.keep(granted(&pool, 4));
        drop(reservation);
        assert_eq!(pool.available(), 3);
        drop(first);
        assert_eq!(pool.available(), 4);
    }
}
