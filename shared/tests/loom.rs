//! The wake-up protocol, with the code that is shipped, in every interleaving that loom finds. After a lost wake-up a
//! thread waits for a doorbell that never comes, which loom reports as a deadlock.
//!
//! Run by `scripts/loom.sh`.
#![cfg(pushback_loom)]
#![allow(clippy::unwrap_used, reason = "an invalid count is a failure of the model")]

use loom::sync::Notify;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use shared::exec::Wait;
use shared::ring::shm::{Head, Reader, Word, Words, Writer, plan, planned_beyond, waits_until};

struct Loom(AtomicU64);

impl Word for Loom {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }
}

/// The head of a ring, and a doorbell on each side.
struct Ring {
    words: Vec<Loom>,
    fences: bool,
    consumer_bell: Notify,
    producer_bell: Notify,
}

impl Ring {
    /// Leaked, because dropping loom's types while loom reports a deadlock would panic again.
    fn new(fences: bool) -> &'static Self {
        let words = (0..6).map(|_| Loom(AtomicU64::new(0))).collect();
        Box::leak(Box::new(Self { words, fences, consumer_bell: Notify::new(), producer_bell: Notify::new() }))
    }
}

impl Words for Ring {
    type Word = Loom;

    fn word(&self, which: Head) -> &Loom {
        &self.words[which as usize]
    }

    fn fence(&self) {
        if self.fences {
            fence(Ordering::SeqCst);
        }
    }
}

fn frames() -> (Writer, Reader) {
    (Writer::new(Head::Produced, Head::ConsumerEvent), Reader::new(Head::Produced, Head::ConsumerEvent))
}

fn completions() -> (Writer, Reader) {
    (Writer::new(Head::Completed, Head::ProducerEvent), Reader::new(Head::Completed, Head::ProducerEvent))
}

/// Sleeps until the count is at least `wake_at`, as an end does.
fn follow(ring: &Ring, reader: &mut Reader, wake_at: u64, most: u64, bell: &Notify) {
    while reader.seen() < wake_at {
        if !reader.look(ring, most).unwrap()
            && let Some(announcement) = reader.announce(ring, wake_at, most, Wait::Sleep).unwrap()
        {
            bell.wait();
            announcement.withdraw(ring);
        }
    }
}

/// The producer publishes `items` one by one; the consumer sleeps until each of them.
fn one_way(fences: bool, items: u64) {
    let ring = Ring::new(fences);
    let (mut writer, mut reader) = frames();
    let consumer = thread::spawn(move || {
        for item in 1..=items {
            follow(ring, &mut reader, item, items, &ring.consumer_bell);
        }
    });
    for item in 1..=items {
        if writer.publish(ring, item) {
            ring.consumer_bell.notify();
        }
    }
    consumer.join().unwrap();
}

#[test]
fn no_wake_up_is_lost() {
    loom::model(|| one_way(true, 2));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_a_wake_up_is_lost_and_this_model_finds_it() {
    loom::model(|| one_way(false, 2));
}

/// A ring of one slot: each frame waits for the completion of the one before.
fn there_and_back(items: u64) {
    let ring = Ring::new(true);
    let ((mut put, mut take), (mut complete, mut settle)) = (frames(), completions());
    let consumer = thread::spawn(move || {
        for item in 1..=items {
            follow(ring, &mut take, item, item, &ring.consumer_bell);
            if complete.publish(ring, item) {
                ring.producer_bell.notify();
            }
        }
    });
    for item in 1..=items {
        if put.publish(ring, item) {
            ring.consumer_bell.notify();
        }
        follow(ring, &mut settle, item, item, &ring.producer_bell);
    }
    consumer.join().unwrap();
}

#[test]
fn no_wake_up_is_lost_in_both_directions_at_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| there_and_back(2));
}

/// A ring of two slots whose completions are published together: a producer that waits for both of them is woken once,
/// by the second.
#[test]
fn a_producer_that_waits_for_two_completions_is_woken_once() {
    loom::model(|| {
        let ring = Ring::new(true);
        let (mut complete, mut settle) = completions();
        let producer = thread::spawn(move || follow(ring, &mut settle, 2, 2, &ring.producer_bell));
        let rung = (1..=2).filter(|count| complete.publish(ring, *count)).count();
        if rung > 0 {
            ring.producer_bell.notify();
        }
        assert!(rung <= 1, "only the announced completion rings");
        producer.join().unwrap();
    });
}

/// A producer that spins is not rung; one that falls asleep after its spin is woken.
#[test]
fn a_side_that_sleeps_after_a_spin_is_woken_and_one_that_spins_is_not_rung() {
    loom::model(|| {
        let ring = Ring::new(true);
        let (mut complete, mut settle) = completions();
        let producer = thread::spawn(move || {
            let spinning = settle.announce(ring, 1, 1, Wait::Spin).unwrap();
            let sleeps = spinning.and_then(|_replaced| settle.announce(ring, 1, 1, Wait::Sleep).unwrap());
            if sleeps.is_some() {
                ring.producer_bell.wait();
            }
            sleeps.is_some()
        });
        let rung = complete.publish(ring, 1);
        if rung {
            ring.producer_bell.notify();
        }
        assert!(rung || !producer.join().unwrap(), "who is not rung found the completion itself");
    });
}

/// The consumer plans to batch two completions, the producer announces the first: one
/// of them must notice.
fn plans_too_late(fences: bool) {
    let ring = Ring::new(fences);
    let ((_, mut take), (_, mut settle)) = (frames(), completions());
    let consumer = thread::spawn(move || {
        plan(ring, 2);
        let announcement = take.announce(ring, 1, 2, Wait::Sleep).unwrap();
        assert!(announcement.is_some(), "no frame comes in this model");
        if waits_until(ring, Head::ProducerEvent, 0).is_none_or(|at| at >= 2) {
            ring.consumer_bell.wait();
        }
    });
    let announcement = settle.announce(ring, 1, 2, Wait::Sleep).unwrap();
    assert!(announcement.is_some(), "no completion comes either");
    if planned_beyond(ring, 1) {
        ring.consumer_bell.notify();
    }
    consumer.join().unwrap();
}

#[test]
fn a_consumer_that_plans_too_late_is_rung_or_notices_it() {
    loom::model(|| plans_too_late(true));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_a_consumer_that_plans_too_late_sleeps_on() {
    loom::model(|| plans_too_late(false));
}

/// The condition of the watchdog: a doorbell is due to a side that sleeps although its announced count is published.
fn watched(fences: bool) {
    let ring = Ring::new(fences);
    let (mut writer, mut reader) = frames();
    let sleeper = thread::spawn(move || reader.announce(ring, 1, 1, Wait::Sleep).unwrap());
    let rung = writer.publish(ring, 1);
    // A side that found the item before it slept has no doorbell due.
    let Some(asleep) = sleeper.join().unwrap() else { return };
    assert!(asleep.doorbell_due(ring), "it was published");
    assert!(rung, "no doorbell, and the watchdog sees it");
}

#[test]
fn a_side_with_a_doorbell_due_gets_it() {
    loom::model(|| watched(true));
}

#[test]
#[should_panic(expected = "the watchdog sees it")]
fn without_the_fence_the_watchdog_sees_a_lost_wake_up() {
    loom::model(|| watched(false));
}
