//! The stack as a process, against a driver that a test plays.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stderr, reason = "a test prints why it is skipped")]

mod hostile;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use shared::control::ByeReason;
use shared::report::{DriverReport, Ending, RunReport};
use shared::testing::{Parcel, listen, skipped};

/// The binary, with nothing of the environment that could change what it does.
fn command(socket: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netstack"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PUSHBACK_")) {
        command.env_remove(name);
    }
    command.arg("--socket").arg(socket).args(flags).stdin(Stdio::null());
    command
}

/// Runs the stack with its report on standard output. Returns its status and the report.
fn report(socket: &Path, flags: &[&str]) -> (Option<i32>, RunReport) {
    let output = command(socket, flags).args(["--quiet", "--json", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), report)
}

#[test]
fn a_run_whose_text_cannot_be_written_has_its_report_and_a_status_of_failure() {
    let folder = tempfile::tempdir().unwrap();
    for (text, json) in [("stdout", "report.json"), ("stderr", "-")] {
        let socket = folder.path().join(text);
        let driver = listen(&socket, |mut driver| {
            driver.accept();
            driver.serve();
        });
        let json = if json == "-" { json.to_owned() } else { folder.path().join(json).display().to_string() };
        let flags = [
            "--transport=socket",
            "--depth=4",
            "--duration=50ms",
            "--interval=5ms",
            "--app=cbr:rate=1kpps",
            "--json",
            &json,
        ];
        let mut command = command(&socket, &flags);
        let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
        match text {
            "stdout" => command.stdout(full()).stderr(Stdio::piped()),
            _ => command.stdout(Stdio::null()).stderr(full()),
        };
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        driver.join().unwrap();
    }
    let report = std::fs::read(folder.path().join("report.json")).unwrap();
    assert!(serde_json::from_slice::<RunReport>(&report).unwrap().ledger.balanced);
}

#[test]
fn an_error_whose_text_cannot_be_written_still_has_its_status() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = command(Path::new("unused"), &["--depth=0"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn frames_that_cross_the_farewell_of_an_interrupted_driver_are_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, |mut driver| {
        driver.accept();
        // The ring is full when the driver leaves, and the driver has received only one of the frames.
        driver.wire.receive();
        driver.complete();
        driver.leave(ByeReason::Interrupted);
        driver.wire.read_to_end();
    });
    let (status, report) = report(&socket, &["--transport=socket", "--depth=8", "--duration=60s"]);
    driver.join().unwrap();
    assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    assert_eq!((status, report.ending), (Some(130), Ending::PeerInterrupted));
    let totals = report.totals;
    assert_eq!((totals.delivered, totals.in_flight + totals.lost), (1, totals.accepted - 1));
}

#[test]
fn a_driver_that_sends_the_first_farewell_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, |mut driver| {
        driver.accept();
        driver.wire.receive();
        driver.complete();
        driver.leave(ByeReason::Finished);
        driver.wire.read_to_end();
    });
    let (status, report) = report(&socket, &["--transport=socket", "--depth=8", "--duration=60s"]);
    driver.join().unwrap();
    assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    assert_eq!((status, report.ending), (Some(3), Ending::PeerFailed("the driver ended the session".to_owned())));
}

#[test]
fn impossible_claims_are_a_fault_of_the_driver_and_cause_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, |mut driver| {
        driver.accept();
        let most = u64::MAX;
        let report =
            DriverReport { received: most, sent: most, discarded: most, held_max: 9, ..DriverReport::default() };
        driver.report(ByeReason::Interrupted, report);
        driver.wire.read_to_end();
    });
    let (status, report) = report(&socket, &["--transport=socket", "--depth=8", "--duration=60s"]);
    driver.join().unwrap();
    assert_eq!((status, report.violation.as_deref()), (Some(3), Some("MISCOUNTED")));
    assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    assert!(matches!(report.ending, Ending::PeerFailed(what) if what.contains("slots held at once is 9")));
}

/// A limit that makes work impossible is one line at the start, and no abort in the middle of the work.
#[test]
fn a_limit_of_address_space_is_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let netstack = env!("CARGO_BIN_EXE_netstack");
    let run = |kibibytes: u32, flags: &str| {
        let socket = folder.path().join("no-driver");
        let line = format!(
            "ulimit -v {kibibytes}; exec {netstack} --socket {} --connect-timeout=1ms {flags}",
            socket.display()
        );
        let output = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let mut apps = String::from("--packets=1");
    (0..5_000).for_each(|_| apps.push_str(" --app=bulk"));
    for (kibibytes, flags) in [
        (16_000, "--packets=1"),
        (100_000, "--depth=65536"),
        (150_000, "--depth=65536 --transport=socket"),
        (100_000, "--policy=drop-oldest --txqueue=65536"),
        (100_000, &apps),
    ] {
        let (status, said) = run(kibibytes, flags);
        assert_eq!((status, said.lines().count()), (Some(1), 1), "{flags}: {said}");
        assert!(said.contains("memory") && said.contains("ulimit -v"), "{flags}: {said}");
        let (status, said) = run(4_000_000, flags);
        assert_eq!(status, Some(3), "only the driver is missing: {said}");
    }
}

#[test]
fn a_descriptor_that_this_process_cannot_hold_is_no_fault_of_the_drivers() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, |mut driver| {
        driver.hello();
        // From here on the stack may open no further descriptor.
        let stack = socket_peercred(&driver.wire).unwrap().pid;
        let most = getrlimit(Resource::Nofile).maximum;
        let none = Rlimit { current: Some(3), maximum: most };
        prlimit(Some(stack), Resource::Nofile, none).unwrap();
        driver.grant(8);
        let parcel = Parcel::honest(8, 7);
        parcel.send(driver.wire.as_fd());
        driver.wire.read_to_end();
    });
    let output = command(&socket, &["--transport=shm", "--depth=8"]).output().unwrap();
    driver.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("may open no more files") && said.contains("ulimit -n"), "{said}");
}

#[test]
fn quiet_may_be_a_one_in_the_environment_as_the_drivers_switches_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&folder.path().join("no-driver"), &["--connect-timeout=1ms"]);
    let status = command.env("PUSHBACK_QUIET", "1").stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(3), "the flags are fine, only the driver is missing");
}

/// The driver's side of this is among the tests of the driver.
#[test]
fn a_driver_of_another_user_is_served_only_if_that_user_was_named() {
    use std::os::unix::process::CommandExt;
    let own = rustix::process::getuid();
    if !own.is_root() {
        skipped("only root can play two users");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    const UNPRIVILEGED: u32 = 65_534;
    std::os::unix::fs::chown(folder.path(), Some(UNPRIVILEGED), None).unwrap();
    for (named, expected) in [("7", 3), ("0", 0)] {
        let socket = folder.path().join(named);
        let driver = listen(&socket, move |mut driver| match expected {
            0 => {
                driver.accept();
                driver.serve();
            }
            _ => driver.wire.read_to_end(),
        });
        std::os::unix::fs::chown(&socket, Some(UNPRIVILEGED), None).unwrap();
        let mut command = command(&socket, &["--transport=socket", "--packets=3", "--allow-uid", named]);
        let output = command.uid(UNPRIVILEGED).output().unwrap();
        driver.join().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{said}");
        assert!(expected == 0 || said.contains("--allow-uid 0"), "{said}");
    }
}
