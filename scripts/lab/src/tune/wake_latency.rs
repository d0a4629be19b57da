//! How long this machine takes to wake a process that sleeps: measured, for simulations that are to be like runs here.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use shared::exec::monotonic_now;
use shared::units::Nanos;

/// How long the measurement takes.
const LENGTH: Duration = Duration::from_millis(500);

/// How long the sleeper has slept when it is woken: long enough for its CPU to be idle.
const REST: Duration = Duration::from_millis(2);

/// The median time from a wake-up by another thread to the moment at which the sleeper runs.
///
/// # Errors
/// If the system has no thread left.
pub(crate) fn measure_wake_latency() -> io::Result<Nanos> {
    let (wake, woken) = std::sync::mpsc::channel::<Nanos>();
    let sleeper = thread::Builder::new().name("sleeper".to_owned()).spawn(move || {
        let late = |rung: Nanos| monotonic_now().0.saturating_sub(rung.0);
        woken.iter().map(late).collect::<Vec<u64>>()
    })?;
    let began = Instant::now();
    while began.elapsed() < LENGTH {
        thread::sleep(REST);
        // It fails only if the sleeper has ended, which it does not while the sender lives.
        let _ = wake.send(monotonic_now());
    }
    drop(wake);
    let mut late = sleeper.join().map_err(|_| io::Error::other("the measuring thread crashed"))?;
    late.sort_unstable();
    Ok(Nanos(late.get(late.len() / 2).copied().unwrap_or(0)))
}
