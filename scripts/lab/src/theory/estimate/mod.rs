//! Estimates: what a handful of replications says about a mean, and when there are enough of them.
//!
//! One long run says little near saturation: neighbouring packets meet the same queue, so their losses are
//! not independent, and a standard error computed from them is far too small. Whole runs with different
//! seeds are independent. Their means go through Student's t.
//!
//! The quantile of t is computed here rather than taken from a crate. `statrs` 0.19.1 without its default
//! features builds in seconds, but at a million degrees of freedom its quartile is off in the third digit
//! and its 97.5 % point in the fifth (1 - y cancels); it panics on a chance out of range; and `nalgebra` and
//! several versions of `glam` enter the lock file unused. The series needed here are some thirty lines.

mod level;
mod replications;
mod stopping;
mod student_t;
mod unseen;

pub use level::{MAX_LEVEL, bonferroni};
pub use replications::{Interval, Replications};
pub use stopping::{Stopping, Verdict};
pub use student_t::{quantile, two_sided};
pub use unseen::{never_in, unlike};

use super::ParameterError;
