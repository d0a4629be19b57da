//! Reports for people and for other programs: the figures of a run, tables and CSV, sentences, and SVG figures.

pub(crate) mod chart;
pub(crate) mod figures;
pub(crate) mod file;
pub(crate) mod markup;
pub(crate) mod story;
pub(crate) mod svg;
pub(crate) mod table;
