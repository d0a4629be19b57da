//! Erlang-B, M/G/c/c: c servers and no queue; a packet that finds all servers busy is lost.
//!
//! Source: Erlang 1917; Gross et al., *Fundamentals of Queueing Theory*, 4th ed., section 3.5. The direct
//! formula is `B = (a^c / c!) / sum_{j=0..c} a^j / j!`; it overflows near c = 170. The recursion is
//! stable, because every step adds positive numbers:
//!
//! ```text
//! B(0) = 1    B(j) = a B(j-1) / (j + a B(j-1))
//! ```
//!
//! It holds for every distribution of service times with the same mean (insensitivity). So it is the loss of a ring of
//! depth c in front of a fixed latency without a rate limit: each slot is a server.

use super::{ParameterError, Prediction, error};

/// The name in Kendall's notation.
pub const NAME: &str = "M/G/c/c (Erlang-B)";

/// Long-run figures at `offered` traffic (arrival rate x mean holding time, in erlangs) for `servers` servers.
/// Times are in mean holding times, so the sojourn is 1.
///
/// # Errors
/// When `offered` is not finite and above 0, or `servers` is 0 or above [`super::MAX_PLACES`].
pub fn predict(offered: f64, servers: u32) -> Result<Prediction, ParameterError> {
    let offered =
        error::positive("offered traffic", offered, "give the arrival rate times the mean holding time, such as 8")?;
    let servers = error::places("servers", servers)?;
    let (mut lost, mut carried) = (1.0, 0.0);
    for server in 1..=servers {
        let tried = offered * lost;
        let whole = f64::from(server) + tried;
        lost = tried / whole;
        // Computed beside the loss: 1 - loss would cancel to nothing when nearly all packets are lost.
        carried = f64::from(server) / whole;
    }
    let throughput = offered * carried;
    Ok(Prediction { model: NAME, loss_ratio: lost, sojourn_mean: 1.0, throughput, occupancy_mean: throughput })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_digits};
    use super::*;
    use proptest::prelude::*;

    fn loss(offered: f64, servers: u32) -> f64 {
        predict(offered, servers).unwrap().loss_ratio
    }

    #[test]
    fn published_figures() {
        assert_digits(loss(8.0, 8), "0.235570");
        // Tables of Erlang-B: 1 % at 4.461 erlangs on 10 lines, at 84.1 on 100.
        assert_digits(loss(4.461, 10), "0.0100");
        assert_digits(loss(84.1, 100), "0.010");
    }

    #[test]
    fn agrees_with_the_direct_sum() {
        for offered in [0.01, 0.7, 3.0, 8.0, 60.0] {
            let mut term = 1.0;
            let mut sum = 1.0;
            for servers in 1..=40u32 {
                term *= offered / f64::from(servers);
                sum += term;
                assert_close(loss(offered, servers), term / sum, 1e-12);
            }
        }
    }

    #[test]
    fn deep_rings() {
        let servers = 65_536;
        // Critical load: B is about sqrt(2 / (pi c)).
        let critical = (2.0 / (std::f64::consts::PI * f64::from(servers))).sqrt();
        assert_close(loss(f64::from(servers), servers), critical, 1e-2);
        assert_close(loss(2.0 * f64::from(servers), servers), 0.5, 1e-4);
        assert_close(loss(100.0, servers), 0.0, 1e-300);
        let flooded = predict(1e30, servers).unwrap();
        assert_close(flooded.throughput, f64::from(servers), 1e-12);
    }

    #[test]
    fn refuses_invalid_parameters() {
        let text = predict(f64::NAN, 8).unwrap_err().to_string();
        assert!(text.starts_with("offered traffic is NaN"), "{text}");
        assert!(predict(1.0, 0).is_err());
    }

    proptest! {
        #[test]
        fn loss_is_a_share_and_monotone(offered in 0.01..500.0f64, more in 0.01..9.0f64, servers in 1u32..400) {
            let here = loss(offered, servers);
            prop_assert!((0.0..=1.0).contains(&here));
            prop_assert!(loss(offered + more, servers) >= here);
            prop_assert!(loss(offered, servers + 1) <= here);
            let carried = predict(offered, servers).unwrap().throughput;
            assert_close(carried, offered * (1.0 - here), 1e-9);
            prop_assert!(carried <= f64::from(servers));
        }
    }
}
