//! What the lab makes for other programs: completions, which bash runs, and manual pages, which a formatter reads; and
//! text with or without colours for terminals.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::assert::OutputAssertExt;

use crate::lab::{lab, program};
use crate::skipped::skipped;

fn printed(arguments: &[&str]) -> String {
    let output = lab(arguments).output().unwrap();
    String::from_utf8(output.assert().success().stderr("").get_output().stdout.clone()).unwrap()
}

/// The lines that bash shows for `line` and the tab key behind it: each what `line` can become.
fn completed(script: &str, line: &str) -> Vec<String> {
    // As readline calls it: the words are split at blanks, : and =, and those characters are words too.
    let call = r#"
        source /dev/stdin <<<"$SCRIPT"
        COMP_LINE=$LINE COMP_POINT=${#LINE}
        split=${LINE//:/ : } split=${split//=/ = }
        read -r -a COMP_WORDS <<<"$split"
        last=${COMP_WORDS[-1]}
        [[ $LINE == *[[:space:]] ]] && last= && COMP_WORDS+=("")
        [[ $last == [:=] ]] && last=
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        function=$(complete -p "$NAME" | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function" "$NAME" "$last" "${COMP_WORDS[COMP_CWORD - 1]}"
        for reply in "${COMPREPLY[@]}"; do echo "${LINE%"$last"}$reply"; done
    "#;
    let name = line.split(' ').next().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", call]).env("SCRIPT", script).env("LINE", line).env("NAME", name);
    let output = bash.output().unwrap();
    assert!(output.status.success() || output.status.code() == Some(1), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_kinds_keys_and_values_of_apps() {
    let stack = printed(&["completions", "bash", "netstack"]);
    for (line, becomes) in [
        ("netstack --app cb", &["netstack --app cbr:"][..]),
        ("netstack --app cbr:r", &["netstack --app cbr:rate="]),
        ("netstack --app cbr:l", &["netstack --app cbr:load="]),
        ("netstack --app onoff:rate=1Mbit,on=2ms,of", &["netstack --app onoff:rate=1Mbit,on=2ms,off="]),
        ("netstack --app cbr:load=1,when-blocked=s", &["netstack --app cbr:load=1,when-blocked=skip"]),
        ("netstack --app=poi", &["netstack --app=poisson:"]),
        ("netstack --app bulk:bu", &["netstack --app bulk:burst=", "netstack --app bulk:budget="]),
        ("netstack --app bulk:size=1B,siz", &[]),
        ("netstack --policy drop-n", &["netstack --policy drop-newest"]),
        ("netstack --transp", &["netstack --transport"]),
    ] {
        assert_eq!(completed(&stack, line), becomes, "{line}");
    }
    let lab = printed(&["completions", "bash"]);
    assert_eq!(completed(&lab, "lab run --app req"), ["lab run --app reqresp", "lab run --app reqresp:"]);
    assert_eq!(
        completed(&lab, "lab simulate --app cbr:load=1 --app po"),
        ["lab simulate --app cbr:load=1 --app poisson:"]
    );
    assert_eq!(completed(&lab, "lab sim"), ["lab simulate"]);
    let all = completed(&stack, "netstack --app ");
    assert!(all.len() >= 6 && all.contains(&"netstack --app bulk".to_owned()), "{all:?}");
}

#[test]
fn zsh_and_fish_complete_kinds_of_apps() {
    for (shell, begin) in [("zsh", "#compdef netstack"), ("fish", "complete -c netstack")] {
        let script = printed(&["completions", shell, "netstack"]);
        assert!(script.starts_with(begin) && script.contains("reqresp"), "{script}");
    }
}

/// Formats the page in `file`, and returns what the formatter says.
fn formatted(formatter: &[&str], file: &Path) -> Option<Output> {
    let output = Command::new(formatter[0]).args(&formatter[1..]).arg(file).env("MANWIDTH", "100").output();
    output.ok()
}

#[test]
fn formatters_read_every_manual_page_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    printed(&["man", "--out", folder.path().to_str().unwrap()]);
    let pages: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pages.len() > 30, "{pages:?}");
    let mut read = 0;
    for formatter in [&["groff", "-man", "-Tutf8", "-ww", "-rLL=100n"][..], &["mandoc", "-Tutf8"], &["man", "-l"]] {
        for page in &pages {
            let Some(output) = formatted(formatter, page) else {
                skipped(&format!("there is no {}", formatter[0]));
                break;
            };
            let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && said.is_empty(), "{formatter:?} {}: {said}", page.display());
            let name = page.file_stem().unwrap().to_str().unwrap();
            assert!(text.to_lowercase().contains(name) && text.contains("EXAMPLES"), "{formatter:?} {name}: {text}");
            read += 1;
        }
    }
    if read > 0 {
        assert_eq!(printed(&["man", "lab-run"]), fs::read_to_string(folder.path().join("lab-run.1")).unwrap());
    }
}

#[test]
fn a_page_that_does_not_exist_is_named_with_the_one_that_is_meant() {
    let output = lab(&["man", "lab-rnu"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("did you mean lab-run?"), "{said}");
}

/// What `line` prints on a terminal, with a variable set.
fn on_a_terminal(line: &str, (variable, value): (&str, &str)) -> Option<String> {
    let mut script = Command::new("script");
    script.args(["-qec", line, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm").env(variable, value);
    script.stdin(std::process::Stdio::null());
    Some(String::from_utf8_lossy(&script.output().ok()?.stdout).into_owned())
}

#[test]
fn colours_are_on_terminals_only_and_not_if_they_are_unwanted() {
    let path = |name| program(name).to_str().unwrap().to_owned();
    for line in ["lab --help", "lab run -h", "lab help app", "lab help run", "driver -h", "netstack --help"] {
        let (name, arguments) = line.split_once(' ').unwrap();
        let line = format!("{} {arguments}", path(name));
        let Some(coloured) = on_a_terminal(&line, ("TERM", "xterm")) else {
            return skipped("there is no script");
        };
        assert!(coloured.contains("\x1b["), "{line}: {coloured}");
        for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = on_a_terminal(&line, unwanted).unwrap();
            assert!(!plain.contains('\x1b') && plain.len() > 100, "{line} with {unwanted:?}: {plain}");
        }
        let piped = Command::new(path(name)).args(arguments.split(' ')).output().unwrap();
        assert!(!piped.stdout.contains(&0x1b) && piped.stdout.len() > 100, "{line}");
    }
    // An error is plain everywhere; so is the result of a run whose progress was shown.
    let wrong = on_a_terminal(&format!("{} run --depth 0", path("lab")), ("TERM", "xterm")).unwrap();
    assert!(!wrong.contains('\x1b') && wrong.contains("--depth"), "{wrong}");
    let quiet = format!("{} simulate --packets 1000 --quiet", path("lab"));
    assert_eq!(on_a_terminal(&quiet, ("TERM", "xterm")).unwrap(), "");
}
