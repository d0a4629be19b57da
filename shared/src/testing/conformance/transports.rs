//! The transports that the suite runs over.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::sockopt::set_socket_send_buffer_size;

use crate::connection::Connection;
use crate::depth::Depth;
use crate::ring::loopback::{self, LoopbackConsumer, LoopbackProducer};
use crate::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use crate::ring::socket::{SocketConsumer, SocketProducer, Tables};
use crate::ring::{ConsumerPort, ProducerPort};

/// Makes an end of a ring on the thread that calls it.
pub type Make<T> = Box<dyn FnOnce() -> T + Send>;

/// Makes both ends of a ring, each on a thread of its own.
pub type MakeBoth<T> = (Make<<T as Transport>::Producer>, Make<<T as Transport>::Consumer>);

/// A transport under test.
pub trait Transport {
    /// The end that submits frames.
    type Producer: ProducerPort + 'static;
    /// The end that takes frames.
    type Consumer: ConsumerPort + 'static;

    /// Both ends of a ring of `depth` slots.
    fn ring(depth: Depth) -> (Self::Producer, Self::Consumer);

    /// Two rings of `depth` slots in opposite directions, which belong to one connection: the ends on each side.
    fn both_ways(depth: Depth) -> [(Self::Producer, Self::Consumer); 2];

    /// Both ends of a ring for two threads; `None` if this transport has both ends in one.
    fn in_threads(depth: Depth) -> Option<MakeBoth<Self>>;
}

/// In memory of one process.
#[derive(Debug)]
pub struct Loopback;

impl Transport for Loopback {
    type Producer = LoopbackProducer;
    type Consumer = LoopbackConsumer;

    fn ring(depth: Depth) -> (LoopbackProducer, LoopbackConsumer) {
        loopback::pair(depth)
    }

    fn both_ways(depth: Depth) -> [(LoopbackProducer, LoopbackConsumer); 2] {
        let (left, right) = Connection::in_process();
        let (there, taken_there) = loopback::ring(&left, &right, depth);
        let (back, taken_back) = loopback::ring(&right, &left, depth);
        [(there, taken_back), (back, taken_there)]
    }

    fn in_threads(_: Depth) -> Option<MakeBoth<Self>> {
        None
    }
}

/// In memory that both sides map.
#[derive(Debug)]
pub struct Shm;

/// Both mappings of a ring.
fn memory(depth: Depth) -> (SharedMemory, SharedMemory) {
    let (made, file) = SharedMemory::create(depth, 1).unwrap();
    (made, SharedMemory::open(file, depth, 1).unwrap())
}

impl Transport for Shm {
    type Producer = ShmProducer;
    type Consumer = ShmConsumer;

    fn ring(depth: Depth) -> (ShmProducer, ShmConsumer) {
        let (left, right) = UnixStream::pair().unwrap();
        let (ours, theirs) = memory(depth);
        (ShmProducer::new(left.into(), theirs).unwrap(), ShmConsumer::new(right.into(), ours).unwrap())
    }

    fn both_ways(depth: Depth) -> [(ShmProducer, ShmConsumer); 2] {
        let (left, right) = UnixStream::pair().unwrap();
        let [left, right] = [left, right].map(|stream| Connection::beside_memory(stream.into()).unwrap());
        let ((there, there_too), (back, back_too)) = (memory(depth), memory(depth));
        [
            (ShmProducer::on(&left, there).unwrap(), ShmConsumer::on(&left, back).unwrap()),
            (ShmProducer::on(&right, back_too).unwrap(), ShmConsumer::on(&right, there_too).unwrap()),
        ]
    }

    fn in_threads(depth: Depth) -> Option<MakeBoth<Self>> {
        let (left, right) = UnixStream::pair().unwrap();
        let (ours, theirs) = memory(depth);
        let producer = move || ShmProducer::new(left.into(), theirs).unwrap();
        Some((Box::new(producer), Box::new(move || ShmConsumer::new(right.into(), ours).unwrap())))
    }
}

/// Records on a Unix socket.
#[derive(Debug)]
pub struct Socket;

/// Records on a Unix socket with buffers into which a full-size frame hardly fits.
#[derive(Debug)]
pub struct NarrowSocket;

fn narrow_streams() -> [UnixStream; 2] {
    let (left, right) = UnixStream::pair().unwrap();
    // The kernel rounds 1 up to its minimum, some 4 KiB.
    [left, right].map(|stream| set_socket_send_buffer_size(&stream, 1).map(|()| stream).unwrap())
}

fn on_streams(streams: [UnixStream; 2], depth: Depth) -> (SocketProducer, SocketConsumer) {
    let [left, right] = streams.map(OwnedFd::from);
    let producer = SocketProducer::new(left, Tables::producer(depth).unwrap()).unwrap();
    (producer, SocketConsumer::new(right, Tables::consumer(depth, 1).unwrap()).unwrap())
}

fn both_ways_on(streams: [UnixStream; 2], depth: Depth) -> [(SocketProducer, SocketConsumer); 2] {
    streams.map(|stream| {
        let connection = Connection::over_socket(stream.into()).unwrap();
        let producer = SocketProducer::on(&connection, Tables::producer(depth).unwrap()).unwrap();
        (producer, SocketConsumer::on(&connection, Tables::consumer(depth, 1).unwrap()).unwrap())
    })
}

fn in_threads_on(streams: [UnixStream; 2], depth: Depth) -> MakeBoth<Socket> {
    let [left, right] = streams.map(OwnedFd::from);
    let producer = move || SocketProducer::new(left, Tables::producer(depth).unwrap()).unwrap();
    let consumer = move || SocketConsumer::new(right, Tables::consumer(depth, 1).unwrap()).unwrap();
    (Box::new(producer), Box::new(consumer))
}

/// Both kinds of socket differ only in their streams.
macro_rules! over_streams {
    ($transport:ident, $streams:expr) => {
        impl Transport for $transport {
            type Producer = SocketProducer;
            type Consumer = SocketConsumer;

            fn ring(depth: Depth) -> (SocketProducer, SocketConsumer) {
                on_streams($streams, depth)
            }

            fn both_ways(depth: Depth) -> [(SocketProducer, SocketConsumer); 2] {
                both_ways_on($streams, depth)
            }

            fn in_threads(depth: Depth) -> Option<MakeBoth<Self>> {
                Some(in_threads_on($streams, depth))
            }
        }
    };
}

over_streams!(Socket, UnixStream::pair().unwrap().into());
over_streams!(NarrowSocket, narrow_streams());
