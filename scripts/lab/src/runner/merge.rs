//! Merges the reports of both processes into one.
//!
//! The driver reports twice: in the farewell that it sends to the stack, which is part of the stack's report, and in a
//! file of its own. Both must agree; without a farewell, the file takes its place.

use serde_json::Value;
use shared::report::{DriverFile, DriverReport, ProcessReport, RunReport, Warning, WarningCode, machine_warning};

/// The merged reports of a run.
#[derive(Debug, PartialEq)]
pub(crate) enum Merged {
    /// The stack reported, with or without the driver.
    Run {
        /// The report.
        report: Box<RunReport>,
        /// Whether `report` differs from the report that the stack wrote.
        changed: bool,
    },
    /// The stack ended without a report; the driver wrote one.
    DriverOnly(Box<DriverFile>),
    /// Neither process reported.
    Nothing,
}

/// Merges the `report` of the stack and the `file` of the driver, which holds at most one session.
pub(crate) fn merge(report: Option<RunReport>, file: Option<DriverFile>) -> Merged {
    match (report, file) {
        (None, None) => Merged::Nothing,
        (None, Some(file)) => Merged::DriverOnly(Box::new(file)),
        (Some(report), None) => Merged::Run { report: Box::new(report), changed: false },
        (Some(mut report), Some(mut file)) => {
            let changed = match (report.driver.take(), file.sessions.pop()) {
                (Some(farewell), Some(own)) => {
                    let violations = differences(&farewell, &own);
                    report.driver = Some(farewell);
                    add_violations(&mut report, violations)
                }
                (None, Some(own)) => {
                    let violations = implausible(&report, &own);
                    fill_in(&mut report, own);
                    add_violations(&mut report, violations);
                    true
                }
                (Some(farewell), None) => {
                    report.driver = Some(farewell);
                    add_violations(
                        &mut report,
                        vec!["driver: it sent a farewell, but its own file has no session".to_owned()],
                    )
                }
                (None, None) => false,
            };
            Merged::Run { report: Box::new(report), changed }
        }
    }
}

/// Adds `violations` to the report, which then does not balance. Returns whether there were any.
fn add_violations(report: &mut RunReport, violations: Vec<String>) -> bool {
    let any = !violations.is_empty();
    report.ledger.balanced &= !any;
    report.ledger.violations.extend(violations);
    any
}

/// Each value that differs between the driver's farewell and its file.
fn differences(farewell: &DriverReport, own: &DriverReport) -> Vec<String> {
    let mut violations = Vec::new();
    compare("driver", &counted(farewell), &counted(own), &mut violations);
    violations
}

/// The report without the CPU time and memory of the process, which still grow after the farewell.
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
        _ => violations.push(format!("{whose}: {farewell} in its farewell, but {own} in its own file")),
    }
}

/// Checks the driver's file against the stack's counts where no farewell arrived. Frames without a completion may or
/// may not have been sent, so the driver must have sent at least what was delivered, and at most that plus what is in
/// flight or lost.
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
    report.warnings.retain(|warning| warning.code != WarningCode::DriverMissing);
    let text = "the driver's farewell did not arrive; its figures are from its own file";
    report.warnings.push(Warning::new(WarningCode::FarewellMissing, text));
    report.warnings.extend(own.warnings.iter().cloned());
    report.hardware = Some(own.hardware.clone());
    report.driver = Some(own);
    report.warnings.extend(machine_warning(report));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::report::Ending;

    use super::*;
    use crate::fixture::{file, run};

    fn merged(report: RunReport, file: DriverFile) -> (RunReport, bool) {
        match merge(Some(report), Some(file)) {
            Merged::Run { report, changed } => (*report, changed),
            other => panic!("{other:?}"),
        }
    }

    /// A report of a stack whose driver is gone.
    fn without_driver(delivered: u64, lost: u64) -> RunReport {
        let mut report = run("wait", delivered + lost, 0);
        report.totals.delivered = delivered;
        report.totals.lost = lost;
        report.ending = Ending::PeerFailed("the peer closed the connection".to_owned());
        report.driver = None;
        report.hardware = None;
        report.warnings = vec![Warning::new(WarningCode::DriverMissing, "no driver")];
        report
    }

    #[test]
    fn reports_that_agree_are_not_changed() {
        let mut file = file(100);
        file.sessions[0].process.cpu_ns += 1;
        assert_eq!(merged(run("wait", 100, 0), file), (run("wait", 100, 0), false));
        let alone = merge(Some(run("wait", 100, 0)), None);
        assert_eq!(alone, Merged::Run { report: Box::new(run("wait", 100, 0)), changed: false });
    }

    #[test]
    fn a_driver_whose_file_and_farewell_differ_unbalances_the_ledger() {
        let mut file = file(100);
        file.sessions[0].sent = 99;
        file.sessions[0].hardware.busy_ns = 7;
        let (report, changed) = merged(run("wait", 100, 0), file);
        assert!(changed && !report.ledger.balanced);
        insta::assert_snapshot!(report.ledger.violations.join("\n"), @"
        driver.hardware.busy_ns: 12304000 in its farewell, but 7 in its own file
        driver.sent: 100 in its farewell, but 99 in its own file
        ");
        let empty = DriverFile { sessions: Vec::new(), ..crate::fixture::file(1) };
        assert!(!merged(run("wait", 100, 0), empty).0.ledger.balanced);
    }

    #[test]
    fn the_file_takes_the_place_of_a_missing_farewell() {
        let mut file = file(95);
        file.sessions[0].warnings = vec![Warning::new(WarningCode::CaptureIncomplete, "frames are missing")];
        let (report, changed) = merged(without_driver(90, 10), file.clone());
        assert!(changed && report.ledger.balanced, "{:?}", report.ledger);
        assert_eq!(report.driver.as_ref().map(|driver| driver.sent), Some(95));
        assert_eq!(report.hardware.as_ref(), Some(&file.sessions[0].hardware));
        let codes: Vec<_> = report.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [WarningCode::FarewellMissing, WarningCode::CaptureIncomplete]);
    }

    #[test]
    fn without_a_report_of_the_stack_the_file_of_the_driver_is_the_result() {
        assert_eq!(merge(None, Some(file(5))), Merged::DriverOnly(Box::new(file(5))));
        assert_eq!(merge(None, None), Merged::Nothing);
    }

    proptest! {
        /// Of the frames without a completion, any number may have been sent, and no more.
        #[test]
        fn a_file_without_a_farewell_balances_if_and_only_if_it_is_plausible(delivered in 0..1000u64, lost in 1..1000u64, sent in 0..3000u64) {
            let (report, _) = merged(without_driver(delivered, lost), file(sent));
            prop_assert_eq!(report.ledger.balanced, (delivered..=delivered + lost).contains(&sent));
            prop_assert_eq!(report.ledger.balanced, report.ledger.violations.is_empty());
        }

        /// Each field that differs is found.
        #[test]
        fn any_difference_is_found(field in 0..7usize, by in 1..1000u64) {
            let mut file = file(100);
            let own = &mut file.sessions[0];
            *[
                &mut own.generation, &mut own.received, &mut own.sent, &mut own.sent_bytes, &mut own.bad_checksum,
                &mut own.discarded, &mut own.hardware.starved_ns,
            ][field] += by;
            let (report, changed) = merged(run("wait", 100, 0), file);
            prop_assert!(changed && !report.ledger.balanced);
            prop_assert_eq!(report.ledger.violations.len(), 1);
        }
    }
}
