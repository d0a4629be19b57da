//! A set of points: the settings that all of them share, those that vary, and the table of runs.
//!
//! A point is one combination of settings; a run is one seed of it. All points use the same seeds, so that they see the
//! same arrivals and can be compared run by run.

use std::collections::BTreeMap;

use driver::settings::Settings as DriverArgs;
use netstack::app::AppSpec;
use netstack::process::Args as StackArgs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::process::settings::MAX_EXACT;
use shared::report::{ConfigReport, Origin};
use xxhash_rust::xxh3::xxh3_128;

use super::axis::Axis;
use super::setting::{SettingError, set};
use crate::flags::{FlagError, Given, over};
use crate::runner::check_settings;
use crate::runner::sequence::ClockKind;
use crate::settings::RunSettings;

/// Schema of the file that holds the table of runs.
pub(crate) const TABLE_SCHEMA: &str = "pushback.sweep-table/2";

/// The previous schema, in which some counts are text. Its tables can still be read.
const OLD_TABLE_SCHEMA: &str = "pushback.sweep-table/1";

/// The most points and the most runs of one set.
const MOST_RUNS: u64 = 1_000_000;

/// Settings that change no figure of a run; paths are not part of the settings.
const WITHOUT_EFFECT: [&str; 2] = ["quiet", "connect_timeout"];

/// One combination of settings.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    /// The values of what varies, in the order of [`Points::keys`].
    pub(crate) values: Vec<String>,
    /// All settings, with the first seed.
    pub(crate) settings: RunSettings,
}

/// One seed of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The number of its point, from 0.
    pub(crate) point: usize,
    /// The seed.
    pub(crate) seed: u64,
}

/// The points and their runs.
#[derive(Debug, Clone)]
pub(crate) struct Points {
    pub(crate) clock: ClockKind,
    /// The settings before what varies is set.
    pub(crate) base: RunSettings,
    /// The names of what varies.
    pub(crate) keys: Vec<String>,
    pub(crate) points: Vec<Point>,
    /// Every run: all points with the first seed, then all with the second, and so on.
    runs: Vec<Run>,
    /// The numbers of the runs of each point, in the order of their seeds.
    by_point: Vec<Vec<usize>>,
}

/// Why there is no set of points.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PointsError {
    /// A setting varies twice.
    #[error("--vary {0} is given twice; list all of its values once")]
    TwoAxes(String),
    /// There are too many runs.
    #[error("{0} runs are too many; use fewer values or --repetitions, at most {MOST_RUNS} runs in all")]
    TooMany(u128),
    /// A setting cannot be set.
    #[error("--vary {0}")]
    Setting(#[from] SettingError),
    /// Two points have the same settings.
    #[error("the points {one} and {other} have the same settings; leave one of them out")]
    Equal {
        /// What varies, with the values of the first.
        one: String,
        /// The same of the second.
        other: String,
    },
    /// The settings of a point are invalid together.
    #[error("point {number} ({point}): {why}")]
    Invalid {
        /// Its number, from 0.
        number: usize,
        /// What varies, with the values of this point.
        point: String,
        /// The reason and the remedy.
        why: String,
    },
    /// The seeds exceed the largest one.
    #[error("--seed {seed} with {count} repetitions: the largest seed is {MAX_EXACT}; use a smaller --seed")]
    Seeds {
        /// The first seed.
        seed: u64,
        /// How many.
        count: u64,
    },
}

