//! One executor, two clocks.
//!
//! Apps, layers, the device and the driver's session are plain futures on one thread. They read
//! the time from a [`Clock`] that is passed to them, and wait on [`Signal`]s and on the clock's
//! timers. [`run`] polls them until none can make progress, then calls a [`Park`]:
//! the real one moves bytes, spins and sleeps; the virtual one jumps to the next timer. That is the
//! only difference between a run in real time and a simulation.

mod clock;
mod park;
mod pool;
mod real;
mod run;
mod signal;
mod stop;
mod timers;

pub use clock::{Clock, NextTurn, Sleep};
pub use park::{Announced, Announcer, Park, Source, Virtual, Wait};
pub use pool::Tasks;
pub use real::{IdleMode, RealPark, monotonic_now, process_cpu_time};
pub use run::{Halted, run};
pub use signal::Signal;
pub use stop::{Interrupt, StopHandle};
pub use timers::Order;
