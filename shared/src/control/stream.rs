//! The greeting over an async stream, before the data path uses the descriptor.
//!
//! Each read takes exactly one preamble or one control message and no byte more, because the data path reads the
//! bytes that follow.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::record::{CONTROL_HEADER_LEN, control_len, decode_control};
use super::{Control, PREAMBLE_LEN, WireError, check_preamble, encode_control};

/// Why a greeting failed.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The peer closed the connection, perhaps in the middle of a message.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
    /// The first bytes are not a preamble: the peer is another kind of program.
    #[error("the peer does not speak this protocol; it opened with {0:02x?}")]
    NotAPreamble([u8; PREAMBLE_LEN]),
    /// The peer sent an invalid message, or this side tried to.
    #[error("not a message of this protocol: {0}")]
    Wire(#[from] WireError),
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Reads the peer's preamble and returns its version, which the caller must check.
///
/// # Errors
/// [`StreamError::NotAPreamble`] if the bytes are not a preamble, [`StreamError::Closed`] or
/// [`StreamError::Io`].
pub async fn read_preamble(from: &mut (impl AsyncRead + Unpin)) -> Result<u32, StreamError> {
    let mut bytes = [0; PREAMBLE_LEN];
    from.read_exact(&mut bytes).await?;
    check_preamble(bytes).ok_or(StreamError::NotAPreamble(bytes))
}

/// Sends one control message.
///
/// # Errors
/// [`StreamError::Wire`] if it is too long, [`StreamError::Closed`] or [`StreamError::Io`].
pub async fn write_control(to: &mut (impl AsyncWrite + Unpin), message: &Control) -> Result<(), StreamError> {
    to.write_all(&encode_control(message)?).await?;
    Ok(to.flush().await?)
}

/// Reads one control message. Not cancel-safe: if the future is dropped before it is ready, for instance by a timeout,
/// the stream is in the middle of a message and must not be read again.
///
/// # Errors
/// [`StreamError::Wire`] if another record or an invalid length arrives, before memory is allocated for it;
/// [`StreamError::Closed`] or [`StreamError::Io`].
pub async fn read_control(from: &mut (impl AsyncRead + Unpin)) -> Result<Control, StreamError> {
    let mut header = [0; CONTROL_HEADER_LEN];
    from.read_exact(&mut header).await?;
    let mut body = vec![0; control_len(&header)?];
    from.read_exact(&mut body).await?;
    Ok(decode_control(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Hello, MAX_CONTROL, Refuse, RefuseCode, TransportKind, VERSION, preamble};
    use crate::depth::WakePoint;
    use futures_util::FutureExt;

    fn hello() -> Control {
        Control::Hello(Hello {
            transport: TransportKind::Socket,
            rings: Vec::new(),
            wake: WakePoint::Each,
            idle_timeout_ns: 1,
        })
    }

    /// A slice is always ready, so these tests need no runtime.
    fn control_of(mut bytes: &[u8]) -> (Result<Control, StreamError>, usize) {
        let read = read_control(&mut bytes).now_or_never().unwrap();
        (read, bytes.len())
    }

    #[test]
    fn a_greeting_is_read_message_by_message_without_the_bytes_that_follow() {
        let refuse = Control::Refuse(Refuse { code: RefuseCode::Busy, reason: "come back later".into() });
        let mut wire = preamble().to_vec();
        for message in [hello(), refuse.clone()] {
            write_control(&mut wire, &message).now_or_never().unwrap().unwrap();
        }
        wire.extend_from_slice(b"rest");
        let mut rest = &wire[..];
        assert_eq!(read_preamble(&mut rest).now_or_never().unwrap().unwrap(), VERSION);
        assert_eq!(read_control(&mut rest).now_or_never().unwrap().unwrap(), hello());
        assert_eq!(read_control(&mut rest).now_or_never().unwrap().unwrap(), refuse);
        assert_eq!(rest, b"rest");
    }

    #[test]
    fn a_truncated_message_is_a_closed_connection() {
        let bytes = encode_control(&hello()).unwrap();
        for cut in 0..bytes.len() {
            assert!(matches!(control_of(&bytes[..cut]), (Err(StreamError::Closed), _)), "cut at {cut}");
        }
        let mut half = &preamble()[..5];
        assert!(matches!(read_preamble(&mut half).now_or_never(), Some(Err(StreamError::Closed))));
    }

    #[test]
    fn another_protocol_is_recognised_by_its_first_bytes() {
        let mut http = &b"GET / HTTP/1.1"[..];
        let read = read_preamble(&mut http).now_or_never().unwrap();
        assert!(matches!(read, Err(StreamError::NotAPreamble(bytes)) if bytes == *b"GET / HT"));
    }

    #[test]
    fn another_version_is_returned_and_not_refused() {
        let mut bytes = preamble();
        bytes[4] = 99;
        assert_eq!(read_preamble(&mut &bytes[..]).now_or_never().unwrap().unwrap(), 99);
    }

    #[test]
    fn a_record_that_is_not_a_control_message_is_refused_by_its_header() {
        let too_long = (MAX_CONTROL as u32 + 1).to_le_bytes();
        let cases = [
            ([1, 0, 0, 0, 0, 0, 0, 0], WireError::Unexpected("frame")),
            ([2, 0, 0, 0, 0, 0, 0, 0], WireError::Unexpected("completion")),
            ([9, 0, 0, 0, 0, 0, 0, 0], WireError::UnknownKind(9)),
            ([3, 0, 0, 0, too_long[0], too_long[1], too_long[2], too_long[3]], WireError::ControlTooLong(65_537)),
        ];
        for (header, expected) in cases {
            // A body follows, so that a reader that tried to read it would succeed.
            let bytes = [&header[..], &[0; 100]].concat();
            let (read, left) = control_of(&bytes);
            assert!(matches!(&read, Err(StreamError::Wire(error)) if *error == expected), "{read:?}");
            assert_eq!(left, 100, "nothing behind the header was touched");
        }
    }

    #[test]
    fn a_body_that_cannot_be_decoded_is_refused() {
        let (read, _) = control_of(&[3, 0, 0, 0, 4, 0, 0, 0, 77, 0, 0, 0]);
        assert!(matches!(read, Err(StreamError::Wire(WireError::BadControl(_)))));
    }
}
