//! Limits of the system: what a program needs before it starts, and the remedy for an error at a limit.

use std::collections::TryReserveError;
use std::hint::black_box;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// Descriptors that each program needs to be able to open: sockets, pipes, the ring, reports, and those
/// of the runtime, which panics where it finds none.
const DESCRIPTORS: usize = 32;

/// A limit of open files that is too low.
#[derive(Debug, thiserror::Error)]
#[error(
    "only {free} more files can be opened, and {DESCRIPTORS} are needed ({cause}); raise the limit with ulimit -n {}",
    DESCRIPTORS * 2
)]
pub(crate) struct TooFewDescriptors {
    free: usize,
    cause: io::Error,
}

/// Address space that each program needs beside what depends on its flags: the stacks of its threads and what they
/// allocate, and the text of its report.
const MEMORY: usize = 12 << 20;

/// A limit that makes work impossible.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    #[error(
        "cannot allocate the {mebibytes} MiB that the program needs to start ({0}); raise the limit with ulimit -v, or \
         end other programs",
        mebibytes = MEMORY >> 20
    )]
    Memory(#[from] TryReserveError),
}

/// Checks that this process may open the descriptors and use the address space that each program needs.
///
/// # Errors
/// [`LimitError`], with the remedy.
pub(crate) fn check() -> Result<(), LimitError> {
    drop(Ballast::new(MEMORY.saturating_sub(HEADROOM))?);
    Ok(check_descriptors(|| eventfd(0, EventfdFlags::CLOEXEC))?)
}

fn check_descriptors(mut open: impl FnMut() -> Result<OwnedFd, Errno>) -> Result<(), TooFewDescriptors> {
    // All of them at once; they are closed again together.
    let mut opened = Vec::with_capacity(DESCRIPTORS);
    while opened.len() < DESCRIPTORS {
        match open() {
            Ok(descriptor) => opened.push(descriptor),
            Err(cause) => return Err(TooFewDescriptors { free: opened.len(), cause: cause.into() }),
        }
    }
    Ok(())
}

/// Memory that a program needs for small things that grow while it runs: messages, text, the runtime's own. It is
/// requested in advance, because a program that runs out of memory later can only abort.
const HEADROOM: usize = 4 << 20;

/// Memory that is reserved for later use, and released just before that.
#[derive(Debug)]
pub struct Ballast(#[allow(dead_code, reason = "it is held, and never looked at")] Vec<u8>);

impl Ballast {
    /// Reserves `bytes` and `HEADROOM`. No page is touched, so this takes only address space.
    ///
    /// # Errors
    /// If there is not that much memory.
    pub fn new(bytes: usize) -> Result<Self, TryReserveError> {
        let mut held = Vec::new();
        held.try_reserve_exact(bytes.saturating_add(HEADROOM))?;
        // A compiler may leave out an allocation that is never used.
        Ok(Self(black_box(held)))
    }
}

/// `len` zeros, or the reason why there is no memory for them. Pages are committed when they are first written.
///
/// # Errors
/// If there is not so much memory.
pub fn zeroed(len: usize) -> Result<Vec<u8>, TryReserveError> {
    // The standard library has no fallible allocation of zeroed memory, and filling it would commit all pages. So the
    // same amount is allocated first, and freed.
    let mut asked = Vec::<u8>::new();
    asked.try_reserve_exact(len)?;
    // A compiler may leave out an allocation that is never used.
    drop(black_box(asked));
    Ok(vec![0; len])
}

/// Whether `error` says that this process, or the machine, has no more descriptors or memory.
pub fn is_met(error: &io::Error) -> bool {
    let limits = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|errno| limits.contains(&errno))
}

/// What to do about `error` where something could not be written, and `otherwise` where no limit is to blame.
pub fn remedy<'a>(error: &io::Error, otherwise: &'a str) -> &'a str {
    match error.kind() {
        ErrorKind::FileTooLarge => "raise the limit of a file's size with ulimit -f",
        ErrorKind::StorageFull => "free some space there, or name another path",
        ErrorKind::QuotaExceeded => "free some space of the quota, or name another path",
        _ if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
            "raise the limit of open files with ulimit -n"
        }
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_descriptors_are_counted_and_the_remedy_is_named() {
        let up_to = |most: usize| {
            let mut left = most;
            check_descriptors(|| {
                left = left.checked_sub(1).ok_or(Errno::MFILE)?;
                eventfd(0, EventfdFlags::CLOEXEC)
            })
        };
        assert!(up_to(DESCRIPTORS).is_ok());
        for few in [0, 4, DESCRIPTORS - 1] {
            let said = up_to(few).unwrap_err().to_string();
            assert!(said.contains(&format!("only {few} more")) && said.contains("ulimit -n 64"), "{said}");
        }
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let too_much = isize::MAX as usize;
        assert!(zeroed(too_much).is_err() && Ballast::new(too_much).is_err());
        assert_eq!(zeroed(3).unwrap(), [0; 3]);
    }

    #[test]
    fn each_limit_has_its_remedy() {
        let of = |errno: Errno| remedy(&errno.into(), "otherwise");
        assert!(of(Errno::FBIG).contains("ulimit -f") && of(Errno::MFILE).contains("ulimit -n"));
        assert!(of(Errno::NOSPC).contains("free some space") && of(Errno::DQUOT).contains("quota"));
        assert_eq!(of(Errno::ACCESS), "otherwise");
    }
}
