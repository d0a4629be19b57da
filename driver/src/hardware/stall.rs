//! Stalls: the link stops at regular intervals, and resumes the frame that it was transmitting.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::units::{Nanos, Pairs, PairsError};

/// The link stops from `k * every` to `k * every + length`, for k = 1, 2, ..., counted from the start of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Stall {
    every: Nanos,
    length: Nanos,
}

/// The text, or the times, are not a stall.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StallError {
    /// The text is not two times.
    #[error("{0}; an example is every=100ms,for=5ms")]
    Pairs(#[from] PairsError<&'static str>),
    /// The link would never run.
    #[error("a stall of {length} every {every} leaves the link no time to run; make `for` shorter than `every`")]
    Endless {
        /// Time from the start of one stall to the start of the next.
        every: Nanos,
        /// Length of each.
        length: Nanos,
    },
    /// The stall has no length.
    #[error("a stall of zero length has no effect; leave it out, or write for example every=100ms,for=5ms")]
    Empty,
}

impl Stall {
    /// A stall of `length` at intervals of `every`.
    ///
    /// # Errors
    /// If it has no length, or if the link would never run between two stalls.
    pub fn new(every: Nanos, length: Nanos) -> Result<Self, StallError> {
        if length == Nanos::ZERO {
            return Err(StallError::Empty);
        }
        if length >= every {
            return Err(StallError::Endless { every, length });
        }
        Ok(Self { every, length })
    }

    /// Time from the start of one stall to the start of the next, and from the start of the session to the first.
    pub const fn every(&self) -> Nanos {
        self.every
    }
}

impl FromStr for Stall {
    type Err = StallError;

    fn from_str(text: &str) -> Result<Self, StallError> {
        let pairs = Pairs::parse(text, |key| ["every", "for"].into_iter().find(|known| *known == key))?;
        let time = |key| {
            let time = pairs.quantity(key, |time| *time > Nanos::ZERO, "has no length; write a time above zero")?;
            time.ok_or(PairsError::Missing(key))
        };
        Self::new(time("every")?, time("for")?)
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every={},for={}", self.every, self.length)
    }
}

/// The stalls of one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stalls {
    stall: Option<Stall>,
    origin: Nanos,
}

/// A transmission that is extended by stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) end: Nanos,
    /// How long the link was stopped between its earliest start and its end.
    pub(super) stalled: Nanos,
}

impl Stalls {
    pub(super) fn new(stall: Option<Stall>, origin: Nanos) -> Self {
        Self { stall, origin }
    }

    /// Extends a transmission by the stalls that it meets. It could begin at `start`, and takes `span` of the link's
    /// time, or a part of a nanosecond longer if `more` is set.
    pub(super) fn extend(&self, start: Nanos, span: Nanos, more: bool) -> Extended {
        let Some(Stall { every, length }) = self.stall else {
            return Extended { end: start + span, stalled: Nanos::ZERO };
        };
        // In each cycle but the first, the link first stops for `length`, then runs for `window`.
        let (cycle, window) = (every.0, every.0 - length.0);
        let since = start.since(self.origin).0;
        let within = since % cycle;
        // `wait` is the rest of a stall at `start`, and `run` is how long the link runs after it until the next stall.
        let (wait, run) = match (since / cycle, length.0.checked_sub(within)) {
            (1.., Some(left)) if left > 0 => (left, window),
            _ => (0, cycle - within),
        };
        let stalls = match span.0.checked_sub(run) {
            None => 0,
            Some(0) if !more => 0,
            Some(left) if more => left / window + 1,
            // A transmission that ends exactly with a window meets no further stall: hence the 1.
            Some(left) => (left - 1) / window + 1,
        };
        let stalled = Nanos(wait.saturating_add(stalls.saturating_mul(length.0)));
        Extended { end: start + span + stalled, stalled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stalls(every: u64, length: u64) -> Stalls {
        Stalls::new(Some(Stall::new(Nanos(every), Nanos(length)).unwrap()), Nanos(1000))
    }

    fn extend(start: u64, span: u64, more: bool) -> (u64, u64) {
        let extended = stalls(100, 10).extend(Nanos(1000 + start), Nanos(span), more);
        (extended.end.0 - 1000, extended.stalled.0)
    }

    #[test]
    fn a_transmission_is_suspended_and_resumed() {
        assert_eq!(extend(0, 50, false), (50, 0), "the first cycle has no stall");
        assert_eq!(extend(90, 10, false), (100, 0), "it ends as the stall begins");
        assert_eq!(extend(90, 10, true), (110, 10), "a part of a nanosecond is left");
        assert_eq!(extend(90, 20, false), (120, 10));
        assert_eq!(extend(105, 20, false), (130, 5), "it could begin within a stall");
        assert_eq!(extend(100, 90, false), (200, 10));
        assert_eq!(extend(100, 91, false), (211, 20));
        assert_eq!(extend(0, 100 + 90 + 90 + 1, false), (311, 30));
    }

    #[test]
    fn stalls_are_parsed_strictly() {
        assert_eq!("every=100ms,for=5ms".parse::<Stall>().map(|s| s.to_string()).as_deref(), Ok("every=100ms,for=5ms"));
        for (bad, says) in [
            ("every=1ms,for=1ms", "shorter"),
            ("every=1ms", "for"),
            ("every=1ms,for=0ns", "no length"),
            ("every=1,for=1ms", "every"),
            ("each=1s,for=1ms", "each"),
        ] {
            let error = bad.parse::<Stall>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    proptest! {
        /// The result equals that of a step through every nanosecond.
        #[test]
        fn a_transmission_ends_where_stepping_through_each_nanosecond_ends_it(every in 2u64..40, share in 0.0f64..1.0, start in 0u64..200, span in 1u64..200) {
            let length = 1 + ((every - 2) as f64 * share) as u64;
            let still = |at: u64| at >= every && at % every < length;
            let (mut at, mut left, mut lost) = (start, span, 0);
            while left > 0 {
                if still(at) { lost += 1 } else { left -= 1 }
                at += 1;
            }
            let extended = stalls(every, length).extend(Nanos(1000 + start), Nanos(span), false);
            prop_assert_eq!((extended.end.0 - 1000, extended.stalled.0), (at, lost));
        }
    }
}
