//! Random numbers as a pure function of a seed and of what they are for.
//!
//! The hardware model draws no number from a sequence: each is a hash of the seed, a stream and a number within that stream. So
//! the same frame takes the same time, and the same stall begins and ends at the same time, whatever else happened.

/// What a number is for. Those of frames are drawn from the stream of their flow, so the others begin above all flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The service times of a flow; numbered by sequence.
    Flow(u32),
    /// The times from the end of a stall to the beginning of the next.
    StallGaps,
    /// The lengths of the stalls.
    StallLengths,
    /// Where in its first period the session begins.
    StallPhase,
}

/// A number of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Draw(u64);

impl Draw {
    /// Number `number` of `stream`, from `seed`.
    pub fn new(seed: u64, stream: Stream, number: u64) -> Self {
        let stream = match stream {
            Stream::Flow(flow) => u64::from(flow),
            Stream::StallGaps => 1 << 32,
            Stream::StallLengths => 2 << 32,
            Stream::StallPhase => 3 << 32,
        };
        Self(mix(mix(mix(seed) ^ stream) ^ number))
    }

    /// Uniform in [0, 1).
    pub fn uniform(self) -> f64 {
        // The upper 53 bits, which a float holds exactly.
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Exponential with mean 1.
    pub fn exponential(self) -> f64 {
        // Plus 1: a uniform value in (0, 1], never zero, which has no logarithm.
        let uniform = ((self.0 >> 11) + 1) as f64 / (1u64 << 53) as f64;
        -uniform.ln()
    }
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

    const STREAMS: [Stream; 5] =
        [Stream::Flow(0), Stream::Flow(u32::MAX), Stream::StallGaps, Stream::StallLengths, Stream::StallPhase];

    /// Mean and variance of 200 000 draws, which must be within five standard errors of those of the distribution.
    fn has_moments(draw: impl Fn(Draw) -> f64, mean: f64, variance: f64, fourth: f64) {
        let count = 200_000u32;
        for stream in STREAMS {
            let draws: Vec<f64> = (0..count).map(|n| draw(Draw::new(7, stream, n.into()))).collect();
            let found = draws.iter().sum::<f64>() / f64::from(count);
            let spread = draws.iter().map(|x| (x - found).powi(2)).sum::<f64>() / f64::from(count);
            // The standard error of a mean, and that of a variance from the fourth central moment.
            let [of_mean, of_variance] =
                [variance, fourth - variance * variance].map(|v| (v / f64::from(count)).sqrt());
            assert!((found - mean).abs() < 5.0 * of_mean, "{stream:?}: mean {found}");
            assert!((spread - variance).abs() < 5.0 * of_variance, "{stream:?}: variance {spread}");
        }
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        has_moments(Draw::exponential, 1.0, 1.0, 9.0);
        has_moments(Draw::uniform, 0.5, 1.0 / 12.0, 1.0 / 80.0);
    }

    #[test]
    fn a_draw_depends_on_seed_stream_and_number() {
        let draw = |seed, stream, number| Draw::new(seed, stream, number).0;
        let base = draw(5, Stream::Flow(1), 2);
        assert_eq!(base, draw(5, Stream::Flow(1), 2));
        assert_ne!(base, draw(6, Stream::Flow(1), 2));
        assert_ne!(base, draw(5, Stream::Flow(2), 2));
        assert_ne!(base, draw(5, Stream::Flow(1), 3));
        for (at, stream) in STREAMS.into_iter().enumerate() {
            assert!(STREAMS[..at].iter().all(|other| draw(5, *other, 2) != draw(5, stream, 2)), "{stream:?}");
        }
    }
}
