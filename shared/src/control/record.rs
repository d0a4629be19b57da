//! Records: frames, completions and control messages in one byte stream.
//!
//! [`control`](super) specifies the layout of each; here are their encoding and their checks.

use bincode::Options;

use super::Control;
use crate::frame::{Completion, Descriptor, MAX_FRAME, Status};
use crate::units::Nanos;

/// Bytes in front of a frame.
pub const FRAME_HEADER_LEN: usize = 32;
/// Bytes of a completion.
pub const COMPLETION_LEN: usize = 32;
/// The longest control message, in bytes without its header.
pub const MAX_CONTROL: usize = 64 * 1024;
/// Bytes in front of a control message.
pub(super) const CONTROL_HEADER_LEN: usize = 8;

const FRAME: u8 = 1;
const COMPLETION: u8 = 2;
const CONTROL: u8 = 3;
const MEMORY: u8 = 4;
const DOORBELL: u8 = 5;

/// The record with which one descriptor of shared memory is sent. Constant.
pub const MEMORY_RECORD: [u8; 8] = [MEMORY, 0, 0, 0, 1, 0, 0, 0];
/// The record that wakes a sleeping peer. Constant.
pub const DOORBELL_RECORD: [u8; 8] = [DOORBELL, 0, 0, 0, 0, 0, 0, 0];

/// Bytes that violate the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first byte of a record is not a kind.
    #[error("a record of unknown kind {0}")]
    UnknownKind(u8),
    /// A control message is longer than allowed.
    #[error("a control message of {0} bytes; at most {MAX_CONTROL} are allowed")]
    ControlTooLong(u32),
    /// A control message cannot be decoded.
    #[error("a control message that cannot be decoded: {0}")]
    BadControl(String),
    /// A frame is longer than a slot.
    #[error("a frame of {0} bytes; a slot holds {MAX_FRAME}")]
    FrameTooLong(u16),
    /// A completion has an unknown status.
    #[error("a completion with unknown status {0}")]
    UnknownStatus(u8),
    /// A record that the peer may not send to this side, or not at this time.
    #[error("an unexpected record: {0}")]
    Unexpected(&'static str),
}

/// A parsed record.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed<'a> {
    /// A frame with its bytes.
    Frame(Descriptor, &'a [u8]),
    /// A completion.
    Completion(Completion),
    /// A control message.
    Control(Control),
    /// A doorbell.
    Doorbell,
}

impl Parsed<'_> {
    /// The name of the kind, for [`WireError::Unexpected`].
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Frame(..) => "frame",
            Self::Completion(_) => "completion",
            Self::Control(_) => "control message",
            Self::Doorbell => "doorbell",
        }
    }
}

/// Parses the record at the front of `bytes` and returns it with its length. `None` if more bytes are
/// needed.
///
/// # Errors
/// [`WireError`] as soon as the bytes cannot become a valid record; each length is checked before it is used.
pub fn parse(bytes: &[u8]) -> Result<Option<(Parsed<'_>, usize)>, WireError> {
    match bytes.first() {
        None => Ok(None),
        Some(&FRAME) => parse_frame(bytes),
        Some(&COMPLETION) => parse_completion(bytes),
        Some(&CONTROL) => parse_control(bytes),
        // Descriptors may come only right behind the greeting, where `ring::shm::receive` receives them. These bytes
        // were read without `recvmsg`, so their descriptors are closed already.
        Some(&MEMORY) => Err(WireError::Unexpected("descriptor of memory")),
        Some(&DOORBELL) => {
            Ok((bytes.len() >= DOORBELL_RECORD.len()).then_some((Parsed::Doorbell, DOORBELL_RECORD.len())))
        }
        Some(&kind) => Err(WireError::UnknownKind(kind)),
    }
}

fn parse_frame(bytes: &[u8]) -> Result<Option<(Parsed<'_>, usize)>, WireError> {
    let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_LEN>() else { return Ok(None) };
    let len = u16::from_le_bytes([header[2], header[3]]);
    if usize::from(len) > MAX_FRAME {
        return Err(WireError::FrameTooLong(len));
    }
    let Some(frame) = rest.get(..usize::from(len)) else { return Ok(None) };
    let descriptor = Descriptor {
        len: u32::from(len),
        flow: u32_at(header, 4),
        sequence: u64_at(header, 8),
        submitted: Nanos(u64_at(header, 16)),
    };
    Ok(Some((Parsed::Frame(descriptor, frame), FRAME_HEADER_LEN + frame.len())))
}

fn parse_completion(bytes: &[u8]) -> Result<Option<(Parsed<'_>, usize)>, WireError> {
    let Some(record) = bytes.first_chunk::<COMPLETION_LEN>() else { return Ok(None) };
    let status = Status::from_byte(record[1]).ok_or(WireError::UnknownStatus(record[1]))?;
    let [position, taken, at] = [8, 16, 24].map(|at| u64_at(record, at));
    let completion = Completion { position, status, taken: Nanos(taken), at: Nanos(at) };
    Ok(Some((Parsed::Completion(completion), COMPLETION_LEN)))
}

