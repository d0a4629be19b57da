//! `lab simulate` and `lab theory` as command lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../common/undated.rs"]
mod undated;

use std::process::Output;

use assert_cmd::Command;
use clap::Parser;
use lab::runner::{Repeat, replicate_while};
use serde_json::Value;
use shared::exec::StopHandle;
use shared::report::{Ending, RunReport, WarningCode};

use undated::undated;

fn lab(flags: &str, input: &str) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    command.args(flags.split(' ')).write_stdin(input).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap() + &String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn ends(flags: &str, status: i32, saying: &str) {
    let output = lab(flags, "");
    assert_eq!(output.status.code(), Some(status), "{}", printed(&output));
    assert!(printed(&output).contains(saying), "{}", printed(&output));
}

fn json(flags: &str, input: &str) -> String {
    let output = lab(&format!("{flags} --json -"), input);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The report of a run that ends with `status`.
fn json_with(flags: &str, status: i32) -> String {
    let output = lab(&format!("{flags} --json -"), "");
    assert_eq!(output.status.code(), Some(status), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_flags_give_the_same_bytes_and_a_report_can_be_simulated_again() {
    let flags = "simulate --app poisson:load=1.1 --packets 2000 --depth 8 --policy drop-newest --stack-cost 4us";
    let first = json(flags, "");
    assert_eq!(undated(&json(flags, "")), undated(&first));
    assert_eq!(undated(&json("simulate --from -", &first)), undated(&first), "the stack's cost included");
    let other: RunReport = serde_json::from_str(&json("simulate --from - --depth 9", &first)).unwrap();
    assert_eq!(other.ring.depth, 9);
}

#[test]
fn a_report_holds_the_measurement_and_the_prediction() {
    let text = json("simulate --app poisson:load=0.5 --packets 5000 --depth 4 --policy drop-newest", "");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["clock"], &report["theory"]["model"]), (&"virtual".into(), &"M/D/1/4 at load 0.5".into()));
    assert!(report["steady"]["after_ns"].as_u64().unwrap() > 0);
    assert!(
        report["theory"]["agrees"].is_null() && report["theory"]["verdict"].is_null(),
        "a single run gives no verdict"
    );
    let text = json("simulate --app bulk --packets 100", "");
    assert!(serde_json::from_str::<Value>(&text).unwrap().get("theory").is_none());
}

#[test]
fn a_packet_that_costs_no_time_is_refused_with_a_remedy() {
    ends("simulate --policy drop-newest", 2, "--stack-cost");
    ends("simulate --link unlimited", 2, "--stack-cost");
    ends("simulate --policy drop-newest --stack-cost 4us --duration 1ms", 0, "the ledger balances");
    ends("simulate --socket /tmp/x", 2, "--socket is a flag of netstack and driver");
    ends("simulate --app bulk --packets 9 --idle spin", 2, "--idle is a flag of lab run");
}

#[test]
fn the_budget_of_a_packet_bounds_its_rate() {
    let text = json("simulate --app bulk:size=22B --duration 10ms --link 10Gbit --stack-cost 4us", "");
    let report: RunReport = serde_json::from_str(&text).unwrap();
    let rate = report.rate.packets_per_second.unwrap();
    assert!((rate / 250_000.0 - 1.0).abs() < 0.01, "{rate}");
}

/// Time and length of each frame in a capture, and the bytes of the first.
fn frames_in(capture: &std::path::Path) -> (Vec<(u64, usize)>, Vec<u8>) {
    let bytes = std::fs::read(capture).unwrap();
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0xa1b2_3c4d, "nanoseconds");
    let (mut frames, mut at) = (Vec::new(), 24);
    while at < bytes.len() {
        let length = word(at + 8) as usize;
        frames.push((u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4)), length));
        at += 16 + length;
    }
    (frames, bytes[24 + 16..].to_vec())
}

