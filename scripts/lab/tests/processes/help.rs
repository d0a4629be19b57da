//! The text of `--help`: whole for the lab's own commands; for commands with the flags of both processes, the list of
//! flags. And the examples in it, each of which is run as it is printed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use rustix::process::{Signal, kill_process};

use crate::bench::play_valgrind;
use crate::lab::{lab, pid, program};

fn help(arguments: &[&str]) -> String {
    let output = lab(arguments).env("COLUMNS", "100").output().unwrap();
    String::from_utf8(output.assert().success().stderr("").get_output().stdout.clone()).unwrap()
}

/// The lines of `text` that name a flag.
fn flags(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with('-') && !line.starts_with("- "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn help_lists_commands_and_flags() {
    insta::assert_snapshot!("lab", help(&["--help"]));
    insta::assert_snapshot!("lab_report", help(&["report", "--help"]));
    insta::assert_snapshot!("lab_run_in_brief", help(&["run", "-h"]));
    insta::assert_snapshot!("flags_of_lab_run", flags(&help(&["run", "--help"])));
    insta::assert_snapshot!("flags_of_lab_compare", flags(&help(&["compare", "--help"])));
}

#[test]
fn help_of_a_command_is_the_same_by_both_ways() {
    for words in [&["run"][..], &["theory", "mm1k"]] {
        assert_eq!(help(&[&["help"], words].concat()), help(&[words, &["--help"]].concat()), "{words:?}");
    }
    assert_eq!(help(&["help"]), help(&["--help"]));
}

/// The command lines of the examples in `help`.
fn examples(help: &str) -> Vec<String> {
    let lines: Vec<_> = help.lines().skip_while(|line| *line != "Examples:").skip(1).collect();
    let examples = lines.chunks(2).map_while(|pair| pair.get(1)?.strip_prefix("    "));
    let examples: Vec<_> = examples.map(str::to_owned).collect();
    assert_eq!(examples.len(), 3, "{help}");
    examples
}

/// A shell in `folder` that runs `line`, and finds the programs and what is in `others`.
fn shell(line: &str, folder: &Path, others: &OsStr) -> Command {
    let programs = program("lab").parent().unwrap().to_owned();
    let path: OsString = env::join_paths([programs].into_iter().chain(env::split_paths(others))).unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).current_dir(folder).env("PATH", path);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

/// The folders of other programs.
fn path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// Runs the examples of `lab` and `words`, one after the other in one folder. Each must end with one of `statuses`.
fn run_examples(words: &[&str], statuses: &[i32], others: &OsStr) {
    let folder = tempfile::tempdir().unwrap();
    for line in examples(&help(&[words, &["-h"]].concat())) {
        let output = shell(&line, folder.path(), others).output().unwrap();
        let status = output.status.code().unwrap_or(-1);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(statuses.contains(&status), "{line}\nended with {status}:\n{out}\n{err}");
    }
}

#[test]
fn examples_that_make_runs_work_as_they_are_printed() {
    for command in ["run", "compare", "simulate", "sweep", "tune", "point", "report", "check"] {
        run_examples(&[command], &[0], &path());
    }
    run_examples(&[], &[0], &path());
}

#[test]
fn examples_without_runs_work_as_they_are_printed() {
    run_examples(&["theory"], &[0], &path());
    let theory = help(&["theory", "-h"]);
    let models = theory.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A longer line about a model goes on below, behind more blanks.
    let models = models.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let models: Vec<_> = models.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(models.len() > 8, "{theory}");
    for model in models.into_iter().filter(|model| *model != "help") {
        run_examples(&["theory", model], &[0], &path());
    }
    for command in ["man", "completions", "help"] {
        run_examples(&[command], &[0], &path());
    }
}

#[test]
fn examples_that_measure_work_as_they_are_printed() {
    // A run may differ from its simulation on a busy machine.
    run_examples(&["predict"], &[0, 1], &path());
    for what in [&["stress", "starts"][..], &["stress", "kills"], &["stress", "crowd"], &["stress"]] {
        run_examples(what, &[0], &path());
    }
    // Where they find no valgrind, they count nothing, which would take most of the time.
    run_examples(&["bench"], &[0], OsStr::new(""));
    run_examples(&["dispatch"], &[0], OsStr::new(""));
    let tools = tempfile::tempdir().unwrap();
    play_valgrind(tools.path());
    let others = env::join_paths([tools.path().to_owned()].into_iter().chain(env::split_paths(&path()))).unwrap();
    run_examples(&["count"], &[0], &others);
}

/// The same for stack and driver, whose socket is in `folder`.
fn with_socket(line: &str, folder: &Path) -> Command {
    let mut shell = shell(line, folder, &path());
    shell.env("PUSHBACK_SOCKET", folder.join("socket"));
    shell
}

/// The examples of the program `name`.
fn examples_of(name: &str) -> Vec<String> {
    let output = Command::new(program(name)).arg("-h").env("COLUMNS", "100").output().unwrap();
    examples(&String::from_utf8(output.assert().success().get_output().stdout.clone()).unwrap())
}

fn ended(mut child: Child, line: &str) -> i32 {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    let status = child.wait().unwrap().code();
    status.unwrap_or_else(|| panic!("{line} was killed: {text}"))
}

#[test]
fn examples_of_the_stack_work_with_a_driver() {
    for line in examples_of("netstack") {
        let folder = tempfile::tempdir().unwrap();
        let driver = with_socket("exec driver --once --quiet", folder.path()).spawn().unwrap();
        let output = with_socket(&line, folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(ended(driver, "driver"), 0, "{line}");
    }
}

#[test]
fn examples_of_the_driver_work_with_a_stack() {
    for line in examples_of("driver") {
        let folder = tempfile::tempdir().unwrap();
        // In place of the shell, so that a signal reaches it.
        let driver = with_socket(&format!("exec {line}"), folder.path()).spawn().unwrap();
        let stack = with_socket("exec netstack --packets 100 --quiet", folder.path()).output().unwrap();
        assert_eq!(stack.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&stack.stderr));
        let once = line.contains("--once");
        if !once {
            kill_process(pid(driver.id()), Signal::INT).unwrap();
        }
        assert_eq!(ended(driver, &line), if once { 0 } else { 130 }, "{line}");
    }
}
