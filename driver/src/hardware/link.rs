//! The link: how long each frame takes it, to a part of a nanosecond.

use shared::ring::Descriptor;
use shared::units::{LinkRate, Nanos, wire_bits};

use super::stall::{Stalls, Worked};
use super::{Config, Service};

/// Serves one frame after the other.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Bits a second; `None` takes no time at all.
    rate: Option<u64>,
    service: Service,
    seed: u64,
    stalls: Stalls,
    /// When the last frame's service ended, rounded down.
    free: Nanos,
    /// What rounding took off `free`, in parts of a nanosecond of which `rate` make a whole one.
    /// Carried along, so that the long-run rate is exact.
    part: u64,
}

/// When and how a frame was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) end: Nanos,
    pub(super) busy: Nanos,
    pub(super) stalled: Nanos,
}

impl Link {
    pub(super) fn new(config: &Config, origin: Nanos) -> Self {
        let rate = match config.link {
            LinkRate::Unlimited => None,
            LinkRate::Limited(rate) => Some(rate.0.max(1)),
        };
        let stalls = Stalls::new(config.stall, origin);
        Self { rate, service: config.service, seed: config.seed, stalls, free: origin, part: 0 }
    }

    /// Since when the link has had nothing to do at `now`; `None` if it has, or if its time is
    /// worth nothing because it is unlimited.
    pub(super) fn idle_since(&self, now: Nanos) -> Option<Nanos> {
        (self.rate.is_some() && self.free < now).then_some(self.free)
    }

    /// Serves a frame that is there at `now`, as soon as those before it are done.
    pub(super) fn serve(&mut self, frame: &Descriptor, now: Nanos) -> Served {
        let (start, carried) = if now > self.free { (now, 0) } else { (self.free, self.part) };
        let (span, part) = self.span(frame, carried);
        let Worked { end, stalled } = self.stalls.work(start, span, part > 0);
        self.free = end;
        self.part = part;
        Served { end, busy: end.since(start).since(stalled), stalled }
    }

    /// Whether a frame that is there at the same time as the last one, which was `served`, is served like it: if
    /// frames take no time, it starts and ends where that one ended.
    pub(super) fn serves_alike(&self, served: &Served) -> bool {
        self.rate.is_none() && served.stalled == Nanos::ZERO
    }

    /// Service time, `carried` parts included: whole nanoseconds, and parts of one.
    fn span(&self, frame: &Descriptor, carried: u64) -> (Nanos, u64) {
        let Some(rate) = self.rate else { return (Nanos::ZERO, 0) };
        let scaled = u128::from(wire_bits(frame.len as usize)) * 1_000_000_000;
        let work = match self.service {
            Service::Fixed => scaled,
            // Positive, and far below what would lose whole parts to the float.
            Service::Exponential => (scaled as f64 * unit_exponential(self.seed, frame)) as u128,
        };
        let total = work + u128::from(carried);
        let whole = u64::try_from(total / u128::from(rate)).unwrap_or(u64::MAX);
        // A remainder of a division by `rate` fits where `rate` fits.
        (Nanos(whole), (total % u128::from(rate)) as u64)
    }
}

/// An exponential draw of mean 1 that depends on nothing but seed, flow and sequence number: the
/// same packet takes the same time under every policy and depth.
fn unit_exponential(seed: u64, frame: &Descriptor) -> f64 {
    let hash = mix(mix(mix(seed) ^ u64::from(frame.flow)) ^ frame.sequence);
    // 53 bits, shifted off zero: a uniform value in (0, 1].
    let uniform = ((hash >> 11) + 1) as f64 / (1u64 << 53) as f64;
    -uniform.ln()
}

/// The output step of splitmix64.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
        let ends: Vec<_> = (0..3).map(|_| link.serve(&frame(1514, 0), Nanos(0)).end.0).collect();
        assert_eq!(ends, [12_304, 24_608, 36_912]);
    }

    #[test]
    fn parts_of_a_nanosecond_do_not_add_up() {
        let mut link = link("10Gbit", Service::Fixed);
        let ends: Vec<_> = (0..5).map(|_| link.serve(&frame(1514, 0), Nanos(0)).end.0).collect();
        assert_eq!(ends, [1_230, 2_460, 3_691, 4_921, 6_152]);
        // Handed over one by one, each as the one before it is reported.
        let mut now = Nanos(6_152);
        for _ in 0..1_000 {
            now = link.serve(&frame(1514, 0), now).end;
        }
        assert_eq!(now, Nanos(1_005 * 12_304 / 10));
    }

    #[test]
    fn an_unlimited_link_takes_no_time_and_is_never_idle() {
        let mut link = link("unlimited", Service::Fixed);
        assert_eq!(link.serve(&frame(1514, 0), Nanos(9)).end, Nanos(9));
        assert_eq!(link.idle_since(Nanos(99)), None);
    }

    #[test]
    fn exponential_times_have_the_right_mean_and_spread() {
        let draws: Vec<f64> = (0..200_000).map(|n| unit_exponential(7, &frame(0, n))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let spread = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        // Five standard errors: 1/sqrt(n), and sqrt(8/n) for the variance.
        assert!((mean - 1.0).abs() < 5.0 / 447.0, "{mean}");
        assert!((spread - 1.0).abs() < 5.0 * 2.83 / 447.0, "{spread}");
    }

    #[test]
    fn a_draw_depends_on_flow_sequence_and_seed_and_nothing_else() {
        let base = Descriptor { len: 100, flow: 1, sequence: 2, submitted: Nanos(3) };
        let draw = unit_exponential(5, &base);
        assert_eq!(draw, unit_exponential(5, &Descriptor { len: 200, submitted: Nanos(4), ..base }));
        assert_ne!(draw, unit_exponential(6, &base));
        assert_ne!(draw, unit_exponential(5, &Descriptor { flow: 2, ..base }));
        assert_ne!(draw, unit_exponential(5, &Descriptor { sequence: 3, ..base }));
    }
}
