//! What the benchmark reports: every cell, and the ratios of the story beside ours.

use serde::{Deserialize, Serialize};
use shared::report::HostReport;
use shared::report::median::Median;

use crate::arms::Arm;
use crate::leaf::LeafKind;
use crate::measure::{Allocated, Checks, Checksum, Mode, PASS, PASSES, Timed};
use crate::table;
use crate::work::LEVELS;

/// Schema of what `--json` writes.
pub const SCHEMA: &str = "pushback.dispatch-bench/1";

/// The whole benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Where it ran.
    pub host: HostReport,
    /// Levels of each call.
    pub levels: usize,
    /// Variants of each level.
    pub variants: usize,
    /// How often each cell was timed.
    pub repetitions: u32,
    /// Calls of each repetition.
    pub calls: u64,
    /// Why instructions were not counted, if they were not.
    pub not_counted: Option<String>,
    /// One for each cell.
    pub rows: Vec<Row>,
    /// The story's ratios, and ours.
    pub story: Vec<Ratio>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The way to call.
    pub arm: String,
    /// Hot or cold.
    pub mode: String,
    /// What the last level does.
    pub leaf: String,
    /// What all arms computed.
    pub checksum: Checksum,
    /// Time.
    pub ns_per_call: Spread,
    /// Every repetition, in order.
    pub repetitions: Vec<f64>,
    /// Counted by callgrind.
    pub instructions_per_call: Option<f64>,
    /// Counted by the allocator.
    pub allocations_per_call: f64,
    /// Bytes that hold one call under way, on the heap or not.
    pub future_bytes: f64,
}

/// A median and what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// A quarter is below it.
    pub lower_quartile: f64,
    /// Half is below it.
    pub median: f64,
    /// A quarter is above it.
    pub upper_quartile: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of `values`; all zero if there are none.
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

/// One ratio of the story, and ours that could be meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// What is divided by what.
    pub name: String,
    /// The story's, where it has one.
    pub story: Option<f64>,
    /// Ours, with one variant.
    pub hot: f64,
    /// Ours, with all of them in shuffled order.
    pub cold: f64,
    /// The interval of `hot` at 95 %; nothing if there are too few repetitions for one.
    #[serde(default)]
    pub hot_interval: Option<(f64, f64)>,
    /// That of `cold`.
    #[serde(default)]
    pub cold_interval: Option<(f64, f64)>,
}

/// What the story measured, in nanoseconds: boxed against native, and `async fn` against sync.
const STORY: [(f64, f64); 2] = [(1820.0, 639.0), (433.40, 311.39)];

/// Which of our arms stand for what the story divided.
const RATIOS: [(usize, Arm, Arm); 5] = [
    (0, Arm::BoxedDyn, Arm::Native),
    (0, Arm::BoxedDyn, Arm::NativeOutlined),
    (0, Arm::BoxedGeneric, Arm::NativeOutlined),
    (1, Arm::Native, Arm::SyncGeneric),
    (1, Arm::NativeOutlined, Arm::SyncDyn),
];

impl Report {
    /// Puts together what was measured, each in the order of [`Cell::all`](crate::measure::Cell::all).
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

    /// As people read it: Markdown.
    pub fn for_people(&self) -> String {
        table::render(self)
    }
}

fn find(rows: &[Row], arm: Arm, mode: Mode, leaf: LeafKind) -> Option<&Row> {
    rows.iter().find(|row| row.arm == arm.name() && row.mode == mode.to_string() && row.leaf == leaf.to_string())
}

/// How much longer `one` takes than `other`: the median of the ratios in the same repetition, so that a machine
/// that drifts moves it little.
pub(crate) fn times(one: &Row, other: &Row) -> Median {
    let both = one.repetitions.iter().zip(&other.repetitions).filter(|(_, other)| **other > 0.0);
    Median::of(both.map(|(one, other)| one / other))
}

/// With the leaf of the story, which is always ready.
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
mod tests {
    use super::*;
    use crate::measure::Cell;

    #[test]
    fn one_bad_repetition_moves_the_maximum_alone() {
        let spread = Spread::of(&[4.0, 2.0, 900.0, 1.0, 3.0]);
        assert_eq!(spread, Spread { min: 1.0, lower_quartile: 2.0, median: 3.0, upper_quartile: 4.0, max: 900.0 });
        assert_eq!(Spread::of(&[1.0, 2.0]).median, 1.5);
        assert_eq!(Spread::of(&[]).median, 0.0);
    }

    /// Made-up figures that can be told apart: hundreds for the arm, 50 for cold, units for the leaf.
    fn made_up(counted: Result<Vec<f64>, &str>) -> Report {
        let timed = Cell::all().map(|cell| {
            let (arm, leaf) = (cell.arm as u32 * 100, cell.leaf as u32);
            let ns = f64::from(100 + arm + leaf + if cell.mode == Mode::Cold { 50 } else { 0 });
            Timed { cell, repetitions: vec![ns, ns - 1.0, ns + 9.0], space: cell.arm as usize * 16 }
        });
        let allocated = Allocated { allocations: 5.0, bytes: 240.0, checksum: Checksum(7) };
        let mut report = Report::new(timed.collect(), counted, &[allocated; 72], &Checks::default());
        (report.variants, report.calls) = (512, 16_384);
        report
    }

    #[test]
    fn the_table_has_an_arm_a_line_and_a_leaf_a_table() {
        insta::assert_snapshot!(made_up(Ok((0..72).map(|at| f64::from(at) + 0.5).collect())).for_people());
    }

    #[test]
    fn without_counts_the_report_says_why_in_one_line() {
        let said = made_up(Err("valgrind is not installed")).for_people();
        assert_eq!(said.lines().filter(|line| line.contains("valgrind is not installed")).count(), 1, "{said}");
    }

    #[test]
    fn the_report_is_read_back_as_it_was_written() {
        let report = made_up(Err("valgrind is not installed"));
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.starts_with("{\"schema\":\"pushback.dispatch-bench/1\""), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