impl Points {
    /// Every combination of the values of `axes`, with the first seed only. The last axis changes fastest.
    ///
    /// # Errors
    /// [`PointsError`] if a combination cannot be run.
    pub(crate) fn combinations(base: &RunSettings, clock: ClockKind, axes: &[Axis]) -> Result<Self, PointsError> {
        for (at, axis) in axes.iter().enumerate() {
            if axes[..at].iter().any(|other| other.key == axis.key) {
                return Err(PointsError::TwoAxes(axis.key.clone()));
            }
        }
        let mut count: u128 = 1;
        for axis in axes {
            count *= axis.values.len() as u128;
            if count > u128::from(MOST_RUNS) {
                return Err(PointsError::TooMany(count));
            }
        }
        let mut all = vec![Vec::new()];
        for axis in axes {
            let longer = |point: &Vec<String>| -> Vec<Vec<String>> {
                axis.values.iter().map(|value| [&point[..], std::slice::from_ref(value)].concat()).collect()
            };
            all = all.iter().flat_map(longer).collect();
        }
        let keys: Vec<_> = axes.iter().map(|axis| axis.key.clone()).collect();
        Self::of(base, clock, keys, all)
    }

    /// The points with these `values` of `keys`, with the first seed only.
    ///
    /// # Errors
    /// [`PointsError`] if one of them cannot be run.
    pub(crate) fn of(
        base: &RunSettings,
        clock: ClockKind,
        keys: Vec<String>,
        values: Vec<Vec<String>>,
    ) -> Result<Self, PointsError> {
        let mut points: Vec<Point> = Vec::with_capacity(values.len());
        let mut known = BTreeMap::new();
        for (number, values) in values.into_iter().enumerate() {
            let pairs: Vec<_> = keys.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
            let settings = set(base, &pairs)?;
            let valid = check_settings(&settings, clock == ClockKind::Virtual);
            valid.map_err(|error| PointsError::Invalid {
                number,
                point: named(&keys, &values),
                why: error.to_string(),
            })?;
            if let Some(same) = known.insert(digest(&settings, clock), number) {
                return Err(PointsError::Equal {
                    one: named(&keys, &points[same].values),
                    other: named(&keys, &values),
                });
            }
            points.push(Point { values, settings });
        }
        let seed = base.seed();
        let runs = (0..points.len()).map(|point| Run { point, seed }).collect();
        let set = Self { clock, base: base.clone(), keys, points, runs: Vec::new(), by_point: Vec::new() };
        Ok(set.with_runs(runs))
    }

    fn with_runs(mut self, runs: Vec<Run>) -> Self {
        (self.runs, self.by_point) = (Vec::with_capacity(runs.len()), vec![Vec::new(); self.points.len()]);
        runs.into_iter().for_each(|run| self.push(run));
        self
    }

    fn push(&mut self, run: Run) {
        self.by_point[run.point].push(self.runs.len());
        self.runs.push(run);
    }

    /// The same points with `count` seeds each. A simulation without randomness has one run: others would repeat it.
    ///
    /// # Errors
    /// [`PointsError`] if there are too many runs.
    pub(crate) fn repeated(self, count: u64) -> Result<Self, PointsError> {
        self.check(u128::from(count) * self.points.len() as u128, count)?;
        let seed = self.base.seed();
        let runs = (0..count).flat_map(|ahead| self.seeded(seed + ahead)).collect();
        Ok(self.with_runs(runs))
    }

    /// Checks that there may be `runs` in all, and that each of `count` seeds from the first one on exists.
    fn check(&self, runs: u128, count: u64) -> Result<(), PointsError> {
        if runs > u128::from(MOST_RUNS) {
            return Err(PointsError::TooMany(runs));
        }
        let seed = self.base.seed();
        match seed.checked_add(count - 1) {
            Some(last) if last <= MAX_EXACT.max(seed) => Ok(()),
            _ => Err(PointsError::Seeds { seed, count }),
        }
    }

    /// A run of each point with `seed` that differs from its run with the first seed.
    fn seeded(&self, seed: u64) -> Vec<Run> {
        let first = seed == self.base.seed();
        let repeats = |point: &usize| first || self.has_noise(*point);
        (0..self.points.len()).filter(repeats).map(|point| Run { point, seed }).collect()
    }

