//! A set of points and their results: what `lab sweep`, `lab compare` and `lab tune` are made of.
//!
//! An [`Axis`](axis::Axis) is a setting with the values that it takes, [`setting`] sets one of them, and [`table`] has
//! every combination and every run. [`run`] makes the runs, [`store`] keeps them in a folder, [`estimate`] has the mean
//! of each figure with its interval, [`difference`] what the points differ by, seed by seed, [`verdict`] says which is best,
//! [`output`] prints them, and [`provenance`] tells when, where and how they were made. [`plan`] reads all of it from a
//! file.

pub(crate) mod axis;
pub(crate) mod difference;
pub(crate) mod estimate;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod provenance;
pub(crate) mod run;
pub(crate) mod setting;
pub(crate) mod store;
pub(crate) mod table;
pub(crate) mod verdict;
