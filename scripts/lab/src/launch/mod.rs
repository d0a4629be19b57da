//! Both processes: where their programs are, how they are started, and that they end.

mod binaries;
mod cpu;
mod folder;
mod pair;
mod process;
mod tool;

pub(crate) use binaries::{Binaries, BinariesError};
pub(crate) use cpu::{Cpu, Pair};
pub(crate) use folder::{FolderError, PrivateFolder};
pub(crate) use pair::{LaunchError, Remains, Voice, launch, launch_profiled};
pub(crate) use process::{Process, without_settings};
pub(crate) use tool::find_tool;
