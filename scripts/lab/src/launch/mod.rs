//! Both processes: where their programs are, how they are started, and that they end.

mod binaries;
mod pair;
mod process;

pub(crate) use binaries::{Binaries, BinariesError};
pub(crate) use pair::{LaunchError, Voice, launch};
