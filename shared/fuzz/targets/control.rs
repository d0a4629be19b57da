//! Bytes from the socket: the parser returns records, refuses the bytes, or needs more of them.

use shared::control::{Parsed, encode_control, parse};

/// Parses records one after the other, as a session does.
pub(crate) fn target(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((record, len))) = parse(rest) {
        assert!((1..=rest.len()).contains(&len), "a record of {len} in {} bytes", rest.len());
        assert_eq!(parse(&rest[..len - 1]), Ok(None), "a record was complete without its last byte");
        if let Parsed::Frame(descriptor, bytes) = &record {
            assert_eq!(descriptor.len as usize, bytes.len());
        }
        if let Parsed::Control(message) = &record {
            let again = encode_control(message).map_err(|error| error.to_string());
            let again = again.as_deref().unwrap_or_else(|error| panic!("{message:?} cannot be sent: {error}"));
            assert_eq!(parse(again), Ok(Some((Parsed::Control(message.clone()), again.len()))));
        }
        rest = &rest[len..];
    }
}
