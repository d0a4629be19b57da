//! "Did you mean": the known name that an unknown one is closest to.
//!
//! ```
//! use shared::units::{did_you_mean, nearest};
//!
//! assert_eq!(nearest("laod", ["rate", "load"]), Some("load"));
//! assert_eq!(nearest("colour", ["rate", "load"]), None);
//! assert_eq!(did_you_mean("laod", ["rate", "load"]), " (did you mean load?)");
//! ```

/// The most edits between an unknown name and the one that is suggested for it. An edit inserts, removes or replaces a
/// letter, or swaps two neighbours.
const MOST_EDITS: usize = 2;

/// Returns the name among `known` that `name` is a misspelling of: the one with the fewest edits between them, if these
/// change at most half of `name`.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two edits make any name of two letters out of any other.
    let most = MOST_EDITS.min(name.chars().count() / 2);
    let edits = known.into_iter().map(|known| (strsim::damerau_levenshtein(known, name), known));
    edits.filter(|(edits, _)| *edits <= most).min().map(|(_, known)| known)
}

/// Returns ` (did you mean load?)`, to put behind `name` in a message; an empty text if no known name is close.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_suggested_for_a_slip_and_not_for_another_word() {
        let near = |name| nearest(name, ["name", "size", "rate", "load", "when-blocked", "on", "to"]);
        for (slip, meant) in [
            ("siez", "size"),
            ("szie", "size"),
            ("Load", "load"),
            ("rates", "rate"),
            ("when-block", "when-blocked"),
            ("no", "on"),
        ] {
            assert_eq!(near(slip), Some(meant), "{slip}");
        }
        for other in ["", "x", "at", "colour", "when"] {
            assert_eq!(near(other), None, "{other}");
        }
    }

    #[test]
    fn of_two_close_names_the_closer_one_is_suggested() {
        assert_eq!(nearest("lod", ["lad", "load", "lid"]), Some("lad"));
        assert_eq!(nearest("depht", ["dept", "depth"]), Some("dept"));
        assert_eq!(nearest("widht", ["with", "width"]), Some("width"));
    }
}
