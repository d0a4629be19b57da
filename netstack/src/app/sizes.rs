//! The sizes of an app's packets: as they are set, and the size of each packet.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_xoshiro::SplitMix64;
use shared::units::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::trace::Trace;

/// UDP payload of each packet: one size, or a mix of which each packet's is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Size and weight of each part; one part at least, and its weight is 1 if it is the only one.
    parts: Vec<(Bytes, u32)>,
}

impl Sizes {
    /// The most sizes of a mix.
    pub const MOST: usize = 64;
    /// The largest weight of a size.
    pub const MOST_WEIGHT: u32 = 1_000_000;

    /// One size, above zero.
    pub fn one(size: Bytes) -> Self {
        Self { parts: vec![(size, 1)] }
    }

    /// Different sizes above zero, each with its weight; `None` if that is not what `parts` are.
    pub fn mix(parts: Vec<(Bytes, u32)>) -> Option<Self> {
        let valid = |(at, (size, weight)): (usize, &(Bytes, u32))| {
            let new = parts[..at].iter().all(|(other, _)| other != size);
            new && size.0 > 0 && (1..=Self::MOST_WEIGHT).contains(weight)
        };
        let all_valid = parts.iter().enumerate().all(valid);
        match parts[..] {
            [(size, _)] if all_valid => Some(Self::one(size)),
            _ => ((1..=Self::MOST).contains(&parts.len()) && all_valid).then_some(Self { parts }),
        }
    }

    /// Reads a mix, spelled `64B:7/576B:4/1500B:1`.
    pub(super) fn read_mix(text: &str) -> Option<Self> {
        let part = |text: &str| {
            let (size, weight) = text.split_once(':')?;
            Some((size.parse().ok()?, weight.parse().ok()?))
        };
        // One more than allowed is enough to refuse the text.
        text.split('/').take(Self::MOST + 1).map(part).collect::<Option<_>>().and_then(Self::mix)
    }

    /// The size of every packet, if all have the same.
    pub fn only(&self) -> Option<Bytes> {
        match self.parts[..] {
            [(size, _)] => Some(size),
            _ => None,
        }
    }

    /// Each size with its weight.
    pub fn parts(&self) -> &[(Bytes, u32)] {
        &self.parts
    }

    /// The largest size.
    pub fn largest(&self) -> Bytes {
        self.parts.iter().map(|(size, _)| *size).max().unwrap_or_default()
    }

    /// The mean of `of` each size: the sum over all sizes by weight, and the sum of the weights.
    pub fn mean(&self, of: impl Fn(Bytes) -> u64) -> (u128, u128) {
        let sum = self.parts.iter().map(|(size, weight)| u128::from(of(*size)) * u128::from(*weight)).sum();
        (sum, u128::from(self.weight()))
    }

    fn weight(&self) -> u64 {
        self.parts.iter().map(|(_, weight)| u64::from(*weight)).sum()
    }

    /// The size of each packet of app number `app` in a run with `seed`. No size may exceed what a frame holds.
    pub(super) fn lengths(&self, seed: u64, app: u32) -> Lengths {
        let narrow = |size: Bytes| usize::try_from(size.0).unwrap_or(usize::MAX);
        if let Some(size) = self.only() {
            return Lengths::One(narrow(size));
        }
        let ends = self.parts.iter().scan(0, |end, (size, weight)| {
            *end += u64::from(*weight);
            Some((*end, narrow(*size)))
        });
        // Another key than that of the app's generator of times, so that the times are the same for every mix.
        let mut key = *b"size............";
        key[4..12].copy_from_slice(&seed.to_le_bytes());
        key[12..].copy_from_slice(&app.to_le_bytes());
        Lengths::Mix(Mix { ends: ends.collect(), weight: self.weight(), seed: xxh3_64(&key) })
    }
}

/// Bytes of Ethernet, IP and UDP headers in front of the payload in each frame to `to`.
pub(super) fn headers_to(to: SocketAddr) -> usize {
    if to.is_ipv6() { HEADERS_V6 } else { HEADERS_V4 }
}

