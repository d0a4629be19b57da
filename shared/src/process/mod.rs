//! What both programs and the lab do as processes: flags, settings, signals, output, files, exit status.

pub mod atomic_file;
pub mod data_path;
pub mod exit;
pub mod flags;
pub mod help;
pub mod json;
pub mod leftovers;
pub mod output;
pub mod parent;
pub mod peers;
pub mod settings;
pub mod signals;
pub mod start;
