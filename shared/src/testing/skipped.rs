//! Skipping tests that need something this machine lacks.

use std::env;
use std::fs::File;
use std::io::Write;
use std::thread;

/// The variable with the path of a file to which each skipped test appends a line; scripts/test.sh prints it.
const FILE: &str = "SKIPPED_TESTS";

/// Reports that the test of this thread is skipped, and `why`. The harness itself cannot skip a test at run time.
#[allow(clippy::print_stderr, reason = "the harness shows it with the test")]
pub fn skipped(why: &str) {
    let line = format!("test {}: {why}\n", thread::current().name().unwrap_or("without a name"));
    eprint!("skipped {line}");
    if let Some(path) = env::var_os(FILE) {
        // In one write, so that lines of tests that run at the same time do not mix.
        File::options().create(true).append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}
