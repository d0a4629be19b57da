//! The page: one file with its style, figures and script in it, so that it opens from a disk without a network.

use shared::report::{BlameReport, human};

use super::figures::{first, further};
use super::lines::{Lines, quantity};
use super::point::Detail;
use super::results::{PointResult, Results};
use super::verdict::verdict;
use crate::flags::shell_word;
use crate::points::output::{COLUMNS, rest_of_settings, with_width};
use crate::report::chart::{self, Chart};
use crate::report::markup::Markup;

/// Of which a sentence below the first figures tells the meaning.
const WORDS: &str = "Latency is from the time at which an app meant to send a packet to its completion by the hardware; \
                     sojourn is the part of it from acceptance by the device on. Both are those of the delivered packets. \
                     Under backpressure the delay moves from the ring to the sender, so only the latency contains all of \
                     it.";

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
        page.leaf("h2", &[], "Rate, time in the device, and who waits");
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
    page.leaf(
        "p",
        &[("class", &"verdict"), ("id", &"verdict")],
        verdict(&results.estimates()).replace(" %", "\u{a0}%"),
    );
    page.open("p", &[("class", &"note"), ("id", &"settings")]);
    page.text("Settings: ");
    settings(page, results);
    page.text(".");
    page.close();
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

/// The settings that all points share.
fn settings(page: &mut Markup, results: &Results) {
    let flags = results.settings().unwrap_or_default();
    if !flags.is_empty() {
        command(page, &flags.join(" "));
        page.text("; ");
    }
    page.text(rest_of_settings(&flags, results.points.len()));
}