#[test]
fn a_capture_has_every_frame_with_its_virtual_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sent.pcap");
    let flags = "simulate --app cbr:load=0.5,size=1472B --packets 100 --link 1Gbit --verify --depth 8";
    let capture = format!("{flags} --pcap {}", path.display());
    let with = json(&capture, "");
    let (frames, bytes) = frames_in(&path);
    let sent: Vec<_> = (0..100).map(|n| (12_304 + n * 24_608, 1514)).collect();
    assert_eq!(frames, sent);
    // An Ethernet frame with an IPv4 packet, and the payload's header behind that of UDP: the magic, the app and the number.
    assert_eq!((&bytes[12..15], &bytes[42..56]), (&[8, 0, 0x45][..], &b"PB\0\0\0\0\0\0\0\0\0\0\0\0"[..]));
    assert_eq!(undated(&json(flags, "")), undated(&with), "a capture changes nothing else");
    assert_eq!(undated(&json(&capture, "")), undated(&with));
    let late = format!("{capture} --wake-latency 1us");
    let report: RunReport = serde_json::from_str(&json(&late, "")).unwrap();
    assert_eq!((report.totals.delivered, frames_in(&path).0.len()), (100, 100));

    ends(&format!("{capture} --precision 1%"), 2, "--pcap: a capture is of one run");
    ends(&format!("{capture} --dma none"), 2, "--dma none leaves the bytes");
    ends(&format!("{flags} --pcap /missing/sent.pcap"), 2, "--pcap /missing/sent.pcap: cannot be written");
    let full = lab(&format!("{flags} --pcap /dev/full"), "");
    assert_eq!(full.status.code(), Some(0), "{}", printed(&full));
    assert!(printed(&full).contains("the capture has 0 frames and misses the 100"), "{}", printed(&full));
}

/// What was captured is sent again: as many packets, of the same sizes, with the same gaps.
#[test]
fn a_capture_is_replayed_as_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (first, second, table) = (path("first.pcap"), path("second.pcap"), path("table.csv"));
    let app = "poisson:load=0.8,size=22B:7/576B:4/1472B:1";
    report(&format!("simulate --app {app} --packets 2000 --depth 64 --pcap {}", first.display()));
    let (recorded, _) = frames_in(&first);
    // On an unlimited link a frame is sent as it is offered.
    let replay = |file: &std::path::Path, more: &str| {
        format!("simulate --app trace:file={} --link unlimited --latency 1us --depth 64 {more}", file.display())
    };
    let capture = format!("--pcap {}", second.display());
    let text = json(&replay(&first, &capture), "");
    let again: RunReport = serde_json::from_str(&text).unwrap();
    assert_eq!((again.totals.offered, again.totals.delivered), (2000, 2000));
    let relative =
        |frames: &[(u64, usize)]| frames.iter().map(|(at, len)| (at - frames[0].0, *len)).collect::<Vec<_>>();
    assert_eq!(relative(&frames_in(&second).0), relative(&recorded));
    assert_eq!(undated(&json("simulate --from -", &text)), undated(&text));

    // As a table; under any policy it has the same arrivals, and a blocked app waits or skips.
    let line = |(at, len): &(u64, usize)| format!("{at},{}\n", len - 42);
    std::fs::write(&table, format!("time_ns,size\n{}", recorded.iter().map(line).collect::<String>())).unwrap();
    for more in ["--seed 9", "--policy drop-newest", "--hw-queue 1"] {
        assert_eq!(report(&replay(&table, more)).arrivals_digest, again.arrivals_digest, "{more}");
    }
    let blocked = |when: &str| {
        let app = format!("trace:file={},when-blocked={when}", table.display());
        report(&format!("simulate --app {app} --link 10Mbit --depth 4")).totals
    };
    let (waits, skips) = (blocked("wait"), blocked("skip"));
    assert_eq!((waits.offered, waits.delivered, skips.offered), (2000, 2000, 2000));
    assert!(skips.refused > 0 && skips.delivered + skips.refused == 2000, "{skips:?}");
    assert_eq!(report(&replay(&table, "--packets 7")).totals.offered, 7);
    let half = recorded[1000].0 - recorded[0].0;
    assert_eq!(report(&replay(&table, &format!("--duration {half}ns"))).totals.offered, 1000);
}

#[test]
fn a_trace_that_cannot_be_sent_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    let with = |lines: &str| {
        std::fs::write(&path, format!("time_ns,size\n{lines}")).unwrap();
        format!("simulate --app trace:file={}", path.display())
    };
    ends(
        &with("0,64\n5;64\n"),
        2,
        "trace.csv line 3: 5;64 is not a time in nanoseconds and a size in bytes; write two",
    );
    ends(&with("9,64\n5,64\n"), 2, "trace.csv line 3: its time is before that of the packet ahead of it; sort");
    ends(&with("0,1473\n"), 2, "a recorded packet has 1473B of payload, and at most 1472B fit");
    ends("simulate --app trace:file=/missing/x.csv", 2, "file=/missing/x.csv: cannot be read");
    let raised = report(&with("0,0\n5,64\n9,0\n"));
    assert_eq!(raised.totals.delivered, 3);
    let said: Vec<_> = raised.warnings.iter().filter(|warning| warning.text.contains("2 recorded packets")).collect();
    assert_eq!(said.len(), 1, "{:?}", raised.warnings);
}

