//! `--fail-if` and `--strict`: when the report of a run counts as failed.
//!
//! A [`Condition`] is checked twice: when the flags are parsed, against [`shape`], so that a wrong name never costs a
//! run; and after the run, against its report. Nothing here prints or reads a clock.

mod path;
mod quantity;
mod shape;

use std::fmt;
use std::str::FromStr;

use clap::Args;
use netstack::app::AppSpec;
use serde_json::Value;
use serde_with::DeserializeFromStr;
use shared::process::help::OUTPUT;
use shared::report::{RunReport, Warning};
use shared::units::shown;

use path::{Figure, Path};
#[cfg(test)]
pub(crate) use shape::shape as every_figure;

/// The flags for what makes a run fail.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Thresholds {
    /// Fail if COND is true of the report, such as 'loss > 0.1%'; repeatable.
    ///
    /// Another example is 'latency.p99 >= 5ms'. COND is PATH OP VALUE. PATH is that of a figure in the JSON report:
    /// totals.loss_ratio, latency_ns.p99, apps[0].offered, apps.NAME.latency_ns.p99, drops.DEVICE_RING_FULL. Short
    /// names are loss, goodput, latency (its p99, or latency.p50 and so on), sojourn (likewise) and blocked (in all).
    /// OP is one of > >= < <= == !=. VALUE has the unit of a flag (0.1%, 5ms, 900Mbit, 250kpps, 64KiB), or none if it
    /// is a count. A drop reason that did not occur counts 0; a figure that does not exist (the latency where nothing
    /// was delivered) fails too. Each condition that is true is printed on standard error, and the exit status is 1,
    /// unless the run itself ended with a worse one: 2, 4, 3, 130, 1, 0, in this order.
    #[arg(long = "fail-if", help_heading = OUTPUT, env = "PUSHBACK_FAIL_IF", value_name = "COND", value_delimiter = ';')]
    fail_if: Vec<Condition>,

    /// Fail if there is a warning.
    ///
    /// Each is printed with its code on standard error, and the exit status is 1.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_STRICT")]
    strict: bool,
}

impl Thresholds {
    /// Checks that a run with `apps` has each app that a condition is about.
    ///
    /// # Errors
    /// [`ConditionError`] for the first app that it does not have.
    pub(crate) fn check_apps(&self, apps: &[AppSpec]) -> Result<(), ConditionError> {
        let names: Vec<_> = apps.iter().zip(0..).map(|(app, index)| app.name(index)).collect();
        self.fail_if.iter().try_for_each(|condition| condition.check_app(&names))
    }

    /// What makes `report` fail: a line for each condition that is true, and with --strict for each warning.
    pub(crate) fn failures(&self, report: &RunReport) -> Vec<String> {
        if self.fail_if.is_empty() && !self.strict {
            return Vec::new();
        }
        // From the text: a `Value` cannot be made from sums above 2^64 - 1.
        let json = serde_json::to_string(report).and_then(|text| serde_json::from_str(&text)).unwrap_or(Value::Null);
        let conditions = self.fail_if.iter().filter_map(|condition| condition.check(&json));
        conditions.chain(self.strict_failures(&report.warnings)).collect()
    }

    /// The same conditions and `more` of them.
    #[must_use]
    pub(crate) fn with(&self, more: Vec<Condition>) -> Self {
        Self { fail_if: [&self.fail_if[..], &more].concat(), strict: self.strict }
    }

    /// What makes the `warnings` of a report fail it.
    fn strict_failures<'a>(&self, warnings: &'a [Warning]) -> impl Iterator<Item = String> + use<'a> {
        let strict = self.strict;
        warnings.iter().filter(move |_| strict).map(strict_failure)
    }
}

/// The line of --strict for one warning.
pub(crate) fn strict_failure(warning: &Warning) -> String {
    format!("--strict: warning {}: {warning}", warning.code)
}

/// A condition on one figure of a report: `PATH OP VALUE`.
///
/// ```text
/// loss > 0.1%        latency.p50 >= 1ms        apps.web.offered == 0
/// ```
#[derive(Debug, Clone, PartialEq, DeserializeFromStr)]
pub(crate) struct Condition {
    /// As it was written, without spaces at its ends.
    text: String,
    path: Path,
    relation: Relation,
    /// In base units.
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtLeast,
    AtMost,
    Equal,
    Unequal,
    Above,
    Below,
}

impl Relation {
    /// The longer ones first, because the shorter ones begin them.
    const ALL: [(&str, Self); 6] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        (">", Self::Above),
        ("<", Self::Below),
    ];

    #[allow(clippy::float_cmp, reason = "== and != mean the very number; tolerances are written as two conditions")]
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::AtLeast => value >= limit,
            Self::AtMost => value <= limit,
            Self::Equal => value == limit,
            Self::Unequal => value != limit,
            Self::Above => value > limit,
            Self::Below => value < limit,
        }
    }
}

