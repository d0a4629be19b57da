//! The park of a simulation, in which a driver is stepped beside the tasks of its stack.

use driver::backend::Output;
use driver::session::SteppedSession;
use shared::exec::Park;
use shared::units::Nanos;

/// A park beside the driver: its session is stepped whenever no task can proceed.
pub(super) struct BesideDriver<P> {
    pub(super) park: P,
    /// `None` if the session is a task.
    pub(super) driver: Option<SteppedSession<Output>>,
}

impl<P: Park> Park for BesideDriver<P> {
    fn now(&mut self) -> Nanos {
        self.park.now()
    }

    #[inline]
    fn step(&mut self) -> bool {
        self.driver.as_mut().is_some_and(|driver| driver.step(self.park.now()))
    }

    fn exchange(&mut self) -> bool {
        self.park.exchange()
    }

    /// At the completion that the stack needs, if that is earlier than its next timer.
    #[inline]
    fn next_turn(&mut self, timer: Option<Nanos>) -> Option<Nanos> {
        match (&self.driver, timer) {
            (Some(driver), Some(timer)) => Some(driver.needed_by(timer).unwrap_or(timer)),
            (Some(driver), None) => driver.next_completion(),
            (None, timer) => timer,
        }
    }

    fn park(&mut self, deadline: Option<Nanos>) -> bool {
        self.park.park(deadline)
    }
}
