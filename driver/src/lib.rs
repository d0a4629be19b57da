//! The driver.
#![warn(missing_docs)]

pub mod backend;
pub mod hardware;
mod pairs;
pub mod session;
