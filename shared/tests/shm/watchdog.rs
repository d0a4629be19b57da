//! The watchdog counts lost wake-ups, and only those.

use std::cell::{Cell, RefCell};

use shared::exec::{Announcer, Clock, IdleMode, Interest, Interrupt, RealPark, Watched, monotonic_now, run};
use shared::testing::{PRODUCER_EVENT, Peer};

use super::*;

/// The connection of a consumer whose peer publishes a frame once the consumer sleeps, and does not ring, or rings only
/// when the consumer has already noticed the frame.
struct Unrung {
    connection: Rc<Connection>,
    asleep: RefCell<Option<Announced<'static>>>,
    peer: RefCell<Peer>,
    published: Cell<bool>,
    rings_late: bool,
}

impl Source for Unrung {
    fn exchange(&self) -> bool {
        self.connection.exchange()
    }

    fn announce(&self, wait: Wait, _: Announcer) -> bool {
        let asleep = announce(&self.connection, wait);
        let sleeps = asleep.is_some();
        self.asleep.replace(asleep);
        if sleeps && !self.published.replace(true) {
            self.peer.borrow().ring.publish(1);
        }
        sleeps
    }

    fn doorbell_due(&self, _: Announcer) -> bool {
        let due = self.asleep.borrow().as_ref().is_some_and(is_due);
        if due && self.rings_late {
            self.peer.borrow_mut().wire.doorbells(1);
        }
        due
    }

    fn doorbell_missed(&self, _: Announcer) {
        self.asleep.borrow().as_ref().unwrap().note_missed(&*self.connection);
    }

    fn withdraw(&self, _: Announcer) {
        self.asleep.take();
    }

    fn descriptor(&self) -> Option<(Watched<'_>, Interest)> {
        self.connection.descriptor()
    }
}

fn is_due(asleep: &Announced<'_>) -> bool {
    asleep.doorbells_due().count() > 0
}

/// Waits for a frame for which the peer does not ring in time. Returns how many wake-ups were lost.
fn wait_for_a_frame(rings_late: bool) -> u64 {
    let (consumer, peer) = consumer_and_peer(8);
    let connection = Rc::clone(consumer.connection());
    let source = Unrung {
        connection: Rc::clone(&connection),
        asleep: RefCell::new(None),
        peer: RefCell::new(peer),
        published: Cell::new(false),
        rings_late,
    };
    let clock = Clock::starting_at(monotonic_now());
    let park = RealPark::new(vec![Rc::new(source)], Rc::new(Interrupt::never()), IdleMode::Sleep);
    let frame = run(&clock, park, |_| async move {
        consumer.connection().arrived().wait_for(|| consumer.take(None).map(|(frame, _)| frame.len)).await
    });
    assert_eq!(frame, Ok(60), "found without a doorbell");
    connection.doorbells().missed
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
fn no_doorbell_is_due_to_a_side_whose_announced_count_is_not_reached() {
    let (consumer, peer) = consumer_and_peer(8);
    let asleep = fall_asleep(consumer.connection()).unwrap();
    assert!(!is_due(&asleep), "nothing is there");
    peer.ring.publish(1);
    assert!(is_due(&asleep));
    drop(asleep);
    consumer.connection().exchange();
    let asleep = fall_asleep(consumer.connection()).unwrap();
    assert!(!is_due(&asleep), "frames that wait are no reason to be woken");
}

#[test]
fn a_producer_that_waits_for_an_earlier_completion_than_the_plan_has_a_doorbell_due() {
    let (consumer, peer) = consumer_and_peer(8);
    peer.ring.publish(8);
    settle(consumer.connection());
    (0..8).for_each(|_| assert!(consumer.take(None).is_some()));
    peer.ring.word(PRODUCER_EVENT, 4);
    assert_eq!(consumer.batch_limit(8), 4);
    let asleep = fall_asleep(consumer.connection()).unwrap();
    assert!(!is_due(&asleep));
    peer.ring.word(PRODUCER_EVENT, 1);
    assert!(is_due(&asleep));
}
