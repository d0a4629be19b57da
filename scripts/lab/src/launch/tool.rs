//! Programs of others, which may or may not be installed.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the program `name` is on the PATH.
pub(crate) fn find_tool(name: &str) -> Option<PathBuf> {
    in_folders(&env::var_os("PATH")?, name)
}

fn in_folders(folders: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(folders).map(|folder| folder.join(name)).find(|path| runs(path))
}

fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_can_be_run_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        let find = || in_folders(&env::join_paths([Path::new("/missing"), folder.path()]).unwrap(), "tool");
        assert_eq!(find(), None);
        fs::write(&path, "").unwrap();
        assert_eq!(find(), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(find(), Some(path));
    }
}
