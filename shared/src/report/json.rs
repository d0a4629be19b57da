//! Where a report is written as JSON.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What `--json` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonTarget {
    /// `-`.
    Stdout,
    /// A file, replaced if there is one.
    File(PathBuf),
}

/// A target that was found to be writable, before the run.
#[derive(Debug)]
pub struct JsonSink {
    target: JsonTarget,
    /// `None` is standard output.
    file: Option<File>,
    /// An empty file that is there only because the target was tried, and must not stay so.
    placeholder: Option<PathBuf>,
}

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Found before the run.
    #[error("--json {target}: cannot be written ({source}); name a file in a folder that exists and is writable, or -")]
    Open {
        /// What was asked for.
        target: JsonTarget,
        /// Why not.
        source: io::Error,
    },
    /// Found after it.
    #[error("--json {target}: the report could not be written completely ({source}); make room and run again")]
    Write {
        /// What was asked for.
        target: JsonTarget,
        /// Why not.
        source: io::Error,
    },
}

impl From<PathBuf> for JsonTarget {
    fn from(path: PathBuf) -> Self {
        if path == Path::new("-") { Self::Stdout } else { Self::File(path) }
    }
}

impl fmt::Display for JsonTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl JsonTarget {
    /// Makes sure that the report can be written later: nobody wants to hear it after the run. A
    /// file that exists keeps its content until then.
    ///
    /// # Errors
    /// If the file cannot be opened for writing.
    pub fn open(&self) -> Result<JsonSink, JsonError> {
        let target = self.clone();
        let Self::File(path) = self else { return Ok(JsonSink { target, file: None, placeholder: None }) };
        match File::create_new(path) {
            Ok(file) => Ok(JsonSink { target, file: Some(file), placeholder: Some(path.clone()) }),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                match File::options().write(true).create(true).truncate(false).open(path) {
                    Ok(file) => Ok(JsonSink { target, file: Some(file), placeholder: None }),
                    Err(source) => Err(JsonError::Open { target, source }),
                }
            }
            Err(source) => Err(JsonError::Open { target, source }),
        }
    }
}

impl JsonSink {
    /// Writes `report`, indented, and a line feed.
    ///
    /// # Errors
    /// If not all of it could be written.
    pub fn write(mut self, report: &impl Serialize) -> Result<(), JsonError> {
        self.placeholder = None;
        let written = match &self.file {
            None => write_to(io::stdout().lock(), report),
            Some(file) => empty(file).and_then(|()| write_to(file, report)),
        };
        written.map_err(|source| JsonError::Write { target: self.target.clone(), source })
    }
}

/// A run that failed before it had a report leaves no file behind.
impl Drop for JsonSink {
    fn drop(&mut self) {
        if let Some(path) = self.placeholder.take() {
            // An empty file that cannot be removed does no harm.
            let _ = fs::remove_file(path);
        }
    }
}

/// Only a regular file has old content: a pipe or a terminal cannot be truncated.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

fn write_to(out: impl Write, report: &impl Serialize) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, report)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_old_report_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        fs::write(&path, "old ".repeat(100)).unwrap();
        let sink = JsonTarget::from(path.clone()).open().unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("old"), "kept until there is something new");
        sink.write(&[1, 2]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[\n  1,\n  2\n]\n");
    }

    #[test]
    fn without_a_report_there_is_no_file_but_an_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new.json"), folder.path().join("old.json"));
        fs::write(&old, "old").unwrap();
        for path in [&new, &old] {
            drop(JsonTarget::from(path.clone()).open().unwrap());
        }
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");
        JsonTarget::from(new.clone()).open().unwrap().write(&0).unwrap();
        assert_eq!(fs::read_to_string(&new).unwrap(), "0\n");
    }

    #[test]
    fn what_cannot_be_written_is_known_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("run.json");
        let error = JsonTarget::from(path.clone()).open().unwrap_err().to_string();
        assert!(error.contains(&format!("--json {}", path.display())) && error.contains("folder"), "{error}");
        JsonTarget::from(PathBuf::from("/dev/null")).open().unwrap().write(&0).unwrap();
        let full = JsonTarget::from(PathBuf::from("/dev/full")).open().unwrap();
        assert!(matches!(full.write(&0), Err(JsonError::Write { .. })));
    }
}
