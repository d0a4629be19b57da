//! Batches of frames: each frame arrives as if it were submitted alone, for any length of the frame before it.

use super::{Random, Transport, completion, settle};
use crate::depth::Depth;
use crate::frame::{Descriptor, MAX_FRAME};
use crate::ring::{ConsumerPort, Frame, Frames, HEADROOM, Headroom, ProducerPort};

/// Bytes of headers in front of each payload.
const HEADERS: usize = 20;

/// Frames with payloads of these lengths. The first byte of headers and payload depends on the frame's number.
#[derive(Debug)]
struct Lengths {
    lengths: Vec<usize>,
    taken: usize,
    /// How many were built from the headers of the frame before.
    of_same_length: usize,
    payload: [u8; MAX_FRAME],
}

impl Lengths {
    fn new(lengths: Vec<usize>) -> Self {
        Self { lengths, taken: 0, of_same_length: 0, payload: [9; MAX_FRAME] }
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
    fn expected(&self, number: usize) -> Vec<u8> {
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
        self.of_same_length += 1;
        Some(self.frame(headroom))
    }
}

/// Submits `frames`, up to `most` at once, and takes what arrives.
fn send_all<T: Transport>(slots: u32, most: u32, frames: &mut Lengths) {
    let (producer, consumer) = T::ring(Depth::new(slots).unwrap());
    let (mut taken, mut buffer) = (0, [0; MAX_FRAME]);
    while taken < frames.lengths.len() {
        let before = frames.taken;
        let submitted = producer.submit_batch(most.min(slots), frames);
        assert_eq!(submitted as usize, frames.taken - before);
        assert_eq!(frames.taken, (before + most.min(slots) as usize).min(frames.lengths.len()));
        for number in taken..taken + submitted as usize {
            while consumer.waiting() == 0 {
                settle(&[producer.connection(), consumer.connection()]);
            }
            let received = consumer.take(Some(&mut buffer)).map(|(frame, bytes)| (frame.sequence, frame.len, bytes));
            let expected = frames.expected(number);
            assert_eq!(received, Some((number as u64, expected.len() as u32, &expected[..])));
            consumer.complete(completion(number as u64));
        }
        taken += submitted as usize;
        assert!(consumer.take(Some(&mut buffer)).is_none());
        settle(&[consumer.connection(), producer.connection()]);
        while producer.next_completion().is_some() {}
    }
    assert_eq!((producer.connection().closed(), consumer.connection().closed()), (None, None));
}

/// Each frame of a batch arrives unchanged.
pub fn a_batch_equals_single_frames<T: Transport>() {
    let mut random = Random::new(1);
    for _ in 0..200 {
        let mut lengths = Vec::new();
        for _ in 0..1 + random.below(5) {
            let len = [1 + random.below(39), 230 + random.below(10), 300 + random.below(1100)][random.below(3)];
            lengths.extend(vec![len; 1 + random.below(89)]);
        }
        let (slots, most) = (1 + random.below(99) as u32, 1 + random.below(99) as u32);
        send_all::<T>(slots, most, &mut Lengths::new(lengths));
    }
}

/// A frame of the length of the one before is built from its headers.
pub fn a_frame_of_equal_length_is_built_from_the_headers_of_the_one_before<T: Transport>() {
    let mut frames = Lengths::new([vec![22; 100], vec![23; 1], vec![1000; 10]].concat());
    send_all::<T>(200, 200, &mut frames);
    assert_eq!(frames.of_same_length, 99 + 9);
}
