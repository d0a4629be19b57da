//! Bounds for arrivals shaped by a token bucket: the depth at which a ring never drops, and the worst delay.
//!
//! Source: Cruz, "A calculus for network delay", *IEEE Trans. Inf. Theory* 37, 1991; Le Boudec and Thiran,
//! *Network Calculus*, theorems 1.4.1 (backlog) and 1.4.2 (delay). Arrival curve `sigma + rho t`, service
//! curve `R max(0, t - T)` (rate-latency), with `rho <= R`:
//!
//! ```text
//! backlog <= sigma + rho T        delay <= T + sigma / R
//! ```
//!
//! That backlog is a fluid. A ring holds whole packets, and each until it is *completely* served. At age x of a busy
//! period at most `floor(sigma + rho x)` packets have arrived and at least `floor(R (x - T))` have left; the difference
//! is largest just before the first completion, at `x = T + 1/R`. So the depth is `ceil(sigma + rho (T + 1/R)) - 1`:
//! for a burst of whole packets and no stall, it is `sigma`.
//!
//! These are worst cases, not means. They hold for every sequence that conforms to the bucket; a Poisson stream
//! conforms to none. A bucket filled by a coarse wall-clock timer lets more through.

use super::{ParameterError, error};

/// A token bucket: it lets at most `burst + rate t` packets through in any time t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenBucket {
    /// Sigma, in packets: how many may arrive at once.
    pub burst: f64,
    /// Rho, in packets per unit of time.
    pub rate: f64,
}

/// The service that a server guarantees: `rate` while it is busy, after an initial `latency`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Server {
    /// R, in packets per unit of time (the unit of the bucket's rate).
    pub rate: f64,
    /// T: the longest time for which it may serve nothing, such as a stall. 0 for a server that never stalls.
    pub latency: f64,
}

/// The guaranteed bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The number of places, including the one in service, with which no packet is ever lost.
    pub depth: u64,
    /// The largest sojourn of a packet, in the unit of time of the rates.
    pub delay: f64,
}

impl Server {
    /// A server of `rate` that stalls for `length` in every `every`. In the long run it serves at the remaining share
    /// of its rate; the worst case starts at the beginning of a stall.
    ///
    /// # Errors
    /// When `rate` is not above 0, or the stall is not shorter than its period.
    pub fn with_stalls(rate: f64, every: f64, length: f64) -> Result<Self, ParameterError> {
        let every = error::positive("stall period", every, "give the time from stall to stall")?;
        // Not `length >= every`, which is false for NaN and would accept it.
        if !(0.0..every).contains(&length) {
            return Err(ParameterError::OutOfRange {
                parameter: "stall length",
                value: length,
                low: 0.0,
                high: every,
                remedy: "a stall must end before the next one begins",
            });
        }
        let rate = server_rate(rate)?;
        Ok(Self { rate: rate * (every - length) / every, latency: length })
    }
}

/// Returns the depth that never drops, and the worst delay.
///
/// # Errors
/// When a rate is not above 0, the burst is below one packet (no packet could ever pass), the latency is
/// negative, or the bucket is faster than the server (then no depth is enough).
pub fn bound(bucket: TokenBucket, server: Server) -> Result<Bound, ParameterError> {
    check(bucket, server)?;
    let backlog = bucket.burst + bucket.rate * server.latency;
    // ceil(backlog + rho/R) - 1 in two parts, so that a small rho/R is not rounded away beside a large backlog.
    let (whole, part) = (backlog.floor(), backlog.fract());
    let one_more = part + bucket.rate / server.rate > 1.0;
    Ok(Bound {
        // The cast of a larger number gives u64::MAX, which is no usable depth either.
        depth: (whole as u64).saturating_add(u64::from(one_more)),
        delay: server.latency + bucket.burst / server.rate,
    })
}

fn check(bucket: TokenBucket, server: Server) -> Result<(), ParameterError> {
    let range = |parameter, value: f64, low, high, remedy| {
        if (low..=high).contains(&value) {
            Ok(())
        } else {
            Err(ParameterError::OutOfRange { parameter, value, low, high, remedy })
        }
    };
    error::positive("bucket rate", bucket.rate, "give packets per unit of time")?;
    server_rate(server.rate)?;
    range("burst", bucket.burst, 1.0, f64::MAX, "a bucket that cannot hold one packet lets none through")?;
    range("latency", server.latency, 0.0, f64::MAX, "give the longest stall, or 0")?;
    range(
        "bucket rate",
        bucket.rate,
        0.0,
        server.rate,
        "above the server's rate no depth is enough; slow the bucket down",
    )
}

