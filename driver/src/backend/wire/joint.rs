//! The connection of a wire: who listens, who connects, and what follows when one of them goes.
//!
//! A thread of its own keeps the wire joined, also while no session runs. So a second driver is welcomed at once, and a
//! third is refused with a reason. The thread only waits: frames pass through the session.
//!
//! The driver that finds no live socket at the path listens there. It sends each driver that connects one message:
//! `WELCOME`, or `BUSY` if it has a peer already. When the listener goes, the other one does the same as at its start:
//! it connects if there is a new listener, and else listens itself.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{Mode, fchmod};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    recv, send, socket_with,
};
use shared::process::leftovers::{LONG_WAIT, Leftover, Name, NameLock, Registered, register};
use shared::process::peers::{AllowedUsers, PeerError};

/// What the listener sends to a driver that connects. Shorter than any frame, so neither can be taken for one.
const WELCOME: &[u8] = b"PBKWIRE1";
const BUSY: &[u8] = b"PBKBUSY1";

/// Most bytes of a path in the address of a Unix socket.
const LONGEST_PATH: usize = 107;

/// How long a listener may take to answer. Its thread does nothing else.
const ANSWER_TIMEOUT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// How often a driver looks again when the listener that it has reached goes before it has answered. That listener is
/// about to end, so it is gone in one of the next looks.
const MOST_LOOKS: u32 = 100;

