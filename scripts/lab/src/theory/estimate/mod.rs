//! Estimates: the mean of a few replications with its interval, and when there are enough replications.
//!
//! One long run is not enough near saturation: consecutive packets meet the same queue, so their losses are not
//! independent, and a standard error computed from them is far too small. Whole runs with different seeds are
//! independent; the interval of their mean uses Student's t.
//!
//! The quantile of t is computed here and not taken from a crate. `statrs` 0.19.1 without its default features builds
//! in seconds, but at a million degrees of freedom its quartile is wrong in the third digit and its 97.5 % point in the
//! fifth (1 - y cancels); it panics on a probability out of range; and it adds `nalgebra` and several versions of
//! `glam` to the lock file, all unused. The series needed here take about thirty lines.

mod level;
mod replications;
mod stopping;
mod student_t;

pub use level::{MAX_LEVEL, bonferroni, never_in, unlike};
pub use replications::{Interval, Replications};
pub use stopping::{Stopping, Verdict};
pub use student_t::{quantile, two_sided};

use super::ParameterError;
