//! The driver's session with both rings, in virtual time, with a backend that a test controls.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod sides;

use std::rc::Rc;

use driver::session::SessionEnd;
use futures_util::future::join4;
use proptest::prelude::*;
use shared::connection::CloseReason;
use shared::control::{Bye, ByeReason};
use shared::ring::{Completion, ConsumerPort, MAX_FRAME, Status};
use shared::units::Nanos;

use sides::{Stack, session, stepped};

/// 1514 B at 1 Gbit/s, on the wire.
const FULL_NS: u64 = 12_304;

fn full(number: u8) -> Vec<u8> {
    vec![number; MAX_FRAME]
}

#[test]
fn frames_are_received_at_the_rate_of_the_link_and_an_idle_link_saves_nothing_up() {
    let (served, taken) = session("1Gbit", (4, 100), |stack| async move {
        let mut taken = Vec::new();
        stack.wait_until(50_000).await;
        for burst in 0..2 {
            for number in 0..3 {
                stack.interface.arrive(full(burst * 3 + number));
            }
            for _ in 0..3 {
                let (descriptor, frame) = stack.take().await;
                taken.push((descriptor.sequence, descriptor.submitted.0, frame[0], stack.clock.now().0));
                stack.complete();
            }
            stack.wait_until(1_000_000).await;
        }
        stack.bye().await;
        taken
    });
    let at = |base: u64, number: u64| base + number % 3 * FULL_NS;
    let expected: Vec<_> = (0..6)
        .map(|number| (number, at(if number < 3 { 50_000 } else { 1_000_000 }, number)))
        .map(|(number, at)| (number, at, number as u8, at))
        .collect();
    assert_eq!(taken, expected);
    let up = served.report.up.unwrap();
    assert_eq!((up.submitted, up.bytes, up.completed, up.no_slot_ns), (6, 6 * 1514, 6, 0));
    assert_eq!(served.report.backend.map(|backend| (backend.kind, backend.blocked_ns)), Some(("custom".to_owned(), 0)));
}

#[test]
fn a_full_ring_stops_reading_and_nothing_is_lost() {
    let (served, interface) = session("unlimited", (4, 3), |stack| async move {
        for number in 0..10 {
            stack.interface.arrive(full(number));
        }
        for _ in 0..3 {
            stack.take().await;
        }
        stack.wait_until(500).await;
        // Frames that arrive meanwhile are no reason to read.
        stack.interface.arrive(full(10));
        stack.wait_until(1_000).await;
        assert_eq!(stack.interface.arrived.borrow().len(), 8);
        for number in 3..11 {
            stack.complete();
            let (descriptor, frame) = stack.take().await;
            assert_eq!((descriptor.sequence, frame[0], descriptor.submitted), (number, number as u8, Nanos(1_000)));
        }
        stack.bye().await;
        Rc::clone(&stack.interface)
    });
    let up = served.report.up.unwrap();
    assert_eq!((up.submitted, up.completed, up.no_slot_ns), (11, 8, 1_000));
    let reads = interface.reads.borrow();
    // At the start it was empty once; then one read for each frame, and none while no slot was free.
    assert!(reads.iter().all(|at| [0, 1_000].contains(at)), "{reads:?}");
    assert!(reads.len() <= 12, "{reads:?}");
}

#[test]
fn a_ring_that_was_full_is_filled_again_at_the_rate_of_the_link() {
    let (served, times) = session("1Gbit", (4, 1), |stack| async move {
        for number in 0..4 {
            stack.interface.arrive(full(number));
        }
        let mut times = Vec::new();
        for pause in [1_000, 30_000, 5, 0] {
            let (descriptor, _) = stack.take().await;
            times.push(descriptor.submitted.0);
            stack.wait_until(stack.clock.now().0 + pause).await;
            stack.complete();
        }
        stack.bye().await;
        times
    });
    // Completed before the link was free; after 30 us; and again before the link was free.
    assert_eq!(times, [0, FULL_NS, FULL_NS + 30_000, 2 * FULL_NS + 30_000]);
    assert_eq!(served.report.up.unwrap().no_slot_ns, 30_000 - FULL_NS);
}

