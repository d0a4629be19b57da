//! What a session works with.

use std::collections::{TryReserveError, VecDeque};
use std::rc::Rc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::exec::{Interrupt, Readiness};
use shared::report::ProcessReport;
use shared::ring::Depth;
use shared::units::Nanos;

use super::Refused;
use super::dma::FrameCopies;
use crate::hardware::{self, QueueMemory};

/// What happens to the bytes of a frame that is handed to the hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Dma {
    /// They are copied out of the ring.
    #[default]
    Copy,
    /// They are left where they are.
    None,
}

/// What a session works with.
pub struct Setup<B> {
    /// The number of this session, which no other session of this driver has.
    pub generation: u64,
    /// Slots of the ring in force.
    pub depth: Depth,
    /// When the session began, which the stack knows; `None` if it begins when it is first polled.
    pub began: Option<Nanos>,
    /// The hardware to model.
    pub hardware: hardware::Config,
    /// Whether headers and checksums are checked; needs the bytes.
    pub verify: bool,
    /// Where sent frames go, and arriving frames come from.
    pub backend: B,
    /// Tells the session when the backend is ready for what it was not ready for. In real time, the executor watches
    /// the backend's descriptor with it; without a descriptor the backend calls [`Readiness::notify`] itself.
    pub readiness: Rc<Readiness>,
    /// The request to stop.
    pub interrupt: Rc<Interrupt>,
    /// What the process has used since the session began. Handed in, because a session reads no
    /// clock of the system.
    pub usage: Box<dyn Fn() -> ProcessReport>,
    /// Called once, when the session takes no more frames and before its farewell: a stack that has read the farewell
    /// may connect again, and must not be refused because of this session.
    pub closing: Box<dyn Fn()>,
    /// Obtained for the same hardware and depth. They decide whether bytes are copied.
    pub tables: Tables,
}

impl<B> Setup<B> {
    /// A session on a ring of `depth` slots that checks no frame, and that nothing interrupts.
    ///
    /// # Errors
    /// If there is no memory for its tables.
    pub fn new(hardware: hardware::Config, depth: Depth, dma: Dma, backend: B) -> Result<Self, TryReserveError> {
        let tables = Tables::obtain(&hardware, depth, dma)?;
        Ok(Self {
            generation: 1,
            depth,
            began: None,
            hardware,
            verify: false,
            backend,
            readiness: Rc::default(),
            interrupt: Rc::new(Interrupt::never()),
            usage: Box::new(ProcessReport::default),
            closing: Box::new(|| {}),
            tables,
        })
    }
}

/// The parts of a session whose size depends on the depth.
#[derive(Debug, Default)]
pub struct Tables {
    pub(super) queue: QueueMemory,
    pub(super) frames: FrameCopies,
    pub(super) refused: VecDeque<Refused>,
}

impl Tables {
    /// For a session on a ring of `depth` slots.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn obtain(hardware: &hardware::Config, depth: Depth, dma: Dma) -> Result<Self, TryReserveError> {
        // A frame in the hardware also holds a slot, so depth bounds the copies too.
        let most_held = hardware.queue.get().min(depth.get()) as usize;
        let copies = match dma {
            Dma::Copy => most_held,
            Dma::None => 0,
        };
        let mut refused = VecDeque::new();
        refused.try_reserve_exact(depth.as_usize())?;
        Ok(Self { queue: QueueMemory::obtain(most_held)?, frames: FrameCopies::new(copies)?, refused })
    }
}
