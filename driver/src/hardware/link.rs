//! The link: when the transmission of each frame begins and ends, exact to a part of a nanosecond.

use shared::draw::{Draw, Stream};
use shared::ring::Descriptor;
use shared::stalls::{Extended, Stalls};
use shared::units::{LinkRate, Nanos, wire_bits};

use super::config::{Config, Service};

/// Transmits one frame after the other.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Bits per second; `None` is an unlimited link, on which a frame takes no time.
    rate: Option<u64>,
    service: Service,
    seed: u64,
    stalls: Stalls,
    /// When the last frame ended, rounded down to whole nanoseconds.
    free: Nanos,
    /// What the rounding took off `free`, in units of 1/`rate` nanoseconds. The next frame adds it to its own time, so
    /// that the rate over many frames is exact.
    part: u64,
    /// Cache: what a frame of the last length takes by itself, because consecutive frames mostly have one length.
    fixed: FixedTime,
}

/// The time of a frame whose service time is not random.
#[derive(Debug, Clone, Copy)]
struct FixedTime {
    len: u32,
    /// In whole nanoseconds, and the rest in units of 1/`rate` nanoseconds.
    span: Nanos,
    rest: u64,
}

/// When a frame occupied the link, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transmission {
    /// When its last bit was on the wire.
    pub(super) end: Nanos,
    /// For how long the link transmitted it.
    pub(super) busy: Nanos,
    /// For how long stalls kept the link from transmitting it.
    pub(super) stalled: Nanos,
}

impl Link {
    pub(super) fn new(config: &Config, origin: Nanos) -> Self {
        let rate = match config.link {
            LinkRate::Unlimited => None,
            LinkRate::Limited(rate) => Some(rate.0.max(1)),
        };
        let stalls = Stalls::new(config.stall, config.seed, origin);
        let fixed = FixedTime::of(0, rate.unwrap_or(1));
        Self { rate, service: config.service, seed: config.seed, stalls, free: origin, part: 0, fixed }
    }

    /// When the last frame ended, or ends.
    pub(super) fn free(&self) -> Nanos {
        self.free
    }

    /// Since when the link is idle at `now`; `None` if it transmits. An unlimited link is never idle, because idle time
    /// does not lessen what it can transmit.
    pub(super) fn idle_since(&self, now: Nanos) -> Option<Nanos> {
        (self.rate.is_some() && self.free < now).then_some(self.free)
    }

    /// Transmits a frame that is submitted at `now`, after the frames before it.
    #[inline(always)]
    pub(super) fn transmit(&mut self, frame: &Descriptor, now: Nanos) -> Transmission {
        let (start, carried) = if now > self.free { (now, 0) } else { (self.free, self.part) };
        let (span, part) = self.service_time(frame, carried);
        let Extended { end, stalled } = self.stalls.extend(start, span, part > 0);
        self.free = end;
        self.part = part;
        Transmission { end, busy: end.since(start).since(stalled), stalled }
    }

    /// Whether a next frame, submitted at the same time as the last one, gets the same transmission as the last one: it
    /// does if frames take no time, so that it begins and ends where the last one ended.
    pub(super) fn repeats(&self, last: &Transmission) -> bool {
        self.rate.is_none() && last.stalled == Nanos::ZERO
    }

    /// The service time of `frame`, `carried` parts of a nanosecond included: whole nanoseconds, and the parts left.
    #[inline(always)]
    fn service_time(&mut self, frame: &Descriptor, carried: u64) -> (Nanos, u64) {
        let Some(rate) = self.rate else { return (Nanos::ZERO, 0) };
        match self.service {
            Service::Fixed => {
                if self.fixed.len != frame.len {
                    self.fixed = FixedTime::of(frame.len, rate);
                }
                self.fixed.after(carried, rate)
            }
            Service::Exponential => self.random_time(frame, carried, rate),
        }
    }

    // Not inlined, because the compiler would convert the work to a float for frames of the other service too.
    #[inline(never)]
    fn random_time(&self, frame: &Descriptor, carried: u64, rate: u64) -> (Nanos, u64) {
        // The product is positive. A float has 53 bits, so the product is off by one in 2^53 at most: far less than a
        // random draw matters.
        let draw = Draw::new(self.seed, Stream::Flow(frame.flow), frame.sequence);
        let work = (work_of(frame.len) as f64 * draw.exponential()) as u128;
        divide(work + u128::from(carried), rate)
    }
}

impl FixedTime {
    #[cold]
    fn of(len: u32, rate: u64) -> Self {
        let (span, rest) = divide(work_of(len), rate);
        Self { len, span, rest }
    }

