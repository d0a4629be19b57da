//! Traffic between two honest ends: records that the kernel splits, and when they are written.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use shared::control::encode_completion;
use shared::exec::Source;
use shared::ring::socket::{SocketConsumer, SocketProducer};
use shared::ring::{ConsumerPort, Depth, MAX_FRAME, ProducerPort};

use super::*;

/// Takes and completes every waiting frame; returns how many frames were taken so far.
fn serve(consumer: &SocketConsumer, mut taken: u64) -> u64 {
    let mut buffer = [0; MAX_FRAME];
    while let Some(found) = consumer.take(Some(&mut buffer)) {
        assert_eq!(found, (descriptor(taken), &frame(taken)[..]));
        consumer.complete(completion(taken));
        taken += 1;
    }
    taken
}

#[test]
fn partial_writes_lose_nothing() {
    let (producer, consumer) = narrow_pair(64);
    for number in 0..64 {
        submit(&producer, number);
    }
    assert!(!producer.connection().exchange());
    assert!(producer.connection().unsent() > 0, "the kernel took everything, so this test checks nothing");
    assert_eq!(
        producer.connection().descriptor().map(|(_, interest)| interest.writable),
        Some(true),
        "it sleeps until the socket is writable"
    );
    let mut taken = 0;
    while producer.connection().unsent() > 0 {
        consumer.connection().exchange();
        producer.connection().exchange();
        taken = serve(&consumer, taken);
    }
    assert_eq!(producer.connection().descriptor().map(|(_, interest)| interest.writable), Some(false));
    settle(consumer.connection());
    assert_eq!(serve(&consumer, taken), 64);
}

#[test]
fn records_may_be_split_at_any_byte() {
    let stream = [frame_record(0), bye_record(1), frame_record(1), frame_record(2)].concat();
    for cut in 1..stream.len() {
        let (consumer, peer) = consumer_and_peer(3);
        feed(consumer.connection(), &peer, &stream[..cut]);
        feed(consumer.connection(), &peer, &stream[cut..]);
        assert_eq!(serve(&consumer, 0), 3, "cut at {cut}");
        assert_eq!((consumer.connection().next_control(), consumer.connection().closed()), (Some(bye(1)), None));
    }
}

#[test]
fn completions_may_come_byte_by_byte() {
    let (producer, peer) = producer_and_peer(2);
    submit(&producer, 0);
    submit(&producer, 1);
    producer.connection().exchange();
    let stream = [&encode_completion(&completion(0))[..], &bye_record(9), &encode_completion(&completion(1))].concat();
    for byte in &stream {
        feed(producer.connection(), &peer, &[*byte]);
    }
    assert_eq!(producer.next_completion(), Some(completion(0)));
    assert_eq!(producer.next_completion(), Some(completion(1)));
    assert_eq!((producer.connection().next_control(), producer.connection().closed()), (Some(bye(9)), None));
}

#[test]
fn the_frames_of_a_turn_are_one_write() {
    let (producer, consumer) = pair(100);
    for number in 0..20 {
        submit(&producer, number);
    }
    producer.connection().exchange();
    let bells = producer.connection().doorbells();
    assert_eq!((bells.rung, bells.suppressed), (1, 19));
    settle(consumer.connection());
    assert_eq!(consumer.connection().socket_stats().reads, 1);
    assert_eq!(consumer.connection().socket_stats().read_bytes, producer.connection().socket_stats().written_bytes);
}

#[test]
fn a_long_turn_writes_before_its_end() {
    let (producer, consumer) = pair(1_000);
    for number in 0..1_000 {
        submit(&producer, number);
    }
    assert!(consumer.connection().exchange(), "nothing was written before the end of the turn");
}

#[test]
fn a_descriptor_that_is_not_a_stream_socket_is_refused() {
    let file: OwnedFd = tempfile::tempfile().unwrap().into();
    assert!(SocketProducer::new(file, Tables::producer(Depth::new(1).unwrap()).unwrap()).is_err());
}

#[test]
fn a_consumer_whose_ring_was_full_waits_for_the_wake_point_and_otherwise_for_each_completion() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let producer = producer_on(ours, 8);
    let consumer = SocketConsumer::new(theirs.into(), Tables::consumer(Depth::new(8).unwrap(), 3).unwrap()).unwrap();
    let submit_up_to = |from: u64, to: u64| {
        (from..to).for_each(|number| submit(&producer, number));
        settle(producer.connection());
        settle(consumer.connection());
        while consumer.take(None).is_some() {}
    };
    submit_up_to(0, 7);
    assert_eq!(consumer.batch_limit(8), 1, "a slot was free all the time");
    submit_up_to(7, 8);
    assert_eq!((consumer.batch_limit(8), consumer.batch_limit(2), consumer.batch_limit(0)), (3, 2, 0));
    consumer.complete(completion(0));
    assert_eq!(consumer.batch_limit(8), 2, "the queued completion is written before this side sleeps");
    settle(consumer.connection());
    assert_eq!(consumer.batch_limit(8), 2);
    consumer.complete_group(completion(1), 2);
    settle(consumer.connection());
    assert_eq!(consumer.batch_limit(8), 1, "the wake point is reached, so each free slot may be used");
    settle(producer.connection());
    while producer.next_completion().is_some() {}
    submit_up_to(8, 10);
    assert_eq!(consumer.batch_limit(8), 1, "one slot is free");
    submit_up_to(10, 11);
    assert_eq!(consumer.batch_limit(8), 3);
}
