//! The driver.
#![warn(missing_docs)]

pub mod hardware;
mod pairs;
