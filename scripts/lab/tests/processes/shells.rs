//! The lab and what surrounds it: completions, which bash runs; manual pages, which a formatter reads; text with or
//! without colours for terminals; and the programs that scripts find.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

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

/// The text without what makes it bold or underlined on a printer: a character, a backspace, and the character again.
fn plain(formatted: &[u8]) -> String {
    let mut plain = String::new();
    for c in String::from_utf8_lossy(formatted).chars() {
        if c == '\x08' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    plain
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
            let (text, said) = (plain(&output.stdout), String::from_utf8_lossy(&output.stderr));
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
    script.stdin(Stdio::null());
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

/// The script `scripts/run.sh`, which runs the lab once, and its standard error.
fn run_script(flags: &[&str], variables: &[(&str, &Path)]) -> (i32, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../run.sh");
    let mut bash = Command::new("bash");
    bash.arg(script).args(flags).env_remove("PUSHBACK_BIN_DIR").env_remove("RUSTFLAGS");
    let output = bash.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn scripts_use_programs_that_are_named_and_those_that_are_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let quick = ["--packets", "100", "--quiet"];
    let built = program("lab").parent().unwrap().to_owned();
    // The run may warn of a busy machine.
    let (status, said) = run_script(&quick, &[("PUSHBACK_BIN_DIR", &built)]);
    assert!(status == 0 && !said.contains("up to date") && !said.contains("Compiling"), "{said}");
    let (status, said) = run_script(&quick, &[("PUSHBACK_BIN_DIR", folder.path())]);
    assert!(status == 2 && said.contains("no program lab in it; name a folder"), "{said}");

    // A folder as cargo leaves it, and a cargo that only says that it was called.
    let (release, source) = (folder.path().join("release"), folder.path().join("a source.rs"));
    fs::create_dir(&release).unwrap();
    fs::write(&source, "").unwrap();
    File::options().write(true).open(&source).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    for name in ["lab", "driver", "netstack"] {
        fs::copy(built.join(name), release.join(name)).unwrap();
        let escaped = source.to_str().unwrap().replace(' ', "\\ ");
        fs::write(release.join(format!("{name}.d")), format!("{}: {escaped}\n", release.join(name).display())).unwrap();
    }
    fs::write(folder.path().join("cargo"), "#!/bin/sh\necho cargo was called >&2\nexit 1\n").unwrap();
    fs::set_permissions(folder.path().join("cargo"), Permissions::from_mode(0o700)).unwrap();
    let others = env::var_os("PATH").unwrap();
    let folders = [folder.path().to_owned()].into_iter().chain(env::split_paths(&others));
    let path = PathBuf::from(env::join_paths(folders).unwrap());
    let variables = [("CARGO_TARGET_DIR", folder.path()), ("PATH", &*path)];
    let (status, said) = run_script(&quick, &variables);
    assert!(status == 0 && said.contains("up to date; PUSHBACK_BIN_DIR names another folder"), "{said}");
    File::options()
        .write(true)
        .open(&source)
        .unwrap()
        .set_modified(SystemTime::now() + Duration::from_secs(60))
        .unwrap();
    let (status, said) = run_script(&quick, &variables);
    assert!(status == 1 && said.contains("cargo was called"), "a source is newer: {said}");
    fs::remove_file(&source).unwrap();
    let (status, said) = run_script(&quick, &variables);
    assert!(status == 1 && said.contains("cargo was called"), "a source is gone: {said}");
}
