//! The plan of a run: the flags, resolved with the depth and the link rate that the driver granted.

use std::net::{IpAddr, Ipv4Addr};

use shared::ring::{Depth, MAX_FRAME, WakePointError};
use shared::stalls::StallSchedule;
use shared::units::{Bytes, LinkRate, Nanos};

use crate::account::MOST_WITH_HISTOGRAMS;
use crate::app::{Horizon, ResolveError, ResolvedApp, check_all, resolve_all};
use crate::device::Policy;
use crate::dispatch::Dispatch;
use crate::layers::{MTU, MacAddr, Routes};
use crate::settings::{DEFAULT_NEIGHBOURS, DEFAULT_TXQUEUE, Neighbour, Network, StackSettings};

/// The plan of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the device does when the ring is full.
    pub policy: Policy,
    /// Slots that must be free before senders that wait for room are served.
    pub wake_point: u32,
    /// How the layers call each other.
    pub dispatch: Dispatch,
    /// Places of the transmit queue.
    pub txqueue: u32,
    /// The seed of all randomness.
    pub seed: u64,
    /// The apps with which the run starts.
    pub apps: Vec<ResolvedApp>,
    /// The rate of the link, for apps that join later.
    pub link: LinkRate,
    /// When the hardware stalls, if the driver has stated it.
    pub stalls: Option<StallSchedule>,
    /// Whether the driver grants a receive ring.
    pub way_up: bool,
    /// How much they offer.
    pub length: Length,
    /// Modelled CPU time of the stack per packet in virtual time; zero in real time.
    pub stack_cost: Nanos,
    /// After this time the figures of the steady state start from zero; zero disables that.
    pub warmup: Nanos,
    /// How long the ring may drain.
    pub drain_timeout: Nanos,
    /// Time between samples.
    pub interval: Nanos,
    /// The stack's Ethernet address.
    pub mac: MacAddr,
    /// The routing table.
    pub routes: Routes,
    /// The stack's addresses.
    pub networks: Vec<Network>,
    /// Neighbours with configured Ethernet addresses.
    pub neighbours: Vec<Neighbour>,
    /// One sentence for each setting that has no effect in combination with the others.
    pub without_effect: Vec<String>,
}

/// How much the apps offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Packets for this time.
    Duration(Nanos),
    /// This many packets each.
    Packets(u64),
}

/// The settings do not make a valid run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// An app cannot run.
    #[error(transparent)]
    App(#[from] ResolveError),
    /// There is no route to the destination of an app.
    #[error("--app {app}: no route to {to}; add its network with --address, or a --gateway")]
    NoRoute {
        /// The app's settings.
        app: String,
        /// The destination.
        to: IpAddr,
    },
    /// An app receives, and the driver has no way up.
    #[error(
        "--app {app} receives, and this driver has no way up; start it with --backend tap=NAME or --backend wire=PATH"
    )]
    NoWayUp {
        /// The app's settings.
        app: String,
    },
    /// The wake point is above the depth in force.
    #[error("--wake: {0}")]
    WakePoint(#[from] WakePointError),
    /// The apps would offer more packets than the 64-bit counters of the ledger hold.
    #[error(
        "--duration {0}: the apps would offer more than 2^63 packets, more than can be counted; use a shorter time, or \
         lower rates"
    )]
    TooMany(Nanos),
}

/// How many packets all apps together may offer in a duration, on average: half of what a 64-bit counter holds, because
/// random apps may offer more than their average.
const MOST_OFFERED: f64 = (1_u64 << 63) as f64;

/// Largest UDP payload over IPv4 in the MTU of Ethernet: 1500 - 20 - 8.
pub(super) const PAYLOAD_LIMIT: Bytes = Bytes(1472);

/// Duration of a run without `--duration` and `--packets`.
const DEFAULT_DURATION: Nanos = Nanos::from_secs(5);

