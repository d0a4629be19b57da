//! Settings of the form `key=value,key=value`, in any order.
//!
//! ```
//! use shared::units::{Nanos, Pairs, PairsError};
//!
//! let pairs = Pairs::parse("for=5ms,every=100ms", &["every", "for"])?;
//! let every = pairs.quantity("every", |time: &Nanos| *time > Nanos::ZERO, "is no interval; write at least 1ns")?;
//! assert_eq!(every, Some(Nanos::from_millis(100)));
//! assert_eq!(Pairs::parse("for=5ms,for=6ms", &["every", "for"]).err(), Some(PairsError::Repeated("for")));
//! # Ok::<_, PairsError<&str>>(())
//! ```

use std::fmt::Display;
use std::str::FromStr;

use super::error::{LONGEST_SHOWN, Unaccepted, read_accepted, shown};
use super::{UnitError, nearest};

/// The keys that a text contains, each once, with their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs<'a, K>(Vec<(K, &'a str)>);

/// What is wrong with a text of pairs. Texts in messages are escaped and shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairsError<K: Display> {
    /// An item has no `=`, or is empty.
    #[error("{0} is not key=value")]
    NotAPair(String),
    /// The key does not exist.
    #[error("{key} is not a key; {remedy}")]
    UnknownKey {
        /// The text of the key.
        key: String,
        /// The key that is meant, or those that exist.
        remedy: String,
    },
    /// The key occurs twice.
    #[error("{0} is given twice; write it once")]
    Repeated(K),
    /// The key must occur, and does not.
    #[error("{0}= is missing")]
    Missing(K),
    /// The value is not a quantity of the key's unit.
    #[error("{key}: {error}")]
    BadUnit {
        /// The key.
        key: K,
        /// What is wrong with its value.
        error: UnitError,
    },
    /// The key does not accept the value.
    #[error("{key}: {value} {remedy}")]
    BadValue {
        /// The key.
        key: K,
        /// The text of the value.
        value: String,
        /// What is wrong, and what to write.
        remedy: String,
    },
}

impl<'a, K: Copy + PartialEq + Display> Pairs<'a, K> {
    /// No pairs.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Splits `text`, whose keys are among `known`.
    ///
    /// # Errors
    /// If an item is not a pair, or a key does not exist or occurs twice.
    pub fn parse(text: &'a str, known: &[K]) -> Result<Self, PairsError<K>> {
        let mut pairs = Self::empty();
        for item in text.split(',') {
            let (spelled, value) =
                item.split_once('=').ok_or_else(|| PairsError::NotAPair(shown(item, LONGEST_SHOWN)))?;
            let key = known.iter().copied().find(|key| key.to_string() == spelled);
            let key = key.ok_or_else(|| unknown_key(spelled, known))?;
            if pairs.get(key).is_some() {
                return Err(PairsError::Repeated(key));
            }
            pairs.0.push((key, value));
        }
        Ok(pairs)
    }

    /// The keys, in the order of the text.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.0.iter().map(|(key, _)| *key)
    }

    /// The text of the value of `key`, if the key occurs.
    pub fn get(&self, key: K) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    /// The value of `key` as `read` understands it, if the key occurs.
    ///
    /// # Errors
    /// [`PairsError::BadValue`] with `remedy`, if `read` returns `None`.
    pub fn read<T>(
        &self,
        key: K,
        read: impl FnOnce(&'a str) -> Option<T>,
        remedy: &str,
    ) -> Result<Option<T>, PairsError<K>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| bad_value(key, text, remedy))
    }

    /// The value of `key` as a quantity, if the key occurs.
    ///
    /// # Errors
    /// [`PairsError::BadValue`] with `remedy`, if the value is not `accepted`. For a misspelled value,
    /// [`PairsError::BadUnit`], which suggests only spellings that are accepted.
    pub fn quantity<T: FromStr<Err = UnitError>>(
        &self,
        key: K,
        accepted: impl Fn(&T) -> bool,
        remedy: &str,
    ) -> Result<Option<T>, PairsError<K>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        read_accepted(text, accepted).map(Some).map_err(|why| match why {
            Unaccepted::Unit(error) => PairsError::BadUnit { key, error },
            Unaccepted::Value | Unaccepted::Spellings(_) => bad_value(key, text, remedy),
        })
    }
}

fn unknown_key<K: Display>(key: &str, known: &[K]) -> PairsError<K> {
    let known: Vec<String> = known.iter().map(K::to_string).collect();
    let remedy = match nearest(key, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("the keys are {}", known.join(", ")),
    };
    PairsError::UnknownKey { key: shown(key, LONGEST_SHOWN), remedy }
}

fn bad_value<K: Display>(key: K, text: &str, remedy: &str) -> PairsError<K> {
    PairsError::BadValue { key, value: shown(text, LONGEST_SHOWN), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Nanos};

    fn parse(text: &str) -> Result<Pairs<'_, &'static str>, PairsError<&'static str>> {
        Pairs::parse(text, &["a", "bold"])
    }

    #[test]
    fn keys_come_once_each_in_any_order() {
        let pairs = parse("bold=2,a=1=1").unwrap();
        assert_eq!((pairs.get("a"), pairs.get("bold")), (Some("1=1"), Some("2")));
        assert!(pairs.keys().eq(["bold", "a"]));
        assert_eq!(parse("bold=").unwrap().get("a"), None);
    }

    #[test]
    fn any_other_text_is_an_error_that_names_its_part() {
        for (text, says) in [
            ("", "an empty text is not key=value"),
            ("a=1,", "an empty text is not key=value"),
            ("a,bold=1", "a is not key=value"),
            ("a=1,c=3", "c is not a key; the keys are a, bold"),
            ("a=1,blod=3", "blod is not a key; did you mean bold?"),
            ("a\n=1", r"a\n is not a key; did you mean a?"),
            ("a=1,a=2", "a is given twice; write it once"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), says);
        }
    }

    #[test]
    fn a_value_is_an_accepted_quantity_or_an_error_with_the_remedy() {
        let pairs = parse("a=1500,bold=0").unwrap();
        let at_least = |least: u64| pairs.quantity("a", |size: &Bytes| size.0 >= least, "is too small; write 2kB");
        assert!(at_least(1).unwrap_err().to_string().contains("1500B"));
        assert_eq!(at_least(2_000_000_000_000_000).unwrap_err().to_string(), "a: 1500 is too small; write 2kB");
        let above_zero = |text: &str| text.parse().ok().filter(|number: &u32| *number > 0);
        assert_eq!(pairs.read("a", above_zero, ""), Ok(Some(1500)));
        assert_eq!(pairs.read("bold", above_zero, "is zero").unwrap_err().to_string(), "bold: 0 is zero");
        assert_eq!(parse("a=1").unwrap().quantity("bold", |_: &Nanos| false, ""), Ok(None));
    }
}
