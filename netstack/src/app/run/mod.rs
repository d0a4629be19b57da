//! The loops: how an app offers its packets.
//!
//! One loop serves every schedule, one is as fast as it may, one waits for responses. Each runs
//! until it has offered everything or the run has ended, and then settles its account.

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
    /// What its schedule wants to send before that long has passed since its start.
    Until(Nanos),
    /// That many packets.
    Packets(u64),
}

impl Horizon {
    /// The moment from which on nothing is offered; nothing if there is none.
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

/// What every app of a run is told.
#[derive(Debug, Clone)]
pub struct Run {
    /// What all draws derive from.
    pub seed: u64,
    /// The time.
    pub clock: Clock,
    /// How much to offer.
    pub horizon: Horizon,
    /// The end of the run. A blocked app hears of the end of [`Horizon::Until`] by this, too:
    /// whoever starts apps has to set it then.
    pub ended: Rc<Ended>,
}

/// Runs an app on `socket`. It starts when it is first polled, and is done when everything is
/// offered and either accepted or refused, which is soon after the end of the run at the latest.
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
