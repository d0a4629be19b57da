//! `lab report`: the results of a sweep, and reports, as documents, figures and a page that a browser opens.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

// Included by its path: the feature of `shared` that has it would make cargo build all programs a second time.
#[allow(unreachable_pub, reason = "it is public in `shared`")]
#[path = "../../../../shared/src/testing/skipped.rs"]
mod skipped;

/// Every figure of a sweep over depths under a policy that drops, for which theory has a prediction.
const FIGURES: [&str; 11] = [
    "loss",
    "latency-p99",
    "goodput",
    "sojourn-p99",
    "blocked",
    "sojourn-mean",
    "occupancy",
    "blocked-over-time",
    "quantiles",
    "latency-split",
    "distribution",
];

fn lab(arguments: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("lab")).args(arguments).output().unwrap()
}

#[track_caller]
fn fine(arguments: &[&str]) -> String {
    let output = lab(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn fails(arguments: &[&str], status: i32, saying: &[&str]) {
    let output = lab(arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{message}");
    assert!(saying.iter().all(|words| message.contains(words)), "{message}");
}

/// A folder in whose folder `sweep` is a sweep of ten points with three runs each.
fn swept() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let vary = ["--vary", "depth=1..16*2", "--vary", "policy=wait,drop-newest"];
    let runs = ["sweep", "--quiet", "--app", "poisson:load=0.9", "--packets", "300", "--repetitions", "3", "--out"];
    fine(&[&runs[..], &[path(&folder, "sweep").as_str()], &vary].concat());
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_folder_of_a_sweep_is_shown_in_every_format() {
    let folder = swept();
    let (sweep, out) = (path(&folder, "sweep"), path(&folder, "figures"));
    let kept = fs::read_to_string(folder.path().join("sweep/points.csv")).unwrap();
    assert_eq!(fine(&["report", "--format", "csv", &sweep]).trim_end(), kept.trim_end());
    let text = fine(&["report", &sweep]);
    let parts: Vec<_> = text.split("\n\n").collect();
    assert!(parts[0].starts_with("With wait, depth ") && parts[0].contains("; with drop-newest, "), "{text}");
    let settings = "Settings: `--app=poisson:size=1472B,load=0.9,when-blocked=wait,to=10.0.0.2:9 --packets=300`; the others \
                    are the defaults or differ between the points.";
    assert_eq!(parts[1], settings);
    assert!(parts[2].starts_with("| depth | policy "), "{text}");
    let markdown = fine(&["report", "--format", "markdown", &sweep]);
    assert!(markdown.starts_with("# Sweep\n\n10 points, 30 runs in virtual time."), "{markdown}");
    assert!(markdown.contains(&parts[..2].join("\n\n")), "{markdown}");
    fine(&["report", "--format", "svg", "--point", "0", "--out", &out, &sweep]);
    for id in FIGURES {
        let svg = fs::read_to_string(Path::new(&out).join(format!("{id}.svg"))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("<desc"), "{id}");
        assert!(!svg.contains("NaN"), "{id}");
    }
    // A folder that may not be written is shown too: nothing is written to it.
    let before = fs::read_dir(&sweep).unwrap().count();
    fine(&["report", "--format", "html", "--out", &path(&folder, "page.html"), &sweep]);
    assert_eq!(fs::read_dir(&sweep).unwrap().count(), before);
}

#[test]
fn the_page_needs_no_network_and_names_the_command_of_each_point() {
    let folder = swept();
    let page = fine(&["report", "--format", "html", "--point", "3", &path(&folder, "sweep")]);
    assert!(page.len() < 500_000, "{}", page.len());
    let foreign = ["src=", "url(http", "@import", "href=\"http"];
    assert!(foreign.iter().all(|word| !page.contains(word)));
    assert!(page.contains("One run in detail: point 3, depth 2, policy drop-newest"));
    // The parts between which a command may be wrapped have elements of their own.
    let page = page.replace("<span>", "").replace("</span>", "");
    assert!(page.contains(&format!("lab report {} --format html --out page.html --point N", path(&folder, "sweep"))));
    let command = "lab simulate --app=poisson:size=1472B,load=0.9,when-blocked=wait,to=10.0.0.2:9 --depth=2 \
                   --packets=300 --policy=drop-newest</code>";
    assert!(page.contains(command), "{page}");
}

#[test]
fn reports_are_points_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (path(&folder, "one.json"), path(&folder, "two.json"));
    for (file, stall) in [(&one, "every=1ms,for=100us"), (&two, "every=1ms,for=300us")] {
        fine(&["simulate", "--quiet", "--packets", "3000", "--stall", stall, "--interval", "1ms", "--json", file]);
    }
    let page = fine(&["report", "--format", "html", &one, &two]);
    assert!(page.contains("stall every=1ms,for=300us") && page.contains("the hardware stalls"), "{page}");
    let one_alone = fine(&["report", "--format", "markdown", &one]);
    assert!(one_alone.starts_with("# One run\n\nbulk over 1024 slots, wait: "), "{one_alone}");
    assert!(
        one_alone.contains(" % of the mean latency was spent ") && one_alone.contains("\n\nSettings: `--"),
        "{one_alone}"
    );
}

#[test]
fn a_series_of_a_simulation_that_is_too_coarse_is_made_again_and_else_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "one.json");
    fine(&["simulate", "--quiet", "--duration", "500ms", "--stall", "every=100ms,for=10ms", "--json", &file]);
    let page = fine(&["report", "--format", "html", &file]);
    assert!(page.contains("simulated again with --interval 2ms") && page.contains("id=\"occupancy\""), "{page}");
    // As if it were a report of another version: its figures may not be those of this one.
    let other = fs::read_to_string(&file).unwrap().replace("\"git_revision\": \"", "\"git_revision\": \"0");
    fs::write(&file, other).unwrap();
    let page = fine(&["report", "--format", "html", &file]);
    assert!(page.contains("Figures over time are left out") && !page.contains("id=\"occupancy\""), "{page}");
}