fn report(flags: &str) -> RunReport {
    serde_json::from_str(&json(flags, "")).unwrap()
}

#[test]
fn rates_include_the_gap_after_the_last_packet_and_are_null_without_one() {
    let rates = |flags: &str| {
        let report = report(&format!("simulate --link 1Mbit {flags}"));
        let apps = report.apps.iter().map(|app| app.rate.packets_per_second);
        [report.rate.packets_per_second].into_iter().chain(apps).collect::<Vec<_>>()
    };
    for (packets, onoff) in [(1, 4.0), (2, 2.0 / 1.25), (5, 5.0 / 2.75)] {
        let (cbr, slow) = (format!("--app cbr:rate=4pps --packets {packets}"), "onoff:rate=4pps,on=500ms,off=750ms");
        assert_eq!(rates(&cbr), [Some(4.0), Some(4.0)], "{packets}");
        assert_eq!(rates(&format!("--app {slow} --packets {packets}")), [Some(onoff), Some(onoff)], "{packets}");
    }
    assert_eq!(rates("--app cbr:rate=3pps --duration 4s"), [Some(3.0), Some(3.0)]);
    assert_eq!(rates("--app bulk --packets 1"), [None, None]);
    // A frame takes 12.304 ms; completions are reported one second after the first frame, or when there are 32.
    for (packets, seconds) in [(2, 1.012_304), (5, 1.012_304), (33, 33.0 * 0.012_304)] {
        let bulk = rates(&format!("--app bulk --coalesce frames=32,for=1s --packets {packets}"));
        let last = if packets == 33 { 1.0 + seconds } else { seconds };
        let expected = packets as f64 / if packets < 32 { seconds } else { last };
        assert!(bulk.iter().all(|rate| (rate.unwrap() / expected - 1.0).abs() < 1e-9), "{bulk:?}, not {expected}");
    }
    // From the first intended time of one app to the last completion of the other.
    let both = rates("--app cbr:rate=50pps --app bulk --packets 4");
    assert!((both[0].unwrap() / (8.0 / (8.0 * 0.012_304)) - 1.0).abs() < 1e-9, "{both:?}");
    let text = lab("simulate --link 1Mbit --app bulk --packets 1", "");
    let line = printed(&text).lines().find(|line| line.starts_with("Delivered")).map(str::to_owned);
    assert_eq!(
        line.unwrap().split_whitespace().collect::<Vec<_>>(),
        ["Delivered", "-", "of", "payload,", "-:", "1", "packets"]
    );
    ends("simulate --link 1Mbit --app bulk --packets 1 --precision 1%", 2, "raise --packets");
}

#[test]
fn quantiles_may_exceed_an_hour_and_lie_within_the_measured_range() {
    let slow = report("simulate --app bulk --packets 40 --link 2bit --depth 3 --wake each --interval 10000s");
    // 1538 B at 2 bit/s: the third frame and all later ones find two frames before them.
    let one = 6_152_000_000_000;
    let times = slow.sojourn_ns;
    assert_eq!([times.max, times.p50, times.p99], [Some(3 * one); 3]);
    assert!(times.mean > Some(2.0 * one as f64) && times.mean <= Some(3.0 * one as f64), "{times:?}");
    for depth in [2_051, 40_003] {
        let full =
            report(&format!("simulate --app bulk --packets {} --depth {depth} --wake each --link 1Gbit", 4 * depth));
        let ring = full.ring;
        assert_eq!((u64::from(ring.occupancy_max), ring.occupancy_p99), (depth, depth));
        assert!(ring.occupancy_p50 <= depth, "{ring:?}");
    }
}

