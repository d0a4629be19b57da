//! M/D/1/K: Poisson arrivals, fixed service, one server, K places.
//!
//! Source: as in `mg1k` (the embedded Markov chain), with Poisson arrivals during one service,
//! `a_j = e^-rho rho^j / j!`. There is no useful closed form; that of Brun and Garcia (*J. Appl. Prob.* 37, 2000,
//! "Analytical solution of finite capacity M/D/1 queues") alternates in sign and fails in floating point beyond some
//! tens of places.

use super::mg1k::Chain;
use super::{ParameterError, Prediction, error};

/// The name in Kendall's notation.
pub const NAME: &str = "M/D/1/K";

/// Above this load the probability of a service without an arrival (e^-rho, here below 1e-43) is negligible in an
/// `f64`: every departure leaves the system full except for one place.
const SATURATED: f64 = 100.0;

/// Long-run figures at `load` (above 0, may exceed 1) with `places` places, including the one in service.
///
/// # Errors
/// When `load` is not finite and above 0, or `places` is 0 or above [`super::MAX_PLACES`].
pub fn predict(load: f64, places: u32) -> Result<Prediction, ParameterError> {
    Ok(chain(load, places)?.predict(NAME, load))
}

/// The share of time with n packets present, for n from 0 to `places` (`places + 1` shares with the sum 1).
///
/// # Errors
/// As [`predict`].
pub fn occupancy(load: f64, places: u32) -> Result<Vec<f64>, ParameterError> {
    Ok(chain(load, places)?.occupancy())
}

fn chain(load: f64, places: u32) -> Result<Chain, ParameterError> {
    let load = error::load(load)?;
    let places = error::places("places", places)?;
    if load > SATURATED {
        return Ok(Chain::saturated(load, places));
    }
    Ok(Chain::solve(&poisson(load), places))
}

/// The probability of j arrivals in one service, for each j whose probability is above 0 in an `f64`.
fn poisson(mean: f64) -> Vec<f64> {
    let mut chances = vec![(-mean).exp()];
    let mut chance = chances[0];
    let mut arrivals = 1.0;
    loop {
        chance *= mean / arrivals;
        if chance < f64::MIN_POSITIVE {
            return chances;
        }
        chances.push(chance);
        arrivals += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_digits};
    use super::super::{erlang_b, unbounded};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_figures() {
        for (load, places, loss, sojourn) in [
            (0.9, 8, "0.027264", "3.446"),
            (1.0, 16, "0.031579", "8.335"),
            // 5.176 is a published value; with 60 digits it is 5.175479..., see below.
            (1.1, 8, "0.116485", "5.175"),
        ] {
            let predicted = predict(load, places).unwrap();
            assert_digits(predicted.loss_ratio, loss);
            assert_digits(predicted.sojourn_mean, sojourn);
        }
    }

    /// The whole transition matrix, solved with 60 digits by mpmath 1.3.
    #[test]
    fn sixty_digit_reference() {
        for (load, places, loss, sojourn) in [
            (0.9, 8, 0.0272635953957258, 3.44626754553254),
            (1.0, 16, 0.0315789473684211, 8.33514492753623),
            (1.1, 8, 0.116485130802722, 5.17547929333642),
            (0.95, 32, 0.0021482836340401, 9.15096637240446),
            (1.0, 64, 0.00783289817232376, 32.3337719298246),
            (1.5, 16, 0.333333669012704, 14.8561430530694),
        ] {
            let predicted = predict(load, places).unwrap();
            assert_close(predicted.loss_ratio, loss, 1e-13);
            assert_close(predicted.sojourn_mean, sojourn, 1e-13);
        }
    }

    #[test]
    fn one_place_is_erlang_with_one_server() {
        for load in [1e-12, 0.3, 1.0, 7.0, 99.0, 101.0, 1e12] {
            let predicted = predict(load, 1).unwrap();
            let erlang = erlang_b::predict(load, 1).unwrap();
            assert_close(predicted.loss_ratio, erlang.loss_ratio, 1e-12);
            assert_close(predicted.sojourn_mean, 1.0, 1e-12);
            assert_close(predicted.throughput, erlang.throughput, 1e-12);
        }
    }

    #[test]
    fn two_places_by_hand() {
        // A departure leaves 0 packets behind with probability a_0 = e^-rho from either state, so x_0 = e^-rho.
        let load: f64 = 0.7;
        let lost = load + (-load).exp() - 1.0;
        let predicted = predict(load, 2).unwrap();
        assert_close(predicted.loss_ratio, lost / (1.0 + lost), 1e-12);
    }

    #[test]
    fn a_very_deep_ring_matches_pollaczek_khinchine() {
        for load in [0.1, 0.5, 0.9, 0.97] {
            let deep = predict(load, 4096).unwrap();
            let endless = unbounded::md1(load).unwrap();
            assert_close(deep.sojourn_mean, endless.sojourn_mean, 1e-9);
            assert_close(deep.throughput, load, 1e-12);
            assert!(deep.loss_ratio < 1e-30, "{}", deep.loss_ratio);
        }
    }

    #[test]
    fn tiny_losses_keep_their_digits() {
        // The loss falls by a constant factor per place; computed as 1 minus a sum it would vanish below 1e-16.
        let loss = |places| predict(0.5, places).unwrap().loss_ratio;
        let factor = loss(21) / loss(20);
        for places in [40, 60, 80] {
            assert_close(loss(places + 1) / loss(places), factor, 1e-9);
        }
        assert!(loss(80) < 1e-40);
    }

    #[test]
    fn deep_and_overloaded() {
        for load in [1.0 + 1e-9, 1.01, 1.5, 30.0, 99.9, 100.1, 1e6] {
            for places in [2, 4096, 65_536] {
                let predicted = predict(load, places).unwrap();
                let floor = 1.0 - 1.0 / load;
                assert!(predicted.loss_ratio >= floor - 1e-12, "{load} {places}");
                assert!(predicted.throughput <= 1.0 + 1e-12);
                assert!(predicted.sojourn_mean <= f64::from(places));
                let total: f64 = occupancy(load, places).unwrap().iter().sum();
                assert_close(total, 1.0, 1e-10);
            }
        }
        // Diffusion limit at load 1: the loss is about 1 / (2 K), half of that of M/M/1/K.
        let level = predict(1.0, 65_536).unwrap();
        assert_close(level.loss_ratio * 2.0 * 65_536.0, 1.0, 1e-3);
        // The saturated and the solved branch agree where they meet.
        let (below, above) = (predict(100.0, 9).unwrap(), predict(100.0 + 1e-9, 9).unwrap());
        assert_close(below.loss_ratio, above.loss_ratio, 1e-9);
        assert_close(below.sojourn_mean, above.sojourn_mean, 1e-9);
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
        fn conserves_packets_and_loses_no_more_than_exponential_service(load in 0.01..4.0f64, places in 1u32..300) {
            let p = predict(load, places).unwrap();
            assert_close(p.throughput, load * (1.0 - p.loss_ratio), 1e-9);
            assert_close(p.occupancy_mean, p.throughput * p.sojourn_mean, 1e-12);
            prop_assert!(p.sojourn_mean >= 1.0 - 1e-12 && p.sojourn_mean <= f64::from(places) + 1e-12);
            // A service time with less variation never loses more.
            let rough = super::super::mm1k::predict(load, places).unwrap();
            prop_assert!(p.loss_ratio <= rough.loss_ratio * (1.0 + 1e-9));
        }
    }
}
