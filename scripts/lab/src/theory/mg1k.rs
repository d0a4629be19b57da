//! M/G/1/K by the Markov chain embedded at departures; [`super::md1k`] uses it.
//!
//! Source: Gross, Shortle, Thompson, Harris, *Fundamentals of Queueing Theory*, 4th ed., section 5.1.7;
//! Takagi, *Queueing Analysis* 2, chapter 1. Let `A` be the number of packets that arrive during one service, `a_j` the
//! probability that it is j, and `x_i` the share of departures that leave i packets behind (i < K).
//!
//! The textbooks solve `x = x P` forward by subtraction, which loses all digits in a deep ring. Here the flow across
//! the cut between `k` and `k + 1` is balanced instead: the state goes down only after a service without an arrival,
//! and every term is positive:
//!
//! ```text
//! x_{k+1} a_0 = x_0 P(A > k) + sum_{i=1..k} x_i P(A > k + 1 - i)
//! ```
//!
//! Losses are also summed, not computed as a difference from 1. Per departure, `l = sum_i x_i E[(A - room_i)+]` packets
//! are lost, where `room_i = K - max(i, 1)`. For each departure 1 packet is accepted and `l` are lost, so
//!
//! ```text
//! loss = l / (1 + l)    p_n = x_n / (1 + l)    p_K = loss    throughput = rho / (1 + l)
//! L = (sum_n n x_n + K l) / (1 + l)            W = L / throughput = (sum_n n x_n + K l) / rho
//! ```

use super::Prediction;

/// Weights above this are scaled down: at high loads they grow geometrically with the state.
const SCALE_ABOVE: f64 = 1e100;

/// The solved chain.
pub(super) struct Chain {
    /// Share of departures that leave i packets behind, for i below the number of places; sums to 1.
    left_behind: Vec<f64>,
    /// Packets lost per departure.
    lost: f64,
}

impl Chain {
    /// Solves the chain. `arrivals[j]` is the probability of j arrivals in one service, for all j with a
    /// probability that is not negligible; `arrivals[0]` must be above 1e-100, and `places` at least 1.
    pub(super) fn solve(arrivals: &[f64], places: u32) -> Self {
        let places = places as usize;
        let more = upper_sums(arrivals.get(1..).unwrap_or_default());
        let mut left_behind = departures(&more, arrivals[0], places);
        let total: f64 = left_behind.iter().sum();
        for share in &mut left_behind {
            *share /= total;
        }
        let lost = lost_per_departure(&left_behind, &upper_sums(&more), places);
        Self { left_behind, lost }
    }

    /// The chain of a server so overloaded that every departure leaves it full except for one place.
    pub(super) fn saturated(load: f64, places: u32) -> Self {
        let mut left_behind = vec![0.0; places as usize];
        if let Some(last) = left_behind.last_mut() {
            *last = 1.0;
        }
        // Arrivals per departure: `load` during the service, and one more if the departure left the system empty.
        let starts = if places == 1 { 1.0 } else { 0.0 };
        Self { left_behind, lost: load + starts - 1.0 }
    }

    /// The share of time with n packets present, for n from 0 to the number of places.
    pub(super) fn occupancy(&self) -> Vec<f64> {
        let whole = 1.0 + self.lost;
        let below = self.left_behind.iter().map(|share| share / whole);
        below.chain([self.lost / whole]).collect()
    }

    /// The long-run figures at `load`, which must be the mean of the arrivals.
    pub(super) fn predict(&self, model: &'static str, load: f64) -> Prediction {
        let places = self.left_behind.len() as f64;
        let behind: f64 = self.left_behind.iter().enumerate().map(|(n, x)| n as f64 * x).sum();
        let present = behind + places * self.lost;
        let whole = 1.0 + self.lost;
        Prediction {
            model,
            loss_ratio: self.lost / whole,
            sojourn_mean: present / load,
            throughput: load / whole,
            occupancy_mean: present / whole,
        }
    }
}

