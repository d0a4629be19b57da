//! Runs: settings in, a report out.
//!
//! [`RunSettings`](crate::settings::RunSettings) describe one run. [`simulate`] makes it in virtual time, in this
//! process: exact to the nanosecond, and with the same result each time. `real` makes it in real time, in two new
//! processes, and merges what both report. Both run the same apps, layers, ring, driver session and hardware model.
//! [`replicate`] repeats a simulation until its means are known well enough.
//!
//! ```
//! use lab::runner::simulate;
//! use lab::settings::RunSettings;
//!
//! let mut settings = RunSettings::defaults();
//! settings.set_apps(&["poisson:load=0.9"])?;
//! settings.set_packets(1_000);
//! let report = simulate(&settings)?;
//! assert!(report.ledger.balanced && report.totals.delivered == 1_000);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod beside;
mod children;
mod far;
pub(crate) mod full_rate;
mod merge;
pub(crate) mod real;
mod replicate;
pub(crate) mod sequence;
mod two_hosts;
mod virtual_plan;
mod virtual_time;
pub(crate) mod workload;

pub use replicate::{DEFAULT_PRECISION, Repeat, Replicated, replicate, replicate_while};
pub(crate) use virtual_plan::check_settings;
pub use virtual_plan::{SimulateError, Timeless};
pub use virtual_time::{clock, simulate, simulate_anywhere, simulate_figures, simulate_on, simulate_watched};
