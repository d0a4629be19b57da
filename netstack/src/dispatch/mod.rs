//! The ways to call the layers, from generics to trait objects.
//!
//! What a layer does is written once, in [`crate::layers`] and [`crate::device`]. A way only decides how a layer calls
//! the layer below: directly, or through an adapter that is again an [`Egress`]. So frames, policies, ledger and waits
//! are the same under every way.
//!
//! | way | between layers | state of a pending send |
//! | --- | --- | --- |
//! | `static` | generics | in the future of the app; a non-blocking try comes first |
//! | `boxed` | `dyn`, `async_trait` | in five boxes, which a send that need not wait allocates too |
//! | `inline` | `dyn`, `dynify` | in space that the caller at each level provides; no try first, as under `boxed` |
//! | `poll` | `dyn` | in its [`PendingSend`](crate::packet::PendingSend); a non-blocking try comes first |
//! | `sync` | generics | none: a send that would have to wait is refused |
//!
//! With generics the layers also pass batches: a `bulk` app makes one call for many packets. Between trait objects each
//! packet is a call.

mod boxed;
mod inline;
mod none;
mod poll;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::exec::Clock;

use self::boxed::Boxed;
use self::inline::Inline;
use self::none::Bare;
pub use self::poll::Polled;
use crate::account::{Account, Accounts};
use crate::error::SendError;
use crate::layer::{Egress, Tries};
use crate::layers::{Ethernet, Ip, MTU, MacAddr, Neighbours, PathMtus, Router, Routes, Udp, UdpSocket, UdpTo, Via};
use crate::packet::{Batch, Packet};

/// How the layers call each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize, JsonSchema)]
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

/// What the layers need besides a device.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The stack's Ethernet address.
    pub mac: MacAddr,
    /// The neighbour table.
    pub neighbours: Rc<Neighbours>,
    /// The routing table.
    pub routes: Routes,
    /// The MTUs of paths behind the first hop.
    pub paths: Rc<PathMtus>,
    /// The accounts of the apps.
    pub accounts: Rc<Accounts>,
    /// The clock of the run.
    pub clock: Clock,
}

impl Parts {
    fn ethernet<D: Egress<()>>(&self, device: D) -> Ethernet<D> {
        let (neighbours, accounts) = (Rc::clone(&self.neighbours), Rc::clone(&self.accounts));
        Ethernet::new(device, self.mac, neighbours, accounts, self.clock.clone())
    }

    fn udp<N: Egress<Via>>(&self, ip: N) -> Udp<N> {
        Udp::new(ip, Router::over_paths(self.routes.clone(), MTU, Rc::clone(&self.paths)))
    }

    fn layers<D: Egress<()>>(&self, device: D) -> Udp<Ip<Ethernet<D>>> {
        self.udp(Ip::new(self.ethernet(device)))
    }
}

/// The layers on one device, as sockets see them.
pub struct Layers<D>(Way<D>);

/// UDP, which is below the sockets, by the way in which the layers call each other.
enum Way<D> {
    Static(Rc<Udp<Ip<Ethernet<D>>>>),
    Boxed(Rc<Boxed<UdpTo>>),
    Inline(Rc<Inline<UdpTo, { inline::UDP }>>),
    Poll(Rc<Polled<UdpTo>>),
    Sync(Rc<Udp<Ip<Ethernet<D>>>>),
    None { device: Rc<D>, parts: Parts },
}

/// A use of a socket. The type of a socket depends on the way in which the layers call each other, so this is a generic
/// method and not a closure.
pub trait UseSocket {
    /// What the use returns.
    type Output;

    /// Uses `socket`.
    fn with(self, socket: impl Egress<SocketAddr> + 'static) -> Self::Output;
}

impl Dispatch {
    /// Whether a send that cannot proceed waits (true) or is refused (false).
    pub const fn waits(self) -> bool {
        !matches!(self, Self::Sync)
    }

    /// Builds the layers on `device`, which call each other in this way.
    pub fn layers<D: Egress<()> + 'static>(self, device: D, parts: &Parts) -> Layers<D> {
        Layers(match self {
            Self::Static => Way::Static(Rc::new(parts.layers(device))),
            Self::Boxed => {
                let ethernet: Boxed<IpAddr> = Box::new(parts.ethernet::<Boxed<()>>(Box::new(device)));
                let ip: Boxed<Via> = Box::new(Ip::new(ethernet));
                Way::Boxed(Rc::new(Box::new(parts.udp(ip))))
            }
            Self::Inline => {
                let ethernet = Inline::<_, { inline::ETHERNET }>::new(
                    parts.ethernet(Inline::<_, { inline::DEVICE }>::new(device)),
                );
                let ip = Inline::<_, { inline::IP }>::new(Ip::new(ethernet));
                Way::Inline(Rc::new(Inline::new(parts.udp(ip))))
            }
            Self::Poll => {
                let ethernet = Polled::new(parts.ethernet(Polled::new(device)));
                let ip = Polled::new(Ip::new(ethernet));
                Way::Poll(Rc::new(Polled::new(parts.udp(ip))))
            }
            Self::Sync => Way::Sync(Rc::new(parts.layers(device))),
            Self::None => Way::None { device: Rc::new(device), parts: parts.clone() },
        })
    }
}

impl<D: Egress<()> + 'static> Layers<D> {
    /// Opens a socket on `port`, whose packets are counted in `account`, for `user`.
    pub fn open<U: UseSocket>(&self, account: &Rc<Account>, port: u16, user: U) -> U::Output {
        let account = Rc::clone(account);
        match &self.0 {
            Way::Static(below) => user.with(UdpSocket::new(Rc::clone(below), account, port)),
            Way::Boxed(below) => {
                let socket: Boxed<SocketAddr> = Box::new(UdpSocket::new(Rc::clone(below), account, port));
                user.with(socket)
            }
            Way::Inline(below) => {
                let socket = UdpSocket::new(Rc::clone(below), account, port);
                user.with(Inline::<SocketAddr, { inline::SOCKET }>::new(socket))
            }
            Way::Poll(below) => user.with(Polled::new(UdpSocket::new(Rc::clone(below), account, port))),
            Way::Sync(below) => user.with(Refusing(UdpSocket::new(Rc::clone(below), account, port))),
            Way::None { device, parts } => user.with(Bare::new(Rc::clone(device), parts, account, port)),
        }
    }
}

/// `sync`: a layer whose `send` refuses instead of waiting. This is the baseline for the other ways.
struct Refusing<L>(L);

impl<To, L: Egress<To>> Egress<To> for Refusing<L> {
    const TRIES: Tries = Tries::Always;

    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.try_send(packet, to)
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.0.try_send(packet, to)
    }

    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, to: &To) -> u64 {
        self.0.try_send_batch(batch, to)
    }
}