#[test]
fn a_frame_that_the_backend_does_not_take_stays_in_the_hardware_and_completes_when_it_does() {
    let (served, (times, interface)) = session("1Gbit", (8, 4), |stack| async move {
        stack.interface.take(Some(1));
        for number in 0..8 {
            stack.send(number, &full(number as u8)).await;
        }
        stack.wait_until(100_000).await;
        assert_eq!(stack.times(), [FULL_NS]);
        stack.interface.take(Some(2));
        stack.wait_until(150_000).await;
        assert_eq!(stack.times(), [FULL_NS, 100_000, 100_000]);
        stack.interface.take(None);
        stack.completed(8).await;
        stack.bye().await;
        (stack.times(), Rc::clone(&stack.interface))
    });
    // At 100 us two are taken, and two others enter the hardware, which the link sends before 150 us.
    let late = [100_000, 100_000, 150_000, 150_000, 150_000, 150_000, 150_000 + FULL_NS];
    assert_eq!(times, [&[FULL_NS], &late[..]].concat());
    let sent = interface.sent.borrow();
    assert!(sent.iter().map(|(frame, _)| frame[0]).eq(0..8));
    assert!(sent.iter().map(|(_, at)| *at).eq(times.iter().copied()), "{sent:?} {times:?}");
    let report = served.report;
    assert_eq!((report.sent, report.discarded, report.hardware.occupancy_max), (8, 0, 4));
    assert_eq!(report.backend.unwrap().blocked_ns, 150_000 - 2 * FULL_NS, "from the second frame's end on the link");
}

#[test]
fn a_session_that_ends_while_the_backend_is_blocked_discards_what_waits() {
    let (served, bye) = session("1Gbit", (8, 4), |stack| async move {
        stack.interface.take(Some(0));
        for number in 0..8 {
            stack.send(number, &full(0)).await;
        }
        stack.wait_until(100_000).await;
        stack.bye().await
    });
    let report = bye.report.unwrap();
    assert_eq!((report.received, report.sent, report.discarded), (8, 0, 8));
    assert_eq!(report.backend.unwrap().blocked_ns, 100_000 - FULL_NS);
    assert_eq!(served.ended, SessionEnd::Finished);
}

#[test]
fn frames_of_a_length_that_no_slot_holds_are_left_out_and_counted() {
    let (served, taken) = session("1Gbit", (4, 4), |stack| async move {
        for len in [1_515, 60, 3_000, 13, 14, 1_514] {
            stack.interface.arrive(vec![9; len]);
        }
        let mut taken = Vec::new();
        for _ in 0..3 {
            let (descriptor, frame) = stack.take().await;
            taken.push((descriptor.sequence, frame.len()));
            stack.complete();
        }
        stack.bye().await;
        taken
    });
    assert_eq!(taken, [(0, 60), (1, 14), (2, 1_514)]);
    let up = served.report.up.unwrap();
    assert_eq!((up.submitted, up.too_long, up.too_short), (3, 2, 1));
    assert!(served.report.warnings[0].text.contains("limit the MTU"), "{:?}", served.report.warnings);
}

#[test]
fn a_backend_that_fails_ends_the_session_with_the_reason() {
    let (served, bye) = session("1Gbit", (4, 4), |stack| async move {
        stack.send(0, &full(0)).await;
        stack.wait_until(100).await;
        stack.interface.failure.replace(Some("the interface tap0 is gone".to_owned()));
        stack.interface.readiness.notify();
        stack.receive_bye().await
    });
    assert_eq!(bye.reason, ByeReason::Fault("the interface tap0 is gone".to_owned()));
    assert_eq!(served.ended, SessionEnd::BackendFailed("the interface tap0 is gone".to_owned()));
    assert!(!served.ended.peer_failed() && !served.ended.is_fault());
    assert_eq!((served.report.received, served.report.discarded), (1, 1));
}

#[test]
fn nothing_is_read_behind_the_farewell() {
    let (served, (bye, left)) = session("1Gbit", (4, 4), |stack| async move {
        stack.interface.arrive(full(0));
        let bye = stack.bye().await;
        stack.interface.arrive(full(1));
        stack.wait_until(1_000_000).await;
        (bye, stack.interface.arrived.borrow().len() as u64)
    });
    assert_eq!((bye.report.unwrap().up, bye.reason), (served.report.up, ByeReason::Finished));
    assert_eq!(served.report.up.unwrap().submitted + left, 2);
    assert!(left >= 1);
}

