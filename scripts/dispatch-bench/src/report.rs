//! The report of the benchmark: every cell, and the published ratios ("the story") beside those measured here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::report::median::Median;
use shared::report::{HostReport, Origin};

use crate::arms::Arm;
use crate::leaf::LeafKind;
use crate::measure::{Allocated, Checks, Checksum, Mode, PASS, PASSES, Timed};
use crate::work::LEVELS;

/// Schema of the file that `--json` writes.
pub const SCHEMA: &str = "pushback.dispatch-bench/1";

/// The whole benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Name and version of the schema, [`SCHEMA`].
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub origin: Origin,
    /// The machine on which it ran.
    pub host: HostReport,
    /// Levels of each call.
    pub levels: usize,
    /// Variants of each level.
    pub variants: usize,
    /// Repetitions of each cell.
    pub repetitions: u32,
    /// Calls per repetition.
    pub calls: u64,
    /// Why instructions were not counted; `None` if they were.
    pub not_counted: Option<String>,
    /// One row for each cell.
    pub rows: Vec<Row>,
    /// The published ratios, and those measured here.
    pub story: Vec<Ratio>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The way to call.
    pub arm: String,
    /// `hot` or `cold`.
    pub mode: String,
    /// The last level.
    pub leaf: String,
    /// The checksum of the calls, equal for all arms.
    pub checksum: Checksum,
    /// Nanoseconds per call over all repetitions.
    pub ns_per_call: Spread,
    /// Nanoseconds per call of each repetition, in order.
    pub repetitions: Vec<f64>,
    /// Instructions per call, counted by callgrind.
    pub instructions_per_call: Option<f64>,
    /// Allocations per call, counted by the allocator.
    pub allocations_per_call: f64,
    /// Bytes that hold one call in progress, on the heap or not.
    pub future_bytes: f64,
}

/// A median with quartiles and extremes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// The smallest value.
    pub min: f64,
    /// A quarter of the values are below it.
    pub lower_quartile: f64,
    /// Half of the values are below it.
    pub median: f64,
    /// A quarter of the values are above it.
    pub upper_quartile: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; all zero if there are none.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * sorted.len().saturating_sub(1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            match (sorted.get(below), sorted.get(above)) {
                (Some(below), Some(above)) => below + (above - below) * place.fract(),
                _ => 0.0,
            }
        };
        Self { min: at(0.0), lower_quartile: at(0.25), median: at(0.5), upper_quartile: at(0.75), max: at(1.0) }
    }
}

/// One published ratio, and the ratio of two arms that may correspond to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// The arm divided, and the arm it is divided by.
    pub name: String,
    /// The published ratio.
    pub story: Option<f64>,
    /// The ratio measured with one variant.
    pub hot: f64,
    /// The ratio measured with all variants in shuffled order.
    pub cold: f64,
    /// The 95 % interval of `hot`; `None` if there are too few repetitions for one.
    #[serde(default)]
    pub hot_interval: Option<(f64, f64)>,
    /// The 95 % interval of `cold`.
    #[serde(default)]
    pub cold_interval: Option<(f64, f64)>,
}

/// The published times in nanoseconds: boxed and native, `async fn` and sync.
const STORY: [(f64, f64); 2] = [(1820.0, 639.0), (433.40, 311.39)];

/// The arms that may correspond to the published times, each with the index of the times in [`STORY`].
const RATIOS: [(usize, Arm, Arm); 5] = [
    (0, Arm::BoxedDyn, Arm::Native),
    (0, Arm::BoxedDyn, Arm::NativeOutlined),
    (0, Arm::BoxedGeneric, Arm::NativeOutlined),
    (1, Arm::Native, Arm::SyncGeneric),
    (1, Arm::NativeOutlined, Arm::SyncDyn),
];

