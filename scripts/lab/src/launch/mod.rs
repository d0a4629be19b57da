//! Both processes: where their programs are, how they are started, and that they end.

mod binaries;
mod pair;
mod process;

pub(crate) use binaries::{Binaries, BinariesError};
pub(crate) use pair::{LaunchError, Remains, Voice, launch, launch_profiled};
pub(crate) use process::Process;
