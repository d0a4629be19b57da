//! Predicts a run by a simulation, and checks at each point of a grid that a real run agrees with it.
//!
//! [`grid`] makes the points, [`judge`] compares the two reports of a point. Both are pure; the command `lab predict`
//! runs the processes.

pub(crate) mod grid;
pub(crate) mod judge;
