//! The socket transport over real sockets, in one thread where time does not matter: traffic, violations by the peer,
//! and the end of a session.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod ending;
mod hostile;
mod traffic;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use rustix::net::sockopt::set_socket_send_buffer_size;
use shared::connection::Connection;
use shared::control::{Bye, ByeReason, Control, encode_control, encode_frame_header};
use shared::exec::{Announced, Source, Wait};
use shared::ring::socket::{SocketConsumer, SocketProducer, Tables};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, Frame, MAX_FRAME, ProducerPort, Status};
use shared::units::Nanos;

/// Both ends, connected.
fn pair(depth: u32) -> (SocketProducer, SocketConsumer) {
    let (left, right) = UnixStream::pair().unwrap();
    ends(left, right, depth)
}

/// Both ends, with socket buffers into which a full-size frame hardly fits.
fn narrow_pair(depth: u32) -> (SocketProducer, SocketConsumer) {
    let (left, right) = UnixStream::pair().unwrap();
    narrow(&left);
    narrow(&right);
    ends(left, right, depth)
}

fn ends(left: UnixStream, right: UnixStream, depth: u32) -> (SocketProducer, SocketConsumer) {
    (producer_on(left, depth), consumer_on(right, depth))
}

/// A producer, and the bare socket of its peer.
fn producer_and_peer(depth: u32) -> (SocketProducer, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    narrow(&ours);
    (producer_on(ours, depth), peer)
}

/// A consumer, and the bare socket of its peer.
fn consumer_and_peer(depth: u32) -> (SocketConsumer, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    narrow(&ours);
    (consumer_on(ours, depth), peer)
}

fn producer_on(stream: UnixStream, depth: u32) -> SocketProducer {
    SocketProducer::new(stream.into(), Tables::producer(Depth::new(depth).unwrap()).unwrap()).unwrap()
}

fn consumer_on(stream: UnixStream, depth: u32) -> SocketConsumer {
    SocketConsumer::new(stream.into(), Tables::consumer(Depth::new(depth).unwrap(), 1).unwrap()).unwrap()
}

/// Sets the smallest socket buffer: the kernel rounds 1 up to its minimum, some 4 KiB.
fn narrow(stream: &UnixStream) {
    set_socket_send_buffer_size(stream, 1).unwrap();
}

/// A frame whose length and bytes depend on its number; the lengths cover all that a slot holds.
fn frame(number: u64) -> Vec<u8> {
    let len = 14 + (number as usize * 37) % (MAX_FRAME - 13);
    (0..len).map(|at| (number as usize * 31 + at) as u8).collect()
}

fn descriptor(number: u64) -> Descriptor {
    Descriptor { len: frame(number).len() as u32, flow: 5, sequence: number, submitted: Nanos(number + 1) }
}

/// That frame as a record.
fn frame_record(number: u64) -> Vec<u8> {
    [&encode_frame_header(&descriptor(number))[..], &frame(number)].concat()
}

fn completion(position: u64) -> Completion {
    Completion { position, status: Status::Sent, taken: Nanos(position * 5), at: Nanos(position * 7) }
}

fn submit(producer: &SocketProducer, number: u64) {
    let bytes = frame(number);
    let (headers, payload) = bytes.split_at(bytes.len() / 2);
    producer.submit(Frame { descriptor: descriptor(number), headers, payload });
}

fn bye(frames: u64) -> Control {
    Control::Bye(Box::new(Bye { reason: ByeReason::Finished, frames, report: None }))
}

fn bye_record(frames: u64) -> Vec<u8> {
    encode_control(&bye(frames)).unwrap()
}

/// Writes bytes to the socket, and calls `exchange` on the connection.
fn feed(connection: &Connection, mut peer: &UnixStream, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
    settle(connection);
}

/// Calls `exchange` until nothing more arrives.
fn settle(connection: &Connection) {
    while connection.exchange() {}
}

/// Announces that this side sleeps, as its park does. Returns whether it may. Withdraws the announcement.
fn may_sleep(connection: &Rc<Connection>) -> bool {
    Announced::new(&[Rc::clone(connection) as _], Wait::Sleep).is_some()
}
