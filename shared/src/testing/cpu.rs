//! What a process has used.

use std::fs;
use std::time::Duration;

/// Ticks in a second, as `/proc` counts them on every Linux.
const TICKS: u32 = 100;

/// CPU time of process `pid` since it started, user and system, all threads. A bound on it finds a
/// loop that never waits, and holds however busy the machine is: who does not run uses nothing.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in front may hold anything, also blanks.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap());
    Duration::from_secs(1) * ticks.sum::<u32>() / TICKS
}
