//! Traffic at full rate: the apps of a measurement, over an unlimited link.

use std::net::Ipv4Addr;

use netstack::app::MOST_IN_A_TURN;
use netstack::layers::MacAddr;
use netstack::settings::Neighbour;
use shared::ring::MAX_FRAME;
use shared::units::{Bytes, LinkRate};

use super::full_rate::{HEADERS, SMALLEST};
use crate::settings::RunSettings;

/// What the apps send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// One `bulk` app that passes up to this many packets to the stack in one call.
    Bulk {
        /// Packets per call.
        burst: u32,
    },
    /// This many `bulk` apps.
    Many {
        /// How many.
        apps: u32,
    },
    /// [`MIXED`] apps: all kinds that send without waiting for a response, all sizes, each to another destination.
    Mixed,
}

/// How many apps there are in [`Workload::Mixed`].
pub(crate) const MIXED: u64 = 20;

/// Kinds of apps, in rotation. Together the apps with a schedule ask for far more than any ring carries, so each is
/// always behind its schedule.
const KINDS: [&str; 4] = ["poisson:rate=10Mpps,", "cbr:rate=10Mpps,", "onoff:rate=10Mpps,on=1ms,off=10us,", "bulk:"];

impl Workload {
    /// The workload that is measured where nothing else is said.
    pub(crate) const BULK: Self = Self::Bulk { burst: MOST_IN_A_TURN };

    /// Returns `settings` with the apps of this workload and an unlimited link. Frames have `size`, which is their mean
    /// size if sizes are mixed.
    pub(crate) fn settings(self, settings: &RunSettings, size: Bytes) -> RunSettings {
        let mut settings = settings.clone();
        let apps: Vec<String> = match self {
            Self::Bulk { burst } => vec![format!("bulk:size={},burst={burst}", payload(size.0))],
            Self::Many { apps } => {
                (0..apps).map(|app| format!("bulk:name=app{app},size={}", payload(size.0))).collect()
            }
            Self::Mixed => (0..MIXED).map(|app| mixed(app, size.0)).collect(),
        };
        // Parsing cannot fail: frames of 64 to 1514 bytes have a valid payload size, and the rest is spelled here.
        settings.set_app_specs(apps.iter().filter_map(|app| app.parse().ok()).collect());
        if self == Self::Mixed {
            let neighbours = &mut settings.netstack.stack.layers.neighbour;
            neighbours.extend((1..MIXED).map(|app| Neighbour { ip: destination(app).into(), mac: MAC }));
        }
        settings.set_quiet();
        settings.set_link(LinkRate::Unlimited);
        settings
    }
}

/// App number `app` of a mix whose frames have `mean` bytes on average.
fn mixed(app: u64, mean: u64) -> String {
    let kind = KINDS[app as usize % KINDS.len()];
    // Sizes are spread evenly over the widest range around the mean.
    let spread = mean.saturating_sub(SMALLEST).min((MAX_FRAME as u64).saturating_sub(mean));
    let size = payload(mean - spread + 2 * spread * app / (MIXED - 1));
    format!("{kind}name=app{app},size={size},to={}:9", destination(app))
}

/// The Ethernet address of the neighbours of a mix.
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// The destination of app number `app` of a mix. The first is the neighbour that the stack knows by default.
fn destination(app: u64) -> Ipv4Addr {
    // The cast cannot truncate: there are `MIXED` apps.
    Ipv4Addr::new(10, 0, 0, 2 + app as u8)
}

/// Bytes of payload in a frame of `frame` bytes.
fn payload(frame: u64) -> Bytes {
    Bytes(frame.saturating_sub(HEADERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_has_its_apps_and_the_mean_size_that_was_asked_for() {
        let all = [(Workload::BULK, 1), (Workload::Many { apps: 1000 }, 1000), (Workload::Mixed, 20)];
        for (workload, apps) in all {
            for size in [64, 782, 1500, 1514] {
                let settings = workload.settings(&RunSettings::defaults(), Bytes(size));
                assert_eq!(settings.apps().len(), apps, "{workload:?} at {size} B");
                let frames: Vec<u64> = settings.apps().iter().map(|app| app.sizes().largest().0 + HEADERS).collect();
                assert!(frames.iter().all(|frame| (64..=1514).contains(frame)), "{frames:?}");
                assert!((frames.iter().sum::<u64>() / apps as u64).abs_diff(size) <= 1, "{frames:?}");
            }
        }
    }
}
