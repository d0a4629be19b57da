//! Confidence levels: of one interval, of several together, and of bounds on what no run showed.
//!
//! A spread of zero gives no interval. If none of many packets was dropped, the loss is small, but not known to be 0;
//! if all runs have the same value, the next one may have another.

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

/// The largest probability of an event that did not happen in `trials` independent trials: -ln(1 - `level`) / trials,
/// which at 95 % is the "rule of three". Drops come in clusters, so for a loss the bound holds only if they are
/// independent, and every text with the bound must state that.
///
/// # Errors
/// When `level` is not a valid level, or there was no trial.
pub fn never_in(trials: u64, level: f64) -> Result<f64, ParameterError> {
    Ok((negative_log_miss(level)? / at_least_one("trials", trials)?).min(1.0))
}

/// The largest share of runs that may differ from `runs` runs with equal values, at `level`. Runs are independent even
/// if packets in a run are not, so this needs no assumption.
///
/// The mean of a figure that is a share (0 to 1) is therefore within this of the common value.
///
/// # Errors
/// When `level` is not a valid level, or there was no run.
pub fn unlike(runs: u64, level: f64) -> Result<f64, ParameterError> {
    // The x for which (1 - x)^runs = 1 - level.
    Ok(-(-negative_log_miss(level)? / at_least_one("runs", runs)?).exp_m1())
}

/// -ln(1 - level).
fn negative_log_miss(level: f64) -> Result<f64, ParameterError> {
    Ok(-(1.0 - check(level)?).ln())
}

fn at_least_one(parameter: &'static str, value: u64) -> Result<f64, ParameterError> {
    if value == 0 {
        let remedy = "nothing was counted; simulate longer runs";
        return Err(ParameterError::CountOutOfRange { parameter, value, low: 1, high: u64::MAX, remedy });
    }
    Ok(value as f64)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Draws, assert_close};
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

    #[test]
    fn the_rule_of_three() {
        // -ln(0.05) = 2.9957, -ln(0.01) = 4.6052.
        assert_close(never_in(1_000, 0.95).unwrap(), 2.995_732_273_553_991e-3, 1e-12);
        assert_close(never_in(70_000, 0.99).unwrap(), 4.605_170_185_988_091 / 7e4, 1e-12);
        assert!(never_in(0, 0.95).is_err() && never_in(9, 1.0).is_err());
        // With so few trials the bound is 1.
        assert_close(never_in(2, 0.95).unwrap(), 1.0, 1e-15);
    }

    #[test]
    fn ten_equal_runs_bound_the_share_of_others_by_a_quarter() {
        // 0.9^n = 0.05 for n = 28.4, and 1 - 0.05^(1/10) = 0.2589.
        assert_close(unlike(10, 0.95).unwrap(), 0.258_865_55, 1e-7);
        assert_close(unlike(1, 0.95).unwrap(), 0.95, 1e-12);
    }

    #[test]
    fn the_bound_holds_as_often_as_its_level() {
        // At a probability just above the bound, no event in all trials must occur in a share of about 1 - level.
        let (trials, level) = (200, 0.9);
        let chance = never_in(trials, level).unwrap();
        let mut draws = Draws(3);
        let missed = (0..4000).filter(|_| (0..trials).all(|_| draws.unit() > chance)).count();
        let share = missed as f64 / 4000.0;
        assert!((0.07..0.12).contains(&share), "{share}");
    }
}
