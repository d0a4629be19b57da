//! Violations by the peer: each closes the session with its own reason, and has no other effect.

use shared::connection::{CloseReason, IndexError};
use shared::control::{Bye, ByeReason, Control, WireError};
use shared::exec::Clock;
use shared::ring::{ConsumerPort, Producer, ProducerPort};
use shared::testing::{
    COMPLETED, CONSUMER_EVENT, CONSUMER_PLAN, FRAMES, PRODUCED, PRODUCER_EVENT, SLOT_SIZE, Scribbler,
};

use super::*;

fn jumped(from: u64, to: u64, most: u64) -> Option<CloseReason> {
    Some(CloseReason::Index(IndexError::Jumped { from, to, most }))
}

#[test]
fn a_count_of_frames_above_the_depth_closes_the_session() {
    for claim in [9, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, u64::MAX] {
        let (consumer, peer) = consumer_and_peer(8);
        peer.ring.word(PRODUCED, claim);
        assert!(consumer.connection().exchange(), "waiting tasks are notified");
        assert_eq!((consumer.connection().closed(), consumer.waiting()), (jumped(0, claim, 8), 0));
        assert!(!consumer.connection().exchange(), "only once");
    }
}

#[test]
fn a_count_that_goes_back_closes_the_session() {
    let (consumer, peer) = consumer_and_peer(8);
    (0..5).for_each(|slot| peer.ring.frames(slot, 60, 1));
    peer.ring.word(PRODUCED, 5);
    consumer.connection().exchange();
    peer.ring.word(PRODUCED, 4);
    consumer.connection().exchange();
    assert_eq!(consumer.connection().closed(), jumped(5, 4, 8));
}

#[test]
fn a_slot_that_was_taken_but_not_completed_cannot_be_used_again() {
    let (consumer, peer) = consumer_and_peer(2);
    (0..2).for_each(|slot| peer.ring.frames(slot, 60, 1));
    peer.ring.word(PRODUCED, 2);
    consumer.connection().exchange();
    (0..2).for_each(|_| assert!(consumer.take(None).is_some()));
    peer.ring.word(PRODUCED, 3);
    consumer.connection().exchange();
    assert_eq!(consumer.connection().closed(), jumped(2, 3, 2), "taken is not completed");
}

#[test]
fn completions_of_frames_that_were_not_submitted_close_the_session() {
    for (submitted, claim) in [(0, 1), (3, 4), (3, u64::MAX), (3, 1 << 32)] {
        let (producer, peer) = producer_and_peer(8);
        (0..submitted).for_each(|number| submit(&producer, number));
        producer.connection().exchange();
        peer.ring.word(COMPLETED, claim);
        producer.connection().exchange();
        assert_eq!((producer.connection().closed(), producer.next_completion()), (jumped(0, claim, submitted), None));
    }
}

#[test]
fn a_replayed_completion_is_a_count_that_goes_back() {
    let (producer, peer) = producer_and_peer(8);
    (0..3).for_each(|number| submit(&producer, number));
    producer.connection().exchange();
    (0..2).for_each(|place| peer.ring.completions(place, 1, 0, [99, 99]));
    peer.ring.word(COMPLETED, 2);
    producer.connection().exchange();
    assert!(producer.next_completion().is_some() && producer.next_completion().is_some());
    peer.ring.word(COMPLETED, 1);
    producer.connection().exchange();
    assert_eq!(producer.connection().closed(), jumped(2, 1, 3));
}

#[test]
fn an_unknown_status_closes_the_session() {
    let (producer, peer) = producer_and_peer(8);
    submit(&producer, 0);
    producer.connection().exchange();
    peer.ring.completions(0, 1, 9, [99, 99]);
    peer.ring.word(COMPLETED, 1);
    producer.connection().exchange();
    assert_eq!(producer.next_completion(), None);
    assert_eq!(producer.connection().closed(), Some(WireError::UnknownStatus(9).into()));
}

