//! Stalls as they are set: how often, for how long, and whether at regular or at random times.

use std::fmt;
use std::str::FromStr;

use crate::text_schema;
use crate::units::{Nanos, Pairs, PairsError, Phase};
use serde_with::{DeserializeFromStr, SerializeDisplay};

/// Times at which the link stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Stall {
    every: Nanos,
    length: Nanos,
    timing: Timing,
}

/// When stalls begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// From `k * every - phase` to `k * every - phase + length`, for k = 1, 2, ..., counted from the start of the
    /// session. So the session begins `phase` into a period, and the stall at the start of that period is left out.
    Fixed {
        /// Where in its period the session begins.
        phase: Phase,
    },
    /// The time from the end of a stall to the beginning of the next is exponential with mean `every - length`; so is
    /// the time from the start of the session to the first. The length is exponential with mean `length`. Every 4096
    /// mean times a new sequence of draws begins, with a gap. So the stalls after a long idle time are found without
    /// drawing those during it.
    Exponential,
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
        /// Mean time from the start of one stall to the start of the next.
        every: Nanos,
        /// Mean length of each.
        length: Nanos,
    },
    /// The stall has no length.
    #[error("a stall of zero length has no effect; leave it out, or write for example every=100ms,for=5ms")]
    Empty,
    /// The phase is not in the period.
    #[error("a phase of {phase} is not within the period of {every}; write a time below that, or random")]
    PhaseTooLong {
        /// The phase.
        phase: Nanos,
        /// The period.
        every: Nanos,
    },
    /// Stalls at random times have no phase.
    #[error("phase needs distribution=fixed: with exponential, the first stall begins at a random time anyway")]
    PhaseOfRandom,
    /// Too many stalls to draw each.
    #[error("random stalls every {every} are too many to draw; write at least every={}", Stall::SHORTEST_RANDOM)]
    TooOften {
        /// Mean time from the start of one stall to the start of the next.
        every: Nanos,
    },
}

impl Stall {
    /// The keys of `--stall`.
    pub const KEYS: [&str; 4] = ["every", "for", "distribution", "phase"];

    /// The shortest mean time from one random stall to the next: each is drawn, also while the link is idle.
    pub const SHORTEST_RANDOM: Nanos = Nanos::from_micros(10);

    /// A stall of `length` at intervals of `every`: the means, if they are random.
    ///
    /// # Errors
    /// If it has no length, if the link would never run between two stalls, or if the times do not suit `timing`.
    pub fn new(every: Nanos, length: Nanos, timing: Timing) -> Result<Self, StallError> {
        if length == Nanos::ZERO {
            return Err(StallError::Empty);
        }
        if length >= every {
            return Err(StallError::Endless { every, length });
        }
        match timing {
            Timing::Fixed { phase: Phase::At(phase) } if phase >= every => {
                return Err(StallError::PhaseTooLong { phase, every });
            }
            Timing::Exponential if every < Self::SHORTEST_RANDOM => return Err(StallError::TooOften { every }),
            Timing::Fixed { .. } | Timing::Exponential => {}
        }
        Ok(Self { every, length, timing })
    }

    /// Time from the start of one stall to the start of the next: the mean, if it is random.
    pub const fn every(&self) -> Nanos {
        self.every
    }

    /// Length of each: the mean, if it is random.
    pub const fn length(&self) -> Nanos {
        self.length
    }

    /// When they begin and end.
    pub const fn timing(&self) -> Timing {
        self.timing
    }

    /// Whether the times depend on the seed.
    pub fn is_random(&self) -> bool {
        matches!(self.timing, Timing::Exponential | Timing::Fixed { phase: Phase::Random })
    }
}

impl Default for Timing {
    /// At regular times, the first after a whole period.
    fn default() -> Self {
        Self::Fixed { phase: Phase::default() }
    }
}

impl FromStr for Stall {
    type Err = StallError;

    fn from_str(text: &str) -> Result<Self, StallError> {
        let pairs = Pairs::parse(text, &Self::KEYS)?;
        let time = |key| {
            let time = pairs.quantity(key, |time| *time > Nanos::ZERO, "has no length; write a time above zero")?;
            time.ok_or(PairsError::Missing(key))
        };
        let (every, length) = (time("every")?, time("for")?);
        let distribution = |text: &str| match text {
            "fixed" => Some(false),
            "exponential" => Some(true),
            _ => None,
        };
        let remedy = "is not one of its values; write fixed or exponential";
        let exponential = pairs.read("distribution", distribution, remedy)?.unwrap_or(false);
        let timing = match (exponential, Phase::read(&pairs, "phase", every)?) {
            (true, None) => Timing::Exponential,
            (true, Some(_)) => return Err(StallError::PhaseOfRandom),
            (false, phase) => Timing::Fixed { phase: phase.unwrap_or_default() },
        };
        Self::new(every, length, timing)
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every={},for={}", self.every, self.length)?;
        match self.timing {
            timing if timing == Timing::default() => Ok(()),
            Timing::Fixed { phase } => write!(f, ",phase={phase}"),
            Timing::Exponential => write!(f, ",distribution=exponential"),
        }
    }
}

text_schema! {
    Stall: "Times at which the link stops: every=TIME,for=TIME, and what else `--stall` takes.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_are_printed_without_their_defaults() {
        for (text, printed) in [
            ("every=100ms,for=5ms", "every=100ms,for=5ms"),
            ("for=5ms,every=100ms,distribution=fixed,phase=0s", "every=100ms,for=5ms"),
            ("every=100ms,for=5ms,phase=3000us", "every=100ms,for=5ms,phase=3ms"),
            ("phase=random,every=100ms,for=5ms", "every=100ms,for=5ms,phase=random"),
            ("every=10us,for=1us,distribution=exponential", "every=10us,for=1us,distribution=exponential"),
        ] {
            let stall: Stall = text.parse().unwrap();
            assert_eq!(stall.to_string(), printed);
            assert_eq!(printed.parse(), Ok(stall));
        }
    }

    #[test]
    fn stalls_are_random_if_their_times_depend_on_the_seed() {
        let random = |more: &str| format!("every=1ms,for=1us{more}").parse::<Stall>().unwrap().is_random();
        assert!(random(",phase=random") && random(",distribution=exponential"));
        assert!(!random("") && !random(",phase=1us"));
    }

    #[test]
    fn stalls_are_parsed_strictly() {
        for (bad, says) in [
            ("every=1ms,for=1ms", "shorter"),
            ("every=1ms", "for"),
            ("every=1ms,for=0ns", "no length"),
            ("every=1,for=1ms", "every"),
            ("each=1s,for=1ms", "each is not a key; the keys are every, for, distribution, phase; an example"),
            ("evrey=1s,for=1ms", "evrey is not a key; did you mean every?; an example is"),
            ("every=1s,for=1ms,distribution=normal", "distribution: normal is not one of its values; write fixed or"),
            ("every=1s,for=1ms,distribution=exponential,phase=random", "phase needs distribution=fixed"),
            ("every=1s,for=1ms,phase=1s", "phase: 1s is not within the period; write a time below 1s, or random"),
            ("every=1s,for=1ms,phase=5", "5ms"),
            ("every=9us,for=1us,distribution=exponential", "at least every=10us"),
            ("every=1ms,for=2ms,distribution=exponential", "shorter"),
        ] {
            let error = bad.parse::<Stall>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        let late = Timing::Fixed { phase: Phase::At(Nanos(10)) };
        let error = StallError::PhaseTooLong { phase: Nanos(10), every: Nanos(10) };
        assert_eq!(Stall::new(Nanos(10), Nanos(1), late), Err(error));
    }
}
