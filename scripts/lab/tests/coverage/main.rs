//! Checks that intervals contain the true value as often as their level.
//!
//! The true value is known: a queue with places has a closed form. Each estimate is made as `lab simulate` makes it, of
//! seeds that no other estimate uses. Of many estimates, about the share given by the level must contain the true
//! value.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "a test prints what it did")]

#[path = "../common/setup.rs"]
mod setup;

use lab::runner::{Repeat, replicate};
use lab::theory::Model;
use shared::report::FigureReport;
use shared::units::Nanos;

use setup::settings_of;

/// The time of a frame with 1 B of payload at 10 Mbit/s.
const SERVICE_NS: f64 = 67_200.0;

/// Makes `estimates` estimates of a queue with exponential service; returns the shares of them whose intervals contain
/// the true loss, mean time and rate.
fn held(estimates: u64, load: f64, places: u32, packets: u64, repeat: Repeat) -> [f64; 3] {
    let app = format!("app=poisson:size=1B,load={load}");
    let (depth, packets) = (format!("depth={places}"), format!("packets={packets}"));
    let flags = [&app, "link=10Mbit", "dma=none", "service=exponential", "policy=drop-newest", &depth, &packets];
    let mut setting = settings_of(&flags, Nanos::ZERO);
    setting.simulation.warmup = None;
    let truth = Model::Mm1k { load, places }.predict().unwrap();
    let mut held = [0.0; 3];
    for estimate in 0..estimates {
        let seed = 1 + estimate * repeat.at_most;
        let estimate = replicate(&setting.with_seed(seed), repeat).unwrap().report.estimate.unwrap();
        assert!(estimate.last_seed < seed + repeat.at_most, "two estimates share a seed");
        let pairs = [
            (estimate.loss_ratio, truth.loss_ratio),
            (estimate.sojourn_mean_ns, truth.sojourn_mean_ns(SERVICE_NS)),
            (estimate.packets_per_second, truth.packets_per_second(SERVICE_NS)),
        ];
        for (held, (FigureReport { mean, half_width, .. }, truth)) in held.iter_mut().zip(pairs) {
            *held += f64::from((mean - truth).abs() <= half_width.unwrap());
        }
    }
    held.map(|held| held / estimates as f64)
}

/// Checks that each share is within four of its standard deviations of `level`.
#[track_caller]
fn about(level: f64, estimates: u64, shares: [f64; 3]) {
    println!("{level}: {shares:?}");
    let allowed = 4.0 * (level * (1.0 - level) / estimates as f64).sqrt();
    for share in shares {
        assert!((share - level).abs() <= allowed, "{level}: {shares:?}");
    }
}

#[test]
fn a_fixed_number_of_runs() {
    for (level, runs) in [(0.95, 10), (0.8, 5)] {
        let repeat = Repeat { level, precision: None, runs: Some(runs), at_most: runs };
        about(level, 100, held(100, 0.9, 3, 1_000, repeat));
    }
}

/// Stopping when the interval happens to be narrow lowers the level, but only a little from ten runs on.
#[test]
fn as_many_runs_as_the_precision_needs() {
    let repeat = Repeat { level: 0.95, precision: Some(0.08), runs: None, at_most: 200 };
    about(0.95, 100, held(100, 0.9, 3, 600, repeat));
}

/// `cargo test --release -p lab --test coverage -- --include-ignored --nocapture` prints the shares.
#[test]
#[ignore = "long: run in release"]
fn many_estimates_of_longer_runs() {
    let repeat = Repeat { level: 0.95, precision: Some(0.02), runs: None, at_most: 1_000 };
    about(0.95, 1_000, held(1_000, 0.9, 8, 10_000, repeat));
    about(0.95, 1_000, held(1_000, 1.1, 4, 2_000, repeat));
}
