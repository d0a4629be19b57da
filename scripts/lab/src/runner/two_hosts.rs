//! Two hosts on one wire, in virtual time: two stacks and two drivers in one simulation.

use std::rc::Rc;

use driver::backend::{Joined, WIRE_FRAMES};
use driver::session::{Dma, Setup, serve_both};
use futures_util::future::join;
use netstack::session::{Context, Outcome, Pairing, Plan, StackRun, Watch, assemble};
use shared::connection::Connection;
use shared::exec::{Clock, Interrupt, Park, Readiness, Tasks, run};
use shared::report::RunReport;
use shared::ring::{Depth, Producer, loopback};
use shared::units::Nanos;

use super::beside::BesideDriver;
use super::virtual_plan::{SimulateError, VIRTUAL, check, plan, reserve_memory};
use crate::settings::RunSettings;

/// One of the two hosts.
struct Host {
    plan: Plan,
    depth: Depth,
    rx_depth: Depth,
    setup: Setup<Joined>,
    pairing: Pairing,
    watch: Option<Watch>,
}

/// Runs `settings` and `far`, the other host, in virtual time. Returns the figures of both, as
/// [`simulate_figures`](super::simulate_figures) does of one.
///
/// # Errors
/// [`SimulateError`] if they cannot be simulated.
pub(super) fn figures(
    settings: &RunSettings,
    far: &RunSettings,
    park: impl Park,
    watch: Option<Watch>,
) -> Result<[RunReport; 2], SimulateError> {
    let ready: [Rc<Readiness>; 2] = Default::default();
    let (left, right) = Joined::pair(WIRE_FRAMES, [&ready[0], &ready[1]]);
    let [pairing, far_pairing] = Pairing::sides();
    let [ready, far_ready] = ready;
    let near = Host::new(settings, left, ready, pairing, watch)?;
    let far = Host::new(far, right, far_ready, far_pairing, None)?;
    let parts = [&near, &far].map(|host| (host.plan.clone(), host.depth, host.rx_depth));
    let (clock, interrupt) = (Clock::default(), park.interrupt());
    let time = clock.clone();
    let (near, far) = run(&clock, BesideDriver { park, driver: None }, move |tasks| {
        join(near.run(&tasks, &time, &interrupt), far.run(&tasks, &time, &interrupt))
    })?;
    let report = |outcome, (plan, depth, rx_depth): (Plan, Depth, Depth)| {
        let context = Context { clock: VIRTUAL.to_owned(), rx_depth: rx_depth.get(), ..Context::default() };
        assemble(outcome, &plan, depth, context)
    };
    let [near_parts, far_parts] = parts;
    Ok([report(near, near_parts), report(far, far_parts)])
}

impl Host {
    fn new(
        settings: &RunSettings,
        wire: Joined,
        readiness: Rc<Readiness>,
        pairing: Pairing,
        watch: Option<Watch>,
    ) -> Result<Self, SimulateError> {
        check(settings)?;
        let (depth, rx_depth) = (settings.depth(), settings.rx_depth());
        reserve_memory(settings, depth.as_usize() + rx_depth.as_usize())?;
        // Frames go over the wire, so their bytes are always copied.
        let setup = Setup::new(settings.driver.hardware()?, depth, Dma::Copy, wire)?;
        let plan = plan(settings)?.with_way_up(true)?;
        let plan = Plan { stalls: setup.hardware.stalls(Nanos::ZERO), ..plan };
        let setup = Setup { verify: settings.driver.driver.verify, readiness, ..setup };
        Ok(Self { plan, depth, rx_depth, setup, pairing, watch })
    }

    /// Runs the stack, with the driver as a task beside it.
    fn run(self, tasks: &Tasks, clock: &Clock, interrupt: &Rc<Interrupt>) -> impl Future<Output = Outcome> + use<> {
        let (stack, driver) = Connection::in_process();
        let (producer, consumer) = loopback::ring(&stack, &driver, self.depth);
        let (up_producer, up_consumer) = loopback::ring(&driver, &stack, self.rx_depth);
        let up = Producer::new(up_producer, self.rx_depth, clock.clone());
        let session = serve_both(consumer, Some(up), clock.clone(), self.setup);
        // Only the report of the stack is used; it contains what the driver sent in its farewell.
        tasks.spawn(async move { drop(session.await) });
        let ring = Producer::with_wake_point(producer, self.depth, self.plan.wake_point, clock.clone());
        StackRun::new(ring, self.plan)
            .interrupted_by(Rc::clone(interrupt))
            .watched_by(self.watch)
            .receiving(up_consumer)
            .paired(self.pairing)
            .run(tasks.clone(), clock.clone())
    }
}
