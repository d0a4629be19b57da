//! Reports for tests, with round and plausible numbers.

use serde_json::json;
use shared::report::{
    ConfigReport, DRIVER_SCHEMA, DriverFile, DriverReport, Ending, HardwareReport, LedgerReport, ProcessReport,
    RUN_SCHEMA, RateReport, RingReport, RunReport, Summary, Totals, ratio,
};

/// A run of `offered` packets, of which `dropped` were dropped.
pub(crate) fn run(policy: &str, offered: u64, dropped: u64) -> RunReport {
    let delivered = offered - dropped;
    let driver = session(delivered);
    RunReport {
        schema: RUN_SCHEMA.to_owned(),
        config: ConfigReport {
            netstack: json!({"policy": policy, "transport": "socket"}),
            driver: json!({"hw_queue": 16, "link": "100Mbit"}),
            simulate: None,
            far: None,
        },
        far: None,
        stack: None,
        up: None,
        steady: None,
        theory: None,
        estimate: None,
        budget: None,
        stalls_since_ns: None,
        seed: 1,
        clock: "real".to_owned(),
        host: Default::default(),
        origin: Default::default(),
        arrivals_digest: "0123456789abcdef".to_owned(),
        ending: Ending::Finished,
        elapsed_ns: 2_500_000_000,
        totals: Totals {
            offered,
            accepted: offered,
            delivered,
            dropped,
            loss_ratio: ratio(dropped, offered),
            ..Totals::default()
        },
        ledger: LedgerReport { balanced: true, violations: Vec::new() },
        drops: Default::default(),
        refusals: Default::default(),
        rate: RateReport { packets_per_second: Some(8127.4), bits_per_second: Some(95_708_000.0) },
        sojourn_ns: times(delivered, 7_820_000),
        latency_ns: times(delivered, 7_830_000),
        latency_split: None,
        distributions: Default::default(),
        blocked: Default::default(),
        blame: None,
        backpressure: Default::default(),
        fairness: None,
        ring: RingReport { depth: 64, capacity: 64, ..RingReport::default() },
        hardware: Some(driver.hardware.clone()),
        doorbells: Default::default(),
        wakes: Default::default(),
        wakeups: Default::default(),
        violation: None,
        apps: Vec::new(),
        apps_without_quantiles: 0,
        series_interval_ns: 1_000_000_000,
        series: Vec::new(),
        process: ProcessReport { cpu_ns: 100_000_000, ..ProcessReport::default() },
        lines_dropped: 0,
        driver: Some(driver),
        warnings: Vec::new(),
    }
}

/// The driver's own report of a run in which it sent `sent` frames.
pub(crate) fn file(sent: u64) -> DriverFile {
    DriverFile {
        schema: DRIVER_SCHEMA.to_owned(),
        origin: Default::default(),
        config: json!({}),
        sessions: vec![session(sent)],
        endings: Default::default(),
        turned_away: Default::default(),
        log_lines_dropped: 0,
    }
}

fn session(sent: u64) -> DriverReport {
    DriverReport {
        generation: 1,
        received: sent,
        sent,
        ended: "finished".to_owned(),
        hardware: HardwareReport { busy_ns: sent * 123_040, ..HardwareReport::default() },
        process: ProcessReport { cpu_ns: 50_000_000, ..ProcessReport::default() },
        ..DriverReport::default()
    }
}

/// A distribution around `median`.
pub(crate) fn times(count: u64, median: u64) -> Summary {
    let max = 2 * median;
    Summary {
        p50: Some(median),
        p90: Some(median),
        p99: Some(max),
        p999: Some(max),
        ..Summary::without_quantiles(count, median as f64, max)
    }
}
