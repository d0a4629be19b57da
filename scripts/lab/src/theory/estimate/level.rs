//! Levels of confidence, alone and together.

use super::ParameterError;

/// The highest level accepted. Up to here a quantile keeps at least seven digits; beyond it, what is left of
/// 1 is soon too little for an `f64`. It is enough for a joint 0.999 over a million figures.
pub const MAX_LEVEL: f64 = 1.0 - 1e-9;

/// A level that can be worked with.
pub(super) fn check(level: f64) -> Result<f64, ParameterError> {
    if level > 0.0 && level <= MAX_LEVEL {
        Ok(level)
    } else {
        Err(ParameterError::OutOfRange {
            parameter: "level",
            value: level,
            low: 0.0,
            high: MAX_LEVEL,
            remedy: "give a confidence between the two, such as 0.95",
        })
    }
}

/// The level at which each of `intervals` intervals must hold, so that all hold together at `joint` (Bonferroni:
/// misses add up at most, whatever the dependence between them).
///
/// # Errors
/// When `joint` is not a level, `intervals` is 0, or there are so many that the level of each cannot be
/// told from 1.
pub fn bonferroni(joint: f64, intervals: u32) -> Result<f64, ParameterError> {
    let joint = check(joint)?;
    if intervals == 0 {
        return Err(ParameterError::CountOutOfRange {
            parameter: "intervals",
            value: 0,
            low: 1,
            high: u64::from(u32::MAX),
            remedy: "count every figure that is compared",
        });
    }
    check(1.0 - (1.0 - joint) / f64::from(intervals))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::assert_close;
    use super::*;

    #[test]
    fn shares_the_misses_out() {
        assert_close(bonferroni(0.95, 1).unwrap(), 0.95, 1e-15);
        assert_close(bonferroni(0.95, 10).unwrap(), 0.995, 1e-15);
        assert_close(bonferroni(0.9, 2).unwrap(), 0.95, 1e-15);
    }

    #[test]
    fn refuses_what_is_no_level() {
        for level in [0.0, 1.0, 95.0, -0.1, f64::NAN] {
            let text = bonferroni(level, 2).unwrap_err().to_string();
            assert!(text.starts_with(&format!("level is {level}, ")), "{text}");
        }
        assert!(bonferroni(0.95, 0).is_err());
        assert!(bonferroni(MAX_LEVEL, 2).is_err());
    }
}
