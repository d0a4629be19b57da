//! How the memory gets from the side that made it to the other.
//!
//! Its descriptor travels with [`MEMORY_RECORD`], right behind the greeting. It must be received as
//! such: a plain read of those bytes would close it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::wire::MEMORY_RECORD;

/// More descriptors than any driver hands over, so that too many are seen as such.
const MOST: usize = 8;

/// No descriptor of a ring was received.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The peer closed the connection.
    #[error("the peer closed the connection before it handed the ring over")]
    Closed,
    /// Not the record that descriptors travel with.
    #[error("the peer sent {0:02x?} where it had to hand the ring over")]
    Record(Vec<u8>),
    /// It came, but this process may hold no more descriptors.
    #[error(
        "the ring's descriptor could not be received, because this process may open no more files; raise the limit \
         with ulimit -n, or try --transport socket"
    )]
    NoDescriptor,
    /// Too few, or too many.
    #[error("the peer handed over {0} descriptors instead of one")]
    Count(usize),
}

/// Sends `memory`. Nothing else may be on its way.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`] if it has to be tried again.
pub fn hand_over(stream: impl AsFd, memory: impl AsFd) -> io::Result<()> {
    let descriptors = [memory.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let record = [IoSlice::new(&MEMORY_RECORD)];
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match retry_on_intr(|| sendmsg(stream.as_fd(), &record, &mut control, flags))? {
        len if len == MEMORY_RECORD.len() => Ok(()),
        // So few bytes go as one or not at all.
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Receives what [`hand_over`] sends.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`] if nothing came yet.
pub fn receive(stream: impl AsFd) -> io::Result<Result<OwnedFd, HandoverError>> {
    let mut bytes = [0; MEMORY_RECORD.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = retry_on_intr(|| recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut control, flags))?;
    // Whatever came is closed unless it is what is returned.
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    // Descriptors are missing: of more than MOST there are MOST, and otherwise the kernel could not give us one.
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