fn parse_control(bytes: &[u8]) -> Result<Option<(Parsed<'_>, usize)>, WireError> {
    let Some((header, rest)) = bytes.split_first_chunk::<CONTROL_HEADER_LEN>() else { return Ok(None) };
    let Some(body) = rest.get(..control_len(header)?) else { return Ok(None) };
    Ok(Some((Parsed::Control(decode_control(body)?), CONTROL_HEADER_LEN + body.len())))
}

/// The length of the control message behind `header`, for a reader that accepts only control messages.
///
/// # Errors
/// [`WireError`] if it is the header of another record, or of a message that is too long.
pub(super) fn control_len(header: &[u8; CONTROL_HEADER_LEN]) -> Result<usize, WireError> {
    match (header[0], u32_at(header, 4)) {
        (CONTROL, len) if len as usize > MAX_CONTROL => Err(WireError::ControlTooLong(len)),
        (CONTROL, len) => Ok(len as usize),
        (FRAME, _) => Err(WireError::Unexpected("frame")),
        (COMPLETION, _) => Err(WireError::Unexpected("completion")),
        (kind, _) => Err(WireError::UnknownKind(kind)),
    }
}

/// Decodes the body of a control record.
///
/// # Errors
/// [`WireError::BadControl`] if it is not a message, or has bytes behind one.
pub(super) fn decode_control(body: &[u8]) -> Result<Control, WireError> {
    let message: Control = codec().deserialize(body).map_err(|error| WireError::BadControl(error.to_string()))?;
    Ok(message.bounded())
}

/// Encodes the header of a frame record. The frame's `len` bytes must follow it.
pub fn encode_frame_header(descriptor: &Descriptor) -> [u8; FRAME_HEADER_LEN] {
    let mut header = [0; FRAME_HEADER_LEN];
    header[0] = FRAME;
    // The cast cannot truncate: frames are at most MAX_FRAME bytes long.
    header[2..4].copy_from_slice(&(descriptor.len as u16).to_le_bytes());
    header[4..8].copy_from_slice(&descriptor.flow.to_le_bytes());
    header[8..16].copy_from_slice(&descriptor.sequence.to_le_bytes());
    header[16..24].copy_from_slice(&descriptor.submitted.0.to_le_bytes());
    header
}

/// Encodes a completion record.
pub fn encode_completion(completion: &Completion) -> [u8; COMPLETION_LEN] {
    let mut record = [0; COMPLETION_LEN];
    record[0] = COMPLETION;
    record[1] = completion.status as u8;
    record[8..16].copy_from_slice(&completion.position.to_le_bytes());
    record[16..24].copy_from_slice(&completion.taken.0.to_le_bytes());
    record[24..32].copy_from_slice(&completion.at.0.to_le_bytes());
    record
}

/// Encodes a control record.
///
/// # Errors
/// [`WireError::BadControl`] if the message is longer than [`MAX_CONTROL`].
pub fn encode_control(message: &Control) -> Result<Vec<u8>, WireError> {
    let body = codec().serialize(message).map_err(|error| WireError::BadControl(error.to_string()))?;
    let mut record = vec![0; CONTROL_HEADER_LEN];
    record[0] = CONTROL;
    record[4..].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record.extend_from_slice(&body);
    Ok(record)
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(MAX_CONTROL as u64)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Hello, TransportKind};
    use crate::depth::WakePoint;
    use proptest::prelude::*;

    #[test]
    fn a_frame_round_trips_and_every_prefix_of_it_needs_more_bytes() {
        let descriptor = Descriptor { len: 5, flow: 3, sequence: u64::MAX, submitted: Nanos(9) };
        let mut bytes = encode_frame_header(&descriptor).to_vec();
        bytes.extend_from_slice(b"hello!");
        for cut in 0..bytes.len() - 1 {
            assert_eq!(parse(&bytes[..cut]), Ok(None));
        }
        assert_eq!(parse(&bytes), Ok(Some((Parsed::Frame(descriptor, b"hello"), 37))));
    }

    #[test]
    fn a_control_message_round_trips() {
        let hello = Control::Hello(Hello {
            transport: TransportKind::Socket,
            rings: Vec::new(),
            wake: WakePoint::Each,
            idle_timeout_ns: 1,
        });
        let bytes = encode_control(&hello).unwrap();
        assert_eq!(parse(&bytes), Ok(Some((Parsed::Control(hello), bytes.len()))));
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_the_body_arrives() {
        assert_eq!(parse(&[CONTROL, 0, 0, 0, 255, 255, 255, 255]), Err(WireError::ControlTooLong(u32::MAX)));
        let mut frame = encode_frame_header(&Descriptor::default());
        frame[2..4].copy_from_slice(&1515u16.to_le_bytes());
        assert_eq!(parse(&frame), Err(WireError::FrameTooLong(1515)));
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, len))) = parse(&bytes) { prop_assert!(len <= bytes.len()); }
        }

        #[test]
        fn a_completion_round_trips(position in any::<u64>(), taken in any::<u64>(), at in any::<u64>()) {
            let completion = Completion { position, status: Status::BadHeader, taken: Nanos(taken), at: Nanos(at) };
            let bytes = encode_completion(&completion);
            prop_assert_eq!(parse(&bytes), Ok(Some((Parsed::Completion(completion), COMPLETION_LEN))));
        }
    }
}