fn server_rate(value: f64) -> Result<f64, ParameterError> {
    error::positive("server rate", value, "give packets per unit of time")
}

#[cfg(test)]
mod tests {
    use super::super::lindley::Lindley;
    use super::super::testing::{Draws, assert_close};
    use super::*;
    use proptest::prelude::*;

    fn of(burst: f64, rate: f64, server: f64, latency: f64) -> Bound {
        let server = Server { rate: server, latency };
        bound(TokenBucket { burst, rate }, server).unwrap()
    }

    #[test]
    fn whole_bursts_need_a_place_each() {
        assert_eq!(of(1.0, 1.0, 1.0, 0.0), Bound { depth: 1, delay: 1.0 });
        assert_eq!(of(32.0, 0.9, 1.0, 0.0), Bound { depth: 32, delay: 32.0 });
        assert_eq!(of(32.0, 1e-20, 1.0, 0.0).depth, 32);
    }

    #[test]
    fn parts_of_a_packet_count_when_the_rate_completes_them_in_time() {
        assert_eq!(of(2.5, 1.0, 1.0, 0.0).depth, 3);
        assert_eq!(of(2.5, 0.5, 1.0, 0.0).depth, 2);
        assert_eq!(of(2.5, 0.51, 1.0, 0.0).depth, 3);
    }

    #[test]
    fn a_stall_adds_what_arrives_in_it() {
        // Constant rate 0.8 (a burst of 1), stalls of 10 service times in every 100: long-run rate 0.9.
        let server = Server::with_stalls(1.0, 100.0, 10.0).unwrap();
        assert_close(server.rate, 0.9, 1e-15);
        let bound = bound(TokenBucket { burst: 1.0, rate: 0.8 }, server).unwrap();
        assert_eq!(bound.depth, 9);
        assert_close(bound.delay, 10.0 + 1.0 / 0.9, 1e-12);
    }

    #[test]
    fn refuses_a_bucket_for_which_no_depth_is_enough() {
        let server = Server { rate: 1.0, latency: 0.0 };
        let text = bound(TokenBucket { burst: 4.0, rate: 1.5 }, server).unwrap_err().to_string();
        assert!(text.contains("bucket rate is 1.5") && text.contains("no depth is enough"), "{text}");
        assert!(bound(TokenBucket { burst: 0.5, rate: 0.5 }, server).is_err());
        assert!(bound(TokenBucket { burst: 4.0, rate: f64::NAN }, server).is_err());
        assert!(bound(TokenBucket { burst: 4.0, rate: 0.5 }, Server { rate: 1.0, latency: -1.0 }).is_err());
        assert!(Server::with_stalls(1.0, 10.0, 10.0).is_err());
        assert!(Server::with_stalls(1.0, 10.0, f64::NAN).is_err());
        assert!(Server::with_stalls(0.0, 10.0, 1.0).is_err());
    }

    const SERVICE: u64 = 1000;

    /// Offers packets that conform to a bucket of `burst` packets and one per `every` ns: a whole burst, then random
    /// pauses. Returns how many packets a ring of `places` drops, and the longest sojourn.
    fn shaped(draws: &mut Draws, burst: u64, every: u64, places: u32) -> (u64, u64) {
        let mut server = Lindley::new(places).unwrap();
        // Tokens are counted in nanoseconds; one packet costs `every`.
        let (mut at, mut tokens, mut worst) = (0, burst * every, 0);
        for packet in 0..400 {
            let greedy = packet < burst || draws.unit() > 0.125;
            let idle = if greedy { 0 } else { draws.bits() % (burst * every * 2) };
            let needed = every.saturating_sub(tokens);
            let step = idle.max(needed);
            at += step;
            tokens = (tokens + step).min(burst * every) - every;
            if let Some(departure) = server.offer(at, SERVICE).unwrap() {
                worst = worst.max(departure - at);
            }
        }
        (server.outcome().dropped, worst)
    }

    proptest! {
        #[test]
        fn agrees_with_lindleys_recursion_and_is_tight(seed: u64, burst in 1u64..40, every in SERVICE..4000) {
            let rate = SERVICE as f64 / every as f64;
            let bound = of(burst as f64, rate, 1.0, 0.0);
            prop_assert_eq!(bound.depth, burst);
            let (dropped, worst) = shaped(&mut Draws(seed), burst, every, burst as u32);
            prop_assert_eq!(dropped, 0);
            prop_assert_eq!(worst as f64, bound.delay * SERVICE as f64);
            if burst > 1 {
                let (dropped, _) = shaped(&mut Draws(seed), burst, every, burst as u32 - 1);
                prop_assert!(dropped > 0);
            }
        }
    }
}
