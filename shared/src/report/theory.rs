//! What queueing theory says of a run, and how well the run knows itself.

use std::fmt::{Display, Formatter, Result};

use serde::{Deserialize, Serialize};

use super::human;
use super::text::{line, table};

/// What happened after the warm-up: differences between two moments of the same account.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SteadyReport {
    /// The warm-up: how long after the start of the run counting began.
    pub after_ns: u64,
    /// Packets that the apps wanted to send since.
    pub offered: u64,
    /// Packets admitted to the device since.
    pub accepted: u64,
    /// Packets that the apps kept since.
    pub refused: u64,
    /// Packets completed without error since.
    pub delivered: u64,
    /// Packets dropped since.
    pub dropped: u64,
    /// dropped / accepted; 0 if nothing was accepted.
    pub loss_ratio: f64,
    /// Mean time from accepted to completed, of those delivered since.
    pub sojourn_mean_ns: f64,
    /// Mean time from intended to completed, of those delivered since.
    pub latency_mean_ns: f64,
    /// Packets delivered a second, up to the last completion.
    pub packets_per_second: f64,
}

/// The model that fits a run's configuration, its figures, and those of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TheoryReport {
    /// In Kendall's notation, with its parameters.
    pub model: String,
    /// Predicted share of the offered packets that find no place.
    pub loss_ratio: f64,
    /// Predicted mean time in the system.
    pub sojourn_mean_ns: f64,
    /// Predicted rate of completed packets.
    pub packets_per_second: f64,
    /// Of those that were offered, how many must have found a place, to the packet; only where the
    /// model is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<u64>,
    /// The same figures of the run.
    pub measured: MeasuredReport,
    /// Whether all figures agree; nothing if there was a single run, which cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agrees: Option<bool>,
    /// In words, which figures agree and which do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// Measured figures, and which of a report's they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredReport {
    /// Which counts are the loss of the model: `dropped / accepted`, or `refused / offered`.
    pub loss_is: String,
    /// Since when a packet is in the model's system: `from acceptance`, or `from intended time`.
    pub sojourn_is: String,
    /// Measured loss.
    pub loss_ratio: f64,
    /// Measured mean time in the system.
    pub sojourn_mean_ns: f64,
    /// Measured rate of completed packets.
    pub packets_per_second: f64,
    /// As `admitted` of the prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<u64>,
}

/// Means over independent runs of the same setting, with the half-widths of their intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EstimateReport {
    /// The level at which all intervals hold together.
    pub level: f64,
    /// The half-width that was asked for, relative to the mean.
    pub precision: f64,
    /// How many runs there were.
    pub replications: u64,
    /// The seed of the first.
    pub first_seed: u64,
    /// The seed of the last; those between were all used, and no other.
    pub last_seed: u64,
    /// Loss.
    pub loss_ratio: FigureReport,
    /// Mean time in the system.
    pub sojourn_mean_ns: FigureReport,
    /// Delivered packets a second.
    pub packets_per_second: FigureReport,
}

/// A mean over runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FigureReport {
    /// The mean.
    pub mean: f64,
    /// The true mean is within this of it.
    pub half_width: f64,
}

impl FigureReport {
    /// For people, with `form` for either number.
    fn shown(&self, form: fn(f64) -> String) -> String {
        format!("{} +- {}", form(self.mean), form(self.half_width))
    }
}

/// Lines of text, each with a line feed.
impl Display for TheoryReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (measured, mut out) = (&self.measured, String::new());
        line(&mut out, "Theory", &self.model)?;
        let share = |ratio: f64| match ratio {
            // What no run would ever meet.
            0.0..1e-6 if ratio > 0.0 => "almost none".to_owned(),
            _ => human::percent(ratio),
        };
        let row = |label: String, form: fn(f64) -> String, predicted, measured| {
            vec![format!("  {label}"), form(predicted), form(measured)]
        };
        let mut rows = vec![
            ["  ", "predicted", "measured"].map(str::to_owned).to_vec(),
            row(format!("loss ({})", measured.loss_is), share, self.loss_ratio, measured.loss_ratio),
            row(
                format!("mean time {}", measured.sojourn_is),
                human::time,
                self.sojourn_mean_ns,
                measured.sojourn_mean_ns,
            ),
            row("delivered".to_owned(), human::packet_rate, self.packets_per_second, measured.packets_per_second),
        ];
        if let (Some(predicted), Some(measured)) = (self.admitted, measured.admitted) {
            rows.push(vec!["  admitted, exactly".to_owned(), human::count(predicted), human::count(measured)]);
        }
        table(&mut out, &rows)?;
        for finding in &self.findings {
            line(&mut out, "", finding)?;
        }
        f.write_str(&out)
    }
}

/// Lines of text, each with a line feed.
impl Display for EstimateReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut out = String::new();
        let Self { replications, first_seed, last_seed, level, precision, .. } = self;
        let (level, asked) = (human::percent(*level), human::percent(*precision));
        let runs = format!("{} runs, seeds {first_seed} to {last_seed}", human::count(*replications));
        line(&mut out, "Estimate", format!("{runs}, joint level {level}, asked for +- {asked} of each mean"))?;
        let rows = [
            ["  loss".to_owned(), self.loss_ratio.shown(human::percent)],
            ["  mean time".to_owned(), self.sojourn_mean_ns.shown(human::time)],
            ["  delivered".to_owned(), self.packets_per_second.shown(human::packet_rate)],
        ];
        table(&mut out, &rows.map(Vec::from))?;
        f.write_str(&out)
    }
}
