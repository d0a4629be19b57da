//! Tests that need what not every machine has.

use std::env;
use std::fs::File;
use std::io::Write;
use std::thread;

/// Names the file that takes a line for each test that was skipped; scripts/test.sh shows it at the end.
const FILE: &str = "SKIPPED_TESTS";

/// Says that the test of this thread does not run here, and `why`: the harness has no word for that.
#[allow(clippy::print_stderr, reason = "the harness shows it with the test")]
pub fn skipped(why: &str) {
    let line = format!("test {}: {why}\n", thread::current().name().unwrap_or("without a name"));
    eprint!("skipped {line}");
    if let Some(path) = env::var_os(FILE) {
        // In one write, so that lines of tests that run at once do not mix.
        File::options().create(true).append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}
