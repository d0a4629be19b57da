//! A private folder for sockets, and for files that child processes write.
//!
//! A lab that is killed leaves its folders behind. A lab holds a lock on each of its folders while it runs, so the next
//! lab finds the abandoned folders by their free locks, and removes them.

use std::env;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::process::geteuid;
use shared::limits::remedy;
use shared::process::leftovers::{Leftover, Registered, lock_opened, register};
use tempfile::TempDir;

/// Bytes that must be free where temporary files are: reports and samples are written there.
const SPACE: usize = 256 * 1024;

/// The prefix of the names of these folders only: the driver has its socket in `/tmp/pushback-UID`.
const PREFIX: &str = "pushback-lab-";

/// The mode of these folders: for this user only, and with the sticky bit, which has no effect in a folder of one user.
/// A folder with such a name that a person created does not have it, and is never removed.
const MODE: u32 = 0o1700;

/// The most abandoned folders that one start removes; the next start removes more.
const MOST_REMOVED: usize = 64;

/// How many times a folder is created and lost to another lab before this lab gives up.
const TRIES: usize = 100;

/// A folder for this user only. It is removed when this is dropped, and when the lab ends at once.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    folder: TempDir,
    /// Held while the folder exists. Child processes do not inherit it.
    _lock: Option<Lock>,
    _registered: Registered,
}

/// The lock on a folder, held through a descriptor of it: the system releases it when the process ends.
#[derive(Debug)]
struct Lock(File);

/// No temporary files can be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "no temporary files can be written to {} ({source}); {}",
    parent.display(), advice(source)
)]
pub(crate) struct FolderError {
    /// The folder in which the private folder was to be created.
    parent: PathBuf,
    /// The error of the system.
    source: io::Error,
}

fn advice(error: &io::Error) -> String {
    let folder = format!("set TMPDIR to a folder that you may write to, with {} KiB to spare", SPACE / 1024);
    match error.kind() {
        // The remedy is another TMPDIR, or space in that folder.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => folder,
        _ => remedy(error, &folder).to_owned(),
    }
}

impl PrivateFolder {
    /// Creates a folder in TMPDIR, and checks that there is space for the files of a run.
    ///
    /// # Errors
    /// [`FolderError`] with the remedy.
    pub(crate) fn new() -> Result<Self, FolderError> {
        static CLEAN: Once = Once::new();
        let parent = env::temp_dir();
        CLEAN.call_once(|| remove_abandoned(&parent));
        Self::new_in(&parent)
    }

    fn new_in(parent: &Path) -> Result<Self, FolderError> {
        let make = || {
            let ((folder, lock), registered) = register(|| {
                let (folder, lock) = create_locked(parent)?;
                let path = folder.path().to_owned();
                Ok::<_, io::Error>(((folder, lock), Leftover::Folder(path)))
            })?;
            let made = Self { folder, _lock: lock, _registered: registered };
            made.check_space()?;
            Ok(made)
        };
        make().map_err(|source| FolderError { parent: parent.to_owned(), source })
    }