#[test]
fn sums_may_exceed_64_bits_and_are_warned_of() {
    let apps: Vec<String> = (0..40).map(|app| format!("--app bulk:name=a{app}")).collect();
    let flags = format!("simulate {} --depth 1 --link 1bit --duration 2000000000s --interval 1000000s", apps.join(" "));
    let report = report(&flags);
    let blocked = &report.blocked;
    // All apps but one wait all the time.
    assert!(blocked.total_ns > 38 * 2_000_000_000_000_000_000, "{}", blocked.total_ns);
    assert_eq!(blocked.total_ns, blocked.stages.values().map(|stage| stage.total_ns).sum());
    assert_eq!(
        blocked.total_ns,
        report.apps.iter().flat_map(|app| app.blocked.values()).map(|stage| stage.total_ns).sum()
    );
    let warned = |key: &str| report.warnings.iter().any(|warning| warning.text.contains(key));
    assert!(warned("blocked.total_ns") && !warned("ring.held_ns"), "{:?}", report.warnings);
}

#[test]
fn the_end_of_virtual_time_is_an_error() {
    for apps in [
        "--app reqresp --packets 9 --latency 5000000000s",
        "--app reqresp:think=9000000000s --packets 4",
        "--app cbr:rate=2bit --packets 4000000 --policy drop-newest",
        "--app onoff:rate=1pps,on=1s,off=17000000000s --packets 3",
        "--app bulk --packets 3 --stall every=3s,for=2999999999ns --link 1bit --stack-cost 8000000000s",
    ] {
        ends(&format!("simulate {apps} --interval 100000s"), 2, "virtual time is at its end");
    }
    ends(
        "simulate --app cbr:rate=1Gpps --app cbr:rate=1Gpps,name=b --duration 5000000000s --interval 50000s",
        2,
        "--duration",
    );
}

/// Drawing 200 million packets one by one would take seconds, and make the run longer.
#[test]
fn packets_that_were_never_sent_are_counted_without_drawing_them() {
    for (app, offered) in [
        ("cbr:rate=1Gpps", 200_000_000_000_000),
        ("onoff:rate=1Gpps,on=1us,off=3us", 50_000_000_000_000),
        ("poisson:rate=1Gpps", 200_000_000_000_000_u64),
    ] {
        let run = report(&format!("simulate --app {app} --link 1kbit --depth 4 --duration 200000s --interval 1000s"));
        assert!(run.totals.offered.abs_diff(offered) < 100_000_000, "{app}: {}", run.totals.offered);
        assert!(run.ledger.balanced && run.refusals["NOT_REACHED"] > offered / 2);
        // Four frames of 12.304 s are in the ring when offering ends.
        assert!(run.elapsed_ns <= 200_050_000_000_000, "{}", run.elapsed_ns);
    }
}

#[test]
fn the_digest_covers_the_same_draws_for_any_length_and_policy() {
    let digest = |flags: &str| {
        let random = "--app poisson:load=1.5 --app onoff:rate=20kpps,distribution=exponential";
        report(&format!("simulate {random} --link 100Mbit {flags}")).arrivals_digest
    };
    let first = digest("--packets 3");
    for flags in ["--packets 900 --depth 2", "--duration 70ms --policy drop-newest", "--duration 5ms --dispatch poll"] {
        assert_eq!(digest(flags), first, "{flags}");
    }
    assert_ne!(digest("--packets 3 --seed 2"), first);
}

#[test]
fn assert_theory_reports_agreement_and_disagreement() {
    let agreed = "simulate --app cbr:load=1.5 --depth 8 --policy drop-newest --packets 20000 --assert-theory";
    ends(agreed, 0, "agrees with");
    // Too short to fill the ring: only the start is measured, and nothing is lost in it.
    let short =
        "simulate --app poisson:load=2 --depth 64 --policy drop-newest --packets 40 --warmup 0s --assert-theory";
    ends(short, 1, "differs from");
    ends("simulate --app bulk --assert-theory", 2, "no model fits");
}

#[test]
fn means_that_are_not_precise_enough_are_warned_of() {
    let rough = "simulate --app poisson:load=0.9 --depth 8 --policy drop-newest --packets 500 --precision 1% \
                 --max-replications 3";
    ends(rough, 0, "still wider");
    let report: RunReport = serde_json::from_str(&json(rough, "")).unwrap();
    let estimate = report.estimate.unwrap();
    assert_eq!((estimate.replications, estimate.first_seed, estimate.last_seed), (3, 1, 3));
    assert!(report.warnings.iter().any(|warning| warning.text.contains("still wider")), "{:?}", report.warnings);
}