    /// Whether several runs of a point differ.
    pub(crate) fn has_noise(&self, point: usize) -> bool {
        self.clock == ClockKind::Real || self.points[point].settings.is_random()
    }

    /// Adds a number of runs to each of the points in `more`, with the seeds after its last one: a run of each in turn.
    ///
    /// # Errors
    /// [`PointsError`] if there are too many runs, or no such seeds.
    pub(crate) fn extend(&mut self, more: &[(usize, u64)]) -> Result<(), PointsError> {
        let runs = self.runs.len() as u128 + more.iter().map(|(_, count)| u128::from(*count)).sum::<u128>();
        for (point, count) in more {
            self.check(runs, self.by_point[*point].len() as u64 + count)?;
        }
        let seed = self.base.seed();
        let most = more.iter().map(|(_, count)| *count).max().unwrap_or(0);
        for round in 0..most {
            for (point, _) in more.iter().filter(|(_, count)| round < *count) {
                let seed = seed + self.by_point[*point].len() as u64;
                self.push(Run { point: *point, seed });
            }
        }
        Ok(())
    }

    /// The settings of a run.
    pub(crate) fn settings(&self, run: Run) -> RunSettings {
        self.points[run.point].settings.with_seed(run.seed)
    }

    /// Every run, in the order of the table.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The numbers of the runs of `point`, in the order of their seeds.
    pub(crate) fn runs_of(&self, point: usize) -> &[usize] {
        &self.by_point[point]
    }

    /// What varies, with the values of `point`, as in `depth=8, policy=wait`.
    pub(crate) fn name(&self, point: usize) -> String {
        named(&self.keys, &self.points[point].values)
    }
}

fn named(keys: &[String], values: &[String]) -> String {
    if keys.is_empty() {
        return "the only one".to_owned();
    }
    keys.iter().zip(values).map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

/// The name of the file of a run: a hash of its clock and of every setting that may change a figure.
pub(crate) fn digest(settings: &RunSettings, clock: ClockKind) -> String {
    let mut config = serde_json::to_value(settings.in_report()).unwrap_or_default();
    for side in ["netstack", "driver"] {
        if let Some(Value::Object(side)) = config.get_mut(side) {
            WITHOUT_EFFECT.iter().for_each(|name| drop(side.remove(*name)));
        }
    }
    if clock == ClockKind::Real
        && let Value::Object(config) = &mut config
    {
        config.remove("simulate");
    }
    // The settings of a trace name a file; what counts is what was read from it.
    let traces: Vec<_> = settings.apps().iter().filter_map(AppSpec::trace).map(|trace| trace.digest()).collect();
    // The keys of a JSON object are sorted here, so equal settings have equal texts.
    format!("{:032x}", xxh3_128(format!("{clock} {config} {traces:x?}").as_bytes()))
}

/// The table as a file: everything that is needed to make any of its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TableFile {
    /// Name and version of the schema, [`TABLE_SCHEMA`].
    #[schemars(extend("const" = TABLE_SCHEMA))]
    schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    origin: Origin,
    /// Version and git revision of the program that wrote it: runs of another one are not mixed with its own.
    pub(crate) program: String,
    clock: ClockKind,
    base: ConfigReport,
    keys: Vec<String>,
    /// The values of each point.
    points: Vec<Vec<String>>,
    runs: Vec<Row>,
}

