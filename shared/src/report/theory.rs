//! The prediction of queueing theory for a run, and the confidence intervals of the measured figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The figures after the warm-up: the counters at the end minus those at the end of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SteadyReport {
    /// The length of the warm-up, from the start of the run.
    pub after_ns: u64,
    /// Packets that the apps wanted to send since.
    pub offered: u64,
    /// Packets admitted to the device since.
    pub accepted: u64,
    /// Packets refused since.
    pub refused: u64,
    /// Packets completed without error since.
    pub delivered: u64,
    /// Packets dropped since.
    pub dropped: u64,
    /// dropped / accepted; null if nothing was accepted.
    pub loss_ratio: Option<f64>,
    /// Mean time from accepted to completed, of those delivered since.
    pub sojourn_mean_ns: f64,
    /// Mean time from intended to completed, of those delivered since.
    pub latency_mean_ns: f64,
    /// Packets delivered a second, from the end of the warm-up on, as the run's rate is counted.
    pub packets_per_second: Option<f64>,
}

/// The model that fits a run's settings, its predicted figures, and the measured ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TheoryReport {
    /// In Kendall's notation, with its parameters.
    pub model: String,
    /// Predicted share of the offered packets that find the system full.
    pub loss_ratio: f64,
    /// Predicted mean time in the system.
    pub sojourn_mean_ns: f64,
    /// Predicted rate of completed packets.
    pub packets_per_second: f64,
    /// The exact number of offered packets that must have been admitted; only if the model is deterministic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<u64>,
    /// The same figures of the run.
    pub measured: MeasuredReport,
    /// Whether measurement and prediction agree; `None` after a single run with random packets, which is not enough
    /// to decide.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// The verdict as yes or no; `None` if it is unknown.
    #[serde(default)]
    pub agrees: Option<bool>,
    /// The confidence levels of the verdict; `None` if nothing was random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<JudgedReport>,
    /// In words, which figures agree and which do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// Whether a measurement agrees with a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Each figure supports its prediction.
    Yes,
    /// At least one contradicts it.
    No,
    /// No figure contradicts its prediction, and at least one is too uncertain to support it.
    Unknown,
}

/// The confidence levels of a verdict over several figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JudgedReport {
    /// How many figures were judged.
    pub figures: u32,
    /// The confidence level of all of them together.
    pub joint_level: f64,
    /// The level at which each was judged, so that all together have the joint level (Bonferroni).
    pub level: f64,
}

/// Measured figures, and which figures of the report they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredReport {
    /// The ratio that corresponds to the model's loss: `dropped / accepted`, or `refused / offered`.
    pub loss_is: String,
    /// When a packet enters the model's system: `from acceptance`, so that its time there is the sojourn, or `from intended
    /// time`, so that it is the latency.
    pub sojourn_is: String,
    /// When counting began, after the start of the run.
    #[serde(default)]
    pub since_ns: u64,
    /// Measured loss; null without packets.
    pub loss_ratio: Option<f64>,
    /// Measured mean time in the system; null if nothing was delivered.
    pub sojourn_mean_ns: Option<f64>,
    /// Measured rate of completed packets; null where it is undefined.
    pub packets_per_second: Option<f64>,
    /// Packets admitted, to compare with the predicted number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<u64>,
}

impl MeasuredReport {
    /// What the mean time is of.
    pub fn time(&self) -> &'static str {
        if self.sojourn_is == "from intended time" { "mean latency" } else { "mean sojourn" }
    }
}

/// Means over independent runs of the same setting, with the half-widths of their intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EstimateReport {
    /// The level of each interval.
    pub level: f64,
    /// The requested half-width, relative to the mean; `None` if a number of runs was requested.
    pub precision: Option<f64>,
    /// Whether anything in the runs is random. If not, there was one run, because all would be equal.
    #[serde(default = "random")]
    pub random: bool,
    /// How many runs there were.
    pub replications: u64,
    /// The seed of the first.
    pub first_seed: u64,
    /// The seed of the last; the runs used each seed from the first to this one once.
    pub last_seed: u64,
    /// The denominator of the loss: packets in all runs together.
    #[serde(default)]
    pub packets: u64,
    /// Loss.
    pub loss_ratio: FigureReport,
    /// Mean time in the system.
    pub sojourn_mean_ns: FigureReport,
    /// Delivered packets a second.
    pub packets_per_second: FigureReport,
}

/// For old reports, which lack the key: their version treated every run as random.
fn random() -> bool {
    true
}

/// A mean over runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FigureReport {
    /// The mean.
    pub mean: f64,
    /// The half-width of the mean's confidence interval. `None` if all runs gave the same value: that does not mean
    /// an interval of width 0.
    pub half_width: Option<f64>,
    /// If the figure is a share that was 0 in all runs: the upper bound of the true share at the level,
    /// provided that packets are independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}
