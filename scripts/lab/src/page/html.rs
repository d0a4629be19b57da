//! The page: one file with its style, figures and script in it, so that it opens from a disk without a network.

use shared::report::{BlameReport, human};

use super::figures::{first, further};
use super::lines::{Lines, quantity};
use super::point::Detail;
use super::results::{PointResult, Results};
use super::verdict::verdict;
use crate::points::output::{COLUMNS, with_width};
use crate::report::chart::{self, Chart};
use crate::report::markup::Markup;

/// Of which a sentence below the first figures tells the meaning.
const WORDS: &str = "Latency is from the time at which an app meant to send a packet to its completion by the hardware; \
                     sojourn is the part of it from acceptance by the device on. Under backpressure the delay moves \
                     from the ring to the sender, so only the latency contains all of it.";

/// The page of `results`, with one point in detail.
pub(super) fn page(results: &Results, detail: Option<&Detail>) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n");
    page.open("html", &[("lang", &"en")]);
    head(&mut page, &results.title());
    page.open("body", &[]);
    page.open("main", &[]);
    opening(&mut page, results);
    figures(&mut page, &first(results));
    reading(&mut page, results);
    let further = further(results);
    if !further.is_empty() {
        page.leaf("h2", &[], "Rate, time in the ring, and who waits");
        figures(&mut page, &further);
    }
    if let Some(detail) = detail {
        in_detail(&mut page, results, detail);
    }
    page.leaf("h2", &[("id", &"points")], if results.points.len() == 1 { "The point" } else { "All points" });
    table(&mut page, results, detail.map(|detail| detail.point));
    footer(&mut page, results);
    page.close();
    page.open("script", &[]);
    page.raw(include_str!("page.js"));
    page.close();
    page.finish() + "\n"
}

