//! Bakes the git revision into the program, so that each report says what was measured.
//!
//! `-dirty` is said of changes to what is built (sources and manifests), not of results or prose.
//! While the checkout is clean, every such file is watched, so that the first edit shows. Once it
//! is dirty they are not, because `shared` and all that needs it would be built anew for each edit:
//! undoing an edit by hand leaves `-dirty` standing until git is used again.

use std::path::Path;
use std::process::Command;

/// What is built.
const SOURCES: [&str; 3] = [":/*.rs", ":/*.toml", ":/Cargo.lock"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=PUSHBACK_GIT_REVISION={}", revision().unwrap_or_else(|| "unknown".to_owned()));
}

/// `None` outside a checkout, or without git.
fn revision() -> Option<String> {
    // A copy of the sources inside somebody else's checkout has no revision of its own.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let dirty =
        !git(&[&["--no-optional-locks", "diff", "--name-only", "HEAD", "--"], &SOURCES[..]].concat())?.is_empty();
    // Each checkout, commit and reset is noted in the log of HEAD.
    watch(&git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    if dirty {
        watch(&git(&["rev-parse", "--git-path", "index"])?);
        return Some(format!("{revision}-dirty"));
    }
    git(&[&["ls-files", "--"], &SOURCES[..]].concat())?.lines().for_each(watch);
    Some(revision)
}

/// A file that is not there would count as changed each time.
fn watch(path: &str) {
    if Path::new(path).exists() {
        println!("cargo::rerun-if-changed={path}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
