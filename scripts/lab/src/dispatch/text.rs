//! Renders the ways for people: tables, which are also Markdown, and sentences that explain their figures.

use shared::report::human;
use shared::report::median::{FEWEST, Median, Side};

use super::report::{DispatchReport, Way};
use crate::report::table::markdown;

/// The text where an interval does not decide.
const TOO_NOISY: &str = "too noisy to say";

/// The cost of each way, its rate on a slower CPU, the sentences, and what is missing.
pub(crate) fn text(report: &DispatchReport) -> String {
    let mut parts = vec![costs(report), slowed(report)];
    parts.push(sentences(report).iter().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n"));
    if parts.iter().any(|part| part.contains(TOO_NOISY)) {
        parts.push(remedy(report));
    }
    parts.extend(report.left_out.iter().cloned());
    parts.join("\n\n")
}

fn costs(report: &DispatchReport) -> String {
    let header = [
        "way",
        "ns/packet",
        "spread",
        "stack busy, ns",
        "of 4 us",
        "its layers, ns",
        "instructions",
        "its layers",
        "allocations",
    ];
    let row = |way: &Way| {
        let (least, most) = way.sizes.first().map_or((0.0, 0.0), |at| at.spread());
        let whole = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.0}"));
        vec![
            way.name.clone(),
            format!("{:.1}", way.ns_per_packet),
            format!("{least:.1} .. {most:.1}"),
            format!("{:.1}", way.stack_ns()),
            human::percent(way.budget_share),
            // The row without layers has no time of layers.
            if way.name == report.without_layers.name { String::new() } else { layers(&report.layers_ns(way)) },
            whole(way.instructions_per_packet),
            whole(report.layers_instructions(way)),
            format!("{}", way.allocations_per_packet),
        ]
    };
    markdown(1, header, report.ways.iter().chain([&report.without_layers]).map(row))
}

/// The time of the layers, with its interval if there is one.
fn layers(ns: &Median) -> String {
    if ns.interval.is_some() { format!("{:.1} ({ns:.1})", ns.value) } else { format!("{:.1}", ns.value) }
}

/// The rate that the stack could sustain on a slower CPU, and whether that is a gigabit.
fn slowed(report: &DispatchReport) -> String {
    let Some(first) = report.ways.first() else { return String::new() };
    let title = format!("on a CPU {} times slower", report.slowdown);
    let sizes = first
        .sizes
        .iter()
        .map(|at| format!("{} B ({} is a gigabit)", at.size_bytes, human::packet_rate(at.gigabit_packets_per_second)));
    let header: Vec<_> = [title].into_iter().chain(sizes).collect();
    let row = |way: &Way| {
        let held = |holds| match holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => TOO_NOISY,
        };
        let at = way
            .sizes
            .iter()
            .map(|at| format!("{}: {}", human::packet_rate(at.slowed_packets_per_second), held(at.holds_gigabit)));
        [way.name.clone()].into_iter().chain(at).collect::<Vec<_>>()
    };
    markdown(1, header, report.ways.iter().map(row))
}

