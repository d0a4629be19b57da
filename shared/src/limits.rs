//! Limits of the system: what a program needs before it begins, and what to do where one is met.

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

/// Makes sure that there are as many descriptors as a program needs.
///
/// # Errors
/// [`TooFewDescriptors`], with the remedy.
pub(crate) fn check_descriptors() -> Result<(), TooFewDescriptors> {
    check(|| eventfd(0, EventfdFlags::CLOEXEC))
}

fn check(mut open: impl FnMut() -> Result<OwnedFd, Errno>) -> Result<(), TooFewDescriptors> {
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

/// What to do about `error` where something could not be written, and `otherwise` where no limit is to blame.
pub fn remedy<'a>(error: &io::Error, otherwise: &'a str) -> &'a str {
    match error.kind() {
        ErrorKind::FileTooLarge => "raise the limit of a file's size with ulimit -f",
        ErrorKind::StorageFull => "make room there, or name another place",
        ErrorKind::QuotaExceeded => "make room in the quota, or name another place",
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
            check(|| {
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
    fn each_limit_has_its_remedy() {
        let of = |errno: Errno| remedy(&errno.into(), "otherwise");
        assert!(of(Errno::FBIG).contains("ulimit -f") && of(Errno::MFILE).contains("ulimit -n"));
        assert!(of(Errno::NOSPC).contains("room") && of(Errno::DQUOT).contains("quota"));
        assert_eq!(of(Errno::ACCESS), "otherwise");
    }
}
