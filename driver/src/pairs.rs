//! Flags of the form `key=value,key=value`: each key once, in any order, and no other.

use std::num::NonZeroU32;
use std::str::FromStr;

use shared::units::{UnitError, parse_accepted};

/// Text that is not such pairs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairsError {
    /// A part without `=`.
    #[error("`{0}` is not of the form key=value")]
    NoValue(String),
    /// A key that does not belong here.
    #[error("unknown key `{key}`, known are {known}")]
    UnknownKey {
        /// What was written.
        key: String,
        /// What could be.
        known: String,
    },
    /// The same key again.
    #[error("`{0}` is given twice")]
    Twice(&'static str),
    /// A key is not there.
    #[error("`{0}=` is missing")]
    Missing(&'static str),
    /// A value that cannot be read.
    #[error("{key}={value}: {why}")]
    BadValue {
        /// Whose value.
        key: &'static str,
        /// What was written.
        value: String,
        /// What is wrong with it, and how it is written.
        why: String,
    },
}

/// The value of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    key: &'static str,
    text: &'a str,
}

impl Value<'_> {
    /// Parses a quantity that `accepted` accepts; `remedy` is the advice if it does not.
    pub(crate) fn parse<T: FromStr<Err = UnitError>>(
        self,
        accepted: impl Fn(&T) -> bool,
        remedy: &str,
    ) -> Result<T, PairsError> {
        parse_accepted(self.text, accepted, remedy).map_err(|why| self.bad(why))
    }

    /// Read as a whole number above zero.
    pub(crate) fn count(self) -> Result<NonZeroU32, PairsError> {
        let why = format!("write a whole number from 1 to {}", u32::MAX);
        self.text.parse().map_err(|_| self.bad(why))
    }

    fn bad(self, why: String) -> PairsError {
        PairsError::BadValue { key: self.key, value: self.text.to_owned(), why }
    }
}

/// The values of `keys`, in their order.
pub(crate) fn pairs<'a, const N: usize>(text: &'a str, keys: [&'static str; N]) -> Result<[Value<'a>; N], PairsError> {
    let mut found = keys.map(|key| (key, None));
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').ok_or_else(|| PairsError::NoValue(part.to_owned()))?;
        let unknown = || PairsError::UnknownKey { key: key.to_owned(), known: keys.join(" and ") };
        let (key, place) = found.iter_mut().find(|(known, _)| *known == key).ok_or_else(unknown)?;
        if place.replace(value).is_some() {
            return Err(PairsError::Twice(key));
        }
    }
    for (key, text) in found {
        if text.is_none() {
            return Err(PairsError::Missing(key));
        }
    }
    Ok(found.map(|(key, text)| Value { key, text: text.unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<[Value<'_>; 2], PairsError> {
        pairs(text, ["a", "b"])
    }

    #[test]
    fn each_key_once_in_any_order() {
        let [a, b] = read("b=2,a=1").unwrap();
        assert_eq!((a.count().map(NonZeroU32::get), b.count().map(NonZeroU32::get)), (Ok(1), Ok(2)));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        assert_eq!(read("a=1"), Err(PairsError::Missing("b")));
        assert_eq!(read("a=1,a=2,b=3"), Err(PairsError::Twice("a")));
        assert_eq!(read("a,b=1"), Err(PairsError::NoValue("a".into())));
        assert!(matches!(read("a=1,b=2,c=3"), Err(PairsError::UnknownKey { .. })));
        let error = read("a=0,b=1").unwrap()[0].count().unwrap_err().to_string();
        assert!(error.contains("a=0") && error.contains("from 1"), "{error}");
    }
}
