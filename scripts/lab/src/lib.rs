//! The laboratory: runs both processes of Pushback or simulates them, and merges, compares and renders the reports.
//!
//! [`settings`] describe a run, [`runner`] makes it, and [`theory`] predicts its figures. All else belongs to the
//! commands of the program `lab`. From the bottom up, where each module uses only those above it:
//!
//! | module | what it does |
//! | --- | --- |
//! | [`settings`] | the settings of one run, in real or in virtual time |
//! | `flags`, `replay` | settings from flags and from reports, and back; flags that other commands have |
//! | [`theory`] | queueing models, their predictions, and whether a run agrees with them |
//! | `launch` | programs, child processes and private folders |
//! | `profile` | the CPU time of a packet by component, sampled by perf |
//! | [`runner`] | one run in real or in virtual time, and repeated simulations |
//! | `report` | figures of runs as tables, CSV, sentences and SVG; charts as values |
//! | `threshold` | conditions on the figures of a report, for --fail-if |
//! | `check` | runs beside those of a baseline |
//! | `points` | a set of runs that differ in some settings: what varies, the runs, a folder for them, estimates |
//! | `comparison` | what the settings of a comparison differ by, and which is best |
//! | `page` | results of such a set, or reports, as documents: a page, figures, tables |
//! | `count` | instructions per packet, counted by valgrind |
//! | `tune` | searches the depth that meets limits |
//! | `bench`, `dispatch`, `predict`, `stress` | what the commands of these names measure and check |
//! | `help` | the texts of `lab help TOPIC` |
//! | `commands` | the flags of each command, what it runs, and what it prints |
#![forbid(unsafe_code)]

mod bench;
mod check;
mod commands;
#[cfg(test)]
#[path = "../../../shared/src/testing/committed.rs"]
mod committed;
mod comparison;
mod count;
mod dispatch;
#[cfg(test)]
mod fixture;
mod flags;
mod help;
mod launch;
mod page;
mod points;
mod predict;
mod profile;
mod progress;
mod replay;
mod report;
pub mod runner;
#[cfg(test)]
mod schemas;
pub mod settings;
mod stress;
pub mod theory;
mod threshold;
mod tune;

pub use commands::main;
