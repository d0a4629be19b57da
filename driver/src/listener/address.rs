//! The socket file: it belongs to this driver alone, and the socket of another live driver is never replaced.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use interprocess::local_socket::tokio::Listener;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use shared::process::leftovers::{LONG_WAIT, Leftover, Name, NameLock, Registered, register};
use shared::process::peers::{AllowedUsers, connect_now};

/// Most bytes of a path in the address of a Unix socket.
const LONGEST_PATH: usize = 107;

/// The bit of a folder's mode with which every user may write in it, and the bit with which each user may replace only
/// files of their own.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Why the driver cannot listen at a path.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The path does not fit into an address.
    #[error(
        "--socket {path}: {len} bytes are too long for a socket; name a path of at most {LONGEST_PATH}",
        path = path.display()
    )]
    TooLong {
        /// The path of the socket.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// Another driver listens there.
    #[error("--socket {path}: a driver listens there already; stop it, or name another path", path = path.display())]
    InUse {
        /// The path of the socket.
        path: PathBuf,
    },
    /// There is a symbolic link to no file.
    #[error(
        "--socket {path}: there is a symbolic link that leads to no file; remove it, or name another path",
        path = path.display()
    )]
    DanglingSymlink {
        /// The path of the socket.
        path: PathBuf,
    },
    /// There is a symbolic link to the socket of a driver that has ended. The driver would have to replace the link,
    /// which the user made.
    #[error(
        "--socket {path}: there is a symbolic link to the socket of a driver that has ended; name the path that it \
         leads to, or remove the link",
        path = path.display()
    )]
    SymlinkToStale {
        /// The path of the socket.
        path: PathBuf,
    },
    /// There is a file that is not a socket. It is not replaced.
    #[error(
        "--socket {path}: there is a file that is not a socket; remove it, or name another path",
        path = path.display()
    )]
    NotASocket {
        /// The path of the socket.
        path: PathBuf,
    },
    /// Another user could replace the socket.
    #[error(
        "--socket {path}: its folder {whose}, who could put another socket there; name a path in a folder of your own",
        path = path.display()
    )]
    ForeignFolder {
        /// The path of the socket.
        path: PathBuf,
        /// Whose the folder is: `belongs to user 7`, `is open to every user`.
        whose: String,
    },
    /// Another process holds the lock on the path: it starts or ends there, and does not finish.
    #[error("--socket {path}: {source}; see what that process does, or name another path", path = path.display())]
    Locked {
        /// The path of the socket.
        path: PathBuf,
        /// Names the lock file.
        source: io::Error,
    },
    /// A system call failed.
    #[error(
        "--socket {path}: cannot listen there ({source}); name a path in a folder that you may write to",
        path = path.display()
    )]
    Io {
        /// The path of the socket.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// A listener, and the name of its socket. The name is removed when this is dropped, or when a signal ends the process.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) listener: Listener,
    name: Name,
    _registered: Registered,
}

impl Drop for Address {
    fn drop(&mut self) {
        // An error means that another process has removed the name, or that the driver may not remove it.
        let _ = self.name.remove();
    }
}

/// Listens at `path`, for this user only. The socket of a driver that crashed is replaced, the socket of a live driver
/// is not.
///
/// A lock on the name keeps drivers that start or end at the same path apart: otherwise one could remove the socket of
/// another that has just begun to listen.
///
/// # Errors
/// [`ListenError`].
pub(super) fn listen(path: &Path, allowed: &AllowedUsers) -> Result<Address, ListenError> {
    let owned = || path.to_owned();
    let len = path.as_os_str().as_bytes().len();
    if len > LONGEST_PATH {
        return Err(ListenError::TooLong { path: owned(), len });
    }
    let system = |source| ListenError::Io { path: owned(), source };
    make_folder(path).map_err(system)?;
    if let Some(whose) = untrusted_folder(path, allowed).map_err(system)? {
        return Err(ListenError::ForeignFolder { path: owned(), whose });
    }
    // `register` holds the registry of leftovers while the lock is held. A signal that ends the process waits for that
    // registry, so it leaves no lock file behind.
    let ((listener, name), registered) = register(|| {
        let _lock = NameLock::take(path, LONG_WAIT).map_err(|source| match source.kind() {
            ErrorKind::ResourceBusy => ListenError::Locked { path: owned(), source },
            _ => system(source),
        })?;
        match occupant(path).map_err(system)? {
            Occupant::Nothing => {}
            Occupant::Stale => fs::remove_file(path).map_err(system)?,
            Occupant::Live => return Err(ListenError::InUse { path: owned() }),
            Occupant::NotASocket => return Err(ListenError::NotASocket { path: owned() }),
            Occupant::DanglingSymlink => return Err(ListenError::DanglingSymlink { path: owned() }),
            Occupant::SymlinkToStale => return Err(ListenError::SymlinkToStale { path: owned() }),
        }
        let listener = bind(path)?;
        let name = Name::of(path).map_err(system)?;
        Ok(((listener, name.clone()), Leftover::Name(name)))
    })?;
    Ok(Address { listener, name, _registered: registered })
}

fn bind(path: &Path) -> Result<Listener, ListenError> {
    let bound = path.to_fs_name::<GenericFilePath>().and_then(|name| {
        // `reclaim_name` would remove the name even if it belongs to another driver by then. `Address` checks that.
        ListenerOptions::new().name(name).mode(0o600).reclaim_name(false).create_tokio()
    });
    bound.map_err(|source| match source.kind() {
        // A program that does not take the lock has bound it since `occupant` looked.
        ErrorKind::AddrInUse => ListenError::InUse { path: path.to_owned() },
        _ => ListenError::Io { path: path.to_owned(), source },
    })
}

