//! The protocol violations of a hostile peer in the shm transport, one variant for each kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::{COMPLETED, PRODUCED, Peer, RawRing, Stack};
use crate::control::encode_completion;
use crate::ring::{Completion, Status};
use crate::units::Nanos;

/// A completion sent over the socket, where only the socket transport may send one.
const STRAY_COMPLETION: Completion = Completion { position: 0, status: Status::Sent, taken: Nanos(1), at: Nanos(1) };

/// A protocol violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// A count of frames that exceeds the slots.
    FramesJumpForwards,
    /// A count of frames below the one published before.
    FramesJumpBackwards,
    /// A count of frames above 2^32.
    FramesNear32Bits,
    /// A frame of length 0.
    LengthZero,
    /// A frame that is longer than its slot.
    LengthOverSlot,
    /// A length near 2^32.
    LengthNear32Bits,
    /// A group of no frames.
    NoFramesInGroup,
    /// A group of more frames than are published.
    FramesOverCount,
    /// Completions of frames that were not submitted.
    CompletionsJumpForwards,
    /// A count of completions below the one published before.
    CompletionReplayed,
    /// One completion more than there were frames.
    CompletionDuplicated,
    /// A count of completions above 2^32.
    CompletionsNear32Bits,
    /// A group of no completions.
    NoCompletionsInGroup,
    /// A group of more completions than are published.
    CompletionsOverCount,
    /// A completion with an unknown status.
    UnknownStatus,
    /// Doorbells without end.
    DoorbellStorm,
    /// A completion on the socket instead of in the ring.
    RecordBesideTheRing,
    /// A record of an unknown kind.
    UnknownRecord,
    /// A descriptor in the middle of the session.
    HandoverAgain,
    /// Two BYE messages.
    ByeTwice,
}

impl Lie {
    /// Those that a stack can commit.
    pub const BY_STACK: [Self; 13] = [
        Self::FramesJumpForwards,
        Self::FramesJumpBackwards,
        Self::FramesNear32Bits,
        Self::LengthZero,
        Self::LengthOverSlot,
        Self::LengthNear32Bits,
        Self::NoFramesInGroup,
        Self::FramesOverCount,
        Self::DoorbellStorm,
        Self::RecordBesideTheRing,
        Self::UnknownRecord,
        Self::HandoverAgain,
        Self::ByeTwice,
    ];

    /// Those that a driver can commit.
    pub const BY_DRIVER: [Self; 12] = [
        Self::CompletionsJumpForwards,
        Self::CompletionReplayed,
        Self::CompletionDuplicated,
        Self::CompletionsNear32Bits,
        Self::NoCompletionsInGroup,
        Self::CompletionsOverCount,
        Self::UnknownStatus,
        Self::DoorbellStorm,
        Self::RecordBesideTheRing,
        Self::UnknownRecord,
        Self::HandoverAgain,
        Self::ByeTwice,
    ];

    /// The [name](crate::ring::CloseReason::name) of the reason for which the other side closes the session.
    pub fn reason(self) -> &'static str {
        match self {
            Self::FramesJumpForwards | Self::FramesNear32Bits => "INDEX_TOO_FAR",
            Self::CompletionsJumpForwards | Self::CompletionDuplicated | Self::CompletionsNear32Bits => "INDEX_TOO_FAR",
            Self::FramesJumpBackwards | Self::CompletionReplayed => "INDEX_WENT_BACK",
            Self::LengthZero | Self::LengthOverSlot | Self::LengthNear32Bits => "SLOT_LENGTH",
            Self::NoFramesInGroup | Self::FramesOverCount => "GROUP_SIZE",
            Self::NoCompletionsInGroup | Self::CompletionsOverCount => "GROUP_SIZE",
            Self::UnknownStatus => "UNKNOWN_STATUS",
            Self::DoorbellStorm => "DOORBELL_STORM",
            Self::RecordBesideTheRing | Self::HandoverAgain | Self::ByeTwice => "UNEXPECTED_RECORD",
            Self::UnknownRecord => "UNKNOWN_RECORD",
        }
    }

    /// Commits it. The other side may be asleep, so a doorbell follows.
    pub fn commit(self, peer: &mut Peer) {
        let depth = peer.ring.depth();
        let slots = u64::from(depth);
        match self {
            Self::FramesJumpForwards => peer.ring.publish(slots + 1),
            Self::FramesNear32Bits => peer.ring.word(PRODUCED, (1 << 32) + 1),
            Self::FramesJumpBackwards => {
                peer.ring.publish(slots);
                peer.wire.doorbells(1);
                peer.ring.wait_for(COMPLETED, |count| count == slots);
                peer.ring.word(PRODUCED, slots - 1);
            }
            Self::LengthZero => peer.publish_one(0, 1),
            Self::LengthOverSlot => peer.publish_one(1515, 1),
            Self::LengthNear32Bits => peer.publish_one(u32::MAX - 31, 1),
            Self::NoFramesInGroup => peer.publish_one(60, 0),
            Self::FramesOverCount => peer.publish_one(60, 2),
            Self::CompletionsJumpForwards => {
                let submitted = peer.full_ring();
                peer.ring.word(COMPLETED, submitted + slots);
            }
            Self::CompletionsNear32Bits => {
                peer.full_ring();
                peer.ring.word(COMPLETED, (1 << 32) + 1);
            }
            Self::CompletionDuplicated => {
                let submitted = peer.full_ring();
                peer.ring.word(COMPLETED, submitted + 1);
            }
            Self::CompletionReplayed => {
                let submitted = peer.full_ring();
                peer.ring.completions(0, depth, 0, [99, 99]);
                peer.ring.word(COMPLETED, submitted);
                peer.wire.doorbells(1);
                peer.ring.wait_for(PRODUCED, |count| count > submitted);
                peer.ring.word(COMPLETED, submitted - 1);
            }
            Self::NoCompletionsInGroup => peer.complete_one(0, 0),
            Self::CompletionsOverCount => peer.complete_one(2, 0),
            Self::UnknownStatus => peer.complete_one(1, 9),
            Self::DoorbellStorm => peer.wire.doorbells(20_000),
            Self::RecordBesideTheRing => peer.wire.send_bytes(&encode_completion(&STRAY_COMPLETION)),
            Self::UnknownRecord => peer.wire.send_bytes(&[77; 8]),
            Self::HandoverAgain => peer.hand_over_again(),
            Self::ByeTwice => peer.wire.send_control_twice(&Stack::farewell(0)),
        }
        peer.wire.doorbells(1);
    }
}

/// A thread that overwrites every shared word with random values, until it is dropped.
#[derive(Debug)]
pub struct Scribbler {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scribbler {
    /// Starts to overwrite the words of `ring`; `seed` determines the values.
    pub fn start(ring: &RawRing, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ring, stopped) = (ring.again(), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut state = seed + 1;
            while !stopped.load(Ordering::Relaxed) {
                for at in (0..ring.large_at(0)).step_by(8) {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    ring.word(at, state >> (state % 61));
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Scribbler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked, and the panic has printed its message already.
            let _ = thread.join();
        }
    }
}
