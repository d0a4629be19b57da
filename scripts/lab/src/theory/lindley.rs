//! The exact outcome of one given sequence of packets at a FIFO server with K places, to the nanosecond.
//!
//! Source: the recursion of Lindley (*Proc. Cambridge Phil. Soc.* 48, 1952), extended by a bound on the places. Its
//! only state is the departure times of the last K accepted packets:
//!
//! ```text
//! packet i is accepted   if fewer than K were accepted, or the K-th last accepted one left at or before t_i
//! departure d = max(t_i, last departure) + s_i
//! ```
//!
//! It has no events, no queue and no clock, so it checks the simulator and the hardware model independently, for any
//! arrivals and any service times. At equal times completions come before arrivals: hence "at or before".

use std::collections::VecDeque;

use super::{ParameterError, error};

/// Why a sequence could not be computed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// An arrival before the previous one.
    #[error(
        "packet {index} arrives at {arrival_ns} ns, before the {previous_ns} ns of the one ahead of it; \
         sort the packets by arrival"
    )]
    OutOfOrder {
        /// The index of the packet, from 0.
        index: u64,
        /// Its arrival time.
        arrival_ns: u64,
        /// The arrival time of the packet before it.
        previous_ns: u64,
    },
    /// A time above 64 bits.
    #[error("packet {index} has a time above 2^64 ns; shorten the run, or start it closer to 0")]
    Overflow {
        /// The index of the packet, from 0.
        index: u64,
    },
}

/// Exact counts and sums of a sequence so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Packets that found a place.
    pub accepted: u64,
    /// Packets that found no place.
    pub dropped: u64,
    /// Sum of departure minus arrival over accepted packets, in nanoseconds.
    pub sojourn_sum_ns: u128,
    /// When the last accepted packet leaves (0 if there is none).
    pub last_departure_ns: u64,
}

impl Outcome {
    /// Dropped over offered; 0 if nothing was offered.
    #[must_use]
    pub fn loss_ratio(&self) -> f64 {
        match self.accepted + self.dropped {
            0 => 0.0,
            offered => self.dropped as f64 / offered as f64,
        }
    }

    /// Mean sojourn of accepted packets in nanoseconds; 0 if there is none.
    #[must_use]
    pub fn sojourn_mean_ns(&self) -> f64 {
        match self.accepted {
            0 => 0.0,
            accepted => self.sojourn_sum_ns as f64 / accepted as f64,
        }
    }
}

/// The recursion, one packet at a time.
#[derive(Debug, Clone)]
pub struct Lindley {
    /// K, including the packet in service.
    places: usize,
    /// Departures of the last K accepted packets, oldest first. It grows as needed, up to K.
    departures: VecDeque<u64>,
    /// The latest arrival, to detect arrivals out of order.
    previous_ns: u64,
    /// Counts and sums so far.
    outcome: Outcome,
}

impl Lindley {
    /// Creates an empty server with `places` places.
    ///
    /// # Errors
    /// When `places` is 0 or above [`super::MAX_PLACES`].
    pub fn new(places: u32) -> Result<Self, ParameterError> {
        Ok(Self {
            places: error::places("places", places)? as usize,
            departures: VecDeque::new(),
            previous_ns: 0,
            outcome: Outcome::default(),
        })
    }

    /// Offers the next packet. Returns its departure time, or `None` if it is dropped.
    ///
    /// # Errors
    /// When it arrives before the previous packet, or its departure is above 64 bits.
    pub fn offer(&mut self, arrival_ns: u64, service_ns: u64) -> Result<Option<u64>, SequenceError> {
        let index = self.outcome.accepted + self.outcome.dropped;
        if arrival_ns < self.previous_ns {
            return Err(SequenceError::OutOfOrder { index, arrival_ns, previous_ns: self.previous_ns });
        }
        self.previous_ns = arrival_ns;
        if self.departures.len() == self.places {
            if self.departures.front().is_some_and(|oldest| *oldest > arrival_ns) {
                self.outcome.dropped += 1;
                return Ok(None);
            }
            self.departures.pop_front();
        }
        let begin = arrival_ns.max(self.outcome.last_departure_ns);
        let departure = begin.checked_add(service_ns).ok_or(SequenceError::Overflow { index })?;
        self.departures.push_back(departure);
        self.outcome.accepted += 1;
        self.outcome.sojourn_sum_ns += u128::from(departure - arrival_ns);
        self.outcome.last_departure_ns = departure;
        Ok(Some(departure))
    }

    /// Counts and sums so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// Why [`fixed_service`] returned no outcome.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FixedServiceError {
    /// A parameter of the server is invalid.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The arrivals are invalid.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
}

