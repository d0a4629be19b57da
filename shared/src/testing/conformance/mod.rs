//! The conformance suite: what every transport must do, one function for each property.
//!
//! `tests/conformance.rs` runs each of them over each transport. A new transport implements [`Transport`] and joins
//! that list. What is special about one transport (violations by its peer, system calls, doorbells) has tests of its
//! own.

mod batches;
mod traffic;
mod transports;
mod wakeups;

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};

pub use batches::{a_batch_equals_single_frames, a_frame_of_equal_length_is_built_from_the_headers_of_the_one_before};
pub use traffic::any_interleaving_loses_nothing;
pub use transports::{Loopback, Make, MakeBoth, NarrowSocket, Shm, Socket, Transport};
pub use wakeups::{
    a_side_does_not_sleep_over_what_has_arrived, sleeping_sides_wake_each_other, waiters_are_served_in_order,
};

use crate::connection::{CloseReason, Connection};
use crate::control::{Bye, ByeReason, Control, WireError};
use crate::depth::Depth;
use crate::exec::{Clock, Source};
use crate::frame::{Completion, Descriptor, MAX_FRAME, Status};
use crate::ring::{ConsumerPort, Frame, Producer, ProducerPort};
use crate::units::Nanos;

/// Pseudo-random numbers, the same in every run.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// A frame whose length and bytes depend on its number; the lengths cover all that a slot holds.
fn frame(number: u64) -> Vec<u8> {
    let len = 14 + (number as usize * 37) % (MAX_FRAME - 13);
    (0..len).map(|at| (number as usize * 31 + at) as u8).collect()
}

fn descriptor(number: u64) -> Descriptor {
    Descriptor { len: frame(number).len() as u32, flow: 5, sequence: number, submitted: Nanos(number + 1) }
}

fn submit(producer: &impl ProducerPort, number: u64) {
    let bytes = frame(number);
    let (headers, payload) = bytes.split_at(bytes.len() / 2);
    producer.submit(Frame { descriptor: descriptor(number), headers, payload });
}

fn completion(position: u64) -> Completion {
    Completion { position, status: Status::Sent, taken: Nanos(position * 5), at: Nanos(position * 7) }
}

fn bye(frames: u64) -> Control {
    Control::Bye(Box::new(Bye { reason: ByeReason::Finished, frames, report: None }))
}

fn slots(slots: u32) -> Depth {
    Depth::new(slots).unwrap()
}

/// Lets each connection take its turn, often enough that it has read its socket as well as its rings.
fn settle(connections: &[&Rc<Connection>]) {
    (0..200).for_each(|_| turn(connections));
}

/// Lets each connection take one turn.
fn turn(connections: &[&Rc<Connection>]) {
    for connection in connections {
        connection.exchange();
    }
}

/// Takes and completes every waiting frame. Returns how many were taken so far.
fn serve(consumer: &impl ConsumerPort, mut taken: u64) -> u64 {
    let mut buffer = [0; MAX_FRAME];
    while let Some(found) = consumer.take(Some(&mut buffer)) {
        assert_eq!(found, (descriptor(taken), &frame(taken)[..]));
        consumer.complete(completion(taken));
        taken += 1;
    }
    taken
}

/// Frames go one way and completions the other, in order, at any depth.
pub fn frames_and_completions_keep_their_order<T: Transport>() {
    for depth in [1, 3, 64, 65_536] {
        let (producer, consumer) = T::ring(slots(depth));
        let total = (u64::from(depth) * 2).clamp(1_000, 140_000) + 10;
        let (mut submitted, mut taken, mut completed) = (0, 0, 0);
        while completed < total {
            while submitted < total && submitted - completed < u64::from(depth) {
                submit(&producer, submitted);
                submitted += 1;
            }
            turn(&[producer.connection(), consumer.connection()]);
            taken = serve(&consumer, taken);
            turn(&[consumer.connection(), producer.connection()]);
            while let Some(back) = producer.next_completion() {
                assert_eq!(back, completion(completed));
                completed += 1;
            }
        }
        assert_eq!((producer.connection().closed(), consumer.connection().closed()), (None, None));
    }
}

