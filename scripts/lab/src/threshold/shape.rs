//! Every figure that a report can hold, as one report in which each optional part is filled.
//!
//! A path of `--fail-if` is checked against it before the run. It is built from the types of the report field by field,
//! so a field that is added there has to be added here.

use netstack::account::Stage;
use serde_json::Value;
use shared::ledger::{DropReason, Histogram, RefuseReason};
use shared::report::{
    AppReport, BackendReport, BackpressureReport, BlameReport, BlameRow, BlockedReport, BudgetReport, ComponentBudget,
    Distribution, Distributions, DriverReport, Ending, EstimateReport, FairnessReport, FigureReport, HardwareSplit,
    JudgedReport, LedgerReport, MeasuredReport, Origin, ProcessBudget, RUN_SCHEMA, RateReport, RunReport, Sample,
    SocketReport, SplitReport, StageReport, SteadyReport, Summary, TheoryReport, Totals, UpDriverReport, UpReport,
    Verdict, WakesReport, WakeupsReport,
};

/// The report as JSON. Lists have one item; maps have every key that is possible.
pub(crate) fn shape() -> Value {
    serde_json::to_value(full()).unwrap_or_default()
}

fn full() -> RunReport {
    RunReport {
        schema: RUN_SCHEMA.to_owned(),
        config: Default::default(),
        stalls_since_ns: Some(0),
        seed: 0,
        clock: String::new(),
        host: Some(Default::default()),
        origin: Origin::now(),
        arrivals_digest: String::new(),
        ending: Ending::Finished,
        elapsed_ns: 0,
        totals: totals(),
        ledger: LedgerReport::default(),
        drops: DropReason::ALL.map(|reason| (reason.name().to_owned(), 0)).into(),
        refusals: RefuseReason::ALL.map(|reason| (reason.name().to_owned(), 0)).into(),
        rate: rate(),
        sojourn_ns: times(),
        latency_ns: times(),
        latency_split: Some(SplitReport { hardware: Some(HardwareSplit::default()), ..SplitReport::default() }),
        distributions: distributions(),
        steady: Some(SteadyReport { loss_ratio: Some(0.0), packets_per_second: Some(0.0), ..SteadyReport::default() }),
        theory: Some(theory()),
        estimate: Some(estimate()),
        budget: Some(budget()),
        blocked: BlockedReport {
            stages: Stage::ALL.map(|stage| (stage.name().to_owned(), waits())).into(),
            ..BlockedReport::default()
        },
        blame: Some(BlameReport {
            apps: vec![String::new()],
            rows: vec![BlameRow { held_ns: vec![0], stalled_ns: Some(0), ..BlameRow::default() }],
            ..BlameReport::default()
        }),
        backpressure: BackpressureReport { full_to_stop_ns: times(), room_to_send_ns: times() },
        fairness: Some(FairnessReport {
            jain_index: Some(0.0),
            max_min_deviation: Some(0.0),
            app: Some(String::new()),
        }),
        ring: Default::default(),
        hardware: Some(Default::default()),
        doorbells: Default::default(),
        wakes: WakesReport { netstack_per_thousand: Some(0.0), driver_per_thousand: Some(0.0) },
        wakeups: WakeupsReport { late_ns: times() },
        violation: Some(String::new()),
        apps: vec![app()],
        stack: Some(app()),
        far: None,
        up: Some(UpReport {
            sockets: vec![SocketReport { latency_ns: times(), round_trip_ns: times(), ..SocketReport::default() }],
            ..UpReport::default()
        }),
        // Above zero: it is left out otherwise.
        apps_without_quantiles: 1,
        series_interval_ns: 0,
        series: vec![Sample::default()],
        process: Default::default(),
        lines_dropped: 0,
        driver: Some(DriverReport {
            up: Some(UpDriverReport::default()),
            backend: Some(BackendReport::default()),
            ..DriverReport::default()
        }),
        warnings: Vec::new(),
    }
}

fn app() -> AppReport {
    AppReport {
        name: String::new(),
        spec: String::new(),
        totals: totals(),
        rate: rate(),
        sojourn_ns: times(),
        latency_ns: times(),
        blocked: Stage::ALL.map(|stage| (stage.name().to_owned(), waits())).into(),
    }
}

fn distributions() -> Distributions {
    let mut one = Histogram::default();
    one.record(0, 1);
    let one = || Distribution::from(&one);
    Distributions { sojourn_ns: one(), latency_ns: one(), full_to_stop_ns: one(), room_to_send_ns: one() }
}

