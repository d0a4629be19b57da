//! A report without what differs each time that it is made.

/// The lines of the indented `report` without its date and its command line.
pub(crate) fn undated(report: &str) -> String {
    let mut inside = false;
    let kept = report.lines().filter(|line| {
        inside |= line.starts_with("  \"command_line\": [");
        let left_out = inside || line.starts_with("  \"date\": \"");
        inside &= *line != "  ],";
        !left_out
    });
    let kept: Vec<_> = kept.collect();
    assert!(kept.len() + 4 <= report.lines().count(), "it says when and by which command it was made: {report}");
    kept.join("\n")
}
