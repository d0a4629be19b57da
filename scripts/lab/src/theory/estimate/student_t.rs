//! Quantiles of Student's t.
//!
//! Source: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4 (the finite series
//! for whole degrees of freedom), 26.7.5 (expansion about the normal quantile for many degrees), 26.2.11 (the normal
//! series). With `theta = atan(t / sqrt(nu))` the probability `A(theta)` that |T| is below t is
//!
//! ```text
//! A_1 = 2 theta / pi    A_2 = sin theta    A_{nu+2} = A_nu + (C_nu / nu) sin theta cos^nu theta
//! A_nu' = C_nu cos^(nu-1) theta    C_1 = 2 / pi    C_2 = 1    C_{nu+2} = C_nu (nu + 1) / nu
//! ```
//!
//! `A` rises and is concave, so Newton's steps from 0 approach the root from below and never pass it: neither a bracket
//! nor a starting guess is needed.

use super::{ParameterError, level};

/// From here on the expansion about the normal quantile is accurate to ten digits, and the series would be long.
const MANY: u64 = 1000;

/// The largest number of Newton's steps. Levels near [`level::MAX_LEVEL`] take some tens.
const MAX_STEPS: u32 = 300;

/// The t for which |T| is below t with probability `level`; mean +- t x standard error is the two-sided interval.
///
/// # Errors
/// When `level` is not above 0 and at most [`super::MAX_LEVEL`], or `degrees` is 0.
pub fn two_sided(level: f64, degrees: u64) -> Result<f64, ParameterError> {
    let level = level::check(level)?;
    check_degrees(degrees)?;
    if degrees >= MANY {
        return Ok(about_normal(normal_two_sided(level), degrees as f64));
    }
    let theta = climb(level, |theta| within(theta, degrees));
    Ok((degrees as f64).sqrt() * theta.tan())
}

/// The t for which T is below t with probability `chance`.
///
/// # Errors
/// When `chance` is closer to 0 or 1 than half of 1e-9, or `degrees` is 0.
pub fn quantile(chance: f64, degrees: u64) -> Result<f64, ParameterError> {
    let level = 2.0 * chance - 1.0;
    if level == 0.0 {
        return check_degrees(degrees).map(|()| 0.0);
    }
    Ok(two_sided(level.abs(), degrees)?.copysign(level))
}

fn check_degrees(degrees: u64) -> Result<(), ParameterError> {
    if degrees > 0 {
        return Ok(());
    }
    Err(ParameterError::CountOutOfRange {
        parameter: "degrees of freedom",
        value: 0,
        low: 1,
        high: u64::MAX,
        remedy: "make at least two replications",
    })
}

/// The probability that |T| is within `theta`, and its slope.
fn within(theta: f64, degrees: u64) -> (f64, f64) {
    let (sine, cosine) = theta.sin_cos();
    let (mut chance, mut scale, mut power) = if degrees.is_multiple_of(2) {
        (sine, 1.0, cosine * cosine)
    } else {
        let scale = std::f64::consts::FRAC_2_PI;
        (scale * theta, scale, cosine)
    };
    let first = if degrees.is_multiple_of(2) { 2 } else { 1 };
    for nu in (first..degrees).step_by(2) {
        let nu = nu as f64;
        chance += scale / nu * sine * power;
        scale *= (nu + 1.0) / nu;
        power *= cosine * cosine;
    }
    // `power` is cos^nu now.
    (chance, scale * power / cosine)
}

