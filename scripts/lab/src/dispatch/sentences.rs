//! What the figures say, in sentences.

use super::DispatchReport;
use super::report::Way;

/// A line for each comparison that the question is about.
pub(super) fn sentences(report: &DispatchReport) -> Vec<String> {
    let (Some(fixed), Some(boxed)) = (report.way("static"), report.way("boxed")) else { return Vec::new() };
    let mut lines = Vec::new();
    let sync = report.way("sync").and_then(|way| way.instructions_per_packet);
    if let (Some(fixed), Some(sync)) = (fixed.instructions_per_packet, sync) {
        lines.push(format!("static takes {:.3} times the instructions of sync.", fixed / sync));
    }
    for way in [report.way("inline"), report.way("poll")].into_iter().flatten() {
        lines.push(against(report, way, fixed, boxed));
    }
    lines.push(format!("boxed allocates {} times a packet.", boxed.allocations_per_packet));
    lines
}

fn against(report: &DispatchReport, way: &Way, fixed: &Way, boxed: &Way) -> String {
    let times = |whole: f64, part: f64| if part > 0.0 { format!("{:.2}", whole / part) } else { "no".to_owned() };
    let instructions = match (report.layers_instructions(boxed), report.layers_instructions(way)) {
        (Some(boxed), Some(way)) => format!(" and {} times in instructions", times(boxed, way)),
        _ => String::new(),
    };
    format!(
        "{}: {} allocations a packet, {} times static from end to end; its layers are cheaper than boxed by {} times \
         in time of the stack{instructions}.",
        way.name,
        way.allocations_per_packet,
        times(way.ns_per_packet, fixed.ns_per_packet),
        times(report.layers_ns(boxed), report.layers_ns(way)),
    )
}
