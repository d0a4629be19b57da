//! Little's law, as a formula and as an exact identity of integers.
//!
//! Source: Little, *Operations Research* 9, 1961, `L = lambda W`; the identity over a finite run is from Stidham
//! (*Operations Research* 22, 1974). Between two moments at which the system is empty, the area under the occupancy
//! curve, in packet-nanoseconds, *is* the sum of the sojourns: both count the same (packet, nanosecond) pairs. So the
//! check needs no tolerance, and an error of one nanosecond in one packet fails it.

/// L = lambda W: the mean number of packets present, from the rate of accepted packets and their mean sojourn, both
/// in the same unit of time.
#[must_use]
pub fn occupancy_mean(accepted_rate: f64, sojourn_mean: f64) -> f64 {
    accepted_rate * sojourn_mean
}

/// Why an occupancy curve is invalid, or does not match the sojourns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LittleError {
    /// An event before the previous one.
    #[error("an event at {at_ns} ns follows one at {now_ns} ns; pass entries and exits in the order of time")]
    Backwards {
        /// The time of the event.
        at_ns: u64,
        /// The time of the previous event.
        now_ns: u64,
    },
    /// A packet left while none was present.
    #[error("a packet left at {at_ns} ns when none was present; count entries before exits")]
    LeftEmpty {
        /// The time at which it left.
        at_ns: u64,
    },
    /// Packets are present at the end: the identity holds only from empty to empty.
    #[error("{present} packets are still present; let the run drain before checking")]
    NotEmpty {
        /// How many are present.
        present: u64,
    },
    /// The area differs from the sum of the sojourns.
    #[error(
        "occupancy integrates to {area} packet-ns, but the sojourns sum to {sojourns} ns; \
         one of the two meters is wrong"
    )]
    Mismatch {
        /// Area under the occupancy curve.
        area: u128,
        /// Sum of the sojourns.
        sojourns: u128,
    },
}

/// The area under the occupancy curve. Entries and exits must be passed in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// Time of the latest event.
    now_ns: u64,
    /// Packets present since then.
    present: u64,
    /// Packet-nanoseconds until then.
    area: u128,
}

impl Occupancy {
    /// Counts a packet that enters.
    ///
    /// # Errors
    /// When `at_ns` is before an earlier event.
    pub fn enter(&mut self, at_ns: u64) -> Result<(), LittleError> {
        self.advance(at_ns)?;
        self.present += 1;
        Ok(())
    }

    /// Counts a packet that leaves.
    ///
    /// # Errors
    /// When `at_ns` is before an earlier event, or no packet is present.
    pub fn leave(&mut self, at_ns: u64) -> Result<(), LittleError> {
        self.advance(at_ns)?;
        self.present = self.present.checked_sub(1).ok_or(LittleError::LeftEmpty { at_ns })?;
        Ok(())
    }

    /// Packet-nanoseconds so far.
    #[must_use]
    pub fn area(&self) -> u128 {
        self.area
    }

    /// Checks that the area equals the sum of the sojourns of all packets that entered.
    ///
    /// # Errors
    /// When packets are still present, or the two differ.
    pub fn check(&self, sojourn_sum_ns: u128) -> Result<(), LittleError> {
        if self.present > 0 {
            return Err(LittleError::NotEmpty { present: self.present });
        }
        if self.area != sojourn_sum_ns {
            return Err(LittleError::Mismatch { area: self.area, sojourns: sojourn_sum_ns });
        }
        Ok(())
    }

    fn advance(&mut self, at_ns: u64) -> Result<(), LittleError> {
        let elapsed = at_ns.checked_sub(self.now_ns).ok_or(LittleError::Backwards { at_ns, now_ns: self.now_ns })?;
        self.area += u128::from(elapsed) * u128::from(self.present);
        self.now_ns = at_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lindley::Lindley;
    use super::super::testing::{Draws, assert_close};
    use super::super::{Model, Pace};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_model_satisfies_littles_law() {
        let pace = Pace::of(3, 20_000).unwrap();
        for model in [
            Model::Dd1k { pace, service_ns: 12_304, places: 8 },
            Model::Mm1k { load: 1.2, places: 8 },
            Model::Md1k { load: 1.2, places: 8 },
            Model::ErlangB { offered: 8.0, servers: 8 },
            Model::FiniteSource { sources: 4, ratio: 0.5 },
            Model::Mm1 { load: 0.7 },
            Model::Md1 { load: 0.7 },
        ] {
            let p = model.predict().unwrap();
            assert_close(occupancy_mean(p.throughput, p.sojourn_mean), p.occupancy_mean, 1e-12);
        }
    }

    #[test]
    fn invalid_curves_and_mismatches_are_reported() {
        let mut curve = Occupancy::default();
        assert_eq!(curve.leave(3), Err(LittleError::LeftEmpty { at_ns: 3 }));
        curve.enter(5).unwrap();
        assert_eq!(curve.check(0), Err(LittleError::NotEmpty { present: 1 }));
        assert_eq!(curve.enter(4), Err(LittleError::Backwards { at_ns: 4, now_ns: 5 }));
        curve.leave(9).unwrap();
        assert_eq!(curve.check(4), Ok(()));
        assert_eq!(curve.check(5), Err(LittleError::Mismatch { area: 4, sojourns: 5 }));
    }

    proptest! {
        #[test]
        fn the_identity_holds_to_the_nanosecond(seed: u64, places in 1u32..20, load in 1u64..30) {
            let mut draws = Draws(seed);
            let mut server = Lindley::new(places).unwrap();
            let mut at = 0;
            let mut events = Vec::new();
            for _ in 0..500 {
                at += draws.bits() % 1000;
                if let Some(departure) = server.offer(at, 1 + draws.bits() % (50 * load)).unwrap() {
                    events.push((at, true));
                    events.push((departure, false));
                }
            }
            // At equal times exits (false) sort before entries. No packet can leave before it has entered, because
            // every service takes at least 1 ns.
            events.sort_unstable();
            let mut curve = Occupancy::default();
            for (at, enters) in events {
                if enters { curve.enter(at) } else { curve.leave(at) }.unwrap();
            }
            prop_assert_eq!(curve.check(server.outcome().sojourn_sum_ns), Ok(()));
            prop_assert!(curve.check(server.outcome().sojourn_sum_ns + 1).is_err());
        }
    }
}
