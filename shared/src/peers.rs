//! Who may be at the other end of the socket.

use std::io;
use std::os::fd::AsFd;

use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;

/// The users whose processes may be a peer: this process's own, and those that were named.
#[derive(Debug, Clone)]
pub struct Guests(Vec<u32>);

/// A peer that belongs to somebody else.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Another user's.
    #[error("the peer belongs to user {0}, who is not allowed here; allow it with --allow-uid {0}")]
    NotAllowed(u32),
    /// The system does not say whose it is.
    #[error("the system does not say whom the peer belongs to: {0}")]
    Unknown(#[source] io::Error),
}

impl Guests {
    /// This process's user, and `others`.
    pub fn of(others: &[u32]) -> Self {
        let own = std::iter::once(getuid().as_raw());
        Self(own.chain(others.iter().copied()).collect())
    }

    /// Checks who is at the other end of `stream`.
    ///
    /// # Errors
    /// [`PeerError`] if it is none of them.
    pub fn check(&self, stream: impl AsFd) -> Result<(), PeerError> {
        let peer = socket_peercred(stream).map_err(|error| PeerError::Unknown(error.into()))?;
        let uid = peer.uid.as_raw();
        if self.include(uid) { Ok(()) } else { Err(PeerError::NotAllowed(uid)) }
    }

    /// Whether user `uid` is one of them.
    pub fn include(&self, uid: u32) -> bool {
        self.0.contains(&uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn our_own_user_is_a_guest_and_others_are_if_they_are_named() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let uid = getuid().as_raw();
        assert!(Guests::of(&[]).check(&ours).is_ok());
        let stranger = Guests(vec![uid + 1]).check(&ours).unwrap_err().to_string();
        assert!(stranger.contains(&format!("--allow-uid {uid}")), "{stranger}");
    }
}
