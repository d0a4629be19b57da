//! Interrupt coalescing: the completions of several frames are reported together, as one batch.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::text_schema;
use shared::units::{Nanos, Pairs, PairsError};

/// A batch is reported when it has `frames` frames, or `within` after its first frame finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Coalesce {
    frames: NonZeroU32,
    within: Nanos,
}

/// The text, or its values, do not describe coalescing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoalesceError {
    /// The text is not a number and a time.
    #[error("{0}; an example is frames=32,for=50us")]
    Pairs(#[from] PairsError<&'static str>),
    /// A batch would wait without end if no further frame is submitted.
    #[error("a batch of {0} frames needs a time after which it is reported anyway; write for example for=50us")]
    Endless(u32),
}

impl Coalesce {
    /// The keys of `--coalesce`.
    pub const KEYS: [&str; 2] = ["frames", "for"];

    /// Batches of up to `frames` frames, each reported at most `within` after its first frame finished.
    ///
    /// # Errors
    /// If a batch may have several frames, and `within` is zero.
    pub fn new(frames: NonZeroU32, within: Nanos) -> Result<Self, CoalesceError> {
        if frames.get() > 1 && within == Nanos::ZERO {
            return Err(CoalesceError::Endless(frames.get()));
        }
        Ok(Self { frames, within })
    }

    /// How many frames fill a batch.
    pub const fn frames(&self) -> u32 {
        self.frames.get()
    }
}

impl Default for Coalesce {
    /// Batches of one frame: each is reported as it finishes.
    fn default() -> Self {
        Self { frames: NonZeroU32::MIN, within: Nanos::ZERO }
    }
}

impl FromStr for Coalesce {
    type Err = CoalesceError;

    fn from_str(text: &str) -> Result<Self, CoalesceError> {
        let pairs = Pairs::parse(text, &Self::KEYS)?;
        let whole = format!("is not a number of frames; write one from 1 to {}", u32::MAX);
        let frames = pairs.read("frames", |frames| frames.parse().ok(), &whole)?;
        let frames: NonZeroU32 = frames.ok_or(PairsError::Missing("frames"))?;
        let accepted = |within: &Nanos| frames.get() == 1 || *within > Nanos::ZERO;
        let within = pairs.quantity(
            "for",
            accepted,
            "is no time after which a batch is reported anyway; write a time above zero",
        )?;
        let within = within.ok_or(PairsError::Missing("for"))?;
        Self::new(frames, within)
    }
}

impl fmt::Display for Coalesce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frames={},for={}", self.frames, self.within)
    }
}

/// Collects finished frames in batches.
#[derive(Debug, Clone)]
pub(super) struct Coalescer {
    rule: Coalesce,
    /// The batch that the next frame may join.
    open: Option<Batch>,
}

#[derive(Debug, Clone, Copy)]
struct Batch {
    frames: u32,
    /// When it is reported at the latest.
    deadline: Nanos,
}

/// When a finished frame is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportTime {
    /// At this time, or earlier if its batch fills up.
    AtLatest(Nanos),
    /// As it finishes, together with the rest of the batch that it fills.
    Now {
        /// When it finishes.
        at: Nanos,
        /// Frames of its batch that finished before it.
        before: u32,
    },
}

impl Coalescer {
    pub(super) fn new(rule: Coalesce) -> Self {
        Self { rule, open: None }
    }

    /// Adds a frame that finishes at `at`, which is no earlier than the frame before it. Returns when it is reported.
    #[inline]
    pub(super) fn finish(&mut self, at: Nanos) -> ReportTime {
        if self.rule.frames == NonZeroU32::MIN {
            return ReportTime::Now { at, before: 0 };
        }
        let open = self.open.take().filter(|batch| at <= batch.deadline);
        let mut batch = open.unwrap_or(Batch { frames: 0, deadline: at + self.rule.within });
        batch.frames += 1;
        if batch.frames == self.rule.frames.get() {
            return ReportTime::Now { at, before: batch.frames - 1 };
        }
        self.open = Some(batch);
        ReportTime::AtLatest(batch.deadline)
    }

    /// Closes the open batch if it was due at `at`, because the frames that were due then have been reported.
    pub(super) fn reported(&mut self, at: Nanos) {
        if self.open.is_some_and(|batch| batch.deadline <= at) {
            self.open = None;
        }
    }
}

text_schema! {
    Coalesce: "Completions are reported in batches: frames=N,for=TIME.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_reported_when_full_or_when_its_time_is_up() {
        let mut coalescer = Coalescer::new("frames=3,for=100ns".parse().unwrap());
        assert_eq!(coalescer.finish(Nanos(10)), ReportTime::AtLatest(Nanos(110)));
        assert_eq!(coalescer.finish(Nanos(20)), ReportTime::AtLatest(Nanos(110)));
        assert_eq!(coalescer.finish(Nanos(30)), ReportTime::Now { at: Nanos(30), before: 2 });
        assert_eq!(coalescer.finish(Nanos(40)), ReportTime::AtLatest(Nanos(140)));
        assert_eq!(coalescer.finish(Nanos(141)), ReportTime::AtLatest(Nanos(241)), "too late for the batch before");
        coalescer.reported(Nanos(241));
        assert_eq!(coalescer.finish(Nanos(241)), ReportTime::AtLatest(Nanos(341)));
    }

    #[test]
    fn by_default_a_batch_has_one_frame() {
        let mut coalescer = Coalescer::new(Coalesce::default());
        assert_eq!(coalescer.finish(Nanos(7)), ReportTime::Now { at: Nanos(7), before: 0 });
    }

    #[test]
    fn settings_that_are_not_batches_are_errors() {
        assert_eq!("for=50us,frames=8".parse::<Coalesce>().unwrap().to_string(), "frames=8,for=50us");
        for (bad, says) in [
            ("frames=0,for=1us", "from 1"),
            ("frames=4,for=0ns", "anyway"),
            ("frames=4", "for"),
            ("", "frames"),
            ("frame=4,for=1us", "frame is not a key; did you mean frames?; an example is frames=32,for=50us"),
        ] {
            let error = bad.parse::<Coalesce>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
