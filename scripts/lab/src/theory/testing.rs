//! Helpers for the tests of this module: comparisons, a solver without closed forms, seeded random numbers.

/// Fails unless `a` and `b` differ by at most `relative` of the larger (or are both below 1e-300).
#[track_caller]
pub(crate) fn assert_close(a: f64, b: f64, relative: f64) {
    let scale = a.abs().max(b.abs()).max(1e-300);
    assert!((a - b).abs() <= relative * scale, "{a} and {b} differ by more than {relative}");
}

/// Fails unless `value`, rounded to as many decimals as `printed` has, is `printed`.
#[track_caller]
pub(crate) fn assert_digits(value: f64, printed: &str) {
    let decimals = printed.split('.').nth(1).map_or(0, str::len);
    assert_eq!(format!("{value:.decimals$}"), printed, "{value}");
}

/// The stationary distribution of a chain with these rates (or probabilities) from row to column, by the elimination of
/// Grassmann, Taksar and Heyman (*Operations Research* 33, 1985), which never subtracts. The diagonal is ignored.
pub(crate) fn stationary(mut rates: Vec<Vec<f64>>) -> Vec<f64> {
    let states = rates.len();
    for last in (1..states).rev() {
        let out: f64 = rates[last][..last].iter().sum();
        for from in 0..last {
            rates[from][last] /= out;
            for to in 0..last {
                rates[from][to] += rates[from][last] * rates[last][to];
            }
        }
    }
    let mut shares = vec![1.0];
    while shares.len() < states {
        let into = shares.len();
        let flow = shares.iter().zip(&rates).map(|(share, row)| share * row[into]).sum();
        shares.push(flow);
    }
    let total: f64 = shares.iter().sum();
    shares.iter().map(|share| share / total).collect()
}

/// SplitMix64 by Steele, Lea and Flood: good enough for a test, and the same on every machine.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number above 0 and at most 1.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, turn) = (self.exponential(2.0).sqrt(), self.unit());
        radius * (turn * std::f64::consts::TAU).cos()
    }
}