/// Makes the folder of `path` if it is missing, for this user only.
fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        _ => Ok(()),
    }
}

/// Whether a user who is not `allowed` may replace files in the folder of `path`. Returns whose the folder is, if so.
/// A group that may write is not checked: the owner of the folder chose it.
fn untrusted_folder(path: &Path, allowed: &AllowedUsers) -> io::Result<Option<String>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = fs::metadata(folder)?;
    // In a sticky folder, such as /tmp, every user may make files, but replace only their own.
    let open_to_all = found.mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE;
    Ok(if found.uid() != 0 && !allowed.include(found.uid()) {
        Some(format!("belongs to user {}", found.uid()))
    } else {
        open_to_all.then(|| "is open to every user".to_owned())
    })
}

/// What exists at the path of a socket.
#[derive(Debug, PartialEq, Eq)]
enum Occupant {
    Nothing,
    /// A socket on which no process listens.
    Stale,
    /// A socket on which a process listens.
    Live,
    NotASocket,
    DanglingSymlink,
    SymlinkToStale,
}

/// Connects to `path` to find out whether a driver listens. A live driver sees a client that hangs up at once.
fn occupant(path: &Path) -> io::Result<Occupant> {
    let is_symlink = match fs::symlink_metadata(path) {
        Ok(found) => found.is_symlink(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Occupant::Nothing),
        Err(error) => return Err(error),
    };
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Ok(Occupant::NotASocket),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Occupant::DanglingSymlink),
        Err(error) => return Err(error),
    }
    match connect_now(path).map_err(|error| (error.kind(), error)) {
        // WouldBlock: the backlog of a live driver is full.
        Ok(_) | Err((ErrorKind::WouldBlock, _)) => Ok(Occupant::Live),
        Err((ErrorKind::ConnectionRefused, _)) if is_symlink => Ok(Occupant::SymlinkToStale),
        Err((ErrorKind::ConnectionRefused, _)) => Ok(Occupant::Stale),
        Err((ErrorKind::NotFound, _)) => Ok(Occupant::Nothing),
        Err((_, error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    fn listen_at(path: &Path) -> Result<Address, ListenError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async { listen(path, &AllowedUsers::of(&[])) })
    }

    #[test]
    fn only_this_user_may_connect_and_the_file_is_removed_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/for/it.sock");
        let listener = listen_at(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_in_which_others_could_replace_the_socket_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            listen_at(&folder.path().join("driver.sock")).map(drop)
        };
        let error = open(0o777).unwrap_err().to_string();
        assert!(error.contains("open to every user") && error.contains("folder of your own"), "{error}");
        open(0o1777).unwrap();
        open(0o775).unwrap();
        const UNPRIVILEGED: u32 = 65_534;
        // Only root can change the owner of a folder.
        if std::os::unix::fs::chown(folder.path(), Some(UNPRIVILEGED), None).is_ok()
            && rustix::process::getuid().is_root()
        {
            let error = open(0o700).unwrap_err().to_string();
            assert!(error.contains("belongs to user 65534"), "{error}");
            let path = folder.path().join("driver.sock");
            assert_eq!(untrusted_folder(&path, &AllowedUsers::of(&[UNPRIVILEGED])).unwrap(), None);
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver.sock");
        let live = UnixListener::bind(&path).unwrap();
        assert!(matches!(listen_at(&path), Err(ListenError::InUse { .. })));
        drop(live);
        assert_eq!(occupant(&path).unwrap(), Occupant::Stale);
        listen_at(&path).unwrap();
    }

    #[test]
    fn a_listener_that_ends_leaves_the_socket_of_another_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver.sock");
        let first = listen_at(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen_at(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn of_several_drivers_that_start_at_a_stale_socket_one_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver.sock");
        for _ in 0..20 {
            drop(UnixListener::bind(&path).unwrap());
            let barrier = std::sync::Barrier::new(4);
            let started: Vec<_> = std::thread::scope(|scope| {
                let start = || {
                    barrier.wait();
                    listen_at(&path)
                };
                let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            let (listening, refused): (Vec<_>, Vec<_>) = started.into_iter().partition(Result::is_ok);
            assert_eq!(listening.len(), 1, "{refused:?}");
            assert!(refused.iter().all(|refused| matches!(refused, Err(ListenError::InUse { .. }))), "{refused:?}");
            assert_eq!(occupant(&path).unwrap(), Occupant::Live, "the name belongs to the driver that listens");
            drop(listening);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_symbolic_link_is_followed_to_a_live_socket_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("driver.sock"), folder.path().join("link"));
        std::os::unix::fs::symlink("driver.sock", &link).unwrap();
        let error = listen_at(&link).unwrap_err().to_string();
        assert!(error.contains("leads to no file") && error.contains("remove it"), "{error}");
        let live = UnixListener::bind(&path).unwrap();
        assert!(matches!(listen_at(&link), Err(ListenError::InUse { .. })));
        drop(live);
        assert!(matches!(listen_at(&link), Err(ListenError::SymlinkToStale { .. })));
        assert!(link.is_symlink() && path.exists());
    }

    #[test]
    fn a_file_that_is_not_a_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        fs::write(&path, "data").unwrap();
        let error = listen_at(&path).unwrap_err().to_string();
        assert!(error.contains("precious") && error.contains("another path"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }

    #[test]
    fn a_path_that_is_too_long_is_refused_with_the_limit() {
        let error = listen_at(Path::new(&"x".repeat(108))).unwrap_err().to_string();
        assert!(error.contains("108") && error.contains("at most 107"), "{error}");
    }
}
