//! What goes on right now, for a person at a terminal and for nobody else.

use std::io::{self, IsTerminal, Write};

/// One line on standard error that is replaced as things go on.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
}

/// Back to the first column, and nothing more on this line.
const CLEAR: &str = "\r\x1b[2K";

impl Progress {
    /// Silent unless standard error is a terminal.
    pub(crate) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal() }
    }

    /// Says what goes on now.
    pub(crate) fn now(&self, what: &str) {
        self.write(&format!("{CLEAR}{what}"));
    }

    fn write(&self, text: &str) {
        if self.terminal {
            let mut err = io::stderr().lock();
            // A terminal that is gone needs no progress.
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write(CLEAR);
    }
}
