//! The source of a batch of frames. Each frame is built in the buffer from which it is copied into its slot.

use crate::control::WireError;
use crate::frame::{Descriptor, MAX_FRAME};

/// Bytes for the headers of all layers: Ethernet (14), IPv6 (40) and UDP (8), and 34 for a user's own layers.
pub const HEADROOM: usize = 96;

/// The buffer for headers. They are prepended, so the innermost header is at the end.
pub type Headroom = [u8; HEADROOM];

/// An iterator over the frames of a batch.
pub trait Frames {
    /// The next frame, with its headers at the end of `headroom`; `None` at the end. The implementation must not
    /// call the ring, which is borrowed during this call.
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>>;

    /// The next frame, if its descriptor differs from that of the last one in the sequence number only, and its headers
    /// are nearly the same; otherwise `None`. `headroom` holds the headers of the last frame (or of an earlier one like
    /// it), so only the differences are written.
    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>>;
}

/// A frame that is ready to be submitted.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Its descriptor for the consumer; its length is that of `headers` and `payload` together.
    pub descriptor: Descriptor,
    /// The headers of all layers.
    pub headers: &'a [u8],
    /// The bytes that follow the headers.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// The descriptor, with the frame's length filled in.
    ///
    /// # Errors
    /// [`WireError::FrameTooLong`] if it is longer than [`MAX_FRAME`].
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
