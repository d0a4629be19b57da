//! The ways to call the layers, from generics to trait objects.
//!
//! What a layer does is written once, in `crate::stack`. A way is a thin adapter between neighbours: it says
//! how the layer above reaches the `send` of the one below, and nothing else. So a frame is the same to the
//! byte in each way, and so are policies, ledger, and who waits for what.
//!
//! | way | between layers | where a send that waits lives |
//! | --- | --- | --- |
//! | `static` | generics | in the future of the app; it is tried first, by an ordinary call |
//! | `boxed` | `dyn`, `async_trait` | in five boxes, and so does one that need not wait |
//! | `inline` | `dyn`, `dynify` | in space that each level gives the one below, as above |
//! | `poll` | `dyn` | in its [`Place`], where it finds what it had; it is tried first |
//! | `sync` | generics | nowhere: it is refused |
//!
//! Where the layers are generics they also take bursts: an app that sends as fast as it may then makes one call for
//! many packets. Between trait objects each packet is a call of its own.
//!
//! [`Place`]: crate::stack::Place

mod boxed;
mod fixed;
mod inline;
mod none;
mod poll;
mod sync;

use std::rc::Rc;

use clap::ValueEnum;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use shared::exec::Clock;

use crate::app::{ResolvedApp, Run, run_app};
use crate::flow::{Flow, Flows};
use crate::stack::{Datagrams, Device, Ethernet, MacAddr, Neighbours, Routes, Transport, UdpSocket};

/// How the layers call each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dispatch {
    /// Generics all the way: a send is tried first, and waits as one future.
    #[default]
    Static,
    /// Trait objects, each send a boxed future: five allocations a packet.
    Boxed,
    /// Trait objects, each send a future in space of its caller's: no allocation.
    Inline,
    /// Trait objects, a send tried and then polled with a place in the line of waiters: no allocation.
    Poll,
    /// No future anywhere: what would wait is refused, and a closed loop tries again after 10 us.
    Sync,
    /// No layers: ready frames go straight to the device, to measure what the layers cost.
    #[value(hide = true)]
    None,
}

/// Starts an app on a socket of its own: its flow, its port, what it is told.
pub type Start = Box<dyn Fn(ResolvedApp, Rc<Flow>, u16, Run) -> LocalBoxFuture<'static, ()>>;

/// What layers need besides a device.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Our Ethernet address.
    pub mac: MacAddr,
    /// Who is known.
    pub neighbours: Rc<Neighbours>,
    /// Which way destinations lie.
    pub routes: Routes,
    /// The accounts of the apps.
    pub flows: Rc<Flows>,
    /// The time.
    pub clock: Clock,
}

impl Parts {
    fn ethernet<D: Device>(&self, device: D) -> Ethernet<D> {
        Ethernet::new(device, self.mac, Rc::clone(&self.neighbours), Rc::clone(&self.flows), self.clock.clone())
    }
}

impl Dispatch {
    /// Whether a send that cannot proceed waits, and is not refused.
    pub const fn waits(self) -> bool {
        !matches!(self, Self::Sync)
    }

    /// Builds the layers on `device`, to be called in this way.
    pub fn stack(self, device: impl Device + 'static, parts: Parts) -> Start {
        match self {
            Self::Static => fixed::stack(device, parts),
            Self::Boxed => boxed::stack(device, parts),
            Self::Inline => inline::stack(device, parts),
            Self::Poll => poll::stack(device, parts),
            Self::Sync => sync::stack(device, parts),
            Self::None => none::stack(device, parts),
        }
    }
}

/// Runs apps on sockets of `transport`, made fit for the way by `adapt`.
fn start<T, S>(transport: T, adapt: impl Fn(UdpSocket<T>) -> S + 'static) -> Start
where
    T: Transport + 'static,
    S: Datagrams + 'static,
{
    let transport = Rc::new(transport);
    Box::new(move |app, flow, port, run| {
        let socket = UdpSocket::new(Rc::clone(&transport), Rc::clone(&flow), port);
        run_app(app, flow, adapt(socket), run).boxed_local()
    })
}