    /// The time and `carried` parts of a nanosecond together, without a division: both rests are less than `rate`, so
    /// they add up to less than two nanoseconds.
    #[inline(always)]
    fn after(&self, carried: u64, rate: u64) -> (Nanos, u64) {
        match carried.checked_sub(rate - self.rest) {
            Some(part) => (self.span + Nanos(1), part),
            None => (self.span, self.rest + carried),
        }
    }
}

/// What a frame of `len` bytes takes, in units of 1/`rate` nanoseconds.
fn work_of(len: u32) -> u128 {
    u128::from(wire_bits(len as usize)) * 1_000_000_000
}

/// `work` in whole nanoseconds, and the rest in units of 1/`rate` nanoseconds.
fn divide(work: u128, rate: u64) -> (Nanos, u64) {
    // Always, but for a random time of hours: one division of 64 bits takes a tenth of two of 128 bits.
    if let Ok(work) = u64::try_from(work) {
        return (Nanos(work / rate), work % rate);
    }
    let whole = u64::try_from(work / u128::from(rate)).unwrap_or(u64::MAX);
    // The remainder is less than `rate`, so it fits into the same type.
    (Nanos(whole), (work % u128::from(rate)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ring::Depth;

    fn frame(len: u32, sequence: u64) -> Descriptor {
        Descriptor { len, sequence, ..Descriptor::default() }
    }

    fn link(rate: &str, service: Service) -> Link {
        let config = Config { service, ..Config::new(Depth::new(1).unwrap(), rate.parse().unwrap()) };
        Link::new(&config, Nanos(0))
    }

    #[test]
    fn a_full_frame_takes_12304_ns_at_a_gigabit() {
        let mut link = link("1Gbit", Service::Fixed);
        let ends: Vec<_> = (0..3).map(|_| link.transmit(&frame(1514, 0), Nanos(0)).end.0).collect();
        assert_eq!(ends, [12_304, 24_608, 36_912]);
    }

    #[test]
    fn rounding_errors_do_not_accumulate() {
        let mut link = link("10Gbit", Service::Fixed);
        let ends: Vec<_> = (0..5).map(|_| link.transmit(&frame(1514, 0), Nanos(0)).end.0).collect();
        assert_eq!(ends, [1_230, 2_460, 3_691, 4_921, 6_152]);
        // Submitted one by one, each when the one before it ends.
        let mut now = Nanos(6_152);
        for _ in 0..1_000 {
            now = link.transmit(&frame(1514, 0), now).end;
        }
        assert_eq!(now, Nanos(1_005 * 12_304 / 10));
    }

    #[test]
    fn a_frame_takes_the_time_of_its_own_length_however_long_the_last_one_was() {
        for rate in [1, 7, 999_999_937, 3_333_333_333, 1_000_000_000_000] {
            let mut link = link("1Gbit", Service::Fixed);
            link.rate = Some(rate);
            link.fixed = FixedTime::of(0, rate);
            let (mut work, mut end) = (0, Nanos(0));
            for len in [60, 1514, 1514, 60, 61, 1000, 60, 1514] {
                work += work_of(len);
                end = link.transmit(&frame(len, 0), Nanos(0)).end;
                assert_eq!((end, link.part), divide(work, rate), "{len} B at {rate} bit/s");
            }
            assert!(end > Nanos(0));
        }
    }

    #[test]
    fn an_unlimited_link_takes_no_time_and_is_never_idle() {
        let mut link = link("unlimited", Service::Fixed);
        assert_eq!(link.transmit(&frame(1514, 0), Nanos(9)).end, Nanos(9));
        assert_eq!(link.idle_since(Nanos(99)), None);
    }

    /// The same packet takes the same time under every policy and depth.
    #[test]
    fn a_random_time_depends_on_flow_sequence_and_seed_and_nothing_else() {
        let time = |seed, frame: Descriptor| {
            let service = Service::Exponential;
            let config = Config { service, seed, ..Config::new(Depth::new(1).unwrap(), "1Gbit".parse().unwrap()) };
            Link::new(&config, Nanos(0)).transmit(&frame, Nanos(0)).busy
        };
        let base = Descriptor { len: 100, flow: 1, sequence: 2, submitted: Nanos(3) };
        let first = time(5, base);
        assert_eq!(first, time(5, Descriptor { submitted: Nanos(4), ..base }));
        assert_ne!(first, time(6, base));
        assert_ne!(first, time(5, Descriptor { flow: 2, ..base }));
        assert_ne!(first, time(5, Descriptor { sequence: 3, ..base }));
    }
}
