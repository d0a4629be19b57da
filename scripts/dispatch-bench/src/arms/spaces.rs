//! Room for futures whose type the caller does not know.
//!
//! The future of a level holds the space of the one below, so the space grows with every level. It is part
//! of the traits, so it has to do for every leaf. It is as tight as the leaf that waits allows, within two
//! words; too little does not go unnoticed: dynify panics, stackfuture does not build, smallbox allocates.

/// Bytes for the future of `level`, of which 0 is the leaf.
pub(super) const fn space(level: usize) -> usize {
    80 + level * 48
}

/// The same in machine words.
pub(super) const fn words(level: usize) -> usize {
    space(level).div_ceil(size_of::<usize>())
}
