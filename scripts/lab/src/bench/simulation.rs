//! How fast virtual time runs: simulated packets per second on one CPU.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::report::human;
use shared::report::median::Median;
use shared::ring::Depth;
use shared::units::{BitRate, LinkRate};

use crate::report::table::markdown;
use crate::runner::{SimulateError, simulate};
use crate::settings::RunSettings;

/// The simulations that are measured: how many apps there are.
pub(crate) const APPS: [u32; 2] = [1, 1000];

/// Packets of one simulation, over all apps.
const PACKETS: u64 = 1_000_000;

/// Load of the link by all apps together.
const LOAD: f64 = 0.9;

/// The link.
const LINK: LinkRate = LinkRate::Limited(BitRate(1_000_000_000));

/// Slots of the ring.
const DEPTH: u32 = 64;

/// The speed of one simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Simulated {
    /// How many apps share the load.
    pub(crate) apps: u32,
    /// Median of the simulated packets per second of real time.
    pub(crate) packets_per_second: f64,
    /// The rate of each repetition, in order.
    pub(crate) repetitions: Vec<f64>,
}

impl Simulated {
    pub(crate) fn new(apps: u32, repetitions: Vec<f64>) -> Self {
        Self { apps, packets_per_second: Median::of(repetitions.iter().copied()).value, repetitions }
    }
}

/// The apps of the simulation with `apps`.
fn specs(apps: u32) -> impl Iterator<Item = String> {
    (0..apps).map(move |app| format!("poisson:name=app{app},size=22B,load={}", LOAD / f64::from(apps)))
}

/// The flags of `lab simulate` for the simulation with `apps`, which together offer `packets`.
pub(crate) fn flags(apps: u32, packets: u64) -> Vec<String> {
    let each = packets / u64::from(apps);
    let mut flags = vec![format!("--depth={DEPTH}"), format!("--link={LINK}"), format!("--packets={each}")];
    flags.extend(specs(apps).map(|spec| format!("--app={spec}")));
    flags
}

/// The settings of the simulation with `apps`: `poisson` in frames of 64 B, at a link of 1 Gbit/s. Together they offer
/// `packets`.
fn settings(apps: u32, packets: u64) -> RunSettings {
    let mut settings = RunSettings::defaults();
    // Parsing cannot fail: the keys and their values are spelled here.
    settings.set_app_specs(specs(apps).filter_map(|spec| spec.parse().ok()).collect());
    settings.set_link(LINK);
    settings.set_packets(packets / u64::from(apps));
    if let Ok(depth) = Depth::new(DEPTH) {
        settings.set_depth(depth);
    }
    settings
}

/// Simulates once, and returns the packets per second of real time.
///
/// # Errors
/// If it cannot be simulated.
pub(crate) fn rate(apps: u32) -> Result<f64, SimulateError> {
    let settings = settings(apps, PACKETS);
    let began = Instant::now();
    let report = simulate(&settings)?;
    Ok(report.totals.delivered as f64 / began.elapsed().as_secs_f64())
}

/// The speeds as a table.
pub(super) fn table(simulated: &[Simulated]) -> String {
    let row = |row: &Simulated| {
        [
            row.apps.to_string(),
            human::packet_rate(row.packets_per_second),
            format!("{:.0}", 1e9 / row.packets_per_second),
        ]
    };
    markdown(0, ["apps", "simulated packets a second", "ns/packet"], simulated.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_share_one_load_and_offer_all_packets() {
        for apps in APPS {
            let report = simulate(&settings(apps, 3_000)).unwrap();
            assert_eq!((report.totals.delivered, report.apps.len()), (3_000, apps as usize));
            assert!(report.totals.dropped == 0 && report.ledger.balanced);
        }
    }
}
