//! The accept loop: stacks that connect right after another one, many silent clients, users that are not allowed, and
//! limits of the system that a running driver meets.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use rustix::net::{Shutdown, shutdown};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, getuid, prlimit, setrlimit};
use shared::control::TransportKind::{Shm, Socket};
use shared::control::{ByeReason, RefuseCode, preamble};
use shared::report::DriverFile;
use shared::testing::{Stack, skipped};
use tempfile::TempDir;

use super::driver::{Driver, command, folder};

/// The deepest ring. Mapping and unmapping its memory takes tens of milliseconds.
const DEEPEST: u32 = 65_536;

/// Starts a driver with its socket and its report in a new folder.
fn start(flags: &[&str]) -> (TempDir, PathBuf, Driver) {
    let folder = folder();
    let json = folder.path().join("out.json");
    let flags = [flags, &["--json", json.to_str().unwrap()]].concat();
    let driver = Driver::start(&folder.path().join("driver.sock"), &flags);
    (folder, json, driver)
}

fn file(path: &Path) -> DriverFile {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Sets a limit of a running driver, and returns the limit before.
fn limit(driver: &Driver, resource: Resource, most: Option<u64>) -> Rlimit {
    let pid = Pid::from_raw(driver.pid().cast_signed());
    let before = getrlimit(resource);
    prlimit(pid, resource, Rlimit { current: most, maximum: before.maximum }).unwrap()
}

/// Runs an honest session.
fn served(driver: &Driver, depth: u32) {
    let mut peer = Stack::share(&driver.socket, depth);
    peer.send(10);
    peer.wire.send_control(&Stack::farewell(10));
    assert_eq!(peer.bye().reason, ByeReason::Finished);
}

/// How many descriptors the driver has open.
fn descriptors(driver: &Driver) -> u64 {
    fs::read_dir(format!("/proc/{}/fd", driver.pid())).unwrap().count() as u64
}

fn refused(driver: &Driver, depth: u32) -> String {
    let refuse = Stack::greet(&driver.socket, Shm, depth).refused();
    assert_eq!(refuse.code, RefuseCode::NoResources, "{}", refuse.reason);
    refuse.reason
}

#[test]
fn a_stack_that_connects_right_after_another_one_waits_and_is_not_refused() {
    let (_folder, json, driver) = start(&["--depth=65536"]);
    let sessions = 25;
    for _ in 0..sessions {
        for depth in [1, DEEPEST] {
            let mut peer = Stack::share(&driver.socket, depth);
            peer.wire.send_control(&Stack::farewell(0));
            // The next stack connects before this one has closed its connection, and before the driver unmaps the ring.
            assert_eq!(peer.bye().reason, ByeReason::Finished);
        }
    }
    assert_eq!(driver.stop().status, Some(130));
    let file = file(&json);
    assert_eq!((file.sessions.len(), file.turned_away.get("BUSY")), (2 * sessions, None));
}

#[test]
fn a_stack_that_connects_right_after_one_that_died_is_served() {
    let (_folder, _json, driver) = start(&["--depth=65536"]);
    for depth in [8, DEEPEST].repeat(10) {
        let mut peer = Stack::share(&driver.socket, depth);
        peer.send(3);
        // The end of a process has the same effect. A close alone may not: another test may be about to start a
        // process, which has a copy of each descriptor until it executes its program.
        shutdown(&peer.wire, Shutdown::Both).unwrap();
    }
    served(&driver, 8);
}

#[test]
fn with_once_a_second_stack_is_refused_as_shutting_down() {
    let (_folder, _json, driver) = start(&["--once"]);
    let mut first = Stack::greet(&driver.socket, Socket, 4);
    first.accepted();
    first.0.send_control(&Stack::farewell(0));
    assert_eq!(first.bye().reason, ByeReason::Finished);
    // The first stack has not closed its connection, so the driver still runs.
    assert_eq!(Stack::greet(&driver.socket, Socket, 4).refused().code, RefuseCode::ShuttingDown);
    drop(first);
    assert_eq!(driver.wait().status, Some(0));
}

#[test]
fn a_thousand_silent_clients_keep_no_stack_from_being_served() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let (_folder, json, driver) = start(&[]);
    for begins in [false, true] {
        let crowd: Vec<_> = (0..1_000)
            .map(|_| {
                let mut client = Stack::connect(&driver.socket);
                // These send a preamble, and nothing after it.
                if begins {
                    client.0.send_bytes(&preamble());
                }
                client
            })
            .collect();
        served(&driver, 8);
        drop(crowd);
    }
    assert_eq!(driver.stop().status, Some(130));
    let file = file(&json);
    assert_eq!(file.endings.get("FINISHED"), Some(&2));
    assert!(file.turned_away["CROWDED_OUT"] > 1_000, "{:?}", file.turned_away);
    // There is one line for each client and each session. How many were dropped depends on how long it took.
    assert!(file.log_lines_dropped < file.turned_away.values().sum::<u64>() + 2, "{}", file.log_lines_dropped);
}

