//! Violations by the peer: each closes the session with its own reason, and no peer can make this side hold more than
//! the depth allows.

use std::io::{Read, Write};

use shared::connection::MAX_UNREAD_CONTROL;
use shared::connection::{CloseReason, IndexError};
use shared::control::{COMPLETION_LEN, MAX_CONTROL, WireError, encode_completion};
use shared::exec::Source;
use shared::ring::{ConsumerPort, ProducerPort};

use super::*;

/// The reason for which a consumer of depth 2 closes when it receives `bytes`.
fn consumer_closes(bytes: &[u8]) -> CloseReason {
    let (consumer, peer) = consumer_and_peer(2);
    feed(consumer.connection(), &peer, bytes);
    assert!(consumer.connection().descriptor().is_none(), "a closed session has nothing to sleep on");
    consumer.connection().closed().unwrap()
}

/// The reason for which a producer of depth 2, which submitted one frame, closes when it receives `bytes`.
fn producer_closes(bytes: &[u8]) -> CloseReason {
    let (producer, peer) = producer_and_peer(2);
    submit(&producer, 0);
    producer.connection().exchange();
    feed(producer.connection(), &peer, bytes);
    producer.connection().closed().unwrap()
}

#[test]
fn bytes_that_are_not_a_record_close_the_session() {
    let too_long = (MAX_CONTROL as u32 + 1).to_le_bytes();
    let mut oversize = frame_record(0);
    oversize[2..4].copy_from_slice(&1515u16.to_le_bytes());
    let mut bad_status = encode_completion(&completion(0));
    bad_status[1] = 4;
    assert_eq!(consumer_closes(b"garbage"), WireError::UnknownKind(b'g').into());
    assert_eq!(producer_closes(b"\0"), WireError::UnknownKind(0).into());
    assert_eq!(consumer_closes(&oversize), WireError::FrameTooLong(1515).into());
    assert_eq!(consumer_closes(&oversize[..32]), WireError::FrameTooLong(1515).into());
    assert_eq!(producer_closes(&[&[3, 0, 0, 0][..], &too_long].concat()), WireError::ControlTooLong(65_537).into());
    assert_eq!(producer_closes(&bad_status), WireError::UnknownStatus(4).into());
    let nonsense = [3, 0, 0, 0, 4, 0, 0, 0, 0xff, 0, 0, 0];
    assert!(matches!(consumer_closes(&nonsense), CloseReason::Wire(WireError::BadControl(_))));
}

#[test]
fn records_in_the_wrong_direction_close_the_session() {
    assert_eq!(producer_closes(&frame_record(0)), WireError::Unexpected("frame").into());
    assert_eq!(consumer_closes(&encode_completion(&completion(0))), WireError::Unexpected("completion").into());
}

#[test]
fn more_frames_than_slots_close_the_session() {
    let three = [frame_record(0), frame_record(1), frame_record(2)].concat();
    assert_eq!(consumer_closes(&three), IndexError::Overrun { depth: 2 }.into());
}

#[test]
fn a_frame_that_was_taken_still_holds_its_slot() {
    let (consumer, peer) = consumer_and_peer(1);
    feed(consumer.connection(), &peer, &frame_record(0));
    assert!(consumer.take(None).is_some());
    feed(consumer.connection(), &peer, &frame_record(1));
    assert_eq!(consumer.connection().closed(), Some(IndexError::Overrun { depth: 1 }.into()));
}

#[test]
fn records_before_a_violation_are_delivered() {
    let (consumer, peer) = consumer_and_peer(2);
    feed(consumer.connection(), &peer, &[&frame_record(0)[..], &bye_record(1), b"\xff"].concat());
    assert_eq!(consumer.connection().closed(), Some(WireError::UnknownKind(255).into()));
    assert_eq!(
        (consumer.take(None), consumer.connection().next_control()),
        (Some((descriptor(0), &[][..])), Some(bye(1)))
    );
}