/// Lies about times change nothing but times, and no frame is taken after it completed, or completes in the future.
#[test]
fn false_times_become_possible_ones() {
    for times in [[0, 0], [7, 3], [u64::MAX, 0], [0, u64::MAX], [u64::MAX; 2]] {
        let (port, peer) = producer_and_peer(8);
        let clock = Clock::starting_at(Nanos(1_000));
        let ring = Producer::new(port, depth(8), clock);
        assert!(ring.try_submit(descriptor(0), &frame(0), b""));
        ring.connection().exchange();
        peer.ring.completions(0, 1, 0, times);
        peer.ring.word(COMPLETED, 1);
        ring.connection().exchange();
        let mut seen = None;
        assert_eq!(ring.take_completions(|completion, _| seen = Some((completion.taken, completion.at))), 1);
        let at = times[1].min(1_000);
        assert_eq!(seen, Some((Nanos(times[0].min(at)), Nanos(at))), "{times:?}");
        assert_eq!(ring.connection().closed(), None);
    }
}

#[test]
fn a_group_that_is_empty_or_larger_than_what_is_published_closes_the_session() {
    for (items, published) in [(0, 3), (4, 3), (u32::MAX, 3), (9, 8)] {
        let expected = Some(CloseReason::Index(IndexError::GroupSize { items, arrived: published }));
        let (consumer, peer) = consumer_and_peer(8);
        peer.ring.frames(0, 60, items);
        peer.ring.word(PRODUCED, published);
        consumer.connection().exchange();
        assert_eq!((consumer.take(None), consumer.connection().closed()), (None, expected.clone()));
        let (producer, peer) = producer_and_peer(8);
        (0..8).for_each(|number| submit(&producer, number));
        producer.connection().exchange();
        peer.ring.completions(0, items, 0, [99, 99]);
        peer.ring.word(COMPLETED, published);
        producer.connection().exchange();
        assert_eq!((producer.next_completions(9), producer.connection().closed()), (None, expected));
    }
}

/// A record that changes after it was read has no effect on the rest of its group.
#[test]
fn the_record_of_a_group_is_read_once() {
    let (consumer, peer) = consumer_and_peer(8);
    peer.ring.frames(0, 60, 5);
    peer.ring.word(PRODUCED, 5);
    consumer.connection().exchange();
    let taken: Vec<_> = [2, 1, 8]
        .map(|most| {
            let taken = consumer.take_frames(most, &mut None);
            peer.ring.frames(0, 1_000_000, 1_000_000);
            taken.map(|(first, frames)| (first.len, first.sequence, frames))
        })
        .into();
    assert_eq!(taken, [Some((60, 0, 2)), Some((60, 2, 1)), Some((60, 3, 2))]);
    assert_eq!((consumer.waiting(), consumer.connection().closed()), (0, None));
}

#[test]
fn an_invalid_frame_length_closes_the_session() {
    for len in [0, 1515, 1 << 16, u32::MAX - 1, u32::MAX] {
        let (consumer, peer) = consumer_and_peer(8);
        peer.ring.frames(0, len, 1);
        peer.ring.word(PRODUCED, 1);
        consumer.connection().exchange();
        let mut buffer = [1; MAX_FRAME];
        for _ in 0..2 {
            assert_eq!(consumer.take(Some(&mut buffer)), None);
            assert_eq!((consumer.connection().closed(), consumer.waiting()), (Some(CloseReason::SlotLength(len)), 1));
        }
        assert_eq!(buffer, [1; MAX_FRAME]);
    }
}

#[test]
fn a_storm_of_doorbells_closes_the_session_without_waiting_for_its_end() {
    let (producer, mut peer) = producer_and_peer(8);
    for _ in 0..100 {
        peer.wire.doorbells(100);
        settle(producer.connection());
        if producer.connection().is_closed() {
            break;
        }
    }
    assert!(matches!(producer.connection().closed(), Some(CloseReason::DoorbellStorm(_))));
    assert!(producer.connection().descriptor().is_none(), "a closed session has nothing to sleep on");
}

