//! One switch for each class of lies about a ring in shared memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::{COMPLETED, PRODUCED, Peer, RawRing, Stack};
use crate::ring::{Completion, Status};
use crate::units::Nanos;
use crate::wire::encode_completion;

/// A completion that belongs into the ring.
const BESIDE: Completion = Completion { position: 0, status: Status::Sent, at: Nanos(1) };

/// Something that no honest peer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// More frames than there are slots.
    FramesJumpForwards,
    /// Frames that were published are taken back.
    FramesJumpBackwards,
    /// Counts at which 32 bits overflow.
    FramesNear32Bits,
    /// A frame without bytes.
    LengthZero,
    /// A frame that is longer than its slot.
    LengthOverSlot,
    /// A length that overflows 32 bits with its header.
    LengthNear32Bits,
    /// Completions of frames that were not submitted.
    CompletionsJumpForwards,
    /// A completion that came already comes again.
    CompletionReplayed,
    /// One completion more than there were frames.
    CompletionDuplicated,
    /// Counts at which 32 bits overflow.
    CompletionsNear32Bits,
    /// A status that is none.
    UnknownStatus,
    /// Doorbells without end.
    DoorbellStorm,
    /// A frame or a completion beside the ring.
    RecordBesideTheRing,
    /// A record of no kind.
    UnknownRecord,
    /// A descriptor in the middle of the session.
    HandoverAgain,
    /// Farewell, and farewell again.
    ByeTwice,
}

impl Lie {
    /// Those that a stack can tell.
    pub const BY_STACK: [Self; 11] = [
        Self::FramesJumpForwards,
        Self::FramesJumpBackwards,
        Self::FramesNear32Bits,
        Self::LengthZero,
        Self::LengthOverSlot,
        Self::LengthNear32Bits,
        Self::DoorbellStorm,
        Self::RecordBesideTheRing,
        Self::UnknownRecord,
        Self::HandoverAgain,
        Self::ByeTwice,
    ];

    /// Those that a driver can tell.
    pub const BY_DRIVER: [Self; 10] = [
        Self::CompletionsJumpForwards,
        Self::CompletionReplayed,
        Self::CompletionDuplicated,
        Self::CompletionsNear32Bits,
        Self::UnknownStatus,
        Self::DoorbellStorm,
        Self::RecordBesideTheRing,
        Self::UnknownRecord,
        Self::HandoverAgain,
        Self::ByeTwice,
    ];

    /// What the other side calls it: the [name](crate::ring::CloseReason::name) of its reason to end
    /// the session.
    pub fn reason(self) -> &'static str {
        match self {
            Self::FramesJumpForwards | Self::FramesNear32Bits => "INDEX_TOO_FAR",
            Self::CompletionsJumpForwards | Self::CompletionDuplicated | Self::CompletionsNear32Bits => "INDEX_TOO_FAR",
            Self::FramesJumpBackwards | Self::CompletionReplayed => "INDEX_WENT_BACK",
            Self::LengthZero | Self::LengthOverSlot | Self::LengthNear32Bits => "SLOT_LENGTH",
            Self::UnknownStatus => "UNKNOWN_STATUS",
            Self::DoorbellStorm => "DOORBELL_STORM",
            Self::RecordBesideTheRing | Self::HandoverAgain | Self::ByeTwice => "UNEXPECTED_RECORD",
            Self::UnknownRecord => "UNKNOWN_RECORD",
        }
    }

    /// Tells it. The other side runs meanwhile, and may be asleep, so it is rung for.
    pub fn tell(self, peer: &mut Peer) {
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
            Self::LengthZero => peer.publish_one(0),
            Self::LengthOverSlot => peer.publish_one(1515),
            Self::LengthNear32Bits => peer.publish_one(u32::MAX - 31),
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
                (0..depth).for_each(|slot| peer.ring.completion(slot, 0));
                peer.ring.word(COMPLETED, submitted);
                peer.wire.doorbells(1);
                peer.ring.wait_for(PRODUCED, |count| count > submitted);
                peer.ring.word(COMPLETED, submitted - 1);
            }
            Self::UnknownStatus => {
                peer.full_ring();
                peer.ring.completion(0, 9);
                peer.ring.word(COMPLETED, 1);
            }
            Self::DoorbellStorm => peer.wire.doorbells(20_000),
            Self::RecordBesideTheRing => peer.wire.say(&encode_completion(&BESIDE)),
            Self::UnknownRecord => peer.wire.say(&[77; 8]),
            Self::HandoverAgain => peer.hand_over_again(),
            Self::ByeTwice => peer.wire.tell_twice(&Stack::farewell(0)),
        }
        peer.wire.doorbells(1);
    }
}

/// A thread that scribbles over every word that both sides see, until it is dropped.
#[derive(Debug)]
pub struct Scribbler {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scribbler {
    /// Scribbles over `ring`; `seed` decides what.
    pub fn start(ring: &RawRing, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ring, stopped) = (ring.again(), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut state = seed + 1;
            while !stopped.load(Ordering::Relaxed) {
                for at in (0..ring.slot_at(1)).step_by(8) {
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
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
