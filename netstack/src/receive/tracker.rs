//! What the far end sees of the packets of apps: loss, reordering, duplicates.
//!
//! A pure value. The packets of each sender (an address and an app there) are numbered from 0, see
//! [`PayloadHeader`](crate::app::PayloadHeader). A number above all others so far may leave a gap: those in it are
//! *missing*, and, if they come later, *reordered* instead. A number that came before is a *duplicate*. A window of
//! numbers below the highest is remembered, as against replays in IPsec (RFC 4303, section 3.4.3); what is below the
//! window cannot be told apart, and is counted as *too late*.

use std::collections::HashMap;
use std::net::SocketAddr;

/// How many numbers below the highest are remembered.
const WINDOW: u64 = 1024;
const WORDS: usize = WINDOW as usize / 64;

/// How many senders are tracked: a peer can make up any number of them.
const MOST_SENDERS: usize = 1024;

/// The packets of all senders so far.
#[derive(Debug, Default)]
pub struct Tracker {
    senders: HashMap<(SocketAddr, u32), Sender>,
    totals: Tracked,
}

/// Counts of packets with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tracked {
    /// Packets that were tracked.
    pub packets: u64,
    /// Numbers below the highest of their sender that have not come.
    pub missing: u128,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets whose number had come before.
    pub duplicates: u64,
    /// Packets whose number is too far below the highest to be remembered: reordered, or duplicates.
    pub too_late: u64,
    /// Packets of senders beyond the number that is tracked.
    pub untracked: u64,
}

#[derive(Debug)]
struct Sender {
    /// The number after the highest. 128 bits, because the highest may be the largest of 64.
    next: u128,
    /// Whether each of the last [`WINDOW`] numbers below `next` has come: bit `n % WINDOW`.
    seen: [u64; WORDS],
}

impl Sender {
    fn new() -> Self {
        Self { next: 0, seen: [0; WORDS] }
    }

    fn bit(number: u64) -> (usize, u64) {
        // The cast cannot truncate: the remainder is below 1024.
        let at = (number % WINDOW) as usize;
        (at / 64, 1 << (at % 64))
    }

    /// Sets or clears the bit of `number`; returns whether it was set.
    fn replace(&mut self, number: u64, seen: bool) -> bool {
        let (word, bit) = Self::bit(number);
        let before = self.seen[word] & bit != 0;
        if seen {
            self.seen[word] |= bit
        } else {
            self.seen[word] &= !bit
        }
        before
    }
}

impl Tracker {
    /// A packet with number `sequence` of app `app` at `source` came.
    pub fn note(&mut self, source: SocketAddr, app: u32, sequence: u64) {
        let full = self.senders.len() >= MOST_SENDERS;
        let sender = match self.senders.get_mut(&(source, app)) {
            Some(sender) => sender,
            None if full => return self.totals.untracked += 1,
            None => self.senders.entry((source, app)).or_insert_with(Sender::new),
        };
        let totals = &mut self.totals;
        totals.packets += 1;
        let number = u128::from(sequence);
        if number >= sender.next {
            totals.missing += number - sender.next;
            // The numbers in the gap have not come; those before the window are forgotten. The cast cannot truncate: the
            // smaller of the two is at most `sequence`.
            let first = (sender.next as u64).max(sequence.saturating_sub(WINDOW - 1));
            for number in first..sequence {
                sender.replace(number, false);
            }
            sender.replace(sequence, true);
            sender.next = number + 1;
        } else if number + u128::from(WINDOW) < sender.next {
            totals.too_late += 1;
        } else if sender.replace(sequence, true) {
            totals.duplicates += 1;
        } else {
            totals.reordered += 1;
            totals.missing -= 1;
        }
    }

    /// The counts so far.
    pub fn totals(&self) -> Tracked {
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn peer(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn counts(numbers: &[u64]) -> (u128, u64, u64, u64) {
        let mut tracker = Tracker::default();
        numbers.iter().for_each(|number| tracker.note(peer(1), 0, *number));
        let Tracked { missing, reordered, duplicates, too_late, .. } = tracker.totals();
        (missing, reordered, duplicates, too_late)
    }

    #[test]
    fn gaps_reordering_and_duplicates_are_told_apart() {
        assert_eq!(counts(&[0, 1, 2, 3]), (0, 0, 0, 0));
        assert_eq!(counts(&[1, 3]), (2, 0, 0, 0));
        assert_eq!(counts(&[0, 2, 1, 3]), (0, 1, 0, 0));
        assert_eq!(counts(&[0, 0, 1, 1]), (0, 0, 2, 0));
        assert_eq!(counts(&[0, 2000, 1, 2000 - WINDOW, 2001 - WINDOW]), (1998, 1, 0, 2));
        assert_eq!(counts(&[u64::MAX, u64::MAX]), (u64::MAX.into(), 0, 1, 0));
    }

    #[test]
    fn senders_are_tracked_apart_and_only_so_many() {
        let mut tracker = Tracker::default();
        for app in 0..MOST_SENDERS as u32 {
            tracker.note(peer(1), app, 0);
        }
        tracker.note(peer(2), 0, 0);
        tracker.note(peer(1), 0, 1);
        let totals = tracker.totals();
        assert_eq!((totals.packets, totals.missing, totals.untracked), (MOST_SENDERS as u64 + 1, 0, 1));
    }

    proptest! {
        /// Against the definition, within the window.
        #[test]
        fn the_counts_are_those_of_a_set(numbers in prop::collection::vec(0..WINDOW, 1..300)) {
            let (mut came, mut reordered, mut duplicates, mut highest) = (HashSet::new(), 0, 0, None);
            for &number in &numbers {
                if !came.insert(number) {
                    duplicates += 1;
                } else if highest.is_some_and(|highest| number < highest) {
                    reordered += 1;
                }
                highest = highest.max(Some(number));
            }
            let missing = u128::from(highest.unwrap() + 1 - came.len() as u64);
            prop_assert_eq!(counts(&numbers), (missing, reordered, duplicates, 0));
        }
    }
}
