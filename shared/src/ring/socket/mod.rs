//! The socket transport.
