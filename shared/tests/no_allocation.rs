//! After a warm-up, a packet through the ring allocates nothing. A program without the test
//! harness, because allocations of the harness's thread would be counted too.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "a test without the harness prints its result itself")]

use std::alloc::System;
use std::os::unix::net::UnixStream;

use shared::exec::{Clock, Source};
use shared::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, MAX_FRAME, Producer, Status};
use shared::units::Nanos;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Sends `frames` from one end to the other and back.
fn traffic(ring: &Producer<ShmProducer>, consumer: &ShmConsumer, position: &mut u64, frames: u64) {
    let mut buffer = [0; MAX_FRAME];
    let end = *position + frames;
    while *position < end {
        while ring.try_submit(Descriptor::default(), &[1; 42], &[2; 1000]) {}
        ring.connection().exchange();
        consumer.connection().exchange();
        while consumer.take(Some(&mut buffer)).is_some() {
            let now = Nanos(*position);
            consumer.complete(Completion { position: *position, status: Status::Sent, taken: now, at: now });
            *position += 1;
        }
        consumer.connection().exchange();
        ring.connection().exchange();
        while ring.next_completion().is_some() {}
    }
}

fn main() {
    let depth = Depth::new(64).unwrap();
    let (left, right) = UnixStream::pair().unwrap();
    let (ours, file) = SharedMemory::create(depth, 1).unwrap();
    let theirs = SharedMemory::open(file, depth, 1).unwrap();
    let consumer = ShmConsumer::new(right.into(), ours).unwrap();
    let ring = Producer::new(ShmProducer::new(left.into(), theirs).unwrap(), depth, Clock::default());
    let mut position = 0;
    traffic(&ring, &consumer, &mut position, 1_000);
    let warm = Region::new(COUNTING);
    traffic(&ring, &consumer, &mut position, 10_000);
    let used = warm.change();
    assert_eq!((used.allocations, used.reallocations, used.deallocations), (0, 0, 0));
    println!("a packet allocates nothing ... ok");
}
