//! Why a text is no app, and what to write instead.

use std::fmt;

use shared::units::UnitError;

use super::keys::{Key, Kind};

/// A text that is no app. The message is one line: the flag, what was written, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--app {written}: {problem}")]
pub struct SpecError {
    written: String,
    problem: SpecProblem,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecProblem {
    /// The word before the colon.
    #[error("{0} is no kind of app; write one of {kinds}, such as cbr:rate=100Mbit", kinds = list(Kind::ALL))]
    UnknownKind(String),
    /// A setting without a value, or nothing at all.
    #[error("{item} is not key=value; the keys of {kind} are {keys}", keys = list(kind.keys()))]
    NotAPair {
        /// What was written.
        item: String,
        /// The app's kind.
        kind: Kind,
    },
    /// A key that no kind has.
    #[error("{key} is no key; the keys of {kind} are {keys}", keys = list(kind.keys()))]
    UnknownKey {
        /// What was written.
        key: String,
        /// The app's kind.
        kind: Kind,
    },
    /// A key that another kind has.
    #[error("{kind} has no {key}, which is for {owners}; the keys of {kind} are {keys}",
        owners = list(Kind::ALL.into_iter().filter(|kind| key.belongs_to(*kind))), keys = list(kind.keys()))]
    ForeignKey {
        /// The key.
        key: Key,
        /// The app's kind.
        kind: Kind,
    },
    /// A key that is there twice.
    #[error("{0} is there twice; write it once")]
    RepeatedKey(Key),
    /// A quantity that cannot be read.
    #[error("{key}: {error}")]
    BadUnit {
        /// The key.
        key: Key,
        /// What is wrong with its value.
        error: UnitError,
    },
    /// A value that is none of those that the key has.
    #[error("{key}: {value} {remedy}")]
    BadValue {
        /// The key.
        key: Key,
        /// What was written.
        value: String,
        /// What is wrong, and what to write.
        remedy: String,
    },
    /// An open-loop app without a pace.
    #[error("{0} needs to know how much to send; add rate=100Mbit, rate=10kpps or load=0.9")]
    NoPace(Kind),
    /// An open-loop app with two paces.
    #[error("rate and load both say how much to send; write one of them")]
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

/// What was written, fit for a message of one line.
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
