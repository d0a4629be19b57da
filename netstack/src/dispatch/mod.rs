//! The ways to call the layers, from generics to trait objects.
//!
//! What a layer does is written once, in `crate::stack`. A way is a thin adapter between neighbours, which only decides
//! how a layer calls `send` of the layer below. So frames, policies, ledger and waits are the same under every way.
//!
//! | way | between layers | state of a pending send |
//! | --- | --- | --- |
//! | `static` | generics | in the future of the app; a non-blocking try comes first |
//! | `boxed` | `dyn`, `async_trait` | in five boxes, which a send that need not wait allocates too |
//! | `inline` | `dyn`, `dynify` | in space that the caller at each level provides; no try first, as under `boxed` |
//! | `poll` | `dyn` | in its [`Place`]; a non-blocking try comes first |
//! | `sync` | generics | none: a send that would have to wait is refused |
//!
//! With generics the layers also pass bursts: a `bulk` app makes one call for many packets. Between trait objects each
//! packet is a call.
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
    /// Generics: a non-blocking try first, then one future for all layers.
    #[default]
    Static,
    /// Trait objects, a boxed future in each layer: five allocations a packet.
    Boxed,
    /// Trait objects, a future in each layer in space that the caller provides: no allocation.
    Inline,
    /// Trait objects, a non-blocking try first, then polls that keep the position in the wait queue: no allocation.
    Poll,
    /// No futures: a send that would have to wait is refused, and a closed loop retries after 10 us.
    Sync,
    /// No layers: ready frames go straight to the device, to measure the cost of everything except the layers.
    #[value(hide = true)]
    None,
}

/// Starts an app on a socket of its own, given the app, its flow, its source port and the parameters of the run.
pub type Start = Box<dyn Fn(ResolvedApp, Rc<Flow>, u16, Run) -> LocalBoxFuture<'static, ()>>;

/// What the layers need besides a device.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The stack's Ethernet address.
    pub mac: MacAddr,
    /// The neighbour table.
    pub neighbours: Rc<Neighbours>,
    /// The routing table.
    pub routes: Routes,
    /// The accounts of the apps.
    pub flows: Rc<Flows>,
    /// The clock of the run.
    pub clock: Clock,
}

impl Parts {
    fn ethernet<D: Device>(&self, device: D) -> Ethernet<D> {
        Ethernet::new(device, self.mac, Rc::clone(&self.neighbours), Rc::clone(&self.flows), self.clock.clone())
    }
}

impl Dispatch {
    /// Whether a send that cannot proceed waits (true) or is refused (false).
    pub const fn waits(self) -> bool {
        !matches!(self, Self::Sync)
    }

    /// Builds the layers on `device`, which call each other in this way.
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

/// Returns a [`Start`] that runs apps on sockets of `transport`. `adapt` wraps each socket for the way.
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
