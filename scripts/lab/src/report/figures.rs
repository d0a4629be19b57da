//! The figures that tables and CSV show of a run: the name of each, and how it is read from a report.

use serde_json::Value as Json;
use shared::report::{Ending, EstimateReport, HardwareReport, HostReport, RunReport, human, jain_index};

/// One column of a list, or one row of a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Its name in CSV, for programs.
    pub(crate) key: &'static str,
    /// Its name in tables, for people.
    pub(crate) title: &'static str,
    /// Reads its value from a report.
    pub(crate) of: fn(&RunReport) -> Value,
}

/// A value with its unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Count(u64),
    /// Nanoseconds.
    Time(f64),
    /// A share between 0 and 1.
    Share(f64),
    /// Bits per second.
    BitRate(f64),
    /// Packets per second.
    PacketRate(f64),
    /// A number of slots.
    Mean(f64),
    /// Not measured.
    None,
}

impl Value {
    /// The number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Time(value)
            | Self::Share(value)
            | Self::BitRate(value)
            | Self::PacketRate(value)
            | Self::Mean(value) => Some(*value),
            Self::Text(_) | Self::None => None,
        }
    }

    /// Three digits and a unit.
    pub(crate) fn for_people(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => human::count(*count),
            Self::Time(nanos) => human::time(*nanos),
            Self::Share(share) => human::percent(*share),
            Self::BitRate(rate) => human::bit_rate(*rate),
            Self::PacketRate(rate) => human::packet_rate(*rate),
            Self::Mean(mean) => human::mean(*mean),
            Self::None => "-".to_owned(),
        }
    }

    /// The `number` in the unit of this value, such as a mean of several or a difference.
    pub(crate) fn with(&self, number: f64) -> Self {
        match self {
            Self::Text(_) | Self::None => Self::None,
            Self::Count(_) | Self::Mean(_) => Self::Mean(number),
            Self::Time(_) => Self::Time(number),
            Self::Share(_) => Self::Share(number),
            Self::BitRate(_) => Self::BitRate(number),
            Self::PacketRate(_) => Self::PacketRate(number),
        }
    }

    /// Every digit, in the base unit; empty if it was not measured.
    pub(crate) fn exact(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Time(value)
            | Self::Share(value)
            | Self::BitRate(value)
            | Self::PacketRate(value)
            | Self::Mean(value) => value.to_string(),
            Self::None => String::new(),
        }
    }
}

/// Shorthand for the lists in this module.
const fn figure(key: &'static str, title: &'static str, of: fn(&RunReport) -> Value) -> Figure {
    Figure { key, title, of }
}

pub(crate) const POLICY: Figure = figure("policy", "policy", |run| setting(&run.config.netstack, "policy"));
pub(crate) const DEPTH: Figure = figure("depth", "depth", |run| Value::Count(u64::from(run.ring.depth)));
const OFFERED: Figure = figure("offered", "offered", |run| Value::Count(run.totals.offered));
const ACCEPTED: Figure = figure("accepted", "accepted", |run| Value::Count(run.totals.accepted));
const REFUSED: Figure = figure("refused", "refused", |run| Value::Count(run.totals.refused));
const DELIVERED: Figure = figure("delivered", "delivered", |run| Value::Count(run.totals.delivered));
const DROPPED: Figure = figure("dropped", "dropped", |run| Value::Count(run.totals.dropped));
pub(crate) const LOSS: Figure = figure("loss_ratio", "loss", |run| known(Value::Share, loss(run)));
pub(crate) const GOODPUT: Figure =
    figure("bits_per_second", "goodput", |run| known(Value::BitRate, run.rate.bits_per_second));
pub(crate) const RATE: Figure = figure("packets_per_second", "rate", |run| known(Value::PacketRate, rate(run)));
pub(crate) const SOJOURN_MEAN: Figure =
    figure("sojourn_mean_ns", "mean sojourn", |run| known(Value::Time, sojourn_mean(run)));
pub(crate) const LATENCY_MEAN: Figure =
    figure("latency_mean_ns", "mean latency", |run| known(Value::Time, run.latency_ns.mean));
pub(crate) const SOJOURN_P50: Figure = figure("sojourn_p50_ns", "p50 sojourn", |run| time(run.sojourn_ns.p50));
pub(crate) const SOJOURN_P99: Figure = figure("sojourn_p99_ns", "p99 sojourn", |run| time(run.sojourn_ns.p99));
const SOJOURN_P999: Figure = figure("sojourn_p999_ns", "p99.9 sojourn", |run| time(run.sojourn_ns.p999));
pub(crate) const LATENCY_P50: Figure = figure("latency_p50_ns", "p50 latency", |run| time(run.latency_ns.p50));
pub(crate) const LATENCY_P99: Figure = figure("latency_p99_ns", "p99 latency", |run| time(run.latency_ns.p99));
const LATENCY_P999: Figure = figure("latency_p999_ns", "p99.9 latency", |run| time(run.latency_ns.p999));
pub(crate) const BLOCKED: Figure =
    figure("blocked_ns", "senders blocked", |run| Value::Time(run.blocked.total_ns as f64));
