//! The two ends in two processes, which sleep whenever they can.

use std::os::unix::net::UnixListener;
use std::process::Command;
use std::rc::Rc;

use shared::exec::{Clock, IdleMode, Interrupt, RealPark, monotonic_now, run};
use shared::ring::shm::{hand_over, receive};
use shared::ring::{ConsumerPort, MAX_FRAME, Producer};

use super::*;

/// Variables for the other process: the path of the socket, and the depth of the ring.
const SOCKET: &str = "SHM_TEST_SOCKET";
const SLOTS: &str = "SHM_TEST_SLOTS";

/// Not a test: the part that the other process runs.
#[test]
fn the_other_process() {
    let (Ok(socket), Ok(slots)) = (std::env::var(SOCKET), std::env::var(SLOTS)) else { return };
    let stream = UnixStream::connect(socket).unwrap();
    let file = loop {
        match receive(&stream) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            received => break received.unwrap().unwrap(),
        }
    };
    let slots = depth(slots.parse().unwrap());
    let memory = SharedMemory::open(file, slots, GENERATION).unwrap();
    let port = ShmProducer::new(stream.into(), memory).unwrap();
    let connection = Rc::clone(port.connection());
    let clock = Clock::starting_at(monotonic_now());
    let park = RealPark::new(vec![Rc::clone(&connection) as _], Rc::new(Interrupt::never()), IdleMode::Sleep);
    let ring = Rc::new(Producer::new(port, slots, clock.clone()));
    run(&clock, park, |tasks| async move {
        let settling = Rc::clone(&ring);
        tasks.spawn(async move {
            loop {
                settling.connection().arrived().wait_for(|| settling.next_completion()).await;
            }
        });
        for number in 0..total(slots.get()) {
            let bytes = frame(number);
            let permit = ring.reserve().await;
            assert!(permit.submit(descriptor(number), &bytes, b""));
        }
        connection.control_arrived().wait_for(|| connection.closed()).await
    })
    .unwrap();
}

fn total(slots: u32) -> u64 {
    (u64::from(slots) * 3).clamp(3_000, 70_000)
}

#[test]
fn every_frame_arrives_at_any_depth_although_both_sides_sleep() {
    for slots in [1, 3, 64, 65_536] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args(["processes::the_other_process", "--exact"])
            .env(SOCKET, &socket)
            .env(SLOTS, slots.to_string())
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        let (memory, file) = SharedMemory::create(depth(slots), GENERATION).unwrap();
        hand_over(&stream, &file).unwrap();
        let port = ShmConsumer::new(stream.into(), memory).unwrap();
        let clock = Clock::starting_at(monotonic_now());
        let park = RealPark::new(vec![Rc::clone(port.connection()) as _], Rc::new(Interrupt::never()), IdleMode::Sleep);
        let closed = run(&clock, park, |_| async move {
            let mut buffer = [0; MAX_FRAME];
            for number in 0..total(slots) {
                port.connection()
                    .arrived()
                    .wait_for(|| (port.waiting() > 0 || port.connection().is_closed()).then_some(()))
                    .await;
                let seen = port.take(Some(&mut buffer));
                assert_eq!(seen, Some((descriptor(number), &frame(number)[..])), "{:?}", port.connection().closed());
                port.complete(completion(number));
            }
            port.connection().closed()
        });
        assert_eq!(closed, Ok(None));
        assert!(other.wait().unwrap().success());
    }
}
