//! What a run will do, resolved from the flags and from what the driver granted.

use std::net::IpAddr;

use shared::ring::{Depth, MAX_FRAME, WakePointError};
use shared::units::{Bytes, LinkRate, Nanos};

use crate::app::{Horizon, ResolveError, ResolvedApp, Traffic, WhenBlocked, check_all, resolve_all};
use crate::dispatch::Dispatch;
use crate::settings::{DEFAULT_TXQUEUE, Neighbour, StackSettings};
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
    /// Settings that can never take effect beside the others, in words.
    pub without_effect: Vec<String>,
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
        let routes = check_apps(settings)?;
        let apps = resolve_all(&settings.sending.apps, link, PAYLOAD_LIMIT)?;
        if let Length::Duration(duration) = length {
            let periods = apps.iter().filter_map(ResolvedApp::period);
            let offered: f64 = periods.map(|period| duration.0 as f64 / period.as_nanos_f64()).sum();
            if offered > MOST_OFFERED {
                return Err(PlanError::TooMany(duration));
            }
        }
        let plan = Self {
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
            without_effect: Vec::new(),
        };
        Ok(Self { without_effect: plan.without_effect(settings), ..plan })
    }

    /// Settings that were changed and can never take effect beside the others.
    fn without_effect(&self, settings: &StackSettings) -> Vec<String> {
        let mut found = Vec::new();
        let (policy, layers) = (self.policy, &settings.layers);
        if !policy.has_queue() && layers.txqueue != DEFAULT_TXQUEUE {
            found.push(format!(
                "--txqueue {} has no effect under --policy {policy}: it is for drop-oldest",
                layers.txqueue
            ));
        }
        for gateway in &layers.gateway {
            if !layers.address.iter().any(|own| own.address.is_ipv4() == gateway.is_ipv4()) {
                found.push(format!("--gateway {gateway} has no effect without an --address of its family"));
            }
        }
        for app in &self.apps {
            let skips = matches!(app.spec().traffic(), Traffic::Open { when_blocked: WhenBlocked::Skip, .. });
            let waits = !policy.never_waits() || app.spec().budget().is_some() || self.unknown_hop(app).is_some();
            if skips && !waits {
                found.push(format!(
                    "when-blocked=skip of {} has no effect under --policy {policy}, where no send waits for room",
                    app.name()
                ));
            }
        }
        found
    }

    /// Finds what is wrong with `settings` and our own `depth` whatever the link is, before a driver is bothered.
    ///
    /// # Errors
    /// [`PlanError`], naming the flag and the remedy.
    pub fn check(settings: &StackSettings, depth: Depth) -> Result<Length, PlanError> {
        let length = Length::of(settings);
        check_apps(settings)?;
        settings.wake_point(depth)?;
        Ok(length)
    }

    /// The next hop of `app`, if its Ethernet address is not known: what it sends waits for that, or is refused.
    pub fn unknown_hop(&self, app: &ResolvedApp) -> Option<IpAddr> {
        let hop = self.routes.find(app.spec().to().ip(), MTU).ok()?.next_hop;
        self.neighbours.iter().all(|known| known.ip != hop).then_some(hop)
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

/// Bytes that an app takes: its three histograms have 270 KB each.
const APP: usize = 1 << 20;

/// Bytes of the stack's own accounts for each slot and each place of its queue, beside the frame in it.
const PLACE: usize = 128;

/// About how many bytes a run with `settings` takes on a ring of `depth` slots, without the ring itself: never less
/// than it does.
pub fn memory_of_a_run(settings: &StackSettings, depth: Depth) -> usize {
    let apps = settings.sending.apps.len().max(1);
    let queue = if settings.policy.has_queue() { settings.layers.txqueue as usize } else { 0 };
    apps * APP + depth.as_usize() * PLACE + queue * (MAX_FRAME + PLACE)
}

/// Finds what is wrong with the apps whatever the link is. Returns the ways to their destinations.
fn check_apps(settings: &StackSettings) -> Result<Routes, PlanError> {
    let (apps, routes) = (&settings.sending.apps, routes(settings));
    check_all(apps, PAYLOAD_LIMIT)?;
    for app in apps {
        let to = app.to().ip();
        routes.find(to, MTU).map_err(|_| PlanError::NoRoute { app: app.to_string(), to })?;
    }
    Ok(routes)
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use shared::units::BitRate;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        stack: StackSettings,
    }

    /// In real time the link is known only when the driver has answered; a simulation knows it at once.
    #[test]
    fn what_runs_in_a_simulation_runs_in_real_time_and_nothing_else_does() {
        let apps = [
            "onoff:load=0.7,on=3ms",
            "onoff:load=1e-9,on=1us",
            "onoff:rate=1bit,on=40us",
            "onoff:rate=20Mbit",
            "cbr:load=3",
            "cbr:load=500000",
            "cbr:rate=90Gbit,size=1B",
            "poisson:load=0.0001,size=1473B",
            "poisson:load=0.5,to=10.9.9.9:9",
            "bulk:name=onoff-0",
            "reqresp:think=0s",
        ];
        let depth = Depth::new(8).unwrap();
        let mut outcomes = [0, 0];
        for app in apps {
            // Some of these numbers are none that an app takes.
            let Ok(Flags { stack }) = Flags::try_parse_from(["test", "--app", app]) else { continue };
            for link in [Some(1), Some(56_000), Some(20_000_000), Some(400_000_000_000), None] {
                let link = link.map_or(LinkRate::Unlimited, |rate| LinkRate::Limited(BitRate(rate)));
                let plan = |length| Plan::new(&stack, length, 1, depth, link).map_err(|error| error.to_string()).err();
                let simulated = plan(Length::of(&stack));
                let real = match Plan::check(&stack, depth) {
                    Ok(length) => plan(length),
                    Err(error) => Some(error.to_string()),
                };
                assert_eq!(real, simulated, "{app} on {link}");
                outcomes[usize::from(real.is_some())] += 1;
            }
        }
        assert!(outcomes.iter().all(|count| *count > 10), "{outcomes:?}");
    }

    #[test]
    fn settings_that_can_never_take_effect_are_named() {
        let found = |flags: &[&str]| {
            let stack = Flags::try_parse_from([&["test"], flags].concat()).unwrap().stack;
            let plan = Plan::new(&stack, Length::Packets(1), 1, Depth::new(8).unwrap(), LinkRate::Unlimited).unwrap();
            plan.without_effect.join("; ")
        };
        let skip = "--app=cbr:rate=1kpps,when-blocked=skip";
        for (flags, named) in [
            (&["--txqueue=12"][..], "--txqueue 12"),
            (&["--txqueue=12", "--policy=deadline=3ms"], "--txqueue 12"),
            (&["--address=10.0.0.3/24", "--gateway=fd00::7"], "--gateway fd00::7"),
            (&[skip, "--policy=drop-newest"], "when-blocked=skip of cbr-0"),
            (&[skip, "--policy=drop-oldest"], "when-blocked=skip of cbr-0"),
        ] {
            assert!(found(flags).starts_with(named), "{flags:?}: {}", found(flags));
        }
        for flags in [
            &[][..],
            &["--txqueue=12", "--policy=drop-oldest"],
            &["--gateway=fd00::7"],
            &[skip],
            &[skip, "--policy=deadline=1ms"],
            &["--app=cbr:rate=1kpps,when-blocked=skip,budget=9kB", "--policy=drop-newest"],
            &["--app=cbr:rate=1kpps,when-blocked=skip,to=10.0.0.9:9", "--policy=drop-newest"],
        ] {
            assert_eq!(found(flags), "", "{flags:?}");
        }
    }

    #[test]
    fn the_next_hop_counts_and_not_the_destination() {
        let unknown = |flags: &[&str]| {
            let stack = Flags::try_parse_from([&["test"], flags].concat()).unwrap().stack;
            let depth = Depth::new(8).unwrap();
            let plan = Plan::new(&stack, Length::Packets(1), 1, depth, LinkRate::Unlimited).unwrap();
            plan.unknown_hop(&plan.apps[0])
        };
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        assert_eq!(unknown(&["--app=bulk"]), None);
        assert_eq!(unknown(&["--app=bulk:to=10.0.0.77:9"]), ip("10.0.0.77"));
        assert_eq!(unknown(&["--app=bulk:size=9B,to=[fd00::77]:9"]), ip("fd00::77"));
        let far = ["--app=bulk:to=192.168.3.3:9", "--gateway=10.0.0.40"];
        assert_eq!(unknown(&far), ip("10.0.0.40"));
        assert_eq!(unknown(&[&far[..], &["--neighbour=10.0.0.40=02:00:00:00:00:09"]].concat()), None);
    }
}
