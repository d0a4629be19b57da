//! Runs of equal settings, put together as points with a baseline and a new side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shared::report::{ConfigReport, Ending, RunReport};

use crate::flags::{in_force, simulated};
use crate::points::store::FAILED_SCHEMA;
use crate::replay::{FileError, FileProblem, runs_in};
use crate::settings::RunSettings;

/// Settings that change no figure, and the seed: runs that differ in them alone belong to one point.
const NO_FIGURE: [&str; 3] = ["seed", "quiet", "connect_timeout"];

/// The folder in which a sweep keeps a report for each run.
const RUNS: &str = "runs";

/// What measures the time of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clock {
    Real,
    Virtual,
}

/// The runs of one point.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    pub(super) clock: Clock,
    pub(super) baseline: Vec<&'a RunReport>,
    pub(super) new: Vec<&'a RunReport>,
    /// Runs of either side that were left out.
    left_out: [usize; 2],
    /// The settings that the sides do not have in common, in words.
    differs: Option<String>,
}

/// The runs of one side.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) reports: Vec<RunReport>,
    /// Runs of a sweep that failed and left no report to judge.
    pub(crate) failed: usize,
}

/// The runs in `path`: in a report, or in the reports of a folder and of its subfolder `runs`. Other JSON files of a
/// folder are skipped.
///
/// # Errors
/// If a file cannot be read, or nothing in a folder is a report.
pub(crate) fn runs_at(path: &Path) -> Result<Runs, FileError> {
    if !path.is_dir() {
        return Ok(Runs { reports: runs_in(path)?, failed: 0 });
    }
    let failed = |file: &Path, problem| FileError { file: file.to_owned(), problem };
    let mut files = Vec::new();
    for folder in [path.to_owned(), path.join(RUNS)].iter().filter(|folder| folder.is_dir()) {
        files.extend(json_files(folder).map_err(|error| failed(folder, error.into()))?);
    }
    let mut runs = Runs { reports: Vec::new(), failed: 0 };
    for file in files {
        match runs_in(&file) {
            Ok(more) => runs.reports.extend(more),
            Err(FileError { problem: FileProblem::UnknownSchema(schema), .. }) => {
                runs.failed += usize::from(schema == FAILED_SCHEMA);
            }
            Err(error) => return Err(error),
        }
    }
    if runs.reports.is_empty() { Err(failed(path, FileProblem::NoReport)) } else { Ok(runs) }
}

/// The JSON files in `folder`, sorted by name.
fn json_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Puts runs of equal settings together. If both sides have no settings in common, those that have one value on each
/// side are left out of the comparison: the question is then what another value of them does.
pub(crate) fn points<'a>(baseline: &'a [RunReport], new: &'a [RunReport]) -> Vec<Point<'a>> {
    let defaults = RunSettings::defaults().in_report();
    let settings = [baseline, new].map(|runs| runs.iter().map(|run| Settings::of(run, &defaults)).collect::<Vec<_>>());
    let any = |side: &[Settings], other: &[Settings]| side.iter().any(|settings| other.contains(settings));
    let differing = match &settings {
        [one, other] if any(one, other) => BTreeMap::new(),
        [one, other] => differing(one, other),
    };
    let note = (!differing.is_empty()).then(|| {
        let each = |((_, name), [before, after]): (&Named, &[String; 2])| {
            format!("{} is {before} in the baseline and {after} in NEW", name.replace('_', "-"))
        };
        differing.iter().map(each).collect::<Vec<_>>().join(", ")
    });
    let mut places = BTreeMap::new();
    let mut points: Vec<Point<'_>> = Vec::new();
    for (side, (runs, settings)) in [baseline, new].into_iter().zip(&settings).enumerate() {
        for (run, settings) in runs.iter().zip(settings) {
            let place = *places.entry(settings.without(&differing)).or_insert_with(|| {
                let clock = if run.clock == "virtual" { Clock::Virtual } else { Clock::Real };
                let (baseline, new) = (Vec::new(), Vec::new());
                points.push(Point { clock, baseline, new, left_out: [0; 2], differs: note.clone() });
                points.len() - 1
            });
            let point = &mut points[place];
            // Partial results, and counts that contradict each other, are no measurements of the point.
            if run.ending != Ending::Finished || !run.ledger.balanced {
                point.left_out[side] += 1;
            } else if side == 0 {
                point.baseline.push(run);
            } else {
                point.new.push(run);
            }
        }
    }
    points
}

/// A setting: of which program, and its name.
type Named = (&'static str, String);

/// The settings of a run that may change a figure, and its clock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Settings {
    clock: String,
    values: BTreeMap<Named, String>,
}

