//! Holds what the programs write against the committed schemas.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Checks that the JSON `text` is what its schema in `shared/schemas` describes, and returns the name of the schema.
pub(crate) fn conforms(text: &str) -> String {
    let written: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let name = written["schema"].as_str().unwrap_or_else(|| panic!("no schema: {text}"));
    let name = name.strip_prefix("pushback.").unwrap().replace('/', "-");
    conforms_to(&name, &written);
    name
}

/// Checks that `written` is what the schema `name`, such as `run-2`, describes.
pub(crate) fn conforms_to(name: &str, written: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/schemas").join(format!("{name}.json"));
    let schema: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(written).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
}