#[test]
fn completions_out_of_order_close_the_session() {
    let back = |position| encode_completion(&completion(position));
    let twice = [back(0), back(0)].concat();
    let wrong = |got, expected| IndexError::OutOfOrder { got, expected, submitted: 1 }.into();
    assert_eq!(producer_closes(&back(1)), wrong(1, 0));
    assert_eq!(producer_closes(&twice), wrong(0, 1));
    assert_eq!(producer_closes(&[back(0), back(1)].concat()), wrong(1, 1));

    let (producer, peer) = producer_and_peer(2);
    feed(producer.connection(), &peer, &back(0));
    let expected = IndexError::OutOfOrder { got: 0, expected: 0, submitted: 0 };
    assert_eq!((producer.connection().closed(), producer.next_completion()), (Some(expected.into()), None));
}

/// If such completions were accepted, they would return credits while the outbox grew without bound.
#[test]
fn a_frame_cannot_be_completed_before_it_was_written() {
    let (producer, peer) = producer_and_peer(64);
    for number in 0..64 {
        submit(&producer, number);
    }
    producer.connection().exchange();
    let all: Vec<u8> = (0..64).flat_map(|number| encode_completion(&completion(number))).collect();
    feed(producer.connection(), &peer, &all);
    let left = std::iter::from_fn(|| producer.next_completion()).count() as u64;
    assert!(left > 0 && left < 64, "{left} of 64 had left");
    let expected = IndexError::OutOfOrder { got: left, expected: left, submitted: left };
    assert_eq!(producer.connection().closed(), Some(expected.into()));
}

/// A peer that never reads completions cannot know of free slots: its frames are an overrun, and the
/// completions queued for it stay within the depth.
#[test]
fn a_peer_that_never_reads_runs_out_of_slots() {
    let depth = 100;
    let (consumer, mut peer) = consumer_and_peer(depth);
    let mut completed = 0;
    while consumer.connection().closed().is_none() {
        peer.write_all(&frame_record(completed)).unwrap();
        settle(consumer.connection());
        while consumer.take(None).is_some() {
            consumer.complete(completion(completed));
            completed += 1;
        }
        assert!(consumer.connection().unsent() <= depth as usize * COMPLETION_LEN);
        assert!(completed < 100_000, "the peer was never stopped");
    }
    assert_eq!(consumer.connection().closed(), Some(IndexError::Overrun { depth }.into()));
}

#[test]
fn too_many_unread_control_messages_close_the_session() {
    let (producer, peer) = producer_and_peer(1);
    let most = bye_record(0).repeat(MAX_UNREAD_CONTROL);
    for _ in 0..3 {
        feed(producer.connection(), &peer, &most);
        while let Some(message) = producer.connection().next_control() {
            assert_eq!(message, bye(0));
        }
        assert_eq!(producer.connection().closed(), None);
    }
    feed(producer.connection(), &peer, &[most, bye_record(0)].concat());
    assert_eq!(producer.connection().closed(), Some(WireError::Unexpected("control message").into()));
}

#[test]
fn the_reason_is_sent_to_a_peer_that_violated_the_protocol() {
    let (producer, mut peer) = producer_and_peer(1);
    feed(producer.connection(), &peer, b"\xff");
    let reason = ByeReason::Violation(producer.connection().closed().unwrap().to_string());
    let farewell = Control::Bye(Box::new(Bye { reason, frames: 0, report: None }));
    producer.connection().send_control(&farewell);
    drop(producer);
    let mut received = Vec::new();
    // The producer closed with bytes unread, so the read ends with a reset; everything was received before it.
    let _ = peer.read_to_end(&mut received);
    assert_eq!(received, encode_control(&farewell).unwrap());
}

#[test]
fn a_frame_that_is_too_long_is_not_sent() {
    let (producer, mut peer) = producer_and_peer(1);
    producer.submit(Frame { descriptor: Descriptor::default(), headers: &[0; 15], payload: &[0; MAX_FRAME - 14] });
    assert_eq!(producer.connection().closed(), Some(WireError::FrameTooLong(1515).into()));
    producer.connection().exchange();
    drop(producer);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}
