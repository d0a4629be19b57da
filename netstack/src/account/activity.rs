//! The time over which a rate is computed.

use shared::report::RateReport;
use shared::units::Nanos;

/// The time in which an app, or several apps together, were active: a rate is packets or bits divided by this time.
///
/// An app with a schedule is active from its first intended time to the intended time of the packet after its last one,
/// or to the end of offering if that comes first; or to its last completion if that is later than either. So n packets
/// at intervals of one second are a rate of 1/s, and not n / (n - 1). A closed loop has no next packet: it is active
/// from its first acceptance to its last completion, and has no rate below two packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    begin: Option<Nanos>,
    last_completion: Option<Nanos>,
    /// `None` for a closed loop.
    schedule_end: Option<Nanos>,
}

impl Activity {
    /// For an app whose schedule went from the intended time `first` to `end`.
    pub fn scheduled(first: Nanos, end: Nanos, last_completion: Option<Nanos>) -> Self {
        Self { begin: Some(first), last_completion, schedule_end: Some(end) }
    }

    /// For a closed loop.
    pub fn closed(first_accepted: Option<Nanos>, last_completion: Option<Nanos>) -> Self {
        Self { begin: first_accepted, last_completion, schedule_end: None }
    }

    /// The time in which either was active: from the earlier beginning to the later end.
    pub fn and(self, other: Self) -> Self {
        Self {
            begin: [self.begin, other.begin].into_iter().flatten().min(),
            last_completion: self.last_completion.max(other.last_completion),
            schedule_end: self.schedule_end.max(other.schedule_end),
        }
    }

    /// The same activity with its beginning set to `begin`.
    pub fn since(self, begin: Nanos) -> Self {
        Self { begin: Some(begin), ..self }
    }

    /// The rate of `packets` delivered packets with `bytes` of payload together; `None` where it is undefined.
    pub fn rate(self, packets: u64, bytes: u64) -> RateReport {
        let per_second = |count: f64| self.span(packets).map(|span| count / span.as_secs_f64());
        RateReport { packets_per_second: per_second(packets as f64), bits_per_second: per_second(bytes as f64 * 8.0) }
    }

    fn span(self, packets: u64) -> Option<Nanos> {
        if self.schedule_end.is_none() && packets < 2 {
            return None;
        }
        let end = self.last_completion.max(self.schedule_end)?;
        Some(end.since(self.begin?)).filter(|span| *span > Nanos::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Option<Nanos> {
        Some(Nanos(seconds * SECOND))
    }

    fn pps(activity: Activity, packets: u64) -> Option<f64> {
        activity.rate(packets, packets * 10).packets_per_second
    }

    #[test]
    fn a_schedule_includes_the_gap_after_its_last_packet() {
        for packets in [1, 2, 5, 1000] {
            let last = Nanos((packets - 1) * SECOND / 4 + 12);
            let even = Activity::scheduled(Nanos::ZERO, Nanos(packets * SECOND / 4), Some(last));
            assert_eq!(pps(even, packets), Some(4.0));
            assert_eq!(even.rate(packets, 10 * packets).bits_per_second, Some(320.0));
        }
        let behind = Activity::scheduled(Nanos(SECOND), Nanos(2 * SECOND), at(5));
        assert_eq!(pps(behind, 6), Some(1.5), "the last completion is later than the schedule");
        assert_eq!(pps(Activity::scheduled(Nanos(SECOND), Nanos(3 * SECOND), None), 0), Some(0.0));
    }

    #[test]
    fn a_closed_loop_has_a_rate_from_its_second_packet_on() {
        let closed = Activity::closed(at(2), at(4));
        assert_eq!([0, 1, 2, 5].map(|packets| pps(closed, packets)), [None, None, Some(1.0), Some(2.5)]);
        assert_eq!(pps(Activity::closed(at(2), at(2)), 5), None, "no time has passed");
        assert_eq!(pps(Activity::default(), 5), None);
    }

    #[test]
    fn together_apps_are_active_from_the_earliest_beginning_to_the_latest_end() {
        let schedule = Activity::scheduled(Nanos(SECOND), Nanos(5 * SECOND), at(4));
        let closed = Activity::closed(at(2), at(9));
        for both in [schedule.and(closed), closed.and(schedule)] {
            assert_eq!(pps(both, 16), Some(2.0));
            assert_eq!(pps(both.since(Nanos(5 * SECOND)), 16), Some(4.0));
        }
        assert_eq!(pps(schedule.and(Activity::closed(at(2), None)), 8), Some(2.0));
        assert_eq!(schedule.and(Activity::default()), schedule);
        assert_eq!(pps(Activity::closed(at(0), at(3)).and(Activity::closed(at(1), at(4))), 2), Some(0.5));
    }
}
