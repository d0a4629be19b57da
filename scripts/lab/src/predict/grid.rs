//! The points of the grid: every combination of the settings that vary.

use std::fmt;

use netstack::app::{AppSpec, SpecError};
use netstack::device::Policy;
use schemars::JsonSchema;
use serde::Serialize;
use shared::control::TransportKind;
use shared::process::help::{HARDWARE, RING, TRAFFIC};
use shared::process::settings::{MAX_EXACT, seed};
use shared::ring::{Depth, WakePoint};
use shared::units::LinkRate;

use crate::settings::RunSettings;

/// The settings that vary, and those that all points share.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Grid {
    /// The policies.
    ///
    /// Under wait, each point is run with --wake each and with --wake half.
    #[arg(long, help_heading = RING, value_name = "POLICY,...", value_delimiter = ',', default_values = ["wait", "drop-newest", "drop-oldest", "deadline=10ms"])]
    pub(crate) policies: Vec<Policy>,

    /// The kinds of traffic.
    #[arg(long, help_heading = TRAFFIC, value_name = "KIND,...", value_delimiter = ',', value_enum, default_values = ["cbr", "poisson"])]
    pub(crate) kinds: Vec<Kind>,

    /// The loads, as shares of the link's time.
    ///
    /// At 2, or at another ratio of small numbers, evenly spaced packets arrive exactly when others complete, and the
    /// result depends on which is handled first: no two runs agree there.
    #[arg(long, help_heading = TRAFFIC, value_name = "LOAD,...", value_delimiter = ',', default_values = ["0.7", "0.9", "1.31", "1.97"], value_parser = load)]
    pub(crate) loads: Vec<f64>,

    /// The depths of the ring.
    #[arg(long, help_heading = RING, value_name = "N,...", value_delimiter = ',', default_values = ["4", "16", "128", "1024"])]
    pub(crate) depths: Vec<Depth>,

    /// The transports.
    #[arg(long, help_heading = RING, value_name = "TRANSPORT,...", value_delimiter = ',', value_enum, default_values = ["shm", "socket"])]
    pub(crate) transports: Vec<TransportKind>,

    /// Rate of the link.
    ///
    /// It should be so slow that the 50 us for waking a process are below 1 % of a packet's time.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_LINK", value_name = "RATE", default_value = "500kbit")]
    pub(crate) link: LinkRate,

    /// How many packets each run offers.
    #[arg(long, help_heading = TRAFFIC, value_name = "N", env = "PUSHBACK_PACKETS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=MAX_EXACT))]
    pub(crate) packets: u64,

    /// The seed of all random numbers.
    #[arg(long, help_heading = TRAFFIC, env = "PUSHBACK_SEED", value_name = "N", default_value_t = 1, value_parser = seed)]
    pub(crate) seed: u64,
}

fn load(text: &str) -> Result<f64, String> {
    let load = text.parse().ok().filter(|load: &f64| load.is_finite() && *load > 0.0);
    load.ok_or_else(|| "use a number above zero, as in 0.9".to_owned())
}

/// Traffic with a rate of its own, so that its load can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Cbr,
    Poisson,
}

/// One combination of settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Point {
    pub(crate) policy: Policy,
    pub(crate) wake: WakePoint,
    pub(crate) kind: Kind,
    pub(crate) load: f64,
    pub(crate) depth: Depth,
    pub(crate) transport: TransportKind,
}

impl Grid {
    /// Every point. Under `wait` there are two for each combination: a wake point of one slot, and of half the ring.
    pub(crate) fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for &policy in &self.policies {
            let wakes: &[WakePoint] = match policy {
                Policy::Wait => &[WakePoint::Each, WakePoint::Half],
                _ => &[policy.default_wake()],
            };
            for &wake in wakes {
                for &kind in &self.kinds {
                    for &load in &self.loads {
                        for &depth in &self.depths {
                            let point = |&transport| Point { policy, wake, kind, load, depth, transport };
                            points.extend(self.transports.iter().map(point));
                        }
                    }
                }
            }
        }
        points
    }

    /// The settings of both processes at `point`.
    ///
    /// # Errors
    /// [`SpecError`] if the load is invalid.
    pub(crate) fn settings(&self, point: &Point) -> Result<RunSettings, SpecError> {
        let mut settings = RunSettings::defaults();
        settings.set_depth(point.depth);
        settings.set_seed(self.seed);
        settings.set_packets(self.packets);
        settings.set_link(self.link);
        settings.set_quiet();
        settings.set_transport(point.transport);
        settings.set_policy(point.policy, point.wake);
        settings.set_app_specs(vec![point.app()?]);
        Ok(settings)
    }
}

impl Point {
    /// The app of this point.
    ///
    /// # Errors
    /// [`SpecError`] if the load is invalid.
    pub(crate) fn app(&self) -> Result<AppSpec, SpecError> {
        let kind = match self.kind {
            Kind::Cbr => "cbr",
            Kind::Poisson => "poisson",
        };
        format!("{kind}:load={}", self.load).parse()
    }
}

/// The flags of `lab run` that repeat the point, without those that all points share.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, wake, kind, load, depth, transport } = self;
        let (kind, transport) = (format!("{kind:?}").to_lowercase(), format!("{transport:?}").to_lowercase());
        write!(f, "--policy {policy} --wake {wake} --app {kind}:load={load} --depth {depth} --transport {transport}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::units::BitRate;

    fn grid() -> Grid {
        Grid {
            policies: vec![Policy::Wait, Policy::DropNewest],
            kinds: vec![Kind::Cbr, Kind::Poisson],
            loads: vec![0.7, 2.0],
            depths: vec![Depth::new(4).unwrap()],
            transports: vec![TransportKind::Shm, TransportKind::Socket],
            link: LinkRate::Limited(BitRate(2_000_000)),
            packets: 100,
            seed: 7,
        }
    }

    #[test]
    fn every_combination_occurs_once_and_waiting_twice() {
        let points = grid().points();
        assert_eq!(points.len(), (2 + 1) * 2 * 2 * 2);
        let mut flags: Vec<String> = points.iter().map(ToString::to_string).collect();
        assert_eq!(flags[0], "--policy wait --wake each --app cbr:load=0.7 --depth 4 --transport shm");
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), points.len());
    }

    #[test]
    fn the_settings_of_a_point_reach_both_processes() {
        let point = grid().points()[9];
        let settings = grid().settings(&point).unwrap();
        assert_eq!(settings.apps(), [point.app().unwrap()]);
        let sides = [&settings.netstack.common, &settings.driver.common];
        assert_eq!(sides.map(|common| (common.depth, common.seed)), [(point.depth, 7); 2]);
        assert_eq!(settings.stack().sending.wake, Some(WakePoint::Half));
        assert!(grid().settings(&Point { load: -1.0, ..point }).is_err());
    }
}
