//! The data path of a program in real time: the tasks of a session, on a thread where nothing else runs.

use std::future::Future;
use std::rc::Rc;

use super::settings::Waiting;
use crate::connection::Connection;
use crate::exec::{
    Clock, Halted, Interrupt, RealPark, Source, StopHandle, Tasks, monotonic_now, process_cpu_time, run,
};
use crate::liveness::{Liveness, watch};
use crate::report::ProcessReport;
use crate::units::Nanos;

/// The executor of a session with the peer of one connection, on the thread that makes it.
#[derive(Debug)]
pub struct DataPath {
    connection: Rc<Connection>,
    clock: Clock,
    interrupt: Rc<Interrupt>,
    park: RealPark,
    liveness: Liveness,
    /// CPU time of the process when the session began.
    cpu_before: Nanos,
}

impl DataPath {
    /// Waits on `connection` and `stop` as `waiting` says. The peer gives this side up after `peer_timeout` of silence.
    pub fn new(connection: &Rc<Connection>, waiting: &Waiting, peer_timeout: Nanos, stop: StopHandle) -> Self {
        let interrupt = Rc::new(Interrupt::by(stop));
        let park = RealPark::new(vec![Rc::clone(connection) as _], Rc::clone(&interrupt), waiting.idle);
        let clock = Clock::starting_at(monotonic_now());
        let liveness = Liveness::new(waiting.idle_timeout, peer_timeout, clock.now());
        Self { connection: Rc::clone(connection), clock, interrupt, park, liveness, cpu_before: process_cpu_time() }
    }

    /// Waits on `source` as well, which this session alone uses.
    #[must_use]
    pub fn also_on(mut self, source: Rc<dyn Source>) -> Self {
        self.park.add(source);
        self
    }

    /// The clock of the session.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The request to stop.
    pub fn interrupt(&self) -> Rc<Interrupt> {
        Rc::clone(&self.interrupt)
    }

    /// A function that returns what the process has used since the session began.
    pub fn usage(&self) -> impl Fn() -> ProcessReport + 'static {
        let (connection, idle, cpu_before) = (Rc::clone(&self.connection), self.park.stats(), self.cpu_before);
        move || ProcessReport {
            cpu_ns: process_cpu_time().since(cpu_before).0,
            idle: idle.get(),
            doorbells: connection.doorbells(),
        }
    }

    /// Runs `main` and everything it spawns until `main` is done, and watches meanwhile whether the peer is alive.
    ///
    /// # Errors
    /// [`Halted`] if nothing further can happen.
    pub fn run<T, F>(self, main: impl FnOnce(Tasks) -> F) -> Result<T, Halted>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let alive = watch(self.connection, self.clock.clone(), self.liveness);
        run(&self.clock, self.park, |tasks| {
            tasks.spawn(alive);
            main(tasks)
        })
    }
}