/// No drop in so many packets is a bound on the loss, not a loss of zero: -ln(1 - level) / packets.
#[test]
fn no_drop_in_any_run_is_a_bound_on_the_loss() {
    let flags = "simulate --app poisson:load=0.4 --depth 64 --policy drop-newest --packets 2500 --warmup 0s";
    for (more, runs, level, negative_log_miss) in
        [("--repetitions 12", 12, 0.95, 2.995_732), ("--repetitions 7 --level 99%", 7, 0.99, 4.605_170)]
    {
        let estimate = report(&format!("{flags} {more}")).estimate.unwrap();
        assert_eq!((estimate.replications, estimate.packets, estimate.level), (runs, runs * 2500, level));
        assert_eq!((estimate.loss_ratio.mean, estimate.loss_ratio.half_width), (0.0, None));
        let bound = estimate.loss_ratio.below.unwrap();
        assert!((bound * (runs * 2500) as f64 - negative_log_miss).abs() < 1e-5, "{bound}");
    }
    let printed = printed(&lab(&format!("{flags} --repetitions 12"), ""));
    assert!(printed.contains("below 0.00999 % if drops are independent (none of 30,000)"), "{printed}");
    assert!(!printed.contains("+- 0 "), "{printed}");
}

/// A prediction at or below the bound agrees. A prediction above it is contradicted only by what the number of runs
/// excludes, because drops come in clusters, and runs are independent.
#[test]
fn a_predicted_loss_that_no_run_showed_is_not_a_disagreement() {
    let rare = "simulate --app poisson:load=0.9 --depth 64 --policy drop-newest --service exponential --packets 4000 \
                --warmup 0s --assert-theory --repetitions 10";
    let seeds = (1..40).map(|at| format!("{rare} --seed {}", 100 * at));
    let (mut unknown, mut judged_runs) = (0, 0);
    for flags in seeds {
        let run = report_of_any_status(&flags);
        let (theory, estimate) = (run.theory.unwrap(), run.estimate.unwrap());
        if estimate.loss_ratio.mean > 0.0 {
            continue;
        }
        assert!(theory.findings[0].starts_with("loss ratio below"), "{:?}", theory.findings);
        assert!(theory.findings[0].contains("if drops are independent"), "{:?}", theory.findings);
        let (unclear, judged) = (theory.findings[0].contains("cannot be distinguished from"), theory.judged.unwrap());
        let bound = -(1.0 - judged.level).ln() / estimate.packets as f64;
        assert_eq!(unclear, theory.loss_ratio > bound, "{:?}", theory.findings);
        (unknown, judged_runs) = (unknown + usize::from(unclear), judged_runs + 1);
    }
    assert!(unknown > 0 && judged_runs > 0, "{unknown} of {judged_runs}");
}

