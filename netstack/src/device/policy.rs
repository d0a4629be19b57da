//! What the device does when the ring is full.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::ring::WakePoint;
use shared::text_schema;
use shared::units::{Nanos, parse_accepted};

/// What the device does when the ring is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, SerializeDisplay, DeserializeFromStr)]
pub enum Policy {
    /// Backpressure: the sender waits for room.
    #[default]
    Wait,
    /// Tail drop: the packet that finds no room is dropped.
    DropNewest,
    /// Head drop: a queue in front of the ring drops its oldest packet for the newest.
    DropOldest,
    /// The sender waits for room for up to this time; then the packet is dropped.
    Deadline(Nanos),
}

/// The text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is no policy of that name.
    #[error("unknown policy {0}; use wait, drop-newest, drop-oldest or deadline=TIME, as in deadline=5ms")]
    Unknown(String),
    /// The value of a deadline is not a time, or is zero.
    #[error("policy deadline={value}: {why}; write it as in deadline=5ms")]
    Deadline {
        /// The text behind the equals sign.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Policy {
    /// Every policy; the deadline with a time to show how it is spelled.
    pub const ALL: [Self; 4] = [Self::Wait, Self::DropNewest, Self::DropOldest, Self::Deadline(Nanos::from_millis(5))];

    /// What it does, what it loses and what it delays, in a sentence each.
    pub const fn meaning(self) -> [&'static str; 3] {
        match self {
            Self::Wait => [
                "A sender waits until there is room: backpressure.",
                "Nothing, as long as the hardware lives.",
                "The senders: the delay moves to the app, and shows in the latency from the intended time alone.",
            ],
            Self::DropNewest => [
                "A packet that finds no room is dropped: tail drop. No sender waits.",
                "What is above the rate of the hardware, and of each burst what is longer than the ring.",
                "Packets that are accepted, by at most the time that a full ring takes to drain.",
            ],
            Self::DropOldest => [
                "A queue of --txqueue places in front of the ring drops its oldest packet for a new one: head drop.",
                "As much as drop-newest with a ring of depth and txqueue together, but old packets instead of new ones.",
                "Packets that are accepted: those that are delivered waited in the queue and in the ring.",
            ],
            Self::Deadline(_) => [
                "A sender waits for room for up to this time; then its packet is dropped.",
                "Packets that would have waited longer.",
                "The senders, each send by at most this time; an app that is behind its schedule adds these up.",
            ],
        }
    }

    /// The policy's name without its time.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::DropNewest => "drop-newest",
            Self::DropOldest => "drop-oldest",
            Self::Deadline(_) => "deadline",
        }
    }

    /// Whether the device keeps a queue of its own in front of the ring.
    pub const fn has_queue(self) -> bool {
        matches!(self, Self::DropOldest)
    }

    /// How long a sender waits for room; `None` is without a limit.
    pub const fn room_timeout(self) -> Option<Nanos> {
        if let Self::Deadline(timeout) = self { Some(timeout) } else { None }
    }

    /// The wake point that is used if the user sets none.
    ///
    /// Under [`Policy::Wait`], waiting until half of the ring is free costs no packets: the stack wakes once for many
    /// packets, and a packet spends less time in the ring. Under the other policies each slot that stays free longer
    /// is a packet dropped.
    pub const fn default_wake(self) -> WakePoint {
        match self {
            Self::Wait => WakePoint::Half,
            Self::DropNewest | Self::DropOldest | Self::Deadline(_) => WakePoint::Each,
        }
    }

    /// Whether a sender never waits for room.
    pub const fn never_waits(self) -> bool {
        matches!(self, Self::DropNewest | Self::DropOldest)
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text.split_once('=') {
            None if text == "wait" => Ok(Self::Wait),
            None if text == "drop-newest" => Ok(Self::DropNewest),
            None if text == "drop-oldest" => Ok(Self::DropOldest),
            Some(("deadline", value)) => deadline(value),
            _ => Err(PolicyError::Unknown(text.to_owned())),
        }
    }
}

fn deadline(value: &str) -> Result<Policy, PolicyError> {
    let no_time = "a deadline of zero is what drop-newest does";
    let time = parse_accepted(value, |time| *time > Nanos::ZERO, no_time);
    time.map(Policy::Deadline).map_err(|why| PolicyError::Deadline { value: value.to_owned(), why })
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(time) => write!(f, "deadline={time}"),
            other => other.name().fmt(f),
        }
    }
}

text_schema! {
    Policy: "wait, drop-newest, drop-oldest or deadline=TIME.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        assert_eq!(
            Policy::ALL.map(|policy| policy.to_string()),
            ["wait", "drop-newest", "drop-oldest", "deadline=5ms"]
        );
        for policy in Policy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
    }

    #[test]
    fn malformed_text_is_an_error_that_shows_how_to_write_it() {
        for bad in ["", "drop", "wait=5ms", "deadline", "deadline=5", "deadline=0s"] {
            let error = bad.parse::<Policy>().unwrap_err().to_string();
            assert!(error.contains("deadline="), "{error}");
        }
    }
}
