//! Where programs are: those of both processes, and the tools of others, which may or may not be installed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::process::{Cpu, CpuPair};

/// Names the folder of the programs, if they are not beside the lab's own.
const FOLDER: &str = "PUSHBACK_BIN_DIR";

/// The programs.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub(crate) driver: Program,
    pub(crate) netstack: Program,
}

/// A program, and how it is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// The command of a tool that runs it, such as valgrind; empty if nothing does.
    pub(crate) under: Vec<OsString>,
    /// The only CPU that it may run on.
    pub(crate) cpu: Option<Cpu>,
}

/// A program that is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinariesError {
    /// It is not in the folder.
    #[error(
        "there is no program {name} in {}; build it with `cargo build --release`, or name its folder in {FOLDER}",
        folder.display()
    )]
    Missing {
        /// The program.
        name: &'static str,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// The path of the lab's own program cannot be read.
    #[error("the lab cannot find its own program ({0}); set {FOLDER} to the folder of the other programs")]
    Nowhere(#[from] io::Error),
}

impl Binaries {
    /// Looks beside the lab's own program, or in the folder that the environment names.
    ///
    /// # Errors
    /// If one of them is not there.
    pub(crate) fn find() -> Result<Self, BinariesError> {
        let folder = match env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
        };
        Self::in_folder(&folder)
    }

    fn in_folder(folder: &Path) -> Result<Self, BinariesError> {
        let find = |name| {
            let path = folder.join(name);
            let missing = || BinariesError::Missing { name, folder: folder.to_owned() };
            if path.is_file() { Ok(Program { path, under: Vec::new(), cpu: None }) } else { Err(missing()) }
        };
        Ok(Self { driver: find("driver")?, netstack: find("netstack")? })
    }

    /// The same programs, both run by the tool that this command starts.
    pub(crate) fn under(&self, tool: &[OsString]) -> Self {
        let program = |program: &Program| Program { under: tool.to_vec(), ..program.clone() };
        Self { driver: program(&self.driver), netstack: program(&self.netstack) }
    }

    /// The same programs, each restricted to its CPU of `cpus`.
    pub(crate) fn on(&self, cpus: Option<CpuPair>) -> Self {
        let program = |program: &Program, cpu| Program { cpu, ..program.clone() };
        Self {
            driver: program(&self.driver, cpus.map(|pair| pair.consumer)),
            netstack: program(&self.netstack, cpus.map(|pair| pair.producer)),
        }
    }
}

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
    fn a_program_that_is_missing_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("driver"), "").unwrap();
        let said = Binaries::in_folder(folder.path()).unwrap_err().to_string();
        assert!(said.contains("no program netstack") && said.contains("cargo build --release"), "{said}");
        fs::write(folder.path().join("netstack"), "").unwrap();
        assert!(Binaries::in_folder(folder.path()).is_ok());
    }

    #[test]
    fn only_executable_files_are_found() {
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