const STARVED: Figure = figure("starved_share", "hardware starved", |run| {
    match (run.elapsed_ns, run.hardware()) {
        (0, _) | (_, None) => Value::None,
        // The driver reports this figure and is not trusted: cap it at the length of the run.
        (elapsed, Some(hardware)) => Value::Share(hardware.starved_ns.min(elapsed) as f64 / elapsed as f64),
    }
});
const STACK_CPU: Figure = figure("stack_cpu_share", "CPU of the stack", |run| cpu_share(run, Some(run.process.cpu_ns)));
const DRIVER_CPU: Figure = figure("driver_cpu_share", "CPU of the driver", |run| {
    cpu_share(run, run.driver.as_ref().map(|driver| driver.process.cpu_ns))
});

/// The rows of a comparison of runs.
pub(crate) const COMPARED: [Figure; 17] = [
    OFFERED,
    ACCEPTED,
    REFUSED,
    DELIVERED,
    DROPPED,
    LOSS,
    GOODPUT,
    SOJOURN_P50,
    SOJOURN_P99,
    SOJOURN_P999,
    LATENCY_P50,
    LATENCY_P99,
    LATENCY_P999,
    BLOCKED,
    STARVED,
    STACK_CPU,
    DRIVER_CPU,
];

/// The columns of a list of runs, under headings short enough for all of them to fit on a line.
pub(crate) const LISTED: [(&str, Figure); 11] = [
    ("policy", POLICY),
    ("depth", DEPTH),
    ("offered", OFFERED),
    ("delivered", DELIVERED),
    ("loss", LOSS),
    ("goodput", GOODPUT),
    ("sojourn p50", SOJOURN_P50),
    ("p99", SOJOURN_P99),
    ("latency p99", LATENCY_P99),
    ("blocked", BLOCKED),
    ("starved", STARVED),
];

const IN_FLIGHT: Figure = figure("in_flight", "in flight", |run| Value::Count(run.totals.in_flight));
const LOST: Figure = figure("lost", "lost", |run| Value::Count(run.totals.lost));
const SOJOURN_MAX: Figure = figure("sojourn_max_ns", "max sojourn", |run| time(run.sojourn_ns.max));
const LATENCY_MAX: Figure = figure("latency_max_ns", "max latency", |run| time(run.latency_ns.max));
const STOPS: Figure = figure("stops", "stops", |run| Value::Count(run.blocked.stops));
const WAKES: Figure = figure("wakes", "wakes", |run| Value::Count(run.blocked.wakes));
const OCCUPANCY_MEAN: Figure = figure("occupancy_mean", "slots held", |run| Value::Mean(run.ring.occupancy_mean));
const OCCUPANCY_MAX: Figure =
    figure("occupancy_max", "most slots held", |run| Value::Count(u64::from(run.ring.occupancy_max)));
const STARVED_NS: Figure = figure("starved_ns", "starved for", |run| hardware(run, |hardware| hardware.starved_ns));
const ACTIVE_NS: Figure =
    figure("hardware_active_ns", "hardware active", |run| hardware(run, |hardware| hardware.active_ns));

/// Of the apps' goodput. Undefined if none has any.
const FAIRNESS: Figure = figure("jain_index", "Jain's index", |run| {
    let rates = run.apps.iter().map(|app| app.rate.bits_per_second.unwrap_or(0.0));
    jain_index(rates).map_or(Value::None, Value::Mean)
});

/// The figures of which a mean over several runs is a figure again.
pub(crate) const NUMBERS: [Figure; 27] = [
    OFFERED,
    ACCEPTED,
    REFUSED,
    DELIVERED,
    DROPPED,
    IN_FLIGHT,
    LOST,
    LOSS,
    RATE,
    GOODPUT,
    SOJOURN_MEAN,
    SOJOURN_P50,
    SOJOURN_P99,
    SOJOURN_P999,
    SOJOURN_MAX,
    LATENCY_MEAN,
    LATENCY_P50,
    LATENCY_P99,
    LATENCY_P999,
    LATENCY_MAX,
    BLOCKED,
    STOPS,
    WAKES,
    OCCUPANCY_MEAN,
    OCCUPANCY_MAX,
    STARVED_NS,
    FAIRNESS,
];

