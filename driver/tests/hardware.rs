//! The hardware model under random configurations, loads and polling times.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::num::NonZeroU32;

use driver::hardware::{Coalesce, Completed, Config, Hardware, QueueMemory, Service, Stall, Timing};
use proptest::prelude::*;
use shared::ring::{Depth, Descriptor};
use shared::units::{BitRate, LinkRate, Nanos, Phase, wire_bits};

fn config() -> impl Strategy<Value = Config> {
    let link = prop_oneof![
        1 => Just(LinkRate::Unlimited),
        3 => (1_000_000u64..100_000_000_000).prop_map(|rate| LinkRate::Limited(BitRate(rate))),
    ];
    let service = prop_oneof![Just(Service::Fixed), Just(Service::Exponential)];
    let timing =
        prop_oneof![Just(Timing::default()), Just(Timing::Fixed { phase: Phase::Random }), Just(Timing::Exponential),];
    let stall = proptest::option::of((2u64..2_000_000, 0.0f64..1.0, timing).prop_map(|(every, share, timing)| {
        let every = if timing == Timing::Exponential { every.max(Stall::SHORTEST_RANDOM.0) } else { every };
        let length = 1 + ((every - 2) as f64 * share) as u64;
        Stall::new(Nanos(every), Nanos(length), timing).unwrap()
    }));
    let coalesce = (1u32..20, 1u64..100_000)
        .prop_map(|(frames, within)| Coalesce::new(NonZeroU32::new(frames).unwrap(), Nanos(within)).unwrap());
    (1u32..40, link, service, 0u64..50_000, stall, coalesce, any::<u64>()).prop_map(
        |(queue, link, service, latency, stall, coalesce, seed)| Config {
            queue: Depth::new(queue).unwrap(),
            link,
            service,
            latency: Nanos(latency),
            stall,
            coalesce,
            seed,
        },
    )
}

fn frame(len: u32, sequence: u64, submitted: Nanos) -> Descriptor {
    Descriptor { len, flow: 0, sequence, submitted }
}

/// Takes all frames that the hardware still holds, in order.
fn drain(hardware: &mut Hardware) -> Vec<Completed> {
    std::iter::from_fn(|| hardware.complete(Nanos::MAX)).collect()
}

proptest! {
    /// Under any load, polled at any time: the queue stays within its bound, frames keep their order, times do not go
    /// back, and each submitted frame completes.
    #[test]
    fn bounded_ordered_and_complete(
        config in config(),
        moves in proptest::collection::vec((0u64..30_000, 14u32..1515, any::<bool>()), 1..300),
    ) {
        let origin = Nanos(5_000);
        let mut hardware = Hardware::new(&config, origin, QueueMemory::default());
        let (mut now, mut given, mut done) = (origin, Vec::new(), Vec::new());
        for (sequence, (gap, len, poll)) in moves.into_iter().enumerate() {
            now += Nanos(gap);
            if poll {
                done.extend(std::iter::from_fn(|| hardware.complete(now)));
                prop_assert!(hardware.next_completion().is_none_or(|at| at > now));
            }
            let has_room = hardware.has_room();
            prop_assert_eq!(hardware.submit(&frame(len, sequence as u64, now), now), has_room);
            if has_room { given.push((len, now)); }
            prop_assert!(hardware.held() <= config.queue.get() as usize);
            prop_assert_eq!(hardware.held(), given.len() - done.len());
        }
        done.extend(drain(&mut hardware));
        prop_assert_eq!(hardware.held(), 0);
        prop_assert_eq!(done.len(), given.len());
        for (done, (len, at)) in done.iter().zip(&given) {
            prop_assert_eq!(done.len, *len);
            prop_assert!(done.sent >= *at && done.at >= done.sent + config.latency);
        }
        prop_assert!(done.is_sorted_by_key(|done| done.at) && done.is_sorted_by_key(|done| done.sent));
        let report = hardware.report();
        prop_assert!(report.occupancy_max <= config.queue.get());
        prop_assert!(report.busy_ns + report.stalled_ns <= done.last().unwrap().sent.since(origin).0);
        prop_assert_eq!(report.starved_ns, 0, "every frame was handed over at once");
    }

    /// While the queue never runs empty, the times do not depend on when the hardware is polled.
    #[test]
    fn polling_late_or_early_changes_nothing(
        config in config(),
        lens in proptest::collection::vec(14u32..1515, 1..40),
        polls in proptest::collection::vec(0u64..200_000, 0..60),
    ) {
        let config = Config { queue: Depth::new(40).unwrap(), ..config };
        let mut polled = Hardware::new(&config, Nanos::ZERO, QueueMemory::default());
        for (sequence, len) in lens.iter().enumerate() {
            polled.submit(&frame(*len, sequence as u64, Nanos::ZERO), Nanos::ZERO);
        }
        let mut left_alone = polled.clone();
        let (mut now, mut done) = (Nanos::ZERO, Vec::new());
        for poll in polls {
            now += Nanos(poll);
            done.extend(std::iter::from_fn(|| polled.complete(now)));
        }
        done.extend(drain(&mut polled));
        prop_assert_eq!(done, drain(&mut left_alone));
        prop_assert_eq!(polled.report(), left_alone.report());
    }

    /// A link that gets its next frame at the last moment, just before it is idle, never loses a part of a nanosecond:
    /// the last bit is sent at the time that follows from the sum of all bits.
    #[test]
    fn the_rate_is_exact(rate in 1_000u64..1_000_000_000_000, lens in proptest::collection::vec(14u32..1515, 1..500)) {
        let link = LinkRate::Limited(BitRate(rate));
        let config = Config::new(Depth::new(1).unwrap(), link);
        let mut hardware = Hardware::new(&config, Nanos::ZERO, QueueMemory::default());
        let (mut now, mut bits) = (Nanos::ZERO, 0);
        for (sequence, len) in lens.iter().enumerate() {
            prop_assert!(hardware.submit(&frame(*len, sequence as u64, now), now));
            bits += wire_bits(*len as usize);
            now = hardware.next_completion().unwrap();
            prop_assert_eq!(now, BitRate(rate).time_for_bits(bits));
            prop_assert!(hardware.complete(now).is_some());
        }
        prop_assert_eq!(hardware.report().busy_ns, now.0);
    }
}
