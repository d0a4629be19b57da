//! The parameter errors and the checks that all models share.
//!
//! A message names the parameter, its value, and the remedy.

/// The largest number of places, servers or sources: the work grows with it, and so deep a ring behaves like an
/// unbounded one. Twice the deepest ring (65 536) would do; the rest is for `--txqueue`.
pub const MAX_PLACES: u32 = 1 << 20;

/// A parameter for which a model or an estimate is not defined.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// A quantity that must be finite and above 0.
    #[error("{parameter} is {value}, but must be finite and above 0; {remedy}")]
    NotPositive {
        /// The name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A count outside the range for which the model is defined or practical.
    #[error("{parameter} is {value}, but must be from {low} to {high}; {remedy}")]
    CountOutOfRange {
        /// The name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: u64,
        /// The smallest allowed.
        low: u64,
        /// The largest allowed.
        high: u64,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A number outside its interval (level, burst, ...).
    #[error("{parameter} is {value}, but must be from {low} to {high}; {remedy}")]
    OutOfRange {
        /// The name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
        /// What to give instead.
        remedy: &'static str,
    },
    /// An unbounded queue without a steady state.
    #[error(
        "load is {load}, but an unbounded queue has a steady state only below 1; \
         lower the rate, or use a model with places (M/M/1/K, M/D/1/K)"
    )]
    Unstable {
        /// The load.
        load: f64,
    },
    /// A sample that is infinite or not a number.
    #[error("{parameter} is {value}, which is not finite; leave this run out and find out why it has no figure")]
    NotFinite {
        /// The name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
    },
}

/// Checks that `value` is finite and above 0.
pub(super) fn positive(parameter: &'static str, value: f64, remedy: &'static str) -> Result<f64, ParameterError> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(ParameterError::NotPositive { parameter, value, remedy })
    }
}

/// Checks a load: the arrival rate over the service rate.
pub(super) fn load(value: f64) -> Result<f64, ParameterError> {
    positive("load", value, "give the arrival rate over the service rate, such as 0.9")
}

/// Checks that a load is below 1, as an unbounded queue needs.
pub(super) fn stable_load(value: f64) -> Result<f64, ParameterError> {
    let value = load(value)?;
    if value < 1.0 { Ok(value) } else { Err(ParameterError::Unstable { load: value }) }
}

/// Checks that a count is from 1 to [`MAX_PLACES`].
pub(super) fn places(parameter: &'static str, value: u32) -> Result<u32, ParameterError> {
    if (1..=MAX_PLACES).contains(&value) {
        Ok(value)
    } else {
        Err(ParameterError::CountOutOfRange {
            parameter,
            value: u64::from(value),
            low: 1,
            high: u64::from(MAX_PLACES),
            remedy: "use at least one, and for more use a model without a bound",
        })
    }
}

/// Checks that a time in whole nanoseconds is not 0.
pub(super) fn nanoseconds(parameter: &'static str, value: u64) -> Result<u64, ParameterError> {
    if value > 0 {
        Ok(value)
    } else {
        Err(ParameterError::CountOutOfRange {
            parameter,
            value,
            low: 1,
            high: u64::MAX,
            remedy: "give at least one nanosecond",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_parameter_value_and_remedy() {
        let text = load(-0.5).unwrap_err().to_string();
        assert_eq!(
            text,
            "load is -0.5, but must be finite and above 0; \
             give the arrival rate over the service rate, such as 0.9"
        );
        let text = places("places", 0).unwrap_err().to_string();
        assert!(text.starts_with("places is 0, but must be from 1 to 1048576; "), "{text}");
        let text = stable_load(1.0).unwrap_err().to_string();
        assert!(text.contains("load is 1,") && text.contains("M/M/1/K"), "{text}");
        let text = nanoseconds("service_ns", 0).unwrap_err().to_string();
        assert!(text.contains("service_ns is 0") && text.ends_with("nanosecond"), "{text}");
    }

    #[test]
    fn a_load_must_be_finite_and_positive() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0] {
            assert!(load(value).is_err(), "{value}");
        }
        assert!(places("places", MAX_PLACES).is_ok());
        assert!(places("places", MAX_PLACES + 1).is_err());
    }
}
