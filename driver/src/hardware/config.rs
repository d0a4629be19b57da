//! What hardware to model: the settings of a session's hardware.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::ring::Depth;
use shared::stalls::{StallSchedule, Stalls};
use shared::units::{LinkRate, Nanos};

use super::{Coalesce, Stall};

/// How long a frame occupies the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// For its bits at the link's rate.
    #[default]
    Fixed,
    /// For a random time, exponentially distributed with that time as its mean.
    Exponential,
}

impl Service {
    /// Whether service times depend on the seed.
    pub fn is_random(self) -> bool {
        self == Self::Exponential
    }
}

/// The hardware of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Most frames that the hardware holds at once: submitted and not completed.
    pub queue: Depth,
    /// Rate of the link.
    pub link: LinkRate,
    /// How long a frame occupies the link.
    pub service: Service,
    /// Time from the end of a frame on the link to its completion. The link is free meanwhile, but the frame stays in
    /// the queue.
    pub latency: Nanos,
    /// Intervals at which the link stops.
    pub stall: Option<Stall>,
    /// How many completions are reported together.
    pub coalesce: Coalesce,
    /// Seed of random service times and stalls.
    pub seed: u64,
}

impl Config {
    /// A queue in front of a link with fixed service times, and no other effect.
    pub fn new(queue: Depth, link: LinkRate) -> Self {
        Self {
            queue,
            link,
            service: Service::Fixed,
            latency: Nanos::ZERO,
            stall: None,
            coalesce: Coalesce::default(),
            seed: 0,
        }
    }

    /// When the hardware stalls in a session that began at `origin`; `None` if it does not.
    pub fn stalls(&self, origin: Nanos) -> Option<StallSchedule> {
        self.stall.map(|stall| StallSchedule { stall, seed: self.seed, origin })
    }

    /// Explains each setting that cannot have taken effect in a session of length `lasted`, on a ring of `depth` slots.
    pub fn without_effect(&self, depth: Depth, lasted: Nanos) -> Vec<String> {
        let mut found = Vec::new();
        let (frames, most) = (self.coalesce.frames(), self.queue.min(depth));
        if frames > most.get() {
            found.push(format!(
                "--coalesce {}: {frames} frames never finish together, because the ring and the hardware hold {most} \
                 at most, so each batch waits for its time; use frames={most} or less, or raise --depth and --hw-queue",
                self.coalesce
            ));
        }
        let first = Stalls::new(self.stall, self.seed, Nanos::ZERO).first();
        if let Some(stall) = self.stall.filter(|_| first.is_some_and(|first| lasted < first)) {
            found.push(format!(
                "--stall {stall}: the session was over before the first; stall more often, or run longer"
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_effect_are_named() {
        let found = |coalesce: &str, queue: u32, depth: u32| {
            let mut config = Config::new(Depth::new(queue).unwrap(), LinkRate::Unlimited);
            config.coalesce = coalesce.parse().unwrap();
            config.without_effect(Depth::new(depth).unwrap(), Nanos::ZERO)
        };
        for (coalesce, queue, depth, most) in
            [("frames=9,for=2ms", 256, 8, 8), ("frames=100,for=1us", 64, 1024, 64), ("frames=2,for=1s", 1, 1, 1)]
        {
            let said = found(coalesce, queue, depth).concat();
            assert!(said.contains(coalesce) && said.contains(&format!("use frames={most} or less")), "{said}");
        }
        for (coalesce, queue, depth) in
            [("frames=8,for=2ms", 256, 8), ("frames=64,for=1us", 64, 64), ("frames=1,for=0s", 1, 1)]
        {
            assert_eq!(found(coalesce, queue, depth), [""; 0], "{coalesce}");
        }
        let mut stalls = Config::new(Depth::new(8).unwrap(), LinkRate::Unlimited);
        stalls.stall = Some("every=40ms,for=3ms".parse().unwrap());
        let over = |lasted| stalls.without_effect(Depth::new(8).unwrap(), Nanos(lasted)).len();
        assert_eq!((over(39_999_999), over(40_000_000)), (1, 0));
        stalls.stall = Some("every=40ms,for=3ms,phase=10ms".parse().unwrap());
        let over = |lasted| stalls.without_effect(Depth::new(8).unwrap(), Nanos(lasted)).len();
        assert_eq!((over(29_999_999), over(30_000_000)), (1, 0));
    }
}
