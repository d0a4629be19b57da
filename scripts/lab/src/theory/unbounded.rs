//! M/M/1 and M/D/1 with an unbounded queue: the limit of a ring as its depth grows, at loads below 1.
//!
//! Source: the Pollaczek-Khinchine mean formula (Kleinrock, *Queueing Systems* I, section 5.6). rho is the load, and c2
//! the squared coefficient of variation of the service time (1 exponential, 0 fixed). The mean wait before service, in
//! mean service times, is
//!
//! ```text
//! Wq = rho (1 + c2) / (2 (1 - rho))    W = 1 + Wq    L = rho W
//! ```

use super::{ParameterError, Prediction, error};

/// M/M/1: exponential service.
///
/// # Errors
/// When `load` is not above 0 and below 1.
pub fn mm1(load: f64) -> Result<Prediction, ParameterError> {
    predict("M/M/1", load, 1.0)
}

/// M/D/1: fixed service.
///
/// # Errors
/// When `load` is not above 0 and below 1.
pub fn md1(load: f64) -> Result<Prediction, ParameterError> {
    predict("M/D/1", load, 0.0)
}

fn predict(model: &'static str, load: f64, variation: f64) -> Result<Prediction, ParameterError> {
    let wait = mean_wait(load, variation)?;
    let sojourn_mean = 1.0 + wait;
    Ok(Prediction { model, loss_ratio: 0.0, sojourn_mean, throughput: load, occupancy_mean: load * sojourn_mean })
}

/// M/G/1: the mean wait before service, in mean service times. `variation` is the variance of the service time over
/// the square of its mean; with it a mix of frame sizes can be computed.
///
/// # Errors
/// When `load` is not above 0 and below 1, or `variation` is negative or not finite.
pub fn mean_wait(load: f64, variation: f64) -> Result<f64, ParameterError> {
    let load = error::stable_load(load)?;
    if !(0.0..=f64::MAX).contains(&variation) {
        return Err(ParameterError::OutOfRange {
            parameter: "variation",
            value: variation,
            low: 0.0,
            high: f64::MAX,
            remedy: "give variance / mean^2 of the service time: 0 for fixed, 1 for exponential",
        });
    }
    Ok(load * (1.0 + variation) / (2.0 * (1.0 - load)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::super::{Model, mm1k};
    use super::*;

    #[test]
    fn textbook_figures() {
        assert_close(mm1(0.5).unwrap().sojourn_mean, 2.0, 1e-15);
        assert_close(mm1(0.9).unwrap().sojourn_mean, 10.0, 1e-12);
        assert_close(mm1(0.9).unwrap().occupancy_mean, 9.0, 1e-12);
        assert_close(md1(0.9).unwrap().sojourn_mean, 5.5, 1e-12);
        assert_close(md1(0.5).unwrap().wait_mean(), 0.5, 1e-15);
    }

    #[test]
    fn is_the_limit_of_a_deep_ring() {
        for load in [0.2, 0.9, 0.99] {
            let deep = mm1k::predict(load, 65_536).unwrap();
            assert_close(deep.sojourn_mean, mm1(load).unwrap().sojourn_mean, 1e-9);
        }
    }

    #[test]
    fn a_load_of_one_or_more_is_refused() {
        for load in [1.0, 1.2] {
            assert_eq!(mm1(load).unwrap_err(), ParameterError::Unstable { load });
            assert!(Model::Md1 { load }.predict().is_err());
        }
        assert!(mean_wait(0.5, -1.0).is_err());
        assert!(mean_wait(0.5, f64::NAN).is_err());
        assert!(mean_wait(0.5, f64::INFINITY).is_err());
    }
}
