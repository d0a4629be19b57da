//! Space for futures whose type the caller does not know.
//!
//! The future of a level contains the space of the level below, so the space grows with each level. It is part of the
//! traits, so it must be enough for every leaf. The leaf that waits needs it to within two words. Too little space
//! shows: dynify panics, stackfuture does not build, smallbox allocates.

/// Bytes for the future of `level`; level 0 is the leaf.
pub(super) const fn space(level: usize) -> usize {
    80 + level * 48
}

/// The same in machine words.
pub(super) const fn words(level: usize) -> usize {
    space(level).div_ceil(size_of::<usize>())
}
