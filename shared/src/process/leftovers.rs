//! What a process must not leave behind when it ends at once: children, temporary files, its socket.
//!
//! A process that ends in good order drops its values, and their destructors clean up. A process that ends at once runs
//! no destructors, so everything that they would remove is registered here for as long as it exists.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, lstat, open};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

/// Something that outlives the process unless it is removed.
#[derive(Debug)]
pub enum Leftover {
    /// A file.
    File(PathBuf),
    /// The name of a socket.
    Name(Name),
    /// A folder and its content.
    Folder(PathBuf),
    /// A child process, by a descriptor, because its process id may be reused.
    Child(OwnedFd),
}

/// A path in a folder where other processes may remove the file and create another one under the same path, as drivers
/// do with the socket that a dead driver left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Name {
    /// The path `path`, with the identity of the file that is there now. Symbolic links are not followed.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// Removes the file, unless another one is at the path now.
    ///
    /// # Errors
    /// If there is no file at the path any more, or it cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        // Under the lock, no other process changes the path between the check and the removal. A process that holds the
        // lock for long is stuck, and must not keep this one from ending.
        let _lock = NameLock::take(&self.path, SHORT_WAIT);
        if Self::of(&self.path)? == *self { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

/// How long a process that starts may wait for the lock on a name. Others hold it for a few system calls.
pub const LONG_WAIT: Duration = Duration::from_secs(2);

/// How long a process that ends may wait for it.
const SHORT_WAIT: Duration = Duration::from_millis(100);

/// An advisory lock on a path, held until it is dropped.
#[derive(Debug)]
pub struct NameLock {
    path: PathBuf,
    _file: File,
}

impl NameLock {
    /// Locks `path`, by a file beside it that exists only while the lock is held.
    ///
    /// # Errors
    /// If no file can be created there, or the path stays locked for as long as `wait`.
    pub fn take(path: &Path, wait: Duration) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(path.file_name().ok_or(io::ErrorKind::IsADirectory)?);
        name.push(".lock");
        let path = path.with_file_name(name);
        let pause = Duration::from_millis(5);
        for _ in 0..wait.as_millis() / pause.as_millis() {
            match Self::try_take(&path) {
                Ok(lock) => return Ok(lock),
                Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(pause),
                Err(error) => return Err(error.into()),
            }
        }
        let why = format!("another process has held the lock {} for {} ms", path.display(), wait.as_millis());
        Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
    }

    fn try_take(path: &Path) -> Result<Self, Errno> {
        // Readable to others, so that a user who shares the folder can lock the file that a dead process left behind.
        let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = File::from(open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH)?);
        match lock_opened(&file, path) {
            Ok(()) => Ok(Self { path: path.to_owned(), _file: file }),
            // The process that held the lock removed the file after it was opened here: create another one.
            Err(Errno::NOENT) => Err(Errno::WOULDBLOCK),
            Err(error) => Err(error),
        }
    }
}

/// Locks `opened`, the file or folder at `path`.
///
/// # Errors
/// `WOULDBLOCK` if another process holds the lock, and `NOENT` if `path` no longer leads to `opened`: a lock on a
/// removed file excludes no other process.
pub fn lock_opened(opened: &File, path: &Path) -> Result<(), Errno> {
    flock(opened, FlockOperation::NonBlockingLockExclusive)?;
    let (locked, there) = (fstat(opened)?, lstat(path).map_err(|_| Errno::NOENT)?);
    let same = (locked.st_dev, locked.st_ino) == (there.st_dev, there.st_ino);
    if same { Ok(()) } else { Err(Errno::NOENT) }
}

impl Drop for NameLock {
    fn drop(&mut self) {
        // Before the lock is released: after that, the next process may have created the file.
        let _ = fs::remove_file(&self.path);
    }
}

/// A registered leftover. Dropping this removes it from the registry.
#[derive(Debug)]
pub struct Registered(u64);

