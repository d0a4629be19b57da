//! Traffic in both directions: completeness, order, and system calls.

use std::collections::VecDeque;

use proptest::prelude::*;
use shared::control::{Bye, ByeReason, Control};
use shared::exec::Source;
use shared::ring::{ConsumerPort, MAX_FRAME, ProducerPort};

use super::*;

#[test]
fn frames_go_one_way_and_completions_the_other_at_any_depth() {
    for slots in [1, 3, 64, 65_536] {
        let (producer, consumer) = pair(slots);
        let total = (u64::from(slots) * 2).min(70_000) + 10;
        let (mut submitted, mut taken, mut completed) = (0, 0, 0);
        let mut buffer = [0; MAX_FRAME];
        while completed < total {
            while submitted < total && submitted - completed < u64::from(slots) {
                submit(&producer, submitted);
                submitted += 1;
            }
            producer.connection().exchange();
            consumer.connection().exchange();
            while let Some(seen) = consumer.take(Some(&mut buffer)) {
                assert_eq!(seen, (descriptor(taken), &frame(taken)[..]));
                consumer.complete(completion(taken));
                taken += 1;
            }
            consumer.connection().exchange();
            producer.connection().exchange();
            while let Some(back) = producer.next_completion() {
                assert_eq!(back, completion(completed));
                completed += 1;
            }
        }
        assert_eq!((producer.connection().closed(), consumer.connection().closed()), (None, None));
    }
}

#[test]
fn completions_with_equal_status_and_time_are_taken_together() {
    let (producer, consumer) = pair(5);
    for round in 0..3 {
        let base = round * 5;
        (base..base + 5).for_each(|number| submit(&producer, number));
        producer.connection().exchange();
        consumer.connection().exchange();
        let sent = [(Status::Sent, 7), (Status::Sent, 7), (Status::BadLength, 7), (Status::Sent, 7), (Status::Sent, 8)];
        for ((status, at), position) in sent.into_iter().zip(base..) {
            consumer.take(None);
            consumer.complete(Completion { position, status, at: Nanos(at) });
        }
        consumer.connection().exchange();
        producer.connection().exchange();
        let runs = std::iter::from_fn(|| producer.next_completion().map(|first| (first, producer.take_run(&first))));
        let runs: Vec<_> = runs.map(|(first, more)| (first.position - base, first.status, more)).collect();
        let expected = [(0, Status::Sent, 1), (2, Status::BadLength, 0), (3, Status::Sent, 0), (4, Status::Sent, 0)];
        assert_eq!(runs, expected);
    }
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

#[test]
fn a_farewell_is_received_after_everything_that_was_put() {
    let (producer, consumer) = pair(8);
    submit(&producer, 0);
    let bye = Control::Bye(Box::new(Bye { reason: ByeReason::Finished, frames: 1, report: None }));
    producer.connection().send_control(&bye);
    drop(producer);
    settle(consumer.connection());
    assert_eq!((consumer.connection().next_control(), consumer.waiting()), (Some(bye), 1));
    assert!(consumer.connection().is_closed());
}

#[test]
fn a_completion_without_a_frame_is_not_put() {
    let (producer, consumer) = pair(8);
    consumer.complete(completion(0));
    settle(consumer.connection());
    settle(producer.connection());
    assert_eq!((producer.next_completion(), producer.connection().closed()), (None, None));
}

proptest! {
    /// Any interleaving of both sides: frames and completions arrive once, whole and in order.
    #[test]
    fn nothing_is_lost_doubled_or_reordered(slots in 1u32..70, moves in proptest::collection::vec(0u8..6, 0..600)) {
        let (producer, consumer) = pair(slots);
        let (mut submitted, mut taken, mut completed, mut back) = (0u64, 0u64, 0u64, 0u64);
        let mut buffer = [0; MAX_FRAME];
        let mut held = VecDeque::new();
        for step in moves {
            match step {
                0 if submitted - back < u64::from(slots) => {
                    submit(&producer, submitted);
                    submitted += 1;
                }
                1 => { producer.connection().exchange(); }
                2 => { consumer.connection().exchange(); }
                3 => if let Some(seen) = consumer.take(Some(&mut buffer)) {
                    prop_assert_eq!(seen, (descriptor(taken), &frame(taken)[..]));
                    held.push_back(taken);
                    taken += 1;
                },
                4 => if let Some(position) = held.pop_front() {
                    consumer.complete(completion(position));
                    completed += 1;
                },
                _ => if let Some(seen) = producer.next_completion() {
                    prop_assert_eq!(seen, completion(back));
                    back += 1;
                },
            }
            prop_assert!(back <= completed && completed <= taken && taken <= submitted);
            prop_assert_eq!((producer.connection().closed(), consumer.connection().closed()), (None, None));
        }
    }
}
