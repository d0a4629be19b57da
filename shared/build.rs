//! Puts the git revision into the program, so that each report contains the revision that was measured.
//!
//! `-dirty` is appended if sources or manifests are changed; changes of results or text do not count.
//! While the checkout is clean, every source and manifest is watched, so that the first edit adds `-dirty`. Once it
//! is dirty they are not watched, because `shared` and all crates that need it would be built again for each edit. So
//! if an edit is undone by hand, `-dirty` stays until the next git command.

use std::path::Path;
use std::process::Command;

/// The files that are built: sources and manifests.
const SOURCES: [&str; 3] = [":/*.rs", ":/*.toml", ":/Cargo.lock"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=PUSHBACK_GIT_REVISION={}", revision().unwrap_or_else(|| "unknown".to_owned()));
}

/// The revision; `None` outside a checkout, or without git.
fn revision() -> Option<String> {
    // Fails for a copy of the sources inside a checkout of another project, whose revision would be the wrong one.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let dirty =
        !git(&[&["--no-optional-locks", "diff", "--name-only", "HEAD", "--"], &SOURCES[..]].concat())?.is_empty();
    // Each checkout, commit and reset appends to the log of HEAD.
    watch(&git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    if dirty {
        watch(&git(&["rev-parse", "--git-path", "index"])?);
        return Some(format!("{revision}-dirty"));
    }
    git(&[&["ls-files", "--"], &SOURCES[..]].concat())?.lines().for_each(watch);
    Some(revision)
}

/// Watches `path`, if it exists: cargo takes a missing file for changed in each build.
fn watch(path: &str) {
    if Path::new(path).exists() {
        println!("cargo::rerun-if-changed={path}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
