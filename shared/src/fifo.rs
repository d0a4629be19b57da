//! A queue of plain values, for what each packet passes through.
//!
//! It differs from the `VecDeque` of the standard library in three ways, each of which each packet would pay for: the
//! number of places is a power of two, so a position is found by a mask; everything but growing is inlined; and only
//! as many places are in use as values were ever in the queue at once. So a queue with memory for 65 536 values that
//! mostly has ten stays in the cache.
//!
//! ```
//! use shared::fifo::Fifo;
//!
//! let mut queue = Fifo::default();
//! (1..=3).for_each(|value| queue.push(value));
//! assert_eq!((queue.pop(), queue.front(), queue.back(), queue.len()), (Some(1), Some(&2), Some(&3), 2));
//! ```

use std::collections::TryReserveError;

/// The fewest places, once there are any.
const FEWEST: usize = 4;

/// A first-in, first-out queue.
#[derive(Debug, Clone)]
pub struct Fifo<T> {
    /// None, or a power of two. The places outside of the queue hold values of no importance.
    places: Vec<T>,
    /// The place of the first value, modulo the number of places.
    first: usize,
    len: usize,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self { places: Vec::new(), first: 0, len: 0 }
    }
}

impl<T: Copy> Fifo<T> {
    /// An empty queue with memory for `values` values.
    ///
    /// # Errors
    /// If the system does not give that memory.
    pub fn obtain(values: usize) -> Result<Self, TryReserveError> {
        let mut places = Vec::new();
        places.try_reserve_exact(values.next_power_of_two().max(FEWEST))?;
        Ok(Self { places, ..Self::default() })
    }

    /// An empty queue with memory for `values` values.
    pub fn with_capacity(values: usize) -> Self {
        Self { places: Vec::with_capacity(values.next_power_of_two().max(FEWEST)), ..Self::default() }
    }

    /// How many values it has.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a value at the end.
    #[inline(always)]
    pub fn push(&mut self, value: T) {
        if self.len == self.places.len() {
            self.grow(value);
        }
        let place = self.place(self.len);
        self.places[place] = value;
        self.len += 1;
    }

    /// Takes the first value.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        let value = *self.front()?;
        self.first = self.first.wrapping_add(1);
        self.len -= 1;
        Some(value)
    }

    /// The value behind `before` others.
    #[inline(always)]
    pub fn get(&self, before: usize) -> Option<&T> {
        if before < self.len { self.places.get(self.place(before)) } else { None }
    }

    /// The value behind `before` others, to be changed.
    #[inline(always)]
    pub fn get_mut(&mut self, before: usize) -> Option<&mut T> {
        let place = self.place(before);
        if before < self.len { self.places.get_mut(place) } else { None }
    }

    /// The first value.
    #[inline(always)]
    pub fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// The first value, to be changed.
    #[inline(always)]
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.get_mut(0)
    }

    /// The last value.
    #[inline(always)]
    pub fn back(&self) -> Option<&T> {
        // In an empty queue this is no index of a value.
        self.get(self.len.wrapping_sub(1))
    }

    /// The last value, to be changed.
    #[inline(always)]
    pub fn back_mut(&mut self) -> Option<&mut T> {
        self.get_mut(self.len.wrapping_sub(1))
    }

    /// How many values `is_before` holds for, if it holds for none behind one for which it does not.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let (mut least, mut most) = (0, self.len);
        while least < most {
            let middle = least + (most - least) / 2;
            if self.get(middle).is_some_and(&is_before) { least = middle + 1 } else { most = middle }
        }
        least
    }

    /// The place of the value behind `before` others.
    #[inline(always)]
    fn place(&self, before: usize) -> usize {
        // Without places the mask is of no importance: there is no value.
        self.first.wrapping_add(before) & self.places.len().wrapping_sub(1)
    }

    /// Doubles the number of places, of which all are in use; `any` fills the new ones.
    #[cold]
    fn grow(&mut self, any: T) {
        let first = self.place(0).min(self.len);
        self.places.rotate_left(first);
        self.first = 0;
        self.places.resize((self.len * 2).max(FEWEST), any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn it_is_the_queue_of_the_standard_library(moves in proptest::collection::vec((0u8..5, any::<u16>()), 0..300)) {
            let (mut fifo, mut plain) = (Fifo::default(), VecDeque::new());
            for (step, value) in moves {
                match step {
                    0..3 => {
                        fifo.push(value);
                        plain.push_back(value);
                    }
                    3 => prop_assert_eq!(fifo.pop(), plain.pop_front()),
                    _ => {
                        prop_assert_eq!(fifo.back_mut().is_some(), plain.back_mut().is_some());
                        fifo.front_mut().into_iter().chain(plain.front_mut()).for_each(|front| *front = value);
                        fifo.back_mut().into_iter().chain(plain.back_mut()).for_each(|back| *back = value);
                    }
                }
                prop_assert_eq!((fifo.len(), fifo.is_empty()), (plain.len(), plain.is_empty()));
                prop_assert_eq!((fifo.front(), fifo.back()), (plain.front(), plain.back()));
                for before in 0..=plain.len() {
                    prop_assert_eq!(fifo.get(before), plain.get(before));
                }
            }
        }

        #[test]
        fn a_partition_point_is_that_of_a_slice(mut values in proptest::collection::vec(0u8..20, 0..40), bound in 0u8..21) {
            values.sort_unstable();
            let mut fifo = Fifo::default();
            values.iter().for_each(|value| fifo.push(*value));
            let expected = values.partition_point(|value| *value < bound);
            prop_assert_eq!(fifo.partition_point(|value| *value < bound), expected);
        }
    }

    #[test]
    fn memory_that_was_obtained_suffices_and_only_what_is_needed_is_used() {
        let mut fifo = Fifo::obtain(100).unwrap();
        let memory = fifo.places.as_ptr();
        for round in 0..1000 {
            fifo.push(round);
            if round >= 7 {
                assert_eq!(fifo.pop(), Some(round - 7));
            }
        }
        assert_eq!(fifo.places.len(), 8);
        (fifo.len()..100).for_each(|value| fifo.push(value));
        assert_eq!((fifo.len(), fifo.places.as_ptr()), (100, memory));
    }
}