/// Offers `packets` packets, of which the i-th (from 0) arrives at `arrival_ns(i)`, each served in `service_ns`.
/// `arrival_ns` returns `None` where the time is above 64 bits, as [`super::Pace::arrival_ns`] does.
///
/// # Errors
/// When `places` or `service_ns` is out of range, or the arrivals are out of order or above 64 bits.
pub fn fixed_service(
    packets: u64,
    arrival_ns: impl Fn(u64) -> Option<u64>,
    service_ns: u64,
    places: u32,
) -> Result<Outcome, FixedServiceError> {
    let service_ns = error::nanoseconds("service_ns", service_ns)?;
    let mut server = Lindley::new(places)?;
    for index in 0..packets {
        let arrival = arrival_ns(index).ok_or(SequenceError::Overflow { index })?;
        server.offer(arrival, service_ns)?;
    }
    Ok(server.outcome())
}

#[cfg(test)]
mod tests {
    use super::super::Pace;
    use super::super::testing::Draws;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        // Two places, service 10: at 0 and 1 accepted, at 2 full, at 10 the first has just left.
        let mut server = Lindley::new(2).unwrap();
        assert_eq!(server.offer(0, 10), Ok(Some(10)));
        assert_eq!(server.offer(1, 10), Ok(Some(20)));
        assert_eq!(server.offer(2, 10), Ok(None));
        assert_eq!(server.offer(10, 10), Ok(Some(30)));
        assert_eq!(server.offer(100, 7), Ok(Some(107)));
        let outcome = server.outcome();
        assert_eq!((outcome.accepted, outcome.dropped), (4, 1));
        assert_eq!(outcome.sojourn_sum_ns, 10 + 19 + 20 + 7);
        assert_eq!(outcome.last_departure_ns, 107);
        assert_eq!(outcome.loss_ratio(), 0.2);
        assert_eq!(outcome.sojourn_mean_ns(), 14.0);
    }

    #[test]
    fn the_tie_at_load_one() {
        // None or half are lost, depending on the order of simultaneous events. With completions first, none.
        let pace = Pace::every(10).unwrap();
        let outcome = fixed_service(1000, |i| pace.arrival_ns(i), 10, 1).unwrap();
        assert_eq!((outcome.accepted, outcome.dropped), (1000, 0));
        // A service one nanosecond longer loses half.
        let outcome = fixed_service(1000, |i| pace.arrival_ns(i), 11, 1).unwrap();
        assert_eq!((outcome.accepted, outcome.dropped), (500, 500));
    }

    #[test]
    fn an_invalid_sequence_is_reported() {
        let mut server = Lindley::new(1).unwrap();
        server.offer(5, 1).unwrap();
        let text = server.offer(4, 1).unwrap_err().to_string();
        assert!(text.starts_with("packet 1 arrives at 4 ns, before the 5 ns"), "{text}");
        assert_eq!(server.offer(u64::MAX, 1), Err(SequenceError::Overflow { index: 1 }));
        assert!(Lindley::new(0).is_err());
        assert!(fixed_service(1, Some, 0, 1).is_err());
        let beyond = fixed_service(1, |_| None, 1, 1).unwrap_err();
        assert!(beyond.to_string().contains("2^64 ns"), "{beyond}");
    }

    /// The same result computed by a plain event loop, as a simulator does it.
    fn events(packets: &[(u64, u64)], places: usize) -> (u64, u64, u128) {
        let mut queue: VecDeque<(u64, u64)> = VecDeque::new();
        let mut free_at = None;
        let (mut accepted, mut dropped, mut sojourn) = (0, 0, 0u128);
        let mut arrivals = packets.iter().copied().peekable();
        loop {
            let next = arrivals.peek().map(|(at, _)| *at);
            match (free_at, next) {
                (Some(done), at) if at.is_none_or(|at| done <= at) => {
                    let (since, _) = queue.pop_front().unwrap();
                    sojourn += u128::from(done - since);
                    free_at = queue.front().map(|(_, service)| done + service);
                }
                (_, Some(at)) => {
                    let (_, service) = arrivals.next().unwrap();
                    if queue.len() < places {
                        accepted += 1;
                        queue.push_back((at, service));
                        free_at = free_at.or(Some(at + service));
                    } else {
                        dropped += 1;
                    }
                }
                (_, None) => return (accepted, dropped, sojourn),
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_an_event_loop(seed: u64, places in 1u32..12, span in 1u64..40) {
            let mut draws = Draws(seed);
            let mut at = 0;
            let mut packets = Vec::new();
            for _ in 0..300 {
                // Short spans make simultaneous events frequent, which is where simulators differ.
                at += draws.bits() % span;
                packets.push((at, 1 + draws.bits() % 20));
            }
            let mut server = Lindley::new(places).unwrap();
            for (arrival, service) in &packets {
                server.offer(*arrival, *service).unwrap();
            }
            let outcome = server.outcome();
            let expected = events(&packets, places as usize);
            prop_assert_eq!((outcome.accepted, outcome.dropped, outcome.sojourn_sum_ns), expected);
        }
    }
}