/// Completions that were put as one group are taken as one, whole or in parts, and with their times.
pub fn completions_that_were_put_together_are_taken_together<T: Transport>() {
    let (producer, consumer) = T::ring(slots(5));
    for round in 0..3 {
        let base = round * 5;
        (base..base + 5).for_each(|number| submit(&producer, number));
        settle(&[producer.connection(), consumer.connection()]);
        (0..5).for_each(|_| assert!(consumer.take(None).is_some()));
        let group = |behind, status| Completion { status, ..completion(base).behind(behind) };
        consumer.complete_group(group(0, Status::Sent), 2);
        consumer.complete_group(group(2, Status::BadLength), 1);
        // The last one is left over: no more frames were taken.
        consumer.complete_group(group(3, Status::Sent), 3);
        settle(&[consumer.connection(), producer.connection()]);
        let taken = [5, 5, 1, 5].map(|most| producer.next_completions(most));
        let expected = [(0, Status::Sent, 2), (2, Status::BadLength, 1), (3, Status::Sent, 1), (4, Status::Sent, 1)];
        assert_eq!(taken, expected.map(|(behind, status, frames)| Some((group(behind, status), frames))));
        assert_eq!(producer.next_completions(5), None);
    }
}

/// No more than depth frames are outstanding, and only a completion frees a slot.
pub fn a_slot_is_freed_on_completion<T: Transport>() {
    let (producer, consumer) = T::ring(slots(1));
    let ring = Producer::new(producer, slots(1), Clock::default());
    let sides = [ring.connection(), consumer.connection()].map(Rc::clone);
    let settle = || settle(&[&sides[0], &sides[1]]);
    let frame = Descriptor { len: 5, ..Descriptor::default() };
    assert!(ring.try_reserve().unwrap().submit(frame, b"he", b"llo"));
    assert!(ring.try_reserve().is_none());
    settle();
    assert_eq!(consumer.take(Some(&mut [0; 64])), Some((frame, &b"hello"[..])));
    settle();
    assert!(ring.next_completion().is_none() && ring.try_reserve().is_none(), "taken is not completed");
    consumer.complete(completion(0));
    settle();
    assert_eq!(ring.next_completion(), Some(completion(0)));
    assert!(ring.try_reserve().is_some());
}

/// A permit that is submitted on a dead connection is lost, and one that is dropped returns its credit.
pub fn a_permit_on_a_dead_connection_is_lost<T: Transport>() {
    let (producer, consumer) = T::ring(slots(2));
    let ring = Producer::new(producer, slots(2), Clock::default());
    let (kept, unused) = (ring.try_reserve().unwrap(), ring.try_reserve().unwrap());
    drop(consumer);
    settle(&[ring.connection()]);
    drop(unused);
    assert_eq!(ring.room(), 1);
    assert!(!kept.submit(descriptor(0), &frame(0), b""));
    assert_eq!((ring.lost(), ring.outstanding()), (1, 0));
    assert!(!ring.try_submit(descriptor(0), &frame(0), b""));
}

/// A completion for which no frame was taken is not put.
pub fn a_completion_without_a_frame_is_not_put<T: Transport>() {
    let (producer, consumer) = T::ring(slots(8));
    consumer.complete(completion(0));
    settle(&[consumer.connection(), producer.connection()]);
    assert_eq!((producer.next_completion(), producer.connection().closed()), (None, None));
}

/// A frame can be taken without its bytes; its length is that of its parts; a short buffer gets its beginning.
pub fn a_frame_has_the_length_of_its_parts<T: Transport>() {
    let (producer, consumer) = T::ring(slots(2));
    let descriptor = Descriptor { len: 999, ..Descriptor::default() };
    for _ in 0..2 {
        producer.submit(Frame { descriptor, headers: b"four", payload: b"teen bytes" });
    }
    settle(&[producer.connection(), consumer.connection()]);
    let mut buffer = [0; 10];
    let taken = consumer.take(Some(&mut buffer)).map(|(found, bytes)| (found.len, bytes));
    assert_eq!(taken, Some((14, &b"fourteen b"[..])), "no more bytes than the buffer holds");
    assert_eq!(consumer.take(None).map(|(found, bytes)| (found.len, bytes)), Some((14, &[][..])));
    assert_eq!((consumer.take(None), consumer.waiting()), (None, 0));
}

/// A frame that is too long closes the connection, and is not sent.
pub fn a_frame_that_is_too_long_is_not_sent<T: Transport>() {
    let (producer, consumer) = T::ring(slots(1));
    producer.submit(Frame { descriptor: Descriptor::default(), headers: &[0; 15], payload: &[0; MAX_FRAME - 14] });
    assert_eq!(producer.connection().closed(), Some(WireError::FrameTooLong(1515).into()));
    settle(&[producer.connection(), consumer.connection()]);
    assert_eq!(consumer.waiting(), 0);
}

/// A control message is received behind all frames that were submitted before it, also after its sender has closed.
pub fn a_farewell_is_received_behind_the_frames<T: Transport>() {
    let (producer, consumer) = T::ring(slots(8));
    submit(&producer, 0);
    producer.connection().send_control(&bye(1));
    drop(producer);
    settle(&[consumer.connection()]);
    assert_eq!((consumer.connection().next_control(), consumer.waiting()), (Some(bye(1)), 1));
    assert_eq!(consumer.connection().closed(), Some(CloseReason::PeerGone));
    assert_eq!(consumer.take(Some(&mut [0; 2_000])), Some((descriptor(0), &frame(0)[..])));
}

