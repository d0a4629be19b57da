//! A wire between two drivers in this process, for virtual time: the counterpart of the wire between two processes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use shared::exec::Readiness;
use shared::units::Nanos;

use super::Backend;

/// How many frames are on the wire at most, in each direction: as many full-size messages as the socket between two
/// drivers holds with the default send buffer of Linux (212 992 B, and 2 304 B for a message of 1514 B).
pub const WIRE_FRAMES: usize = 92;

/// One end of a wire.
#[derive(Debug)]
pub struct Joined {
    sends: Rc<Lane>,
    receives: Rc<Lane>,
}

/// One direction of a wire.
#[derive(Debug)]
struct Lane {
    frames: RefCell<VecDeque<Vec<u8>>>,
    /// Buffers of frames that were received, to be used again.
    spare: RefCell<Vec<Vec<u8>>>,
    most: usize,
    /// Whether its sender found no room.
    full: Cell<bool>,
    /// Those of the sessions of the sender and of the receiver.
    sender: Rc<Readiness>,
    receiver: Rc<Readiness>,
}

impl Joined {
    /// Both ends of a wire that holds up to `most` frames in each direction. Each end is that of the session with the
    /// readiness in the same place.
    pub fn pair(most: usize, [left, right]: [&Rc<Readiness>; 2]) -> (Self, Self) {
        let lane = |sender: &Rc<Readiness>, receiver: &Rc<Readiness>| {
            Rc::new(Lane {
                frames: RefCell::default(),
                spare: RefCell::default(),
                most,
                full: Default::default(),
                sender: Rc::clone(sender),
                receiver: Rc::clone(receiver),
            })
        };
        let (there, back) = (lane(left, right), lane(right, left));
        (Self { sends: Rc::clone(&there), receives: Rc::clone(&back) }, Self { sends: back, receives: there })
    }
}

impl Backend for Joined {
    fn sent(&mut self, frame: &[u8], _at: Nanos) -> bool {
        let lane = &self.sends;
        let mut frames = lane.frames.borrow_mut();
        if frames.len() >= lane.most {
            lane.full.set(true);
            return false;
        }
        let mut buffer = lane.spare.borrow_mut().pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(frame);
        frames.push_back(buffer);
        lane.receiver.notify();
        true
    }

    fn receives(&self) -> bool {
        true
    }

    fn receive(&mut self, into: &mut [u8], _now: Nanos) -> Option<usize> {
        let lane = &self.receives;
        let frame = lane.frames.borrow_mut().pop_front()?;
        let len = frame.len().min(into.len());
        into[..len].copy_from_slice(&frame[..len]);
        let whole = frame.len();
        lane.spare.borrow_mut().push(frame);
        if lane.full.take() {
            lane.sender.notify();
        }
        Some(whole)
    }

    fn kind(&self) -> &'static str {
        "wire"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_wire_takes_no_more_and_room_and_frames_are_announced() {
        let ready: [Rc<Readiness>; 2] = Default::default();
        let (mut left, mut right) = Joined::pair(1, [&ready[0], &ready[1]]);
        let mut buffer = [0; 8];
        assert_eq!(right.receive(&mut buffer, Nanos::ZERO), None);
        assert!(left.sent(b"one", Nanos(1)) && ready[1].take());
        assert!(!left.sent(b"two", Nanos(2)) && !ready[0].take());
        assert_eq!((right.receive(&mut buffer, Nanos(3)), &buffer[..3]), (Some(3), &b"one"[..]));
        assert!(ready[0].take(), "there is room again");
        assert!(left.sent(b"two", Nanos(4)) && right.sent(b"back", Nanos(4)));
        assert_eq!((left.receive(&mut buffer, Nanos(5)), &buffer[..4]), (Some(4), &b"back"[..]));
    }
}
