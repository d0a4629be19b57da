//! One report of what both processes say.
//!
//! The driver says it twice: in its farewell to the stack, which is in the stack's report, and in
//! a file of its own. Both must agree; where the farewell is missing, the file takes its place.

use serde_json::Value;
use shared::report::{DRIVER_MISSING, DriverFile, DriverReport, ProcessReport, RunReport};

/// What both processes say of a run.
#[derive(Debug, PartialEq)]
pub(crate) enum Merged {
    /// The run's report.
    Run {
        /// The report.
        report: Box<RunReport>,
        /// Whether it says more than the stack's own.
        changed: bool,
    },
    /// The stack did not live to report, but the driver did.
    DriverOnly(DriverFile),
    /// Nobody reported.
    Nothing,
}

/// Merges the stack's `report` and the driver's `file`, which is of one session.
pub(crate) fn merge(report: Option<RunReport>, file: Option<DriverFile>) -> Merged {
    match (report, file) {
        (None, None) => Merged::Nothing,
        (None, Some(file)) => Merged::DriverOnly(file),
        (Some(report), None) => Merged::Run { report: Box::new(report), changed: false },
        (Some(mut report), Some(mut file)) => {
            let changed = match (report.driver.take(), file.sessions.pop()) {
                (Some(farewell), Some(own)) => {
                    let violations = differences(&farewell, &own);
                    report.driver = Some(farewell);
                    accuse(&mut report, violations)
                }
                (None, Some(own)) => {
                    let violations = implausible(&report, &own);
                    fill_in(&mut report, own);
                    accuse(&mut report, violations);
                    true
                }
                (Some(farewell), None) => {
                    report.driver = Some(farewell);
                    accuse(&mut report, vec!["driver: it said farewell, but its own file has no session".to_owned()])
                }
                (None, None) => false,
            };
            Merged::Run { report: Box::new(report), changed }
        }
    }
}

/// Adds `violations`. Returns whether there were any.
fn accuse(report: &mut RunReport, violations: Vec<String>) -> bool {
    let any = !violations.is_empty();
    report.ledger.balanced &= !any;
    report.ledger.violations.extend(violations);
    any
}

/// What the driver's file says otherwise than its farewell.
fn differences(farewell: &DriverReport, own: &DriverReport) -> Vec<String> {
    let mut violations = Vec::new();
    compare("driver", &counted(farewell), &counted(own), &mut violations);
    violations
}

/// What must not differ: what the process used goes on growing after the farewell.
fn counted(report: &DriverReport) -> Value {
    let report = DriverReport { process: ProcessReport::default(), ..report.clone() };
    serde_json::to_value(report).unwrap_or_default()
}

fn compare(whose: &str, farewell: &Value, own: &Value, violations: &mut Vec<String>) {
    match (farewell, own) {
        (Value::Object(fields), Value::Object(_)) => {
            for (name, value) in fields {
                compare(&format!("{whose}.{name}"), value, &own[name], violations);
            }
        }
        _ if farewell == own => {}
        _ => violations.push(format!("{whose}: its farewell says {farewell}, but its own file {own}")),
    }
}

/// What cannot be if the stack never heard the driver's farewell: of the frames without a
/// completion, the driver may have sent any number.
fn implausible(report: &RunReport, own: &DriverReport) -> Vec<String> {
    let totals = &report.totals;
    let most = totals.delivered + totals.lost + totals.in_flight;
    if (totals.delivered..=most).contains(&own.sent) {
        return Vec::new();
    }
    vec![format!(
        "driver: sent is {}, but delivered is {} and delivered + in flight + lost {most}",
        own.sent, totals.delivered
    )]
}

fn fill_in(report: &mut RunReport, own: DriverReport) {
    report.warnings.retain(|warning| warning != DRIVER_MISSING);
    report.warnings.push("the driver's farewell did not arrive; its figures are from its own file".to_owned());
    report.hardware = own.hardware.clone();
    report.driver = Some(own);
}
