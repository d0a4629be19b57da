//! The results to be shown: the folder of a sweep, or reports, of which each is a point of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shared::report::{ConfigReport, Origin, RunReport, SplitReport, TheoryReport, human};

use super::lines::whole_name;
use super::series::fine_interval;
use super::verdict::Estimates;
use crate::flags::common::common_flags;
use crate::flags::{Given, repeating_command, shell_word};
use crate::points::estimate::{Estimated, Sample, Samples, code, estimated};
use crate::points::output::{Row, document, note, points_csv, rows, settings_line, size, table};
use crate::points::provenance::Provenance;
use crate::points::store::{Store, StoreError};
use crate::points::table::{Points, TableError, TableFile, program};
use crate::replay::{FileError, runs_in, settings_of};
use crate::report::table::{csv, listed};
use crate::runner::{clock, simulate_anywhere};
use crate::theory::ParameterError;
use crate::threshold::Thresholds;

/// The level of intervals for which the folder names none.
const LEVEL: f64 = 0.95;

/// A run of more packets is not made again for a figure.
const MOST_AGAIN: u64 = 2_000_000;

/// Settings in reports that tell no points apart.
const NOT_COMPARED: [&str; 4] = ["quiet", "connect_timeout", "depth", "seed"];

/// Results that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultsError {
    /// A folder is not that of a sweep.
    #[error("{}: has no table.json that can be read ({source}); name the folder of lab sweep --out, or reports", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A folder is named beside others.
    #[error("{}: is a folder, and is shown alone; name one folder, or reports", .0.display())]
    Mixed(PathBuf),
    /// The table of a folder cannot be used.
    #[error("{}: {source}", file.display())]
    Table {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: TableError,
    },
    /// A run of a folder cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A report cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder names a level that is none.
    #[error("sweep.json: {0}")]
    Level(#[from] ParameterError),
    /// There is no such point.
    #[error("--point {number}: there are {count} points; use 0 to {}", count.saturating_sub(1))]
    NoPoint {
        /// The number that was given.
        number: usize,
        /// How many there are.
        count: usize,
    },
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct Results {
    /// The names of what varies.
    pub(super) keys: Vec<String>,
    pub(super) points: Vec<PointResult>,
    /// `18 points, 90 runs in virtual time`.
    pub(super) size: String,
    /// The level of the intervals.
    pub(super) level: f64,
    /// When, where and how it was made, as far as that is known.
    pub(super) provenance: Provenance,
    /// What was named: the folder, or the reports.
    paths: Vec<PathBuf>,
    source: Source,
}

/// A point, with what is known of it.
#[derive(Debug)]
pub(super) struct PointResult {
    /// In the order of [`Results::keys`].
    pub(super) values: Vec<String>,
    pub(super) estimated: Estimated,
    /// Codes of what is wrong with it.
    pub(super) notes: String,
    /// What theory predicts of its first run.
    pub(super) theory: Option<TheoryReport>,
    /// The command that makes its first run.
    pub(super) command: String,
}

#[derive(Debug)]
enum Source {
    Sweep { set: Box<Points>, rows: Vec<Row>, store: Store, digests: Vec<String> },
    Reports(Vec<RunReport>),
}

impl Results {
    /// Reads `paths`: one folder of a sweep, or reports.
    ///
    /// # Errors
    /// [`ResultsError`].
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, ResultsError> {
        match (paths, paths.iter().find(|path| path.is_dir())) {
            ([folder], Some(_)) => Self::of_sweep(folder),
            (_, Some(folder)) => Err(ResultsError::Mixed(folder.clone())),
            (_, None) => {
                let (mut names, mut runs) = (Vec::new(), Vec::new());
                for path in paths {
                    let several = runs_in(path)?;
                    let (file, many) = (path.display(), several.len() > 1);
                    let name = |at| if many { format!("{file}, run {at}") } else { file.to_string() };
                    names.extend((1..=several.len()).map(name));
                    runs.extend(several);
                }
                Ok(Self { paths: paths.to_vec(), ..Self::of_reports(&names, runs) })
            }
        }
    }

    fn of_sweep(folder: &Path) -> Result<Self, ResultsError> {
        let file = folder.join("table.json");
        let unreadable = |source| ResultsError::Folder { folder: folder.to_owned(), source };
        let text = fs::read_to_string(&file).map_err(unreadable)?;
        let (table, set) = TableFile::read(&text).map_err(|source| ResultsError::Table { file, source })?;
        let store = Store::existing(folder);
        let digests: Vec<_> = table.digests().map(str::to_owned).collect();
        let provenance = Provenance::read(&store)?;
        let level = provenance.level.unwrap_or(LEVEL);
        let (mut samples, mut theories) = (Samples::new(), vec![None; set.points.len()]);
        for (digest, run) in digests.iter().zip(set.runs()) {
            let result = store.load(digest)?;
            if let Some(Ok(report)) = &result {
                let theory: &mut Option<TheoryReport> = &mut theories[run.point];
                *theory = theory.take().or_else(|| report.theory.clone());
            }
            samples.push(result.map(|result| Sample::of_result(&result, &Thresholds::default())));
        }
        let estimates: Result<Vec<_>, _> =
            (0..set.points.len()).map(|point| estimated(&set, &samples, point, level)).collect();
        let rows = rows(&set, estimates?, &[]);
        let clock = set.clock.to_string();
        let points = set.points.iter().zip(&rows).zip(theories).map(|((point, row), theory)| PointResult {
            values: point.values.clone(),
            estimated: row.estimated.clone(),
            notes: note(row),
            theory,
            command: repeating_command(&clock, &point.settings.in_report()),
        });
        Ok(Self {
            keys: set.keys.clone(),
            points: points.collect(),
            size: format!("{} in {clock} time", size(&set)),
            level,
            provenance,
            paths: vec![folder.to_owned()],
            source: Source::Sweep { set: Box::new(set), rows, store, digests },
        })
    }

    fn of_reports(names: &[String], runs: Vec<RunReport>) -> Self {
        let (keys, values) = told_apart(names, &runs);
        let points = runs.iter().zip(values).map(|(run, values)| {
            let estimated = Estimated::of_report(run);
            PointResult {
                values,
                notes: estimated.warnings.iter().map(|warning| code(*warning)).collect::<Vec<_>>().join(" "),
                estimated,
                theory: run.theory.clone(),
                command: repeating_command(&run.clock, &run.config),
            }
        });
        // What differs from run to run is not stated of all.
        let same_host = runs.windows(2).all(|pair| pair[0].host == pair[1].host);
        let host = runs.first().filter(|_| same_host).and_then(|run| run.host.clone());
        let same_origin = runs.windows(2).all(|pair| pair[0].origin == pair[1].origin);
        let origin = runs.first().filter(|_| same_origin).map(|run| run.origin.clone()).unwrap_or_default();
        let level = runs.iter().find_map(|run| Some(run.estimate?.level)).unwrap_or(LEVEL);
        Self {
            keys,
            points: points.collect(),
            size: human::counted(runs.len() as u64, "report"),
            level,
            provenance: Provenance::of_runs(host, origin),
            paths: names.iter().map(PathBuf::from).collect(),
            source: Source::Reports(runs),
        }
    }

    /// The table for people.
    pub(crate) fn table(&self) -> String {
        match &self.source {
            Source::Sweep { set, rows, .. } => table(set, rows),
            Source::Reports(runs) => listed(runs),
        }
    }

    /// Every figure, exact.
    pub(crate) fn csv(&self) -> String {
        match &self.source {
            Source::Sweep { set, rows, .. } => points_csv(set, rows),
            Source::Reports(runs) => csv(runs),
        }
    }

    /// A document in Markdown: title, `verdict`, table and what its columns mean.
    pub(super) fn document(&self, verdict: &str) -> String {
        match &self.source {
            Source::Sweep { set, rows, .. } => document(self.provenance.title.as_deref(), verdict, set, rows),
            Source::Reports(runs) => {
                format!("# {}\n\n{verdict}\n\n{}\n\n{}\n", self.title(), self.settings_line(), listed(runs))
            }
        }
    }

    /// The title: that of the plan, or what varies.
    pub(super) fn title(&self) -> String {
        let named = self.provenance.title.clone();
        named.unwrap_or_else(|| match self.keys.as_slice() {
            [] => "One run".to_owned(),
            [first @ .., last] if !first.is_empty() => format!("Results by {} and {last}", first.join(", ")),
            keys => format!("Results by {}", keys.join("")),
        })
    }

    /// The settings that all points share and that are not the defaults, as flags; `None` if there are no points.
    pub(super) fn settings(&self) -> Option<Vec<String>> {
        match &self.source {
            Source::Sweep { set, .. } => common_flags(set.points.iter().map(|point| point.settings.in_report())),
            Source::Reports(runs) => common_flags(runs.iter().map(|run| run.config.clone())),
        }
    }

    /// The same as a line of text.
    pub(crate) fn settings_line(&self) -> String {
        settings_line(&self.settings().unwrap_or_default(), self.points.len())
    }

    /// The command that shows these results with another point in detail.
    pub(super) fn command_for_another_point(&self) -> String {
        let paths: Vec<_> = self.paths.iter().map(|path| shell_word(&path.to_string_lossy())).collect();
        format!("lab report {} --format html --out page.html --point N", paths.join(" "))
    }

    /// The values of all points.
    pub(super) fn values(&self) -> Vec<&[String]> {
        self.points.iter().map(|point| &point.values[..]).collect()
    }

    /// What varies, with the values of `point`, as in `depth 8, policy wait`.
    pub(super) fn name(&self, point: usize) -> String {
        whole_name(&self.keys, &self.points[point].values)
    }

    /// What the verdict is about.
    pub(crate) fn estimates(&self) -> Estimates<'_> {
        let points = self.points.iter().map(|point| (&*point.values, &point.estimated));
        Estimates { keys: &self.keys, points: points.collect(), first: self.first() }
    }

    /// The settings of the first point, and where its packets spent their latency if it is of a single run.
    fn first(&self) -> Option<(ConfigReport, Option<SplitReport>)> {
        match &self.source {
            Source::Sweep { set, .. } => Some((set.points.first()?.settings.in_report(), None)),
            Source::Reports(runs) => {
                let run = runs.first()?;
                let mut config = run.config.clone();
                // The depth in force: a process may have asked for another one.
                config.netstack["depth"] = run.ring.depth.into();
                Some((config, run.latency_split))
            }
        }
    }

    /// The same run as `report`, of `point`, in intervals that a figure shows well; `None` if it was no simulation of this
    /// program, if it would take long, or if its figures are others.
    pub(super) fn again_with_finer_series(&self, point: usize, report: &RunReport) -> Option<RunReport> {
        let this = Origin::of_program();
        let (same_program, settings) = match &self.source {
            Source::Sweep { set, .. } => {
                let settings = set.points[point].settings.with_seed(report.seed);
                (self.provenance.program.as_ref() == Some(&program()), settings)
            }
            Source::Reports(_) => {
                let same = (&report.origin.version, &report.origin.git_revision) == (&this.version, &this.git_revision);
                (same, settings_of(report, &Given::default()).ok()?)
            }
        };
        if report.clock != "virtual" || !same_program || report.totals.offered > MOST_AGAIN {
            return None;
        }
        let mut settings = settings;
        settings.netstack.stack.layers.interval = fine_interval(report);
        let again = simulate_anywhere(&settings, clock(&settings)).ok()?;
        (counts(&again) == counts(report) && again.series.len() > report.series.len()).then_some(again)
    }

    /// The report of the first run of `point` that has one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn report(&self, point: usize) -> Result<Option<RunReport>, ResultsError> {
        match &self.source {
            Source::Reports(runs) => Ok(runs.get(point).cloned()),
            Source::Sweep { set, store, digests, .. } => {
                for run in set.runs_of(point) {
                    if let Some(Ok(report)) = store.load(&digests[*run])? {
                        return Ok(Some(*report));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// Counts with which one run stands for another.
fn counts(report: &RunReport) -> impl PartialEq + use<> {
    (report.elapsed_ns, report.totals, report.latency_ns, report.sojourn_ns, report.blocked.total_ns)
}

/// What tells `runs` apart: the settings that differ; where these are equal, the seed; and at last the file.
fn told_apart(names: &[String], runs: &[RunReport]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut keys: Vec<String> = Vec::new();
    let mut values: Vec<Vec<String>> = vec![Vec::new(); runs.len()];
    let mut add = |key: &str, texts: Vec<String>| {
        if texts.windows(2).any(|pair| pair[0] != pair[1]) {
            keys.push(key.to_owned());
            values.iter_mut().zip(texts).for_each(|(values, text)| values.push(text));
        }
        let distinct: BTreeSet<_> = values.iter().collect();
        distinct.len() == runs.len()
    };
    let mut apart = add("depth", runs.iter().map(|run| run.ring.depth.to_string()).collect());
    let sides: [fn(&RunReport) -> Option<&Value>; 3] =
        [|run| Some(&run.config.netstack), |run| Some(&run.config.driver), |run| run.config.simulate.as_ref()];
    for side in sides {
        let of = |run| side(run).and_then(Value::as_object).into_iter().flatten();
        let names: BTreeSet<&String> = runs.iter().flat_map(of).map(|(name, _)| name).collect();
        for name in names.into_iter().filter(|name| !NOT_COMPARED.contains(&name.as_str())) {
            let text = |run| side(run).and_then(|side| side.get(name)).map_or_else(|| "none".to_owned(), spelled);
            apart = add(&name.replace('_', "-"), runs.iter().map(text).collect());
        }
    }
    if !apart {
        apart = add("seed", runs.iter().map(|run| run.seed.to_string()).collect());
    }
    if !apart {
        add("file", names.to_vec());
    }
    (keys, values)
}

/// A recorded setting as its flag takes it.
fn spelled(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(spelled).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{at}.json")).collect()
    }

    #[test]
    fn reports_are_told_apart_by_the_settings_that_differ() {
        let mut deep = run("wait", 10, 0);
        deep.ring.depth = 128;
        let results = Results::of_reports(&names(3), vec![run("wait", 10, 0), run("drop-newest", 10, 1), deep]);
        assert_eq!(results.keys, ["depth", "policy"]);
        assert_eq!(results.name(1), "depth 64, policy drop-newest");
        assert_eq!(results.title(), "Results by depth and policy");
    }

    #[test]
    fn equal_settings_are_told_apart_by_seed_or_file() {
        let mut second = run("wait", 10, 0);
        second.seed = 2;
        let results = Results::of_reports(&names(2), vec![run("wait", 10, 0), second]);
        assert_eq!((results.keys[0].as_str(), results.name(1)), ("seed", "seed 2".to_owned()));
        let results = Results::of_reports(&names(2), vec![run("wait", 10, 0), run("wait", 10, 0)]);
        assert_eq!(results.name(1), "file 1.json");
        let results = Results::of_reports(&names(1), vec![run("wait", 10, 0)]);
        assert_eq!(
            (results.keys.len(), results.name(0), results.title()),
            (0, "the only point".to_owned(), "One run".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_shown_is_an_error_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let error = Results::read(std::slice::from_ref(&path)).unwrap_err().to_string();
        assert!(error.contains("table.json") && error.contains("lab sweep --out"), "{error}");
        let error = Results::read(&[path.clone(), path]).unwrap_err().to_string();
        assert!(error.contains("name one folder"), "{error}");
    }
}
