//! Runs a program under callgrind, which counts its instructions.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::CountError;
use crate::launch::{PrivateFolder, find_tool};

/// The path of valgrind, and a folder for its output.
#[derive(Debug)]
pub(super) struct Callgrind {
    valgrind: PathBuf,
    folder: PrivateFolder,
}

impl Callgrind {
    /// Finds valgrind on the PATH.
    ///
    /// # Errors
    /// If it is not there.
    pub(super) fn find() -> Result<Self, CountError> {
        let valgrind = find_tool("valgrind").ok_or(CountError::NoValgrind)?;
        Ok(Self { valgrind, folder: PrivateFolder::new()? })
    }

    /// The command to run a program under.
    pub(super) fn command(&self) -> [OsString; 5] {
        let mut file = OsString::from("--callgrind-out-file=");
        file.push(self.folder.path().join("%p"));
        [self.valgrind.clone().into(), "--tool=callgrind".into(), "--quiet".into(), "--vgdb=no".into(), file]
    }

    /// The instructions that the program named `program` took; it must have ended.
    ///
    /// # Errors
    /// If callgrind wrote no count for it.
    pub(super) fn instructions(&self, program: &'static str) -> Result<u64, CountError> {
        let files = fs::read_dir(self.folder.path())?.flatten();
        let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        let count = texts.filter_map(|text| total(&text, program)).next();
        count.ok_or(CountError::NoFigure(program))
    }
}

/// The total in the text of a callgrind file, if the file is of `program`.
fn total(text: &str, program: &str) -> Option<u64> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let path = value("cmd:")?.split(' ').next()?;
    if Path::new(path).file_name()? == program { value("summary:")?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_the_file_of_the_program() {
        let text = "# callgrind format\nversion: 1\npid: 7\ncmd:  /bin/netstack --socket /tmp/driver\n\n\
                    positions: line\nevents: Ir\nsummary: 375026888\n\n\nfn=(1) main\n10 5\n\ntotals: 375026888\n";
        assert_eq!(total(text, "netstack"), Some(375_026_888));
        assert_eq!(total(text, "driver"), None);
        assert_eq!(total("cmd: /bin/driver\n", "driver"), None);
    }
}
