//! The way up of a run: the tasks that serve it, and what it came to.

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, LocalBoxFuture, pending, select};
use shared::exec::{Clock, Tasks};
use shared::ledger::UpDropReason;
use shared::ring::{MAX_FRAME, ProducerPort};

use super::plan::Plan;
use crate::account::{Account, Accounts, Timeline};
use crate::device::{OwnFrames, RingDevice};
use crate::layers::{Due, Local, MTU, Neighbours, PathMtus};
use crate::receive::{Ports, Receiver, UpCounters};

/// Serves a receive ring with a receiver, until the session closes.
pub(super) type Serve<P> = Box<dyn FnOnce(Rc<Receiver<P>>) -> LocalBoxFuture<'static, ()>>;

/// The way up of a run.
pub(super) struct WayUp<P> {
    receiver: Rc<Receiver<P>>,
    own: Rc<OwnFrames<P>>,
    ports: Rc<Ports>,
    account: Rc<Account>,
}

/// What the way up came to.
#[derive(Debug, Clone)]
pub struct UpOutcome {
    /// What happened to the frames.
    pub counters: UpCounters,
    /// Datagrams that apps have taken.
    pub delivered: u64,
    /// Datagrams that waited for an app at the end.
    pub in_flight: u64,
    /// The account of what the stack sent itself.
    pub account: Rc<Account>,
}

impl UpOutcome {
    /// Datagrams that came for a socket.
    pub fn datagrams(&self) -> u64 {
        self.counters.queued + self.counters.dropped_for(UpDropReason::SocketQueueFull)
    }
}

/// What the way up shares with the way down.
pub(super) struct Shared<'a, P> {
    pub(super) device: &'a Rc<RingDevice<P>>,
    pub(super) accounts: &'a Accounts,
    pub(super) timeline: &'a Rc<Timeline>,
    pub(super) neighbours: &'a Rc<Neighbours>,
    pub(super) paths: &'a Rc<PathMtus>,
    pub(super) clock: &'a Clock,
}

impl<P: ProducerPort + 'static> WayUp<P> {
    /// Spawns what serves the receive ring with `serve`, sends answers, and asks for neighbours.
    pub(super) fn spawn(
        tasks: &Tasks,
        plan: &Plan,
        ports: &Rc<Ports>,
        shared: &Shared<'_, P>,
        serve: Serve<P>,
    ) -> Self {
        let networks = plan.networks.iter().map(|network| (network.address, network.prefix));
        let local = Local::new(plan.mac, networks, MTU);
        let account = Rc::clone(shared.accounts.open_stack(shared.timeline));
        let own = Rc::new(OwnFrames::new(shared.device, &account));
        let receiver =
            Rc::new(Receiver::new(local.clone(), ports, shared.neighbours, shared.paths, &own, shared.clock));
        tasks.spawn(serve(Rc::clone(&receiver)));
        let waiting = Rc::clone(&own);
        tasks.spawn(async move { waiting.run().await });
        shared.neighbours.start_asking();
        tasks.spawn(ask(local, Rc::clone(shared.neighbours), Rc::clone(&own), shared.clock.clone()));
        Self { receiver, own, ports: Rc::clone(ports), account }
    }

    /// Closes the sockets and refuses the answers that still wait. Frames that arrive later are still handled.
    pub(super) fn close(&self) {
        self.ports.close_all();
        self.own.close();
    }

    /// What it came to, once the session is over.
    pub(super) fn outcome(&self) -> UpOutcome {
        let (delivered, in_flight) = self.ports.counts();
        UpOutcome { counters: self.receiver.counters(), delivered, in_flight, account: Rc::clone(&self.account) }
    }
}

/// Sends the requests for neighbours that are due, for the rest of the run.
async fn ask<P: ProducerPort>(local: Local, neighbours: Rc<Neighbours>, own: Rc<OwnFrames<P>>, clock: Clock) {
    let mut request = [0; MAX_FRAME];
    loop {
        let next = match neighbours.due(clock.now()) {
            Due::Ask(ip) => {
                local.ask(ip, &mut request).into_iter().for_each(|len| own.send(&request[..len]));
                continue;
            }
            Due::At(time) => Either::Left(clock.sleep_until(time)),
            Due::Nothing => Either::Right(pending()),
        };
        select(pin!(neighbours.wanted()), next).await;
    }
}
