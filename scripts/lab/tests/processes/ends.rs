//! Runs that end before their time. What each of them waits for is what the processes say.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Signal, kill_process_group};
use shared::report::{DriverFile, Ending, RunReport};
use tempfile::TempDir;

use crate::lab::{Running, child, lab, pid};

/// Lets a run come to the end that `cause` brings about, and returns its status, the JSON, and what
/// was said on standard error.
fn ended(cause: impl FnOnce(&Running)) -> (i32, String, String) {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("run.json");
    let running = Running::start(&json);
    cause(&running);
    let output = running.end();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), std::fs::read_to_string(json).unwrap(), said)
}

/// A partial report adds up too.
fn partial(json: &str) -> RunReport {
    let run: RunReport = serde_json::from_str(json).unwrap();
    let totals = run.totals;
    assert!(run.ledger.balanced, "{:?}", run.ledger.violations);
    assert!(totals.accepted > 0);
    assert_eq!(totals.offered, totals.accepted + totals.refused);
    assert_eq!(totals.accepted, totals.delivered + totals.dropped + totals.in_flight + totals.lost);
    run
}

#[test]
fn a_driver_that_is_killed_leaves_a_report_of_what_is_lost() {
    let (status, json, said) = ended(|running| running.signal_child("driver", Signal::KILL));
    assert_eq!(status, 3);
    assert!(said.contains("driver: killed by signal 9"), "{said}");
    let run = partial(&json);
    assert!(matches!(run.ending, Ending::PeerFailed(_)), "{:?}", run.ending);
    assert!(run.totals.lost > 0 && run.totals.in_flight == 0 && run.driver.is_none(), "{:?}", run.totals);
}

#[test]
fn a_stack_that_is_killed_leaves_the_drivers_report() {
    let (status, json, said) = ended(|running| running.signal_child("netstack", Signal::KILL));
    assert_eq!(status, 3);
    assert!(said.contains("netstack: killed by signal 9"), "{said}");
    let file: DriverFile = serde_json::from_str(&json).unwrap();
    let session = &file.sessions[0];
    assert!(session.received > 0, "{session:?}");
    assert_eq!(session.received, session.sent + session.discarded);
}

#[test]
fn an_interrupt_leaves_partial_results_wherever_it_arrives() {
    let (status, json, _) = ended(|running| running.signal(Signal::INT));
    assert_eq!(status, 130);
    let run = partial(&json);
    assert!(run.ending == Ending::Interrupted && run.driver.is_some(), "{:?}", run.ending);

    let (status, json, _) = ended(|running| running.signal(Signal::TERM));
    assert_eq!((status, partial(&json).ending), (130, Ending::Interrupted));

    let (status, json, _) = ended(|running| running.signal_child("netstack", Signal::INT));
    assert_eq!((status, partial(&json).ending), (130, Ending::Interrupted));

    let (status, json, _) = ended(|running| running.signal_child("driver", Signal::INT));
    assert_eq!((status, partial(&json).ending), (130, Ending::PeerInterrupted));
}

/// At a terminal, Ctrl-C reaches the whole group of the lab.
#[test]
fn an_interrupt_ends_a_benchmark_whoever_is_measured() {
    for measured in ["netstack", "lab"] {
        let mut bench = lab(&["bench", "--time", "100ms", "--repetitions", "1000", "--sizes", "64B"]);
        bench.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut bench = bench.spawn().unwrap();
        while child(&bench, measured).is_none() {
            assert!(bench.try_wait().unwrap().is_none(), "it ended before {measured} was measured");
            std::thread::yield_now();
        }
        kill_process_group(pid(bench.id()), Signal::INT).unwrap();
        let output = bench.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{measured}: {said}");
        // A stack that had just begun says so too.
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("lab: interrupted before") && output.stdout.is_empty(), "{said}");
    }
}

/// The driver would wait for it for ever, so the lab sends it away, and tells of the stack alone.
#[test]
fn a_stack_that_never_met_the_driver_does_not_keep_it() {
    let (programs, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let netstack = programs.path().join("netstack");
    let driver = Path::new(lab(&[]).get_program()).with_file_name("driver");
    symlink(driver, programs.path().join("driver")).unwrap();
    std::fs::write(&netstack, "#!/bin/sh\neval \"$NETSTACK_DOES\"\n").unwrap();
    std::fs::set_permissions(&netstack, Permissions::from_mode(0o700)).unwrap();
    for (script, status, complaint) in [
        ("exit 1", 1, ""),
        ("exit 2", 2, ""),
        ("exit 3", 3, ""),
        ("exit 101", 3, "lab: netstack: exit status 101, which it never chooses itself\n"),
        ("kill -9 $$", 3, "lab: netstack: killed by signal 9\n"),
    ] {
        let mut lab = lab(&["run", "--packets", "1"]);
        lab.env("PUSHBACK_BIN_DIR", programs.path()).env("TMPDIR", folder.path()).env("NETSTACK_DOES", script);
        let output = lab.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(status), complaint), "{script}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn nothing_is_left_behind() {
    let folder = TempDir::new().unwrap();
    let kept = TempDir::new().unwrap();
    let json = kept.path().join("run.json");
    for cause in [Signal::INT, Signal::KILL] {
        let running = Running::start_in(&json, folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        running.signal_child("netstack", cause);
        running.end();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{cause:?}");
    }
}