impl Report {
    /// Creates the report from the measurements, each in the order of [`Cell::all`](crate::measure::Cell::all).
    pub fn new(timed: Vec<Timed>, counted: Result<Vec<f64>, &str>, allocated: &[Allocated], checks: &Checks) -> Self {
        let repetitions = timed.first().map_or(0, |timed| timed.repetitions.len() as u32);
        let rows: Vec<Row> = timed
            .into_iter()
            .zip(allocated)
            .enumerate()
            .map(|(at, (timed, allocated))| Row {
                arm: timed.cell.arm.to_string(),
                mode: timed.cell.mode.to_string(),
                leaf: timed.cell.leaf.to_string(),
                checksum: checks.checksum(timed.cell, PASSES).unwrap_or(allocated.checksum),
                ns_per_call: Spread::of(&timed.repetitions),
                repetitions: timed.repetitions,
                instructions_per_call: counted.as_ref().ok().and_then(|counted| counted.get(at).copied()),
                allocations_per_call: allocated.allocations,
                future_bytes: timed.space as f64 + allocated.bytes,
            })
            .collect();
        Self {
            schema: SCHEMA.to_owned(),
            origin: Origin::now(),
            host: HostReport::read(),
            levels: LEVELS,
            variants: PASS,
            repetitions,
            calls: (PASSES * PASS) as u64,
            not_counted: counted.err().map(str::to_owned),
            story: RATIOS.iter().filter_map(|&(story, above, below)| ratio(&rows, story, above, below)).collect(),
            rows,
        }
    }

    /// The row of a cell, if there is one.
    pub(crate) fn row(&self, arm: Arm, mode: Mode, leaf: LeafKind) -> Option<&Row> {
        find(&self.rows, arm, mode, leaf)
    }
}

fn find(rows: &[Row], arm: Arm, mode: Mode, leaf: LeafKind) -> Option<&Row> {
    rows.iter().find(|row| row.arm == arm.name() && row.mode == mode.to_string() && row.leaf == leaf.to_string())
}

/// The ratio of the times of `one` and `other`: the median of the ratios within each repetition, which a drift of the
/// machine's speed changes little.
pub(crate) fn times(one: &Row, other: &Row) -> Median {
    let both = one.repetitions.iter().zip(&other.repetitions).filter(|(_, other)| **other > 0.0);
    Median::of(both.map(|(one, other)| one / other))
}

/// The ratio with the leaf of the published figures, which is always ready.
fn ratio(rows: &[Row], story: usize, above: Arm, below: Arm) -> Option<Ratio> {
    let ours = |mode| {
        let row = |arm| find(rows, arm, mode, LeafKind::Ready);
        Some(times(row(above)?, row(below)?))
    };
    let (hot, cold) = (ours(Mode::Hot)?, ours(Mode::Cold)?);
    Some(Ratio {
        name: format!("{above} / {below}"),
        story: STORY.get(story).map(|(above, below)| above / below),
        hot: hot.value,
        cold: cold.value,
        hot_interval: hot.interval,
        cold_interval: cold.interval,
    })
}

#[cfg(test)]
impl Report {
    /// A report with invented figures that can be distinguished: hundreds for the arm, 50 for cold, units for the leaf.
    pub(crate) fn made_up(counted: Result<Vec<f64>, &str>) -> Self {
        let timed = crate::measure::Cell::all().map(|cell| {
            let (arm, leaf) = (cell.arm as u32 * 100, cell.leaf as u32);
            let ns = f64::from(100 + arm + leaf + if cell.mode == Mode::Cold { 50 } else { 0 });
            Timed { cell, repetitions: vec![ns, ns - 1.0, ns + 9.0], space: cell.arm as usize * 16 }
        });
        let allocated = Allocated { allocations: 5.0, bytes: 240.0, checksum: Checksum(7) };
        let mut report = Self::new(timed.collect(), counted, &[allocated; 72], &Checks::default());
        (report.variants, report.calls) = (512, 16_384);
        report
    }
}

#[cfg(test)]
mod tests {
    use shared::report::schema::schema_of;

    use super::*;
    use crate::committed;

    #[test]
    fn the_committed_schema_is_that_of_what_is_written() {
        let schema = schema_of::<Report>();
        committed::compare("dispatch-bench-1", &schema, "dispatch-bench");
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for counted in [Err("valgrind is not installed"), Ok(vec![3.5; 72])] {
            let written = serde_json::to_value(Report::made_up(counted)).unwrap();
            let errors: Vec<_> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new());
        }
    }

    #[test]
    fn one_outlier_changes_only_the_maximum() {
        let spread = Spread::of(&[4.0, 2.0, 900.0, 1.0, 3.0]);
        assert_eq!(spread, Spread { min: 1.0, lower_quartile: 2.0, median: 3.0, upper_quartile: 4.0, max: 900.0 });
        assert_eq!(Spread::of(&[1.0, 2.0]).median, 1.5);
        assert_eq!(Spread::of(&[]).median, 0.0);
    }

    #[test]
    fn the_report_is_read_back_as_it_was_written() {
        let report = Report::made_up(Err("valgrind is not installed"));
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.starts_with("{\"schema\":\"pushback.dispatch-bench/1\""), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
