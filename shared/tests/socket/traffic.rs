//! Traffic between two honest ends: complete and in order, wherever the kernel splits it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};

use proptest::prelude::*;
use shared::control::encode_completion;
use shared::exec::{Clock, IdleMode, Interrupt, RealPark, Source, run};
use shared::ring::socket::{SocketConsumer, SocketProducer};
use shared::ring::{ConsumerPort, Depth, MAX_FRAME, Producer, ProducerPort};

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

/// Sends `total` frames, with the ring kept full.
fn carry(producer: &SocketProducer, consumer: &SocketConsumer, depth: u64, total: u64) {
    let (mut submitted, mut taken, mut completed) = (0, 0, 0);
    while completed < total {
        while submitted < total && submitted - completed < depth {
            submit(producer, submitted);
            submitted += 1;
        }
        producer.connection().exchange();
        consumer.connection().exchange();
        taken = serve(consumer, taken);
        consumer.connection().exchange();
        producer.connection().exchange();
        while let Some(back) = producer.next_completion() {
            assert_eq!(back, completion(completed));
            completed += 1;
        }
    }
    assert_eq!((producer.connection().closed(), consumer.connection().closed()), (None, None));
}

#[test]
fn frames_go_one_way_and_completions_the_other() {
    for (depth, total) in [(1, 100), (3, 1_000), (65_536, 140_000)] {
        let (producer, consumer) = pair(depth);
        carry(&producer, &consumer, u64::from(depth), total);
    }
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
        producer.connection().descriptor().map(|(_, writable)| writable),
        Some(true),
        "it sleeps until the socket is writable"
    );
    let mut taken = 0;
    while producer.connection().unsent() > 0 {
        consumer.connection().exchange();
        producer.connection().exchange();
        taken = serve(&consumer, taken);
    }
    assert_eq!(producer.connection().descriptor().map(|(_, writable)| writable), Some(false));
    settle(consumer.connection());
    assert_eq!(serve(&consumer, taken), 64);
}

