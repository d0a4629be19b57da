//! `lab predict`: simulates and runs each point of a grid, and compares the two.

use std::cell::Cell;
use std::fmt::Write;

use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::iter;
use netstack::settings::LineSettings;
use schemars::JsonSchema;
use serde::Serialize;
use shared::process::exit::Status;
use shared::process::help::{RARE, examples};
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::Output;
use shared::process::signals::Signals;
use shared::report::Origin;
use shared::units::LinkRate;

use super::common::{Failure, runtime};
use crate::launch::{Binaries, Pinning};
use crate::predict::grid::{Grid, Point};
use crate::predict::judge::{Compared, Verdict, compare, judge};
use crate::progress::{Progress, silence};
use crate::report::table::markdown;
use crate::runner::real::{LaunchError, StackOutput, run};
use crate::runner::simulate;

/// Schema of the file that `--json` writes.
const PREDICT_SCHEMA: &str = "pushback.predict/1";

/// The smallest share of points that must be judged for the result to count.
const MIN_JUDGED: f64 = 0.75;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "One point: does the run agree with its simulation?",
        "lab predict --policies wait --kinds cbr --loads 0.9 --depths 16 --transports shm --packets 200",
    ),
    (
        "All policies, at two loads, with every figure as JSON",
        "lab predict --kinds cbr --loads 0.7,1.31 --depths 16 --packets 100 --json predict.json",
    ),
    (
        "Random traffic over a faster link",
        "lab predict --policies drop-newest --kinds poisson --depths 4,16 --link 1Mbit --packets 200",
    ),
]))]
pub(crate) struct PredictArgs {
    #[command(flatten)]
    grid: Grid,

    /// Runs at once: on a slow link each needs little CPU time.
    #[arg(long, help_heading = RARE, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: u32,

    #[command(flatten)]
    pinning: Pinning,
    #[command(flatten)]
    lines: LineSettings,
    #[command(flatten)]
    output: Output,
}

/// The result of one point.
#[derive(Debug, Serialize, JsonSchema)]
struct Judged {
    /// The flags of `lab run` that repeat it.
    flags: String,
    #[serde(flatten)]
    point: Point,
    verdict: Verdict,
    /// Why the point has no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    figures: Vec<Compared>,
}

/// The file that `--json` writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Confirmed {
    /// Name and version of the schema, [`PREDICT_SCHEMA`].
    #[schemars(extend("const" = PREDICT_SCHEMA))]
    schema: &'static str,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    origin: Origin,
    link: LinkRate,
    packets: u64,
    seed: u64,
    points: Vec<Judged>,
}

/// Simulates and runs every point; returns the exit status: whether they agree.
///
/// # Errors
/// If a point cannot be simulated or the processes cannot be started.
pub(crate) fn main(args: &PredictArgs) -> Result<Status, Failure> {
    let PredictArgs { grid, jobs, pinning, lines, output } = args;
    silence(lines.quiet);
    let json = output.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?.on(pinning.pin.cpus());
    let origin = Origin::now();
    let (points, interrupted) = runtime()?.block_on(all(grid, &binaries, *jobs as usize))?;
    let confirmed =
        Confirmed { schema: PREDICT_SCHEMA, origin, link: grid.link, packets: grid.packets, seed: grid.seed, points };
    let written = sink.map_or(Ok(()), |sink| sink.write(&confirmed));
    let status = if interrupted { Status::Interrupted } else { status(&confirmed.points) };
    let text = text(&confirmed.points, grid);
    if !lines.quiet {
        say(json, text.trim_end());
    } else if status != Status::Fine {
        // Its first line is the result.
        complain(format_args!("lab: {}", text.lines().next().unwrap_or_default()));
    }
    Ok(status.after("lab", written.map_err(Failure::from), Failure::status))
}

