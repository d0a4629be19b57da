//! What a process must not leave behind when it ends at once: children, temporary files, its socket.
//!
//! A process that ends in good order drops its values, and they clean up. One that ends at once runs no
//! destructors, so what they would remove is registered here for as long as it exists.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

/// Something that outlives the process unless it is removed.
#[derive(Debug)]
pub enum Leftover {
    /// A file or a socket.
    File(PathBuf),
    /// A folder with all that is in it.
    Folder(PathBuf),
    /// A child process, by a descriptor: its number may belong to another process by now.
    Child(OwnedFd),
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