impl Settings {
    /// Those of `run`. A setting that an older report lacks is the default.
    fn of(run: &RunReport, defaults: &ConfigReport) -> Self {
        let none = Value::Null;
        // Settings that only a simulation has mean nothing in real time.
        let simulate = run.config.simulate.as_ref().map(|settings| (settings, defaults.simulate.as_ref()));
        let (simulate, simulated) = simulate.map_or((&none, &none), |(own, known)| (own, known.unwrap_or(&none)));
        let sides = [
            ("netstack", &run.config.netstack, &defaults.netstack),
            ("driver", &run.config.driver, &defaults.driver),
            ("simulate", simulate, simulated),
        ];
        let values = sides.into_iter().flat_map(|(side, own, known)| {
            let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
            let mut all = fields(known);
            all.extend(fields(own));
            all.retain(|name, _| !NO_FIGURE.contains(&name.as_str()));
            all.into_iter().map(move |(name, value)| ((side, name), plain(&value)))
        });
        Self { clock: run.clock.clone(), values: values.collect() }
    }

    fn without(&self, differing: &BTreeMap<Named, [String; 2]>) -> Self {
        let mut rest = self.clone();
        rest.values.retain(|name, _| !differing.contains_key(name));
        rest
    }
}

/// A value as people write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "not set".to_owned(),
        other => other.to_string(),
    }
}

/// The settings that have one value in all of `one`, and another one in all of `other`.
fn differing(one: &[Settings], other: &[Settings]) -> BTreeMap<Named, [String; 2]> {
    let only = |side: &[Settings], name: &Named| -> Option<String> {
        let mut values = side.iter().map(|settings| settings.values.get(name));
        let first = values.next()??;
        values.all(|value| value == Some(first)).then(|| first.clone())
    };
    let names = one.first().map(|settings| settings.values.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let values = names.into_iter().filter_map(|name| {
        let (before, after) = (only(one, &name)?, only(other, &name)?);
        (before != after).then_some((name, [before, after]))
    });
    values.collect()
}

impl Point<'_> {
    /// The runs of both sides with the same seed.
    pub(super) fn same_seeds(&self) -> Vec<(&RunReport, &RunReport)> {
        let by_seed: BTreeMap<u64, &RunReport> = self.new.iter().map(|run| (run.seed, *run)).collect();
        let pairs = self.baseline.iter().filter_map(|run| Some((*run, *by_seed.get(&run.seed)?)));
        // A seed that a side has twice gives the same run twice.
        let mut seen = BTreeSet::new();
        pairs.filter(|(run, _)| seen.insert(run.seed)).collect()
    }

    /// The settings that are not the defaults, as flags.
    pub(super) fn settings(&self) -> Vec<String> {
        let Some(run) = self.baseline.first().or(self.new.first()) else { return Vec::new() };
        let ignored = NO_FIGURE.map(|name| format!("--{}", name.replace('_', "-")));
        let changes_a_figure =
            |flag: &String| !ignored.iter().any(|name| flag.split('=').next() == Some(name.as_str()));
        let simulation = run.config.simulate.as_ref().map(simulated).unwrap_or_default();
        in_force(run).into_iter().filter(changes_a_figure).chain(simulation).collect()
    }

    /// Whether the baseline has runs of the point, but none that can be judged.
    pub(super) fn is_undecided(&self) -> bool {
        self.baseline.is_empty() && self.left_out[0] > 0
    }

    /// What is missing or was left out, in words, and whether NEW lacks something of the baseline.
    pub(super) fn notes(&self) -> (Vec<String>, bool) {
        let mut notes: Vec<String> = self.differs.iter().cloned().collect();
        let [before, after] = self.left_out;
        for (runs, side) in [(before, "the baseline"), (after, "NEW")] {
            if runs > 0 {
                notes.push(format!("{runs} runs of {side} are left out: they ended early or do not balance"));
            }
        }
        let mut missing = false;
        match (self.baseline.is_empty(), self.new.is_empty()) {
            // There are runs, but none that can be judged.
            (true, _) if before > 0 => {}
            (_, true) if after > 0 => missing = true,
            (false, true) => {
                missing = true;
                notes.push("missing in NEW".to_owned());
            }
            (true, _) => notes.push("only in NEW".to_owned()),
            (false, false) if self.clock == Clock::Virtual => {
                let seeds = |runs: &[&RunReport]| runs.iter().map(|run| run.seed).collect::<BTreeSet<_>>();
                let (baseline, new) = (seeds(&self.baseline), seeds(&self.new));
                let list = |seeds: Vec<&u64>| seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let (lost, added): (Vec<_>, Vec<_>) =
                    (baseline.difference(&new).collect(), new.difference(&baseline).collect());
                if !lost.is_empty() {
                    missing = true;
                    notes.push(format!("seeds missing in NEW: {}", list(lost)));
                }
                if !added.is_empty() {
                    notes.push(format!("seeds only in NEW: {}", list(added)));
                }
                if self.same_seeds().iter().any(|(one, other)| one.arrivals_digest != other.arrivals_digest) {
                    notes.push("equal seeds have other arrivals in NEW: another version drew them".to_owned());
                }
            }
            (false, false) => {}
        }
        (notes, missing)
    }
}
