//! Which points of a set are best, in a sentence.

use shared::report::human;

use super::difference::Pair;
use super::estimate::{Estimated, Samples};
use super::table::Points;
use crate::theory::ParameterError;

/// What a point can be best in.
#[derive(Debug)]
pub(crate) struct Criterion {
    /// The key of the figure.
    pub(crate) key: &'static str,
    noun: &'static str,
    /// What the best one does, and what several of them do.
    verbs: [&'static str; 2],
    is_better: fn(f64, f64) -> bool,
    text: fn(f64) -> String,
}

const CRITERIA: [Criterion; 3] = [
    Criterion {
        key: "loss_ratio",
        noun: "loss",
        verbs: ["loses least", "lose least"],
        is_better: |one, other| one < other,
        text: human::percent,
    },
    Criterion {
        key: "bits_per_second",
        noun: "goodput",
        verbs: ["delivers most", "deliver most"],
        is_better: |one, other| one > other,
        text: human::bit_rate,
    },
    Criterion {
        key: "latency_p99_ns",
        noun: "p99 latency",
        verbs: ["has the smallest p99 latency", "have the smallest p99 latency"],
        is_better: |one, other| one < other,
        text: human::time,
    },
];

/// The points that are best in one criterion.
#[derive(Debug)]
pub(crate) struct Best {
    pub(crate) criterion: &'static Criterion,
    /// Their numbers: the one with the best mean, and all that are not shown to differ from it.
    pub(crate) points: Vec<usize>,
    /// Whether these are all points that have the figure: no difference is shown.
    pub(crate) are_all: bool,
    /// Whether this is more than what one random run of each happened to give.
    pub(crate) is_sure: bool,
    /// The figure, if the points agree on it.
    value: Option<String>,
}

/// The best points in each criterion of which two points have the figure.
///
/// # Errors
/// If `level` is not a level, or a figure is not finite.
pub(crate) fn best(
    set: &Points,
    samples: &Samples,
    estimates: &[Estimated],
    level: f64,
) -> Result<Vec<Best>, ParameterError> {
    let mut all = Vec::new();
    for criterion in &CRITERIA {
        let known: Vec<(usize, f64)> = estimates.iter().enumerate().filter_map(mean_of(criterion)).collect();
        let better = |best: (usize, f64), other: &(usize, f64)| {
            if (criterion.is_better)(other.1, best.1) { *other } else { best }
        };
        let [first, others @ ..] = &known[..] else { continue };
        if others.is_empty() {
            continue;
        }
        let (winner, mean) = others.iter().fold(*first, better);
        let printed = (criterion.text)(mean);
        let (mut points, mut is_sure) = (Vec::new(), true);
        for (point, other) in &known {
            let pair = Pair { set, samples, level, point: *point, reference: winner };
            let difference = pair.difference(criterion.key)?;
            // A single pair has no interval. A difference that is not seen in three digits is none.
            let alike = if difference.pairs > 1 {
                difference.shown == Some(false)
            } else {
                (criterion.text)(*other) == printed
            };
            is_sure &= *point == winner || difference.shown.is_some();
            points.extend((*point == winner || alike).then_some(*point));
        }
        let agreed = known.iter().all(|(point, mean)| !points.contains(point) || (criterion.text)(*mean) == printed);
        let are_all = points.len() == known.len();
        all.push(Best { criterion, points, are_all, is_sure, value: agreed.then_some(printed) });
    }
    Ok(all)
}

fn mean_of(criterion: &Criterion) -> impl Fn((usize, &Estimated)) -> Option<(usize, f64)> {
    |(point, estimated)| Some((point, estimated.figure(criterion.key).mean?))
}

/// What `best` says, with the points called by `names`; `None` if there is nothing to compare.
pub(crate) fn sentence(best: &[Best], names: &[String]) -> Option<String> {
    let mut clauses: Vec<(&[usize], Vec<String>)> = Vec::new();
    for one in best.iter().filter(|best| !best.are_all) {
        let verb = one.criterion.verbs[usize::from(one.points.len() > 1)];
        let value = one.value.as_ref().map_or_else(String::new, |value| format!(" ({value})"));
        let clause = format!("{verb}{value}");
        match clauses.last_mut() {
            Some((points, clauses)) if **points == one.points[..] => clauses.push(clause),
            _ => clauses.push((&one.points, vec![clause])),
        }
    }
    let shown = clauses.into_iter().map(|(points, clauses)| {
        let names: Vec<_> = points.iter().map(|point| names[*point].clone()).collect();
        format!("{} {}", listed(&names), listed(&clauses))
    });
    let alike: Vec<_> = best.iter().filter(|best| best.are_all).map(|best| best.criterion.noun.to_owned()).collect();
    let alike = (!alike.is_empty()).then(|| format!("no difference in {} is shown", listed(&alike)));
    let parts: Vec<String> = shown.chain(alike).collect();
    match &parts[..] {
        [] => None,
        [only] if best.iter().all(|best| best.are_all) => Some(format!("{}.", only.replacen('n', "N", 1))),
        parts => Some(format!("{}.", parts.join("; "))),
    }
}

/// `a`, `a and b` or `a, b and c`.
fn listed(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{run, times};
    use crate::points::axis::Axis;
    use crate::points::estimate::{Sample, estimated};
    use crate::runner::sequence::ClockKind;
    use crate::settings::RunSettings;

    /// The sentence about points whose runs have these losses (of 1000 packets) and p99 latencies, in the order of the
    /// table; `count` seeds each.
    fn said(app: &str, count: u64, runs: &[(u64, u64)]) -> Option<String> {
        let mut base = RunSettings::defaults();
        base.set_apps(&[app]).unwrap();
        let depths = ["depth=1,2,3".parse::<Axis>().unwrap()];
        let set = Points::combinations(&base, ClockKind::Virtual, &depths).unwrap().repeated(count).unwrap();
        let sample = |(dropped, latency): &(u64, u64)| {
            let mut report = run("wait", 1000, *dropped);
            report.latency_ns = times(1000, latency * 500_000);
            Some(Ok(Sample::of(&report)))
        };
        let samples: Samples = runs.iter().map(sample).collect();
        let estimates: Vec<_> = (0..3).map(|point| estimated(&set, &samples, point, 0.95).unwrap()).collect();
        sentence(&best(&set, &samples, &estimates, 0.95).unwrap(), &["a", "b", "c"].map(str::to_owned))
    }

    #[test]
    fn the_best_are_named_with_their_figures() {
        let random = "poisson:load=0.5";
        let said = [
            said("bulk", 1, &[(10, 3), (0, 9), (10, 3)]),
            said(random, 1, &[(0, 1), (20, 1), (30, 3)]),
            said(random, 3, &[(10, 3), (20, 1), (30, 1), (11, 4), (22, 2), (34, 2), (12, 5), (22, 3), (33, 3)]),
            said(random, 2, &[(10, 3), (20, 1), (15, 2), (20, 1), (10, 3), (15, 2)]),
        ];
        insta::assert_snapshot!(said.map(Option::unwrap).join("\n"), @"
        b loses least (0 %); a and c have the smallest p99 latency (3 ms); no difference in goodput is shown.
        a loses least (0 %); a and b have the smallest p99 latency (1 ms); no difference in goodput is shown.
        a loses least (1.10 %); no difference in goodput and p99 latency is shown.
        No difference in loss, goodput and p99 latency is shown.
        ");
    }

    #[test]
    fn a_single_point_is_compared_with_nothing() {
        assert_eq!(sentence(&[], &[]), None);
    }
}
