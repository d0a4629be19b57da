//! Child processes: where their programs are, how they are started, and that they end.

mod folder;
mod pin;
mod process;
mod programs;

pub(crate) use folder::{FolderError, PrivateFolder};
pub(crate) use pin::{MeasuredPinning, Pin, Pinning};
pub(crate) use process::{ChildExit, Cpu, CpuPair, Process, without_settings};
pub(crate) use programs::{Binaries, BinariesError, Program, find_tool};
