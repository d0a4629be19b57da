//! How many slots a ring has.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};

/// How many slots may be occupied at once: 1 to 65 536, any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct Depth(u32);

/// A depth that no ring can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not possible; use a whole number from 1 to {most}", most = Depth::MOST)]
pub struct DepthError(String);

impl Depth {
    /// The deepest ring.
    pub const MOST: u32 = 65_536;

    /// Checks `slots`.
    ///
    /// # Errors
    /// If it is 0 or above [`Depth::MOST`].
    pub fn new(slots: u32) -> Result<Self, DepthError> {
        if (1..=Self::MOST).contains(&slots) { Ok(Self(slots)) } else { Err(DepthError(slots.to_string())) }
    }

    /// The number of slots.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number of slots, as a length.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl FromStr for Depth {
    type Err = DepthError;

    fn from_str(text: &str) -> Result<Self, DepthError> {
        text.parse().ok().and_then(|slots| Self::new(slots).ok()).ok_or_else(|| DepthError(text.to_owned()))
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_depth_in_range_and_no_other() {
        for good in [1, 2, 3, 1000, 65_536] {
            assert_eq!(Depth::new(good).map(Depth::get), Ok(good));
        }
        for bad in ["0", "65537", "-1", "64Ki", ""] {
            let error = bad.parse::<Depth>().unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("1 to 65536"), "{error}");
        }
    }
}