/// Bytes of Ethernet, IPv4 and UDP headers.
pub(super) const HEADERS_V4: usize = 14 + 20 + 8;
/// Bytes of Ethernet, IPv6 and UDP headers.
const HEADERS_V6: usize = 14 + 40 + 8;

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.only() {
            return size.fmt(f);
        }
        for (at, (size, weight)) in self.parts.iter().enumerate() {
            write!(f, "{}{size}:{weight}", if at == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

/// The length of each payload of an app. It depends on the packet's number alone, so a packet that is offered again, or
/// in another order of calls, has the same length.
#[derive(Debug, Clone)]
pub(super) enum Lengths {
    /// All have the same.
    One(usize),
    /// Each is drawn.
    Mix(Mix),
    /// Each is recorded.
    Recorded(Arc<Trace>),
}

/// A mix of lengths.
#[derive(Debug, Clone)]
pub(super) struct Mix {
    /// Each length, behind the sum of the weights up to and including its own.
    ends: Vec<(u64, usize)>,
    /// The sum of all weights.
    weight: u64,
    seed: u64,
}

impl Lengths {
    /// The largest length.
    pub(super) fn largest(&self) -> usize {
        match self {
            Self::One(length) => *length,
            Self::Mix(mix) => mix.ends.iter().map(|(_, length)| *length).max().unwrap_or(0),
            // The cast cannot truncate: sizes of a trace have 32 bits.
            Self::Recorded(trace) => trace.largest().0 as usize,
        }
    }

    /// The length of packet number `sequence`.
    pub(super) fn of(&self, sequence: u64) -> usize {
        match self {
            Self::One(length) => *length,
            Self::Mix(mix) => mix.of(sequence),
            // No packet behind the last one is sent, whatever is its length.
            Self::Recorded(trace) => trace.packet(sequence).map_or(1, |packet| packet.size as usize),
        }
    }

    /// How many packets from number `first` on, `most` at most, have the length of the first of them.
    #[inline(always)]
    pub(super) fn run(&self, first: u64, most: u64) -> u64 {
        match self {
            Self::One(_) => most,
            Self::Mix(_) | Self::Recorded(_) => self.short_run(first, most),
        }
    }

    #[inline(never)]
    fn short_run(&self, first: u64, most: u64) -> u64 {
        let length = self.of(first);
        (1..most).find(|more| self.of(first.saturating_add(*more)) != length).unwrap_or(most)
    }
}

impl Mix {
    /// The state of this generator after n numbers is its seed plus n times this.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    fn of(&self, sequence: u64) -> usize {
        let state = self.seed.wrapping_add(sequence.wrapping_mul(Self::STEP));
        let drawn = SplitMix64::from_seed(state.to_le_bytes()).next_u64();
        // The upper half of the product is a number below `weight`, each as likely as any other to one in 2^38.
        let at = ((u128::from(drawn) * u128::from(self.weight)) >> 64) as u64;
        let part = self.ends.partition_point(|(end, _)| *end <= at);
        // The last end is `weight`, which `at` is below.
        self.ends.get(part).map_or(0, |(_, length)| *length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(text: &str) -> Sizes {
        Sizes::read_mix(text).unwrap()
    }

    #[test]
    fn a_mix_is_read_and_printed() {
        assert_eq!(mix("64B:7/0.5kB:4/1500B:1").to_string(), "64B:7/500B:4/1500B:1");
        assert_eq!((mix("64B:7"), mix("64B:7").to_string()), (Sizes::one(Bytes(64)), "64B".to_owned()));
        let most: Vec<_> = (1..=Sizes::MOST as u64).map(|size| (Bytes(size), Sizes::MOST_WEIGHT)).collect();
        let text = Sizes::mix(most.clone()).unwrap().to_string();
        assert!(Sizes::read_mix(&text).is_some() && Sizes::read_mix(&format!("{text}/65B:1")).is_none());
        for bad in [
            "",
            "64B",
            "64B/576B",
            "64B:0",
            "0B:1/2B:1",
            "64B:1/64B:2",
            "64B:1/",
            "64:1/65B:1",
            "64B:1000001",
            "64B:1/65B:-1",
            "64B:1/65B:1.5",
        ] {
            assert_eq!(Sizes::read_mix(bad), None, "{bad}");
        }
        assert_eq!(Sizes::mix(Vec::new()), None);
    }

    #[test]
    fn means_are_exact() {
        let sizes = mix("64B:7/576B:4/1500B:1");
        assert_eq!(sizes.mean(|size| size.0), (64 * 7 + 576 * 4 + 1500, 12));
        assert_eq!(sizes.largest(), Bytes(1500));
        assert_eq!(Sizes::one(Bytes(9)).mean(|size| size.0 * 2), (18, 1));
    }

    /// The share of each size is within five standard deviations of its weight's, and so is that of each pair of
    /// neighbours: sizes are independent.
    #[test]
    fn sizes_have_the_shares_of_their_weights() {
        let sizes = mix("64B:7/576B:4/1500B:1");
        let packets = 200_000u64;
        for (seed, app) in [(1, 0), (1, 1), (7, 0)] {
            let lengths = sizes.lengths(seed, app);
            let within = |share: f64, count: usize| {
                let deviation = (share * (1.0 - share) * packets as f64).sqrt();
                (count as f64 - share * packets as f64).abs() < 5.0 * deviation
            };
            for (size, weight) in sizes.parts() {
                let share = f64::from(*weight) / 12.0;
                let is = |packet: u64| lengths.of(packet) == size.0 as usize;
                assert!(within(share, (0..packets).filter(|packet| is(*packet)).count()), "{size} of {seed}");
                let pairs = (0..packets).filter(|packet| is(2 * packet) && is(2 * packet + 1)).count();
                assert!(within(share * share, pairs), "pairs of {size} of {seed}");
            }
        }
        let drawn = |seed, app| (0..50).map(|packet| sizes.lengths(seed, app).of(packet)).collect::<Vec<_>>();
        assert!(drawn(1, 0) != drawn(1, 1) && drawn(1, 0) != drawn(2, 0) && drawn(1, 1) != drawn(2, 0));
    }

    #[test]
    fn a_run_ends_at_the_first_packet_of_another_length() {
        let lengths = mix("1B:1/2B:1").lengths(3, 0);
        for first in 0..200 {
            let run = lengths.run(first, 8);
            assert!((1..=8).contains(&run));
            assert!((first..first + run).all(|packet| lengths.of(packet) == lengths.of(first)));
            assert!(run == 8 || lengths.of(first + run) != lengths.of(first));
        }
        assert_eq!(Sizes::one(Bytes(5)).lengths(1, 0).run(9, 64), 64);
    }
}
