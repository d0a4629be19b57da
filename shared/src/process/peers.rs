//! The allowed users: whose processes may be the peer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::getuid;

/// The allowed users: this process's own, and those of `--allow-uid`.
#[derive(Debug, Clone)]
pub struct AllowedUsers(Vec<u32>);

/// Why a peer is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It runs as a user that is not allowed.
    #[error("the peer belongs to user {0}, which is not allowed; allow it with --allow-uid {0}")]
    NotAllowed(u32),
    /// Its user cannot be read.
    #[error("the user of the peer cannot be read: {0}")]
    Unknown(#[source] io::Error),
}

impl AllowedUsers {
    /// Allows this process's user, and `others`.
    pub fn of(others: &[u32]) -> Self {
        let own = std::iter::once(getuid().as_raw());
        Self(own.chain(others.iter().copied()).collect())
    }

    /// Checks the user of the peer of `stream`.
    ///
    /// # Errors
    /// [`PeerError`] if it is not allowed.
    pub fn check(&self, stream: impl AsFd) -> Result<(), PeerError> {
        let peer = socket_peercred(stream).map_err(|error| PeerError::Unknown(error.into()))?;
        let uid = peer.uid.as_raw();
        if self.include(uid) { Ok(()) } else { Err(PeerError::NotAllowed(uid)) }
    }

    /// Whether user `uid` is allowed.
    pub fn include(&self, uid: u32) -> bool {
        self.0.contains(&uid)
    }
}

/// Connects to the Unix socket at `path` without waiting.
///
/// # Errors
/// The system's error: `ConnectionRefused` if no process listens, and `WouldBlock` if the listener's queue of
/// connections is full. (An asynchronous runtime would take `WouldBlock` for a connection in progress and wait for it,
/// but a Unix socket never completes one.)
pub fn connect_now(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    connect(&socket, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn connecting_to_a_full_listen_queue_would_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert_eq!(connect_now(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let flags = SocketFlags::CLOEXEC;
        let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        assert_eq!(connect_now(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        rustix::net::listen(&listener, 0).unwrap();
        let waiting: Vec<_> = std::iter::from_fn(|| connect_now(&path).ok()).collect();
        assert!(!waiting.is_empty());
        assert_eq!(connect_now(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let long = Path::new("/").join("x".repeat(200));
        assert_eq!(connect_now(&long).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn this_processs_user_is_allowed_and_others_only_if_they_are_listed() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let uid = getuid().as_raw();
        assert!(AllowedUsers::of(&[]).check(&ours).is_ok());
        let stranger = AllowedUsers(vec![uid + 1]).check(&ours).unwrap_err().to_string();
        assert!(stranger.contains(&format!("--allow-uid {uid}")), "{stranger}");
    }
}