#[test]
fn a_narrow_socket_carries_as_much_as_a_wide_one() {
    let (producer, consumer) = narrow_pair(16);
    carry(&producer, &consumer, 16, 2_000);
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
fn a_frame_can_be_taken_without_its_bytes() {
    let (producer, consumer) = pair(1);
    submit(&producer, 0);
    producer.connection().exchange();
    consumer.connection().exchange();
    assert_eq!(consumer.take(None), Some((descriptor(0), &[][..])));
    assert_eq!((consumer.take(None), consumer.waiting()), (None, 0));
}

#[test]
fn the_length_of_a_frame_is_that_of_its_parts() {
    let (producer, consumer) = pair(1);
    let descriptor = Descriptor { len: 999, ..Descriptor::default() };
    producer.submit(Frame { descriptor, headers: b"four", payload: b"teen bytes" });
    producer.connection().exchange();
    consumer.connection().exchange();
    let mut buffer = [0; 10];
    let taken = consumer.take(Some(&mut buffer)).map(|(found, bytes)| (found.len, bytes));
    assert_eq!(taken, Some((14, &b"fourteen b"[..])), "never more than there is room for");
}

#[test]
fn a_side_does_not_sleep_if_something_has_arrived() {
    let (producer, consumer) = pair(1);
    assert!(may_sleep(consumer.connection()));
    submit(&producer, 0);
    assert!(may_sleep(producer.connection()), "the queue was written, and nothing arrived");
    assert!(!may_sleep(consumer.connection()));
    assert_eq!(consumer.waiting(), 1);
}

#[test]
fn frames_and_control_messages_have_separate_signals() {
    let (producer, consumer) = pair(2);
    let (packets, farewell) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
    let mut arrived = pin!(consumer.connection().arrived().wait_for(|| consumer.take(None)));
    let mut control = pin!(consumer.connection().control_arrived().wait_for(|| consumer.connection().next_control()));
    assert!(arrived.as_mut().poll(&mut Context::from_waker(&packets.clone().into())).is_pending());
    assert!(control.as_mut().poll(&mut Context::from_waker(&farewell.clone().into())).is_pending());
    submit(&producer, 0);
    producer.connection().exchange();
    consumer.connection().exchange();
    assert!(packets.is_up() && !farewell.is_up());
    producer.connection().send_control(&bye(1));
    consumer.connection().exchange();
    assert!(farewell.is_up());
}

/// A waker that records that it was called.
#[derive(Default)]
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

#[test]
fn a_descriptor_that_is_not_a_stream_socket_is_refused() {
    let file: OwnedFd = tempfile::tempfile().unwrap().into();
    assert!(SocketProducer::new(file, Tables::producer(Depth::new(1).unwrap()).unwrap()).is_err());
}

/// Two threads that sleep whenever they can, at depths where each frame has to wake the other side.
#[test]
fn sleeping_ends_wake_each_other() {
    for depth in [1, 2, 7] {
        let (left, right) = UnixStream::pair().unwrap();
        let far = std::thread::spawn(move || consume_asleep(right, depth));
        produce_asleep(left, depth, 200);
        assert_eq!(far.join().unwrap(), 200);
    }
}

fn produce_asleep(stream: UnixStream, depth: u32, total: u64) {
    let port = producer_on(stream, depth);
    let park = RealPark::new(vec![Rc::clone(port.connection()) as _], Rc::new(Interrupt::never()), IdleMode::Sleep);
    let ring = Rc::new(Producer::new(port, Depth::new(depth).unwrap(), Clock::default()));
    run(&Clock::default(), park, |tasks| {
        let sender = Rc::clone(&ring);
        tasks.spawn(async move {
            for number in 0..total {
                assert!(sender.reserve().await.submit(descriptor(number), &frame(number), &[]));
            }
        });
        async move {
            for _ in 0..total {
                ring.connection().arrived().wait_for(|| ring.next_completion()).await;
            }
        }
    })
    .unwrap();
}

fn consume_asleep(stream: UnixStream, depth: u32) -> u64 {
    let port = consumer_on(stream, depth);
    let park = RealPark::new(vec![Rc::clone(port.connection()) as _], Rc::new(Interrupt::never()), IdleMode::Sleep);
    run(&Clock::default(), park, |_| async move {
        let served = Cell::new(0);
        let done = || {
            served.set(serve(&port, served.get()));
            port.connection().closed()
        };
        port.connection().arrived().wait_for(done).await;
        served.get()
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any interleaving of both ends: frames and completions arrive in order and unchanged, never more than depth
    /// frames are outstanding, and in the end none is missing.
    #[test]
    fn any_interleaving_loses_nothing(
        depth in 1u32..40,
        is_narrow: bool,
        moves in proptest::collection::vec((0u8..6, 1usize..30), 0..200),
    ) {
        let (producer, consumer) = if is_narrow { narrow_pair(depth) } else { pair(depth) };
        let ring = Producer::new(producer, Depth::new(depth).unwrap(), Clock::default());
        let mut state = Interleaving { ring, consumer, submitted: 0, taken: 0, completed: 0, confirmed: 0, sent: VecDeque::new() };
        for (what, times) in moves {
            state.act(what, times)?;
        }
        while state.confirmed < state.submitted || !state.sent.is_empty() {
            for what in 0..6 {
                // Submit and send nothing new, but finish everything in flight.
                if what != 1 { state.act(what, if what == 0 { 0 } else { 1_000 })?; }
            }
        }
        prop_assert_eq!(state.ring.room(), u64::from(depth));
        prop_assert_eq!((state.ring.connection().closed(), state.consumer.connection().closed()), (None, None));
    }
}

struct Interleaving {
    ring: Producer<SocketProducer>,
    consumer: SocketConsumer,
    submitted: u64,
    taken: u64,
    completed: u64,
    confirmed: u64,
    /// Control messages that the consumer sent and the producer has not received yet.
    sent: VecDeque<u64>,
}

impl Interleaving {
    fn act(&mut self, what: u8, times: usize) -> Result<(), TestCaseError> {
        match what {
            0 => (0..times).for_each(|_| self.submit()),
            1 => self.send(),
            2 => self.take(times)?,
            3 => self.complete(times),
            4 => {
                self.consumer.connection().exchange();
            }
            _ => self.confirm()?,
        }
        let (waiting, held) = (u64::from(self.consumer.waiting()), self.taken - self.completed);
        prop_assert!(waiting + held <= self.submitted - self.confirmed);
        prop_assert!(self.submitted - self.confirmed <= u64::from(self.ring.depth().get()));
        Ok(())
    }

    fn submit(&mut self) {
        let Some(permit) = self.ring.try_reserve() else { return };
        let bytes = frame(self.submitted);
        assert!(permit.submit(descriptor(self.submitted), &bytes[..10], &bytes[10..]));
        self.submitted += 1;
    }

    fn send(&mut self) {
        // Fewer than MAX_UNREAD_CONTROL, or the session would close.
        if self.sent.len() < 10 {
            self.consumer.connection().send_control(&bye(self.taken));
            self.sent.push_back(self.taken);
        }
    }

    fn take(&mut self, times: usize) -> Result<(), TestCaseError> {
        let mut buffer = [0; MAX_FRAME];
        for _ in 0..times {
            let Some(found) = self.consumer.take(Some(&mut buffer)) else { break };
            prop_assert_eq!(found, (descriptor(self.taken), &frame(self.taken)[..]));
            self.taken += 1;
        }
        Ok(())
    }

    fn complete(&mut self, times: usize) {
        for _ in 0..times {
            if self.completed < self.taken {
                self.consumer.complete(completion(self.completed));
                self.completed += 1;
            }
        }
    }

    fn confirm(&mut self) -> Result<(), TestCaseError> {
        self.ring.connection().exchange();
        while let Some(back) = self.ring.next_completion() {
            prop_assert_eq!(back, completion(self.confirmed));
            self.confirmed += 1;
        }
        while let Some(message) = self.ring.connection().next_control() {
            prop_assert_eq!(Some(message), self.sent.pop_front().map(bye));
        }
        Ok(())
    }
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
    consumer.complete_run(completion(1), 2);
    settle(consumer.connection());
    assert_eq!(consumer.batch_limit(8), 1, "the wake point is reached, so each free slot may be used");
    settle(producer.connection());
    while producer.next_completion().is_some() {}
    submit_up_to(8, 10);
    assert_eq!(consumer.batch_limit(8), 1, "one slot is free");
    submit_up_to(10, 11);
    assert_eq!(consumer.batch_limit(8), 3);
}
