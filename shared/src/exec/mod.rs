//! One executor, two clocks.
//!
//! Apps, layers, the device and the driver's session are plain futures on one thread. They read
//! the time from a [`Clock`] that is passed to them, and wait on [`Signal`]s and on the clock's
//! timers. [`run`] polls them until none can make progress, then calls a [`Park`]:
//! the real one moves bytes, spins and sleeps; the virtual one jumps to the next timer. That is the
//! only difference between a run in real time and a simulation.
//!
//! Two tasks in virtual time, which takes no real time:
//!
//! ```
//! use std::rc::Rc;
//! use shared::exec::{Clock, Signal, Virtual, run};
//! use shared::units::Nanos;
//!
//! let (clock, ready) = (Clock::default(), Rc::new(Signal::default()));
//! let (sleeper, notifies) = (clock.clone(), Rc::clone(&ready));
//! let waiter = clock.clone();
//! let woken = run(&clock, Virtual::default(), |tasks| {
//!     tasks.spawn(async move {
//!         sleeper.sleep_until(Nanos::from_secs(3600)).await;
//!         notifies.notify();
//!     });
//!     async move {
//!         let an_hour_is_over = || (waiter.now() >= Nanos::from_secs(3600)).then_some(waiter.now());
//!         ready.wait_for(an_hour_is_over).await
//!     }
//! });
//! assert_eq!(woken, Ok(Nanos::from_secs(3600)));
//! ```

mod clock;
mod idle;
mod park;
mod pool;
mod readiness;
mod real;
mod run;
mod signal;
mod stop;
mod timers;

pub use clock::{Clock, NextTurn, Sleep};
pub use idle::IdleMode;
pub use park::{Announced, Announcer, Interest, Park, Source, Virtual, Wait, Watched};
pub use pool::Tasks;
pub use readiness::Readiness;
pub use real::{RealPark, monotonic_now, process_cpu_time};
pub use run::{Halted, run};
pub use signal::Signal;
pub use stop::{Interrupt, StopHandle};
pub use timers::Order;