fn report_of_any_status(flags: &str) -> RunReport {
    let output = lab(&format!("{flags} --json -"), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn only_a_contradiction_is_a_failure() {
    // Precise to a tenth only, and 1 % was requested: neither confirmed nor contradicted.
    let vague = "simulate --app poisson:load=0.8 --depth 6 --policy drop-newest --packets 400 --assert-theory \
                 --max-replications 4";
    ends(vague, 0, "agrees     unknown");
    let theory = &serde_json::from_str::<Value>(&json(vague, "")).unwrap()["theory"];
    assert_eq!((&theory["verdict"], &theory["agrees"]), (&"unknown".into(), &Value::Null));
    // So short that the ring has hardly filled.
    let short =
        "simulate --app poisson:load=3 --depth 48 --policy drop-newest --packets 30 --warmup 0s --assert-theory";
    ends(short, 1, "agrees     no");
    assert_eq!(report_of_any_status(short).theory.unwrap().agrees, Some(false));
    let long = "simulate --app poisson:load=0.8 --depth 3 --policy drop-newest --packets 20000 --precision 2% \
                --assert-theory";
    // 1 - 0.05 / 3
    ends(long, 0, "agrees     yes; 3 figures, each judged at 98.3 % so that all hold together at 95 % (Bonferroni)");
    ends(&format!("{long} --level 80%"), 0, "each judged at 93.3 % so that all hold together at 80 %");
}

#[test]
fn a_run_without_randomness_is_done_once_and_reported_as_such() {
    let fixed = "simulate --policy drop-newest --depth 6 --packets 3000";
    for (app, more) in [
        ("cbr:load=1.3", "--precision 3%"),
        ("cbr:load=0.6", "--repetitions 40"),
        ("onoff:rate=20kpps,on=2ms,off=1ms", "--repetitions 3 --level 99%"),
        ("cbr:load=1.7", "--assert-theory"),
    ] {
        let flags = format!("{fixed} --app {app} {more}");
        let report = report(&flags);
        let estimate = report.estimate.unwrap();
        assert_eq!((estimate.replications, estimate.random, estimate.last_seed), (1, false, 1), "{flags}");
        for figure in [estimate.loss_ratio, estimate.sojourn_mean_ns, estimate.packets_per_second] {
            assert_eq!((figure.half_width, figure.below), (None, None), "{flags}");
        }
        let printed = printed(&lab(&flags, ""));
        assert!(printed.contains("nothing in it is random") && !printed.contains("+-"), "{printed}");
    }
    // One random setting is enough.
    let random = report(&format!("{fixed} --app cbr:load=0.6 --service exponential --repetitions 3"));
    assert_eq!(random.estimate.map(|estimate| (estimate.replications, estimate.random)), Some((3, true)));
}

#[test]
fn the_estimate_comes_first() {
    let flags =
        "simulate --app poisson:load=1.2 --depth 5 --policy drop-newest --packets 700 --repetitions 4 --seed 31";
    let printed = printed(&lab(flags, ""));
    let estimate = report(flags).estimate.unwrap();
    assert_eq!(printed.matches("loss").count(), 2, "in theory, and in its findings: {printed}");
    let loss = shared::report::human::percent(estimate.loss_ratio.mean);
    let line = printed.lines().nth(2).filter(|line| line.starts_with("Loss  ")).unwrap();
    assert!(line.contains(&format!("{loss} +- ")), "{line} {loss}");
    // CSV shows the same mean.
    let listed = lab("report --format csv -", &json(flags, ""));
    let csv = String::from_utf8(listed.stdout).unwrap();
    let mean = format!(",{},", estimate.loss_ratio.mean);
    assert!(csv.lines().nth(1).unwrap().contains(&mean), "{mean} {csv}");
    for part in ["Times of the", "accepted =", "Latency ", "Ring "] {
        assert!(!printed.contains(part), "{part} is of seed 31 alone: {printed}");
    }
}

#[test]
fn invalid_and_ambiguous_percentages_are_refused() {
    let run = "simulate --app poisson:load=0.9 --packets 10";
    for (flag, value, remedy) in [
        ("--precision", "4", "write 4%"),
        ("--precision", "0.25", "write 0.25% or 25%"),
        ("--precision", "100%", "99.9999%"),
        ("--precision", "250%", "99.9999%"),
        ("--precision", "0%", "above 0"),
        ("--level", "90", "write 90%"),
        ("--level", "0.9", "write 0.9% or 90%"),
        ("--level", "100%", "99.9999%"),
        ("--level", "0%", "above 0"),
    ] {
        let output = lab(&format!("{run} {flag} {value}"), "");
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(
            printed.contains(flag) && printed.contains(&format!("'{value}'")) && printed.contains(remedy),
            "{printed}"
        );
    }
}

/// The seeds of the repetitions stay in the range with which a report can be repeated.
#[test]
fn repetitions_do_not_run_past_the_largest_seed() {
    let run = "simulate --app poisson:load=0.9 --packets 50 --repetitions 5";
    ends(&format!("{run} --seed 9007199254740989"), 2, "use a seed of at most 9007199254740988");
    let last = report(&format!("{run} --seed 9007199254740988")).estimate.unwrap();
    assert_eq!((last.first_seed, last.last_seed), ((1 << 53) - 4, 1 << 53));
    ends("simulate --app poisson:load=0.9 --packets 50 --precision 5% --seed 9007199254740900", 2, "--seed");
    // A run without randomness needs one seed only.
    ends(
        "simulate --app cbr:load=0.9 --packets 50 --precision 5% --seed 9007199254740992",
        0,
        "nothing in it is random",
    );
}

#[test]
fn models_are_printed_without_a_run() {
    ends("theory mm1k --load 0.9 --places 8", 0, "0.070271");
    ends("theory erlang-b --offered 8 --servers 8", 0, "0.235570");
    ends("theory for --app poisson:load=1.1 --depth 8 --policy drop-newest", 0, "M/D/1/8 at load 1.1");
    ends("theory for --app bulk", 2, "no model fits");
    ends("theory mm1 --load 2", 2, "below 1");
    ends("theory dd1k --interarrival 8us --places 8", 2, "--service-time");
}

#[test]
fn an_unreachable_destination_fails_the_run_with_every_dispatch() {
    for way in ["static", "boxed", "inline", "poll", "sync"] {
        for (app, hop) in [
            ("bulk:to=10.0.0.44:9", "10.0.0.44"),
            ("cbr:rate=2kpps,size=99B,to=[fd00::44]:9", "fd00::44"),
            ("poisson:rate=2kpps,when-blocked=skip,to=10.0.0.45:9", "10.0.0.45"),
        ] {
            let run = format!("simulate --dispatch {way} --duration 30ms --app {app}");
            ends(&run, 1, &format!("--neighbour {hop}="));
            let report: RunReport = serde_json::from_str(&json_with(&run, 1)).unwrap();
            assert_eq!((report.totals.delivered, report.totals.offered > 0), (0, true), "{run}");
            let codes: Vec<_> = report.warnings.iter().map(|warning| warning.code).collect();
            assert_eq!(codes, [WarningCode::NeighbourUnknown, WarningCode::NothingDelivered], "{run}");
            // The remedy works.
            ends(&format!("{run} --neighbour {hop}=02:00:00:00:00:02"), 0, "the ledger balances");
            // One app that delivers does not hide another that does not.
            ends(&format!("{run} --app cbr:rate=1kpps,name=other"), 1, &format!("--neighbour {hop}="));
        }
    }
}

#[test]
fn a_run_that_delivers_nothing_fails_for_any_reason() {
    // The drain ends before the frame completes.
    ends("simulate --packets 3 --latency 70ms --drain-timeout 4ms", 1, "none of the 3 packets");
}

#[test]
fn settings_that_can_never_take_effect_are_warned_of() {
    let warned = |flags: &str| {
        let report: RunReport = serde_json::from_str(&json(&format!("simulate --packets 20 {flags}"), "")).unwrap();
        report.warnings.iter().filter(|warning| warning.code == WarningCode::NoEffect).count()
    };
    for (flags, count) in [
        ("--coalesce frames=24,for=300us --depth 11", 1),
        ("--coalesce frames=24,for=300us --depth 24", 0),
        ("--stall every=7s,for=1ms --txqueue 5", 2),
        ("--txqueue 5 --policy drop-oldest --app cbr:load=0.5", 0),
        ("--app cbr:load=0.5", 0),
    ] {
        assert_eq!(warned(flags), count, "{flags}");
    }
}

#[test]
fn an_interrupt_ends_repetitions_with_an_estimate_of_those_that_are_complete() {
    let settings = lab::settings::RunSettings {
        netstack: netstack::process::Args::parse_from([
            "netstack",
            "--app=poisson:load=1",
            "--packets=300",
            "--policy=drop-newest",
        ]),
        driver: driver::settings::Settings::parse_from(["driver", "--depth=4"]),
        simulation: Default::default(),
        far: None,
    };
    let repeat = Repeat { level: 0.95, precision: Some(1e-6), runs: None, at_most: 1_000_000 };
    for after in [1, 3, 17] {
        let stop = StopHandle::new().unwrap();
        let ask = |done, _| {
            if done >= after {
                stop.stop()
            }
        };
        let replicated = replicate_while(&settings, repeat, Some(&stop), ask).unwrap();
        let report = replicated.report;
        assert!(!replicated.precise && report.ledger.balanced);
        assert_eq!((report.ending, report.totals.offered), (Ending::Interrupted, 300), "the first run is complete");
        assert!(
            report.warnings.iter().any(|warning| warning.code == WarningCode::Interrupted),
            "{:?}",
            report.warnings
        );
        // Runs in progress on other CPUs may have completed.
        let runs = report.estimate.map_or(1, |estimate| estimate.replications);
        assert!(runs >= after && runs < after + 64, "{runs} runs, stopped after {after}");
    }
    let stop = StopHandle::new().unwrap();
    stop.stop();
    let report = replicate_while(&settings, repeat, Some(&stop), |_, _| {}).unwrap().report;
    assert_eq!((report.ending, report.estimate), (Ending::Interrupted, None));
    assert!(report.ledger.balanced && report.totals.offered < 300, "{:?}", report.totals);
}
