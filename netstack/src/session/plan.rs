//! What a run will do, resolved from the flags and from what the driver granted.

use std::net::IpAddr;

use shared::ring::{Depth, WakePointError};
use shared::units::{BitRate, Bytes, LinkRate, Nanos};

use crate::app::{Horizon, ResolveError, ResolvedApp, resolve_all};
use crate::dispatch::Dispatch;
use crate::settings::{Neighbour, StackSettings};
use crate::stack::{MacAddr, Policy, Routes};

/// What a run will do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the device does when the ring is full.
    pub policy: Policy,
    /// Slots that must be free before senders that wait for room are served.
    pub wake_point: u32,
    /// How the layers call each other.
    pub dispatch: Dispatch,
    /// Places of the device's queue.
    pub txqueue: u32,
    /// What all randomness derives from.
    pub seed: u64,
    /// The apps.
    pub apps: Vec<ResolvedApp>,
    /// How much they offer.
    pub length: Length,
    /// How long the stack's CPU takes for each packet: zero in real time, where it takes what it takes.
    pub stack_cost: Nanos,
    /// After how long counting begins anew, for figures of the steady state; zero for never.
    pub warmup: Nanos,
    /// How long the ring may drain.
    pub drain_timeout: Nanos,
    /// Time between samples.
    pub interval: Nanos,
    /// Our Ethernet address.
    pub mac: MacAddr,
    /// Which way destinations lie.
    pub routes: Routes,
    /// Neighbours that are known beforehand.
    pub neighbours: Vec<Neighbour>,
}

/// How much the apps offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// For so long.
    Duration(Nanos),
    /// So many packets each.
    Packets(u64),
}

/// Settings that make no run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// An app that cannot run.
    #[error(transparent)]
    App(#[from] ResolveError),
    /// Nobody to give an app's packets to.
    #[error("--app {app}: no route to {to}; add its network with --address, or a --gateway")]
    NoRoute {
        /// The app's settings.
        app: String,
        /// Where its packets should go.
        to: IpAddr,
    },
    /// A wake point above the depth in force.
    #[error("--wake: {0}")]
    WakePoint(#[from] WakePointError),
    /// Ledgers count in 64 bits.
    #[error(
        "--duration {0}: the apps would offer more than 2^63 packets, and that many cannot be counted; use a shorter \
         time, or lower rates"
    )]
    TooMany(Nanos),
}

/// The most packets that all apps together may offer in a given time, on average: half of what a counter holds, as
/// random apps may offer more than that.
const MOST_OFFERED: f64 = (1_u64 << 63) as f64;

/// IP packets of Ethernet.
const MTU: usize = 1500;

/// Largest UDP payload of a frame of 1514 B over IPv4.
const PAYLOAD_LIMIT: Bytes = Bytes(1472);

/// How long a run takes if nobody says.
const DEFAULT_DURATION: Nanos = Nanos::from_secs(5);

/// Locally administered, and not a neighbour's default.
const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

impl Plan {
    /// Resolves `settings` for a ring of `depth` slots and a link of rate `link`.
    ///
    /// # Errors
    /// [`PlanError`], naming the flag and the remedy.
    pub fn new(
        settings: &StackSettings,
        length: Length,
        seed: u64,
        depth: Depth,
        link: LinkRate,
    ) -> Result<Self, PlanError> {
        let apps = resolve_all(&settings.sending.apps, link, PAYLOAD_LIMIT)?;
        let routes = routes(settings);
        for app in &apps {
            let to = app.spec().to().ip();
            routes.find(to, MTU).map_err(|_| PlanError::NoRoute { app: app.spec().to_string(), to })?;
        }
        if let Length::Duration(duration) = length {
            let periods = apps.iter().filter_map(ResolvedApp::period);
            let offered: f64 = periods.map(|period| duration.0 as f64 / period.as_nanos_f64()).sum();
            if offered > MOST_OFFERED {
                return Err(PlanError::TooMany(duration));
            }
        }
        Ok(Self {
            policy: settings.policy,
            wake_point: settings.wake_point(depth)?,
            dispatch: settings.sending.dispatch,
            txqueue: settings.layers.txqueue,
            seed,
            apps,
            length,
            stack_cost: Nanos::ZERO,
            warmup: Nanos::ZERO,
            drain_timeout: settings.layers.drain_timeout,
            interval: settings.layers.interval,
            mac: OUR_MAC,
            routes,
            neighbours: settings.layers.neighbour.clone(),
        })
    }

    /// Finds what is wrong with `settings` and our own `depth` whatever the link is, before a driver is bothered.
    ///
    /// # Errors
    /// [`PlanError`], naming the flag and the remedy.
    pub fn check(settings: &StackSettings, depth: Depth) -> Result<Length, PlanError> {
        let length = Length::of(settings);
        // No link is so slow that a share of it would be too fast.
        Self::new(settings, length, 0, depth, LinkRate::Limited(BitRate(1))).map(|_| length)
    }

    /// What each app is told to offer.
    pub fn horizon(&self) -> Horizon {
        match self.length {
            Length::Duration(duration) => Horizon::Until(duration),
            Length::Packets(packets) => Horizon::Packets(packets),
        }
    }
}

impl Length {
    /// What `settings` ask for.
    pub fn of(settings: &StackSettings) -> Self {
        match settings.length.packets {
            Some(packets) => Self::Packets(packets),
            None => Self::Duration(settings.length.duration.unwrap_or(DEFAULT_DURATION)),
        }
    }
}

fn routes(settings: &StackSettings) -> Routes {
    let mut routes = Routes::default();
    for network in &settings.layers.address {
        routes = routes.on_link(network.address, network.prefix);
    }
    for gateway in &settings.layers.gateway {
        let of_family = settings.layers.address.iter().find(|own| own.address.is_ipv4() == gateway.is_ipv4());
        if let Some(own) = of_family {
            routes = routes.default_via(*gateway, own.address);
        }
    }
    routes
}
