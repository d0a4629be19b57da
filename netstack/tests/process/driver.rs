//! The driver's side of the socket, as a test plays it.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use shared::report::DriverReport;
use shared::ring::{Completion, Status};
use shared::wire::{Accept, Bye, ByeReason, Control, PREAMBLE_LEN, Parsed, encode_completion, encode_control, parse};

/// Long enough for the slowest machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A driver's connection to a stack.
pub(crate) struct Driver {
    stream: UnixStream,
    unread: Vec<u8>,
    /// Frames completed so far.
    pub(crate) completed: u64,
}

/// What a stack sends in a session.
pub(crate) enum Heard {
    Frame,
    Bye,
}

/// Listens at `socket` and plays `part` for the first stack that comes.
pub(crate) fn listen(socket: &Path, part: impl FnOnce(Driver) + Send + 'static) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        part(Driver { stream, unread: Vec::new(), completed: 0 });
    })
}

impl Driver {
    /// Grants what the stack asks for.
    pub(crate) fn accept(&mut self) {
        let mut preamble = [0; PREAMBLE_LEN];
        self.stream.read_exact(&mut preamble).unwrap();
        let hello = self.record(|record| match record {
            Parsed::Control(Control::Hello(hello)) => hello,
            other => panic!("no greeting: {other:?}"),
        });
        let rings = hello.unwrap().rings;
        let accept = Accept { generation: 1, rings, link_bits_per_second: None, settings: "{}".to_owned() };
        self.say(&Control::Accept(Box::new(accept)));
    }

    /// What the stack says next; `None` once it has hung up.
    pub(crate) fn hear(&mut self) -> Option<Heard> {
        self.record(|record| match record {
            Parsed::Frame(..) => Heard::Frame,
            Parsed::Control(Control::Bye(_)) => Heard::Bye,
            other => panic!("no part of a session: {other:?}"),
        })
    }

    fn record<T>(&mut self, read: impl Fn(Parsed<'_>) -> T) -> Option<T> {
        loop {
            if let Some((record, len)) = parse(&self.unread).unwrap() {
                let heard = read(record);
                self.unread.drain(..len);
                return Some(heard);
            }
            let mut bytes = [0; 4096];
            let len = self.stream.read(&mut bytes).unwrap();
            if len == 0 {
                return None;
            }
            self.unread.extend_from_slice(&bytes[..len]);
        }
    }

    /// Completes the oldest frame.
    pub(crate) fn complete(&mut self) {
        let completion =
            Completion { position: self.completed, status: Status::Sent, at: shared::exec::monotonic_now() };
        self.completed += 1;
        self.stream.write_all(&encode_completion(&completion)).unwrap();
    }

    /// Completes every frame and answers the farewell.
    pub(crate) fn serve(mut self) {
        while let Some(heard) = self.hear() {
            match heard {
                Heard::Frame => self.complete(),
                Heard::Bye => self.leave(ByeReason::Finished),
            }
        }
    }

    /// Says farewell with a report: everything that was received was completed.
    pub(crate) fn leave(&mut self, reason: ByeReason) {
        let report = DriverReport { received: self.completed, sent: self.completed, ..DriverReport::default() };
        self.report(reason, report);
    }

    /// Says farewell with any report.
    pub(crate) fn report(&mut self, reason: ByeReason, report: DriverReport) {
        self.say(&Control::Bye(Box::new(Bye { reason, frames: self.completed, report: Some(report) })));
    }

    fn say(&mut self, message: &Control) {
        self.stream.write_all(&encode_control(message).unwrap()).unwrap();
    }

    /// Waits until the stack has hung up, whatever it still says.
    pub(crate) fn see_off(mut self) {
        while self.hear().is_some() {}
    }
}
