//! Fixed arrays of counters, and the equations they must satisfy.

use std::ops::AddAssign;

use super::{DropReason, RefuseReason};

/// What happened to the packets of one app, or of all apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets that an app wanted to send.
    pub offered: u64,
    /// Packets admitted to the device.
    pub accepted: u64,
    /// Packets that the hardware completed without error.
    pub delivered: u64,
    /// Payload bytes of the delivered packets.
    pub delivered_bytes: u64,
    /// Packets in the ring, the device's queue or the hardware when the run ended.
    pub in_flight: u64,
    /// Packets of unknown fate, because the peer died.
    pub lost: u64,
    /// Indexed by [`RefuseReason`].
    refused: [u64; RefuseReason::ALL.len()],
    /// Indexed by [`DropReason`].
    dropped: [u64; DropReason::ALL.len()],
}

/// An equation of the ledger that is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{whose}: {left} is {left_value}, but {right} is {right_value}")]
pub struct Imbalance {
    /// The owner of the counters: `totals`, an app's name, or `driver`.
    pub whose: String,
    /// Left side of the equation.
    pub left: &'static str,
    /// Its value.
    pub left_value: u64,
    /// Right side of the equation.
    pub right: &'static str,
    /// Its value.
    pub right_value: u64,
}

impl Counters {
    /// Counts `packets` refusals.
    pub fn refuse(&mut self, reason: RefuseReason, packets: u64) {
        self.refused[reason as usize] += packets;
    }

    /// Counts `packets` drops.
    pub fn drop_packets(&mut self, reason: DropReason, packets: u64) {
        self.dropped[reason as usize] += packets;
    }

    /// Refusals for `reason`.
    pub fn refused_for(&self, reason: RefuseReason) -> u64 {
        self.refused[reason as usize]
    }

    /// Drops for `reason`.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// All refusals.
    pub fn refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// All drops.
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Checks both equations.
    pub fn check(&self, whose: &str) -> Vec<Imbalance> {
        let fates = self.delivered + self.dropped() + self.in_flight + self.lost;
        [
            equal(whose, ("offered", self.offered), ("accepted + refused", self.accepted + self.refused())),
            equal(whose, ("accepted", self.accepted), ("delivered + dropped + in flight + lost", fates)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Imbalance {
    /// Returns an imbalance if the two counts, which must be equal, are not.
    pub fn between(whose: &str, left: (&'static str, u64), right: (&'static str, u64)) -> Option<Self> {
        equal(whose, left, right)
    }
}

fn equal(
    whose: &str,
    (left, left_value): (&'static str, u64),
    (right, right_value): (&'static str, u64),
) -> Option<Imbalance> {
    (left_value != right_value).then(|| Imbalance { whose: whose.to_owned(), left, left_value, right, right_value })
}

impl AddAssign<&Self> for Counters {
    fn add_assign(&mut self, other: &Self) {
        self.offered += other.offered;
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.delivered_bytes += other.delivered_bytes;
        self.in_flight += other.in_flight;
        self.lost += other.lost;
        for (mine, theirs) in self.refused.iter_mut().zip(other.refused) {
            *mine += theirs;
        }
        for (mine, theirs) in self.dropped.iter_mut().zip(other.dropped) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced() -> Counters {
        let mut counters =
            Counters { offered: 10, accepted: 7, delivered: 3, in_flight: 1, lost: 1, ..Counters::default() };
        counters.refuse(RefuseReason::WouldBlock, 2);
        counters.refuse(RefuseReason::GaveUp, 1);
        counters.drop_packets(DropReason::DeviceRingFull, 1);
        counters.drop_packets(DropReason::DeviceDeadline, 1);
        counters
    }

    #[test]
    fn balanced_counters_and_their_sums_pass_the_check() {
        let mut sum = balanced();
        sum += &balanced();
        assert_eq!(sum.check("totals"), []);
        assert_eq!((sum.refused(), sum.dropped()), (6, 4));
    }

    #[test]
    fn one_packet_too_many_anywhere_is_found() {
        let spoil: [fn(&mut Counters); 6] = [
            |c| c.offered += 1,
            |c| c.accepted += 1,
            |c| c.delivered += 1,
            |c| c.in_flight += 1,
            |c| c.lost += 1,
            |c| c.drop_packets(DropReason::DriverBadHeader, 1),
        ];
        for spoil in spoil {
            let mut counters = balanced();
            spoil(&mut counters);
            assert!(!counters.check("totals").is_empty());
        }
    }

    #[test]
    fn an_imbalance_names_the_numbers_that_differ() {
        let mut counters = balanced();
        counters.lost = 0;
        let texts: Vec<_> = counters.check("bulk-1").iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["bulk-1: accepted is 7, but delivered + dropped + in flight + lost is 6"]);
    }

    #[test]
    fn the_order_of_all_is_that_of_the_array_indices() {
        assert!(DropReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
        assert!(RefuseReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
    }
}
