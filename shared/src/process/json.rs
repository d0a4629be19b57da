//! Where a report is written as JSON, and where text for people goes beside it.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::limits::remedy;
use crate::process::atomic_file::AtomicFile;
use crate::process::exit::Status;
use crate::process::output::{self, Stream, is_unread, write_whole};

/// What `--json` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonTarget {
    /// `-`.
    Stdout,
    /// A file, replaced if there is one.
    File(PathBuf),
}

/// A target that can be written, as was checked before the run.
#[derive(Debug)]
pub struct JsonSink {
    target: JsonTarget,
    /// `None` is standard output.
    file: Option<AtomicFile>,
}

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It cannot be opened; found before the run.
    #[error(
        "--json {target}: cannot be written ({source}); {}",
        remedy(source, "name a file in a folder that exists and is writable, or -")
    )]
    Open {
        /// The target.
        target: JsonTarget,
        /// The error of the system.
        source: io::Error,
    },
    /// It could not be written after the run.
    #[error(
        "--json {target}: the report could not be written ({source}); a file that was there is unchanged; {} and run again",
        remedy(source, "name another file")
    )]
    Write {
        /// The target.
        target: JsonTarget,
        /// The error of the system.
        source: io::Error,
    },
    /// Lines of `--json-stream` go where the report would be mixed with them.
    #[error(
        "--json-stream: its last line holds the report, and --json - writes it to standard output too; name a file with \
         --json, or leave one of the two out"
    )]
    TwoReports,
    /// A line of `--json-stream` could not be written.
    #[error("--json-stream: a line could not be written ({0}); read standard output to its end, or use --json FILE")]
    Line(#[source] io::Error),
    /// Its reader took nothing more after a signal.
    #[error("--json {target}: the report was not read to its end: {source}")]
    Unread {
        /// The target.
        target: JsonTarget,
        /// The result of the wait for the reader.
        source: io::Error,
    },
}

impl JsonError {
    /// The exit status of the process.
    pub fn status(&self) -> Status {
        match self {
            Self::Open { .. } | Self::TwoReports => Status::Usage,
            Self::Unread { .. } => Status::Interrupted,
            Self::Line(source) if is_unread(source) => Status::Interrupted,
            Self::Write { .. } | Self::Line(_) => Status::Failed,
        }
    }
}

impl From<PathBuf> for JsonTarget {
    fn from(path: PathBuf) -> Self {
        // Both names mean standard output, to which text for people must then not be written.
        if path == Path::new("-") || path == Path::new("/dev/stdout") { Self::Stdout } else { Self::File(path) }
    }
}

impl Display for JsonTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl JsonTarget {
    /// Checks before a run that the report can be written after it. A file that exists keeps its content until then,
    /// and no file is created.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(&self) -> Result<JsonSink, JsonError> {
        let target = self.clone();
        let file = match self {
            Self::Stdout => None,
            Self::File(path) => match AtomicFile::open(path) {
                Ok(file) => Some(file),
                Err(source) => return Err(JsonError::Open { target, source }),
            },
        };
        Ok(JsonSink { target, file })
    }
}

impl JsonSink {
    /// Whether a report can be written several times, each replacing the one before.
    pub fn can_be_replaced(&self) -> bool {
        self.file.as_ref().is_some_and(AtomicFile::can_be_replaced)
    }

    /// Writes `report`, indented, and a line feed. Standard output, a pipe or a device waits for its reader, until a
    /// signal comes and the reader takes nothing more.
    ///
    /// # Errors
    /// If not all of it could be written. Then a file is unchanged.
    pub fn write(&self, report: &impl Serialize) -> Result<(), JsonError> {
        let written = match &self.file {
            None => {
                let mut bytes = Vec::new();
                write_to(&mut bytes, report).and_then(|()| write_whole(Stream::Out, bytes))
            }
            Some(file) => file.write(|out| write_to(out, report)),
        };
        let target = self.target.clone();
        written.map_err(|source| match is_unread(&source) {
            true => JsonError::Unread { target, source },
            false => JsonError::Write { target, source },
        })
    }
}

/// Where lines of `--json-stream` go, if they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLines(());

impl JsonLines {
    /// Lines on standard output, if `asked`; the report is written to `json`.
    ///
    /// # Errors
    /// [`JsonError::TwoReports`] if the report goes to standard output too.
    pub fn open(asked: bool, json: Option<&JsonTarget>) -> Result<Option<Self>, JsonError> {
        match json {
            Some(JsonTarget::Stdout) if asked => Err(JsonError::TwoReports),
            _ => Ok(asked.then_some(Self(()))),
        }
    }

    /// Writes the line `event`, and waits until its reader has taken it.
    ///
    /// # Errors
    /// [`JsonError::Line`] if it could not be written.
    pub fn write(self, event: &impl Serialize) -> Result<(), JsonError> {
        line_of(event).and_then(|line| write_whole(Stream::Out, line)).map_err(JsonError::Line)
    }

    /// Queues the line `event` for a run in real time, which does not wait for a reader: the line is dropped, and
    /// counted, if too many are queued.
    pub fn queue(self, event: &impl Serialize) {
        // Only a sum that is no number fails, and no event has one.
        if let Ok(line) = line_of(event) {
            output::line(Stream::Out, line);
        }
    }

    /// The target beside which text for people is printed: `json`, or these `lines`.
    pub fn beside(lines: Option<Self>, json: Option<&JsonTarget>) -> Option<JsonTarget> {
        lines.map(|_| JsonTarget::Stdout).or(json.cloned())
    }
}

fn line_of(event: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

fn write_to(mut out: impl Write, report: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, report)?;
    out.write_all(b"\n")
}

/// Prints `text`, a result for people: on standard output, or on standard error if standard output is for `json`. It is
/// never dropped, and the process waits for its reader at the end.
pub fn say(json: Option<&JsonTarget>, text: impl Display) {
    output::text(beside(json), format!("{text}\n"));
}

/// Prints a line about progress on the same stream. It is dropped if too many lines are queued.
pub fn say_line(json: Option<&JsonTarget>, line: impl Display) {
    output::line(beside(json), format!("{line}\n"));
}

fn beside(json: Option<&JsonTarget>) -> Stream {
    if json == Some(&JsonTarget::Stdout) { Stream::Err } else { Stream::Out }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn a_path_that_cannot_be_written_is_an_error_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("run.json");
        let error = JsonTarget::from(path.clone()).open().unwrap_err().to_string();
        assert!(error.contains(&format!("--json {}", path.display())) && error.contains("folder"), "{error}");
        JsonTarget::from(PathBuf::from("/dev/null")).open().unwrap().write(&0).unwrap();
        let full = JsonTarget::from(PathBuf::from("/dev/full")).open().unwrap();
        assert!(matches!(full.write(&0), Err(JsonError::Write { .. })));
    }
}
