//! Predict with a simulation, confirm with a run: do both agree at each point of a grid?
//!
//! [`grid`] has the points, [`judge`] holds the two reports of a point against each other. Both are pure; the
//! command runs the processes.

pub(crate) mod grid;
pub(crate) mod judge;
