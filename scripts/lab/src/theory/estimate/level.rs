//! Confidence levels of one interval and of several together.

use super::ParameterError;

/// The highest level accepted. Up to here a quantile keeps at least seven digits; above it, 1 - level has too few
/// digits in an `f64`. It is enough for a joint level of 0.999 over a million figures.
pub const MAX_LEVEL: f64 = 1.0 - 1e-9;

/// Checks that `level` is above 0 and at most [`MAX_LEVEL`].
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

/// The level that each of `intervals` intervals needs, so that all hold together at `joint` (Bonferroni: the
/// probability of any miss is at most the sum of all, whether or not they are independent).
///
/// # Errors
/// When `joint` is not a valid level, `intervals` is 0, or there are so many that the level of each would exceed
/// [`MAX_LEVEL`].
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
    fn divides_the_miss_probability_among_the_intervals() {
        assert_close(bonferroni(0.95, 1).unwrap(), 0.95, 1e-15);
        assert_close(bonferroni(0.95, 10).unwrap(), 0.995, 1e-15);
        assert_close(bonferroni(0.9, 2).unwrap(), 0.95, 1e-15);
    }

    #[test]
    fn refuses_invalid_levels() {
        for level in [0.0, 1.0, 95.0, -0.1, f64::NAN] {
            let text = bonferroni(level, 2).unwrap_err().to_string();
            assert!(text.starts_with(&format!("level is {level}, ")), "{text}");
        }
        assert!(bonferroni(0.95, 0).is_err());
        assert!(bonferroni(MAX_LEVEL, 2).is_err());
    }
}
