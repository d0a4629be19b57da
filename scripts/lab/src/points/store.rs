//! The folder of a set of points: one file for each run, which an interrupted set finds again.
//!
//! | path | what it holds |
//! | --- | --- |
//! | `table.json` | the table of runs |
//! | `runs/DIGEST.json` | the report of a run |
//! | `runs/DIGEST.failed.json` | why a run failed |
//! | `points.csv`, `apps.csv`, `points.md` | estimates by point, and by point and app |
//! | `sweep.json` | when, where and by which command; the only file that differs from one sweep to the next |
//!
//! Each file is written aside and renamed, so a file that is there is complete.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::limits::remedy;
use shared::process::atomic_file::AtomicFile;
use shared::report::{Origin, RUN_SCHEMA, RunReport};

use super::estimate::Sample;
use super::table::TableFile;
use crate::runner::sequence::Fault;
use crate::threshold::Thresholds;

/// Schema of the file of a run that failed.
pub(crate) const FAILED_SCHEMA: &str = "pushback.failed-run/1";

/// The result of a run.
pub(crate) type RunResult = Result<Box<RunReport>, Fault>;

/// Where the results of runs are kept, under the digests of their settings.
pub(crate) trait Keep {
    /// Keeps the table of runs.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn save_table(&mut self, table: &TableFile) -> Result<(), StoreError>;

    /// What is kept of the result of a run that has ended before, judged by `thresholds`; `None` if it has not.
    ///
    /// # Errors
    /// If it cannot be read.
    fn sample(&self, digest: &str, thresholds: &Thresholds) -> Result<Option<Result<Sample, Fault>>, StoreError>;

    /// Keeps the result of a run.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn save(&mut self, digest: &str, result: RunResult) -> Result<(), StoreError>;
}

/// Keeps results in memory, for commands that answer at once.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<String, RunResult>);

impl Memory {
    /// The result of a run.
    pub(crate) fn result(&self, digest: &str) -> Option<&RunResult> {
        self.0.get(digest)
    }
}

impl Keep for Memory {
    fn save_table(&mut self, _: &TableFile) -> Result<(), StoreError> {
        Ok(())
    }

    fn sample(&self, digest: &str, thresholds: &Thresholds) -> Result<Option<Result<Sample, Fault>>, StoreError> {
        Ok(self.result(digest).map(|result| Sample::of_result(result, thresholds)))
    }

    fn save(&mut self, digest: &str, result: RunResult) -> Result<(), StoreError> {
        self.0.insert(digest.to_owned(), result);
        Ok(())
    }
}

impl Keep for Store {
    fn save_table(&mut self, table: &TableFile) -> Result<(), StoreError> {
        self.write_json("table.json", table)
    }

    fn sample(&self, digest: &str, thresholds: &Thresholds) -> Result<Option<Result<Sample, Fault>>, StoreError> {
        Ok(self.load(digest)?.map(|result| Sample::of_result(&result, thresholds)))
    }

    fn save(&mut self, digest: &str, result: RunResult) -> Result<(), StoreError> {
        self.write(digest, &result)
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Store(PathBuf);

/// A file or folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The folder cannot be created or written.
    #[error("--out {}: cannot be used as a folder ({source}); {}", folder.display(),
        remedy(source, "name a folder that exists and is writable, or a path where one can be made"))]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written ({source}); {}, and start the same command again: it does only the rest",
        file.display(), remedy(source, "make it writable"))]
    Write {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read ({source}); remove it, or use another folder", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file is not the report of a run.
    #[error("{}: is no complete report ({source}); remove it, and the run is made again", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file has another schema.
    #[error("{}: its schema is {}, not {RUN_SCHEMA}; remove it, and the run is made again", file.display(), schema.escape_debug())]
    OtherSchema {
        /// The file.
        file: PathBuf,
        /// The schema.
        schema: String,
    },
    /// The folder holds runs of another version of the program.
    #[error("--out {}: it holds runs of version {theirs}, and this program is {ours}; use another folder, or remove it",
        folder.display())]
    OtherProgram {
        /// The folder.
        folder: PathBuf,
        /// The version that wrote it.
        theirs: String,
        /// The version of this program.
        ours: String,
    },
    /// The system has no resources left.
    #[error("out of system resources: {0}")]
    System(#[from] io::Error),
}

/// The file of a run that failed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FailedFile {
    /// Name and version of the schema, [`FAILED_SCHEMA`].
    #[schemars(extend("const" = FAILED_SCHEMA))]
    schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    origin: Origin,
    #[serde(flatten)]
    fault: Fault,
}

impl Store {
    /// Uses `folder`, which is created if it is missing.
    ///
    /// # Errors
    /// If it cannot be written, or holds runs of another version of the program.
    pub(crate) fn open(folder: &Path, table: &TableFile) -> Result<Self, StoreError> {
        let store = Self(folder.to_owned());
        let unusable = |source| StoreError::Folder { folder: folder.to_owned(), source };
        fs::create_dir_all(folder.join("runs")).map_err(unusable)?;
        // A write at the end of the first run would be too late to say that there is no permission.
        AtomicFile::open(&folder.join("runs").join("probe")).map_err(unusable)?;
        if let Some(theirs) = store.program()?
            && theirs != table.program
        {
            return Err(StoreError::OtherProgram { folder: folder.to_owned(), theirs, ours: table.program.clone() });
        }
        Ok(store)
    }

