//! The end of a session when one end closes: everything that was sent before is still received.

use std::net::Shutdown;

use shared::connection::CloseReason;
use shared::exec::Source;

use super::*;

#[test]
fn a_farewell_and_completions_are_received_before_the_end() {
    let (producer, consumer) = pair(4);
    submit(&producer, 0);
    submit(&producer, 1);
    producer.connection().exchange();
    consumer.connection().exchange();
    consumer.take(None);
    consumer.take(None);
    consumer.complete(completion(0));
    consumer.complete(completion(1));
    consumer.connection().send_control(&bye(2));
    drop(consumer);
    settle(producer.connection());
    assert_eq!(producer.connection().closed(), Some(CloseReason::PeerGone));
    assert_eq!(producer.next_completion(), Some(completion(0)));
    assert_eq!(producer.next_completion(), Some(completion(1)));
    assert_eq!(producer.connection().next_control(), Some(bye(2)));
}

/// A peer that closes with records unread resets the connection, and this side notices it when
/// it writes, before it has read.
#[test]
fn after_a_failed_write_everything_that_arrived_is_still_read() {
    let (producer, consumer) = pair(4);
    submit(&producer, 0);
    producer.connection().exchange();
    consumer.connection().exchange();
    consumer.take(None);
    consumer.complete(completion(0));
    consumer.connection().send_control(&bye(1));
    submit(&producer, 1);
    producer.connection().send_control(&bye(2));
    drop(consumer);
    submit(&producer, 2);
    producer.connection().send_control(&bye(3));
    assert_eq!(
        (producer.connection().closed(), producer.connection().unsent()),
        (None, 0),
        "the write failed, and nothing was read yet"
    );
    assert!(producer.connection().exchange());
    assert_eq!(producer.connection().closed(), Some(CloseReason::PeerGone));
    assert_eq!((producer.next_completion(), producer.connection().next_control()), (Some(completion(0)), Some(bye(1))));
}

#[test]
fn frames_and_a_farewell_are_received_after_the_producer_closed() {
    let (producer, consumer) = pair(4);
    submit(&producer, 0);
    producer.connection().send_control(&bye(1));
    drop(producer);
    settle(consumer.connection());
    assert_eq!(consumer.connection().closed(), Some(CloseReason::PeerGone));
    assert_eq!(consumer.connection().next_control(), Some(bye(1)));
    assert_eq!(consumer.take(Some(&mut [0; 2_000])), Some((descriptor(0), &frame(0)[..])));
    consumer.complete(completion(0));
    assert_eq!(consumer.connection().unsent(), 0, "there is no peer to send to");
}

#[test]
fn a_truncated_record_is_the_end_of_the_session() {
    let (consumer, peer) = consumer_and_peer(4);
    feed(consumer.connection(), &peer, &frame_record(0)[..40]);
    drop(peer);
    settle(consumer.connection());
    assert_eq!((consumer.connection().closed(), consumer.take(None)), (Some(CloseReason::PeerGone), None));
}

#[test]
fn a_peer_that_shut_down_its_reading_side_is_gone() {
    let (producer, peer) = producer_and_peer(4);
    peer.shutdown(Shutdown::Read).unwrap();
    submit(&producer, 0);
    settle(producer.connection());
    assert_eq!(producer.connection().closed(), Some(CloseReason::PeerGone));
}

#[test]
fn nothing_is_sent_or_received_on_a_closed_session() {
    let (producer, consumer) = pair(4);
    producer.connection().close(CloseReason::Io("the test says so".into()));
    submit(&producer, 0);
    assert!(
        !producer.connection().exchange()
            && producer.connection().descriptor().is_none()
            && may_sleep(producer.connection())
    );
    assert!(!consumer.connection().exchange());
    producer.connection().close(CloseReason::PeerGone);
    assert_eq!(
        producer.connection().closed(),
        Some(CloseReason::Io("the test says so".into())),
        "the first reason stays"
    );
}