    /// Writes and removes a file: a folder can be created on a full disk too, but nothing can be written to it.
    fn check_space(&self) -> io::Result<()> {
        let path = self.path().join("space");
        File::create(&path)?.write_all(&[0; SPACE])?;
        fs::remove_file(path)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Creates a folder and takes its lock, or no lock on a file system without locks; there no folder is ever removed as
/// abandoned.
///
/// Before this lab takes the lock, another lab may take it and remove the folder. So a folder that still exists once
/// its lock is taken is safe.
fn create_locked(parent: &Path) -> io::Result<(TempDir, Option<Lock>)> {
    for _ in 0..TRIES {
        let mut folder = tempfile::Builder::new();
        folder.prefix(PREFIX).permissions(Permissions::from_mode(MODE));
        let folder = folder.tempdir_in(parent)?;
        match Lock::take(folder.path()) {
            Ok(lock) => return Ok((folder, Some(lock))),
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL | Errno::BADF) => return Ok((folder, None)),
            Err(Errno::AGAIN | Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(ErrorKind::ResourceBusy, "another process removes each new folder"))
}

impl Lock {
    /// Takes the lock on the folder at `path`.
    ///
    /// # Errors
    /// `AGAIN` if another process holds it, `NOENT` if the folder no longer exists once the lock is taken.
    fn take(path: &Path) -> Result<Self, Errno> {
        let folder = open(path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let folder = File::from(folder);
        lock_opened(&folder, path)?;
        Ok(Self(folder))
    }
}

/// Removes the folders in `parent` that killed labs of this user left behind.
fn remove_abandoned(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()));
    // `DirEntry::metadata` does not follow symbolic links, so a symbolic link is not taken for a folder.
    let is_ours = |found: Metadata| found.is_dir() && found.uid() == user() && found.mode() & 0o7777 == MODE;
    let ours = named.filter(|entry| entry.metadata().is_ok_and(is_ours));
    let paths = ours.map(|entry| entry.path());
    let abandoned = paths.filter_map(|path| Lock::take(&path).ok().map(|lock| (path, lock)));
    for (path, lock) in abandoned.take(MOST_REMOVED) {
        // Another folder may have taken the name since the check above.
        if fstat(&lock.0).is_ok_and(|found| found.st_uid == user()) {
            // If a folder cannot be removed now, the next start tries again.
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn user() -> u32 {
    geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::new_in(parent.path()).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(folder);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    fn names(parent: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn folders_without_their_lab_are_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        for dead in ["pushback-lab-dead", "pushback-lab-full/with/much"] {
            fs::create_dir_all(path(dead)).unwrap();
        }
        for dead in ["pushback-lab-dead", "pushback-lab-full"] {
            fs::set_permissions(path(dead), Permissions::from_mode(MODE)).unwrap();
        }
        fs::write(path("pushback-lab-full/report"), "a report").unwrap();
        // A driver's folder, the folder of another program, a folder that a person has created, a file, and a symbolic
        // link to a folder.
        for other in ["pushback-0", "pushback-labour", "pushback-lab-mine/notes", "kept/inside"] {
            fs::create_dir_all(path(other)).unwrap();
        }
        fs::write(path("pushback-lab-file"), "").unwrap();
        std::os::unix::fs::symlink("kept", path("pushback-lab-link")).unwrap();
        let live = PrivateFolder::new_in(parent.path()).unwrap();
        fs::write(live.path().join("report"), "").unwrap();

        remove_abandoned(parent.path());
        let live_name = live.path().file_name().unwrap().to_str().unwrap();
        let mut kept =
            ["kept", "pushback-0", "pushback-lab-file", "pushback-lab-link", "pushback-lab-mine", "pushback-labour"]
                .to_vec();
        kept.push(live_name);
        kept.sort_unstable();
        assert_eq!(names(parent.path()), kept);
        assert!(live.path().join("report").exists() && path("kept/inside").exists());
    }

    #[test]
    fn one_start_removes_a_bounded_number_of_folders() {
        let parent = tempfile::tempdir().unwrap();
        for number in 0..MOST_REMOVED + 3 {
            let path = parent.path().join(format!("{PREFIX}{number}"));
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(MODE)).unwrap();
        }
        remove_abandoned(parent.path());
        assert_eq!(names(parent.path()).len(), 3);
        remove_abandoned(parent.path());
        assert_eq!(names(parent.path()).len(), 0);
    }

    #[test]
    fn the_lock_of_a_folder_that_was_removed_cannot_be_taken() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("folder");
        fs::create_dir(&path).unwrap();
        let lock = Lock::take(&path).unwrap();
        assert_eq!(Lock::take(&path).unwrap_err(), Errno::AGAIN);
        drop(lock);
        assert!(Lock::take(&path).is_ok());
        fs::remove_dir(&path).unwrap();
        assert_eq!(Lock::take(&path).unwrap_err(), Errno::NOENT);
    }

    /// Labs that start while others look for abandoned folders.
    #[test]
    fn no_folder_is_removed_between_its_creation_and_its_lock() {
        let parent = tempfile::tempdir().unwrap();
        let making = std::sync::atomic::AtomicBool::new(true);
        let order = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while making.load(order) {
                    remove_abandoned(parent.path());
                }
            });
            for _ in 0..300 {
                let (folder, lock) = create_locked(parent.path()).unwrap();
                assert!(lock.is_some() && folder.path().exists());
                fs::write(folder.path().join("report"), "").unwrap();
            }
            making.store(false, order);
        });
        assert_eq!(names(parent.path()).len(), 0);
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named_with_the_remedy() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("missing");
        let said = PrivateFolder::new_in(&missing).unwrap_err().to_string();
        assert!(said.contains(&missing.display().to_string()) && said.contains("set TMPDIR to"), "{said}");
    }
}
