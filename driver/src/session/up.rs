//! The way up: frames that arrive at the backend go into the ring to the stack.
//!
//! A frame is read only while the receiving direction of the link is free and a slot of the ring is. So the ring never
//! drops: while it is full, frames wait in the interface, and the pressure goes back to the sender at its other side.

use std::cell::Cell;
use std::rc::Rc;

use shared::report::{UpDriverReport, Warning, WarningCode};
use shared::ring::{Descriptor, MAX_FRAME, MIN_FRAME, Need, Producer, ProducerPort};
use shared::units::{LinkRate, Nanos};

use crate::backend::{Backend, RECEIVE_BUFFER};
use crate::hardware::Reception;

/// How many frames are read before the connection and the other tasks run again: a link without a limit, or a backlog,
/// must not keep them waiting.
const BURST: u32 = 16;

/// The state of the way up in a session.
#[derive(Debug)]
pub(super) struct Up<U> {
    ring: Producer<U>,
    reception: Reception,
    /// The frame that was read last. It is copied from here into its slot once its length is known to be right.
    buffer: Box<[u8; RECEIVE_BUFFER]>,
    waits: WaitsFor,
    /// Whether it waits for a slot. The ring's port reads it before this side sleeps, to decide what wakes it.
    no_slot: Rc<Cell<bool>>,
    counts: UpDriverReport,
}

/// What has to happen before the next frame is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    /// Nothing: more frames may be in the interface.
    Nothing,
    /// The link becomes free, at the time that it names itself.
    Link,
    /// A slot becomes free. None has been since this time.
    Slot(Nanos),
    /// A frame arrives: the interface was empty.
    Frame,
}

impl<U: ProducerPort> Up<U> {
    /// A session that begins at `origin`, on a link of rate `link` in this direction.
    pub(super) fn new(ring: Producer<U>, link: LinkRate, origin: Nanos) -> Self {
        let no_slot = Rc::new(Cell::new(false));
        let asked = Rc::clone(&no_slot);
        // While this side waits for a frame, completions can wait too: the first look at the ring finds them all.
        ring.port().before_sleep_ask(Box::new(move || if asked.get() { Need::Room(1) } else { Need::Nothing }));
        Self {
            ring,
            reception: Reception::new(link, origin),
            buffer: Box::new([0; RECEIVE_BUFFER]),
            waits: WaitsFor::Nothing,
            no_slot,
            counts: UpDriverReport::default(),
        }
    }

    /// The backend says at `now` that a frame may have arrived.
    pub(super) fn frame_arrived(&mut self, now: Nanos) {
        if self.waits == WaitsFor::Frame {
            // The interface was empty until this side was told: an idle link saves nothing up.
            self.reception.held_until(now);
            self.waits = WaitsFor::Nothing;
        }
    }

    /// Takes completions, and reads as many frames as are due at `now`, up to [`BURST`].
    #[inline]
    pub(super) fn advance(&mut self, backend: &mut impl Backend, now: Nanos) {
        if self.ring.room() < u64::from(self.ring.depth().get()) {
            self.take_completions();
        }
        match self.waits {
            WaitsFor::Frame | WaitsFor::Slot(_) => {}
            WaitsFor::Link | WaitsFor::Nothing => self.read(backend, now),
        }
    }

    fn take_completions(&mut self) {
        let mut freed_at = None;
        self.counts.completed += self.ring.take_completions(|first, _| {
            freed_at.get_or_insert(first.at);
        });
        if let (WaitsFor::Slot(since), Some(at)) = (self.waits, freed_at) {
            // The ideal time of the completion, so that noticing it late does not slow the link down.
            self.reception.held_until(at);
            self.counts.no_slot_ns += at.since(since).0;
            self.no_slot.set(false);
            self.waits = WaitsFor::Nothing;
        }
    }

    fn read(&mut self, backend: &mut impl Backend, now: Nanos) {
        for _ in 0..BURST {
            if self.reception.free() > now {
                self.waits = WaitsFor::Link;
                return;
            }
            if self.ring.room() == 0 {
                self.no_slot.set(true);
                self.waits = WaitsFor::Slot(self.reception.free().max(self.reception.held()));
                return;
            }
            let Some(len) = backend.receive(&mut self.buffer[..], now) else {
                self.reception.held_until(now);
                self.waits = WaitsFor::Frame;
                return;
            };
            self.submit(len);
        }
        self.waits = WaitsFor::Nothing;
    }

    /// Puts the frame of `len` bytes that is in the buffer into the ring.
    fn submit(&mut self, len: usize) {
        // It took its time on the link, whatever its length is.
        let began = self.reception.receive(len.min(RECEIVE_BUFFER));
        if len > MAX_FRAME {
            self.counts.too_long += 1;
            return;
        }
        if len < MIN_FRAME {
            self.counts.too_short += 1;
            return;
        }
        let sequence = self.counts.submitted;
        let descriptor = Descriptor { len: len as u32, flow: 0, sequence, submitted: began };
        // There is a slot. So it fails only if the connection has closed, and then the session is about to end.
        if self.ring.try_submit(descriptor, &[], &self.buffer[..len]) {
            self.counts.submitted += 1;
            self.counts.bytes += len as u64;
        }
    }

    /// Whether it stopped only because its turn was over.
    pub(super) fn has_more(&self) -> bool {
        self.waits == WaitsFor::Nothing
    }

    /// Whether [`Up::advance`] may have something to do at `now`.
    pub(super) fn may_advance(&self, now: Nanos) -> bool {
        match self.waits {
            WaitsFor::Nothing | WaitsFor::Slot(_) => true,
            WaitsFor::Link => self.reception.free() <= now,
            WaitsFor::Frame => false,
        }
    }

    /// Frames put into the ring.
    pub(super) fn submitted(&self) -> u64 {
        self.counts.submitted
    }

    /// When the next frame may be read, if that is a matter of time.
    pub(super) fn next_read(&self) -> Option<Nanos> {
        match self.waits {
            WaitsFor::Link => Some(self.reception.free()),
            WaitsFor::Nothing | WaitsFor::Slot(_) | WaitsFor::Frame => None,
        }
    }

    /// Whether it waits until a frame arrives.
    pub(super) fn waits_for_frame(&self) -> bool {
        self.waits == WaitsFor::Frame
    }

    /// The bound that does not hold, if there is one.
    pub(super) fn fault(&self) -> Option<String> {
        let (held, depth) = (self.ring.outstanding(), self.ring.depth());
        (held > depth.get()).then(|| format!("{held} frames held in a ring of {depth} that receives"))
    }

    /// Ends the way up at `now`: nothing is read any more. Returns its counters.
    pub(super) fn close(&mut self, now: Nanos) -> UpDriverReport {
        self.take_completions();
        if let WaitsFor::Slot(since) = self.waits {
            self.counts.no_slot_ns += now.since(since).0;
        }
        self.counts
    }

    /// A warning if frames were left out.
    pub(super) fn warning(&self) -> Option<Warning> {
        let UpDriverReport { too_long, too_short, .. } = self.counts;
        (too_long + too_short > 0).then(|| {
            let text = format!(
                "{too_long} frames that arrived are longer than {MAX_FRAME} B and {too_short} shorter than {MIN_FRAME} \
                 B, and were left out; limit the MTU of the senders to 1500"
            );
            Warning::new(WarningCode::FramesLeftOut, text)
        })
    }
}
