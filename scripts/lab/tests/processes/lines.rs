//! Interval lines of both processes. The hardware keeps ideal times, so its figures hold on a busy machine too.

use shared::report::{RunReport, Sample, interval_line};
use shared::units::Nanos;

use crate::lab::lab;

/// The stack is woken for room when half of 96 slots are free, which takes 296 ms; a line covers 90 ms, and a frame
/// takes 6.152 ms.
#[test]
fn each_line_shows_what_happened_in_its_interval_and_the_last_one_ends_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let flags = ["run", "--app=bulk", "--app=bulk", "--packets=80", "--link=2Mbit", "--depth=96", "--interval=90ms"];
    let output = lab(&flags).arg("--json").arg(&json).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: RunReport = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();

    assert_eq!((report.totals.delivered, report.series_interval_ns), (160, 90_000_000));
    let mut previous = Nanos::ZERO;
    for sample in &report.series {
        let &Sample { time_ns, delivered, blocked_ns, .. } = sample;
        assert!(delivered <= 90_000_000 / 6_152_000 + 1, "{sample:?}");
        assert!(blocked_ns <= 2 * u128::from(time_ns - previous.0), "{sample:?}");
        assert!(text.contains(&interval_line(sample, previous)), "{sample:?} is not in\n{text}");
        previous = Nanos(time_ns);
    }
    assert_eq!(previous.0, report.elapsed_ns);
    assert_eq!(report.series.iter().map(|sample| sample.delivered).sum::<u64>(), 160);
    assert_eq!(report.series.iter().map(|sample| sample.blocked_ns).sum::<u128>(), report.blocked.total_ns);
}
