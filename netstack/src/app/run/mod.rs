//! The loops of the apps.
//!
//! There is one loop for `bulk`, one for `reqresp`, and two for the kinds with a schedule (wait or skip). Each runs
//! until it has offered all its packets or the run has ended. A schedule is then closed: packets that the app did not
//! get to are counted as offered and refused.

mod loops;
mod outlet;
mod payloads;
mod receivers;

use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

use shared::exec::Clock;
use shared::units::Nanos;

use self::loops::Unsent;
use self::outlet::Outlet;
pub use self::receivers::Receives;
use super::cancel::CancelToken;
use super::resolve::{Draws, ResolvedApp};
use super::spec::{Traffic, Via, WhenBlocked};
use crate::account::Account;
use crate::layer::Egress;

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

/// What an app needs besides its settings, its account and its socket.
#[derive(Debug, Clone)]
pub struct AppContext {
    /// The seed of all draws.
    pub seed: u64,
    /// The clock of the run.
    pub clock: Clock,
    /// How much to offer.
    pub horizon: Horizon,
    /// Its receiving side, if it has one.
    pub receives: Option<Receives>,
    /// Whether its payloads state their intended times: for a far end that measures latency.
    pub states_times: bool,
    /// Ends the app. The caller must also cancel it at the end of [`Horizon::Until`], because a blocked app does not
    /// check its horizon.
    pub cancel: Rc<CancelToken>,
}

/// Runs `app` on `socket`. It starts when it is first polled, and is ready when every packet is offered and either
/// accepted or refused, at the latest in the first poll after it is cancelled.
pub async fn run_app(app: ResolvedApp, account: Rc<Account>, socket: impl Egress<SocketAddr>, context: AppContext) {
    let AppContext { seed, clock, horizon, receives, states_times, cancel } = context;
    let start = clock.now();
    let most = horizon.packets();
    match (app.spec().traffic(), &receives) {
        (Traffic::Sink(_), Some(receives)) => {
            cancel.run_until(pin!(receivers::sink(receives, most))).await;
            receives.inbox.close();
            return;
        }
        (Traffic::Echo(_), Some(receives)) => {
            cancel.run_until(pin!(receivers::echo(receives, &socket, &account, most))).await;
            receives.inbox.close();
            return;
        }
        _ => {}
    }
    let mut outlet = Outlet::new(&app, seed, &account, socket, &clock, states_times);
    match app.draws(seed) {
        Draws::Think(think)
            if let (Traffic::ReqResp { via: Via::Echo, .. }, Some(receives)) = (app.spec().traffic(), &receives) =>
        {
            cancel.run_until(pin!(receivers::reqresp(&mut outlet, receives, think, horizon, start))).await;
        }
        Draws::None { burst } => {
            cancel.run_until(pin!(loops::bulk(&mut outlet, burst, horizon, start))).await;
        }
        Draws::Think(think) => {
            cancel.run_until(pin!(loops::reqresp(&mut outlet, think, horizon, start))).await;
        }
        Draws::Arrivals(arrivals, when_blocked) => {
            let mut unsent = Unsent::new(arrivals, horizon, start);
            match when_blocked {
                WhenBlocked::Wait => cancel.run_until(pin!(loops::wait(&mut outlet, &mut unsent))).await,
                WhenBlocked::Skip => cancel.run_until(pin!(loops::skip(&mut outlet, &mut unsent))).await,
            };
            let end = cancel.at().unwrap_or(clock.now());
            account.schedule_over(unsent.first(), unsent.end(end));
            account.not_reached(unsent.overdue(end), end);
        }
    }
}
