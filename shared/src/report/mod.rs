//! The report of a run: one self-describing value, from which both JSON and text are rendered.

mod budget;
mod driver;
mod host;
pub mod human;
mod interval;
mod json;
mod machine;
pub mod median;
mod run;
mod summary;
mod text;
mod theory;
mod warning;

pub use budget::{BudgetReport, PACKET_ALLOWANCE, ProcessBudget, RoomBudget};
pub use driver::{DRIVER_SCHEMA, DriverFile, DriverReport, HardwareReport, ProcessReport};
pub use interval::{IntervalLines, STALLED, interval_header, interval_line};
pub use json::{JsonError, JsonSink, JsonTarget};
pub use machine::machine_warning;
pub use run::{
    AppReport, BlockedReport, ConfigReport, Doorbells, Ending, HostReport, LedgerReport, OLD_RUN_SCHEMA, RUN_SCHEMA,
    RateReport, RingReport, RunReport, Sample, StageReport, Totals, WakesReport, WakeupsReport,
};
pub use summary::Summary;
pub use theory::{EstimateReport, FigureReport, JudgedReport, MeasuredReport, SteadyReport, TheoryReport, Verdict};
pub use warning::{Warning, WarningCode};
