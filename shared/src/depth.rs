//! How many slots a ring has, and how many must be free before senders that wait for room are served.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many slots may be occupied at once: 1 to 65 536, any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "u32", try_from = "u32")]
pub struct Depth(u32);

/// A depth that no ring can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not possible; use a whole number from 1 to {most}", most = Depth::MOST)]
pub struct DepthError(String);

impl Depth {
    /// The deepest ring.
    pub const MOST: u32 = 65_536;

    /// The depth of a ring for which none is set.
    pub const DEFAULT: Self = Self(1_024);

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

impl From<Depth> for u32 {
    fn from(depth: Depth) -> Self {
        depth.get()
    }
}

impl TryFrom<u32> for Depth {
    type Error = DepthError;

    fn try_from(slots: u32) -> Result<Self, DepthError> {
        Self::new(slots)
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many slots must be free before senders that wait for room are served.
///
/// Serving waiters with each free slot keeps the ring full and the latency in it long, and wakes a sleeping
/// stack for each packet. Waiting until half of the ring is free wakes it once for many packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WakePoint {
    /// One slot: waiters are served with each slot that becomes free.
    Each,
    /// Half of the ring, rounded up.
    Half,
    /// This many slots.
    Slots(NonZeroU32),
}

/// A wake point that is no number of slots, or more slots than this ring has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WakePointError {
    /// Text that names no wake point.
    #[error("{0} is not a wake point; use each, half or a number of slots, as in 16")]
    Unknown(String),
    /// More slots than the ring has: waiters would never be served.
    #[error("the ring has {depth} slots, and {slots} of them are never free; use each, half or at most {depth}")]
    AboveDepth {
        /// The wake point that was set.
        slots: u32,
        /// The depth in force.
        depth: Depth,
    },
}

impl WakePoint {
    /// The number of slots that it stands for in a ring of `depth` slots.
    ///
    /// # Errors
    /// [`WakePointError::AboveDepth`].
    pub fn slots(self, depth: Depth) -> Result<u32, WakePointError> {
        match self {
            Self::Each => Ok(1),
            Self::Half => Ok(depth.get().div_ceil(2)),
            Self::Slots(slots) if slots.get() > depth.get() => {
                Err(WakePointError::AboveDepth { slots: slots.get(), depth })
            }
            Self::Slots(slots) => Ok(slots.get()),
        }
    }
}

impl FromStr for WakePoint {
    type Err = WakePointError;

    fn from_str(text: &str) -> Result<Self, WakePointError> {
        match text {
            "each" => Ok(Self::Each),
            "half" => Ok(Self::Half),
            slots => slots.parse().map(Self::Slots).map_err(|_| WakePointError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for WakePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.pad("each"),
            Self::Half => f.pad("half"),
            Self::Slots(slots) => slots.fmt(f),
        }
    }
}

/// A number of slots is a number in reports. Control messages hold text: their format does not say which of the two
/// follows.
impl Serialize for WakePoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Slots(slots) if serializer.is_human_readable() => slots.serialize(serializer),
            wake => serializer.collect_str(wake),
        }
    }
}

impl<'de> Deserialize<'de> for WakePoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Recorded {
            Slots(NonZeroU32),
            Text(String),
        }
        let text = match deserializer.is_human_readable() {
            false => String::deserialize(deserializer)?,
            true => match Recorded::deserialize(deserializer)? {
                Recorded::Slots(slots) => return Ok(Self::Slots(slots)),
                Recorded::Text(text) => text,
            },
        };
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for WakePoint {
    fn schema_name() -> Cow<'static, str> {
        "WakePoint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many slots must be free before senders that wait for room are served.",
            "anyOf": [{"enum": ["each", "half"]}, {"type": "integer", "minimum": 1}]
        })
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

    fn depth(slots: u32) -> Depth {
        Depth::new(slots).unwrap()
    }

    #[test]
    fn text_round_trips_and_invalid_text_is_refused_with_the_remedy() {
        for text in ["each", "half", "1", "65536"] {
            assert_eq!(text.parse::<WakePoint>().unwrap().to_string(), text);
        }
        for bad in ["", "0", "-1", "all", "50%", "4294967296"] {
            let error = bad.parse::<WakePoint>().unwrap_err().to_string();
            assert!(error.starts_with(bad) && error.contains("each, half or a number"), "{error}");
        }
    }

    #[test]
    fn counts_are_numbers_in_reports_and_a_wake_point_is_text_in_control_messages() {
        use bincode::Options;

        let wakes = ["each", "half", "7"].map(|text| text.parse::<WakePoint>().unwrap());
        let json = serde_json::to_string(&(depth(16), wakes)).unwrap();
        assert_eq!(json, r#"[16,["each","half",7]]"#);
        assert_eq!(serde_json::from_str::<(Depth, [WakePoint; 3])>(&json).unwrap(), (depth(16), wakes));
        assert_eq!(serde_json::from_str::<WakePoint>(r#""7""#).unwrap(), wakes[2]);
        for bad in ["0", "65537", r#""16""#] {
            assert!(serde_json::from_str::<Depth>(bad).is_err(), "{bad}");
        }
        let options = bincode::DefaultOptions::new().with_fixint_encoding();
        let bytes = options.serialize(&wakes).unwrap();
        assert_eq!(bytes, options.serialize(&["each", "half", "7"]).unwrap());
        assert_eq!(options.deserialize::<[WakePoint; 3]>(&bytes).unwrap(), wakes);
    }

    #[test]
    fn half_is_rounded_up_and_more_than_the_depth_is_refused() {
        for (slots, half) in [(1, 1), (2, 1), (3, 2), (7, 4), (65_536, 32_768)] {
            assert_eq!(WakePoint::Half.slots(depth(slots)), Ok(half));
            assert_eq!(WakePoint::Each.slots(depth(slots)), Ok(1));
        }
        let seven: WakePoint = "7".parse().unwrap();
        assert_eq!(seven.slots(depth(7)), Ok(7));
        let error = seven.slots(depth(6)).unwrap_err().to_string();
        assert!(error.contains("6 slots") && error.contains("at most 6"), "{error}");
    }
}