/// The columns of CSV.
pub(crate) const EXACT: [Figure; 46] = [
    POLICY,
    DEPTH,
    figure("txqueue", "txqueue", |run| Value::Count(u64::from(run.ring.txqueue))),
    figure("hw_queue", "hw-queue", |run| setting(&run.config.driver, "hw_queue")),
    figure("link", "link", |run| setting(&run.config.driver, "link")),
    figure("transport", "transport", |run| setting(&run.config.netstack, "transport")),
    figure("apps", "apps", |run| Value::Text(specs(run))),
    figure("seed", "seed", |run| Value::Count(run.seed)),
    figure("clock", "clock", |run| Value::Text(run.clock.clone())),
    figure("ending", "ending", |run| Value::Text(ending(run).to_owned())),
    figure("balanced", "balanced", |run| Value::Text(run.ledger.balanced.to_string())),
    figure("elapsed_ns", "elapsed", |run| Value::Time(run.elapsed_ns as f64)),
    OFFERED,
    ACCEPTED,
    REFUSED,
    DELIVERED,
    DROPPED,
    IN_FLIGHT,
    LOST,
    LOSS,
    RATE,
    GOODPUT,
    SOJOURN_MEAN,
    SOJOURN_P50,
    SOJOURN_P99,
    SOJOURN_P999,
    SOJOURN_MAX,
    LATENCY_MEAN,
    LATENCY_P50,
    LATENCY_P99,
    LATENCY_P999,
    LATENCY_MAX,
    BLOCKED,
    STOPS,
    WAKES,
    OCCUPANCY_MEAN,
    OCCUPANCY_MAX,
    figure("doorbells_rung", "doorbells", |run| Value::Count(run.doorbells.rung)),
    STARVED_NS,
    STARVED,
    ACTIVE_NS,
    STACK_CPU,
    DRIVER_CPU,
    figure("host", "host", |run| host(run, |host| &host.name)),
    figure("git_revision", "git", |run| host(run, |host| &host.git_revision)),
    figure("arrivals_digest", "arrivals", |run| Value::Text(run.arrivals_digest.clone())),
];

/// A text about the host; none if the report is without one.
fn host(run: &RunReport, of: fn(&HostReport) -> &String) -> Value {
    run.host.as_ref().map_or(Value::None, |host| Value::Text(of(host).clone()))
}

fn setting(settings: &Json, name: &str) -> Value {
    match &settings[name] {
        Json::Null => Value::None,
        Json::String(text) => Value::Text(text.clone()),
        other => Value::Text(other.to_string()),
    }
}

/// `figure` as `kind`; [`Value::None`] if it does not exist.
fn known(kind: fn(f64) -> Value, figure: Option<f64>) -> Value {
    figure.map_or(Value::None, kind)
}

/// A time of whole nanoseconds; [`Value::None`] if it does not exist.
fn time(nanos: Option<u64>) -> Value {
    known(Value::Time, nanos.map(|nanos| nanos as f64))
}

fn hardware(run: &RunReport, of: fn(&HardwareReport) -> u64) -> Value {
    time(run.hardware().map(of))
}

/// The estimate over all replications, if the run was repeated: the run's own counts are those of one seed only.
///
/// A theory model may define loss or time differently from `column_is`, the definition of the column. Then the column
/// shows the figure of the run.
fn estimate(run: &RunReport, column_is: &str) -> Option<EstimateReport> {
    let measured = run.theory.as_ref().map(|theory| &theory.measured);
    let same_definitions =
        measured.is_none_or(|measured| [&measured.loss_is, &measured.sojourn_is].iter().any(|is| *is == column_is));
    run.estimate.filter(|estimate| estimate.replications > 1 && same_definitions)
}

fn loss(run: &RunReport) -> Option<f64> {
    estimate(run, "dropped / accepted").map_or(run.totals.loss_ratio, |estimate| Some(estimate.loss_ratio.mean))
}

fn sojourn_mean(run: &RunReport) -> Option<f64> {
    estimate(run, "from acceptance").map_or(run.sojourn_ns.mean, |estimate| Some(estimate.sojourn_mean_ns.mean))
}

fn rate(run: &RunReport) -> Option<f64> {
    let estimate = run.estimate.filter(|estimate| estimate.replications > 1);
    estimate.map_or(run.rate.packets_per_second, |estimate| Some(estimate.packets_per_second.mean))
}

/// `cpu_ns` as a share of one CPU over the length of the run. A simulated run has no process of its own.
fn cpu_share(run: &RunReport, cpu_ns: Option<u64>) -> Value {
    match cpu_ns {
        Some(used) if run.elapsed_ns > 0 && run.clock != "virtual" => Value::Share(used as f64 / run.elapsed_ns as f64),
        _ => Value::None,
    }
}

fn specs(run: &RunReport) -> String {
    run.apps.iter().map(|app| app.spec.as_str()).collect::<Vec<_>>().join("; ")
}

fn ending(run: &RunReport) -> &'static str {
    match run.ending {
        Ending::Finished => "finished",
        Ending::Interrupted => "interrupted",
        Ending::PeerInterrupted => "peer-interrupted",
        Ending::PeerFailed(_) => "peer-failed",
    }
}
