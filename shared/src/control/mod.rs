//! The bytes on the Unix socket. [`connection`](crate::connection) specifies what is sent when.
//!
//! A client sends a preamble of 8 bytes (magic and version), then both sides exchange records.
//! A record is a fixed header and a body; [`Control`] messages are serde types in bincode, with a
//! length limit. In the socket transport frames and completions are records too.

mod message;
mod preamble;
mod record;
pub mod stream;

pub use message::{Accept, Bye, ByeReason, Control, Direction, Hello, Refuse, RefuseCode, RingInfo, TransportKind};
pub use preamble::{PREAMBLE_LEN, VERSION, check_preamble, preamble};
pub use record::{
    COMPLETION_LEN, DOORBELL_RECORD, FRAME_HEADER_LEN, MAX_CONTROL, MEMORY_RECORD, Parsed, WireError,
    encode_completion, encode_control, encode_frame_header, parse,
};
