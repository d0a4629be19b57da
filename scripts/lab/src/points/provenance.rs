//! `sweep.json`: when, where and how a sweep was made, which is all that differs from one time to the next.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::report::{HostReport, Origin};

use super::store::{Store, StoreError};
use super::table::program;

/// Schema of the file.
const SWEEP_SCHEMA: &str = "pushback.sweep/1";
/// The name of the file in the folder of the sweep.
const FILE: &str = "sweep.json";

/// When, where and how a sweep was made. What an earlier version did not write, or what is not known, is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Provenance {
    /// Name and version of the schema, [`SWEEP_SCHEMA`].
    #[schemars(extend("const" = SWEEP_SCHEMA))]
    schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// What the plan calls it.
    pub(crate) title: Option<String>,
    /// When the last command began and ended.
    pub(crate) began: Option<String>,
    ended: Option<String>,
    /// The command line.
    pub(crate) command: Vec<String>,
    pub(crate) program: Option<String>,
    /// The level of its intervals.
    pub(crate) level: Option<f64>,
    pub(crate) host: Option<HostReport>,
    /// How long each run took, by the name of its file, also those of earlier commands.
    wall_ns: BTreeMap<String, u64>,
}

impl Provenance {
    /// What is known of runs that are no sweep: their host, and when and by which command they were made.
    pub(crate) fn of_runs(host: Option<HostReport>, origin: Origin) -> Self {
        let (began, command) = (origin.date.clone(), origin.command_line.clone().unwrap_or_default());
        Self { host, began, command, origin, ..Self::default() }
    }

    /// Writes that this process made a sweep since `began`; `wall_ns` is of the runs that are new.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub(crate) fn write(
        store: &Store,
        title: Option<String>,
        began: Timestamp,
        level: f64,
        new: &BTreeMap<String, u64>,
    ) -> Result<(), StoreError> {
        let mut wall_ns = Self::read(store)?.wall_ns;
        wall_ns.extend(new.clone());
        let origin = Origin::now();
        let provenance = Self {
            schema: SWEEP_SCHEMA.to_owned(),
            command: origin.command_line.clone().unwrap_or_default(),
            origin,
            title,
            began: Some(began.to_string()),
            ended: Some(Timestamp::now().to_string()),
            program: Some(program()),
            level: Some(level),
            host: Some(HostReport::read()),
            wall_ns,
        };
        store.write_json(FILE, &provenance)
    }

    /// Reads the file of the folder. A file that is missing or not of this schema says nothing.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let text = store.read_text(FILE)?.unwrap_or_default();
        let read: Self = serde_json::from_str(&text).unwrap_or_default();
        Ok(if read.schema == SWEEP_SCHEMA { read } else { Self::default() })
    }
}
