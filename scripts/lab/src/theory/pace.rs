//! A constant rate as an exact fraction, so that a million packets do not drift.

use super::ParameterError;
use super::error;

/// `packets` packets in every `ns` nanoseconds, evenly spaced, the first at time 0.
///
/// It is a fraction, because the time between packets need not be a whole number of nanoseconds: 1538 B at 1 Gbit/s are
/// 12 304 ns a packet, but three packets in 10 ns are not a whole number apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Nanoseconds; above 0.
    ns: u64,
    /// Packets in that time; above 0.
    packets: u64,
}

impl Pace {
    /// One packet every `ns` nanoseconds.
    ///
    /// # Errors
    /// When `ns` is 0.
    pub fn every(ns: u64) -> Result<Self, ParameterError> {
        Self::of(1, ns)
    }

    /// `packets` packets in every `ns` nanoseconds.
    ///
    /// # Errors
    /// When either is 0.
    pub fn of(packets: u64, ns: u64) -> Result<Self, ParameterError> {
        error::nanoseconds("interarrival_ns", ns)?;
        if packets == 0 {
            return Err(ParameterError::CountOutOfRange {
                parameter: "packets per interval",
                value: 0,
                low: 1,
                high: u64::MAX,
                remedy: "give at least one packet, or leave the flow out",
            });
        }
        Ok(Self { ns, packets })
    }

    /// The arrival time of packet `index` (from 0), rounded down to a nanosecond; `None` if it exceeds 64 bits.
    #[must_use]
    pub fn arrival_ns(&self, index: u64) -> Option<u64> {
        let exact = u128::from(index) * u128::from(self.ns) / u128::from(self.packets);
        u64::try_from(exact).ok()
    }

    /// Whether packets are a whole number of nanoseconds apart.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.ns.is_multiple_of(self.packets)
    }

    /// The time between packets in ticks of `1 / packets` nanoseconds, which is a whole number.
    pub(super) fn interarrival_ticks(&self) -> u128 {
        u128::from(self.ns)
    }

    /// `ns` nanoseconds in the same ticks.
    pub(super) fn ticks(&self, ns: u64) -> u128 {
        u128::from(ns) * u128::from(self.packets)
    }

    /// The load on a server that takes `service_ns` for each packet.
    #[must_use]
    pub fn load(&self, service_ns: u64) -> f64 {
        self.ticks(service_ns) as f64 / self.interarrival_ticks() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_drift() {
        let pace = Pace::of(3, 10).unwrap();
        let first: Vec<_> = (0..5).filter_map(|i| pace.arrival_ns(i)).collect();
        assert_eq!(first, [0, 3, 6, 10, 13]);
        assert_eq!(pace.arrival_ns(3_000_000_000), Some(10_000_000_000));
        assert_eq!(pace.arrival_ns(u64::MAX), None);
        assert!((pace.load(5) - 1.5).abs() < 1e-15);
    }

    #[test]
    fn refuses_zero_packets_and_zero_time() {
        assert!(Pace::every(0).is_err());
        let text = Pace::of(0, 5).unwrap_err().to_string();
        assert!(text.starts_with("packets per interval is 0"), "{text}");
    }
}
