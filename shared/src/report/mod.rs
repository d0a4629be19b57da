//! The report of a run: one self-describing value, from which both JSON and text are rendered.
//!
//! The modules here hold values only; [`text`] renders them, and no value uses it.

mod blame;
mod budget;
mod distribution;
mod driver;
mod fairness;
mod host;
pub mod median;
mod origin;
mod run;
pub mod schema;
mod split;
mod stream;
mod summary;
pub mod text;
mod theory;
mod up;
mod warning;

pub use blame::{BlameReport, BlameRow};
pub use budget::{BudgetReport, ComponentBudget, PACKET_ALLOWANCE, ProcessBudget};
pub use distribution::Distribution;
pub use driver::{
    BackendReport, DRIVER_SCHEMA, DriverFile, DriverReport, HardwareReport, ProcessReport, UpDriverReport,
};
pub use fairness::{Demand, FairnessReport, jain_index};
pub use host::{HostReport, git_revision};
pub use origin::Origin;
pub use run::{
    AppReport, BackpressureReport, BlockedReport, ConfigReport, Distributions, Ending, LedgerReport, OLD_RUN_SCHEMA,
    RUN_SCHEMA, RateReport, RingReport, RunReport, Sample, StageReport, Totals, WakesReport, WakeupsReport, ratio,
};
pub use split::{HardwareSplit, SplitReport};
pub use stream::{STREAM_SCHEMA, StreamEvent, StreamStart};
pub use summary::Summary;
pub use text::{IntervalLines, STALLED, human, interval_header, interval_line, machine_warning, traffic};
pub use theory::{EstimateReport, FigureReport, JudgedReport, MeasuredReport, SteadyReport, TheoryReport, Verdict};
pub use up::{SocketReport, UpReport, UpRingReport, UpTotals};
pub use warning::{Warning, WarningCode};
