//! Errors of app settings, and what to write instead.

use std::fmt;

use shared::units::{PairsError, Phase, did_you_mean, shown};

use super::super::trace::TraceError;
use super::keys::{Key, Kind};

/// The most characters of a text that a message repeats.
pub(super) const LONGEST_SHOWN: usize = 120;

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
    #[error("{0} is not a kind of app{meant}; write one of {kinds}, such as cbr:rate=100Mbit",
        meant = did_you_mean(_0, Kind::ALL.map(Kind::name)), kinds = list(Kind::ALL))]
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
    #[error("{key} is not a key{meant}; the keys of {kind} are {keys}",
        meant = did_you_mean(key, kind.keys().map(Key::name)), keys = list(kind.keys()))]
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
    /// A key occurs twice, or does not accept its value.
    #[error(transparent)]
    Setting(#[from] PairsError<Key>),
    /// An open-loop app has no pace.
    #[error("{0} needs a rate or a load; add rate=100Mbit, rate=10kpps or load=0.9")]
    NoPace(Kind),
    /// An app that receives has no port.
    #[error("{0} needs a port; add port=9, or another number from 1 to 65535")]
    NoPort(Kind),
    /// Nothing is recorded.
    #[error("trace needs a file; add file=PATH of a pcap file, or of a table with the line time_ns,size at its top")]
    NoFile,
    /// The file of a trace cannot be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// One distribution has no default shape.
    #[error("distribution=pareto needs a shape; add shape=1.5, or another number above 1")]
    ShapeMissing,
    /// Only one distribution has a shape.
    #[error("shape is for distribution=pareto; leave it out, or write distribution=pareto")]
    NoShape,
    /// A random period has no certain place.
    #[error("phase={0} needs distribution=fixed; write phase=random, or leave it out")]
    RandomPeriod(Phase),
    /// An open-loop app has two paces.
    #[error("rate and load exclude each other; write one of them")]
    TwoPaces,
}

impl SpecError {
    pub(super) fn new(written: &str, problem: SpecProblem) -> Self {
        let written = if written.is_empty() { "''".to_owned() } else { shown(written, LONGEST_SHOWN) };
        Self { written, problem }
    }

    /// What is wrong.
    pub fn problem(&self) -> &SpecProblem {
        &self.problem
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
