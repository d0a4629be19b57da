//! Compares generated files with those that are committed. Included by the path of this file where the feature that has
//! this module is not set.

use std::fs;
use std::path::Path;

/// The variable that lets the tests write the files.
const WRITE: &str = "WRITE_SCHEMAS";

/// Compares `schema` with the committed file of schema `name`, or writes the file if [`WRITE`] is set.
///
/// # Panics
/// If the file is missing or differs; the message names the command that writes it.
pub(crate) fn compare(name: &str, schema: &serde_json::Value, package: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|above| {
        let folder = above.join("shared/schemas");
        folder.is_dir().then_some(folder)
    });
    let file = folder.unwrap().join(format!("{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    if std::env::var_os(WRITE).is_some() {
        return fs::write(file, text).unwrap();
    }
    assert!(
        fs::read_to_string(&file).is_ok_and(|committed| committed == text),
        "{}: is not the schema of what is written; write it with {WRITE}=1 cargo test -p {package} schema, and commit it",
        file.display()
    );
}