    /// The folder of a set whose runs are shown and not made: nothing is written.
    pub(crate) fn existing(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The version of the program that wrote the table in this folder, if there is one.
    fn program(&self) -> Result<Option<String>, StoreError> {
        #[derive(Deserialize)]
        struct Head {
            program: String,
        }
        let file = self.0.join("table.json");
        let Some(text) = read(&file)? else { return Ok(None) };
        let head: Head = serde_json::from_str(&text).map_err(|source| StoreError::Malformed { file, source })?;
        Ok(Some(head.program))
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The file of the report of a run.
    pub(crate) fn report_file(&self, digest: &str) -> PathBuf {
        self.0.join("runs").join(format!("{digest}.json"))
    }

    fn failed_file(&self, digest: &str) -> PathBuf {
        self.0.join("runs").join(format!("{digest}.failed.json"))
    }

    /// The result of a run that has ended before; `None` if it has not.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub(crate) fn load(&self, digest: &str) -> Result<Option<RunResult>, StoreError> {
        let file = self.report_file(digest);
        if let Some(text) = read(&file)? {
            let report: Box<RunReport> = match serde_json::from_str(&text) {
                Ok(report) => report,
                Err(source) => return Err(StoreError::Malformed { file, source }),
            };
            if report.schema != RUN_SCHEMA {
                return Err(StoreError::OtherSchema { file, schema: report.schema });
            }
            return Ok(Some(Ok(report)));
        }
        let file = self.failed_file(digest);
        let Some(text) = read(&file)? else { return Ok(None) };
        let failed: FailedFile =
            serde_json::from_str(&text).map_err(|source| StoreError::Malformed { file, source })?;
        Ok(Some(Err(failed.fault)))
    }

    /// Keeps the result of a run.
    ///
    /// # Errors
    /// If its file cannot be written; then there is none.
    pub(crate) fn write(&self, digest: &str, result: &RunResult) -> Result<(), StoreError> {
        let failed_file = self.failed_file(digest);
        match result {
            Ok(report) => {
                write_json(&self.report_file(digest), report)?;
                // A run that failed before was made again.
                match fs::remove_file(&failed_file) {
                    Err(source) if source.kind() != ErrorKind::NotFound => {
                        Err(StoreError::Write { file: failed_file, source })
                    }
                    _ => Ok(()),
                }
            }
            Err(fault) => {
                let (schema, origin) = (FAILED_SCHEMA.to_owned(), Origin::of_program());
                write_json(&failed_file, &FailedFile { schema, origin, fault: fault.clone() })
            }
        }
    }

    /// Writes the file `name` of the folder as JSON.
    ///
    /// # Errors
    /// If it cannot be written; then a file that was there is unchanged.
    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        write_json(&self.0.join(name), value)
    }

    /// Writes the file `name` of the folder.
    ///
    /// # Errors
    /// As [`Store::write_json`].
    pub(crate) fn write_text(&self, name: &str, text: &str) -> Result<(), StoreError> {
        write_file(&self.0.join(name), |out| out.write_all(text.as_bytes()))
    }

    /// The text of the file `name` of the folder, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        read(&self.0.join(name))
    }
}

fn read(file: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Read { file: file.to_owned(), source }),
    }
}

/// Writes `value` as JSON, indented, with a line feed behind it.
///
/// # Errors
/// If it cannot be written; then a file that was there is unchanged.
pub(crate) fn write_json(file: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    write_file(file, |mut out| {
        serde_json::to_writer_pretty(&mut out, value)?;
        out.write_all(b"\n")
    })
}

fn write_file(file: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), StoreError> {
    let written = AtomicFile::open(file).and_then(|target| target.write(fill));
    written.map_err(|source| StoreError::Write { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run;
    use crate::points::axis::Axis;
    use crate::points::table::Points;
    use crate::runner::sequence::ClockKind;
    use crate::settings::RunSettings;

    fn table() -> TableFile {
        let axes = ["depth=1,2".parse::<Axis>().unwrap()];
        TableFile::new(&Points::combinations(&RunSettings::defaults(), ClockKind::Virtual, &axes).unwrap())
    }

    #[test]
    fn a_run_is_found_again_and_a_failed_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("new").join("folder"), &table()).unwrap();
        assert_eq!(store.load("a").unwrap(), None);
        let fault = Fault { status: 1, reason: "crash".to_owned(), report: None };
        store.write("a", &Err(fault.clone())).unwrap();
        assert_eq!(store.load("a").unwrap(), Some(Err(fault)));
        let report = Box::new(run("wait", 10, 0));
        store.write("a", &Ok(report.clone())).unwrap();
        assert_eq!(store.load("a").unwrap(), Some(Ok(report)));
        assert_eq!(fs::read_dir(store.folder().join("runs")).unwrap().count(), 1, "the reason is gone");
    }

    #[test]
    fn what_cannot_be_used_is_an_error_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Store::open(&file, &table()).unwrap_err().to_string();
        assert!(error.starts_with("--out") && error.contains("name a folder"), "{error}");
        let store = Store::open(folder.path(), &table()).unwrap();
        fs::write(folder.path().join("runs").join("a.json"), "{").unwrap();
        assert!(store.load("a").unwrap_err().to_string().contains("made again"));
        let mut other = table();
        other.program = "0.0.1 (old)".to_owned();
        store.write_json("table.json", &other).unwrap();
        let error = Store::open(folder.path(), &table()).unwrap_err().to_string();
        assert!(error.contains("0.0.1 (old)") && error.contains("another folder"), "{error}");
    }
}