/// A command whose lines break between its options alone.
fn command(page: &mut Markup, text: &str) {
    let starts = text.match_indices(" --").map(|(at, _)| at + 1);
    let bounds: Vec<usize> = [0].into_iter().chain(starts).chain([text.len()]).collect();
    page.open("code", &[]);
    for (number, bounds) in bounds.windows(2).enumerate() {
        if number > 0 {
            page.text(" ");
        }
        page.leaf("span", &[], text[bounds[0]..bounds[1]].trim_end());
    }
    page.close();
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
    if lines.axis.is_some() && results.points.iter().any(has_width) {
        notes.push(format!(
            "A band is the interval in which the mean lies, at a level of {}; a pointer over a mark shows its value.",
            human::percent(results.level)
        ));
    }
    if results.points.iter().any(|point| point.theory.is_some()) && lines.axis.is_some() {
        notes.push("Thin dashed lines are what queueing theory predicts of the same settings.".to_owned());
    }
    if lines.axis.is_some() && lines.shown.len() > 1 {
        notes.push("Where two lines coincide, the upper one is dashed so that both are seen.".to_owned());
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
    if results.points.len() > 1 {
        let name = results.name(detail.point);
        page.leaf("h2", &[("id", &"point")], format!("One run in detail: point {}, {name}", detail.point));
        page.open("p", &[("class", &"note")]);
        page.text(format!("{} To see point N instead: ", detail.why));
        command(page, &results.command_for_another_point());
        page.close();
    } else {
        page.leaf("h2", &[("id", &"point")], "The run in detail");
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
    open_table(page);
    blame_head(page, &names, stalls);
    page.open("tbody", &[]);
    for (name, row) in names.iter().zip(&held.rows).filter(|(_, row)| row.blocked_ns > 0) {
        page.open("tr", &[]);
        page.leaf("th", &[("class", &"left"), ("scope", &"row")], name);
        page.leaf("td", &[], human::time(row.blocked_ns as f64));
        let whole = row.blocked_ns as f64 * f64::from(held.depth.max(1));
        for slots in row.held_ns.iter().chain([&row.free_ns]) {
            page.leaf("td", &[], human::percent(*slots as f64 / whole));
        }
        if let Some(stalled) = row.stalled_ns {
            page.leaf("td", &[], human::time(stalled as f64));
        }
        page.close();
    }
    (0..3).for_each(|_| page.close());
    let mut legend = format!(
        "The shares of the {} of the ring, mean over the time for which the app in the row waited, add up to 100 %. Free: \
         held by no packet, but not yet to be used by this app, because fewer slots were free than the wake point asks \
         for, the limit of held slots was reached, or others were before it in the queue.",
        human::counted(held.depth.into(), "slot")
    );
    if stalls {
        legend += " Hardware stalled: for how much of the time waited the hardware stood still; it overlaps the shares, and \
                   is no further part of them.";
    }
    page.leaf("p", &[("class", &"note")], legend);
}

/// Two rows of headings: the lower one is that of the shares.
fn blame_head(page: &mut Markup, names: &[&String], stalls: bool) {
    page.open("thead", &[]);
    page.open("tr", &[]);
    page.leaf("th", &[("class", &"left"), ("scope", &"col"), ("rowspan", &2)], "while this app waits");
    page.leaf("th", &[("scope", &"col"), ("rowspan", &2)], "waited");
    let shares = names.len() + 1;
    page.leaf(
        "th",
        &[("class", &"span"), ("scope", &"colgroup"), ("colspan", &shares)],
        "share of the slots while it waited, held by",
    );
    if stalls {
        page.leaf("th", &[("scope", &"col"), ("rowspan", &2)], "hardware stalled (overlaps the shares)");
    }
    page.close();
    page.open("tr", &[]);
    for name in names {
        page.leaf("th", &[("scope", &"col")], name);
    }
    page.leaf("th", &[("scope", &"col")], "free");
    (0..2).for_each(|_| page.close());
}

/// The beginning of a table that is scrolled if the window is narrow, with a hint that the script shows then.
fn open_table(page: &mut Markup) {
    page.leaf("p", &[("class", &"hint"), ("hidden", &"")], "The table is wider than the window: scroll it sideways.");
    page.open("div", &[("class", &"scroll"), ("tabindex", &0)]);
    page.open("table", &[]);
}

fn table(page: &mut Markup, results: &Results, shown: Option<usize>) {
    let noted = results.points.iter().any(|point| !point.notes.is_empty());
    let several = results.points.len() > 1;
    open_table(page);
    page.open("thead", &[]);
    page.open("tr", &[]);
    let keys = results.keys.iter().map(|key| (&**key, "left"));
    let figures = COLUMNS.iter().map(|(title, ..)| (*title, ""));
    let notes = noted.then_some(("notes", "left"));
    for (title, class) in [("point", "")].into_iter().chain(keys).chain(figures).chain(notes) {
        let title = if title == "blocked" { "blocked, summed over apps" } else { title };
        page.open("th", &[("class", &class), ("scope", &"col")]);
        if several {
            page.leaf("button", &[("type", &"button"), ("title", &"sort by this column")], title);
        } else {
            page.text(title);
        }
        page.close();
    }
    page.leaf("th", &[("class", &"left"), ("scope", &"col")], if several { "its first run" } else { "run it again" });
    page.close();
    page.close();
    page.open("tbody", &[]);
    for (number, point) in results.points.iter().enumerate() {
        page.open("tr", &[("class", &if several && shown == Some(number) { "shown" } else { "" })]);
        row(page, number, point, noted);
        page.close();
        page.line();
    }
    (0..3).for_each(|_| page.close());
    let widths = "A figure after +- is half the width of its interval; < is an upper bound.";
    let legend = [
        several.then_some("Click a heading to sort."),
        results.points.iter().any(has_width).then_some(widths),
        Some("Latency and sojourn are those of the delivered packets."),
    ];
    page.leaf("p", &[("class", &"note")], legend.into_iter().flatten().collect::<Vec<_>>().join(" "));
}

/// Whether any figure of `point` has an interval.
fn has_width(point: &PointResult) -> bool {
    point.estimated.figures.iter().any(|figure| figure.bounds.is_some_and(|(low, high)| low < high))
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
    command(page, &point.command);
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
    ];
    page.open("footer", &[]);
    page.open("dl", &[]);
    for (name, fact) in facts {
        if let Some(fact) = fact.filter(|fact| !fact.is_empty()) {
            page.leaf("dt", &[], name);
            page.leaf("dd", &[], fact);
        }
    }
    if !known.command.is_empty() {
        page.leaf("dt", &[], "Command");
        page.open("dd", &[]);
        command(page, &known.command.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "));
        page.close();
    }
    page.close();
    page.close();
}
