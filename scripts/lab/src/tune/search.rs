//! Finds a depth that meets limits, in few runs: pure logic over a function that judges one depth.
//!
//! Two binary searches: one over powers of two for the first that fits, one between it and the power below. Each keeps
//! the invariant that its lower end does not fit and its upper end does, so the depth that they end at fits and its
//! neighbour below does not, whether or not the loss falls with depth. That every deeper ring fits too cannot be known
//! without trying all of them: a few are tried, and any depth above the answer that was tried and does not fit is
//! reported.

use std::collections::BTreeMap;

/// The depths of a ring.
const DEEPEST: u32 = 65_536;

/// The most depths that a search tries: up to 16 to find a depth up to 4096, and the rest above it.
const MOST_TRIED: usize = 23;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// A depth that fits, while its neighbour below does not; `None` if no depth that was tried fits.
    pub(crate) depth: Option<u32>,
    /// A tried depth above it that does not fit: more depth does not always help.
    pub(crate) not_monotonic: Option<u32>,
    /// Every depth that was tried, and whether it fits.
    pub(crate) tried: BTreeMap<u32, bool>,
}

/// The depths of a search, which are judged at most once each.
struct Search<'a, E> {
    fits: &'a mut dyn FnMut(u32) -> Result<bool, E>,
    tried: BTreeMap<u32, bool>,
}

impl<E> Search<'_, E> {
    fn fits(&mut self, depth: u32) -> Result<bool, E> {
        if let Some(known) = self.tried.get(&depth) {
            return Ok(*known);
        }
        let fits = (self.fits)(depth)?;
        self.tried.insert(depth, fits);
        Ok(fits)
    }

    /// A depth up to `deepest` that fits and whose neighbour below does not.
    fn first(&mut self, deepest: u32) -> Result<Option<u32>, E> {
        // 1, 2, 4, ... and the deepest.
        let powers = (0..=DEEPEST.ilog2()).map(|power| 1 << power).filter(|step| *step < deepest);
        let steps: Vec<u32> = powers.chain([deepest]).collect();
        let (mut low, mut high) = (0, steps.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.fits(steps[middle])? { high = middle } else { low = middle + 1 }
        }
        let Some(&first) = steps.get(low) else { return Ok(None) };
        let below = if low == 0 { 0 } else { steps[low - 1] };
        self.between(below, first).map(Some)
    }

    /// A depth that fits between `low`, which does not, and `high`, which does, and whose neighbour below does not.
    fn between(&mut self, mut low: u32, mut high: u32) -> Result<u32, E> {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.fits(middle)? { high = middle } else { low = middle }
        }
        Ok(high)
    }
}

/// Searches the depths up to `deepest`. `fits` says whether a depth meets the limits.
///
/// # Errors
/// The first error of `fits`.
pub(crate) fn search<E>(deepest: u32, mut fits: impl FnMut(u32) -> Result<bool, E>) -> Result<Found, E> {
    let mut search = Search { fits: &mut fits, tried: BTreeMap::new() };
    let Some(depth) = search.first(deepest)? else { return Ok(search.found(None)) };
    for above in checks(depth, deepest) {
        if search.tried.len() >= MOST_TRIED {
            break;
        }
        search.fits(above)?;
    }
    Ok(search.found(Some(depth)))
}

/// The same without trying depths above the answer, for what is known to hold from some depth on.
///
/// # Errors
/// The first error of `fits`.
pub(crate) fn first<E>(deepest: u32, mut fits: impl FnMut(u32) -> Result<bool, E>) -> Result<Option<u32>, E> {
    Search { fits: &mut fits, tried: BTreeMap::new() }.first(deepest)
}

/// Tries every depth up to `deepest`. The answer is the smallest depth from which on all fit; if there is none, the
/// smallest that fits.
///
/// # Errors
/// The first error of `fits`.
pub(crate) fn try_all<E>(deepest: u32, mut fits: impl FnMut(u32) -> Result<bool, E>) -> Result<Found, E> {
    let mut search = Search { fits: &mut fits, tried: BTreeMap::new() };
    for depth in 1..=deepest {
        search.fits(depth)?;
    }
    let last_failure = search.tried.iter().rev().find(|(_, fits)| !**fits).map_or(0, |(depth, _)| *depth);
    let depth = if last_failure < deepest {
        Some(last_failure + 1)
    } else {
        search.tried.iter().find(|(_, fits)| **fits).map(|(depth, _)| *depth)
    };
    Ok(search.found(depth))
}