#[test]
fn doorbells_for_published_frames_are_no_storm() {
    let (consumer, mut peer) = consumer_and_peer(8);
    for count in 1..10_000u64 {
        let slot = ((count - 1) % 8) as u32;
        let asleep = fall_asleep(consumer.connection()).unwrap();
        peer.ring.frames(slot, 60, 1);
        peer.ring.word(PRODUCED, count);
        peer.wire.doorbells(1);
        drop(asleep);
        consumer.connection().exchange();
        consumer.take(None);
        consumer.complete(completion(count - 1));
    }
    assert_eq!(consumer.connection().closed(), None);
}

/// A stack that drains a deep ring sleeps, and rings, for one completion after the other.
#[test]
fn doorbells_that_each_follow_a_completion_are_no_storm() {
    let (consumer, mut peer) = consumer_and_peer(8_192);
    (0..8_192).for_each(|slot| peer.ring.frames(slot, 60, 1));
    peer.ring.word(PRODUCED, 8_192);
    settle(consumer.connection());
    for position in 0..8_192 {
        consumer.take(None);
        consumer.complete(completion(position));
        let asleep = fall_asleep(consumer.connection()).unwrap();
        peer.wire.doorbells(1);
        drop(asleep);
        consumer.connection().exchange();
        assert_eq!(consumer.connection().closed(), None, "after {position} completions");
    }
}

#[test]
fn false_event_words_only_cause_needless_doorbells() {
    for lie in [1, 8, u64::MAX, 1 << 63] {
        let (producer, peer) = producer_and_peer(8);
        peer.ring.word(CONSUMER_EVENT, lie);
        peer.ring.word(CONSUMER_PLAN, lie);
        for number in 0..8 {
            submit(&producer, number);
            producer.connection().exchange();
            drop(fall_asleep(producer.connection()));
        }
        assert!(producer.connection().doorbells().rung <= 16, "once for a batch and once for a sleep");
        let (consumer, peer) = consumer_and_peer(8);
        peer.ring.word(PRODUCER_EVENT, lie);
        assert!(consumer.batch_limit(5) <= 5);
        assert_eq!((producer.connection().closed(), consumer.connection().closed()), (None, None));
    }
}

#[test]
fn frames_and_completions_on_the_socket_close_the_session() {
    for (record, name) in [(vec![1; 40], "frame"), (vec![2; 32], "completion"), (vec![4; 8], "descriptor of memory")] {
        let mut record = record;
        if record[0] == 1 {
            record[..4].copy_from_slice(&[1, 0, 8, 0]);
        }
        record[1] = 0;
        let (producer, mut peer) = producer_and_peer(8);
        peer.wire.send_bytes(&record);
        settle(producer.connection());
        assert_eq!(producer.connection().closed(), Some(WireError::Unexpected(name).into()));
    }
}

#[test]
fn two_farewells_are_received_as_two_messages() {
    let (consumer, mut peer) = consumer_and_peer(8);
    let bye = Control::Bye(Box::new(Bye { reason: ByeReason::Finished, frames: 0, report: None }));
    peer.wire.send_control_twice(&bye);
    settle(consumer.connection());
    assert_eq!(
        (consumer.connection().next_control(), consumer.connection().next_control()),
        (Some(bye.clone()), Some(bye))
    );
    assert_eq!((consumer.connection().next_control(), consumer.connection().closed()), (None, None));
}

/// Overwrites all shared words with random values during traffic: the session must soon close with a known reason.
#[test]
fn random_writes_to_shared_memory_close_the_session_with_a_reason() {
    for seed in 0..8u64 {
        let (producer, consumer) = {
            let (left, right) = UnixStream::pair().unwrap();
            let (ours, file) = SharedMemory::create(depth(16), GENERATION).unwrap();
            let raw = RawRing::new(file.try_clone().unwrap(), 16);
            let theirs = SharedMemory::open(file, depth(16), GENERATION).unwrap();
            let ends = (ShmProducer::new(left.into(), theirs).unwrap(), ShmConsumer::new(right.into(), ours).unwrap());
            scribble(&raw, seed, ends)
        };
        let reasons = [producer.connection().closed(), consumer.connection().closed()];
        assert!(reasons.iter().any(Option::is_some), "a random count is never valid");
        for reason in reasons.into_iter().flatten() {
            let known = matches!(reason, CloseReason::Index(_) | CloseReason::SlotLength(_) | CloseReason::Wire(_))
                || matches!(reason, CloseReason::DoorbellStorm(_));
            assert!(known, "{reason}");
        }
    }
}

