//! The records of groups: consecutive frames that differ in the sequence number only, and completions that differ in
//! the position only.

use super::layout::RECORD;
use crate::connection::CloseReason;
use crate::control::WireError;
use crate::frame::{Completion, Descriptor, MAX_FRAME, Status};
use crate::units::Nanos;

/// The words of a record.
pub(super) type Record = [u64; RECORD / 8];

/// What a group consists of: frames, or completions.
pub(super) trait Item: Copy + Default {
    /// Encodes a group of `items` items, of which this one is the first.
    fn encode(&self, items: u32) -> Record;

    /// Decodes the first item, which has `position`, of a private copy of a record.
    ///
    /// # Errors
    /// If it is none that an honest peer writes.
    fn decode(record: &Record, position: u64) -> Result<Self, CloseReason>;

    /// The item that is `items` behind this one in its group.
    fn behind(self, items: u32) -> Self;
}

/// How many items the group of `record` has: the lower half of its last word.
#[inline(always)]
pub(super) fn items(record: &Record) -> u32 {
    // The cast truncates as intended.
    record[3] as u32
}

/// Length (the lower half) and flow, the first sequence number, the time of submission, the number of frames.
impl Item for Descriptor {
    #[inline(always)]
    fn encode(&self, frames: u32) -> Record {
        [halves(self.len, self.flow), self.sequence, self.submitted.0, frames.into()]
    }

    #[inline(always)]
    fn decode(record: &Record, _: u64) -> Result<Self, CloseReason> {
        let [first, sequence, submitted, _] = *record;
        // The casts keep a half each.
        let (len, flow) = (first as u32, (first >> 32) as u32);
        if len == 0 || len as usize > MAX_FRAME {
            return Err(CloseReason::SlotLength(len));
        }
        Ok(Self { len, flow, sequence, submitted: Nanos(submitted) })
    }

    #[inline(always)]
    fn behind(self, frames: u32) -> Self {
        Self { sequence: self.sequence.wrapping_add(frames.into()), ..self }
    }
}

/// Both times, a zero, the number of completions (the lower half) and their status. The position follows from the place
/// in the ring.
impl Item for Completion {
    #[inline(always)]
    fn encode(&self, completions: u32) -> Record {
        [self.taken.0, self.at.0, 0, halves(completions, self.status as u32)]
    }

    #[inline(always)]
    fn decode(record: &Record, position: u64) -> Result<Self, CloseReason> {
        let [taken, at, _, last] = *record;
        // Any status above a byte is unknown, and is reported as the highest byte.
        let status = u8::try_from(last >> 32).unwrap_or(u8::MAX);
        let status = Status::from_byte(status).ok_or(WireError::UnknownStatus(status))?;
        Ok(Self { position, status, taken: Nanos(taken), at: Nanos(at) })
    }

    #[inline(always)]
    fn behind(self, completions: u32) -> Self {
        Completion::behind(self, completions)
    }
}

#[inline(always)]
fn halves(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_round_trips_and_an_invalid_length_is_refused() {
        let descriptor = Descriptor { len: 60, flow: u32::MAX, sequence: u64::MAX - 1, submitted: Nanos(3) };
        let record = descriptor.encode(7);
        assert_eq!((Item::decode(&record, 5), items(&record)), (Ok(descriptor), 7));
        assert_eq!(descriptor.behind(2).sequence, 0, "numbers wrap");
        for len in [0, 1515, u32::MAX] {
            let lie = Descriptor { len, ..descriptor };
            assert_eq!(Descriptor::decode(&lie.encode(1), 0), Err(CloseReason::SlotLength(len)));
        }
    }

    #[test]
    fn a_completion_round_trips_and_an_unknown_status_is_refused() {
        let completion = Completion { position: 9, status: Status::BadChecksum, taken: Nanos(5), at: Nanos(u64::MAX) };
        let record = Item::encode(&completion, u32::MAX);
        assert_eq!((Completion::decode(&record, 9), items(&record)), (Ok(completion), u32::MAX));
        for (status, named) in [(4, 4), (255, 255), (256, 255), (u32::MAX, 255)] {
            let lie = [0, 0, 0, halves(1, status)];
            assert_eq!(Completion::decode(&lie, 0), Err(WireError::UnknownStatus(named).into()));
        }
    }
}
