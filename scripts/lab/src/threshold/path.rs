//! The path of a figure in a report, such as `totals.loss_ratio` or `apps[0].latency_ns.p99`.

use std::fmt;

use serde_json::{Map, Value};
use shared::units::{nearest, shown};

use super::quantity::Quantity;

/// Short names, and the paths that they stand for. A path may go on behind the name of a group.
const ALIASES: [(&str, &str); 3] =
    [("loss", "totals.loss_ratio"), ("goodput", "rate.bits_per_second"), ("blocked", "blocked.total_ns")];

/// Short names of groups of times, and the figure that each stands for alone.
const GROUPS: [(&str, &str, &str); 2] = [("latency", "latency_ns", "p99"), ("sojourn", "sojourn_ns", "p99")];

/// Maps and fields that leave out what did not occur: a figure that is missing there is 0.
const SPARSE: [&str; 5] = ["drops", "refusals", "stages", "blocked", "apps_without_quantiles"];

/// The most characters of a path that a message repeats.
const LONGEST_SHOWN: usize = 80;

/// The most names that a message lists.
const MOST_LISTED: usize = 12;

/// A path that every report has, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A field of a group, or a key of a map.
    Key(String),
    /// An item of a list.
    Item(usize),
    /// The app of this name.
    App(String),
}

/// The figure that a path names in one report.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Figure {
    /// Its value.
    Known(f64),
    /// Why there is none.
    Missing(String),
}

impl Path {
    /// Parses `text` as a path, or a short name, of a figure in `shape`, which has every figure.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub(super) fn parse(text: &str, shape: &Value) -> Result<Self, String> {
        let mut steps = Vec::new();
        follow(shape, &full(text), "", &mut steps, shape)?;
        Ok(Self { steps })
    }

    /// What the figure is measured in.
    pub(super) fn quantity(&self) -> Quantity {
        Quantity::of(self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item(_) | Step::App(_) => None,
        }))
    }

    /// The app that the path names, by its name or its number; `None` if it names none.
    pub(super) fn app(&self) -> Option<Result<&str, usize>> {
        match &self.steps[..] {
            [Step::Key(apps), Step::App(name), ..] if apps == "apps" => Some(Ok(name)),
            [Step::Key(apps), Step::Item(number), ..] if apps == "apps" => Some(Err(*number)),
            _ => None,
        }
    }

    /// The figure in `report`.
    pub(super) fn find(&self, report: &Value) -> Figure {
        let mut at = report;
        for (index, step) in self.steps.iter().enumerate() {
            if let Some(figure) = undefined(at, step, &self.steps[..index]) {
                return figure;
            }
            let next = match step {
                Step::Key(key) => at.get(key),
                Step::Item(number) => at.get(number),
                Step::App(name) => {
                    at.as_array().and_then(|apps| apps.iter().find(|app| app["name"].as_str() == Some(name)))
                }
            };
            match next {
                Some(Value::Null) | None => return self.absent(index),
                Some(next) => at = next,
            }
        }
        at.as_f64().map_or_else(|| self.absent(self.steps.len() - 1), Figure::Known)
    }

    /// The figure if the step at `index` leads nowhere.
    fn absent(&self, index: usize) -> Figure {
        let keys: Vec<&str> = self.steps[..=index].iter().filter_map(Step::key).collect();
        if keys.iter().rev().take(2).any(|key| SPARSE.contains(key)) {
            return Figure::Known(0.0);
        }
        let why = match &keys[..] {
            ["theory"] => "no model of queueing theory fits the settings of the run",
            ["theory", ..] => "the prediction for this run does not have it",
            ["estimate"] => "the run was not repeated; lab simulate repeats with --repetitions or --precision",
            ["estimate", ..] => "nothing in the runs was random, or all had the same value",
            ["budget"] => "the run was not profiled; lab run profiles with --profile",
            ["steady"] => "there was no warm-up; lab simulate has one",
            ["wakes", "netstack_per_thousand"] => "nothing was delivered",
            ["driver" | "hardware" | "wakes", ..] => "the driver's report was not received",
            ["series", ..] => "the series has fewer intervals",
            [.., "packets_per_second" | "bits_per_second"] => "too few packets were delivered for a rate",
            ["apps", ..] if keys.len() > 1 => "apps that share their histograms have no quantiles",
            _ => "the report does not have it",
        };
        Figure::Missing(why.to_owned())
    }
}

impl Step {
    fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Item(_) | Self::App(_) => None,
        }
    }
}

/// The figure `step` of the group `at` if that is about nothing: a wait or a lateness that did not occur is 0, and other
/// figures do not exist.
fn undefined(at: &Value, step: &Step, before: &[Step]) -> Option<Figure> {
    let none = |count: &str| at[count].as_u64() == Some(0);
    let missing = |why: &str| Some(Figure::Missing(why.to_owned()));
    let group = before.last().and_then(Step::key).unwrap_or_default();
    match (group, step.key()?) {
        (_, "loss_ratio") if none("accepted") => missing("nothing was accepted"),
        (_, "sojourn_mean_ns" | "latency_mean_ns") if none("delivered") => {
            missing("nothing was delivered after the warm-up")
        }
        ("latency_ns" | "sojourn_ns", figure) if figure != "count" && none("count") => missing("nothing was delivered"),
        ("waits_ns" | "late_ns", _) if none("count") => Some(Figure::Known(0.0)),
        _ => None,
    }
}