#[test]
fn a_completion_that_the_stack_may_not_send_ends_the_session() {
    let (served, bye) = session("1Gbit", (4, 4), |stack| async move {
        stack.interface.arrive(full(0));
        stack.take().await;
        let at = stack.clock.now();
        stack.up.complete(Completion { position: 7, status: Status::Sent, taken: at, at });
        stack.receive_bye().await
    });
    assert!(matches!(&bye.reason, ByeReason::Violation(what) if what.contains("position 7")), "{bye:?}");
    assert!(matches!(served.ended, SessionEnd::Failed(CloseReason::Index(_))));
}

#[test]
fn a_session_that_is_stepped_gives_the_same_report_as_one_that_is_a_task() {
    async fn play(stack: Rc<Stack>) -> (Bye, Vec<(u64, usize)>, Vec<u64>) {
        stack.interface.take(Some(3));
        for number in 0..9 {
            stack.interface.arrive(full(number));
        }
        let mut taken = Vec::new();
        for number in 0..9 {
            stack.send(number, &full(0)).await;
            let (descriptor, frame) = stack.take().await;
            taken.push((descriptor.submitted.0, frame.len()));
            stack.wait_until(stack.clock.now().0 + number * 3_000).await;
            stack.complete();
            if number == 3 {
                stack.interface.take(None);
            }
        }
        stack.interface.arrive(vec![1; 60]);
        taken.push((stack.take().await.0.submitted.0, 60));
        stack.completed(9).await;
        (stack.bye().await, taken, stack.times())
    }
    for link in ["unlimited", "1Gbit", "100Mbit"] {
        for depths in [(1, 1), (2, 3), (9, 9)] {
            let (served, expected) = session(link, depths, play);
            assert_eq!(expected.0.report, Some(served.report), "{link} {depths:?}");
            assert_eq!(stepped(link, depths, play), expected, "{link} {depths:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Traffic both ways at any depths, with a backend that is blocked now and then and a stack that is slow: every
    /// frame arrives, in order, in both directions, and neither direction stops the other.
    #[test]
    fn every_frame_arrives_in_both_directions(
        depth in 1u32..6,
        rx_depth in 1u32..6,
        link in prop_oneof![Just("unlimited"), Just("1Gbit"), Just("30Mbit")],
        down in proptest::collection::vec((14usize..1515, 0u64..20_000), 0..60),
        arrivals in proptest::collection::vec((14usize..1515, 0u64..20_000), 0..60),
        slow in 0u64..30_000,
        blocks in proptest::collection::vec((0u64..4, 0u64..50_000), 0..10),
    ) {
        let (sends, arrives) = (down.len(), arrivals.len());
        let lengths = |all: &[(usize, u64)]| all.iter().map(|(len, _)| *len).collect::<Vec<_>>();
        let (sent_lengths, arrived_lengths) = (lengths(&down), lengths(&arrivals));
        let (served, (received, sent)) = session(link, (depth, rx_depth), move |stack| async move {
            let answers = async {
                let mut received = Vec::new();
                for _ in 0..arrives {
                    let (descriptor, frame) = stack.take().await;
                    assert!(descriptor.submitted <= stack.clock.now());
                    received.push(frame.len());
                    stack.wait_until(stack.clock.now().0 + slow).await;
                    stack.complete();
                }
                received
            };
            let feeds = async {
                for (len, pause) in arrivals {
                    stack.wait_until(stack.clock.now().0 + pause).await;
                    stack.interface.arrive(vec![0; len]);
                }
            };
            let blocking = async {
                for (frames, pause) in blocks {
                    stack.interface.take(Some(frames));
                    stack.wait_until(stack.clock.now().0 + pause).await;
                }
                stack.interface.take(None);
            };
            let sending = async {
                for (sequence, (len, pause)) in down.into_iter().enumerate() {
                    stack.wait_until(stack.clock.now().0 + pause).await;
                    stack.send(sequence as u64, &vec![1; len]).await;
                }
                stack.completed(sends).await;
            };
            let (received, (), (), ()) = join4(answers, feeds, blocking, sending).await;
            stack.bye().await;
            let sent = stack.interface.sent.borrow().iter().map(|(frame, _)| frame.len()).collect::<Vec<_>>();
            assert!(stack.times().is_sorted());
            (received, sent)
        });
        prop_assert_eq!(received, arrived_lengths);
        prop_assert_eq!(sent, sent_lengths);
        let up = served.report.up.unwrap();
        prop_assert_eq!((up.submitted, up.completed), (arrives as u64, arrives as u64));
        prop_assert_eq!((served.report.sent, served.report.discarded), (sends as u64, 0));
        prop_assert!(served.report.held_max <= depth);
    }
}
