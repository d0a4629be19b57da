//! A wire to another driver: two stacks on one machine, without root.
//!
//! The two drivers are joined by a Unix socket that keeps messages apart (`SOCK_SEQPACKET`), and a frame is a message.
//! The driver that starts first listens at the path, and the second connects. While there is no peer, the wire has no
//! carrier: frames wait in the hardware. A peer that went away may come back, and either side may be the one that
//! listens then: see [`joint`].

mod joint;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use shared::exec::Interest;
use shared::process::peers::AllowedUsers;
use shared::units::Nanos;

use super::Backend;
use joint::Joint;
pub use joint::WireError;

/// This driver's end of a wire.
#[derive(Debug)]
pub struct Wire {
    joint: Joint,
    /// The peer, as far as this side has noticed.
    peer: Option<Arc<OwnedFd>>,
    failure: Option<String>,
}

impl Wire {
    /// Joins the wire at `path`, whose other end may belong to a driver of the users that are `allowed`.
    ///
    /// # Errors
    /// [`WireError`]: two drivers are joined there already, for example.
    pub fn join(path: &Path, allowed: AllowedUsers) -> Result<Self, WireError> {
        Ok(Self { joint: Joint::new(path, allowed)?, peer: None, failure: None })
    }

    /// The peer, if there is one.
    fn peer(&mut self) -> Option<Arc<OwnedFd>> {
        if self.peer.is_none() {
            self.peer = self.joint.take_peer();
        }
        self.peer.clone()
    }

    /// Handles the error of a call on the peer's socket.
    fn failed_with(&mut self, error: Errno) {
        match error {
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => self.lose_peer(),
            error => {
                let why = std::io::Error::from(error);
                self.failure.get_or_insert(format!("the wire to the other driver failed: {why}"));
            }
        }
    }

    /// The peer has hung up.
    fn lose_peer(&mut self) {
        if let Some(peer) = self.peer.take() {
            // The thread of `joint` sees it as the end of the peer, also if only one of the directions is closed.
            let _ = shutdown(&peer, Shutdown::Both);
        }
    }
}

impl Backend for Wire {
    fn sent(&mut self, frame: &[u8], _at: Nanos) -> bool {
        let Some(peer) = self.peer() else { return false };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match retry_on_intr(|| send(&peer, frame, flags)) {
            // A message is taken whole or not at all.
            Ok(_) => true,
            Err(Errno::AGAIN) => false,
            Err(error) => {
                self.failed_with(error);
                false
            }
        }
    }

    fn receives(&self) -> bool {
        true
    }

    fn receive(&mut self, into: &mut [u8], _now: Nanos) -> Option<usize> {
        let peer = self.peer()?;
        // TRUNC: the length is that of the message, also if it does not fit.
        match retry_on_intr(|| recv(&peer, &mut *into, RecvFlags::DONTWAIT | RecvFlags::TRUNC)) {
            // No driver sends an empty message, so this is the end.
            Ok((_, 0)) => self.lose_peer(),
            Ok((_, len)) => return Some(len),
            Err(Errno::AGAIN) => {}
            Err(error) => self.failed_with(error),
        }
        None
    }

    fn wait_on(&self, wanted: Interest) -> Option<(Arc<OwnedFd>, Interest)> {
        Some(match &self.peer {
            Some(peer) => (Arc::clone(peer), wanted),
            // Whatever is wanted, a peer is needed first.
            None => (self.joint.changed(), Interest::READABLE),
        })
    }

    fn failed(&self) -> Option<String> {
        self.failure.clone().or_else(|| self.joint.failure())
    }

    fn kind(&self) -> &'static str {
        "wire"
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::backend::RECEIVE_BUFFER;

    fn join(path: &Path) -> Result<Wire, WireError> {
        Wire::join(path, AllowedUsers::of(&[]))
    }

    /// Waits as a session does.
    fn wait(wire: &Wire, wanted: Interest) {
        let (descriptor, interest) = wire.wait_on(wanted).unwrap();
        let flag = if interest.readable { PollFlags::IN } else { PollFlags::OUT };
        poll(&mut [PollFd::new(&descriptor, flag)], None).unwrap();
    }