/// A text that is no condition, or a condition that the run cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConditionError(String);

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let text = text.trim();
        let split = text.find(['>', '<', '=', '!']).map(|at| text.split_at(at));
        let operator =
            |(_, behind): &(&str, &str)| Relation::ALL.into_iter().find(|(operator, _)| behind.starts_with(operator));
        let Some(((path, behind), (operator, relation))) = split.and_then(|split| Some((split, operator(&split)?)))
        else {
            let single = split.is_some_and(|(_, behind)| behind.starts_with('='));
            let remedy = if single { "write == for equal" } else { "use one of > >= < <= == !=" };
            return Err(ConditionError(format!("no operator; {remedy}, as in 'loss > 0.1%' or 'latency.p99 >= 5ms'")));
        };
        let (path, value) = (path.trim(), behind[operator.len()..].trim());
        if path.is_empty() || value.is_empty() {
            let side = if path.is_empty() { "figure before" } else { "value behind" };
            return Err(ConditionError(format!("no {side} {operator}; write, for example, 'loss > 0.1%'")));
        }
        let path = Path::parse(path, &shape::shape()).map_err(ConditionError)?;
        let quantity = path.quantity();
        let limit = quantity
            .parse(value)
            .map_err(|problem| ConditionError(format!("{path} is {}, and {problem}", quantity.name())))?;
        Ok(Self { text: text.to_owned(), path, relation, limit })
    }
}

impl Condition {
    /// The line about this condition, if it is true of `report` or its figure does not exist.
    fn check(&self, report: &Value) -> Option<String> {
        match self.path.find(report) {
            Figure::Known(value) if self.relation.holds(value, self.limit) => {
                Some(format!("--fail-if {self}: {} is {}", self.path, self.path.quantity().show(value)))
            }
            Figure::Known(_) => None,
            Figure::Missing(why) => Some(format!("--fail-if {self}: there is no figure: {why}")),
        }
    }

    fn check_app(&self, names: &[String]) -> Result<(), ConditionError> {
        let problem = match self.path.app() {
            Some(Ok(name)) if !names.iter().any(|known| known == name) => {
                format!("there is no app {}", shown(name, 60))
            }
            Some(Err(number)) if number >= names.len() => format!("there is no apps[{number}]"),
            _ => return Ok(()),
        };
        let known = match names {
            [first, .., last] if names.len() > 8 => format!("{first} to {last}"),
            names => names.join(", "),
        };
        Err(ConditionError(format!("--fail-if {self}: {problem}; the apps of this run are {known}")))
    }
}

