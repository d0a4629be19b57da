//! Both processes: where their programs are, how they are started, and that they end.

mod binaries;
mod pair;
mod process;
mod signals;

pub(crate) use binaries::{Binaries, BinariesError};
pub(crate) use pair::{LaunchError, Voice, launch};
pub(crate) use signals::Signals;
