//! Errors of app settings, and what to write instead.

use std::fmt;

use shared::units::UnitError;

use super::keys::{Key, Kind};

/// The text is not an app. The message is one line: the flag, the text, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--app {written}: {problem}")]
pub struct SpecError {
    written: String,
    problem: SpecProblem,
}

/// What is wrong with the text of an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecProblem {
    /// The word before the colon is not a kind.
    #[error("{0} is not a kind of app; write one of {kinds}, such as cbr:rate=100Mbit", kinds = list(Kind::ALL))]
    UnknownKind(String),
    /// A setting has no value, or is empty.
    #[error("{item} is not key=value; the keys of {kind} are {keys}", keys = list(kind.keys()))]
    NotAPair {
        /// The setting.
        item: String,
        /// The app's kind.
        kind: Kind,
    },
    /// The key does not exist.
    #[error("{key} is not a key; the keys of {kind} are {keys}", keys = list(kind.keys()))]
    UnknownKey {
        /// The text of the key.
        key: String,
        /// The app's kind.
        kind: Kind,
    },
    /// The key belongs to other kinds only.
    #[error("{kind} has no key {key}, which is for {owners}; the keys of {kind} are {keys}",
        owners = list(Kind::ALL.into_iter().filter(|kind| key.belongs_to(*kind))), keys = list(kind.keys()))]
    ForeignKey {
        /// The key.
        key: Key,
        /// The app's kind.
        kind: Kind,
    },
    /// The key occurs twice.
    #[error("{0} is given twice; write it once")]
    RepeatedKey(Key),
    /// The value is not a quantity of the key's unit.
    #[error("{key}: {error}")]
    BadUnit {
        /// The key.
        key: Key,
        /// What is wrong with its value.
        error: UnitError,
    },
    /// The key does not accept the value.
    #[error("{key}: {value} {remedy}")]
    BadValue {
        /// The key.
        key: Key,
        /// The text of the value.
        value: String,
        /// What is wrong, and what to write.
        remedy: String,
    },
    /// An open-loop app has no pace.
    #[error("{0} needs a rate or a load; add rate=100Mbit, rate=10kpps or load=0.9")]
    NoPace(Kind),
    /// An open-loop app has two paces.
    #[error("rate and load exclude each other; write one of them")]
    TwoPaces,
}

impl SpecError {
    pub(super) fn new(written: &str, problem: SpecProblem) -> Self {
        let written = if written.is_empty() { "''".to_owned() } else { shown(written) };
        Self { written, problem }
    }

    /// What is wrong.
    pub fn problem(&self) -> &SpecProblem {
        &self.problem
    }
}

/// `text` for a message of one line: escaped, and cut to 120 characters.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
