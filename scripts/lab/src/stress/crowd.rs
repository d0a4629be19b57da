//! Measures how long a driver takes to serve a stack while other clients of the same user send nothing.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shared::process::exit::Status;
use shared::process::signals::Signals;

use super::{Printer, StressError, TestSetup, allow_descriptors, status_text};
use crate::launch::Binaries;
use crate::progress::Progress;

/// Descriptors needed besides those of the clients.
const OTHERS: u64 = 100;

/// Stack size of a client's thread, which only reads.
const STACK_SIZE: usize = 128 * 1024;

/// The measurement begins when the number of connected clients has not grown for this long.
const SETTLED: Duration = Duration::from_millis(200);

/// Times `starts` stacks, first alone with the driver, then with `clients` silent ones connected. Returns whether all
/// stacks were served.
///
/// # Errors
/// [`StressError`] if there cannot be so many clients here.
pub(crate) fn crowd(binaries: &Binaries, clients: u32, starts: u32, printer: Printer) -> Result<Status, StressError> {
    allow_descriptors(u64::from(clients) + OTHERS)?;
    let (setup, signals) = (TestSetup::new(binaries)?, Signals::new()?);
    let _driver = setup.driver(&["--link", "unlimited"])?;
    let alone = timed(&setup, "alone", starts, (&signals, printer))?;
    let connected = gather(setup.files().join("socket"), clients)?;
    let beside = timed(&setup, "beside the crowd", starts, (&signals, printer))?;
    for (name, Served { times, refused }) in [("alone", &alone), ("beside the silent clients", &beside)] {
        let ms =
            |time: Option<&Duration>| time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1e3));
        printer.result(format_args!(
            "{name}: {} served, {refused} not; from start to end median {} ms, worst {} ms",
            times.len(),
            ms(times.get(times.len() / 2)),
            ms(times.last())
        ));
    }
    printer.result(format_args!("{connected} of {clients} silent clients were connected when that began"));
    Ok(match (alone.refused + beside.refused, signals.have_come()) {
        (0, false) => Status::Fine,
        (0, true) => Status::Interrupted,
        _ => Status::Failed,
    })
}

/// The sorted times of the stacks that were served, and how many were not.
struct Served {
    times: Vec<Duration>,
    refused: u32,
}

fn timed(
    setup: &TestSetup,
    name: &str,
    starts: u32,
    (signals, printer): (&Signals, Printer),
) -> Result<Served, StressError> {
    let progress = Progress::new();
    let mut served = Served { times: Vec::new(), refused: 0 };
    for start in 0..starts {
        if signals.have_come() {
            break;
        }
        progress.now(&format!("{start} of {starts} {name} ..."));
        let began = Instant::now();
        let mut stack = setup.stack(&["--packets", "1", "--connect-timeout", "25s"])?;
        let ended = stack.end()?;
        match ended.map(status_text) {
            Some(status) if status == "0" => served.times.push(began.elapsed()),
            how => {
                served.refused += 1;
                let how = how.map_or("hangs".to_owned(), |status| format!("ended with {status}"));
                printer.violation(format_args!("{name}, start {start}: the stack {how}: {}", stack.last_error()));
            }
        }
    }
    served.times.sort_unstable();
    Ok(served)
}

/// Starts `clients` threads, each of which connects to `socket`, sends nothing, and connects again when the driver
/// closes the connection. Returns how many are connected once that number no longer grows. They run until this process
/// ends.
fn gather(socket: PathBuf, clients: u32) -> Result<usize, StressError> {
    let (socket, connected) = (Arc::new(socket), Arc::new(AtomicUsize::new(0)));
    for _ in 0..clients {
        let (socket, connected) = (Arc::clone(&socket), Arc::clone(&connected));
        let silent = move || while be_silent(&socket, &connected) {};
        thread::Builder::new().stack_size(STACK_SIZE).spawn(silent)?;
    }
    let mut before = 0;
    loop {
        thread::sleep(SETTLED);
        let now = connected.load(Ordering::Relaxed);
        if now <= before || now == clients as usize {
            return Ok(now);
        }
        before = now;
    }
}

/// Connects, which blocks while the driver's backlog is full, and reads until the driver closes the connection. Returns
/// false when the driver has removed its socket.
fn be_silent(socket: &PathBuf, connected: &AtomicUsize) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return socket.exists() };
    connected.fetch_add(1, Ordering::Relaxed);
    // A refusal is read and ignored.
    let _ = stream.read_to_end(&mut Vec::new());
    connected.fetch_sub(1, Ordering::Relaxed);
    true
}