/// The stack's Ethernet address, made from its first address. Two stacks on one wire have different ones.
fn own_mac(settings: &StackSettings) -> MacAddr {
    MacAddr::of(settings.layers.address.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |first| first.address))
}

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
            link,
            stalls: None,
            way_up: false,
            length,
            stack_cost: Nanos::ZERO,
            warmup: Nanos::ZERO,
            drain_timeout: settings.layers.drain_timeout,
            interval: settings.layers.interval,
            mac: own_mac(settings),
            networks: settings.layers.address.clone(),
            routes,
            neighbours: settings.layers.neighbour.clone(),
            without_effect: Vec::new(),
        };
        Ok(Self { without_effect: plan.without_effect(settings), ..plan })
    }

    /// The same plan, for a driver that grants a receive ring if `way_up`. Then neighbours are asked for their addresses,
    /// and the neighbours that are configured only by default are not.
    ///
    /// # Errors
    /// [`PlanError::NoWayUp`] if an app needs one and there is none.
    pub fn with_way_up(self, way_up: bool) -> Result<Self, PlanError> {
        if !way_up && let Some(app) = self.apps.iter().find(|app| app.spec().needs_way_up()) {
            return Err(PlanError::NoWayUp { app: app.spec().to_string() });
        }
        let mut neighbours = self.neighbours;
        neighbours.retain(|known| !way_up || !DEFAULT_NEIGHBOURS.contains(&&*known.to_string()));
        Ok(Self { way_up, neighbours, ..self })
    }

    /// Settings that differ from their defaults and have no effect in combination with the others.
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
            if let Some(trace) = app.spec().trace().filter(|trace| trace.raised() > 0) {
                found.push(format!(
                    "file={}: {} recorded packets are shorter than the smallest that {} can send, and have its size, 1B \
                     of payload",
                    trace.file().display(),
                    trace.raised(),
                    app.name()
                ));
            }
            let waits = !policy.never_waits() || app.spec().budget().is_some() || self.unknown_hop(app).is_some();
            if app.spec().skips() && !waits {
                found.push(format!(
                    "when-blocked=skip of {} has no effect under --policy {policy}, where no send waits for room",
                    app.name()
                ));
            }
        }
        found
    }

    /// Checks `settings` and the requested `depth` as far as that is possible without the link, before connecting to
    /// the driver. Returns the length of the run.
    ///
    /// # Errors
    /// [`PlanError`], naming the flag and the remedy.
    pub fn check(settings: &StackSettings, depth: Depth) -> Result<Length, PlanError> {
        let length = Length::of(settings);
        check_apps(settings)?;
        settings.wake_point(depth)?;
        Ok(length)
    }

    /// The next hop of `app`, if its Ethernet address is not known: sends of that app wait for it, or are refused.
    pub fn unknown_hop(&self, app: &ResolvedApp) -> Option<IpAddr> {
        if app.spec().listens().is_some() {
            return None;
        }
        let hop = self.routes.find(app.spec().to().ip(), MTU).ok()?.next_hop;
        self.neighbours.iter().all(|known| known.ip != hop).then_some(hop)
    }

    /// How much each app offers.
    pub fn horizon(&self) -> Horizon {
        match self.length {
            Length::Duration(duration) => Horizon::Until(duration),
            Length::Packets(packets) => Horizon::Packets(packets),
        }
    }
}

impl Length {
    /// The length that `settings` select.
    pub fn of(settings: &StackSettings) -> Self {
        match settings.length.packets {
            Some(packets) => Self::Packets(packets),
            None => Self::Duration(settings.length.duration.unwrap_or(DEFAULT_DURATION)),
        }
    }
}

/// Bytes of memory per app, estimated on the high side: its task, its payloads and its account.
const APP: usize = 16 << 10;

/// Bytes of the five histograms (sojourn, latency, blocked time by stage) of an app, or of all apps that share theirs,
/// estimated on the high side. They grow with the spread of their values; one whose values are spread over everything
/// up to an hour takes 270 KB.
const HISTOGRAMS: usize = 1 << 20;

/// Bytes of the stack's own records for each slot and each place of the transmit queue, besides the frame itself.
const PLACE: usize = 128;

/// Estimates, on the high side, the bytes of memory that a run with `settings` takes on a ring of `depth` slots,
/// without the ring itself.
pub fn memory_of_a_run(settings: &StackSettings, depth: Depth) -> usize {
    let apps = settings.sending.apps.len().max(1);
    let queue = if settings.policy.has_queue() { settings.layers.txqueue as usize } else { 0 };
    let histograms = if apps > MOST_WITH_HISTOGRAMS { 1 } else { apps };
    apps * APP + histograms * HISTOGRAMS + depth.as_usize() * PLACE + queue * (MAX_FRAME + PLACE)
}

/// Checks the apps as far as that is possible without the link. Returns the routing table.
fn check_apps(settings: &StackSettings) -> Result<Routes, PlanError> {
    let (apps, routes) = (&settings.sending.apps, routes(settings));
    check_all(apps, PAYLOAD_LIMIT)?;
    for app in apps.iter().filter(|app| app.listens().is_none()) {
        let to = app.to().ip();
        routes.find(to, MTU).map_err(|_| PlanError::NoRoute { app: app.to_string(), to })?;
    }
    Ok(routes)
}

fn routes(settings: &StackSettings) -> Routes {
    let mut routes = Routes::default();
    for network in &settings.layers.address {
        routes = routes.network(network.address, network.prefix);
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

    /// In real time the rate of the link is known only after the greeting; in a simulation at once.
    #[test]
    fn real_time_and_simulation_accept_the_same_settings() {
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
            // Some of these apps are not valid by themselves.
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
    fn settings_without_effect_are_listed() {
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
    fn the_unknown_hop_is_the_gateway_and_not_the_destination() {
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