fn rate() -> RateReport {
    RateReport { packets_per_second: Some(0.0), bits_per_second: Some(0.0) }
}

fn totals() -> Totals {
    Totals { loss_ratio: Some(0.0), ..Totals::default() }
}

fn times() -> Summary {
    Summary { count: 0, mean: Some(0.0), p50: Some(0), p90: Some(0), p99: Some(0), p999: Some(0), max: Some(0) }
}

fn waits() -> StageReport {
    StageReport { total_ns: 0, waits_ns: times() }
}

fn theory() -> TheoryReport {
    TheoryReport {
        model: String::new(),
        loss_ratio: 0.0,
        sojourn_mean_ns: 0.0,
        packets_per_second: 0.0,
        admitted: Some(0),
        measured: MeasuredReport {
            loss_is: String::new(),
            sojourn_is: String::new(),
            since_ns: 0,
            loss_ratio: Some(0.0),
            sojourn_mean_ns: Some(0.0),
            packets_per_second: Some(0.0),
            admitted: Some(0),
        },
        verdict: Some(Verdict::Yes),
        agrees: Some(true),
        judged: Some(JudgedReport { figures: 0, joint_level: 0.0, level: 0.0 }),
        findings: vec![String::new()],
    }
}

fn estimate() -> EstimateReport {
    let figure = FigureReport { mean: 0.0, half_width: Some(0.0), below: Some(0.0) };
    EstimateReport {
        level: 0.0,
        precision: Some(0.0),
        random: true,
        replications: 0,
        first_seed: 0,
        last_seed: 0,
        packets: 0,
        loss_ratio: figure,
        sojourn_mean_ns: figure,
        packets_per_second: figure,
    }
}

fn budget() -> BudgetReport {
    let process = ProcessBudget { components: vec![ComponentBudget::default()], ..ProcessBudget::default() };
    BudgetReport {
        period_ns: 0,
        kernel_sampled: true,
        packets: 0,
        allowance_ns: 0,
        ns_per_packet: 0.0,
        allowance_share: 0.0,
        netstack: process.clone(),
        driver: process,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::{Repeat, replicate_while, simulate};
    use crate::settings::RunSettings;

    /// Each path of `report` that the shape lacks.
    fn missing(report: &Value, shape: &Value, path: &str, found: &mut Vec<String>) {
        match (report, shape) {
            (Value::Object(fields), Value::Object(known)) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    match known.get(name) {
                        Some(shape) => missing(value, shape, &path, found),
                        None => found.push(path),
                    }
                }
            }
            (Value::Array(items), Value::Array(known)) => {
                for item in items {
                    match known.first() {
                        Some(shape) => missing(item, shape, path, found),
                        None => found.push(path.to_owned()),
                    }
                }
            }
            _ => {}
        }
    }

    #[test]
    fn no_figure_of_the_shape_is_null() {
        fn nulls(value: &Value, path: &str, found: &mut Vec<String>) {
            match value {
                Value::Null => found.push(path.to_owned()),
                Value::Object(fields) => {
                    fields.iter().for_each(|(name, value)| nulls(value, &format!("{path}.{name}"), found));
                }
                Value::Array(items) => items.iter().for_each(|item| nulls(item, path, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        nulls(&shape(), "", &mut found);
        assert_eq!(found, [".config.driver", ".config.netstack"], "settings are no figures");
    }

    /// A simulation with a model, a warm-up, drops, refusals and repetitions has nothing that the shape lacks.
    #[test]
    fn the_shape_has_every_figure_of_real_reports() {
        let mut settings = RunSettings::defaults();
        settings.set_packets(200);
        settings.set_depth(shared::ring::Depth::new(4).unwrap());
        let mut reports = Vec::new();
        for apps in [&["poisson:load=0.9"][..], &["cbr:load=2,when-blocked=skip", "bulk:budget=3kB", "reqresp"]] {
            settings.set_apps(apps).unwrap();
            reports.push(simulate(&settings).unwrap());
        }
        settings.set_apps(&["poisson:load=0.9"]).unwrap();
        let repeat = Repeat { level: 0.95, precision: None, runs: Some(3), at_most: 3 };
        reports.push(replicate_while(&settings, repeat, None, |_, _| ()).unwrap().report);
        for report in reports {
            let mut report = serde_json::to_value(report).unwrap();
            for part in ["config", "warnings"] {
                report.as_object_mut().unwrap().remove(part);
            }
            let mut found = Vec::new();
            missing(&report, &shape(), "", &mut found);
            assert_eq!(found, Vec::<String>::new());
        }
    }
}
