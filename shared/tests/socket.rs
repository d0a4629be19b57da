//! The socket transport, both ends in one thread: what crosses, in what order, and how much of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use shared::exec::Source;
use shared::ring::socket::{SocketConsumer, SocketProducer};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, MAX_FRAME, Port, ProducerPort, Status};
use shared::units::Nanos;

fn pair(depth: u32) -> (SocketProducer, SocketConsumer) {
    let (left, right) = UnixStream::pair().unwrap();
    let depth = Depth::new(depth).unwrap();
    (SocketProducer::new(left.into(), depth).unwrap(), SocketConsumer::new(right.into(), depth).unwrap())
}

fn completion(position: u64) -> Completion {
    Completion { position, status: Status::Sent, at: Nanos(position * 7) }
}

/// A frame that tells from its bytes which one it is.
fn frame(number: u64) -> Vec<u8> {
    let len = 14 + (number as usize * 37) % (MAX_FRAME - 13);
    (0..len).map(|at| (number as usize * 31 + at) as u8).collect()
}

#[test]
fn frames_go_one_way_and_completions_the_other() {
    for depth in [1, 3, 65_536] {
        let (producer, consumer) = pair(depth);
        let (mut submitted, mut taken, mut completed) = (0u64, 0u64, 0u64);
        let total = (u64::from(depth) * 2).min(70_000) + 10;
        let mut buffer = [0; MAX_FRAME];
        while completed < total {
            while submitted < total && submitted - completed < u64::from(depth) {
                let bytes = frame(submitted);
                let (head, tail) = bytes.split_at(14);
                let descriptor = Descriptor { flow: 5, sequence: submitted, ..Descriptor::default() };
                producer.submit(0, descriptor, head, tail);
                submitted += 1;
            }
            producer.exchange();
            consumer.exchange();
            while let Some(descriptor) = consumer.peek() {
                assert_eq!((descriptor.flow, descriptor.sequence), (5, taken));
                assert_eq!(consumer.take(Some(&mut buffer)), Some(&frame(taken)[..]));
                consumer.complete(completion(taken));
                taken += 1;
            }
            consumer.exchange();
            producer.exchange();
            while let Some(back) = producer.next_completion() {
                assert_eq!(back, completion(completed));
                completed += 1;
            }
        }
        assert_eq!((producer.closed(), consumer.closed()), (None, None));
    }
}

#[test]
fn only_a_stream_socket_will_do() {
    let file: OwnedFd = tempfile::tempfile().unwrap().into();
    assert!(SocketProducer::new(file, Depth::new(1).unwrap()).is_err());
}
