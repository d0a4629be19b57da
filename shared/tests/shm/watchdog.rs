//! The watchdog counts lost wake-ups, and only those.

use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use shared::exec::{Clock, IdleMode, Interrupt, RealPark, monotonic_now, run};
use shared::ring::{ConsumerPort, Port};
use shared::testing::{PRODUCER_EVENT, Peer};

use super::*;

/// A consumer whose peer publishes a frame once the consumer sleeps, and does not ring, or rings only when the
/// consumer has already noticed the frame.
struct Unrung {
    consumer: ShmConsumer,
    peer: RefCell<Peer>,
    published: Cell<bool>,
    rings_late: bool,
}

impl Source for Unrung {
    fn exchange(&self) -> bool {
        self.consumer.exchange()
    }

    fn before_sleep(&self) -> bool {
        let sleeps = self.consumer.before_sleep();
        if sleeps && !self.published.replace(true) {
            self.peer.borrow().ring.publish(1);
        }
        sleeps
    }

    fn is_owed(&self) -> bool {
        let owed = self.consumer.is_owed();
        if owed && self.rings_late {
            self.peer.borrow_mut().wire.doorbells(1);
        }
        owed
    }

    fn missed(&self) {
        self.consumer.missed();
    }

    fn after_sleep(&self) {
        self.consumer.after_sleep();
    }

    fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.consumer.descriptor()
    }
}

/// Waits for a frame for which the peer does not ring in time. Returns how many wake-ups were lost.
fn wait_for_a_frame(rings_late: bool) -> u64 {
    let (consumer, peer) = consumer_and_peer(8);
    let source = Rc::new(Unrung { consumer, peer: RefCell::new(peer), published: Cell::new(false), rings_late });
    let clock = Clock::starting_at(monotonic_now());
    let park = RealPark::new(Rc::clone(&source), Rc::new(Interrupt::never()), IdleMode::Sleep);
    let waiting = Rc::clone(&source);
    let frame = run(&clock, park, |_| async move {
        waiting.consumer.arrived().wait_for(|| waiting.consumer.take(None).map(|(frame, _)| frame.len)).await
    });
    assert_eq!(frame, Ok(60), "found without a doorbell");
    source.consumer.stats().missed
}

#[test]
fn a_missing_doorbell_is_counted_and_the_frame_is_found() {
    assert_eq!(wait_for_a_frame(false), 1);
}

#[test]
fn a_late_doorbell_is_not_a_lost_wake_up() {
    assert_eq!(wait_for_a_frame(true), 0);
}

#[test]
fn no_doorbell_is_due_to_a_side_that_is_awake_or_whose_announced_count_is_not_reached() {
    let (consumer, peer) = consumer_and_peer(8);
    assert!(!consumer.is_owed(), "nothing was announced");
    assert!(consumer.before_sleep() && !consumer.is_owed(), "nothing is there");
    peer.ring.publish(1);
    assert!(consumer.is_owed());
    consumer.after_sleep();
    consumer.exchange();
    assert!(consumer.before_sleep() && !consumer.is_owed(), "frames that wait are no reason to be woken");
}

#[test]
fn a_producer_that_waits_for_an_earlier_completion_than_the_plan_owes_a_doorbell() {
    let (consumer, peer) = consumer_and_peer(8);
    peer.ring.publish(8);
    settle(&consumer);
    (0..8).for_each(|_| assert!(consumer.take(None).is_some()));
    peer.ring.word(PRODUCER_EVENT, 4);
    assert_eq!(consumer.patience(8), 4);
    assert!(consumer.before_sleep() && !consumer.is_owed());
    peer.ring.word(PRODUCER_EVENT, 1);
    assert!(consumer.is_owed());
}