fn scribble(memory: &RawRing, seed: u64, ends: (ShmProducer, ShmConsumer)) -> (ShmProducer, ShmConsumer) {
    let (producer, consumer) = ends;
    let connections = [producer.connection(), consumer.connection()].map(|connection| Rc::clone(connection) as _);
    let scribbler = Scribbler::start(memory, seed);
    let (mut submitted, mut completed, mut back, mut turns) = (0u64, 0u64, 0u64, 0u32);
    let mut buffer = [0; MAX_FRAME];
    while !producer.connection().is_closed() && !consumer.connection().is_closed() && turns < 1_000_000 {
        turns += 1;
        if submitted - back < 16 {
            submit(&producer, submitted);
            submitted += 1;
        }
        producer.connection().exchange();
        consumer.connection().exchange();
        while let Some((frame, bytes)) = consumer.take(Some(&mut buffer)) {
            assert_eq!(frame.len as usize, bytes.len());
            consumer.complete(completion(completed));
            completed += 1;
        }
        while producer.next_completion().is_some() {
            back += 1;
        }
        if turns % 7 == 0 {
            drop(Announced::new(&connections, Wait::Sleep));
        }
    }
    drop(scribbler);
    (producer, consumer)
}

#[test]
fn frames_that_a_peer_published_before_it_closed_are_received() {
    let (producer, consumer) = pair(8);
    submit(&producer, 0);
    producer.connection().exchange();
    drop(producer);
    settle(consumer.connection());
    assert_eq!((consumer.connection().closed(), consumer.waiting()), (Some(CloseReason::PeerGone), 1));
}

#[test]
fn the_memory_has_the_specified_layout() {
    let (producer, peer) = producer_and_peer(3);
    (0..3).for_each(|number| submit(&producer, number));
    producer.connection().exchange();
    assert_eq!(
        [0, 8, 16, 24].map(|at| peer.ring.read(at)),
        [u64::from_le_bytes(*b"PBKRING2"), GENERATION, 3, SLOT_SIZE]
    );
    assert_eq!((peer.ring.read(PRODUCED), peer.ring.read(COMPLETED)), (3, 0));
    let expected = descriptor(2);
    let record = [0, 8, 16, 24].map(|word| peer.ring.read(FRAMES + 2 * 32 + word));
    assert_eq!(record, [u64::from(expected.len) | u64::from(expected.flow) << 32, 2, 3, 1]);
    let mut bytes = vec![0; frame(2).len()];
    peer.ring.frame(2, &mut bytes);
    assert_eq!(bytes, frame(2));
}

#[test]
fn frames_that_differ_in_sequence_only_are_one_group() {
    let (producer, peer) = producer_and_peer(8);
    let submit = |sequence, len: usize| {
        let descriptor = Descriptor { sequence, ..Descriptor::default() };
        producer.submit(Frame { descriptor, headers: &[1; 42], payload: &vec![2; len - 42] });
    };
    for (sequence, len) in [(0, 60), (1, 60), (3, 60), (4, 60), (5, 61), (6, 1500), (7, 1500)] {
        submit(sequence, len);
    }
    producer.connection().exchange();
    let group = |place: u64| {
        let record = [0, 8, 24].map(|word| peer.ring.read(FRAMES + place * 32 + word));
        record.map(|word| word as u32)
    };
    assert_eq!(peer.ring.read(PRODUCED), 7);
    assert_eq!([0, 1, 2, 3].map(group), [[60, 0, 2], [60, 3, 2], [61, 5, 1], [1500, 6, 2]]);
}
