//! Bursts of frames: each arrives unchanged, whatever the length of the frame before it.

use proptest::prelude::*;
use shared::exec::Source;
use shared::ring::{ConsumerPort, Frame, Frames, HEADROOM, Headroom, ProducerPort};

use super::*;

/// Bytes of headers in front of each payload.
const HEADERS: usize = 20;

/// Frames with payloads of these lengths. The first byte of headers and payload depends on the frame's number.
struct Lengths {
    lengths: Vec<usize>,
    taken: usize,
    /// How many were built from the headers of the frame before.
    alike: usize,
    payload: [u8; MAX_FRAME],
}

impl Lengths {
    fn new(lengths: Vec<usize>) -> Self {
        Self { lengths, taken: 0, alike: 0, payload: [9; MAX_FRAME] }
    }

    fn frame<'a>(&'a mut self, headroom: &'a mut Headroom) -> Frame<'a> {
        let number = self.taken;
        self.taken += 1;
        headroom[HEADROOM - HEADERS] = number as u8;
        self.payload[0] = !(number as u8);
        let payload = &self.payload[..self.lengths[number]];
        let descriptor = Descriptor { sequence: number as u64, ..Descriptor::default() };
        Frame { descriptor, headers: &headroom[HEADROOM - HEADERS..], payload }
    }

    /// The bytes of frame `number` that the consumer must receive.
    fn seen(&self, number: usize) -> Vec<u8> {
        let mut bytes = [vec![self.lengths[number] as u8; HEADERS], vec![9; self.lengths[number]]].concat();
        (bytes[0], bytes[HEADERS]) = (number as u8, !(number as u8));
        bytes
    }
}

impl Frames for Lengths {
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
        let len = *self.lengths.get(self.taken)?;
        headroom[HEADROOM - HEADERS..].fill(len as u8);
        Some(self.frame(headroom))
    }

    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
        let len = *self.lengths.get(self.taken)?;
        if len != self.lengths[self.taken - 1] {
            return None;
        }
        assert_eq!(headroom[HEADROOM - HEADERS + 1..], [len as u8; HEADERS - 1], "the headers of one like it");
        self.alike += 1;
        Some(self.frame(headroom))
    }
}

/// Submits `frames`, up to `most` at once, and takes what arrives.
fn cross(slots: u32, most: u32, frames: &mut Lengths) -> Result<(), TestCaseError> {
    let (producer, consumer) = pair(slots);
    let (mut taken, mut buffer) = (0, [0; MAX_FRAME]);
    while taken < frames.lengths.len() {
        let before = frames.taken;
        let submitted = producer.submit_burst(most.min(slots), frames);
        prop_assert_eq!(submitted as usize, frames.taken - before);
        prop_assert_eq!(frames.taken, (before + most.min(slots) as usize).min(frames.lengths.len()));
        producer.connection().exchange();
        consumer.connection().exchange();
        for _ in 0..submitted {
            let seen = consumer.take(Some(&mut buffer)).map(|(frame, bytes)| (frame.sequence, frame.len, bytes));
            let expected = frames.seen(taken);
            prop_assert_eq!(seen, Some((taken as u64, expected.len() as u32, &expected[..])));
            consumer.complete(completion(taken as u64));
            taken += 1;
        }
        prop_assert!(consumer.take(Some(&mut buffer)).is_none());
        consumer.connection().exchange();
        producer.connection().exchange();
        while producer.next_completion().is_some() {}
    }
    prop_assert_eq!((producer.connection().closed(), consumer.connection().closed()), (None, None));
    Ok(())
}

proptest! {
    #[test]
    fn every_frame_arrives_unchanged(
        runs in proptest::collection::vec((prop_oneof![1usize..40, 230usize..240, 300usize..1400], 1usize..90), 1..6),
        slots in 1u32..100,
        most in 1u32..100,
    ) {
        let lengths = runs.into_iter().flat_map(|(len, frames)| vec![len; frames]).collect();
        cross(slots, most, &mut Lengths::new(lengths))?;
    }
}

#[test]
fn a_frame_of_equal_length_is_built_from_the_headers_of_the_one_before() -> Result<(), TestCaseError> {
    let mut frames = Lengths::new([vec![22; 100], vec![23; 1], vec![1000; 10]].concat());
    cross(200, 200, &mut frames)?;
    assert_eq!(frames.alike, 99 + 9);
    Ok(())
}
