//! Nanoseconds: a span, or a point in time since the clock's origin.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::error::Quantity;
use super::scale::{Scale, Unit, spelled};

/// Nanoseconds, as a span or as a point in time since the origin of the clock that was read. Spelled
/// `12us` or `1.5ms`.
///
/// Arithmetic saturates, because times come from flags and from the peer, and no sum of them may panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, SerializeDisplay, DeserializeFromStr)]
pub struct Nanos(pub u64);

impl Nanos {
    /// A span of zero; also the origin of a virtual clock.
    pub const ZERO: Self = Self(0);
    /// The largest value: stands for a time that is never reached.
    pub const MAX: Self = Self(u64::MAX);

    /// From whole microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// From whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// In seconds, for texts and for rates.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.since(other)
    }
}

impl Sum for Nanos {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

const SCALE: Scale = Scale {
    quantity: Quantity::Time,
    base: "nanoseconds",
    units: &[Unit::new("s", 1_000_000_000), Unit::new("ms", 1_000_000), Unit::new("us", 1_000), Unit::new("ns", 1)],
    zero: true,
    bare: &["s", "ms", "us"],
    slip,
};

spelled!(Nanos, SCALE);

/// `S`, `sec` and `µs` are clear. `m` is ambiguous: minutes or milliseconds.
fn slip(unit: &str) -> &'static [u64] {
    match unit.to_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => &[1_000_000_000],
        "ms" | "msec" | "msecs" | "millis" | "milliseconds" => &[1_000_000],
        // The micro sign and the Greek letter, lower-cased.
        "us" | "\u{b5}s" | "\u{3bc}s" | "usec" | "usecs" | "micros" | "microseconds" => &[1_000],
        "ns" | "nsec" | "nsecs" | "nanos" | "nanoseconds" => &[1],
        "m" => &[1_000_000, 60_000_000_000],
        "min" | "mins" | "minutes" => &[60_000_000_000],
        "h" | "hours" => &[3_600_000_000_000],
        _ => &[],
    }
}
