//! All variants of one way to call, in one table.

use std::collections::BTreeSet;

use super::{Call, Maker, Table};
use crate::ring::Ring;
use crate::work::VARIANTS;

/// The variants that `M` makes.
pub(super) struct Variants<M: Maker> {
    calls: Vec<M::Call>,
    functions: BTreeSet<*const ()>,
}

/// Makes eight variants, from `$from` on.
macro_rules! eight {
    ($make:ident, $from:expr) => {
        $make!({ $from });
        $make!({ $from + 1 });
        $make!({ $from + 2 });
        $make!({ $from + 3 });
        $make!({ $from + 4 });
        $make!({ $from + 5 });
        $make!({ $from + 6 });
        $make!({ $from + 7 });
    };
}

/// Makes the other 56 of 64 variants.
#[cfg(feature = "all-variants")]
macro_rules! rest_of_64 {
    ($make:ident, $from:expr) => {
        eight!($make, $from + 8);
        eight!($make, $from + 16);
        eight!($make, $from + 24);
        eight!($make, $from + 32);
        eight!($make, $from + 40);
        eight!($make, $from + 48);
        eight!($make, $from + 56);
    };
}

impl<M: Maker + 'static> Variants<M> {
    pub(super) fn boxed(ring: &'static Ring) -> Box<dyn Table> {
        let (mut calls, mut functions) = (Vec::with_capacity(VARIANTS), Vec::new());
        macro_rules! make {
            ($variant:expr) => {
                calls.push(M::make::<$variant>(ring, &mut functions));
            };
        }
        eight!(make, 0);
        #[cfg(feature = "all-variants")]
        {
            rest_of_64!(make, 0);
            macro_rules! sixty_four {
                ($from:expr) => {
                    eight!(make, $from);
                    rest_of_64!(make, $from);
                };
            }
            sixty_four!(64);
            sixty_four!(128);
            sixty_four!(192);
            sixty_four!(256);
            sixty_four!(320);
            sixty_four!(384);
            sixty_four!(448);
        }
        Box::new(Self { calls, functions: functions.into_iter().collect() })
    }
}

impl<M: Maker> Table for Variants<M> {
    #[inline(never)]
    fn pass(&self, order: &[u16], ring: &Ring) -> u64 {
        (0..).zip(order).fold(0, |sum: u64, (word, &variant)| {
            sum.rotate_left(1) ^ self.calls[usize::from(variant)].call(word, ring)
        })
    }

    fn cancel(&self, ring: &Ring) -> bool {
        // Every variant is tried, because one could differ.
        self.calls.iter().filter(|call| call.cancel(0, ring)).count() == self.calls.len()
    }

    fn space(&self) -> usize {
        self.calls.iter().map(Call::space).max().unwrap_or_default()
    }

    fn functions(&self) -> (usize, usize) {
        (self.functions.len(), VARIANTS * M::FUNCTIONS)
    }
}