/// The points that were run, in the order of the grid, and whether a signal interrupted them.
async fn all(grid: &Grid, binaries: &Binaries, jobs: usize) -> Result<(Vec<Judged>, bool), Failure> {
    let points = grid.points();
    let progress = Progress::new();
    let (done, signals) = (Cell::new(0), Signals::new()?);
    let one = async |(number, point): (usize, &Point)| {
        // Running points receive the signal themselves; no further point is started.
        if signals.have_come() {
            return Ok(None);
        }
        let judged = confirm(grid, point, binaries, signals.clone()).await?;
        done.set(done.get() + 1);
        progress.now(&format!("{} of {} points ...", done.get(), points.len()));
        Ok::<_, Failure>(judged.map(|judged| (number, judged)))
    };
    let mut runs = iter(points.iter().enumerate()).map(one).buffer_unordered(jobs);
    let mut judged = Vec::new();
    while let Some(run) = runs.next().await {
        judged.extend(run?);
    }
    drop(runs);
    judged.sort_by_key(|(number, _)| *number);
    Ok((judged.into_iter().map(|(_, judged)| judged).collect(), signals.have_come()))
}

/// Simulates and runs one point; `None` if a signal ended the run.
async fn confirm(
    grid: &Grid,
    point: &Point,
    binaries: &Binaries,
    mut signals: Signals,
) -> Result<Option<Judged>, Failure> {
    let settings = grid.settings(point).map_err(|error| Failure::Load(error.to_string()))?;
    let predicted = simulate(&settings)?;
    let judged =
        |verdict, figures, failure| Some(Judged { flags: point.to_string(), point: *point, verdict, failure, figures });
    let run = match run(binaries, &settings, StackOutput::Discard, &mut signals).await {
        Err(LaunchError::Interrupted) => return Ok(None),
        Err(error) => return Ok(judged(Verdict::Failed, Vec::new(), Some(error.to_string()))),
        Ok(run) => run,
    };
    let mut status = run.status();
    let report = run.into_report();
    if report.is_none() {
        // Without a report there is no ledger that could balance.
        status = status.or_worse(Status::Unbalanced);
    }
    if status == Status::Interrupted {
        return Ok(None);
    }
    Ok(match report.filter(|_| status == Status::Fine) {
        Some(measured) => {
            let figures = compare(&predicted, &measured);
            judged(judge(&figures, &measured), figures, None)
        }
        None => judged(Verdict::Failed, Vec::new(), Some(format!("the run ended with status {}", status as u8))),
    })
}

fn count(points: &[Judged], verdict: Verdict) -> usize {
    points.iter().filter(|point| point.verdict == verdict).count()
}

fn status(points: &[Judged]) -> Status {
    let judged = count(points, Verdict::Agrees) + count(points, Verdict::Differs);
    let bad = count(points, Verdict::Differs) + count(points, Verdict::Failed);
    if bad == 0 && judged as f64 >= MIN_JUDGED * points.len() as f64 { Status::Fine } else { Status::Failed }
}

/// The result in one sentence, a row for each policy and transport, then the figures that disagree.
fn text(points: &[Judged], grid: &Grid) -> String {
    let [agree, differ, excused, failed] =
        [Verdict::Agrees, Verdict::Differs, Verdict::Excused, Verdict::Failed].map(|verdict| count(points, verdict));
    let mut text = format!(
        "{agree} of {} points agree with their simulation; {differ} differ, {excused} are excused because this machine \
         set the result, {failed} failed.\n",
        points.len()
    );
    if ((agree + differ) as f64) < MIN_JUDGED * points.len() as f64 {
        let _ = writeln!(text, "Too few points were judged: at least three quarters are needed; use a slower --link.");
    }
    let _ = writeln!(text, "Each: --link {} --packets {} --seed {}\n", grid.link, grid.packets, grid.seed);
    text.push_str(&summary(points));
    let header = ["point", "figure", "simulated", "measured", "allowed apart"];
    let rows: Vec<_> = points.iter().filter(|point| point.verdict != Verdict::Agrees).flat_map(apart).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n\nWhat does not agree:\n\n{}", markdown(1, header, rows));
    }
    text
}

/// One row for each policy, wake point and transport.
fn summary(points: &[Judged]) -> String {
    let mut groups: Vec<(String, Vec<&Judged>)> = Vec::new();
    for judged in points {
        let Point { policy, wake, transport, .. } = judged.point;
        let name = format!("{policy}, --wake {wake}, {}", format!("{transport:?}").to_lowercase());
        match groups.iter_mut().find(|(group, _)| *group == name) {
            Some((_, members)) => members.push(judged),
            None => groups.push((name, vec![judged])),
        }
    }
    let row = |(name, members): (String, Vec<&Judged>)| {
        let of = |verdict| members.iter().filter(|point| point.verdict == verdict).count().to_string();
        let figures = members.iter().flat_map(|point| &point.figures);
        let worst = figures.max_by(|one, other| one.apart().total_cmp(&other.apart()));
        let worst = worst.map_or_else(|| "-".to_owned(), |figure| format!("{} ({:.2})", figure.figure, figure.apart()));
        vec![name, of(Verdict::Agrees), of(Verdict::Differs), of(Verdict::Excused), of(Verdict::Failed), worst]
    };
    let header = ["", "agree", "differ", "excused", "failed", "furthest apart, of what is allowed"];
    markdown(1, header, groups.into_iter().map(row))
}

