//! Any interleaving of both sides, with control messages among the completions.

use std::collections::VecDeque;

use super::{Random, Transport, bye, completion, descriptor, frame, turn};
use crate::depth::Depth;
use crate::exec::Clock;
use crate::frame::MAX_FRAME;
use crate::ring::{ConsumerPort, Producer};
use crate::units::Nanos;

/// Frames and completions arrive in order and unchanged, never more than depth frames are outstanding, and in the end
/// none is missing.
pub fn any_interleaving_loses_nothing<T: Transport>() {
    let mut random = Random::new(2);
    for _ in 0..300 {
        let slots = 1 + random.below(69) as u32;
        let depth = Depth::new(slots).unwrap();
        let (producer, consumer) = T::ring(depth);
        let ring = Producer::new(producer, depth, Clock::starting_at(Nanos(1 << 40)));
        let mut state = Interleaving::<T> {
            ring,
            consumer,
            submitted: 0,
            taken: 0,
            completed: 0,
            confirmed: 0,
            sent: VecDeque::new(),
        };
        for _ in 0..random.below(600) {
            state.act(random.below(7), 1 + random.below(29));
        }
        while state.confirmed < state.submitted || !state.sent.is_empty() {
            // Submits and sends nothing new, but finishes everything in flight.
            (2..7).for_each(|what| state.act(what, 1_000));
        }
        assert_eq!(state.ring.room(), u64::from(slots));
        assert_eq!((state.ring.connection().closed(), state.consumer.connection().closed()), (None, None));
    }
}

struct Interleaving<T: Transport> {
    ring: Producer<T::Producer>,
    consumer: T::Consumer,
    submitted: u64,
    taken: u64,
    completed: u64,
    confirmed: u64,
    /// Control messages that the consumer sent and the producer has not received yet.
    sent: VecDeque<u64>,
}

impl<T: Transport> Interleaving<T> {
    fn act(&mut self, what: usize, times: usize) {
        match what {
            0 => (0..times).for_each(|_| self.submit()),
            1 => self.send(),
            2 => self.take(times),
            3 => self.complete(times),
            4 => turn(&[self.consumer.connection()]),
            5 => turn(&[self.ring.connection()]),
            _ => self.confirm(),
        }
        let (waiting, held) = (u64::from(self.consumer.waiting()), self.taken - self.completed);
        assert!(waiting + held <= self.submitted - self.confirmed);
        assert!(self.submitted - self.confirmed <= u64::from(self.ring.depth().get()));
    }

    fn submit(&mut self) {
        let Some(permit) = self.ring.try_reserve() else { return };
        let bytes = frame(self.submitted);
        assert!(permit.submit(descriptor(self.submitted), &bytes[..10], &bytes[10..]));
        self.submitted += 1;
    }

    fn send(&mut self) {
        // Fewer than MAX_UNREAD_CONTROL, or the connection would close.
        if self.sent.len() < 10 {
            self.consumer.connection().send_control(&bye(self.taken));
            self.sent.push_back(self.taken);
        }
    }

    fn take(&mut self, times: usize) {
        let mut buffer = [0; MAX_FRAME];
        for _ in 0..times {
            let Some(found) = self.consumer.take(Some(&mut buffer)) else { break };
            assert_eq!(found, (descriptor(self.taken), &frame(self.taken)[..]));
            self.taken += 1;
        }
    }

    fn complete(&mut self, times: usize) {
        for _ in 0..times {
            if self.completed < self.taken {
                self.consumer.complete(completion(self.completed));
                self.completed += 1;
            }
        }
    }

    fn confirm(&mut self) {
        while let Some(back) = self.ring.next_completion() {
            assert_eq!(back, completion(self.confirmed));
            self.confirmed += 1;
        }
        while let Some(message) = self.ring.connection().next_control() {
            assert_eq!(Some(message), self.sent.pop_front().map(bye));
        }
        assert!(self.confirmed <= self.completed && self.completed <= self.taken && self.taken <= self.submitted);
    }
}
