//! The text of `--help`: whole for the lab's own commands; for commands with the flags of both processes, the list of
//! flags.

use assert_cmd::assert::OutputAssertExt;

use crate::lab::lab;

fn help(arguments: &[&str]) -> String {
    let output = lab(arguments).output().unwrap();
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
    insta::assert_snapshot!("flags_of_lab_run", flags(&help(&["run", "--help"])));
    insta::assert_snapshot!("flags_of_lab_compare", flags(&help(&["compare", "--help"])));
}
