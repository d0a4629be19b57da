//! Spans of time: their distributions, and the random generator of an app that draws them.

use std::fmt;

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1, OpenClosed01, StandardUniform};
use rand_xoshiro::Xoshiro256PlusPlus;
use shared::units::{Nanos, Ratio};
use xxhash_rust::xxh3::xxh3_64;

/// The random generator of app number `index`. Seed and index are hashed together, so that apps and seeds with adjacent
/// numbers have unrelated sequences.
pub(super) fn generator(seed: u64, index: u32) -> Xoshiro256PlusPlus {
    let mut key = *b"app.............";
    key[4..12].copy_from_slice(&seed.to_le_bytes());
    key[12..].copy_from_slice(&index.to_le_bytes());
    Xoshiro256PlusPlus::seed_from_u64(xxh3_64(&key))
}

/// The distribution of a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Always the mean.
    Fixed,
    /// Exponentially distributed with that mean.
    Exponential,
    /// Pareto distributed with that mean and this shape alpha: a span longer than t has a probability that falls as
    /// t^-alpha. Below 2 the variance is infinite.
    Pareto(Ratio),
}

impl Shape {
    /// The shapes without a parameter.
    pub const ALL: [Self; 2] = [Self::Fixed, Self::Exponential];

    /// The spelling of every shape.
    pub const NAMES: [&'static str; 3] = [Self::Fixed.name(), Self::Exponential.name(), "pareto"];

    /// The least alpha. At 1 there is no mean; close to it nearly all spans are a small part of the mean, so that a
    /// schedule has to draw many.
    pub const LEAST_ALPHA: f64 = 1.01;

    /// The spelling in flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Exponential => "exponential",
            Self::Pareto(_) => "pareto",
        }
    }

    /// Whether spans depend on the seed.
    pub fn is_random(self) -> bool {
        self != Self::Fixed
    }
}

/// As the keys of an app that set it.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "distribution={}", self.name())?;
        match self {
            Self::Pareto(alpha) => write!(f, ",shape={alpha}"),
            Self::Fixed | Self::Exponential => Ok(()),
        }
    }
}

pub(super) fn draw_span(mean: Nanos, shape: Shape, generator: &mut Xoshiro256PlusPlus) -> Nanos {
    let unit: f64 = match shape {
        Shape::Fixed => return mean,
        Shape::Exponential => Exp1.sample(generator),
        Shape::Pareto(alpha) => pareto_of_mean_1(alpha.0, alpha.0, generator),
    };
    // A product above `u64::MAX` saturates: 584 years are as good as never.
    Nanos((unit * mean.0 as f64).round() as u64)
}

/// A Pareto draw with shape `exponent`, on the scale on which that of shape `alpha` has the mean 1.
fn pareto_of_mean_1(alpha: f64, exponent: f64, generator: &mut Xoshiro256PlusPlus) -> f64 {
    let uniform: f64 = OpenClosed01.sample(generator);
    (alpha - 1.0) / alpha * uniform.powf(-1.0 / exponent)
}

/// What is left of a random span in which one looks at a random time: long spans are met more often than short ones.
pub(super) fn draw_rest(mean: Nanos, shape: Shape, generator: &mut Xoshiro256PlusPlus) -> Nanos {
    let Shape::Pareto(alpha) = shape else {
        // An exponential span has no memory.
        return draw_span(mean, shape, generator);
    };
    let share: f64 = StandardUniform.sample(generator);
    // Weighted by its length, a Pareto span has a shape that is less by 1.
    let unit = share * pareto_of_mean_1(alpha.0, alpha.0 - 1.0, generator);
    Nanos((unit * mean.0 as f64).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN: f64 = 1e9;
    const DRAWS: usize = 200_000;

    fn draws(draw: fn(Nanos, Shape, &mut Xoshiro256PlusPlus) -> Nanos, shape: Shape) -> Vec<f64> {
        let mut generator = generator(9, 0);
        let one = || draw(Nanos(MEAN as u64), shape, &mut generator).0 as f64 / MEAN;
        std::iter::repeat_with(one).take(DRAWS).collect()
    }

    /// Mean and variance are within five standard errors; `kurtosis` is the fourth central moment over the square of the
    /// variance.
    fn has_moments(shape: Shape, variance: f64, kurtosis: f64) {
        let (drawn, count) = (draws(draw_span, shape), DRAWS as f64);
        let mean = drawn.iter().sum::<f64>() / count;
        let spread = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        assert!((mean - 1.0).abs() < 5.0 * (variance / count).sqrt(), "{shape}: mean {mean}");
        let error = variance * ((kurtosis - 1.0) / count).sqrt();
        assert!((spread - variance).abs() < 5.0 * error, "{shape}: variance {spread}");
    }

    #[test]
    fn spans_have_the_moments_of_their_distribution() {
        has_moments(Shape::Exponential, 1.0, 9.0);
        // Variance 1 / (a (a - 2)), excess kurtosis 6 (a^3 + a^2 - 6 a - 2) / (a (a - 3) (a - 4)).
        has_moments(Shape::Pareto(Ratio(9.0)), 1.0 / 63.0, 3.0 + 6.0 * 754.0 / 270.0);
        assert!(draws(draw_span, Shape::Fixed).iter().all(|span| *span == 1.0));
    }

    /// The share of spans longer than each time is within five standard deviations of its probability.
    fn has_tail(drawn: &[f64], tail: &[(f64, f64)]) {
        for (time, probability) in tail {
            let share = drawn.iter().filter(|span| *span > time).count() as f64 / DRAWS as f64;
            let deviation = (probability * (1.0 - probability) / DRAWS as f64).sqrt();
            assert!((share - probability).abs() < 5.0 * deviation, "longer than {time}: {share}, not {probability}");
        }
    }

    /// With shape 1.5, which has no variance: the least span is a third of the mean.
    #[test]
    fn heavy_tails_fall_as_a_power() {
        let shape = Shape::Pareto(Ratio(1.5));
        let drawn = draws(draw_span, shape);
        assert!(drawn.iter().all(|span| *span > 0.333));
        let beyond = |time: f64| (1.0 / 3.0 / time).powf(1.5);
        has_tail(&drawn, &[0.5, 1.0, 3.0, 30.0, 300.0].map(|time| (time, beyond(time))));
        // The rest of a span that is met at a random time: the integral of the above from the time on.
        let rest = |time: f64| time * beyond(time) / 0.5;
        has_tail(&draws(draw_rest, shape), &[(0.2, 0.8), (1.0, rest(1.0)), (10.0, rest(10.0)), (1e3, rest(1e3))]);
    }

    #[test]
    fn the_rest_of_an_exponential_span_is_exponential() {
        has_tail(&draws(draw_rest, Shape::Exponential), &[0.1f64, 1.0, 3.0].map(|time| (time, (-time).exp())));
    }
}