/// A run in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Row {
    index: usize,
    point: usize,
    seed: u64,
    digest: String,
}

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// Its schema is another one.
    #[error("its schema is {0}; use a table of schema {TABLE_SCHEMA}, as lab sweep --dry-run writes it")]
    Schema(String),
    /// It is of another program.
    #[error("it is of version {0}, and this program is {here}; write the table again", here = program())]
    Program(String),
    /// Its settings are refused.
    #[error("its settings are refused: {0}")]
    Settings(#[from] FlagError),
    /// A point is refused.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// There is no such row.
    #[error("--index {index}: it has {rows} runs; use 0 to {}", rows.saturating_sub(1))]
    NoRow {
        /// The index that was given.
        index: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// A row does not fit its point.
    #[error("row {0} does not fit its settings; write the table again")]
    Row(usize),
    /// It is no JSON, or not all of it.
    #[error("it is no complete table ({0}); write it again")]
    Malformed(#[from] serde_json::Error),
}

/// Version and git revision of this program.
pub(crate) fn program() -> String {
    format!("{} ({})", env!("CARGO_PKG_VERSION"), shared::report::git_revision())
}

impl TableFile {
    pub(crate) fn new(set: &Points) -> Self {
        let row = |(index, run): (usize, &Run)| Row {
            index,
            point: run.point,
            seed: run.seed,
            digest: digest(&set.settings(*run), set.clock),
        };
        Self {
            schema: TABLE_SCHEMA.to_owned(),
            origin: Origin::of_program(),
            program: program(),
            clock: set.clock,
            base: set.base.in_report(),
            keys: set.keys.clone(),
            points: set.points.iter().map(|point| point.values.clone()).collect(),
            runs: set.runs.iter().enumerate().map(row).collect(),
        }
    }

    /// Reads a table of which runs are made: it must be of this program, and every row must fit its settings.
    ///
    /// # Errors
    /// [`TableError`].
    pub(crate) fn parse(text: &str) -> Result<(Self, Points), TableError> {
        let table = Self::of(text)?;
        if table.program != program() {
            return Err(TableError::Program(table.program.escape_debug().to_string()));
        }
        let set = table.points()?;
        for (index, (row, run)) in table.runs.iter().zip(set.runs()).enumerate() {
            if digest(&set.settings(*run), set.clock) != row.digest {
                return Err(TableError::Row(index));
            }
        }
        Ok((table, set))
    }

    /// Reads a table whose runs are shown and not made, which may be of another version of the program.
    ///
    /// # Errors
    /// [`TableError`].
    pub(crate) fn read(text: &str) -> Result<(Self, Points), TableError> {
        let table = Self::of(text)?;
        let set = table.points()?;
        Ok((table, set))
    }

    fn of(text: &str) -> Result<Self, TableError> {
        let head: Value = serde_json::from_str(text)?;
        match head.get("schema") {
            Some(Value::String(schema)) if [TABLE_SCHEMA, OLD_TABLE_SCHEMA].contains(&schema.as_str()) => {
                Ok(serde_json::from_str(text)?)
            }
            Some(other) => Err(TableError::Schema(other.to_string())),
            None => Err(TableError::Schema("missing".to_owned())),
        }
    }

    /// The points and their runs.
    fn points(&self) -> Result<Points, TableError> {
        let given = Given::default();
        let simulate = self.base.simulate.clone().unwrap_or_default();
        let base = RunSettings {
            netstack: over::<StackArgs>(&self.base.netstack, &given)?,
            driver: over::<DriverArgs>(&self.base.driver, &given)?,
            simulation: over(&simulate, &given)?,
            far: None,
        };
        let set = Points::of(&base, self.clock, self.keys.clone(), self.points.clone())?;
        let stray = |(at, row): &(usize, &Row)| row.index != *at || row.point >= set.points.len();
        if let Some((index, _)) = self.runs.iter().enumerate().find(stray) {
            return Err(TableError::Row(index));
        }
        let runs = self.runs.iter().map(|row| Run { point: row.point, seed: row.seed }).collect();
        Ok(set.with_runs(runs))
    }

    /// Whether both tables have the same points.
    pub(crate) fn has_points_of(&self, other: &Self) -> bool {
        (self.clock, &self.base, &self.keys, &self.points) == (other.clock, &other.base, &other.keys, &other.points)
    }

    /// The file names of the runs, without endings, in their order.
    pub(crate) fn digests(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().map(|row| row.digest.as_str())
    }
}
