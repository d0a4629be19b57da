//! What a process must not leave behind when it ends at once: children, temporary files, its socket.
//!
//! A process that ends in good order drops its values, and they clean up. One that ends at once runs no
//! destructors, so what they would remove is registered here for as long as it exists.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

/// Something that outlives the process unless it is removed.
#[derive(Debug)]
pub enum Leftover {
    /// A file.
    File(PathBuf),
    /// The name of a socket.
    Name(Name),
    /// A folder with all that is in it.
    Folder(PathBuf),
    /// A child process, by a descriptor: its number may belong to another process by now.
    Child(OwnedFd),
}

/// The name of a file in a folder where other processes may remove it and give the same name to a file of theirs,
/// as drivers do with the socket that a dead driver left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Name {
    /// The name `path` of the file that has it now. Links are not followed.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// Removes the name, unless it belongs to another file by now.
    ///
    /// # Errors
    /// If it belongs to no file any more, or cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        // Between the look and the removal, no other process that takes the lock may change the name.
        let _lock = lock_folder(&self.path);
        if Self::of(&self.path)? == *self { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

/// How long the folder of a name may be locked by others: they hold the lock for a few system calls.
const LOCKED: Duration = Duration::from_secs(5);

/// Locks the folder of `path` against all processes that do the same, until the result is dropped. No file is made
/// for it.
///
/// # Errors
/// If the folder cannot be read, or stays locked for [`LOCKED`].
pub fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    let pause = Duration::from_millis(5);
    for _ in 0..LOCKED.as_millis() / pause.as_millis() {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(folder),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(pause),
            Err(error) => return Err(error.into()),
        }
    }
    let why = format!("another process has locked its folder for {} s", LOCKED.as_secs());
    Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
}

/// A registered leftover; dropped, it is forgotten.
#[derive(Debug)]
pub struct Registered(u64);

#[derive(Debug)]
struct Registry {
    next: u64,
    leftovers: Vec<(u64, Leftover)>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { next: 0, leftovers: Vec::new() });

/// Makes something and registers it. Both happen under a lock, so that a process that ends at once between
/// the two leaves nothing behind.
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

/// Kills and removes everything that is registered. While the result lives, nothing new is made.
pub(crate) fn remove_all() -> impl Sized {
    let registry = lock_soon();
    let leftovers = registry.as_ref().map_or(&[][..], |registry| &registry.leftovers);
    let children = || {
        leftovers
            .iter()
            .filter_map(|(_, leftover)| if let Leftover::Child(child) = leftover { Some(child) } else { None })
    };
    for child in children() {
        // One that has ended needs no signal.
        let _ = pidfd_send_signal(child, Signal::KILL);
    }
    // A dying child may still write into a folder that is removed below.
    let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
    for child in children() {
        let _ = poll(&mut [PollFd::new(child, PollFlags::IN)], Some(&patience));
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

/// The registry, or nothing if another thread holds it for long: it is stuck while it makes something.
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
        // Made before the other goes, so that it cannot get the same inode.
        fs::write(folder.path().join("theirs"), "theirs").unwrap();
        fs::rename(folder.path().join("theirs"), &path).unwrap();
        ours.remove().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        Name::of(&path).unwrap().remove().unwrap();
        assert!(!path.exists());
        assert_eq!(ours.remove().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_folder_is_locked_by_one_at_a_time_and_nothing_is_left_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let lock = lock_folder(&path).unwrap();
        let other = File::open(folder.path()).unwrap();
        assert_eq!(flock(&other, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK));
        drop(lock);
        assert_eq!(flock(&other, FlockOperation::NonBlockingLockExclusive), Ok(()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_registered_is_removed_and_what_is_dropped_is_not() {
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