/// Depths above `depth` that are tried too, the most telling first: the next ones, where a loss that rises by steps
/// shows, between far ones.
fn checks(depth: u32, deepest: u32) -> impl Iterator<Item = u32> {
    let near = (1..=MOST_TRIED as u32).map(move |more| depth.saturating_add(more));
    let far = [(2, 1), (3, 2), (4, 1), (5, 4), (3, 1), (8, 1), (16, 1)];
    let far = far.map(|(times, parts)| depth.saturating_mul(times).div_ceil(parts)).into_iter().chain([deepest]);
    let mut far = far.filter(move |above| *above <= deepest);
    near.filter(move |above| *above <= deepest).flat_map(move |near| [Some(near), far.next()]).flatten()
}

impl<E> Search<'_, E> {
    fn found(self, depth: Option<u32>) -> Found {
        let above = self.tried.range(depth.unwrap_or(DEEPEST) + 1..).find(|(_, fits)| !**fits);
        Found { depth, not_monotonic: above.map(|(depth, _)| *depth), tried: self.tried }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use proptest::prelude::*;

    fn found(deepest: u32, fits: impl Fn(u32) -> bool) -> Found {
        search(deepest, |depth| Ok::<_, Infallible>(fits(depth))).unwrap()
    }

    fn exhaustive(deepest: u32, fits: impl Fn(u32) -> bool) -> Found {
        try_all(deepest, |depth| Ok::<_, Infallible>(fits(depth))).unwrap()
    }

    #[test]
    fn a_loss_that_falls_with_depth_is_found_in_few_runs() {
        for least in (1..200).chain([255, 256, 257, 1000, 3000, 4095, 4096]) {
            let found = found(DEEPEST, |depth| depth >= least);
            assert_eq!((found.depth, found.not_monotonic), (Some(least), None));
            assert!(found.tried.len() <= 23, "{least}: {}", found.tried.len());
        }
    }

    #[test]
    fn no_depth_may_fit_and_the_deepest_may_be_the_only_one() {
        assert_eq!(found(100, |_| false).depth, None);
        assert_eq!(found(100, |depth| depth == 100).depth, Some(100));
        assert_eq!(found(1, |_| true).depth, Some(1));
        assert_eq!(exhaustive(9, |_| false).depth, None);
        assert_eq!(exhaustive(9, |depth| depth < 9).depth, Some(1), "the smallest that fits, if the deepest does not");
    }

    #[test]
    fn a_depth_above_that_does_not_fit_is_reported() {
        let uneven = |depth: u32| depth >= 40 && depth != 42;
        let found = found(DEEPEST, uneven);
        assert_eq!((found.depth, found.not_monotonic), (Some(40), Some(42)));
        let all = exhaustive(100, uneven);
        assert_eq!((all.depth, all.not_monotonic), (Some(43), None), "from 43 on all fit");
    }

    proptest! {
        #[test]
        fn the_answer_fits_and_its_neighbour_below_does_not(
            deepest in 1u32..300, fitting in proptest::collection::vec(any::<bool>(), 300),
        ) {
            let fits = |depth: u32| fitting[depth as usize - 1];
            let found = found(deepest, fits);
            if let Some(depth) = found.depth {
                prop_assert!(fits(depth) && (depth == 1 || !fits(depth - 1)));
            }
            if let Some(above) = found.not_monotonic {
                prop_assert!(!fits(above) && above > found.depth.unwrap_or(0));
            }
            prop_assert!(found.tried.iter().all(|(depth, known)| fits(*depth) == *known));
        }

        #[test]
        fn search_and_try_all_agree_where_loss_falls_with_depth(deepest in 1u32..300, least in 1u32..310) {
            let (quick, all) = (found(deepest, |d| d >= least), exhaustive(deepest, |d| d >= least));
            prop_assert_eq!((quick.depth, quick.not_monotonic), (all.depth, all.not_monotonic));
        }
    }
}
