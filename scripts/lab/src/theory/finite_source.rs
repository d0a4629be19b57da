//! M/M/1//N, the machine repairman: N sources, each of which sends a packet, waits for its completion, and thinks.
//!
//! This is the closed loop of `reqresp` with an exponential think time. Nothing is lost, because at most N packets
//! exist; the sources slow down instead.
//!
//! Source: Gross et al., *Fundamentals of Queueing Theory*, 4th ed., section 2.8, which sums
//! `p_n = N! / (N - n)! r^n p_0`. That overflows for large N; exact mean-value analysis (Reiser and
//! Lavenberg, *J. ACM* 27, 1980) gives the same means by a recursion over the number of sources, with
//! positive terms only. Z = 1 / r is the think time in mean service times:
//!
//! ```text
//! L(0) = 0    W(n) = 1 + L(n-1)    X(n) = n / (Z + W(n))    L(n) = X(n) W(n)
//! ```

use super::{ParameterError, Prediction, error};

/// The name in Kendall's notation.
pub const NAME: &str = "M/M/1//N";

/// Long-run figures for `sources` sources; `ratio` is the mean service time over the mean think time.
///
/// # Errors
/// When `ratio` is not finite and above 0, or `sources` is 0 or above [`super::MAX_PLACES`].
pub fn predict(sources: u32, ratio: f64) -> Result<Prediction, ParameterError> {
    let sources = error::places("sources", sources)?;
    let ratio = error::positive("ratio", ratio, "give the mean service time over the mean think time, such as 0.5")?;
    let think = 1.0 / ratio;
    let (mut present, mut sojourn, mut throughput) = (0.0, 1.0, 0.0);
    for source in 1..=sources {
        // An arriving packet finds the mean number of packets of a system without its own source (arrival theorem).
        sojourn = 1.0 + present;
        throughput = f64::from(source) / (think + sojourn);
        present = throughput * sojourn;
    }
    Ok(Prediction { model: NAME, loss_ratio: 0.0, sojourn_mean: sojourn, throughput, occupancy_mean: present })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_digits, stationary};
    use super::super::{erlang_b, unbounded};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_figures() {
        let four = predict(4, 0.5).unwrap();
        assert_digits(four.throughput, "0.90476");
        assert_digits(four.sojourn_mean, "2.4211");
    }

    #[test]
    fn agrees_with_the_balance_equations() {
        for ratio in [0.01, 0.5, 1.0, 8.0] {
            for sources in [1u32, 2, 5, 30] {
                let n = sources as usize;
                let mut rates = vec![vec![0.0; n + 1]; n + 1];
                for present in 0..n {
                    rates[present][present + 1] = (n - present) as f64 * ratio;
                    rates[present + 1][present] = 1.0;
                }
                let shares = stationary(rates);
                let throughput: f64 = shares[1..].iter().sum();
                let mean: f64 = shares.iter().enumerate().map(|(i, p)| i as f64 * p).sum();
                let predicted = predict(sources, ratio).unwrap();
                assert_close(predicted.throughput, throughput, 1e-12);
                assert_close(predicted.sojourn_mean, mean / throughput, 1e-12);
            }
        }
    }

    #[test]
    fn the_server_is_idle_when_all_sources_think() {
        // p_0 is the probability that all N think: Erlang-B with N servers and Z erlangs.
        for (sources, ratio) in [(1, 0.5), (4, 0.5), (64, 0.02), (5000, 1e-4)] {
            let idle = erlang_b::predict(1.0 / ratio, sources).unwrap().loss_ratio;
            assert_close(predict(sources, ratio).unwrap().throughput, 1.0 - idle, 1e-9);
        }
    }

    #[test]
    fn many_slow_sources_are_a_poisson_stream() {
        let sources = 100_000;
        let predicted = predict(sources, 0.6 / f64::from(sources)).unwrap();
        let stream = unbounded::mm1(predicted.throughput).unwrap();
        assert_close(predicted.sojourn_mean, stream.sojourn_mean, 1e-3);
    }

    proptest! {
        #[test]
        fn keeps_the_asymptotic_bounds(sources in 1u32..200, ratio in 0.001..10.0f64) {
            let p = predict(sources, ratio).unwrap();
            let n = f64::from(sources);
            prop_assert!(p.throughput <= 1.0 + 1e-12);
            prop_assert!(p.throughput <= n / (1.0 / ratio + 1.0) + 1e-12);
            prop_assert!(p.sojourn_mean >= 1.0 && p.sojourn_mean <= n);
            prop_assert!(predict(sources + 1, ratio).unwrap().throughput >= p.throughput - 1e-15);
            // Each source either thinks or waits.
            assert_close(p.occupancy_mean + p.throughput / ratio, n, 1e-9);
        }
    }
}
