//! When each side may sleep, and which events wake it.

use shared::ring::{ConsumerPort, MAX_FRAME, Need, ProducerPort};

use super::*;

/// Takes and completes `frames` frames from position `from` on, and publishes.
fn complete(consumer: &ShmConsumer, from: u64, frames: u64) {
    for position in from..from + frames {
        assert!(consumer.take(Some(&mut [0; MAX_FRAME])).is_some());
        consumer.complete(completion(position));
    }
    consumer.connection().exchange();
}

fn fill(producer: &ShmProducer, consumer: &ShmConsumer, frames: u64) {
    (0..frames).for_each(|number| submit(producer, number));
    producer.connection().exchange();
    settle(consumer.connection());
}

#[test]
fn a_sleeping_consumer_is_rung_once_and_one_that_is_awake_is_not() {
    let (producer, consumer) = pair(8);
    let asleep = fall_asleep(consumer.connection()).unwrap();
    submit(&producer, 0);
    producer.connection().exchange();
    submit(&producer, 1);
    producer.connection().exchange();
    assert_eq!((producer.connection().doorbells().rung, producer.connection().doorbells().suppressed), (1, 1));
    drop(asleep);
    assert!(consumer.connection().exchange());
    submit(&producer, 2);
    producer.connection().exchange();
    assert_eq!((producer.connection().doorbells().rung, consumer.connection().doorbells().spurious), (1, 0));
}

#[test]
fn a_side_does_not_sleep_if_something_has_arrived() {
    let (producer, consumer) = pair(8);
    submit(&producer, 0);
    producer.connection().exchange();
    assert!(fall_asleep(consumer.connection()).is_none());
    assert_eq!(consumer.waiting(), 1, "the second look took it in");
    complete(&consumer, 0, 1);
    assert!(fall_asleep(producer.connection()).is_none());
}

#[test]
fn a_side_does_not_spin_if_something_has_arrived() {
    let (producer, consumer) = pair(1);
    producer.before_sleep_ask(Box::new(|| Need::Room(1)));
    fill(&producer, &consumer, 1);
    drop(announce(producer.connection(), Wait::Spin).unwrap());
    assert!(!producer.connection().exchange());
    complete(&consumer, 0, 1);
    assert_eq!(consumer.connection().doorbells().rung, 0, "the producer was awake");
    assert!(
        announce(producer.connection(), Wait::Spin).is_none(),
        "the completion was taken in, so a spin would not find it"
    );
}

#[test]
fn submitted_frames_are_published_before_sleep() {
    let (producer, consumer) = pair(8);
    let _consumer = fall_asleep(consumer.connection()).unwrap();
    submit(&producer, 0);
    let _producer = fall_asleep(producer.connection()).unwrap();
    assert_eq!(producer.connection().doorbells().rung, 1);
}

#[test]
fn a_producer_that_waits_for_room_is_woken_by_the_completion_that_reaches_its_wake_point() {
    let (producer, consumer) = pair(8);
    producer.before_sleep_ask(Box::new(|| Need::Room(4)));
    fill(&producer, &consumer, 8);
    let _asleep = fall_asleep(producer.connection()).unwrap();
    complete(&consumer, 0, 3);
    assert_eq!(consumer.connection().doorbells().rung, 0);
    complete(&consumer, 3, 1);
    assert_eq!(consumer.connection().doorbells().rung, 1);
    complete(&consumer, 4, 4);
    assert_eq!(consumer.connection().doorbells().rung, 1, "only once");
}

#[test]
fn a_producer_that_spins_until_its_wake_point_lets_completions_be_batched_and_is_not_rung() {
    let (producer, consumer) = pair(8);
    producer.before_sleep_ask(Box::new(|| Need::Room(4)));
    fill(&producer, &consumer, 8);
    let spinning = announce(producer.connection(), Wait::Spin).unwrap();
    assert_eq!(consumer.batch_limit(8), 4);
    complete(&consumer, 0, 4);
    assert_eq!((consumer.connection().doorbells().rung, producer.connection().exchange()), (0, true));
    drop(spinning);
    assert_eq!(producer.connection().socket_stats().reads, 0, "nothing on the socket can have ended a spin");
}

#[test]
fn a_producer_that_waits_for_a_completion_is_woken_by_the_next_although_slots_are_free() {
    let (producer, consumer) = pair(8);
    producer.before_sleep_ask(Box::new(|| Need::Completion));
    fill(&producer, &consumer, 3);
    let _asleep = fall_asleep(producer.connection()).unwrap();
    complete(&consumer, 0, 1);
    assert_eq!(consumer.connection().doorbells().rung, 1);
}

