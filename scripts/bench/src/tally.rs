//! The packets that a sink received, and how long that took.

use std::fmt;
use std::time::Duration;

/// Packets, and the time from the first to the last. A sink prints it in the format of its `Display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The packets that arrived.
    pub packets: u64,
    /// The time from the first to the last.
    pub took: Duration,
}

impl Tally {
    /// Parses what a sink printed.
    pub fn read(text: &str) -> Option<Self> {
        let mut figures = text.split_whitespace().map(str::parse);
        let (packets, nanos) = (figures.next()?.ok()?, figures.next()?.ok()?);
        Some(Self { packets, took: Duration::from_nanos(nanos) })
    }

    /// Packets per second; `None` without packets or time.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.took.as_secs_f64();
        (seconds > 0.0 && self.packets > 0).then(|| self.packets as f64 / seconds)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.packets, self.took.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_tally_is_parsed_back() {
        let tally = Tally { packets: 3_000_000, took: Duration::from_millis(1500) };
        assert_eq!(Tally::read(&format!("{tally}\n")), Some(tally));
        assert_eq!(tally.rate(), Some(2e6));
        assert_eq!(Tally::read(""), None);
        assert_eq!(Tally { packets: 0, took: Duration::ZERO }.rate(), None);
    }
}