/// A sentence for each comparison.
fn sentences(report: &DispatchReport) -> Vec<String> {
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

/// The remedy if noise left a comparison undecided.
fn remedy(report: &DispatchReport) -> String {
    let counts = match report.without_layers.instructions_per_packet {
        Some(_) => "instructions are counted, and do not depend on it",
        None => "instructions, which valgrind counts, do not depend on it",
    };
    format!(
        "Where it is {TOO_NOISY}, the interval of the median at 95 % holds both answers, or there is none, which takes \
         {FEWEST} repetitions: more --repetitions, a longer --time or an idle machine help; {counts}."
    )
}

fn against(report: &DispatchReport, way: &Way, fixed: &Way, boxed: &Way) -> String {
    let whole = way.times(fixed);
    format!(
        "{}: {} allocations a packet; from end to end {:.2} times static ({}); {}{}.",
        way.name,
        way.allocations_per_packet,
        whole.value,
        decided(&whole),
        layers_in_time(report, way, boxed),
        layers_in_instructions(report, way, boxed),
    )
}

fn layers_in_time(report: &DispatchReport, way: &Way, boxed: &Way) -> String {
    let ratio = report.layers_ratio(boxed, way);
    let than = match ratio.map(|ratio| ratio.against(1.0)) {
        Some(Side::Above) => "faster",
        Some(Side::Below) => "slower",
        Some(Side::Unknown) | None => return format!("whether its layers are faster than boxed ones is {TOO_NOISY}"),
    };
    let ratio = ratio.map(|ratio| format!("{:.2} times the time ({ratio})", ratio.value)).unwrap_or_default();
    format!("its layers are {than} than boxed ones, which take {ratio}")
}

/// Instructions are counted, so this comparison is certain.
fn layers_in_instructions(report: &DispatchReport, way: &Way, boxed: &Way) -> String {
    match (report.layers_instructions(boxed), report.layers_instructions(way)) {
        (Some(boxed), Some(way)) if way > 0.0 => format!("; boxed ones take {:.2} times the instructions", boxed / way),
        _ => String::new(),
    }
}

/// The interval of a ratio, and whether it decides which of the two takes longer.
fn decided(ratio: &Median) -> String {
    match ratio.against(1.0) {
        Side::Above | Side::Below => ratio.to_string(),
        Side::Unknown => format!("{ratio}: {TOO_NOISY} which takes longer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_a_line_for_each_way() {
        insta::assert_snapshot!(text(&DispatchReport::made_up()));
    }

    #[test]
    fn a_noisy_comparison_is_reported_with_the_remedy() {
        // With this drift the static way takes 50 to 331 ns, on both sides of the threshold of 70.4 ns.
        let noisy = DispatchReport::with_noise(&[0.0, -45.0, 40.0, -40.0, 30.0, -35.0, 231.0, 1.0, -50.0], &[0.0]);
        let noisy = text(&noisy);
        let row = noisy.lines().find(|line| line.starts_with("| static") && line.contains("pps")).unwrap();
        assert!(row.contains("1 Mpps: too noisy to say"), "{row}");
        assert!(noisy.contains("more --repetitions, a longer --time or an idle machine help"), "{noisy}");
        assert!(!text(&DispatchReport::made_up()).contains("help"));
    }

    fn joined(drift: &[f64], jitter: &[f64]) -> String {
        sentences(&DispatchReport::with_noise(drift, jitter)).join("\n")
    }

    #[test]
    fn a_nearly_idle_machine_decides() {
        insta::assert_snapshot!(joined(&[0.0, 1.0, 60.0, 2.0, 1.5, 0.5, 2.5, 3.0, 1.0], &[0.0, 1.0, 2.0]), @"
        static takes 1.013 times the instructions of sync.
        inline: 0 allocations a packet; from end to end 1.91 times static (1.88 to 1.91); its layers are faster than boxed ones, which take 1.65 times the time (1.63 to 1.65); boxed ones take 1.73 times the instructions.
        poll: 0 allocations a packet; from end to end 1.16 times static (1.16 to 1.16); its layers are faster than boxed ones, which take 4.65 times the time (4.44 to 4.71); boxed ones take 4.75 times the instructions.
        boxed allocates 5 times a packet.
        ");
    }

    #[test]
    fn a_noisy_machine_is_too_noisy_to_say() {
        let wild = [0.0, 160.0, -55.0, 180.0, -70.0, 20.0, -35.0, 145.0, -60.0];
        insta::assert_snapshot!(joined(&[0.0; 9], &wild), @"
        static takes 1.013 times the instructions of sync.
        inline: 0 allocations a packet; from end to end 1.64 times static (0.89 to 4.59: too noisy to say which takes longer); whether its layers are faster than boxed ones is too noisy to say; boxed ones take 1.73 times the instructions.
        poll: 0 allocations a packet; from end to end 1.02 times static (0.47 to 3.76: too noisy to say which takes longer); whether its layers are faster than boxed ones is too noisy to say; boxed ones take 4.75 times the instructions.
        boxed allocates 5 times a packet.
        ");
    }

    #[test]
    fn too_few_repetitions_decide_nothing_in_time() {
        insta::assert_snapshot!(joined(&[0.0; 5], &[0.0]), @"
        static takes 1.013 times the instructions of sync.
        inline: 0 allocations a packet; from end to end 1.92 times static (no interval: too noisy to say which takes longer); whether its layers are faster than boxed ones is too noisy to say; boxed ones take 1.73 times the instructions.
        poll: 0 allocations a packet; from end to end 1.17 times static (no interval: too noisy to say which takes longer); whether its layers are faster than boxed ones is too noisy to say; boxed ones take 4.75 times the instructions.
        boxed allocates 5 times a packet.
        ");
    }
}
