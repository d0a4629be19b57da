//! A CPU for each of two processes that are measured, so that neither waits for the other's turn.

use std::fmt;
use std::io;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A CPU, as the system numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cpu(usize);

/// One for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// For the stack, or for the sender of a benchmark.
    pub(crate) producer: Cpu,
    /// For the driver, or for the receiver of a benchmark.
    pub(crate) consumer: Cpu,
}

impl Pair {
    /// The first two CPUs that this process may use; `None` if there is only one.
    pub(crate) fn here() -> Option<Self> {
        Self::of(&sched_getaffinity(None).ok()?)
    }

    /// One CPU for both, for what is counted and not timed: each then runs until it has to wait, and
    /// how much it finds does not depend on which process was faster.
    pub(crate) fn shared() -> Option<Self> {
        let cpu = *Self::allowed(&sched_getaffinity(None).ok()?).first()?;
        Some(Self { producer: cpu, consumer: cpu })
    }

    fn of(allowed: &CpuSet) -> Option<Self> {
        match Self::allowed(allowed)[..] {
            [producer, consumer, ..] => Some(Self { producer, consumer }),
            _ => None,
        }
    }

    fn allowed(set: &CpuSet) -> Vec<Cpu> {
        (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(Cpu).collect()
    }
}

impl Cpu {
    /// Lets `process` run here only, unless it has ended.
    pub(super) fn keep(self, process: Pid) -> io::Result<()> {
        let mut only = CpuSet::new();
        only.set(self.0);
        match sched_setaffinity(Some(process), &only) {
            Err(Errno::SRCH) => Ok(()),
            kept => Ok(kept?),
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_its_own_or_none_has() {
        let mut allowed = CpuSet::new();
        assert_eq!(Pair::of(&allowed), None);
        allowed.set(3);
        assert_eq!(Pair::of(&allowed), None);
        allowed.set(8);
        allowed.set(9);
        assert_eq!(Pair::of(&allowed), Some(Pair { producer: Cpu(3), consumer: Cpu(8) }));
    }
}
