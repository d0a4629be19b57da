//! The socket file: ours alone, unless another driver lives there.

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

/// What fits into the address of a Unix socket.
const LONGEST: usize = 107;

/// The part of a folder's mode that lets every user write, and that which keeps them from the files of others.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Why this driver cannot listen there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The path does not fit into an address.
    #[error("--socket {path}: {len} bytes are too long for a socket; name a path of at most {LONGEST}", path = path.display())]
    TooLong {
        /// What was asked for.
        path: PathBuf,
        /// How long it is.
        len: usize,
    },
    /// Another driver.
    #[error("--socket {path}: a driver listens there already; stop it, or name another path", path = path.display())]
    Alive {
        /// What was asked for.
        path: PathBuf,
    },
    /// A link without anything at its end.
    #[error(
        "--socket {path}: there is a link that leads to no file; remove it, or name another path",
        path = path.display()
    )]
    DanglingLink {
        /// What was asked for.
        path: PathBuf,
    },
    /// A link to the socket of a driver that is dead. Only the link could be replaced, and it is not ours.
    #[error(
        "--socket {path}: there is a link to the socket of a driver that has ended; name the path that it leads to, or \
         remove it",
        path = path.display()
    )]
    LinkToDead {
        /// What was asked for.
        path: PathBuf,
    },
    /// Something that must not be overwritten.
    #[error("--socket {path}: there is something that is no socket; remove it, or name another path", path = path.display())]
    NotASocket {
        /// What was asked for.
        path: PathBuf,
    },
    /// A folder in which another user could replace our socket by one of their own.
    #[error(
        "--socket {path}: its folder {whose}, who could put another socket there; name a path in a folder of your own",
        path = path.display()
    )]
    ForeignFolder {
        /// What was asked for.
        path: PathBuf,
        /// Who has power over the folder.
        whose: String,
    },
    /// Another process is about to listen or to end there, and does not get on with it.
    #[error("--socket {path}: {source}; see what that process does, or name another path", path = path.display())]
    Locked {
        /// What was asked for.
        path: PathBuf,
        /// Which lock.
        source: io::Error,
    },
    /// The system refuses.
    #[error("--socket {path}: cannot listen there ({source}); name a path in a folder that you may write to", path = path.display())]
    Io {
        /// What was asked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A listener, and the name of its socket, which is removed when this is dropped or the process ends at once.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) listener: Listener,
    name: Name,
    _registered: Registered,
}

impl Drop for Address {
    fn drop(&mut self) {
        // What another process has removed is gone, which is all that is wanted.
        let _ = self.name.remove();
    }
}

/// Listens at `path`, for this user only. A socket that a crash left behind is replaced, that of a live driver is not.
///
/// Drivers that start or end at the same path do so one after the other, under a lock on the name: so none takes it
/// from another that has just begun to listen.
///
/// # Errors
/// [`ListenError`].
pub(super) fn listen(path: &Path, allowed: &AllowedUsers) -> Result<Address, ListenError> {
    let owned = || path.to_owned();
    let len = path.as_os_str().as_bytes().len();
    if len > LONGEST {
        return Err(ListenError::TooLong { path: owned(), len });
    }
    let system = |source| ListenError::Io { path: owned(), source };
    make_folder(path).map_err(system)?;
    if let Some(whose) = foreign_master(path, allowed).map_err(system)? {
        return Err(ListenError::ForeignFolder { path: owned(), whose });
    }
    // The lock is taken while the registry of leftovers is held: a signal that ends the process at once waits for both,
    // so no lock file stays behind.
    let ((listener, name), registered) = register(|| {
        let _lock = NameLock::take(path, LONG_WAIT).map_err(|source| match source.kind() {
            ErrorKind::ResourceBusy => ListenError::Locked { path: owned(), source },
            _ => system(source),
        })?;
        match occupant(path).map_err(system)? {
            Occupant::Nothing => {}
            Occupant::Dead => fs::remove_file(path).map_err(system)?,
            Occupant::Alive => return Err(ListenError::Alive { path: owned() }),
            Occupant::NotASocket => return Err(ListenError::NotASocket { path: owned() }),
            Occupant::DanglingLink => return Err(ListenError::DanglingLink { path: owned() }),
            Occupant::LinkToDead => return Err(ListenError::LinkToDead { path: owned() }),
        }
        let listener = bind(path)?;
        let name = Name::of(path).map_err(system)?;
        Ok(((listener, name.clone()), Leftover::Name(name)))
    })?;
    Ok(Address { listener, name, _registered: registered })
}

fn bind(path: &Path) -> Result<Listener, ListenError> {
    let bound = path.to_fs_name::<GenericFilePath>().and_then(|name| {
        // The name is removed by `Address`, which looks first whose it is.
        ListenerOptions::new().name(name).mode(0o600).reclaim_name(false).create_tokio()
    });
    bound.map_err(|source| match source.kind() {
        // A program that does not take the lock was faster.
        ErrorKind::AddrInUse => ListenError::Alive { path: path.to_owned() },
        _ => ListenError::Io { path: path.to_owned(), source },
    })
}

/// A folder that is not there is made, for this user only.
fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        _ => Ok(()),
    }
}

