//! Estimates: the mean of a few replications with its interval, and when there are enough replications.
//!
//! One long run is not enough near saturation: consecutive packets meet the same queue, so their losses are not
//! independent, and a standard error computed from them is far too small. Whole runs with different seeds are
//! independent; the interval of their mean uses Student's t.

mod level;
mod replications;
mod stopping;
mod student_t;

pub use level::{MAX_LEVEL, bonferroni, never_in, unlike};
pub use replications::{Interval, Replications, welch};
pub use stopping::{Stopping, Verdict};
pub use student_t::two_sided;

use super::ParameterError;
