//! The limit of this machine: a bare ring in shared memory between two processes that do nothing else.

use std::hint::spin_loop;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use crate::Tally;
use crate::memory::Memory;
use crate::ring::{Consumer, Producer};

/// How long one side waits for the other before it reports an error.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// Failed attempts between two reads of the clock, each of which takes as long as a frame.
const ATTEMPTS: u32 = 1 << 16;

/// Batches between two reads of the clock.
const BATCHES: u32 = 256;

/// Sends frames of `size` bytes for `time` into the ring at `path`, as fast as the sink takes them.
///
/// # Errors
/// If the ring cannot be mapped, or the sink takes no frames.
pub fn source(path: &Path, depth: usize, size: usize, time: Duration) -> io::Result<()> {
    let mut producer = Producer::new(Memory::open(path, depth, size)?);
    let (mut frame, mut wait) = (vec![0x5a; size], Wait::new());
    let end = Instant::now() + time;
    let mut batches = 0_u32;
    loop {
        if producer.batch(&mut frame) == 0 {
            wait.once()?;
            continue;
        }
        wait.reset();
        batches = batches.wrapping_add(1);
        if batches.is_multiple_of(BATCHES) && Instant::now() >= end {
            producer.end();
            return Ok(());
        }
    }
}

/// Prints the path of its ring, takes every frame out of it, and prints the tally.
///
/// # Errors
/// If there is no memory, a frame is out of sequence, or no frames arrive.
#[expect(clippy::disallowed_methods, reason = "the program that started it reads the pipe")]
pub fn sink(depth: usize, size: usize) -> io::Result<()> {
    let (memory, file) = Memory::create(depth, size)?;
    // The lab reads both lines; without it, there is nothing to measure, so an error ends the process.
    let mut out = io::stdout().lock();
    writeln!(out, "/proc/{}/fd/{}", process::id(), file.as_raw_fd())?;
    let mut consumer = Consumer::new(memory);
    let (mut frame, mut wait, mut first) = (vec![0; size], Wait::new(), None);
    loop {
        let count = consumer.batch(&mut frame).map_err(|number| {
            io::Error::other(format!("frame {number} of the bare ring is not the one that was sent"))
        })?;
        if count > 0 {
            first.get_or_insert_with(Instant::now);
            wait.reset();
        } else if consumer.ended() {
            break;
        } else {
            wait.once()?;
        }
    }
    let took = first.map_or(Duration::ZERO, |first| first.elapsed());
    writeln!(out, "{}", Tally { packets: consumer.received(), took })
}

/// Waits between failed attempts: spins, because each side has a CPU of its own; with a single CPU, yields it.
struct Wait {
    alone: bool,
    attempts: u32,
    since: Option<Instant>,
}

impl Wait {
    fn new() -> Self {
        let alone = thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
        Self { alone, attempts: 0, since: None }
    }

    #[inline]
    fn reset(&mut self) {
        (self.attempts, self.since) = (0, None);
    }

    fn once(&mut self) -> io::Result<()> {
        if self.alone {
            thread::yield_now();
        } else {
            spin_loop();
        }
        self.attempts += 1;
        if self.attempts == ATTEMPTS {
            self.attempts = 0;
            if self.since.get_or_insert_with(Instant::now).elapsed() > PEER_TIMEOUT {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the other side of the bare ring does nothing"));
            }
        }
        Ok(())
    }
}