/// The z for which a standard normal variable is within z with probability `level`.
fn normal_two_sided(level: f64) -> f64 {
    climb(level, |z| {
        let slope = (2.0 / std::f64::consts::PI).sqrt() * (-0.5 * z * z).exp();
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > sum * f64::EPSILON {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        (slope * sum, slope)
    })
}

/// Abramowitz and Stegun 26.7.5: t from the normal quantile z, for many degrees of freedom.
fn about_normal(z: f64, degrees: f64) -> f64 {
    let s = z * z;
    let first = z * (s + 1.0) / 4.0;
    let second = z * ((5.0 * s + 16.0) * s + 3.0) / 96.0;
    let third = z * (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0;
    z + (first + (second + third / degrees) / degrees) / degrees
}

/// The point where a rising and concave curve that starts at 0 reaches `level`. `curve` returns value and slope.
fn climb(level: f64, curve: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut at = 0.0;
    for _ in 0..MAX_STEPS {
        let (value, slope) = curve(at);
        let step = (level - value) / slope;
        at += step;
        // Also true when rounding makes the last step slightly negative.
        if step <= at * f64::EPSILON {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::assert_close;
    use super::*;
    use proptest::prelude::*;

    /// Degrees, level, t: computed with 50 digits by mpmath 1.3 (bisection on the incomplete beta function).
    const REFERENCE: [(u64, f64, f64); 40] = [
        (1, 0.5, 1.0),
        (1, 0.95, 12.7062047361747),
        (1, 0.999, 636.619248768719),
        (1, 0.9999999, 6_366_197.727_026_65),
        (2, 0.5, 0.816496580927726),
        (2, 0.95, 4.30265272974946),
        (2, 0.999, 31.5990545764436),
        (2, 0.9999999, 3_162.277_423_829_79),
        (3, 0.5, 0.764892328404345),
        (3, 0.95, 3.18244630528371),
        (3, 0.999, 12.9239786366875),
        (3, 0.9999999, 280.425146202170),
        (7, 0.5, 0.711141778081786),
        (7, 0.95, 2.36462425159278),
        (7, 0.999, 5.40788252086172),
        (7, 0.9999999, 22.0397050864782),
        (10, 0.5, 0.699812061312432),
        (10, 0.95, 2.22813885198627),
        (10, 0.999, 4.58689385870264),
        (10, 0.9999999, 13.4394117603132),
        (31, 0.5, 0.682486306002572),
        (31, 0.95, 2.03951344639641),
        (31, 0.999, 3.63345634975833),
        (31, 0.9999999, 6.89140027647881),
        (100, 0.5, 0.676951043011471),
        (100, 0.95, 1.98397151852355),
        (100, 0.999, 3.39049131116423),
        (100, 0.9999999, 5.74397393604859),
        (999, 0.5, 0.674735410346719),
        (999, 0.95, 1.96234146113345),
        (999, 0.999, 3.30029244039874),
        (999, 0.9999999, 5.36613021110919),
        (1000, 0.5, 0.674735164607009),
        (1000, 0.95, 1.96233908082641),
        (1000, 0.999, 3.30028264842391),
        (1000, 0.9999999, 5.36609055346767),
        (5000, 0.5, 0.674538820360874),
        (5000, 0.95, 1.96043855170651),
        (5000, 0.999, 3.29247372337085),
        (5000, 0.9999999, 5.33455720039111),
    ];

    #[test]
    fn fifty_digit_reference() {
        for (degrees, level, expected) in REFERENCE {
            // The level has an error of 1e-16, which matters more the smaller the tail is.
            let tail = 1e-15 / (1.0 - level);
            assert_close(two_sided(level, degrees).unwrap(), expected, 1e-10_f64.max(10.0 * tail));
        }
    }

    #[test]
    fn printed_tables() {
        // Any textbook's table: two-sided 90, 95, 99 %.
        for (degrees, t90, t95, t99) in [
            (1, 6.314, 12.706, 63.657),
            (2, 2.920, 4.303, 9.925),
            (4, 2.132, 2.776, 4.604),
            (9, 1.833, 2.262, 3.250),
            (29, 1.699, 2.045, 2.756),
            (120, 1.658, 1.980, 2.617),
            (1_000_000_000, 1.645, 1.960, 2.576),
        ] {
            for (level, printed) in [(0.90, t90), (0.95, t95), (0.99, t99)] {
                let t = two_sided(level, degrees).unwrap();
                assert!((t - printed).abs() < 5.1e-4, "{degrees} {level}: {t}");
            }
        }
    }

    #[test]
    fn one_and_two_degrees_in_closed_form() {
        for chance in [0.5001, 0.6, 0.9, 0.999, 1.0 - 1e-9] {
            let turned = (std::f64::consts::PI * (chance - 0.5)).tan();
            assert_close(quantile(chance, 1).unwrap(), turned, 1e-6);
            let level = 2.0 * chance - 1.0;
            let two = level * (2.0 / (1.0 - level * level)).sqrt();
            assert_close(quantile(chance, 2).unwrap(), two, 1e-6);
        }
    }

    #[test]
    fn the_two_methods_meet() {
        for level in [0.01, 0.5, 0.95, 0.999, 1.0 - 1e-9] {
            let series = MANY as f64;
            let theta = climb(level, |theta| within(theta, MANY));
            assert_close(series.sqrt() * theta.tan(), two_sided(level, MANY).unwrap(), 1e-7);
        }
    }

    #[test]
    fn the_expansion_is_accurate_to_1e_6_at_forty_degrees() {
        // Here its terms are large enough for a wrong coefficient to show; the next term is about 1e-6.
        let theta = climb(0.95, |theta| within(theta, 40));
        let expanded = about_normal(normal_two_sided(0.95), 40.0);
        assert_close(40f64.sqrt() * theta.tan(), expanded, 1e-6);
    }

    #[test]
    fn refuses_parameters_without_a_quantile() {
        assert!(two_sided(0.95, 0).unwrap_err().to_string().contains("two replications"));
        for chance in [0.0, 1.0, 1.5, f64::NAN] {
            assert!(quantile(chance, 5).is_err(), "{chance}");
        }
        assert!(quantile(0.5, 0).is_err());
        assert_eq!(quantile(0.5, 5), Ok(0.0));
    }

    proptest! {
        #[test]
        fn is_the_inverse_of_the_probability(level in 0.001..0.9999f64, degrees in 1u64..400) {
            let t = two_sided(level, degrees).unwrap();
            let theta = (t / (degrees as f64).sqrt()).atan();
            assert_close(within(theta, degrees).0, level, 1e-12);
            assert_close(quantile(0.5 - level / 2.0, degrees).unwrap(), -t, 1e-9);
        }

        #[test]
        fn falls_with_the_degrees_and_rises_with_the_level(
            level in 0.01..0.99f64, more in 0.0001..0.009f64, degrees in 1u64..3000,
        ) {
            let t = two_sided(level, degrees).unwrap();
            prop_assert!(two_sided(level, degrees + 1).unwrap() < t);
            prop_assert!(two_sided(level + more, degrees).unwrap() > t);
        }
    }
}
