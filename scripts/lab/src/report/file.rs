//! A file that a flag names, opened before the work whose result it holds.

use std::io;
use std::path::{Path, PathBuf};

use shared::limits::remedy;
use shared::process::atomic_file::AtomicFile;
use shared::process::exit::Status;
use shared::process::output::is_unread;

/// A file that can be written, as was checked.
#[derive(Debug)]
pub(crate) struct OutFile {
    flag: &'static str,
    path: PathBuf,
    file: AtomicFile,
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutError {
    /// It cannot be opened; found before the work.
    #[error("--{flag} {}: cannot be written ({source}); name a file in a folder that exists and is writable", path.display())]
    Open {
        /// The flag that names it, without dashes.
        flag: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// It could not be written after the work.
    #[error(
        "--{flag} {}: could not be written ({source}); a file that was there is unchanged; {} and run again",
        path.display(), remedy(source, "name another file")
    )]
    Write {
        /// The flag that names it, without dashes.
        flag: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl OutError {
    /// The exit status of the lab.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Open { .. } => Status::Usage,
            Self::Write { source, .. } if is_unread(source) => Status::Interrupted,
            Self::Write { .. } => Status::Failed,
        }
    }
}

impl OutFile {
    /// Makes sure that `path`, which `flag` names, can be written later, and changes nothing.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open(flag: &'static str, path: &Path) -> Result<Self, OutError> {
        match AtomicFile::open(path) {
            Ok(file) => Ok(Self { flag, path: path.to_owned(), file }),
            Err(source) => Err(OutError::Open { flag, path: path.to_owned(), source }),
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If not all of `text` could be written; then a file that was there is unchanged.
    pub(crate) fn write(self, text: &str) -> Result<(), OutError> {
        let Self { flag, path, file } = self;
        file.write(|out| out.write_all(text.as_bytes())).map_err(|source| OutError::Write { flag, path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_names_the_flag_to_change() {
        let error = OutFile::open("svg", Path::new("/missing/bench.svg")).unwrap_err().to_string();
        assert!(error.contains("--svg /missing/bench.svg") && error.contains("folder"), "{error}");
        let full = OutFile::open("out", Path::new("/dev/full")).unwrap().write("<svg/>");
        assert!(full.unwrap_err().to_string().contains("--out /dev/full: could not be written ("));
    }
}
