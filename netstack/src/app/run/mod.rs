//! The loops of the apps.
//!
//! There is one loop for `bulk`, one for `reqresp`, and two for the kinds with a schedule (wait or skip). Each runs
//! until it has offered all its packets or the run has ended. A schedule is then closed: packets that the app did not
//! get to are counted as offered and refused.

mod closed;
mod open;
mod outlet;
mod payloads;

use std::rc::Rc;

use shared::exec::Clock;
use shared::units::Nanos;

use self::open::Plan;
use self::outlet::Outlet;
use super::ended::Ended;
use super::resolve::{Draws, ResolvedApp};
use super::spec::WhenBlocked;
use crate::flow::Flow;
use crate::stack::Datagrams;

/// How much an app offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// All packets whose intended time is less than this span after the app's start.
    Until(Nanos),
    /// This many packets.
    Packets(u64),
}

impl Horizon {
    /// The time from which on nothing is offered; `None` if the horizon is a number of packets.
    fn until(self, start: Nanos) -> Option<Nanos> {
        match self {
            Self::Until(span) => Some(start + span),
            Self::Packets(_) => None,
        }
    }

    fn packets(self) -> u64 {
        match self {
            Self::Until(_) => u64::MAX,
            Self::Packets(packets) => packets,
        }
    }
}

/// The parameters of a run that all its apps share.
#[derive(Debug, Clone)]
pub struct Run {
    /// The seed of all draws.
    pub seed: u64,
    /// The clock of the run.
    pub clock: Clock,
    /// How much to offer.
    pub horizon: Horizon,
    /// The end of the run. The caller must also set it at the end of [`Horizon::Until`], because a blocked app does not
    /// check its horizon.
    pub ended: Rc<Ended>,
}

/// Runs `app` on `socket`. It starts when it is first polled, and is ready when every packet is offered and either
/// accepted or refused, at the latest in the first poll after the end of the run.
pub async fn run_app<D: Datagrams>(app: ResolvedApp, flow: Rc<Flow>, socket: D, run: Run) {
    let start = run.clock.now();
    let mut outlet = Outlet::new(&app, &flow, socket, &run.clock);
    match app.draws(run.seed) {
        Draws::None { burst } => {
            run.ended.interrupt(closed::bulk(&mut outlet, burst, run.horizon, start)).await;
        }
        Draws::Think(think) => {
            run.ended.interrupt(closed::reqresp(&mut outlet, think, run.horizon, start)).await;
        }
        Draws::Arrivals(arrivals, when_blocked) => {
            let mut plan = Plan::new(arrivals, run.horizon, start);
            match when_blocked {
                WhenBlocked::Wait => run.ended.interrupt(open::wait(&mut outlet, &mut plan)).await,
                WhenBlocked::Skip => run.ended.interrupt(open::skip(&mut outlet, &mut plan)).await,
            };
            let end = run.ended.at().unwrap_or(run.clock.now());
            flow.schedule_over(plan.first(), plan.end(end));
            flow.not_reached(plan.overdue(end), end);
        }
    }
}
