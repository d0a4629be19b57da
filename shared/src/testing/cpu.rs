//! The CPU time of a process.

use std::fs;
use std::time::Duration;

/// Ticks per second in `/proc`: USER_HZ, which is 100 on every Linux.
const TICKS: u32 = 100;

/// CPU time of process `pid` since it started, user and system, all threads. A test that bounds it finds a
/// loop that never waits, and does not fail on a busy machine, because waiting for a CPU takes no CPU time.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The process name, in brackets, may contain blanks and brackets, so split behind the last bracket.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap());
    Duration::from_secs(1) * ticks.sum::<u32>() / TICKS
}
