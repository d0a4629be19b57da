//! The lines of `--json-stream`: one JSON value each, as the run goes on.
//!
//! ```
//! use shared::report::{Sample, StreamEvent};
//!
//! let line = StreamEvent::Interval(Sample { time_ns: 5, ..Sample::default() });
//! assert!(serde_json::to_string(&line)?.starts_with(r#"{"event":"interval","data":{"time_ns":5,"#));
//! # Ok::<_, serde_json::Error>(())
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigReport, HostReport, Origin, RunReport, Sample};

/// Schema of the lines of `--json-stream`.
pub const STREAM_SCHEMA: &str = "pushback.stream/1";

/// One line of `--json-stream`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
pub enum StreamEvent {
    /// The first line: the run begins.
    Start(Box<StreamStart>),
    /// An interval of the run has ended. Lines are left out if their reader does not read them, and then counted in the
    /// last line.
    Interval(Sample),
    /// The last line: the run has ended. It is missing if the run has no report.
    End(Box<RunReport>),
}

/// What is known of a run when it begins, under the keys of its report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamStart {
    /// Name and version of the schema of these lines, [`STREAM_SCHEMA`].
    #[schemars(extend("const" = STREAM_SCHEMA))]
    pub schema: String,
    /// Every resolved setting.
    pub config: ConfigReport,
    /// The seed of all random numbers.
    pub seed: u64,
    /// `real` or `virtual`.
    pub clock: String,
    /// The machine and the program.
    pub host: Option<HostReport>,
    /// When, by which program and by which command the run was begun.
    #[serde(flatten)]
    pub origin: Origin,
}

impl StreamEvent {
    /// The first line of a run.
    pub fn start(config: ConfigReport, seed: u64, clock: &str, origin: Origin) -> Self {
        let (schema, clock, host) = (STREAM_SCHEMA.to_owned(), clock.to_owned(), Some(HostReport::read()));
        Self::Start(Box::new(StreamStart { schema, config, seed, clock, host, origin }))
    }
}
