//! Parses the output of `perf script`: one block per sample, the process first, then its call chain.

use std::io::{self, BufRead};

/// The fields of `perf script -F` that [`read`] parses.
pub(super) const FIELDS: &str = "pid,event,ip,sym,dso";

/// One sample: a process, and the call chain of its thread, innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sample {
    pub(super) pid: u32,
    /// Whether perf was not allowed to sample the kernel.
    pub(super) user_only: bool,
    pub(super) frames: Vec<Frame>,
}

/// One address of a call chain. Inlined functions are not separated yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    /// For a program, the offset in its file; for the kernel, the address.
    pub(super) address: u64,
    /// The name of the function, as far as symbols identify it.
    pub(super) symbol: String,
    /// The path of the program or library; in brackets if it has no file.
    pub(super) object: String,
}

impl Frame {
    /// Parses `ADDRESS SYMBOL (OBJECT)`. Symbols and paths may contain blanks and parentheses.
    fn parse(line: &str) -> Option<Self> {
        let (address, rest) = line.trim().split_once(' ')?;
        let rest = rest.strip_suffix(')')?;
        let at = rest.find(" (/").or_else(|| rest.rfind(" (["))?;
        let (symbol, object) = (&rest[..at], &rest[at + 2..]);
        let address = u64::from_str_radix(address, 16).ok()?;
        // perf marks the end of the saved stack with this address.
        let known = address != u64::MAX;
        known.then(|| Self { address, symbol: symbol.to_owned(), object: object.to_owned() })
    }
}

/// Calls `take` with each sample in `text`. Other lines are skipped.
pub(super) fn read(text: impl BufRead, mut take: impl FnMut(&Sample)) -> io::Result<()> {
    let mut sample = Sample::default();
    for line in text.lines() {
        let line = line?;
        if line.starts_with(char::is_whitespace) && line.contains('(') {
            sample.frames.extend(Frame::parse(&line));
        } else if let Some((pid, event)) = header(&line) {
            finish(&mut sample, &mut take);
            (sample.pid, sample.user_only) = (pid, event.contains(":u"));
        }
    }
    finish(&mut sample, &mut take);
    Ok(())
}

/// Parses `PID EVENT:`.
fn header(line: &str) -> Option<(u32, &str)> {
    let (pid, event) = line.trim().split_once(' ')?;
    Some((pid.parse().ok()?, event.trim().strip_suffix(':')?))
}

fn finish(sample: &mut Sample, take: &mut impl FnMut(&Sample)) {
    if !sample.frames.is_empty() {
        take(sample);
        sample.frames.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_samples() {
        let mut samples = Vec::new();
        read(&include_bytes!("perf-script.txt")[..], |sample| samples.push(sample.clone())).unwrap();
        let pids: Vec<_> = samples.iter().map(|sample| (sample.pid, sample.frames.len())).collect();
        assert_eq!(pids, [(19_494, 3), (19_493, 2), (19_493, 3), (19_494, 3)]);
        let frame = |address, symbol: &str, object: &str| Frame {
            address,
            symbol: symbol.to_owned(),
            object: object.to_owned(),
        };
        let libc = "/usr/lib/x86_64-linux-gnu/libc.so.6";
        assert_eq!(samples[0].frames[0], frame(0x15_2b1d, "__memmove_avx_unaligned_erms", libc));
        let submit = "<alloc::rc::Rc<T> as shared::ring::port::ProducerPort>::submit";
        assert_eq!(samples[0].frames[1], frame(0xf_2751, submit, "/opt/push back (new)/netstack"));
        assert_eq!(samples[2].frames[0], frame(0xffff_ffff_8226_e639, "do_syscall_64", "[kernel.kallsyms]"));
        assert_eq!(samples[3].frames[0], frame(0xb46, "__vdso_clock_gettime", "[vdso]"));
    }

    #[test]
    fn lines_that_are_not_part_of_a_sample_are_skipped() {
        let mut count = 0;
        let text = "# a remark\n\n12 cpu-clock:\n\t zz broken\n\t 1f no object\n\nWarning: 3\n 13 cpu-clock:u: \n\t 1f f (/x)\n";
        read(text.as_bytes(), |sample| count += sample.pid + u32::from(!sample.user_only)).unwrap();
        assert_eq!(count, 13);
    }
}
