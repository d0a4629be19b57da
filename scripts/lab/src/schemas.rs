//! The JSON schemas of all reports that stack, driver and lab write, held against the files in `shared/schemas`.

use driver::settings::Settings as DriverArgs;
use netstack::process::Args as StackArgs;
use schemars::SchemaGenerator;
use serde_json::Value;
use shared::report::schema::{Part, schema_with};
use shared::report::{DriverFile, RunReport, StreamEvent};

use crate::bench::BenchReport;
use crate::check::CheckReport;
use crate::commands::Confirmed;
use crate::committed;
use crate::comparison::Comparison;
use crate::count::{Ceilings, CountReport};
use crate::dispatch::DispatchReport;
use crate::points::provenance::Provenance;
use crate::points::store::FailedFile;
use crate::points::table::TableFile;
use crate::settings::SimulationSettings;
use crate::tune::Answer;

/// What a report holds as settings, which are types of the programs.
const CONFIG: [Part; 3] = [
    ("/$defs/ConfigReport/properties/netstack", SchemaGenerator::subschema_for::<StackArgs>),
    ("/$defs/ConfigReport/properties/driver", SchemaGenerator::subschema_for::<DriverArgs>),
    ("/$defs/ConfigReport/properties/simulate", SchemaGenerator::subschema_for::<Option<SimulationSettings>>),
];

const DRIVER_CONFIG: [Part; 1] = [("/properties/config", SchemaGenerator::subschema_for::<DriverArgs>)];

fn all() -> [(&'static str, Value); 14] {
    [
        ("run-2", schema_with::<RunReport>(&CONFIG)),
        ("stream-1", schema_with::<StreamEvent>(&CONFIG)),
        ("driver-2", schema_with::<DriverFile>(&DRIVER_CONFIG)),
        ("compare-1", schema_with::<Comparison<'static>>(&CONFIG)),
        ("sweep-1", schema_with::<Provenance>(&[])),
        ("sweep-table-2", schema_with::<TableFile>(&CONFIG)),
        ("failed-run-1", schema_with::<FailedFile>(&CONFIG)),
        ("tune-1", schema_with::<Answer>(&[])),
        ("check-1", schema_with::<CheckReport>(&[])),
        ("predict-1", schema_with::<Confirmed>(&[])),
        ("bench-1", schema_with::<BenchReport>(&[])),
        ("dispatch-1", schema_with::<DispatchReport>(&[])),
        ("count-1", schema_with::<CountReport<'static>>(&[])),
        ("ceilings-1", schema_with::<Ceilings>(&[])),
    ]
}

#[test]
fn the_committed_schemas_are_those_of_what_is_written() {
    for (name, schema) in all() {
        // The file is named after what it describes: `run-2` is `pushback.run/2`.
        let of_start = "/$defs/StreamStart/properties/schema/const";
        let described = schema.pointer("/properties/schema/const").or(schema.pointer(of_start));
        let described = described.and_then(Value::as_str).unwrap();
        assert_eq!(described, format!("pushback.{}", name.rsplit_once('-').unwrap().0) + "/" + &name[name.len() - 1..]);
        committed::compare(name, &schema, "lab");
    }
}