/// `text` with a short name written out.
fn full(text: &str) -> String {
    if let Some((_, path)) = ALIASES.iter().find(|(name, _)| *name == text) {
        return (*path).to_owned();
    }
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    match GROUPS.iter().find(|(name, ..)| *name == first) {
        Some((_, group, alone)) => format!("{group}.{}", rest.unwrap_or(alone)),
        None => text.to_owned(),
    }
}

/// Follows `rest` down from `at`, whose path is `done`, and appends the steps.
fn follow(at: &Value, rest: &str, done: &str, steps: &mut Vec<Step>, shape: &Value) -> Result<(), String> {
    match at {
        Value::Object(fields) => {
            if done.is_empty() && rest.starts_with('.') {
                return Err("a path does not begin with a point".to_owned());
            }
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            if rest.is_empty() {
                return Err(format!(
                    "{} is a group; name one of its figures, such as {}",
                    named(done),
                    listed(fields, done)
                ));
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, behind) = rest.split_at(end);
            let Some(next) = fields.get(key) else { return Err(unknown(fields, key, behind, done, shape)) };
            steps.push(Step::Key(key.to_owned()));
            follow(next, behind, &join(done, key), steps, shape)
        }
        Value::Array(items) => {
            let Some(item) = items.first() else { return Err(format!("{done} is no number")) };
            if let Some((number, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                let number = number.parse().map_err(|_| {
                    format!("{} is no number of an item; write {done}[0] for the first", shown(number, LONGEST_SHOWN))
                })?;
                if !(behind.is_empty() || behind.starts_with(['.', '['])) {
                    return Err(format!(
                        "write a point behind {done}[{number}]: {done}[{number}].{}",
                        shown(behind, LONGEST_SHOWN)
                    ));
                }
                steps.push(Step::Item(number));
                return follow(item, behind, &format!("{done}[{number}]"), steps, shape);
            }
            match rest.strip_prefix('.').filter(|_| item.get("name").is_some() && item.get("spec").is_some()) {
                Some(rest) => of_app(item, rest, done, steps, shape),
                None => Err(format!(
                    "{done} is a list; write {done}[0] and so on{}",
                    match done {
                        "apps" => ", or apps.NAME",
                        _ => "",
                    }
                )),
            }
        }
        Value::Number(_) if rest.is_empty() => Ok(()),
        Value::Number(_) => {
            Err(format!("{done} is a figure and has no parts; leave out {}", shown(rest, LONGEST_SHOWN)))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Err(format!("{done} is no number")),
    }
}

/// Follows `NAME.PATH` into an app. A name may contain dots: it ends where a path of an app follows.
fn of_app(item: &Value, rest: &str, done: &str, steps: &mut Vec<Step>, shape: &Value) -> Result<(), String> {
    let dots = || rest.match_indices('.').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
    let leads = |(_, tail): &(&str, &str)| follow(item, tail, "", &mut Vec::new(), shape).is_ok();
    let (name, tail) = dots().find(leads).or_else(|| dots().next()).unwrap_or((rest, ""));
    steps.push(Step::App(name.to_owned()));
    follow(item, tail, &join(done, name), steps, shape)
}

/// The message for a `key` that the group at `done` does not have.
fn unknown(fields: &Map<String, Value>, key: &str, behind: &str, done: &str, shape: &Value) -> String {
    let short = ALIASES.iter().map(|(name, _)| *name).chain(GROUPS.iter().map(|(name, ..)| *name));
    let names = fields.keys().map(String::as_str).chain(short.filter(|_| done.is_empty()));
    let names: Vec<_> = names.collect();
    let begun = names.iter().copied().find(|name| key.len() > 2 && name.starts_with(key));
    let near = begun.or_else(|| nearest(key, names.iter().copied()));
    let meant = near.map(|name| join(done, name) + behind).or_else(|| {
        // The end of a path, such as loss_ratio, without its group.
        let mut paths = Vec::new();
        leaves(shape, "", &mut paths);
        let end = format!(".{key}{behind}");
        paths
            .into_iter()
            .filter(|path| path.ends_with(&end))
            .min_by_key(|path| (!path.starts_with("totals."), path.len()))
    });
    let remedy = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("{} has {}", named(done), listed(fields, done)),
    };
    format!("{} is not a figure of a report: {remedy}", shown(&(join(done, key) + behind), LONGEST_SHOWN))
}

/// The path of every figure below `at`.
fn leaves(at: &Value, path: &str, found: &mut Vec<String>) {
    match at {
        Value::Object(fields) => fields.iter().for_each(|(name, next)| leaves(next, &join(path, name), found)),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, &format!("{path}[0]"), found)),
        Value::Number(_) => found.push(path.to_owned()),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The names of what holds figures among `fields`.
fn listed(fields: &Map<String, Value>, done: &str) -> String {
    let holds = |value: &Value| {
        let mut found = Vec::new();
        leaves(value, "", &mut found);
        !found.is_empty()
    };
    let names: Vec<_> = fields.iter().filter(|(_, value)| holds(value)).map(|(name, _)| join(done, name)).collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=MOST_LISTED => names.join(", "),
        _ => format!("{}, ...", names[..MOST_LISTED].join(", ")),
    }
}

fn named(done: &str) -> &str {
    if done.is_empty() { "the report" } else { done }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Formats the path as a report spells it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Item(number) => write!(f, "[{number}]")?,
                Step::Key(name) | Step::App(name) if index == 0 => f.write_str(name)?,
                Step::Key(name) | Step::App(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}