#[derive(Debug)]
struct Registry {
    next: u64,
    leftovers: Vec<(u64, Leftover)>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { next: 0, leftovers: Vec::new() });

/// Calls `make` and registers the leftover that it creates. Both happen under a lock, so that a process that ends at
/// once between the two leaves nothing behind.
///
/// # Errors
/// That of `make`.
pub fn register<T, E>(make: impl FnOnce() -> Result<(T, Leftover), E>) -> Result<(T, Registered), E> {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    let (made, leftover) = make()?;
    let id = registry.next;
    registry.next += 1;
    registry.leftovers.push((id, leftover));
    Ok((made, Registered(id)))
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        registry.leftovers.retain(|(id, _)| *id != self.0);
    }
}

/// Kills and removes everything that is registered. While the result lives, nothing can be registered.
pub(crate) fn remove_all() -> impl Sized {
    let registry = lock_soon();
    let leftovers = registry.as_ref().map_or(&[][..], |registry| &registry.leftovers);
    let children = || {
        leftovers
            .iter()
            .filter_map(|(_, leftover)| if let Leftover::Child(child) = leftover { Some(child) } else { None })
    };
    for child in children() {
        // A child that has ended needs no signal.
        let _ = pidfd_send_signal(child, Signal::KILL);
    }
    // Wait for it: a dying child may still write into a folder that is removed below.
    let timeout = Timespec { tv_sec: 1, tv_nsec: 0 };
    for child in children() {
        let _ = poll(&mut [PollFd::new(child, PollFlags::IN)], Some(&timeout));
    }
    for (_, leftover) in leftovers {
        // It may be gone already.
        let _ = match leftover {
            Leftover::File(path) => fs::remove_file(path),
            Leftover::Name(name) => name.remove(),
            Leftover::Folder(path) => fs::remove_dir_all(path),
            Leftover::Child(_) => Ok(()),
        };
    }
    registry
}

/// The registry, or `None` if another thread holds it for long because it is stuck in [`register`].
fn lock_soon() -> Option<MutexGuard<'static, Registry>> {
    for _ in 0..100 {
        match REGISTRY.try_lock() {
            Ok(registry) => return Some(registry),
            Err(TryLockError::Poisoned(registry)) => return Some(registry.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn a_name_is_removed_only_while_it_belongs_to_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        fs::write(&path, "ours").unwrap();
        let ours = Name::of(&path).unwrap();
        // Created before the first file is removed, so that it cannot get the same inode.
        fs::write(folder.path().join("theirs"), "theirs").unwrap();
        fs::rename(folder.path().join("theirs"), &path).unwrap();
        ours.remove().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        Name::of(&path).unwrap().remove().unwrap();
        assert!(!path.exists());
        assert_eq!(ours.remove().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn one_thread_at_a_time_locks_a_name_and_no_lock_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let inside = std::sync::atomic::AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = NameLock::take(&path, LONG_WAIT).unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn registered_leftovers_are_removed_and_dropped_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let file = |name: &str| {
            fs::write(path(name), "").unwrap();
            register(|| Ok::<_, Infallible>(((), Leftover::File(path(name))))).unwrap().1
        };
        let (_kept, dropped) = (file("kept"), file("dropped"));
        drop(dropped);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("folder/inside"), "").unwrap();
        let folder = register(|| Ok::<_, Infallible>(((), Leftover::Folder(path("folder"))))).unwrap();
        let mut child = Command::new("sleep");
        let child = child.arg("1000").stdin(Stdio::null());
        let (mut child, _registered) = register(|| {
            let child = child.spawn()?;
            let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
            let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
            Ok::<_, std::io::Error>((child, Leftover::Child(descriptor)))
        })
        .unwrap();
        drop(remove_all());
        assert_eq!([path("kept").exists(), path("dropped").exists(), path("folder").exists()], [false, true, false]);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        drop(folder);
    }
}
