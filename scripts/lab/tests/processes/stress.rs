//! `lab stress`: a few of the cases that the scripts try by the thousand, and that violations are found.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use crate::lab::{lab, program};

/// Runs `lab stress` with `arguments`, and checks that no temporary file is left. Returns the status and the standard
/// output.
fn stress(arguments: &[&str], programs: Option<&Path>) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    let mut lab = lab(&[&["stress"], arguments].concat());
    lab.env("TMPDIR", folder.path()).envs(programs.map(|programs| ("PUSHBACK_BIN_DIR", programs)));
    let output = lab.output().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// A folder with the real driver, and with a stack that runs `script`.
fn with_stack(script: &str) -> TempDir {
    let programs = TempDir::new().unwrap();
    symlink(program("driver"), programs.path().join("driver")).unwrap();
    let netstack = programs.path().join("netstack");
    fs::write(&netstack, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(netstack, Permissions::from_mode(0o700)).unwrap();
    programs
}

#[test]
fn starts_one_after_the_other_are_counted() {
    let (status, said) = stress(&["starts", "--count", "3", "--depths", "1,64"], None);
    assert_eq!(status, Some(0), "{said}");
    let rows: Vec<_> = said.lines().filter(|line| line.starts_with("| one for ")).collect();
    assert_eq!(rows.len(), 4, "{said}");
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[3..6], ["3", "0", "0"], "{row}");
    }
}

#[test]
fn a_stack_that_is_refused_or_leaves_a_file_is_a_violation() {
    let script = "echo 'netstack: refused (BUSY): come back later' >&2; : >\"${3%/*}/stray\"; exit 3";
    let (status, said) = stress(&["starts", "--count", "2", "--depths", "1"], Some(with_stack(script).path()));
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("VIOLATION: depth 1, start 2: netstack ended with 3: netstack: refused (BUSY)"), "{said}");
    assert!(said.contains("the file stray is left"), "{said}");
}

#[test]
fn kills_are_drawn_from_the_seed_and_nothing_is_wrong_after_them() {
    let (status, said) = stress(&["kills", "--count", "12", "--seed", "3"], None);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("seed 3: 12 runs, from number 0 on\n") && said.contains("| ended with"), "{said}");
    assert!(said.lines().last().unwrap().contains(" 0 violations, "), "{said}");
}

#[test]
fn a_stack_that_ends_with_an_impossible_status_is_a_violation_printed_with_its_case() {
    // Some of them are by hand, where that status is seen at once.
    let (status, said) = stress(&["kills", "--count", "8", "--seed", "3"], Some(with_stack("exit 4").path()));
    assert_eq!(status, Some(1), "{said}");
    let violation = said.lines().find(|line| line.starts_with("VIOLATION: by hand, ")).unwrap();
    assert!(violation.contains("ended with 4") && violation.contains("again with --seed 3 --first "), "{violation}");
}

#[test]
fn a_stack_is_timed_beside_a_crowd() {
    let (status, said) = stress(&["crowd", "--clients", "20", "--starts", "3"], None);
    assert_eq!(status, Some(0), "{said}");
    for line in ["alone: 3 served, 0 not; ", "beside the silent clients: 3 served, 0 not; ", "20 of 20 silent clients"]
    {
        assert!(said.lines().any(|said| said.starts_with(line)), "{said}");
    }
}
