//! JSON schemas (draft 2020-12) of the reports, made from the types that are written.
//!
//! A schema describes what this version writes: every key is in it, and no other key is allowed, so a key that is
//! written and not described fails the tests that hold reports against their schemas. The schemas are in
//! `shared/schemas`, and the tests of the crates that write the reports keep them up to date.
//!
//! ```
//! use shared::report::DriverFile;
//! use shared::report::schema::schema_of;
//!
//! let schema = schema_of::<DriverFile>();
//! assert_eq!(schema["properties"]["schema"]["const"], "pushback.driver/2");
//! assert_eq!(schema["additionalProperties"], false);
//! ```

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::units::{Bytes, LinkRate, Nanos, Ratio};

/// Describes types that are written as text: `text_schema! { Nanos: "A time with its unit."; }`.
#[macro_export]
macro_rules! text_schema {
    ($($name:ident: $description:literal;)+) => {
        $(impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({"type": "string", "description": $description})
            }
        })+
    };
}

text_schema! {
    Bytes: "A size with its unit, such as 1500B or 64KiB.";
    LinkRate: "A rate in bits per second with its unit, such as 1Gbit, or `unlimited`.";
    Nanos: "A time with its unit, such as 12us or 5ms.";
    Ratio: "A ratio, such as 0.9.";
}

/// A place in a schema, as a JSON pointer, where the type holds a value of any kind; and the schema of what is there.
pub type Part = (&'static str, fn(&mut SchemaGenerator) -> Schema);

/// The schema of what `T` writes.
pub fn schema_of<T: JsonSchema>() -> Value {
    schema_with::<T>(&[])
}

/// The same with the `parts` of which `T` itself knows nothing. A part at a place that the schema does not have is left
/// out.
pub fn schema_with<T: JsonSchema>(parts: &[Part]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let described: Vec<_> = parts.iter().map(|(at, part)| (*at, part(&mut generator))).collect();
    let mut schema = generator.into_root_schema_for::<T>();
    for (at, part) in described {
        if let Some(Value::Object(place)) = schema.pointer_mut(at) {
            place.extend(part.as_object().cloned().unwrap_or_default());
        }
    }
    Plain.transform(&mut schema);
    schema.to_value()
}

/// Allows no key that is not described, and turns the comments of the source into plain text.
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = plain(text);
        }
        transform_subschemas(self, schema);
    }
}

/// `comment` with each paragraph on one line, and without the links of the source's documentation.
fn plain(comment: &str) -> String {
    let paragraphs = comment.split("\n\n").map(|paragraph| paragraph.lines().collect::<Vec<_>>().join(" "));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    let mut pieces = text.split("[`");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let Some((name, rest)) = piece.split_once("`]") else {
            plain += &format!("[`{piece}");
            continue;
        };
        let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        plain += &format!("`{name}`{}", target.map_or(rest, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Serialize;
    use serde_json::json;

    use super::*;

    /// What [`Outer::any`]
    /// holds.
    #[derive(Serialize, JsonSchema)]
    struct Inner {
        /// A time.
        time: Nanos,
    }

    #[derive(Serialize, JsonSchema)]
    struct Outer {
        /// A value of any kind.
        any: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        maybe: Option<u32>,
        #[serde(flatten)]
        inner: Inner,
    }

    #[test]
    fn each_key_is_described_and_no_other_is_allowed() {
        let schema = schema_with::<Outer>(&[("/properties/any", SchemaGenerator::subschema_for::<Inner>)]);
        assert_eq!(schema["required"], json!(["any", "time"]));
        assert_eq!(
            schema["properties"]["any"],
            json!({"description": "A value of any kind.", "$ref": "#/$defs/Inner"})
        );
        assert_eq!(schema["properties"]["time"]["description"], "A time.");
        assert_eq!(schema["$defs"]["Inner"]["description"], "What `Outer::any` holds.");
        assert_eq!(schema["$defs"]["Nanos"]["type"], "string");
        for object in [&schema, &schema["$defs"]["Inner"]] {
            assert_eq!(object["additionalProperties"], false);
        }
    }

    #[test]
    fn a_comment_becomes_plain_text() {
        for (comment, text) in [
            ("one\ntwo\n\nthree", "one two\n\nthree"),
            ("of [`a`] and [`B`](super::B), [x]", "of `a` and `B`, [x]"),
            ("[`open", "[`open"),
        ] {
            assert_eq!(plain(comment), text);
        }
    }
}