/// `sums[j] = terms[j] + terms[j + 1] + ...`, added from the small end so that small tails keep their digits.
fn upper_sums(terms: &[f64]) -> Vec<f64> {
    let mut sums = terms.to_vec();
    let mut total = 0.0;
    for sum in sums.iter_mut().rev() {
        total += *sum;
        *sum = total;
    }
    sums
}

/// Unnormalised shares `x_i`; `more[j]` is P(A > j), `none` is `a_0`.
fn departures(more: &[f64], none: f64, places: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(places);
    weights.push(1.0);
    for k in 0..places - 1 {
        // Terms beyond the end of `more` are 0, so the sum has a bounded length however deep the ring is.
        let from = (k + 1).saturating_sub(more.len()).max(1);
        let climbing: f64 = (from..=k).map(|i| weights[i] * more.get(k + 1 - i).copied().unwrap_or(0.0)).sum();
        let starting = weights[0] * more.get(k).copied().unwrap_or(0.0);
        weights.push((starting + climbing) / none);
        scale_down(&mut weights);
    }
    weights
}

/// Keeps the newest weight below [`SCALE_ABOVE`]. Old weights may become 0: they are below 1e-200 of the newest.
fn scale_down(weights: &mut [f64]) {
    let newest = weights.last().copied().unwrap_or(0.0);
    if newest > SCALE_ABOVE {
        // All weights before one that became 0 are 0 too.
        let alive = weights.iter_mut().rev().take_while(|weight| **weight > 0.0);
        alive.for_each(|weight| *weight /= newest);
    }
}

/// `sum_i x_i E[(A - room_i)+]`; `excess[m]` is E[(A - m)+].
fn lost_per_departure(left_behind: &[f64], excess: &[f64], places: usize) -> f64 {
    let room = |left: usize| places - left.max(1);
    let lost = left_behind.iter().enumerate();
    lost.map(|(left, share)| share * excess.get(room(left)).copied().unwrap_or(0.0)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::mm1k;
    use super::super::testing::{assert_close, stationary};
    use super::*;

    /// Arrivals during an exponential service are geometric.
    fn geometric(load: f64) -> Vec<f64> {
        let ratio = load / (1.0 + load);
        std::iter::successors(Some(1.0 / (1.0 + load)), |p| Some(p * ratio)).take_while(|p| *p > 1e-300).collect()
    }

    #[test]
    fn exponential_service_gives_the_closed_form() {
        for load in [0.1, 0.9, 1.0, 1.5, 20.0] {
            for places in [1, 2, 8, 300, 4096] {
                let chain = Chain::solve(&geometric(load), places).predict("chain", load);
                let closed = mm1k::predict(load, places).unwrap();
                assert_close(chain.loss_ratio, closed.loss_ratio, 1e-9);
                assert_close(chain.sojourn_mean, closed.sojourn_mean, 1e-9);
                assert_close(chain.throughput, closed.throughput, 1e-9);
                assert_close(chain.occupancy_mean, closed.occupancy_mean, 1e-9);
            }
        }
    }

    #[test]
    fn agrees_with_the_whole_transition_matrix() {
        // An arbitrary distribution of arrivals, mean 1.1, with a gap in it.
        let arrivals = [0.4, 0.3, 0.0, 0.3 * 0.8, 0.06];
        let load: f64 = arrivals.iter().enumerate().map(|(j, a)| j as f64 * a).sum();
        for places in 1..12usize {
            let mut matrix = vec![vec![0.0; places]; places];
            for (left, row) in matrix.iter_mut().enumerate() {
                let begin = left.max(1);
                for (j, chance) in arrivals.iter().enumerate() {
                    row[(begin + j).min(places) - 1] += chance;
                }
            }
            let solved = stationary(matrix);
            let chain = Chain::solve(&arrivals, places as u32);
            for (a, b) in chain.left_behind.iter().zip(&solved) {
                assert_close(*a, *b, 1e-12);
            }
            // Arrivals per departure, computed from the arrivals instead of the losses.
            assert_close(1.0 + chain.lost, load + solved[0], 1e-12);
        }
    }
}