/// Formats the condition as it was written.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use shared::report::{AppReport, Summary, Totals, WarningCode};

    use super::*;
    use crate::fixture::{run, times};

    fn condition(text: &str) -> Condition {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refusal(text: &str) -> String {
        text.parse::<Condition>().unwrap_err().to_string()
    }

    fn failures(conditions: &[&str], report: &RunReport) -> Vec<String> {
        let fail_if = conditions.iter().map(|text| condition(text)).collect();
        Thresholds { fail_if, strict: false }.failures(report)
    }

    fn app(name: &str) -> AppReport {
        AppReport {
            name: name.to_owned(),
            spec: String::new(),
            totals: Totals { offered: 7, accepted: 7, ..Totals::default() },
            rate: Default::default(),
            sojourn_ns: Summary { p99: None, ..times(7, 5) },
            latency_ns: times(7, 3_000_000),
            blocked: Default::default(),
        }
    }

    #[test]
    fn every_way_to_name_a_figure_finds_it() {
        let mut report = run("drop-newest", 1000, 50);
        report.apps = vec![app("web"), app("a.b-c_1")];
        report.drops.insert("DEVICE_RING_FULL".to_owned(), 50);
        report.blocked.total_ns = u128::from(u64::MAX) * 4;
        for (text, holds) in [
            ("loss > 4.9%", true),
            ("loss>0.05", false),
            ("totals.loss_ratio >= 5%", true),
            ("goodput < 900Mbit", true),
            ("rate.packets_per_second > 8kpps", true),
            ("latency > 15ms", true),
            ("latency_ns.p99 <= 15ms", false),
            ("latency.p50 > 1ms", true),
            ("sojourn.mean == 7.82ms", true),
            ("sojourn.count != 950", false),
            ("blocked > 1000s", true),
            ("blocked.stops == 0", true),
            ("blocked.stages.room.total_ns == 0ns", true),
            ("drops.DEVICE_RING_FULL == 50", true),
            ("drops.DEVICE_DEADLINE == 0", true),
            ("refusals.WOULD_BLOCK > 0", false),
            ("apps[0].offered == 7", true),
            ("apps.web.latency_ns.p99 > 5ms", true),
            ("apps.a.b-c_1.latency_ns.p99 > 7ms", false),
            ("apps.web.blocked.budget.total_ns > 0s", false),
            ("apps_without_quantiles == 0", true),
            ("driver.sent_bytes < 64KiB", true),
            (" ring.depth\t==64 ", true),
        ] {
            assert_eq!(!failures(&[text], &report).is_empty(), holds, "{text}");
        }
    }

    #[test]
    fn each_failure_names_the_condition_and_the_measured_value() {
        let report = run("drop-newest", 1000, 50);
        let lines = failures(&["latency.p50 > 1ms", "loss > 1%", "goodput < 900Mbit", "totals.dropped > 9"], &report);
        insta::assert_snapshot!("measured", lines.join("\n"));
    }

    #[test]
    fn a_figure_that_does_not_exist_fails_with_its_reason() {
        let mut report = run("wait", 10, 0);
        report.apps = vec![app("web")];
        report.rate.bits_per_second = None;
        report.driver = None;
        (report.latency_ns, report.totals.accepted) = (Summary::default(), 0);
        let lines = failures(
            &[
                "latency < 1s",
                "loss > 1%",
                "goodput > 1bit",
                "theory.loss_ratio > 1%",
                "estimate.loss_ratio.mean > 1%",
                "steady.delivered > 1",
                "budget.ns_per_packet > 1us",
                "driver.sent == 0",
                "apps.web.sojourn_ns.p99 > 1ms",
                "series[3].delivered == 0",
            ],
            &report,
        );
        insta::assert_snapshot!("missing", lines.join("\n"));
    }

    #[test]
    fn every_mistake_is_named_with_its_remedy() {
        let mistakes = [
            "",
            "loss",
            "loss = 1%",
            "loss > ",
            "> 1%",
            "loss > 5",
            "loss > 5ms",
            "latency > 5",
            "latency > 5Mbit",
            "latency.p50 > 0.1ns",
            "goodput < 900",
            "goodput < 900Mbit/s",
            "rate.packets_per_second < 1Mbit",
            "totals.dropped > 1k",
            "driver.sent_bytes > 64K",
            "los > 1%",
            "latensy.p50 > 1ms",
            "latency.p98 > 1ms",
            "loss_ratio > 1%",
            "totals > 1",
            "drops.DEVICE_RING_FUL > 0",
            "drops.WHATEVER > 0",
            "apps.offered > 1",
            "apps[x].offered > 1",
            "apps > 1",
            "apps.web > 1",
            "apps.web.loss > 1%",
            "totals.dropped.more > 1",
            "ledger.balanced == 0",
            "config.netstack.depth > 1",
            "warnings > 0",
            "nonsense > 0",
        ];
        let lines: Vec<_> = mistakes.iter().map(|text| format!("{text:?}: {}", refusal(text))).collect();
        insta::assert_snapshot!("every_mistake", lines.join("\n"));
    }

    #[test]
    fn an_app_that_the_run_does_not_have_is_found_before_it() {
        let apps: Vec<AppSpec> = ["bulk:name=web", "cbr:load=0.1"].map(|app| app.parse().unwrap()).into();
        let check = |text: &str| {
            Thresholds { fail_if: vec![condition(text)], strict: false }.check_apps(&apps).map_err(|e| e.to_string())
        };
        for text in ["apps.web.offered > 1", "apps.cbr-1.offered > 1", "apps[1].offered > 1", "loss > 1%"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let refusals = ["apps.wep.offered > 1", "apps[2].offered > 1"].map(|text| check(text).unwrap_err());
        assert_eq!(
            refusals,
            [
                "--fail-if apps.wep.offered > 1: there is no app wep; the apps of this run are web, cbr-1",
                "--fail-if apps[2].offered > 1: there is no apps[2]; the apps of this run are web, cbr-1"
            ]
        );
    }

    #[test]
    fn strict_fails_on_each_warning_and_names_its_code() {
        let mut report = run("wait", 10, 0);
        report.warnings = vec![Warning::new(WarningCode::NoEffect, "it has no effect")];
        let strict = |strict| Thresholds { fail_if: Vec::new(), strict }.failures(&report);
        assert_eq!(strict(false), Vec::<String>::new());
        assert_eq!(strict(true), ["--strict: warning NO_EFFECT: it has no effect"]);
    }
}
