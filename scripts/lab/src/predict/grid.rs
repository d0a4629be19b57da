//! The points of the grid: every combination of what is varied.

use std::fmt;

use netstack::app::{AppSpec, SpecError};
use netstack::stack::Policy;
use serde::Serialize;
use shared::ring::{Depth, WakePoint};
use shared::units::LinkRate;
use shared::wire::TransportKind;

use crate::cli::Sides;

/// What is varied, and what is not.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    pub(crate) policies: Vec<Policy>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) loads: Vec<f64>,
    pub(crate) depths: Vec<Depth>,
    pub(crate) transports: Vec<TransportKind>,
    pub(crate) link: LinkRate,
    pub(crate) packets: u64,
    pub(crate) seed: u64,
}

/// Traffic with a rate of its own, so that it can be offered at a given load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Cbr,
    Poisson,
}

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Point {
    pub(crate) policy: Policy,
    pub(crate) wake: WakePoint,
    pub(crate) kind: Kind,
    pub(crate) load: f64,
    pub(crate) depth: Depth,
    pub(crate) transport: TransportKind,
}

impl Grid {
    /// Every point. Under `wait`, each stands for two: waiters served with each slot, and at half of the ring.
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

    /// What both processes are started with at `point`.
    ///
    /// # Errors
    /// [`SpecError`] if the load is none.
    pub(crate) fn sides(&self, point: &Point) -> Result<Sides, SpecError> {
        let mut sides = Sides::defaults();
        let (stack, driver) = (&mut sides.stack, &mut sides.driver);
        for common in [&mut stack.common, &mut driver.common] {
            (common.depth, common.seed) = (point.depth, self.seed);
        }
        stack.stack.policy = point.policy;
        stack.stack.sending.apps = vec![point.app()?];
        stack.stack.sending.wake = Some(point.wake);
        stack.stack.length.packets = Some(self.packets);
        stack.session.transport = point.transport;
        stack.lines.quiet = true;
        driver.driver.hardware.link = self.link;
        Ok(sides)
    }
}

impl Point {
    /// Its traffic.
    ///
    /// # Errors
    /// [`SpecError`] if the load is none.
    pub(crate) fn app(&self) -> Result<AppSpec, SpecError> {
        let kind = match self.kind {
            Kind::Cbr => "cbr",
            Kind::Poisson => "poisson",
        };
        format!("{kind}:load={}", self.load).parse()
    }
}

/// The flags of `lab run` that repeat it, but for those that all points share.
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
    fn the_processes_are_started_with_what_the_point_says() {
        let point = grid().points()[9];
        let sides = grid().sides(&point).unwrap();
        assert_eq!(sides.stack.stack.sending.apps, [point.app().unwrap()]);
        assert_eq!((sides.stack.common.depth, sides.driver.common.depth), (point.depth, point.depth));
        assert_eq!((sides.stack.common.seed, sides.driver.common.seed), (7, 7));
        assert_eq!(sides.stack.stack.sending.wake, Some(WakePoint::Half));
        assert!(grid().sides(&Point { load: -1.0, ..point }).is_err());
    }
}