#[test]
fn a_producer_that_waits_for_more_room_than_frames_are_outstanding_is_woken_by_the_last_completion() {
    for (slots, frames, room) in [(8, 2, 4), (1, 1, 1), (2, 1, 2), (3, 1, 3)] {
        let (producer, consumer) = pair(slots);
        producer.before_sleep_ask(Box::new(move || Need::Room(room)));
        fill(&producer, &consumer, frames);
        let _asleep = fall_asleep(producer.connection()).unwrap();
        complete(&consumer, 0, frames);
        assert_eq!(consumer.connection().doorbells().rung, 1, "{slots} slots");
    }
}

#[test]
fn a_sleeping_consumer_that_plans_too_late_is_rung() {
    let (producer, consumer) = pair(8);
    fill(&producer, &consumer, 8);
    (0..8).for_each(|_| assert!(consumer.take(None).is_some()));
    // The producer waits for half of the ring, and the consumer plans to sleep until then.
    let producer_sleeps = sleep_for(&producer, Need::Room(4));
    assert_eq!(consumer.batch_limit(8), 4);
    let consumer_sleeps = fall_asleep(consumer.connection()).unwrap();
    drop(producer_sleeps);
    let _producer_sleeps = sleep_for(&producer, Need::Completion);
    assert_eq!(producer.connection().doorbells().rung, 1);
    drop(consumer_sleeps);
    assert!(consumer.connection().exchange(), "the doorbell is a reason to look again");
    assert_eq!((consumer.batch_limit(8), consumer.connection().doorbells().spurious), (1, 0));
    assert!(fall_asleep(consumer.connection()).is_some(), "the plan is early enough now");
}

#[test]
fn a_consumer_that_plans_too_late_does_not_sleep() {
    let (producer, consumer) = pair(8);
    fill(&producer, &consumer, 8);
    (0..8).for_each(|_| assert!(consumer.take(None).is_some()));
    let asleep = sleep_for(&producer, Need::Room(4));
    assert_eq!(consumer.batch_limit(8), 4);
    drop(asleep);
    let _asleep = sleep_for(&producer, Need::Completion);
    assert!(fall_asleep(consumer.connection()).is_none());
    assert_eq!(consumer.batch_limit(8), 1);
}

#[test]
fn for_a_producer_that_is_awake_or_wakes_by_its_timer_each_completion_is_published() {
    let (producer, consumer) = pair(8);
    fill(&producer, &consumer, 8);
    assert_eq!(consumer.batch_limit(8), 1, "awake");
    let _asleep = sleep_for(&producer, Need::Nothing);
    assert_eq!(consumer.batch_limit(8), 1, "asleep, and not to be woken");
    complete(&consumer, 0, 8);
    assert_eq!(consumer.connection().doorbells().rung, 0);
}

fn sleep_for(producer: &ShmProducer, need: Need) -> Announced<'static> {
    producer.before_sleep_ask(Box::new(move || need));
    fall_asleep(producer.connection()).unwrap()
}

#[test]
fn a_consumer_with_frames_that_wait_for_the_hardware_is_not_woken_for_more() {
    let (producer, consumer) = pair(8);
    fill(&producer, &consumer, 2);
    assert_eq!(consumer.waiting(), 2);
    consumer.batch_limit(1);
    let _asleep = fall_asleep(consumer.connection()).unwrap();
    submit(&producer, 2);
    producer.connection().exchange();
    assert_eq!(producer.connection().doorbells().rung, 0);
}

#[test]
fn a_doorbell_without_reason_is_counted_as_spurious() {
    let (producer, mut peer) = producer_and_peer(8);
    let asleep = fall_asleep(producer.connection()).unwrap();
    peer.wire.doorbells(1);
    drop(asleep);
    settle(producer.connection());
    assert_eq!((producer.connection().doorbells().spurious, producer.connection().closed()), (1, None));
}

#[test]
fn two_busy_sides_ring_no_doorbells_and_write_nothing_to_the_socket() {
    let (producer, consumer) = pair(64);
    let total = 100_000;
    let (mut submitted, mut completed) = (0, 0);
    let mut buffer = [0; MAX_FRAME];
    while completed < total {
        while submitted - completed < 64 {
            submit(&producer, submitted);
            submitted += 1;
        }
        producer.connection().exchange();
        consumer.connection().exchange();
        while consumer.take(Some(&mut buffer)).is_some() {
            consumer.complete(completion(completed));
            completed += 1;
        }
        consumer.connection().exchange();
        producer.connection().exchange();
        while producer.next_completion().is_some() {}
    }
    for connection in [producer.connection(), consumer.connection()] {
        let (doorbells, socket) = (connection.doorbells(), connection.socket_stats());
        assert_eq!((doorbells.rung, doorbells.spurious, socket.writes, socket.reads), (0, 0, 0, 0));
        assert!(doorbells.suppressed > 0);
    }
}