#[test]
fn what_cannot_be_done_names_the_remedy() {
    let folder = swept();
    let (sweep, file) = (path(&folder, "sweep"), path(&folder, "sweep/points.csv"));
    fails(&["report", "--format", "svg", &sweep], 2, &["--out"]);
    fails(&["report", "--format", "svg", "--out", &file, &sweep], 2, &["--out", "name a folder"]);
    fails(&["report", "--format", "html", "--out", "/missing/page.html", &sweep], 2, &["--out /missing", "folder"]);
    fails(
        &["report", "--format", "html", "--out", "/dev/full", &sweep],
        1,
        &["--out /dev/full", "could not be written"],
    );
    fails(&["report", "--format", "html", "--point", "10", &sweep], 2, &["--point 10", "10 points", "0 to 9"]);
    fails(&["report", "--point", "1", &sweep], 2, &["--point", "leave it out"]);
    fails(&["report", &sweep, &sweep], 2, &["name one folder"]);
    fails(&["report", folder.path().to_str().unwrap()], 2, &["table.json", "lab sweep --out"]);
}

/// What a browser makes of `file`: the document, and what was written to its console.
fn opened(browser: &str, file: &Path) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let console = log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), console)
}

#[test]
fn a_browser_opens_the_page_without_an_error_and_sorts_its_table() {
    let browser = "chromium";
    if Command::new(browser).arg("--version").output().is_err() {
        skipped::skipped("chromium is missing");
        return;
    }
    let folder = swept();
    let (page, sorted) = (folder.path().join("page.html"), folder.path().join("sorted.html"));
    fine(&["report", "--format", "html", "--point", "0", "--out", page.to_str().unwrap(), &path(&folder, "sweep")]);
    let (dom, console) = opened(browser, &page);
    assert!(console.is_empty(), "{console:?}");
    for id in FIGURES {
        assert!(dom.contains(&format!("id=\"{id}\"")), "{id}");
    }
    // The heading of the depth, twice, as a reader would; and an error, which shows that errors are seen.
    let click = "<script>for (const _ of [1, 2]) document.querySelectorAll('th button')[1].click(); missing()</script>";
    let text = fs::read_to_string(&page).unwrap().replace("</body>", &format!("{click}</body>"));
    fs::write(&sorted, text).unwrap();
    let (dom, console) = opened(browser, &sorted);
    assert!(console.iter().any(|line| line.contains("missing is not defined")), "{console:?}");
    let table = &dom[dom.find("id=\"points\"").unwrap()..];
    let body = &table[table.find("<tbody>").unwrap()..];
    let first: Vec<_> = body.split("<td").skip(1).take(2).collect();
    assert!(dom.contains("aria-sort=\"descending\"") && first[1].contains(">16<"), "{first:?}");
}
