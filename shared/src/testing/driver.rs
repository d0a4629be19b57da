//! The driver's side of a session, for tests of the stack.

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{self, JoinHandle};

use super::{Parcel, Peer, Received, Wire, ring};
use crate::control::{Accept, Bye, ByeReason, Control, Hello, PREAMBLE_LEN, encode_completion};
use crate::exec::monotonic_now;
use crate::liveness::DEFAULT_TIMEOUT;
use crate::report::DriverReport;
use crate::ring::{Completion, Status};

/// The generation of the session that this driver accepts.
const GENERATION: u64 = 7;

/// A connection to a stack.
#[derive(Debug)]
pub struct Driver {
    /// The connection.
    pub wire: Wire,
    /// Frames completed over the socket so far.
    pub completed: u64,
    /// Bytes of the completed frames.
    bytes: u64,
}

/// Listens at `socket` and runs `part` with the first stack that connects.
pub fn listen(socket: &Path, part: impl FnOnce(Driver) + Send + 'static) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        part(Driver { wire: Wire::new(stream), completed: 0, bytes: 0 });
    })
}

impl Driver {
    /// Reads the stack's preamble and HELLO.
    pub fn hello(&mut self) -> Hello {
        let mut preamble = [0; PREAMBLE_LEN];
        self.wire.read(&mut preamble);
        match self.wire.receive() {
            Some(Received::Control(Control::Hello(hello))) => hello,
            other => panic!("not a HELLO: {other:?}"),
        }
    }

    /// Accepts the depth that the stack requests, and returns it.
    pub fn accept(&mut self) -> u32 {
        let depth = self.hello().rings[0].depth;
        self.grant(depth);
        depth
    }

    /// Sends ACCEPT with one ring of `depth` slots to a stack whose HELLO was read.
    pub fn grant(&mut self, depth: u32) {
        let accept = Accept {
            stalls: None,
            generation: GENERATION,
            rings: vec![ring(depth)],
            link_bits_per_second: None,
            settings: "{}".to_owned(),
            idle_timeout_ns: DEFAULT_TIMEOUT.0,
        };
        self.wire.send_control(&Control::Accept(Box::new(accept)));
    }

    /// Accepts the requested depth, and hands over a valid ring.
    pub fn share(mut self) -> Peer {
        let depth = self.accept();
        let parcel = Parcel::honest(depth, GENERATION);
        parcel.send(self.wire.as_fd());
        Peer { ring: parcel.into_ring(depth), wire: self.wire }
    }

    /// Accepts the requested depth, and hands over what `parcel` returns.
    pub fn hand_over(&mut self, parcel: impl FnOnce(u32, u64) -> Parcel) {
        let depth = self.accept();
        parcel(depth, GENERATION).send(self.wire.as_fd());
    }

    /// Completes the oldest frame that was received over the socket.
    pub fn complete(&mut self) {
        let now = monotonic_now();
        let completion = Completion { position: self.completed, status: Status::Sent, taken: now, at: now };
        self.completed += 1;
        self.bytes += u64::from(self.wire.frames.pop_front().unwrap());
        self.wire.send_bytes(&encode_completion(&completion));
    }

    /// Completes every frame that is received over the socket, and answers BYE.
    pub fn serve(mut self) {
        while let Some(received) = self.wire.receive() {
            match received {
                Received::Frame => self.complete(),
                Received::Control(Control::Bye(_)) => self.leave(ByeReason::Finished),
                other => panic!("unexpected in a session: {other:?}"),
            }
        }
    }

    /// Sends BYE with a report in which everything that was received was completed.
    pub fn leave(&mut self, reason: ByeReason) {
        self.report(reason, Self::honest_report(self.completed, self.bytes));
    }

    /// The report of a session in which `frames` frames with `bytes` bytes in all were sent, without errors.
    pub fn honest_report(frames: u64, bytes: u64) -> DriverReport {
        DriverReport {
            generation: GENERATION,
            received: frames,
            sent: frames,
            sent_bytes: bytes,
            ..DriverReport::default()
        }
    }

    /// Sends BYE with the given report.
    pub fn report(&mut self, reason: ByeReason, report: DriverReport) {
        self.wire.send_control(&Control::Bye(Box::new(Bye { reason, frames: self.completed, report: Some(report) })));
    }
}