/// Who else may replace files in the folder of `path`: a user who owns it and is none of our allowed, or
/// everybody. A group that may write is one that its owner chose.
fn foreign_master(path: &Path, allowed: &AllowedUsers) -> io::Result<Option<String>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = fs::metadata(folder)?;
    // In a sticky folder, as /tmp is, all may make files, but each replaces only his own.
    let open_to_all = found.mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE;
    Ok(if found.uid() != 0 && !allowed.include(found.uid()) {
        Some(format!("belongs to user {}", found.uid()))
    } else {
        open_to_all.then(|| "is open to every user".to_owned())
    })
}

/// What there is at the path of a socket.
#[derive(Debug, PartialEq, Eq)]
enum Occupant {
    Nothing,
    /// A socket on which no process listens.
    Dead,
    Alive,
    NotASocket,
    DanglingLink,
    LinkToDead,
}

/// Connects to `path` to see whether a driver listens. A live driver sees a client that hangs up at once.
fn occupant(path: &Path) -> io::Result<Occupant> {
    let is_link = match fs::symlink_metadata(path) {
        Ok(found) => found.is_symlink(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Occupant::Nothing),
        Err(error) => return Err(error),
    };
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Ok(Occupant::NotASocket),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Occupant::DanglingLink),
        Err(error) => return Err(error),
    }
    match connect_now(path).map_err(|error| (error.kind(), error)) {
        // A live driver may have so many clients waiting that it takes no further one.
        Ok(_) | Err((ErrorKind::WouldBlock, _)) => Ok(Occupant::Alive),
        Err((ErrorKind::ConnectionRefused, _)) if is_link => Ok(Occupant::LinkToDead),
        Err((ErrorKind::ConnectionRefused, _)) => Ok(Occupant::Dead),
        Err((ErrorKind::NotFound, _)) => Ok(Occupant::Nothing),
        Err((_, error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    fn listen_there(path: &Path) -> Result<Address, ListenError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async { listen(path, &AllowedUsers::of(&[])) })
    }

    #[test]
    fn the_file_is_ours_alone_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/for/it.sock");
        let listener = listen_there(&path).unwrap();
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
            listen_there(&folder.path().join("driver.sock")).map(drop)
        };
        let error = open(0o777).unwrap_err().to_string();
        assert!(error.contains("open to every user") && error.contains("folder of your own"), "{error}");
        open(0o1777).unwrap();
        open(0o775).unwrap();
        const UNPRIVILEGED: u32 = 65_534;
        // Only root can give a folder away.
        if std::os::unix::fs::chown(folder.path(), Some(UNPRIVILEGED), None).is_ok()
            && rustix::process::getuid().is_root()
        {
            let error = open(0o700).unwrap_err().to_string();
            assert!(error.contains("belongs to user 65534"), "{error}");
            let path = folder.path().join("driver.sock");
            assert_eq!(foreign_master(&path, &AllowedUsers::of(&[UNPRIVILEGED])).unwrap(), None);
        }
    }

    #[test]
    fn the_dead_are_replaced_and_the_living_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver.sock");
        let living = UnixListener::bind(&path).unwrap();
        assert!(matches!(listen_there(&path), Err(ListenError::Alive { .. })));
        drop(living);
        assert_eq!(occupant(&path).unwrap(), Occupant::Dead);
        listen_there(&path).unwrap();
    }

    #[test]
    fn the_first_to_end_leaves_the_socket_of_another_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver.sock");
        let first = listen_there(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen_there(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn of_many_that_start_on_the_socket_of_a_dead_driver_one_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver.sock");
        for _ in 0..20 {
            drop(UnixListener::bind(&path).unwrap());
            let barrier = std::sync::Barrier::new(4);
            let started: Vec<_> = std::thread::scope(|scope| {
                let start = || {
                    barrier.wait();
                    listen_there(&path)
                };
                let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            let (listening, refused): (Vec<_>, Vec<_>) = started.into_iter().partition(Result::is_ok);
            assert_eq!(listening.len(), 1, "{refused:?}");
            assert!(refused.iter().all(|refused| matches!(refused, Err(ListenError::Alive { .. }))), "{refused:?}");
            assert_eq!(occupant(&path).unwrap(), Occupant::Alive, "the name is that of the live one");
            drop(listening);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_link_is_followed_to_the_living_and_left_alone_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("driver.sock"), folder.path().join("link"));
        std::os::unix::fs::symlink("driver.sock", &link).unwrap();
        let error = listen_there(&link).unwrap_err().to_string();
        assert!(error.contains("leads to no file") && error.contains("remove it"), "{error}");
        let living = UnixListener::bind(&path).unwrap();
        assert!(matches!(listen_there(&link), Err(ListenError::Alive { .. })));
        drop(living);
        assert!(matches!(listen_there(&link), Err(ListenError::LinkToDead { .. })));
        assert!(link.is_symlink() && path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        fs::write(&path, "data").unwrap();
        let error = listen_there(&path).unwrap_err().to_string();
        assert!(error.contains("precious") && error.contains("another path"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused_with_the_limit() {
        let error = listen_there(Path::new(&"x".repeat(108))).unwrap_err().to_string();
        assert!(error.contains("108") && error.contains("at most 107"), "{error}");
    }
}