/// Pause after an `accept` that failed, most likely for lack of descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Why a wire cannot be joined.
#[derive(Debug, thiserror::Error)]
#[error("--backend wire={path}: {why}", path = path.display())]
pub struct WireError {
    path: PathBuf,
    why: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the path is too long for a socket; use one of at most {LONGEST_PATH} bytes")]
    TooLong,
    #[error("two drivers are joined there already; end one of them, or use another path")]
    Busy,
    #[error("there is a file that is not a socket; remove it, or use another path")]
    NotASocket,
    #[error("there is a socket of another kind, on which a program listens; use another path")]
    OtherKind,
    #[error("the program that listens there does not answer as a driver does; use another path")]
    NoAnswer,
    #[error("at the other end: {0}")]
    Peer(#[from] PeerError),
    #[error("the socket cannot be used ({0}); use a path in a folder that you may write to")]
    Io(#[from] io::Error),
}

impl From<Errno> for Problem {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// The joint of a wire, as the session sees it.
#[derive(Debug)]
pub(super) struct Joint {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

/// What the session and the thread share.
#[derive(Debug)]
struct State {
    /// The peer that the session has not taken yet.
    peer: Mutex<Option<Arc<OwnedFd>>>,
    /// Readable when there is a peer to take, or the wire has failed.
    changed: Arc<OwnedFd>,
    /// Readable when the thread shall end.
    stop: OwnedFd,
    has_failed: AtomicBool,
    failure: Mutex<Option<String>>,
}

impl Joint {
    /// Joins the wire at `path`.
    ///
    /// # Errors
    /// [`WireError`].
    pub(super) fn new(path: &Path, allowed: AllowedUsers) -> Result<Self, WireError> {
        let failed = |why| WireError { path: path.to_owned(), why };
        if path.as_os_str().as_bytes().len() > LONGEST_PATH {
            return Err(failed(Problem::TooLong));
        }
        let end = End::find(path, &allowed).map_err(failed)?;
        let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|error| failed(error.into()));
        let state = Arc::new(State {
            peer: Mutex::default(),
            changed: Arc::new(event()?),
            stop: event()?,
            has_failed: AtomicBool::new(false),
            failure: Mutex::default(),
        });
        let keeper = Keeper { path: path.to_owned(), allowed, state: Arc::clone(&state) };
        let thread = thread::Builder::new().name("wire".to_owned()).spawn(move || keeper.keep(end));
        Ok(Self { state, thread: Some(thread.map_err(|error| failed(error.into()))?) })
    }

    /// The peer that has come since the last call, if there is one.
    pub(super) fn take_peer(&self) -> Option<Arc<OwnedFd>> {
        // Before the look at the peer: one that comes after it makes the event readable again.
        let _ = rustix::io::read(&self.state.changed, &mut [0; 8]);
        locked(&self.state.peer).take()
    }

    /// A descriptor that is readable when there is a peer to take, or the wire has failed.
    pub(super) fn changed(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.state.changed)
    }

    /// Why the wire can be joined no longer, if so.
    pub(super) fn failure(&self) -> Option<String> {
        // Asked again and again on the data path, so without the lock.
        self.state.has_failed.load(Ordering::Acquire).then(|| locked(&self.state.failure).clone()).flatten()
    }
}

impl Drop for Joint {
    fn drop(&mut self) {
        notify(&self.state.stop);
        // It removes the socket. It cannot panic, and if it did there would be nothing to do here.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn notify(event: &OwnedFd) {
    // Cannot fail before the counter of the eventfd is full, after 2^64 - 2 calls.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}

/// Which end of the wire this driver is.
#[derive(Debug)]
enum End {
    Listens(Listener),
    /// Connected to this listener.
    Connected(OwnedFd),
}

/// The socket at the path. Its name is removed when this is dropped, or when a signal ends the process.
#[derive(Debug)]
struct Listener {
    socket: OwnedFd,
    name: Name,
    _registered: Registered,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // An error means that another process has removed the name.
        let _ = self.name.remove();
    }
}

impl End {
    /// Connects to the driver that listens at `path`, or listens there if none does.
    fn find(path: &Path, allowed: &AllowedUsers) -> Result<Self, Problem> {
        let address = SocketAddrUnix::new(path)?;
        for _ in 0..MOST_LOOKS {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            match connect(&socket, &address) {
                Ok(()) => {
                    allowed.check(&socket)?;
                    if answered(&socket)? {
                        return Ok(Self::Connected(socket));
                    }
                }
                // AGAIN: others have connected, and the listener has not answered them yet.
                Err(Errno::AGAIN) => return Err(Problem::Busy),
                Err(Errno::PROTOTYPE) => return Err(Problem::OtherKind),
                Err(Errno::NOENT | Errno::CONNREFUSED) => {
                    if let Some(listener) = Listener::at(path, &address, socket)? {
                        return Ok(Self::Listens(listener));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::NoAnswer)
    }
}

/// Waits for the answer of the listener. `false` if the listener has gone.
fn answered(socket: &OwnedFd) -> Result<bool, Problem> {
    let mut readable = [PollFd::new(socket, PollFlags::IN)];
    if retry_on_intr(|| poll(&mut readable, Some(&ANSWER_TIMEOUT)))? == 0 {
        return Err(Problem::NoAnswer);
    }
    let mut answer = [0; 16];
    match retry_on_intr(|| recv(socket, &mut answer[..], RecvFlags::DONTWAIT)) {
        Ok((_, 0)) | Err(Errno::CONNRESET) => Ok(false),
        Ok((_, len)) if answer[..len] == *WELCOME => Ok(true),
        Ok((_, len)) if answer[..len] == *BUSY => Err(Problem::Busy),
        Ok(_) => Err(Problem::NoAnswer),
        Err(error) => Err(error.into()),
    }
}

impl Listener {
    /// Listens at `path` with `socket`. `None` if another driver has begun to listen there.
    fn at(path: &Path, address: &SocketAddrUnix, socket: OwnedFd) -> Result<Option<Self>, Problem> {
        // `register` holds the registry of leftovers while the lock is held: a signal leaves no lock file behind.
        let bound = register(|| {
            // Keeps drivers apart that find the same dead socket: one of them would remove that of the other.
            let _lock = NameLock::take(path, LONG_WAIT)?;
            match fs::symlink_metadata(path) {
                Ok(found) if !found.file_type().is_socket() => return Err(Problem::NotASocket),
                Ok(_) => match connect(&socket, address) {
                    Err(Errno::CONNREFUSED) => fs::remove_file(path)?,
                    // It was stale before the lock was taken, and is not any more.
                    _ => return Err(Problem::Io(ErrorKind::AddrInUse.into())),
                },
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            // Before `bind`, so that no other user can connect in between.
            fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
            bind(&socket, address)?;
            listen(&socket, 1)?;
            let name = Name::of(path)?;
            Ok((name.clone(), Leftover::Name(name)))
        });
        match bound {
            Ok((name, registered)) => Ok(Some(Self { socket, name, _registered: registered })),
            Err(Problem::Io(error)) if error.kind() == ErrorKind::AddrInUse => Ok(None),
            Err(other) => Err(other),
        }
    }
}

/// The thread that keeps the wire joined.
struct Keeper {
    path: PathBuf,
    allowed: AllowedUsers,
    state: Arc<State>,
}

impl Keeper {
    /// Runs until it is told to stop, or the wire can be joined no longer.
    fn keep(&self, mut end: End) {
        loop {
            let lost = match end {
                End::Listens(listener) => return self.listen(&listener),
                End::Connected(socket) => {
                    let peer = self.join(socket);
                    self.wait_for_hang_up(&peer)
                }
            };
            if !lost {
                return;
            }
            match End::find(&self.path, &self.allowed) {
                Ok(found) => end = found,
                Err(why) => return self.fail(why),
            }
        }
    }

    /// Gives the session a peer.
    fn join(&self, socket: OwnedFd) -> Arc<OwnedFd> {
        let peer = Arc::new(socket);
        *locked(&self.state.peer) = Some(Arc::clone(&peer));
        notify(&self.state.changed);
        peer
    }

    fn fail(&self, why: Problem) {
        let why = WireError { path: self.path.clone(), why };
        *locked(&self.state.failure) = Some(why.to_string());
        self.state.has_failed.store(true, Ordering::Release);
        notify(&self.state.changed);
    }

    /// Returns `false` if this thread shall end before the peer hangs up.
    fn wait_for_hang_up(&self, peer: &OwnedFd) -> bool {
        loop {
            let mut watched = [PollFd::new(&self.state.stop, PollFlags::IN), PollFd::new(peer, PollFlags::RDHUP)];
            let _ = retry_on_intr(|| poll(&mut watched, None));
            if !watched[0].revents().is_empty() {
                return false;
            }
            if !watched[1].revents().is_empty() {
                return true;
            }
        }
    }

    /// Answers those that connect, until this thread shall end.
    fn listen(&self, listener: &Listener) {
        let mut peer: Option<Arc<OwnedFd>> = None;
        loop {
            let mut watched =
                vec![PollFd::new(&self.state.stop, PollFlags::IN), PollFd::new(&listener.socket, PollFlags::IN)];
            watched.extend(peer.as_ref().map(|peer| PollFd::new(peer, PollFlags::RDHUP)));
            let _ = retry_on_intr(|| poll(&mut watched, None));
            let [stop, connected, gone] =
                [0, 1, 2].map(|at| watched.get(at).is_some_and(|fd| !fd.revents().is_empty()));
            if stop {
                return;
            }
            // First, so that the next driver can have its place.
            if gone {
                self.forget(peer.take());
            }
            if connected {
                match accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                    Ok(socket) => self.answer(socket, &mut peer),
                    Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                    Err(_) => thread::sleep(ACCEPT_RETRY_DELAY),
                }
            }
        }
    }

    /// Takes back a peer that the session has not taken yet.
    fn forget(&self, peer: Option<Arc<OwnedFd>>) {
        let mut offered = locked(&self.state.peer);
        if offered.as_ref().zip(peer.as_ref()).is_some_and(|(offered, peer)| Arc::ptr_eq(offered, peer)) {
            *offered = None;
        }
    }

    fn answer(&self, socket: OwnedFd, peer: &mut Option<Arc<OwnedFd>>) {
        if self.allowed.check(&socket).is_err() {
            // It learns nothing. Its own check of this side's user tells it why.
            return;
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if peer.is_some() {
            // If it has gone already, it needs no answer.
            let _ = send(socket.as_fd(), BUSY, flags);
        } else if send(socket.as_fd(), WELCOME, flags).is_ok() {
            *peer = Some(self.join(socket));
        }
    }
}
