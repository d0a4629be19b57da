//! Apps that join and leave while the stack runs against a driver process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use netstack::process::{Args, report_with};
use netstack::session::{Apps, Extension};
use shared::report::{Ending, RunReport};
use shared::units::Nanos;

use crate::lab::program;

/// Adds an app after 50 ms and removes it after 100 ms; beside it a socket of its own sends a few datagrams.
struct Guest;

impl Extension for Guest {
    async fn run(self, apps: Apps) {
        let (clock, began) = (apps.clock().clone(), apps.clock().now());
        clock.sleep_until(began + Nanos::from_millis(50)).await;
        let guest = apps.add(&"cbr:name=guest,rate=1kpps,size=100B".parse().unwrap()).unwrap();
        let socket = apps.socket("own", None).unwrap();
        for _ in 0..5 {
            socket.send(&[7; 300], "10.0.0.2:9".parse().unwrap()).await.unwrap();
        }
        clock.sleep_until(began + Nanos::from_millis(100)).await;
        assert!(apps.remove(guest));
    }
}

fn extended(transport: &str) -> RunReport {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut driver = Command::new(program("driver"))
        .args(["--once", "--verify", "--link", "100Mbit", "--socket"])
        .arg(&socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(driver.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("driver: ready on"), "{ready}");
    let flags = ["--quiet", "--duration=200ms", "--app=cbr:rate=2kpps,size=100B", "--app=bulk:budget=3kB"];
    let endpoint = ["--transport", transport, "--socket", socket.to_str().unwrap()];
    let report = report_with(&Args::of(&[&flags[..], &endpoint].concat()).unwrap(), || Guest).unwrap();
    assert!(driver.wait().unwrap().success());
    report
}

#[test]
fn apps_join_and_leave_over_a_real_driver() {
    for transport in ["shm", "socket"] {
        let report = extended(transport);
        assert_eq!((report.ending, report.ledger.balanced), (Ending::Finished, true), "{:?}", report.ledger);
        let totals = |name: &str| &report.apps.iter().find(|app| app.name == name).unwrap().totals;
        // The schedules decide what is offered, on any machine: one packet per half millisecond for 200 ms.
        let stayed = totals("cbr-0");
        assert_eq!((stayed.offered, stayed.delivered + stayed.refused), (400, 400), "{transport}");
        let (guest, own) = (totals("guest"), totals("own"));
        assert!(guest.offered > 0 && guest.offered < 200, "{transport}: {guest:?}");
        assert_eq!((guest.accepted, guest.in_flight), (guest.delivered, 0), "{transport}");
        assert_eq!((own.offered, own.delivered), (5, 5), "{transport}");
        assert!(totals("bulk-1").delivered > 0);
        let delivered: u64 = report.apps.iter().map(|app| app.totals.delivered).sum();
        assert_eq!(report.driver.unwrap().sent, delivered, "{transport}");
    }
}
