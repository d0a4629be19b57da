//! Results as documents: a page, figures, tables.
//!
//! [`results`] reads the folder of a sweep or reports; [`lines`] chooses what is drawn over which axis, and finds knees.
//! [`figures`], [`series`] and [`point`] make the charts, [`verdict`] the sentence, and [`html`] the page; [`places`] has
//! the words for the places in which a packet spends its latency.

mod figures;
mod html;
mod lines;
mod places;
mod point;
mod results;
mod series;
mod verdict;

pub(crate) use results::{Results, ResultsError};
pub(crate) use verdict::{Estimates, verdict};

use crate::report::chart;

/// A file with a figure: its name, and what it holds.
pub(crate) type FigureFile = (String, String);

/// Every figure as a file; of one point, that with the number `point` or that at the knee, in detail.
///
/// # Errors
/// If there is no such point, or its report cannot be read.
pub(crate) fn figure_files(results: &Results, point: Option<usize>) -> Result<Vec<FigureFile>, ResultsError> {
    let detail = point::detail(results, point)?.map(|detail| detail.charts).unwrap_or_default();
    let charts = figures::first(results).into_iter().chain(figures::further(results)).chain(detail);
    Ok(charts.map(|chart| (format!("{}.svg", chart.id), chart::file(&chart))).collect())
}

/// The page, with the same point in detail.
///
/// # Errors
/// As [`figure_files`].
pub(crate) fn page(results: &Results, point: Option<usize>) -> Result<String, ResultsError> {
    let detail = point::detail(results, point)?;
    Ok(html::page(results, detail.as_ref()))
}

/// A document in Markdown: what the results say, and the table.
pub(crate) fn markdown(results: &Results) -> String {
    results.document(&verdict(&results.estimates()))
}