    fn receive(wire: &mut Wire) -> (usize, Vec<u8>) {
        let mut buffer = [0; RECEIVE_BUFFER];
        loop {
            match wire.receive(&mut buffer, Nanos::ZERO) {
                Some(len) => return (len, buffer[..len.min(RECEIVE_BUFFER)].to_vec()),
                None => wait(wire, Interest::READABLE),
            }
        }
    }

    fn send(wire: &mut Wire, frame: &[u8]) {
        while !wire.sent(frame, Nanos::ZERO) {
            wait(wire, Interest { writable: true, ..Interest::default() });
        }
    }

    #[test]
    fn frames_wait_for_a_peer_and_pass_in_order_in_both_directions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wire.sock");
        let mut first = join(&path).unwrap();
        assert!(!first.sent(&[1; 60], Nanos::ZERO), "there is no carrier yet");
        let mut second = join(&path).unwrap();
        for number in 0..50u8 {
            send(&mut first, &[number; 60]);
            send(&mut second, &[number; 1514]);
        }
        for number in 0..50u8 {
            assert_eq!(receive(&mut second), (60, vec![number; 60]));
            assert_eq!(receive(&mut first), (1514, vec![number; 1514]));
        }
        send(&mut first, &[0; 3_000]);
        assert_eq!(receive(&mut second).0, 3_000, "the length is true although the frame is cut");
        drop((first, second));
        assert!(!path.exists());
    }

    #[test]
    fn a_full_wire_takes_no_frame_until_the_peer_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wire.sock");
        let (mut first, mut second) = (join(&path).unwrap(), join(&path).unwrap());
        send(&mut first, &[0; 1514]);
        let taken = 1 + (0..10_000).take_while(|_| first.sent(&[0; 1514], Nanos::ZERO)).count();
        assert!(taken < 10_000);
        let reads = std::thread::spawn(move || (0..=taken).for_each(|_| assert_eq!(receive(&mut second).0, 1514)));
        send(&mut first, &[0; 1514]);
        reads.join().unwrap();
    }

    #[test]
    fn a_third_driver_is_refused_and_may_come_when_one_of_the_two_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wire.sock");
        let (mut first, second) = (join(&path).unwrap(), join(&path).unwrap());
        let refused = join(&path).unwrap_err().to_string();
        assert!(refused.contains("two drivers are joined there already"), "{refused}");
        drop(second);
        // The listener notices by itself that its peer has gone.
        let mut third = loop {
            if let Ok(third) = join(&path) {
                break third;
            }
        };
        send(&mut third, &[3; 60]);
        assert_eq!(receive(&mut first).1, [3; 60]);
        // The one that listens goes: the other takes its place.
        drop(first);
        let mut buffer = [0; RECEIVE_BUFFER];
        while third.peer.is_some() {
            wait(&third, Interest::READABLE);
            assert_eq!(third.receive(&mut buffer, Nanos::ZERO), None);
        }
        let mut fourth = join(&path).unwrap();
        send(&mut third, &[4; 60]);
        assert_eq!(receive(&mut fourth).1, [4; 60]);
    }

    #[test]
    fn what_is_at_the_path_is_replaced_only_if_it_is_the_socket_of_a_wire_that_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wire.sock");
        std::fs::write(&path, "text").unwrap();
        assert!(join(&path).unwrap_err().to_string().contains("a file that is not a socket"));
        std::fs::remove_file(&path).unwrap();
        let stream = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(join(&path).unwrap_err().to_string().contains("a socket of another kind"));
        drop(stream);
        let wire = join(&path);
        assert!(wire.is_ok(), "{wire:?}");
        let nowhere = join(&folder.path().join("no/wire.sock")).unwrap_err().to_string();
        assert!(nowhere.contains("no/wire.sock"), "{nowhere}");
        let long = join(&folder.path().join("x".repeat(150))).unwrap_err().to_string();
        assert!(long.contains("too long"), "{long}");
    }
}
