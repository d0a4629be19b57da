//! Runs that end early: killed or interrupted processes, and stacks that never reach the driver.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Signal, kill_process_group};
use shared::report::{DriverFile, Ending, RunReport};
use tempfile::TempDir;

use crate::lab::{Running, child, lab, pid};

/// Starts a run, ends it by `cause`, and returns its exit status, the JSON, and its standard error.
fn ended(cause: impl FnOnce(&Running)) -> (i32, String, String) {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("run.json");
    let running = Running::start(&json);
    cause(&running);
    let output = running.end();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), std::fs::read_to_string(json).unwrap(), stderr)
}

/// Checks that a partial report balances, and returns it.
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
    let (status, json, stderr) = ended(|running| running.signal_child("driver", Signal::KILL));
    assert_eq!(status, 3);
    assert!(stderr.contains("driver: killed by signal 9"), "{stderr}");
    let run = partial(&json);
    assert!(matches!(run.ending, Ending::PeerFailed(_)), "{:?}", run.ending);
    assert!(run.totals.lost > 0 && run.totals.in_flight == 0 && run.driver.is_none(), "{:?}", run.totals);
}

#[test]
fn after_a_stack_is_killed_the_report_of_the_driver_is_written() {
    let (status, json, stderr) = ended(|running| running.signal_child("netstack", Signal::KILL));
    assert_eq!(status, 3);
    assert!(stderr.contains("netstack: killed by signal 9"), "{stderr}");
    let file: DriverFile = serde_json::from_str(&json).unwrap();
    let session = &file.sessions[0];
    assert!(session.received > 0, "{session:?}");
    assert_eq!(session.received, session.sent + session.discarded);
}

#[test]
fn an_interrupt_of_any_process_leaves_partial_results() {
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

/// At a terminal, Ctrl-C reaches the lab's whole process group.
#[test]
fn an_interrupt_ends_a_benchmark_in_any_measurement() {
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
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{measured}: {stderr}");
        // A stack that had just started prints that it was interrupted, too.
        let last = stderr.lines().last().unwrap();
        assert!(last.starts_with("lab: interrupted before") && output.stdout.is_empty(), "{stderr}");
    }
}

/// The driver would wait for a stack without end, so the lab ends it, and reports the failure of the stack only.
#[test]
fn the_driver_is_ended_if_the_stack_fails_before_it_connects() {
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
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(status), complaint), "{script}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// The driver is interrupted just before its stack connects, so the stack finds no driver.
#[test]
fn a_driver_that_is_interrupted_before_the_stack_meets_it_interrupts_the_run() {
    let (programs, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let netstack = programs.path().join("netstack");
    let driver = Path::new(lab(&[]).get_program()).with_file_name("driver");
    symlink(driver, programs.path().join("driver")).unwrap();
    // Until the driver is a zombie.
    let script = r#"#!/bin/sh
exec 2>/dev/null
for process in /proc/[0-9]*; do
    read -r pid name state parent rest <"$process/stat" && [ "$name $parent" = "(driver) $PPID" ] || continue
    kill -TERM "$pid"
    while read -r pid name state rest <"$process/stat" && [ "$state" != Z ]; do :; done
    exit 3
done
"#;
    std::fs::write(&netstack, script).unwrap();
    std::fs::set_permissions(&netstack, Permissions::from_mode(0o700)).unwrap();
    let mut lab = lab(&["run", "--packets", "1"]);
    let output = lab.env("PUSHBACK_BIN_DIR", programs.path()).env("TMPDIR", folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(130), "lab: interrupted before the run began\n"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn no_temporary_file_is_left_behind() {
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
