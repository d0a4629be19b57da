//! The accepted counts of instructions per packet, kept in a committed file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::cpu;
use shared::process::atomic_file::AtomicFile;
use shared::report::Origin;

use super::Count;

/// Schema of the file.
const SCHEMA: &str = "pushback.ceilings/1";

/// How far a count may exceed the accepted one, because the number of packets in a batch differs from run to run. In
/// five runs beside builds that kept the machine busy, the stack's count moved by 2 %; the driver's fell by up to 15 %
/// and rose by at most 2 %.
const SLACK: f64 = 0.05;

/// The accepted counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ceilings {
    /// Name and version of the schema, [`SCHEMA`].
    #[schemars(extend("const" = SCHEMA))]
    schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    origin: Origin,
    /// The kind of processor on which they were counted: another kind takes a different number of instructions.
    processor: String,
    /// The share by which a count may exceed the accepted one.
    slack: f64,
    /// The counts, one for each kind of traffic and frame size.
    counts: Vec<Count>,
}

/// Why a file of ceilings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CeilingsError {
    /// It cannot be read.
    #[error("--ceilings {}: cannot be read ({source}); write it with --accept", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// It is not a file of ceilings.
    #[error("--ceilings {}: is not a file of ceilings ({problem}); write a new one with --accept", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It cannot be written.
    #[error("--ceilings {}: cannot be written ({source}); name a file in a folder that exists and is writable", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl Ceilings {
    /// The ceilings that accept `counts`, with [`SLACK`].
    pub(crate) fn accept(counts: &[Count]) -> Self {
        let whole =
            |count: &Count| Count { stack: count.stack.round(), driver: count.driver.map(f64::round), ..*count };
        let (schema, processor) = (SCHEMA.to_owned(), cpu::kind());
        Self { schema, origin: Origin::now(), processor, slack: SLACK, counts: counts.iter().map(whole).collect() }
    }

    /// The kind of processor on which they were counted, if this machine has another one.
    pub(crate) fn of_another(&self) -> Option<&str> {
        (self.processor != cpu::kind()).then_some(&self.processor)
    }

    /// Reads the ceilings from `path`.
    ///
    /// # Errors
    /// If there is no such file, or it is not a file of ceilings.
    pub(crate) fn read(path: &Path) -> Result<Self, CeilingsError> {
        let text = fs::read(path).map_err(|source| CeilingsError::Read { path: path.to_owned(), source })?;
        let content = |problem: String| CeilingsError::Content { path: path.to_owned(), problem };
        let ceilings: Self = serde_json::from_slice(&text).map_err(|error| content(error.to_string()))?;
        if ceilings.schema == SCHEMA { Ok(ceilings) } else { Err(content(format!("schema {}", ceilings.schema))) }
    }

    /// Opens `path` before anything is counted, so that a path that cannot be written fails at once.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<AtomicFile, CeilingsError> {
        AtomicFile::open(path).map_err(|source| CeilingsError::Write { path: path.to_owned(), source })
    }

    /// Writes the ceilings to `file`, which is at `path`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, file: AtomicFile, path: &Path) -> Result<(), CeilingsError> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        let written = file.write(|out| out.write_all(text.as_bytes()));
        written.map_err(|source| CeilingsError::Write { path: path.to_owned(), source })
    }

    /// A line for each of `counts` that is above its ceiling or has none.
    pub(crate) fn exceeded(&self, counts: &[Count]) -> Vec<String> {
        counts.iter().flat_map(|count| self.exceeded_by(count)).collect()
    }

    fn exceeded_by(&self, count: &Count) -> Vec<String> {
        let (traffic, size) = (count.traffic.name(), count.size_bytes);
        let same = |accepted: &&Count| (accepted.traffic, accepted.size_bytes) == (count.traffic, size);
        let Some(accepted) = self.counts.iter().find(same) else {
            return vec![format!("frames of {size} B ({traffic}) have no ceiling; accept this count with --accept")];
        };
        let driver = count.driver.zip(accepted.driver).map(|(count, accepted)| ("driver", count, accepted));
        let sides = [Some(("stack", count.stack, accepted.stack)), driver].into_iter().flatten();
        let above = sides.filter(|(_, count, accepted)| *count > accepted * (1.0 + self.slack));
        let line = |(side, count, accepted): (&str, f64, f64)| {
            let most = accepted * (1.0 + self.slack);
            format!(
                "{count:.0} instructions per packet of {size} B ({traffic}) in the {side}, but the ceiling is \
                 {most:.0}; if that is worth it, accept it with --accept"
            )
        };
        above.map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Traffic;
    use super::*;

    fn count(size_bytes: u64, stack: f64, driver: f64) -> Count {
        Count { traffic: Traffic::Bulk, size_bytes, stack, driver: Some(driver) }
    }

    #[test]
    fn a_count_may_exceed_the_accepted_one_by_the_slack_and_no_more() {
        let ceilings = Ceilings::accept(&[count(64, 400.2, 200.0), count(1500, 1000.0, 500.0)]);
        assert_eq!(ceilings.exceeded(&[count(64, 420.0, 210.0), count(1500, 1.0, 1.0)]), Vec::<String>::new());
        let lines = ceilings.exceeded(&[count(64, 421.0, 209.0), count(1500, 1051.0, 600.0)]);
        assert_eq!(
            lines,
            [
                "421 instructions per packet of 64 B (bulk) in the stack, but the ceiling is 420; if that is worth it, accept it with --accept",
                "1051 instructions per packet of 1500 B (bulk) in the stack, but the ceiling is 1050; if that is worth it, accept it with --accept",
                "600 instructions per packet of 1500 B (bulk) in the driver, but the ceiling is 525; if that is worth it, accept it with --accept",
            ]
        );
        assert_eq!(ceilings.of_another(), None);
        let other = Ceilings { processor: "abacus".to_owned(), ..ceilings.clone() };
        assert_eq!(other.of_another(), Some("abacus"));
        assert!(ceilings.exceeded(&[count(200, 1.0, 1.0)])[0].contains("--accept"));
        let single = Count { traffic: Traffic::Single, ..count(64, 1.0, 1.0) };
        assert!(ceilings.exceeded(&[single])[0].contains("(single) have no ceiling"), "each has its own ceiling");
    }

    #[test]
    fn a_simulation_has_a_ceiling_without_a_driver_and_old_files_contain_bulk() {
        let simulation = Count { traffic: Traffic::Simulation, driver: None, ..count(64, 100.0, 0.0) };
        let ceilings = Ceilings::accept(&[simulation]);
        assert_eq!(ceilings.exceeded(&[simulation]), Vec::<String>::new());
        assert_eq!(ceilings.exceeded(&[Count { stack: 106.0, ..simulation }]).len(), 1);
        let old = r#"{"size_bytes": 64, "stack": 285.0, "driver": 258.0}"#;
        assert_eq!(serde_json::from_str::<Count>(old).unwrap(), count(64, 285.0, 258.0));
    }

    #[test]
    fn a_written_file_is_read_back_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ceilings.json");
        let read = || Ceilings::read(&path).map_err(|error| error.to_string());
        assert!(read().unwrap_err().contains("--accept"));
        let ceilings = Ceilings::accept(&[count(64, 400.0, 200.0)]);
        let write = |ceilings: &Ceilings| ceilings.write(Ceilings::open(&path)?, &path);
        write(&ceilings).unwrap();
        assert_eq!(read(), Ok(ceilings.clone()));
        write(&Ceilings { schema: "other/1".to_owned(), ..ceilings }).unwrap();
        assert!(read().unwrap_err().contains("schema other/1"));
        assert!(Ceilings::open(Path::new("/missing/x")).is_err());
    }
}