/// Completions and a control message are received although the consumer has closed.
pub fn a_farewell_is_received_behind_the_completions<T: Transport>() {
    let (producer, consumer) = T::ring(slots(4));
    (0..2).for_each(|number| submit(&producer, number));
    settle(&[producer.connection(), consumer.connection()]);
    assert_eq!(serve(&consumer, 0), 2);
    consumer.connection().send_control(&bye(2));
    drop(consumer);
    settle(&[producer.connection()]);
    assert_eq!(producer.connection().closed(), Some(CloseReason::PeerGone));
    assert_eq!([0, 1].map(|_| producer.next_completion()), [0, 1].map(|position| Some(completion(position))));
    assert_eq!(producer.connection().next_control(), Some(bye(2)));
}

/// A side that closes for a violation can still send its reason. The first reason stays.
pub fn the_reason_is_sent_after_a_violation<T: Transport>() {
    let (producer, consumer) = T::ring(slots(4));
    let reason = CloseReason::Wire(WireError::UnknownKind(9));
    let farewell = Bye { reason: ByeReason::Violation(reason.to_string()), frames: 0, report: None };
    let farewell = Control::Bye(Box::new(farewell));
    consumer.connection().close(reason.clone());
    consumer.connection().send_control(&farewell);
    assert!(consumer.connection().is_closed() && consumer.connection().is_leaving());
    settle(&[consumer.connection(), producer.connection()]);
    assert_eq!(producer.connection().next_control(), Some(farewell));
    consumer.connection().close(CloseReason::PeerGone);
    assert_eq!(consumer.connection().closed(), Some(reason));
}

/// A task that waits for a control message is not woken for each packet, and the other way round.
pub fn frames_and_control_messages_have_separate_signals<T: Transport>() {
    let (producer, consumer) = T::ring(slots(2));
    let connection = consumer.connection();
    let (packets, farewell) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
    let mut arrived = pin!(connection.arrived().wait_for(|| consumer.take(None)));
    let mut control = pin!(connection.control_arrived().wait_for(|| connection.next_control()));
    assert!(arrived.as_mut().poll(&mut Context::from_waker(&packets.clone().into())).is_pending());
    assert!(control.as_mut().poll(&mut Context::from_waker(&farewell.clone().into())).is_pending());
    submit(&producer, 0);
    settle(&[producer.connection(), connection]);
    assert!(packets.is_up() && !farewell.is_up());
    producer.connection().send_control(&bye(1));
    settle(&[connection]);
    assert!(farewell.is_up());
}

/// A waker that records that it was called.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Flag {
    fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two rings of one connection in opposite directions carry their frames independently, and a control message is
/// received behind the frames and the completions of both.
pub fn two_rings_of_one_connection_are_independent<T: Transport>() {
    let [(there, taken_back), (back, taken_there)] = T::both_ways(slots(4));
    let sides = [there.connection(), back.connection()];
    let (mut left, mut right) = ((0, 0, 0), (0, 0, 0));
    let mut random = Random::new(3);
    for _ in 0..200 {
        for (producer, consumer, (submitted, taken, completed)) in
            [(&there, &taken_there, &mut left), (&back, &taken_back, &mut right)]
        {
            while *submitted - *completed < 4 && random.below(3) > 0 {
                submit(producer, *submitted);
                *submitted += 1;
            }
            turn(&sides);
            *taken = serve(consumer, *taken);
            turn(&sides);
            while let Some(found) = producer.next_completion() {
                assert_eq!(found, completion(*completed));
                *completed += 1;
            }
        }
    }
    settle(&sides);
    (left.1, right.1) = (serve(&taken_there, left.1), serve(&taken_back, right.1));
    settle(&sides);
    assert!(left.0 > 100 && right.0 > 100, "{left:?} {right:?}");
    assert_eq!(sides.map(|side| side.closed()), [None, None]);
    // In one turn: frames into one ring, completions into the other, then the message.
    while there.next_completion().is_some() || back.next_completion().is_some() {}
    submit(&back, right.0);
    settle(&sides);
    submit(&there, left.0);
    assert_eq!(serve(&taken_back, right.1), right.1 + 1);
    there.connection().send_control(&bye(7));
    while back.connection().next_control().is_none() {
        turn(&[back.connection()]);
    }
    assert_eq!((taken_there.waiting(), back.next_completion()), (1, Some(completion(right.0))));
}