/// The rows of a point's figures that disagree.
fn apart(judged: &Judged) -> Vec<Vec<String>> {
    let name = match judged.verdict {
        Verdict::Excused => format!("{} (excused)", judged.flags),
        _ => judged.flags.clone(),
    };
    if let Some(failure) = &judged.failure {
        return vec![vec![name, failure.clone(), String::new(), String::new(), String::new()]];
    }
    let far = judged.figures.iter().filter(|figure| figure.apart() > 1.0);
    far.map(|figure| {
        let number = |value: f64| if value.abs() < 10.0 { format!("{value:.4}") } else { format!("{value:.0}") };
        let Compared { figure: path, predicted, measured, allowed } = figure;
        vec![name.clone(), (*path).to_owned(), number(*predicted), number(*measured), number(*allowed)]
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use netstack::device::Policy;
    use shared::control::TransportKind;
    use shared::ring::Depth;

    use super::*;
    use crate::predict::grid::Kind;

    fn judged(verdict: Verdict) -> Judged {
        let point = Point {
            policy: Policy::DropNewest,
            wake: shared::ring::WakePoint::Each,
            kind: Kind::Cbr,
            load: 1.3,
            depth: Depth::new(16).unwrap(),
            transport: TransportKind::Shm,
        };
        let measured = if verdict == Verdict::Agrees { 10.1 } else { 11.0 };
        let figures = vec![Compared { figure: "ring.occupancy_mean", predicted: 10.0, measured, allowed: 0.5 }];
        Judged { flags: point.to_string(), point, verdict, failure: None, figures }
    }

    #[test]
    fn one_difference_fails_and_so_do_too_many_excuses() {
        let points = |of: [usize; 4]| -> Vec<Judged> {
            let verdicts = [Verdict::Agrees, Verdict::Differs, Verdict::Excused, Verdict::Failed];
            verdicts.into_iter().zip(of).flat_map(|(verdict, times)| (0..times).map(move |_| judged(verdict))).collect()
        };
        for (of, expected) in [
            ([3, 0, 1, 0], Status::Fine),
            ([5, 0, 2, 0], Status::Failed),
            ([9, 1, 0, 0], Status::Failed),
            ([9, 0, 0, 1], Status::Failed),
            ([0, 0, 0, 0], Status::Fine),
        ] {
            assert_eq!(status(&points(of)), expected, "{of:?}");
        }
    }

    #[test]
    fn the_result_comes_first_and_figures_that_differ_are_listed() {
        let grid = Grid {
            policies: Vec::new(),
            kinds: Vec::new(),
            loads: Vec::new(),
            depths: Vec::new(),
            transports: Vec::new(),
            link: "2Mbit".parse().unwrap(),
            packets: 100,
            seed: 1,
        };
        insta::assert_snapshot!(text(&[judged(Verdict::Agrees), judged(Verdict::Differs)], &grid), @r"
        1 of 2 points agree with their simulation; 1 differ, 0 are excused because this machine set the result, 0 failed.
        Each: --link 2Mbit --packets 100 --seed 1

        |                               | agree | differ | excused | failed | furthest apart, of what is allowed |
        |-------------------------------|-------|--------|---------|--------|------------------------------------|
        | drop-newest, --wake each, shm |     1 |      1 |       0 |      0 |         ring.occupancy_mean (2.00) |

        What does not agree:

        | point                                                                          |              figure | simulated | measured | allowed apart |
        |--------------------------------------------------------------------------------|---------------------|-----------|----------|---------------|
        | --policy drop-newest --wake each --app cbr:load=1.3 --depth 16 --transport shm | ring.occupancy_mean |        10 |       11 |        0.5000 |
        ");
    }
}
