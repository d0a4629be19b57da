//! The result of a comparison: the reports, the differences between settings, and which setting is best.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use shared::report::{Origin, RunReport, human};

use crate::points::difference::{Difference, Pair};
use crate::points::estimate::Estimated;
use crate::points::output::{COLUMNS, compared};
use crate::points::run::Made;
use crate::points::store::Memory;
use crate::points::table::{Points, TableFile};
use crate::points::verdict::{Best, best, sentence};
use crate::replay::COMPARE_SCHEMA;
use crate::report::story::{Told, story};
use crate::report::table;
use crate::theory::ParameterError;

/// What varies, with the values of a setting.
type Values = BTreeMap<String, String>;

/// The result, and the file that `--json` writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Comparison<'a> {
    /// Name and version of the schema, [`COMPARE_SCHEMA`].
    #[schemars(extend("const" = COMPARE_SCHEMA))]
    schema: &'static str,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// What varies, for each of `runs`.
    settings: Vec<Values>,
    /// What each setting but the first differs by from the first.
    differences: Vec<Apart>,
    /// `None` if fewer than two settings have a run.
    verdict: Option<Verdict>,
    /// The reports: all of the first setting in the order of their seeds, then all of the second, and so on.
    pub(crate) runs: Vec<&'a RunReport>,
    /// The number of each of `runs` in the set.
    #[serde(skip)]
    numbers: Vec<usize>,
    #[serde(skip)]
    set: &'a Points,
    /// What the settings are called.
    #[serde(skip)]
    names: Vec<String>,
    #[serde(skip)]
    estimates: Vec<Estimated>,
    /// In the order of `differences` and of [`COLUMNS`].
    #[serde(skip)]
    by_column: Vec<Vec<Difference>>,
    #[serde(skip)]
    level: f64,
}

/// What a setting differs by from the reference.
#[derive(Debug, Serialize, JsonSchema)]
struct Apart {
    setting: Values,
    reference: Values,
    figures: BTreeMap<&'static str, FigureApart>,
}

/// The difference in one figure, in its base unit.
#[derive(Debug, Serialize, JsonSchema)]
struct FigureApart {
    difference: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    /// Over how many seeds.
    pairs: u64,
    /// Whether it is shown not to be 0; null if there is one pair of random runs.
    shown: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Verdict {
    text: String,
    best: Vec<BestIn>,
}

/// The settings that are best in a figure.
#[derive(Debug, Serialize, JsonSchema)]
struct BestIn {
    figure: &'static str,
    settings: Vec<Values>,
    /// Whether they are shown to be better than the others; false if there are no others, null if there is one random
    /// run of each.
    shown: Option<bool>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(set: &'a Points, made: &Made, memory: &'a Memory, level: f64) -> Result<Self, ParameterError> {
        let table = TableFile::new(set);
        let digests: Vec<_> = table.digests().collect();
        let report = |run: &usize| -> Option<&'a RunReport> {
            match memory.result(digests[*run])? {
                Ok(report) => Some(report),
                // Evidence of what is wrong, which is not part of the estimates.
                Err(fault) => fault.report.as_deref(),
            }
        };
        let numbers = (0..set.points.len()).flat_map(|point| set.runs_of(point).iter().copied());
        let numbers: Vec<usize> = numbers.filter(|run| report(run).is_some()).collect();
        let estimates = made.estimates(set, level)?;
        let by_column = (1..set.points.len()).map(|point| {
            let pair = Pair { set, samples: &made.samples, level, point, reference: 0 };
            COLUMNS.iter().map(|(_, key, _)| pair.difference(key)).collect()
        });
        let by_column: Vec<Vec<Difference>> = by_column.collect::<Result<_, _>>()?;
        let names: Vec<_> = (0..set.points.len()).map(|point| name(set, point)).collect();
        let best = best(set, &made.samples, &estimates, level)?;
        let differences = by_column.iter().zip(1..).map(|(differences, point)| apart(set, point, differences));
        Ok(Self {
            schema: COMPARE_SCHEMA,
            origin: Origin::default(),
            settings: numbers.iter().map(|run| values(set, set.runs()[*run].point)).collect(),
            differences: differences.collect(),
            verdict: verdict(set, &best, &names),
            runs: numbers.iter().filter_map(report).collect(),
            numbers,
            set,
            names,
            estimates,
            by_column,
            level,
        })
    }

    /// The reports, each with the number of its run.
    pub(crate) fn reports(&self) -> impl Iterator<Item = (usize, &'a RunReport)> {
        self.numbers.iter().copied().zip(self.runs.iter().copied())
    }

