//! The figures that a check judges, and which values of each are good.

use shared::report::RunReport;

use super::judge::Better;
use crate::report::figures::{
    BLOCKED, Figure, GOODPUT, LATENCY_MEAN, LATENCY_P50, LATENCY_P99, LOSS, RATE, SOJOURN_MEAN, SOJOURN_P50,
    SOJOURN_P99, Value,
};

/// A figure that is judged.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) figure: Figure,
    pub(super) better: Better,
    /// Whether it measures this machine, so that it varies in virtual time too.
    pub(super) in_real_time_only: bool,
}

const fn lower(figure: Figure) -> Judgement {
    Judgement { figure, better: Better::Lower, in_real_time_only: false }
}

const fn higher(figure: Figure) -> Judgement {
    Judgement { figure, better: Better::Higher, in_real_time_only: false }
}

const fn cpu(key: &'static str, title: &'static str, of: fn(&RunReport) -> Value) -> Judgement {
    Judgement { figure: Figure { key, title, of }, better: Better::Lower, in_real_time_only: true }
}

/// Every figure, in the order of the table.
pub(super) static JUDGED: [Judgement; 12] = [
    lower(LOSS),
    higher(GOODPUT),
    higher(RATE),
    lower(SOJOURN_MEAN),
    lower(SOJOURN_P50),
    lower(SOJOURN_P99),
    lower(LATENCY_MEAN),
    lower(LATENCY_P50),
    lower(LATENCY_P99),
    lower(BLOCKED),
    cpu("stack_cpu_ns_per_packet", "CPU of the stack per packet", |run| per_packet(run, Some(run.process.cpu_ns))),
    cpu("driver_cpu_ns_per_packet", "CPU of the driver per packet", |run| {
        per_packet(run, run.driver.as_ref().map(|driver| driver.process.cpu_ns))
    }),
];

/// CPU time per delivered packet.
fn per_packet(run: &RunReport, cpu_ns: Option<u64>) -> Value {
    match (cpu_ns, run.totals.delivered) {
        (None, _) | (_, 0) => Value::None,
        (Some(cpu_ns), delivered) => Value::Time(cpu_ns as f64 / delivered as f64),
    }
}
