//! Frames that are handed over together, each put together in the place from which it leaves.

use super::{Descriptor, MAX_FRAME};
use crate::wire::WireError;

/// Room for the headers of all layers: Ethernet (14), IPv6 (40) and UDP (8), and 34 bytes for layers of one's own.
pub const HEADROOM: usize = 96;

/// Where headers go, the innermost at the end.
pub type Headroom = [u8; HEADROOM];

/// Frames, one after the other.
pub trait Frames {
    /// The next one, its headers at the end of `headroom`; `None` if there is none. The ring may not be called
    /// meanwhile.
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>>;

    /// The next one, if it is as long as the last one and little else tells them apart. `headroom` has the headers of
    /// the last one, or of one like it.
    fn next_alike<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>>;
}

/// A frame that is ready.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What the consumer is told of it. It is as long as its parts.
    pub descriptor: Descriptor,
    /// The end of the headroom.
    pub headers: &'a [u8],
    /// What is behind the headers.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// What the consumer is told of it, with its length.
    ///
    /// # Errors
    /// [`WireError::FrameTooLong`] if no slot holds it.
    #[inline(always)]
    pub(super) fn described(&self) -> Result<Descriptor, WireError> {
        let len = self.len();
        if len > MAX_FRAME {
            return Err(WireError::FrameTooLong(u16::try_from(len).unwrap_or(u16::MAX)));
        }
        Ok(Descriptor { len: len as u32, ..self.descriptor })
    }

    /// Headers and payload together, in bytes.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.headers.len() + self.payload.len()
    }
}
