//! A private folder for sockets, and for what child processes write.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use shared::leftovers::{Leftover, Registered, register};
use shared::limits::remedy;
use tempfile::TempDir;

/// What must be free where temporary files are: reports and samples are written there.
const ROOM: usize = 256 * 1024;

/// A folder for this user only. It goes when this is dropped, and when the lab ends at once.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    folder: TempDir,
    _registered: Registered,
}

/// Temporary files have no place.
#[derive(Debug, thiserror::Error)]
#[error(
    "no temporary files can be written to {} ({source}); {}",
    parent.display(), advice(source)
)]
pub(crate) struct FolderError {
    /// Where the folder was to be.
    parent: PathBuf,
    /// What the system said.
    source: io::Error,
}

fn advice(error: &io::Error) -> String {
    let folder = format!("set TMPDIR to a folder that you may write to, with {} KiB to spare", ROOM / 1024);
    match error.kind() {
        // TMPDIR is the place to name, or to make room in.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => folder,
        _ => remedy(error, &folder).to_owned(),
    }
}

impl PrivateFolder {
    /// A folder where TMPDIR says, with room for what is written there.
    ///
    /// # Errors
    /// [`FolderError`] with the remedy.
    pub(crate) fn new() -> Result<Self, FolderError> {
        Self::new_in(&env::temp_dir())
    }

    fn new_in(parent: &Path) -> Result<Self, FolderError> {
        let make = || {
            let (folder, registered) = register(|| {
                let mut folder = tempfile::Builder::new();
                folder.prefix("pushback-").permissions(Permissions::from_mode(0o700));
                let folder = folder.tempdir_in(parent)?;
                let path = folder.path().to_owned();
                Ok::<_, io::Error>((folder, Leftover::Folder(path)))
            })?;
            let made = Self { folder, _registered: registered };
            made.try_room()?;
            Ok(made)
        };
        make().map_err(|source| FolderError { parent: parent.to_owned(), source })
    }

    /// A folder can be made on a full disk too, but nothing can be written to it.
    fn try_room(&self) -> io::Result<()> {
        let path = self.path().join("room");
        File::create(&path)?.write_all(&[0; ROOM])?;
        fs::remove_file(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_goes() {
        let parent = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::new_in(parent.path()).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(folder);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_is_none_is_named_with_the_remedy() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("missing");
        let said = PrivateFolder::new_in(&missing).unwrap_err().to_string();
        assert!(said.contains(&missing.display().to_string()) && said.contains("set TMPDIR to"), "{said}");
    }
}