fn head(page: &mut Markup, title: &str) {
    page.open("head", &[]);
    page.empty("meta", &[("charset", &"utf-8")]);
    page.empty("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
    // Browsers ask for an icon otherwise.
    page.empty("link", &[("rel", &"icon"), ("href", &"data:,")]);
    page.leaf("title", &[], title);
    page.open("style", &[]);
    page.raw(include_str!("page.css"));
    page.raw(chart::STYLE);
    page.close();
    page.close();
    page.line();
}

fn opening(page: &mut Markup, results: &Results) {
    page.leaf("h1", &[], results.title());
    let date = results.provenance.began.as_deref().and_then(|began| began.split('T').next());
    let host = results.provenance.host.as_ref().map(|host| format!("on {}", host.cpu));
    let facts = [Some(results.size.clone()), host, date.map(str::to_owned)];
    page.leaf("p", &[("class", &"sub")], facts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    page.leaf("p", &[("class", &"verdict"), ("id", &"verdict")], verdict(&results.estimates()));
    let failed: usize = results.points.iter().map(|point| point.estimated.failed).sum();
    let noted = results.points.iter().filter(|point| !point.notes.is_empty()).count();
    let mut trouble = Vec::new();
    if failed > 0 {
        trouble.push(format!("{failed} of the runs failed and are left out of every figure."));
    }
    if noted > 0 {
        let what = if noted == 1 { "1 point has a note".to_owned() } else { format!("{noted} points have notes") };
        trouble.push(format!("{what} on what limits the meaning of the figures: see the table."));
    }
    if !trouble.is_empty() {
        page.leaf("p", &[("class", &"trouble")], trouble.join(" "));
    }
}

fn figures(page: &mut Markup, charts: &[Chart]) {
    page.open("div", &[("class", &"figures")]);
    for chart in charts {
        page.open("figure", &[]);
        chart::embedded(chart, page);
        if !chart.note.is_empty() {
            page.leaf("figcaption", &[], &chart.note);
        }
        page.close();
    }
    page.close();
    page.line();
}

/// How the figures are to be read.
fn reading(page: &mut Markup, results: &Results) {
    page.leaf("p", &[("class", &"note")], WORDS);
    let lines = Lines::of(&results.keys, &results.values());
    let mut notes = Vec::new();
    let bounds = |point: &PointResult| {
        point.estimated.figures.iter().any(|figure| figure.bounds.is_some_and(|(low, high)| low < high))
    };
    if results.points.iter().any(bounds) {
        notes.push(format!(
            "A band is the interval in which the mean lies, at a level of {}; a pointer over a mark shows its value.",
            human::percent(results.level)
        ));
    }
    if results.points.iter().any(|point| point.theory.is_some()) && lines.axis.is_some() {
        notes.push("Dashed lines are what queueing theory predicts of the same settings.".to_owned());
    }
    if !lines.left_out.is_empty() {
        let names = lines.left_out.join("; ");
        notes.push(format!("For want of room the figures leave out {}: {names}.", lines.left_out.len()));
    }
    if !notes.is_empty() {
        page.leaf("p", &[("class", &"note")], notes.join(" "));
    }
}

fn in_detail(page: &mut Markup, results: &Results, detail: &Detail) {
    page.leaf(
        "h2",
        &[("id", &"point")],
        format!("One run in detail: point {}, {}", detail.point, results.name(detail.point)),
    );
    if !detail.why.is_empty() {
        page.leaf("p", &[("class", &"note")], &detail.why);
    }
    figures(page, &detail.charts);
    detail.blame.iter().for_each(|held| blame(page, held));
    page.leaf("p", &[("class", &"note")], detail.notes.join(" "));
}

/// Who held the slots of the ring while apps waited for room.
fn blame(page: &mut Markup, held: &BlameReport) {
    let others = held.name_of_others();
    let names: Vec<&String> = held.apps.iter().chain(&others).collect();
    let stalls = held.rows.iter().any(|row| row.stalled_ns.is_some());
    page.leaf("h3", &[("id", &"blame")], "Who held the slots while an app waited for room");
    page.open("div", &[("class", &"scroll")]);
    page.open("table", &[]);
    page.open("thead", &[]);
    page.open("tr", &[]);
    page.leaf("th", &[("class", &"left"), ("scope", &"col")], "while this app waits");
    page.leaf("th", &[("scope", &"col")], "waited");
    for name in &names {
        page.leaf("th", &[("scope", &"col")], format!("for {name}"));
    }
    page.leaf("th", &[("scope", &"col")], "slots free");
    if stalls {
        page.leaf("th", &[("scope", &"col")], "hardware stalled");
    }
    (0..2).for_each(|_| page.close());
    page.open("tbody", &[]);
    for (name, row) in names.iter().zip(&held.rows).filter(|(_, row)| row.blocked_ns > 0) {
        page.open("tr", &[]);
        page.leaf("th", &[("class", &"left"), ("scope", &"row")], name);
        page.leaf("td", &[], human::time(row.blocked_ns as f64));
        for slots in row.held_ns.iter().chain([&row.free_ns]) {
            page.leaf("td", &[], human::time(*slots as f64 / f64::from(held.depth.max(1))));
        }
        if let Some(stalled) = row.stalled_ns {
            page.leaf("td", &[], human::time(stalled as f64));
        }
        page.close();
    }
    (0..3).for_each(|_| page.close());
    let legend = format!(
        "The wait of each app, divided among those that held the {} slots of the ring meanwhile: one that held half of them \
         has half of the wait. A free slot is one that the app may not use yet: the wake point is not reached, or others \
         are before it in the queue. The time for which the hardware was stalled is not part of the sum.",
        human::count(held.depth.into())
    );
    page.leaf("p", &[("class", &"note")], legend);
}

fn table(page: &mut Markup, results: &Results, shown: Option<usize>) {
    let noted = results.points.iter().any(|point| !point.notes.is_empty());
    page.open("div", &[("class", &"scroll")]);
    page.open("table", &[]);
    page.open("thead", &[]);
    page.open("tr", &[]);
    let keys = results.keys.iter().map(|key| (&**key, "left"));
    let figures = COLUMNS.iter().map(|(title, ..)| (*title, ""));
    let notes = noted.then_some(("notes", "left"));
    for (title, class) in [("point", "")].into_iter().chain(keys).chain(figures).chain(notes) {
        page.open("th", &[("class", &class), ("scope", &"col")]);
        page.leaf("button", &[("type", &"button"), ("title", &"sort by this column")], title);
        page.close();
    }
    page.leaf("th", &[("class", &"left"), ("scope", &"col")], "its first run");
    page.close();
    page.close();
    page.open("tbody", &[]);
    for (number, point) in results.points.iter().enumerate() {
        page.open("tr", &[("class", &if shown == Some(number) { "shown" } else { "" })]);
        row(page, number, point, noted);
        page.close();
        page.line();
    }
    (0..3).for_each(|_| page.close());
    let legend = "Click a heading to sort. A figure after +- is half the width of its interval; < is an upper bound.";
    page.leaf("p", &[("class", &"note")], legend);
}

fn row(page: &mut Markup, number: usize, point: &PointResult, noted: bool) {
    page.leaf("td", &[("data-value", &number)], number);
    for value in &point.values {
        let sorted_by = quantity(value).map_or_else(|| value.clone(), |(_, number)| number.to_string());
        page.leaf("td", &[("class", &"left"), ("data-value", &sorted_by)], value);
    }
    for (_, key, text) in COLUMNS {
        let estimate = point.estimated.figure(key);
        let sorted_by = estimate.mean.map_or_else(String::new, |mean| mean.to_string());
        page.leaf("td", &[("data-value", &sorted_by)], with_width(estimate, text));
    }
    if noted {
        page.leaf("td", &[("class", &"left codes"), ("data-value", &point.notes)], &point.notes);
    }
    page.open("td", &[("class", &"left")]);
    page.open("details", &[]);
    page.leaf("summary", &[], "command");
    page.leaf("code", &[], &point.command);
    page.close();
    page.close();
}

fn footer(page: &mut Markup, results: &Results) {
    let known = &results.provenance;
    let host = known.host.as_ref();
    let facts = [
        ("Host", host.map(|host| format!("{}, {}, {} CPUs, Linux {}", host.name, host.cpu, host.cpus, host.kernel))),
        ("Begun", known.began.clone()),
        ("Version", known.program.clone().or_else(|| host.map(|host| host.git_revision.clone()))),
        ("Command", (!known.command.is_empty()).then(|| known.command.join(" "))),
        ("Settings", Some(results.settings_line())),
    ];
    page.open("footer", &[]);
    page.open("dl", &[]);
    for (name, fact) in facts {
        if let Some(fact) = fact.filter(|fact| !fact.is_empty()) {
            page.leaf("dt", &[], name);
            page.leaf("dd", &[], fact);
        }
    }
    page.close();
    page.close();
}
