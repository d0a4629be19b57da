//! Interrupt coalescing: finished frames are reported together.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::units::{Nanos, Pairs, PairsError};

/// Completions are reported when `frames` have finished, or `within` after the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Coalesce {
    frames: NonZeroU32,
    within: Nanos,
}

/// Text that is not a way to coalesce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoalesceError {
    /// Not a number and a time.
    #[error("{0}; an example is frames=32,for=50us")]
    Pairs(#[from] PairsError<&'static str>),
    /// Frames would wait for companions that never come.
    #[error("batches of {0} frames need a time after which they are reported anyway; write for example for=50us")]
    Endless(u32),
}

impl Coalesce {
    /// Batches of up to `frames`, none held back for longer than `within`.
    ///
    /// # Errors
    /// If more than one frame may be held back for no time at all.
    pub fn new(frames: NonZeroU32, within: Nanos) -> Result<Self, CoalesceError> {
        if frames.get() > 1 && within == Nanos::ZERO {
            return Err(CoalesceError::Endless(frames.get()));
        }
        Ok(Self { frames, within })
    }

    /// How many finished frames make a batch.
    pub const fn frames(&self) -> u32 {
        self.frames.get()
    }
}

impl Default for Coalesce {
    /// Each frame is reported as it finishes.
    fn default() -> Self {
        Self { frames: NonZeroU32::MIN, within: Nanos::ZERO }
    }
}

impl FromStr for Coalesce {
    type Err = CoalesceError;

    fn from_str(text: &str) -> Result<Self, CoalesceError> {
        let pairs = Pairs::parse(text, |key| ["frames", "for"].into_iter().find(|known| *known == key))?;
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

/// Puts frames that finish one after the other into batches.
#[derive(Debug, Clone)]
pub(super) struct Batches {
    rule: Coalesce,
    open: Option<Batch>,
}

#[derive(Debug, Clone, Copy)]
struct Batch {
    frames: u32,
    deadline: Nanos,
}

/// When a finished frame is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// At this time, unless its batch fills up earlier.
    Within(Nanos),
    /// It fills its batch: it and this many before it are reported at this time.
    Full {
        /// When.
        at: Nanos,
        /// Frames of the batch before this one.
        before: u32,
    },
}

impl Batches {
    pub(super) fn new(rule: Coalesce) -> Self {
        Self { rule, open: None }
    }

    /// A frame finishes at `done`, no earlier than the one before it.
    pub(super) fn finish(&mut self, done: Nanos) -> Report {
        let open = self.open.take().filter(|batch| done <= batch.deadline);
        let mut batch = open.unwrap_or(Batch { frames: 0, deadline: done + self.rule.within });
        batch.frames += 1;
        if batch.frames == self.rule.frames.get() {
            return Report::Full { at: done, before: batch.frames - 1 };
        }
        self.open = Some(batch);
        Report::Within(batch.deadline)
    }

    /// A batch that was due at `at` has been reported: no further frame joins it.
    pub(super) fn reported(&mut self, at: Nanos) {
        if self.open.is_some_and(|batch| batch.deadline <= at) {
            self.open = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_reported_when_full_or_when_its_time_is_up() {
        let mut batches = Batches::new("frames=3,for=100ns".parse().unwrap());
        assert_eq!(batches.finish(Nanos(10)), Report::Within(Nanos(110)));
        assert_eq!(batches.finish(Nanos(20)), Report::Within(Nanos(110)));
        assert_eq!(batches.finish(Nanos(30)), Report::Full { at: Nanos(30), before: 2 });
        assert_eq!(batches.finish(Nanos(40)), Report::Within(Nanos(140)));
        assert_eq!(batches.finish(Nanos(141)), Report::Within(Nanos(241)), "too late for the batch before");
        batches.reported(Nanos(241));
        assert_eq!(batches.finish(Nanos(241)), Report::Within(Nanos(341)));
    }

    #[test]
    fn off_is_a_batch_of_one() {
        let mut batches = Batches::new(Coalesce::default());
        assert_eq!(batches.finish(Nanos(7)), Report::Full { at: Nanos(7), before: 0 });
    }

    #[test]
    fn coalescing_is_parsed_strictly() {
        assert_eq!("for=50us,frames=8".parse::<Coalesce>().unwrap().to_string(), "frames=8,for=50us");
        for (bad, says) in
            [("frames=0,for=1us", "from 1"), ("frames=4,for=0ns", "anyway"), ("frames=4", "for"), ("", "frames")]
        {
            let error = bad.parse::<Coalesce>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
