//! The fate of each packet, counted by both processes.

use shared::report::{Ending, RunReport};

use crate::lab::{lab, report};

/// Checks that all packets were delivered, and that both ledger equations hold.
fn assert_complete(run: &RunReport, offered: u64) {
    let totals = run.totals;
    assert!(run.ledger.balanced, "{:?}", run.ledger.violations);
    assert_eq!(run.ending, Ending::Finished);
    assert_eq!((totals.offered, totals.accepted, totals.delivered), (offered, offered, offered), "{totals:?}");
    assert_eq!((totals.refused, totals.dropped, totals.in_flight, totals.lost), (0, 0, 0, 0), "{totals:?}");
    assert!(run.ring.occupancy_max <= run.ring.depth, "{:?}", run.ring);
    let driver = run.driver.as_ref().unwrap();
    assert_eq!((driver.received, driver.sent), (offered, offered));
    assert!(driver.held_max <= run.ring.depth && driver.hardware.occupancy_max <= 16, "{driver:?}");
}

#[test]
fn waiting_loses_nothing_at_any_depth() {
    for depth in [1, 2, 3, 16, 256] {
        for app in ["bulk", "poisson:load=2"] {
            waiting_fills(depth, 3_000, &["--app", app]);
        }
    }
}

/// With small frames, because large ones would take too long.
#[test]
fn waiting_loses_nothing_if_the_ring_is_deep() {
    for (depth, packets) in [(4_096, 20_000), (65_536, 150_000)] {
        for app in ["bulk:size=1B", "poisson:load=2,size=1B"] {
            waiting_fills(depth, packets, &["--link", "50Mbit", "--app", app]);
        }
    }
}

/// Checks a run with enough packets to fill the ring, so that the stack must wait.
fn waiting_fills(depth: u32, packets: u64, flags: &[&str]) {
    let (places, count) = (depth.to_string(), packets.to_string());
    let run = report(&[&["--depth", &places, "--packets", &count, "--hw-queue", "16"], flags].concat(), 0);
    assert_complete(&run, packets);
    assert_eq!((run.ring.depth, run.ring.occupancy_max), (depth, depth), "{flags:?}");
    assert!(run.blocked.stops > 0 && run.blocked.stops == run.blocked.wakes, "{:?}", run.blocked);
}

#[test]
fn waiting_loses_nothing_if_the_link_is_unlimited_and_every_frame_is_checked() {
    assert_complete(&report(&["--link", "unlimited", "--verify", "--hw-queue", "16", "--packets", "50000"], 0), 50_000);
}

/// More than may have histograms of their own, and more than there are slots.
#[test]
fn each_of_many_apps_delivers_all_it_offers() {
    let apps = (0..400).map(|number| match number % 4 {
        0 => "poisson:rate=5kpps,size=22B",
        1 => "bulk:size=100B,budget=300B",
        _ => "bulk:size=22B",
    });
    let apps = apps.collect::<Vec<_>>().join(";");
    let run =
        report(&["--link", "unlimited", "--depth", "64", "--hw-queue", "16", "--packets", "100", "--app", &apps], 0);
    assert_complete(&run, 40_000);
    assert!(run.apps.iter().all(|app| app.totals.delivered == 100 && app.latency_ns.count == 100));
    assert_eq!((run.apps.len(), run.apps_without_quantiles), (400, 400));
}

/// The number of drops depends on the load of the machine and is checked in virtual time only. But each packet must
/// have one fate and each drop one reason.
#[test]
fn dropping_accounts_for_every_packet() {
    for load in ["0.9", "2"] {
        let app = format!("cbr:load={load}");
        let flags = ["--link", "50Mbit", "--depth", "64", "--hw-queue", "16", "--packets", "3000"];
        let run = report(&[&flags[..], &["--policy", "drop-newest", "--app", &app]].concat(), 0);
        let totals = run.totals;
        assert!(run.ledger.balanced, "{:?}", run.ledger);
        assert_eq!(run.ending, Ending::Finished);
        assert_eq!((totals.offered, totals.accepted, totals.delivered + totals.dropped), (3_000, 3_000, 3_000));
        assert_eq!((totals.refused, totals.in_flight, totals.lost), (0, 0, 0), "{totals:?}");
        assert_eq!(run.drops.values().sum::<u64>(), totals.dropped);
        assert_eq!(run.drops.get("DEVICE_RING_FULL").copied().unwrap_or_default(), totals.dropped);
        let driver = run.driver.as_ref().unwrap();
        assert_eq!((driver.received, driver.sent), (totals.delivered, totals.delivered));
    }
}

/// The lab compares the digests too, and fails if they differ.
#[test]
fn every_policy_and_depth_has_the_same_arrivals() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("compare.json");
    let flags = ["--packets", "500", "--app", "poisson:load=2", "--app", "onoff:rate=100Mbit", "--seed", "7", "--json"];
    let mut digests = Vec::new();
    for depth in ["1", "64"] {
        let arguments =
            [&["compare", "--clock=real", "--depth", depth], &flags[..], &[json.to_str().unwrap()]].concat();
        let output = lab(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let table = String::from_utf8(output.stdout).unwrap();
        for word in
            ["wait", "drop-newest", "drop-oldest", "deadline=5ms", "goodput", "CPU of the driver", "Waiting lost none"]
        {
            assert!(table.contains(word), "{word} is not in\n{table}");
        }
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!(written["schema"], "pushback.compare/1");
        let runs: Vec<RunReport> = serde_json::from_value(written["runs"].clone()).unwrap();
        assert!(runs.iter().all(|run| run.ledger.balanced && run.ending == Ending::Finished));
        digests.extend(runs.into_iter().map(|run| run.arrivals_digest));
    }
    assert_eq!(digests.len(), 8);
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
    let other =
        report(&["--packets", "500", "--app", "poisson:load=2", "--app", "onoff:rate=100Mbit", "--seed", "8"], 0);
    assert_ne!(other.arrivals_digest, digests[0]);
}