#[test]
fn a_lack_of_descriptors_memory_or_file_size_refuses_one_stack_and_the_driver_goes_on() {
    let (_folder, json, driver) = start(&["--depth=65536"]);
    let idle = descriptors(&driver);
    served(&driver, DEEPEST);

    let before = limit(&driver, Resource::Fsize, Some(1 << 20));
    assert!(refused(&driver, DEEPEST).contains("ulimit -f"));
    served(&driver, 8);
    limit(&driver, Resource::Fsize, before.current);

    let statm = fs::read_to_string(format!("/proc/{}/statm", driver.pid())).unwrap();
    let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
    // Enough for a small session and its thread, and too little for the deepest ring.
    let before = limit(&driver, Resource::As, Some(pages * 4096 + (40 << 20)));
    let said = refused(&driver, DEEPEST);
    assert!(said.contains("--depth"), "{said}");
    served(&driver, 8);
    limit(&driver, Resource::As, before.current);

    // The session before is over once its descriptors are closed.
    while descriptors(&driver) > idle {
        std::thread::yield_now();
    }
    // The connection takes one of the two, and the session needs more than the other.
    let before = limit(&driver, Resource::Nofile, Some(idle + 2));
    assert!(refused(&driver, 8).contains("ulimit -n"));
    limit(&driver, Resource::Nofile, before.current);
    served(&driver, DEEPEST);

    assert_eq!(driver.stop().status, Some(130));
    let file = file(&json);
    assert_eq!((file.endings.get("FINISHED"), file.turned_away.get("NO_RESOURCES")), (Some(&4), Some(&3)), "{file:?}");
}

#[test]
fn a_driver_that_is_killed_leaves_the_report_of_the_sessions_before() {
    let (folder, json, driver) = start(&[]);
    for sessions in [1, 2] {
        served(&driver, 8);
        while !json.exists() || file(&json).sessions.len() < sessions {
            std::thread::yield_now();
        }
    }
    driver.signal(Signal::KILL);
    assert_eq!(driver.wait().status, None);
    assert_eq!(file(&json).sessions.len(), 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the report and the dead driver's socket");
}

/// The id of the user nobody, who has no rights.
const UNPRIVILEGED: u32 = 65_534;

#[test]
fn users_that_are_not_allowed_are_refused() {
    if !getuid().is_root() {
        skipped("only root can start a driver of another user");
        return;
    }
    for (flags, served) in [(vec![], false), (vec!["--allow-uid=0"], true), (vec!["--allow-uid=7"], false)] {
        let folder = folder();
        chown(folder.path(), Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
        let mut command = command(&flags);
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        let mut driver = Driver::start_as(command, &folder.path().join("driver.sock"));
        let mut stack = Stack::greet(&driver.socket, Shm, 4);
        if served {
            stack.accepted();
        } else {
            let refuse = stack.refused();
            assert_eq!(refuse.code, RefuseCode::NotAllowed);
            assert!(refuse.reason.contains("--allow-uid 0"), "{}", refuse.reason);
            drop(stack);
            assert!(driver.next_line().contains("belongs to user 0"));
        }
    }
}
