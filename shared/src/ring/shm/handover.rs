//! Sending the shared memory from the driver to the stack.
//!
//! Its descriptor is sent as ancillary data of [`MEMORY_RECORD`], right behind the greeting. It must be received
//! with `recvmsg`: a plain read of those bytes would close the descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::control::MEMORY_RECORD;

/// Room for descriptors in a received message: more than the one that is valid, so that too many are reported as such.
const MOST: usize = 8;

/// Why no descriptor of a ring was received.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The peer closed the connection.
    #[error("the peer closed the connection before it handed the ring over")]
    Closed,
    /// Another record arrived in place of [`MEMORY_RECORD`].
    #[error("the peer sent {0:02x?} where it had to hand the ring over")]
    Record(Vec<u8>),
    /// The descriptor arrived, but this process has reached its limit of open files.
    #[error(
        "the ring's descriptor could not be received, because this process may open no more files; raise the limit \
         with ulimit -n, or try --transport socket"
    )]
    NoDescriptor,
    /// No descriptor, or several.
    #[error("the peer handed over {0} descriptors instead of one")]
    Count(usize),
}

/// Sends the descriptor `memory`. No other bytes may be queued for `stream`.
///
/// # Errors
/// The system's error; [`io::ErrorKind::WouldBlock`] if the call has to be repeated.
pub fn hand_over(stream: impl AsFd, memory: impl AsFd) -> io::Result<()> {
    let descriptors = [memory.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let record = [IoSlice::new(&MEMORY_RECORD)];
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match retry_on_intr(|| sendmsg(stream.as_fd(), &record, &mut control, flags))? {
        len if len == MEMORY_RECORD.len() => Ok(()),
        // A stream socket takes a record of 8 bytes whole or not at all, so this does not happen.
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Receives the descriptor that [`hand_over`] sends.
///
/// # Errors
/// The system's error; [`io::ErrorKind::WouldBlock`] if nothing has arrived yet.
pub fn receive(stream: impl AsFd) -> io::Result<Result<OwnedFd, HandoverError>> {
    let mut bytes = [0; MEMORY_RECORD.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = retry_on_intr(|| recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut control, flags))?;
    // Owned at once, so that every descriptor that is not returned is closed.
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    // CTRUNC: descriptors are missing. Either more than MOST were sent (then MOST of them are here), or this process
    // may open no more files.
    let cut = received.flags.contains(ReturnFlags::CTRUNC);
    let no_room = cut && descriptors.len() < MOST;
    Ok(match (received.bytes, descriptors.pop()) {
        (0, _) => Err(HandoverError::Closed),
        (len, _) if bytes[..len] != MEMORY_RECORD => Err(HandoverError::Record(bytes[..len].to_vec())),
        _ if no_room => Err(HandoverError::NoDescriptor),
        (_, Some(one)) if descriptors.is_empty() && !cut => Ok(one),
        (_, last) => Err(HandoverError::Count(descriptors.len() + usize::from(last.is_some()))),
    })
}
