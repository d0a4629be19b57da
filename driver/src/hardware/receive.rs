//! The receiving direction of the link: a model of when frames arrive, without I/O and without a clock.
//!
//! The link has the same rate in both directions. A frame is read from the backend when the receiving direction is free,
//! and then occupies it for its own time; so reading stops at the rate of the link, and the sender at the other side of
//! the interface waits. Late polling does not slow it down: as long as frames wait in the interface, each begins when the one before
//! it ends. But an idle link saves nothing up: a frame begins no earlier than the time at which the interface was last
//! seen empty, or at which no slot was free for it.
//!
//! ```
//! use driver::hardware::Reception;
//! use shared::units::Nanos;
//!
//! let mut link = Reception::new("1Gbit".parse()?, Nanos::ZERO);
//! // Three frames wait when the caller looks at last, at 100 us. Each takes 12304 ns.
//! let begun: Vec<_> = (0..3).map(|_| link.receive(1514).0).collect();
//! assert_eq!(begun, [0, 12_304, 24_608]);
//! assert_eq!(link.free(), Nanos(36_912));
//!
//! link.held_until(Nanos(100_000));
//! assert_eq!(link.receive(1514), Nanos(100_000), "the interface was empty: the time before is lost");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use shared::ring::{Depth, Descriptor};
use shared::units::{LinkRate, Nanos};

use super::config::Config;
use super::link::Link;

/// The state of the receiving direction in a session.
#[derive(Debug, Clone)]
pub struct Reception {
    link: Link,
    /// No frame begins before this time.
    held_until: Nanos,
}

impl Reception {
    /// An idle link of rate `link` in a session that begins at `origin`.
    pub fn new(link: LinkRate, origin: Nanos) -> Self {
        // Of the hardware, only the rate applies to frames that arrive: their service time is not random, and there are
        // no stalls.
        let config = Config::new(Depth::DEFAULT, link);
        Self { link: Link::new(&config, origin), held_until: origin }
    }

    /// When the next frame may begin: the caller reads none before.
    #[inline]
    pub fn free(&self) -> Nanos {
        self.link.free()
    }

    /// Since when the next frame may have waited, or is going to, unless the link is busy until later.
    #[inline]
    pub fn held(&self) -> Nanos {
        self.held_until
    }

    /// Until `at`, the interface was empty or no slot was free.
    #[inline]
    pub fn held_until(&mut self, at: Nanos) {
        self.held_until = self.held_until.max(at);
    }

    /// Receives a frame of `len` bytes that was read from the interface. Returns when it began to occupy the link.
    #[inline]
    pub fn receive(&mut self, len: usize) -> Nanos {
        // No frame is longer than the caller's buffer, which is far shorter than a u32 can say.
        let frame = Descriptor { len: len as u32, ..Descriptor::default() };
        let transmission = self.link.transmit(&frame, self.held_until);
        transmission.end.since(transmission.busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::units::wire_bits;

    fn link(rate: &str) -> Reception {
        Reception::new(rate.parse().unwrap(), Nanos(0))
    }

    #[test]
    fn a_backlog_is_received_at_the_rate_of_the_link_however_late_it_is_read() {
        let mut late = link("1Gbit");
        late.held_until(Nanos(500));
        let begun: Vec<_> = (0..4).map(|_| late.receive(1514).0).collect();
        assert_eq!(begun, [500, 12_804, 25_108, 37_412]);
        assert_eq!(late.free(), Nanos(49_716));
    }

    #[test]
    fn a_frame_behind_an_idle_time_begins_when_the_link_was_last_idle() {
        let mut link = link("1Gbit");
        assert_eq!(link.receive(60), Nanos(0));
        assert_eq!(link.free(), Nanos(672), "60 B take 84 B of the wire");
        link.held_until(Nanos(5_000));
        assert_eq!((link.receive(60), link.free()), (Nanos(5_000), Nanos(5_672)));
        link.held_until(Nanos(5_100));
        assert_eq!(link.receive(60), Nanos(5_672), "the interface was empty while the link was still busy");
    }

    #[test]
    fn an_unlimited_link_is_always_free() {
        let mut link = link("unlimited");
        link.held_until(Nanos(7));
        assert_eq!([link.receive(1514), link.receive(60), link.free()], [Nanos(7); 3]);
    }

    #[test]
    fn rounding_errors_do_not_accumulate() {
        let mut link = link("10Gbit");
        let begun: Vec<_> = (0..5).map(|_| link.receive(1514).0).collect();
        assert_eq!(begun, [0, 1_230, 2_460, 3_691, 4_921]);
        for _ in 0..9_995 {
            link.receive(1514);
        }
        assert_eq!(link.free(), Nanos(12_304_000));
    }

    proptest! {
        /// Whatever arrives when: frames do not overlap, none begins while the interface is known to be empty, and in
        /// no interval between two idle times is more received than the link can carry.
        #[test]
        fn the_rate_is_never_exceeded(
            steps in proptest::collection::vec((60usize..1515, proptest::option::of(0u64..50_000)), 1..200),
        ) {
            let rate = 1_000_000_000;
            let mut link = link("1Gbit");
            let (mut held, mut end, mut bits, mut since) = (Nanos(0), Nanos(0), 0, Nanos(0));
            for (len, pause) in steps {
                if let Some(pause) = pause {
                    held = held.max(link.free() + Nanos(pause));
                    link.held_until(held);
                    (bits, since) = (0, held);
                }
                let began = link.receive(len);
                prop_assert!(began >= end && began >= held);
                prop_assert_eq!(began, end.max(held), "and none begins later than it could");
                end = link.free();
                bits += wire_bits(len);
                // Times are rounded down to whole nanoseconds.
                prop_assert!(end.since(since).0 + 1 >= bits * 1_000_000_000 / rate);
            }
        }
    }
}