    /// The settings that have a report.
    fn told(&self) -> Vec<Told<'a>> {
        let of_point = |(point, name): (usize, &String)| {
            let runs = self.reports().filter(|(run, _)| self.set.runs()[*run].point == point);
            Told { name: name.clone(), runs: runs.map(|(_, report)| report).collect() }
        };
        self.names.iter().enumerate().map(of_point).filter(|told| !told.runs.is_empty()).collect()
    }

    /// The verdict, the figures, and what explains them.
    pub(crate) fn text(&self) -> String {
        let told = self.told();
        let repeated = told.iter().any(|told| told.runs.len() > 1);
        let mut text = String::new();
        if let Some(verdict) = &self.verdict {
            let by_chance = !repeated && (0..self.set.points.len()).any(|point| self.set.has_noise(point));
            let caution =
                if by_chance { " With one run of each, some of it may be chance: see --repetitions." } else { "" };
            text += &format!("{}{caution}\n\n", verdict.text);
        }
        text += &if repeated {
            format!(
                "{}\n\nBehind +- is half the width of an interval that holds at {}. A difference is that of runs with \
                 the same seed; of a loss it is in percentage points. Sojourn is from acceptance to completion; latency \
                 is from the intended time to completion.",
                compared(&self.names, &self.estimates, &self.by_column),
                human::percent(self.level)
            )
        } else {
            let columns = told.iter().flat_map(|told| told.runs.iter().map(|run| (told.name.clone(), *run)));
            table::compared(&columns.collect::<Vec<_>>())
        };
        text + "\n\n" + &story(&told, is_of_policies(self.set)).join("\n")
    }

    /// The digests of two runs with the same seed, apps and link that had different arrivals: they cannot be compared.
    pub(crate) fn different_arrivals(&self) -> Option<String> {
        let mut first: BTreeMap<(u64, String), &str> = BTreeMap::new();
        for (number, report) in self.reports() {
            let run = self.set.runs()[number];
            let settings = &self.set.points[run.point].settings;
            let apps = settings.apps().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let digest = report.arrivals_digest.as_str();
            let other = *first.entry((run.seed, format!("{} {apps}", settings.hardware().link))).or_insert(digest);
            if other != digest {
                return Some(format!("{other}, {digest}"));
            }
        }
        None
    }
}

/// `In virtual time: 4 settings, 10 runs each, seeds 1 to 10.`
pub(crate) fn head(set: &Points, made: &Made) -> String {
    let counts = || (0..set.points.len()).map(|point| set.runs_of(point).len());
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    let settings = if set.points.len() == 1 { "setting" } else { "settings" };
    let runs = match (least, most) {
        (1, 1) => "1 run each".to_owned(),
        (least, most) if least == most => format!("{} runs each", human::count(most as u64)),
        (least, most) => format!("{} to {} runs each", human::count(least as u64), human::count(most as u64)),
    };
    let first = set.base.seed();
    let seeds =
        if most > 1 { format!("seeds {first} to {}", first + most as u64 - 1) } else { format!("seed {first}") };
    let mut text = format!("In {} time: {} {settings}, {runs}, {seeds}", set.clock, set.points.len());
    for (count, what) in [(made.faults().count(), "failed"), (made.missing(), "not made")] {
        if count > 0 {
            text += &format!("; {} {what}", human::count(count as u64));
        }
    }
    text + "."
}

/// What a setting is called: its policy if nothing else varies, or what varies with its value.
fn name(set: &Points, point: usize) -> String {
    if is_of_policies(set) { set.points[point].values.concat() } else { set.name(point) }
}

/// Whether the policy alone varies.
fn is_of_policies(set: &Points) -> bool {
    set.keys == ["policy"]
}

fn values(set: &Points, point: usize) -> Values {
    set.keys.iter().cloned().zip(set.points[point].values.iter().cloned()).collect()
}

fn apart(set: &Points, point: usize, differences: &[Difference]) -> Apart {
    let figures = COLUMNS.iter().zip(differences).map(|((_, key, _), difference)| {
        let bounds = difference.estimate.bounds;
        let apart = FigureApart {
            difference: difference.estimate.mean,
            lower: bounds.map(|(low, _)| low),
            upper: bounds.map(|(_, high)| high),
            pairs: difference.pairs,
            shown: difference.shown,
        };
        (*key, apart)
    });
    Apart { setting: values(set, point), reference: values(set, 0), figures: figures.collect() }
}

fn verdict(set: &Points, best: &[Best], names: &[String]) -> Option<Verdict> {
    let best_in = |best: &Best| BestIn {
        figure: best.criterion.key,
        settings: best.points.iter().map(|point| values(set, *point)).collect(),
        shown: best.is_sure.then_some(!best.are_all),
    };
    Some(Verdict { text: sentence(best, names)?, best: best.iter().map(best_in).collect() })
}
