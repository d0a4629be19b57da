//! M/M/1/K: Poisson arrivals, exponential service, one server, K places.
//!
//! Source: Gross, Shortle, Thompson, Harris, *Fundamentals of Queueing Theory*, 4th ed., section 2.5;
//! Kleinrock, *Queueing Systems* I, section 3.6. rho is the load:
//!
//! ```text
//! p_n = rho^n / (1 + rho + ... + rho^K)    n packets present
//! loss = p_K    (arrivals see time averages)    throughput = 1 - p_0    W = L / throughput
//! ```
//!
//! The textbooks simplify this to `p_n = rho^n (1 - rho) / (1 - rho^(K+1))`, which is 0/0 at load 1 and loses all its
//! digits near it. The sums above have only positive terms and need no special case; they cost K additions.

use super::{ParameterError, Prediction, error};

/// The name in Kendall's notation.
pub const NAME: &str = "M/M/1/K";

/// Long-run figures at `load` (above 0, may exceed 1) with `places` places, including the one in service.
///
/// # Errors
/// When `load` is not finite and above 0, or `places` is 0 or above [`super::MAX_PLACES`].
pub fn predict(load: f64, places: u32) -> Result<Prediction, ParameterError> {
    let occupancy = occupancy(load, places)?;
    let present: f64 = occupancy.iter().zip(0u32..).map(|(p, n)| p * f64::from(n)).sum();
    // Not 1 - p_0, which would cancel to 0 at a tiny load.
    let throughput: f64 = occupancy.iter().skip(1).sum();
    Ok(Prediction {
        model: NAME,
        loss_ratio: occupancy.last().copied().unwrap_or(1.0),
        sojourn_mean: present / throughput,
        throughput,
        occupancy_mean: present,
    })
}

/// The share of time with n packets present, for n from 0 to `places` (`places + 1` shares with the sum 1).
///
/// # Errors
/// As [`predict`].
pub fn occupancy(load: f64, places: u32) -> Result<Vec<f64>, ParameterError> {
    let load = error::load(load)?;
    let places = error::places("places", places)? as usize;
    // Powers start from the more likely end: they may underflow, but never overflow.
    let ratio = if load <= 1.0 { load } else { 1.0 / load };
    let mut shares: Vec<f64> = std::iter::successors(Some(1.0), |power| Some(power * ratio)).take(places + 1).collect();
    if load > 1.0 {
        shares.reverse();
    }
    let total: f64 = shares.iter().sum();
    for share in &mut shares {
        *share /= total;
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_digits, stationary};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_figures() {
        for (load, places, loss, sojourn) in [
            (0.9, 8, "0.070271", "3.953"),
            (1.0, 16, "0.058824", "8.500"),
            (1.5, 16, "0.333672", "14.02"),
            (0.95, 32, "0.01187", "12.31"),
        ] {
            let predicted = predict(load, places).unwrap();
            assert_digits(predicted.loss_ratio, loss);
            assert_digits(predicted.sojourn_mean, sojourn);
        }
    }

    /// The same shares from the balance equations of the birth-death chain, solved by elimination without powers of
    /// rho.
    fn balance(load: f64, places: usize) -> Vec<f64> {
        let mut rates = vec![vec![0.0; places + 1]; places + 1];
        for n in 0..places {
            rates[n][n + 1] = load;
            rates[n + 1][n] = 1.0;
        }
        stationary(rates)
    }

    #[test]
    fn agrees_with_the_balance_equations() {
        for load in [1e-3, 0.3, 0.999_999, 1.0, 1.000_001, 1.7, 40.0] {
            for places in [1u32, 2, 7, 30] {
                let solved = balance(load, places as usize);
                let closed = occupancy(load, places).unwrap();
                for (a, b) in closed.iter().zip(&solved) {
                    assert_close(*a, *b, 1e-12);
                }
                let predicted = predict(load, places).unwrap();
                let mean: f64 = solved.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
                assert_close(predicted.occupancy_mean, mean, 1e-12);
                assert_close(predicted.throughput, load * (1.0 - solved[places as usize]), 1e-9);
            }
        }
    }

    #[test]
    fn agrees_with_the_closed_form_away_from_load_one() {
        for load in [0.2f64, 0.8, 1.3, 3.0] {
            for places in [1u32, 5, 64] {
                let k = f64::from(places);
                let whole = 1.0 - load.powf(k + 1.0);
                let loss = load.powf(k) * (1.0 - load) / whole;
                let present = load / (1.0 - load) - (k + 1.0) * load.powf(k + 1.0) / whole;
                let predicted = predict(load, places).unwrap();
                assert_close(predicted.loss_ratio, loss, 1e-12);
                assert_close(predicted.sojourn_mean, present / (load * (1.0 - loss)), 1e-12);
            }
        }
    }

    #[test]
    fn is_smooth_through_load_one() {
        for places in [1u32, 16, 65_536] {
            let at = predict(1.0, places).unwrap();
            let (loss, sojourn) = (1.0 / f64::from(places + 1), f64::from(places + 1) / 2.0);
            assert_close(at.loss_ratio, loss, 1e-12);
            assert_close(at.sojourn_mean, sojourn, 1e-9);
            for load in [1.0 - f64::EPSILON, 1.0 + f64::EPSILON, 1.0 - 1e-13, 1.0 + 1e-13] {
                let near = predict(load, places).unwrap();
                assert_close(near.loss_ratio, at.loss_ratio, 1e-7);
                assert_close(near.sojourn_mean, at.sojourn_mean, 1e-7);
            }
        }
    }

    #[test]
    fn survives_the_extremes() {
        let idle = predict(1e-300, 65_536).unwrap();
        assert_close(idle.sojourn_mean, 1.0, 1e-12);
        let flooded = predict(1e300, 65_536).unwrap();
        assert_close(flooded.loss_ratio, 1.0, 1e-12);
        assert_close(flooded.sojourn_mean, 65_536.0, 1e-12);
        assert!(predict(0.0, 8).is_err());
        assert!(predict(0.5, 0).is_err());
    }

    proptest! {
        #[test]
        fn loss_is_a_share_and_monotone(load in 0.01..4.0f64, more in 0.001..1.0f64, places in 1u32..300) {
            let loss = |load, places| predict(load, places).unwrap().loss_ratio;
            let here = loss(load, places);
            prop_assert!((0.0..=1.0).contains(&here));
            prop_assert!(loss(load + more, places) >= here);
            // Deep in overload the loss stays at its minimum, 1 - 1/load, up to rounding.
            prop_assert!(loss(load, places + 1) <= here * (1.0 + 1e-12));
        }

        #[test]
        fn conserves_packets_and_satisfies_littles_law(load in 0.01..4.0f64, places in 1u32..300) {
            let p = predict(load, places).unwrap();
            assert_close(p.throughput, load * (1.0 - p.loss_ratio), 1e-9);
            assert_close(p.occupancy_mean, p.throughput * p.sojourn_mean, 1e-12);
            prop_assert!(p.sojourn_mean >= 1.0 - 1e-12 && p.sojourn_mean <= f64::from(places) + 1e-9);
        }
    }
}
