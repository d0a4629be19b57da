//! Where in its period something that repeats begins: at a given time, or at a drawn one.
//!
//! ```
//! use shared::units::{Nanos, Pairs, PairsError, Phase};
//!
//! let pairs = Pairs::parse("phase=3ms", &["phase"])?;
//! let phase = Phase::read(&pairs, "phase", Nanos::from_millis(10))?;
//! assert_eq!(phase, Some(Phase::At(Nanos::from_millis(3))));
//! assert_eq!(Phase::Random.resolve(Nanos(1000), 0.25), Nanos(250));
//! # Ok::<_, PairsError<&str>>(())
//! ```

use std::fmt::{self, Display};

use super::{Nanos, Pairs, PairsError};

/// Where in its period something begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// This long after the start of the period; less than the period.
    At(Nanos),
    /// At a time drawn from the whole period, each time as likely as any other.
    Random,
}

impl Phase {
    /// The spelling of [`Phase::Random`].
    const RANDOM: &'static str = "random";

    /// The value of `key`, if the key occurs: `random`, or a time below `period`.
    ///
    /// # Errors
    /// [`PairsError`], if the value is neither.
    pub fn read<K: Copy + PartialEq + Display>(
        pairs: &Pairs<'_, K>,
        key: K,
        period: Nanos,
    ) -> Result<Option<Self>, PairsError<K>> {
        if pairs.get(key) == Some(Self::RANDOM) {
            return Ok(Some(Self::Random));
        }
        let remedy = format!("is not within the period; write a time below {period}, or random");
        Ok(pairs.quantity(key, |at| *at < period, &remedy)?.map(Self::At))
    }

    /// The time after the start of a period of length `period`. `uniform` is a number drawn from 0 to 1, without 1.
    pub fn resolve(self, period: Nanos, uniform: f64) -> Nanos {
        match self {
            Self::At(at) => at,
            // The product may be rounded up to the period itself, whose end is not part of it.
            Self::Random => Nanos((uniform * period.0 as f64) as u64).min(Nanos(period.0.saturating_sub(1))),
        }
    }
}

impl Default for Phase {
    /// At the start of the period.
    fn default() -> Self {
        Self::At(Nanos::ZERO)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => at.fmt(f),
            Self::Random => f.write_str(Self::RANDOM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<Phase>, PairsError<&'static str>> {
        let text = format!("phase={value}");
        let pairs = Pairs::parse(&text, &["phase"])?;
        Phase::read(&pairs, "phase", Nanos::from_millis(10))
    }

    #[test]
    fn a_phase_is_a_time_within_the_period_or_random() {
        for text in ["0s", "3ms", "random"] {
            assert_eq!(read(text).unwrap().unwrap().to_string(), text);
        }
        for (bad, says) in [("10ms", "below 10ms, or random"), ("Random", "Random"), ("3", "3ms"), ("", "phase")] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        let without = Pairs::parse("x=1", &["x"]).unwrap();
        assert_eq!(Phase::read(&without, "phase", Nanos(1)), Ok(None));
    }

    #[test]
    fn a_drawn_phase_is_within_the_period() {
        assert_eq!(Phase::Random.resolve(Nanos(1000), 0.0), Nanos(0));
        assert_eq!(Phase::Random.resolve(Nanos(u64::MAX), 1.0 - f64::EPSILON / 2.0), Nanos(u64::MAX - 2047));
        assert_eq!(Phase::Random.resolve(Nanos(1), 0.999_999), Nanos(0));
        assert_eq!(Phase::At(Nanos(7)).resolve(Nanos(10), 0.5), Nanos(7));
    }
}
